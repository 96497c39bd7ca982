// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The case being made: known registers, target addresses, encoding of one instruction.
 */
#include "gen.h"

#include <string.h>

void gen_begin(struct gen *g, struct test_case *t, uint64_t seed, uint64_t index, bool code32)
{
    memset(g, 0, sizeof(*g));
    memset(t, 0, offsetof(struct test_case, init));
    memset(&t->init, 0, sizeof(*t) - offsetof(struct test_case, init));
    g->r.state = seed * 0xd1342543de82ef95UL + index * 0x2545f4914f6cdd1dUL;
    rng_u64(&g->r);
    g->t = t;
    g->code32 = code32;
    g->nr_gprs = code32 ? 8 : 16;
    g->segments_known = true;
    ZydisDecoderInit(&g->dec, code32 ? ZYDIS_MACHINE_MODE_LONG_COMPAT_32 : ZYDIS_MACHINE_MODE_LONG_64,
                     code32 ? ZYDIS_STACK_WIDTH_32 : ZYDIS_STACK_WIDTH_64);
    t->seed = seed;
    t->index = index;
    t->code32 = code32;
    t->mem_seed = seed + index / 256;
    g->code_high = !code32 && rng_pct(&g->r, 35);
    t->code_va = g->code_high ? CODE_HIGH : CODE_LOW;
    if (rng_pct(&g->r, 25))
        t->code_va += 0x1000 - rng_below(&g->r, 200); /* runs across a page boundary */
    else
        t->code_va += rng_below(&g->r, 0x1000 - MAX_CODE);
    t->init.rip = t->code_va;
    for (unsigned i = 0; i < ARRAY_SIZE(g->hot); i++)
        g->hot[i] = gen_target_good(g, 64);
}

uint64_t gen_here(const struct gen *g)
{
    return g->t->code_va + g->t->code_len;
}

unsigned gen_room(const struct gen *g)
{
    return g->t->nr_insns >= MAX_INSNS - 8 ? 0 : MAX_CODE - g->t->code_len;
}

unsigned gen_insn(struct gen *g, const uint8_t *bytes, unsigned n)
{
    struct test_case *t = g->t;
    unsigned off = t->code_len;

    if (t->code_len + n > MAX_CODE || t->nr_insns == MAX_INSNS) {
        g->full = true;
        return 0;
    }
    memcpy(t->code + off, bytes, n);
    t->insn_off[t->nr_insns++] = (uint16_t)off;
    t->code_len += n;
    return off;
}

void gen_patch(struct gen *g, unsigned off, uint64_t value, unsigned n)
{
    if (!g->full)
        memcpy(g->t->code + off, &value, n);
}

void gen_end(struct gen *g)
{
    GEN(g, 0xf4); /* hlt */
}

/* ---- registers ---- */

static bool is_pointer(uint64_t v)
{
    return layout_find(v) != NULL;
}

/* Whether an instruction may write to the register. */
static bool may_write(struct gen *g, unsigned reg)
{
    if (g->locked & (1u << reg))
        return false;
    if (reg == RSP)
        return rng_pct(&g->r, 2);
    if ((g->known & (1u << reg)) && is_pointer(g->val[reg]))
        return rng_pct(&g->r, 8);
    return true;
}

unsigned gen_dest(struct gen *g)
{
    unsigned reg = 0;

    for (unsigned i = 0; i < 64; i++) {
        reg = (unsigned)rng_below(&g->r, g->nr_gprs);
        if (may_write(g, reg) && (reg != RSP || rng_pct(&g->r, 10)))
            break;
    }
    g->known &= (uint16_t) ~(1u << reg);
    return reg;
}

void gen_set_reg(struct gen *g, unsigned reg, uint64_t value)
{
    uint8_t b[10];
    unsigned n = 0;

    if (g->code32)
        value = (uint32_t)value;
    if (!g->code32 && value >> 32) {
        b[n++] = 0x48 | (reg >= 8);
        if ((uint64_t)(int64_t)(int32_t)value == value) {
            b[n++] = 0xc7; /* mov r64, simm32 */
            b[n++] = 0xc0 | (reg & 7);
        } else {
            b[n++] = 0xb8 | (reg & 7); /* mov r64, imm64 */
            memcpy(b + n, &value, 8);
            gen_insn(g, b, n + 8);
            goto out;
        }
    } else {
        if (reg >= 8)
            b[n++] = 0x41;
        b[n++] = 0xb8 | (reg & 7); /* mov r32, imm32 */
    }
    memcpy(b + n, &value, 4);
    gen_insn(g, b, n + 4);
out:
    g->val[reg] = value;
    g->known |= (uint16_t)(1u << reg);
}

/* ---- target addresses ---- */

static const uint64_t good_runs[][2] = {
    /* writable, first byte and bytes */
    {DATA_LOW + 0x1000, 0x2000},  {DATA_LOW + 0x4000, 0x1000},  {DATA_LOW + 0x6000, 0x2000},
    {STACK_LOW + 0x1000, 0x0800}, {DATA_HIGH + 0x1000, 0x2000},
};

uint64_t gen_target_good(struct gen *g, unsigned n)
{
    unsigned i = (unsigned)rng_below(&g->r, g->code32 ? 4 : 6);

    if (i >= ARRAY_SIZE(good_runs))
        i = 4;
    return good_runs[i][0] + rng_below(&g->r, good_runs[i][1] - n + 1);
}

/* Ends of runs: the bytes before are fine, those after are not, or the other way round. */
static const uint64_t bad_edges[] = {
    DATA_LOW + 0x1000,  DATA_LOW + 0x3000,  DATA_LOW + 0x4000,  DATA_LOW + 0x5000,
    DATA_LOW + 0x6000,  DATA_LOW + 0x8000,  STACK_LOW + 0x1000, STACK_LOW + 0x3000,
    DATA_HIGH + 0x1000, DATA_HIGH + 0x3000, DATA_HIGH + 0x4000,
};

static uint64_t bad_target(struct gen *g, unsigned n)
{
    uint64_t edge = bad_edges[rng_below(&g->r, g->code32 ? 8 : ARRAY_SIZE(bad_edges))];
    uint64_t r = rng_u64(&g->r);

    switch (rng_below(&g->r, 8)) {
    case 0:
        return DATA_LOW + 0x3000 + r % 0x1000;
    case 1:
        return DATA_LOW + 0x5000 + r % 0x1000;
    case 2:
        return g->code32 ? 0x10000 + (r & 0xffffff) : r & 0xffffffffffff;
    case 3:
        if (!g->code32)
            return (1 + r % 0xfffe) << 47 ^ (r >> 17); /* most are not canonical */
        return 0xfff00000 + (r & 0xfffff) / 2;
    default:
        return edge - (n > 1 ? 1 + r % (n - 1) : r & 1);
    }
}

uint64_t gen_target(struct gen *g, unsigned n, bool want_aligned)
{
    uint64_t a;

    if (!n)
        n = 1;
    if (rng_pct(&g->r, g->fault_pct)) {
        a = bad_target(g, n);
        return want_aligned && n <= 64 && rng_pct(&g->r, 80) ? a & ~(uint64_t)(n - 1) : a;
    }
    if (rng_pct(&g->r, 6) && n > 1 && n <= 64) {
        static const uint64_t joints[] = {DATA_LOW + 0x2000, DATA_LOW + 0x7000, DATA_HIGH + 0x2000};

        a = joints[rng_below(&g->r, g->code32 ? 2 : 3)] - 1 - rng_below(&g->r, n - 1);
    } else if (n <= 64 && rng_pct(&g->r, 50)) {
        a = g->hot[rng_below(&g->r, ARRAY_SIZE(g->hot))];
    } else {
        a = gen_target_good(g, n);
    }
    if (want_aligned && n <= 64 && rng_pct(&g->r, 90))
        a &= ~(uint64_t)(n - 1);
    return a;
}

/* ---- addressing ---- */

struct address {
    bool base_ok, index_ok, rip, a32;
    unsigned base, index, scale; /* scale: log2 */
    int64_t disp;
    bool disp8;
    uint8_t seg; /* prefix byte, 0: none */
};

static bool fits8(int64_t v)
{
    return v == (int8_t)v;
}

static bool fits32(int64_t v)
{
    return v == (int32_t)v;
}

/* Looks for registers that lead to the target; false if the form chosen at random doesn't work. */
static bool try_address(struct gen *g, uint64_t target, struct address *a)
{
    uint64_t known_part = 0, limit = g->code32 ? 0xffffffff : ~0UL;
    unsigned form = (unsigned)rng_below(&g->r, 16);

    memset(a, 0, sizeof(*a));
    if (g->segments_known && rng_pct(&g->r, 8)) {
        a->seg = rng_pct(&g->r, 50) ? 0x64 : 0x65;
        target -= a->seg == 0x64 ? g->t->init.fs_base : g->t->init.gs_base;
    } else if (rng_pct(&g->r, 3)) {
        static const uint8_t segs[] = {0x26, 0x2e, 0x36, 0x3e};

        a->seg = segs[rng_below(&g->r, 4)];
        if (a->seg == 0x2e && g->code32)
            a->seg = 0; /* CS of 32-bit code is not writable */
    }
    target &= limit;
    /*
     * The end of a segment with a base: an operand that crosses offset 4 GiB is #GP on the CPU, but only its
     * linear address is known where the engine looks at it, and that doesn't wrap there
     * (docs/architecture.md, "Non-goals"). Below the base by the longest operand, that of XSAVE, there is
     * nothing else to be tried.
     */
    if (g->code32 && (a->seg == 0x64 || a->seg == 0x65) && target > limit - XSAVE_BYTES)
        return false;
    if (!g->code32 && target >> 32 == 0 && rng_pct(&g->r, 8)) {
        a->a32 = true;
        limit = 0xffffffff;
    }
    if (form == 0 && !g->code32) {
        a->rip = true;
        return fits32((int64_t)(target - gen_here(g)) + 0x1000) &&
               fits32((int64_t)(target - gen_here(g)) - 0x1000) && !a->a32;
    }
    if (form > 1) {
        a->base = (unsigned)rng_below(&g->r, g->nr_gprs);
        a->base_ok = true;
        if (!(g->known & (1u << a->base)))
            return false;
        known_part += g->val[a->base];
    }
    if (form == 1 || form >= 11) {
        a->index = (unsigned)rng_below(&g->r, g->nr_gprs);
        a->scale = (unsigned)rng_below(&g->r, 4);
        a->index_ok = true;
        if (a->index == RSP || !(g->known & (1u << a->index)))
            return false;
        known_part += g->val[a->index] << a->scale;
    }
    a->disp = (int64_t)((target - known_part) & limit);
    if (limit == 0xffffffff)
        a->disp = (int32_t)a->disp;
    a->disp8 = fits8(a->disp) && rng_pct(&g->r, 75);
    return fits32(a->disp);
}

static void find_address(struct gen *g, uint64_t target, struct address *a)
{
    unsigned reg;
    bool wide;

    for (unsigned i = 0; i < 24; i++)
        if (try_address(g, target, a))
            return;
    memset(a, 0, sizeof(*a));
    reg = (unsigned)rng_below(&g->r, g->nr_gprs);
    for (unsigned i = 0; i < g->nr_gprs && (reg == RSP || (g->locked & (1u << reg))); i++)
        reg = (reg + 1) % g->nr_gprs;
    a->disp = (int8_t)rng_u64(&g->r); /* NOLINT(bugprone-signed-char-misuse): the sign is wanted */
    wide = rng_pct(&g->r, 30);        /* EVEX's displacements are times the operand's size */
    if (wide)
        a->disp *= 64;
    gen_set_reg(g, reg, target - (uint64_t)a->disp);
    a->base_ok = true;
    a->base = reg;
    a->disp8 = !wide && rng_pct(&g->r, 50);
}

/* ---- one instruction ---- */

struct encoding {
    const struct form *f;
    unsigned reg, rm, vvvv;
    bool rex; /* a REX prefix even if nothing needs it */
    bool lock;
    bool vex2;               /* two-byte VEX where possible */
    unsigned k;              /* EVEX.aaa */
    bool z;                  /* EVEX.z */
    const struct address *a; /* NULL: rm is a register */
};

static const uint8_t mandatory_prefix[4] = {0, 0x66, 0xf3, 0xf2};

/* ModRM, SIB and displacement. */
static unsigned put_modrm(const struct encoding *e, uint8_t *b, bool code32)
{
    const struct address *a = e->a;
    uint8_t reg = (uint8_t)((e->reg & 7) << 3);
    unsigned n = 0, mod, disp_bytes;

    if (!a) {
        b[n++] = 0xc0 | reg | (e->rm & 7);
        return n;
    }
    if (a->rip) {
        b[n++] = reg | 5;
        memset(b + n, 0, 4); /* patched when the length is known */
        return n + 4;
    }
    if (!a->base_ok) {
        if (!a->index_ok && code32) {
            b[n++] = reg | 5;
        } else {
            b[n++] = reg | 4;
            b[n++] = (uint8_t)(a->scale << 6 | (a->index_ok ? (a->index & 7) << 3 : 0x20) | 5);
        }
        memcpy(b + n, &a->disp, 4);
        return n + 4;
    }
    if (a->disp == 0 && (a->base & 7) != RBP && a->disp8) {
        mod = 0;
        disp_bytes = 0;
    } else {
        mod = a->disp8 ? 1 : 2;
        disp_bytes = a->disp8 ? 1 : 4;
    }
    if (a->index_ok || (a->base & 7) == RSP) {
        b[n++] = (uint8_t)(mod << 6 | reg | 4);
        b[n++] = (uint8_t)(a->scale << 6 | (a->index_ok ? (a->index & 7) << 3 : 0x20) | (a->base & 7));
    } else {
        b[n++] = (uint8_t)(mod << 6 | reg | (a->base & 7));
    }
    memcpy(b + n, &a->disp, disp_bytes);
    return n + disp_bytes;
}

static unsigned encode(const struct gen *g, const struct encoding *e, uint8_t *b)
{
    const struct form *f = e->f;
    unsigned n = 0;
    bool rr = e->reg & 8, rx = e->a && e->a->index_ok && (e->a->index & 8);
    bool rb = e->a ? e->a->base_ok && (e->a->base & 8) : e->rm & 8;

    if (e->lock)
        b[n++] = 0xf0;
    if (e->a && e->a->seg)
        b[n++] = e->a->seg;
    if (e->a && e->a->a32)
        b[n++] = 0x67;
    if (f->evex) {
        bool x = e->a ? rx : e->rm & 16;

        b[n++] = 0x62;
        b[n++] = (uint8_t)(!rr << 7 | !x << 6 | !rb << 5 | !(e->reg & 16) << 4 | f->map);
        b[n++] = (uint8_t)(f->w << 7 | (~e->vvvv & 15) << 3 | 4 | f->pp);
        b[n++] = (uint8_t)(e->z << 7 | f->ll << 5 | f->b << 4 | !(e->vvvv & 16) << 3 | e->k);
    } else if (f->vex) {
        uint8_t last = (uint8_t)((~e->vvvv & 15) << 3 | f->l << 2 | f->pp);

        if (e->vex2 && f->map == 1 && !f->w && !rx && !rb) {
            b[n++] = 0xc5;
            b[n++] = (uint8_t)(!rr << 7 | last);
        } else {
            b[n++] = 0xc4;
            b[n++] = (uint8_t)(!rr << 7 | !rx << 6 | !rb << 5 | f->map);
            b[n++] = (uint8_t)(f->w << 7 | last);
        }
    } else {
        uint8_t rex = (uint8_t)(f->w << 3 | rr << 2 | rx << 1 | rb);

        if (f->pp)
            b[n++] = mandatory_prefix[f->pp];
        if (!g->code32 && (rex || e->rex))
            b[n++] = 0x40 | rex;
        if (f->map)
            b[n++] = 0x0f;
        if (f->map == 2)
            b[n++] = 0x38;
        if (f->map == 3)
            b[n++] = 0x3a;
    }
    b[n++] = f->opcode;
    if (f->modrm)
        n += put_modrm(e, b + n, g->code32);
    return n;
}

/* General register that an operand is part of, or -1. */
static int gpr_of(ZydisRegister reg)
{
    ZydisRegister r = ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64, reg);

    return r >= ZYDIS_REGISTER_RAX && r <= ZYDIS_REGISTER_R15 ? (int)(r - ZYDIS_REGISTER_RAX) : -1;
}

/* Whether the instruction's results go where they may; if so, takes note of what it changes. */
static bool results_fit(struct gen *g, const ZydisDecodedInstruction *in, const ZydisDecodedOperand *op)
{
    uint16_t written = 0;

    for (unsigned i = 0; i < in->operand_count; i++) {
        int r = op[i].type == ZYDIS_OPERAND_TYPE_REGISTER ? gpr_of(op[i].reg.value) : -1;

        if (r < 0 || !(op[i].actions & ZYDIS_OPERAND_ACTION_MASK_WRITE))
            continue;
        if (op[i].visibility == ZYDIS_OPERAND_VISIBILITY_HIDDEN && r == RSP && !(g->locked & (1u << RSP))) {
            written |= (uint16_t)(1u << r);
            continue;
        }
        if (!may_write(g, (unsigned)r))
            return false;
        written |= (uint16_t)(1u << r);
    }
    g->known &= (uint16_t)~written;
    if (in->mnemonic == ZYDIS_MNEMONIC_WRFSBASE || in->mnemonic == ZYDIS_MNEMONIC_WRGSBASE)
        g->segments_known = false;
    return true;
}

/* Immediates that are more telling than random ones. */
static void bias_immediates(struct gen *g, const ZydisDecodedInstruction *in, uint8_t *b)
{
    for (unsigned i = 0; i < 2; i++) {
        unsigned n = in->raw.imm[i].size / 8;
        uint64_t v = rng_u64(&g->r);

        if (!n)
            continue;
        if (n > 1 && rng_pct(&g->r, 60))
            v = layout_interesting(&g->r);
        if (n > 1 && rng_pct(&g->r, 30))
            v = (uint64_t)(int64_t)(int8_t)v;
        if (in->mnemonic == ZYDIS_MNEMONIC_ENTER)
            v &= i == 0 ? 0x7f : rng_pct(&g->r, 70) ? 0 : 3;
        memcpy(b + in->raw.imm[i].offset, &v, n);
    }
}

/* Registers up to 31, a mask, zeroing: what may not be is taken back. */
static void choose_evex(struct gen *g, struct encoding *e)
{
    unsigned nr = g->code32 ? 8 : 32;

    if (!e->f->reg_fixed)
        e->reg = (unsigned)rng_below(&g->r, nr);
    e->rm = (unsigned)rng_below(&g->r, nr);
    e->vvvv = (unsigned)rng_below(&g->r, nr);
    e->k = rng_pct(&g->r, 35) ? e->f->k : 1 + (unsigned)rng_below(&g->r, 7);
    e->z = e->k && rng_pct(&g->r, 40);
}

/*
 * Takes back what the instruction doesn't have until it decodes, and makes a displacement of one byte what
 * EVEX has there: times the operand's size. False: it is none.
 */
static bool relax_evex(struct gen *g, struct encoding *e, uint8_t *b)
{
    struct address near;
    ZydisDecodedInstruction in;
    ZydisDecodedOperand op[ZYDIS_MAX_OPERAND_COUNT];
    const struct address *a = e->a;

    for (unsigned step = 0;; step++) {
        encode(g, e, b);
        if (ZYAN_SUCCESS(ZydisDecoderDecodeFull(&g->dec, b, ZYDIS_MAX_INSTRUCTION_LENGTH, &in, op)))
            break;
        switch (step) {
        case 0:
            e->z = false;
            break;
        case 1:
            e->k = e->f->k;
            break;
        case 2:
            e->vvvv = 0;
            break;
        case 3:
            e->reg &= 15;
            e->rm &= 15;
            break;
        case 4:
            e->reg &= 7;
            break;
        default:
            return false;
        }
    }
    if (!a || a->rip || !a->base_ok)
        return true;
    near = *a;
    e->a = &near;
    near.disp8 = true;
    near.disp = 1;
    encode(g, e, b);
    if (ZYAN_SUCCESS(ZydisDecoderDecodeFull(&g->dec, b, ZYDIS_MAX_INSTRUCTION_LENGTH, &in, op)))
        for (unsigned i = 0; i < in.operand_count_visible; i++)
            if (op[i].type == ZYDIS_OPERAND_TYPE_MEMORY)
                near.disp = a->disp % op[i].mem.disp.value ? 128 : a->disp / op[i].mem.disp.value;
    if (!fits8(near.disp) || rng_pct(&g->r, 25)) {
        near.disp8 = false;
        near.disp = a->disp;
    }
    encode(g, e, b);
    e->a = a;
    return true;
}

static bool try_form(struct gen *g, const struct form *f, const struct address *a, int reg)
{
    struct encoding e = {.f = f, .a = a};
    uint8_t b[ZYDIS_MAX_INSTRUCTION_LENGTH + 16];
    ZydisDecodedInstruction in;
    ZydisDecodedOperand op[ZYDIS_MAX_OPERAND_COUNT];
    uint64_t target, next;
    unsigned n;

    e.reg = reg >= 0 ? (unsigned)reg : f->reg_fixed ? f->reg : (unsigned)rng_below(&g->r, g->nr_gprs);
    e.rm = f->rm_fixed ? f->rm : (unsigned)rng_below(&g->r, g->nr_gprs);
    e.vvvv = f->vex && rng_pct(&g->r, 80) ? (unsigned)rng_below(&g->r, g->nr_gprs) : 0;
    e.rex = rng_pct(&g->r, 20);
    e.vex2 = rng_pct(&g->r, 60);
    e.lock = f->mem && !f->evex && rng_pct(&g->r, 25);
    if (f->evex)
        choose_evex(g, &e);
    n = encode(g, &e, b);
    for (unsigned i = 0; i < 16; i++)
        b[n + i] = (uint8_t)rng_u64(&g->r);
    if (f->evex && !relax_evex(g, &e, b))
        return false;
    if (ZYAN_FAILED(ZydisDecoderDecodeFull(&g->dec, b, ZYDIS_MAX_INSTRUCTION_LENGTH, &in, op)) && e.lock) {
        e.lock = false;
        encode(g, &e, b);
    }
    if (ZYAN_FAILED(ZydisDecoderDecodeFull(&g->dec, b, ZYDIS_MAX_INSTRUCTION_LENGTH, &in, op)) && e.vvvv &&
        !f->evex) {
        e.vvvv = 0;
        encode(g, &e, b);
    }
    if (ZYAN_FAILED(ZydisDecoderDecodeFull(&g->dec, b, ZYDIS_MAX_INSTRUCTION_LENGTH, &in, op)))
        return false;
    if (in.mnemonic != f->mnemonic || !results_fit(g, &in, op))
        return false;
    bias_immediates(g, &in, b);
    if (a && a->rip) {
        target = (uint64_t)a->disp;
        next = gen_here(g) + in.length;
        target -= next;
        memcpy(b + in.raw.disp.offset, &target, 4);
    }
    gen_insn(g, b, in.length);
    return true;
}

/* Bit-string instructions reach far with the register operand; it gets a value that keeps them near. */
static int prepare_bit_offset(struct gen *g, const struct form *f)
{
    unsigned reg;

    if (f->category != ZYDIS_CATEGORY_BITBYTE || !f->mem || f->map != 1 || (f->opcode & 0xe7) != 0xa3)
        return -1;
    reg = gen_dest(g);
    if (rng_pct(&g->r, 90) && reg != RSP)
        gen_set_reg(g, reg, rng_below(&g->r, 4096) - (uint64_t)2048);
    return (int)reg;
}

static bool put_form(struct gen *g, const struct form *f, uint64_t target)
{
    struct address a = {0};
    int reg = prepare_bit_offset(g, f);

    for (unsigned i = 0; i < 12; i++) {
        if (f->mem) {
            find_address(g, target, &a);
            if (a.rip) {
                a.disp = (int64_t)target; /* try_form() makes it relative */
                if (a.seg == 0x64 || a.seg == 0x65)
                    a.disp -= (int64_t)(a.seg == 0x64 ? g->t->init.fs_base : g->t->init.gs_base);
            }
        }
        if (try_form(g, f, f->mem ? &a : NULL, reg))
            return true;
    }
    return false;
}

bool gen_form_at(struct gen *g, const struct form *f, uint64_t target)
{
    return put_form(g, f, target);
}

bool gen_form(struct gen *g, const struct form *f)
{
    gen_prepare(g, f);
    if (f->mnemonic == ZYDIS_MNEMONIC_FLDENV || f->mnemonic == ZYDIS_MNEMONIC_FRSTOR ||
        f->mnemonic == ZYDIS_MNEMONIC_FXRSTOR || f->mnemonic == ZYDIS_MNEMONIC_FXRSTOR64)
        g->t->loose_cr2 = true;
    return put_form(
        g, f,
        f->mem ? gen_target(g, f->mem_bytes, f->mem_bytes >= 16 && !(f->evex && rng_pct(&g->r, 60))) : 0);
}

const struct form *gen_pick(struct gen *g, const struct form_set *s)
{
    unsigned group = (unsigned)rng_below(&g->r, s->nr_groups);
    unsigned first = s->start[group], n = s->start[group + 1] - first;

    return s->form[first + rng_below(&g->r, n)];
}
