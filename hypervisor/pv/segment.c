/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Segments of a PV guest; see segment.h for the rules.  Also the hypercall set_segment_base.
 *
 * Descriptors stay in guest memory and are interpreted here, never loaded into the host's tables, so a table
 * that changes while it is read costs the guest a wrong segment at worst.  Each descriptor is read once, as 8
 * bytes.
 */
#include "pv/segment.h"

#include "pv/hypercall.h"
#include "pv/panel.h"

#define SELECTOR_TI         4u
#define SELECTOR_RPL        3u
#define SELECTOR_ERROR(sel) ((sel)&0xfffcu)

/* Descriptor bits (SDM vol. 3, 3.4.5), as in the 64-bit word. */
#define DESC_ACCESSED   (1ul << 40)
#define DESC_WRITABLE   (1ul << 41) /* data */
#define DESC_READABLE   (1ul << 41) /* code */
#define DESC_CONFORMING (1ul << 42)
#define DESC_CODE       (1ul << 43)
#define DESC_S          (1ul << 44)
#define DESC_DPL(d)     ((d) >> 45 & 3)
#define DESC_DPL_3      (3ul << 45)
#define DESC_P          (1ul << 47)
#define DESC_L          (1ul << 53)
#define DESC_DB         (1ul << 54)
#define DESC_G          (1ul << 55)

#define ENTRIES_PER_FRAME (PAGE_SIZE / 8)

/* What Xen keeps behind the guest's part of every GDT, from FIRST_RESERVED_GDT_ENTRY on. */
static const uint64_t xen_gdt[] = {
    0,
    0x00af9b000000ffff, /* e008: Xen's code */
    0x00cf93000000ffff, /* e010: Xen's data */
    0,
    0x00cffb000000ffff, /* e023: FLAT_RING3_CS32 */
    0x00cff3000000ffff, /* e02b: FLAT_RING3_DS32, SS32, SS64 */
    0x00affb000000ffff, /* e033: FLAT_RING3_CS64 */
};

struct segment segment_unpack(uint16_t selector, uint64_t d)
{
    struct segment s = {
        .selector = selector,
        .attr = (uint16_t)(d >> 40 & 0xf0ff),
        .limit = (uint32_t)((d & 0xffff) | (d >> 32 & 0xf0000)),
        .base = (uint32_t)((d >> 16 & 0xffffff) | (d >> 32 & 0xff000000)),
    };

    if (d & DESC_G)
        s.limit = s.limit << 12 | 0xfff;
    return s;
}

struct segment segment_flat(uint16_t selector)
{
    unsigned i = (selector >> 3) - FIRST_RESERVED_GDT_ENTRY;

    return segment_unpack(selector, i < ARRAY_SIZE(xen_gdt) ? xen_gdt[i] : 0);
}

static bool gdt_descriptor(const struct vcpu *v, unsigned index, uint64_t *d)
{
    const struct pv_vcpu *pv = v->pv;

    if (index >= FIRST_RESERVED_GDT_ENTRY) {
        index -= FIRST_RESERVED_GDT_ENTRY;
        *d = index < ARRAY_SIZE(xen_gdt) ? xen_gdt[index] : 0;
        return index < ARRAY_SIZE(xen_gdt);
    }
    if (index >= pv->gdt_entries || index / ENTRIES_PER_FRAME >= ARRAY_SIZE(pv->gdt_mfn) ||
        !machine_valid(pv->gdt_mfn[index / ENTRIES_PER_FRAME])) {
        *d = 0;
        return false;
    }
    const uint64_t *frame = machine_hva(pv->gdt_mfn[index / ENTRIES_PER_FRAME]);

    *d = __atomic_load_n(&frame[index % ENTRIES_PER_FRAME], __ATOMIC_RELAXED);
    *d |= *d & DESC_S ? DESC_DPL_3 : 0;
    return true;
}

/* The LDT is guest-virtual; Xen reads it through the kernel's page tables whichever mode the vCPU is in. */
static bool ldt_descriptor(struct vcpu *v, unsigned index, uint64_t *d, uint32_t *fault)
{
    gva_t at = GVA(v->pv->ldt_base + index * 8ul);
    bool user_mode = v->user_mode;
    struct guest_fault f;
    bool ok;

    if (index >= v->pv->ldt_entries)
        return false;
    v->user_mode = false;
    ok = guest_read_fault(v, at, d, sizeof(*d), &f);
    v->user_mode = user_mode;
    if (!ok) {
        v->exit.cr2 = f.cr2;
        *fault = SEGMENT_FAULT(VEC_PF, f.pfec);
        return false;
    }
    *d |= *d & DESC_S ? DESC_DPL_3 : 0;
    return true;
}

bool segment_descriptor(struct vcpu *v, uint16_t selector, uint64_t *descriptor, uint32_t *fault)
{
    *fault = 0;
    *descriptor = 0;
    if (selector & SELECTOR_TI)
        return ldt_descriptor(v, selector >> 3, descriptor, fault);
    return gdt_descriptor(v, selector >> 3, descriptor);
}

/* The checks at CPL 3, for a selector that isn't NULL: 0, or the fault. */
static uint32_t check_descriptor(enum segreg s, uint16_t selector, uint64_t d)
{
    uint16_t error = SELECTOR_ERROR(selector);
    unsigned rpl = selector & SELECTOR_RPL;
    bool code = d & DESC_CODE;

    if (!(d & DESC_S))
        return SEGMENT_FAULT(VEC_GP, error);
    switch (s) {
    case SEG_CS:
        if (!code || (d & DESC_L && d & DESC_DB))
            return SEGMENT_FAULT(VEC_GP, error);
        if (!(d & DESC_CONFORMING) && DESC_DPL(d) != 3)
            return SEGMENT_FAULT(VEC_GP, error);
        break;
    case SEG_SS:
        if (rpl != 3 || DESC_DPL(d) != 3 || code || !(d & DESC_WRITABLE))
            return SEGMENT_FAULT(VEC_GP, error);
        break;
    default:
        if (code && !(d & DESC_READABLE))
            return SEGMENT_FAULT(VEC_GP, error);
        if (!(code && d & DESC_CONFORMING) && DESC_DPL(d) != 3)
            return SEGMENT_FAULT(VEC_GP, error);
        break;
    }
    if (!(d & DESC_P))
        return SEGMENT_FAULT(s == SEG_SS ? VEC_SS : VEC_NP, error);
    return 0;
}

static void segment_set(struct vcpu *v, enum segreg s, struct segment seg)
{
    v->seg[s] = seg;
    if (s == SEG_FS)
        v->fs_base = seg.base;
    else if (s == SEG_GS)
        v->gs_base = seg.base;
}

bool segment_load(struct vcpu *v, enum segreg s, uint16_t selector, uint32_t *fault)
{
    struct segment seg;
    uint64_t d;

    *fault = 0;
    if (selector <= SELECTOR_RPL) {
        if (s == SEG_CS || s == SEG_SS) {
            *fault = SEGMENT_FAULT(VEC_GP, 0);
            return false;
        }
        segment_set(v, s, (struct segment){.selector = selector});
        return true;
    }
    if (!segment_descriptor(v, selector, &d, fault)) {
        if (!*fault)
            *fault = SEGMENT_FAULT(VEC_GP, SELECTOR_ERROR(selector));
        return false;
    }
    *fault = check_descriptor(s, selector, d);
    if (*fault)
        return false;
    seg = segment_unpack(selector, d | DESC_ACCESSED);
    if (s == SEG_CS)
        seg.selector |= SELECTOR_RPL;
    segment_set(v, s, seg);
    return true;
}

bool segment_user(struct vcpu *v, uint16_t selector, struct segment *s)
{
    uint32_t fault = 0;
    uint64_t d;

    if (selector <= SELECTOR_RPL) {
        *s = (struct segment){.selector = selector};
        return true;
    }
    if (!segment_descriptor(v, selector, &d, &fault) ||
        check_descriptor(d & DESC_CODE ? SEG_CS : SEG_DS, selector, d))
        return false;
    *s = segment_unpack(selector, d | DESC_ACCESSED);
    return true;
}

void segment_inject_fault(struct vcpu *v, uint32_t fault)
{
    if (SEGMENT_FAULT_VECTOR(fault) == VEC_PF)
        pv_inject_page_fault(v, v->exit.cr2, SEGMENT_FAULT_ERROR(fault));
    else
        pv_inject(v, SEGMENT_FAULT_VECTOR(fault), SEGMENT_FAULT_ERROR(fault));
}

/*
 * SEGBASE_GS_USER_SEL: the user's GS selector and, from its descriptor, base.  As in Xen, RPL is raised to 3,
 * and a selector that can't be loaded leaves GS NULL: Linux would BUG() on an error.
 */
static void load_user_gs(struct vcpu *v, uint16_t selector)
{
    uint64_t kernel_base = v->gs_base;
    uint32_t fault;

    if (selector > SELECTOR_RPL)
        selector |= SELECTOR_RPL;
    if (!segment_load(v, SEG_GS, selector, &fault))
        segment_load(v, SEG_GS, 0, &fault);
    v->pv->gs_base_user = v->gs_base;
    v->gs_base = v->seg[SEG_GS].base = kernel_base;
}

int64_t hc_set_segment_base(struct vcpu *v, const uint64_t arg[6])
{
    uint64_t base = arg[1];

    if ((unsigned)arg[0] != SEGBASE_GS_USER_SEL && !gva_canonical(GVA(base)))
        return -XEN_EINVAL;
    switch ((unsigned)arg[0]) {
    case SEGBASE_FS:
        v->fs_base = v->seg[SEG_FS].base = base;
        return 0;
    case SEGBASE_GS_USER:
        v->pv->gs_base_user = base;
        return 0;
    case SEGBASE_GS_KERNEL:
        v->gs_base = v->seg[SEG_GS].base = base;
        return 0;
    case SEGBASE_GS_USER_SEL:
        load_user_gs(v, (uint16_t)base);
        return 0;
    default:
        return -XEN_EINVAL;
    }
}
