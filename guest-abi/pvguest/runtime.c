// SPDX-License-Identifier: MIT
/*
 * From the entry point to guest_main() and to the end; see runtime.h.
 */
#include "pvguest/mm.h"
#include "pvguest/runtime.h"
#include "pvguest/traps.h"

void runtime_main(struct start_info *si);

union cpu_stack boot_stack __attribute__((aligned(CPU_STACK_SIZE)));
struct start_info *start_info;
struct shared_info *shared_info;
unsigned checks_done, checks_failed;

/* Its frame is given up for shared_info's. */
static char shared_info_page[4096] __attribute__((aligned(4096)));

void *memcpy(void *to, const void *from, size_t n)
{
    void *ret = to;

    __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(n) : : "memory");
    return ret;
}

void *memmove(void *to, const void *from, size_t n)
{
    char *t = to;
    const char *f = from;

    if (t <= f || t >= f + n)
        return memcpy(to, from, n);
    while (n--) {
        t[n] = f[n];
        __asm__ volatile("" : : : "memory"); /* or gcc makes a memmove of this */
    }
    return to;
}

void *memset(void *to, int c, size_t n)
{
    void *ret = to;

    __asm__ volatile("rep stosb" : "+D"(to), "+c"(n) : "a"(c) : "memory");
    return ret;
}

int memcmp(const void *a, const void *b, size_t n)
{
    const unsigned char *x = a, *y = b;

    for (; n--; x++, y++)
        if (*x != *y)
            return *x - *y;
    return 0;
}

size_t strlen(const char *s)
{
    size_t n = 0;

    for (; s[n]; n++)
        __asm__ volatile("" : : : "memory"); /* or gcc makes a strlen of this */
    return n;
}

static uint64_t number_parse(const char *s)
{
    unsigned base = 10;
    uint64_t value = 0;

    if (s[0] == '0' && s[1] == 'x') {
        base = 16;
        s += 2;
    }
    for (;; s++) {
        unsigned digit = (unsigned)(*s - '0');

        if (digit > 9)
            digit = (unsigned)((*s | 0x20) - 'a') + 10;
        if (digit >= base)
            return value;
        value = value * base + digit;
    }
}

uint64_t cmdline_number(const char *name, uint64_t otherwise)
{
    const char *s = (const char *)start_info->cmd_line;
    size_t n = strlen(name);

    for (; *s; s++)
        if ((s == (const char *)start_info->cmd_line || s[-1] == ' ') && !memcmp(s, name, n) && s[n] == '=')
            return number_parse(s + n + 1);
    return otherwise;
}

uint64_t tsc_read(void)
{
    uint32_t lo, hi;

    __asm__ volatile("rdtsc" : "=a"(lo), "=d"(hi));
    return (uint64_t)hi << 32 | lo;
}

uint64_t system_time_ns(void)
{
    const volatile struct vcpu_time_info *t = &this_cpu()->info->time;
    uint64_t ns, delta;
    uint32_t version;

    do {
        version = t->version;
        __asm__ volatile("lfence" : : : "memory");
        delta = tsc_read() - t->tsc_timestamp;
        delta = t->tsc_shift < 0 ? delta >> -t->tsc_shift : delta << t->tsc_shift;
        ns = t->system_time + (uint64_t)((unsigned __int128)delta * t->tsc_to_system_mul >> 32);
        __asm__ volatile("" : : : "memory");
    } while ((version & 1) || version != t->version);
    return ns;
}

void shutdown(unsigned reason)
{
    struct sched_shutdown arg = {.reason = reason};

    console_drain();
    hc_sched_op(SCHEDOP_shutdown, &arg);
    for (;;)
        hc_sched_op(SCHEDOP_block, NULL);
}

static void shared_info_map(void)
{
    shared_info = (struct shared_info *)shared_info_page;
    if (hc_update_va_mapping((uint64_t)shared_info_page, (start_info->shared_info & PTE_MFN) | PTE_RAM,
                             UVMF_INVLPG))
        shutdown(SHUTDOWN_crash); /* there is no console to say why */
}

void runtime_main(struct start_info *si)
{
    start_info = si;
    shared_info_map();
    this_cpu()->info = &shared_info->vcpu_info[0];
    events_mask();
    console_init();
    traps_init();
    guest_main();
    if (checks_failed) {
        printf("FAILED: %u of %u checks\n", checks_failed, checks_done);
        shutdown(SHUTDOWN_crash);
    }
    printf("PASSED: %u checks\n", checks_done);
    shutdown(SHUTDOWN_poweroff);
}
