/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How a domain ends, and how its vCPUs' threads wait for their turn.
 *
 * Light: called by hypercalls and by the engine while the guest's vector registers are live.  Who waits for
 * the end is host/vm.c, on end_futex.
 */
#include "cpu/domain.h"

#include "base/message.h"
#include "engine/engine.h"

void (*domain_dump)(struct vcpu *v);

/* True if this call ended the domain, false if it had ended before. */
static bool domain_end(struct domain *d, enum domain_end how)
{
    int running = DOMAIN_RUNNING;

    return __atomic_compare_exchange_n(&d->end, &running, (int)how, false, __ATOMIC_ACQ_REL,
                                       __ATOMIC_ACQUIRE);
}

/* Everybody who waits for something of this domain looks at d->end again. */
static void domain_wake_all(struct domain *d)
{
    for (unsigned i = 0; i < d->nr_vcpus; i++) {
        struct vcpu *v = d->vcpu[i];

        if (!v)
            continue;
        __atomic_fetch_add(&v->gate, 1, __ATOMIC_RELEASE);
        rawsys_futex_wake(&v->gate, 1);
        vcpu_request(v, VCPU_REQ_STOP);
    }
    __atomic_fetch_add(&d->end_futex, 1, __ATOMIC_RELEASE);
    rawsys_futex_wake(&d->end_futex, INT32_MAX);
}

void domain_shutdown(struct domain *d, enum domain_end how)
{
    if (domain_end(d, how))
        domain_wake_all(d);
}

static void dump_heavy(void *v)
{
    domain_dump(v);
}

void domain_crash(struct domain *d, struct vcpu *v, const char *reason, uint64_t value)
{
    struct message m = {.n = 0};
    unsigned start, n;

    if (!domain_end(d, DOMAIN_CRASH))
        return;
    message_string(&m, "diptych: domain ");
    message_string(&m, d->name);
    if (v) {
        message_string(&m, " vCPU ");
        message_decimal(&m, v->id);
    }
    message_string(&m, ": ");
    start = m.n;
    message_string(&m, reason);
    message_string(&m, " (");
    message_hex(&m, value);
    message_string(&m, ")");
    for (n = 0; start + n < m.n && n < sizeof(d->end_reason) - 1; n++)
        d->end_reason[n] = m.text[start + n];
    d->end_reason[n] = 0;
    if (!d->quiet_crash) {
        message_send(&m);
        if (v && domain_dump)
            engine_heavy_call(v, dump_heavy, v);
    }
    domain_wake_all(d);
}

void domain_vcpu_online(struct vcpu *v)
{
    __atomic_fetch_add(&v->gate, 1, __ATOMIC_RELEASE);
    rawsys_futex_wake(&v->gate, 1);
}

bool domain_vcpu_wait_online(struct vcpu *v)
{
    for (;;) {
        int gate = __atomic_load_n(&v->gate, __ATOMIC_ACQUIRE);

        if (domain_ended(v->domain))
            return false;
        if (__atomic_load_n(&v->online, __ATOMIC_ACQUIRE))
            return true;
        rawsys_futex_wait(&v->gate, gate, NULL);
    }
}
