/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The FIFO event channel ABI: an array of event words, one a port, in pages that the guest gives, and a
 * control block per vCPU with the heads of 16 queues, one a priority.  The words of a queue's events are
 * linked through their LINK field; the guest takes from the head, we append at the tail.
 *
 * Bits of a word and who may change them:
 *   PENDING  set by us, cleared by the guest
 *   MASKED   by the guest (and by us for EVTCHNOP_unmask)
 *   LINKED   set by us when the event is put on a queue, cleared together with LINK by the guest when it
 *   takes it BUSY     set by us while we fight for the tail word: the guest waits for it before it unmasks
 *
 * The guest may write anything anywhere here at any time.  What we rely on is only our own copy of each
 * queue's tail (a port number that we checked) and the retry limit below; a guest that breaks the protocol
 * loses its own events.
 *
 * The switch from the 2-level ABI: evtchn_domain.fifo is set first, then every port is visited under its lock
 * and its pending bit carried over.  Since a port is raised under its lock only, an event is either seen by
 * that visit or raised the new way.
 */
#include "pv/hypercall.h"
#include "pv/panel.h"

#define PENDING (1u << EVTCHN_FIFO_PENDING)
#define MASKED  (1u << EVTCHN_FIFO_MASKED)
#define LINKED  (1u << EVTCHN_FIFO_LINKED)
#define BUSY    (1u << EVTCHN_FIFO_BUSY)

/*
 * While a word is LINKED and BUSY the guest may set MASKED, clear PENDING and clear LINKED, each once; a
 * fourth change can have been under way.
 */
#define LINK_TRIES 4

/* The port's event word, or NULL while the guest hasn't given the page. */
static event_word_t *word_of(struct domain *d, uint32_t port)
{
    struct evtchn_domain *e = &d->pv->evtchn;

    if (port >= __atomic_load_n(&e->nr_words, __ATOMIC_ACQUIRE))
        return NULL;
    return e->array[port / EVTCHN_WORDS_PER_PAGE] + port % EVTCHN_WORDS_PER_PAGE;
}

/*
 * Makes the old tail's word point at port, if it is still on the queue. False: it is not, the queue is empty.
 */
static bool link_behind(event_word_t *tail, uint32_t port)
{
    event_word_t w = __atomic_load_n(tail, __ATOMIC_SEQ_CST);

    for (int i = 0; i <= LINK_TRIES; i++) {
        if (!(w & LINKED)) {
            if (i > 0)
                __atomic_fetch_and(tail, ~BUSY, __ATOMIC_SEQ_CST);
            return false;
        }
        /* Success also clears BUSY. */
        if (__atomic_compare_exchange_n(tail, &w, (w & ~(BUSY | EVTCHN_FIFO_LINK_MASK)) | port, false,
                                        __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
            return true;
        if (i == 0)
            w = __atomic_or_fetch(tail, BUSY, __ATOMIC_SEQ_CST);
    }
    /* The guest doesn't keep to the protocol; it loses the events behind its tail. */
    __atomic_fetch_and(tail, ~BUSY, __ATOMIC_SEQ_CST);
    return true;
}

static void queues_lock(struct vcpu *a, struct vcpu *b)
{
    struct vcpu *first = a->id < b->id ? a : b;
    struct vcpu *second = first == a ? b : a;

    lock_acquire(&pv_vcpu(first)->evtchn.queue_lock);
    if (first != second)
        lock_acquire(&pv_vcpu(second)->evtchn.queue_lock);
}

static void queues_unlock(struct vcpu *a, struct vcpu *b)
{
    lock_release(&pv_vcpu(a)->evtchn.queue_lock);
    if (a != b)
        lock_release(&pv_vcpu(b)->evtchn.queue_lock);
}

/*
 * Puts the event on v's queue of its priority; both queues are locked. True if the guest has to be told: the
 * queue was empty.
 */
static bool enqueue(struct domain *d, struct vcpu *v, struct vcpu *old, uint32_t port, struct evtchn *c)
{
    struct evtchn_vcpu *q = &pv_vcpu(v)->evtchn;
    uint32_t *old_tail = &pv_vcpu(old)->evtchn.tail[c->last_priority];
    uint32_t tail;
    bool linked = false;

    /*
     * The guest took this event off its last queue. If it was the tail there, that queue is empty now, and
     * must not look otherwise just because the word is LINKED again.
     */
    if (*old_tail == port)
        *old_tail = 0;
    c->last_vcpu = (uint16_t)v->id;
    c->last_priority = c->priority;

    tail = q->tail[c->priority];
    if (tail) {
        event_word_t *w = word_of(d, tail);

        linked = w && link_behind(w, port);
    }
    if (!linked)
        __atomic_store_n(&q->control->head[c->priority], port, __ATOMIC_SEQ_CST);
    q->tail[c->priority] = port;
    return !linked;
}

static void set_pending(struct domain *d, uint32_t port, struct evtchn *c)
{
    struct vcpu *v = d->vcpu[c->vcpu], *old = d->vcpu[c->last_vcpu];
    struct evtchn_fifo_control_block *control;
    event_word_t *word = word_of(d, port);
    bool was_pending, tell = false;

    if (!word) {
        c->pending = true; /* until evtchn_fifo_expand_array() */
        return;
    }

    queues_lock(v, old);
    was_pending = __atomic_fetch_or(word, PENDING, __ATOMIC_SEQ_CST) & PENDING;
    control = __atomic_load_n(&pv_vcpu(v)->evtchn.control, __ATOMIC_ACQUIRE);
    /* Without a control block the event is dropped: the guest must not unmask before it has given one. */
    if (control && !(__atomic_load_n(word, __ATOMIC_SEQ_CST) & MASKED) &&
        !(__atomic_fetch_or(word, LINKED, __ATOMIC_SEQ_CST) & LINKED))
        tell = enqueue(d, v, old, port, c);
    queues_unlock(v, old);

    if (tell) {
        uint32_t bit = 1u << c->priority;

        if (!(__atomic_fetch_or(&control->ready, bit, __ATOMIC_SEQ_CST) & bit))
            evtchn_mark_pending(v);
    }
    if (!was_pending)
        evtchn_check_pollers(d, port);
}

/* The event stays linked: the guest takes it off and finds it not pending. */
static void clear_pending(struct domain *d, uint32_t port, struct evtchn *c)
{
    event_word_t *word = word_of(d, port);

    c->pending = false;
    if (word)
        __atomic_fetch_and(word, ~PENDING, __ATOMIC_SEQ_CST);
}

static void unmask(struct domain *d, uint32_t port, struct evtchn *c)
{
    event_word_t *word = word_of(d, port);

    if (word && __atomic_and_fetch(word, ~MASKED, __ATOMIC_SEQ_CST) & PENDING)
        set_pending(d, port, c);
}

static bool is_pending(struct domain *d, uint32_t port)
{
    event_word_t *word = word_of(d, port);

    return word && __atomic_load_n(word, __ATOMIC_SEQ_CST) & PENDING;
}

static bool is_busy(struct domain *d, uint32_t port)
{
    event_word_t *word = word_of(d, port);

    return word && __atomic_load_n(word, __ATOMIC_SEQ_CST) & LINKED;
}

const struct evtchn_abi evtchn_fifo = {
    .set_pending = set_pending,
    .clear_pending = clear_pending,
    .unmask = unmask,
    .is_pending = is_pending,
    .is_busy = is_busy,
    .max_ports = EVTCHN_FIFO_NR_CHANNELS,
};

/* ---- the guest's pages ---- */

/*
 * A frame of the guest's that it can write but not make a page table while we hold it; NULL if it can't be
 * had.
 */
static void *page_get(struct domain *d, uint64_t gfn)
{
    int ret = -XEN_EINVAL;

    lock_acquire(&d->mm_lock);
    if (machine_valid(MFN(gfn)))
        ret = mm_get_page(d, MFN(gfn), FRAME_WRITABLE);
    lock_release(&d->mm_lock);
    return ret ? NULL : machine_hva(MFN(gfn));
}

static void page_put(struct domain *d, void *hva)
{
    lock_acquire(&d->mm_lock);
    mm_put_page(d, machine_mfn_of(hva), FRAME_WRITABLE);
    lock_release(&d->mm_lock);
}

/* Carries the 2-level ABI's pending bits over; see the head of this file. */
static void adopt_ports(struct domain *d)
{
    struct evtchn_domain *e = &d->pv->evtchn;
    uint32_t n = e->nr_ports < EVTCHN_2L_NR_CHANNELS ? e->nr_ports : (uint32_t)EVTCHN_2L_NR_CHANNELS;

    __atomic_store_n(&e->fifo, true, __ATOMIC_RELEASE);
    for (uint32_t port = 1; port < n; port++) {
        struct evtchn *c = &e->chn[port];

        lock_acquire(&c->lock);
        if (evtchn_2l.is_pending(d, port))
            c->pending = true;
        c->priority = EVTCHN_FIFO_PRIORITY_DEFAULT;
        lock_release(&c->lock);
    }
}

int evtchn_fifo_init_control(struct domain *d, struct evtchn_init_control *op)
{
    struct evtchn_domain *e = &d->pv->evtchn;
    struct evtchn_vcpu *q;
    uint8_t *page;

    op->link_bits = EVTCHN_FIFO_LINK_BITS;
    if (op->vcpu >= d->nr_vcpus)
        return -XEN_ENOENT;
    if (op->offset > PAGE_SIZE - sizeof(struct evtchn_fifo_control_block) || op->offset % 8)
        return -XEN_EINVAL;
    q = &pv_vcpu(d->vcpu[op->vcpu])->evtchn;
    if (q->control)
        return -XEN_EINVAL;
    page = page_get(d, op->control_gfn);
    if (!page)
        return -XEN_EINVAL;

    __atomic_store_n(&q->control, (void *)(page + op->offset), __ATOMIC_RELEASE);
    if (!e->fifo)
        adopt_ports(d);
    return 0;
}

int evtchn_fifo_expand_array(struct domain *d, const struct evtchn_expand_array *op)
{
    struct evtchn_domain *e = &d->pv->evtchn;
    uint32_t first = e->nr_words;
    event_word_t *page;

    if (!e->fifo)
        return -XEN_EOPNOTSUPP;
    if (first >= EVTCHN_FIFO_NR_CHANNELS)
        return -XEN_ENOSPC;
    page = page_get(d, op->array_gfn);
    if (!page)
        return -XEN_EINVAL;
    e->array[first / EVTCHN_WORDS_PER_PAGE] = page;
    __atomic_store_n(&e->nr_words, first + (uint32_t)EVTCHN_WORDS_PER_PAGE, __ATOMIC_RELEASE);

    /* What was raised while these ports had no word. */
    for (uint32_t port = first; port < e->nr_words && port < e->nr_ports; port++) {
        struct evtchn *c = &e->chn[port];

        lock_acquire(&c->lock);
        if (c->pending) {
            c->pending = false;
            set_pending(d, port, c);
        }
        lock_release(&c->lock);
    }
    return 0;
}

void evtchn_fifo_teardown(struct domain *d)
{
    struct evtchn_domain *e = &d->pv->evtchn;
    uint32_t pages = e->nr_words / (uint32_t)EVTCHN_WORDS_PER_PAGE;

    __atomic_store_n(&e->fifo, false, __ATOMIC_RELEASE);
    __atomic_store_n(&e->nr_words, 0, __ATOMIC_RELEASE);
    for (uint32_t i = 0; i < pages; i++) {
        page_put(d, e->array[i]);
        e->array[i] = NULL;
    }
    for (unsigned i = 0; i < d->nr_vcpus; i++) {
        struct evtchn_vcpu *q;

        if (!d->vcpu[i])
            continue; /* the domain is being taken apart */
        q = &pv_vcpu(d->vcpu[i])->evtchn;
        if (q->control)
            page_put(d, q->control);
        q->control = NULL;
        for (unsigned p = 0; p < EVTCHN_FIFO_MAX_QUEUES; p++)
            q->tail[p] = 0;
    }
    /* A port's next use must not look for itself on queues that are gone. */
    for (uint32_t port = 0; port < e->nr_ports; port++) {
        e->chn[port].last_vcpu = 0;
        e->chn[port].last_priority = 0;
    }
}
