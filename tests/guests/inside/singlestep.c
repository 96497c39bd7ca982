/* width: 64 32 */
// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Single steps, by a debugger and by the trap flag, stop after every instruction, exactly once each;
 * hardware breakpoints and watchpoints stop where they are set. A translator that steps by block, or
 * forgets the trap flag after a fault or system call, miscounts.
 */
#include "check.h"

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <ucontext.h>

#ifdef __x86_64__
#define IP      rip
#define GREG_IP REG_RIP
#else
#define IP      eip
#define GREG_IP REG_EIP
#endif

/*
 * Twelve instructions between the labels; every way to reach the next: straight on, jumps, a call, a
 * return, a string operation.
 */
extern const char steps_begin[], step_1[], step_2[], step_3[], step_loop[], step_5[], step_call[], step_7[],
    step_callee[], step_ret[], steps_end[];
void steps(void);
__asm__(".text\n"
        "steps:\n"
        "steps_begin: xor %eax, %eax\n"
        "step_1: inc %eax\n"
        "step_2: jmp step_3\n"
        "nop\n"
        "step_3: mov $2, %ecx\n"
        "step_loop: dec %ecx\n"
        "step_5: jnz step_loop\n"
        "step_call: call step_callee\n"
        "step_7: jmp steps_end\n"
        "step_callee: nop\n"
        "step_ret: ret\n"
        "steps_end: ret\n");

static const char *const path[] = {steps_begin, step_1,    step_2,   step_3,    step_loop,
                                   step_5,      step_loop, step_5,   step_call, step_callee,
                                   step_ret,    step_7,    steps_end};
enum { PATH = sizeof(path) / sizeof(path[0]) };

static volatile unsigned long watched;
static volatile int traps, wrong_at;
static volatile uintptr_t trapped[64];

static void on_trap(int number, siginfo_t *info, void *context)
{
    (void)number;
    if (info->si_code != TRAP_TRACE)
        wrong_at = 1;
    if (traps < 64)
        trapped[traps] = (uintptr_t)((ucontext_t *)context)->uc_mcontext.gregs[GREG_IP];
    traps++;
}

/* The program sets its own trap flag: one SIGTRAP after each instruction but the first after popf. */
static void test_trap_flag(void)
{
    struct sigaction action = {.sa_sigaction = on_trap, .sa_flags = SA_SIGINFO};

    CHECK(sigaction(SIGTRAP, &action, NULL) == 0);
    for (int round = 0; round < 20; round++) {
        traps = 0;
#ifdef __x86_64__
        __asm__ volatile("sub $128, %%rsp\n pushf\n orl $0x100, (%%rsp)\n popf\n call steps\n"
                         "pushf\n andl $~0x100, (%%rsp)\n popf\n add $128, %%rsp" ::
                             : "rax", "rcx", "memory", "cc");
#else
        __asm__ volatile(
            "pushf\n orl $0x100, (%%esp)\n popf\n call steps\n pushf\n andl $~0x100, (%%esp)\n popf" ::
                : "eax", "ecx", "memory", "cc");
#endif
        /*
         * The call lands on the path's first; each of the path's instructions traps on the next; then ret,
         * pushf, andl, popf.
         */
        CHECK(!wrong_at);
        CHECK_EQ(traps, PATH + 4);
        for (int i = 0; i < PATH; i++)
            CHECK_EQ(trapped[i], (uintptr_t)path[i]);
    }
}

static uintptr_t stopped_at(pid_t child, int expected_signal)
{
    struct user_regs_struct registers;
    int status;

    CHECK(waitpid(child, &status, 0) == child);
    CHECK(WIFSTOPPED(status));
    CHECK_EQ(WSTOPSIG(status), expected_signal);
    CHECK(ptrace(PTRACE_GETREGS, child, 0, &registers) == 0);
    return (uintptr_t)registers.IP;
}

static pid_t start_child(void)
{
    pid_t child = fork();

    CHECK(child >= 0);
    if (child == 0) {
        ptrace(PTRACE_TRACEME, 0, 0, 0);
        raise(SIGSTOP);
        for (int i = 0; i < 3; i++) {
            steps();
            watched++;
        }
        _exit(9);
    }
    stopped_at(child, SIGSTOP);
    return child;
}

static void test_debugger(void)
{
    pid_t child = start_child();
    int at = -1, rounds = 0;
    long count = 0;

    /*
     * From wherever raise() is, to the end; whenever the path's first comes by, all of it has to, in order.
     */
    for (;; count++) {
        struct user_regs_struct registers;
        int status;

        CHECK(count < 200000);
        CHECK(ptrace(PTRACE_SINGLESTEP, child, 0, 0) == 0);
        CHECK(waitpid(child, &status, 0) == child);
        if (WIFEXITED(status)) {
            CHECK_EQ(WEXITSTATUS(status), 9);
            break;
        }
        CHECK(WIFSTOPPED(status) && WSTOPSIG(status) == SIGTRAP);
        CHECK(ptrace(PTRACE_GETREGS, child, 0, &registers) == 0);
        if (at >= 0 || (uintptr_t)registers.IP == (uintptr_t)steps_begin) {
            at++;
            CHECK_EQ(registers.IP, (uintptr_t)path[at]);
            if (at == PATH - 1) {
                at = -1;
                rounds++;
            }
        }
    }
    CHECK_EQ(rounds, 3);
}

static void set_debug_register(pid_t child, int which, unsigned long value)
{
    CHECK(ptrace(PTRACE_POKEUSER, child, offsetof(struct user, u_debugreg) + (size_t)which * sizeof(long),
                 value) == 0);
}

static void test_breakpoints(void)
{
    pid_t child = start_child();
    int status;

    set_debug_register(child, 0, (unsigned long)step_7);
    set_debug_register(child, 1, (unsigned long)&watched);
    /* DR7: breakpoint 0 on execution, 1 on a write of four bytes. */
    set_debug_register(child, 7, 1 | 1 << 2 | 1ul << 20 | 3ul << 22);
    for (int i = 0; i < 3; i++) {
        CHECK(ptrace(PTRACE_CONT, child, 0, 0) == 0);
        CHECK_EQ(stopped_at(child, SIGTRAP), (uintptr_t)step_7);
        CHECK_EQ(ptrace(PTRACE_PEEKUSER, child, offsetof(struct user, u_debugreg[6]), 0) & 15, 1);
        CHECK(ptrace(PTRACE_CONT, child, 0, 0) == 0);
        stopped_at(child, SIGTRAP);
        CHECK_EQ(ptrace(PTRACE_PEEKUSER, child, offsetof(struct user, u_debugreg[6]), 0) & 15, 2);
        CHECK_EQ(ptrace(PTRACE_PEEKDATA, child, &watched, 0), i + 1);
    }
    CHECK(ptrace(PTRACE_CONT, child, 0, 0) == 0);
    CHECK(waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 9);
}

/* ---- data breakpoints of instructions that access more than one operand ---- */

#define AREA_BYTES 512 /* FXSAVE's */
#define WATCHED    32  /* offset of the four bytes with the breakpoint */

static unsigned char area[AREA_BYTES] __attribute__((aligned(64))), other[AREA_BYTES];

/* Each but the last two comes by the four bytes one by one, 64 being the first count. */
static void string_instructions(void)
{
    unsigned char *d, *s;
    size_t n;

    d = area, n = 64;
    __asm__ volatile("rep stosb" : "+D"(d), "+c"(n) : "a"(1) : "memory");
    d = area, s = other, n = 64;
    __asm__ volatile("rep movsb" : "+D"(d), "+S"(s), "+c"(n) : : "memory");
    d = area, n = 64;
    __asm__ volatile("repne scasb" : "+D"(d), "+c"(n) : "a"(1) : "memory", "cc");
    d = other, s = area, n = 64;
    __asm__ volatile("repe cmpsb" : "+D"(d), "+S"(s), "+c"(n) : : "memory", "cc");
    s = area, n = 64;
    __asm__ volatile("rep lodsb" : "+S"(s), "+c"(n) : : "memory", "eax");
    __asm__ volatile("fxsave %0" : "=m"(area));
    __asm__ volatile("fxrstor %0" : : "m"(area));
}

/* The child stops behind each of the four elements, in the middle of the instruction: SDM vol. 3,
 * 17.3.1.2. */
static void expect_element_stops(pid_t child)
{
    for (unsigned i = 0; i < 4; i++) {
        struct user_regs_struct registers;

        CHECK(ptrace(PTRACE_CONT, child, 0, 0) == 0);
        stopped_at(child, SIGTRAP);
        CHECK(ptrace(PTRACE_GETREGS, child, 0, &registers) == 0);
#ifdef __x86_64__
        CHECK_EQ(registers.rcx, 64 - WATCHED - 1 - i);
#else
        CHECK_EQ(registers.ecx, 64 - WATCHED - 1 - i);
#endif
        CHECK_EQ(ptrace(PTRACE_PEEKUSER, child, offsetof(struct user, u_debugreg[6]), 0) & 15, 1);
    }
}

static void test_watched_strings(bool reads)
{
    pid_t child = fork();
    int status;

    CHECK(child >= 0);
    if (child == 0) {
        ptrace(PTRACE_TRACEME, 0, 0, 0);
        raise(SIGSTOP);
        string_instructions();
        _exit(9);
    }
    stopped_at(child, SIGSTOP);
    set_debug_register(child, 0, (unsigned long)&area[WATCHED]);
    set_debug_register(child, 7, 1 | (reads ? 3ul : 1ul) << 16 | 3ul << 18);
    for (int i = 0; i < (reads ? 5 : 2); i++)
        expect_element_stops(child);
    for (int i = 0; i < (reads ? 2 : 1); i++) { /* FXSAVE, FXRSTOR */
        CHECK(ptrace(PTRACE_CONT, child, 0, 0) == 0);
        stopped_at(child, SIGTRAP);
    }
    CHECK(ptrace(PTRACE_CONT, child, 0, 0) == 0);
    CHECK(waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 9);
}

int main(int argc, char **argv)
{
    (void)argv;
    test_trap_flag();
    test_debugger();
    if (argc == 1) {
        test_breakpoints();
        test_watched_strings(false);
        test_watched_strings(true);
    }
    return 0;
}
