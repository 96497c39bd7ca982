// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Page-table base pointers, and what of the TLB has to go when.
 *
 * Architecturally a new base pointer drops every entry that isn't global, and a PV kernel's pages never are
 * (Xen keeps the global bit for user pages).  Real kernels don't need that: they flush when they take a
 * kernel mapping away. Dropping the kernel's half with each switch of address space would cost every switch
 * some hundred misses.  So it is kept where nobody can tell the difference, that is when
 *
 *  - the kernel's half of the old and of the new L4 table name the same tables.  Comparing 240 entries costs
 *    more than the rest of the switch; tables once found equal get the same tag, kept in one of the L4 slots
 *    that are ours (not present, never walked); a change to a slot of the kernel's half takes the tag away.
 *    (Accessed bits of these slots are not compared: no kernel looks at them.)  And
 *
 *  - no entry below has been changed, since this vCPU's last full flush, in a way that a TLB entry could give
 *    away. mm_domain.kernel_gen counts such changes.  Which tables are below is what FRAME_KERNEL_HALF says:
 *    it is set when an L4 slot from 272 on comes to lead to a table, all the way down, and stays until the
 *    frame is no table any more, so it errs on the safe side.  A recursive mapping makes tables appear where
 *    they aren't followed; a domain that has had one gets full flushes for ever.
 *
 * A change counts if a present entry goes, names another frame, or loses a right or its accessed bit.  One
 * change is too frequent to count: the kernel's mapping of a page that is to become a page table loses its
 * write bit (twice for every page table in fork and exec, and no kernel flushes then, because Xen does).
 * Instead, all writable TLB entries of that frame go at once, which the frame's promotion would ask for soon
 * anyway.
 *
 * A guest's own request to flush its whole TLB is served by the same rule: an entry that says what the tables
 * say need not go.  (Linux asks for it once in every fork and exec.)  So is a new base for the user: the
 * kernel's view is of the kernel's base, which stays, so only the second condition counts.
 *
 * Entries of the user's half need no notes: a switch drops them always.  Xen itself also flushes all TLBs of
 * the domain when an upper-level entry changes, for the sake of its own linear mapping of the tables; there
 * is none here, and the ABI leaves flushing to the guest.
 */
#include "pv/mm.h"

#include <xen/errno.h>

#include "pv/panel.h"

/* L4 slot, of the hypervisor's own, that holds the tag. */
#define L4_TAG_SLOT 257u

void mm_note_change(struct vcpu *v, struct domain *d, mfn_t table, unsigned slot, uint64_t old, uint64_t new)
{
    struct frame *f = machine_frame(table);
    bool l4_kernel = f->type == FRAME_L4 && slot >= L4_KERNEL_FIRST;
    uint64_t lost = old & ~new &(PTE_P | PTE_RW | PTE_USER | PTE_A | PTE_D);

    __atomic_store_n(&f->version, f->version + 1,
                     __ATOMIC_RELEASE); /* behind the entry's store: see pv_user_region() */
    if (unlikely(f->code_vcpus != 0))
        engine_frame_changed(v, table, slot * 8, 8);
    if (!l4_kernel && !(f->flags & FRAME_KERNEL_HALF))
        return;
    if (l4_kernel && (old ^ new) & ~(PTE_A | PTE_D))
        pte_write(&pt_hva(table)[L4_TAG_SLOT], 0);
    if (!(old & PTE_P))
        return;
    if (f->type == FRAME_L1 && !((old ^ new) & PTE_ADDR) && !(lost & ~(PTE_RW | PTE_D)) &&
        !(new & ~old &PTE_NX)) {
        if (lost)
            engine_frame_protect(v, pte_mfn(old));
        return;
    }
    if (lost || (old ^ new) & PTE_ADDR || new & ~old & PTE_NX)
        __atomic_store_n(&d->pv->mm.kernel_gen, d->pv->mm.kernel_gen + 1, __ATOMIC_RELEASE);
}

/* Locked. Whether two validated L4 tables have the same kernel half; if so, they have the same tag
 * afterwards. */
static bool kernel_half_same(struct domain *d, mfn_t a, mfn_t b)
{
    uint64_t *pa = pt_hva(a);
    uint64_t *pb = pt_hva(b);
    uint64_t diff = 0;

    if (a.n == b.n || (pa[L4_TAG_SLOT] != 0 && pa[L4_TAG_SLOT] == pb[L4_TAG_SLOT]))
        return true;
    for (unsigned i = L4_KERNEL_FIRST; i < PT_ENTRIES; i++)
        diff |= pte_read(&pa[i]) ^ pte_read(&pb[i]);
    if (diff & ~(PTE_A | PTE_D))
        return false;
    if (pa[L4_TAG_SLOT] == 0)
        pte_write(&pa[L4_TAG_SLOT], ++d->pv->mm.l4_tag << 1); /* bit 0 is PTE_P */
    pte_write(&pb[L4_TAG_SLOT], pa[L4_TAG_SLOT]);
    return true;
}

/* Swaps a base pointer, references included. *same_half: the kernel halves agree. */
static int base_swap(struct vcpu *v, mfn_t *base, mfn_t l4, bool *same_half)
{
    struct domain *d = v->domain;
    mfn_t old = *base;
    int rc = 0;

    lock_acquire(&d->mm_lock);
    if (l4.n != 0)
        rc = mm_get(v, d, l4, FRAME_L4);
    if (rc == 0) {
        *same_half = kernel_tracked(d) && old.n != 0 && l4.n != 0 && kernel_half_same(d, old, l4);
        *base = l4;
        if (old.n != 0)
            mm_put(v, d, old, FRAME_L4);
    }
    lock_release(&d->mm_lock);
    return rc;
}

/* Drops the user's half, and the kernel's unless that can't be noticed.  The generation is read before and
 * stored after a flush: a change in between must not pass for flushed. */
static void flush_own(struct vcpu *v, bool same_half)
{
    uint64_t gen = __atomic_load_n(&v->domain->pv->mm.kernel_gen, __ATOMIC_ACQUIRE);

    if (same_half && gen == __atomic_load_n(&v->pv->mm.kernel_gen, __ATOMIC_RELAXED)) {
        engine_flush_user(v);
        return;
    }
    engine_flush_all(v);
    __atomic_store_n(&v->pv->mm.kernel_gen, gen, __ATOMIC_RELAXED);
}

int mm_new_baseptr(struct vcpu *v, mfn_t l4)
{
    bool same_half = kernel_tracked(v->domain);

    if (l4.n != v->pv->cr3_kernel.n) {
        int rc = l4.n == 0 ? -XEN_EINVAL : base_swap(v, &v->pv->cr3_kernel, l4, &same_half);

        if (rc != 0)
            return rc;
    }
    flush_own(v, same_half);
    return 0;
}

int mm_new_user_baseptr(struct vcpu *v, mfn_t l4)
{
    bool unused;
    int rc;

    if (l4.n == v->pv->cr3_user.n)
        return 0;
    rc = base_swap(v, &v->pv->cr3_user, l4, &unused);
    engine_task_changed(v);
    /* The kernel's view is of the other base, which stays: what the user's kernel half names is no matter. */
    if (rc == 0)
        flush_own(v, kernel_tracked(v->domain));
    return rc;
}

int mm_set_base_pointers(struct vcpu *self, struct vcpu *v, mfn_t kernel, mfn_t user)
{
    struct domain *d = v->domain;
    mfn_t old_kernel, old_user;
    int rc;

    lock_acquire(&d->mm_lock);
    rc = kernel.n != 0 ? mm_get(self, d, kernel, FRAME_L4) : 0;
    if (rc == 0 && user.n != 0) {
        rc = mm_get(self, d, user, FRAME_L4);
        if (rc != 0 && kernel.n != 0)
            mm_put(self, d, kernel, FRAME_L4);
    }
    if (rc == 0) {
        old_kernel = v->pv->cr3_kernel;
        old_user = v->pv->cr3_user;
        v->pv->cr3_kernel = kernel;
        v->pv->cr3_user = user;
        if (old_kernel.n != 0)
            mm_put(self, d, old_kernel, FRAME_L4);
        if (old_user.n != 0)
            mm_put(self, d, old_user, FRAME_L4);
        /* Makes its first switch flush all. */
        __atomic_store_n(&v->pv->mm.kernel_gen, ~0ul, __ATOMIC_RELAXED);
    }
    lock_release(&d->mm_lock);
    return rc;
}

/* ---- flushes that the guest asks for ---- */

void mm_flush_local(struct vcpu *v)
{
    flush_own(v, kernel_tracked(v->domain));
}

void mm_flush_mask(struct vcpu *v, uint64_t mask)
{
    struct domain *d = v->domain;
    uint64_t gen;

    mask &= mm_all_vcpus(d);
    if (mask == 1ul << v->id) {
        mm_flush_local(v);
        return;
    }
    if (mask == 0)
        return;
    gen = __atomic_load_n(&d->pv->mm.kernel_gen, __ATOMIC_ACQUIRE);
    engine_flush_vcpus(v, d, mask);
    for (unsigned i = 0; i < d->nr_vcpus; i++)
        if (mask >> i & 1)
            __atomic_store_n(&d->vcpu[i]->pv->mm.kernel_gen, gen, __ATOMIC_RELAXED);
}

void mm_flush_page_mask(struct vcpu *v, uint64_t mask, gva_t a)
{
    uint64_t own = 1ul << v->id;

    if (!gva_is_guest(a))
        return;
    if (mask & own)
        engine_flush_page(v, a);
    mm_flush_mask(v, mask & ~own);
}

bool mm_read_vcpu_mask(struct vcpu *v, gva_t bitmap, uint64_t *mask)
{
    /* As Xen: whole 64-bit words, as many as the domain's vCPUs need; MAX_VCPUS fit in one. */
    _Static_assert(MAX_VCPUS <= 64, "one word");
    return guest_read(v, bitmap, mask, sizeof(*mask));
}
