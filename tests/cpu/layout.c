// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The map of guest-virtual pages that all CPU tests share, and what they start out with.
 *
 * The map never changes, so that neither side pays for mprotect(): there is a page of every kind, and pairs
 * of neighbours of every kind, for accesses that straddle them.
 */
#include "case.h"

#include <string.h>

#include "cpu/cpu_policy.h"

const struct page layout_pages[] = {
    {CODE_LOW, PERM_R | PERM_W | PERM_X, 0, false},
    {CODE_LOW + 0x1000, PERM_R | PERM_W | PERM_X, 1, false},
    {CODE_LOW + 0x2000, PERM_R | PERM_X, 2, false},
    {CODE_ALIAS, PERM_R | PERM_W, 0, false},
    {DATA_LOW + 0x1000, PERM_R | PERM_W, 3, false},
    {DATA_LOW + 0x2000, PERM_R | PERM_W, 4, false},
    {DATA_LOW + 0x3000, PERM_R, 5, false},
    {DATA_LOW + 0x4000, PERM_R | PERM_W, 6, true},
    {DATA_LOW + 0x6000, PERM_R | PERM_W, 7, false},
    {DATA_LOW + 0x7000, PERM_R | PERM_W, 8, false},
    {STACK_LOW + 0x1000, PERM_R | PERM_W, 9, false},
    {STACK_LOW + 0x2000, PERM_R | PERM_W, 10, false},
    {DATA_HIGH + 0x1000, PERM_R | PERM_W, 11, false},
    {DATA_HIGH + 0x2000, PERM_R | PERM_W, 12, false},
    {DATA_HIGH + 0x3000, PERM_R, 13, false},
    {CODE_HIGH, PERM_R | PERM_W | PERM_X, 14, false},
    {CODE_HIGH + 0x1000, PERM_R | PERM_W | PERM_X, 15, false},
};
const unsigned layout_nr_pages = ARRAY_SIZE(layout_pages);

const struct page *layout_find(uint64_t va)
{
    for (unsigned i = 0; i < layout_nr_pages; i++)
        if (layout_pages[i].va == (va & PAGE_MASK))
            return &layout_pages[i];
    return NULL;
}

size_t layout_offset(uint64_t va)
{
    return layout_find(va)->frame * PAGE_SIZE + (va & ~PAGE_MASK);
}

static uint64_t double_bits(double d)
{
    uint64_t u;

    memcpy(&u, &d, sizeof(u));
    return u;
}

static uint32_t float_bits(float f)
{
    uint32_t u;

    memcpy(&u, &f, sizeof(u));
    return u;
}

uint64_t layout_interesting(struct rng *r)
{
    static const uint64_t special[] = {
        0,
        1,
        0x7f,
        0x80,
        0x7fff,
        0x8000,
        0x7fffffff,
        0x80000000,
        0xffffffff,
        0x7fffffffffffffff,
        0x8000000000000000,
        0xffffffffffffffff,
        0x7ff0000000000000,
        0xfff0000000000000,
        0x7ff8000000000000,
        0x7ff4000000000000,
        0x7f8000007fc00000,
        0x7fa00000ff800000,
        0x0000000000000001,
        0x0010000000000000,
        0x0080000000000001,
        0x3ff0000000000000,
        0x3f8000003f800000,
        0x8000000080000000,
        0x7fefffffffffffff,
        0x41dfffffffc00000,
    };
    uint64_t x = rng_u64(r);

    switch (rng_below(r, 8)) {
    case 0:
        return special[x % ARRAY_SIZE(special)];
    case 1:
        return (uint64_t)((int64_t)x >> (x & 63));
    case 2:
        return double_bits((double)(int64_t)x / (double)(1UL << (x & 63)));
    case 3:
        return (uint64_t)float_bits((float)(int32_t)x / 4096) << 32 |
               float_bits((float)(int32_t)(x >> 20) / 7);
    case 4:
        return double_bits((double)((int64_t)x % 1000));
    case 5:
        return (x & 0x00ff00ff00ff00ffUL);
    default:
        return x;
    }
}

void layout_fill(uint8_t *image, uint64_t seed)
{
    struct rng r = {seed ^ 0x6d656d6f7279UL};
    uint64_t v;

    for (size_t i = 0; i < MEM_BYTES; i += sizeof(v)) {
        v = layout_interesting(&r);
        memcpy(image + i, &v, sizeof(v));
    }
}

uint64_t state_xcr0;
unsigned state_bytes;
struct xsave_layout state_layout;

void state_start(void)
{
    struct cpu_source host;

    cpu_source_host(&host);
    state_xcr0 = XCR0_X87 | XCR0_SSE | XCR0_AVX;
    if (cpu_xsave_layout(&host, &state_layout) && (host.xcr0 & XCR0_AVX512) == XCR0_AVX512)
        state_xcr0 |= XCR0_AVX512;
    state_bytes = xsave_size(&state_layout, state_xcr0);
}

void state_init_xsave(uint8_t *xsave)
{
    uint16_t fcw = 0x37f;
    uint32_t mxcsr = 0x1f80;

    memset(xsave, 0, XSAVE_BYTES);
    memcpy(xsave + XSAVE_FCW, &fcw, sizeof(fcw));
    memcpy(xsave + XSAVE_MXCSR, &mxcsr, sizeof(mxcsr));
    memcpy(xsave + XSAVE_BV, &state_xcr0, sizeof(state_xcr0));
}

void state_normalise_xsave(uint8_t *xsave)
{
    uint8_t init[XSAVE_BYTES];
    uint64_t bv;

    state_init_xsave(init);
    memcpy(&bv, xsave + XSAVE_BV, sizeof(bv));
    if (!(bv & 1)) {
        memcpy(xsave, init, XSAVE_MXCSR);
        memcpy(xsave + XSAVE_ST, init + XSAVE_ST, 128);
    }
    if (!(bv & 2))
        memcpy(xsave + XSAVE_XMM, init + XSAVE_XMM, 256);
    for (unsigned i = 2; i < XSAVE_COMPONENTS; i++)
        if (state_xcr0 >> i & ~bv >> i & 1)
            memset(xsave + state_layout.offset[i], 0, xsave_component_size(i));
    /*
     * FOP, FIP and FDP: last x87 instruction.  FIP of translated code is an address in the translation cache;
     * AMD's CPUs don't even store them unless an exception is pending (APM vol. 2, 11.5.4).
     */
    memset(xsave + 5, 0, XSAVE_MXCSR - 5);
    memset(xsave + XSAVE_MXCSR_MASK, 0, 4);
    for (unsigned i = 0; i < 8; i++)
        memset(xsave + XSAVE_ST + 16 * i + 10, 0, 6);
    memcpy(xsave + 416, init + 416, XSAVE_YMMH - 416);
}

bool case_poke(struct test_case *t, uint64_t va, const void *data, unsigned len)
{
    struct poke *p;

    if (t->nr_pokes == MAX_POKES || len > sizeof(p->data))
        return false;
    p = &t->poke[t->nr_pokes++];
    p->va = va;
    p->len = (uint8_t)len;
    memcpy(p->data, data, len);
    return true;
}

void case_image(const struct test_case *t, uint8_t *image)
{
    static uint8_t cached[MEM_BYTES];
    static uint64_t cached_seed;
    static bool cached_valid;

    if (!cached_valid || cached_seed != t->mem_seed) {
        layout_fill(cached, t->mem_seed);
        cached_seed = t->mem_seed;
        cached_valid = true;
    }
    memcpy(image, cached, MEM_BYTES);
    for (unsigned i = 0; i < t->code_len; i++)
        if (layout_find(t->code_va + i))
            image[layout_offset(t->code_va + i)] = t->code[i];
    /* A case that jumps over its HLT finds more of them. */
    for (unsigned i = 0; i < 16; i++)
        if (layout_find(t->code_va + t->code_len + i))
            image[layout_offset(t->code_va + t->code_len + i)] = 0xf4;
    for (unsigned i = 0; i < t->nr_pokes; i++)
        for (unsigned j = 0; j < t->poke[i].len; j++)
            if (layout_find(t->poke[i].va + j))
                image[layout_offset(t->poke[i].va + j)] = t->poke[i].data[j];
}
