/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * GNTTABOP_copy: copies bytes between frames of the caller's own and frames that others have granted it.
 *
 * A grant is claimed first: the entry is checked and marked as being read or written in one compare-and-swap,
 * since the granter may take it back at any time until then; and a reference on the frame is taken.  Both are
 * given back after the copy.
 */
#include "pv/grant_entry.h"
#include "pv/hypercall.h"
#include "pv/panel.h"
#include "pv/peers.h"

/* A granter that keeps changing its entry gets an error in place of our time. */
#define CLAIM_TRIES 5

/* One side of a copy. */
struct side {
    struct domain *d; /* whose frame; a peer's reference is held if it isn't the caller's */
    mfn_t mfn;
    unsigned first, last; /* bytes of the frame that may be used: first .. last - 1 */
    uint32_t ref;
    bool write, by_ref;
    enum frame_type type; /* reference that is held; */
    bool held;
};

/* Entry and header in one word, as the CPU sees them. */
union header {
    struct grant_entry_header h;
    uint32_t word;
};

static uint32_t *header_of(const struct grant_domain *g, uint32_t ref)
{
    return (uint32_t *)(g->version == 1 ? (void *)grant_v1(g, ref) : (void *)grant_v2(g, ref));
}

/* Whether caller may use the entry this way. */
static bool permits(const union header *e, uint16_t caller, bool write, unsigned version)
{
    if ((e->h.flags & GTF_type_mask) != GTF_permit_access || e->h.domid != caller)
        return false;
    if (version == 1 && e->h.flags & GTF_sub_page)
        return false;
    return !(write && e->h.flags & GTF_readonly);
}

/* Marks the entry; its granter's lock is held. */
static int16_t claim(struct grant_domain *g, uint32_t ref, uint16_t caller, bool write)
{
    uint32_t *at = header_of(g, ref);
    union header e = {.word = __atomic_load_n(at, __ATOMIC_ACQUIRE)};
    uint16_t mark = GTF_reading | (write ? GTF_writing : 0);

    for (unsigned i = 0; i < CLAIM_TRIES; i++) {
        union header marked = e;

        if (!permits(&e, caller, write, g->version))
            return GNTST_general_error;
        if (g->version == 2) {
            /*
             * The marks are in the status array; check again that the entry wasn't withdrawn before they were
             * seen.
             */
            __atomic_fetch_or(grant_status(g, ref), mark, __ATOMIC_SEQ_CST);
            e.word = __atomic_load_n(at, __ATOMIC_SEQ_CST);
            if (permits(&e, caller, write, 2))
                return GNTST_okay;
            if (!g->active[ref].readers && !g->active[ref].writers)
                __atomic_store_n(grant_status(g, ref), 0, __ATOMIC_SEQ_CST);
            return GNTST_general_error;
        }
        marked.h.flags |= mark;
        if (__atomic_compare_exchange_n(at, &e.word, marked.word, false, __ATOMIC_SEQ_CST, __ATOMIC_ACQUIRE))
            return GNTST_okay;
    }
    return GNTST_general_error;
}

static void unclaim(struct side *s)
{
    struct grant_domain *g = &s->d->pv->grant;
    struct grant_active *a = &g->active[s->ref];
    uint16_t gone = 0;

    lock_acquire(&g->lock);
    if (s->write && --a->writers == 0)
        gone |= GTF_writing;
    if (!s->write)
        a->readers--;
    if (!a->readers && !a->writers)
        gone |= GTF_reading;
    if (g->version == 2)
        __atomic_fetch_and(grant_status(g, s->ref), (uint16_t)~gone, __ATOMIC_SEQ_CST);
    else
        __atomic_fetch_and(&grant_v1(g, s->ref)->flags, (uint16_t)~gone, __ATOMIC_SEQ_CST);
    lock_release(&g->lock);
}

/* Finds out what the entry grants. Its granter's lock is held, the entry is claimed. */
static void read_entry(struct grant_domain *g, struct side *s)
{
    s->first = 0;
    s->last = PAGE_SIZE;
    if (g->version == 1) {
        s->mfn = MFN(__atomic_load_n(&grant_v1(g, s->ref)->frame, __ATOMIC_RELAXED));
        return;
    }
    union grant_entry_v2 e = *grant_v2(g, s->ref);

    s->mfn = MFN(e.full_page.frame);
    if (e.hdr.flags & GTF_sub_page) {
        s->first = e.sub_page.page_off;
        s->last = s->first + e.sub_page.length;
        if (s->first > PAGE_SIZE || s->last > PAGE_SIZE)
            s->first = s->last = 0; /* grants nothing */
    }
}

static int16_t take_grant(struct vcpu *v, struct side *s)
{
    struct grant_domain *g = &s->d->pv->grant;
    int16_t status = GNTST_bad_gntref;

    lock_acquire(&g->lock);
    if (s->ref < grant_nr_entries(g)) {
        status = claim(g, s->ref, v->domain->domid, s->write);
        if (status == GNTST_okay) {
            if (s->write)
                g->active[s->ref].writers++;
            else
                g->active[s->ref].readers++;
            s->by_ref = true;
            read_entry(g, s);
        }
    }
    lock_release(&g->lock);
    return status;
}

static int16_t take_frame(struct side *s, int16_t error)
{
    lock_acquire(&s->d->mm_lock);
    s->type = s->write ? FRAME_WRITABLE : FRAME_NONE;
    s->held = machine_valid(s->mfn) && mm_get_page(s->d, s->mfn, s->type) == 0;
    lock_release(&s->d->mm_lock);
    if (!s->held)
        return error;
    return GNTST_okay;
}

static int16_t take(struct vcpu *v, struct side *s, const struct gnttab_copy_ptr *p, bool by_ref, bool write)
{
    bool self = p->domid == DOMID_SELF;
    int16_t status;

    /* Frames by number are the caller's own. */
    if (!self && !by_ref)
        return GNTST_permission_denied;
    s->d = self || p->domid == v->domain->domid ? v->domain : peer_get(p->domid);
    if (!s->d)
        return GNTST_bad_domain;
    s->write = write;
    if (!by_ref) {
        s->mfn = MFN(p->u.gmfn);
        s->first = 0;
        s->last = PAGE_SIZE;
        return take_frame(s, GNTST_bad_page);
    }
    s->ref = p->u.ref;
    status = take_grant(v, s);
    if (status != GNTST_okay)
        return status;
    return take_frame(s, GNTST_general_error);
}

static void give_back(struct vcpu *v, struct side *s)
{
    if (s->held) {
        lock_acquire(&s->d->mm_lock);
        mm_put_page(s->d, s->mfn, s->type);
        lock_release(&s->d->mm_lock);
    }
    if (s->by_ref)
        unclaim(s);
    if (s->d && s->d != v->domain)
        peer_put(s->d);
}

static int16_t move(struct vcpu *v, const struct gnttab_copy *op, const struct side *from,
                    const struct side *to)
{
    const uint8_t *src = (uint8_t *)machine_hva(from->mfn) + op->source.offset;
    uint8_t *dst = (uint8_t *)machine_hva(to->mfn) + op->dest.offset;
    size_t n = op->len;

    if (op->source.offset + op->len > PAGE_SIZE || op->dest.offset + op->len > PAGE_SIZE)
        return GNTST_bad_copy_arg;
    if (op->source.offset < from->first || op->source.offset + op->len > from->last ||
        op->dest.offset < to->first || op->dest.offset + op->len > to->last)
        return GNTST_general_error;
    __asm__ volatile("rep movsb" : "+D"(dst), "+S"(src), "+c"(n) : : "memory");
    engine_frame_changed(v, to->mfn, op->dest.offset, op->len);
    return GNTST_okay;
}

void grant_copy(struct vcpu *v, struct gnttab_copy *op)
{
    struct side from = {0}, to = {0};

    op->status = take(v, &from, &op->source, op->flags & GNTCOPY_source_gref, false);
    if (op->status == GNTST_okay)
        op->status = take(v, &to, &op->dest, op->flags & GNTCOPY_dest_gref, true);
    if (op->status == GNTST_okay)
        op->status = move(v, op, &from, &to);
    give_back(v, &to);
    give_back(v, &from);
}
