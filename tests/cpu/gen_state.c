// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Initial registers: enough pointers and small numbers to address memory with, the rest telling values.
 */
#include "gen.h"

#include <string.h>

static void initial_gprs(struct gen *g)
{
    struct cpu_state *s = &g->t->init;
    uint64_t r;

    for (unsigned i = 0; i < g->nr_gprs; i++) {
        r = rng_below(&g->r, 100);
        if (i == RSP)
            s->gpr[i] = STACK_LOW + 0x1c00 + (rng_below(&g->r, 0x800) & (rng_pct(&g->r, 90) ? ~7UL : ~0UL));
        else if (r < 42)
            s->gpr[i] = gen_target_good(g, 64);
        else if (r < 55)
            s->gpr[i] = rng_below(&g->r, 64);
        else
            s->gpr[i] = layout_interesting(&g->r);
        if (g->code32)
            s->gpr[i] = (uint32_t)s->gpr[i];
        g->val[i] = s->gpr[i];
        g->known |= (uint16_t)(1u << i);
    }
    s->rflags = (rng_u64(&g->r) & FLAGS_ARITH) | FLAG_IF | 2 | (rng_pct(&g->r, 20) ? FLAG_DF : 0) |
                (rng_pct(&g->r, 5) ? FLAG_AC : 0);
    s->fs_base = g->code32 ? FS_BASE_32 : gen_target_good(g, 0x200);
    s->gs_base = g->code32 ? GS_BASE_32 : gen_target_good(g, 0x200);
}

/* An extended-precision number of one of the kinds that x87 tells apart. */
static void random_st(struct gen *g, uint8_t *st)
{
    uint64_t mantissa = rng_u64(&g->r) | 1UL << 63, r = rng_u64(&g->r);
    uint16_t sign_exp = (uint16_t)(16383 + (int64_t)(r & 63) - 32);

    switch (rng_below(&g->r, 16)) {
    case 0:
        mantissa = 0; /* zero */
        sign_exp = 0;
        break;
    case 1:
        mantissa = 1UL << 63; /* infinity */
        sign_exp = 0x7fff;
        break;
    case 2:
        sign_exp = 0x7fff; /* NaN, quiet or signalling */
        break;
    case 3:
        sign_exp = 0; /* denormal, pseudo-denormal */
        mantissa = r;
        break;
    case 4:
        mantissa &= ~(1UL << 63); /* unnormal: invalid */
        break;
    case 5:
    case 6:
        mantissa = (r | 0x80) << 56; /* short */
        break;
    case 7:
        sign_exp = (uint16_t)(r >> 8) & 0x7fff;
        break;
    }
    sign_exp |= (uint16_t)(r >> 40 & 0x8000);
    memcpy(st, &mantissa, 8);
    memcpy(st + 8, &sign_exp, 2);
}

/* Masks of all, few and many elements, and of the first ones. */
static uint64_t random_mask(struct gen *g)
{
    uint64_t r = rng_u64(&g->r);

    switch (rng_below(&g->r, 8)) {
    case 0:
        return ~0UL;
    case 1:
        return 0;
    case 2:
        return ~0UL >> (r & 63);
    case 3:
        return ~0UL << (r & 63);
    case 4:
        return r & rng_u64(&g->r) & rng_u64(&g->r);
    case 5:
        return r | rng_u64(&g->r);
    default:
        return r;
    }
}

static void initial_avx512(struct gen *g)
{
    uint8_t *x = g->t->init.xsave;
    uint64_t v;

    for (unsigned i = 0; i < 8; i++) {
        v = random_mask(g);
        memcpy(x + XSAVE_K + 8 * i, &v, 8);
    }
    for (unsigned i = 0; i < 64; i++) {
        v = layout_interesting(&g->r);
        memcpy(x + XSAVE_ZMMH + 8 * i, &v, 8);
    }
    for (unsigned i = 0; i < 128; i++) {
        v = layout_interesting(&g->r);
        memcpy(x + XSAVE_ZMM + 8 * i, &v, 8);
    }
}

static void initial_fpu(struct gen *g)
{
    uint8_t *x = g->t->init.xsave;
    uint16_t fcw = 0x37f, fsw;
    uint32_t mxcsr = 0x1f80;
    uint64_t v, r = rng_u64(&g->r);

    state_init_xsave(x);
    for (unsigned i = 0; i < 8; i++)
        random_st(g, x + XSAVE_ST + 16 * i);
    if (rng_pct(&g->r, 40))
        fcw = (uint16_t)(0x007f | (r & 0x0f00));
    if (rng_pct(&g->r, g->unmask_pct))
        fcw &= (uint16_t) ~(r >> 16 & 0x3f);
    fsw = (uint16_t)(r >> 24 & 0x4700) | (uint16_t)(rng_below(&g->r, 8) << 11);
    if (rng_pct(&g->r, 30))
        fsw |= (uint16_t)(r >> 40 & 0x7f & fcw);
    x[XSAVE_FTW] = rng_pct(&g->r, 50) ? 0xff : (uint8_t)(r >> 48);
    memcpy(x + XSAVE_FCW, &fcw, 2);
    memcpy(x + XSAVE_FSW, &fsw, 2);
    r = rng_u64(&g->r);
    if (rng_pct(&g->r, 40))
        mxcsr |= (uint32_t)(r & 0xe040); /* RC, FTZ, DAZ */
    if (rng_pct(&g->r, 30))
        mxcsr |= (uint32_t)(r >> 16 & 0x3f);
    if (rng_pct(&g->r, g->unmask_pct))
        mxcsr &= ~(uint32_t)(r >> 24 & 0x1f80);
    memcpy(x + XSAVE_MXCSR, &mxcsr, 4);
    for (unsigned i = 0; i < 32; i++) {
        v = layout_interesting(&g->r);
        memcpy(x + XSAVE_XMM + 8 * i, &v, 8);
    }
    if (rng_pct(&g->r, 70)) {
        for (unsigned i = 0; i < 32; i++) {
            v = layout_interesting(&g->r);
            memcpy(x + XSAVE_YMMH + 8 * i, &v, 8);
        }
    }
    if (state_xcr0 & XCR0_AVX512 && rng_pct(&g->r, 70))
        initial_avx512(g);
    if (g->code32) {
        memset(x + XSAVE_XMM + 128, 0, 128);
        memset(x + XSAVE_YMMH + 128, 0, 128);
        if (state_xcr0 & XCR0_AVX512) {
            memset(x + XSAVE_ZMMH + 256, 0, 256);
            memset(x + XSAVE_ZMM, 0, 1024);
        }
    }
}

void gen_initial_state(struct gen *g)
{
    initial_gprs(g);
    initial_fpu(g);
}
