/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Translation of PUSH, POP, LEAVE, PUSHF and POPF.
 */
#include "engine/trans.h"

/* mov t->mem, src or mov dst, t->mem, of the operand's width */
static void emit_mem_width(struct trans *t, uint8_t op, unsigned width, unsigned reg)
{
    if (width == 2)
        e8(&t->m, 0x66);
    emit_op_t(t, op, width == 8, reg);
}

static void adjust_rsp(struct trans *t, int32_t by)
{
    emit_lea(&t->m, mode64(t), HOST_GUEST_RSP, HOST_GUEST_RSP, NO_REG, 0, by);
}

static unsigned operand_bytes(const struct trans *t)
{
    unsigned w = t->in->d.operand_width;

    return mode64(t) && w != 16 ? 8 : w / 8;
}

static bool trans_push(struct trans *t)
{
    const ZydisDecodedOperand *op = &t->in->op[0];
    struct emit *m = &t->m;
    unsigned w = operand_bytes(t);

    if (op->type == ZYDIS_OPERAND_TYPE_REGISTER && !reg_is_gpr(op->reg.value))
        return false;
    if (op->type == ZYDIS_OPERAND_TYPE_MEMORY) {
        emit_access(t, op, w, false);
        if (w == 2)
            e8(m, 0x66);
        emit_op_t(t, 0x8b, w == 8, T0);
        emit_store_gs(m, T0, OFF_TMP1);
        emit_stack_access(t, -(int32_t)w, w, true);
        emit_lea(m, true, T0, T0, T1, 0, 0);
        emit_load_gs(m, T1, OFF_TMP1);
        if (w == 2)
            e8(m, 0x66);
        emit_mem(m, 0x89, w == 8, T1, T0, 0);
    } else if (op->type == ZYDIS_OPERAND_TYPE_IMMEDIATE) {
        emit_stack_access(t, -(int32_t)w, w, true);
        if (w == 2)
            e8(m, 0x66);
        emit_op_t(t, 0xc7, w == 8, 0);
        if (w == 2) {
            e8(m, (uint8_t)op->imm.value.u);
            e8(m, (uint8_t)(op->imm.value.u >> 8));
        } else {
            e32(m, (uint32_t)op->imm.value.u);
        }
    } else {
        unsigned guest = reg_id(op->reg.value);
        unsigned h = host_reg(guest);

        emit_stack_access(t, -(int32_t)w, w, true);
        if (h == NO_REG) {
            mem_collapse(t);
            emit_load_gs(m, T1, gpr_off(guest));
            emit_mem_width(t, 0x89, w, T1);
        } else {
            emit_mem_width(t, 0x89, w, h);
        }
    }
    adjust_rsp(t, -(int32_t)w);
    return true;
}

static bool trans_pop(struct trans *t)
{
    const ZydisDecodedOperand *op = &t->in->op[0];
    struct emit *m = &t->m;
    unsigned w = operand_bytes(t);

    if (op->type == ZYDIS_OPERAND_TYPE_REGISTER && !reg_is_gpr(op->reg.value))
        return false;
    if (op->type == ZYDIS_OPERAND_TYPE_MEMORY && !mode64(t) && op->mem.segment == ZYDIS_REGISTER_CS) {
        end_exit(t, EXIT_KIND_EXCEPTION, t->in->va, VEC_GP); /* code segments can't be written to */
        return true;
    }
    emit_stack_access(t, 0, w, false);
    if (op->type == ZYDIS_OPERAND_TYPE_MEMORY) {
        const uint8_t *retry;
        bool by_rsp = op->mem.base == ZYDIS_REGISTER_RSP || op->mem.base == ZYDIS_REGISTER_ESP;

        if (w == 2)
            e8(m, 0x66);
        emit_op_t(t, 0x8b, w == 8, T0);
        emit_store_gs(m, T0, OFF_TMP1);
        /* an address based on rsp is computed after the increment (SDM vol. 2, POP) */
        retry = m->p;
        emit_address(t, op, by_rsp ? (int32_t)w : 0);
        emit_probe(t, retry, w, true);
        emit_lea(m, true, T0, T0, T1, 0, 0);
        emit_load_gs(m, T1, OFF_TMP1);
        if (w == 2)
            e8(m, 0x66);
        emit_mem(m, 0x89, w == 8, T1, T0, 0);
        adjust_rsp(t, (int32_t)w);
        return true;
    }
    unsigned guest = reg_id(op->reg.value);
    unsigned h = host_reg(guest);

    if (guest == RSP) {
        if (w == 2) {
            emit_mem_width(t, 0x8b, w, T0);
            adjust_rsp(t, 2);
            e8(m, 0x66);
            emit_rr(m, 0x89, false, T0, HOST_GUEST_RSP);
        } else {
            emit_mem_width(t, 0x8b, w, HOST_GUEST_RSP);
        }
        return true;
    }
    if (h == NO_REG) {
        emit_mem_width(t, 0x8b, w, T1);
        if (w == 2)
            e8(m, 0x66);
        emit_gs(m, 0x89, w == 8, T1, gpr_off(guest));
    } else {
        emit_mem_width(t, 0x8b, w, h);
    }
    adjust_rsp(t, (int32_t)w);
    return true;
}

static void trans_leave(struct trans *t)
{
    struct emit *m = &t->m;
    unsigned w = operand_bytes(t);
    const uint8_t *retry;

    t->probe_ss = true;
    flags_need_saved(t);
    retry = m->p;
    if (mode64(t))
        emit_mov(m, T0, RBP);
    else
        emit_mov32(m, T0, RBP);
    if (t->mode & MODE_SEGS) {
        emit_load_gs(m, T1, offsetof(struct vcpu, seg[SEG_SS].base));
        emit_lea(m, false, T0, T0, T1, 0, 0);
    }
    emit_probe(t, retry, w, false);
    emit_lea(m, mode64(t), HOST_GUEST_RSP, RBP, NO_REG, 0, (int32_t)w);
    emit_mem_width(t, 0x8b, w, RBP);
}

/*
 * The flags that PUSHF stores: arithmetic ones from where they are, the rest from rflags (RF and VM read as
 * 0).
 */
static void trans_pushf(struct trans *t)
{
    struct emit *m = &t->m;
    unsigned w = operand_bytes(t);

    emit_stack_access(t, -(int32_t)w, w, true);
    emit_lea(m, true, T0, T0, T1, 0, 0);
    /* r14 = (OF << 11) | LAHF image | rflags & ~(arith | RF | VM); flags are saved, so host flags are free */
    e8(m, 0x65); /* movzx r14d, byte gs:[flags] */
    e8(m, 0x44);
    e8(m, 0x0f);
    e8(m, 0xb6);
    emit_modrm(m, 0, T1, 4);
    e8(m, 0x25);
    e32(m, OFF_FLAGS);
    e8(m, 0x41); /* shl r14d, 11 */
    e8(m, 0xc1);
    emit_modrm(m, 3, 4, T1);
    e8(m, 11);
    e8(m, 0x65); /* or r14b, gs:[flags + 1] */
    e8(m, 0x44);
    e8(m, 0x0a);
    emit_modrm(m, 0, T1, 4);
    e8(m, 0x25);
    e32(m, OFF_FLAGS + 1);
    emit_gs(m, 0x0b, true, T1, offsetof(struct vcpu, rflags));
    if (w == 2)
        e8(m, 0x66);
    emit_mem(m, 0x89, w == 8, T1, T0, 0);
    adjust_rsp(t, -(int32_t)w);
}

static void trans_popf(struct trans *t)
{
    struct emit *m = &t->m;
    unsigned w = operand_bytes(t);

    emit_stack_access(t, 0, w, false);
    if (w == 2) {
        emit_rex(m, false, T0, T1, T0);
        e8(m, 0x0f);
        e8(m, 0xb7);
        emit_modrm(m, 0, T0, 4);
        e8(m, (uint8_t)((T1 & 7) << 3 | T0));
    } else {
        emit_op_t(t, 0x8b, w == 8, T0);
    }
    adjust_rsp(t, (int32_t)w);
    /* the new flags may include TF: a new block */
    emit_mov_imm(m, T1, SPECIAL_DESC(SPECIAL_POPF, w, 0));
    emit_call_gs(m, OFF_STUBS + 8 * STUB_SPECIAL);
    emit_link(t, LINK_JUMP, t->next);
    t->done = true;
}

bool trans_stack(struct trans *t)
{
    switch (t->in->d.mnemonic) {
    case ZYDIS_MNEMONIC_PUSH:
        return trans_push(t);
    case ZYDIS_MNEMONIC_POP:
        return trans_pop(t);
    case ZYDIS_MNEMONIC_LEAVE:
        trans_leave(t);
        return true;
    case ZYDIS_MNEMONIC_PUSHF:
    case ZYDIS_MNEMONIC_PUSHFD:
    case ZYDIS_MNEMONIC_PUSHFQ:
        trans_pushf(t);
        return true;
    case ZYDIS_MNEMONIC_POPF:
    case ZYDIS_MNEMONIC_POPFD:
    case ZYDIS_MNEMONIC_POPFQ:
        trans_popf(t);
        return true;
    default:
        return false;
    }
}
