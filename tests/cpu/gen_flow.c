// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Control flow: branches, loops, calls, indirect jumps, code that changes itself, code that runs off its
 * page.
 *
 * Every loop counts RCX down and nothing in it may write to RCX, so that all cases end; where data makes them
 * run wild nevertheless, the time limit of both sides ends them.
 */
#include "gen.h"

#include <string.h>

/* ---- forward branches ---- */

struct fix {
    unsigned at, size, end; /* field to patch; where the displacement counts from */
    uint16_t known;
    uint64_t val[16];
};

static struct fix forward(struct gen *g, const uint8_t *op, unsigned n, unsigned size)
{
    uint8_t b[8] = {0};
    struct fix f;
    unsigned off;

    memcpy(b, op, n);
    off = gen_insn(g, b, n + size);
    f.at = off + n;
    f.size = size;
    f.end = off + n + size;
    f.known = g->known;
    memcpy(f.val, g->val, sizeof(f.val));
    return f;
}

/* The branch comes here: only what both ways agree on is known. */
static void land(struct gen *g, const struct fix *f)
{
    uint64_t d = g->t->code_len - f->end;

    if (f->size == 1 && d > 127)
        g->full = true; /* gen_patch() then does nothing: a branch to the next instruction */
    gen_patch(g, f->at, d, f->size);
    g->known &= f->known;
    for (unsigned i = 0; i < 16; i++)
        if (g->val[i] != f->val[i])
            g->known &= (uint16_t) ~(1u << i);
}

static struct fix forward_jmp(struct gen *g)
{
    return forward(g, (const uint8_t[]){0xe9}, 1, 4);
}

/* Some conditional branch; jrcxz sometimes. */
static struct fix forward_jcc(struct gen *g)
{
    uint8_t cc = (uint8_t)rng_below(&g->r, 16);

    if (rng_pct(&g->r, 10))
        return forward(g, (const uint8_t[]){0xe3}, 1, 1);
    if (rng_pct(&g->r, 8))
        return forward(g, (const uint8_t[]){0x67, 0xe3}, 2, 1);
    if (rng_pct(&g->r, 10))
        return forward(g, (const uint8_t[]){0x3e, (uint8_t)(0x70 | cc)}, 2, 1); /* hint: taken */
    if (rng_pct(&g->r, 50))
        return forward(g, (const uint8_t[]){(uint8_t)(0x70 | cc)}, 1, 1);
    return forward(g, (const uint8_t[]){0x0f, (uint8_t)(0x80 | cc)}, 2, 4);
}

/* A few instructions, possibly with a branch around some of them. */
static void body(struct gen *g, unsigned n)
{
    struct fix f;

    while (n-- && gen_room(g) > 160) {
        if (rng_pct(&g->r, 25)) {
            f = forward_jcc(g);
            gen_filler(g, 1 + (unsigned)rng_below(&g->r, 2));
            land(g, &f);
        } else {
            gen_filler(g, 1);
        }
    }
}

void gen_emit_jcc(struct gen *g, const struct gen_class *c, const struct form_set *set)
{
    struct fix f;

    (void)c, (void)set;
    for (unsigned n = 1 + (unsigned)rng_below(&g->r, 6); n && gen_room(g) > 200; n--) {
        if (rng_pct(&g->r, 15) && !(g->locked & (1u << RCX)))
            gen_set_reg(g, RCX, rng_pct(&g->r, 50) ? 0 : rng_u64(&g->r) << 32);
        gen_filler(g, (unsigned)rng_below(&g->r, 2));
        f = rng_pct(&g->r, 10) ? forward_jmp(g) : forward_jcc(g);
        gen_filler(g, (unsigned)rng_below(&g->r, 3));
        land(g, &f);
    }
}

/* ---- loops ---- */

/*
 * Half of what is known stays so and may not be written to; the rest becomes free. Returns what was locked
 * before.
 */
static uint16_t freeze(struct gen *g)
{
    uint16_t before = g->locked;

    g->known &= (uint16_t)(rng_u64(&g->r) | 1u << RSP) | before;
    g->locked |= g->known;
    return before;
}

/* Back to the instruction at offset `to` while the count in RCX lasts. */
static void close_loop(struct gen *g, unsigned to)
{
    unsigned kind = (unsigned)rng_below(&g->r, 4);
    unsigned off;

    if (kind < 2 && g->t->code_len + 2 - to <= 128) {
        static const uint8_t op[] = {0xe2, 0xe2, 0xe0, 0xe1}; /* loop, loopne, loope */

        GEN(g, op[rng_below(&g->r, 4)], (uint8_t)(to - (g->t->code_len + 2)));
        return;
    }
    if (kind == 2)
        GEN(g, 0x83, 0xe9, 0x01); /* sub ecx, 1 */
    else
        GEN(g, 0xff, 0xc9);               /* dec ecx */
    off = GEN(g, 0x0f, 0x85, 0, 0, 0, 0); /* jnz */
    gen_patch(g, off + 2, (uint64_t)to - (off + 6), 4);
}

void gen_emit_loop(struct gen *g, const struct gen_class *c, const struct form_set *set)
{
    uint16_t before;
    unsigned start;

    (void)c, (void)set;
    gen_filler(g, (unsigned)rng_below(&g->r, 3));
    gen_set_reg(g, RCX, 1 + rng_below(&g->r, 40));
    before = freeze(g);
    g->locked |= 1u << RCX;
    g->known &= (uint16_t) ~(1u << RCX);
    start = g->t->code_len;
    body(g, 1 + (unsigned)rng_below(&g->r, 6));
    close_loop(g, start);
    g->locked = before;
    gen_filler(g, (unsigned)rng_below(&g->r, 3));
}

/* ---- calls ---- */

static void call_to(struct gen *g, unsigned to)
{
    unsigned off = GEN(g, 0xe8, 0, 0, 0, 0);

    gen_patch(g, off + 1, (uint64_t)to - (off + 5), 4);
}

/* add [rsp], n: the function returns n bytes further on. */
static void bend_return(struct gen *g, uint8_t n)
{
    if (g->code32)
        GEN(g, 0x83, 0x04, 0x24, n);
    else
        GEN(g, 0x48, 0x83, 0x04, 0x24, n);
}

static void push_and_ret(struct gen *g)
{
    unsigned reg = gen_dest(g), off;

    if (reg == RSP)
        reg = RAX;
    if (g->code32) {
        off = GEN(g, (uint8_t)(0xb8 | reg), 0, 0, 0, 0) + 1;
    } else {
        off = GEN(g, (uint8_t)(0x48 | reg >> 3), (uint8_t)(0xb8 | (reg & 7)), 0, 0, 0, 0, 0, 0, 0, 0) + 2;
    }
    if (reg >= 8)
        GEN(g, 0x41, (uint8_t)(0x50 | (reg & 7)));
    else
        GEN(g, (uint8_t)(0x50 | reg));
    GEN(g, 0xc3);
    gen_filler(g, (unsigned)rng_below(&g->r, 2));
    gen_patch(g, off, gen_here(g), g->code32 ? 4 : 8);
    g->known &= (uint16_t) ~(1u << reg);
}

void gen_emit_call(struct gen *g, const struct gen_class *c, const struct form_set *set)
{
    unsigned kind = (unsigned)rng_below(&g->r, 5), func;
    uint16_t before;
    struct fix over, out;

    (void)c, (void)set;
    before = freeze(g);
    g->locked |= 1u << RSP;
    if (kind == 1) { /* counts the depth of recursion */
        g->locked |= 1u << RCX;
        g->known &= (uint16_t) ~(1u << RCX);
    }
    over = forward_jmp(g);
    func = g->t->code_len;
    if (kind == 1) {
        GEN(g, 0xff, 0xc9);                                    /* dec ecx */
        out = forward(g, (const uint8_t[]){0x0f, 0x8e}, 2, 4); /* jle */
        gen_filler(g, (unsigned)rng_below(&g->r, 2));
        call_to(g, func);
        gen_filler(g, (unsigned)rng_below(&g->r, 3));
        land(g, &out);
    } else {
        body(g, 1 + (unsigned)rng_below(&g->r, 3));
    }
    if (kind == 2) {
        bend_return(g, 1);
        GEN(g, 0xc3);
    } else if (kind == 3) {
        GEN(g, 0xc2, (uint8_t)(rng_below(&g->r, 8) * 8), 0); /* ret n */
    } else {
        if (rng_pct(&g->r, 20))
            GEN(g, 0xf3, 0xc3); /* rep ret */
        else
            GEN(g, 0xc3);
    }
    land(g, &over);
    for (unsigned n = 1 + (unsigned)rng_below(&g->r, 4); n && gen_room(g) > 200; n--) {
        if (kind == 1)
            GEN(g, 0xb9, (uint8_t)rng_below(&g->r, 24), 0, 0, 0); /* mov ecx, n */
        call_to(g, func);
        if (kind == 2)
            GEN(g, 0xf4); /* skipped by the bent return */
        if (rng_pct(&g->r, 20))
            push_and_ret(g);
        if (rng_pct(&g->r, 20)) { /* call next; pop reg */
            GEN(g, 0xe8, 0, 0, 0, 0);
            GEN(g, 0x58 | RDX);
            g->known &= (uint16_t) ~(1u << RDX);
        }
        gen_filler(g, (unsigned)rng_below(&g->r, 2));
    }
    g->locked = before;
}

/* ---- indirect branches ---- */

/* A loop whose body goes through a table: the target changes with RCX. */
void gen_emit_indirect(struct gen *g, const struct gen_class *c, const struct form_set *set)
{
    bool call = rng_pct(&g->r, 40);
    unsigned targets = 1u << rng_below(&g->r, 4), size = g->code32 ? 4 : 8, start;
    uint64_t table = gen_target_good(g, 64), entry;
    unsigned base = RBX, idx = RDX;
    uint16_t before;
    struct fix exits[8], over;

    (void)c, (void)set;
    gen_set_reg(g, base, table);
    gen_set_reg(g, RCX, 1 + rng_below(&g->r, 40));
    before = freeze(g);
    g->locked |= 1u << RCX | 1u << base | 1u << idx | 1u << RSP;
    g->known &= (uint16_t) ~(1u << RCX | 1u << idx);
    start = g->t->code_len;
    body(g, (unsigned)rng_below(&g->r, 2));
    GEN(g, 0x89, 0xca);                         /* mov edx, ecx */
    GEN(g, 0x83, 0xe2, (uint8_t)(targets - 1)); /* and edx, targets - 1 */
    if (rng_pct(&g->r, 50)) {
        GEN(g, 0xff, call ? 0x14 : 0x24, (uint8_t)(g->code32 ? 0x93 : 0xd3)); /* call/jmp [rbx+rdx*size] */
    } else {
        if (g->code32)
            GEN(g, 0x8b, 0x14, 0x93); /* mov edx, [ebx+edx*4] */
        else
            GEN(g, 0x48, 0x8b, 0x14, 0xd3); /* mov rdx, [rbx+rdx*8] */
        GEN(g, 0xff, call ? 0xd2 : 0xe2);   /* call/jmp rdx */
    }
    over = forward_jmp(g);
    for (unsigned i = 0; i < targets; i++) {
        entry = gen_here(g);
        case_poke(g->t, table + i * size, &entry, size);
        if (gen_room(g) > 300)
            gen_filler(g, (unsigned)rng_below(&g->r, 2));
        if (call)
            GEN(g, 0xc3);
        else
            exits[i] = forward_jmp(g);
    }
    land(g, &over);
    for (unsigned i = 0; !call && i < targets; i++)
        land(g, &exits[i]);
    close_loop(g, start);
    g->locked = before;
}

/* ---- code that changes itself ---- */

/* mov reg, imm of full width, to be patched with an address; returns the field's offset. */
static unsigned load_address(struct gen *g, unsigned reg)
{
    g->known &= (uint16_t) ~(1u << reg);
    if (g->code32)
        return GEN(g, (uint8_t)(0xb8 | reg), 0, 0, 0, 0) + 1;
    return GEN(g, 0x48, (uint8_t)(0xb8 | reg), 0, 0, 0, 0, 0, 0, 0, 0) + 2;
}

/* One of several stores of random data to [rdi]; at most 4 bytes change. */
static void store_at_rdi(struct gen *g, bool whole)
{
    uint8_t r[4];
    uint64_t x = rng_u64(&g->r);

    memcpy(r, &x, 4);
    switch (rng_below(&g->r, whole ? 3 : 7)) {
    case 0:
        GEN(g, 0xc7, 0x07, r[0], r[1], r[2], r[3]); /* mov dword [rdi], imm */
        break;
    case 1:
        GEN(g, 0x81, 0x37, r[0], r[1], r[2], r[3]); /* xor dword [rdi], imm */
        break;
    case 2:
        GEN(g, 0xf0, 0x0f, 0xc1, 0x07); /* lock xadd [rdi], eax */
        g->known &= (uint16_t) ~(1u << RAX);
        break;
    case 3:
        GEN(g, 0xc6, 0x07, r[0]); /* mov byte [rdi], imm */
        break;
    case 4:
        GEN(g, 0x66, 0x89, 0x47, 0x01); /* mov [rdi+1], ax */
        break;
    case 5:
        GEN(g, 0xfe, 0x07); /* inc byte [rdi] */
        break;
    default:
        GEN(g, 0xf3, 0x0f, 0x11, 0x07); /* movss [rdi], xmm0 */
        break;
    }
}

/* Address through which the code at offset off is to be written: its own, or the alias of the first page. */
static uint64_t write_address(struct gen *g, unsigned off, bool alias)
{
    uint64_t a = g->t->code_va + off;

    if (alias && a >= CODE_LOW && a + 8 <= CODE_LOW + PAGE_SIZE)
        a += CODE_ALIAS - CODE_LOW;
    return a;
}

/* The immediate of a later (or earlier) instruction changes, perhaps in each turn of a loop. */
static void smc_immediate(struct gen *g, bool looped, bool alias)
{
    unsigned addr, start, site, n;

    addr = load_address(g, RDI);
    start = g->t->code_len;
    g->locked |= 1u << RDI;
    if (rng_pct(&g->r, 50))
        gen_filler(g, 1);
    n = (unsigned)rng_below(&g->r, 3);
    if (rng_pct(&g->r, 50)) {
        store_at_rdi(g, false);
        gen_filler(g, n);
        site = GEN(g, 0x81, 0xc3, 1, 2, 3, 4) + 2; /* add ebx, imm */
    } else {
        site = GEN(g, 0x81, 0xc3, 1, 2, 3, 4) + 2;
        gen_filler(g, n);
        store_at_rdi(g, false);
    }
    g->known &= (uint16_t) ~(1u << RBX);
    gen_patch(g, addr, write_address(g, site, alias), g->code32 ? 4 : 8);
    if (looped)
        close_loop(g, start);
}

/* Four bytes of NOPs become another instruction, or one that had run before does. */
static void smc_opcode(struct gen *g, bool looped, bool alias)
{
    static const uint8_t insns[][4] = {
        {0x83, 0xc0, 0x05, 0x90}, /* add eax, 5 */
        {0x0f, 0xaf, 0xd8, 0x90}, /* imul ebx, eax */
        {0x01, 0xd8, 0x11, 0xd3}, /* add eax, ebx; adc ebx, edx */
        {0xf8, 0x19, 0xdb, 0xf9}, /* clc; sbb ebx, ebx; stc */
        {0xeb, 0x01, 0xf4, 0x90}, /* jmp over hlt; nop */
        {0x0f, 0x0b, 0x90, 0x90}, /* ud2 */
        {0xcc, 0x90, 0x90, 0x90}, /* int3 */
        {0x31, 0xc0, 0x75, 0x00}, /* xor eax, eax; jnz next */
    };
    const uint8_t *in = insns[rng_below(&g->r, ARRAY_SIZE(insns))];
    unsigned addr = load_address(g, RDI), start = g->t->code_len, site;

    g->locked |= 1u << RDI;
    g->known &= (uint16_t) ~(1u << RAX | 1u << RBX | 1u << RDX);
    if (rng_pct(&g->r, 50)) {
        GEN(g, 0xc7, 0x07, in[0], in[1], in[2], in[3]);
        gen_filler(g, (unsigned)rng_below(&g->r, 2));
        site = GEN(g, 0x0f, 0x1f, 0x40, 0x00); /* nop */
    } else {
        site = GEN(g, 0x0f, 0x1f, 0x40, 0x00);
        gen_filler(g, (unsigned)rng_below(&g->r, 2));
        GEN(g, 0xc7, 0x07, in[0], in[1], in[2], in[3]);
    }
    gen_patch(g, addr, write_address(g, site, alias), g->code32 ? 4 : 8);
    if (looped)
        close_loop(g, start);
}

/* A string store runs over the code behind it. */
static void smc_string(struct gen *g)
{
    unsigned addr = load_address(g, RDI), count = 4 + (unsigned)rng_below(&g->r, 12), site;
    struct fix over;

    gen_set_reg(g, RAX, 0x90909090);
    gen_set_reg(g, RCX, count);
    GEN(g, 0xfc);       /* cld */
    GEN(g, 0xf3, 0xaa); /* rep stosb: as many NOPs */
    if (rng_pct(&g->r, 50)) {
        over = forward_jmp(g);
        land(g, &over);
    }
    site = g->t->code_len;
    for (unsigned i = 0; i < count; i++)
        GEN(g, (uint8_t)(i + 1 == count ? 0x90 : 0x40 | 0x0f)); /* REX or dec edi: not NOPs, as written */
    g->known &= (uint16_t) ~(1u << RDI);
    gen_patch(g, addr, g->t->code_va + site, g->code32 ? 4 : 8);
}

/* PUSH runs down into code that is to be run next. */
static void smc_push(struct gen *g)
{
    unsigned addr = load_address(g, RSP), site;

    gen_set_reg(g, RAX, 0x9090909090909090);
    GEN(g, 0x50); /* push rax */
    if (rng_pct(&g->r, 50))
        GEN(g, 0x50);
    site = g->t->code_len;
    for (unsigned i = 0; i < 5; i++)
        GEN(g, 0x05, 0x90, 0x90, 0x90, 0x90); /* add eax, imm32: NOPs if run from the middle */
    g->known &= (uint16_t) ~(1u << RAX);
    gen_patch(g, addr, g->t->code_va + site + 16, g->code32 ? 4 : 8);
    gen_set_reg(g, RSP, STACK_LOW + 0x1f00);
}

void gen_emit_smc(struct gen *g, const struct gen_class *c, const struct form_set *set)
{
    bool looped = rng_pct(&g->r, 60), alias = rng_pct(&g->r, 30);
    unsigned kind = (unsigned)rng_below(&g->r, 10);

    (void)c, (void)set;
    gen_set_reg(g, RCX, 1 + rng_below(&g->r, 20));
    freeze(g);
    g->known &= (uint16_t) ~(1u << RCX);
    g->locked = 1u << RCX | (g->locked & ~(1u << RSP | 1u << RDI | 1u << RAX));
    if (kind < 5)
        smc_immediate(g, looped, alias);
    else if (kind < 8)
        smc_opcode(g, looped, alias);
    else if (kind == 8)
        smc_string(g);
    else
        smc_push(g);
    g->locked = 0;
    gen_filler(g, (unsigned)rng_below(&g->r, 3));
}

/* ---- running off the page ---- */

/* Moves the empty case so that `left` bytes of code are on its last executable page. */
static void at_end(struct gen *g, unsigned left)
{
    g->t->code_va = (g->code_high ? CODE_HIGH + 0x2000 : CODE_LOW + 0x3000) - left;
    g->t->init.rip = g->t->code_va;
}

void gen_emit_fetch(struct gen *g, const struct gen_class *c, const struct form_set *set)
{
    static const uint64_t nowhere[] = {
        DATA_LOW + 0x1100,  DATA_LOW + 0x3010,  DATA_LOW + 0x5000,
        DATA_LOW + 0x4fff,  STACK_LOW + 0x1800, 0,
        0xfffff000,         CODE_LOW + 0x3000,  DATA_HIGH + 0x1800,
        DATA_HIGH + 0x4000, 0x7fffffffe000,     0xffff800000000000,
        0xffffffffff000000,
    };
    uint64_t to = nowhere[rng_below(&g->r, g->code32 ? 8 : ARRAY_SIZE(nowhere))];

    (void)c, (void)set;
    switch (rng_below(&g->r, 5)) {
    case 0:
    case 1: /* straight over the edge, mostly in mid-instruction */
        at_end(g, 1 + (unsigned)rng_below(&g->r, 40));
        gen_filler(g, 12);
        break;
    case 2:
        gen_filler(g, (unsigned)rng_below(&g->r, 3));
        gen_set_reg(g, RAX, to);
        GEN(g, 0xff, rng_pct(&g->r, 50) ? 0xe0 : 0xd0); /* jmp/call rax */
        break;
    case 3:
        gen_filler(g, (unsigned)rng_below(&g->r, 3));
        gen_set_reg(g, RAX, to);
        GEN(g, 0x50); /* push rax; ret */
        GEN(g, 0xc3);
        break;
    default: { /* a branch across the page to one that isn't there, taken or not */
        struct fix f;

        at_end(g, 40 + (unsigned)rng_below(&g->r, 20));
        gen_filler(g, (unsigned)rng_below(&g->r, 2));
        f = rng_pct(&g->r, 50) ? forward_jmp(g) : forward(g, (const uint8_t[]){0x0f, 0x84}, 2, 4);
        while (gen_here(g) & 0x800)
            GEN(g, 0x90);
        land(g, &f);
        break;
    }
    }
}
