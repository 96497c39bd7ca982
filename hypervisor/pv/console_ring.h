/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The backend of a PV guest's console (xen/io/console.h): moves bytes between the ring that the guest's hvc0
 * uses and the host's console (host/console.h), on a thread of its own.
 *
 * Life: create, before the domain is built (start_info needs the port); start, when it is built and before
 * its vCPUs run; stop, when no vCPU runs any more and the domain still has its frames; destroy.  All calls
 * are heavy.
 */
#ifndef DIPTYCH_PV_CONSOLE_RING_H
#define DIPTYCH_PV_CONSOLE_RING_H

struct domain;
struct console_ring;

/* Allocates the event channel: d->pv->console_port. 0 or -errno. */
int console_ring_create(struct domain *d, struct console_ring **out);

/* Takes the frame d->pv->console_mfn and starts the thread. 0 or -errno. */
int console_ring_start(struct console_ring *c);

/*
 * Writes out all that the guest has left in the ring, then ends the thread and lets the frame go.  Blocks as
 * long as console_output() does; console_abandon() gets it out of that.  Harmless if the thread was never
 * started.
 */
void console_ring_stop(struct console_ring *c);

/* Stops, if need be, and frees. c may be NULL. */
void console_ring_destroy(struct console_ring *c);

#endif
