// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The page-table walk of PV guests, in software, of the tables in machine memory.
 *
 * The guest's kernel runs at CPL 3, as its user code does, and has its own base pointer.  What a present
 * entry may look like is checked when it is written (mm_types.c), PTE_USER has been added to all; so the walk
 * is the same in both views.  CR0.WP, EFER.NXE are set, SMEP and SMAP are off.  Error codes are those that
 * the guest's handler gets: Xen clears PFEC_USER for faults of the guest's kernel.
 *
 * Nothing found in a table is trusted all the same.  A walk takes no lock; while it goes on, another vCPU may
 * unhook a table and make it a data page with contents of its choice.  So every frame, tables and leaf, must
 * be the domain's own, else the entry counts as one with reserved bits set.  A frame changes owners only
 * after engine_flush_vcpus(), which waits for walks under way (memory_op.c).
 *
 * The hypervisor's hole is never looked up in the guest's tables.  Its start shows the machine-to-physical
 * table, read-only, to the kernel; the rest is not there.
 */
#include "pv/mm.h"

#include "pv/panel.h"

/* Sets bits of an entry that a walk has just read as e; false if it has changed meanwhile. */
static bool entry_mark(uint64_t *p, uint64_t e, uint64_t bits)
{
    return (e & bits) == bits ||
           __atomic_compare_exchange_n(p, &e, e | bits, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
}

static inline bool entry_frame_ok(const struct domain *d, uint64_t e)
{
    mfn_t m = pte_mfn(e);

    return machine_valid(m) && __atomic_load_n(&machine_frame(m)->owner, __ATOMIC_RELAXED) == d->domid;
}

static bool walk_m2p(const struct vcpu *v, gva_t a, enum access access, struct translation *t, uint32_t *pfec,
                     uint32_t err)
{
    uint64_t n = (a.va - MACH2PHYS_VIRT_START) >> PAGE_SHIFT;

    *pfec = err;
    if (v->user_mode || n >= machine.m2p_frames)
        return false;
    if (access != ACCESS_READ) {
        *pfec |= PFEC_PRESENT;
        return false;
    }
    *t = (struct translation){.mfn = MFN(n), .global = true};
    return true;
}

bool pv_walk(struct vcpu *v, gva_t a, enum access access, struct translation *t, uint32_t *pfec)
{
    const struct domain *d = v->domain;
    uint32_t err = (access == ACCESS_WRITE   ? PFEC_WRITE
                    : access == ACCESS_FETCH ? PFEC_FETCH
                                             : 0) |
                   (v->user_mode ? PFEC_USER : 0);
    uint64_t rights, nx, e, *p;
    mfn_t m;

    if (unlikely(!gva_is_guest(a))) {
        if (gva_canonical(a))
            return walk_m2p(v, a, access, t, pfec, err);
        *pfec = err;
        return false;
    }
again:
    *pfec = err;
    m = v->user_mode ? v->pv->cr3_user : v->pv->cr3_kernel;
    if (unlikely(m.n == 0))
        return false;
    rights = PTE_RW | PTE_USER;
    nx = 0;
    for (unsigned level = 4; level > 1; level--) {
        p = pt_hva(m) + pt_slot(a, level);
        e = pte_read(p);
        if (!(e & PTE_P))
            return false;
        if (unlikely(e & PTE_PSE || !entry_frame_ok(d, e)))
            goto reserved;
        if (unlikely(!entry_mark(p, e, PTE_A)))
            goto again;
        rights &= e;
        nx |= e;
        m = pte_mfn(e);
    }
    p = pt_hva(m) + pt_slot(a, 1);
    e = pte_read(p);
    if (!(e & PTE_P))
        return false;
    if (unlikely(!entry_frame_ok(d, e)))
        goto reserved;
    rights &= e;
    nx |= e;
    *pfec = err | PFEC_PRESENT;
    if (unlikely(!(rights & PTE_USER)) || (access == ACCESS_FETCH && nx & PTE_NX))
        return false;

    t->mfn = pte_mfn(e);
    t->trapped = false;
    t->global = !v->user_mode && a.va >= HYPERVISOR_VIRT_END && kernel_tracked(d);
    if (access == ACCESS_WRITE && !(rights & PTE_RW)) {
        /* The kernel may store to what it maps read-only if that is a level-1 table: mm_trapped_write()
         * checks. */
        if (v->user_mode || e & PTE_RW ||
            __atomic_load_n(&machine_frame(t->mfn)->type, __ATOMIC_RELAXED) != FRAME_L1 ||
            !(d->pv->vm_assist >> VMASST_TYPE_writable_pagetables & 1))
            return false;
        t->trapped = true;
    }
    if (access == ACCESS_WRITE && !t->trapped) {
        if (unlikely(!entry_mark(p, e, PTE_A | PTE_D)))
            goto again;
        t->writable = true;
        return true;
    }
    if (unlikely(!entry_mark(p, e, PTE_A)))
        goto again;
    t->writable = rights & PTE_RW && e & PTE_D;
    return true;

reserved:
    *pfec = err | PFEC_PRESENT | PFEC_RSVD;
    return false;
}

/* ---- for direct execution ---- */

/*
 * Another process that gets the same base later has another version of it, or at least of its upper bits
 * (mm_types.c).
 */
static uint64_t base_user(mfn_t base)
{
    return machine_frame(base)->version >> VERSION_CHANGES_BITS;
}

uint64_t pv_user_space(const struct vcpu *v)
{
    mfn_t base = v->pv->cr3_user;

    return base.n == 0 ? 0 : base.n | base_user(base) << USER_SPACE_BASE_BITS;
}

uint64_t pv_user_task(const struct vcpu *v)
{
    mfn_t base = v->pv->cr3_user;

    return (base.n << 32 | base_user(base) << 56) ^ v->pv->kernel_sp;
}

/*
 * The version is read before any entry is, and counts up behind each store to one: who finds it unchanged
 * later knows that what was read is what is there.
 */
bool pv_user_region(struct vcpu *v, gva_t a, struct user_region *r)
{
    const struct domain *d = v->domain;
    uint64_t rights = PTE_P | PTE_RW | PTE_USER | PTE_A, nx = 0;
    mfn_t m = v->pv->cr3_user;

    if (unlikely(m.n == 0))
        return false;
    for (unsigned level = 4; level > 1; level--) {
        uint64_t e = pte_read(pt_hva(m) + pt_slot(a, level));

        if (!(e & PTE_P) || e & PTE_PSE || !entry_frame_ok(d, e))
            return false;
        rights &= e;
        nx |= e;
        m = pte_mfn(e);
    }
    r->table = m;
    r->version = __atomic_load_n(&machine_frame(m)->version, __ATOMIC_ACQUIRE);
    r->rights = !(rights & PTE_USER) || !(rights & PTE_A)
                    ? 0
                    : USER_PAGE_R | (rights & PTE_RW ? USER_PAGE_W : 0) | (nx & PTE_NX ? 0 : USER_PAGE_X);
    return true;
}

void pv_user_pages(struct vcpu *v, const struct user_region *r, unsigned first, unsigned n, uint64_t *page)
{
    const uint64_t *p = pt_hva(r->table) + first;

    for (unsigned i = 0; i < n; i++) {
        uint64_t e = pte_read(&p[i]);
        uint64_t rights = USER_PAGE_R;

        page[i] = 0;
        if ((e & (PTE_P | PTE_A | PTE_USER)) != (PTE_P | PTE_A | PTE_USER) || !entry_frame_ok(v->domain, e))
            continue;
        if ((e & (PTE_RW | PTE_D)) == (PTE_RW | PTE_D))
            rights |= USER_PAGE_W;
        if (!(e & PTE_NX))
            rights |= USER_PAGE_X;
        rights &= r->rights;
        page[i] = rights ? (e & PTE_ADDR) | rights : 0;
    }
}
