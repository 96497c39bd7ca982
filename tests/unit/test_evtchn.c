/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Event channels: binding, both ABIs' delivery as a guest kernel would see it, errors, and the FIFO ABI under
 * concurrent raising and under a guest that scribbles over it.
 */
#include <check.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "pv/hypercall.h"
#include "pv_fakes.h"
#include "suite.h"

#define D    (&fake_dom[0])
#define V(n) (fake_dom[0].vcpu[n])

/* event_channel_op with its argument in guest memory. */
static int64_t op(struct domain *d, uint32_t cmd, void *arg, size_t size)
{
    static __thread uint8_t *page[2];
    unsigned i = d == &fake_dom[1];
    uint64_t args[6] = {cmd};
    int64_t ret;

    if (!page[i] || page[i] < machine.base_hva || page[i] >= machine.base_hva + FAKE_FRAMES * PAGE_SIZE)
        page[i] = fake_guest_alloc(d, PAGE_SIZE);
    memcpy(page[i], arg, size);
    args[1] = (uintptr_t)page[i];
    ret = hc_event_channel_op(d->vcpu[0], args);
    memcpy(arg, page[i], size);
    return ret;
}
#define OP(d, cmd, arg) op(d, cmd, &(arg), sizeof(arg))

static uint32_t new_ipi(unsigned vcpu)
{
    struct evtchn_bind_ipi b = {.vcpu = vcpu};

    ck_assert_int_eq(OP(D, EVTCHNOP_bind_ipi, b), 0);
    return b.port;
}

static int64_t send(struct domain *d, uint32_t port)
{
    struct evtchn_send s = {.port = port};

    return OP(d, EVTCHNOP_send, s);
}

static int64_t close_port(struct domain *d, uint32_t port)
{
    struct evtchn_close c = {.port = port};

    return OP(d, EVTCHNOP_close, c);
}

static bool bit(const xen_ulong_t *w, uint32_t n)
{
    return w[n / 64] >> (n % 64) & 1;
}

/* ---- 2-level ---- */

static void check_two_level_delivery(void)
{
    struct shared_info *s = D->pv->shared_info;
    uint32_t port = new_ipi(1);
    unsigned kicks;

    for (unsigned i = 0; i < FAKE_VCPUS; i++)
        V(i)->pv->info->evtchn_upcall_pending = 0;
    fake_requests(V(1), &kicks);
    ck_assert_int_eq(send(D, port), 0);
    ck_assert(bit(s->evtchn_pending, port));
    ck_assert(V(1)->pv->info->evtchn_pending_sel & 1UL << port / 64);
    ck_assert_uint_eq(V(1)->pv->info->evtchn_upcall_pending, 1);
    ck_assert_uint_eq(V(0)->pv->info->evtchn_upcall_pending, 0);
    ck_assert_uint_eq(fake_requests(V(1), &kicks), VCPU_REQ_EVENT);
    ck_assert_uint_eq(kicks, 1);

    /* Pending already: nobody is told again. */
    ck_assert_int_eq(send(D, port), 0);
    ck_assert_uint_eq(fake_requests(V(1), &kicks), 0);
    ck_assert_uint_eq(kicks, 0);
}

START_TEST(two_level_delivery)
{
    check_two_level_delivery();
}
END_TEST

START_TEST(two_level_mask)
{
    struct shared_info *s = D->pv->shared_info;
    uint32_t port = new_ipi(0);
    struct evtchn_unmask u = {.port = port};

    s->evtchn_mask[port / 64] |= 1UL << port % 64;
    ck_assert_int_eq(send(D, port), 0);
    ck_assert(bit(s->evtchn_pending, port));
    ck_assert_uint_eq(V(0)->pv->info->evtchn_upcall_pending, 0);
    ck_assert_int_eq(OP(D, EVTCHNOP_unmask, u), 0);
    ck_assert(!bit(s->evtchn_mask, port));
    ck_assert_uint_eq(V(0)->pv->info->evtchn_upcall_pending, 1);
    /* Closing a port takes its event back. */
    ck_assert_int_eq(close_port(D, port), 0);
    ck_assert(!bit(s->evtchn_pending, port));
}
END_TEST

START_TEST(virqs)
{
    struct evtchn_bind_virq t = {.virq = VIRQ_TIMER, .vcpu = 2}, again = t;
    struct evtchn_bind_virq global = {.virq = VIRQ_DOM_EXC, .vcpu = 1};
    struct evtchn_bind_virq bad = {.virq = NR_VIRQS}, novcpu = {.virq = VIRQ_DEBUG, .vcpu = FAKE_VCPUS};
    struct evtchn_bind_vcpu move;

    evtchn_raise_virq(V(2), VIRQ_TIMER); /* unbound: nothing */
    ck_assert_int_eq(OP(D, EVTCHNOP_bind_virq, t), 0);
    ck_assert_int_eq(OP(D, EVTCHNOP_bind_virq, again), -XEN_EEXIST);
    ck_assert_int_eq(OP(D, EVTCHNOP_bind_virq, global), -XEN_EINVAL);
    ck_assert_int_eq(OP(D, EVTCHNOP_bind_virq, bad), -XEN_EINVAL);
    ck_assert_int_eq(OP(D, EVTCHNOP_bind_virq, novcpu), -XEN_ENOENT);
    evtchn_raise_virq(V(1), VIRQ_TIMER);
    ck_assert(!bit(D->pv->shared_info->evtchn_pending, t.port));
    evtchn_raise_virq(V(2), VIRQ_TIMER);
    ck_assert(bit(D->pv->shared_info->evtchn_pending, t.port));
    ck_assert_uint_eq(V(2)->pv->info->evtchn_upcall_pending, 1);

    /* A per-vCPU VIRQ stays where it is, a global one may move. */
    move = (struct evtchn_bind_vcpu){.port = t.port, .vcpu = 0};
    ck_assert_int_eq(OP(D, EVTCHNOP_bind_vcpu, move), -XEN_EINVAL);
    global.vcpu = 0;
    ck_assert_int_eq(OP(D, EVTCHNOP_bind_virq, global), 0);
    move = (struct evtchn_bind_vcpu){.port = global.port, .vcpu = 3};
    ck_assert_int_eq(OP(D, EVTCHNOP_bind_vcpu, move), 0);
    /* Sending to oneself through a VIRQ's port is refused; after a close it can be bound again. */
    ck_assert_int_eq(send(D, t.port), -XEN_EINVAL);
    ck_assert_int_eq(close_port(D, t.port), 0);
    ck_assert_int_eq(OP(D, EVTCHNOP_bind_virq, t), 0);
}
END_TEST

START_TEST(errors)
{
    struct evtchn_bind_ipi ipi = {.vcpu = FAKE_VCPUS};
    struct evtchn_bind_pirq pirq = {.pirq = 1};
    struct evtchn_status st = {.dom = DOMID_SELF, .port = 4000};
    struct evtchn_set_priority prio = {.port = new_ipi(0), .priority = 3};
    struct evtchn_reset reset = {.dom = 2};
    uint64_t fault[6] = {EVTCHNOP_send, 8};
    uint64_t unknown[6] = {99, 8};

    ck_assert_int_eq(OP(D, EVTCHNOP_bind_ipi, ipi), -XEN_ENOENT);
    ck_assert_int_eq(OP(D, EVTCHNOP_bind_pirq, pirq), -XEN_EINVAL);
    ck_assert_int_eq(close_port(D, 0), -XEN_EINVAL);
    ck_assert_int_eq(close_port(D, 50), -XEN_EINVAL);
    ck_assert_int_eq(close_port(D, ~0u), -XEN_EINVAL);
    ck_assert_int_eq(send(D, 0), -XEN_EINVAL);
    ck_assert_int_eq(send(D, 1u << 20), -XEN_EINVAL);
    ck_assert_int_eq(OP(D, EVTCHNOP_status, st), -XEN_EINVAL);
    st = (struct evtchn_status){.dom = 2, .port = 0};
    ck_assert_int_eq(OP(D, EVTCHNOP_status, st), -XEN_EPERM);
    st = (struct evtchn_status){.dom = 77, .port = 0};
    ck_assert_int_eq(OP(D, EVTCHNOP_status, st), -XEN_ESRCH);
    st = (struct evtchn_status){.dom = DOMID_SELF, .port = 0};
    ck_assert_int_eq(OP(D, EVTCHNOP_status, st), 0);
    ck_assert_uint_eq(st.status, EVTCHNSTAT_closed);
    ck_assert_int_eq(OP(D, EVTCHNOP_set_priority, prio), -XEN_ENOSYS); /* 2-level has none */
    ck_assert_int_eq(OP(D, EVTCHNOP_reset, reset), -XEN_EPERM);
    reset.dom = 77;
    ck_assert_int_eq(OP(D, EVTCHNOP_reset, reset), -XEN_ESRCH);
    ck_assert_int_eq(hc_event_channel_op(V(0), fault), -XEN_EFAULT);
    ck_assert_int_eq(hc_event_channel_op(V(0), unknown), -XEN_ENOSYS);
}
END_TEST

START_TEST(exhaustion)
{
    struct evtchn_bind_ipi b = {.vcpu = 0};
    uint32_t n = 0;

    D->pv->evtchn.max_port = 1023;
    while (OP(D, EVTCHNOP_bind_ipi, b) == 0)
        ck_assert_uint_eq(b.port, ++n);
    ck_assert_uint_eq(n, 1023);
    ck_assert_int_eq(OP(D, EVTCHNOP_bind_ipi, b), -XEN_ENOSPC);
    ck_assert_int_eq(close_port(D, 500), 0);
    ck_assert_int_eq(OP(D, EVTCHNOP_bind_ipi, b), 0);
    ck_assert_uint_eq(b.port, 500);
    /* The 2-level ABI has no more than 4096, whatever the domain may have. */
    D->pv->evtchn.max_port = EVTCHN_MAX_PORT;
    while (OP(D, EVTCHNOP_bind_ipi, b) == 0)
        ck_assert_uint_lt(b.port, 4096);
}
END_TEST

START_TEST(interdomain)
{
    struct domain *d1 = &fake_dom[0], *d2 = &fake_dom[1];
    struct evtchn_alloc_unbound a = {.dom = DOMID_SELF, .remote_dom = 2};
    struct evtchn_alloc_unbound other = {.dom = 2, .remote_dom = 1}, none = {.dom = 9};
    struct evtchn_bind_interdomain b = {.remote_dom = 1}, none2 = {.remote_dom = 9};
    struct evtchn_status st;

    ck_assert_int_eq(OP(d1, EVTCHNOP_alloc_unbound, other), -XEN_EPERM);
    ck_assert_int_eq(OP(d1, EVTCHNOP_alloc_unbound, none), -XEN_ESRCH);
    ck_assert_int_eq(OP(d1, EVTCHNOP_alloc_unbound, a), 0);
    ck_assert_int_eq(OP(d2, EVTCHNOP_bind_interdomain, none2), -XEN_ESRCH);
    b.remote_port = a.port + 1;
    ck_assert_int_eq(OP(d2, EVTCHNOP_bind_interdomain, b), -XEN_EINVAL);
    ck_assert_int_eq(send(d1, a.port), 0); /* unbound: lost */
    b.remote_port = a.port;
    ck_assert_int_eq(OP(d2, EVTCHNOP_bind_interdomain, b), 0);
    ck_assert(bit(d2->pv->shared_info->evtchn_pending, b.local_port)); /* once, to be safe */
    ck_assert_int_eq(OP(d2, EVTCHNOP_bind_interdomain, b), -XEN_EINVAL);

    d2->pv->shared_info->evtchn_pending[0] = 0;
    ck_assert_int_eq(send(d1, a.port), 0);
    ck_assert(bit(d2->pv->shared_info->evtchn_pending, b.local_port));
    ck_assert_int_eq(send(d2, b.local_port), 0);
    ck_assert(bit(d1->pv->shared_info->evtchn_pending, a.port));

    st = (struct evtchn_status){.dom = DOMID_SELF, .port = a.port};
    ck_assert_int_eq(OP(d1, EVTCHNOP_status, st), 0);
    ck_assert_uint_eq(st.status, EVTCHNSTAT_interdomain);
    ck_assert_uint_eq(st.u.interdomain.dom, 2);
    ck_assert_uint_eq(st.u.interdomain.port, b.local_port);

    /* One end closes: the other waits for the same domain again. */
    ck_assert_int_eq(close_port(d2, b.local_port), 0);
    st = (struct evtchn_status){.dom = DOMID_SELF, .port = a.port};
    ck_assert_int_eq(OP(d1, EVTCHNOP_status, st), 0);
    ck_assert_uint_eq(st.status, EVTCHNSTAT_unbound);
    ck_assert_uint_eq(st.u.unbound.dom, 2);
    ck_assert_int_eq(OP(d2, EVTCHNOP_bind_interdomain, b), 0);

    /* Within one domain. */
    a = (struct evtchn_alloc_unbound){.dom = DOMID_SELF, .remote_dom = DOMID_SELF};
    ck_assert_int_eq(OP(d1, EVTCHNOP_alloc_unbound, a), 0);
    b = (struct evtchn_bind_interdomain){.remote_dom = DOMID_SELF, .remote_port = a.port};
    ck_assert_int_eq(OP(d1, EVTCHNOP_bind_interdomain, b), 0);
    d1->pv->shared_info->evtchn_pending[0] = 0;
    ck_assert_int_eq(send(d1, b.local_port), 0);
    ck_assert(bit(d1->pv->shared_info->evtchn_pending, a.port));
    ck_assert_int_eq(close_port(d1, a.port), 0);
    ck_assert_int_eq(close_port(d1, b.local_port), 0);
}
END_TEST

static unsigned backend_calls;
static int backend_port;

static void backend(void *arg)
{
    backend_calls++;
    /* A backend answers at once; no lock may be in its way. */
    evtchn_raise(arg, (unsigned)backend_port);
}

START_TEST(backends)
{
    struct evtchn_status st;

    backend_calls = 0;
    backend_port = evtchn_alloc_backend(D, 1, backend, D);
    ck_assert_int_gt(backend_port, 0);
    st = (struct evtchn_status){.dom = DOMID_SELF, .port = (uint32_t)backend_port};
    ck_assert_int_eq(OP(D, EVTCHNOP_status, st), 0);
    ck_assert_uint_eq(st.status, EVTCHNSTAT_interdomain);
    ck_assert_uint_eq(st.vcpu, 1);
    ck_assert_int_eq(send(D, (uint32_t)backend_port), 0);
    ck_assert_uint_eq(backend_calls, 1);
    ck_assert(bit(D->pv->shared_info->evtchn_pending, (uint32_t)backend_port));
    /* Closed and used for something else: the backend's raise must not be seen. */
    ck_assert_int_eq(close_port(D, (uint32_t)backend_port), 0);
    ck_assert_uint_eq(new_ipi(0), (uint32_t)backend_port);
    evtchn_raise(D, (unsigned)backend_port);
    ck_assert(!bit(D->pv->shared_info->evtchn_pending, (uint32_t)backend_port));
    ck_assert_int_eq(evtchn_alloc_backend(D, FAKE_VCPUS, backend, D), -EINVAL);
}
END_TEST

/* ---- FIFO: a guest's half of the protocol, from xen/event_channel.h and its design document ---- */

static struct evtchn_fifo_control_block *control[FAKE_VCPUS];
static event_word_t *array[EVTCHN_ARRAY_PAGES];
static uint32_t guest_head[FAKE_VCPUS][EVTCHN_FIFO_MAX_QUEUES];

static event_word_t *word(uint32_t port)
{
    return &array[port / EVTCHN_WORDS_PER_PAGE][port % EVTCHN_WORDS_PER_PAGE];
}

static void fifo_control(unsigned vcpu)
{
    mfn_t m = fake_frame(D);
    struct evtchn_init_control c = {.control_gfn = m.n, .offset = 64, .vcpu = vcpu};

    ck_assert_int_eq(OP(D, EVTCHNOP_init_control, c), 0);
    ck_assert_uint_eq(c.link_bits, EVTCHN_FIFO_LINK_BITS);
    control[vcpu] = (void *)((uint8_t *)machine_hva(m) + 64);
    memset(guest_head[vcpu], 0, sizeof(guest_head[vcpu]));
}

static void fifo_expand(unsigned i)
{
    mfn_t m = fake_frame(D);
    struct evtchn_expand_array e = {.array_gfn = m.n};

    array[i] = machine_hva(m);
    for (unsigned n = 0; n < EVTCHN_WORDS_PER_PAGE; n++)
        array[i][n] = 0;
    ck_assert_int_eq(OP(D, EVTCHNOP_expand_array, e), 0);
}

static void fifo_setup(void)
{
    for (unsigned i = 0; i < FAKE_VCPUS; i++)
        fifo_control(i);
    fifo_expand(0);
}

/* Takes the next event off a queue, as a kernel does; 0: none. */
static uint32_t fifo_take(unsigned vcpu, unsigned q)
{
    uint32_t head = guest_head[vcpu][q];
    event_word_t w;

    if (head == 0)
        head = __atomic_load_n(&control[vcpu]->head[q], __ATOMIC_SEQ_CST);
    if (head == 0)
        return 0;
    w = __atomic_load_n(word(head), __ATOMIC_SEQ_CST);
    while (!__atomic_compare_exchange_n(word(head), &w,
                                        w & ~(1u << EVTCHN_FIFO_LINKED | EVTCHN_FIFO_LINK_MASK), false,
                                        __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
        ;
    guest_head[vcpu][q] = w & EVTCHN_FIFO_LINK_MASK;
    if (guest_head[vcpu][q] == 0)
        __atomic_fetch_and(&control[vcpu]->ready, ~(1u << q), __ATOMIC_SEQ_CST);
    return head;
}

/* One upcall: delivers all pending events to fn, highest priority first. */
static void fifo_upcall(unsigned vcpu, void (*fn)(uint32_t port, void *arg), void *arg)
{
    uint32_t ready;

    __atomic_store_n(&V(vcpu)->pv->info->evtchn_upcall_pending, 0, __ATOMIC_SEQ_CST);
    ready = __atomic_exchange_n(&control[vcpu]->ready, 0, __ATOMIC_SEQ_CST);
    while (ready) {
        unsigned q = (unsigned)__builtin_ctz(ready);
        uint32_t head = guest_head[vcpu][q], port;
        event_word_t w;

        if (head == 0)
            head = __atomic_load_n(&control[vcpu]->head[q], __ATOMIC_SEQ_CST);
        port = head;
        w = __atomic_load_n(word(port), __ATOMIC_SEQ_CST);
        while (!__atomic_compare_exchange_n(word(port), &w,
                                            w & ~(1u << EVTCHN_FIFO_LINKED | EVTCHN_FIFO_LINK_MASK), false,
                                            __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
            ;
        head = w & EVTCHN_FIFO_LINK_MASK;
        if (head == 0)
            ready &= ~(1u << q);
        guest_head[vcpu][q] = head;
        w = __atomic_load_n(word(port), __ATOMIC_SEQ_CST);
        if (w & 1u << EVTCHN_FIFO_PENDING && !(w & 1u << EVTCHN_FIFO_MASKED)) {
            __atomic_fetch_and(word(port), ~(1u << EVTCHN_FIFO_PENDING), __ATOMIC_SEQ_CST);
            fn(port, arg);
        }
        ready |= __atomic_exchange_n(&control[vcpu]->ready, 0, __ATOMIC_SEQ_CST);
    }
}

struct seen {
    uint32_t port[64];
    unsigned n;
};

static void note(uint32_t port, void *arg)
{
    struct seen *s = arg;

    ck_assert_uint_lt(s->n, 64);
    s->port[s->n++] = port;
}

START_TEST(fifo_order)
{
    uint32_t p[5];
    struct seen s = {.n = 0};
    struct evtchn_set_priority high, low, bad;
    unsigned kicks;

    fifo_setup();
    for (unsigned i = 0; i < 5; i++)
        p[i] = new_ipi(0);
    high = (struct evtchn_set_priority){.port = p[3], .priority = EVTCHN_FIFO_PRIORITY_MAX};
    low = (struct evtchn_set_priority){.port = p[1], .priority = EVTCHN_FIFO_PRIORITY_MIN};
    bad = (struct evtchn_set_priority){.port = p[1], .priority = EVTCHN_FIFO_PRIORITY_MIN + 1};
    ck_assert_int_eq(OP(D, EVTCHNOP_set_priority, high), 0);
    ck_assert_int_eq(OP(D, EVTCHNOP_set_priority, low), 0);
    ck_assert_int_eq(OP(D, EVTCHNOP_set_priority, bad), -XEN_EINVAL);

    fake_requests(V(0), &kicks);
    for (unsigned i = 0; i < 5; i++) {
        ck_assert_int_eq(send(D, p[i]), 0);
        ck_assert_int_eq(send(D, p[i]), 0); /* twice is once */
    }
    fake_requests(V(0), &kicks);
    ck_assert_uint_eq(kicks, 1);
    fifo_upcall(0, note, &s);
    ck_assert_uint_eq(s.n, 5);
    ck_assert_uint_eq(s.port[0], p[3]);
    ck_assert_uint_eq(s.port[1], p[0]);
    ck_assert_uint_eq(s.port[2], p[2]);
    ck_assert_uint_eq(s.port[3], p[4]);
    ck_assert_uint_eq(s.port[4], p[1]);

    /* The queue was emptied behind our back: the next event becomes its head. */
    s.n = 0;
    ck_assert_int_eq(send(D, p[4]), 0);
    fifo_upcall(0, note, &s);
    ck_assert_uint_eq(s.n, 1);
    ck_assert_uint_eq(s.port[0], p[4]);
}
END_TEST

START_TEST(fifo_masked)
{
    uint32_t p;
    struct seen s = {.n = 0};
    struct evtchn_unmask u;

    fifo_setup();
    p = new_ipi(2);
    u = (struct evtchn_unmask){.port = p};
    *word(p) = 1u << EVTCHN_FIFO_MASKED;
    ck_assert_int_eq(send(D, p), 0);
    ck_assert_uint_eq(*word(p), 1u << EVTCHN_FIFO_MASKED | 1u << EVTCHN_FIFO_PENDING);
    ck_assert_uint_eq(V(2)->pv->info->evtchn_upcall_pending, 0);
    ck_assert_int_eq(OP(D, EVTCHNOP_unmask, u), 0);
    ck_assert_uint_eq(V(2)->pv->info->evtchn_upcall_pending, 1);
    fifo_upcall(2, note, &s);
    ck_assert_uint_eq(s.n, 1);
    ck_assert_uint_eq(s.port[0], p);
}
END_TEST

START_TEST(fifo_takes_over_pending)
{
    uint32_t pending = new_ipi(0), quiet = new_ipi(0), late;
    struct seen s = {.n = 0};

    ck_assert_int_eq(send(D, pending), 0);
    for (unsigned i = 0; i < FAKE_VCPUS; i++)
        fifo_control(i);
    late = new_ipi(0);
    ck_assert_int_eq(send(D, late), 0); /* no word for it yet */
    (void)quiet;
    fifo_expand(0);
    fifo_upcall(0, note, &s);
    ck_assert_uint_eq(s.n, 2);
    ck_assert_uint_eq(s.port[0], pending);
    ck_assert_uint_eq(s.port[1], late);
}
END_TEST

START_TEST(fifo_moves_to_another_vcpu)
{
    struct domain *d2 = &fake_dom[1];
    struct evtchn_alloc_unbound a = {.dom = DOMID_SELF, .remote_dom = 2};
    struct evtchn_bind_interdomain b = {.remote_dom = 1};
    struct evtchn_bind_vcpu move;
    struct seen s = {.n = 0};
    uint32_t ipi;

    fifo_setup();
    ipi = new_ipi(0);
    ck_assert_int_eq(OP(D, EVTCHNOP_alloc_unbound, a), 0);
    b.remote_port = a.port;
    ck_assert_int_eq(OP(d2, EVTCHNOP_bind_interdomain, b), 0);
    /*
     * The event is the tail of vCPU 0's queue when it moves to vCPU 3: that queue must not be built behind
     * it.
     */
    ck_assert_int_eq(send(d2, b.local_port), 0);
    fifo_upcall(0, note, &s);
    ck_assert_uint_eq(s.n, 1);
    move = (struct evtchn_bind_vcpu){.port = a.port, .vcpu = 3};
    ck_assert_int_eq(OP(D, EVTCHNOP_bind_vcpu, move), 0);
    ck_assert_int_eq(send(d2, b.local_port), 0);
    ck_assert_int_eq(send(D, ipi), 0);
    s.n = 0;
    fifo_upcall(0, note, &s);
    ck_assert_uint_eq(s.n, 1);
    ck_assert_uint_eq(s.port[0], ipi);
    s.n = 0;
    fifo_upcall(3, note, &s);
    ck_assert_uint_eq(s.n, 1);
    ck_assert_uint_eq(s.port[0], a.port);
}
END_TEST

START_TEST(fifo_errors_and_reset)
{
    unsigned refs = fake_refs(D);
    mfn_t mine = fake_frame(D), theirs = fake_frame(&fake_dom[1]), table = fake_frame(D);
    struct evtchn_expand_array e = {.array_gfn = mine.n};
    struct evtchn_init_control c = {.control_gfn = mine.n, .offset = 0, .vcpu = FAKE_VCPUS};
    struct evtchn_reset reset = {.dom = DOMID_SELF};
    uint32_t port;

    ck_assert_int_eq(OP(D, EVTCHNOP_expand_array, e), -XEN_EOPNOTSUPP);
    ck_assert_int_eq(OP(D, EVTCHNOP_init_control, c), -XEN_ENOENT);
    c.vcpu = 1;
    c.offset = 4;
    ck_assert_int_eq(OP(D, EVTCHNOP_init_control, c), -XEN_EINVAL);
    c.offset = PAGE_SIZE - 64;
    ck_assert_int_eq(OP(D, EVTCHNOP_init_control, c), -XEN_EINVAL);
    c.offset = 0;
    c.control_gfn = theirs.n;
    ck_assert_int_eq(OP(D, EVTCHNOP_init_control, c), -XEN_EINVAL);
    c.control_gfn = ~0ul;
    ck_assert_int_eq(OP(D, EVTCHNOP_init_control, c), -XEN_EINVAL);
    machine_frame(table)->type = FRAME_L1;
    machine_frame(table)->type_count = 1;
    c.control_gfn = table.n;
    ck_assert_int_eq(OP(D, EVTCHNOP_init_control, c), -XEN_EINVAL);
    machine_frame(table)->type_count = 0;
    ck_assert(!D->pv->evtchn.fifo);

    fifo_setup();
    c = (struct evtchn_init_control){.control_gfn = mine.n, .vcpu = 1};
    ck_assert_int_eq(OP(D, EVTCHNOP_init_control, c), -XEN_EINVAL); /* has one */
    for (unsigned i = 1; i < EVTCHN_ARRAY_PAGES; i++)
        fifo_expand(i);
    ck_assert_int_eq(OP(D, EVTCHNOP_expand_array, e), -XEN_ENOSPC);

    /* A closed port that is still on a queue isn't given out again before the guest has taken it off. */
    port = new_ipi(0);
    ck_assert_int_eq(send(D, port), 0);
    ck_assert_int_eq(close_port(D, port), 0);
    ck_assert_uint_ne(new_ipi(0), port);
    ck_assert_uint_eq(fifo_take(0, EVTCHN_FIFO_PRIORITY_DEFAULT), port);
    ck_assert_uint_eq(new_ipi(0), port);

    ck_assert_int_eq(OP(D, EVTCHNOP_reset, reset), 0);
    ck_assert(!D->pv->evtchn.fifo);
    ck_assert_uint_eq(fake_refs(D), refs);
    ck_assert_int_eq(send(D, port), -XEN_EINVAL);
    /* And everything works again from the start. */
    check_two_level_delivery();
    fifo_setup();
    port = new_ipi(0);
    ck_assert_int_eq(send(D, port), 0);
    ck_assert_uint_eq(fifo_take(0, EVTCHN_FIFO_PRIORITY_DEFAULT), port);
}
END_TEST

/* The end of a domain with everything in use: vCPUs may be gone already. */
START_TEST(destroyed_in_use)
{
    struct evtchn_bind_virq b = {.virq = VIRQ_TIMER, .vcpu = 1};

    fifo_setup();
    ck_assert_int_eq(send(D, new_ipi(0)), 0);
    ck_assert_int_eq(OP(D, EVTCHNOP_bind_virq, b), 0);
    for (unsigned i = 0; i < FAKE_VCPUS; i++)
        D->vcpu[i] = NULL;
    evtchn_domain_destroy(D);
    ck_assert_ptr_null(D->pv->evtchn.chn);
}
END_TEST

/* Several threads raise, each its own ports, as fast as they can; a guest takes. No event may get lost. */
#define RAISERS    3
#define PORTS_EACH 5
#define ROUNDS     20000

static uint32_t raced_port[RAISERS][PORTS_EACH];
static unsigned raised_seq[EVTCHN_WORDS_PER_PAGE], taken_seq[EVTCHN_WORDS_PER_PAGE];
static int raisers_left;

static void *raiser(void *arg)
{
    unsigned me = (unsigned)(uintptr_t)arg;
    unsigned seed = me + 1;

    for (unsigned i = 0; i < ROUNDS; i++) {
        uint32_t port = raced_port[me][rand_r(&seed) % PORTS_EACH];

        __atomic_fetch_add(&raised_seq[port], 1, __ATOMIC_SEQ_CST);
        evtchn_send(D, port);
    }
    __atomic_fetch_sub(&raisers_left, 1, __ATOMIC_SEQ_CST);
    return NULL;
}

static void take_raced(uint32_t port, void *arg)
{
    (void)arg;
    taken_seq[port] = __atomic_load_n(&raised_seq[port], __ATOMIC_SEQ_CST);
}

START_TEST(fifo_threads)
{
    pthread_t t[RAISERS];
    bool last = false;

    fifo_setup();
    memset(raised_seq, 0, sizeof(raised_seq));
    memset(taken_seq, 0, sizeof(taken_seq));
    for (unsigned i = 0; i < RAISERS; i++)
        for (unsigned n = 0; n < PORTS_EACH; n++)
            raced_port[i][n] = new_ipi(0);
    raisers_left = RAISERS;
    for (unsigned i = 0; i < RAISERS; i++)
        pthread_create(&t[i], NULL, raiser, (void *)(uintptr_t)i);
    while (!last) {
        last = __atomic_load_n(&raisers_left, __ATOMIC_SEQ_CST) == 0;
        if (__atomic_load_n(&V(0)->pv->info->evtchn_upcall_pending, __ATOMIC_SEQ_CST))
            fifo_upcall(0, take_raced, NULL);
    }
    for (unsigned i = 0; i < RAISERS; i++)
        pthread_join(t[i], NULL);
    for (unsigned i = 0; i < RAISERS; i++)
        for (unsigned n = 0; n < PORTS_EACH; n++)
            ck_assert_uint_eq(taken_seq[raced_port[i][n]], raised_seq[raced_port[i][n]]);
}
END_TEST

/*
 * A guest that writes garbage everywhere it can: calls must come back, and touch nothing but the guest's
 * pages.
 */
START_TEST(fifo_hostile)
{
    struct domain before;
    uint32_t ports[40];
    unsigned seed = 12345;

    fifo_setup();
    for (unsigned i = 0; i < 40; i++)
        ports[i] = new_ipi(i % FAKE_VCPUS);
    before = *D;
    for (unsigned i = 0; i < 200000; i++) {
        uint32_t port = ports[rand_r(&seed) % 40];
        struct evtchn_set_priority prio = {.port = port, .priority = (uint32_t)rand_r(&seed) % 16};

        switch (rand_r(&seed) % 6) {
        case 0:
            *word((uint32_t)rand_r(&seed) % 64) = (event_word_t)rand_r(&seed) * 2654435761u;
            break;
        case 1:
            control[rand_r(&seed) % FAKE_VCPUS]->head[rand_r(&seed) % 16] = (uint32_t)rand_r(&seed);
            control[rand_r(&seed) % FAKE_VCPUS]->ready = (uint32_t)rand_r(&seed);
            break;
        case 2:
            evtchn_set_priority(D, port, prio.priority);
            break;
        case 3:
            evtchn_unmask(D, port);
            break;
        default:
            evtchn_send(D, port);
            break;
        }
    }
    ck_assert_mem_eq(&before, D, sizeof(before));
    for (unsigned v = 0; v < FAKE_VCPUS; v++)
        for (unsigned q = 0; q < EVTCHN_FIFO_MAX_QUEUES; q++)
            ck_assert_uint_lt(V(v)->pv->evtchn.tail[q], 64);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("evtchn");

    tcase_add_checked_fixture(t, fake_setup, fake_teardown);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, two_level_delivery);
    tcase_add_test(t, two_level_mask);
    tcase_add_test(t, virqs);
    tcase_add_test(t, errors);
    tcase_add_test(t, exhaustion);
    tcase_add_test(t, interdomain);
    tcase_add_test(t, backends);
    tcase_add_test(t, fifo_order);
    tcase_add_test(t, fifo_masked);
    tcase_add_test(t, fifo_takes_over_pending);
    tcase_add_test(t, fifo_moves_to_another_vcpu);
    tcase_add_test(t, fifo_errors_and_reset);
    tcase_add_test(t, destroyed_in_use);
    tcase_add_test(t, fifo_threads);
    tcase_add_test(t, fifo_hostile);
    return suite_run("evtchn", t);
}
