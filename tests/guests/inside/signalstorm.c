/* width: 64 32 */
// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Signals of four sources at once, at a high rate, into code whose every register is known: each handler
 * spoils them all, and each return brings them back. Beside that the rest of the interface: handlers within
 * handlers on the alternate stack, left by siglongjmp; queues of real-time signals; restarted and interrupted
 * system calls; contexts that the handler changes. A hypervisor whose interruption of user code is off by an
 * instruction or a register fails here.
 */
#include "check.h"

#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <ucontext.h>

#ifdef __x86_64__
#define GREG_IP REG_RIP
#define GREG_AX REG_RAX
#define GREG_CX REG_RCX
#else
#define GREG_IP REG_EIP
#define GREG_AX REG_EAX
#define GREG_CX REG_ECX
#endif

static void install(int number, void (*handler)(int, siginfo_t *, void *), int flags)
{
    struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | flags};

    CHECK(sigaction(number, &action, NULL) == 0);
}

/*
 * Loads every general register but the stack pointer from a seed, spins, and says whether all are still
 * right; red zone included.
 */
#ifdef __x86_64__
static uint64_t registers_hold(uint64_t seed, uint64_t spins)
{
    uint64_t wrong;

    __asm__ volatile(
        "push %%rbp\n"
        "mov %%rax, -8(%%rsp)\n" /* the red zone is ours, in a signal too */
        "mov %%rax, -128(%%rsp)\n"
        "lea 1(%%rax), %%rbx\n lea 2(%%rax), %%rdx\n lea 3(%%rax), %%rsi\n lea 4(%%rax), %%rdi\n"
        "lea 5(%%rax), %%rbp\n lea 6(%%rax), %%r8\n lea 7(%%rax), %%r9\n lea 8(%%rax), %%r10\n"
        "lea 9(%%rax), %%r11\n lea 10(%%rax), %%r12\n lea 11(%%rax), %%r13\n lea 12(%%rax), %%r14\n"
        "lea 13(%%rax), %%r15\n"
        "stc\n"
        "1: lea -1(%%rcx), %%rcx\n jrcxz 2f\n jc 1b\n" /* carry has to last, too */
        "2: setnc %%cl\n"
        "sub $1, %%rbx\n sub $2, %%rdx\n sub $3, %%rsi\n sub $4, %%rdi\n sub $5, %%rbp\n sub $6, %%r8\n"
        "sub $7, %%r9\n sub $8, %%r10\n sub $9, %%r11\n sub $10, %%r12\n sub $11, %%r13\n sub $12, %%r14\n"
        "sub $13, %%r15\n"
        "xor %%rax, %%rbx\n or %%rbx, %%rcx\n xor %%rax, %%rdx\n or %%rdx, %%rcx\n"
        "xor %%rax, %%rsi\n or %%rsi, %%rcx\n xor %%rax, %%rdi\n or %%rdi, %%rcx\n"
        "xor %%rax, %%rbp\n or %%rbp, %%rcx\n xor %%rax, %%r8\n or %%r8, %%rcx\n"
        "xor %%rax, %%r9\n or %%r9, %%rcx\n xor %%rax, %%r10\n or %%r10, %%rcx\n"
        "xor %%rax, %%r11\n or %%r11, %%rcx\n xor %%rax, %%r12\n or %%r12, %%rcx\n"
        "xor %%rax, %%r13\n or %%r13, %%rcx\n xor %%rax, %%r14\n or %%r14, %%rcx\n"
        "xor %%rax, %%r15\n or %%r15, %%rcx\n"
        "mov -8(%%rsp), %%rbx\n xor %%rax, %%rbx\n or %%rbx, %%rcx\n"
        "mov -128(%%rsp), %%rbx\n xor %%rax, %%rbx\n or %%rbx, %%rcx\n"
        "pop %%rbp"
        : "=c"(wrong), "+a"(seed)
        : "c"(spins)
        : "rbx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "memory", "cc");
    return wrong;
}
#else
static uint32_t registers_hold(uint32_t seed, uint32_t spins)
{
    uint32_t wrong;

    __asm__ volatile("push %%ebp\n push %%ebx\n"
                     "lea 1(%%eax), %%ebx\n lea 2(%%eax), %%edx\n lea 3(%%eax), %%esi\n lea 4(%%eax), %%edi\n"
                     "lea 5(%%eax), %%ebp\n"
                     "stc\n"
                     "1: lea -1(%%ecx), %%ecx\n jecxz 2f\n jc 1b\n"
                     "2: setnc %%cl\n"
                     "sub $1, %%ebx\n sub $2, %%edx\n sub $3, %%esi\n sub $4, %%edi\n sub $5, %%ebp\n"
                     "xor %%eax, %%ebx\n or %%ebx, %%ecx\n xor %%eax, %%edx\n or %%edx, %%ecx\n"
                     "xor %%eax, %%esi\n or %%esi, %%ecx\n xor %%eax, %%edi\n or %%edi, %%ecx\n"
                     "xor %%eax, %%ebp\n or %%ebp, %%ecx\n"
                     "pop %%ebx\n pop %%ebp"
                     : "=c"(wrong), "+a"(seed)
                     : "c"(spins)
                     : "edx", "esi", "edi", "memory", "cc");
    return wrong;
}
#endif

static int avx;

/* The same for vector registers, which a call needn't keep, and the x87 stack's top. */
__attribute__((noinline)) static void vectors_hold(uint32_t seed, unsigned spins)
{
    uint32_t in[8], out[16];
    double st = seed, back;

    for (int i = 0; i < 8; i++)
        in[i] = seed * 2654435761u + (uint32_t)i;
    if (avx)
        __asm__ volatile("vmovdqu (%2), %%ymm1\n vmovdqu (%2), %%ymm7\n fldl %4\n"
                         "1: sub $1, %0\n jnz 1b\n"
                         "vmovdqu %%ymm1, (%3)\n vmovdqu %%ymm7, 32(%3)\n fstpl %1\n vzeroupper"
                         : "+r"(spins), "=m"(back)
                         : "r"(in), "r"(out), "m"(st)
                         : "memory", "cc");
    else
        __asm__ volatile("movdqu (%2), %%xmm1\n movdqu (%2), %%xmm7\n fldl %4\n"
                         "1: sub $1, %0\n jnz 1b\n"
                         "movdqu %%xmm1, (%3)\n movdqu %%xmm7, 32(%3)\n fstpl %1"
                         : "+r"(spins), "=m"(back)
                         : "r"(in), "r"(out), "m"(st)
                         : "memory", "cc");
    CHECK(memcmp(in, out, avx ? 32 : 16) == 0 && memcmp(in, out + 8, avx ? 32 : 16) == 0);
    CHECK(st == back);
}

static volatile unsigned arrived[4];

static void spoil(unsigned which)
{
    CHECK_EQ(registers_hold(0x5eed0000u + which, 3), 0);
    vectors_hold(0xbad0 + which, 2);
    arrived[which]++;
}

static void on_interval(int number, siginfo_t *info, void *context)
{
    (void)number, (void)info, (void)context;
    spoil(0);
}

static void on_timer(int number, siginfo_t *info, void *context)
{
    (void)number, (void)context;
    CHECK(info->si_code == SI_TIMER && info->si_value.sival_int == 4321);
    spoil(1);
}

static void on_thread(int number, siginfo_t *info, void *context)
{
    (void)number, (void)info, (void)context;
    spoil(2);
}

static volatile int storm_over;
static pthread_t storm_target;

static void *send_storm(void *argument)
{
    (void)argument;
    while (!storm_over) {
        CHECK(pthread_kill(storm_target, SIGUSR1) == 0);
        usleep(100);
    }
    return NULL;
}

static void test_storm(void)
{
    struct itimerval often = {{0, 1000}, {0, 1000}}, never = {{0, 0}, {0, 0}};
    struct itimerspec rate = {{0, 500000}, {0, 500000}};
    struct sigevent event = {
        .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN, .sigev_value.sival_int = 4321};
    sigset_t most, old;
    pthread_t sender;
    timer_t timer;

    /* All of them may interrupt each other's handlers. */
    install(SIGALRM, on_interval, SA_NODEFER | SA_RESTART);
    install(SIGRTMIN, on_timer, SA_RESTART);
    install(SIGUSR1, on_thread, SA_RESTART);
    storm_target = pthread_self();
    sigfillset(&most);
    CHECK(pthread_sigmask(SIG_SETMASK, &most, &old) == 0);
    CHECK(pthread_create(&sender, NULL, send_storm, NULL) == 0);
    CHECK(pthread_sigmask(SIG_SETMASK, &old, NULL) == 0);
    CHECK(timer_create(CLOCK_MONOTONIC, &event, &timer) == 0);
    CHECK(timer_settime(timer, 0, &rate, NULL) == 0);
    CHECK(setitimer(ITIMER_REAL, &often, NULL) == 0);
    for (unsigned i = 0; arrived[0] < 400 || arrived[1] < 400 || arrived[2] < 400; i++) {
        CHECK_EQ(registers_hold(i * 0x01010101u, 5000), 0);
        vectors_hold(i, 5000);
    }
    storm_over = 1;
    CHECK(setitimer(ITIMER_REAL, &never, NULL) == 0);
    CHECK(timer_delete(timer) == 0);
    CHECK(pthread_join(sender, NULL) == 0);
}

/* Handlers within handlers on the alternate stack, the innermost of which leaves all of them at once. */
static sigjmp_buf outermost;
static volatile int depth, deepest;
static unsigned char alternate[256 * 1024];

static void on_deeper(int number, siginfo_t *info, void *context)
{
    volatile unsigned char here = (unsigned char)number;

    (void)info, (void)context;
    CHECK((uintptr_t)&here >= (uintptr_t)alternate &&
          (uintptr_t)&here < (uintptr_t)alternate + sizeof(alternate));
    if (++depth == deepest)
        siglongjmp(outermost, depth);
    raise(number);
    FAIL("came back from %d deep", depth);
}

static void test_nesting(void)
{
    stack_t stack = {.ss_sp = alternate, .ss_size = sizeof(alternate)}, now;
    sigset_t mask;

    CHECK(sigaltstack(&stack, NULL) == 0);
    install(SIGUSR2, on_deeper, SA_NODEFER | SA_ONSTACK);
    for (volatile int round = 0; round < 500; round++) {
        depth = 0;
        deepest = 1 + round % 16;
        int got = sigsetjmp(outermost, 1);

        if (got == 0) {
            raise(SIGUSR2);
            FAIL("came back");
        }
        CHECK_EQ(got, deepest);
        CHECK(sigprocmask(SIG_BLOCK, NULL, &mask) == 0);
        CHECK(!sigismember(&mask, SIGUSR2));
        CHECK(sigaltstack(NULL, &now) == 0 && !(now.ss_flags & SS_ONSTACK));
    }
}

/* Queued real-time signals come lower numbers first, each number in the order of sending. */
enum { KINDS = 4, EACH = 200 };
static volatile int next_value[KINDS], last_kind;

static void on_queued(int number, siginfo_t *info, void *context)
{
    int kind = number - (SIGRTMIN + 2);

    (void)context;
    CHECK(kind >= last_kind);
    last_kind = kind;
    CHECK_EQ(info->si_value.sival_int, next_value[kind]);
    next_value[kind]++;
}

static void test_queues(void)
{
    sigset_t set, old;
    pid_t child, parent = getpid();

    sigemptyset(&set);
    for (int kind = 0; kind < KINDS; kind++) {
        struct sigaction action = {.sa_sigaction = on_queued, .sa_flags = SA_SIGINFO};

        sigfillset(&action.sa_mask);
        CHECK(sigaction(SIGRTMIN + 2 + kind, &action, NULL) == 0);
        sigaddset(&set, SIGRTMIN + 2 + kind);
    }
    CHECK(sigprocmask(SIG_BLOCK, &set, &old) == 0);
    child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        for (int i = 0; i < KINDS * EACH; i++)
            CHECK(sigqueue(parent, SIGRTMIN + 2 + KINDS - 1 - i % KINDS,
                           (union sigval){.sival_int = i / KINDS}) == 0);
        _exit(0);
    }
    CHECK_EQ(child_status(child), 0);
    CHECK(sigprocmask(SIG_SETMASK, &old, NULL) == 0);
    for (int kind = 0; kind < KINDS; kind++)
        CHECK_EQ(next_value[kind], EACH);
}

/*
 * A handler may change the context that it goes back to: registers, the place, and vector registers in the
 * saved state.
 */
extern const char context_load[], context_behind[];

static void on_mend(int number, siginfo_t *info, void *context)
{
    greg_t *registers = ((ucontext_t *)context)->uc_mcontext.gregs;

    (void)number;
    CHECK_EQ((uintptr_t)info->si_addr, 16);
    CHECK_EQ((uintptr_t)registers[GREG_IP], (uintptr_t)context_load);
    registers[GREG_IP] = (greg_t)(uintptr_t)context_behind;
    registers[GREG_AX] = registers[GREG_CX] + 1;
    registers[REG_EFL] |= 1; /* carry */
#ifdef __x86_64__
    fpregset_t state = ((ucontext_t *)context)->uc_mcontext.fpregs;

    for (int i = 0; i < 4; i++)
        state->_xmm[3].element[i] += 5;
#endif
}

/* Loads from address 16, which on_mend() makes `count` + 1; the vector register goes from `in` to `out`. */
__attribute__((noinline)) static uintptr_t load_mended(uintptr_t count, const uint32_t *in, uint32_t *out,
                                                       unsigned char *carry)
{
    uintptr_t result = 16;

    __asm__ volatile("movdqu (%3), %%xmm3\n clc\n"
                     "context_load: mov (%0), %0\n"
                     "hlt\n"
                     "context_behind: setc %2\n movdqu %%xmm3, (%4)"
                     : "+a"(result), "+c"(count), "=q"(*carry)
                     : "S"(in), "D"(out)
                     : "cc", "memory");
    return result;
}

static void test_changed_context(void)
{
    install(SIGSEGV, on_mend, 0);
    for (uintptr_t i = 0; i < 2000; i++) {
        uint32_t in[4] = {(uint32_t)i, 1, 2, 3}, out[4] = {0};
        unsigned char carry = 0;

        CHECK_EQ(load_mended(i, in, out, &carry), i + 1);
        CHECK_EQ(carry, 1);
#ifdef __x86_64__
        for (unsigned k = 0; k < 4; k++)
            CHECK_EQ(out[k], in[k] + 5);
#else
        CHECK(memcmp(in, out, sizeof(in)) == 0);
#endif
    }
    signal(SIGSEGV, SIG_DFL);
}

static volatile unsigned ticks;

static void on_tick(int number, siginfo_t *info, void *context)
{
    (void)number, (void)info, (void)context;
    ticks++;
}

/* What may be restarted is, many times over; what may not fails with EINTR and says how much is left. */
static void test_restart(void)
{
    struct itimerval often = {{0, 1000}, {0, 1000}}, never = {{0, 0}, {0, 0}};
    struct timespec nap = {5, 0}, left = {0, 0};
    int ends[2], status;
    char bytes[64];

    CHECK(pipe(ends) == 0);
    install(SIGALRM, on_tick, SA_RESTART);
    pid_t child = fork();

    CHECK(child >= 0);
    if (child == 0) {
        for (int i = 0; i < 64; i++) {
            char byte = (char)i;

            usleep(3000);
            CHECK(write(ends[1], &byte, 1) == 1);
        }
        _exit(33);
    }
    CHECK(setitimer(ITIMER_REAL, &often, NULL) == 0);
    for (int i = 0; i < 64; i++) {
        CHECK(read(ends[0], &bytes[i], 1) == 1);
        CHECK_EQ(bytes[i], i);
    }
    CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 33);
    for (int i = 0; i < 20; i++) {
        struct pollfd nothing = {.fd = ends[0], .events = POLLIN};

        errno = 0;
        CHECK(nanosleep(&nap, &left) == -1 && errno == EINTR); /* SA_RESTART or not */
        /* A signal that comes at once leaves all of it, and the timer's slack of 50 us. */
        CHECK(left.tv_sec >= 3 && (left.tv_sec < 5 || (left.tv_sec == 5 && left.tv_nsec <= 50000)));
        CHECK(poll(&nothing, 1, 5000) == -1 && errno == EINTR);
    }
    CHECK(ticks > 60);
    CHECK(setitimer(ITIMER_REAL, &never, NULL) == 0);
}

int main(void)
{
    avx = __builtin_cpu_supports("avx");
    test_storm();
    test_nesting();
    test_queues();
    test_changed_context();
    test_restart();
    return 0;
}
