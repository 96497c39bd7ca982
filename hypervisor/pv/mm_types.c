// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What a guest's frames are used for: references, types, validation of page tables.
 *
 * The rules are Xen's (xen/public/xen.h, "The pages that make up a pagetable must be mapped read-only").
 * Every frame has two counts, guarded by its owner's mm_lock:
 *
 *  ref_count   how often the frame is named: by present entries of validated tables, by base pointers, by
 *              pins, by the GDT, by C code.  A frame with references isn't freed.
 *  type_count  how many of these references need the frame to be of its current type.  A writable mapping
 *              needs FRAME_WRITABLE; an entry of a table of level n + 1, a pin and a base pointer need
 *              FRAME_Ln; the GDT needs FRAME_SEGDESC.  A read-only mapping needs no type.
 *
 * The type can change only while type_count is 0.  When it becomes a page table, every present entry is
 * checked and its references are taken, which may in turn make tables of the frames it names; when the last
 * type reference goes, they are dropped again.  So a page table is never writable for the guest, and what a
 * validated table says is true. Levels fall with each step down, so that recursion is at most four deep.
 *
 * One kind of loop is allowed, as in Xen: a read-only entry of a table of level 2 to 4 that names the table
 * itself.  It holds no references.  (Xen also allows entries that name another table of the same level; no
 * known guest of today needs it, and it is refused here.)
 *
 * What doesn't rest on these rules is the isolation of the hypervisor and of other domains: another vCPU of
 * the same guest may race with us, so a walk (walk.c) checks every frame that it steps on, and dropping
 * references checks frame number, owner and counts before it touches anything.  A guest that wins a race
 * spoils its own counts.
 *
 * Promises: work only in proportion to the entries of the tables concerned; nothing is allocated.
 */
#include "pv/mm.h"

#include <xen/errno.h>

#include "pv/descriptor.h"
#include "pv/panel.h"

static bool frame_of(const struct domain *d, mfn_t m, struct frame **f)
{
    if (!machine_valid(m))
        return false;
    *f = machine_frame(m);
    return (*f)->owner == d->domid;
}

/* Walks look at it without the lock (pv/walk.c). */
static inline void type_set(struct frame *f, enum frame_type type)
{
    __atomic_store_n(&f->type, (uint8_t)type, __ATOMIC_RELAXED);
}

static inline void flags_set(struct frame *f, uint8_t flags)
{
    __atomic_fetch_or(&f->flags, flags, __ATOMIC_RELAXED);
}

static inline void flags_clear(struct frame *f, uint8_t flags)
{
    __atomic_fetch_and(&f->flags, (uint8_t)~flags, __ATOMIC_RELAXED);
}

/* ---- the last reference ---- */

/* Nothing names the frame any more, and its owner gave it back: no one gets at it from here on.  TLBs still
 * may, so it waits in a list for whoever can flush them and free it (memory_op.c). */
static void frame_die(struct domain *d, mfn_t m, struct frame *f)
{
    f->owner = DOMID_NOBODY;
    type_set(f, FRAME_NONE);
    f->flags = 0;
    mm_set_m2p(m, INVALID_M2P_ENTRY);
    f->m2p = (uint32_t)d->pv->mm.dead.n;
    d->pv->mm.dead = m;
    d->nr_pages--;
}

static inline void put_ref(struct domain *d, mfn_t m, struct frame *f)
{
    if (unlikely(f->ref_count == 0))
        return;
    if (--f->ref_count == 0 && unlikely(f->flags & FRAME_GIVEN_BACK))
        frame_die(d, m, f);
}

mfn_t mm_take_dead(struct domain *d)
{
    mfn_t m = d->pv->mm.dead;

    d->pv->mm.dead = MFN(0);
    return m;
}

/* ---- entries of level-1 tables: data pages ---- */

int mm_get_l1e(struct domain *d, uint64_t e, bool foreign_io)
{
    mfn_t m = pte_mfn(e);
    struct frame *f;

    if (unlikely(e & L1_DISALLOW))
        return -XEN_EINVAL;
    /* Beyond RAM would be I/O memory, which this guest may not map; the highest number stands for "none". */
    if (unlikely(!machine_valid(m)))
        return m.n == PTE_ADDR >> PAGE_SHIFT ? -XEN_EINVAL : -XEN_EPERM;
    f = machine_frame(m);
    if (unlikely(f->owner != d->domid || foreign_io || f->ref_count == UINT32_MAX))
        return -XEN_EBUSY;
    if (e & PTE_RW) {
        if (f->type_count == 0)
            type_set(f, FRAME_WRITABLE);
        else if (f->type != FRAME_WRITABLE || f->type_count == UINT32_MAX)
            return -XEN_EBUSY;
        f->type_count++;
    }
    f->ref_count++;
    return 0;
}

void mm_put_l1e(struct domain *d, uint64_t e)
{
    mfn_t m = pte_mfn(e);
    struct frame *f;

    if (!(e & PTE_P) || !frame_of(d, m, &f))
        return;
    if (e & PTE_RW && f->type == FRAME_WRITABLE && f->type_count > 0 && --f->type_count == 0)
        type_set(f, FRAME_NONE);
    put_ref(d, m, f);
}

/* Whether eight entries have nothing present: tables are mostly empty. */
static inline bool eight_absent(const uint64_t *p)
{
    return !((pte_read(p) | pte_read(p + 1) | pte_read(p + 2) | pte_read(p + 3) | pte_read(p + 4) |
              pte_read(p + 5) | pte_read(p + 6) | pte_read(p + 7)) &
             PTE_P);
}

static void l1_put_range(struct domain *d, const uint64_t *p, unsigned end)
{
    for (unsigned i = 0; i < end; i += 8) {
        if (eight_absent(&p[i]))
            continue;
        for (unsigned k = i; k < i + 8 && k < end; k++)
            mm_put_l1e(d, pte_read(&p[k]));
    }
}

static int l1_promote(struct domain *d, uint64_t *p)
{
    for (unsigned i = 0; i < PT_ENTRIES; i += 8) {
        if (eight_absent(&p[i]))
            continue;
        for (unsigned k = i; k < i + 8; k++) {
            uint64_t e = pte_read(&p[k]);
            int rc;

            if (!(e & PTE_P))
                continue;
            rc = mm_get_l1e(d, e, false);
            if (unlikely(rc != 0)) {
                l1_put_range(d, p, k);
                return rc;
            }
            if (mm_adjust_l1e(e) != e)
                pte_write(&p[k], mm_adjust_l1e(e));
        }
    }
    return 0;
}

/* ---- entries of the upper levels ---- */

/* NOLINTBEGIN(misc-no-recursion): a table's entries are of the level below, so four calls deep */

void mm_mark_kernel_half(mfn_t table)
{
    struct frame *f = machine_frame(table);

    if (!frame_is_table(f) || f->flags & FRAME_KERNEL_HALF)
        return;
    flags_set(f, FRAME_KERNEL_HALF);
    if (f->type == FRAME_L1)
        return;
    for (const uint64_t *p = pt_hva(table), *end = p + PT_ENTRIES; p < end; p++) {
        uint64_t e = pte_read(p);

        if (e & PTE_P && pte_mfn(e).n != table.n && machine_valid(pte_mfn(e)))
            mm_mark_kernel_half(pte_mfn(e));
    }
}

static inline bool slot_is_xen(enum frame_type type, unsigned slot)
{
    return type == FRAME_L4 && slot >= L4_XEN_FIRST && slot < L4_KERNEL_FIRST;
}

int mm_get_dir_entry(struct vcpu *v, struct domain *d, mfn_t table, unsigned slot, uint64_t e,
                     enum frame_type type)
{
    mfn_t m = pte_mfn(e);
    int rc;

    if (unlikely(e & DIR_DISALLOW))
        return -XEN_EINVAL;
    if (unlikely(m.n == table.n)) {
        if (e & PTE_RW)
            return -XEN_EINVAL;
        __atomic_store_n(&d->pv->mm.kernel_untracked, true, __ATOMIC_RELAXED);
        return 0;
    }
    rc = mm_get(v, d, m, type - 1);
    if (unlikely(rc != 0))
        return rc;
    if (machine_frame(table)->flags & FRAME_KERNEL_HALF || (type == FRAME_L4 && slot >= L4_KERNEL_FIRST))
        mm_mark_kernel_half(m);
    return 0;
}

void mm_put_dir_entry(struct vcpu *v, struct domain *d, mfn_t table, uint64_t e, enum frame_type type)
{
    if (e & PTE_P && pte_mfn(e).n != table.n)
        mm_put(v, d, pte_mfn(e), type - 1);
}

static void dir_put_range(struct vcpu *v, struct domain *d, mfn_t table, unsigned end, enum frame_type type)
{
    const uint64_t *p = pt_hva(table);

    for (unsigned i = 0; i < end; i += 8) {
        if (slot_is_xen(type, i) || eight_absent(&p[i]))
            continue;
        for (unsigned k = i; k < i + 8 && k < end; k++)
            mm_put_dir_entry(v, d, table, pte_read(&p[k]), type);
    }
}

static int dir_promote(struct vcpu *v, struct domain *d, mfn_t table, enum frame_type type)
{
    uint64_t *p = pt_hva(table);

    for (unsigned i = 0; i < PT_ENTRIES; i += 8) {
        if (slot_is_xen(type, i) || eight_absent(&p[i]))
            continue;
        for (unsigned k = i; k < i + 8; k++) {
            uint64_t e = pte_read(&p[k]);
            int rc;

            if (!(e & PTE_P))
                continue;
            rc = mm_get_dir_entry(v, d, table, k, e, type);
            if (unlikely(rc != 0)) {
                dir_put_range(v, d, table, k, type);
                return rc;
            }
            if (mm_adjust_dir_entry(e) != e)
                pte_write(&p[k], mm_adjust_dir_entry(e));
        }
    }
    if (type == FRAME_L4)
        for (unsigned i = L4_XEN_FIRST; i < L4_KERNEL_FIRST; i++)
            pte_write(&p[i], 0);
    return 0;
}

/* ---- types ---- */

static int segdesc_promote(uint64_t *p)
{
    for (unsigned i = 0; i < PT_ENTRIES; i++) {
        uint64_t desc = p[i];

        if (!descriptor_fix(&desc))
            return -XEN_EINVAL;
        if (desc != p[i])
            p[i] = desc;
    }
    return 0;
}

/* The frame has just been given a type that constrains its contents: makes them so. */
static int promote(struct vcpu *v, struct domain *d, mfn_t m, enum frame_type type)
{
    /* From here on nobody changes the contents but ourselves. */
    engine_frame_protect(v, m);
    __atomic_store_n(&machine_frame(m)->version, machine_frame(m)->version + (1u << VERSION_CHANGES_BITS),
                     __ATOMIC_RELEASE);
    switch (type) {
    case FRAME_SEGDESC:
        return segdesc_promote(pt_hva(m));
    case FRAME_L1:
        return l1_promote(d, pt_hva(m));
    default:
        return dir_promote(v, d, m, type);
    }
}

static void demote(struct vcpu *v, struct domain *d, mfn_t m, enum frame_type type)
{
    if (type == FRAME_L1)
        l1_put_range(d, pt_hva(m), PT_ENTRIES);
    else if (type >= FRAME_L2)
        dir_put_range(v, d, m, PT_ENTRIES, type);
}

static int get_type(struct vcpu *v, struct domain *d, mfn_t m, struct frame *f, enum frame_type type)
{
    int rc;

    if (f->type_count > 0) {
        /* The same type, not yet validated, can't be met: that would be a table above itself. */
        if (f->type != type || f->type_count == UINT32_MAX)
            return -XEN_EINVAL;
        f->type_count++;
        return 0;
    }
    if (type != FRAME_WRITABLE && f->flags & FRAME_XEN)
        return -XEN_EINVAL;
    type_set(f, type);
    f->type_count = 1;
    if (type == FRAME_WRITABLE)
        return 0;
    rc = promote(v, d, m, type);
    if (rc != 0) {
        f->type_count = 0;
        type_set(f, FRAME_NONE);
        return rc;
    }
    flags_set(f, FRAME_VALIDATED);
    return 0;
}

int mm_get(struct vcpu *v, struct domain *d, mfn_t m, enum frame_type type)
{
    struct frame *f;

    if (!frame_of(d, m, &f) || f->ref_count == UINT32_MAX)
        return -XEN_EINVAL;
    f->ref_count++;
    if (type != FRAME_NONE) {
        int rc = get_type(v, d, m, f, type);

        if (rc != 0) {
            put_ref(d, m, f);
            return rc;
        }
    }
    return 0;
}

void mm_put(struct vcpu *v, struct domain *d, mfn_t m, enum frame_type type)
{
    struct frame *f;

    if (!frame_of(d, m, &f))
        return;
    if (type != FRAME_NONE && f->type == type && f->type_count > 0 && --f->type_count == 0) {
        if (type != FRAME_WRITABLE) {
            demote(v, d, m, type);
            flags_clear(f, FRAME_VALIDATED | FRAME_KERNEL_HALF);
        }
        type_set(f, FRAME_NONE);
    }
    put_ref(d, m, f);
}

/* NOLINTEND(misc-no-recursion) */

int mm_get_page(struct domain *d, mfn_t m, enum frame_type type)
{
    return mm_get(NULL, d, m, type);
}

void mm_put_page(struct domain *d, mfn_t m, enum frame_type type)
{
    mm_put(NULL, d, m, type);
}

int mm_pin(struct vcpu *v, struct domain *d, mfn_t m, enum frame_type type)
{
    int rc = mm_get(v, d, m, type);

    if (rc != 0)
        return rc;
    if (machine_frame(m)->flags & FRAME_PINNED) {
        mm_put(v, d, m, type);
        return -XEN_EINVAL;
    }
    flags_set(machine_frame(m), FRAME_PINNED);
    return 0;
}

int mm_unpin(struct vcpu *v, struct domain *d, mfn_t m)
{
    struct frame *f;

    if (!frame_of(d, m, &f) || !(f->flags & FRAME_PINNED))
        return -XEN_EINVAL;
    flags_clear(f, FRAME_PINNED);
    mm_put(v, d, m, f->type);
    return 0;
}

int mm_give_back(struct vcpu *v, struct domain *d, mfn_t m)
{
    struct frame *f;

    if (!machine_valid(m))
        return -XEN_EINVAL;
    if (!frame_of(d, m, &f) || f->flags & FRAME_XEN)
        return -XEN_ENXIO;
    f->ref_count++; /* ours, so that it can only die at the end */
    mm_unpin(v, d, m);
    flags_set(f, FRAME_GIVEN_BACK);
    put_ref(d, m, f);
    return 0;
}

int mm_adopt_initial_tables(struct domain *d, mfn_t l4)
{
    int rc;

    lock_acquire(&d->mm_lock);
    rc = mm_pin(NULL, d, l4, FRAME_L4);
    lock_release(&d->mm_lock);
    if (rc == 0)
        rc = mm_set_base_pointers(NULL, d->vcpu[0], l4, MFN(0));
    return rc;
}
