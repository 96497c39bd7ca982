/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Decoder and operand access for the emulator of privileged instructions.  See emulate.h.
 *
 * It knows prefixes, ModRM and SIB of the legacy maps (SDM vol. 2, chapter 2), not immediates: the handlers
 * take those.  Code bytes are read as data through the vCPU's own page tables, once.
 */
#include "pv/emulate.h"

#include "pv/panel.h"

#define REX_B 1u
#define REX_X 2u
#define REX_R 4u
#define REX_W 8u

/* Fetches until n bytes are there, a page at a time. */
static bool fetch_until(struct insn *in, unsigned n)
{
    struct vcpu *v = in->v;

    if (n > INSN_MAX) {
        pv_inject(v, VEC_GP, 0);
        return false;
    }
    while (in->valid < n) {
        uint64_t at = v->rip + in->valid;
        struct guest_fault f;

        if (in->mode != 64)
            at = (uint32_t)(v->seg[SEG_CS].base + (uint32_t)at);
        unsigned len = INSN_MAX - in->valid;
        unsigned in_page = (unsigned)(PAGE_SIZE - (at & (PAGE_SIZE - 1)));

        if (len > in_page)
            len = in_page;
        if (!guest_read_fault(v, GVA(at), in->bytes + in->valid, len, &f)) {
            pv_inject_page_fault(v, f.cr2, f.pfec | PFEC_FETCH);
            return false;
        }
        in->valid += (uint8_t)len;
    }
    return true;
}

static bool next_byte(struct insn *in, uint8_t *b)
{
    if (!fetch_until(in, in->len + 1u))
        return false;
    *b = in->bytes[in->len++];
    return true;
}

bool insn_imm(struct insn *in, unsigned n, uint32_t *imm)
{
    *imm = 0;
    for (unsigned i = 0; i < n; i++) {
        uint8_t b;

        if (!next_byte(in, &b))
            return false;
        *imm |= (uint32_t)b << (8 * i);
    }
    return true;
}

static bool decode_prefixes(struct insn *in, uint8_t *b)
{
    bool opsize = false, adsize = false;

    for (;;) {
        if (!next_byte(in, b))
            return false;
        switch (*b) {
        case 0x66:
            opsize = true;
            break;
        case 0x67:
            adsize = true;
            break;
        case 0xf0:
            in->lock = true;
            break;
        case 0xf2:
            in->repne = true;
            in->rep = false;
            break;
        case 0xf3:
            in->rep = true;
            in->repne = false;
            break;
        case 0x26:
        case 0x2e:
        case 0x36:
        case 0x3e:
            if (in->mode != 64)
                in->segment = (int8_t)(*b >> 3 & 3);
            break;
        case 0x64:
        case 0x65:
            in->segment = (int8_t)(*b - 0x64 + SEG_FS);
            break;
        default:
            if (in->mode == 64 && (*b & 0xf0) == 0x40) {
                in->rex = *b;
                if (!next_byte(in, b))
                    return false;
                /* A prefix behind REX makes REX void. */
                if (*b == 0x66 || *b == 0x67 || (*b & 0xfe) == 0xf2 || *b == 0xf0 || (*b & 0xe7) == 0x26 ||
                    (*b & 0xfe) == 0x64 || (*b & 0xf0) == 0x40) {
                    in->rex = 0;
                    in->len--;
                    continue;
                }
            }
            in->opsize_prefix = opsize;
            if (in->mode == 64) {
                in->opsize = in->rex & REX_W ? 8 : opsize ? 2 : 4;
                in->adsize = adsize ? 4 : 8;
            } else {
                in->opsize = (in->mode == 32) != opsize ? 4 : 2;
                in->adsize = (in->mode == 32) != adsize ? 4 : 2;
            }
            return true;
        }
    }
}

static uint64_t gpr_for_address(const struct insn *in, unsigned reg)
{
    uint64_t x = in->v->gpr[reg];

    return in->adsize == 8 ? x : in->adsize == 4 ? (uint32_t)x : (uint16_t)x;
}

static bool decode_address16(struct insn *in)
{
    static const uint8_t base[8] = {RBX, RBX, RBP, RBP, RSI, RDI, RBP, RBX};
    static const uint8_t index[8] = {RSI, RDI, RSI, RDI, 0, 0, 0, 0};
    unsigned rm = in->rm & 7;
    unsigned disp_size = in->mod == 0 && rm == 6 ? 2 : in->mod;
    uint32_t disp;

    if (!insn_imm(in, disp_size, &disp))
        return false;
    if (disp_size == 1)
        disp = (uint32_t)(int8_t)disp;
    in->ea = disp;
    if (!(in->mod == 0 && rm == 6)) {
        in->ea += in->v->gpr[base[rm]];
        if (rm < 4)
            in->ea += in->v->gpr[index[rm]];
        if (base[rm] == RBP)
            in->ea_seg = SEG_SS;
    }
    in->ea = (uint16_t)in->ea;
    return true;
}

static bool decode_address(struct insn *in)
{
    unsigned rm = in->rm & 7;
    unsigned disp_size = in->mod == 1 ? 1 : in->mod == 2 ? 4 : 0;
    bool rip_relative = false;
    uint64_t ea = 0;
    uint32_t disp;

    if (rm == 4) {
        uint8_t sib;

        if (!next_byte(in, &sib))
            return false;
        unsigned index = (sib >> 3 & 7) | (in->rex & REX_X ? 8 : 0);
        unsigned base = (sib & 7) | (in->rex & REX_B ? 8 : 0);

        if (index != RSP)
            ea += gpr_for_address(in, index) << (sib >> 6);
        if ((base & 7) == RBP && in->mod == 0) {
            disp_size = 4;
        } else {
            ea += gpr_for_address(in, base);
            if (base == RSP || base == RBP)
                in->ea_seg = SEG_SS;
        }
    } else if (rm == 5 && in->mod == 0) {
        disp_size = 4;
        rip_relative = in->mode == 64;
    } else {
        ea = gpr_for_address(in, in->rm);
        if (in->rm == RBP)
            in->ea_seg = SEG_SS;
    }
    if (!insn_imm(in, disp_size, &disp))
        return false;
    ea += (uint64_t)(disp_size == 1 ? (int8_t)disp : (int32_t)disp);
    /*
     * None of the instructions that take a memory operand here has an immediate, so the next one is at len.
     */
    if (rip_relative)
        ea += in->v->rip + in->len;
    in->ea = in->adsize == 8 ? ea : (uint32_t)ea;
    return true;
}

/* Whether an opcode of our list has a ModRM byte. */
static bool opcode_has_modrm(uint16_t op)
{
    switch (op) {
    case 0x8c:
    case 0x8e:
    case 0xc4:
    case 0xc5:
    case 0xff:
    case 0x0f00 ... 0x0f03:
    case 0x0f20 ... 0x0f23:
    case 0x0fb2:
    case 0x0fb4:
    case 0x0fb5:
    case 0x0fc7:
        return true;
    default:
        return false;
    }
}

bool insn_decode(struct insn *in, struct vcpu *v, unsigned skip)
{
    uint16_t attr = v->seg[SEG_CS].attr;
    uint8_t b;

    *in = (struct insn){
        .v = v,
        .mode = attr & SEG_ATTR_L    ? 64
                : attr & SEG_ATTR_DB ? 32
                                     : 16,
        .segment = -1,
        .ea_seg = SEG_DS,
        .len = (uint8_t)skip,
    };
    if (!decode_prefixes(in, &b))
        return false;
    in->opcode = b;
    if (b == 0x0f) {
        if (!next_byte(in, &b))
            return false;
        in->opcode = 0x0f00 | b;
    }
    if (!opcode_has_modrm(in->opcode))
        return true;
    if (!next_byte(in, &b))
        return false;
    in->has_modrm = true;
    in->mod = b >> 6;
    in->reg = (b >> 3 & 7) | (in->rex & REX_R ? 8 : 0);
    in->rm = (b & 7) | (in->rex & REX_B ? 8 : 0);
    /* MOV to and from control and debug registers ignores mod. */
    if (in->mod == 3 || (in->opcode >= 0x0f20 && in->opcode <= 0x0f23))
        return true;
    if (!(in->adsize == 2 ? decode_address16(in) : decode_address(in)))
        return false;
    if (in->segment >= 0)
        in->ea_seg = (enum segreg)in->segment;
    return true;
}

/*
 * Linear address of n bytes at an offset in a segment (SDM vol. 3, 5.3); false: #GP(0) or, for the stack
 * segment, #SS(0) has been raised.
 */
static bool linear_address(struct insn *in, enum segreg s, uint64_t off, unsigned n, bool write, uint64_t *va)
{
    struct vcpu *v = in->v;
    const struct segment *seg = &v->seg[s];

    if (in->mode == 64) {
        *va = off + (s == SEG_FS ? v->fs_base : s == SEG_GS ? v->gs_base : 0);
        if (gva_canonical(GVA(*va)) && gva_canonical(GVA(*va + n - 1)))
            return true;
    } else {
        bool code = seg->attr & SEG_ATTR_CODE;
        bool down = !code && seg->attr & SEG_ATTR_EXPAND_DOWN;
        uint64_t last = off + n - 1;
        uint64_t top = seg->attr & SEG_ATTR_DB ? 0xffffffff : 0xffff;
        bool fits = down ? off > seg->limit && last <= top : last <= seg->limit;
        bool allowed = write ? !code && seg->attr & SEG_ATTR_RW : !code || seg->attr & SEG_ATTR_RW;

        *va = (uint32_t)(seg->base + off);
        if (seg->attr & SEG_ATTR_P && fits && allowed)
            return true;
    }
    pv_inject(v, s == SEG_SS ? VEC_SS : VEC_GP, 0);
    return false;
}

bool insn_read(struct insn *in, enum segreg s, uint64_t off, void *to, unsigned n)
{
    struct guest_fault f;
    uint64_t va;

    if (!linear_address(in, s, off, n, false, &va))
        return false;
    if (guest_read_fault(in->v, GVA(va), to, n, &f))
        return true;
    pv_inject_page_fault(in->v, f.cr2, f.pfec);
    return false;
}

bool insn_write(struct insn *in, enum segreg s, uint64_t off, const void *from, unsigned n)
{
    struct guest_fault f;
    uint64_t va;

    if (!linear_address(in, s, off, n, true, &va))
        return false;
    if (guest_write_fault(in->v, GVA(va), from, n, &f))
        return true;
    pv_inject_page_fault(in->v, f.cr2, f.pfec);
    return false;
}

static uint64_t stack_mask(const struct insn *in)
{
    unsigned size = insn_stack_size(in);

    return size == 8 ? ~0ul : size == 4 ? 0xffffffffu : 0xffffu;
}

bool insn_stack_read(struct insn *in, unsigned off, void *to, unsigned n)
{
    return insn_read(in, SEG_SS, (in->v->gpr[RSP] + off) & stack_mask(in), to, n);
}

bool insn_stack_write(struct insn *in, unsigned below, uint64_t value, unsigned n)
{
    return insn_write(in, SEG_SS, (in->v->gpr[RSP] - below) & stack_mask(in), &value, n);
}

bool insn_push(struct insn *in, uint64_t value, unsigned n)
{
    if (!insn_stack_write(in, n, value, n))
        return false;
    insn_set_gpr(in, RSP, in->v->gpr[RSP] - n, insn_stack_size(in));
    return true;
}

bool insn_read_rm16(struct insn *in, uint16_t *value)
{
    if (in->mod != 3)
        return insn_read(in, in->ea_seg, in->ea, value, 2);
    *value = (uint16_t)in->v->gpr[in->rm];
    return true;
}

bool insn_write_rm(struct insn *in, uint64_t value)
{
    uint16_t low = (uint16_t)value;

    if (in->mod != 3)
        return insn_write(in, in->ea_seg, in->ea, &low, 2);
    insn_set_gpr(in, in->rm, value, in->opsize);
    return true;
}

void insn_set_gpr(struct insn *in, unsigned reg, uint64_t value, unsigned size)
{
    uint64_t *r = &in->v->gpr[reg];

    if (size == 8)
        *r = value;
    else if (size == 4)
        *r = (uint32_t)value;
    else
        *r = (*r & ~0xfffful) | (uint16_t)value;
}
