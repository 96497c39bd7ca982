/* width: 64 */
// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The vsyscall page, which programs of 2003 call at fixed addresses of the kernel's half: answered by the
 * kernel when it is fetched from (vsyscall=emulate or xonly), legible only with emulate, nothing at all with
 * none, and never writable. On a PV kernel the page is in the user's page table by the hypervisor's grace,
 * and the fetch has to fault with the right error code.
 */
#include "check.h"

#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/time.h>

#define VSYSCALL 0xffffffffff600000ul

static sigjmp_buf escape;
static volatile uintptr_t fault_address;

static void on_fault(int number, siginfo_t *info, void *context)
{
    (void)number, (void)context;
    fault_address = (uintptr_t)info->si_addr;
    siglongjmp(escape, 1);
}

static long call(uintptr_t at, void *first, void *second)
{
    long result;

    __asm__ volatile("call *%1"
                     : "=a"(result)
                     : "r"(at), "D"(first), "S"(second), "d"(0)
                     : "rcx", "r11", "memory", "cc");
    return result;
}

static int call_faults(uintptr_t at)
{
    long nowhere_to[4];

    if (sigsetjmp(escape, 1))
        return 1;
    call(at, nowhere_to, nowhere_to);
    return 0;
}

static int touch_faults(uintptr_t at, int write)
{
    if (sigsetjmp(escape, 1)) {
        CHECK_EQ(fault_address, at);
        return 1;
    }
    if (write)
        *(volatile unsigned char *)at = 0;
    else
        (void)*(volatile unsigned char *)at;
    return 0;
}

/* What /proc/self/maps says of the page: "r-xp", "--xp", or nothing. */
static const char *offered(void)
{
    static char rights[8] = "";
    FILE *maps = fopen("/proc/self/maps", "r");
    char line[256];

    CHECK(maps);
    while (fgets(line, sizeof(line), maps))
        if (strstr(line, "[vsyscall]"))
            CHECK(sscanf(line, "%*s %4s", rights) == 1);
    fclose(maps);
    return rights;
}

int main(void)
{
    struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};
    const char *rights = offered();

    CHECK(sigaction(SIGSEGV, &action, NULL) == 0);
    CHECK_EQ(touch_faults(VSYSCALL, 1), 1);
    CHECK_EQ(touch_faults(VSYSCALL + PAGE, 0), 1);
    CHECK_EQ(touch_faults(VSYSCALL - 1, 0), 1);
    CHECK_EQ(touch_faults(VSYSCALL, 0), rights[0] != 'r');
    CHECK_EQ(call_faults(VSYSCALL + 3), 1); /* the middle of what looks like a function */
    CHECK_EQ(call_faults(VSYSCALL + 0xc00), 1);
    if (rights[0] == 0) {
        for (unsigned long i = 0; i < 3; i++)
            CHECK_EQ(call_faults(VSYSCALL + i * 0x400), 1);
        puts("no vsyscall page in this kernel: nothing answers there");
        return 0;
    }
    CHECK(rights[2] == 'x');
    for (int i = 0; i < 500; i++) {
        struct timeval now, then;
        unsigned cpu = ~0u, node = ~0u;
        time_t seconds = 0;

        CHECK(gettimeofday(&then, NULL) == 0);
        CHECK_EQ(call(VSYSCALL, &now, NULL), 0);
        CHECK(now.tv_usec >= 0 && now.tv_usec < 1000000);
        CHECK(now.tv_sec > then.tv_sec || (now.tv_sec == then.tv_sec && now.tv_usec >= then.tv_usec));
        CHECK(now.tv_sec - then.tv_sec < 60);
        /* time() knows the second as of the last tick. */
        struct timespec tick;

        CHECK(clock_gettime(CLOCK_REALTIME_COARSE, &tick) == 0);
        long said = call(VSYSCALL + 0x400, &seconds, NULL);

        CHECK(said == seconds && said >= tick.tv_sec && said - tick.tv_sec < 60);
        CHECK_EQ(call(VSYSCALL + 0x800, &cpu, &node), 0);
        CHECK(cpu < 4096 && node < 64);
        /* A bad pointer is the caller's fault, as a store of its own would be. */
        if (sigsetjmp(escape, 1) == 0) {
            call(VSYSCALL, nowhere(), NULL);
            FAIL("a bad pointer went through");
        }
    }
    cpu_set_t one;

    for (int cpu = 0; cpu < 64; cpu++) {
        unsigned said = ~0u;

        CPU_ZERO(&one);
        CPU_SET(cpu, &one);
        if (sched_setaffinity(0, sizeof(one), &one) != 0)
            continue;
        CHECK_EQ(call(VSYSCALL + 0x800, &said, NULL), 0);
        CHECK_EQ(said, cpu);
    }
    return 0;
}
