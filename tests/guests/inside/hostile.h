/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the hostile*.c programs share: attacks in processes of their own, bounded in time, that may be killed
 * for what they do, and a witness that must not notice. Instructions of which one doesn't know what they do
 * are tried under handlers for all they may raise.
 *
 * A hypervisor that runs user code directly (docs/security.md, "User code that runs directly") has code and
 * data of its own somewhere in the program's address space. For a program there is nothing at that place; so
 * whatever it does there it must gain nothing.
 */
#ifndef DIPTYCH_TESTS_INSIDE_HOSTILE_H
#define DIPTYCH_TESTS_INSIDE_HOSTILE_H

#include "check.h"

#include <setjmp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <ucontext.h>

/*
 * Attackers are nobody in particular: what they ask of their kernel by chance mustn't be granted, and
 * kill(-1) is to hit nobody else. An id that no daemon has, should this be run outside a guest.
 */
#define ATTACKER 54321

#ifdef __x86_64__
#define GREG_IP REG_RIP
#define GREG_AX REG_RAX
#else
#define GREG_IP REG_EIP
#define GREG_AX REG_EAX
#endif

/* Long enough for an adaptive hypervisor to find that this process computes. */
static inline void compute(void)
{
    for (unsigned i = 0; i < 20000000; i++)
        __asm__ volatile("");
}

/* ---- instructions of which one doesn't know what they do ---- */

static __thread sigjmp_buf trial_escape;
static __thread volatile sig_atomic_t trying;
static __thread struct {
    int number, code;
    uintptr_t address, ip, ax;
} trial;

static inline void trial_fault(int number, siginfo_t *info, void *context)
{
    const greg_t *registers = ((ucontext_t *)context)->uc_mcontext.gregs;

    /* Linux clears TF and DF for handlers, but neither AC nor NT. */
#ifdef __x86_64__
    __asm__ volatile("sub $128, %%rsp\n pushf\n andq $~0x44000, (%%rsp)\n popf\n add $128, %%rsp" ::
                         : "memory", "cc");
#else
    __asm__ volatile("pushf\n andl $~0x44000, (%%esp)\n popf" ::: "memory", "cc");
#endif
    if (!trying) {
        signal(number, SIG_DFL); /* not in a trial: once more, and the process dies of it */
        return;
    }
    trying = 0;
    trial.number = number;
    trial.code = info->si_code;
    trial.address = (uintptr_t)info->si_addr;
    trial.ip = (uintptr_t)registers[GREG_IP];
    trial.ax = (uintptr_t)registers[GREG_AX];
    siglongjmp(trial_escape, 1);
}

/*
 * For the calling thread: handlers on a stack of their own, as the trial's may be anywhere. Signals stay open
 * (SA_NODEFER).
 */
static inline void trials_begin(void)
{
    static const int numbers[] = {SIGSEGV, SIGBUS, SIGILL, SIGTRAP, SIGFPE, SIGSYS};
    stack_t stack = {.ss_sp = map_pages(16, PROT_READ | PROT_WRITE), .ss_size = 16 * PAGE};
    struct sigaction action = {.sa_sigaction = trial_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER};

    CHECK(sigaltstack(&stack, NULL) == 0);
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        CHECK(sigaction(numbers[i], &action, NULL) == 0);
}

/*
 * Whether run(a, b) comes to its end. If not, `trial` says why. A function of its own, so that nothing of its
 * caller is in a register that siglongjmp() puts back.
 */
__attribute__((noinline)) static int trial_run(void (*run)(uintptr_t, uintptr_t), uintptr_t a, uintptr_t b)
{
    if (sigsetjmp(trial_escape, 0))
        return 0;
    trying = 1;
    run(a, b);
    trying = 0;
    return 1;
}

static void trial_read(uintptr_t at, uintptr_t byte)
{
    *(volatile unsigned char *)byte = *(volatile unsigned char *)at;
}

static void trial_write(uintptr_t at, uintptr_t byte)
{
    *(volatile unsigned char *)at = (unsigned char)byte;
}

static inline int try_read(uintptr_t at, volatile unsigned char *byte)
{
    return trial_run(trial_read, at, (uintptr_t)byte);
}

static inline int try_write(uintptr_t at, unsigned char byte)
{
    return trial_run(trial_write, at, byte);
}

/* ---- the witness ---- */

enum { WITNESS_PAGES = 128 };

/*
 * Memory with a known pattern. The witness has it from its parent, as the attackers have: shared until
 * somebody writes to it, so that a write that goes past the page tables hits all of them.
 */
static unsigned char *witness_memory;
static volatile struct witness_page {
    unsigned stop, rounds;
} * witness_page;
static pid_t witness;

static inline unsigned char witness_byte(size_t i)
{
    return (unsigned char)(i * 7 + i / PAGE * 31 + 5);
}

static inline void witness_look(const char *whose)
{
    for (size_t i = 0; i < WITNESS_PAGES * (size_t)PAGE; i++)
        if (witness_memory[i] != witness_byte(i))
            FAIL("the witness's memory (%s) has %#x at %#zx, not %#x", whose, witness_memory[i], i,
                 witness_byte(i));
}

static inline void witness_begin(void)
{
    static const struct timespec nap = {0, 2000000};

    witness_memory = map_pages(WITNESS_PAGES, PROT_READ | PROT_WRITE);
    for (size_t i = 0; i < WITNESS_PAGES * (size_t)PAGE; i++)
        witness_memory[i] = witness_byte(i);
    CHECK(mprotect(witness_memory, WITNESS_PAGES * (size_t)PAGE, PROT_READ) == 0);
    witness_page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(witness_page != MAP_FAILED);
    witness = fork();
    CHECK(witness >= 0);
    if (witness == 0) {
        CHECK(prctl(PR_SET_PDEATHSIG, SIGKILL) == 0);
        while (!witness_page->stop) {
            witness_look("its own");
            witness_page->rounds++;
            nanosleep(&nap, NULL);
        }
        _exit(0);
    }
}

/* The witness has seen nothing, and has been served all the time. */
static inline void witness_end(void)
{
    CHECK(witness_page->rounds > 0);
    witness_page->stop = 1;
    CHECK_EQ(child_status(witness), 0);
    witness_look("its parent's");
}

/* ---- attacks ---- */

/* Becomes nobody in particular, if it is anybody; without core files, which cost time only. */
static inline void attacker_become(void)
{
    const struct rlimit none = {0, 0};

    CHECK(setrlimit(RLIMIT_CORE, &none) == 0);
    if (getuid() == 0)
        CHECK(setgid(ATTACKER) == 0 && setuid(ATTACKER) == 0);
}

/*
 * Runs run(argument) in a process of its own for at most that many seconds, and returns its wait status. It
 * says itself whether it has gained something: its exit status is 0 if it hasn't.
 */
static inline int attack(const char *name, void (*run)(uintptr_t), uintptr_t argument, unsigned seconds)
{
    int status;

    fflush(stdout);
    pid_t pid = fork();

    CHECK(pid >= 0);
    if (pid == 0) {
        alarm(seconds);
        attacker_become();
        compute();
        run(argument);
        fflush(stdout);
        _exit(0);
    }
    CHECK(waitpid(pid, &status, 0) == pid);
    if (WIFEXITED(status) && WEXITSTATUS(status) != 0)
        FAIL("%s(%#lx) ended with status %d", name, (long)argument, WEXITSTATUS(status));
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM)
        FAIL("%s(%#lx) didn't end in %u s", name, (long)argument, seconds);
    return status;
}

/* One that catches all that it raises, and so comes to its end. */
#define ATTACK(run, argument, seconds) CHECK_EQ(attack(#run, run, argument, seconds), 0)

#endif
