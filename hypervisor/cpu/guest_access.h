/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The one checked way from a guest-virtual address to guest memory, for C code.
 *
 * Addresses are taken in the vCPU's current view (v->user_mode).  The guest may change memory under us:
 * read a value once, then check it.  Light; only the vCPU's own thread.
 */
#ifndef DIPTYCH_CPU_GUEST_ACCESS_H
#define DIPTYCH_CPU_GUEST_ACCESS_H

#include "cpu/vcpu.h"

struct guest_fault {
    uint64_t cr2;
    uint32_t pfec;
};

/* Copies n bytes; false if any page is not accessible (nothing is said of how much was copied). */
bool guest_read(struct vcpu *v, gva_t from, void *to, size_t n);
bool guest_write(struct vcpu *v, gva_t to, const void *from, size_t n);

/* As above, and says which address failed and how. */
bool guest_read_fault(struct vcpu *v, gva_t from, void *to, size_t n, struct guest_fault *f);
bool guest_write_fault(struct vcpu *v, gva_t to, const void *from, size_t n, struct guest_fault *f);

/* Host address of n bytes at a that lie within one page, readable (and writable); NULL if they
 * don't.  Valid until the next flush of this vCPU's TLB. */
void *guest_hva(struct vcpu *v, gva_t a, size_t n, bool write);

#endif
