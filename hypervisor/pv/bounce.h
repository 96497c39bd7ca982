/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Entering the guest kernel: the frame that exceptions, callbacks and system calls share.
 */
#ifndef DIPTYCH_PV_BOUNCE_H
#define DIPTYCH_PV_BOUNCE_H

#include "pv/pv.h"

struct bounce {
    uint64_t address; /* where the kernel goes on */
    bool has_error;
    uint32_t error;
    bool mask_events; /* evtchn_upcall_mask is set on the way */
    uint8_t vector;   /* for --debug int: which exception, */
    const char *what; /* or, if not NULL, what else */
    bool failsafe;    /* DS, ES, FS, GS are pushed too */
};

/*
 * Builds the ABI's frame on the kernel's stack and makes the vCPU go on at b->address in kernel mode.  From
 * the stack pointer up: rcx, r11, [ds, es, fs, gs], [error code], rip, cs | saved upcall mask << 32, rflags,
 * rsp, ss. A frame that can't be written crashes the domain.  Own thread, light.
 */
void pv_bounce(struct vcpu *v, const struct bounce *b);

/* Makes seg a flat segment of Xen's, quickly if it is that already. */
void pv_flat_kernel_segments(struct vcpu *v);

#endif
