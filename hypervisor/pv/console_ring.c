/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * PV console backend; see console_ring.h.
 *
 * The ring page belongs to the guest, which may write anything there at any time.  So our own indices
 * (out_cons, in_prod) are kept here and only published there; the guest's are read once and believed only
 * within the ring's size, as Xen's own console daemon does: a guest that puts nonsense there gets no service
 * until it puts sense there again. A writable reference on the frame keeps the guest from giving it away or
 * making a page table of it under us.
 */
#include "pv/console_ring.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <xen/io/console.h>

#include "host/console.h"
#include "pv/backend_kick.h"
#include "pv/panel.h"

#define OUT_SIZE ((uint32_t)sizeof(((struct xencons_interface *)0)->out))
#define IN_SIZE  ((uint32_t)sizeof(((struct xencons_interface *)0)->in))

struct console_ring {
    struct domain *domain;
    struct backend_kick kick;
    unsigned port;
    mfn_t mfn;
    struct xencons_interface *ring; /* NULL: no frame taken */
    uint32_t out_cons, in_prod;     /* ours; the copies in the ring are for the guest */
    pthread_t thread;
    bool running;
    bool stop; /* atomic */
};

/* Moves one ring's worth of output. True if there was any. */
static bool move_output(struct console_ring *c)
{
    struct xencons_interface *r = c->ring;
    uint32_t prod = __atomic_load_n(&r->out_prod, __ATOMIC_ACQUIRE);
    uint32_t n = prod - c->out_cons;
    char buf[OUT_SIZE];

    if (n == 0 || n > OUT_SIZE)
        return false;
    for (uint32_t i = 0; i < n; i++)
        buf[i] = ((volatile char *)r->out)[MASK_XENCONS_IDX(c->out_cons + i, r->out)];
    c->out_cons = prod;
    __atomic_store_n(&r->out_cons, prod, __ATOMIC_RELEASE);
    /* The guest may go on filling the ring while these bytes wait for the terminal. */
    evtchn_raise(c->domain, c->port);
    console_output(buf, n);
    return true;
}

/* Bytes of input that the ring has room for. */
static uint32_t input_room(const struct console_ring *c)
{
    uint32_t used = c->in_prod - __atomic_load_n(&c->ring->in_cons, __ATOMIC_ACQUIRE);

    return used <= IN_SIZE ? IN_SIZE - used : 0;
}

static void move_input(struct console_ring *c)
{
    struct xencons_interface *r = c->ring;
    char buf[IN_SIZE];
    size_t n = input_room(c);

    if (n)
        n = console_input(buf, n);
    if (!n)
        return;
    for (size_t i = 0; i < n; i++)
        ((volatile char *)r->in)[MASK_XENCONS_IDX(c->in_prod + i, r->in)] = buf[i];
    c->in_prod += (uint32_t)n;
    __atomic_store_n(&r->in_prod, c->in_prod, __ATOMIC_RELEASE);
    evtchn_raise(c->domain, c->port);
}

/*
 * Waits for the guest, which notifies after each write of output and after each read of input, or for the
 * user's input while there is room for it.
 */
static void wait_for_work(struct console_ring *c)
{
    struct pollfd fds[2] = {
        {.fd = c->kick.fd, .events = POLLIN},
        {.fd = input_room(c) ? console_input_fd() : -1, .events = POLLIN},
    };
    uint64_t count;

    poll(fds, 2, -1);
    if (fds[0].revents & POLLIN && read(c->kick.fd, &count, sizeof(count)) < 0 && errno != EAGAIN)
        abort(); /* an eventfd of our own */
}

static void *console_thread(void *arg)
{
    struct console_ring *c = arg;

    for (;;) {
        /* Read before the ring: what the guest wrote before it was stopped is seen below. */
        bool stop = __atomic_load_n(&c->stop, __ATOMIC_ACQUIRE);
        bool moved = move_output(c);

        if (stop && !moved)
            return NULL;
        if (stop)
            continue;
        /* Also when output never ends, or Ctrl-C wouldn't end it. */
        move_input(c);
        if (!moved)
            wait_for_work(c);
    }
}

int console_ring_create(struct domain *d, struct console_ring **out)
{
    struct console_ring *c = calloc(1, sizeof(*c));
    int port;

    if (!c)
        return -ENOMEM;
    c->domain = d;
    c->kick.fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (c->kick.fd < 0) {
        int err = -errno;

        free(c);
        return err;
    }
    port = evtchn_alloc_backend(d, 0, backend_kick, &c->kick);
    if (port < 0) {
        close(c->kick.fd);
        free(c);
        return port;
    }
    c->port = d->pv->console_port = (unsigned)port;
    *out = c;
    return 0;
}

static int take_frame(struct console_ring *c)
{
    struct domain *d = c->domain;
    int err;

    lock_acquire(&d->mm_lock);
    err = mm_get_page(d, d->pv->console_mfn, FRAME_WRITABLE);
    lock_release(&d->mm_lock);
    if (err)
        return -EINVAL;
    c->mfn = d->pv->console_mfn;
    c->ring = machine_hva(c->mfn);
    return 0;
}

static void put_frame(struct console_ring *c)
{
    if (!c->ring)
        return;
    c->ring = NULL;
    lock_acquire(&c->domain->mm_lock);
    mm_put_page(c->domain, c->mfn, FRAME_WRITABLE);
    lock_release(&c->domain->mm_lock);
}

int console_ring_start(struct console_ring *c)
{
    sigset_t all, old;
    int err = take_frame(c);

    if (err)
        return err;
    c->out_cons = c->ring->out_cons;
    c->in_prod = c->ring->in_prod;
    /* Signals are for vCPUs and for the console's owner. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    err = pthread_create(&c->thread, NULL, console_thread, c);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (err) {
        put_frame(c);
        return -err;
    }
    c->running = true;
    return 0;
}

void console_ring_stop(struct console_ring *c)
{
    if (!c->running)
        return;
    __atomic_store_n(&c->stop, true, __ATOMIC_RELEASE);
    backend_kick(&c->kick);
    pthread_join(c->thread, NULL);
    c->running = false;
    put_frame(c);
}

void console_ring_destroy(struct console_ring *c)
{
    if (!c)
        return;
    console_ring_stop(c);
    close(c->kick.fd);
    free(c);
}
