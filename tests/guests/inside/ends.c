/* width: 64 */
// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Programs own their addresses from the first to the last: page 0, the lowest page that the kernel gives to
 * anybody, both sides of 4 GiB, pages strewn over all 47 bits, and the last page below the end, with code and
 * data on each. Behind the end is nothing. A hypervisor that keeps something of its own in the guest's
 * address space, or folds addresses together, fails here.
 */
#include "check.h"

#include <setjmp.h>
#include <signal.h>
#include <ucontext.h>

/*
 * The last page of user space is left out by Linux, because of what SYSRET does behind a SYSCALL at its
 * end.
 */
#define USER_END 0x7ffffffff000ul

static sigjmp_buf escape;
static volatile struct {
    int number, code;
    uintptr_t address, ip;
    unsigned long error;
} seen;

static void on_fault(int number, siginfo_t *info, void *context)
{
    const greg_t *registers = ((ucontext_t *)context)->uc_mcontext.gregs;

    seen.number = number;
    seen.code = info->si_code;
    seen.address = (uintptr_t)info->si_addr;
    seen.ip = (uintptr_t)registers[REG_RIP];
    seen.error = (unsigned long)registers[REG_ERR];
    siglongjmp(escape, 1);
}

static uint64_t load(uintptr_t at)
{
    uint64_t value;

    __asm__ volatile("mov (%1), %0" : "=r"(value) : "r"(at) : "memory");
    return value;
}

static void store(uintptr_t at, uint64_t value)
{
    __asm__ volatile("mov %1, (%0)" ::"r"(at), "r"(value) : "memory");
}

static int faults(uintptr_t at, int write)
{
    if (sigsetjmp(escape, 1))
        return 1;
    if (write)
        store(at, 0);
    else
        load(at);
    return 0;
}

static uint64_t call(uintptr_t at)
{
    uint64_t result;

    __asm__ volatile("call *%1"
                     : "=a"(result)
                     : "r"(at)
                     : "memory", "cc", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11");
    return result;
}

static int jump_faults(uintptr_t at)
{
    if (sigsetjmp(escape, 1))
        return 1;
    call(at);
    return 0;
}

static int map_at(uintptr_t at, size_t pages, int protection)
{
    void *got =
        mmap((void *)at, pages * PAGE, protection, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

    CHECK(got == MAP_FAILED || got == (void *)at);
    return got != MAP_FAILED;
}

/* mov eax, value; ret, with its last byte before `end`. */
static uintptr_t write_function(uintptr_t end, uint32_t value)
{
    uint64_t code = 0xb8 | (uint64_t)value << 8 | 0xc3ul << 40;

    for (int i = 0; i < 6; i++)
        *(volatile unsigned char *)(end - 6 + (unsigned)i) = (unsigned char)(code >> 8 * i);
    return end - 6;
}

/* Everything that a page can be: data up to its first and last byte, and code. */
static void use_page(uintptr_t at)
{
    __asm__("" : "+r"(at)); /* it may be 0, and the compiler must not know */
    store(at, at + 1);
    store(at + PAGE - 8, at + 2);
    CHECK_EQ(load(at), at + 1);
    CHECK_EQ(load(at + PAGE - 8), at + 2);
    CHECK_EQ(call(write_function(at + 6, 11)), 11);
    CHECK_EQ(call(write_function(at + PAGE, 22)), 22);
    /* A stack there. */
    uint64_t stack = at + PAGE, popped = 0;

    __asm__ volatile("xchg %%rsp, %0\n push $77\n pop %1\n xchg %%rsp, %0"
                     : "+r"(stack), "+r"(popped)::"memory");
    CHECK_EQ(popped, 77);
    /* The kernel gets there too. */
    int ends[2];

    CHECK(pipe(ends) == 0 && write(ends[1], "kernel", 6) == 6 &&
          read(ends[0], (void *)(at + PAGE - 6), 6) == 6);
    CHECK_EQ(load(at + PAGE - 8) >> 16, 0x6c656e72656b);
    close(ends[0]);
    close(ends[1]);
}

static void test_bottom(void)
{
    unsigned long lowest = 0;
    FILE *file = fopen("/proc/sys/vm/mmap_min_addr", "r");

    CHECK(file && fscanf(file, "%lu", &lowest) == 1);
    fclose(file);
    CHECK_EQ(faults(0, 0), 1);
    CHECK(seen.number == SIGSEGV && seen.code == SEGV_MAPERR && seen.address == 0 && seen.error == 4);
    CHECK_EQ(faults(8, 1), 1);
    CHECK(seen.address == 8 && seen.error == 6);
    CHECK_EQ(jump_faults(0), 1);
    CHECK(seen.address == 0 && seen.ip == 0 && seen.error == 0x14);
    CHECK(map_at((lowest + PAGE - 1) / PAGE * PAGE, 1, PROT_READ | PROT_WRITE | PROT_EXEC) || lowest == 0);
    use_page((lowest + PAGE - 1) / PAGE * PAGE);
    if (geteuid() == 0 && map_at(0, 1, PROT_READ | PROT_WRITE | PROT_EXEC)) {
        use_page(0);
        CHECK(munmap(NULL, PAGE) == 0);
        CHECK_EQ(faults(0, 0), 1);
    }
}

static void test_top(void)
{
    uintptr_t last = USER_END - PAGE;

    CHECK(!map_at(USER_END, 1, PROT_READ));
    /* The stack or the vDSO may be there already, with a randomized layout; then there is nothing to try. */
    if (!map_at(last, 1, PROT_READ | PROT_WRITE | PROT_EXEC))
        FAIL("the last page can't be mapped");
    use_page(last);
    /*
     * Across the end: the fault is at the end, nothing has been written before it. Linux says "present" in
     * the error code of every address from there on.
     */
    store(last + PAGE - 8, 0x1111111111111111);
    CHECK_EQ(faults(USER_END - 4, 1), 1);
    CHECK(seen.number == SIGSEGV && seen.code == SEGV_MAPERR && seen.address == USER_END && seen.error == 7);
    CHECK_EQ(load(last + PAGE - 8), 0x1111111111111111);
    /* Running off the end. */
    *(volatile unsigned char *)(USER_END - 1) = 0x90;
    CHECK_EQ(jump_faults(USER_END - 1), 1);
    CHECK(seen.number == SIGSEGV && seen.address == USER_END && seen.ip == USER_END && seen.error == 0x15);
    *(volatile unsigned char *)(USER_END - 1) = 0xb8; /* an instruction that lies partly behind it */
    CHECK_EQ(jump_faults(USER_END - 1), 1);
    CHECK(seen.address == USER_END && seen.ip == USER_END - 1);
    /* Behind the end: the hole, where it is #GP and not a page fault. */
    static const uintptr_t beyond[] = {1ul << 47, (1ul << 47) + 0x123450, 1ul << 48, 1ul << 63,
                                       0xffff7ffffffffff8};

    for (size_t i = 0; i < sizeof(beyond) / sizeof(beyond[0]); i++) {
        CHECK_EQ(faults(beyond[i], i & 1), 1);
        CHECK(seen.number == SIGSEGV && seen.code == SI_KERNEL && seen.address == 0 && seen.error == 0);
        CHECK_EQ(jump_faults(beyond[i]), 1);
        CHECK(seen.number == SIGSEGV && seen.code == SI_KERNEL);
    }
    /* The kernel's half is page faults, mapped or not. */
    static const uintptr_t kernels[] = {0xffff800000000000, 0xffff888000000000, 0xffffffff81000000,
                                        0xfffffffffffffff8};

    for (size_t i = 0; i < sizeof(kernels) / sizeof(kernels[0]); i++) {
        for (int write = 0; write < 2; write++) {
            CHECK_EQ(faults(kernels[i], write), 1);
            CHECK(seen.number == SIGSEGV && seen.code == SEGV_MAPERR && seen.address == kernels[i]);
            CHECK(seen.error == (write ? 7 : 5));
        }
        CHECK_EQ(jump_faults(kernels[i]), 1);
        CHECK(seen.number == SIGSEGV && seen.address == kernels[i] && seen.ip == kernels[i]);
    }
}

/* A page at each of many random places, and at places that differ in one address bit. */
enum { STREWN = 1200 };
static uintptr_t places[STREWN];

static void check_strewn(void)
{
    for (unsigned i = 0; i < STREWN; i++)
        if (places[i])
            CHECK_EQ(load(places[i] + 8 * (i % 512)), places[i] ^ i);
}

static void test_all_over(void)
{
    uint32_t random = 4711;

    for (unsigned i = 0; i < STREWN; i++) {
        uintptr_t at = ((uintptr_t)random_next(&random) << 32 | random_next(&random)) % USER_END;

        if (i < 34) /* one bit each, beside a base that is far from everything */
            at = 0x2aa000000000 ^ 1ul << (12 + i);
        else if (i % 4 == 0) /* the same low 28 bits */
            at = (at & ~0xffffffful) | 0x5554000;
        at = at / PAGE * PAGE;
        if (at + PAGE > USER_END || at == 0 || !map_at(at, 1, PROT_READ | PROT_WRITE))
            continue;
        CHECK(!map_at(at, 1, PROT_READ) && errno == EEXIST);
        places[i] = at;
        store(at + 8 * (i % 512), at ^ i);
    }
    check_strewn();
    pid_t child = fork();

    CHECK(child >= 0);
    if (child == 0) {
        check_strewn();
        for (unsigned i = 0; i < STREWN; i += 2)
            if (places[i])
                store(places[i] + 8 * (i % 512), 0);
        _exit(0);
    }
    CHECK_EQ(child_status(child), 0);
    check_strewn();
    for (unsigned i = 0; i < STREWN; i++) {
        if (!places[i])
            continue;
        CHECK(munmap((void *)places[i], PAGE) == 0);
        CHECK_EQ(faults(places[i], 0), 1);
        places[i] = 0;
        if (i % 100 == 0)
            check_strewn();
    }
    /* Both sides of 4 GiB, in one mapping. */
    if (map_at(0x100000000 - PAGE, 2, PROT_READ | PROT_WRITE | PROT_EXEC)) {
        use_page(0x100000000 - PAGE);
        use_page(0x100000000);
        store(0x100000000 - 3, 0x123456789abcdef0);
        CHECK_EQ(load(0x100000000 - 3), 0x123456789abcdef0);
        CHECK_EQ(call(write_function(0x100000000 + 2, 0x4321)), 0x4321);
    }
}

int main(void)
{
    static unsigned char alternate[65536];
    struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    stack_t stack = {.ss_sp = alternate, .ss_size = sizeof(alternate)};

    CHECK(sigaltstack(&stack, NULL) == 0);
    CHECK(sigaction(SIGSEGV, &action, NULL) == 0 && sigaction(SIGBUS, &action, NULL) == 0);
    test_bottom();
    test_top();
    test_all_over();
    return 0;
}
