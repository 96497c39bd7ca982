/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Decoding for emulate.c. Heavy code.
 */
#include "engine/emulate.h"

#include "engine/trans.h"

static enum emulated_op op_of(ZydisMnemonic m)
{
    switch (m) {
    case ZYDIS_MNEMONIC_FXSAVE:
    case ZYDIS_MNEMONIC_FXSAVE64:
        return EMU_FXSAVE;
    case ZYDIS_MNEMONIC_FXRSTOR:
    case ZYDIS_MNEMONIC_FXRSTOR64:
        return EMU_FXRSTOR;
    case ZYDIS_MNEMONIC_XSAVE:
    case ZYDIS_MNEMONIC_XSAVE64:
        return EMU_XSAVE;
    case ZYDIS_MNEMONIC_XSAVEOPT:
    case ZYDIS_MNEMONIC_XSAVEOPT64:
        return EMU_XSAVEOPT;
    case ZYDIS_MNEMONIC_XSAVEC:
    case ZYDIS_MNEMONIC_XSAVEC64:
        return EMU_XSAVEC;
    case ZYDIS_MNEMONIC_XRSTOR:
    case ZYDIS_MNEMONIC_XRSTOR64:
        return EMU_XRSTOR;
    case ZYDIS_MNEMONIC_XGETBV:
        return EMU_XGETBV;
    case ZYDIS_MNEMONIC_WRFSBASE:
        return EMU_WRFSBASE;
    case ZYDIS_MNEMONIC_WRGSBASE:
        return EMU_WRGSBASE;
    default:
        return EMU_NONE;
    }
}

static uint64_t segment_base(const struct vcpu *v, ZydisRegister seg, bool long_mode)
{
    switch (seg) {
    case ZYDIS_REGISTER_FS:
        return v->fs_base;
    case ZYDIS_REGISTER_GS:
        return v->gs_base;
    case ZYDIS_REGISTER_ES:
        return long_mode ? 0 : v->seg[SEG_ES].base;
    case ZYDIS_REGISTER_CS:
        return long_mode ? 0 : v->seg[SEG_CS].base;
    case ZYDIS_REGISTER_SS:
        return long_mode ? 0 : v->seg[SEG_SS].base;
    default:
        return long_mode ? 0 : v->seg[SEG_DS].base;
    }
}

bool emulate_decode(const struct vcpu *v, const uint8_t *bytes, unsigned n, uint32_t mode, struct emulated_insn *out)
{
    struct insn in;

    if (decode_insn(&in, bytes, n, v->rip, mode) != 0)
        return false;
    *out = (struct emulated_insn){.op = op_of(in.d.mnemonic), .length = in.d.length};
    if (out->op == EMU_NONE)
        return false;
    out->wide = in.d.raw.rex.W;
    for (unsigned i = 0; i < in.d.operand_count_visible; i++) {
        const ZydisDecodedOperand *o = &in.op[i];
        uint64_t ea;

        if (o->type == ZYDIS_OPERAND_TYPE_REGISTER)
            out->reg = (uint8_t)reg_id(o->reg.value);
        if (o->type != ZYDIS_OPERAND_TYPE_MEMORY)
            continue;
        ea = o->mem.disp.has_displacement ? (uint64_t)o->mem.disp.value : 0;
        if (o->mem.base == ZYDIS_REGISTER_RIP || o->mem.base == ZYDIS_REGISTER_EIP)
            ea += v->rip + in.d.length;
        else if (o->mem.base != ZYDIS_REGISTER_NONE)
            ea += v->gpr[reg_id(o->mem.base)];
        if (o->mem.index != ZYDIS_REGISTER_NONE)
            ea += v->gpr[reg_id(o->mem.index)] * o->mem.scale;
        if (in.d.address_width == 32)
            ea = (uint32_t)ea;
        else if (in.d.address_width == 16)
            ea = (uint16_t)ea;
        ea += segment_base(v, o->mem.segment, mode & MODE_64);
        out->ea = mode & MODE_64 ? ea : (uint32_t)ea;
        out->stack_segment = o->mem.segment == ZYDIS_REGISTER_SS;
    }
    return true;
}
