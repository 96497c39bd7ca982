/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Far jumps, calls and returns, and IRET, of ring-3 code: between 64-bit and compatibility mode, mostly. 
 * There are no gates and no inner rings in a PV guest's tables, so only code segments of ring 3 can be
 * reached (SDM vol. 2, JMP, CALL, RET, IRET).
 */
#include "pv/emulate.h"

#include "pv/panel.h"
#include "pv/segment.h"

/* Flags that IRET changes at CPL 3 with IOPL 0. */
#define IRET_FLAGS (FLAGS_ARITH | FLAG_TF | FLAG_DF | FLAG_NT | FLAG_RF | FLAG_AC | FLAG_ID)

static enum emulated raise_gp(struct insn *in, uint16_t error)
{
    pv_inject(in->v, VEC_GP, error);
    return EMU_INJECTED;
}

/* Goes to selector:offset, or raises the fault with everything as it was. */
static enum emulated jump(struct insn *in, uint16_t selector, uint64_t offset)
{
    struct vcpu *v = in->v;
    struct segment old = v->seg[SEG_CS];
    uint32_t fault;

    if (!segment_load(v, SEG_CS, selector, &fault)) {
        segment_inject_fault(v, fault);
        return EMU_INJECTED;
    }
    bool long_mode = v->seg[SEG_CS].attr & SEG_ATTR_L;

    if (long_mode ? !gva_canonical(GVA(offset)) : offset > v->seg[SEG_CS].limit) {
        v->seg[SEG_CS] = old;
        return raise_gp(in, 0);
    }
    v->rip = offset;
    return EMU_JUMPED;
}

static enum emulated far_jump_or_call(struct insn *in, uint16_t selector, uint64_t offset, bool call)
{
    struct vcpu *v = in->v;
    unsigned n = in->opsize, stack_size = insn_stack_size(in);
    uint64_t next = v->rip + in->len;

    if (call &&
        (!insn_stack_write(in, n, v->seg[SEG_CS].selector, n) || !insn_stack_write(in, 2 * n, next, n)))
        return EMU_INJECTED;
    enum emulated result = jump(in, selector, offset);

    /* Last, because a fault has to show the old stack pointer, and has changed to the kernel's stack. */
    if (result == EMU_JUMPED && call)
        insn_set_gpr(in, RSP, v->gpr[RSP] - 2ul * n, stack_size);
    return result;
}

static enum emulated far_return(struct insn *in)
{
    struct vcpu *v = in->v;
    uint64_t offset = 0;
    uint16_t selector;
    uint32_t extra = 0;

    if (in->opcode == 0xca && !insn_imm(in, 2, &extra))
        return EMU_INJECTED;
    if (!insn_stack_read(in, 0, &offset, in->opsize) || !insn_stack_read(in, in->opsize, &selector, 2))
        return EMU_INJECTED;
    if ((selector & 3) != 3)
        return raise_gp(in, selector & 0xfffc);

    unsigned stack_size = insn_stack_size(in);
    enum emulated result = jump(in, selector, offset);

    if (result == EMU_JUMPED)
        insn_set_gpr(in, RSP, v->gpr[RSP] + 2ul * in->opsize + extra, stack_size);
    return result;
}

static enum emulated interrupt_return(struct insn *in)
{
    struct vcpu *v = in->v;
    unsigned n = in->opsize, stack_size = insn_stack_size(in);
    uint64_t offset = 0, flags = 0, sp = v->gpr[RSP] + 3ul * n, mask = IRET_FLAGS;
    uint16_t cs, ss = 0;
    uint32_t fault;

    if (v->rflags & FLAG_NT)
        return EMU_GP0;
    if (!insn_stack_read(in, 0, &offset, n) || !insn_stack_read(in, n, &cs, 2) ||
        !insn_stack_read(in, 2 * n, &flags, n))
        return EMU_INJECTED;
    if (in->mode == 64) {
        sp = 0;
        if (!insn_stack_read(in, 3 * n, &sp, n) || !insn_stack_read(in, 4 * n, &ss, 2))
            return EMU_INJECTED;
    }
    if ((cs & 3) != 3)
        return raise_gp(in, cs & 0xfffc);
    if (n == 2)
        mask &= 0xffff;

    struct segment old_ss = v->seg[SEG_SS];

    if (in->mode == 64 && !segment_load(v, SEG_SS, ss, &fault)) {
        segment_inject_fault(v, fault);
        return EMU_INJECTED;
    }
    /* A fault of the new CS comes before any change; only SS has been loaded so far. */
    struct segment new_ss = v->seg[SEG_SS];

    v->seg[SEG_SS] = old_ss;
    enum emulated result = jump(in, cs, offset);

    if (result != EMU_JUMPED)
        return result;
    v->seg[SEG_SS] = new_ss;
    v->rflags = (v->rflags & ~mask) | (flags & mask);
    if (in->mode == 64)
        v->gpr[RSP] = sp;
    else
        insn_set_gpr(in, RSP, sp, stack_size);
    return EMU_JUMPED;
}

enum emulated emulate_far_transfer(struct insn *in)
{
    uint64_t offset = 0;
    uint16_t selector;
    uint32_t low, high;

    switch (in->opcode) {
    case 0xcf:
        return interrupt_return(in);
    case 0xca:
    case 0xcb:
        return far_return(in);
    case 0x9a:
    case 0xea:
        if (in->mode == 64)
            return EMU_UD;
        if (!insn_imm(in, in->opsize, &low) || !insn_imm(in, 2, &high))
            return EMU_INJECTED;
        return far_jump_or_call(in, (uint16_t)high, low, in->opcode == 0x9a);
    case 0xff:
        if (in->mod == 3 || ((in->reg & 7) != 3 && (in->reg & 7) != 5))
            return EMU_UD;
        if (!insn_read(in, in->ea_seg, in->ea, &offset, in->opsize) ||
            !insn_read(in, in->ea_seg, in->ea + in->opsize, &selector, 2))
            return EMU_INJECTED;
        return far_jump_or_call(in, selector, offset, (in->reg & 7) == 3);
    default:
        return EMU_UD;
    }
}
