/* width: 64 32 */
// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What debuggers and emulators do to a child through ptrace: breakpoints written into its code and stepped
 * over, system calls replaced (SYSEMU), watchpoints of every length, registers and vector state changed while
 * it is stopped, steps through repeated string instructions and signal handlers. A hypervisor that runs stale
 * code, steps too far, or restores other state than the tracer wrote, fails here. singlestep.c has the plain
 * cases.
 */
#include "check.h"

#include <elf.h>
#include <signal.h>
#include <stddef.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>

#ifdef __x86_64__
#define IP     rip
#define AX     rax
#define CX     rcx
#define NUMBER orig_rax
#define ARG1   rdi
#else
#define IP     eip
#define AX     eax
#define CX     ecx
#define NUMBER orig_eax
#define ARG1   ebx
#endif
enum { SYSEMU = 31, SYSEMU_SINGLESTEP = 32, XSTATE_NOTE = 0x202 };

static struct user_regs_struct registers(pid_t child)
{
    struct user_regs_struct r;

    CHECK(ptrace(PTRACE_GETREGS, child, 0, &r) == 0);
    return r;
}

static void set_registers(pid_t child, struct user_regs_struct r)
{
    CHECK(ptrace(PTRACE_SETREGS, child, 0, &r) == 0);
}

static void stopped_by(pid_t child, int expected)
{
    int status;

    CHECK(waitpid(child, &status, 0) == child);
    if (!WIFSTOPPED(status))
        FAIL("the child ended with %#x", status);
    CHECK_EQ(WSTOPSIG(status), expected);
}

static void resume(pid_t child, int request, int expected)
{
    CHECK(ptrace(request, child, 0, 0) == 0);
    stopped_by(child, expected);
}

static void ends_with(pid_t child, int status)
{
    CHECK(ptrace(PTRACE_CONT, child, 0, 0) == 0);
    CHECK_EQ(child_status(child), status);
}

/* A child that stops at once and then runs `body`, whose result is its exit status. */
static pid_t start(int (*body)(void))
{
    pid_t child = fork();

    CHECK(child >= 0);
    if (child == 0) {
        CHECK(ptrace(PTRACE_TRACEME, 0, 0, 0) == 0);
        raise(SIGSTOP);
        _exit(body());
    }
    stopped_by(child, SIGSTOP);
    return child;
}

/* eax = (eax + 1) * 3, in instructions that breakpoints can go over. */
extern const char target[], target_add[], target_lea[], target_ret[];
__asm__(".text\n"
        "target: nop\n"
        "target_add: add $1, %eax\n"
#ifdef __x86_64__
        "target_lea: lea (%rax,%rax,2), %eax\n"
#else
        "target_lea: lea (%eax,%eax,2), %eax\n"
#endif
        "target_ret: ret\n");

static uint32_t call_target(uint32_t value)
{
    __asm__ volatile("call target" : "+a"(value)::"memory", "cc");
    return value;
}

static int call_often(void)
{
    uint32_t sum = 0;

    for (uint32_t i = 0; i < 60; i++)
        sum += call_target(i);
    return sum == 3 * 60 * 61 / 2 ? 5 : 6;
}

/* As gdb does it: INT3 in; stopped behind it; the old byte in; back; one step; INT3 in again. */
static void test_breakpoints(void)
{
    static const char *const places[] = {target_add, target_lea, target_ret};
    pid_t child = start(call_often);

    for (unsigned i = 0; i < 60; i++) {
        const unsigned call = i / 3; /* three breakpoints a call */
        char *place = (char *)(uintptr_t)places[i % 3];
        long old = ptrace(PTRACE_PEEKTEXT, child, place, 0);

        CHECK(ptrace(PTRACE_POKETEXT, child, place, (old & ~0xffl) | 0xcc) == 0);
        resume(child, PTRACE_CONT, SIGTRAP);
        struct user_regs_struct r = registers(child);

        CHECK_EQ((uintptr_t)r.IP, (uintptr_t)place + 1);
        CHECK_EQ((uint32_t)r.AX, i % 3 == 0 ? call : i % 3 == 1 ? call + 1 : (call + 1) * 3);
        CHECK(ptrace(PTRACE_POKETEXT, child, place, old) == 0);
        r.IP = (uintptr_t)place;
        set_registers(child, r);
        if (i % 2) {
            resume(child, PTRACE_SINGLESTEP, SIGTRAP);
            CHECK((uintptr_t)registers(child).IP != (uintptr_t)place);
        }
    }
    ends_with(child, 5);
}

static int ask_often(void)
{
    for (long i = 0; i < 50; i++) {
        long result;

        __asm__ volatile(
#ifdef __x86_64__
            "syscall"
            : "=a"(result)
            : "a"(7777), "D"(i)
            : "rcx", "r11", "memory"
#else
            "int $0x80"
            : "=a"(result)
            : "a"(7777), "b"(i)
            : "memory"
#endif
        );
        if (result != i * i + 1)
            return 1;
    }
    return 7;
}

/* Every system call of the child is its tracer's to answer; with steps between, or without. */
static void test_emulated_calls(int step)
{
    pid_t child = start(ask_often);
    unsigned asked = 0;

    for (;;) {
        resume(child, step ? SYSEMU_SINGLESTEP : SYSEMU, SIGTRAP);
        struct user_regs_struct r = registers(child);

        if ((long)r.NUMBER == -1)
            continue; /* a step */
        if (r.NUMBER != 7777) {
            /* raise() has calls of its own before; the exit comes behind. */
            if (asked == 50) {
                CHECK_EQ(r.ARG1, 7);
                break;
            }
            r.AX = 0;
        } else {
            CHECK_EQ(r.ARG1, asked);
            r.AX = asked * asked + 1;
            asked++;
        }
        set_registers(child, r);
    }
    kill(child, SIGKILL);
    CHECK(waitpid(child, NULL, 0) == child);
}

static volatile struct {
    uint8_t bytes[64];
} watched __attribute__((aligned(64)));

static int touch(void)
{
    for (unsigned i = 0; i < 16; i++)
        __asm__ volatile("incb %0" : "+m"(watched.bytes[i])); /* reads and writes, and stops once */
    for (unsigned i = 0; i < 16; i += 4)
        __asm__ volatile("incl %0" : "+m"(*(volatile uint32_t *)(volatile void *)&watched.bytes[i]));
    return watched.bytes[15] == 1 ? 8 : 9;
}

static void set_debug_register(pid_t child, unsigned which, unsigned long value)
{
    CHECK(ptrace(PTRACE_POKEUSER, child, offsetof(struct user, u_debugreg) + which * sizeof(long), value) ==
          0);
}

/* A watchpoint of `length` bytes stops once for each store that touches one of them. */
static void test_watchpoints(void)
{
    static const unsigned lengths[] = {1, 2, 4, 8};

    for (size_t i = 0; i < sizeof(void *) / 4 + 2; i++) {
        unsigned length = lengths[i], stops = 0, expected = length + (length + 3) / 4;
        unsigned long code = length == 1 ? 0 : length == 2 ? 1 : length == 4 ? 3 : 2;
        pid_t child = start(touch);
        int status;

        set_debug_register(child, 2, (unsigned long)&watched.bytes[8]);
        set_debug_register(child, 7, 1ul << 4 | (1 | code << 2) << 24);
        for (;;) {
            CHECK(ptrace(PTRACE_CONT, child, 0, 0) == 0);
            CHECK(waitpid(child, &status, 0) == child);
            if (WIFEXITED(status))
                break;
            CHECK(WIFSTOPPED(status) && WSTOPSIG(status) == SIGTRAP);
            CHECK_EQ(ptrace(PTRACE_PEEKUSER, child, offsetof(struct user, u_debugreg[6]), 0) & 15, 4);
            stops++;
        }
        CHECK_EQ(WEXITSTATUS(status), 8);
        CHECK_EQ(stops, expected);
    }
}

static unsigned char from[64], to[64];

static int copy(void)
{
    uintptr_t count = 5, source = (uintptr_t)from, destination = (uintptr_t)to;

    __asm__ volatile("int3\n rep movsb" : "+c"(count), "+S"(source), "+D"(destination)::"memory");
    return to[4] == 0x44 && to[5] == 0 ? 3 : 4;
}

/* REP MOVSB is stepped through byte by byte. */
static void test_string_steps(void)
{
    pid_t child;

    memset(from, 0x44, sizeof(from));
    child = start(copy);
    resume(child, PTRACE_CONT, SIGTRAP);
    uintptr_t at = (uintptr_t)registers(child).IP;

    for (unsigned left = 4; left > 0; left--) {
        resume(child, PTRACE_SINGLESTEP, SIGTRAP);
        CHECK_EQ((uintptr_t)registers(child).IP, at);
        CHECK_EQ(registers(child).CX, left);
    }
    resume(child, PTRACE_SINGLESTEP, SIGTRAP);
    CHECK_EQ((uintptr_t)registers(child).IP, at + 2);
    CHECK_EQ(registers(child).CX, 0);
    ends_with(child, 3);
}

static int load_and_compare(void)
{
    static uint32_t in[8] = {1, 2, 3, 4, 5, 6, 7, 8}, out[8];

    if (__builtin_cpu_supports("avx"))
        __asm__ volatile("vmovdqu (%0), %%ymm5\n int3\n vmovdqu %%ymm5, (%1)\n vzeroupper" ::"r"(in), "r"(out)
                         : "memory");
    else
        __asm__ volatile("movdqu (%0), %%xmm5\n int3\n movdqu %%xmm5, (%1)" ::"r"(in), "r"(out) : "memory");
    for (unsigned i = 0; i < (__builtin_cpu_supports("avx") ? 8 : 4); i++)
        if (out[i] != (i + 1) * 10)
            return 1;
    return 12;
}

/* The tracer multiplies a vector register of the child by ten. */
static void test_vector_state(void)
{
    static uint32_t area[4096] __attribute__((aligned(64)));
    struct iovec vector = {area, sizeof(area)};
    pid_t child = start(load_and_compare);

    resume(child, PTRACE_CONT, SIGTRAP);
    CHECK(ptrace(PTRACE_GETREGSET, child, XSTATE_NOTE, &vector) == 0);
    CHECK(vector.iov_len >= 512 + 64);
    for (unsigned i = 0; i < 4; i++) {
        CHECK_EQ(area[(160 + 5 * 16) / 4 + i], i + 1);
        area[(160 + 5 * 16) / 4 + i] *= 10;
        if (!__builtin_cpu_supports("avx"))
            continue;
        CHECK_EQ(area[(576 + 5 * 16) / 4 + i], i + 5); /* AVX's component is always behind the header */
        area[(576 + 5 * 16) / 4 + i] *= 10;
    }
    CHECK(ptrace(PTRACE_SETREGSET, child, XSTATE_NOTE, &vector) == 0);
    ends_with(child, 12);
}

static volatile int handled;

static void on_signal(int number)
{
    handled = number;
}

static int take_signal(void)
{
    signal(SIGUSR1, on_signal);
    __asm__ volatile("int3\n nop\n nop" ::: "memory");
    return handled == SIGUSR1 ? 14 : 15;
}

/* A step that delivers a signal stops at the handler's first instruction, before it runs. */
static void test_step_into_handler(void)
{
    pid_t child = start(take_signal);

    resume(child, PTRACE_CONT, SIGTRAP);
    uintptr_t back = (uintptr_t)registers(child).IP;

    CHECK(ptrace(PTRACE_SINGLESTEP, child, 0, SIGUSR1) == 0);
    stopped_by(child, SIGTRAP);
    CHECK_EQ((uintptr_t)registers(child).IP, (uintptr_t)on_signal);
    for (unsigned steps = 0; (uintptr_t)registers(child).IP != back; steps++) {
        CHECK(steps < 100);
        resume(child, PTRACE_SINGLESTEP, SIGTRAP);
    }
    resume(child, PTRACE_SINGLESTEP, SIGTRAP);
    CHECK_EQ((uintptr_t)registers(child).IP, back + 1);
    ends_with(child, 14);
}

int main(void)
{
    test_breakpoints();
    test_emulated_calls(0);
    test_emulated_calls(1);
    test_watchpoints();
    test_string_steps();
    test_vector_state();
    test_step_into_handler();
    return 0;
}
