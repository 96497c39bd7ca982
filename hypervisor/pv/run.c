/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The run loop of a PV vCPU: serve requests, deliver events, run the guest, see why it came back.
 */
#include "pv/bounce.h"
#include "pv/cpu_ops.h"
#include "pv/hypercall.h"
#include "pv/mm.h"
#include "pv/panel.h"
#include "pv/segment.h"
#include "pv/traps.h"

const struct guest_ops pv_guest_ops = {
    .walk = pv_walk,
    .trapped_write = mm_trapped_write,
    .trapped_cmpxchg = mm_trapped_cmpxchg,
    .user_space = pv_user_space,
    .user_task = pv_user_task,
    .user_region = pv_user_region,
    .user_pages = pv_user_pages,
    .user_segment = segment_user,
};

/* SYSCALL: from the kernel a hypercall, from user mode the guest's system-call callback. */
static void on_syscall(struct vcpu *v)
{
    struct pv_vcpu *pv = v->pv;
    const struct pv_callback *c;

    if (!v->user_mode) {
        hypercall_dispatch(v);
        return;
    }
    c = v->seg[SEG_CS].attr & SEG_ATTR_L ? &pv->syscall : &pv->syscall32;
    if (!c->address) {
        v->rip -= 2;
        pv_inject(v, VEC_UD, -1);
        return;
    }
    v->gpr[RCX] = v->rip;
    v->gpr[R11] = v->rflags;
    pv_bounce(v, &(struct bounce){.address = c->address, .mask_events = c->mask_events, .what = "syscall"});
}

/* SYSENTER from user mode: as Xen, the frame says little of where it came from (xen/callback.h). */
static void on_sysenter(struct vcpu *v)
{
    struct pv_vcpu *pv = v->pv;

    if (!v->user_mode || !pv->sysenter.address) {
        v->rip -= 2;
        pv_inject(v, v->user_mode ? VEC_GP : VEC_UD, v->user_mode ? 0 : -1);
        return;
    }
    v->rip = 0;
    v->gpr[RSP] = 0;
    v->seg[SEG_CS].selector = 3;
    v->seg[SEG_SS].selector = FLAT_USER_SS64;
    pv_bounce(v, &(struct bounce){.address = pv->sysenter.address,
                                  .mask_events = pv->sysenter.mask_events,
                                  .what = "sysenter"});
}

static void on_exception(struct vcpu *v)
{
    const struct vcpu_exit *x = &v->exit;

    /* #NM is delivered with TS already cleared: kernels rely on it (as Xen's do_device_not_available()). */
    if (x->vector == VEC_NM)
        pv_set_task_switched(v, false);
    if (x->vector == VEC_PF)
        pv_inject_page_fault(v, x->cr2, x->error);
    else
        pv_inject(v, x->vector, x->has_error ? (int64_t)x->error : -1);
}

static void on_exit(struct vcpu *v, enum exit_reason reason)
{
    switch (reason) {
    case EXIT_REQUEST:
        break;
    case EXIT_SYSCALL:
        on_syscall(v);
        break;
    case EXIT_SYSENTER:
        on_sysenter(v);
        break;
    case EXIT_SOFTINT:
        pv_soft_interrupt(v, v->exit.vector, v->exit.next_rip);
        break;
    case EXIT_EXCEPTION:
        on_exception(v);
        break;
    case EXIT_EMULATE:
        pv_emulate(v);
        break;
    }
}

static void deliver_nmi(struct vcpu *v)
{
    struct pv_vcpu *pv = v->pv;

    __atomic_fetch_and(&v->requests, ~VCPU_REQ_NMI, __ATOMIC_SEQ_CST);
    if (pv->nmi.address)
        pv_bounce(v, &(struct bounce){.address = pv->nmi.address, .mask_events = true, .what = "nmi"});
}

static void wait_blocked(struct vcpu *v)
{
    struct pv_vcpu *pv = v->pv;

    time_runstate_set(v, RUNSTATE_blocked);
    while ((pv->blocked || pv->polling) && !domain_ended(v->domain)) {
        engine_serve_requests(v);
        __atomic_fetch_and(&v->requests, ~(VCPU_REQ_EVENT | VCPU_REQ_TIMER), __ATOMIC_SEQ_CST);
        if (sched_wait_over(v))
            break;
        vcpu_wait(v, time_next_deadline(v));
    }
    time_runstate_set(v, RUNSTATE_running);
}

static bool wait_online(struct vcpu *v)
{
    bool up;

    time_runstate_set(v, RUNSTATE_offline);
    up = domain_vcpu_wait_online(v);
    if (up)
        time_runstate_set(v, RUNSTATE_running);
    return up;
}

/* What comes before each entry of the guest; false if there is to be none any more. */
static bool prepare(struct vcpu *v)
{
    struct pv_vcpu *pv = v->pv;
    bool expired = false; /* a deadline may have passed */

    if (domain_ended(v->domain))
        return false;
    if (!__atomic_load_n(&v->online, __ATOMIC_ACQUIRE) && !wait_online(v))
        return false;
    if (pv->load_fpu) {
        engine_fpu_set(v, pv->fpu_image);
        pv->load_fpu = false;
    }
    if (__atomic_load_n(&v->requests, __ATOMIC_RELAXED)) {
        expired = __atomic_fetch_and(&v->requests, ~(VCPU_REQ_EVENT | VCPU_REQ_TIMER | VCPU_REQ_STOP),
                                     __ATOMIC_SEQ_CST) &
                  VCPU_REQ_TIMER;
        if (v->requests & VCPU_REQ_NMI)
            deliver_nmi(v);
    }
    if (pv->blocked || pv->polling) {
        wait_blocked(v);
        expired = true;
    }
    time_vcpu_check(v, expired);
    pv_deliver_events(v);
    return !domain_ended(v->domain);
}

static bool on_exit_again(struct vcpu *v, enum exit_reason reason)
{
    on_exit(v, reason);
    return prepare(v);
}

void pv_vcpu_run(struct vcpu *v)
{
    if (prepare(v))
        engine_loop(v, on_exit_again);
    time_runstate_set(v, RUNSTATE_offline);
}
