// SPDX-License-Identifier: MIT
/*
 * Event channels by the 2-level ABI; see events.h and xen/xen.h, struct shared_info.
 */
#include "pvguest/events.h"

static event_fn *port_handlers[EVENT_PORTS];

/* Clears pending bits first and calls handlers then, so that an event raised meanwhile is seen again. */
static void event_upcall(struct trap_frame *f)
{
    struct vcpu_info *info = this_cpu()->info;

    (void)f;
    while (__atomic_exchange_n(&info->evtchn_upcall_pending, 0, __ATOMIC_SEQ_CST)) {
        uint64_t words = __atomic_exchange_n(&info->evtchn_pending_sel, 0, __ATOMIC_SEQ_CST);

        while (words) {
            unsigned w = (unsigned)__builtin_ctzl(words);
            uint64_t bits = shared_info->evtchn_pending[w] & ~shared_info->evtchn_mask[w];

            words &= words - 1;
            while (bits) {
                unsigned port = w * 64 + (unsigned)__builtin_ctzl(bits);

                bits &= bits - 1;
                __atomic_fetch_and(&shared_info->evtchn_pending[w], ~(1UL << port % 64), __ATOMIC_SEQ_CST);
                if (port_handlers[port])
                    port_handlers[port](port);
            }
        }
    }
}

void events_init(void)
{
    memset(shared_info->evtchn_mask, 0xff, sizeof(shared_info->evtchn_mask));
    trap_handler(TRAP_EVENT, event_upcall);
}

void event_handler(unsigned port, event_fn *fn)
{
    struct evtchn_unmask unmask = {.port = port};

    port_handlers[port] = fn;
    if (hc_event_channel_op(EVTCHNOP_unmask, &unmask))
        panic("can't unmask port %u", port);
}

unsigned event_bind_virq(unsigned virq, unsigned vcpu)
{
    struct evtchn_bind_virq bind = {.virq = virq, .vcpu = vcpu};
    long ret = hc_event_channel_op(EVTCHNOP_bind_virq, &bind);

    if (ret)
        panic("bind_virq(%u, %u): %ld", virq, vcpu, ret);
    return bind.port;
}

unsigned event_bind_ipi(unsigned vcpu)
{
    struct evtchn_bind_ipi bind = {.vcpu = vcpu};
    long ret = hc_event_channel_op(EVTCHNOP_bind_ipi, &bind);

    if (ret)
        panic("bind_ipi(%u): %ld", vcpu, ret);
    return bind.port;
}

void event_send(unsigned port)
{
    struct evtchn_send send = {.port = port};
    long ret = hc_event_channel_op(EVTCHNOP_send, &send);

    if (ret)
        panic("send(%u): %ld", port, ret);
}
