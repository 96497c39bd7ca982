/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Translation of instructions that are neither plain copies nor branches nor stack operations: LEA, string
 * and bit-string instructions, flag instructions that the host must not run, and everything that leaves
 * translated code.
 */
#include "engine/emulate.h"
#include "engine/string.h"
#include "engine/trans.h"

static void trans_lea(struct trans *t)
{
    const ZydisDecodedOperand *dst = &t->in->op[0], *src = &t->in->op[1];
    struct emit *m = &t->m;
    unsigned guest = reg_id(dst->reg.value);
    unsigned h = host_reg(guest);
    ZydisDecodedOperand flat = *src;
    bool by_rip = src->mem.base == ZYDIS_REGISTER_RIP || src->mem.base == ZYDIS_REGISTER_EIP;
    bool simple = h != NO_REG && dst->size >= 32 && t->in->d.address_width >= 32 && !by_rip &&
                  (src->mem.base != ZYDIS_REGISTER_NONE || src->mem.index != ZYDIS_REGISTER_NONE);

    if (simple) {
        unsigned base = NO_REG, index = NO_REG;
        unsigned scale = src->mem.scale == 8 ? 3 : src->mem.scale == 4 ? 2 : src->mem.scale == 2 ? 1 : 0;

        if (src->mem.base != ZYDIS_REGISTER_NONE)
            base = use_reg(t, reg_id(src->mem.base), T0);
        if (src->mem.index != ZYDIS_REGISTER_NONE)
            index = use_reg(t, reg_id(src->mem.index), T1);
        emit_lea(m, dst->size == 64 && t->in->d.address_width == 64, h, base, index, scale,
                 src->mem.disp.has_displacement ? (int32_t)src->mem.disp.value : 0);
        return;
    }
    if (by_rip && h != NO_REG && dst->size == 64 && t->in->d.address_width == 64) {
        emit_mov_address(t, h, t->next + (uint64_t)src->mem.disp.value);
        return;
    }
    flat.mem.segment = ZYDIS_REGISTER_DS; /* LEA takes the offset only */
    {
        uint32_t mode = t->mode;

        t->mode &= ~MODE_SEGS;
        emit_address(t, &flat, 0);
        t->mode = mode;
    }
    if (dst->size == 16) {
        if (h == NO_REG) {
            e8(m, 0x66);
            emit_gs(m, 0x89, false, T0, gpr_off(guest));
        } else {
            e8(m, 0x66);
            emit_rr(m, 0x89, false, T0, h);
        }
        return;
    }
    if (dst->size == 32)
        emit_mov32(m, T0, T0);
    put_reg(t, guest, T0);
}

static void trans_mov_moffs(struct trans *t)
{
    const ZydisDecodedOperand *mem =
        t->in->op[0].type == ZYDIS_OPERAND_TYPE_MEMORY ? &t->in->op[0] : &t->in->op[1];
    bool store = mem == &t->in->op[0];
    unsigned w = mem->size / 8;

    if (store && !mode64(t) && mem->mem.segment == ZYDIS_REGISTER_CS) {
        end_exit(t, EXIT_KIND_EXCEPTION, t->in->va, VEC_GP); /* code segments can't be written to */
        return;
    }
    emit_access(t, mem, w, store);
    if (w == 2)
        e8(&t->m, 0x66);
    emit_op_t(t, (uint8_t)(0x88 | (store ? 0 : 2) | (w != 1)), w == 8, RAX);
}

static void trans_xlat(struct trans *t)
{
    struct emit *m = &t->m;
    const uint8_t *retry;
    ZydisRegister seg = ZYDIS_REGISTER_DS;

    for (unsigned i = 0; i < t->in->d.operand_count; i++)
        if (t->in->op[i].type == ZYDIS_OPERAND_TYPE_MEMORY)
            seg = t->in->op[i].mem.segment;
    t->probe_ss = false;
    flags_need_saved(t);
    retry = m->p;
    e8(m, 0x0f); /* movzx ecx, al */
    e8(m, 0xb6);
    e8(m, 0xc8);
    emit_lea(m, t->in->d.address_width == 64, T0, T0, RBX, 0, 0);
    if (t->in->d.address_width == 16) {
        e8(m, 0x0f);
        e8(m, 0xb7);
        e8(m, 0xc9);
    }
    if (seg == ZYDIS_REGISTER_FS || seg == ZYDIS_REGISTER_GS || (!mode64(t) && (t->mode & MODE_SEGS))) {
        uint32_t off = seg == ZYDIS_REGISTER_FS   ? offsetof(struct vcpu, fs_base)
                       : seg == ZYDIS_REGISTER_GS ? offsetof(struct vcpu, gs_base)
                       : seg == ZYDIS_REGISTER_ES ? offsetof(struct vcpu, seg[SEG_ES].base)
                       : seg == ZYDIS_REGISTER_CS ? offsetof(struct vcpu, seg[SEG_CS].base)
                       : seg == ZYDIS_REGISTER_SS ? offsetof(struct vcpu, seg[SEG_SS].base)
                                                  : offsetof(struct vcpu, seg[SEG_DS].base);

        emit_load_gs(m, T1, off);
        emit_lea(m, mode64(t), T0, T0, T1, 0, 0);
    }
    emit_probe(t, retry, 1, false);
    emit_op_t(t, 0x8a, false, RAX);
}

/*
 * BT, BTS, BTR, BTC with a memory operand and a bit number in a register: the bit number reaches beyond the
 * operand (SDM vol. 2, BT).  The operand's address gets the whole words; the instruction gets the rest.
 */
static void trans_bit_string(struct trans *t)
{
    const ZydisDecodedOperand *mem = &t->in->op[0], *bit = &t->in->op[1];
    const ZydisDecodedInstruction *d = &t->in->d;
    struct emit *m = &t->m;
    unsigned w = mem->size / 8;
    unsigned log2bits = w == 2 ? 4 : w == 4 ? 5 : 6;
    unsigned guest = reg_id(bit->reg.value);
    const uint8_t *retry;
    bool write = d->mnemonic != ZYDIS_MNEMONIC_BT;
    bool lock = d->attributes & ZYDIS_ATTRIB_HAS_LOCK;

    if (write && !mode64(t) && mem->mem.segment == ZYDIS_REGISTER_CS) {
        end_exit(t, EXIT_KIND_EXCEPTION, t->in->va, VEC_GP); /* code segments can't be written to */
        return;
    }
    flags_need_saved(t);
    retry = m->p;
    emit_offset(t, mem, 0);
    get_reg(t, T1, guest);
    if (w == 2) { /* movsx r14, r14w */
        emit_rex(m, true, T1, 0, T1);
        e8(m, 0x0f);
        e8(m, 0xbf);
        emit_modrm(m, 3, T1, T1);
    } else if (w == 4) { /* movsxd r14, r14d */
        emit_rr(m, 0x63, true, T1, T1);
    }
    emit_rex(m, true, 0, 0, T1); /* sar r14, log2bits */
    e8(m, 0xc1);
    emit_modrm(m, 3, 7, T1);
    e8(m, (uint8_t)log2bits);
    if (w == 2) {
        emit_lea(m, d->address_width == 64, T0, T0, T1, 1, 0);
    } else {
        emit_lea(m, d->address_width == 64, T0, T0, T1, w == 4 ? 2 : 3, 0);
    }
    if (d->address_width == 16) { /* movzx ecx, cx */
        e8(m, 0x0f);
        e8(m, 0xb7);
        e8(m, 0xc9);
    }
    emit_segment(t, mem->mem.segment);
    emit_probe(t, retry, w, write);
    emit_lea(m, true, T0, T0, T1, 0, 0);
    get_reg(t, T1, guest);
    emit_rex(m, false, 0, 0, T1); /* and r14d, bits - 1 */
    e8(m, 0x83);
    emit_modrm(m, 3, 4, T1);
    e8(m, (uint8_t)(8 * w - 1));
    flags_need_host(t, true);
    if (lock)
        e8(m, 0xf0);
    if (w == 2)
        e8(m, 0x66);
    emit_rex(m, w == 8, T1, 0, T0);
    e8(m, 0x0f);
    e8(m, (uint8_t)(0xa3 | (d->mnemonic == ZYDIS_MNEMONIC_BT    ? 0
                            : d->mnemonic == ZYDIS_MNEMONIC_BTS ? 8
                            : d->mnemonic == ZYDIS_MNEMONIC_BTR ? 0x10
                                                                : 0x18)));
    emit_modrm(m, 0, T1, T0);
    t->flags = FLAGS_HOST;
}

static enum segreg segreg_of(ZydisRegister r)
{
    switch (r) {
    case ZYDIS_REGISTER_ES:
        return SEG_ES;
    case ZYDIS_REGISTER_CS:
        return SEG_CS;
    case ZYDIS_REGISTER_SS:
        return SEG_SS;
    case ZYDIS_REGISTER_FS:
        return SEG_FS;
    case ZYDIS_REGISTER_GS:
        return SEG_GS;
    default:
        return SEG_DS;
    }
}

static void trans_string(struct trans *t, enum string_op op)
{
    const ZydisDecodedInstruction *d = &t->in->d;
    unsigned size = 0, seg = SEG_DS;
    enum string_rep rep = REP_NONE;

    for (unsigned i = 0; i < d->operand_count; i++) {
        const ZydisDecodedOperand *o = &t->in->op[i];

        if (o->type != ZYDIS_OPERAND_TYPE_MEMORY)
            continue;
        size = o->size;
        if (o->mem.base == ZYDIS_REGISTER_RSI || o->mem.base == ZYDIS_REGISTER_ESI ||
            o->mem.base == ZYDIS_REGISTER_SI)
            seg = segreg_of(o->mem.segment);
    }
    if (d->attributes & (ZYDIS_ATTRIB_HAS_REP | ZYDIS_ATTRIB_HAS_REPE))
        rep = REP_E;
    else if (d->attributes & ZYDIS_ATTRIB_HAS_REPNE)
        rep = REP_NE;
    /* REPNE on MOVS, STOS and LODS repeats as REP does */
    for (unsigned i = 0; i < d->raw.prefix_count; i++)
        if (rep == REP_NONE && (d->raw.prefixes[i].value == 0xf3 || d->raw.prefixes[i].value == 0xf2))
            rep = d->raw.prefixes[i].value == 0xf3 ? REP_E : REP_NE;
    flags_need_saved(t);
    emit_mov_imm(&t->m, T1,
                 STRING_DESC(op,
                             size == 8    ? 0
                             : size == 16 ? 1
                             : size == 32 ? 2
                                          : 3,
                             rep,
                             d->address_width == 16   ? 1
                             : d->address_width == 32 ? 2
                                                      : 3,
                             seg));
    emit_call_gs(&t->m, OFF_STUBS + 8 * STUB_STRING);
}

/* inc/dec r in their one-byte 32-bit form, which is REX in 64-bit code */
static void trans_incdec_short(struct trans *t)
{
    struct emit *m = &t->m;
    unsigned h = host_reg(reg_id(t->in->op[0].reg.value));

    flags_need_host(t, false);
    if (t->in->op[0].size == 16)
        e8(m, 0x66);
    emit_rex(m, false, 0, 0, h);
    e8(m, 0xff);
    emit_modrm(m, 3, t->in->d.mnemonic == ZYDIS_MNEMONIC_INC ? 0 : 1, h);
    t->flags = FLAGS_HOST;
}

static bool uses_fpu(const ZydisDecodedInstruction *d)
{
    switch (d->meta.isa_ext) {
    case ZYDIS_ISA_EXT_X87:
    case ZYDIS_ISA_EXT_MMX:
    case ZYDIS_ISA_EXT_SSE:
    case ZYDIS_ISA_EXT_SSE2:
    case ZYDIS_ISA_EXT_SSE3:
    case ZYDIS_ISA_EXT_SSSE3:
    case ZYDIS_ISA_EXT_SSE4:
    case ZYDIS_ISA_EXT_AES:
    case ZYDIS_ISA_EXT_PCLMULQDQ:
    case ZYDIS_ISA_EXT_SHA:
    case ZYDIS_ISA_EXT_AVX:
    case ZYDIS_ISA_EXT_AVX2:
    case ZYDIS_ISA_EXT_AVX2GATHER:
    case ZYDIS_ISA_EXT_AVX512EVEX:
    case ZYDIS_ISA_EXT_AVX512VEX:
    case ZYDIS_ISA_EXT_AVXAES:
    case ZYDIS_ISA_EXT_F16C:
    case ZYDIS_ISA_EXT_FMA:
    case ZYDIS_ISA_EXT_GFNI:
    case ZYDIS_ISA_EXT_VAES:
    case ZYDIS_ISA_EXT_VPCLMULQDQ:
    case ZYDIS_ISA_EXT_XSAVE:
    case ZYDIS_ISA_EXT_XSAVEC:
    case ZYDIS_ISA_EXT_XSAVEOPT:
        return d->mnemonic != ZYDIS_MNEMONIC_XGETBV && d->mnemonic != ZYDIS_MNEMONIC_XSETBV &&
               d->meta.category != ZYDIS_CATEGORY_PREFETCH && d->mnemonic != ZYDIS_MNEMONIC_LFENCE &&
               d->mnemonic != ZYDIS_MNEMONIC_MFENCE && d->mnemonic != ZYDIS_MNEMONIC_SFENCE &&
               d->mnemonic != ZYDIS_MNEMONIC_PAUSE && d->mnemonic != ZYDIS_MNEMONIC_CRC32 &&
               d->mnemonic != ZYDIS_MNEMONIC_POPCNT && d->mnemonic != ZYDIS_MNEMONIC_MOVNTI;
    default:
        return false;
    }
}

/* Whether the instruction needs what XCR0 has for AVX-512 (engine_xcr0_set()). */
static bool needs_avx512(const ZydisDecodedInstruction *d)
{
    return d->encoding == ZYDIS_INSTRUCTION_ENCODING_EVEX || d->meta.isa_ext == ZYDIS_ISA_EXT_AVX512VEX;
}

static bool avx512_off(struct trans *t)
{
    t->e->avx512_seen = true;
    return (t->e->v.xcr0 & XCR0_AVX512) != XCR0_AVX512;
}

bool insn_is_masked_move(ZydisMnemonic m)
{
    switch (m) {
    case ZYDIS_MNEMONIC_MASKMOVQ:
    case ZYDIS_MNEMONIC_MASKMOVDQU:
    case ZYDIS_MNEMONIC_VMASKMOVDQU:
    case ZYDIS_MNEMONIC_VMASKMOVPS:
    case ZYDIS_MNEMONIC_VMASKMOVPD:
    case ZYDIS_MNEMONIC_VPMASKMOVD:
    case ZYDIS_MNEMONIC_VPMASKMOVQ:
        return true;
    default:
        return false;
    }
}

static bool has_vsib(const struct insn *in)
{
    for (unsigned i = 0; i < in->d.operand_count; i++)
        if (in->op[i].type == ZYDIS_OPERAND_TYPE_MEMORY && in->op[i].mem.type == ZYDIS_MEMOP_TYPE_VSIB)
            return true;
    return false;
}

static bool moves_segment(const struct insn *in)
{
    for (unsigned i = 0; i < in->d.operand_count_visible; i++)
        if (in->op[i].type == ZYDIS_OPERAND_TYPE_REGISTER) {
            ZydisRegisterClass c = ZydisRegisterGetClass(in->op[i].reg.value);

            if (c == ZYDIS_REGCLASS_SEGMENT || c == ZYDIS_REGCLASS_CONTROL || c == ZYDIS_REGCLASS_DEBUG)
                return true;
        }
    return false;
}

/* The operation of emulate.c for FXSAVE and kin, or EMU_NONE. */
static enum emulated_op state_op(ZydisMnemonic m)
{
    enum emulated_op op = emulate_op_of(m);

    return op >= EMU_FXSAVE && op <= EMU_FRSTOR ? op : EMU_NONE;
}

/* Kernels save and restore this state at every switch and signal: no decoding in the emulator for it. */
static void trans_state(struct trans *t, enum emulated_op op)
{
    const ZydisDecodedInstruction *d = &t->in->d;

    flags_need_saved(t);
    emit_address(t, &t->in->op[0], 0);
    emit_mov_imm(&t->m, T1,
                 SPECIAL_DESC(SPECIAL_STATE, op,
                              (d->raw.rex.W ? SPECIAL_WIDE : 0) |
                                  (d->operand_width == 16 ? SPECIAL_SHORT : 0) |
                                  (t->probe_ss ? SPECIAL_SS : 0)));
    emit_call_gs(&t->m, OFF_STUBS + 8 * STUB_SPECIAL);
}

static void trans_wrbase(struct trans *t)
{
    const ZydisDecodedOperand *o = &t->in->op[0];

    flags_need_saved(t);
    get_reg(t, T0, reg_id(o->reg.value));
    emit_mov_imm(&t->m, T1,
                 SPECIAL_DESC(SPECIAL_BASE,
                              t->in->d.mnemonic == ZYDIS_MNEMONIC_WRFSBASE ? EMU_WRFSBASE : EMU_WRGSBASE,
                              o->size == 64 ? SPECIAL_WIDE : 0));
    emit_call_gs(&t->m, OFF_STUBS + 8 * STUB_SPECIAL);
    if (kernel_gs_known(t->e, t->mode)) /* what follows is to be made for the new base */
        end_exit(t, LINK_JUMP, t->next, 0);
}

/* mov r32/r64, sreg: the selector, zero-extended. */
static bool trans_read_segment(struct trans *t)
{
    const ZydisDecodedOperand *dst = &t->in->op[0], *src = &t->in->op[1];
    struct emit *m = &t->m;

    if (t->in->d.mnemonic != ZYDIS_MNEMONIC_MOV || dst->type != ZYDIS_OPERAND_TYPE_REGISTER ||
        dst->size < 32 || !reg_is_gpr(dst->reg.value) || src->type != ZYDIS_OPERAND_TYPE_REGISTER ||
        ZydisRegisterGetClass(src->reg.value) != ZYDIS_REGCLASS_SEGMENT)
        return false;
    e8(m, 0x65); /* movzx ecx, word gs:[selector] */
    e8(m, 0x0f);
    e8(m, 0xb7);
    emit_modrm(m, 0, T0, 4);
    e8(m, 0x25);
    e32(m, (uint32_t)(offsetof(struct vcpu, seg) + segreg_of(src->reg.value) * sizeof(struct segment) +
                      offsetof(struct segment, selector)));
    put_reg(t, reg_id(dst->reg.value), T0);
    return true;
}

/* For the panel alone: emulate.c has nothing of the kind. */
static bool leave_to_panel(struct trans *t)
{
    end_exit(t, EXIT_KIND_PANEL, t->in->va, 0);
    return true;
}

static bool emulate(struct trans *t)
{
    end_exit(t, EXIT_KIND_EMULATE, t->in->va, 0);
    return true;
}

bool trans_special(struct trans *t)
{
    const struct insn *in = t->in;
    const ZydisDecodedInstruction *d = &in->d;
    struct emit *m = &t->m;

    if ((d->encoding != ZYDIS_INSTRUCTION_ENCODING_LEGACY && d->encoding != ZYDIS_INSTRUCTION_ENCODING_VEX &&
         d->encoding != ZYDIS_INSTRUCTION_ENCODING_EVEX) ||
        (needs_avx512(d) && avx512_off(t)) || d->meta.isa_ext == ZYDIS_ISA_EXT_FMA4 ||
        d->meta.isa_ext == ZYDIS_ISA_EXT_TBM || d->meta.isa_ext == ZYDIS_ISA_EXT_XOP) {
        end_exit(t, EXIT_KIND_EXCEPTION, in->va, VEC_UD);
        return true;
    }
    if ((t->mode & MODE_TS) && uses_fpu(d)) {
        end_exit(t, EXIT_KIND_EXCEPTION, in->va, VEC_NM);
        return true;
    }
    if (mode64(t) && state_op(d->mnemonic) != EMU_NONE) {
        trans_state(t, state_op(d->mnemonic));
        return true;
    }
    if (state_op(d->mnemonic) != EMU_NONE || insn_is_masked_move(d->mnemonic) || has_vsib(in))
        return emulate(t);
    if (moves_segment(in))
        return trans_read_segment(t) || leave_to_panel(t);
    if (d->meta.category == ZYDIS_CATEGORY_PREFETCH || d->meta.category == ZYDIS_CATEGORY_NOP ||
        d->meta.category == ZYDIS_CATEGORY_WIDENOP || d->meta.category == ZYDIS_CATEGORY_PREFETCHWT1)
        return true;

    switch (d->mnemonic) {
    case ZYDIS_MNEMONIC_ENDBR32:
    case ZYDIS_MNEMONIC_ENDBR64:
    case ZYDIS_MNEMONIC_RDSSPD:
    case ZYDIS_MNEMONIC_RDSSPQ:
        return true;
    case ZYDIS_MNEMONIC_LEA:
        trans_lea(t);
        return true;
    case ZYDIS_MNEMONIC_MOV:
        if (d->opcode_map == ZYDIS_OPCODE_MAP_DEFAULT && d->opcode >= 0xa0 && d->opcode <= 0xa3) {
            trans_mov_moffs(t);
            return true;
        }
        return false;
    case ZYDIS_MNEMONIC_XLAT:
        trans_xlat(t);
        return true;
    case ZYDIS_MNEMONIC_BT:
    case ZYDIS_MNEMONIC_BTS:
    case ZYDIS_MNEMONIC_BTR:
    case ZYDIS_MNEMONIC_BTC:
        if (in->op[0].type == ZYDIS_OPERAND_TYPE_MEMORY && in->op[1].type == ZYDIS_OPERAND_TYPE_REGISTER) {
            trans_bit_string(t);
            return true;
        }
        return false;
    case ZYDIS_MNEMONIC_INC:
    case ZYDIS_MNEMONIC_DEC:
        if (d->opcode_map == ZYDIS_OPCODE_MAP_DEFAULT && d->opcode >= 0x40 && d->opcode <= 0x4f) {
            trans_incdec_short(t);
            return true;
        }
        return false;
    case ZYDIS_MNEMONIC_MOVSB:
    case ZYDIS_MNEMONIC_MOVSW:
    case ZYDIS_MNEMONIC_MOVSQ:
        trans_string(t, STRING_MOVS);
        return true;
    case ZYDIS_MNEMONIC_MOVSD:
        if (d->meta.isa_ext != ZYDIS_ISA_EXT_SSE2) {
            trans_string(t, STRING_MOVS);
            return true;
        }
        return false;
    case ZYDIS_MNEMONIC_STOSB:
    case ZYDIS_MNEMONIC_STOSW:
    case ZYDIS_MNEMONIC_STOSD:
    case ZYDIS_MNEMONIC_STOSQ:
        trans_string(t, STRING_STOS);
        return true;
    case ZYDIS_MNEMONIC_LODSB:
    case ZYDIS_MNEMONIC_LODSW:
    case ZYDIS_MNEMONIC_LODSD:
    case ZYDIS_MNEMONIC_LODSQ:
        trans_string(t, STRING_LODS);
        return true;
    case ZYDIS_MNEMONIC_SCASB:
    case ZYDIS_MNEMONIC_SCASW:
    case ZYDIS_MNEMONIC_SCASD:
    case ZYDIS_MNEMONIC_SCASQ:
        trans_string(t, STRING_SCAS);
        return true;
    case ZYDIS_MNEMONIC_CMPSB:
    case ZYDIS_MNEMONIC_CMPSW:
    case ZYDIS_MNEMONIC_CMPSQ:
        trans_string(t, STRING_CMPS);
        return true;
    case ZYDIS_MNEMONIC_CMPSD:
        if (d->meta.isa_ext != ZYDIS_ISA_EXT_SSE2) {
            trans_string(t, STRING_CMPS);
            return true;
        }
        return false;
    case ZYDIS_MNEMONIC_CLD: /* and dword gs:[rflags], ~DF */
        flags_need_saved(t);
        emit_gs(m, 0x81, false, 4, offsetof(struct vcpu, rflags));
        e32(m, (uint32_t)~FLAG_DF);
        return true;
    case ZYDIS_MNEMONIC_STD: /* or dword gs:[rflags], DF */
        flags_need_saved(t);
        emit_gs(m, 0x81, false, 1, offsetof(struct vcpu, rflags));
        e32(m, FLAG_DF);
        return true;
    case ZYDIS_MNEMONIC_RDTSC:
        return false;
    case ZYDIS_MNEMONIC_RDTSCP:
        e8(m, 0x0f);
        e8(m, 0x01);
        e8(m, 0xf9);
        emit_load_gs32(m, HOST_GUEST_RCX, offsetof(struct vcpu, tsc_aux));
        return true;
    case ZYDIS_MNEMONIC_RDPID:
        emit_load_gs32(m, T0, offsetof(struct vcpu, tsc_aux));
        put_reg(t, reg_id(in->op[0].reg.value), T0);
        return true;
    case ZYDIS_MNEMONIC_WRFSBASE:
    case ZYDIS_MNEMONIC_WRGSBASE:
        trans_wrbase(t);
        return true;
    case ZYDIS_MNEMONIC_RDFSBASE:
    case ZYDIS_MNEMONIC_RDGSBASE:
        emit_gs(m, 0x8b, in->op[0].size == 64, T0,
                d->mnemonic == ZYDIS_MNEMONIC_RDFSBASE ? offsetof(struct vcpu, fs_base)
                                                       : offsetof(struct vcpu, gs_base));
        put_reg(t, reg_id(in->op[0].reg.value), T0);
        return true;
    case ZYDIS_MNEMONIC_CLFLUSH:
    case ZYDIS_MNEMONIC_CLFLUSHOPT:
    case ZYDIS_MNEMONIC_CLWB:
        emit_access(t, &in->op[0], 1, false);
        return true;
    case ZYDIS_MNEMONIC_SYSCALL:
        end_exit(t, EXIT_KIND_SYSCALL, t->next, 0);
        return true;
    case ZYDIS_MNEMONIC_SYSENTER:
        end_exit(t, EXIT_KIND_SYSENTER, t->next, 0);
        return true;
    case ZYDIS_MNEMONIC_INT:
        end_exit(t, EXIT_KIND_SOFTINT, in->va, (unsigned)in->op[0].imm.value.u & 0xff);
        return true;
    case ZYDIS_MNEMONIC_INT3:
        end_exit(t, EXIT_KIND_EXCEPTION, t->next, VEC_BP);
        return true;
    case ZYDIS_MNEMONIC_INT1:
        end_exit(t, EXIT_KIND_EXCEPTION, t->next, VEC_DB);
        return true;
    case ZYDIS_MNEMONIC_XABORT: /* no guest is shown RTM or CLZERO */
    case ZYDIS_MNEMONIC_CLZERO:
        end_exit(t, EXIT_KIND_EXCEPTION, in->va, VEC_UD);
        return true;
    case ZYDIS_MNEMONIC_UD0:
    case ZYDIS_MNEMONIC_UD1:
    case ZYDIS_MNEMONIC_UD2:
        /* a panel may give UD2 a meaning (forced emulation) */
        return emulate(t);
    case ZYDIS_MNEMONIC_CLI:
    case ZYDIS_MNEMONIC_STI:
    case ZYDIS_MNEMONIC_STAC:
    case ZYDIS_MNEMONIC_CLAC:
    case ZYDIS_MNEMONIC_CPUID:
    case ZYDIS_MNEMONIC_IRET:
    case ZYDIS_MNEMONIC_IRETD:
    case ZYDIS_MNEMONIC_IRETQ:
        return leave_to_panel(t);
    case ZYDIS_MNEMONIC_XGETBV:
    case ZYDIS_MNEMONIC_ENTER:
    case ZYDIS_MNEMONIC_INTO:
    case ZYDIS_MNEMONIC_BOUND:
    case ZYDIS_MNEMONIC_ARPL:
    case ZYDIS_MNEMONIC_DAA:
    case ZYDIS_MNEMONIC_DAS:
    case ZYDIS_MNEMONIC_AAA:
    case ZYDIS_MNEMONIC_AAS:
    case ZYDIS_MNEMONIC_AAM:
    case ZYDIS_MNEMONIC_AAD:
    case ZYDIS_MNEMONIC_SALC:
    case ZYDIS_MNEMONIC_PUSHA:
    case ZYDIS_MNEMONIC_PUSHAD:
    case ZYDIS_MNEMONIC_POPA:
    case ZYDIS_MNEMONIC_POPAD:
    case ZYDIS_MNEMONIC_LDS:
    case ZYDIS_MNEMONIC_LES:
    case ZYDIS_MNEMONIC_LFS:
    case ZYDIS_MNEMONIC_LGS:
    case ZYDIS_MNEMONIC_LSS:
    case ZYDIS_MNEMONIC_SWAPGS:
    case ZYDIS_MNEMONIC_MONITOR:
    case ZYDIS_MNEMONIC_MWAIT:
    case ZYDIS_MNEMONIC_XSETBV:
    case ZYDIS_MNEMONIC_XRSTORS:
    case ZYDIS_MNEMONIC_XRSTORS64:
    case ZYDIS_MNEMONIC_XSAVES:
    case ZYDIS_MNEMONIC_XSAVES64:
        return emulate(t);
    default:
        break;
    }
    switch (d->meta.category) {
    case ZYDIS_CATEGORY_CET: /* features that no guest is shown */
    case ZYDIS_CATEGORY_PKU:
    case ZYDIS_CATEGORY_WAITPKG:
        end_exit(t, EXIT_KIND_EXCEPTION, in->va, VEC_UD);
        return true;
    case ZYDIS_CATEGORY_SYSTEM:
    case ZYDIS_CATEGORY_IO:
    case ZYDIS_CATEGORY_IOSTRINGOP:
    case ZYDIS_CATEGORY_INTERRUPT:
    case ZYDIS_CATEGORY_SEGOP:
    case ZYDIS_CATEGORY_SYSCALL:
    case ZYDIS_CATEGORY_SYSRET:
    case ZYDIS_CATEGORY_VTX:
    case ZYDIS_CATEGORY_SGX:
    case ZYDIS_CATEGORY_SMAP:
    case ZYDIS_CATEGORY_RDPID:
    case ZYDIS_CATEGORY_RDPRU:
    case ZYDIS_CATEGORY_PUSH:
    case ZYDIS_CATEGORY_POP:
    case ZYDIS_CATEGORY_CALL:
    case ZYDIS_CATEGORY_RET:
    case ZYDIS_CATEGORY_UNCOND_BR:
        return emulate(t);
    default:
        return false;
    }
}
