/* width: 64 */
// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A 64-bit program that goes to 32-bit code and back by far calls, far jumps and far returns, thousands of
 * times: the same bytes mean other instructions there, system calls come by INT 0x80, faults and timer
 * signals arrive with the 32-bit context and go back to it. LAR, LSL, VERR and VERW say of the selectors what
 * they are. A hypervisor that takes the mode from anything but the code segment runs the wrong instructions.
 */
#include "check.h"

#include <setjmp.h>
#include <signal.h>
#include <sys/time.h>
#include <ucontext.h>

enum { CODE32 = 0x23, DATA = 0x2b, CODE64 = 0x33 };

/* ABI of `run32`: eax and ecx in, eax out, on a stack below 4 GiB. */
static unsigned char *low_code, *low_stack;
static struct __attribute__((packed)) {
    uint32_t offset;
    uint16_t selector;
} far_to_32;

static sigjmp_buf escape;
static volatile struct {
    int number, trap;
    uintptr_t ip, cs, address;
} seen;
static volatile unsigned ticks, ticks_in_32;

static void on_fault(int number, siginfo_t *info, void *context)
{
    const greg_t *registers = ((ucontext_t *)context)->uc_mcontext.gregs;

    seen.number = number;
    seen.trap = (int)registers[REG_TRAPNO];
    seen.ip = (uintptr_t)registers[REG_RIP];
    seen.cs = (uintptr_t)registers[REG_CSGSFS] & 0xffff;
    seen.address = (uintptr_t)info->si_addr;
    siglongjmp(escape, 1);
}

static void on_tick(int number, siginfo_t *info, void *context)
{
    const greg_t *registers = ((ucontext_t *)context)->uc_mcontext.gregs;

    (void)number, (void)info;
    ticks++;
    ticks_in_32 += ((uintptr_t)registers[REG_CSGSFS] & 0xffff) == CODE32;
}

/*
 * A far call to 32-bit code, which returns with a far RET of 32-bit operands: both stacks and addresses are
 * below 4 GiB.
 */
static uint32_t run32(size_t offset, uint32_t eax, uint32_t ecx)
{
    static uint64_t stack;

    far_to_32.offset = (uint32_t)(uintptr_t)(low_code + offset);
    far_to_32.selector = CODE32;
    /* Nothing of r8 to r15 or of upper halves is promised to outlive 32-bit code, so rsp waits in memory. */
    __asm__ volatile("push %%rbp\n push %%rbx\n push %%r12\n push %%r13\n push %%r14\n push %%r15\n"
                     "mov %%rsp, %[stack]\n mov %[low], %%rsp\n"
                     "lcalll *%[far]\n"
                     "mov %[stack], %%rsp\n"
                     "pop %%r15\n pop %%r14\n pop %%r13\n pop %%r12\n pop %%rbx\n pop %%rbp"
                     : "+a"(eax), "+c"(ecx), [stack] "=m"(stack)
                     : [low] "S"(low_stack + 4 * PAGE), [far] "m"(far_to_32)
                     : "rdx", "rdi", "r8", "r9", "r10", "r11", "memory", "cc");
    return eax;
}

static size_t place(size_t offset, const unsigned char *bytes, size_t size)
{
    memcpy(low_code + offset, bytes, size);
    return offset;
}
#define PLACE(offset, ...) \
    place(offset, (const unsigned char[]){__VA_ARGS__}, sizeof((const unsigned char[]){__VA_ARGS__}))

static void test_calls(void)
{
    /* 1: inc eax; dec ecx; jnz 1b; lret.  0x40 and 0x49 are REX prefixes to 64-bit code. */
    size_t loop = PLACE(0, 0x40, 0x49, 0x75, 0xfc, 0xcb);
    /* int 0x80; lret */
    size_t call = PLACE(64, 0xcd, 0x80, 0xcb);
    /* push eax; pop ecx; push cs; pop edx; lea eax, [ecx+edx]; pusha; popa; lret */
    size_t stack = PLACE(128, 0x50, 0x59, 0x0e, 0x5a, 0x8d, 0x04, 0x11, 0x60, 0x61, 0xcb);

    for (uint32_t i = 1; i < 2000; i++) {
        CHECK_EQ(run32(loop, i, i % 50 + 1), i + i % 50 + 1);
        CHECK_EQ(run32(call, 20, 0), getpid());
        CHECK_EQ(run32(stack, i << 12, 0), (i << 12) + CODE32);
    }
}

/* The same bytes in both modes: 48 ff c0 is INC RAX to one, DEC EAX and INC EAX to the other. */
static void test_same_bytes(void)
{
    size_t code = PLACE(256, 0x48, 0xff, 0xc0, 0xcb); /* ...; lret */
    static struct __attribute__((packed)) {
        uint32_t offset;
        uint16_t selector;
    } far;

    for (unsigned i = 0; i < 1000; i++) {
        uint64_t rax = 0xffffffff;

        far.offset = (uint32_t)(uintptr_t)(low_code + code);
        far.selector = i % 2 ? CODE64 : CODE32;
        __asm__ volatile("mov %%rsp, %%rbx\n mov %1, %%rsp\n lcalll *%2\n mov %%rbx, %%rsp"
                         : "+a"(rax)
                         : "S"(low_stack + 4 * PAGE), "m"(far)
                         : "rbx", "rcx", "rdx", "rdi", "r8", "r9", "r10", "r11", "memory", "cc");
        CHECK_EQ(rax, i % 2 ? 0x100000000 : 0xffffffff);
    }
}

static void test_faults(void)
{
    size_t ud2 = PLACE(512, 0x40, 0x0f, 0x0b, 0xcb);                 /* inc eax; ud2 */
    size_t load = PLACE(576, 0x8b, 0x00, 0xcb);                      /* mov eax, [eax] */
    size_t wrap = PLACE(640, 0x8b, 0x84, 0x08, 0, 0, 0, 0x10, 0xcb); /* mov eax, [eax+ecx+0x10000000] */
    size_t call = PLACE(704, 0x0f, 0xa2, 0xf4);                      /* cpuid; hlt */
    static const struct {
        size_t offset, at;
        int number, trap;
    } cases[] = {{512, 513, SIGILL, 6}, {576, 576, SIGSEGV, 14}, {704, 706, SIGSEGV, 13}};
    const size_t starts[] = {ud2, load, call};

    for (unsigned round = 0; round < 200; round++) {
        const unsigned which = round % 3;

        if (sigsetjmp(escape, 1) == 0) {
            run32(starts[which], 0x10, 0);
            FAIL("32-bit case %u did not fault", which);
        }
        CHECK_EQ(seen.number, cases[which].number);
        CHECK_EQ(seen.trap, cases[which].trap);
        CHECK_EQ(seen.cs, CODE32);
        CHECK_EQ(seen.ip, (uintptr_t)low_code + cases[which].at);
        if (which == 1)
            CHECK_EQ(seen.address, 0x10);
    }
    /* 32-bit addresses wrap. */
    uint32_t value = 0x600df00d, a = 0xf0000000, c = (uint32_t)(uintptr_t)low_stack;

    memcpy(low_stack, &value, 4);
    CHECK_EQ(run32(wrap, a, c), value);
}

/* Timer signals into a long 32-bit loop; each handler returns into the middle of it. */
static void test_ticks(void)
{
    struct itimerval often = {{0, 1000}, {0, 1000}}, never = {{0, 0}, {0, 0}};
    struct sigaction action = {.sa_sigaction = on_tick, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART};

    CHECK(sigaction(SIGALRM, &action, NULL) == 0);
    CHECK(setitimer(ITIMER_REAL, &often, NULL) == 0);
    for (uint32_t i = 0; ticks_in_32 < 100; i++)
        CHECK_EQ(run32(0, i, 1000000), i + 1000000);
    CHECK(setitimer(ITIMER_REAL, &never, NULL) == 0);
}

static void test_selectors(void)
{
    static const struct {
        unsigned selector, rights;
        int readable, writable;
    } known[] = {{CODE32, 0xcffb00, 1, 0}, {DATA, 0xcff300, 1, 1}, {CODE64, 0xaffb00, 1, 0}};

    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        unsigned rights = 0, limit = 0;
        unsigned char has_rights, has_limit, readable, writable;

        __asm__ volatile("lar %2, %0\n setz %1"
                         : "+r"(rights), "=q"(has_rights)
                         : "r"(known[i].selector)
                         : "cc");
        __asm__ volatile("lsl %2, %0\n setz %1"
                         : "+r"(limit), "=q"(has_limit)
                         : "r"(known[i].selector)
                         : "cc");
        __asm__ volatile("verr %w1\n setz %0" : "=q"(readable) : "r"(known[i].selector) : "cc");
        __asm__ volatile("verw %w1\n setz %0" : "=q"(writable) : "r"(known[i].selector) : "cc");
        CHECK(has_rights && has_limit);
        CHECK_EQ(rights & 0xfffe00, known[i].rights & 0xfffe00); /* but for the accessed bit */
        CHECK_EQ(limit, 0xffffffff);
        CHECK(readable == known[i].readable && writable == known[i].writable);
    }
    unsigned rights = 77;
    unsigned char valid;

    __asm__ volatile("lar %2, %0\n setz %1" : "+r"(rights), "=q"(valid) : "r"(0) : "cc");
    CHECK(!valid && rights == 77);
    __asm__ volatile("lsl %2, %0\n setz %1" : "+r"(rights), "=q"(valid) : "r"(0xfff3) : "cc");
    CHECK(!valid && rights == 77);
}

int main(void)
{
    static unsigned char alternate[65536];
    struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    stack_t stack = {.ss_sp = alternate, .ss_size = sizeof(alternate)};

    CHECK(sigaltstack(&stack, NULL) == 0);
    CHECK(sigaction(SIGSEGV, &action, NULL) == 0 && sigaction(SIGILL, &action, NULL) == 0);
    low_code =
        mmap(NULL, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
    low_stack = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
    CHECK(low_code != MAP_FAILED && low_stack != MAP_FAILED);
    /* 64-bit programs start with null selectors, which 32-bit code can't use. */
    __asm__ volatile("mov %0, %%ds\n mov %0, %%es" ::"r"(DATA));
    test_calls();
    test_same_bytes();
    test_faults();
    test_ticks();
    test_selectors();
    return 0;
}
