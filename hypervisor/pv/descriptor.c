// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The guest's GDT: which frames it lies in, and what its descriptors may be.
 *
 * The table stays in the guest's frames, which are FRAME_SEGDESC as long as they are part of a GDT: read-only
 * for the guest, changed only by update_descriptor.  The LDT (MMUEXT_SET_LDT) is a guest-virtual range;
 * pv/segment.c reads and constrains its descriptors when they are loaded.
 */
#include "pv/descriptor.h"

#include "pv/hypercall.h"
#include "pv/mm.h"

/* Bits of a descriptor (SDM vol. 3, 3.4.5), as in the 64-bit word. */
#define DESC_TYPE(d)          ((d) >> 40 & 15)
#define DESC_S                (1ul << 44)
#define DESC_DPL              (3ul << 45)
#define DESC_P                (1ul << 47)
#define DESC_GATE_SELECTOR(d) ((uint16_t)((d) >> 16))
#define DESC_TYPE_CALL_GATE   12

#define GDT_FRAMES (FIRST_RESERVED_GDT_ENTRY / PT_ENTRIES)

/* A selector that a call gate may lead to: the guest's own, or the flat kernel code segment. */
static bool gate_selector_ok(uint16_t sel)
{
    return sel >> 3 < FIRST_RESERVED_GDT_ENTRY || sel == FLAT_KERNEL_CS || sel & 4;
}

bool descriptor_fix(uint64_t *desc)
{
    uint64_t d = *desc;

    if (!(d & DESC_P))
        return true; /* can't be loaded */
    if (d & DESC_S) {
        *desc = d | DESC_DPL;
        return true;
    }
    if (DESC_TYPE(d) == 0)
        return true; /* second half of a call gate */
    if (DESC_TYPE(d) != DESC_TYPE_CALL_GATE || !gate_selector_ok(DESC_GATE_SELECTOR(d)) || d >> 32 & 0xff)
        return false;
    /* The gate can't be used as it is: with DPL 0 it faults, and what emulates it finds the DPL in the
     * selector.  Xen has raised it to 3 before that, as that of every descriptor. */
    *desc = (d & ~DESC_DPL) | 3ul << 16;
    return true;
}

static void gdt_drop(struct vcpu *v)
{
    struct pv_vcpu *pv = v->pv;

    for (unsigned i = 0; i < (pv->gdt_entries + PT_ENTRIES - 1) / PT_ENTRIES; i++) {
        mm_put(v, v->domain, pv->gdt_mfn[i], FRAME_SEGDESC);
        pv->gdt_mfn[i] = MFN(0);
    }
    pv->gdt_entries = 0;
}

int gdt_set(struct vcpu *self, struct vcpu *v, const uint64_t *frames, unsigned entries)
{
    struct domain *d = v->domain;
    unsigned nr = (entries + PT_ENTRIES - 1) / PT_ENTRIES;
    int rc = 0;

    _Static_assert(GDT_FRAMES <= ARRAY_SIZE(((struct pv_vcpu *)0)->gdt_mfn), "room for every frame of a GDT");
    if (entries > FIRST_RESERVED_GDT_ENTRY)
        return -XEN_EINVAL;
    lock_acquire(&d->mm_lock);
    for (unsigned i = 0; i < nr && rc == 0; i++) {
        rc = mm_get(self, d, MFN(frames[i]), FRAME_SEGDESC);
        if (rc != 0)
            while (i-- > 0)
                mm_put(self, d, MFN(frames[i]), FRAME_SEGDESC);
    }
    if (rc == 0) {
        gdt_drop(v);
        for (unsigned i = 0; i < nr; i++)
            v->pv->gdt_mfn[i] = MFN(frames[i]);
        v->pv->gdt_entries = entries;
    }
    lock_release(&d->mm_lock);
    return rc == 0 ? 0 : -XEN_EINVAL;
}

int64_t hc_set_gdt(struct vcpu *v, const uint64_t arg[6])
{
    uint32_t entries = (uint32_t)arg[1];
    uint64_t frames[GDT_FRAMES];

    if (entries > FIRST_RESERVED_GDT_ENTRY)
        return -XEN_EINVAL;
    if (!guest_read(v, GVA(arg[0]), frames, (entries + PT_ENTRIES - 1) / PT_ENTRIES * sizeof(frames[0])))
        return -XEN_EFAULT;
    return gdt_set(v, v, frames, entries);
}

int64_t hc_update_descriptor(struct vcpu *v, const uint64_t arg[6])
{
    struct domain *d = v->domain;
    mfn_t m = MFN(arg[0] >> PAGE_SHIFT);
    unsigned off = (unsigned)(arg[0] & ~PAGE_MASK);
    uint64_t desc = arg[1];
    enum frame_type type;
    int rc;

    if (off % sizeof(desc) != 0 || !machine_valid(m) || !descriptor_fix(&desc))
        return -XEN_EINVAL;
    lock_acquire(&d->mm_lock);
    type = machine_frame(m)->type == FRAME_SEGDESC ? FRAME_SEGDESC : FRAME_WRITABLE;
    rc = mm_get(v, d, m, type);
    if (rc == 0) {
        __atomic_store_n(&pt_hva(m)[off / 8], desc, __ATOMIC_RELAXED);
        engine_frame_changed(v, m, off, sizeof(desc));
        mm_put(v, d, m, type);
    }
    lock_release(&d->mm_lock);
    return rc == 0 ? 0 : -XEN_EINVAL;
}
