// SPDX-License-Identifier: MIT
/*
 * Event channels by the FIFO ABI (xen/event_channel.h): control block, event words, queues by priority, in
 * order.
 *
 * A broken hypervisor links an event twice, forgets its link, or mixes priorities up.
 */
#include "pvtest.h"

#define PENDING (1U << EVTCHN_FIFO_PENDING)
#define MASKED  (1U << EVTCHN_FIFO_MASKED)
#define LINKED  (1U << EVTCHN_FIFO_LINKED)

static struct evtchn_fifo_control_block *control;
static volatile uint32_t *words;
static volatile unsigned upcalls;

static void fifo_upcall(struct trap_frame *f)
{
    (void)f;
    upcalls++;
    this_cpu()->info->evtchn_upcall_pending = 0;
}

/* Takes the first event off a queue; 0: empty. */
static unsigned queue_pop(unsigned q, uint32_t *head)
{
    uint32_t port = *head, word;

    if (!port) {
        port = __atomic_load_n(&control->head[q], __ATOMIC_ACQUIRE);
        if (!port)
            return 0;
    }
    /* Unlink: clear LINKED and the link in one step. */
    do {
        word = words[port];
    } while (!__sync_bool_compare_and_swap(&words[port], word, word & ~(LINKED | EVTCHN_FIFO_LINK_MASK)));
    *head = word & EVTCHN_FIFO_LINK_MASK;
    if (!*head)
        __atomic_fetch_and(&control->ready, ~(1U << q), __ATOMIC_SEQ_CST);
    __atomic_fetch_and(&words[port], ~PENDING, __ATOMIC_SEQ_CST);
    return port;
}

static void unmask(unsigned port)
{
    struct evtchn_unmask op = {.port = port};

    check_eq(hc_event_channel_op(EVTCHNOP_unmask, &op), 0, "unmask");
}

void guest_main(void)
{
    struct evtchn_init_control init = {.control_gfn = 1UL << 40};
    struct evtchn_expand_array expand = {.array_gfn = 1UL << 40};
    struct evtchn_set_priority priority;
    unsigned port[4];
    uint32_t head = 0;

    control = page_alloc(1);
    words = page_alloc(1);
    trap_handler(TRAP_EVENT, fifo_upcall);

    refused(hc_event_channel_op(EVTCHNOP_expand_array, &expand), "expand_array under the 2-level ABI");
    refused(hc_event_channel_op(EVTCHNOP_init_control, &init), "a control block in no frame");
    init = (struct evtchn_init_control){.control_gfn = virt_to_mfn(control), .offset = 4090};
    refused(hc_event_channel_op(EVTCHNOP_init_control, &init), "a control block across a page");
    init = (struct evtchn_init_control){.control_gfn = virt_to_mfn(control), .vcpu = 99};
    refused_with(hc_event_channel_op(EVTCHNOP_init_control, &init), XEN_ENOENT, "a control block of no vCPU");
    init = (struct evtchn_init_control){.control_gfn = virt_to_mfn(control)};
    check_eq(hc_event_channel_op(EVTCHNOP_init_control, &init), 0, "init_control");
    check_eq(init.link_bits, EVTCHN_FIFO_LINK_BITS, "link bits");
    refused(hc_event_channel_op(EVTCHNOP_expand_array, &expand), "an array page in no frame");
    expand.array_gfn = virt_to_mfn((void *)words);
    check_eq(hc_event_channel_op(EVTCHNOP_expand_array, &expand), 0, "expand_array");

    for (unsigned i = 0; i < 4; i++) {
        port[i] = event_bind_ipi(0);
        unmask(port[i]);
    }
    priority = (struct evtchn_set_priority){.port = port[3], .priority = 16};
    refused_with(hc_event_channel_op(EVTCHNOP_set_priority, &priority), XEN_EINVAL, "priority 16");
    priority.priority = EVTCHN_FIFO_PRIORITY_MAX;
    check_eq(hc_event_channel_op(EVTCHNOP_set_priority, &priority), 0, "set_priority");

    /* Three of the default priority queue up in the order in which they were sent; the fourth has its own
     * queue. */
    event_send(port[2]);
    event_send(port[0]);
    event_send(port[3]);
    event_send(port[1]);
    event_send(port[0]); /* already pending */
    check_eq(control->ready, 1 << EVTCHN_FIFO_PRIORITY_DEFAULT | 1 << EVTCHN_FIFO_PRIORITY_MAX,
             "ready queues");
    check((words[port[0]] & (PENDING | LINKED | MASKED)) == (PENDING | LINKED), "word %x", words[port[0]]);
    check_eq(queue_pop(EVTCHN_FIFO_PRIORITY_MAX, &head), port[3], "the urgent one");
    check_eq(head, 0, "alone on its queue");
    check_eq(queue_pop(EVTCHN_FIFO_PRIORITY_DEFAULT, &head), port[2], "first");
    check_eq(queue_pop(EVTCHN_FIFO_PRIORITY_DEFAULT, &head), port[0], "second");
    check_eq(queue_pop(EVTCHN_FIFO_PRIORITY_DEFAULT, &head), port[1], "third");
    check_eq(head, 0, "and no more");
    check_eq(control->ready, 0, "nothing ready");

    /* Masked: pending, not linked; unmasking links it. */
    this_cpu()->info->evtchn_upcall_pending = 0;
    __atomic_fetch_or(&words[port[1]], MASKED, __ATOMIC_SEQ_CST);
    event_send(port[1]);
    check((words[port[1]] & (PENDING | LINKED)) == PENDING, "masked word %x", words[port[1]]);
    check_eq(this_cpu()->info->evtchn_upcall_pending, 0, "no upcall for it");
    unmask(port[1]);
    check((words[port[1]] & (PENDING | LINKED | MASKED)) == (PENDING | LINKED), "word %x", words[port[1]]);
    check_eq(upcalls, 0, "events were masked all along");
    events_unmask();
    check_eq(upcalls, 1, "one upcall");
    events_mask();
    head = 0;
    check_eq(queue_pop(EVTCHN_FIFO_PRIORITY_DEFAULT, &head), port[1], "the unmasked one");
}
