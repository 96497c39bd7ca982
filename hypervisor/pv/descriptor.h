/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Segment descriptors as a guest may have them in its GDT.
 */
#ifndef DIPTYCH_PV_DESCRIPTOR_H
#define DIPTYCH_PV_DESCRIPTOR_H

#include "pv/pv.h"

/* Makes of a guest's descriptor what Xen lets stand: DPL of segments raised to 3, call gates (which Xen
 * emulates) to fault. False if it has no place in a guest's table: system segments, gates to Xen's own code.
 */
bool descriptor_fix(uint64_t *desc);

/* set_gdt, and VCPUOP_initialise: makes a GDT of the frames, dropping the old one.  frames: machine frame
 * numbers, one for every 512 entries.  self: the calling vCPU. Takes mm_lock. 0 or -XEN_EINVAL. */
int gdt_set(struct vcpu *self, struct vcpu *v, const uint64_t *frames, unsigned entries);

#endif
