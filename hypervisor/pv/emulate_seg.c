/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Instructions on segments and descriptor tables that work at ring 3 but depend on tables which the host CPU
 * doesn't have: loading and storing segment registers, LAR, LSL, VERR, VERW, and the stores of table
 * registers, which show constants as Xen's own tables would be.
 */
#include "pv/emulate.h"

#include "pv/panel.h"
#include "pv/segment.h"

/* What SGDT, SIDT, SLDT and STR show: limits and selectors of Xen's tables, at an address in Xen's hole. */
#define XEN_GDT_LIMIT    0xefffu
#define XEN_IDT_LIMIT    0x0fffu
#define XEN_TABLES_VA    0xffff820000000000ul
#define XEN_TSS_SELECTOR 0xe040u
#define XEN_LDT_SELECTOR 0xe050u

#define DESC_TYPE(d)    ((d) >> 40 & 0xf)
#define DESC_S(d)       ((d) >> 44 & 1)
#define DESC_DPL(d)     ((d) >> 45 & 3)
#define TYPE_RW         2u
#define TYPE_CONFORMING 4u
#define TYPE_CODE       8u
#define LAR_MASK        0x00ffff00u

enum emulated emulate_sgdt_sidt(struct insn *in)
{
    struct {
        uint16_t limit;
        uint64_t base;
    } __attribute__((packed)) table = {(in->reg & 7) == 0 ? XEN_GDT_LIMIT : XEN_IDT_LIMIT, XEN_TABLES_VA};
    unsigned n = in->mode == 64 ? 10 : 6;

    return insn_write(in, in->ea_seg, in->ea, &table, n) ? EMU_DONE : EMU_INJECTED;
}

/*
 * The descriptor behind a selector if an instruction of CPL 3 may look at it: code and data segments, by
 * privilege. False: it may not, or (*fault nonzero) its table can't be read.
 */
static bool visible_descriptor(struct insn *in, uint16_t selector, uint64_t *d, uint32_t *fault)
{
    *fault = 0;
    if (selector < 4 || !segment_descriptor(in->v, selector, d, fault) || !DESC_S(*d))
        return false;
    if ((DESC_TYPE(*d) & (TYPE_CODE | TYPE_CONFORMING)) == (TYPE_CODE | TYPE_CONFORMING))
        return true;
    return DESC_DPL(*d) == 3;
}

static void set_zf(struct insn *in, bool set)
{
    in->v->rflags = (in->v->rflags & ~FLAG_ZF) | (set ? FLAG_ZF : 0);
}

enum emulated emulate_lar_lsl(struct insn *in)
{
    uint16_t selector;
    uint32_t fault;
    uint64_t d;

    if (!insn_read_rm16(in, &selector))
        return EMU_INJECTED;
    bool ok = visible_descriptor(in, selector, &d, &fault);

    if (fault) {
        segment_inject_fault(in->v, fault);
        return EMU_INJECTED;
    }
    set_zf(in, ok);
    if (ok)
        insn_set_gpr(in, in->reg,
                     in->opcode == 0x0f02 ? d >> 32 & LAR_MASK : segment_unpack(selector, d).limit,
                     in->opsize);
    return EMU_DONE;
}

static enum emulated emulate_verr_verw(struct insn *in, bool write)
{
    uint16_t selector;
    uint32_t fault;
    uint64_t d;

    if (!insn_read_rm16(in, &selector))
        return EMU_INJECTED;
    bool ok = visible_descriptor(in, selector, &d, &fault);

    if (fault) {
        segment_inject_fault(in->v, fault);
        return EMU_INJECTED;
    }
    if (ok) {
        bool code = DESC_TYPE(d) & TYPE_CODE;
        bool rw = DESC_TYPE(d) & TYPE_RW;

        ok = write ? !code && rw : !code || rw;
    }
    set_zf(in, ok);
    return EMU_DONE;
}

enum emulated emulate_group6(struct insn *in)
{
    switch (in->reg & 7) {
    case 0: /* SLDT */
        return insn_write_rm(in, in->v->pv->ldt_entries ? XEN_LDT_SELECTOR : 0) ? EMU_DONE : EMU_INJECTED;
    case 1: /* STR */
        return insn_write_rm(in, XEN_TSS_SELECTOR) ? EMU_DONE : EMU_INJECTED;
    case 2: /* LLDT */
    case 3: /* LTR */
        return EMU_GP0;
    case 4:
    case 5:
        return emulate_verr_verw(in, (in->reg & 7) == 5);
    default:
        return EMU_UD;
    }
}

/* Loads a segment register as MOV, POP and Lxx do. */
static enum emulated load(struct insn *in, enum segreg s, uint16_t selector)
{
    uint32_t fault;

    if (segment_load(in->v, s, selector, &fault))
        return EMU_DONE;
    segment_inject_fault(in->v, fault);
    return EMU_INJECTED;
}

enum emulated emulate_mov_sreg(struct insn *in)
{
    unsigned s = in->reg & 7;
    uint16_t selector;

    if (s >= NR_SEGS || (in->opcode == 0x8e && s == SEG_CS))
        return EMU_UD;
    if (in->opcode == 0x8c)
        return insn_write_rm(in, in->v->seg[s].selector) ? EMU_DONE : EMU_INJECTED;
    if (!insn_read_rm16(in, &selector))
        return EMU_INJECTED;
    return load(in, s, selector);
}

enum emulated emulate_push_pop_sreg(struct insn *in)
{
    struct vcpu *v = in->v;
    unsigned s = in->opcode >= 0x0fa8 ? SEG_GS : in->opcode >= 0x0fa0 ? SEG_FS : in->opcode >> 3 & 3;
    bool pop = in->opcode & 1;
    unsigned n = in->mode == 64 && in->opsize == 4 ? 8 : in->opsize;
    uint64_t value = v->seg[s].selector;

    if (in->opcode < 0x0f00 && in->mode == 64) /* all but FS and GS are gone there */
        return EMU_UD;
    if (!pop)
        return insn_push(in, value, n) ? EMU_DONE : EMU_INJECTED;
    if (!insn_stack_read(in, 0, &value, n))
        return EMU_INJECTED;
    enum emulated result = load(in, s, (uint16_t)value);

    if (result == EMU_DONE)
        insn_set_gpr(in, RSP, v->gpr[RSP] + n, insn_stack_size(in));
    return result;
}

enum emulated emulate_load_far_pointer(struct insn *in)
{
    static const uint8_t seg_of[] = {SEG_SS, 0, SEG_FS, SEG_GS}; /* 0f b2, b4, b5 */
    unsigned s = in->opcode == 0xc4 ? SEG_ES : in->opcode == 0xc5 ? SEG_DS : seg_of[in->opcode - 0x0fb2];
    uint64_t offset = 0;
    uint16_t selector;

    if (in->mod == 3 || (in->opcode < 0x0f00 && in->mode == 64))
        return EMU_UD;
    if (!insn_read(in, in->ea_seg, in->ea, &offset, in->opsize) ||
        !insn_read(in, in->ea_seg, in->ea + in->opsize, &selector, 2))
        return EMU_INJECTED;
    enum emulated result = load(in, s, selector);

    if (result == EMU_DONE)
        insn_set_gpr(in, in->reg, offset, in->opsize);
    return result;
}
