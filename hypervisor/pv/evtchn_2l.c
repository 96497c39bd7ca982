/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The 2-level event channel ABI: a pending and a mask bitmap in shared_info, and a word per vCPU that says
 * which words of the bitmap to look at (xen/event_channel.h, xen.h).
 *
 * All words are the guest's too: bits change by atomic operations, and nothing read from them is trusted.
 */
#include "pv/pv.h"

#define BITS_PER_WORD 64u

static bool test_and_set(xen_ulong_t *words, uint32_t bit)
{
    xen_ulong_t mask = 1UL << (bit % BITS_PER_WORD);

    return __atomic_fetch_or(&words[bit / BITS_PER_WORD], mask, __ATOMIC_SEQ_CST) & mask;
}

static bool test_and_clear(xen_ulong_t *words, uint32_t bit)
{
    xen_ulong_t mask = 1UL << (bit % BITS_PER_WORD);

    return __atomic_fetch_and(&words[bit / BITS_PER_WORD], ~mask, __ATOMIC_SEQ_CST) & mask;
}

static bool test(const xen_ulong_t *words, uint32_t bit)
{
    return __atomic_load_n(&words[bit / BITS_PER_WORD], __ATOMIC_SEQ_CST) >> (bit % BITS_PER_WORD) & 1;
}

static void select_word(struct domain *d, uint32_t port, const struct evtchn *c)
{
    struct vcpu *v = d->vcpu[c->vcpu];

    if (!test_and_set(&pv_vcpu(v)->info->evtchn_pending_sel, port / BITS_PER_WORD))
        evtchn_mark_pending(v);
}

static void set_pending(struct domain *d, uint32_t port, struct evtchn *c)
{
    struct shared_info *s = d->pv->shared_info;

    if (test_and_set(s->evtchn_pending, port))
        return;
    if (!test(s->evtchn_mask, port))
        select_word(d, port, c);
    evtchn_check_pollers(d, port);
}

static void clear_pending(struct domain *d, uint32_t port, struct evtchn *c)
{
    (void)c;
    test_and_clear(d->pv->shared_info->evtchn_pending, port);
}

static void unmask(struct domain *d, uint32_t port, struct evtchn *c)
{
    struct shared_info *s = d->pv->shared_info;

    if (test_and_clear(s->evtchn_mask, port) && test(s->evtchn_pending, port))
        select_word(d, port, c);
}

static bool is_pending(struct domain *d, uint32_t port)
{
    return test(d->pv->shared_info->evtchn_pending, port);
}

static bool is_busy(struct domain *d, uint32_t port)
{
    (void)d;
    (void)port;
    return false;
}

const struct evtchn_abi evtchn_2l = {
    .set_pending = set_pending,
    .clear_pending = clear_pending,
    .unmask = unmask,
    .is_pending = is_pending,
    .is_busy = is_busy,
    .max_ports = EVTCHN_2L_NR_CHANNELS,
};
