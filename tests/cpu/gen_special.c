// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Instructions whose operands need preparation, and cases that aren't instructions after another.
 */
#include "gen.h"

#include <string.h>

/* ---- preparation of single forms ---- */

static bool locked(const struct gen *g, unsigned reg)
{
    return g->locked & (1u << reg);
}

static void set_free(struct gen *g, unsigned reg, uint64_t value)
{
    if (!locked(g, reg))
        gen_set_reg(g, reg, value);
}

static uint64_t random_count(struct gen *g)
{
    static const uint8_t counts[] = {0, 1, 2, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 128, 255};

    return rng_pct(&g->r, 70) ? counts[rng_below(&g->r, ARRAY_SIZE(counts))] : rng_u64(&g->r);
}

void gen_prepare(struct gen *g, const struct form *f)
{
    bool by_cl = (f->map == 0 && (f->opcode == 0xd2 || f->opcode == 0xd3)) ||
                 (f->map == 1 && (f->opcode == 0xa5 || f->opcode == 0xad));

    if (f->vex && f->mnemonic != ZYDIS_MNEMONIC_VMASKMOVDQU)
        return;
    if (by_cl && rng_pct(&g->r, 70))
        set_free(g, RCX, random_count(g));
    switch (f->mnemonic) {
    case ZYDIS_MNEMONIC_DIV:
    case ZYDIS_MNEMONIC_IDIV:
        if (rng_pct(&g->r, 75))
            set_free(g, RDX, 0);
        if (rng_pct(&g->r, 40))
            set_free(g, RAX, rng_u64(&g->r) >> (rng_u64(&g->r) & 63));
        break;
    case ZYDIS_MNEMONIC_XLAT:
        set_free(g, RBX, gen_target(g, 256, false));
        break;
    case ZYDIS_MNEMONIC_MASKMOVQ:
    case ZYDIS_MNEMONIC_MASKMOVDQU:
    case ZYDIS_MNEMONIC_VMASKMOVDQU:
        set_free(g, RDI, gen_target(g, 16, false));
        break;
    case ZYDIS_MNEMONIC_ENTER:
    case ZYDIS_MNEMONIC_LEAVE:
        set_free(g, RBP, STACK_LOW + 0x1800 + (rng_below(&g->r, 0x700) & ~7UL));
        break;
    default:
        break;
    }
    if (f->category == ZYDIS_CATEGORY_STRINGOP) {
        set_free(g, RSI, gen_target(g, 8, false));
        set_free(g, RDI, gen_target(g, 8, false));
    }
}

/* ---- string instructions ---- */

static void one_string(struct gen *g, const struct form *f)
{
    uint8_t b[8];
    unsigned n = 0, size = f->mem_bytes ? f->mem_bytes : 1;
    uint64_t count, rsi, rdi;
    bool a32 = rng_pct(&g->r, 15) && !g->code32;

    count = rng_pct(&g->r, 10) ? 0 : 1 + rng_below(&g->r, rng_pct(&g->r, 70) ? 24 : 700);
    rsi = gen_target(g, size, false);
    rdi = rng_pct(&g->r, 25) ? rsi + rng_below(&g->r, 64) - 32 : gen_target(g, size, false);
    if (a32) {
        rsi = DATA_LOW + 0x1000 + (rsi & 0x1fff);
        rdi = DATA_LOW + 0x1000 + (rdi & 0x1fff);
        if (rng_pct(&g->r, 70)) {
            count |= rng_u64(&g->r) << 32;
            rsi |= rng_u64(&g->r) << 32;
            rdi |= rng_u64(&g->r) << 32;
        }
    }
    if (rng_pct(&g->r, 3) && !g->code32)
        count = rng_u64(&g->r); /* until it faults */
    gen_set_reg(g, RCX, count);
    gen_set_reg(g, RSI, rsi);
    gen_set_reg(g, RDI, rdi);
    if (rng_pct(&g->r, 50))
        GEN(g, rng_pct(&g->r, 50) ? 0xfd : 0xfc); /* std, cld */
    if (rng_pct(&g->r, 30))
        gen_set_reg(g, RAX, rng_pct(&g->r, 50) ? 0 : layout_interesting(&g->r));
    if (a32)
        b[n++] = 0x67;
    if (rng_pct(&g->r, 6))
        b[n++] = rng_pct(&g->r, 50) ? 0x64 : 0x65;
    if (rng_pct(&g->r, 75))
        b[n++] = rng_pct(&g->r, 30) ? 0xf2 : 0xf3;
    if (f->pp == 1)
        b[n++] = 0x66;
    if (f->w)
        b[n++] = 0x48;
    b[n++] = f->opcode;
    gen_insn(g, b, n);
    g->known &= (uint16_t) ~(1u << RCX | 1u << RSI | 1u << RDI | 1u << RAX);
}

void gen_emit_string(struct gen *g, const struct gen_class *c, const struct form_set *set)
{
    (void)c;
    for (unsigned n = 1 + (unsigned)rng_below(&g->r, 4); n && gen_room(g) > 160; n--) {
        one_string(g, gen_pick(g, set));
        if (rng_pct(&g->r, 30))
            gen_filler(g, 1);
    }
}

/* ---- FPU environments ---- */

/* What has just been put out goes with the instruction before it, if a case is made smaller. */
static void glue(struct gen *g)
{
    g->t->glued[g->t->nr_insns - 1] = true;
}

/* mov dword [rbx+off], value: hides what the instruction before has stored there */
static void store_rbx(struct gen *g, unsigned off, uint32_t value)
{
    uint8_t b[10] = {0xc7, 0x83};

    memcpy(b + 2, &off, 4);
    memcpy(b + 6, &value, 4);
    gen_insn(g, b, 10);
    glue(g);
}

/* [66] opcode... [rbx] */
static void op_rbx(struct gen *g, bool opsize, bool w, const uint8_t *op, unsigned n)
{
    uint8_t b[8];
    unsigned k = 0;

    if (opsize)
        b[k++] = 0x66;
    if (w && !g->code32)
        b[k++] = 0x48;
    memcpy(b + k, op, n);
    gen_insn(g, b, k + n);
}
#define OP_RBX(g, opsize, w, ...) \
    op_rbx((g), (opsize), (w), (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

/* fnstenv or fnsave, and the matching load. */
static void x87_env(struct gen *g, bool save)
{
    bool small = rng_pct(&g->r, 30), load = rng_pct(&g->r, 60);
    uint8_t op = save ? 0xdd : 0xd9;

    g->t->loose_cr2 = true;
    gen_set_reg(g, RBX, gen_target(g, 108, false));
    OP_RBX(g, small, false, op, 0x33); /* /6 */
    /* Instruction and data pointers: the translated instruction's are not the guest's. */
    if (small) {
        for (uint8_t i = 6; i < 14; i += 2) {
            GEN(g, 0x66, 0xc7, 0x43, i, 0, 0); /* mov word [rbx+i], 0 */
            glue(g);
        }
    } else {
        for (unsigned i = 12; i < 28; i += 4)
            store_rbx(g, i, 0);
    }
    if (load) {
        if (rng_pct(&g->r, 30))
            store_rbx(g, small ? 2 : 4, (uint32_t)rng_u64(&g->r) & 0x7f7f); /* FSW */
        if (rng_pct(&g->r, 20))
            store_rbx(g, small ? 4 : 8, (uint32_t)rng_u64(&g->r) & 0xffff); /* FTW */
        OP_RBX(g, small, false, op, 0x23);                                  /* /4 */
    }
}

static void fxsave(struct gen *g)
{
    bool w = rng_pct(&g->r, 50);

    g->t->loose_cr2 = true;
    gen_set_reg(g, RBX, gen_target(g, 512, false) & (rng_pct(&g->r, 95) ? ~15UL : ~0UL));
    OP_RBX(g, false, w, 0x0f, 0xae, 0x03); /* fxsave */
    for (unsigned i = 8; i < 24; i += 4)
        store_rbx(g, i, 0);
    GEN(g, 0x66, 0xc7, 0x43, 0x06, 0, 0); /* mov word [rbx+6], 0: FOP */
    glue(g);
    if (rng_pct(&g->r, 60)) {
        if (rng_pct(&g->r, 40))
            store_rbx(g, 24,
                      rng_pct(&g->r, 80) ? 0x1f80 | ((uint32_t)rng_u64(&g->r) & 0xe07f)
                                         : (uint32_t)rng_u64(&g->r)); /* MXCSR */
        OP_RBX(g, false, w, 0x0f, 0xae, 0x0b);                        /* fxrstor */
    }
}

/* Some of the state components; AVX-512's least often. */
static uint32_t state_components(struct gen *g)
{
    uint32_t r = (uint32_t)rng_u64(&g->r);

    return r & (uint32_t)state_xcr0 & (rng_pct(&g->r, 50) ? 7 : 0xff);
}

static void xsave(struct gen *g)
{
    bool w = rng_pct(&g->r, 50);

    g->t->loose_cr2 = true;
    gen_set_reg(g, RBX, gen_target(g, state_bytes + 64, false) & (rng_pct(&g->r, 95) ? ~63UL : ~0UL));
    gen_set_reg(g, RAX, state_components(g));
    gen_set_reg(g, RDX, 0);
    OP_RBX(g, false, w, 0x0f, 0xae, 0x23); /* xsave */
    for (unsigned i = 8; i < 24; i += 4)
        store_rbx(g, i, 0);
    GEN(g, 0x66, 0xc7, 0x43, 0x06, 0, 0);
    glue(g);
    /* XSTATE_BV tells whether the CPU happens to know that a component is in its initial state. */
    for (unsigned i = 512; i < 576; i += 4)
        store_rbx(g, i, i == 512 ? state_components(g) | (rng_pct(&g->r, 5) ? 8 : 0) : 0);
    if (rng_pct(&g->r, 60)) {
        if (rng_pct(&g->r, 30))
            store_rbx(g, 24, 0x1f80);
        gen_set_reg(g, RAX, state_components(g));
        OP_RBX(g, false, w, 0x0f, 0xae, 0x2b); /* xrstor */
    }
}

void gen_emit_fpuenv(struct gen *g, const struct gen_class *c, const struct form_set *set)
{
    (void)c;
    for (unsigned n = 1 + (unsigned)rng_below(&g->r, 2); n && gen_room(g) > 400; n--) {
        for (unsigned i = (unsigned)rng_below(&g->r, 4); i; i--)
            gen_form(g, gen_pick(g, set));
        switch (rng_below(&g->r, 4)) {
        case 0:
            x87_env(g, false);
            break;
        case 1:
            x87_env(g, true);
            break;
        case 2:
            fxsave(g);
            break;
        default:
            xsave(g);
            break;
        }
    }
}

/* ---- gathers ---- */

/* vmovdqu ymm, [rbx] */
static void load_ymm(struct gen *g, unsigned ymm, uint64_t from)
{
    gen_set_reg(g, RBX, from);
    GEN(g, 0xc4, (uint8_t)(!(ymm & 8) << 7 | 0x61), 0x7e, 0x6f, (uint8_t)((ymm & 7) << 3 | 3));
}

static void one_gather(struct gen *g, const struct form *f)
{
    unsigned nr = g->code32 ? 8 : 16, dest = (unsigned)rng_below(&g->r, nr),
             scale = (unsigned)rng_below(&g->r, 4);
    unsigned index = (dest + 1 + (unsigned)rng_below(&g->r, 3)) % nr, mask = (index + 1) % nr;
    bool wide = f->opcode & 1; /* 64-bit indices: 91h, 93h */
    uint64_t slot = gen_target_good(g, 64), v;
    int64_t reach = rng_pct(&g->r, 80) ? 256 : 6000;
    uint8_t indices[32], masks[32];

    if (mask == dest)
        mask = (mask + 1) % nr;
    for (unsigned i = 0; i < 32; i += wide ? 8 : 4) {
        v = (uint64_t)((int64_t)rng_below(&g->r, (uint64_t)reach * 2) - reach) >> scale;
        memcpy(indices + i, &v, wide ? 8 : 4);
        if (!wide && (int32_t)v < 0)
            v = (uint64_t)(int64_t)(int32_t)v;
    }
    for (unsigned i = 0; i < 32; i += 8) {
        v = rng_pct(&g->r, 40) ? ~0UL : rng_u64(&g->r);
        memcpy(masks + i, &v, 8);
    }
    case_poke(g->t, slot, indices, 32);
    case_poke(g->t, slot + 32, masks, 32);
    load_ymm(g, index, slot);
    load_ymm(g, mask, slot + 32);
    gen_set_reg(g, RBX, gen_target(g, 8, false));
    GEN(g, 0xc4, (uint8_t)(!(dest & 8) << 7 | !(index & 8) << 6 | 0x22),
        (uint8_t)(f->w << 7 | (~mask & 15) << 3 | f->l << 2 | 1), f->opcode,
        (uint8_t)(0x44 | (dest & 7) << 3), (uint8_t)(scale << 6 | (index & 7) << 3 | RBX),
        (uint8_t)rng_u64(&g->r));
}

/* A gather or scatter by a mask register: vmovdqu64 zmm, [rbx]; kmovq k, [rbx + 64]; then itself. */
static void one_evex_gather(struct gen *g, const struct form *f)
{
    unsigned nr = g->code32 ? 8 : 32, data = (unsigned)rng_below(&g->r, nr),
             scale = (unsigned)rng_below(&g->r, 4), k = 1 + (unsigned)rng_below(&g->r, 7);
    unsigned index = (data + (unsigned)rng_below(&g->r, 8)) % nr; /* the same: #UD */
    bool wide = f->opcode & 1;                                    /* 64-bit indices */
    uint64_t slot = gen_target_good(g, 128), v;
    int64_t reach = rng_pct(&g->r, 80) ? 256 : 6000;
    uint8_t indices[64];

    for (unsigned i = 0; i < sizeof(indices); i += wide ? 8 : 4) {
        v = (uint64_t)((int64_t)rng_below(&g->r, (uint64_t)reach * 2) - reach) >> scale;
        memcpy(indices + i, &v, wide ? 8 : 4);
    }
    v = rng_pct(&g->r, 40) ? ~0UL : rng_u64(&g->r);
    case_poke(g->t, slot, indices, 32);
    case_poke(g->t, slot + 32, indices + 32, 32);
    case_poke(g->t, slot + 64, &v, 8);
    gen_set_reg(g, RBX, slot);
    GEN(g, 0x62, (uint8_t)(!(index & 8) << 7 | 0x60 | !(index & 16) << 4 | 1), 0xfe, 0x48, 0x6f,
        (uint8_t)((index & 7) << 3 | 3));
    GEN(g, 0xc4, 0xe1, 0xf8, 0x90, (uint8_t)(0x43 | k << 3), 64);
    gen_set_reg(g, RBX, gen_target(g, 8, false));
    GEN(g, 0x62, (uint8_t)(!(data & 8) << 7 | !(index & 8) << 6 | 0x20 | !(data & 16) << 4 | 2),
        (uint8_t)(f->w << 7 | 0x7c | f->pp), (uint8_t)(f->ll << 5 | !(index & 16) << 3 | k), f->opcode,
        (uint8_t)(0x44 | (data & 7) << 3), (uint8_t)(scale << 6 | (index & 7) << 3 | RBX),
        (uint8_t)rng_u64(&g->r));
}

void gen_emit_gather(struct gen *g, const struct gen_class *c, const struct form_set *set)
{
    const struct form *f;

    (void)c;
    for (unsigned n = 1 + (unsigned)rng_below(&g->r, 3); n && gen_room(g) > 160; n--) {
        f = gen_pick(g, set);
        if (f->isa_ext == ZYDIS_ISA_EXT_AVX2GATHER)
            one_gather(g, f);
        else if (f->category == ZYDIS_CATEGORY_GATHER || f->category == ZYDIS_CATEGORY_SCATTER)
            one_evex_gather(g, f);
        else
            gen_form(g, f);
    }
}

/* ---- traps ---- */

/* push of a flags image; popf */
static void push_popf(struct gen *g, uint32_t flags)
{
    unsigned reg = gen_dest(g);

    if (reg == RSP)
        reg = RDX;
    gen_set_reg(g, reg, flags);
    if (reg >= 8)
        GEN(g, 0x41, (uint8_t)(0x50 | (reg & 7)));
    else
        GEN(g, (uint8_t)(0x50 | reg));
    GEN(g, 0x9d);
}

/*
 * ICEBP is left out while single-stepping: whose #DB it is can't be told where a hypervisor reports it too
 * early.
 */
static void one_trap(struct gen *g, bool stepping)
{
    switch (rng_below(&g->r, 10)) {
    case 0:
        GEN(g, 0xcc);
        break;
    case 1:
        if (!stepping)
            GEN(g, 0xf1); /* icebp */
        break;
    case 2:
        GEN(g, 0xcd, 0x03);
        break;
    case 3:
        GEN(g, 0xcd, 0x04);
        break;
    case 4:
        GEN(g, 0xcd, rng_pct(&g->r, 50) ? 0x80 : (uint8_t)rng_u64(&g->r));
        break;
    case 5:
        if (g->code32)
            GEN(g, 0xce); /* into */
        else
            GEN(g, 0x0f, 0x05); /* syscall */
        break;
    case 6:
        if (g->code32) {
            gen_set_reg(g, RBX, gen_target_good(g, 8));
            GEN(g, 0x62, (uint8_t)(rng_below(&g->r, 8) << 3 | RBX)); /* bound reg, [ebx] */
        } else {
            GEN(g, 0xce); /* #UD in 64-bit mode */
        }
        break;
    case 7:
        GEN(g, 0x0f, 0x0b);
        break;
    case 8:
        gen_filler(g, 1);
        break;
    default: {
        unsigned before = g->fault_pct;

        g->fault_pct = 100;
        gen_filler(g, 2);
        g->fault_pct = before;
        break;
    }
    }
}

void gen_emit_trap(struct gen *g, const struct gen_class *c, const struct form_set *set)
{
    bool stepping = false;

    (void)c, (void)set;
    switch (rng_below(&g->r, 4)) {
    case 0: /* single-step from the start */
        g->t->init.rflags |= FLAG_TF;
        stepping = true;
        break;
    case 1: /* from POPF on: the trap comes behind the next instruction */
        stepping = true;
        gen_filler(g, (unsigned)rng_below(&g->r, 2));
        push_popf(g, (uint32_t)(FLAG_TF | 2 | (rng_u64(&g->r) & FLAGS_ARITH)));
        if (rng_pct(&g->r, 20)) {
            gen_set_reg(g, RCX, 5);
            GEN(g, 0xf3, 0xac); /* rep lodsb: a trap an iteration, rsi as it is */
        } else if (rng_pct(&g->r, 30)) {
            GEN(g, 0xeb, 0x00); /* jmp next */
        } else if (rng_pct(&g->r, 20)) {
            GEN(g, 0x9c); /* pushf shows TF */
        }
        break;
    default:
        gen_filler(g, (unsigned)rng_below(&g->r, 4));
        break;
    }
    one_trap(g, stepping);
    gen_filler(g, 1);
}

void gen_emit_popf(struct gen *g, const struct gen_class *c, const struct form_set *set)
{
    (void)c, (void)set;
    for (unsigned n = 1 + (unsigned)rng_below(&g->r, 4); n && gen_room(g) > 160; n--) {
        /* Single-step is the trap class's. */
        push_popf(g, (uint32_t)(rng_u64(&g->r) & ~FLAG_TF));
        if (rng_pct(&g->r, 40))
            GEN(g, 0x9c); /* pushf */
        gen_filler(g, (unsigned)rng_below(&g->r, 3));
    }
}

/* ---- flags alive across a fault ---- */

static bool makes_flags(const struct form *f)
{
    return (f->category == ZYDIS_CATEGORY_BINARY || f->category == ZYDIS_CATEGORY_LOGICAL ||
            f->category == ZYDIS_CATEGORY_SHIFT || f->category == ZYDIS_CATEGORY_ROTATE ||
            f->category == ZYDIS_CATEGORY_BITBYTE || f->category == ZYDIS_CATEGORY_FLAGOP) &&
           (f->isa_ext == ZYDIS_ISA_EXT_BASE || f->isa_ext == ZYDIS_ISA_EXT_LONGMODE) && !f->mem &&
           f->mnemonic != ZYDIS_MNEMONIC_DIV && f->mnemonic != ZYDIS_MNEMONIC_IDIV &&
           f->mnemonic != ZYDIS_MNEMONIC_CLI && f->mnemonic != ZYDIS_MNEMONIC_STI;
}

static bool uses_flags(const struct form *f)
{
    return f->category == ZYDIS_CATEGORY_SETCC || f->category == ZYDIS_CATEGORY_CMOV ||
           f->mnemonic == ZYDIS_MNEMONIC_ADC || f->mnemonic == ZYDIS_MNEMONIC_SBB ||
           f->mnemonic == ZYDIS_MNEMONIC_LAHF || f->mnemonic == ZYDIS_MNEMONIC_INC;
}

void gen_emit_flagfault(struct gen *g, const struct gen_class *c, const struct form_set *set)
{
    static struct form_set *makers[2], *users[2];
    unsigned percent = g->fault_pct;

    (void)c;
    if (!makers[g->code32]) {
        makers[g->code32] = forms_select(g->code32, makes_flags);
        users[g->code32] = forms_select(g->code32, uses_flags);
    }
    for (unsigned n = 1 + (unsigned)rng_below(&g->r, 3); n && gen_room(g) > 200; n--) {
        g->fault_pct = 0;
        gen_form(g, gen_pick(g, makers[g->code32]));
        g->fault_pct = percent;
        gen_form(g, gen_pick(g, set));
        g->fault_pct = 10;
        gen_form(g, gen_pick(g, users[g->code32]));
    }
}

/* ---- odd encodings ---- */

/* Whether the code from offset off on decodes without anything that the test leaves out. */
static bool scan_ok(struct gen *g, unsigned off)
{
    ZydisDecodedInstruction in;
    ZydisDecodedOperand op[ZYDIS_MAX_OPERAND_COUNT];
    struct test_case *t = g->t;

    while (off < t->code_len) {
        if (ZYAN_FAILED(ZydisDecoderDecodeFull(&g->dec, t->code + off, t->code_len - off, &in, op))) {
            off++; /* what the CPU makes of it is to be seen; what follows should still be harmless */
            continue;
        }
        if (forms_banned(&in) || in.meta.category == ZYDIS_CATEGORY_COND_BR ||
            in.meta.category == ZYDIS_CATEGORY_UNCOND_BR || in.meta.category == ZYDIS_CATEGORY_CALL ||
            in.meta.category == ZYDIS_CATEGORY_RET || in.meta.category == ZYDIS_CATEGORY_INTERRUPT ||
            in.mnemonic == ZYDIS_MNEMONIC_POPF || in.mnemonic == ZYDIS_MNEMONIC_POPFD ||
            in.mnemonic == ZYDIS_MNEMONIC_POPFQ)
            return false;
        off += in.length;
    }
    return true;
}

static void insert_prefixes(struct gen *g, unsigned off)
{
    static const uint8_t prefixes[] = {0x66, 0x67, 0xf2, 0xf3, 0x2e, 0x36, 0x3e, 0x26, 0x64, 0x65,
                                       0x66, 0x3e, 0x66, 0x67, 0xf2, 0xf3, 0x2e, 0x36, 0x26, 0xf0};
    struct test_case *t = g->t;
    unsigned n = rng_pct(&g->r, 4) ? 8 + (unsigned)rng_below(&g->r, 7) : 1 + (unsigned)rng_below(&g->r, 3);
    uint8_t saved[MAX_CODE];
    unsigned len = t->code_len;

    if (len + n > MAX_CODE)
        return;
    /*
     * Too long is #GP, even if it is undefined as well: which, only the CPU knows. So only harmless ones
     * then.
     */
    if (n <= 4 && len - off + n > ZYDIS_MAX_INSTRUCTION_LENGTH)
        return;
    memcpy(saved, t->code, len);
    memmove(t->code + off + n, t->code + off, len - off);
    for (unsigned i = 0; i < n; i++)
        t->code[off + i] = n > 4 ? 0x3e
                           : !g->code32 && rng_pct(&g->r, 15)
                               ? (uint8_t)(0x40 | rng_below(&g->r, 16))
                               : prefixes[rng_below(&g->r, ARRAY_SIZE(prefixes))];
    t->code_len = len + n;
    if (!scan_ok(g, off)) {
        memcpy(t->code, saved, len);
        t->code_len = len;
    }
}

void gen_emit_prefix(struct gen *g, const struct gen_class *c, const struct form_set *set)
{
    unsigned off;

    (void)c;
    for (unsigned n = 1 + (unsigned)rng_below(&g->r, 5); n && gen_room(g) > 160; n--) {
        const struct form *f = gen_pick(g, set);

        /* LOCK MOV CR0 is MOV CR8, or undefined, by vendor. */
        if ((f->map == 1 && f->opcode >= 0x20 && f->opcode <= 0x23) || !gen_form(g, f))
            continue;
        off = g->t->insn_off[g->t->nr_insns - 1];
        insert_prefixes(g, off);
        g->known &= (uint16_t)(rng_u64(&g->r) | g->locked | 1u << RSP);
    }
}

/* Random bytes with a bias to short prefixes, and to instructions that Zydis doesn't know. */
void gen_emit_fuzz(struct gen *g, const struct gen_class *c, const struct form_set *set)
{
    ZydisDecodedInstruction in;
    ZydisDecodedOperand op[ZYDIS_MAX_OPERAND_COUNT];
    struct test_case *t = g->t;
    unsigned want = 1 + (unsigned)rng_below(&g->r, 6);
    uint8_t b[ZYDIS_MAX_INSTRUCTION_LENGTH];
    unsigned n, len;

    (void)c, (void)set;
    for (unsigned tries = 0; want && tries < 200; tries++) {
        n = 0;
        if (!g->code32 && rng_pct(&g->r, 30))
            b[n++] = (uint8_t)(0x40 | rng_below(&g->r, 16));
        if (rng_pct(&g->r, 40))
            b[n++] = 0x0f;
        while (n < sizeof(b))
            b[n++] = (uint8_t)rng_u64(&g->r);
        if (memchr(b, 0x1a, 3) || memchr(b, 0x1b, 3))
            continue; /* 0F 1A, 0F 1B: NOPs or MPX, by CPU */
        len = (unsigned)sizeof(b);
        if (ZYAN_SUCCESS(ZydisDecoderDecodeFull(&g->dec, b, sizeof(b), &in, op)))
            len = in.length;
        else if (rng_pct(&g->r, 85))
            continue;
        memcpy(t->code + t->code_len, b, len);
        t->code_len += len;
        if (scan_ok(g, t->code_len - len)) {
            t->insn_off[t->nr_insns++] = (uint16_t)(t->code_len - len);
            want--;
        } else {
            t->code_len -= len;
        }
    }
}
