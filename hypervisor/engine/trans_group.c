/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One probe for several accesses.
 *
 * Compilers cluster accesses to one object: a function's prologue pushes registers, its epilogue pops them, a
 * structure's fields are read in a row.  A group is a run of instructions whose memory accesses all lie at
 * known distances from one base register.  Its head probes once for the whole range and leaves the host
 * address of the range's start in T0; the accesses then are [T0 + distance], and nothing between them touches
 * T0.
 *
 * Invariant: the head's probe has no effect that the guest could see.  If it fails other than for want of a
 * TLB entry (the range leaves the page, an access isn't allowed, a store is to code or to a page table), the
 * engine goes on at the head with a block that has no groups (MODE_SPLIT), in which each access finds its own
 * fault at its own instruction.  Writes behind a conditional branch are left out: the probe would set the
 * page's dirty bit for a store that may never be made.
 */
#include "engine/trans.h"

/* A range that leaves its page costs a detour, so it must be short against a page. */
#define GROUP_SPAN 256

enum role { ROLE_END, ROLE_PASS, ROLE_ACCESS };

struct member {
    enum role role;
    bool write;
    bool last;       /* nothing can follow in the group */
    bool branch;     /* conditional */
    unsigned base;   /* guest register */
    int32_t disp;    /* of the access from it, before the instruction */
    unsigned size;   /* bytes */
    uint32_t writes; /* guest registers */
    int32_t moves;   /* what it adds to moved, */
    unsigned moved;  /* or NO_REG; not in writes */
};

static unsigned mode_width(const struct trans *t)
{
    return mode64(t) ? 64 : 32;
}

static bool plain_category(const ZydisDecodedInstruction *d)
{
    switch (d->meta.category) {
    case ZYDIS_CATEGORY_BINARY:
    case ZYDIS_CATEGORY_LOGICAL:
    case ZYDIS_CATEGORY_LOGICAL_FP:
    case ZYDIS_CATEGORY_DATAXFER:
    case ZYDIS_CATEGORY_CMOV:
    case ZYDIS_CATEGORY_SETCC:
    case ZYDIS_CATEGORY_SHIFT:
    case ZYDIS_CATEGORY_SSE:
    case ZYDIS_CATEGORY_AVX:
    case ZYDIS_CATEGORY_AVX2:
    case ZYDIS_CATEGORY_AVX512:
    case ZYDIS_CATEGORY_CONVERT:
        break;
    default:
        return false;
    }
    return d->mnemonic != ZYDIS_MNEMONIC_XCHG && d->mnemonic != ZYDIS_MNEMONIC_XLAT &&
           !(d->attributes & ZYDIS_ATTRIB_HAS_LOCK);
}

/* Whether trans_generic() translates the instruction, and does so without T0. */
static bool operands_fit(const struct insn *in)
{
    for (unsigned i = 0; i < in->d.operand_count; i++) {
        const ZydisDecodedOperand *o = &in->op[i];

        if (o->type == ZYDIS_OPERAND_TYPE_MEMORY &&
            (o->visibility != ZYDIS_OPERAND_VISIBILITY_EXPLICIT || evex_access_mask(in, o)))
            return false;
        if (o->type != ZYDIS_OPERAND_TYPE_REGISTER)
            continue;
        switch (ZydisRegisterGetClass(o->reg.value)) {
        case ZYDIS_REGCLASS_GPR8:
        case ZYDIS_REGCLASS_GPR16:
        case ZYDIS_REGCLASS_GPR32:
        case ZYDIS_REGCLASS_GPR64:
            /* those that go through host rcx, or need a home without REX */
            if (reg_is_high8(o->reg.value) ||
                (o->visibility != ZYDIS_OPERAND_VISIBILITY_EXPLICIT && reg_id(o->reg.value) == RCX))
                return false;
            break;
        case ZYDIS_REGCLASS_XMM:
        case ZYDIS_REGCLASS_YMM:
        case ZYDIS_REGCLASS_ZMM:
        case ZYDIS_REGCLASS_MASK:
        case ZYDIS_REGCLASS_FLAGS:
            break;
        default:
            return false;
        }
    }
    return !insn_is_masked_move(in->d.mnemonic);
}

/* ADD or SUB of an immediate, LEA with a displacement: the register moves by a known distance. */
static void find_move(const struct trans *t, const struct insn *in, struct member *r)
{
    const ZydisDecodedOperand *dst = &in->op[0], *src = &in->op[1];

    if (dst->type != ZYDIS_OPERAND_TYPE_REGISTER || dst->size != mode_width(t))
        return;
    switch (in->d.mnemonic) {
    case ZYDIS_MNEMONIC_ADD:
    case ZYDIS_MNEMONIC_SUB:
        if (src->type != ZYDIS_OPERAND_TYPE_IMMEDIATE || src->imm.value.s > 0xffff ||
            src->imm.value.s < -0xffff)
            return;
        r->moves = (int32_t)(in->d.mnemonic == ZYDIS_MNEMONIC_ADD ? src->imm.value.s : -src->imm.value.s);
        break;
    case ZYDIS_MNEMONIC_LEA:
        if (src->mem.base != dst->reg.value || src->mem.index != ZYDIS_REGISTER_NONE ||
            src->mem.disp.value > 0xffff || src->mem.disp.value < -0xffff)
            return;
        r->moves = (int32_t)src->mem.disp.value;
        break;
    default:
        return;
    }
    r->moved = reg_id(dst->reg.value);
    r->writes = 0;
}

/* LEA whose translation needs no T0. */
static bool plain_lea(const struct trans *t, const struct insn *in)
{
    const ZydisDecodedOperand *dst = &in->op[0], *src = &in->op[1];

    return dst->size >= 32 && in->d.address_width == mode_width(t) &&
           host_reg(reg_id(dst->reg.value)) != NO_REG && src->mem.base != ZYDIS_REGISTER_NONE &&
           (src->mem.base == ZYDIS_REGISTER_RIP ? dst->size == 64
                                                : host_reg(reg_id(src->mem.base)) != NO_REG);
}

/* Fills in the access of a memory operand; false if its address isn't a register and a distance. */
static bool find_access(const struct trans *t, const struct insn *in, const ZydisDecodedOperand *o,
                        struct member *r)
{
    int64_t disp = o->mem.disp.has_displacement ? o->mem.disp.value : 0;

    if (r->role == ROLE_ACCESS || o->mem.type != ZYDIS_MEMOP_TYPE_MEM ||
        in->d.address_width != mode_width(t) || o->mem.index != ZYDIS_REGISTER_NONE ||
        o->mem.base == ZYDIS_REGISTER_NONE || o->mem.base == ZYDIS_REGISTER_RIP || disp > 0xffff ||
        disp < -0xffff || o->size == 0 || o->size > 512 || o->mem.segment == ZYDIS_REGISTER_FS ||
        o->mem.segment == ZYDIS_REGISTER_GS || o->mem.segment == ZYDIS_REGISTER_CS)
        return false;
    r->role = ROLE_ACCESS;
    r->base = reg_id(o->mem.base);
    r->disp = (int32_t)disp;
    r->size = o->size / 8;
    r->write = o->actions & (ZYDIS_OPERAND_ACTION_WRITE | ZYDIS_OPERAND_ACTION_CONDWRITE);
    return true;
}

static struct member stack_member(int32_t disp, unsigned size, bool write, int32_t moves)
{
    return (struct member){.role = ROLE_ACCESS,
                           .write = write,
                           .base = RSP,
                           .disp = disp,
                           .size = size,
                           .moved = RSP,
                           .moves = moves};
}

static struct member member_of(const struct trans *t, const struct insn *in)
{
    static const struct member end = {.role = ROLE_END};
    const ZydisDecodedInstruction *d = &in->d;
    const ZydisDecodedOperand *o = &in->op[0];
    struct member r = {.role = ROLE_PASS, .moved = NO_REG};
    int32_t w = (int32_t)mode_width(t) / 8;

    switch (d->mnemonic) {
    case ZYDIS_MNEMONIC_NOP:
    case ZYDIS_MNEMONIC_ENDBR32:
    case ZYDIS_MNEMONIC_ENDBR64:
        return r;
    case ZYDIS_MNEMONIC_PUSH:
        if (d->operand_width == 16 || o->type == ZYDIS_OPERAND_TYPE_MEMORY ||
            (o->type == ZYDIS_OPERAND_TYPE_REGISTER && !reg_is_gpr(o->reg.value)))
            return end;
        return stack_member(-w, (unsigned)w, true, -w);
    case ZYDIS_MNEMONIC_POP:
        if (d->operand_width == 16 || o->type != ZYDIS_OPERAND_TYPE_REGISTER || !reg_is_gpr(o->reg.value) ||
            reg_id(o->reg.value) == RSP)
            return end;
        r = stack_member(0, (unsigned)w, false, w);
        r.writes = 1u << reg_id(o->reg.value);
        return r;
    case ZYDIS_MNEMONIC_CALL:
        if (d->meta.branch_type == ZYDIS_BRANCH_TYPE_FAR || d->operand_width == 16 ||
            o->type != ZYDIS_OPERAND_TYPE_IMMEDIATE)
            return end;
        r = stack_member(-w, (unsigned)w, true, -w);
        r.last = true;
        return r;
    case ZYDIS_MNEMONIC_RET:
        if (d->meta.branch_type == ZYDIS_BRANCH_TYPE_FAR || d->operand_width == 16)
            return end;
        r = stack_member(0, (unsigned)w, false, w);
        r.last = true;
        return r;
    case ZYDIS_MNEMONIC_LEA:
        if (!plain_lea(t, in))
            return end;
        r.writes = insn_writes(in);
        find_move(t, in, &r);
        return r;
    default:
        break;
    }
    if (branch_condition(d->mnemonic) != NO_REG) {
        r.branch = true;
        return r;
    }
    if (!plain_category(d) || !operands_fit(in))
        return end;
    for (unsigned i = 0; i < d->operand_count; i++)
        if (in->op[i].type == ZYDIS_OPERAND_TYPE_MEMORY && !find_access(t, in, &in->op[i], &r))
            return end;
    r.writes = insn_writes(in);
    find_move(t, in, &r);
    return r;
}

void group_plan(struct trans *t)
{
    struct group *g = &t->group;
    unsigned from = t->index, accesses = 0;
    int32_t distance = 0, lo = 0, hi = 0;
    bool branched = false;

    g->from = g->to = from;
    g->write = false;
    if ((t->mode & (MODE_CAREFUL | MODE_STEP | MODE_SPLIT | MODE_SEGS)) || !(t->mode & (MODE_64 | MODE_32)))
        return;
    for (unsigned i = from; i < from + GROUP_MAX; i++) {
        const struct insn *in = insn_ahead(t, i);
        struct member r;

        if (!in)
            break;
        r = member_of(t, in);
        if (r.role == ROLE_END || (i == from && r.role != ROLE_ACCESS))
            break;
        if (r.role == ROLE_ACCESS) {
            int32_t at = distance + r.disp, behind = at + (int32_t)r.size;

            if (i == from) {
                g->base = r.base;
                lo = at;
                hi = behind;
            }
            if (r.base != g->base || (r.write && branched))
                break;
            if (at < lo ? hi - at > GROUP_SPAN : behind - lo > GROUP_SPAN)
                break;
            lo = at < lo ? at : lo;
            hi = behind > hi ? behind : hi;
            g->at[i - from] = at;
            g->write |= r.write;
            g->to = i + 1;
            accesses++;
        }
        if (r.last || (r.writes >> g->base & 1))
            break;
        if (r.moved == g->base)
            distance += r.moves;
        branched |= r.branch;
    }
    g->lo = lo;
    g->span = (unsigned)(hi - lo);
    if (accesses < 2)
        g->to = from;
}

void group_begin(struct trans *t)
{
    const struct group *g = &t->group;
    const uint8_t *retry;

    t->probe_ss = false;
    flags_before_probe(t);
    retry = t->m.p;
    emit_lea(&t->m, mode64(t), T0, use_reg(t, g->base, T0), NO_REG, 0, g->lo);
    emit_probe(t, retry, g->span, g->write);
    mem_collapse(t);
    t->info->group = 1;
}

bool group_access(struct trans *t)
{
    const struct group *g = &t->group;

    if (!in_group(t))
        return false;
    t->mem = (struct host_mem){.base = T0, .index = NO_REG, .disp = g->at[t->index - g->from] - g->lo};
    return true;
}
