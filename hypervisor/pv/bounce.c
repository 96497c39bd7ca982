/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Entering the guest kernel; see bounce.h.
 *
 * The frame is Xen's for 64-bit PV guests (xen/arch-x86/xen-x86_64.h and what its kernels rely on): the stack
 * is aligned to 16 bytes, CS of a frame from kernel mode has RPL 0, IF in the saved flags is the
 * complement of the upcall mask.
 */
#include "pv/bounce.h"

#include "base/debug_write.h"
#include "pv/panel.h"
#include "pv/segment.h"

void pv_flat_kernel_segments(struct vcpu *v)
{
    if (v->seg[SEG_CS].selector != FLAT_KERNEL_CS64)
        v->seg[SEG_CS] = segment_flat(FLAT_KERNEL_CS64);
    if (v->seg[SEG_SS].selector != FLAT_KERNEL_SS64)
        v->seg[SEG_SS] = segment_flat(FLAT_KERNEL_SS64);
}

/* --debug int: what is about to enter the guest's kernel. */
static void log_bounce(const struct vcpu *v, const struct bounce *b)
{
    struct message m = {.n = 0};

    message_char(&m, 'v');
    message_decimal(&m, v->id);
    message_string(&m, " int  ");
    message_string(&m, b->what ? b->what : "exception ");
    if (!b->what)
        message_decimal(&m, b->vector);
    message_string(&m, v->user_mode ? " from user " : " from kernel ");
    message_hex(&m, v->rip);
    message_string(&m, " rsp ");
    message_hex(&m, v->gpr[RSP]);
    if (b->has_error) {
        message_string(&m, " error ");
        message_hex(&m, b->error);
    }
    if (!b->what && b->vector == VEC_PF) {
        message_string(&m, " cr2 ");
        message_hex(&m, v->cr2);
    }
    message_string(&m, " to ");
    message_hex(&m, b->address);
    debug_send(&m);
}

void pv_bounce(struct vcpu *v, const struct bounce *b)
{
    struct pv_vcpu *pv = v->pv;
    uint64_t frame[12];
    uint64_t cs = v->seg[SEG_CS].selector, sp, rflags = v->rflags;
    uint8_t mask = __atomic_load_n(&pv->info->evtchn_upcall_mask, __ATOMIC_SEQ_CST);
    unsigned n = 0;

    if (debug_on(DEBUG_INT))
        log_bounce(v, b);
    if (v->user_mode) {
        sp = pv->kernel_sp;
        segment_enter_kernel(v);
    } else {
        sp = v->gpr[RSP];
        cs &= ~3UL; /* tells the guest that the frame is the kernel's */
    }
    sp &= ~15UL;

    rflags &= ~(FLAG_IF | FLAG_IOPL);
    if (!mask)
        rflags |= FLAG_IF;
    if (pv->vm_assist & (1UL << VMASST_TYPE_architectural_iopl))
        rflags |= pv->iopl << 12;

    frame[n++] = v->gpr[RCX];
    frame[n++] = v->gpr[R11];
    if (b->failsafe) {
        frame[n++] = v->seg[SEG_DS].selector;
        frame[n++] = v->seg[SEG_ES].selector;
        frame[n++] = v->seg[SEG_FS].selector;
        frame[n++] = v->seg[SEG_GS].selector;
    }
    if (b->has_error)
        frame[n++] = b->error;
    frame[n++] = v->rip;
    frame[n++] = cs | (uint64_t)mask << 32;
    frame[n++] = rflags;
    frame[n++] = v->gpr[RSP];
    frame[n++] = v->seg[SEG_SS].selector;
    sp -= 8ul * n;

    if (!b->address) {
        domain_crash(v->domain, v, "no handler for an exception or callback, at rip", v->rip);
        return;
    }
    if (!guest_write(v, GVA(sp), frame, 8ul * n)) {
        domain_crash(v->domain, v, "no stack for an exception or callback, at address", sp);
        return;
    }
    if (b->mask_events)
        __atomic_store_n(&pv->info->evtchn_upcall_mask, 1, __ATOMIC_RELEASE);
    v->gpr[RSP] = sp;
    v->rip = b->address;
    v->rflags &=
        ~(FLAG_TF | FLAG_NT | FLAG_RF | FLAG_VM | FLAG_AC); /* AC: as SYSCALL's mask would, and Xen does */
    pv_flat_kernel_segments(v);
}
