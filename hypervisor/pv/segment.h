/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Segments of a PV guest: loading a selector from the guest's descriptor tables, and the bookkeeping of FS
 * and GS bases.
 *
 * The rule of the GS bases.  v->gs_base is the base in use, in whichever mode the vCPU is.  The base of the
 * *other* mode is parked in the PV state: in the guest's kernel, pv->gs_base_user is valid and
 * pv->gs_base_kernel is stale; in the guest's user mode it is the other way round.  Every change of
 * v->user_mode exchanges them, as Xen's SWAPGS does, and must go through segment_enter_kernel() or
 * segment_enter_user().  There is one FS base for both modes.
 *
 * Everything here is light and runs on the vCPU's own thread.
 */
#ifndef DIPTYCH_PV_SEGMENT_H
#define DIPTYCH_PV_SEGMENT_H

#include "pv/pv.h"

/*
 * User to kernel mode and back: swaps GS bases and sets v->user_mode.  Nothing happens if the vCPU is there
 * already. The page-table view follows user_mode; CS and the other segments are the caller's job.
 */
static inline void segment_enter_kernel(struct vcpu *v)
{
    if (!v->user_mode)
        return;
    v->pv->gs_base_user = v->gs_base;
    v->gs_base = v->seg[SEG_GS].base = v->pv->gs_base_kernel;
    v->user_mode = false;
}

static inline void segment_enter_user(struct vcpu *v)
{
    if (v->user_mode)
        return;
    v->pv->gs_base_kernel = v->gs_base;
    v->gs_base = v->seg[SEG_GS].base = v->pv->gs_base_user;
    v->user_mode = true;
}

/* A fault that loading a selector raised, in one word. */
#define SEGMENT_FAULT(vector, error) ((uint32_t)(vector) << 16 | (uint16_t)(error))
#define SEGMENT_FAULT_VECTOR(f)      ((uint8_t)((f) >> 16))
#define SEGMENT_FAULT_ERROR(f)       ((uint16_t)(f))

/*
 * Loads a segment register from the guest's GDT (with Xen's own entries at its end) or LDT, with the checks
 * of SDM vol. 3, 5.5 and 5.6 at CPL 3 (guest kernels run there too).  True, and v->seg[s] (for FS and GS also
 * v->fs_base, v->gs_base) is changed; or false, and *fault says what to raise: SEGMENT_FAULT_VECTOR,
 * SEGMENT_FAULT_ERROR. For VEC_PF, of a guest-virtual LDT, the address is in v->exit.cr2.
 *
 * CS may be loaded too, as a far jump or return does: never NULL, code only.  Whoever loads CS has to tell
 * the engine and check the new RIP.
 */
bool segment_load(struct vcpu *v, enum segreg s, uint16_t selector, uint32_t *fault_vector_and_error);

/*
 * As segment_load() of a data segment, or of a code segment for a selector that names one, but changes
 * nothing: *s is what it would have loaded. For guest_ops.user_segment.
 */
bool segment_user(struct vcpu *v, uint16_t selector, struct segment *s);

/* Raises what segment_load() said; v->rip is the faulting instruction. */
void segment_inject_fault(struct vcpu *v, uint32_t fault);

/*
 * Reads the 8-byte descriptor that a selector names; of the guest's own, DPL is raised to 3, as Xen does when
 * it accepts a descriptor table.  False: beyond the table, or (*fault nonzero) reading it faulted.  For LAR,
 * LSL, VERR, VERW.
 */
bool segment_descriptor(struct vcpu *v, uint16_t selector, uint64_t *descriptor, uint32_t *fault);

/* A descriptor as struct segment. */
struct segment segment_unpack(uint16_t selector, uint64_t descriptor);

/*
 * Flat segment that Xen keeps at the end of every GDT (FLAT_RING3_*); nothing is checked. For the domain
 * builder, iret and callbacks.
 */
struct segment segment_flat(uint16_t selector);

#endif
