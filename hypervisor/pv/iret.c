/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * HYPERVISOR_iret: the guest kernel goes back to what it interrupted, or to user mode.
 */
#include "pv/bounce.h"
#include "pv/hypercall.h"
#include "pv/panel.h"
#include "pv/segment.h"

/* The new code or stack segment; most often it is the one that is loaded already, or Xen's flat one. */
static bool load(struct vcpu *v, enum segreg s, uint16_t selector)
{
    uint32_t fault;

    if (selector == FLAT_KERNEL_CS64 && s == SEG_CS) {
        v->seg[SEG_CS] = segment_flat(selector);
        return true;
    }
    if (selector == FLAT_KERNEL_SS64 && s == SEG_SS) {
        v->seg[SEG_SS] = segment_flat(selector);
        return true;
    }
    return segment_load(v, s, selector, &fault);
}

int64_t hc_iret(struct vcpu *v, const uint64_t arg[6])
{
    struct pv_vcpu *pv = v->pv;
    struct iret_context c;
    uint8_t mask;

    (void)arg;
    if (pv->in_multicall)
        return -XEN_EINVAL;
    if (!guest_read(v, GVA(v->gpr[RSP]), &c, sizeof(c))) {
        domain_crash(v->domain, v, "iret: frame not readable at", v->gpr[RSP]);
        return HYPERCALL_KEEP_REGS;
    }
    if ((c.cs & 3) == 3) {
        if (!pv->cr3_user.n) {
            domain_crash(v->domain, v, "iret to user mode without user page tables, to rip", c.rip);
            return HYPERCALL_KEEP_REGS;
        }
        segment_enter_user(v);
    }
    v->gpr[RAX] = c.rax;
    v->gpr[RSP] = c.rsp;
    v->rip = c.rip;
    v->rflags =
        (c.rflags & (FLAGS_ARITH | FLAG_TF | FLAG_DF | FLAG_NT | FLAG_RF | FLAG_AC | FLAG_ID)) | FLAG_IF | 2;
    if (c.flags & VGCF_in_syscall) {
        v->gpr[RCX] = c.rip;
        v->gpr[R11] = v->rflags;
    } else {
        v->gpr[RCX] = c.rcx;
        v->gpr[R11] = c.r11;
    }
    mask = !(c.rflags & FLAG_IF);
    /* No barrier: who raises an event doesn't look at the mask, but kicks us (evtchn_mark_pending()). */
    __atomic_store_n(&pv->info->evtchn_upcall_mask, mask, __ATOMIC_RELEASE);
    if (!load(v, SEG_CS, (uint16_t)(c.cs | 3)) || !load(v, SEG_SS, (uint16_t)(c.ss | 3)) ||
        !gva_canonical(GVA(c.rip))) {
        /* what Xen's own IRET would have faulted on */
        pv_bounce(v, &(struct bounce){.address = pv->failsafe.address,
                                      .mask_events = pv->failsafe.mask_events,
                                      .what = "failsafe",
                                      .failsafe = true});
    }
    return HYPERCALL_KEEP_REGS;
}
