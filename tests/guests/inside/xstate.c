/* width: 64 */
// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Every component of the extended state that CPUID offers (x87, SSE, AVX, and AVX-512 or PKRU where they are)
 * is loaded with XRSTOR, has to outlive a system call, a page fault, a signal, a switch to other tasks with
 * other contents, and comes back by XSAVE to the byte, and no byte behind. XSAVEC and XSAVEOPT say the same.
 * A hypervisor that saves less than it offers, or leaves state of one task to the next, fails here.
 */
#include "check.h"

#include <cpuid.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>

enum { AREA = 16384, HEADER = 512, COMPACTED = 63, UNTOUCHED = 0xa5 };

static uint64_t offered;
static unsigned area_size; /* as CPUID has it for what is offered */
static struct {
    unsigned offset, size;
} component[64];
static int has_xsavec, has_xsaveopt;

static void find_components(void)
{
    unsigned a, b, c, d;

    if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & 1u << 27))
        SKIP("no XSAVE here");
    __asm__("xgetbv" : "=a"(a), "=d"(d) : "c"(0));
    offered = (uint64_t)d << 32 | a;
    CHECK((offered & 3) == 3);
    __cpuid_count(13, 0, a, b, c, d);
    CHECK(b < AREA && b >= 576);
    area_size = b;
    CHECK_EQ(offered & ~((uint64_t)d << 32 | a), 0);
    for (unsigned i = 2; i < 63; i++) {
        if (!(offered >> i & 1))
            continue;
        __cpuid_count(13, i, a, b, c, d);
        CHECK(a > 0 && b >= 576 && a + b <= area_size);
        component[i].offset = b;
        component[i].size = a;
    }
    __cpuid_count(13, 1, a, b, c, d);
    has_xsaveopt = (a & 1) != 0;
    has_xsavec = (a & 2) != 0;
}

/* An area in the standard format with every component in use and filled from the seed. */
static void area_make(unsigned char *area, uint32_t seed)
{
    uint32_t random = seed * 2654435761u + 1;

    memset(area, 0, AREA);
    area[0] = 0x7f;
    area[1] = (unsigned char)(3 | (seed & 3) << 2); /* FCW: all masked, some rounding */
    area[4] = 0xff;                                 /* tags: all eight in use */
    uint32_t mxcsr = 0x1f80 | (seed & 3) << 13 | (seed >> 2 & 0x3f);

    memcpy(area + 24, &mxcsr, 4);
    for (unsigned i = 0; i < 8; i++)
        for (unsigned k = 0; k < 10; k++)
            area[32 + i * 16 + k] = (unsigned char)random_next(&random);
    for (unsigned i = 160; i < 416; i++)
        area[i] = (unsigned char)random_next(&random);
    memcpy(area + HEADER, &offered, 8);
    for (unsigned c = 2; c < 63; c++)
        for (unsigned k = 0; k < component[c].size; k++)
            area[component[c].offset + k] = (unsigned char)random_next(&random);
    if (offered >> 9 & 1) /* PKRU: one word; our own key stays open */
        memset(area + component[9].offset, 0, component[9].size);
    if (offered >> 9 & 1)
        area[component[9].offset + 1] = (unsigned char)seed;
}

static void area_check(const unsigned char *got, const unsigned char *expected, const char *when)
{
    uint64_t used;

    memcpy(&used, got + HEADER, 8);
    if ((used & offered) != offered)
        FAIL("%s: components %#lx of %#lx", when, (long)used, (long)offered);
    if (memcmp(got, expected, 6) != 0 || memcmp(got + 24, expected + 24, 4) != 0)
        FAIL("%s: control words differ: fcw %02x%02x tags %02x mxcsr %02x%02x", when, got[1], got[0], got[4],
             got[25], got[24]);
    for (unsigned i = 0; i < 8; i++)
        if (memcmp(got + 32 + i * 16, expected + 32 + i * 16, 10) != 0)
            FAIL("%s: st%u differs", when, i);
    if (memcmp(got + 160, expected + 160, 256) != 0)
        FAIL("%s: an XMM register differs", when);
    for (unsigned c = 2; c < 63; c++)
        if (component[c].size &&
            memcmp(got + component[c].offset, expected + component[c].offset, component[c].size) != 0)
            FAIL("%s: component %u differs", when, c);
}

/*
 * What happens between XRSTOR and XSAVE: compiled without vector registers, so that all of them are the
 * test's.
 */
#define GENERAL __attribute__((target("general-regs-only"), noinline))

GENERAL static long raw(long number, long a, long b, long c)
{
    long result;

    __asm__ volatile("syscall" : "=a"(result) : "a"(number), "D"(a), "S"(b), "d"(c) : "rcx", "r11", "memory");
    return result;
}

typedef void action(uintptr_t argument);

GENERAL static void act_nothing(uintptr_t argument)
{
    (void)argument;
}

GENERAL static void act_spin(uintptr_t argument)
{
    (void)argument;
    for (unsigned i = 0; i < 300000; i++)
        __asm__ volatile("");
}

GENERAL static void act_syscall(uintptr_t argument)
{
    (void)argument;
    for (int i = 0; i < 5; i++)
        raw(SYS_getppid, 0, 0, 0);
}

GENERAL static void act_yield(uintptr_t argument)
{
    (void)argument;
    for (int i = 0; i < 5; i++)
        raw(SYS_sched_yield, 0, 0, 0);
}

/* The page at `argument` goes away and comes back by a page fault; the CPU is asked who it is. */
GENERAL static void act_fault(uintptr_t argument)
{
    unsigned a = 0, b, c = 0, d;

    raw(SYS_madvise, (long)argument, PAGE, MADV_DONTNEED);
    *(volatile unsigned char *)argument = 1;
    __asm__ volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
}

GENERAL static void act_signal(uintptr_t argument)
{
    (void)argument;
    raw(SYS_tkill, raw(SYS_gettid, 0, 0, 0), SIGUSR1, 0);
}

GENERAL static void act_trap(uintptr_t argument)
{
    (void)argument;
    __asm__ volatile("int3");
}

GENERAL static void act_sleep(uintptr_t argument)
{
    static const struct timespec nap = {0, 2000000};

    (void)argument;
    raw(SYS_nanosleep, (long)&nap, 0, 0);
}

enum form { XSAVE, XSAVEOPT, XSAVEC };

/*
 * xrstor(in), action, save to `out`, in one piece of assembly. In a page of its own: those that have CPUID or
 * XGETBV, as the rest of this file, are never run directly (docs/security.md).
 */
__attribute__((noinline, section(".text.carry"), aligned(PAGE))) static void
carry(const unsigned char *in, unsigned char *out, action *act, uintptr_t argument, enum form form)
{
    static const unsigned char initial[AREA] __attribute__((aligned(64)));
    struct {
        const unsigned char *in;
        unsigned char *out;
        action *act;
        uintptr_t argument, form;
    } plan = {in, out, act, argument, form}, *p = &plan;
    uint32_t mxcsr = 0x1f80;

    memset(out, 0, area_size);
    memset(out + area_size, UNTOUCHED, AREA - area_size);
    __asm__ volatile(
        "mov (%0), %%rbx\n mov 8(%0), %%r12\n mov 16(%0), %%r13\n mov 24(%0), %%r14\n mov 32(%0), %%r15\n"
        "mov %%rsp, %%rbp\n sub $256, %%rsp\n and $-64, %%rsp\n" /* clear of the red zone */
        "mov $-1, %%eax\n mov $-1, %%edx\n xrstor64 (%%rbx)\n"
        "mov %%r14, %%rdi\n call *%%r13\n"
        "mov $-1, %%eax\n mov $-1, %%edx\n"
        "cmp $1, %%r15d\n je 2f\n ja 3f\n"
        "xsave64 (%%r12)\n jmp 4f\n"
        "2: xsaveopt64 (%%r12)\n jmp 4f\n"
        "3: xsavec64 (%%r12)\n"
        "4: mov %%rbp, %%rsp"
        : "+D"(p)
        :
        : "rax", "rbx", "rcx", "rdx", "rsi", "rbp", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15",
          "memory", "cc");
    /* All back to the initial state, PKRU excepted, which programs that have it start with another value. */
    __asm__ volatile("xrstor64 %0\n ldmxcsr %1\n fninit"
                     :
                     : "m"(initial), "m"(mxcsr), "a"(~(1u << 9)), "d"(-1)
                     : "memory");
    for (unsigned i = area_size; i < AREA; i++)
        if (out[i] != UNTOUCHED)
            FAIL("an area of %u bytes was written to at %u", area_size, i);
}

static void check_all(uint32_t seed, int quick)
{
    static const struct {
        const char *name;
        action *act;
        int slow;
    } actions[] = {
        {"at once", act_nothing, 0}, {"system calls", act_syscall, 0}, {"page fault", act_fault, 0},
        {"signal", act_signal, 0},   {"breakpoint", act_trap, 0},      {"yield", act_yield, 0},
        {"spin", act_spin, 0},       {"sleep", act_sleep, 1},
    };
    unsigned char *in = aligned_alloc(64, AREA), *out = aligned_alloc(64, AREA),
                  *expanded = aligned_alloc(64, AREA);
    unsigned char *page = map_pages(1, PROT_READ | PROT_WRITE);

    CHECK(in && out && expanded);
    for (size_t i = 0; i < sizeof(actions) / sizeof(actions[0]); i++) {
        if (actions[i].slow && quick)
            continue;
        area_make(in, seed + (uint32_t)i);
        carry(in, out, actions[i].act, (uintptr_t)page, XSAVE);
        area_check(out, in, actions[i].name);
    }
    if (has_xsaveopt) {
        carry(in, out, act_nothing, 0, XSAVEOPT);
        area_check(out, in, "xsaveopt");
    }
    if (has_xsavec) {
        uint64_t format;

        carry(in, expanded, act_syscall, 0, XSAVEC);
        memcpy(&format, expanded + HEADER + 8, 8);
        CHECK_EQ(format, offered | 1ull << COMPACTED);
        carry(expanded, out, act_nothing, 0, XSAVE);
        area_check(out, in, "xsavec, xrstor, xsave");
    }
    free(in);
    free(out);
    free(expanded);
    munmap(page, PAGE);
}

static volatile int nested;

/* A handler with contents of its own: only in the innermost, which sends no further signal. */
static void on_signal(int number)
{
    static __thread int busy;

    if (number == SIGUSR1 && !busy) {
        unsigned char *in = aligned_alloc(64, AREA), *out = aligned_alloc(64, AREA);

        busy = 1;
        area_make(in, 777);
        carry(in, out, act_syscall, 0, XSAVE);
        area_check(out, in, "within a handler");
        free(in);
        free(out);
        busy = 0;
        nested++;
    }
}

static void *task(void *argument)
{
    for (uint32_t i = 0; i < 12; i++)
        check_all((uint32_t)(uintptr_t)argument * 1000 + i * 16, 0);
    return NULL;
}

int main(void)
{
    pthread_t threads[6];
    pid_t child;

    find_components();
    signal(SIGUSR1, on_signal);
    signal(SIGTRAP, on_signal);
    for (uint32_t i = 0; i < 40; i++)
        check_all(i * 32, 1);
    CHECK(nested >= 40);
    child = fork();
    CHECK(child >= 0);
    for (uintptr_t i = 0; i < 6; i++)
        CHECK(pthread_create(&threads[i], NULL, task, (void *)(i + (child ? 10 : 20))) == 0);
    for (int i = 0; i < 6; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    if (child == 0)
        _exit(0);
    CHECK_EQ(child_status(child), 0);
    return 0;
}
