/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The vcpu_op hypercall: bringing vCPUs up and down, their timers, and where in guest memory they are told
 * things.
 */
#include "pv/hypercall.h"
#include "pv/panel.h"

/* Shortest period, and longest: what Xen's signed arithmetic on deltas can bear. */
#define PERIOD_MIN_NS 1000000u
#define PERIOD_MAX_NS (INT64_MAX - 3600 * 1000000000ll)

static bool is_online(const struct vcpu *v)
{
    return __atomic_load_n(&v->online, __ATOMIC_ACQUIRE);
}

/* ---- up and down ---- */

static int64_t bring_up(struct vcpu *v)
{
    struct domain *d = v->domain;
    bool start = false;
    int64_t ret = 0;

    lock_acquire(&d->pv->vcpu_lock);
    if (!pv_vcpu(v)->initialised)
        ret = -XEN_EINVAL;
    else
        start = !__atomic_exchange_n(&v->online, true, __ATOMIC_ACQ_REL);
    lock_release(&d->pv->vcpu_lock);
    if (start)
        domain_vcpu_online(v);
    return ret;
}

static int64_t initialise(struct vcpu *self, struct vcpu *v, gva_t arg)
{
    struct domain *d = v->domain;
    struct vcpu_guest_context context;
    int64_t ret = -XEN_EEXIST;

    if (!guest_read(self, arg, &context, sizeof(context)))
        return -XEN_EFAULT;
    lock_acquire(&d->pv->vcpu_lock);
    if (!pv_vcpu(v)->initialised && !is_online(v)) {
        ret = vcpu_set_context(self, v, &context);
        pv_vcpu(v)->initialised = ret == 0;
    }
    lock_release(&d->pv->vcpu_lock);
    if (ret == 0 && context.flags & VGCF_online)
        ret = bring_up(v);
    return ret;
}

static int64_t bring_down(struct vcpu *v)
{
    struct domain *d = v->domain;
    bool others = false, was_online = false;

    lock_acquire(&d->pv->vcpu_lock);
    for (unsigned i = 0; i < d->nr_vcpus; i++)
        others |= i != v->id && is_online(d->vcpu[i]);
    if (others) {
        was_online = __atomic_exchange_n(&v->online, false, __ATOMIC_ACQ_REL);
        if (was_online)
            pv_vcpu(v)->initialised = true; /* it has run, whoever set it up */
    }
    lock_release(&d->pv->vcpu_lock);
    if (!others)
        domain_shutdown(d, DOMAIN_POWEROFF); /* the last one goes */
    else if (was_online)
        vcpu_request(v, VCPU_REQ_STOP);
    return 0;
}

/* ---- where the guest is told things ---- */

static void info_move(struct vcpu *v, mfn_t m, unsigned offset)
{
    struct pv_vcpu *p = pv_vcpu(v);
    struct vcpu_info *to = (struct vcpu_info *)((uint8_t *)machine_hva(m) + offset);

    *to = *p->info;
    __atomic_store_n(&p->info, to, __ATOMIC_SEQ_CST);
    p->info_mfn = m;
    time_update_info(v);
    /*
     * Somebody may have raised an event at the old place after the copy: so everything is to be looked at,
     * once too often at worst.
     */
    __atomic_store_n(&to->evtchn_pending_sel, ~0UL, __ATOMIC_SEQ_CST);
    __atomic_store_n(&to->evtchn_upcall_pending, 0, __ATOMIC_SEQ_CST);
    evtchn_mark_pending(v);
}

static int64_t register_info(struct vcpu *self, struct vcpu *v, gva_t arg)
{
    struct domain *d = v->domain;
    struct vcpu_register_vcpu_info op;
    int64_t ret = -XEN_EINVAL;

    if (!guest_read(self, arg, &op, sizeof(op)))
        return -XEN_EFAULT;
    /* It is changed atomically: across a cache line that is a split lock, for which some hosts kill. */
    if (op.offset > PAGE_SIZE - sizeof(struct vcpu_info) || op.offset % _Alignof(struct vcpu_info) != 0 ||
        !machine_valid(MFN(op.mfn)))
        return -XEN_EINVAL;

    lock_acquire(&d->pv->vcpu_lock);
    if (!pv_vcpu(v)->info_mfn.n && (v == self || !is_online(v))) {
        lock_acquire(&d->mm_lock);
        ret = mm_get_page(d, MFN(op.mfn), FRAME_WRITABLE) ? -XEN_EINVAL : 0;
        lock_release(&d->mm_lock);
        if (ret == 0)
            info_move(v, MFN(op.mfn), op.offset);
    }
    lock_release(&d->pv->vcpu_lock);
    return ret;
}

static int64_t register_runstate(struct vcpu *self, struct vcpu *v, gva_t arg)
{
    struct vcpu_register_runstate_memory_area op;

    if (!guest_read(self, arg, &op, sizeof(op)))
        return -XEN_EFAULT;
    if (!guest_range_ok(GVA(op.addr.p), sizeof(struct vcpu_runstate_info)))
        return -XEN_EFAULT;
    time_set_runstate_area(self, v, GVA(op.addr.p));
    return 0;
}

static int64_t register_time(struct vcpu *self, struct vcpu *v, gva_t arg)
{
    struct vcpu_register_time_memory_area op;

    if (!guest_read(self, arg, &op, sizeof(op)))
        return -XEN_EFAULT;
    if (!guest_range_ok(GVA(op.addr.p), sizeof(struct vcpu_time_info)))
        return -XEN_EFAULT;
    time_set_area(self, v, GVA(op.addr.p)); /* a write that fails is the guest's loss */
    return 0;
}

static int64_t get_runstate(struct vcpu *self, struct vcpu *v, gva_t arg)
{
    struct vcpu_runstate_info r;

    time_runstate_get(v, &r);
    return guest_write(self, arg, &r, sizeof(r)) ? 0 : -XEN_EFAULT;
}

/* ---- timers ---- */

static int64_t set_periodic(struct vcpu *self, struct vcpu *v, gva_t arg)
{
    struct vcpu_set_periodic_timer op;

    if (!guest_read(self, arg, &op, sizeof(op)))
        return -XEN_EFAULT;
    if (op.period_ns < PERIOD_MIN_NS || op.period_ns > PERIOD_MAX_NS)
        return -XEN_EINVAL;
    time_set_periodic(v, op.period_ns);
    if (v != self)
        vcpu_request(v, VCPU_REQ_TIMER);
    return 0;
}

static int64_t set_singleshot(struct vcpu *self, struct vcpu *v, gva_t arg)
{
    struct vcpu_set_singleshot_timer op;

    if (v != self)
        return -XEN_EINVAL;
    if (!guest_read(self, arg, &op, sizeof(op)))
        return -XEN_EFAULT;
    if (op.flags & VCPU_SSHOTTMR_future && op.timeout_abs_ns < time_system_ns(v->domain))
        return -XEN_ETIME;
    time_set_singleshot(v, op.timeout_abs_ns);
    return 0;
}

int64_t hc_vcpu_op(struct vcpu *self, const uint64_t arg[6])
{
    struct domain *d = self->domain;
    gva_t p = GVA(arg[2]);
    struct vcpu *v;

    if ((uint32_t)arg[1] >= d->nr_vcpus)
        return -XEN_ENOENT;
    v = d->vcpu[(uint32_t)arg[1]];

    switch ((uint32_t)arg[0]) {
    case VCPUOP_initialise:
        return initialise(self, v, p);
    case VCPUOP_up:
        return bring_up(v);
    case VCPUOP_down:
        return bring_down(v);
    case VCPUOP_is_up:
        return is_online(v);
    case VCPUOP_get_runstate_info:
        return get_runstate(self, v, p);
    case VCPUOP_register_runstate_memory_area:
        return register_runstate(self, v, p);
    case VCPUOP_set_periodic_timer:
        return set_periodic(self, v, p);
    case VCPUOP_stop_periodic_timer:
        time_set_periodic(v, 0);
        return 0;
    case VCPUOP_set_singleshot_timer:
        return set_singleshot(self, v, p);
    case VCPUOP_stop_singleshot_timer:
        if (v != self)
            return -XEN_EINVAL;
        time_set_singleshot(v, TIME_NEVER);
        return 0;
    case VCPUOP_register_vcpu_info:
        return register_info(self, v, p);
    case VCPUOP_send_nmi:
        if (p.va)
            return -XEN_EINVAL;
        vcpu_request(v, VCPU_REQ_NMI);
        return 0;
    case VCPUOP_get_physid:
        return -XEN_EINVAL; /* for a hardware domain's pinned vCPUs */
    case VCPUOP_register_vcpu_time_memory_area:
        return register_time(self, v, p);
    default:
        return -XEN_ENOSYS;
    }
}
