/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The guest's callbacks: registering them, and entering the one for events.
 */
#include "pv/bounce.h"

#include <xen/callback.h>

#include "pv/hypercall.h"
#include "pv/panel.h"
#include "pv/trace.h"

void pv_deliver_events(struct vcpu *v)
{
    struct pv_vcpu *pv = v->pv;
    struct vcpu_info *info = pv->info;

    if (!__atomic_load_n(&info->evtchn_upcall_pending, __ATOMIC_SEQ_CST) || info->evtchn_upcall_mask)
        return;
    trace_upcall(v);
    pv_bounce(v, &(struct bounce){.address = pv->event.address, .mask_events = true, .what = "event"});
}

static struct pv_callback *callback_of(struct pv_vcpu *pv, unsigned type)
{
    switch (type) {
    case CALLBACKTYPE_event:
        return &pv->event;
    case CALLBACKTYPE_failsafe:
        return &pv->failsafe;
    case CALLBACKTYPE_syscall:
        return &pv->syscall;
    case CALLBACKTYPE_syscall32:
        return &pv->syscall32;
    case CALLBACKTYPE_sysenter:
        return &pv->sysenter;
    case CALLBACKTYPE_nmi:
        return &pv->nmi;
    default:
        return NULL;
    }
}

static int64_t callback_register(struct vcpu *v, gva_t arg)
{
    struct callback_register r;
    struct pv_callback *c;

    if (!guest_read(v, arg, &r, sizeof(r)))
        return -XEN_EFAULT;
    if (!gva_canonical(GVA(r.address)))
        return -XEN_EINVAL;
    if (r.type == CALLBACKTYPE_sysenter_deprecated)
        r.type = CALLBACKTYPE_sysenter;
    c = callback_of(v->pv, r.type);
    if (!c)
        return -XEN_ENOSYS;
    c->address = r.address;
    switch (r.type) {
    case CALLBACKTYPE_failsafe:
    case CALLBACKTYPE_syscall:
    case CALLBACKTYPE_syscall32:
    case CALLBACKTYPE_sysenter:
        c->mask_events = r.flags & CALLBACKF_mask_events;
        break;
    default:
        c->mask_events = true;
        break;
    }
    return 0;
}

static int64_t callback_unregister(struct vcpu *v, gva_t arg)
{
    struct callback_unregister u;

    if (!guest_read(v, arg, &u, sizeof(u)))
        return -XEN_EFAULT;
    switch (u.type) {
    case CALLBACKTYPE_event:
    case CALLBACKTYPE_failsafe:
    case CALLBACKTYPE_syscall:
    case CALLBACKTYPE_sysenter:
    case CALLBACKTYPE_syscall32:
    case CALLBACKTYPE_sysenter_deprecated:
        return -XEN_EINVAL; /* these can only be replaced */
    case CALLBACKTYPE_nmi:
        v->pv->nmi = (struct pv_callback){0};
        return 0;
    default:
        return -XEN_ENOSYS;
    }
}

int64_t hc_callback_op(struct vcpu *v, const uint64_t arg[6])
{
    switch (arg[0]) {
    case CALLBACKOP_register:
        return callback_register(v, GVA(arg[1]));
    case CALLBACKOP_unregister:
        return callback_unregister(v, GVA(arg[1]));
    default:
        return -XEN_ENOSYS;
    }
}

int64_t hc_set_callbacks(struct vcpu *v, const uint64_t arg[6])
{
    struct pv_vcpu *pv = v->pv;

    for (unsigned i = 0; i < 3; i++)
        if (!gva_canonical(GVA(arg[i])))
            return -XEN_EINVAL;
    pv->event = (struct pv_callback){.address = arg[0], .mask_events = true};
    pv->failsafe = (struct pv_callback){.address = arg[1]};
    pv->syscall = (struct pv_callback){.address = arg[2]};
    return 0;
}
