/* width: 64 */
// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What CPUID promises works: for each feature that it shows, an instruction of it runs and gives the right
 * result; what XCR0 doesn't enable raises #UD. The vendor string and the maximum leaf are sane, and the
 * answers are the same on every CPU and every time.
 */
#include "check.h"

#include <cpuid.h>
#include <immintrin.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>

static sigjmp_buf escape;

static void on_illegal(int number)
{
    (void)number;
    siglongjmp(escape, 1);
}

#define WORKS(name, shown, ...)                                               \
    do {                                                                      \
        if (shown) {                                                          \
            if (sigsetjmp(escape, 1))                                         \
                FAIL("CPUID shows " name ", but its instruction raises #UD"); \
            __VA_ARGS__                                                       \
        } else {                                                              \
            printf("no " name "; ");                                          \
        }                                                                     \
    } while (0)

static int xcr0_avx(unsigned leaf1_ecx)
{
    unsigned low, high;

    if (!(leaf1_ecx & 1u << 27))
        return 0;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (low & 6) == 6;
}

int main(void)
{
    static unsigned a, b, c, d, b7, c7, d7, extended_c, extended_d,
        maximum; /* static: longjmp leaves them alone */
    char vendor[13] = "";
    static uint64_t x = 0x00f0000000000100u;
    uint64_t y;

    signal(SIGILL, on_illegal);
    __cpuid(0, maximum, b, c, d);
    memcpy(vendor, &b, 4);
    memcpy(vendor + 4, &d, 4);
    memcpy(vendor + 8, &c, 4);
    for (int i = 0; i < 12; i++)
        CHECK(vendor[i] >= ' ' && vendor[i] <= '~');
    CHECK(maximum >= 1 && maximum < 0x100);
    __cpuid(1, a, b, c, d);
    CHECK((d & (1u << 0 | 1u << 15 | 1u << 25 | 1u << 26)) ==
          (1u << 0 | 1u << 15 | 1u << 25 | 1u << 26)); /* x87 cmov sse sse2 */
    if (maximum >= 7)
        __cpuid_count(7, 0, a, b7, c7, d7);
    __cpuid(0x80000000, maximum, d7, c7, a);
    if (maximum >= 0x80000001)
        __cpuid(0x80000001, a, d7, extended_c, extended_d);
    CHECK(extended_d & 1u << 29);
    static int avx;

    avx = (c & 1u << 28) && xcr0_avx(c);

    WORKS("SSE3", c & 1, __asm__ volatile("haddps %%xmm0, %%xmm0" ::: "xmm0"););
    WORKS("PCLMULQDQ", c & 2, {
        __m128i r;

        __asm__("movq %1, %0\n pclmulqdq $0, %0, %0" : "=&x"(r) : "r"(3ul));
        __asm__("movq %1, %0" : "=r"(y) : "x"(r));
        CHECK_EQ(y, 5);
    });
    WORKS("SSSE3", c & 1u << 9, __asm__ volatile("pshufb %%xmm0, %%xmm0" ::: "xmm0"););
    WORKS("FMA", (c & 1u << 12) && avx,
          __asm__ volatile("vfmadd231pd %%ymm0, %%ymm0, %%ymm0\n vzeroupper" ::
                               : "xmm0"););
    WORKS("CMPXCHG16B", c & 1u << 13, {
        static uint64_t pair[2] __attribute__((aligned(16))) = {1, 2};
        uint64_t low = 1, high = 2;

        __asm__ volatile("lock cmpxchg16b %0"
                         : "+m"(pair), "+a"(low), "+d"(high)
                         : "b"(3ul), "c"(4ul)
                         : "cc", "memory");
        CHECK(pair[0] == 3 && pair[1] == 4);
    });
    WORKS("SSE4.1", c & 1u << 19, __asm__ volatile("pminud %%xmm0, %%xmm0" ::: "xmm0"););
    WORKS("SSE4.2", c & 1u << 20, {
        uint32_t crc = 0;

        __asm__("crc32b %1, %0" : "+r"(crc) : "r"((uint8_t)1));
        CHECK_EQ(crc, 0xf26b8303u);
    });
    WORKS("MOVBE", c & 1u << 22, {
        __asm__("movbe %1, %0" : "=r"(y) : "m"(x));
        CHECK_EQ(y, __builtin_bswap64(x));
    });
    WORKS("POPCNT", c & 1u << 23, {
        __asm__("popcnt %1, %0" : "=r"(y) : "r"(x));
        CHECK_EQ(y, 5);
    });
    WORKS("AES", c & 1u << 25, __asm__ volatile("aesenc %%xmm0, %%xmm0" ::: "xmm0"););
    WORKS("AVX", avx, __asm__ volatile("vxorps %%ymm0, %%ymm0, %%ymm0\n vzeroupper" ::: "xmm0"););
    WORKS("F16C", (c & 1u << 29) && avx,
          __asm__ volatile("vcvtph2ps %%xmm0, %%ymm0\n vzeroupper" ::
                               : "xmm0"););
    WORKS("RDRAND", c & 1u << 30, __asm__ volatile("rdrand %0" : "=r"(y) : : "cc"););
    WORKS("FSGSBASE", b7 & 1, {
        __asm__ volatile("wrgsbase %1\n rdgsbase %0" : "=r"(y) : "r"(x & 0xffffffff));
        CHECK_EQ(y, x & 0xffffffff);
    });
    WORKS("BMI1", b7 & 1u << 3, {
        __asm__("tzcnt %1, %0" : "=r"(y) : "r"(x) : "cc");
        CHECK_EQ(y, 8);
        __asm__("andn %1, %1, %0" : "=r"(y) : "r"(x) : "cc");
        CHECK_EQ(y, 0);
    });
    WORKS("AVX2", (b7 & 1u << 5) && avx,
          __asm__ volatile("vpaddd %%ymm0, %%ymm0, %%ymm0\n vzeroupper" ::
                               : "xmm0"););
    WORKS("BMI2", b7 & 1u << 8, {
        __asm__("pext %1, %1, %0" : "=r"(y) : "r"(x));
        CHECK_EQ(y, 31);
    });
    WORKS("ERMS", b7 & 1u << 9, {
        char from[300], to[300];
        void *out = to;
        const void *in = from;
        size_t n = sizeof(to);

        memset(from, 7, sizeof(from));
        __asm__ volatile("rep movsb" : "+D"(out), "+S"(in), "+c"(n) : : "memory");
        CHECK(memcmp(from, to, sizeof(to)) == 0);
    });
    WORKS("RDSEED", b7 & 1u << 18, __asm__ volatile("rdseed %0" : "=r"(y) : : "cc"););
    WORKS("ADX", b7 & 1u << 19, __asm__ volatile("xor %%eax, %%eax\n adcx %%rax, %%rax" ::: "rax", "cc"););
    WORKS("CLFLUSHOPT", b7 & 1u << 23, __asm__ volatile("clflushopt %0" : : "m"(x)););
    WORKS("SHA", b7 & 1u << 29, __asm__ volatile("sha1msg1 %%xmm0, %%xmm0" ::: "xmm0"););
    WORKS("LZCNT", extended_c & 1u << 5, {
        __asm__("lzcnt %1, %0" : "=r"(y) : "r"(x) : "cc");
        CHECK_EQ(y, 8);
    });
    WORKS("PREFETCHW", extended_c & 1u << 8, __asm__ volatile("prefetchw %0" : : "m"(x)););
    WORKS("RDTSCP", extended_d & 1u << 27, __asm__ volatile("rdtscp" ::: "rax", "rcx", "rdx"););
    WORKS("AVX-512F", (b7 & 1u << 16) && avx,
          __asm__ volatile("vpxorq %%zmm0, %%zmm0, %%zmm0\n vzeroupper" ::
                               : "xmm0"););
    /* Without the operating system's consent AVX is #UD, whatever the silicon can do. */
    if (!avx && !sigsetjmp(escape, 1)) {
        __asm__ volatile("vxorps %%xmm0, %%xmm0, %%xmm0" ::: "xmm0");
        FAIL("AVX isn't shown, and works");
    }
    putchar('\n');
    for (int cpu = 0; cpu < sysconf(_SC_NPROCESSORS_ONLN); cpu++) {
        cpu_set_t set;
        unsigned again_a, again_b, again_c, again_d;

        CPU_ZERO(&set);
        CPU_SET(cpu, &set);
        CHECK(sched_setaffinity(0, sizeof(set), &set) == 0);
        __cpuid(1, again_a, again_b, again_c, again_d);
        CHECK_EQ(again_c, c);
        CHECK_EQ(again_d, d);
    }
    return 0;
}
