/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The sched_op hypercall: waiting and stopping.
 *
 * A vCPU that blocks or polls only sets a flag here; its run loop does the waiting, between requests of
 * others:
 *     while ((blocked || polling) && !sched_wait_over(v)) vcpu_wait(v, time_next_deadline(v));
 */
#include "pv/hypercall.h"
#include "pv/panel.h"
#include "pv/peers.h"

/* Behind xen_abi.h, which the above include. */
#include <xen/sched.h>

#define POLL_MAX_PORTS 128

static bool upcall_pending(const struct pv_vcpu *p)
{
    return __atomic_load_n(&p->info->evtchn_upcall_pending, __ATOMIC_SEQ_CST);
}

static bool nmi_pending(const struct vcpu *v)
{
    return __atomic_load_n(&v->requests, __ATOMIC_SEQ_CST) & VCPU_REQ_NMI;
}

static int64_t block(struct vcpu *v)
{
    struct pv_vcpu *p = pv_vcpu(v);

    __atomic_store_n(&p->info->evtchn_upcall_mask, 0, __ATOMIC_SEQ_CST);
    p->blocked = !upcall_pending(p);
    return 0;
}

/* ---- polling ---- */

/*
 * The order matters: first be found by those who raise (poll_mask), then look whether one of the ports is
 * pending. Whoever raises one afterwards clears our bit (evtchn_check_pollers()), as does any event for this
 * vCPU (evtchn_mark_pending()).
 */
static void poll_begin(struct vcpu *v)
{
    __atomic_store_n(&pv_vcpu(v)->evtchn.poll_port, 0, __ATOMIC_SEQ_CST);
    __atomic_fetch_or(&v->domain->pv->evtchn.poll_mask, 1UL << v->id, __ATOMIC_SEQ_CST);
}

static void poll_end(struct vcpu *v)
{
    __atomic_fetch_and(&v->domain->pv->evtchn.poll_mask, ~(1UL << v->id), __ATOMIC_SEQ_CST);
    pv_vcpu(v)->time.poll_ns = TIME_NEVER;
    pv_vcpu(v)->polling = false;
}

static bool poll_woken(struct vcpu *v)
{
    return !(__atomic_load_n(&v->domain->pv->evtchn.poll_mask, __ATOMIC_SEQ_CST) >> v->id & 1);
}

static int64_t poll(struct vcpu *v, gva_t arg)
{
    struct pv_vcpu *p = pv_vcpu(v);
    evtchn_port_t ports[POLL_MAX_PORTS];
    struct sched_poll op;
    gva_t list;

    if (!guest_read(v, arg, &op, sizeof(op)))
        return -XEN_EFAULT;
    if (op.nr_ports > POLL_MAX_PORTS)
        return -XEN_EINVAL;
    list = GVA(op.ports.p);
    if (op.nr_ports && !guest_read(v, list, ports, op.nr_ports * sizeof(ports[0])))
        return -XEN_EFAULT;

    poll_begin(v);
    if (upcall_pending(p) && !__atomic_load_n(&p->info->evtchn_upcall_mask, __ATOMIC_SEQ_CST)) {
        poll_end(v);
        return 0;
    }
    for (uint32_t i = 0; i < op.nr_ports; i++) {
        int pending = evtchn_is_pending(v->domain, ports[i]);

        if (pending) {
            poll_end(v);
            return pending < 0 ? pending : 0;
        }
    }
    if (op.nr_ports == 1)
        __atomic_store_n(&p->evtchn.poll_port, ports[0], __ATOMIC_SEQ_CST);
    p->time.poll_ns = op.timeout ? op.timeout : TIME_NEVER;
    p->polling = true;
    return 0;
}

bool sched_wait_over(struct vcpu *v)
{
    struct pv_vcpu *p = pv_vcpu(v);

    time_fire_expired(v);
    if (p->polling) {
        if (!poll_woken(v) && !nmi_pending(v) && time_system_ns(v->domain) < p->time.poll_ns)
            return false;
        poll_end(v);
    }
    if (p->blocked && !upcall_pending(p) && !nmi_pending(v))
        return false;
    p->blocked = false;
    return true;
}

/* ---- stopping ---- */

static int64_t stop(struct vcpu *v, uint32_t reason)
{
    struct domain *d = v->domain;
    int code = __atomic_load_n(&d->pv->shutdown_code, __ATOMIC_RELAXED);

    if (code)
        reason = (uint32_t)code - 1;
    if (reason > SHUTDOWN_MAX)
        domain_crash(d, v, "shut itself down for an unknown reason", reason);
    else
        domain_shutdown(d, (enum domain_end)reason);
    return 0;
}

static int64_t remote_shutdown(struct vcpu *v, gva_t arg)
{
    struct sched_remote_shutdown op;
    struct domain *d;

    if (!guest_read(v, arg, &op, sizeof(op)))
        return -XEN_EFAULT;
    d = peer_get(op.domain_id);
    if (!d)
        return -XEN_ESRCH;
    peer_put(d);
    return -XEN_EPERM; /* a control domain's, even for oneself */
}

int64_t hc_sched_op(struct vcpu *v, const uint64_t arg[6])
{
    gva_t p = GVA(arg[1]);
    struct sched_shutdown shutdown;
    struct sched_watchdog watchdog;

    switch ((uint32_t)arg[0]) {
    case SCHEDOP_yield:
        rawsys6(SYS_sched_yield, 0, 0, 0, 0, 0, 0);
        return 0;
    case SCHEDOP_block:
        return block(v);
    case SCHEDOP_poll:
        return poll(v, p);
    case SCHEDOP_shutdown:
        if (!guest_read(v, p, &shutdown, sizeof(shutdown)))
            return -XEN_EFAULT;
        return stop(v, (uint8_t)shutdown.reason); /* Xen keeps 8 bits */
    case SCHEDOP_shutdown_code:
        if (!guest_read(v, p, &shutdown, sizeof(shutdown)))
            return -XEN_EFAULT;
        __atomic_store_n(&v->domain->pv->shutdown_code, (uint8_t)shutdown.reason + 1, __ATOMIC_RELAXED);
        return 0;
    case SCHEDOP_remote_shutdown:
        return remote_shutdown(v, p);
    case SCHEDOP_watchdog:
        if (!guest_read(v, p, &watchdog, sizeof(watchdog)))
            return -XEN_EFAULT;
        return time_watchdog(v, watchdog.id, watchdog.timeout);
    case SCHEDOP_pin_override:
        return -XEN_EPERM; /* hardware domain's */
    default:
        return -XEN_ENOSYS;
    }
}

/* The interface before 3.1: only these, and the reason is the argument itself. */
int64_t hc_sched_op_compat(struct vcpu *v, const uint64_t arg[6])
{
    switch ((uint32_t)arg[0]) {
    case SCHEDOP_yield:
        rawsys6(SYS_sched_yield, 0, 0, 0, 0, 0, 0);
        return 0;
    case SCHEDOP_block:
        return block(v);
    case SCHEDOP_shutdown:
        return stop(v, (uint8_t)arg[1]);
    default:
        return -XEN_ENOSYS;
    }
}
