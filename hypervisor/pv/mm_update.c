// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The hypercalls mmu_update, update_va_mapping and update_va_mapping_otherdomain.
 *
 * A batch is read in pieces, without the lock, and each piece is worked off under one acquisition of it.
 */
#include "pv/mm.h"

#include "pv/hypercall.h"
#include "pv/peers.h"

/* In a count: the call continues one that was preempted, *pdone has what is done already (xen/arch/x86/mm.c).
 */
#define MMU_UPDATE_PREEMPTED 0x80000000u

#define PIECE 32u

int mm_foreign_domain(struct vcpu *v, uint16_t domid, bool *io)
{
    struct domain *other;

    *io = domid == DOMID_IO;
    if (domid == DOMID_SELF || domid == DOMID_IO)
        return 0;
    if (domid == v->domain->domid)
        return -XEN_ESRCH;
    /* There is always a control domain, and Xen's own. This one has no rights over them. */
    if (domid == 0 || domid == DOMID_XEN)
        return -XEN_EPERM;
    other = peer_get(domid);
    if (!other)
        return -XEN_ESRCH;
    peer_put(other);
    return -XEN_EPERM;
}

/* The owner of the tables, from the high half of foreigndom. */
static int table_owner(struct vcpu *v, uint32_t foreigndom)
{
    uint32_t id = foreigndom >> 16;
    bool io;

    if (id == 0 || id - 1 == v->domain->domid)
        return 0;
    id--;
    if (id >= DOMID_FIRST_RESERVED)
        return -XEN_ESRCH;
    return mm_foreign_domain(v, (uint16_t)id, &io);
}

void mm_set_m2p(mfn_t m, uint64_t pfn)
{
    __atomic_store_n(&machine.m2p[m.n], pfn, __ATOMIC_RELAXED);
    machine_frame(m)->m2p = pfn < ~0u ? (uint32_t)pfn : ~0u;
}

/* MMU_NORMAL_PT_UPDATE and its relatives, locked. */
static int pt_update(struct vcpu *v, const struct mmu_update *req, unsigned cmd, bool foreign_io)
{
    struct domain *d = v->domain;
    mfn_t m = MFN(req->ptr >> PAGE_SHIFT);
    unsigned off = (unsigned)(req->ptr & ~PAGE_MASK) & ~7u;
    struct frame *f;

    if (!machine_valid(m))
        return -XEN_EINVAL;
    f = machine_frame(m);
    if (f->owner != d->domid)
        return -XEN_EINVAL;
    if (likely(frame_is_table(f)))
        return mm_update_entry(v, d, m, off, req->val,
                               cmd == MMU_PT_UPDATE_PRESERVE_AD ? MM_UPDATE_PRESERVE_AD : MM_UPDATE_STORE,
                               NULL, foreign_io);
    /* No table (yet): a plain store, if the frame may be written. */
    if (f->type_count != 0 && f->type != FRAME_WRITABLE)
        return -XEN_EINVAL;
    __atomic_store_n(&pt_hva(m)[off / 8], req->val, __ATOMIC_RELAXED);
    engine_frame_changed(v, m, off, 8);
    return 0;
}

static int machphys_update(struct vcpu *v, const struct mmu_update *req, bool foreign_io)
{
    mfn_t m = MFN(req->ptr >> PAGE_SHIFT);

    if (!machine_valid(m) || machine_frame(m)->owner != v->domain->domid || foreign_io)
        return -XEN_EINVAL;
    mm_set_m2p(m, req->val);
    return 0;
}

static int update_one(struct vcpu *v, const struct mmu_update *req, bool foreign_io)
{
    unsigned cmd = (unsigned)req->ptr & 7;

    switch (cmd) {
    case MMU_NORMAL_PT_UPDATE:
    case MMU_PT_UPDATE_PRESERVE_AD:
    case MMU_PT_UPDATE_NO_TRANSLATE: /* numbers in entries are machine frames anyway */
        return pt_update(v, req, cmd, foreign_io);
    case MMU_MACHPHYS_UPDATE:
        return machphys_update(v, req, foreign_io);
    default:
        return -XEN_ENOSYS;
    }
}

/* Reads up to PIECE requests; one, if they don't all lie in readable memory. 0: not even one. */
static unsigned piece_read(struct vcpu *v, gva_t from, struct mmu_update *req, unsigned n)
{
    if (n > PIECE)
        n = PIECE;
    if (guest_read(v, from, req, n * sizeof(*req)))
        return n;
    return n > 1 && guest_read(v, from, req, sizeof(*req)) ? 1 : 0;
}

int64_t hc_mmu_update(struct vcpu *v, const uint64_t arg[6])
{
    struct domain *d = v->domain;
    gva_t reqs = GVA(arg[0]);
    uint32_t count = (uint32_t)arg[1];
    gva_t pdone = GVA(arg[2]);
    uint32_t foreigndom = (uint32_t)arg[3];
    struct mmu_update req[PIECE];
    uint32_t done = 0, i = 0;
    bool foreign_io;
    int rc, allowed;

    if (count == MMU_UPDATE_PREEMPTED && reqs.va == 0)
        return (int32_t)foreigndom;
    if (count & MMU_UPDATE_PREEMPTED) {
        count &= ~MMU_UPDATE_PREEMPTED;
        if (pdone.va != 0 && !guest_read(v, pdone, &done, sizeof(done)))
            done = 0;
    }
    allowed = table_owner(v, foreigndom);
    if (allowed == -XEN_ESRCH)
        return allowed;
    rc = mm_foreign_domain(v, (uint16_t)foreigndom, &foreign_io);
    if (rc == -XEN_ESRCH)
        return rc;
    if (rc != 0)
        allowed = rc;

    rc = count > 0 ? allowed : 0;
    while (i < count && rc == 0) {
        unsigned n = piece_read(v, gva_add(reqs, i * sizeof(*req)), req, count - i);

        if (n == 0) {
            rc = -XEN_EFAULT;
            break;
        }
        lock_acquire(&d->mm_lock);
        for (unsigned k = 0; k < n; k++, i++) {
            rc = update_one(v, &req[k], foreign_io);
            if (unlikely(rc != 0))
                break;
        }
        lock_release(&d->mm_lock);
        if (unlikely(domain_ended(d)))
            break;
    }
    if (pdone.va != 0) {
        done += i;
        (void)guest_write(v, pdone, &done, sizeof(done)); /* as Xen: no error if it can't be told */
    }
    return rc;
}

/* Locked. The level-1 table that maps an address in the kernel's view. */
static bool find_l1(const struct vcpu *v, gva_t a, mfn_t *table)
{
    mfn_t m = v->pv->cr3_kernel;

    if (!gva_is_guest(a) || m.n == 0)
        return false;
    for (unsigned level = 4; level > 1; level--) {
        uint64_t e = pte_read(pt_hva(m) + pt_slot(a, level));

        m = pte_mfn(e);
        if (!(e & PTE_P) || !machine_valid(m) || machine_frame(m)->owner != v->domain->domid)
            return false;
    }
    *table = m;
    return machine_frame(m)->type == FRAME_L1;
}

static int64_t update_va_mapping(struct vcpu *v, gva_t a, uint64_t val, uint64_t flags, bool foreign_io)
{
    struct domain *d = v->domain;
    uint64_t who = flags & ~UVMF_FLUSHTYPE_MASK;
    uint64_t mask = 1ul << v->id;
    int rc = -XEN_EINVAL;
    mfn_t table;

    lock_acquire(&d->mm_lock);
    if (find_l1(v, a, &table))
        rc = mm_update_entry(v, d, table, pt_slot(a, 1) * 8, val, MM_UPDATE_STORE, NULL, foreign_io);
    lock_release(&d->mm_lock);
    if (rc != 0)
        return rc;

    switch (flags & UVMF_FLUSHTYPE_MASK) {
    case UVMF_TLB_FLUSH:
    case UVMF_INVLPG:
        if (who == UVMF_ALL)
            mask = mm_all_vcpus(d);
        else if (who != UVMF_LOCAL && !mm_read_vcpu_mask(v, GVA(who), &mask))
            return -XEN_EFAULT;
        if ((flags & UVMF_FLUSHTYPE_MASK) == UVMF_TLB_FLUSH)
            mm_flush_mask(v, mask);
        else
            mm_flush_page_mask(v, mask, a);
        break;
    default:
        break;
    }
    return 0;
}

int64_t hc_update_va_mapping(struct vcpu *v, const uint64_t arg[6])
{
    return update_va_mapping(v, GVA(arg[0]), arg[1], arg[2], false);
}

int64_t hc_update_va_mapping_otherdomain(struct vcpu *v, const uint64_t arg[6])
{
    bool foreign_io;
    int rc = mm_foreign_domain(v, (uint16_t)arg[3], &foreign_io);

    if (rc != 0)
        return rc;
    return update_va_mapping(v, GVA(arg[0]), arg[1], arg[2], foreign_io);
}
