// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Rows that compute with floating point, scalar and in vectors, and that copy in bulk.
 */
#include "bench.h"

#include <immintrin.h>
#include <string.h>

/* Trace and sum of the product of the matrices that matrix_prepare() makes, by Python. */
#define ANSWER_TRACE 61607.0
#define ANSWER_SUM   3931005.0

/* ---- Floating point: 64x64 matrices of small integers, so that sums are exact in whatever order ---- */

#define SIDE 64

static double ma[SIDE][SIDE] __attribute__((aligned(64))), mb[SIDE][SIDE] __attribute__((aligned(64))),
    mc[SIDE][SIDE] __attribute__((aligned(64)));

void matrix_prepare(void)
{
    for (int i = 0; i < SIDE; i++)
        for (int j = 0; j < SIDE; j++) {
            ma[i][j] = (i * 3 + j) % 7;
            mb[i][j] = (i + j * 5) % 11;
        }
}

static void matrix_check(void)
{
    double trace = 0, sum = 0;

    for (int i = 0; i < SIDE; i++) {
        trace += mc[i][i];
        for (int j = 0; j < SIDE; j++)
            sum += mc[i][j];
    }
    if (trace != ANSWER_TRACE || sum != ANSWER_SUM)
        bench_wrong();
}

__attribute__((optimize("no-tree-vectorize"), noinline)) static void matmul_scalar(void)
{
    for (int i = 0; i < SIDE; i++)
        for (int j = 0; j < SIDE; j++) {
            double s = 0;

            for (int k = 0; k < SIDE; k++)
                s += ma[i][k] * mb[k][j];
            mc[i][j] = s;
        }
}

static NOINLINE void matmul_sse2(void)
{
    for (int i = 0; i < SIDE; i++)
        for (int j = 0; j < SIDE; j += 8) {
            __m128d s0 = _mm_setzero_pd(), s1 = s0, s2 = s0, s3 = s0;

            for (int k = 0; k < SIDE; k++) {
                __m128d a = _mm_set1_pd(ma[i][k]);

                s0 = _mm_add_pd(s0, _mm_mul_pd(a, _mm_load_pd(&mb[k][j])));
                s1 = _mm_add_pd(s1, _mm_mul_pd(a, _mm_load_pd(&mb[k][j + 2])));
                s2 = _mm_add_pd(s2, _mm_mul_pd(a, _mm_load_pd(&mb[k][j + 4])));
                s3 = _mm_add_pd(s3, _mm_mul_pd(a, _mm_load_pd(&mb[k][j + 6])));
            }
            _mm_store_pd(&mc[i][j], s0);
            _mm_store_pd(&mc[i][j + 2], s1);
            _mm_store_pd(&mc[i][j + 4], s2);
            _mm_store_pd(&mc[i][j + 6], s3);
        }
}

__attribute__((target("avx2"), noinline)) static void matmul_avx2(void)
{
    for (int i = 0; i < SIDE; i++)
        for (int j = 0; j < SIDE; j += 16) {
            __m256d s0 = _mm256_setzero_pd(), s1 = s0, s2 = s0, s3 = s0;

            for (int k = 0; k < SIDE; k++) {
                __m256d a = _mm256_broadcast_sd(&ma[i][k]);

                s0 = _mm256_add_pd(s0, _mm256_mul_pd(a, _mm256_load_pd(&mb[k][j])));
                s1 = _mm256_add_pd(s1, _mm256_mul_pd(a, _mm256_load_pd(&mb[k][j + 4])));
                s2 = _mm256_add_pd(s2, _mm256_mul_pd(a, _mm256_load_pd(&mb[k][j + 8])));
                s3 = _mm256_add_pd(s3, _mm256_mul_pd(a, _mm256_load_pd(&mb[k][j + 12])));
            }
            _mm256_store_pd(&mc[i][j], s0);
            _mm256_store_pd(&mc[i][j + 4], s1);
            _mm256_store_pd(&mc[i][j + 8], s2);
            _mm256_store_pd(&mc[i][j + 12], s3);
        }
}

static void matmul(void (*kernel)(void), uint64_t n)
{
    while (n--) {
        memset(mc, 0, sizeof(mc));
        kernel();
        matrix_check();
    }
}

void row_matmul_scalar(uint64_t n)
{
    matmul(matmul_scalar, n);
}

void row_matmul_sse2(uint64_t n)
{
    matmul(matmul_sse2, n);
}

void row_matmul_avx2(uint64_t n)
{
    matmul(matmul_avx2, n);
}

/* ---- Bulk copies of 256 KiB ---- */

#define COPY_BYTES (256 * 1024)

static char copy_from[COPY_BYTES] __attribute__((aligned(4096))),
    copy_to[COPY_BYTES] __attribute__((aligned(4096)));

static void copy_check(uint64_t i)
{
    if (copy_to[0] != (char)i || copy_to[COPY_BYTES / 2 + 1] != (char)(i + 1) ||
        copy_to[COPY_BYTES - 1] != (char)(i + 2))
        bench_wrong();
}

static void copy_mark(uint64_t i)
{
    copy_from[0] = (char)i;
    copy_from[COPY_BYTES / 2 + 1] = (char)(i + 1);
    copy_from[COPY_BYTES - 1] = (char)(i + 2);
}

void row_memcpy(uint64_t n)
{
    void *(*volatile copy)(void *, const void *, size_t) = memcpy;

    while (n--) {
        copy_mark(n);
        copy(copy_to, copy_from, COPY_BYTES);
        copy_check(n);
    }
}

void row_movsb(uint64_t n)
{
    while (n--) {
        void *to = copy_to;
        const void *from = copy_from;
        size_t count = COPY_BYTES;

        copy_mark(n);
        __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(count) : : "memory");
        copy_check(n);
    }
}
