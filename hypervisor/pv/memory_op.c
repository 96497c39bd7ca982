// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The hypercall memory_op: how much memory the domain has, giving and taking frames, and what memory looks
 * like.
 *
 * Its row in the table is heavy, because frames are taken and freed in mem/machine.c.  Frames that the domain
 * gives back are freed only after all its TLBs have been flushed: that ends every use of them, walks under
 * way included.
 *
 * Errors are those of Xen 4.17 for an unprivileged PV domain (xen/common/memory.c, xen/arch/x86/mm.c).  The
 * operations that answer with a number of extents answer with that number for every error.
 */
#include "pv/hypercall.h"
#include "pv/mm.h"

#include <xen/memory.h> /* relies on pv/xen_abi.h's version */

/* The command word: operation, and where a preempted call goes on. */
#define CMD_MASK         0x3fu
#define CMD_EXTENT_SHIFT 6

/* Extents that a domain without devices may ask for, as log2 of frames (CONFIG_DOMU_MAX_ORDER). */
#define MAX_ORDER 9u

/* The public headers show these to the tools only. */
#define XENMEM_access_op                  21
#define XENMEM_claim_pages                24
#define XENMEM_reserved_device_memory_map 27

#define E820_RAM 1u

/* -XEN_ESRCH, -XEN_EPERM, or 0 if the guest means itself, by either name. */
static int own_domain(struct vcpu *v, uint16_t domid)
{
    bool io;
    int rc;

    if (domid == DOMID_SELF || domid == v->domain->domid)
        return 0;
    rc = mm_foreign_domain(v, domid, &io);
    return rc != 0 ? rc : -XEN_ESRCH;
}

/* Frees what was given back since the last time. */
static void free_dead(struct vcpu *v)
{
    struct domain *d = v->domain;
    mfn_t m;

    lock_acquire(&d->mm_lock);
    m = mm_take_dead(d);
    lock_release(&d->mm_lock);
    if (m.n == 0)
        return;
    engine_flush_frames(v, d);
    while (m.n != 0) {
        mfn_t first = m;
        mfn_t next = MFN(machine_frame(m)->m2p);
        uint64_t nr = 1;

        /* Runs come as they were given back: the last one is the first in the list. */
        engine_frame_changed(v, m, 0, PAGE_SIZE);
        while (next.n != 0 && next.n + 1 == first.n) {
            first = next;
            next = MFN(machine_frame(first)->m2p);
            engine_frame_changed(v, first, 0, PAGE_SIZE);
            nr++;
        }
        machine_free(first, nr);
        m = next;
    }
}

/* Takes 2^order frames for the domain, below 2^address_bits bytes unless that is 0. MFN_INVALID: no. */
static mfn_t take_extent(struct domain *d, unsigned order, unsigned address_bits)
{
    uint64_t nr = 1ul << order;
    bool allowed;
    mfn_t m;

    lock_acquire(&d->mm_lock);
    allowed = d->nr_pages <= d->max_pages && nr <= d->max_pages - d->nr_pages;
    if (allowed)
        d->nr_pages += nr;
    lock_release(&d->mm_lock);
    if (!allowed)
        return MFN_INVALID;
    m = machine_alloc(d->domid, nr);
    if (m.n != MFN_INVALID.n && address_bits != 0 && address_bits < 64 &&
        (m.n + nr - 1) >> (address_bits - PAGE_SHIFT) != 0) {
        machine_free(m, nr);
        m = MFN_INVALID;
    }
    if (m.n == MFN_INVALID.n) {
        lock_acquire(&d->mm_lock);
        d->nr_pages -= nr;
        lock_release(&d->mm_lock);
    }
    return m;
}

static uint64_t increase_reservation(struct vcpu *v, const struct xen_memory_reservation *r, uint64_t i)
{
    gva_t list = GVA((uintptr_t)r->extent_start.p);

    for (; i < r->nr_extents && !domain_ended(v->domain); i++) {
        mfn_t m = take_extent(v->domain, r->extent_order, XENMEMF_get_address_bits(r->mem_flags));

        if (m.n == MFN_INVALID.n)
            break;
        if (list.va != 0 && !guest_write(v, gva_add(list, i * sizeof(m.n)), &m.n, sizeof(m.n)))
            break;
    }
    return i;
}

static uint64_t populate_physmap(struct vcpu *v, const struct xen_memory_reservation *r, uint64_t i)
{
    gva_t list = GVA((uintptr_t)r->extent_start.p);

    if (r->mem_flags & XENMEMF_populate_on_demand)
        return i; /* not for oneself */
    for (; i < r->nr_extents && !domain_ended(v->domain); i++) {
        uint64_t pfn;
        mfn_t m;

        if (!guest_read(v, gva_add(list, i * sizeof(pfn)), &pfn, sizeof(pfn)))
            break;
        m = take_extent(v->domain, r->extent_order, XENMEMF_get_address_bits(r->mem_flags));
        if (m.n == MFN_INVALID.n)
            break;
        for (uint64_t k = 0; k < 1ul << r->extent_order; k++)
            mm_set_m2p(MFN(m.n + k), pfn + k);
        if (!guest_write(v, gva_add(list, i * sizeof(m.n)), &m.n, sizeof(m.n)))
            break;
    }
    return i;
}

static bool give_back_extent(struct vcpu *v, uint64_t first, uint64_t nr)
{
    struct domain *d = v->domain;
    int rc = 0;

    lock_acquire(&d->mm_lock);
    for (uint64_t k = 0; k < nr && rc == 0; k++)
        rc = mm_give_back(v, d, MFN(first + k));
    lock_release(&d->mm_lock);
    return rc == 0;
}

static uint64_t decrease_reservation(struct vcpu *v, const struct xen_memory_reservation *r, uint64_t i)
{
    gva_t list = GVA((uintptr_t)r->extent_start.p);

    for (; i < r->nr_extents && !domain_ended(v->domain); i++) {
        uint64_t gmfn;

        if (!guest_read(v, gva_add(list, i * sizeof(gmfn)), &gmfn, sizeof(gmfn)) ||
            !give_back_extent(v, gmfn, 1ul << r->extent_order))
            break;
    }
    return i;
}

static int64_t op_reservation(struct vcpu *v, unsigned op, gva_t arg, uint64_t start)
{
    struct xen_memory_reservation r;
    unsigned bits;

    if (!guest_read(v, arg, &r, sizeof(r)) || r.nr_extents > UINT32_MAX >> CMD_EXTENT_SHIFT ||
        start >= r.nr_extents || own_domain(v, r.domid) != 0 || r.extent_order > MAX_ORDER)
        return (int64_t)start;
    bits = XENMEMF_get_address_bits(r.mem_flags);
    if (bits != 0 && bits <= PAGE_SHIFT)
        return (int64_t)start;
    free_dead(v);
    switch (op) {
    case XENMEM_increase_reservation:
        return (int64_t)increase_reservation(v, &r, start);
    case XENMEM_populate_physmap:
        return (int64_t)populate_physmap(v, &r, start);
    default:
        start = decrease_reservation(v, &r, start);
        free_dead(v);
        return (int64_t)start;
    }
}

/* ---- XENMEM_exchange ---- */

/* Frames of one chunk: the larger of the two extent sizes. */
#define CHUNK_MAX (1u << MAX_ORDER)

/* A frame that nothing uses goes out of the domain's hands, for the time being. */
static bool steal(struct domain *d, mfn_t m)
{
    struct frame *f;

    if (!machine_valid(m))
        return false;
    f = machine_frame(m);
    if (f->owner != d->domid || f->flags & (FRAME_XEN | FRAME_GIVEN_BACK) || f->ref_count != 0)
        return false;
    f->owner = DOMID_NOBODY;
    return true;
}

/* Steals the input frames of a chunk: nr extents from entry first of the list on. 0 or -XEN_E*; *n how many
 * were stolen. */
static int chunk_steal(struct vcpu *v, const struct xen_memory_reservation *in, uint64_t first, uint64_t nr,
                       mfn_t *stolen, unsigned *n)
{
    struct domain *d = v->domain;
    gva_t list = GVA((uintptr_t)in->extent_start.p);

    for (uint64_t j = 0; j < nr; j++) {
        bool ok = true;
        uint64_t gmfn;

        if (!guest_read(v, gva_add(list, (first + j) * sizeof(gmfn)), &gmfn, sizeof(gmfn)))
            return -XEN_EFAULT;
        lock_acquire(&d->mm_lock);
        for (uint64_t k = 0; k < 1ul << in->extent_order && ok; k++) {
            ok = steal(d, MFN(gmfn + k));
            if (ok)
                stolen[(*n)++] = MFN(gmfn + k);
        }
        lock_release(&d->mm_lock);
        if (!ok)
            return -XEN_EINVAL;
    }
    return 0;
}

/* Gives the domain new frames, at most CHUNK_MAX extents, for entries first .. of the list. */
static int chunk_fill(struct vcpu *v, const struct xen_memory_reservation *out, uint64_t first,
                      const mfn_t *taken, unsigned nr)
{
    gva_t list = GVA((uintptr_t)out->extent_start.p);
    int rc = 0;

    for (unsigned j = 0; j < nr; j++) {
        gva_t at = gva_add(list, (first + j) * sizeof(uint64_t));
        uint64_t pfn;

        if (!guest_read(v, at, &pfn, sizeof(pfn))) {
            rc = -XEN_EFAULT;
            continue;
        }
        for (uint64_t k = 0; k < 1ul << out->extent_order; k++)
            mm_set_m2p(MFN(taken[j].n + k), pfn + k);
        if (!guest_write(v, at, &taken[j].n, sizeof(taken[j].n)))
            rc = -XEN_EFAULT;
    }
    return rc;
}

/* One chunk: in_nr extents from in_first on for out_nr from out_first on. */
static int exchange_chunk(struct vcpu *v, const struct xen_memory_exchange *x, uint64_t in_first,
                          uint64_t in_nr, uint64_t out_first, uint64_t out_nr)
{
    struct domain *d = v->domain;
    mfn_t stolen[CHUNK_MAX], taken[CHUNK_MAX];
    unsigned bits = XENMEMF_get_address_bits(x->out.mem_flags);
    uint64_t extent = 1ul << x->out.extent_order;
    unsigned n = 0, t = 0;
    int rc = chunk_steal(v, &x->in, in_first, in_nr, stolen, &n);

    while (rc == 0 && t < out_nr) {
        taken[t] = machine_alloc(d->domid, extent);
        if (taken[t].n == MFN_INVALID.n) {
            rc = -XEN_ENOMEM;
        } else {
            t++;
            if (bits != 0 &&
                (bits <= PAGE_SHIFT || (taken[t - 1].n + extent - 1) >> (bits - PAGE_SHIFT) != 0))
                rc = -XEN_ENOMEM;
        }
    }
    if (rc != 0) {
        lock_acquire(&d->mm_lock);
        while (n > 0)
            machine_frame(stolen[--n])->owner = d->domid;
        lock_release(&d->mm_lock);
        while (t > 0)
            machine_free(taken[--t], extent);
        return rc;
    }
    engine_flush_frames(v, d);
    while (n > 0) {
        engine_frame_changed(v, stolen[--n], 0, PAGE_SIZE);
        machine_free(stolen[n], 1);
    }
    return chunk_fill(v, &x->out, out_first, taken, t);
}

static int64_t op_exchange(struct vcpu *v, gva_t arg)
{
    struct xen_memory_exchange x;
    unsigned in_shift = 0, out_shift = 0; /* log2 of the extents a chunk has */
    uint64_t i, nr;
    int rc = 0;

    if (!guest_read(v, arg, &x, sizeof(x)))
        return -XEN_EFAULT;
    if (x.in.extent_order > MAX_ORDER || x.out.extent_order > MAX_ORDER)
        return -XEN_EPERM;
    if (x.nr_exchanged > x.in.nr_extents || x.in.domid != x.out.domid ||
        ~0ul >> x.in.extent_order < x.in.nr_extents || ~0ul >> x.out.extent_order < x.out.nr_extents ||
        x.in.nr_extents << x.in.extent_order != x.out.nr_extents << x.out.extent_order)
        return -XEN_EINVAL;
    rc = own_domain(v, x.in.domid);
    if (rc != 0)
        return rc;
    if (x.in.extent_order <= x.out.extent_order)
        in_shift = x.out.extent_order - x.in.extent_order;
    else
        out_shift = x.in.extent_order - x.out.extent_order;

    nr = x.in.nr_extents >> in_shift;
    for (i = x.nr_exchanged >> in_shift; i < nr && rc == 0 && !domain_ended(v->domain); i++)
        rc = exchange_chunk(v, &x, i << in_shift, 1ul << in_shift, i << out_shift, 1ul << out_shift);
    /* A chunk that failed is not exchanged. */
    x.nr_exchanged = rc == 0 ? x.in.nr_extents : (i - 1) << in_shift;
    if (!guest_write(v, gva_add(arg, offsetof(struct xen_memory_exchange, nr_exchanged)), &x.nr_exchanged,
                     sizeof(x.nr_exchanged)))
        rc = -XEN_EFAULT;
    return rc;
}

/* ---- questions ---- */

static int64_t op_stat(struct vcpu *v, unsigned op, gva_t arg)
{
    struct domain *d = v->domain;
    domid_t domid;
    int rc;

    if (!guest_read(v, arg, &domid, sizeof(domid)))
        return -XEN_EFAULT;
    rc = own_domain(v, domid);
    if (rc != 0)
        return rc;
    switch (op) {
    case XENMEM_current_reservation:
        return (int64_t)d->nr_pages;
    case XENMEM_maximum_reservation:
        return (int64_t)d->max_pages;
    default:
        /* PV guests tell how many there are, not the highest. */
        return (int64_t)__atomic_load_n(&d->pv->shared_info->arch.max_pfn, __ATOMIC_RELAXED) - 1;
    }
}

static int64_t op_machphys_mfn_list(struct vcpu *v, gva_t arg)
{
    struct xen_machphys_mfn_list list;
    uint64_t mfn = 0;
    unsigned i;

    if (!guest_read(v, arg, &list, sizeof(list)))
        return -XEN_EFAULT;
    for (i = 0; i < list.max_extents && mfn < machine.m2p_frames; i++, mfn += PT_ENTRIES)
        if (!guest_write(v, GVA((uintptr_t)list.extent_start.p + i * sizeof(mfn)), &mfn, sizeof(mfn)))
            return -XEN_EFAULT;
    list.nr_extents = i;
    return guest_write(v, arg, &list, sizeof(list)) ? 0 : -XEN_EFAULT;
}

static int64_t op_machphys_mapping(struct vcpu *v, gva_t arg)
{
    struct xen_machphys_mapping mapping = {
        .v_start = MACH2PHYS_VIRT_START, .v_end = MACH2PHYS_VIRT_END, .max_mfn = MACH2PHYS_NR_ENTRIES - 1};

    return guest_write(v, arg, &mapping, sizeof(mapping)) ? 0 : -XEN_EFAULT;
}

static int64_t op_memory_map(struct vcpu *v, gva_t arg)
{
    struct domain *d = v->domain;
    struct mm_e820_entry all = {.addr = 0, .size = d->max_pages << PAGE_SHIFT, .type = E820_RAM};
    struct xen_memory_map map;

    if (!guest_read(v, arg, &map, sizeof(map)))
        return -XEN_EFAULT;
    for (unsigned i = 0;; i++) {
        struct mm_e820_entry e;
        unsigned nr;

        /* What the tools would have set, until the guest sets something else. */
        lock_acquire(&d->mm_lock);
        nr = d->pv->mm.nr_e820;
        e = nr == 0 || i >= nr ? all : d->pv->mm.e820[i];
        lock_release(&d->mm_lock);
        if (nr == 0)
            nr = 1;
        if (i >= nr || i >= map.nr_entries) {
            map.nr_entries = i;
            break;
        }
        if (!guest_write(v, GVA((uintptr_t)map.buffer.p + i * sizeof(e)), &e, sizeof(e)))
            return -XEN_EFAULT;
    }
    return guest_write(v, arg, &map, sizeof(map)) ? 0 : -XEN_EFAULT;
}

static int64_t op_set_memory_map(struct vcpu *v, gva_t arg)
{
    struct domain *d = v->domain;
    struct xen_foreign_memory_map map;
    struct mm_e820_entry e[MM_E820_MAX];
    int rc;

    if (!guest_read(v, arg, &map, sizeof(map)))
        return -XEN_EFAULT;
    if (map.map.nr_entries > MM_E820_MAX)
        return -XEN_EINVAL;
    rc = own_domain(v, map.domid);
    if (rc != 0)
        return rc;
    if (!guest_read(v, GVA((uintptr_t)map.map.buffer.p), e, map.map.nr_entries * sizeof(e[0])))
        return -XEN_EFAULT;
    lock_acquire(&d->mm_lock);
    for (unsigned i = 0; i < map.map.nr_entries; i++)
        d->pv->mm.e820[i] = e[i];
    d->pv->mm.nr_e820 = map.map.nr_entries;
    lock_release(&d->mm_lock);
    return 0;
}

/* ---- the rest: what a PV guest without privileges is told ---- */

/* Only domains with translated memory have a physmap to add to. */
static int64_t op_add_to_physmap(struct vcpu *v, gva_t arg)
{
    struct xen_add_to_physmap x;
    int rc;

    if (!guest_read(v, arg, &x, sizeof(x)))
        return -XEN_EFAULT;
    if (x.space == XENMAPSPACE_gmfn_foreign)
        return -XEN_ENOSYS;
    rc = own_domain(v, x.domid);
    return rc != 0 ? rc : -XEN_EACCES;
}

static int64_t op_add_to_physmap_batch(struct vcpu *v, gva_t arg)
{
    struct xen_add_to_physmap_batch x;
    int err = -XEN_EACCES;
    int rc;

    if (!guest_read(v, arg, &x, sizeof(x)))
        return -XEN_EFAULT;
    if (x.space == XENMAPSPACE_gmfn_range)
        return -XEN_EOPNOTSUPP;
    rc = own_domain(v, x.domid);
    if (rc != 0)
        return rc;
    for (unsigned i = 0; i < x.size; i++)
        if (!guest_write(v, GVA((uintptr_t)x.errs.p + i * sizeof(err)), &err, sizeof(err)))
            return -XEN_EFAULT;
    return 0;
}

static int64_t op_remove_from_physmap(struct vcpu *v, gva_t arg)
{
    struct xen_remove_from_physmap x;
    int rc;

    if (!guest_read(v, arg, &x, sizeof(x)))
        return -XEN_EFAULT;
    rc = own_domain(v, x.domid);
    if (rc != 0)
        return rc;
    /* With untranslated memory there is nothing to remove, but the frame has to be there. */
    return machine_valid(MFN(x.gpfn)) && machine_frame(MFN(x.gpfn))->owner == v->domain->domid ? 0
                                                                                               : -XEN_ENOENT;
}

static int64_t op_claim_pages(struct vcpu *v, gva_t arg)
{
    struct xen_memory_reservation r;

    if (!guest_read(v, arg, &r, sizeof(r)))
        return -XEN_EFAULT;
    if ((uintptr_t)r.extent_start.p != 0 || r.extent_order != 0 || r.mem_flags != 0 || r.domid == DOMID_SELF)
        return -XEN_EINVAL;
    return own_domain(v, r.domid) == -XEN_ESRCH ? -XEN_EINVAL : -XEN_EPERM;
}

static int64_t op_get_vnumainfo(struct vcpu *v, gva_t arg)
{
    struct xen_vnuma_topology_info x;
    int rc;

    if (!guest_read(v, arg, &x, sizeof(x)))
        return -XEN_EFAULT;
    if (x.pad != 0)
        return -XEN_EINVAL;
    rc = own_domain(v, x.domid);
    return rc != 0 ? rc : -XEN_EOPNOTSUPP;
}

/* No devices, so no memory that is theirs. */
static int64_t op_reserved_device_memory_map(struct vcpu *v, gva_t arg)
{
    struct {
        uint32_t flags, nr_entries;
    } x;

    if (!guest_read(v, arg, &x, sizeof(x)))
        return -XEN_EFAULT;
    if (x.flags & ~1u)
        return -XEN_EINVAL;
    x.nr_entries = 0;
    return guest_write(v, arg, &x, sizeof(x)) ? 0 : -XEN_EFAULT;
}

int64_t hc_memory_op(struct vcpu *v, const uint64_t args[6])
{
    unsigned op = (unsigned)args[0] & CMD_MASK;
    uint64_t start = args[0] >> CMD_EXTENT_SHIFT;
    gva_t arg = GVA(args[1]);

    switch (op) {
    case XENMEM_increase_reservation:
    case XENMEM_decrease_reservation:
    case XENMEM_populate_physmap:
        return op_reservation(v, op, arg, start);
    case XENMEM_add_to_physmap:
        return start != (uint16_t)start ? -XEN_EDOM : op_add_to_physmap(v, arg);
    case XENMEM_add_to_physmap_batch:
        return start != (uint16_t)start ? -XEN_EDOM : op_add_to_physmap_batch(v, arg);
    case XENMEM_exchange:
        return start != 0 ? -XEN_EINVAL : op_exchange(v, arg);
    case XENMEM_maximum_ram_page:
        return start != 0 ? -XEN_EINVAL : (int64_t)machine.nr_frames;
    case XENMEM_current_reservation:
    case XENMEM_maximum_reservation:
    case XENMEM_maximum_gpfn:
        return start != 0 ? -XEN_EINVAL : op_stat(v, op, arg);
    case XENMEM_remove_from_physmap:
        return start != 0 ? -XEN_EINVAL : op_remove_from_physmap(v, arg);
    case XENMEM_claim_pages:
        return start != 0 ? -XEN_EINVAL : op_claim_pages(v, arg);
    case XENMEM_get_vnumainfo:
        return start != 0 ? -XEN_EINVAL : op_get_vnumainfo(v, arg);
    case XENMEM_reserved_device_memory_map:
        return start != 0 ? -XEN_EINVAL : op_reserved_device_memory_map(v, arg);
    case XENMEM_set_pod_target:
    case XENMEM_get_pod_target:
    case XENMEM_access_op:
    case XENMEM_acquire_resource:
        return -XEN_EPERM;
    default:
        break;
    }
    /* The operations of the architecture don't know of starts: the whole word names them. */
    if (start != 0)
        return -XEN_ENOSYS;
    switch (op) {
    case XENMEM_memory_map:
        return op_memory_map(v, arg);
    case XENMEM_set_memory_map:
        return op_set_memory_map(v, arg);
    case XENMEM_machine_memory_map:
        return -XEN_EPERM;
    case XENMEM_machphys_mfn_list:
        return op_machphys_mfn_list(v, arg);
    case XENMEM_machphys_mapping:
        return op_machphys_mapping(v, arg);
    default:
        return -XEN_ENOSYS;
    }
}
