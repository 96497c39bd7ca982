// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Rows that compute with integers, branches, calls and loads.
 */
#include "bench.h"

#include <sys/mman.h>
#include <unistd.h>

/* CRC-32 and first word of the SHA-256 of what integer_prepare() makes, by Python's zlib and hashlib. */
#define ANSWER_CRC 0xc90cb56cu
#define ANSWER_SHA 0x7cc2872bu

static uint8_t data[64 * 1024];

void integer_prepare(void)
{
    uint32_t state = 2463534242u;

    for (size_t i = 0; i < sizeof(data); i++)
        data[i] = (uint8_t)bench_random(&state);
}

void row_crc(uint64_t n)
{
    static uint32_t table[256];

    if (!table[1])
        for (uint32_t i = 0; i < 256; i++) {
            uint32_t c = i;

            for (int k = 0; k < 8; k++)
                c = c & 1 ? 0xedb88320u ^ c >> 1 : c >> 1;
            table[i] = c;
        }
    while (n--) {
        uint32_t c = ~0u;

        for (size_t i = 0; i < sizeof(data); i++)
            c = table[(c ^ data[i]) & 255] ^ c >> 8;
        if (~c != ANSWER_CRC)
            bench_wrong();
    }
}

#define SORTED 8192

static NOINLINE void quicksort(uint32_t *a, long low, long high)
{
    while (low < high) {
        uint32_t pivot = a[low + (high - low) / 2];
        long i = low, j = high;

        while (i <= j) {
            while (a[i] < pivot)
                i++;
            while (a[j] > pivot)
                j--;
            if (i <= j) {
                uint32_t t = a[i];

                a[i++] = a[j];
                a[j--] = t;
            }
        }
        if (j - low < high - i) {
            quicksort(a, low, j);
            low = i;
        } else {
            quicksort(a, i, high);
            high = j;
        }
    }
}

void row_quicksort(uint64_t n)
{
    static uint32_t a[SORTED];

    while (n--) {
        uint32_t state = 88172645u;
        uint64_t before = 0, after = 0;

        for (size_t i = 0; i < SORTED; i++)
            before += a[i] = bench_random(&state);
        quicksort(a, 0, SORTED - 1);
        for (size_t i = 0; i < SORTED; i++) {
            after += a[i];
            if (i && a[i - 1] > a[i])
                bench_wrong();
        }
        if (before != after)
            bench_wrong();
    }
}

static const uint32_t sha_k[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static inline uint32_t ror(uint32_t x, int by)
{
    return x >> by | x << (32 - by);
}

static void sha_block(uint32_t h[8], const uint8_t *p)
{
    uint32_t w[64], v[8];

    for (int i = 0; i < 16; i++)
        w[i] = (uint32_t)p[4 * i] << 24 | (uint32_t)p[4 * i + 1] << 16 | (uint32_t)p[4 * i + 2] << 8 |
               p[4 * i + 3];
    for (int i = 16; i < 64; i++)
        w[i] = w[i - 16] + w[i - 7] + (ror(w[i - 15], 7) ^ ror(w[i - 15], 18) ^ w[i - 15] >> 3) +
               (ror(w[i - 2], 17) ^ ror(w[i - 2], 19) ^ w[i - 2] >> 10);
    for (int i = 0; i < 8; i++)
        v[i] = h[i];
    for (int i = 0; i < 64; i++) {
        uint32_t t1 = v[7] + (ror(v[4], 6) ^ ror(v[4], 11) ^ ror(v[4], 25)) +
                      ((v[4] & v[5]) ^ (~v[4] & v[6])) + sha_k[i] + w[i];
        uint32_t t2 =
            (ror(v[0], 2) ^ ror(v[0], 13) ^ ror(v[0], 22)) + ((v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]));

        for (int k = 7; k > 0; k--)
            v[k] = v[k - 1];
        v[4] += t1;
        v[0] = t1 + t2;
    }
    for (int i = 0; i < 8; i++)
        h[i] += v[i];
}

void row_sha256(uint64_t n)
{
    while (n--) {
        uint32_t h[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                         0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
        uint8_t last[64] = {0x80};

        for (size_t i = 0; i < sizeof(data); i += 64)
            sha_block(h, data + i);
        last[61] = sizeof(data) * 8 >> 16 & 255;
        last[62] = sizeof(data) * 8 >> 8 & 255;
        sha_block(h, last);
        if (h[0] != ANSWER_SHA)
            bench_wrong();
    }
}

/* A threaded interpreter: computes the sum of i * i for i < 1000, modulo 2^32, on a stack machine. */
enum { OP_PUSH, OP_LOAD, OP_STORE, OP_ADD, OP_MUL, OP_LESS, OP_LOOP, OP_END };

void row_interpreter(uint64_t n)
{
    // clang-format off
    static const int32_t code[] = {
        OP_PUSH, 0, OP_STORE, 0, OP_PUSH, 0, OP_STORE, 1,                           /* i = 0; sum = 0 */
        OP_LOAD, 0, OP_LOAD, 0, OP_MUL, OP_LOAD, 1, OP_ADD, OP_STORE, 1,            /* 8: sum += i * i */
        OP_LOAD, 0, OP_PUSH, 1, OP_ADD, OP_STORE, 0,                                /* i++ */
        OP_LOAD, 0, OP_PUSH, 1000, OP_LESS, OP_LOOP, 8, OP_END,                     /* while i < 1000 */
    };
    // clang-format on
    static void *const labels[] = {&&push, &&load, &&store, &&add, &&mul, &&less, &&loop, &&end};

    while (n--) {
        uint32_t stack[8], *sp = stack, variables[2] = {0, 0};
        const int32_t *pc = code;

/* NOLINTNEXTLINE(bugprone-macro-parentheses): a statement */
#define NEXT() goto *labels[*pc++]
        NEXT();
    push:
        *sp++ = (uint32_t)*pc++;
        NEXT();
    load:
        *sp++ = variables[*pc++];
        NEXT();
    store:
        variables[*pc++] = *--sp;
        NEXT();
    add:
        sp--;
        sp[-1] += sp[0];
        NEXT();
    mul:
        sp--;
        sp[-1] *= sp[0];
        NEXT();
    less:
        sp--;
        sp[-1] = sp[-1] < sp[0];
        NEXT();
    loop:
        pc = *--sp ? code + *pc : pc + 1;
        NEXT();
    end:
        if (variables[1] != 332833500u)
            bench_wrong();
#undef NEXT
    }
}

static NOINLINE unsigned fibonacci(unsigned n)
{
    return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2);
}

void row_recursion(uint64_t n)
{
    while (n--)
        if (fibonacci(20) != 6765)
            bench_wrong();
}

/* Eight calls deep; the empty asm keeps each a call, not a jump. */
#define CALLS(depth, below)                          \
    static NOINLINE uint64_t call##depth(uint64_t x) \
    {                                                \
        uint64_t y = below(x + (depth));             \
        __asm__ volatile("" : "+r"(y));              \
        return y ^ (depth);                          \
    }
static NOINLINE uint64_t call0(uint64_t x)
{
    __asm__ volatile("" : "+r"(x));
    return x;
}
CALLS(1, call0)
CALLS(2, call1)
CALLS(3, call2)
CALLS(4, call3)
CALLS(5, call4)
CALLS(6, call5)
CALLS(7, call6)

void row_calls(uint64_t n)
{
    uint64_t sum = 0, expected = 0;

    for (uint64_t i = 0; i < n; i++) {
        sum += call7(i);
        /* 7+6+...+1 added on the way down, 1^2^...^7 = 0 on the way up. */
        expected += i + 28;
    }
    if (sum != expected)
        bench_wrong();
}

#define TARGET(number)                                  \
    static NOINLINE uint64_t target##number(uint64_t x) \
    {                                                   \
        __asm__ volatile("" : "+r"(x));                 \
        return x + (number);                            \
    }
TARGET(0)
TARGET(1)
TARGET(2)
TARGET(3)
TARGET(4)
TARGET(5)
TARGET(6)
TARGET(7)

static uint64_t (*volatile targets[8])(uint64_t) = {target0, target1, target2, target3,
                                                    target4, target5, target6, target7};

void row_indirect1(uint64_t n)
{
    uint64_t x = 0;

    for (uint64_t i = 0; i < n; i++)
        x = targets[5](x);
    if (x != n * 5)
        bench_wrong();
}

void row_indirect8(uint64_t n)
{
    uint64_t x = 0, expected = 0;

    for (uint64_t i = 0; i < n; i++) {
        unsigned which = (unsigned)(i ^ i >> 3) & 7;

        x = targets[which](x);
        expected += which;
    }
    if (x != expected)
        bench_wrong();
}

/* A cycle through all lines of `bytes` in random order (Sattolo's shuffle), so that no prefetcher helps. */
struct line {
    struct line *next;
    uint64_t pad[7];
};

static struct line *chase_build(size_t bytes)
{
    size_t count = bytes / sizeof(struct line);
    struct line *lines = bench_map(bytes);
    uint32_t *order = bench_map(count * sizeof(*order)), state = 521288629u;

    for (size_t i = 0; i < count; i++)
        order[i] = (uint32_t)i;
    for (size_t i = count - 1; i > 0; i--) {
        size_t j = bench_random(&state) % i;
        uint32_t t = order[i];

        order[i] = order[j];
        order[j] = t;
    }
    for (size_t i = 0; i < count; i++)
        lines[order[i]].next = &lines[order[(i + 1) % count]];
    munmap(order, count * sizeof(*order));
    return lines;
}

static void chase(struct line *lines, size_t bytes, uint64_t n)
{
    struct line *p = lines;
    uint64_t round = bytes / sizeof(*p);

    /* Whole rounds end where they began, and nowhere else before. */
    while (n--) {
        for (uint64_t i = 0; i < round; i++)
            p = p->next;
        if (p != lines)
            bench_wrong();
    }
}

#define CHASE_L1  (16 * 1024)
#define CHASE_BIG (64 * 1024 * 1024)

void row_chase_l1(uint64_t n)
{
    static struct line *lines;

    if (!lines)
        lines = chase_build(CHASE_L1);
    chase(lines, CHASE_L1, n);
}

void row_chase_64m(uint64_t n)
{
    static struct line *lines;

    if (!lines)
        lines = chase_build(CHASE_BIG);
    chase(lines, CHASE_BIG, n);
}

/* ---- gzip of 32 MiB by busybox, of text that compresses about as well as source code ---- */

#define GZIP_BYTES (32 * 1024 * 1024)

static int gzip_text = -1;

void gzip_prepare(void)
{
    static char block[64 * 1024];
    uint32_t state = 362436069u;

    gzip_text = bench_memory_file();
    for (int i = 0; i < GZIP_BYTES / (int)sizeof(block); i++) {
        size_t used = 0;

        while (used < sizeof(block)) {
            uint32_t word = bench_random(&state) % 4096;

            for (uint32_t k = 0; k < 2 + word % 7 && used < sizeof(block) - 1; k++)
                block[used++] = (char)('a' + (word * 2654435761u >> (k * 4 + 3)) % 26);
            block[used++] = word % 11 ? ' ' : '\n';
        }
        if (write(gzip_text, block, sizeof(block)) != sizeof(block))
            bench_die("/dev/shm");
    }
}

void row_gzip(uint64_t n)
{
    char *argv[] = {"/bin/busybox", "gzip", "-c", NULL};

    while (n--) {
        uint32_t length = 0;
        int packed = bench_memory_file();

        lseek(gzip_text, 0, SEEK_SET);
        bench_run_program(argv, gzip_text, packed);
        /* The last four bytes of a gzip file are the length of what went in. */
        if (lseek(packed, -4, SEEK_END) < 1024 * 1024 || read(packed, &length, 4) != 4 ||
            length != GZIP_BYTES)
            bench_wrong();
        close(packed);
    }
}
