/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Virtual timers: each vCPU's one-shot and periodic timer (VIRQ_TIMER), the end of a SCHEDOP_poll, and the
 * domain's watchdogs.
 *
 * A deadline is a guest time.  While the vCPU runs, a host timer of its own signals its thread; setting a
 * timer makes no system call unless the host timer is armed for later than that: kernels move their one-shot
 * timer back and forth, and mostly forth.  While the vCPU waits, vcpu_wait() ends in time
 * (time_next_deadline()).
 */
#include "pv/time.h"

#include <x86intrin.h>

#include "pv/hypercall.h"
#include "pv/panel.h"
#include "pv/time_math.h"

/* Reading the TSC costs as much as the rest of a short exit does. */
#define CHECKS_PER_LOOK 16u

static uint64_t min_ns(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

uint64_t time_next_expiry_ns(const struct vcpu *v)
{
    const struct pv_vcpu *p = v->pv;
    const struct time_domain *t = &v->domain->pv->time;
    uint64_t next = min_ns(p->time.singleshot_ns, __atomic_load_n(&p->time.periodic_ns, __ATOMIC_RELAXED));

    if (p->polling)
        next = min_ns(next, p->time.poll_ns);
    for (unsigned i = 0; i < ARRAY_SIZE(t->watchdog_ns); i++)
        next = min_ns(next, __atomic_load_n(&t->watchdog_ns[i], __ATOMIC_RELAXED));
    return next;
}

void time_set_singleshot(struct vcpu *v, uint64_t expiry_ns)
{
    struct time_vcpu *t = &pv_vcpu(v)->time;

    t->singleshot_ns = expiry_ns;
    __atomic_store_n(&t->changed, true, __ATOMIC_RELEASE);
}

void time_set_periodic(struct vcpu *v, uint64_t period_ns)
{
    struct time_vcpu *t = &pv_vcpu(v)->time;

    __atomic_store_n(&t->period_ns, period_ns, __ATOMIC_RELAXED);
    __atomic_store_n(&t->periodic_ns, period_ns ? time_system_ns(v->domain) + period_ns : TIME_NEVER,
                     __ATOMIC_RELAXED);
    __atomic_store_n(&t->changed, true, __ATOMIC_RELEASE);
}

void time_fire_expired(struct vcpu *v)
{
    struct time_vcpu *t = &pv_vcpu(v)->time;
    struct time_domain *td = &v->domain->pv->time;
    uint64_t now = time_system_ns(v->domain);
    uint64_t periodic = __atomic_load_n(&t->periodic_ns, __ATOMIC_RELAXED);
    bool tick = false;

    if (now >= t->singleshot_ns) {
        t->singleshot_ns = TIME_NEVER;
        tick = true;
    }
    if (now >= periodic) {
        uint64_t period = __atomic_load_n(&t->period_ns, __ATOMIC_RELAXED);
        /* Ticks that were missed are not made up for. */
        uint64_t next = period ? now + period - (now - periodic) % period : TIME_NEVER;

        /* Fails if another vCPU has just set the timer anew. */
        if (__atomic_compare_exchange_n(&t->periodic_ns, &periodic, next, false, __ATOMIC_RELAXED,
                                        __ATOMIC_RELAXED))
            tick = true;
    }
    if (tick)
        evtchn_raise_virq(v, VIRQ_TIMER);
    for (unsigned i = 0; i < ARRAY_SIZE(td->watchdog_ns); i++) {
        if (now >= __atomic_load_n(&td->watchdog_ns[i], __ATOMIC_RELAXED))
            domain_shutdown(v->domain, DOMAIN_WATCHDOG);
    }
}

/*
 * Arms the host timer for a guest time.  The margin makes up for what guest time may lag behind the host's
 * until then (15 ppm): the timer must not fire before the guest's clock shows the time, or it would have to
 * be armed again.
 */
static void host_timer_arm(struct time_vcpu *t, uint64_t now, uint64_t expiry)
{
    uint64_t delta = expiry > now ? expiry - now : 0;
    struct itimerspec its = {0};

    delta = min_ns(delta, 3600 * NS_PER_S);
    t->armed_ns = now + delta;
    delta += 1000 + (delta >> 16);
    its.it_value.tv_sec = (time_t)(delta / NS_PER_S);
    its.it_value.tv_nsec = (long)(delta % NS_PER_S);
    rawsys6(SYS_timer_settime, t->host_timer, 0, (long)&its, 0, 0, 0);
}

/* The line, expired timers, the host timer. */
static __attribute__((noinline)) void check(struct vcpu *v)
{
    struct time_vcpu *t = &pv_vcpu(v)->time;
    struct time_domain *td = &v->domain->pv->time;
    uint64_t tsc = __rdtsc();
    uint64_t now, next;

    time_keep_line(v);
    /* The refinement flags all vCPUs; what the flag asks for is done below. */
    __atomic_store_n(&t->changed, false, __ATOMIC_SEQ_CST);

    time_fire_expired(v);
    now = time_system_ns(v->domain);
    if (now >= t->armed_ns)
        t->armed_ns = TIME_NEVER;
    next = time_next_expiry_ns(v);
    if (next < t->armed_ns && t->host_timer >= 0)
        host_timer_arm(t, now, next);
    next = min_ns(next, t->armed_ns);
    next = next > now ? min_ns(next - now, 3600 * NS_PER_S) : 0;
    t->check_tsc =
        min_ns(tsc + time_ns_to_tsc(td, next), __atomic_load_n(&td->next_refine_tsc, __ATOMIC_RELAXED));
}

void time_vcpu_check(struct vcpu *v, bool expired)
{
    struct time_vcpu *t = &pv_vcpu(v)->time;

    if (likely(!expired && !__atomic_load_n(&t->changed, __ATOMIC_ACQUIRE))) {
        /*
         * The host timer says when a deadline has passed; so the clock is looked at now and then, for the
         * line's sake.
         */
        if (++t->checks % CHECKS_PER_LOOK != 0 || __rdtsc() < t->check_tsc)
            return;
    }
    check(v);
}

uint64_t time_next_deadline(const struct vcpu *v)
{
    uint64_t next = time_next_expiry_ns(v);
    uint64_t mono, now;

    if (next == TIME_NEVER)
        return 0;
    now = time_system_ns(v->domain);
    mono = time_host_clock(CLOCK_MONOTONIC);
    /* A microsecond late rather than too early, which would mean to wait again. */
    return mono + (next > now ? min_ns(next - now, 3600 * NS_PER_S) : 0) + 1000;
}

int64_t hc_set_timer_op(struct vcpu *v, const uint64_t arg[6])
{
    int64_t timeout = (int64_t)arg[0];
    int64_t now = (int64_t)time_system_ns(v->domain);

    if (timeout == 0)
        time_set_singleshot(v, TIME_NEVER);
    else if (timeout < 0 || (timeout > now && (timeout - now) >> 50))
        /*
         * More than 13 days off, or wrapped: kernels ask so both when they have work overdue and when they
         * have none. Xen's compromise is an event in 100 ms.
         */
        time_set_singleshot(v, (uint64_t)now + 100000000);
    else
        time_set_singleshot(v, (uint64_t)timeout);
    return 0;
}

/* ---- watchdogs ---- */

int time_watchdog(struct vcpu *v, uint32_t id, uint32_t seconds)
{
    struct time_domain *t = &v->domain->pv->time;
    uint64_t expiry = time_system_ns(v->domain) + seconds * NS_PER_S;
    int ret = 0;

    if (id > ARRAY_SIZE(t->watchdog_ns))
        return -XEN_EINVAL;
    lock_acquire(&t->lock);
    if (id == 0) {
        while (id < ARRAY_SIZE(t->watchdog_ns) && t->watchdogs_used & 1u << id)
            id++;
        if (id < ARRAY_SIZE(t->watchdog_ns)) {
            t->watchdogs_used |= 1u << id;
            __atomic_store_n(&t->watchdog_ns[id], expiry, __ATOMIC_RELAXED);
            ret = (int)id + 1;
        } else {
            ret = -XEN_ENOSPC;
        }
    } else if (!(t->watchdogs_used & 1u << (id - 1))) {
        ret = -XEN_EINVAL;
    } else if (seconds == 0) {
        t->watchdogs_used &= ~(1u << (id - 1));
        __atomic_store_n(&t->watchdog_ns[id - 1], TIME_NEVER, __ATOMIC_RELAXED);
    } else {
        __atomic_store_n(&t->watchdog_ns[id - 1], expiry, __ATOMIC_RELAXED);
    }
    lock_release(&t->lock);
    __atomic_store_n(&pv_vcpu(v)->time.changed, true, __ATOMIC_RELEASE);
    return ret;
}
