// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Clusters: runs of accesses at small distances from one register, as of prologues, epilogues and structures,
 * which the engine probes as one (engine/trans_group.c).  On good pages, on both sides of page ends, on pages
 * that may only be read, on code; with instructions between that fault, branch, or move the register.
 */
#include "gen.h"

struct cluster {
    unsigned base;
    int distance; /* how far the base has moved since the start */
};

/* A register for data: not the base, which must stay known. */
static unsigned data_reg(struct gen *g, const struct cluster *k)
{
    unsigned r;

    do
        r = gen_dest(g);
    while (r == k->base);
    return r;
}

/* op reg, [base + displacement]: opcode of one byte, or of two with escape 0f. */
static void operate(struct gen *g, const struct cluster *k, bool wide, uint8_t prefix, bool two, uint8_t op,
                    unsigned reg, const uint8_t *imm, unsigned nr_imm)
{
    uint8_t b[16];
    unsigned n = 0;
    uint8_t rex = (uint8_t)((wide && !g->code32 ? 8 : 0) | (reg >> 3) << 2 | k->base >> 3);
    int disp = (int)rng_below(&g->r, 96) - 48 - k->distance;

    if (rng_pct(&g->r, 4))
        disp *= 16;
    if (prefix)
        b[n++] = prefix;
    if (rex)
        b[n++] = 0x40 | rex;
    if (two)
        b[n++] = 0x0f;
    b[n++] = op;
    b[n++] = (uint8_t)((disp >= -128 && disp <= 127 ? 0x40 : 0x80) | (reg & 7) << 3 | (k->base & 7));
    if ((k->base & 7) == RSP)
        b[n++] = 0x24;
    for (unsigned i = 0; i < (disp >= -128 && disp <= 127 ? 1 : 4); i++)
        b[n++] = (uint8_t)((unsigned)disp >> 8 * i);
    for (unsigned i = 0; i < nr_imm; i++)
        b[n++] = imm[i];
    gen_insn(g, b, n);
}

static void move_base(struct gen *g, struct cluster *k)
{
    static const uint8_t ext[] = {0, 5}; /* add, sub */
    unsigned i = (unsigned)rng_below(&g->r, 3);
    int by = 8 * (int)rng_below(&g->r, 6);
    uint64_t was = g->val[k->base];
    uint8_t rex = (uint8_t)(0x48 | k->base >> 3), low = k->base & 7;
    uint8_t b[8];
    unsigned n = 0;

    if (i == 2) {
        b[n++] = (uint8_t)(rex | (k->base >> 3) << 2);
        b[n++] = 0x8d; /* lea base, [base + by] */
        b[n++] = (uint8_t)(0x40 | low << 3 | low);
        if (low == RSP)
            b[n++] = 0x24;
    } else {
        b[n++] = rex;
        b[n++] = 0x83;
        b[n++] = (uint8_t)(0xc0 | ext[i] << 3 | low);
    }
    b[n++] = (uint8_t)by;
    by = i == 1 ? -by : by;
    gen_insn(g, g->code32 ? b + 1 : b, g->code32 ? n - 1 : n);
    g->val[k->base] = was + (uint64_t)(int64_t)by;
    g->known |= (uint16_t)(1u << k->base);
    k->distance += by;
}

static void push_or_pop(struct gen *g, struct cluster *k)
{
    bool push = rng_pct(&g->r, 50);
    unsigned r = push ? (unsigned)rng_below(&g->r, g->nr_gprs) : data_reg(g, k);
    uint64_t was = g->val[RSP];
    int w = g->code32 ? 4 : 8;

    if (push && rng_pct(&g->r, 15))
        GEN(g, 0x6a, (uint8_t)rng_below(&g->r, 256)); /* push imm8 */
    else if (r >= 8)
        GEN(g, 0x41, (uint8_t)((push ? 0x50 : 0x58) | (r & 7)));
    else
        GEN(g, (uint8_t)((push ? 0x50 : 0x58) | r));
    g->val[RSP] = was + (uint64_t)(int64_t)(push ? -w : w);
    g->known |= 1u << RSP;
    if (k->base == RSP)
        k->distance += push ? -w : w;
}

static void member(struct gen *g, struct cluster *k)
{
    uint8_t imm[4] = {(uint8_t)rng_below(&g->r, 256), 0, 1, 2};
    bool wide = rng_pct(&g->r, 50);
    unsigned x = (unsigned)rng_below(&g->r, g->nr_gprs);

    switch (rng_below(&g->r, 22)) {
    case 0:
    case 1:
        operate(g, k, wide, 0, false, 0x8b, data_reg(g, k), NULL, 0); /* mov */
        break;
    case 2:
    case 3:
        operate(g, k, wide, 0, false, 0x89, (unsigned)rng_below(&g->r, g->nr_gprs), NULL, 0);
        break;
    case 4:
        operate(g, k, wide, 0, false, 0x03, data_reg(g, k), NULL, 0); /* add */
        break;
    case 5:
        operate(g, k, wide, 0, false, 0x11, (unsigned)rng_below(&g->r, g->nr_gprs), NULL,
                0); /* adc to memory */
        break;
    case 6:
        operate(g, k, wide, 0, false, 0x83, 7, imm, 1); /* cmp */
        break;
    case 7:
        operate(g, k, wide, 0, false, 0xc7, 0, imm, 4); /* mov imm */
        break;
    case 8:
        operate(g, k, wide, 0, true, 0xb6, data_reg(g, k), NULL, 0); /* movzx */
        break;
    case 9:
        operate(g, k, false, 0, true, 0x10, x, NULL, 0); /* movups */
        break;
    case 10:
        operate(g, k, false, 0, true, 0x28, x, NULL, 0); /* movaps: most are misaligned */
        break;
    case 11:
        operate(g, k, false, 0, true, 0x11, x, NULL, 0);
        break;
    case 12:
        operate(g, k, wide, 0, false, 0xff, (unsigned)rng_below(&g->r, 2), NULL, 0); /* inc, dec */
        break;
    case 13:
        operate(g, k, false, 0, true, (uint8_t)(0x90 | rng_below(&g->r, 16)), 0, NULL, 0); /* setcc */
        break;
    case 14:
        operate(g, k, wide, 0, true, (uint8_t)(0x40 | rng_below(&g->r, 16)), data_reg(g, k), NULL, 0);
        break;
    case 15:
        operate(g, k, wide, 0x66, false, 0x89, x, NULL, 0);
        break;
    case 16:
        if (rng_pct(&g->r, 20)) {
            g->known &= (uint16_t) ~(1u << RAX | 1u << RDX);
            operate(g, k, wide, 0, false, 0xf7, 6, NULL, 0); /* div: most are #DE */
        }
        break;
    case 17:
        move_base(g, k);
        break;
    case 18:
    case 19:
        push_or_pop(g, k);
        break;
    case 20:
        GEN(g, (uint8_t)(0x70 | rng_below(&g->r, 16)), 0); /* jcc to the next instruction */
        break;
    default:
        gen_filler(g, 1);
        break;
    }
}

/* A function whose prologue and epilogue are clusters at RSP. */
static void function(struct gen *g)
{
    unsigned n = 1 + (unsigned)rng_below(&g->r, 4), over = GEN(g, 0xe9, 0, 0, 0, 0), func = g->t->code_len;
    unsigned call;

    for (unsigned i = 0; i < n; i++)
        GEN(g, (uint8_t)(0x50 | (i & 1 ? RBX : RSI)));
    gen_filler(g, (unsigned)rng_below(&g->r, 2));
    for (unsigned i = 0; i < n; i++)
        GEN(g, (uint8_t)(0x58 | (i & 1 ? RDI : RDX)));
    GEN(g, 0xc3);
    gen_patch(g, over + 1, g->t->code_len - (over + 5), 4);
    for (unsigned i = 0; i < n; i++)
        GEN(g, (uint8_t)(0x50 | RAX));
    call = GEN(g, 0xe8, 0, 0, 0, 0);
    gen_patch(g, call + 1, (uint64_t)func - (call + 5), 4);
}

void gen_emit_cluster(struct gen *g, const struct gen_class *c, const struct form_set *set)
{
    (void)c, (void)set;
    for (unsigned runs = 1 + (unsigned)rng_below(&g->r, 3); runs && gen_room(g) > 300; runs--) {
        struct cluster k = {.base = (unsigned)rng_below(&g->r, g->nr_gprs)};

        if (g->locked & (1u << k.base))
            continue;
        if (k.base != RSP || rng_pct(&g->r, 30))
            gen_set_reg(g, k.base, gen_target(g, 64, rng_pct(&g->r, 50)));
        if (rng_pct(&g->r, 20) && !(g->locked & (1u << RSP)))
            function(g);
        g->locked |= (uint16_t)(1u << k.base);
        for (unsigned n = 2 + (unsigned)rng_below(&g->r, 9); n && gen_room(g) > 160; n--)
            member(g, &k);
        g->locked &= (uint16_t) ~(1u << k.base);
    }
}
