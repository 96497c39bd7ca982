/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Decoding for emulate.c. Heavy code.
 */
#include "engine/emulate.h"

#include <string.h>

#include "engine/trans.h"

enum emulated_op emulate_op_of(ZydisMnemonic m)
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
    case ZYDIS_MNEMONIC_FNSTENV:
        return EMU_FNSTENV;
    case ZYDIS_MNEMONIC_FNSAVE:
        return EMU_FNSAVE;
    case ZYDIS_MNEMONIC_FLDENV:
        return EMU_FLDENV;
    case ZYDIS_MNEMONIC_FRSTOR:
        return EMU_FRSTOR;
    case ZYDIS_MNEMONIC_XGETBV:
        return EMU_XGETBV;
    case ZYDIS_MNEMONIC_WRFSBASE:
        return EMU_WRFSBASE;
    case ZYDIS_MNEMONIC_WRGSBASE:
        return EMU_WRGSBASE;
    case ZYDIS_MNEMONIC_ENTER:
        return EMU_ENTER;
    case ZYDIS_MNEMONIC_PUSHA:
    case ZYDIS_MNEMONIC_PUSHAD:
        return EMU_PUSHA;
    case ZYDIS_MNEMONIC_POPA:
    case ZYDIS_MNEMONIC_POPAD:
        return EMU_POPA;
    case ZYDIS_MNEMONIC_DAA:
        return EMU_DAA;
    case ZYDIS_MNEMONIC_DAS:
        return EMU_DAS;
    case ZYDIS_MNEMONIC_AAA:
        return EMU_AAA;
    case ZYDIS_MNEMONIC_AAS:
        return EMU_AAS;
    case ZYDIS_MNEMONIC_AAM:
        return EMU_AAM;
    case ZYDIS_MNEMONIC_AAD:
        return EMU_AAD;
    case ZYDIS_MNEMONIC_SALC:
        return EMU_SALC;
    case ZYDIS_MNEMONIC_INTO:
        return EMU_INTO;
    case ZYDIS_MNEMONIC_BOUND:
        return EMU_BOUND;
    case ZYDIS_MNEMONIC_ARPL:
        return EMU_ARPL;
    case ZYDIS_MNEMONIC_MASKMOVQ:
        return EMU_MASKMOVQ;
    case ZYDIS_MNEMONIC_MASKMOVDQU:
        return EMU_MASKMOVDQU;
    case ZYDIS_MNEMONIC_VMASKMOVDQU:
        return EMU_VMASKMOVDQU;
    default:
        return EMU_NONE;
    }
}

/* The instructions whose accesses go element by element. */
static const struct vector_form {
    ZydisMnemonic mnemonic;
    uint8_t element, index; /* bytes; index 0: a masked move */
} vector_forms[] = {
    {ZYDIS_MNEMONIC_VMASKMOVPS, 4, 0},  {ZYDIS_MNEMONIC_VMASKMOVPD, 8, 0},
    {ZYDIS_MNEMONIC_VPMASKMOVD, 4, 0},  {ZYDIS_MNEMONIC_VPMASKMOVQ, 8, 0},
    {ZYDIS_MNEMONIC_VGATHERDPS, 4, 4},  {ZYDIS_MNEMONIC_VGATHERDPD, 8, 4},
    {ZYDIS_MNEMONIC_VGATHERQPS, 4, 8},  {ZYDIS_MNEMONIC_VGATHERQPD, 8, 8},
    {ZYDIS_MNEMONIC_VPGATHERDD, 4, 4},  {ZYDIS_MNEMONIC_VPGATHERDQ, 8, 4},
    {ZYDIS_MNEMONIC_VPGATHERQD, 4, 8},  {ZYDIS_MNEMONIC_VPGATHERQQ, 8, 8},
    {ZYDIS_MNEMONIC_VSCATTERDPS, 4, 4}, {ZYDIS_MNEMONIC_VSCATTERDPD, 8, 4},
    {ZYDIS_MNEMONIC_VSCATTERQPS, 4, 8}, {ZYDIS_MNEMONIC_VSCATTERQPD, 8, 8},
    {ZYDIS_MNEMONIC_VPSCATTERDD, 4, 4}, {ZYDIS_MNEMONIC_VPSCATTERDQ, 8, 4},
    {ZYDIS_MNEMONIC_VPSCATTERQD, 4, 8}, {ZYDIS_MNEMONIC_VPSCATTERQQ, 8, 8},
};

static void vector_form(const struct insn *in, struct emulated_insn *out)
{
    for (unsigned i = 0; i < ARRAY_SIZE(vector_forms); i++) {
        const struct vector_form *form = &vector_forms[i];

        if (in->d.mnemonic != form->mnemonic)
            continue;
        out->element = form->element;
        out->index_size = form->index;
        if (in->op[0].type == ZYDIS_OPERAND_TYPE_MEMORY)
            out->op = form->index ? EMU_SCATTER : EMU_MASKED_STORE;
        else
            out->op = form->index ? EMU_GATHER : EMU_MASKED_LOAD;
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

/*
 * Whether the bytes would be too long an instruction without the prefixes that make them invalid: the CPU
 * looks at the length first.
 */
static bool too_long(const uint8_t *bytes, unsigned n, uint64_t va, uint32_t mode)
{
    uint8_t plain[15];
    struct insn in;
    unsigned k;

    if (n < sizeof(plain))
        return false;
    for (k = 0; k < n; k++) {
        static const uint8_t prefixes[] = {0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0x66, 0x67, 0xf0, 0xf2, 0xf3};

        if (!memchr(prefixes, bytes[k], sizeof(prefixes)))
            break;
    }
    for (unsigned i = 0; i < n; i++) {
        bool lock_rep = bytes[i] == 0xf0 || bytes[i] == 0xf2 || bytes[i] == 0xf3;
        bool vex = k < n && (bytes[k] == 0xc4 || bytes[k] == 0xc5 || bytes[k] == 0x62 || bytes[k] == 0x8f);

        plain[i] = i < k && (lock_rep || (vex && bytes[i] == 0x66)) ? 0x3e : bytes[i];
    }
    return decode_insn(&in, plain, n, va, mode) == DECODE_TOO_LONG;
}

static void memory_operand(const struct vcpu *v, const struct insn *in, const ZydisDecodedOperand *o,
                           struct emulated_insn *out)
{
    uint64_t offset = o->mem.disp.has_displacement ? (uint64_t)o->mem.disp.value : 0;

    if (o->mem.base == ZYDIS_REGISTER_RIP || o->mem.base == ZYDIS_REGISTER_EIP)
        offset += v->rip + in->d.length;
    else if (o->mem.base != ZYDIS_REGISTER_NONE)
        offset += v->gpr[reg_id(o->mem.base)];
    out->scale = o->mem.scale;
    if (o->mem.type == ZYDIS_MEMOP_TYPE_VSIB)
        out->index = (uint8_t)ZydisRegisterGetId(o->mem.index);
    else if (o->mem.index != ZYDIS_REGISTER_NONE)
        offset += v->gpr[reg_id(o->mem.index)] * o->mem.scale;
    out->has_memory = true;
    out->stack_segment = o->mem.segment == ZYDIS_REGISTER_SS;
    out->read_only = !out->mode64 && o->mem.segment == ZYDIS_REGISTER_CS;
    out->segment_base = segment_base(v, o->mem.segment, out->mode64);
    out->offset = offset;
    out->ea = emulate_linear(out, offset);
}

enum emulate_decoded emulate_decode(const struct vcpu *v, const uint8_t *bytes, unsigned n, uint32_t mode,
                                    struct emulated_insn *out)
{
    struct insn in;
    unsigned imm = 0;
    int r = decode_insn(&in, bytes, n, v->rip, mode);

    if (r > 0)
        return EMULATE_SHORT;
    if (r < 0)
        return r == DECODE_TOO_LONG || too_long(bytes, n, v->rip, mode) ? EMULATE_TOO_LONG : EMULATE_INVALID;
    *out = (struct emulated_insn){
        .op = emulate_op_of(in.d.mnemonic),
        .length = in.d.length,
        .mode64 = mode & MODE_64,
        .wide = in.d.raw.rex.W,
        .opsize = in.d.operand_width / 8,
        .adsize = in.d.address_width / 8,
        .stack = mode & MODE_64                      ? 8
                 : v->seg[SEG_SS].attr & SEG_ATTR_DB ? 4
                                                     : 2,
        .evex = in.d.encoding == ZYDIS_INSTRUCTION_ENCODING_EVEX,
        .vector = (uint8_t)(in.d.avx.vector_length / 8),
    };
    vector_form(&in, out);
    if (out->op == EMU_NONE)
        return EMULATE_DECODED;
    if (out->op == EMU_ENTER || out->op == EMU_PUSHA || out->op == EMU_POPA)
        out->segment_base = segment_base(v, ZYDIS_REGISTER_SS, out->mode64);
    for (unsigned i = 0; i < in.d.operand_count; i++) {
        const ZydisDecodedOperand *o = &in.op[i];

        if (o->type == ZYDIS_OPERAND_TYPE_MEMORY && !out->has_memory)
            memory_operand(v, &in, o, out);
        if (o->visibility == ZYDIS_OPERAND_VISIBILITY_HIDDEN)
            continue;
        if (o->type == ZYDIS_OPERAND_TYPE_REGISTER && out->nr_regs < ARRAY_SIZE(out->reg))
            out->reg[out->nr_regs++] =
                (uint8_t)(reg_is_gpr(o->reg.value) ? reg_id(o->reg.value)
                                                   : (unsigned)ZydisRegisterGetId(o->reg.value));
        if (o->type == ZYDIS_OPERAND_TYPE_IMMEDIATE && imm < ARRAY_SIZE(out->imm))
            out->imm[imm++] = (uint32_t)o->imm.value.u;
    }
    if (out->op == EMU_SCATTER) { /* memory is its first operand: mask and data follow */
        uint8_t mask = out->reg[0];

        out->reg[0] = out->reg[1];
        out->reg[1] = mask;
    }
    /* SDM vol. 2, VPGATHERDD: #UD if any two of them are the same; of EVEX's mask is another kind. */
    if (out->op == EMU_GATHER && (out->reg[0] == out->index ||
                                  (!out->evex && (out->reg[0] == out->reg[1] || out->reg[1] == out->index))))
        return EMULATE_INVALID;
    return EMULATE_DECODED;
}
