/* width: 64 32 */
// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Programs that use up what there is: the CPU, by spinning with everything masked; mappings, as many as
 * their kernel allows, and pages that are all the same one; memory; exceptions of every kind in a row, and
 * with a stack that isn't there. The guest's other programs and its timer are served meanwhile, memory
 * keeps what was written, and a program is killed when its kernel says so. A hypervisor that runs out of
 * something of the host's on the way, or can't interrupt a program, fails here.
 */
#include "hostile.h"

#include <sched.h>

#ifdef __x86_64__
#define BITS(a64, a32) a64
#else
#define BITS(a64, a32) a32
#endif

/* ---- the CPU ---- */

static void spin(uintptr_t how)
{
    sigset_t all;

    sigfillset(&all);
    CHECK(sigprocmask(SIG_SETMASK, &all, NULL) == 0);
    switch (how % 4) {
    case 0:
        for (;;)
            __asm__ volatile("");
    case 1:
        for (;;)
            __asm__ volatile("pause");
    case 2: /* with flags that are no business of the interrupt's */
        __asm__ volatile(BITS("pushf\n orl $0x204000, (%%rsp)\n popf\n std\n 1: jmp 1b",
                              "pushf\n orl $0x204000, (%%esp)\n popf\n std\n 1: jmp 1b")::
                             : "memory");
        break;
    default: /* with a stack nowhere */
        __asm__ volatile("mov %0, " BITS("%%rsp", "%%esp") "\n 1: jmp 1b" : : "r"((uintptr_t)16) : "memory");
    }
    __builtin_unreachable();
}

static void use_up_cpu(void)
{
    enum { SPINNERS = 6 };
    static const struct timespec nap = {0, 5000000};
    unsigned rounds = witness_page->rounds;
    pid_t spinners[SPINNERS];
    uint64_t start;

    for (uintptr_t i = 0; i < SPINNERS; i++) {
        spinners[i] = fork();
        CHECK(spinners[i] >= 0);
        if (spinners[i] == 0) {
            CHECK(prctl(PR_SET_PDEATHSIG, SIGKILL) == 0);
            attacker_become();
            CHECK(prctl(PR_SET_PDEATHSIG, SIGKILL) == 0); /* setuid() has taken it back */
            spin(i);
        }
    }
    start = monotonic_ns();
    for (int i = 0; i < 30; i++)
        nanosleep(&nap, NULL);
    printf("150 ms of naps took %u ms\n", (unsigned)((monotonic_ns() - start) / 1000000));
    while (witness_page->rounds - rounds < 5) /* or the test's time is up */
        nanosleep(&nap, NULL);
    for (int i = 0; i < SPINNERS; i++) {
        int status;

        CHECK(waitpid(spinners[i], &status, WNOHANG) == 0); /* it hasn't got out of it in any way */
        CHECK(kill(spinners[i], SIGKILL) == 0);
        CHECK(waitpid(spinners[i], &status, 0) == spinners[i]);
        CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    }
}

/* ---- mappings ---- */

enum { MANY = 70000 };

/*
 * Every other page protected differently: as many mappings of the guest's as it has pages, until its
 * kernel says that these are enough. Nearly all pages are the same frame, so each is a mapping of its own
 * for whoever maps frames one by one, too.
 */
static void use_up_mappings(uintptr_t unused)
{
    unsigned char *p = mmap(NULL, MANY * (size_t)PAGE, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    unsigned long sum = 0, marks = 0;
    int refused = 0;

    (void)unused;
    trials_begin();
    CHECK(p != MAP_FAILED);
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < MANY; i++)
            sum += *(volatile unsigned char *)(p + i * PAGE);
        for (size_t i = 0; i < MANY; i += 100) {
            p[i * PAGE + 1] = (unsigned char)(i / 100 + 1);
            marks++;
        }
        for (size_t i = 1; i < MANY; i += 2)
            refused += mprotect(p + i * PAGE, PAGE, round ? PROT_READ | PROT_WRITE : PROT_READ) != 0;
        for (size_t i = 0; i < MANY; i++) {
            CHECK_EQ(p[i * PAGE], 0);
            CHECK_EQ(p[i * PAGE + 1], i % 100 ? 0 : (unsigned char)(i / 100 + 1));
        }
        for (size_t i = 1; i < MANY / 2; i += 998)
            CHECK_EQ(try_write((uintptr_t)p + i * PAGE, 0), round);
    }
    CHECK_EQ(sum, 0);
    printf("%d mprotects refused, %lu marks\n", refused, marks);
}

/* ---- memory ---- */

static size_t memory_pages(void)
{
    struct rlimit limit;
    long pages = sysconf(_SC_AVPHYS_PAGES);

    CHECK(pages > 0 && getrlimit(RLIMIT_AS, &limit) == 0);
    return (size_t)(pages < 150000 ? pages : 150000) / 3;
}

/* A third of what there is, twice: first written in order, then at random. */
static void use_up_memory(uintptr_t unused)
{
    size_t pages = memory_pages();
    uint32_t random = 99;

    (void)unused;
    for (int round = 0; round < 2; round++) {
        unsigned char *p = map_pages(pages, PROT_READ | PROT_WRITE);

        for (size_t i = 0; i < pages; i++)
            *(size_t *)(void *)(p + i * PAGE + 8 * (i % 512)) = i ^ 0x5a5a;
        for (size_t i = 0; i < pages; i++) {
            size_t k = random_next(&random) % pages;

            CHECK_EQ(*(size_t *)(void *)(p + k * PAGE + 8 * (k % 512)), k ^ 0x5a5a);
        }
        CHECK(munmap(p, pages * PAGE) == 0);
    }
}

/* ---- exceptions ---- */

#define RAISER(name, ...)                                    \
    static void name(uintptr_t unused, uintptr_t unused_too) \
    {                                                        \
        (void)unused, (void)unused_too;                      \
        __asm__ volatile(__VA_ARGS__);                       \
    }

RAISER(raise_undefined, "ud2")
RAISER(raise_divide, "xor %%ecx, %%ecx\n div %%ecx" ::: "eax", "ecx", "edx")
RAISER(raise_breakpoint, "int3")
RAISER(raise_overflow, "int $4")
RAISER(raise_general, "hlt")
RAISER(raise_interrupt, "int $0x20")
RAISER(raise_read, "movb (%0), %%al" : : "r"(nowhere()) : "eax")
RAISER(raise_write, "movb $1, (%0)" : : "r"(nowhere()) : "memory")
RAISER(raise_fetch, "jmp *%0" : : "r"(nowhere()))
RAISER(raise_alignment, BITS("pushf\n orl $0x40000, (%%rsp)\n popf\n mov 1(%%rsp), %%ecx",
                             "pushf\n orl $0x40000, (%%esp)\n popf\n mov 1(%%esp), %%ecx")
       :
       :
       : "ecx", "memory")
RAISER(raise_x87, "fldcw %0\n fld1\n fldz\n fdivrp\n fwait" : : "m"((uint16_t){0x037b}))
RAISER(raise_simd, "ldmxcsr %0\n xorps %%xmm0, %%xmm0\n divss %%xmm0, %%xmm0" : : "m"((uint32_t){0x1f00}))
RAISER(raise_string, "mov %0, %%" BITS("rdi", "edi") "\n mov $100, %%ecx\n rep stosb"
       :
       : "r"(nowhere())
       : BITS("rdi", "edi"), "ecx", "memory")

static const struct {
    void (*run)(uintptr_t, uintptr_t);
    int number;
} raisers[] = {
    {raise_undefined, SIGILL}, {raise_divide, SIGFPE},   {raise_breakpoint, SIGTRAP},
    {raise_overflow, SIGSEGV}, {raise_general, SIGSEGV}, {raise_interrupt, SIGSEGV},
    {raise_read, SIGSEGV},     {raise_write, SIGSEGV},   {raise_fetch, SIGSEGV},
    {raise_alignment, SIGBUS}, {raise_x87, SIGFPE},      {raise_simd, SIGFPE},
    {raise_string, SIGSEGV},
};

enum { RAISERS = sizeof(raisers) / sizeof(raisers[0]) };

static void raise_all(uintptr_t unused)
{
    uint32_t random = 4711, kinds = 0;

    (void)unused;
    trials_begin();
    for (int i = 0; i < 4000; i++) {
        unsigned k = random_next(&random) % RAISERS;

        CHECK(!trial_run(raisers[k].run, 0, 0));
        CHECK_EQ(trial.number, raisers[k].number);
        __asm__ volatile("fninit\n ldmxcsr %0" : : "m"((uint32_t){0x1f80}));
        kinds |= 1u << k;
        if (i == 2000)
            compute();
    }
    CHECK_EQ(kinds, (1u << RAISERS) - 1);
}

/* With handlers, but no stack for them: the program is killed. */
static void raise_without_stack(uintptr_t k)
{
    stack_t none = {.ss_flags = SS_DISABLE};

    trials_begin();
    CHECK(sigaltstack(&none, NULL) == 0);
    __asm__ volatile("mov %0, " BITS("%%rsp", "%%esp") "\n jmp *%1"
                     :
                     : "r"((uintptr_t)0x3000), "r"(raisers[k].run)
                     : "memory");
    __builtin_unreachable();
}

int main(void)
{
    alarm(100);
    witness_begin();
    use_up_cpu();
    ATTACK(use_up_mappings, 0, 60);
    ATTACK(use_up_memory, 0, 60);
    for (int round = 0; round < 2; round++)
        ATTACK(raise_all, 0, 60);
    for (uintptr_t k = 0; k < RAISERS; k++) {
        int status = attack("raise_without_stack", raise_without_stack, k, 30);

        CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
    }
    witness_end();
    return 0;
}
