/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Requests to a vCPU, and its sleep.
 *
 * Order: a requester sets the bit, then looks whether the vCPU is in the guest or asleep; the vCPU sets
 * in_guest or wake first, then looks at the bits.  So one of the two always sees the other.
 */
#include <unistd.h>

#include "engine/internal.h"

void vcpu_request(struct vcpu *v, uint32_t req)
{
    static int tgid;

    __atomic_fetch_or(&v->requests, req, __ATOMIC_SEQ_CST);
    if (vcpu_current == v) {
        __atomic_store_n(&engine_of(v)->hot.kick, 1, __ATOMIC_RELAXED);
        return;
    }
    __atomic_store_n(&engine_of(v)->hot.kick, 1, __ATOMIC_SEQ_CST);
    if (__atomic_load_n(&v->in_guest, __ATOMIC_SEQ_CST)) {
        if (!tgid)
            tgid = (int)rawsys6(SYS_getpid, 0, 0, 0, 0, 0, 0);
        rawsys_tgkill(tgid, v->tid, VCPU_KICK_SIGNAL);
    }
    if (__atomic_exchange_n(&v->wake, 0, __ATOMIC_SEQ_CST))
        rawsys_futex_wake(&v->wake, 1);
}

void vcpu_wait(struct vcpu *v, uint64_t deadline_ns)
{
    struct timespec until = {.tv_sec = (time_t)(deadline_ns / 1000000000),
                             .tv_nsec = (long)(deadline_ns % 1000000000)};

    if (engine_of(v)->direct)
        direct_idle(engine_of(v)->direct);
    __atomic_store_n(&v->wake, 1, __ATOMIC_SEQ_CST);
    if (!__atomic_load_n(&v->requests, __ATOMIC_SEQ_CST))
        rawsys_futex_wait(&v->wake, 1, deadline_ns ? &until : NULL);
    __atomic_store_n(&v->wake, 0, __ATOMIC_SEQ_CST);
}
