/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Translation of control transfers.
 *
 * Direct targets become linkable exits.  A guest CALL is a host CALL, so that the host predicts the guest's
 * returns: the guest's return address goes to the guest's stack, the host's to the shadow stack, and the
 * return
 * site checks that the guest's RET really came for it.  Indirect targets go through the jump
 * cache of the view.
 */
#include "engine/trans.h"

static uint64_t branch_target(struct trans *t)
{
    const struct insn *in = t->in;
    uint64_t target = in->va + in->d.length + (uint64_t)in->op[0].imm.value.s;

    if (mode64(t)) {
        if (in->d.operand_width == 16)
            t->movable = false;
        return in->d.operand_width == 16 ? target & 0xffff : target;
    }
    return in->d.operand_width == 16 ? target & 0xffff : (uint32_t)target;
}

unsigned branch_condition(ZydisMnemonic m)
{
    switch (m) {
    case ZYDIS_MNEMONIC_JO:
        return 0;
    case ZYDIS_MNEMONIC_JNO:
        return 1;
    case ZYDIS_MNEMONIC_JB:
        return 2;
    case ZYDIS_MNEMONIC_JNB:
        return 3;
    case ZYDIS_MNEMONIC_JZ:
        return 4;
    case ZYDIS_MNEMONIC_JNZ:
        return 5;
    case ZYDIS_MNEMONIC_JBE:
        return 6;
    case ZYDIS_MNEMONIC_JNBE:
        return 7;
    case ZYDIS_MNEMONIC_JS:
        return 8;
    case ZYDIS_MNEMONIC_JNS:
        return 9;
    case ZYDIS_MNEMONIC_JP:
        return 10;
    case ZYDIS_MNEMONIC_JNP:
        return 11;
    case ZYDIS_MNEMONIC_JL:
        return 12;
    case ZYDIS_MNEMONIC_JNL:
        return 13;
    case ZYDIS_MNEMONIC_JLE:
        return 14;
    case ZYDIS_MNEMONIC_JNLE:
        return 15;
    default:
        return NO_REG;
    }
}

/* Width of what near branches push and pop. */
static unsigned stack_width(const struct trans *t)
{
    return mode64(t) ? 8 : t->in->d.operand_width == 16 ? 2 : 4;
}

/* mov t->mem, address that moves with the block, of the given width; both scratch registers may change. */
static void emit_store_address(struct trans *t, uint64_t value, unsigned width)
{
    struct emit *m = &t->m;

    if (width == 8 && !fits_s32(value)) {
        mem_collapse(t);
        emit_mov_address(t, T1, value);
        emit_op_t(t, 0x89, true, T1);
        return;
    }
    if (width == 2)
        e8(m, 0x66);
    emit_op_t(t, 0xc7, width == 8, 0);
    if (width == 2) {
        e8(m, (uint8_t)value);
        e8(m, (uint8_t)(value >> 8));
    } else {
        e32(m, (uint32_t)value);
    }
}

/* Pushes the return address: the store first, then the stack pointer. */
static void push_return(struct trans *t)
{
    unsigned w = stack_width(t);

    flags_need_saved(t); /* also where a group has probed: so they are when the callee returns */
    emit_stack_access(t, -(int32_t)w, w, true);
    emit_store_address(t, t->next, w);
    emit_lea(&t->m, mode64(t), HOST_GUEST_RSP, HOST_GUEST_RSP, NO_REG, 0, -(int32_t)w);
}

/* T0 := the target that an indirect JMP or CALL names. */
static void load_target(struct trans *t)
{
    const ZydisDecodedOperand *op = &t->in->op[0];
    unsigned w = op->size / 8;

    if (op->type == ZYDIS_OPERAND_TYPE_REGISTER) {
        flags_need_saved(t);
        get_reg(t, T0, reg_id(op->reg.value));
    } else {
        emit_access(t, op, w, false);
        if (w == 2) {
            mem_lea(t, T0);
            e8(&t->m, 0x0f); /* movzx ecx, word [rcx] */
            e8(&t->m, 0xb7);
            emit_modrm(&t->m, 0, T0, T0);
            return;
        }
        emit_op_t(t, 0x8b, w == 8, T0);
        return;
    }
    if (w == 4)
        emit_mov32(&t->m, T0, T0);
    if (w == 2) {
        e8(&t->m, 0x0f);
        e8(&t->m, 0xb7);
        e8(&t->m, 0xc9);
    }
}

/*
 * A CALL to an address that isn't canonical faults before it pushes.  mov r14, rcx; shl r14, 16; sar r14, 16;
 * cmp r14, rcx; je over.  Flags are saved.
 */
static void emit_canonical_check(struct trans *t)
{
    struct emit *m = &t->m;
    uint8_t *over;
    uint32_t i;

    if (!mode64(t))
        return;
    emit_mov(m, T1, T0);
    for (unsigned op = 4; op <= 7; op += 3) { /* shl is /4, sar is /7 */
        emit_rex(m, true, 0, 0, T1);
        e8(m, 0xc1);
        emit_modrm(m, 3, op, T1);
        e8(m, 16);
    }
    emit_rr(m, 0x39, true, T0, T1);
    e8(m, 0x74);
    over = m->p++;
    i = new_exit(t, EXIT_KIND_EXCEPTION, t->in->va);
    t->e->cache.exits[i].vector = VEC_GP;
    emit_exit_number(t, i);
    emit_jmp_gs(m, OFF_STUBS + 8 * STUB_LINK_SAVED);
    emit_fix8(over, m->p);
}

static void trans_call(struct trans *t)
{
    const ZydisDecodedOperand *op = &t->in->op[0];

    if (op->type == ZYDIS_OPERAND_TYPE_IMMEDIATE) {
        uint64_t target = branch_target(t);

        push_return(t);
        if (target == t->next) {
            /* the position-independent-code idiom: no return will come to this place */
            emit_link(t, LINK_JUMP, target);
            t->done = true;
        } else {
            emit_link(t, LINK_CALL, target);
            emit_return_site(t, t->next);
        }
    } else {
        load_target(t);
        emit_canonical_check(t);
        emit_store_gs(&t->m, T0, OFF_TMP1);
        push_return(t);
        emit_load_gs(&t->m, T0, OFF_TMP1);
        emit_indirect_mark(t, -(int32_t)stack_width(t));
        emit_indirect(t, true);
        emit_return_site(t, t->next);
    }
}

static void trans_ret(struct trans *t)
{
    struct emit *m = &t->m;
    unsigned w = stack_width(t);
    int32_t drop = (int32_t)w;

    if (t->in->op[0].type == ZYDIS_OPERAND_TYPE_IMMEDIATE &&
        t->in->op[0].visibility == ZYDIS_OPERAND_VISIBILITY_EXPLICIT)
        drop += (int32_t)(t->in->op[0].imm.value.u & 0xffff);
    flags_need_saved(t);
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
    emit_lea(m, mode64(t), HOST_GUEST_RSP, HOST_GUEST_RSP, NO_REG, 0, drop);
    emit_indirect_mark(t, drop);
    if (trans_unchained(t)) {
        emit_jmp_gs(m, OFF_STUBS + 8 * STUB_IND_MISS);
    } else {
        e8(m, 0xc3); /* the host's prediction; a return site compares T0 */
        t->b->ends_in_ret = 1;
    }
    t->done = true;
}

/* LOOP, LOOPE, LOOPNE, JCXZ: a condition on the counter, in T0, that leaves flags alone. */
static void trans_loop(struct trans *t)
{
    struct emit *m = &t->m;
    ZydisMnemonic mn = t->in->d.mnemonic;
    uint64_t target = branch_target(t);
    unsigned width = t->in->d.address_width;
    bool counts = mn == ZYDIS_MNEMONIC_LOOP || mn == ZYDIS_MNEMONIC_LOOPE || mn == ZYDIS_MNEMONIC_LOOPNE;
    uint8_t *skip, *not_zero = NULL, *over;

    if (mn == ZYDIS_MNEMONIC_LOOPE || mn == ZYDIS_MNEMONIC_LOOPNE)
        flags_need_host(t, false);
    if (counts) {
        if (width == 16) {
            emit_lea(m, false, T0, HOST_GUEST_RCX, NO_REG, 0, -1);
            e8(m, 0x66); /* mov r15w, cx */
            emit_rr(m, 0x89, false, T0, HOST_GUEST_RCX);
        } else {
            emit_lea(m, width == 64, HOST_GUEST_RCX, HOST_GUEST_RCX, NO_REG, 0, -1);
        }
    }
    if (width == 64)
        emit_mov(m, T0, HOST_GUEST_RCX);
    else
        emit_mov32(m, T0, HOST_GUEST_RCX);
    if (width == 16) {
        e8(m, 0x0f);
        e8(m, 0xb7);
        e8(m, 0xc9);
    }
    skip = emit_jrcxz(m);
    /* counter not zero */
    if (!counts) {
        over = emit_jmp32(m);
        emit_fix8(skip, m->p);
        emit_link(t, LINK_JUMP, target);
        emit_fix32(over, m->p);
        emit_link(t, LINK_JUMP, t->next);
        t->done = true;
        return;
    }
    if (mn == ZYDIS_MNEMONIC_LOOPE || mn == ZYDIS_MNEMONIC_LOOPNE)
        not_zero = emit_jcc32(m, mn == ZYDIS_MNEMONIC_LOOPE ? 5 : 4); /* jnz/jz: don't loop */
    over = emit_jmp32(m);
    emit_fix8(skip, m->p);
    if (not_zero)
        emit_fix32(not_zero, m->p);
    emit_link(t, LINK_JUMP, t->next);
    emit_fix32(over, m->p);
    emit_link(t, LINK_JUMP, target);
    t->done = true;
}

bool trans_branch(struct trans *t)
{
    const ZydisDecodedInstruction *d = &t->in->d;
    unsigned cc = branch_condition(d->mnemonic);

    if (cc != NO_REG) {
        flags_need_host(t, false);
        emit_link_jcc(t, cc, branch_target(t));
        if (t->nr_tails >= MAX_BLOCK_EXITS - 4) {
            emit_link(t, LINK_JUMP, t->next);
            t->done = true;
        }
        return true;
    }
    switch (d->mnemonic) {
    case ZYDIS_MNEMONIC_JMP:
        if (d->meta.branch_type == ZYDIS_BRANCH_TYPE_FAR)
            return false;
        if (t->in->op[0].type == ZYDIS_OPERAND_TYPE_IMMEDIATE) {
            emit_link(t, LINK_JUMP, branch_target(t));
        } else {
            load_target(t);
            emit_indirect_mark(t, 0);
            emit_indirect(t, false);
        }
        t->done = true;
        return true;
    case ZYDIS_MNEMONIC_CALL:
        if (d->meta.branch_type == ZYDIS_BRANCH_TYPE_FAR)
            return false;
        trans_call(t);
        return true;
    case ZYDIS_MNEMONIC_RET:
        if (d->meta.branch_type == ZYDIS_BRANCH_TYPE_FAR)
            return false;
        trans_ret(t);
        return true;
    case ZYDIS_MNEMONIC_LOOP:
    case ZYDIS_MNEMONIC_LOOPE:
    case ZYDIS_MNEMONIC_LOOPNE:
    case ZYDIS_MNEMONIC_JCXZ:
    case ZYDIS_MNEMONIC_JECXZ:
    case ZYDIS_MNEMONIC_JRCXZ:
        trans_loop(t);
        return true;
    default:
        return false;
    }
}
