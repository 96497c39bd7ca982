/* SPDX-License-Identifier: MIT */
/*
 * Event channels by the 2-level ABI, and further vCPUs.
 */
#ifndef PVGUEST_EVENTS_H
#define PVGUEST_EVENTS_H

#include "pvguest/traps.h"

#define EVENT_PORTS 4096

typedef void event_fn(unsigned port);

/* Makes the runtime's handler take event upcalls, on all vCPUs. */
void events_init(void);

/* fn runs in the upcall, events masked, on whichever vCPU the port is bound to. Unmasks the port. */
void event_handler(unsigned port, event_fn *fn);

/* Binds a port; panics if that is refused. */
unsigned event_bind_virq(unsigned virq, unsigned vcpu);
unsigned event_bind_ipi(unsigned vcpu);
void event_send(unsigned port);

/*
 * Starts vCPU id, which runs fn(arg) with traps installed and events masked, and goes down when fn returns.
 * MUST NOT be called for one that is up. 0 or -XEN_E*.
 */
long cpu_up(unsigned id, void (*fn)(void *), void *arg);

static inline void cpu_relax(void)
{
    __builtin_ia32_pause();
}

#endif
