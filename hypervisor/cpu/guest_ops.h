/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the engine asks of a panel (PV or PC).  All calls come from the vCPU's own thread and are light: no
 * libc, no vector registers.
 */
#ifndef DIPTYCH_CPU_GUEST_OPS_H
#define DIPTYCH_CPU_GUEST_OPS_H

#include "cpu/vcpu.h"

enum access { ACCESS_READ, ACCESS_WRITE, ACCESS_FETCH };

struct translation {
    mfn_t mfn;
    bool writable; /* a writable TLB entry may be made (dirty bit is already set) */
    bool trapped;  /* the write is allowed, but each goes through trapped_write() */
    bool global;   /* same in every address space of this domain's kernel view */
};

struct guest_ops {
    /*
     * Walks the page tables of the vCPU's current view (v->user_mode) for a naturally small access at a.
     * Sets accessed and, for writes, dirty bits.  True and *t filled in; or false and *pfec the
     * page-fault error code.
     */
    bool (*walk)(struct vcpu *v, gva_t a, enum access access, struct translation *t, uint32_t *pfec);

    /*
     * Stores size (1..64) bytes that stay within frame m, at byte offset off; the frame is one that walk()
     * said is trapped (a page table).  False if the guest must see a page fault instead.
     */
    bool (*trapped_write)(struct vcpu *v, mfn_t m, unsigned off, const void *data, unsigned size);

    /*
     * The same for a read-modify-write of 1..8 bytes: stores only if the bytes at expected are still there;
     * *stored says. NULL: nobody but guest code changes such frames, and trapped_write() will do.
     */
    bool (*trapped_cmpxchg)(struct vcpu *v, mfn_t m, unsigned off, void *expected, const void *data,
                            unsigned size, bool *stored);
};

#endif
