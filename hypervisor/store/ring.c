/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The store's thread, and its clients in guests: the ring of xen/io/xs_wire.h in a frame of the guest.
 *
 * The page belongs to the guest, which may write anything there at any time.  Our own indices (req_cons,
 * rsp_prod) are kept here and only published there; the guest's are read once and must make sense, or the
 * connection is given up with an error code in the ring until the guest asks for a new start
 * (XENSTORE_RECONNECT).  A writable reference on the frame keeps the guest from giving it away or making a
 * page table of it under us.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "pv/panel.h"
#include "store/internal.h"

/* Turns that one guest gets before the others are looked at. */
#define TURNS 16u

struct store_ring {
    struct store_ring *next;
    struct store *store;
    struct domain *domain;
    unsigned port;
    mfn_t mfn;
    struct xenstore_domain_interface *page; /* NULL: not introduced yet */
    uint32_t req_cons, rsp_prod;            /* ours; the copies in the page are for the guest */
    struct store_conn *conn;
};

static void give_up(struct store_ring *r, uint32_t error)
{
    r->conn->broken = true;
    __atomic_store_n(&r->page->error, error, __ATOMIC_RELEASE);
    evtchn_raise(r->domain, r->port);
}

/* The guest wants to start afresh: everything of the old connection is gone before the state changes back. */
static void reconnect(struct store_ring *r)
{
    store_conn_reset(r->conn);
    r->req_cons = r->rsp_prod = 0;
    r->page->req_cons = r->page->req_prod = 0;
    r->page->rsp_cons = r->page->rsp_prod = 0;
    r->page->error = XENSTORE_ERROR_NONE;
    __atomic_store_n(&r->page->connection, XENSTORE_CONNECTED, __ATOMIC_RELEASE);
    evtchn_raise(r->domain, r->port);
}

/* Takes requests off the ring and executes them. True if any byte was taken. */
static bool take_requests(struct store_ring *r)
{
    uint32_t n = __atomic_load_n(&r->page->req_prod, __ATOMIC_ACQUIRE) - r->req_cons;
    char buf[XENSTORE_RING_SIZE];

    if (n > XENSTORE_RING_SIZE) {
        give_up(r, XENSTORE_ERROR_RINGIDX);
        return false;
    }
    for (uint32_t i = 0; i < n; i++)
        buf[i] = ((volatile char *)r->page->req)[MASK_XENSTORE_IDX(r->req_cons + i)];
    n = (uint32_t)store_conn_feed(r->conn, buf, n);
    r->req_cons += n;
    __atomic_store_n(&r->page->req_cons, r->req_cons, __ATOMIC_RELEASE);
    if (r->conn->broken)
        give_up(r, XENSTORE_ERROR_PROTO);
    return n;
}

/* Puts replies and events on the ring. True if any byte was put. */
static bool put_replies(struct store_ring *r)
{
    uint32_t used = r->rsp_prod - __atomic_load_n(&r->page->rsp_cons, __ATOMIC_ACQUIRE);
    char buf[XENSTORE_RING_SIZE];
    uint32_t n;

    if (used > XENSTORE_RING_SIZE) {
        give_up(r, XENSTORE_ERROR_RINGIDX);
        return false;
    }
    n = (uint32_t)store_conn_take(r->conn, buf, XENSTORE_RING_SIZE - used);
    for (uint32_t i = 0; i < n; i++)
        ((volatile char *)r->page->rsp)[MASK_XENSTORE_IDX(r->rsp_prod + i)] = buf[i];
    r->rsp_prod += n;
    __atomic_store_n(&r->page->rsp_prod, r->rsp_prod, __ATOMIC_RELEASE);
    return n;
}

/* True if there is more to do than its turns allowed. */
static bool serve(struct store_ring *r)
{
    for (unsigned i = 0; i < TURNS; i++) {
        bool moved = false;

        if (__atomic_load_n(&r->page->connection, __ATOMIC_ACQUIRE) == XENSTORE_RECONNECT)
            reconnect(r);
        if (!r->conn->broken)
            moved = take_requests(r);
        if (!r->conn->broken)
            moved |= put_replies(r);
        if (!moved)
            return false;
        evtchn_raise(r->domain, r->port);
    }
    return true;
}

static void *store_thread(void *arg)
{
    struct store *s = arg;
    bool more = false;

    while (!__atomic_load_n(&s->stop, __ATOMIC_ACQUIRE)) {
        struct pollfd fd = {.fd = s->kick.fd, .events = POLLIN};
        uint64_t count;

        poll(&fd, 1, more ? 0 : -1);
        if (fd.revents & POLLIN && read(s->kick.fd, &count, sizeof(count)) < 0 && errno != EAGAIN)
            abort(); /* an eventfd of our own */
        more = false;
        pthread_mutex_lock(&s->lock);
        for (struct store_ring *r = s->rings; r; r = r->next)
            if (r->page)
                more |= serve(r);
        pthread_mutex_unlock(&s->lock);
    }
    return NULL;
}

int store_create(struct store **out)
{
    struct store *s = store_alloc(sizeof(*s));
    sigset_t all, old;
    int err;

    pthread_mutex_init(&s->lock, NULL);
    s->root = store_node_root();
    store_boot_host(s);
    s->kick.fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (s->kick.fd < 0) {
        err = -errno;
        store_node_put(s->root);
        free(s);
        return err;
    }
    /* Signals are for vCPUs and for the console's owner. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    err = pthread_create(&s->thread, NULL, store_thread, s);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (err) {
        close(s->kick.fd);
        store_node_put(s->root);
        free(s);
        return -err;
    }
    *out = s;
    return 0;
}

void store_destroy(struct store *s)
{
    if (!s)
        return;
    __atomic_store_n(&s->stop, true, __ATOMIC_RELEASE);
    backend_kick(&s->kick);
    pthread_join(s->thread, NULL);
    while (s->rings)
        /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): it takes the ring off the list */
        store_domain_release(s->rings);
    close(s->kick.fd);
    store_node_put(s->root);
    pthread_mutex_destroy(&s->lock);
    free(s);
}

int store_domain_attach(struct store *s, struct domain *d, struct store_ring **out)
{
    struct store_ring *r = store_alloc(sizeof(*r));
    int port = evtchn_alloc_backend(d, 0, backend_kick, &s->kick);

    if (port < 0) {
        free(r);
        return port;
    }
    r->store = s;
    r->domain = d;
    r->port = d->pv->store_port = (unsigned)port;
    pthread_mutex_lock(&s->lock);
    r->next = s->rings;
    s->rings = r;
    pthread_mutex_unlock(&s->lock);
    *out = r;
    return 0;
}

int store_domain_introduce(struct store_ring *r, const struct store_domain_info *info)
{
    struct store *s = r->store;
    struct domain *d = r->domain;
    int err;

    lock_acquire(&d->mm_lock);
    err = mm_get_page(d, d->pv->store_mfn, FRAME_WRITABLE);
    lock_release(&d->mm_lock);
    if (err)
        return -EINVAL;
    pthread_mutex_lock(&s->lock);
    r->mfn = d->pv->store_mfn;
    r->page = machine_hva(r->mfn);
    r->req_cons = r->page->req_cons;
    r->rsp_prod = r->page->rsp_prod;
    r->page->server_features = XENSTORE_SERVER_FEATURE_RECONNECTION | XENSTORE_SERVER_FEATURE_ERROR;
    r->page->connection = XENSTORE_CONNECTED;
    r->conn = store_conn_new(s, d->domid);
    store_boot_domain(s, d, info);
    store_fire_special(s, "@introduceDomain");
    pthread_mutex_unlock(&s->lock);
    backend_kick(&s->kick);
    return 0;
}

void store_domain_release(struct store_ring *r)
{
    struct store_ring **at;
    struct domain *d;
    struct store *s;

    if (!r)
        return;
    s = r->store;
    d = r->domain;
    pthread_mutex_lock(&s->lock);
    for (at = &s->rings; *at != r; at = &(*at)->next)
        ;
    *at = r->next;
    if (r->page) {
        store_conn_free(r->conn);
        store_boot_forget(s, d);
        store_fire_special(s, "@releaseDomain");
    }
    pthread_mutex_unlock(&s->lock);
    if (r->page) {
        lock_acquire(&d->mm_lock);
        mm_put_page(d, r->mfn, FRAME_WRITABLE);
        lock_release(&d->mm_lock);
    }
    free(r);
}

bool store_domain_known(const struct store *s, uint16_t domid)
{
    if (domid == 0)
        return true;
    for (const struct store_ring *r = s->rings; r; r = r->next)
        if (r->page && r->domain->domid == domid)
            return true;
    return false;
}
