/* width: 64 32 */
// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * AVX-512 at the edge of memory: what a mask leaves out is neither read nor written nor faults, be it in a
 * page that isn't there, in one that may not be written to, or on the other side of a page's end; what it
 * doesn't leave out faults, and nothing has happened then but for the elements that a gather or scatter has
 * done. A hypervisor that looks at the whole operand, or at none of it, fails here.
 */
#include "check.h"

#include <setjmp.h>
#include <signal.h>
#include <ucontext.h>

#define ELEMENTS 16

static sigjmp_buf escape;
static uintptr_t fault_at;

static void on_fault(int number, siginfo_t *info, void *context)
{
    (void)number, (void)context;
    fault_at = (uintptr_t)info->si_addr;
    siglongjmp(escape, 1);
}

/* Called, not inlined: where the compiler is not told of vector registers a call may change them all. */
#define APART __attribute__((noinline))

typedef void operation(void *at, uint32_t mask, uint32_t *data);

#define LOAD_MASK "kmovw %1, %%k1\n"

APART static void load(void *at, uint32_t mask, uint32_t *data)
{
    __asm__ volatile(LOAD_MASK "vmovdqu32 (%0), %%zmm1%{%%k1%}%{z%}\n vmovdqu32 %%zmm1, (%2)\n vzeroupper"
                     :
                     : "r"(at), "r"(mask), "r"(data)
                     : "memory");
}

APART static void store(void *at, uint32_t mask, uint32_t *data)
{
    __asm__ volatile(LOAD_MASK "vmovdqu32 (%2), %%zmm1\n vmovdqu32 %%zmm1, (%0)%{%%k1%}\n vzeroupper"
                     :
                     : "r"(at), "r"(mask), "r"(data)
                     : "memory");
}

APART static void expand(void *at, uint32_t mask, uint32_t *data)
{
    __asm__ volatile(LOAD_MASK "vpexpandd (%0), %%zmm1%{%%k1%}%{z%}\n vmovdqu32 %%zmm1, (%2)\n vzeroupper"
                     :
                     : "r"(at), "r"(mask), "r"(data)
                     : "memory");
}

APART static void compress(void *at, uint32_t mask, uint32_t *data)
{
    __asm__ volatile(LOAD_MASK "vmovdqu32 (%2), %%zmm1\n vpcompressd %%zmm1, (%0)%{%%k1%}\n vzeroupper"
                     :
                     : "r"(at), "r"(mask), "r"(data)
                     : "memory");
}

/* zmm0 += 16 times one number; the mask says where, so with none of it the number isn't there to be seen. */
APART static void add_broadcast(void *at, uint32_t mask, uint32_t *data)
{
    __asm__ volatile(LOAD_MASK
                     "vpxord %%zmm1, %%zmm1, %%zmm1\n vpaddd (%0)%{1to16%}, %%zmm1, %%zmm1%{%%k1%}\n"
                     "vmovdqu32 %%zmm1, (%2)\n vzeroupper"
                     :
                     : "r"(at), "r"(mask), "r"(data)
                     : "memory");
}

/* True: it faulted, at fault_at. */
static int faults(operation *op, void *at, uint32_t mask, uint32_t *data)
{
    if (sigsetjmp(escape, 1))
        return 1;
    op(at, mask, data);
    return 0;
}

static unsigned bits_of(uint32_t mask)
{
    return (unsigned)__builtin_popcount(mask);
}

/*
 * `here` elements before the edge may be accessed, those behind it not. Loads of elements all of which are
 * before it, and no others, do without a fault and get what is there.
 */
static void try_loads(uint32_t *edge, unsigned here, uint32_t mask)
{
    uint32_t *at = edge - here, got[ELEMENTS], all_before = (1u << here) - 1;

    for (unsigned i = 0; i < here; i++)
        at[i] = 100 + i;
    memset(got, 0xee, sizeof(got));
    CHECK_EQ(faults(load, at, mask, got), (mask & ~all_before) != 0);
    if (mask & ~all_before)
        CHECK_EQ(fault_at & ~(uintptr_t)(PAGE - 1), (uintptr_t)edge);
    else
        for (unsigned i = 0; i < ELEMENTS; i++)
            CHECK_EQ(got[i], mask >> i & 1 ? at[i] : 0);

    CHECK_EQ(faults(expand, at, mask, got), bits_of(mask) > here);
    if (bits_of(mask) <= here)
        for (unsigned i = 0; i < ELEMENTS; i++)
            CHECK_EQ(got[i], mask >> i & 1 ? at[bits_of(mask & ((1u << i) - 1))] : 0);

    CHECK_EQ(faults(add_broadcast, edge, mask, got), mask != 0);
}

static void try_stores(uint32_t *edge, unsigned here, uint32_t mask)
{
    uint32_t *at = edge - here, data[ELEMENTS], all_before = (1u << here) - 1;

    for (unsigned i = 0; i < ELEMENTS; i++)
        data[i] = 1000 + i;
    memset(at, 0, here * sizeof(*at));
    CHECK_EQ(faults(store, at, mask, data), (mask & ~all_before) != 0);
    for (unsigned i = 0; i < here; i++)
        CHECK_EQ(at[i], !(mask & ~all_before) && mask >> i & 1 ? 1000 + i : 0);

    memset(at, 0, here * sizeof(*at));
    CHECK_EQ(faults(compress, at, mask, data), bits_of(mask) > here);
    for (unsigned i = 0, n = 0; i < ELEMENTS && bits_of(mask) <= here; i++)
        if (mask >> i & 1)
            CHECK_EQ(at[n++], 1000 + i);
}

/* data[i] = base[index[i]] where mask has a bit, which is taken back. */
APART static void gather(uint32_t *base, const uint32_t *index, uint32_t *mask, uint32_t *data)
{
    __asm__ volatile("kmovw (%3), %%k1\n vmovdqu32 (%1), %%zmm2\n vmovdqu32 (%2), %%zmm1\n"
                     "vpgatherdd (%0,%%zmm2,4), %%zmm1%{%%k1%}\n kmovw %%k1, (%3)\n vmovdqu32 %%zmm1, (%2)\n"
                     "vzeroupper"
                     :
                     : "r"(base), "r"(index), "r"(data), "r"(mask)
                     : "memory");
}

APART static void scatter(uint32_t *base, const uint32_t *index, uint32_t *mask, uint32_t *data)
{
    __asm__ volatile("kmovw (%3), %%k1\n vmovdqu32 (%1), %%zmm2\n vmovdqu32 (%2), %%zmm1\n"
                     "vpscatterdd %%zmm1, (%0,%%zmm2,4)%{%%k1%}\n kmovw %%k1, (%3)\n vzeroupper"
                     :
                     : "r"(base), "r"(index), "r"(data), "r"(mask)
                     : "memory");
}

typedef void sparse(uint32_t *base, const uint32_t *index, uint32_t *mask, uint32_t *data);

static int sparse_faults(sparse *op, uint32_t *base, const uint32_t *index, uint32_t *mask, uint32_t *data)
{
    if (sigsetjmp(escape, 1))
        return 1;
    op(base, index, mask, data);
    return 0;
}

/* Of a gather or scatter whose element `bad` faults the elements before it are done. */
static void try_sparse(uint32_t *good, uint32_t *edge, unsigned bad)
{
    uint32_t index[ELEMENTS], data[ELEMENTS], mask = 0xffff;

    for (unsigned i = 0; i < ELEMENTS; i++) {
        good[i] = 500 + i;
        index[i] = i == bad ? (uint32_t)(edge - good) : i;
        data[i] = 7;
    }
    CHECK(sparse_faults(gather, good, index, &mask, data));
    CHECK_EQ(fault_at, (uintptr_t)edge);
    mask = 0xffff & ~(1u << bad); /* the one that faults is left out: all others come */
    CHECK(!sparse_faults(gather, good, index, &mask, data));
    CHECK_EQ(mask, 0);
    for (unsigned i = 0; i < ELEMENTS; i++)
        CHECK_EQ(data[i], i == bad ? 7 : 500 + i);

    mask = 0xffff;
    for (unsigned i = 0; i < ELEMENTS; i++)
        data[i] = 900 + i;
    CHECK(sparse_faults(scatter, good, index, &mask, data));
    CHECK_EQ(fault_at, (uintptr_t)edge);
    for (unsigned i = 0; i < ELEMENTS; i++)
        CHECK_EQ(good[i], i < bad ? 900 + i : 500 + i);
}

int main(void)
{
    static const uint32_t masks[] = {0, 1, 0xffff, 0x00ff, 0xff00, 0x5555, 0x8001, 0x7fff, 0xfffe, 0x0010};
    struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};
    unsigned char *pages;
    uint32_t *edge;

    if (!__builtin_cpu_supports("avx512f"))
        SKIP("no AVX-512 here");
    CHECK(sigaction(SIGSEGV, &action, NULL) == 0);
    pages = map_pages(3, PROT_READ | PROT_WRITE);
    edge = (uint32_t *)(void *)(pages + PAGE);
    CHECK(mprotect(edge, PAGE, PROT_NONE) == 0);
    for (unsigned here = 1; here < ELEMENTS; here++)
        for (unsigned m = 0; m < sizeof(masks) / sizeof(masks[0]); m++) {
            try_loads(edge, here, masks[m]);
            try_stores(edge, here, masks[m]);
        }
    for (unsigned bad = 0; bad < ELEMENTS; bad++)
        try_sparse((uint32_t *)(void *)pages, edge, bad);
    CHECK(mprotect(edge, PAGE, PROT_READ) == 0);
    for (unsigned here = 1; here < ELEMENTS; here++)
        for (unsigned m = 0; m < sizeof(masks) / sizeof(masks[0]); m++)
            try_stores(edge, here, masks[m]);
    /* Both there: across the page's end, and within a page, as ordinary memory has it. */
    CHECK(mprotect(edge, PAGE, PROT_READ | PROT_WRITE) == 0);
    for (unsigned m = 0; m < sizeof(masks) / sizeof(masks[0]); m++) {
        uint32_t data[ELEMENTS], got[ELEMENTS];

        for (unsigned i = 0; i < ELEMENTS; i++)
            data[i] = m * 100 + i;
        for (unsigned before = 0; before <= 2 * ELEMENTS; before++) {
            memset(edge - before, 0xee, sizeof(data));
            store(edge - before, masks[m], data);
            load(edge - before, masks[m], got);
            for (unsigned i = 0; i < ELEMENTS; i++) {
                CHECK_EQ(edge[(int)i - (int)before], masks[m] >> i & 1 ? data[i] : 0xeeeeeeee);
                CHECK_EQ(got[i], masks[m] >> i & 1 ? data[i] : 0);
            }
        }
    }
    return 0;
}
