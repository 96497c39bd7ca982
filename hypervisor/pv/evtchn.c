/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Event channels: which port is bound to what, and raising them.  Errors and their order are Xen's, so that
 * what a guest probes for looks the same.  See evtchn.h for the locks.
 */
#include "pv/evtchn.h"

#include <errno.h>
#include <sys/mman.h>

#include "pv/hypercall.h"
#include "pv/panel.h"
#include "pv/peers.h"

/* Xen makes ports in buckets of this many; a port of a bucket not made yet is "invalid", not "closed". */
#define PORTS_PER_BUCKET 64u

static struct evtchn_domain *evtchns(struct domain *d)
{
    return &d->pv->evtchn;
}

/* The port's abi; its lock is held. */
static const struct evtchn_abi *abi_of(struct domain *d)
{
    return __atomic_load_n(&evtchns(d)->fifo, __ATOMIC_ACQUIRE) ? &evtchn_fifo : &evtchn_2l;
}

/* NULL for a port number out of range. */
static struct evtchn *chn_of(struct domain *d, uint32_t port)
{
    struct evtchn_domain *e = evtchns(d);

    return port < __atomic_load_n(&e->nr_ports, __ATOMIC_ACQUIRE) ? &e->chn[port] : NULL;
}

static bool virq_is_global(uint32_t virq)
{
    return virq != VIRQ_TIMER && virq != VIRQ_DEBUG && virq != VIRQ_XENOPROF && virq != VIRQ_XENPMU;
}

/* A free port, or -XEN_E*. Domain's lock held. */
static int64_t find_free(struct domain *d)
{
    struct evtchn_domain *e = evtchns(d);
    const struct evtchn_abi *abi = abi_of(d);
    uint32_t port;

    if (e->resetting)
        return -XEN_EBUSY;
    for (port = 1; port < e->nr_ports; port++) {
        if (port > e->max_port)
            return -XEN_ENOSPC;
        if (e->chn[port].state == ECS_FREE && !abi->is_busy(d, port))
            return port;
    }
    if (port > e->max_port || port >= abi->max_ports)
        return -XEN_ENOSPC;
    __atomic_store_n(&e->nr_ports, e->nr_ports + PORTS_PER_BUCKET, __ATOMIC_RELEASE);
    return port;
}

/*
 * Puts a free port to use. Domain's lock held; what goes into *c besides is set by the caller under c->lock.
 */
static struct evtchn *chn_start(struct domain *d, uint32_t port, enum evtchn_state state, unsigned vcpu)
{
    struct evtchn *c = &evtchns(d)->chn[port];

    lock_acquire(&c->lock);
    c->state = state;
    c->vcpu = (uint16_t)vcpu;
    c->priority = EVTCHN_FIFO_PRIORITY_DEFAULT;
    return c;
}

/* Domain's lock and c's lock held. */
static void chn_free(struct domain *d, uint32_t port, struct evtchn *c)
{
    abi_of(d)->clear_pending(d, port, c); /* or the next user would be surprised */
    c->pending = false;
    c->state = ECS_FREE;
    c->vcpu = 0;
    c->handler = NULL;
    c->arg = NULL;
}

int evtchn_domain_init(struct domain *d, uint32_t max_port)
{
    struct evtchn_domain *e = evtchns(d);
    long p;

    if (max_port > EVTCHN_MAX_PORT)
        return -EINVAL;
    p = rawsys6(SYS_mmap, 0, (EVTCHN_MAX_PORT + 1) * sizeof(struct evtchn), PROT_READ | PROT_WRITE,
                MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p < 0)
        return (int)p;
    e->chn = (struct evtchn *)p;
    e->max_port = max_port;
    e->nr_ports = PORTS_PER_BUCKET;
    e->chn[0].state = ECS_RESERVED;
    return peer_add(d);
}

void evtchn_domain_destroy(struct domain *d)
{
    struct evtchn_domain *e = evtchns(d);

    if (!e->chn)
        return;
    evtchn_reset(d);
    peer_remove(d);
    rawsys6(SYS_munmap, (long)e->chn, (EVTCHN_MAX_PORT + 1) * sizeof(struct evtchn), 0, 0, 0, 0);
    e->chn = NULL;
    e->nr_ports = 0;
}

/* ---- telling a vCPU ---- */

void evtchn_mark_pending(struct vcpu *v)
{
    struct vcpu_info *info = __atomic_load_n(&pv_vcpu(v)->info, __ATOMIC_ACQUIRE);
    uint64_t bit = 1UL << v->id;

    if (__atomic_exchange_n(&info->evtchn_upcall_pending, 1, __ATOMIC_SEQ_CST))
        return;
    /* Any event ends a SCHEDOP_poll. */
    if (__atomic_load_n(&evtchns(v->domain)->poll_mask, __ATOMIC_SEQ_CST) & bit)
        __atomic_fetch_and(&evtchns(v->domain)->poll_mask, ~bit, __ATOMIC_SEQ_CST);
    vcpu_request(v, VCPU_REQ_EVENT);
}

void evtchn_check_pollers(struct domain *d, uint32_t port)
{
    struct evtchn_domain *e = evtchns(d);
    uint64_t mask = __atomic_load_n(&e->poll_mask, __ATOMIC_SEQ_CST);

    while (mask) {
        unsigned id = (unsigned)__builtin_ctzl(mask);
        uint64_t bit = 1UL << id;
        uint32_t wanted = __atomic_load_n(&pv_vcpu(d->vcpu[id])->evtchn.poll_port, __ATOMIC_SEQ_CST);

        mask &= ~bit;
        if ((wanted == 0 || wanted == port) &&
            __atomic_fetch_and(&e->poll_mask, ~bit, __ATOMIC_SEQ_CST) & bit)
            vcpu_request(d->vcpu[id], VCPU_REQ_EVENT);
    }
}

int evtchn_is_pending(struct domain *d, uint32_t port)
{
    struct evtchn *c = chn_of(d, port);
    bool pending;

    if (!c)
        return -XEN_EINVAL;
    lock_acquire(&c->lock);
    pending = c->state != ECS_FREE && c->state != ECS_RESERVED && abi_of(d)->is_pending(d, port);
    lock_release(&c->lock);
    return pending;
}

/* ---- raising ---- */

void evtchn_raise(struct domain *d, unsigned port)
{
    struct evtchn *c = chn_of(d, port);

    if (!c)
        return;
    lock_acquire(&c->lock);
    /* The guest may have closed the port, and use it for something else now. */
    if (c->state == ECS_BACKEND)
        abi_of(d)->set_pending(d, port, c);
    lock_release(&c->lock);
}

void evtchn_raise_virq(struct vcpu *v, unsigned virq)
{
    uint32_t port = __atomic_load_n(&pv_vcpu(v)->evtchn.virq_port[virq], __ATOMIC_ACQUIRE);
    struct evtchn *c = port ? chn_of(v->domain, port) : NULL;

    if (!c)
        return;
    lock_acquire(&c->lock);
    if (c->state == ECS_VIRQ &&
        __atomic_load_n(&pv_vcpu(v)->evtchn.virq_port[virq], __ATOMIC_RELAXED) == port)
        abi_of(v->domain)->set_pending(v->domain, port, c);
    lock_release(&c->lock);
}

/* Raises the far end of a channel whose near end (no lock held) was seen bound to it. */
static void raise_far_end(struct domain *d, uint32_t port, uint16_t far_domid, uint32_t far_port)
{
    struct domain *far = far_domid == d->domid ? d : peer_get(far_domid);
    struct evtchn *c = far ? chn_of(far, far_port) : NULL;

    if (c) {
        lock_acquire(&c->lock);
        if (c->state == ECS_INTERDOMAIN && c->remote_domid == d->domid && c->remote_port == port)
            abi_of(far)->set_pending(far, far_port, c);
        lock_release(&c->lock);
    }
    if (far && far != d)
        peer_put(far);
}

int evtchn_send(struct domain *d, uint32_t port)
{
    struct evtchn *c = chn_of(d, port);
    void (*handler)(void *) = NULL;
    void *arg = NULL;
    uint16_t far_domid = 0;
    uint32_t far_port = 0;
    int ret = 0;

    if (!c)
        return -XEN_EINVAL;
    lock_acquire(&c->lock);
    switch (c->state) {
    case ECS_IPI:
        abi_of(d)->set_pending(d, port, c);
        break;
    case ECS_INTERDOMAIN:
        far_domid = c->remote_domid;
        far_port = c->remote_port;
        break;
    case ECS_BACKEND:
        handler = c->handler;
        arg = c->arg;
        break;
    case ECS_UNBOUND:
        break; /* nobody there: dropped */
    default:
        ret = -XEN_EINVAL;
        break;
    }
    lock_release(&c->lock);

    /* Without the lock: a handler may raise the same port, and the far end has a lock of its own. */
    if (handler)
        handler(arg);
    else if (far_port)
        raise_far_end(d, port, far_domid, far_port);
    return ret;
}

/* ---- binding ---- */

int evtchn_alloc_backend(struct domain *d, unsigned vcpu, void (*handler)(void *), void *arg)
{
    int64_t port;

    if (vcpu >= d->nr_vcpus)
        return -EINVAL;
    lock_acquire(&evtchns(d)->lock);
    port = find_free(d);
    if (port > 0) {
        struct evtchn *c = chn_start(d, (uint32_t)port, ECS_BACKEND, vcpu);

        c->remote_domid = 0;
        c->remote_port = (uint32_t)port;
        c->handler = handler;
        c->arg = arg;
        lock_release(&c->lock);
    }
    lock_release(&evtchns(d)->lock);
    return port > 0 ? (int)port : -ENOSPC;
}

int evtchn_alloc_unbound(struct domain *d, struct evtchn_alloc_unbound *op)
{
    int64_t port;
    struct evtchn *c;

    if (op->dom != DOMID_SELF && op->dom != d->domid) {
        struct domain *other = peer_get(op->dom);

        if (!other)
            return -XEN_ESRCH;
        peer_put(other);
        return -XEN_EPERM;
    }
    lock_acquire(&evtchns(d)->lock);
    port = find_free(d);
    if (port > 0) {
        c = chn_start(d, (uint32_t)port, ECS_UNBOUND, 0);
        c->remote_domid = op->remote_dom == DOMID_SELF ? d->domid : op->remote_dom;
        lock_release(&c->lock);
        op->port = (evtchn_port_t)port;
    }
    lock_release(&evtchns(d)->lock);
    return port > 0 ? 0 : (int)port;
}

static void lock_two(struct domain *a, struct domain *b)
{
    lock_acquire(a < b ? &evtchns(a)->lock : &evtchns(b)->lock);
    if (a != b)
        lock_acquire(a < b ? &evtchns(b)->lock : &evtchns(a)->lock);
}

static void unlock_two(struct domain *a, struct domain *b)
{
    lock_release(&evtchns(a)->lock);
    if (a != b)
        lock_release(&evtchns(b)->lock);
}

/* Both domains' locks held. */
static int bind_pair(struct domain *d, struct domain *far, struct evtchn_bind_interdomain *op)
{
    int64_t port = find_free(d);
    struct evtchn *near_c, *far_c;

    if (port < 0)
        return (int)port;
    far_c = chn_of(far, op->remote_port);
    if (!far_c || evtchns(far)->resetting || far_c->state != ECS_UNBOUND || far_c->remote_domid != d->domid)
        return -XEN_EINVAL;

    lock_acquire(&far_c->lock);
    far_c->state = ECS_INTERDOMAIN;
    far_c->remote_port = (uint32_t)port;
    lock_release(&far_c->lock);

    near_c = chn_start(d, (uint32_t)port, ECS_INTERDOMAIN, 0);
    near_c->remote_domid = far->domid;
    near_c->remote_port = op->remote_port;
    /* The far end may have notified while nobody was bound; better once too often. */
    abi_of(d)->set_pending(d, (uint32_t)port, near_c);
    lock_release(&near_c->lock);
    op->local_port = (evtchn_port_t)port;
    return 0;
}

int evtchn_bind_interdomain(struct domain *d, struct evtchn_bind_interdomain *op)
{
    bool self = op->remote_dom == DOMID_SELF || op->remote_dom == d->domid;
    struct domain *far = self ? d : peer_get(op->remote_dom);
    int ret;

    if (!far)
        return -XEN_ESRCH;
    lock_two(d, far);
    ret = bind_pair(d, far, op);
    unlock_two(d, far);
    if (!self)
        peer_put(far);
    return ret;
}

int evtchn_bind_virq(struct domain *d, struct evtchn_bind_virq *op)
{
    struct evtchn *c;
    uint32_t *slot;
    int64_t port;

    if (op->virq >= NR_VIRQS || (virq_is_global(op->virq) && op->vcpu != 0))
        return -XEN_EINVAL;
    if (op->vcpu >= d->nr_vcpus)
        return -XEN_ENOENT;
    slot = &pv_vcpu(d->vcpu[op->vcpu])->evtchn.virq_port[op->virq];

    lock_acquire(&evtchns(d)->lock);
    port = *slot ? -XEN_EEXIST : find_free(d);
    if (port > 0) {
        c = chn_start(d, (uint32_t)port, ECS_VIRQ, op->vcpu);
        c->virq = (uint16_t)op->virq;
        __atomic_store_n(slot, (uint32_t)port, __ATOMIC_RELEASE);
        lock_release(&c->lock);
        op->port = (evtchn_port_t)port;
    }
    lock_release(&evtchns(d)->lock);
    return port > 0 ? 0 : (int)port;
}

int evtchn_bind_ipi(struct domain *d, struct evtchn_bind_ipi *op)
{
    int64_t port;

    if (op->vcpu >= d->nr_vcpus)
        return -XEN_ENOENT;
    lock_acquire(&evtchns(d)->lock);
    port = find_free(d);
    if (port > 0) {
        lock_release(&chn_start(d, (uint32_t)port, ECS_IPI, op->vcpu)->lock);
        op->port = (evtchn_port_t)port;
    }
    lock_release(&evtchns(d)->lock);
    return port > 0 ? 0 : (int)port;
}

int evtchn_bind_vcpu(struct domain *d, uint32_t port, uint32_t vcpu)
{
    struct evtchn *c;
    int ret = -XEN_EINVAL;

    if (vcpu >= d->nr_vcpus)
        return -XEN_ENOENT;
    c = chn_of(d, port);
    if (!c)
        return -XEN_EINVAL;
    lock_acquire(&c->lock);
    if ((c->state == ECS_VIRQ && virq_is_global(c->virq)) || c->state == ECS_UNBOUND ||
        c->state == ECS_INTERDOMAIN || c->state == ECS_BACKEND) {
        c->vcpu = (uint16_t)vcpu;
        ret = 0;
    }
    lock_release(&c->lock);
    return ret;
}

/* Domain's lock held, and the far domain's if the port is bound to one. */
static int close_locked(struct domain *d, uint32_t port, struct domain *far)
{
    struct evtchn *c = chn_of(d, port);
    uint8_t was;

    if (!c || c->state == ECS_FREE || c->state == ECS_RESERVED)
        return -XEN_EINVAL;
    lock_acquire(&c->lock);
    was = c->state;
    if (was == ECS_VIRQ) {
        for (unsigned i = 0; i < d->nr_vcpus; i++) {
            uint32_t *slot;

            if (!d->vcpu[i])
                continue; /* the domain is being taken apart */
            slot = &pv_vcpu(d->vcpu[i])->evtchn.virq_port[c->virq];
            if (*slot == port)
                __atomic_store_n(slot, 0, __ATOMIC_RELAXED);
        }
    }
    chn_free(d, port, c);
    lock_release(&c->lock);

    if (was == ECS_INTERDOMAIN && far) {
        struct evtchn *far_c = &evtchns(far)->chn[c->remote_port];

        lock_acquire(&far_c->lock);
        far_c->state = ECS_UNBOUND;
        far_c->remote_domid = d->domid;
        lock_release(&far_c->lock);
    }
    return 0;
}

int evtchn_close(struct domain *d, uint32_t port)
{
    struct evtchn *c = chn_of(d, port);
    struct domain *far = d;
    int ret;

    lock_acquire(&evtchns(d)->lock);
    if (c && c->state == ECS_INTERDOMAIN && c->remote_domid != d->domid) {
        /*
         * The far domain's lock may have to be taken first: let go, and see whether it is still bound there.
         */
        uint16_t far_domid = c->remote_domid;

        lock_release(&evtchns(d)->lock);
        far = peer_get(far_domid);
        if (!far)
            return -XEN_EINVAL; /* gone, and has closed the channel on its way */
        lock_two(d, far);
        if (c->state != ECS_INTERDOMAIN || c->remote_domid != far_domid) {
            unlock_two(d, far);
            peer_put(far);
            return -XEN_EINVAL; /* somebody closed it first */
        }
    }
    ret = close_locked(d, port, far);
    unlock_two(d, far);
    if (far != d)
        peer_put(far);
    return ret;
}

int evtchn_reset(struct domain *d)
{
    struct evtchn_domain *e = evtchns(d);

    lock_acquire(&e->lock);
    if (e->resetting) {
        lock_release(&e->lock);
        return -XEN_EBUSY;
    }
    e->resetting = true;
    lock_release(&e->lock);

    /*
     * A port that another domain closes at the same time can be missed, once: then it is unbound, and since
     * nobody can bind to it now (bind_pair()) it stays so for the second pass.
     */
    for (unsigned pass = 0; pass < 2; pass++) {
        for (uint32_t port = 1; port < e->nr_ports; port++)
            evtchn_close(d, port);
    }

    lock_acquire(&e->lock);
    if (e->fifo)
        evtchn_fifo_teardown(d);
    e->resetting = false;
    lock_release(&e->lock);
    return 0;
}

/* ---- the rest ---- */

int evtchn_status(struct domain *d, struct evtchn_status *op)
{
    struct evtchn *c;

    if (op->dom != DOMID_SELF && op->dom != d->domid) {
        struct domain *other = peer_get(op->dom);

        if (!other)
            return -XEN_ESRCH;
        c = chn_of(other, op->port);
        peer_put(other);
        return c ? -XEN_EPERM : -XEN_EINVAL;
    }
    c = chn_of(d, op->port);
    if (!c)
        return -XEN_EINVAL;
    lock_acquire(&c->lock);
    switch (c->state) {
    case ECS_UNBOUND:
        op->status = EVTCHNSTAT_unbound;
        op->u.unbound.dom = c->remote_domid;
        break;
    case ECS_INTERDOMAIN:
    case ECS_BACKEND:
        op->status = EVTCHNSTAT_interdomain;
        op->u.interdomain.dom = c->remote_domid;
        op->u.interdomain.port = c->remote_port;
        break;
    case ECS_VIRQ:
        op->status = EVTCHNSTAT_virq;
        op->u.virq = c->virq;
        break;
    case ECS_IPI:
        op->status = EVTCHNSTAT_ipi;
        break;
    default:
        op->status = EVTCHNSTAT_closed;
        break;
    }
    op->vcpu = c->vcpu;
    lock_release(&c->lock);
    return 0;
}

int evtchn_unmask(struct domain *d, uint32_t port)
{
    struct evtchn *c = chn_of(d, port);

    if (!c)
        return -XEN_EINVAL;
    lock_acquire(&c->lock);
    if (c->state != ECS_FREE && c->state != ECS_RESERVED)
        abi_of(d)->unmask(d, port, c);
    lock_release(&c->lock);
    return 0;
}

int evtchn_set_priority(struct domain *d, uint32_t port, uint32_t priority)
{
    struct evtchn *c = chn_of(d, port);
    int ret = 0;

    if (!c)
        return -XEN_EINVAL;
    lock_acquire(&c->lock);
    if (abi_of(d) != &evtchn_fifo)
        ret = -XEN_ENOSYS;
    else if (c->state == ECS_FREE || c->state == ECS_RESERVED)
        ret = -XEN_EACCES;
    else if (priority > EVTCHN_FIFO_PRIORITY_MIN)
        ret = -XEN_EINVAL;
    else
        c->priority = (uint8_t)priority; /* an event on a queue stays there */
    lock_release(&c->lock);
    return ret;
}
