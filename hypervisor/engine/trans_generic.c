/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The common case: an instruction is copied with its registers renamed and its memory operand replaced by [T0
 * + T1] (or [T0]) behind a probe.
 *
 * Works on encodings, not on mnemonics, so it serves integer, x87, MMX, SSE, AVX and AVX-512 instructions
 * alike: prefixes, REX/VEX/EVEX and ModRM are rebuilt, the opcode and the immediate are taken as they are.
 * What needs care:
 *  - registers that live in memory are loaded into scratch before and stored after;
 *  - an instruction with an implicit or high-byte use of guest rcx runs with guest rcx in host rcx;
 *  - AH..BH can't stand beside a REX prefix, so then the host address is put in one legacy register;
 *  - in a group (trans_group.c) T0 is the group's;
 *  - when two scratch registers are not enough, one that the instruction doesn't use is borrowed (its guest
 *    value waits in hot.tmp2, which insn_info.borrowed says).
 */
#include <string.h>

#include "engine/trans.h"

/* Which of the register fields of the encoding. */
enum { F_REG, F_RM, F_VVVV, F_OPCODE, NR_FIELDS };

struct field {
    bool used; /* a general register, to be renamed */
    bool read, write;
    unsigned guest;
    unsigned host;
    unsigned width;
    bool in_memory;
};

struct shape {
    struct field f[NR_FIELDS];
    const ZydisDecodedOperand *mem;
    bool mem_write;
    unsigned mem_size; /* bytes */
    bool high8;        /* uses AH, CH, DH or BH */
    bool rcx_in_rcx;   /* guest rcx must be in host rcx while it runs */
    bool rcx_written;
    uint32_t used; /* host registers that the instruction itself names */
};

static unsigned field_of(ZydisOperandEncoding e)
{
    switch (e) {
    case ZYDIS_OPERAND_ENCODING_MODRM_REG:
        return F_REG;
    case ZYDIS_OPERAND_ENCODING_MODRM_RM:
        return F_RM;
    case ZYDIS_OPERAND_ENCODING_NDSNDD:
        return F_VVVV;
    case ZYDIS_OPERAND_ENCODING_OPCODE:
        return F_OPCODE;
    default:
        return NR_FIELDS;
    }
}

/* BSF and BSR leave their destination alone when the source is 0, which the decoder's table doesn't say. */
static bool keeps_destination(ZydisMnemonic m)
{
    return m == ZYDIS_MNEMONIC_BSF || m == ZYDIS_MNEMONIC_BSR || m == ZYDIS_MNEMONIC_TZCNT ||
           m == ZYDIS_MNEMONIC_LZCNT; /* the latter two where they are BSF and BSR */
}

static bool action_reads(ZydisOperandActions a)
{
    return a & (ZYDIS_OPERAND_ACTION_READ | ZYDIS_OPERAND_ACTION_CONDREAD | ZYDIS_OPERAND_ACTION_CONDWRITE);
}

static bool action_writes(ZydisOperandActions a)
{
    return a & (ZYDIS_OPERAND_ACTION_WRITE | ZYDIS_OPERAND_ACTION_CONDWRITE);
}

static void shape_of(const struct insn *in, struct shape *s)
{
    bool names_rcx = false;

    memset(s, 0, sizeof(*s));
    for (unsigned i = 0; i < in->d.operand_count; i++) {
        const ZydisDecodedOperand *o = &in->op[i];

        if (o->type == ZYDIS_OPERAND_TYPE_MEMORY && o->mem.type == ZYDIS_MEMOP_TYPE_MEM &&
            o->visibility == ZYDIS_OPERAND_VISIBILITY_EXPLICIT) {
            s->mem = o;
            s->mem_write |= action_writes(o->actions);
            s->mem_size = o->size / 8;
        }
        if (o->type != ZYDIS_OPERAND_TYPE_REGISTER || !reg_is_gpr(o->reg.value))
            continue;
        unsigned id = reg_id(o->reg.value);
        unsigned k = field_of(o->encoding);
        bool high = reg_is_high8(o->reg.value);

        if (high) {
            s->high8 = true;
            id -= 4;
        }
        if (o->visibility != ZYDIS_OPERAND_VISIBILITY_EXPLICIT || k == NR_FIELDS) {
            /* implicit registers other than rcx are in their namesakes */
            if (id == RCX) {
                s->rcx_in_rcx = true;
                s->rcx_written |= action_writes(o->actions);
            }
            s->used |= 1u << id;
            continue;
        }
        if (id == RCX) {
            names_rcx = true;
            if (high)
                s->rcx_in_rcx = true;
            s->rcx_written |= action_writes(o->actions);
        }
        s->f[k].used = true;
        s->f[k].read |= action_reads(o->actions) || keeps_destination(in->d.mnemonic);
        s->f[k].write |= action_writes(o->actions);
        s->f[k].guest = id;
        s->f[k].width = o->size;
        if (high)
            s->f[k].host = 4 + id; /* as encoded; never renamed */
        s->f[k].in_memory = false;
    }
    if (s->high8 && names_rcx)
        s->rcx_in_rcx = true;
}

/* A legacy register that the instruction doesn't use; its value goes to hot.tmp2 until unborrowed. */
static unsigned borrow(struct trans *t, const struct shape *s)
{
    static const uint8_t candidates[] = {RSI, RDI, RBX, RBP, RDX};

    for (unsigned i = 0; i < ARRAY_SIZE(candidates); i++) {
        unsigned r = candidates[i];

        if (s->used & (1u << r))
            continue;
        emit_store_gs(&t->m, r, OFF_TMP2);
        t->info->borrowed = (uint8_t)(1 + r);
        return r;
    }
    return NO_REG;
}

static void emit_legacy(struct trans *t, const struct shape *s, unsigned reg, unsigned rm, bool mem,
                        unsigned mem_base, unsigned mem_index)
{
    const ZydisDecodedInstruction *d = &t->in->d;
    struct emit *m = &t->m;
    uint8_t rex = (uint8_t)(d->raw.rex.W << 3);
    unsigned opcode_reg = s->f[F_OPCODE].used ? s->f[F_OPCODE].host : 0;
    bool byte_reg = false;

    for (unsigned i = 0; i < d->raw.prefix_count; i++) {
        uint8_t p = d->raw.prefixes[i].value;

        if (p == 0xf3 && ((d->mnemonic == ZYDIS_MNEMONIC_TZCNT && !trans_offers(t, CPU_BMI1)) ||
                          (d->mnemonic == ZYDIS_MNEMONIC_LZCNT && !trans_offers(t, CPU_ABM))))
            continue; /* BSF and BSR to a CPU that doesn't know them */
        if (p == 0x66 || p == 0xf2 || p == 0xf3 || p == 0xf0)
            e8(m, p);
    }
    if (reg & 8)
        rex |= 4;
    if (mem) {
        if (mem_index != NO_REG && (mem_index & 8))
            rex |= 2;
        if (mem_base & 8)
            rex |= 1;
    } else if (rm & 8) {
        rex |= 1;
    }
    if (opcode_reg & 8)
        rex |= 1;
    for (unsigned k = 0; k < NR_FIELDS; k++)
        if (s->f[k].used && s->f[k].width == 8 && !s->high8 && s->f[k].host >= 4)
            byte_reg = true; /* SPL..DIL need a REX prefix */
    if (rex || byte_reg)
        e8(m, 0x40 | rex);
    switch (d->opcode_map) {
    case ZYDIS_OPCODE_MAP_0F:
        e8(m, 0x0f);
        break;
    case ZYDIS_OPCODE_MAP_0F38:
        e8(m, 0x0f);
        e8(m, 0x38);
        break;
    case ZYDIS_OPCODE_MAP_0F3A:
        e8(m, 0x0f);
        e8(m, 0x3a);
        break;
    default:
        break;
    }
    if (s->f[F_OPCODE].used)
        e8(m, (uint8_t)((d->opcode & 0xf8) | (opcode_reg & 7)));
    else if (d->opcode_map == ZYDIS_OPCODE_MAP_DEFAULT && d->opcode == 0x82)
        e8(m, 0x80); /* the alias is gone in 64-bit mode */
    else
        e8(m, d->opcode);
}

/*
 * Outside 64-bit mode only eight registers of each kind can be named: upper bits are ignored (SDM vol. 2,
 * 2.3.5).
 */
static unsigned reg_mask(const struct trans *t)
{
    return mode64(t) ? 31 : 7;
}

/*
 * VEX.W and EVEX.W choose between 32- and 64-bit general registers in 64-bit mode only (SDM vol. 2, 2.3.5.5).
 */
static bool vex_w(const struct trans *t)
{
    const struct insn *in = t->in;

    if (!mode64(t) &&
        (in->d.mnemonic == ZYDIS_MNEMONIC_VCVTSI2SD || in->d.mnemonic == ZYDIS_MNEMONIC_VCVTSI2SS ||
         in->d.mnemonic == ZYDIS_MNEMONIC_VCVTUSI2SD || in->d.mnemonic == ZYDIS_MNEMONIC_VCVTUSI2SS ||
         in->d.mnemonic == ZYDIS_MNEMONIC_VMOVD || in->d.mnemonic == ZYDIS_MNEMONIC_VPINSRD ||
         in->d.mnemonic == ZYDIS_MNEMONIC_VPEXTRD || in->d.mnemonic == ZYDIS_MNEMONIC_VPCMPESTRI ||
         in->d.mnemonic == ZYDIS_MNEMONIC_VPCMPESTRM))
        return false;
    if (!mode64(t))
        for (unsigned i = 0; i < in->d.operand_count_visible; i++)
            if (in->op[i].type == ZYDIS_OPERAND_TYPE_REGISTER && reg_is_gpr(in->op[i].reg.value))
                return false;
    return in->d.encoding == ZYDIS_INSTRUCTION_ENCODING_EVEX ? in->d.raw.evex.W : in->d.raw.vex.W;
}

static void emit_vex(struct trans *t, unsigned reg, unsigned rm, unsigned vvvv, bool mem, unsigned mem_base,
                     unsigned mem_index)
{
    const ZydisDecodedInstruction *d = &t->in->d;
    struct emit *m = &t->m;
    unsigned r = reg >> 3, x = 0, b = rm >> 3;

    if (mem) {
        x = mem_index != NO_REG ? mem_index >> 3 : 0;
        b = mem_base >> 3;
    }
    e8(m, 0xc4);
    e8(m, (uint8_t)((!r) << 7 | (!x) << 6 | (!b) << 5 | d->raw.vex.m_mmmm));
    e8(m, (uint8_t)(vex_w(t) << 7 | (~vvvv & 15) << 3 | d->raw.vex.L << 2 | d->raw.vex.pp));
    e8(m, d->opcode);
}

/* The register number in a field that is not a general register (vector, mask, x87, segment), as encoded. */
static unsigned raw_reg(const ZydisDecodedInstruction *d)
{
    switch (d->encoding) {
    case ZYDIS_INSTRUCTION_ENCODING_EVEX:
        return d->raw.modrm.reg | !d->raw.evex.R << 3 | !d->raw.evex.R2 << 4;
    case ZYDIS_INSTRUCTION_ENCODING_VEX:
        return d->raw.modrm.reg | !d->raw.vex.R << 3;
    default:
        return d->raw.modrm.reg | d->raw.rex.R << 3;
    }
}

static unsigned raw_rm(const ZydisDecodedInstruction *d)
{
    switch (d->encoding) {
    case ZYDIS_INSTRUCTION_ENCODING_EVEX:
        return d->raw.modrm.rm | !d->raw.evex.B << 3 | !d->raw.evex.X << 4;
    case ZYDIS_INSTRUCTION_ENCODING_VEX:
        return d->raw.modrm.rm | !d->raw.vex.B << 3;
    default:
        return d->raw.modrm.rm | d->raw.rex.B << 3;
    }
}

static unsigned raw_vvvv(const ZydisDecodedInstruction *d)
{
    switch (d->encoding) {
    case ZYDIS_INSTRUCTION_ENCODING_EVEX:
        return (15u - d->raw.evex.vvvv) | !d->raw.evex.V2 << 4;
    case ZYDIS_INSTRUCTION_ENCODING_VEX:
        return 15u - d->raw.vex.vvvv;
    default:
        return 0;
    }
}

/* True if the instruction defines all arithmetic flags whatever they were before. */
static bool flags_all_written(const ZydisDecodedInstruction *d)
{
    const ZydisAccessedFlags *f = d->cpu_flags;
    uint32_t w;

    if (!f)
        return false;
    w = f->modified | f->set_0 | f->set_1;
    if (f->undefined & ZYDIS_CPUFLAG_AF)
        w |= ZYDIS_CPUFLAG_AF;
    switch (d->mnemonic) {
    case ZYDIS_MNEMONIC_SHL:
    case ZYDIS_MNEMONIC_SHR:
    case ZYDIS_MNEMONIC_SAR:
    case ZYDIS_MNEMONIC_SHLD:
    case ZYDIS_MNEMONIC_SHRD:
    case ZYDIS_MNEMONIC_ROL:
    case ZYDIS_MNEMONIC_ROR:
    case ZYDIS_MNEMONIC_RCL:
    case ZYDIS_MNEMONIC_RCR:
        return false; /* a count of 0 leaves flags alone */
    default:
        return (w & (ZYDIS_CPUFLAG_CF | ZYDIS_CPUFLAG_PF | ZYDIS_CPUFLAG_AF | ZYDIS_CPUFLAG_ZF |
                     ZYDIS_CPUFLAG_SF | ZYDIS_CPUFLAG_OF)) ==
               (ZYDIS_CPUFLAG_CF | ZYDIS_CPUFLAG_PF | ZYDIS_CPUFLAG_AF | ZYDIS_CPUFLAG_ZF | ZYDIS_CPUFLAG_SF |
                ZYDIS_CPUFLAG_OF);
    }
}

#define ARITH_MASK                                                                                  \
    (ZYDIS_CPUFLAG_CF | ZYDIS_CPUFLAG_PF | ZYDIS_CPUFLAG_AF | ZYDIS_CPUFLAG_ZF | ZYDIS_CPUFLAG_SF | \
     ZYDIS_CPUFLAG_OF)

static bool flags_touched(const ZydisDecodedInstruction *d)
{
    const ZydisAccessedFlags *f = d->cpu_flags;

    return f && ((f->tested | f->modified | f->set_0 | f->set_1 | f->undefined) & ARITH_MASK);
}

static bool flags_read(const ZydisDecodedInstruction *d)
{
    return d->cpu_flags && (d->cpu_flags->tested & ARITH_MASK);
}

/* x87 and MMX instructions deliver a pending x87 exception before they look at their operand. */
static bool x87_waits(const struct insn *in)
{
    const ZydisDecodedInstruction *d = &in->d;

    switch (d->mnemonic) {
    case ZYDIS_MNEMONIC_FNSTCW:
    case ZYDIS_MNEMONIC_FNSTSW:
        return false;
    case ZYDIS_MNEMONIC_FISTTP:
        return true;
    default:
        break;
    }
    for (unsigned i = 0; i < d->operand_count; i++)
        if (in->op[i].type == ZYDIS_OPERAND_TYPE_REGISTER &&
            ZydisRegisterGetClass(in->op[i].reg.value) == ZYDIS_REGCLASS_MMX)
            return true;
    return d->meta.isa_ext == ZYDIS_ISA_EXT_X87;
}

/* Whether the last byte names a register. */
static bool has_is4(const struct insn *in)
{
    for (unsigned i = 0; i < in->d.operand_count; i++)
        if (in->op[i].encoding == ZYDIS_OPERAND_ENCODING_IS4)
            return true;
    return false;
}

/* The alignment that a vector memory operand must have, or 0.  Checked before the page tables are looked at,
 * so a TLB miss has to know. From the exception classes of SDM vol. 2, 2.4. */
static uint8_t alignment_needed(const ZydisDecodedInstruction *d, unsigned size)
{
    if (size != 16 && size != 32 && size != 64)
        return 0;
    if (d->mnemonic == ZYDIS_MNEMONIC_CVTPD2PI || d->mnemonic == ZYDIS_MNEMONIC_CVTTPD2PI ||
        d->mnemonic == ZYDIS_MNEMONIC_CMPXCHG16B)
        return 16;
    if (d->meta.isa_ext == ZYDIS_ISA_EXT_SHA)
        return 0; /* AMD requires none; where Intel does, the host says so once the page is there */
    switch (d->meta.exception_class) {
    case ZYDIS_EXCEPTION_CLASS_AVX1:
    case ZYDIS_EXCEPTION_CLASS_SSE1:
    case ZYDIS_EXCEPTION_CLASS_E1:
    case ZYDIS_EXCEPTION_CLASS_E1NF:
        return (uint8_t)size;
    case ZYDIS_EXCEPTION_CLASS_SSE2:
    case ZYDIS_EXCEPTION_CLASS_SSE4:
    case ZYDIS_EXCEPTION_CLASS_SSE7:
        break;
    default:
        return 0;
    }
    switch (d->mnemonic) {
    case ZYDIS_MNEMONIC_MOVUPS:
    case ZYDIS_MNEMONIC_MOVUPD:
    case ZYDIS_MNEMONIC_MOVDQU:
    case ZYDIS_MNEMONIC_LDDQU:
    case ZYDIS_MNEMONIC_PCMPESTRI:
    case ZYDIS_MNEMONIC_PCMPESTRM:
    case ZYDIS_MNEMONIC_PCMPISTRI:
    case ZYDIS_MNEMONIC_PCMPISTRM:
        return 0;
    default:
        return 16;
    }
}

bool insn_touches_flags(const ZydisDecodedInstruction *d)
{
    return flags_touched(d);
}

bool insn_changes_flags(const ZydisDecodedInstruction *d)
{
    const ZydisAccessedFlags *f = d->cpu_flags;

    return f && ((f->modified | f->set_0 | f->set_1 | f->undefined) & ARITH_MASK);
}

bool insn_kills_flags(const ZydisDecodedInstruction *d)
{
    return flags_touched(d) && flags_all_written(d) && !flags_read(d);
}

/* MOV and XCHG of a 64-bit register with memory, in the kernel: its slow path can do without the instruction.
 * Not in a group, where the probe isn't its own. */
static void note_store_word(struct trans *t)
{
    const struct insn *in = t->in;
    bool xchg = in->d.mnemonic == ZYDIS_MNEMONIC_XCHG;
    unsigned mem = in->op[0].type == ZYDIS_OPERAND_TYPE_MEMORY ? 0 : 1;
    const ZydisDecodedOperand *reg = &in->op[1 - mem];

    if (t->careful || in_group(t) || t->view != VIEW_KERNEL || !mode64(t) ||
        !(xchg || in->d.mnemonic == ZYDIS_MNEMONIC_MOV) || (mem == 1 && !xchg) ||
        in->op[mem].type != ZYDIS_OPERAND_TYPE_MEMORY || in->op[mem].size != 64 ||
        reg->type != ZYDIS_OPERAND_TYPE_REGISTER ||
        ZydisRegisterGetClass(reg->reg.value) != ZYDIS_REGCLASS_GPR64)
        return;
    t->slow[t->nr_slow - 1].end = t->m.p;
    t->slow[t->nr_slow - 1].reg = reg_id(reg->reg.value);
    t->slow[t->nr_slow - 1].xchg = xchg;
}

/* NOLINTNEXTLINE(readability-function-cognitive-complexity): the steps share most of a dozen variables */
void trans_generic(struct trans *t)
{
    const struct insn *in = t->in;
    const ZydisDecodedInstruction *d = &in->d;
    struct emit *m = &t->m;
    struct shape s;
    unsigned mem_base = T0, mem_index = T1;
    int32_t mem_disp = 0;
    unsigned scratch[3], nr_scratch = 0;
    bool evex = d->encoding == ZYDIS_INSTRUCTION_ENCODING_EVEX;
    bool need_host_flags;
    unsigned reg, rm, vvvv;
    bool is_mem;

    shape_of(in, &s);
    is_mem = s.mem != NULL;
    need_host_flags = flags_touched(d) && (flags_read(d) || !flags_all_written(d));

    for (unsigned k = 0; k < NR_FIELDS; k++) {
        struct field *f = &s.f[k];

        if (!f->used)
            continue;
        if (s.high8 && f->host) /* AH..BH as encoded */
            continue;
        if (f->guest == RCX && s.rcx_in_rcx)
            f->host = RCX;
        else if (f->guest == RSP && s.high8)
            f->host = NO_REG; /* its home needs REX: goes through a legacy register */
        else
            f->host = host_reg(f->guest);
        f->in_memory = f->host == NO_REG;
        if (!f->in_memory)
            s.used |= 1u << f->host;
    }

    if (is_mem) {
        unsigned in_memory = 0;

        if (s.mem_write && !mode64(t) && s.mem->mem.segment == ZYDIS_REGISTER_CS) {
            end_exit(t, EXIT_KIND_EXCEPTION, in->va, VEC_GP); /* code segments can't be written to */
            return;
        }
        t->access_mask = evex_access_mask(in, s.mem);
        emit_access(t, s.mem, s.mem_size, s.mem_write);
        t->info->masked = t->access_mask != 0;
        t->access_mask = 0;
        for (unsigned k = 0; k < NR_FIELDS; k++)
            in_memory += s.f[k].used && s.f[k].in_memory;
        if (s.rcx_in_rcx) {
            /* the address moves out of rcx */
            if (s.high8) {
                unsigned r = borrow(t, &s);

                mem_lea(t, r);
                s.used |= 1u << r;
                mem_base = r;
            } else {
                mem_lea(t, T1);
                mem_base = T1;
            }
            mem_index = NO_REG;
        } else if (t->mem.index == NO_REG || in_memory || s.high8 || need_host_flags) {
            mem_collapse(t);
            mem_index = NO_REG;
            mem_disp = t->mem.disp;
            scratch[nr_scratch++] = T1;
        }
        if (s.rcx_in_rcx && mem_base != T1)
            scratch[nr_scratch++] = T1;
    } else {
        scratch[nr_scratch++] = T1;
        if (!s.rcx_in_rcx && !in_group(t))
            scratch[nr_scratch++] = T0;
    }

    if (need_host_flags)
        flags_need_host(t, is_mem && mem_base == T1);

    if (s.rcx_in_rcx)
        emit_mov(m, RCX, HOST_GUEST_RCX);

    /* Registers that live in memory: load those that the instruction reads or keeps part of. */
    for (unsigned k = 0; k < NR_FIELDS; k++) {
        struct field *f = &s.f[k];

        if (!f->used || !f->in_memory)
            continue;
        for (unsigned j = 0; j < k; j++)
            if (s.f[j].used && s.f[j].in_memory && s.f[j].guest == f->guest)
                f->host = s.f[j].host;
        if (f->host != NO_REG)
            continue;
        if (f->guest == RSP) {
            f->host = is_mem || s.rcx_in_rcx ? borrow(t, &s) : T0;
            emit_mov(m, f->host, HOST_GUEST_RSP);
            continue;
        }
        if (nr_scratch) {
            f->host = scratch[--nr_scratch];
        } else {
            f->host = borrow(t, &s);
            s.used |= 1u << f->host;
        }
        bool read = false;

        for (unsigned j = 0; j < NR_FIELDS; j++)
            if (s.f[j].used && s.f[j].guest == f->guest)
                read |= s.f[j].read || s.f[j].width < 32;
        if (read)
            emit_load_gs(m, f->host, gpr_off(f->guest));
    }

    reg = s.f[F_REG].used ? s.f[F_REG].host : raw_reg(d) & reg_mask(t);
    rm = s.f[F_RM].used ? s.f[F_RM].host : raw_rm(d) & reg_mask(t);
    if (!(d->attributes & ZYDIS_ATTRIB_HAS_MODRM))
        reg = rm = 0;
    vvvv = s.f[F_VVVV].used ? s.f[F_VVVV].host : raw_vvvv(d) & reg_mask(t);

    t->info->flags_host = t->flags == FLAGS_HOST;
    if (is_mem)
        t->info->align = alignment_needed(d, s.mem_size) | (x87_waits(in) ? ALIGN_X87 : 0);
    if (evex)
        emit_evex(t, vex_w(t), reg, rm, vvvv, is_mem, mem_base, mem_index);
    else if (d->encoding == ZYDIS_INSTRUCTION_ENCODING_VEX)
        emit_vex(t, reg, rm, vvvv, is_mem, mem_base, mem_index);
    else
        emit_legacy(t, &s, reg, rm, is_mem, mem_base, mem_index);
    if (d->attributes & ZYDIS_ATTRIB_HAS_MODRM) {
        if (!is_mem)
            emit_modrm(m, 3, reg, rm);
        else if (evex)
            emit_mem_wide(m, reg, mem_base, mem_index, mem_disp);
        else
            emit_mem_indexed(m, reg, mem_base, mem_index, mem_disp);
    }
    if (has_is4(in)) {
        e8(m, in->bytes[d->length - 1] & (mode64(t) ? 0xff : 0x7f));
    } else if (d->raw.imm[0].size) {
        for (unsigned i = d->raw.imm[0].offset; i < d->length; i++)
            e8(m, in->bytes[i]);
    }

    for (unsigned k = 0; k < NR_FIELDS; k++) {
        struct field *f = &s.f[k];

        if (f->used && f->in_memory && f->write)
            put_reg(t, f->guest, f->host);
    }
    if (s.rcx_in_rcx && s.rcx_written)
        emit_mov(m, HOST_GUEST_RCX, RCX);
    if (t->info->borrowed)
        emit_load_gs(m, t->info->borrowed - 1u, OFF_TMP2);
    if (flags_touched(d))
        t->flags = FLAGS_HOST;
    note_store_word(t);
}
