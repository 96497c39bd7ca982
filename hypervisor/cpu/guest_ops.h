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

/*
 * Where the user's page tables map 2 MiB of addresses, as user_region() finds it. Two that are equal stand
 * for the same 512 translations.
 */
struct user_region {
    mfn_t table; /* the leaf table */
    uint32_t
        version;     /* counts changes of the table's entries, other than accessed and dirty bits being set */
    uint32_t rights; /* USER_PAGE_* that the tables above leave */
};

/*
 * A page as user_pages() says it: frame number << PAGE_SHIFT, and what may be done there without asking the
 * tables again.
 */
#define USER_PAGE_R 1u
#define USER_PAGE_W 2u
#define USER_PAGE_X 4u

#define USER_SPACE_BASE_BITS 40u

#define USER_REGION_SHIFT 21u
#define USER_REGION_PAGES 512u

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

    /* ---- for direct execution of user code; all NULL: there is none ---- */

    /*
     * What identifies the user's address space; 0: there is none. The lower USER_SPACE_BASE_BITS are the frame
     * of its page-table base, the upper ones tell processes apart that have the same frame one after the other.
     */
    uint64_t (*user_space)(const struct vcpu *v);

    /*
     * What identifies the guest's thread whose user code runs; not 0. The panel tells engine_task_changed()
     * when it changes.
     */
    uint64_t (*user_task)(const struct vcpu *v);

    /*
     * Looks at the user's tables for the 2 MiB that address a (of the lower half) lies in. Sets no accessed
     * or dirty bits. False: nothing is mapped there, or may be used only by walk().
     */
    bool (*user_region)(struct vcpu *v, gva_t a, struct user_region *r);

    /*
     * What entries first .. first + n - 1 of r's table allow now: page[] has a frame and USER_PAGE_* each, or
     * 0 for what only walk() can say: entries that aren't present, accessed and the domain's own. USER_PAGE_W
     * only if the entry is dirty already.
     */
    void (*user_pages)(struct vcpu *v, const struct user_region *r, unsigned first, unsigned n,
                       uint64_t *page);

    /*
     * The descriptor that a selector names in the guest's tables, as loading it would leave it; false: it
     * can't be loaded.
     */
    bool (*user_segment)(struct vcpu *v, uint16_t selector, struct segment *s);
};

#endif
