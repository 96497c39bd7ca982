/* width: 64 32 */
// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * x87, SSE, AVX and AVX-512 registers and their control words belong to each task: they survive preemption,
 * system calls, signals and fork. A hypervisor (or a helper of its translator) that touches a vector register
 * without saving it, or loses the upper half of a YMM or ZMM register, or a mask, or mishandles the
 * lazy-switching hypercall, mixes them up.
 */
#include "check.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/time.h>

struct state {
    unsigned char ymm[8][32];
    double st[4];
    uint16_t fcw;
    uint32_t mxcsr;
};

/* And of AVX-512: the first eight registers in full, the last eight where there are so many, masks. */
struct wide_state {
    unsigned char zmm[8][64], last[8][64];
    uint16_t k[8];
};

static int avx, avx512;

static void state_make(struct state *s, unsigned seed)
{
    uint32_t random = seed * 2654435761u + 1;

    for (int i = 0; i < 8; i++)
        for (int k = 0; k < 32; k++)
            s->ymm[i][k] = (unsigned char)random_next(&random);
    for (int i = 0; i < 4; i++)
        s->st[i] = seed + i * 0.25;
    s->fcw = (uint16_t)(0x037f ^ (seed & 3) << 10); /* rounding */
    s->mxcsr = 0x1f80 ^ (seed & 3) << 13;
}

/*
 * Loads the registers, does `spins` rounds of work that uses none of them, stores them. All in one asm:
 * nobody else may touch them.
 */
__attribute__((noinline)) static void state_carry(const struct state *in, struct state *out, unsigned spins)
{
    if (avx)
        __asm__ volatile("vmovdqu (%0), %%ymm0\n vmovdqu 32(%0), %%ymm1\n vmovdqu 64(%0), %%ymm2\n vmovdqu "
                         "96(%0), %%ymm3\n"
                         "vmovdqu 128(%0), %%ymm4\n vmovdqu 160(%0), %%ymm5\n vmovdqu 192(%0), %%ymm6\n "
                         "vmovdqu 224(%0), %%ymm7\n"
                         "fninit\n fldcw 288(%0)\n ldmxcsr %c4(%0)\n fldl 256(%0)\n fldl 264(%0)\n fldl "
                         "272(%0)\n fldl 280(%0)\n"
                         "1: subl $1, %2\n jnz 1b\n"
                         "fstpl 280(%1)\n fstpl 272(%1)\n fstpl 264(%1)\n fstpl 256(%1)\n fnstcw 288(%1)\n "
                         "stmxcsr %c4(%1)\n fninit\n"
                         "vmovdqu %%ymm0, (%1)\n vmovdqu %%ymm1, 32(%1)\n vmovdqu %%ymm2, 64(%1)\n vmovdqu "
                         "%%ymm3, 96(%1)\n"
                         "vmovdqu %%ymm4, 128(%1)\n vmovdqu %%ymm5, 160(%1)\n vmovdqu %%ymm6, 192(%1)\n "
                         "vmovdqu %%ymm7, 224(%1)\n"
                         "vzeroupper"
                         : "+r"(in), "+r"(out), "+r"(spins)
                         : "m"(*in), "i"(__builtin_offsetof(struct state, mxcsr))
                         : "memory", "cc");
    else
        __asm__ volatile(
            "movdqu (%0), %%xmm0\n movdqu 32(%0), %%xmm1\n movdqu 64(%0), %%xmm2\n movdqu 96(%0), %%xmm3\n"
            "movdqu 128(%0), %%xmm4\n movdqu 160(%0), %%xmm5\n movdqu 192(%0), %%xmm6\n movdqu 224(%0), "
            "%%xmm7\n"
            "fninit\n fldcw 288(%0)\n ldmxcsr %c4(%0)\n fldl 256(%0)\n fldl 264(%0)\n fldl 272(%0)\n fldl "
            "280(%0)\n"
            "1: subl $1, %2\n jnz 1b\n"
            "fstpl 280(%1)\n fstpl 272(%1)\n fstpl 264(%1)\n fstpl 256(%1)\n fnstcw 288(%1)\n stmxcsr "
            "%c4(%1)\n fninit\n"
            "movdqu %%xmm0, (%1)\n movdqu %%xmm1, 32(%1)\n movdqu %%xmm2, 64(%1)\n movdqu %%xmm3, 96(%1)\n"
            "movdqu %%xmm4, 128(%1)\n movdqu %%xmm5, 160(%1)\n movdqu %%xmm6, 192(%1)\n movdqu %%xmm7, "
            "224(%1)"
            : "+r"(in), "+r"(out), "+r"(spins)
            : "m"(*in), "i"(__builtin_offsetof(struct state, mxcsr))
            : "memory", "cc");
    __asm__ volatile("ldmxcsr %0" : : "m"((uint32_t){0x1f80}));
}

static void state_check(unsigned seed, unsigned spins)
{
    struct state in, out;

    state_make(&in, seed);
    memset(&out, 0xee, sizeof(out));
    state_carry(&in, &out, spins);
    for (int i = 0; i < 8; i++)
        CHECK(memcmp(in.ymm[i], out.ymm[i], avx ? 32 : 16) == 0);
    for (int i = 0; i < 4; i++)
        CHECK(in.st[i] == out.st[i]);
    CHECK_EQ(out.fcw, in.fcw);
    CHECK_EQ(out.mxcsr, in.mxcsr);
}

#ifdef __x86_64__
#define LAST(move) move
#else
#define LAST(move)
#endif

#define LOAD(i, j)                      \
    "vmovdqu64 64*" #i "(%0), %%zmm" #i \
    "\n" LAST("vmovdqu64 512+64*" #i "(%0), %%zmm" #j "\n") "kmovw 1024+2*" #i "(%0), %%k" #i "\n"
#define STORE(i, j)                 \
    "vmovdqu64 %%zmm" #i ", 64*" #i \
    "(%1)\n" LAST("vmovdqu64 %%zmm" #j ", 512+64*" #i "(%1)\n") "kmovw %%k" #i ", 1024+2*" #i "(%1)\n"
#define EACH(X) X(0, 24) X(1, 25) X(2, 26) X(3, 27) X(4, 28) X(5, 29) X(6, 30) X(7, 31)

static void wide_make(struct wide_state *s, unsigned seed)
{
    uint32_t random = seed * 2654435761u + 1;

    for (size_t i = 0; i < sizeof(*s); i++)
        ((unsigned char *)s)[i] = (unsigned char)random_next(&random);
}

/* As state_carry() and state_check(), of AVX-512. */
__attribute__((noinline)) static void wide_carry(const struct wide_state *in, struct wide_state *out,
                                                 unsigned spins)
{
    __asm__ volatile(EACH(LOAD) "1: subl $1, %2\n jnz 1b\n" EACH(STORE) "vzeroupper"
                     : "+r"(in), "+r"(out), "+r"(spins)
                     :
                     : "memory", "cc");
}

static void wide_check(unsigned seed, unsigned spins)
{
    struct wide_state in, out;

    wide_make(&in, seed);
    out = in;
    memset(out.zmm, 0xee, sizeof(out.zmm));
    LAST(memset(out.last, 0xee, sizeof(out.last));)
    memset(out.k, 0xee, sizeof(out.k));
    wide_carry(&in, &out, spins);
    CHECK(memcmp(&in, &out, sizeof(in)) == 0);
}

static void *carry_on(void *argument)
{
    for (unsigned i = 0; i < 60; i++) {
        state_check((unsigned)(uintptr_t)argument + i * 16, 200000);
        if (avx512)
            wide_check((unsigned)(uintptr_t)argument + i * 16, 200000);
        sched_yield();
    }
    return NULL;
}

static volatile int alarms;

/* A handler with its own idea of every register; sigreturn has to bring the interrupted ones back. */
static void on_alarm(int number)
{
    (void)number;
    state_check(4242u + (unsigned)alarms, 100);
    if (avx512)
        wide_check(4242u + (unsigned)alarms, 100);
    alarms++;
}

int main(void)
{
    struct itimerval often = {{0, 2000}, {0, 2000}}, never = {{0, 0}, {0, 0}};
    pthread_t threads[6];

    avx = __builtin_cpu_supports("avx");
    avx512 = __builtin_cpu_supports("avx512f");
    _Static_assert(__builtin_offsetof(struct state, st) == 256 &&
                       __builtin_offsetof(struct state, fcw) == 288,
                   "as the asm has it");
    for (int process = 0; process < 2; process++) {
        pid_t child = fork();

        CHECK(child >= 0);
        if (child == 0) {
            for (uintptr_t i = 0; i < 6; i++)
                CHECK(pthread_create(&threads[i], NULL, carry_on, (void *)(i + (uintptr_t)process * 100)) ==
                      0);
            for (int i = 0; i < 6; i++)
                pthread_join(threads[i], NULL);
            _exit(0);
        }
    }
    signal(SIGALRM, on_alarm);
    setitimer(ITIMER_REAL, &often, NULL);
    for (unsigned i = 0; alarms < 100; i++) {
        CHECK(i < 1000000);
        if (avx512 && i % 2)
            wide_check(7 + i, 100000);
        else
            state_check(7 + i, 100000);
    }
    setitimer(ITIMER_REAL, &never, NULL);
    for (int process = 0; process < 2; process++) {
        int status;

        while (wait(&status) < 0)
            CHECK(errno == EINTR);
        CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
    return 0;
}
