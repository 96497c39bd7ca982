/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the backends (console, store) need of the hypervisor: domains with one frame for the ring, event channels that
 * only count, and a console of two buffers.  Their threads are real.
 */
#ifndef DIPTYCH_TESTS_BACKEND_FAKES_H
#define DIPTYCH_TESTS_BACKEND_FAKES_H

#include "pv/panel.h"

#define FAKE_DOMAINS 3

/* Domain i has id i + 1 and the frame i + 1. */
extern struct domain fake_domain[FAKE_DOMAINS];

void fake_backends_setup(void);
void fake_backends_teardown(void);

void *fake_ring(unsigned domain);

/* The guest notifies the port. */
void fake_notify(unsigned port);

/* How often a port was raised; and: waits until that is more than n, false after some seconds. */
unsigned fake_raised(unsigned port);
bool fake_wait_raised(unsigned port, unsigned n);

/* References held on domain's ring frame. */
unsigned fake_frame_refs(unsigned domain);

/* ---- the host's console ---- */

/* What was written so far; NUL behind it. Waits until there are n bytes, or some seconds. */
const char *fake_output(size_t n);
/* While true, console_output() blocks. */
void fake_output_block(bool block);
/* The user types. */
void fake_type(const char *s);

#endif
