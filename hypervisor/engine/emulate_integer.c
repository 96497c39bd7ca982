/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ENTER, PUSHA and POPA; decimal arithmetic; SALC, INTO, BOUND and ARPL. As in the operation sections of SDM
 * vol. 2; where the manual leaves a flag undefined it is what recent CPUs make of it.
 *
 * Registers change only when the instruction can't fault any more.
 */
#include "engine/emulate.h"

static uint64_t size_mask(unsigned bytes)
{
    return bytes == 8 ? ~0ul : (1ul << (8 * bytes)) - 1;
}

/* ---- the stack ---- */

/* Linear address of a stack offset. */
static uint64_t stack_linear(const struct emulated_insn *in, uint64_t offset)
{
    return in->mode64 ? offset : (uint32_t)(in->segment_base + (offset & size_mask(in->stack)));
}

static bool push(struct engine_vcpu *e, const struct emulated_insn *in, uint64_t *sp, uint64_t value,
                 struct guest_fault *f)
{
    uint64_t to = *sp - in->opsize;

    if (!emulate_write(e, in, stack_linear(in, to), &value, in->opsize, f))
        return false;
    *sp = to;
    return true;
}

static enum emulate_result do_enter(struct engine_vcpu *e, const struct emulated_insn *in)
{
    uint64_t sp = e->v.gpr[RSP], bp = e->v.gpr[RBP], frame;
    unsigned level = in->imm[1] & 31;
    struct guest_fault f;

    if (!push(e, in, &sp, bp, &f))
        return emulate_raise_access(e, true, &f);
    frame = sp;
    for (unsigned i = 1; i < level; i++) {
        uint64_t value = 0;

        bp -= in->opsize;
        if (!emulate_read(e, in, stack_linear(in, bp), &value, in->opsize, &f) ||
            !push(e, in, &sp, value, &f))
            return emulate_raise_access(e, true, &f);
    }
    if (level > 0 && !push(e, in, &sp, frame, &f))
        return emulate_raise_access(e, true, &f);
    sp -= (uint16_t)in->imm[0];
    /* It faults where a push at the new stack pointer would (SDM vol. 2, ENTER). */
    if (!emulate_may_write(e, in, stack_linear(in, sp), in->opsize, &f))
        return emulate_raise_access(e, true, &f);
    emulate_set_gpr(e, RBP, frame, in->opsize);
    emulate_set_gpr(e, RSP, sp, in->stack);
    return EMULATE_DONE;
}

static enum emulate_result do_pusha(struct engine_vcpu *e, const struct emulated_insn *in)
{
    uint64_t sp = e->v.gpr[RSP];
    struct guest_fault f;

    for (unsigned i = RAX; i <= RDI; i++)
        if (!push(e, in, &sp, e->v.gpr[i], &f))
            return emulate_raise_access(e, true, &f);
    emulate_set_gpr(e, RSP, sp, in->stack);
    return EMULATE_DONE;
}

static enum emulate_result do_popa(struct engine_vcpu *e, const struct emulated_insn *in)
{
    uint64_t value[8] = {0}, sp = e->v.gpr[RSP];
    struct guest_fault f;

    for (unsigned i = 0; i < 8; i++) {
        if (!emulate_read(e, in, stack_linear(in, sp), &value[i], in->opsize, &f))
            return emulate_raise_access(e, true, &f);
        sp += in->opsize;
    }
    for (unsigned i = 0; i < 8; i++)
        if (RDI - i != RSP)
            emulate_set_gpr(e, RDI - i, value[i], in->opsize);
    emulate_set_gpr(e, RSP, sp, in->stack);
    return EMULATE_DONE;
}

/* ---- decimal arithmetic ---- */

static uint64_t sign_zero_parity(uint8_t al)
{
    return (al & 0x80 ? FLAG_SF : 0) | (al == 0 ? FLAG_ZF : 0) | (__builtin_popcount(al) & 1 ? 0 : FLAG_PF);
}

static void set_ax(struct engine_vcpu *e, unsigned ax)
{
    emulate_set_gpr(e, RAX, ax, 2);
}

/* OF of a + b or a - b; sign: the operands' highest bit. */
static uint64_t overflow(unsigned a, unsigned b, unsigned result, unsigned sign, bool subtract)
{
    return (subtract ? (a ^ b) & (a ^ result) & sign : ~(a ^ b) & (a ^ result) & sign) ? FLAG_OF : 0;
}

/*
 * DAA and DAS. OF, undefined in the manual, is that of one addition or subtraction of the whole adjustment.
 */
static enum emulate_result do_decimal_adjust(struct engine_vcpu *e, bool subtract)
{
    uint64_t old = flags_expand(e->hot.flags), flags = 0;
    uint8_t al = (uint8_t)e->v.gpr[RAX], by = 0, result;

    if ((al & 15) > 9 || (old & FLAG_AF)) {
        by = 6;
        flags |= FLAG_AF;
        if (subtract && al < 6)
            flags |= FLAG_CF;
    }
    if (al > 0x99 || (old & FLAG_CF)) {
        by |= 0x60;
        flags |= FLAG_CF;
    }
    result = (uint8_t)(subtract ? al - by : al + by);
    e->v.gpr[RAX] = (e->v.gpr[RAX] & ~0xfful) | result;
    e->hot.flags = flags_pack(flags | sign_zero_parity(result) | overflow(al, by, result, 0x80, subtract));
    return EMULATE_DONE;
}

/*
 * AAA and AAS. OF, SF, ZF and PF, undefined in the manual, are those of the 16-bit addition or subtraction.
 */
static enum emulate_result do_ascii_adjust(struct engine_vcpu *e, bool subtract)
{
    uint64_t flags = 0;
    unsigned ax = (uint16_t)e->v.gpr[RAX], by = 0, result;

    if ((ax & 15) > 9 || (flags_expand(e->hot.flags) & FLAG_AF)) {
        by = 0x106;
        flags = FLAG_AF | FLAG_CF;
    }
    result = (uint16_t)(subtract ? ax - by : ax + by);
    flags |= (result & 0x8000 ? FLAG_SF : 0) | (result == 0 ? FLAG_ZF : 0);
    flags |= (sign_zero_parity((uint8_t)result) & FLAG_PF) | overflow(ax, by, result, 0x8000, subtract);
    set_ax(e, result & 0xff0f);
    e->hot.flags = flags_pack(flags);
    return EMULATE_DONE;
}

static enum emulate_result do_aam(struct engine_vcpu *e, const struct emulated_insn *in)
{
    uint8_t al = (uint8_t)e->v.gpr[RAX], base = (uint8_t)in->imm[0];

    if (base == 0)
        return emulate_raise(e, VEC_DE, false);
    set_ax(e, (unsigned)(al / base) << 8 | al % base);
    e->hot.flags = flags_pack(sign_zero_parity(al % base));
    return EMULATE_DONE;
}

/* OF, AF and CF, undefined in the manual, are those of the addition. */
static enum emulate_result do_aad(struct engine_vcpu *e, const struct emulated_insn *in)
{
    unsigned ax = (uint16_t)e->v.gpr[RAX], al = ax & 0xff, by = (ax >> 8) * (in->imm[0] & 0xff) & 0xff;
    unsigned sum = al + by;
    uint64_t flags = (sum > 0xff ? FLAG_CF : 0) | ((al & 15) + (by & 15) > 15 ? FLAG_AF : 0);

    set_ax(e, sum & 0xff);
    e->hot.flags = flags_pack(flags | sign_zero_parity((uint8_t)sum) | overflow(al, by, sum, 0x80, false));
    return EMULATE_DONE;
}

/* ---- the rest ---- */

/* #OF is a trap: rip is behind the instruction. */
static enum emulate_result do_into(struct engine_vcpu *e, const struct emulated_insn *in)
{
    if (!(flags_expand(e->hot.flags) & FLAG_OF))
        return EMULATE_DONE;
    e->v.rip = (uint32_t)(e->v.rip + in->length);
    return emulate_raise(e, VEC_OF, false);
}

static int64_t sign_extend(uint64_t value, unsigned bytes)
{
    return bytes == 2 ? (int16_t)value : (int32_t)value;
}

static enum emulate_result do_bound(struct engine_vcpu *e, const struct emulated_insn *in)
{
    unsigned n = in->opsize;
    int64_t index = sign_extend(e->v.gpr[in->reg[0]], n);
    uint64_t lower = 0, upper = 0;
    struct guest_fault f;

    if (!emulate_read(e, in, in->ea, &lower, n, &f) ||
        !emulate_read(e, in, emulate_linear(in, in->offset + n), &upper, n, &f))
        return emulate_raise_access(e, in->stack_segment, &f);
    if (index < sign_extend(lower, n) || index > sign_extend(upper, n))
        return emulate_raise(e, VEC_BR, false);
    return EMULATE_DONE;
}

static enum emulate_result do_arpl(struct engine_vcpu *e, const struct emulated_insn *in)
{
    uint64_t flags = flags_expand(e->hot.flags) & ~FLAG_ZF;
    uint16_t source = (uint16_t)e->v.gpr[in->reg[in->nr_regs - 1]], selector;
    struct guest_fault f;

    if (!in->has_memory)
        selector = (uint16_t)e->v.gpr[in->reg[0]];
    else if (!emulate_read(e, in, in->ea, &selector, 2, &f))
        return emulate_raise_access(e, in->stack_segment, &f);
    if ((selector & 3) < (source & 3)) {
        selector = (uint16_t)((selector & ~3) | (source & 3));
        if (!in->has_memory)
            emulate_set_gpr(e, in->reg[0], selector, 2);
        else if (!emulate_write(e, in, in->ea, &selector, 2, &f))
            return emulate_raise_access(e, in->stack_segment, &f);
        flags |= FLAG_ZF;
    }
    e->hot.flags = flags_pack(flags);
    return EMULATE_DONE;
}

enum emulate_result emulate_integer(struct engine_vcpu *e, const struct emulated_insn *in)
{
    switch (in->op) {
    case EMU_ENTER:
        return do_enter(e, in);
    case EMU_PUSHA:
        return do_pusha(e, in);
    case EMU_POPA:
        return do_popa(e, in);
    case EMU_DAA:
    case EMU_DAS:
        return do_decimal_adjust(e, in->op == EMU_DAS);
    case EMU_AAA:
    case EMU_AAS:
        return do_ascii_adjust(e, in->op == EMU_AAS);
    case EMU_AAM:
        return do_aam(e, in);
    case EMU_AAD:
        return do_aad(e, in);
    case EMU_SALC:
        e->v.gpr[RAX] = (e->v.gpr[RAX] & ~0xfful) | (flags_expand(e->hot.flags) & FLAG_CF ? 0xff : 0);
        return EMULATE_DONE;
    case EMU_INTO:
        return do_into(e, in);
    case EMU_BOUND:
        return do_bound(e, in);
    case EMU_ARPL:
        return do_arpl(e, in);
    default:
        return EMULATE_NOT_OURS;
    }
}
