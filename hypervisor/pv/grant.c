/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Grant tables: their life, and the grant_table_op hypercall but for copies (grant_copy.c).
 */
#include "pv/grant.h"

#include <errno.h>
#include <sys/mman.h>

#include "pv/grant_entry.h"
#include "pv/hypercall.h"
#include "pv/panel.h"
#include "pv/peers.h"

/* Operations of one call; Xen would be preempted, we refuse. */
#define MAX_BATCH 16384u

#define TABLE_FRAMES (GRANT_MAX_FRAMES + GRANT_MAX_STATUS_FRAMES)

static struct grant_domain *grants(struct vcpu *v)
{
    return &v->domain->pv->grant;
}

static unsigned status_frames_for(unsigned frames)
{
    return (frames * (unsigned)GRANT_V2_PER_FRAME + (unsigned)GRANT_STATUS_PER_FRAME - 1) /
           (unsigned)GRANT_STATUS_PER_FRAME;
}

int grant_domain_init(struct domain *d)
{
    struct grant_domain *g = &d->pv->grant;
    long p;

    g->first_frame = machine_alloc(d->domid, TABLE_FRAMES);
    if (g->first_frame.n == MFN_INVALID.n)
        return -ENOMEM;
    for (uint64_t i = 0; i < TABLE_FRAMES; i++) {
        struct frame *f = machine_frame(MFN(g->first_frame.n + i));

        /* Our own reference: what a guest maps and unmaps never frees it. */
        f->ref_count = 1;
        f->flags |= FRAME_XEN;
    }
    p = rawsys6(SYS_mmap, 0, GRANT_MAX_REFS * sizeof(struct grant_active), PROT_READ | PROT_WRITE,
                MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p < 0) {
        machine_free(g->first_frame, TABLE_FRAMES);
        return (int)p;
    }
    g->active = (struct grant_active *)p;
    g->version = 1;
    g->nr_frames = 1;
    return 0;
}

void grant_domain_destroy(struct domain *d)
{
    struct grant_domain *g = &d->pv->grant;

    if (!g->active)
        return;
    rawsys6(SYS_munmap, (long)g->active, GRANT_MAX_REFS * sizeof(struct grant_active), 0, 0, 0, 0);
    machine_free(g->first_frame, TABLE_FRAMES);
    g->active = NULL;
    g->nr_frames = 0;
}

void grant_set_reserved(struct domain *d, unsigned ref, uint16_t to, mfn_t m)
{
    *grant_v1(&d->pv->grant, ref) =
        (struct grant_entry_v1){.flags = GTF_permit_access, .domid = to, .frame = (uint32_t)m.n};
}

int16_t grant_whose(struct vcpu *v, domid_t domid)
{
    struct domain *d;

    if (domid == DOMID_SELF || domid == v->domain->domid)
        return GNTST_okay;
    d = peer_get(domid);
    if (!d)
        return GNTST_bad_domain;
    peer_put(d);
    return GNTST_permission_denied;
}

/* ---- size ---- */

/* Gives the guest a list of contiguous frame numbers. */
static int16_t list_frames(struct vcpu *v, gva_t list, mfn_t first, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        xen_pfn_t mfn = first.n + i;

        if (!guest_write(v, gva_add(list, i * sizeof(mfn)), &mfn, sizeof(mfn)))
            return GNTST_bad_virt_addr;
    }
    return GNTST_okay;
}

static int16_t grow(struct grant_domain *g, unsigned frames)
{
    int16_t status = GNTST_general_error;

    lock_acquire(&g->lock);
    if (frames <= GRANT_MAX_FRAMES) {
        if (frames > g->nr_frames)
            g->nr_frames = frames;
        if (g->version == 2)
            g->nr_status = status_frames_for(g->nr_frames);
        status = GNTST_okay;
    }
    lock_release(&g->lock);
    return status;
}

static int64_t setup_table(struct vcpu *v, gva_t arg)
{
    struct gnttab_setup_table op;

    if (!guest_read(v, arg, &op, sizeof(op)))
        return -XEN_EFAULT;
    op.status = grant_whose(v, op.dom);
    if (op.status == GNTST_okay)
        op.status = grow(grants(v), op.nr_frames);
    if (op.status == GNTST_okay)
        op.status = list_frames(v, GVA(op.frame_list.p), grants(v)->first_frame, op.nr_frames);
    return guest_write(v, arg, &op, sizeof(op)) ? 0 : -XEN_EFAULT;
}

static int64_t get_status_frames(struct vcpu *v, gva_t arg)
{
    struct gnttab_get_status_frames op;
    unsigned nr;

    if (!guest_read(v, arg, &op, sizeof(op)))
        return -XEN_EFAULT;
    op.status = grant_whose(v, op.dom);
    if (op.status == GNTST_okay) {
        lock_acquire(&grants(v)->lock);
        nr = grants(v)->nr_status;
        lock_release(&grants(v)->lock);
        if (op.nr_frames > nr)
            op.status = GNTST_general_error;
        else
            op.status = list_frames(v, GVA(op.frame_list.p), grant_status_mfn(grants(v), 0), op.nr_frames);
    }
    return guest_write(v, arg, &op, sizeof(op)) ? 0 : -XEN_EFAULT;
}

static int64_t query_size(struct vcpu *v, gva_t arg)
{
    struct gnttab_query_size op;

    if (!guest_read(v, arg, &op, sizeof(op)))
        return -XEN_EFAULT;
    op.status = grant_whose(v, op.dom);
    if (op.status == GNTST_okay) {
        lock_acquire(&grants(v)->lock);
        op.nr_frames = grants(v)->nr_frames;
        op.max_nr_frames = GRANT_MAX_FRAMES;
        lock_release(&grants(v)->lock);
    }
    return guest_write(v, arg, &op, sizeof(op)) ? 0 : -XEN_EFAULT;
}

/* ---- version ---- */

static bool in_use(const struct grant_domain *g, uint32_t ref)
{
    return g->active[ref].readers || g->active[ref].writers;
}

static void clear_frames(mfn_t first, unsigned n)
{
    uint64_t *words = machine_hva(first);

    for (size_t i = 0; i < n * PAGE_SIZE / sizeof(*words); i++)
        words[i] = 0;
}

/*
 * Clears the table in the new version's layout, but for the reserved entries, which the toolstack made. Lock
 * held.
 */
static int change_version(struct grant_domain *g, unsigned version)
{
    struct grant_entry_v1 kept[GNTTAB_NR_RESERVED_ENTRIES];

    for (uint32_t ref = 0; ref < grant_nr_entries(g); ref++) {
        if (in_use(g, ref))
            return -XEN_EBUSY;
    }
    for (uint32_t ref = 0; ref < GNTTAB_NR_RESERVED_ENTRIES; ref++) {
        if (g->version == 1) {
            kept[ref] = *grant_v1(g, ref);
        } else {
            union grant_entry_v2 e = *grant_v2(g, ref);

            kept[ref] = (struct grant_entry_v1){
                .flags = e.hdr.flags, .domid = e.hdr.domid, .frame = (uint32_t)e.full_page.frame};
        }
        if ((kept[ref].flags & GTF_type_mask) != GTF_permit_access)
            kept[ref] = (struct grant_entry_v1){0};
        kept[ref].flags &= (uint16_t) ~(GTF_reading | GTF_writing);
    }
    clear_frames(g->first_frame, g->nr_frames);
    clear_frames(grant_status_mfn(g, 0), g->nr_status);
    g->version = version;
    g->nr_status = version == 2 ? status_frames_for(g->nr_frames) : 0;
    for (uint32_t ref = 0; ref < GNTTAB_NR_RESERVED_ENTRIES; ref++) {
        if (version == 1) {
            *grant_v1(g, ref) = kept[ref];
        } else {
            grant_v2(g, ref)->full_page.frame = kept[ref].frame;
            grant_v2(g, ref)->hdr =
                (struct grant_entry_header){.flags = kept[ref].flags, .domid = kept[ref].domid};
        }
    }
    return 0;
}

static int64_t set_version(struct vcpu *v, gva_t arg)
{
    struct grant_domain *g = grants(v);
    struct gnttab_set_version op;
    int64_t ret = 0;

    if (!guest_read(v, arg, &op, sizeof(op)))
        return -XEN_EFAULT;
    lock_acquire(&g->lock);
    if (op.version != 1 && op.version != 2)
        ret = -XEN_EINVAL;
    else if (op.version != g->version)
        ret = change_version(g, op.version);
    op.version = g->version;
    lock_release(&g->lock);
    return guest_write(v, arg, &op, sizeof(op)) ? ret : -XEN_EFAULT;
}

static int64_t get_version(struct vcpu *v, gva_t arg)
{
    struct gnttab_get_version op;
    int16_t whose;

    if (!guest_read(v, arg, &op, sizeof(op)))
        return -XEN_EFAULT;
    whose = grant_whose(v, op.dom);
    if (whose != GNTST_okay)
        return whose == GNTST_bad_domain ? -XEN_ESRCH : -XEN_EPERM;
    lock_acquire(&grants(v)->lock);
    op.version = grants(v)->version;
    lock_release(&grants(v)->lock);
    return guest_write(v, arg, &op, sizeof(op)) ? 0 : -XEN_EFAULT;
}

/* ---- operations on arrays ---- */

union element {
    struct gnttab_map_grant_ref map;
    struct gnttab_unmap_grant_ref unmap;
    struct gnttab_unmap_and_replace replace;
    struct gnttab_transfer transfer;
    struct gnttab_copy copy;
    struct gnttab_swap_grant_ref swap;
};

/* As in a domain without maptrack frames: what is wrong with the arguments is said first. */
static void map(struct vcpu *v, union element *e)
{
    struct gnttab_map_grant_ref *op = &e->map;
    struct domain *granter;

    op->handle = 0;
    if (!(op->flags & (GNTMAP_device_map | GNTMAP_host_map))) {
        op->status = GNTST_bad_gntref;
        return;
    }
    granter = op->dom == v->domain->domid ? v->domain : peer_get(op->dom);
    op->status = granter ? GNTST_no_space : GNTST_bad_domain;
    if (granter && granter != v->domain)
        peer_put(granter);
}

static void unmap(struct vcpu *v, union element *e)
{
    (void)v;
    e->unmap.status = GNTST_bad_handle;
}

static void unmap_and_replace(struct vcpu *v, union element *e)
{
    (void)v;
    e->replace.status = GNTST_bad_handle;
}

/* A frame can be given away only if nothing maps it; and no domain has room for more than it was given. */
static void transfer(struct vcpu *v, union element *e)
{
    struct gnttab_transfer *op = &e->transfer;
    mfn_t m = MFN(op->mfn);
    struct domain *to;

    if (!machine_valid(m) || machine_frame(m)->owner != v->domain->domid ||
        machine_frame(m)->flags & FRAME_XEN) {
        op->status = GNTST_bad_page;
        return;
    }
    to = peer_get(op->domid);
    op->status = to ? GNTST_general_error : GNTST_bad_domain;
    if (to)
        peer_put(to);
}

static void copy(struct vcpu *v, union element *e)
{
    grant_copy(v, &e->copy);
}

static void swap(struct vcpu *v, union element *e)
{
    struct grant_domain *g = grants(v);
    struct gnttab_swap_grant_ref *op = &e->swap;
    uint32_t a = op->ref_a, b = op->ref_b;

    lock_acquire(&g->lock);
    op->status = GNTST_okay;
    if (a >= grant_nr_entries(g) || b >= grant_nr_entries(g)) {
        op->status = GNTST_bad_gntref;
    } else if (in_use(g, a) || in_use(g, b)) {
        op->status = GNTST_eagain;
    } else if (g->version == 1) {
        struct grant_entry_v1 t = *grant_v1(g, a);

        *grant_v1(g, a) = *grant_v1(g, b);
        *grant_v1(g, b) = t;
    } else {
        union grant_entry_v2 t = *grant_v2(g, a);
        grant_status_t s = *grant_status(g, a);

        *grant_v2(g, a) = *grant_v2(g, b);
        *grant_v2(g, b) = t;
        *grant_status(g, a) = *grant_status(g, b);
        *grant_status(g, b) = s;
    }
    lock_release(&g->lock);
}

static const struct {
    void (*fn)(struct vcpu *v, union element *e);
    uint8_t size;
} array_ops[] = {
    [GNTTABOP_map_grant_ref] = {map, sizeof(struct gnttab_map_grant_ref)},
    [GNTTABOP_unmap_grant_ref] = {unmap, sizeof(struct gnttab_unmap_grant_ref)},
    [GNTTABOP_transfer] = {transfer, sizeof(struct gnttab_transfer)},
    [GNTTABOP_copy] = {copy, sizeof(struct gnttab_copy)},
    [GNTTABOP_unmap_and_replace] = {unmap_and_replace, sizeof(struct gnttab_unmap_and_replace)},
    [GNTTABOP_swap_grant_ref] = {swap, sizeof(struct gnttab_swap_grant_ref)},
};

static int64_t each(struct vcpu *v, uint32_t cmd, gva_t arg, uint32_t count)
{
    union element e;
    size_t size = array_ops[cmd].size;

    if (count > MAX_BATCH)
        return -XEN_E2BIG;
    for (uint32_t i = 0; i < count && !domain_ended(v->domain); i++) {
        gva_t at = gva_add(arg, i * size);

        if (!guest_read(v, at, &e, size))
            return -XEN_EFAULT;
        array_ops[cmd].fn(v, &e);
        if (!guest_write(v, at, &e, size))
            return -XEN_EFAULT;
    }
    return 0;
}

int64_t hc_grant_table_op(struct vcpu *v, const uint64_t arg[6])
{
    uint32_t cmd = (uint32_t)arg[0];
    uint32_t count = (uint32_t)arg[2];
    gva_t p = GVA(arg[1]);

    if (count > INT32_MAX)
        return -XEN_EINVAL;
    if (cmd < ARRAY_SIZE(array_ops) && array_ops[cmd].fn)
        return each(v, cmd, p, count);
    if (cmd == GNTTABOP_get_version)
        return get_version(v, p); /* Xen doesn't look at count */
    if (cmd == GNTTABOP_cache_flush)
        return -XEN_EOPNOTSUPP; /* for ARM */
    if (cmd != GNTTABOP_setup_table && cmd != GNTTABOP_query_size && cmd != GNTTABOP_set_version &&
        cmd != GNTTABOP_get_status_frames)
        return -XEN_ENOSYS;
    if (count != 1)
        return -XEN_EINVAL;
    switch (cmd) {
    case GNTTABOP_setup_table:
        return setup_table(v, p);
    case GNTTABOP_query_size:
        return query_size(v, p);
    case GNTTABOP_set_version:
        return set_version(v, p);
    default:
        return get_status_frames(v, p);
    }
}
