// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Changing an entry of a validated page table: by hypercall, or by a store that the guest's kernel makes to a
 * level-1 table that it sees read-only (VMASST_TYPE_writable_pagetables; Linux does so for every PTE that it
 * clears or write-protects, so this is as hot as anything here).
 *
 * References of the new entry are taken before it is stored, those of the old one are dropped afterwards;
 * changes of bits that concern the guest alone touch no frame.  Walks on other vCPUs set accessed and dirty
 * bits at any time, hence the atomic forms.
 */
#include "pv/mm.h"

#include <xen/errno.h>

#include "pv/panel.h"

/* Bits whose change may need other references or was not checked yet. */
#define L1_CHECKED  (PTE_P | PTE_RW | PTE_ADDR | L1_DISALLOW)
#define DIR_CHECKED (PTE_P | PTE_RW | PTE_ADDR | DIR_DISALLOW)

/* Stores; *old and *new become what was there and what is there now. False: MM_UPDATE_CMPXCHG found another
 * value. */
static bool entry_store(uint64_t *p, uint64_t *old, uint64_t *new, enum mm_update_kind how)
{
    uint64_t want;

    switch (how) {
    case MM_UPDATE_STORE:
        __atomic_store_n(p, *new, __ATOMIC_RELAXED);
        return true;
    case MM_UPDATE_PRESERVE_AD:
        do
            want = *new | (*old & (PTE_A | PTE_D));
        while (!__atomic_compare_exchange_n(p, old, want, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED));
        *new = want;
        return true;
    case MM_UPDATE_CMPXCHG:
        return __atomic_compare_exchange_n(p, old, *new, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
    }
    return false;
}

static int update_l1e(struct vcpu *v, struct domain *d, mfn_t table, unsigned slot, uint64_t new,
                      enum mm_update_kind how, uint64_t *expected, bool foreign_io)
{
    uint64_t *p = pt_hva(table) + slot;
    uint64_t old = how == MM_UPDATE_CMPXCHG ? *expected : pte_read(p);
    bool other_refs = true;

    if (new &PTE_P) {
        if (unlikely(new &L1_DISALLOW))
            return -XEN_EINVAL;
        other_refs = (old ^ new) & L1_CHECKED;
        if (other_refs) {
            int rc = mm_get_l1e(d, new, foreign_io);

            if (unlikely(rc != 0))
                return rc;
        }
        new = mm_adjust_l1e(new);
    }
    if (unlikely(!entry_store(p, &old, &new, how))) {
        if (other_refs)
            mm_put_l1e(d, new);
        *expected = old;
        return -XEN_EAGAIN;
    }
    mm_note_change(v, d, table, slot, old, new);
    if (other_refs)
        mm_put_l1e(d, old);
    return 0;
}

static int update_dir_entry(struct vcpu *v, struct domain *d, mfn_t table, unsigned slot, uint64_t new,
                            enum mm_update_kind how)
{
    enum frame_type type = machine_frame(table)->type;
    uint64_t *p = pt_hva(table) + slot;
    uint64_t old = pte_read(p);
    bool other_refs = true;

    if (type == FRAME_L4 && slot >= L4_XEN_FIRST && slot < L4_KERNEL_FIRST)
        return -XEN_EINVAL;
    if (new &PTE_P) {
        if (unlikely(new &DIR_DISALLOW))
            return -XEN_EINVAL;
        other_refs = (old ^ new) & DIR_CHECKED;
        if (other_refs) {
            int rc = mm_get_dir_entry(v, d, table, slot, new, type);

            if (unlikely(rc != 0))
                return rc;
        }
        new = mm_adjust_dir_entry(new);
    }
    entry_store(p, &old, &new, how);
    mm_note_change(v, d, table, slot, old, new);
    if (other_refs)
        mm_put_dir_entry(v, d, table, old, type);
    return 0;
}

int mm_update_entry(struct vcpu *v, struct domain *d, mfn_t table, unsigned off, uint64_t new,
                    enum mm_update_kind how, uint64_t *expected, bool foreign_io)
{
    if (machine_frame(table)->type == FRAME_L1)
        return update_l1e(v, d, table, off / 8, new, how, expected, foreign_io);
    if (foreign_io)
        return -XEN_EINVAL;
    return update_dir_entry(v, d, table, off / 8, new, how);
}

/* ---- stores that the guest makes itself ---- */

/*
 * The engine calls from within engine_run().  Who holds the lock may be waiting, in engine_frame_protect(),
 * for every vCPU that is in the guest; so while this one waits for the lock it counts as outside.  What it
 * was asked meanwhile it does before it enters translated code again.
 */
static void trapped_lock(struct vcpu *v)
{
    uint32_t was;

    if (likely(lock_try(&v->domain->mm_lock)))
        return;
    was = __atomic_exchange_n(&v->in_guest, 0, __ATOMIC_SEQ_CST);
    lock_acquire(&v->domain->mm_lock);
    __atomic_store_n(&v->in_guest, was, __ATOMIC_SEQ_CST);
}

static bool trapped_ok(const struct domain *d, mfn_t m, unsigned off, unsigned size)
{
    const struct frame *f;

    /* As Xen: naturally aligned, at most an entry. */
    if (size == 0 || size > 8 || (size & (size - 1)) || (off & (size - 1)) || off >= PAGE_SIZE ||
        !machine_valid(m))
        return false;
    f = machine_frame(m);
    return f->owner == d->domid && f->type == FRAME_L1;
}

/* The low size bytes at data. */
static uint64_t bytes_get(const void *data, unsigned size)
{
    uint64_t x = 0;

    if (likely(size == 8)) {
        __builtin_memcpy(&x, data, 8);
        return x;
    }
    for (unsigned i = 0; i < size; i++)
        x |= (uint64_t)((const uint8_t *)data)[i] << (8 * i);
    return x;
}

static void bytes_put(void *data, uint64_t x, unsigned size)
{
    if (likely(size == 8)) {
        __builtin_memcpy(data, &x, 8);
        return;
    }
    for (unsigned i = 0; i < size; i++)
        ((uint8_t *)data)[i] = (uint8_t)(x >> (8 * i));
}

static inline uint64_t bytes_mask(unsigned size)
{
    return size == 8 ? ~0ul : (1ul << (8 * size)) - 1;
}

bool mm_trapped_write(struct vcpu *v, mfn_t m, unsigned off, const void *data, unsigned size)
{
    struct domain *d = v->domain;
    int rc = -XEN_EINVAL;

    trapped_lock(v);
    if (trapped_ok(d, m, off, size)) {
        uint64_t new = bytes_get(data, size);

        if (size == 8) {
            rc = mm_update_entry(v, d, m, off, new, MM_UPDATE_STORE, NULL, false);
        } else {
            unsigned entry = off & ~7u;
            unsigned shift = 8 * (off & 7);
            uint64_t mask = bytes_mask(size) << shift;
            uint64_t old = pte_read(pt_hva(m) + entry / 8);

            do
                rc = mm_update_entry(v, d, m, entry, (old & ~mask) | new << shift, MM_UPDATE_CMPXCHG, &old,
                                     false);
            while (rc == -XEN_EAGAIN);
        }
    }
    lock_release(&d->mm_lock);
    return rc == 0;
}

bool mm_trapped_cmpxchg(struct vcpu *v, mfn_t m, unsigned off, void *expected, const void *data,
                        unsigned size, bool *stored)
{
    struct domain *d = v->domain;
    int rc = -XEN_EINVAL;

    trapped_lock(v);
    if (trapped_ok(d, m, off, size)) {
        unsigned entry = off & ~7u;
        unsigned shift = 8 * (off & 7);
        uint64_t mask = bytes_mask(size) << shift;
        uint64_t want = bytes_get(expected, size) << shift;
        uint64_t new = bytes_get(data, size) << shift;
        uint64_t old = pte_read(pt_hva(m) + entry / 8);

        /* Bytes of the entry that are not the guest's operand may change meanwhile. */
        do {
            if ((old & mask) != want) {
                bytes_put(expected, old >> shift, size);
                rc = -XEN_EAGAIN;
                break;
            }
            rc = mm_update_entry(v, d, m, entry, (old & ~mask) | new, MM_UPDATE_CMPXCHG, &old, false);
        } while (rc == -XEN_EAGAIN);
    }
    lock_release(&d->mm_lock);
    *stored = rc == 0;
    return rc == 0 || rc == -XEN_EAGAIN;
}
