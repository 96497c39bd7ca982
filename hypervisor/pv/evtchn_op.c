/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The event_channel_op hypercall: copies arguments in, calls evtchn.c, copies results out.
 */
#include "pv/hypercall.h"
#include "pv/peers.h"

/* Which operations there are, how big their argument is, and whether the guest gets it back. */
static const struct {
    uint8_t size;
    bool out;
} shape[] = {
    [EVTCHNOP_bind_interdomain] = {sizeof(struct evtchn_bind_interdomain), true},
    [EVTCHNOP_bind_virq] = {sizeof(struct evtchn_bind_virq), true},
    [EVTCHNOP_bind_pirq] = {sizeof(struct evtchn_bind_pirq), true},
    [EVTCHNOP_close] = {sizeof(struct evtchn_close), false},
    [EVTCHNOP_send] = {sizeof(struct evtchn_send), false},
    [EVTCHNOP_status] = {sizeof(struct evtchn_status), true},
    [EVTCHNOP_alloc_unbound] = {sizeof(struct evtchn_alloc_unbound), true},
    [EVTCHNOP_bind_ipi] = {sizeof(struct evtchn_bind_ipi), true},
    [EVTCHNOP_bind_vcpu] = {sizeof(struct evtchn_bind_vcpu), false},
    [EVTCHNOP_unmask] = {sizeof(struct evtchn_unmask), false},
    [EVTCHNOP_reset] = {sizeof(struct evtchn_reset), false},
    [EVTCHNOP_init_control] = {sizeof(struct evtchn_init_control), true},
    [EVTCHNOP_expand_array] = {sizeof(struct evtchn_expand_array), false},
    [EVTCHNOP_set_priority] = {sizeof(struct evtchn_set_priority), false},
};

union argument {
    struct evtchn_bind_interdomain bind_interdomain;
    struct evtchn_bind_virq bind_virq;
    struct evtchn_bind_pirq bind_pirq;
    struct evtchn_close close;
    struct evtchn_send send;
    struct evtchn_status status;
    struct evtchn_alloc_unbound alloc_unbound;
    struct evtchn_bind_ipi bind_ipi;
    struct evtchn_bind_vcpu bind_vcpu;
    struct evtchn_unmask unmask;
    struct evtchn_reset reset;
    struct evtchn_init_control init_control;
    struct evtchn_expand_array expand_array;
    struct evtchn_set_priority set_priority;
};

static int reset(struct domain *d, const struct evtchn_reset *op)
{
    struct domain *other;

    if (op->dom == DOMID_SELF || op->dom == d->domid)
        return evtchn_reset(d);
    other = peer_get(op->dom);
    if (!other)
        return -XEN_ESRCH;
    peer_put(other);
    return -XEN_EPERM;
}

static int locked(struct domain *d, int (*fn)(struct domain *d, union argument *u), union argument *u)
{
    int ret;

    lock_acquire(&d->pv->evtchn.lock);
    ret = fn(d, u);
    lock_release(&d->pv->evtchn.lock);
    return ret;
}

static int init_control(struct domain *d, union argument *u)
{
    return evtchn_fifo_init_control(d, &u->init_control);
}

static int expand_array(struct domain *d, union argument *u)
{
    return evtchn_fifo_expand_array(d, &u->expand_array);
}

static int act(struct domain *d, uint32_t cmd, union argument *u)
{
    switch (cmd) {
    case EVTCHNOP_bind_interdomain:
        return evtchn_bind_interdomain(d, &u->bind_interdomain);
    case EVTCHNOP_bind_virq:
        return evtchn_bind_virq(d, &u->bind_virq);
    case EVTCHNOP_bind_pirq:
        return -XEN_EINVAL; /* beyond this domain's physical interrupts: it has none (physdev_op.c) */
    case EVTCHNOP_close:
        return evtchn_close(d, u->close.port);
    case EVTCHNOP_send:
        return evtchn_send(d, u->send.port);
    case EVTCHNOP_status:
        return evtchn_status(d, &u->status);
    case EVTCHNOP_alloc_unbound:
        return evtchn_alloc_unbound(d, &u->alloc_unbound);
    case EVTCHNOP_bind_ipi:
        return evtchn_bind_ipi(d, &u->bind_ipi);
    case EVTCHNOP_bind_vcpu:
        return evtchn_bind_vcpu(d, u->bind_vcpu.port, u->bind_vcpu.vcpu);
    case EVTCHNOP_unmask:
        return evtchn_unmask(d, u->unmask.port);
    case EVTCHNOP_reset:
        return reset(d, &u->reset);
    case EVTCHNOP_init_control:
        return locked(d, init_control, u);
    case EVTCHNOP_expand_array:
        return locked(d, expand_array, u);
    case EVTCHNOP_set_priority:
        return evtchn_set_priority(d, u->set_priority.port, u->set_priority.priority);
    default:
        return -XEN_ENOSYS;
    }
}

static int64_t event_channel_op(struct vcpu *v, uint64_t cmd, gva_t arg)
{
    union argument u;
    int ret;

    /* Xen takes the command as an int. */
    cmd = (uint32_t)cmd;
    if (cmd >= ARRAY_SIZE(shape))
        return -XEN_ENOSYS;
    if (!guest_read(v, arg, &u, shape[cmd].size))
        return -XEN_EFAULT;
    ret = act(v->domain, (uint32_t)cmd, &u);
    if (ret == 0 && shape[cmd].out && !guest_write(v, arg, &u, shape[cmd].size))
        ret = -XEN_EFAULT; /* the port stays bound: as with Xen, the guest's loss */
    return ret;
}

int64_t hc_event_channel_op(struct vcpu *v, const uint64_t arg[6])
{
    return event_channel_op(v, arg[0], GVA(arg[1]));
}

/* The interface before 3.2: struct evtchn_op holds the command, and the argument behind it. */
int64_t hc_event_channel_op_compat(struct vcpu *v, const uint64_t arg[6])
{
    uint32_t cmd;

    if (!guest_read(v, GVA(arg[0]), &cmd, sizeof(cmd)))
        return -XEN_EFAULT;
    if (cmd > EVTCHNOP_unmask)
        return -XEN_ENOSYS;
    return event_channel_op(v, cmd, gva_add(GVA(arg[0]), offsetof(struct evtchn_op, u)));
}
