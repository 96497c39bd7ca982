/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Event channels: ports of a domain that become pending, and the two ABIs by which a guest learns of it
 * (2-level bitmaps in shared_info; FIFO queues in pages that the guest gives).
 *
 * Files: evtchn.c (ports, binding, raising), evtchn_2l.c and evtchn_fifo.c (the ABIs), evtchn_op.c (the
 * hypercall).
 *
 * Locks, in the order in which they are taken:
 *   evtchn_domain.lock    which ports are bound to what; two domains: lower address first
 *   evtchn.lock           one port: everything in struct evtchn; held while the port is raised, so that a
 *   closer
 *                         can be sure that nobody is still raising it.  Two ports of a pair are never held at
 *                         once by a raiser; closers and binders hold both domains' locks, so no order is
 *                         needed there beyond "one at a time"
 *   evtchn_vcpu.queue_lock  FIFO queues of a vCPU; two vCPUs: lower id first
 * A domain's mm_lock may be taken with evtchn_domain.lock held, not the other way round.
 */
#ifndef DIPTYCH_PV_EVTCHN_H
#define DIPTYCH_PV_EVTCHN_H

#include "base/lock.h"
#include "base/types.h"
#include "pv/xen_abi.h"

struct domain;
struct vcpu;

/* What the hypervisor can offer (FIFO ABI), and what a domain gets by default, as xl's max_event_channels. */
#define EVTCHN_MAX_PORT         (EVTCHN_FIFO_NR_CHANNELS - 1)
#define EVTCHN_MAX_PORT_DEFAULT 1023u

#define EVTCHN_WORDS_PER_PAGE (PAGE_SIZE / sizeof(event_word_t))
#define EVTCHN_ARRAY_PAGES    (EVTCHN_FIFO_NR_CHANNELS / EVTCHN_WORDS_PER_PAGE)

enum evtchn_state {
    ECS_FREE = 0,
    ECS_RESERVED,    /* port 0 */
    ECS_UNBOUND,     /* waits for remote_domid to bind */
    ECS_INTERDOMAIN, /* bound to remote_port of remote_domid */
    ECS_VIRQ,
    ECS_IPI,
    ECS_BACKEND, /* as ECS_INTERDOMAIN to the guest; the other end is C code in this process */
};

struct evtchn {
    lock_t lock;
    uint8_t state;         /* enum evtchn_state; changed with the domain's lock held too */
    uint8_t priority;      /* FIFO: 0 (highest) .. 15 */
    uint8_t last_priority; /* FIFO: queue that the event was last linked on */
    bool pending;          /* FIFO: raised before its word existed */
    uint16_t vcpu;         /* which vCPU is notified */
    uint16_t last_vcpu;
    uint16_t remote_domid;
    uint16_t virq;
    uint32_t remote_port;
    void (*handler)(void *); /* ECS_BACKEND: the guest notified us */
    void *arg;
} __attribute__((aligned(64)));

struct evtchn_domain {
    lock_t lock;
    uint32_t max_port;  /* highest port that can be allocated */
    uint32_t nr_ports;  /* ports below were in use at some time; grows in steps; any thread */
    bool resetting;     /* no port can be bound */
    struct evtchn *chn; /* EVTCHN_MAX_PORT + 1 of them; host memory is taken as ports are used */
    bool fifo;          /* which ABI; any thread, changes under chn[].lock rules of evtchn_fifo.c */
    uint32_t nr_words;  /* FIFO: event words that exist; any thread */
    event_word_t *array[EVTCHN_ARRAY_PAGES]; /* guest pages, a writable reference held on each */
    uint64_t poll_mask;                      /* vCPUs in SCHEDOP_poll; atomic, any thread */
};

struct evtchn_vcpu {
    struct evtchn_fifo_control_block *control; /* FIFO: NULL until EVTCHNOP_init_control; any thread */
    lock_t queue_lock;
    uint32_t tail[EVTCHN_FIFO_MAX_QUEUES];
    uint32_t virq_port[NR_VIRQS]; /* 0: not bound; any thread */
    uint32_t poll_port;           /* the one port polled for; 0: several.  Valid while in poll_mask */
};

/* ---- life of a domain ---- */

/* Sets up channels, with ports 1 .. max_port (at most EVTCHN_MAX_PORT) for the guest, and makes the domain
 * known to the others of this process under its id. d->pv and its shared_info exist. 0 or -errno. Heavy. */
int evtchn_domain_init(struct domain *d, uint32_t max_port);
/* Closes all ports, makes the domain unknown, and frees. No vCPU of the domain runs any more; those that are
 * gone are NULL in d->vcpu[]. While others of this process may still raise events here, none may be gone.
 * Heavy. */
void evtchn_domain_destroy(struct domain *d);

/* ---- evtchn.c, for the panel ---- */

/*
 * Tells the vCPU that it has events: sets evtchn_upcall_pending; kicks it if that was clear. Any thread,
 * light.
 */
void evtchn_mark_pending(struct vcpu *v);
/* Ends the SCHEDOP_poll of vCPUs that poll for this port. Any thread, light. */
void evtchn_check_pollers(struct domain *d, uint32_t port);
/*
 * Whether the port is pending as its ABI shows it: 0 or 1, or -XEN_EINVAL for a port that never existed.
 * Light.
 */
int evtchn_is_pending(struct domain *d, uint32_t port);

/*
 * ---- the hypercall's operations, as in xen/event_channel.h: 0 or -XEN_E*. d is the calling domain. Light.
 * ----
 */
int evtchn_alloc_unbound(struct domain *d, struct evtchn_alloc_unbound *op);
int evtchn_bind_interdomain(struct domain *d, struct evtchn_bind_interdomain *op);
int evtchn_bind_virq(struct domain *d, struct evtchn_bind_virq *op);
int evtchn_bind_ipi(struct domain *d, struct evtchn_bind_ipi *op);
int evtchn_bind_vcpu(struct domain *d, uint32_t port, uint32_t vcpu);
int evtchn_close(struct domain *d, uint32_t port);
int evtchn_send(struct domain *d, uint32_t port);
int evtchn_status(struct domain *d, struct evtchn_status *op);
int evtchn_unmask(struct domain *d, uint32_t port);
int evtchn_set_priority(struct domain *d, uint32_t port, uint32_t priority);
int evtchn_reset(struct domain *d); /* closes every port, goes back to the 2-level ABI */

/* ---- the ABIs: port's lock held, port < nr_ports and < max_ports.  evtchn_2l.c and evtchn_fifo.c ---- */

struct evtchn_abi {
    void (*set_pending)(struct domain *d, uint32_t port, struct evtchn *c);
    void (*clear_pending)(struct domain *d, uint32_t port, struct evtchn *c);
    void (*unmask)(struct domain *d, uint32_t port, struct evtchn *c);
    bool (*is_pending)(struct domain *d, uint32_t port);
    bool (*is_busy)(struct domain *d, uint32_t port); /* still on a queue: not to be reused yet */
    uint32_t max_ports;
};
extern const struct evtchn_abi evtchn_2l, evtchn_fifo;

/* EVTCHNOP_init_control and EVTCHNOP_expand_array; evtchn_domain.lock held. 0 or -XEN_E*. */
int evtchn_fifo_init_control(struct domain *d, struct evtchn_init_control *op);
int evtchn_fifo_expand_array(struct domain *d, const struct evtchn_expand_array *op);
/* Gives the guest's pages back; no port is in use. evtchn_domain.lock held. */
void evtchn_fifo_teardown(struct domain *d);

#endif
