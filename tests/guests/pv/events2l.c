// SPDX-License-Identifier: MIT
/*
 * Event channels by the 2-level ABI: pending, masked and selector bits, and upcalls that come exactly when
 * an unmasked event is pending and the vCPU's mask is clear.
 *
 * A broken hypervisor loses an edge, delivers while masked, or enters the upcall with events unmasked.
 */
#include "pvtest.h"

static volatile unsigned upcalls[EVENT_PORTS];
static volatile unsigned frames_bad;

static void count(unsigned port)
{
    upcalls[port]++;
    if (!events_masked())
        frames_bad++;
}

static bool bit(const xen_ulong_t *words, unsigned n)
{
    return words[n / 64] >> n % 64 & 1;
}

static void test_ipi(void)
{
    unsigned port = event_bind_ipi(0);
    struct evtchn_unmask unmask = {.port = port};

    check(port > 0 && port < EVENT_PORTS, "port %u", port);
    event_handler(port, count);

    event_send(port);
    check(bit(shared_info->evtchn_pending, port), "pending");
    check(this_cpu()->info->evtchn_upcall_pending, "upcall pending");
    check(this_cpu()->info->evtchn_pending_sel >> port / 64 & 1, "selector");
    check_eq(upcalls[port], 0, "no upcall while the vCPU masks events");
    events_unmask();
    check_eq(upcalls[port], 1, "one upcall");
    check(!bit(shared_info->evtchn_pending, port), "not pending any more");

    event_send(port);
    check_eq(upcalls[port], 2, "an upcall at once when unmasked");
    check_eq(events_masked(), 0, "iret unmasked events again");

    shared_info->evtchn_mask[port / 64] |= 1UL << port % 64;
    event_send(port);
    event_send(port);
    check_eq(upcalls[port], 2, "no upcall for a masked port");
    check(bit(shared_info->evtchn_pending, port), "masked, and pending");
    check_eq(hc_event_channel_op(EVTCHNOP_unmask, &unmask), 0, "unmask");
    check_eq(upcalls[port], 3, "one upcall for two sends");
    check(!bit(shared_info->evtchn_mask, port), "the unmask cleared the bit");
    check_eq(frames_bad, 0, "upcalls entered with events masked");
    events_mask();
}

/* An interdomain channel to ourselves: what is sent on one end comes out at the other. */
static void test_loopback(void)
{
    struct evtchn_alloc_unbound a = {.dom = DOMID_SELF, .remote_dom = DOMID_SELF};
    struct evtchn_bind_interdomain b = {.remote_dom = DOMID_SELF};
    struct evtchn_status s = {.dom = DOMID_SELF};
    struct evtchn_close close;

    check_eq(hc_event_channel_op(EVTCHNOP_alloc_unbound, &a), 0, "alloc_unbound");
    s.port = a.port;
    check_eq(hc_event_channel_op(EVTCHNOP_status, &s), 0, "status");
    check_eq(s.status, EVTCHNSTAT_unbound, "unbound");
    b.remote_port = a.port;
    check_eq(hc_event_channel_op(EVTCHNOP_bind_interdomain, &b), 0, "bind_interdomain");
    check_eq(hc_event_channel_op(EVTCHNOP_status, &s), 0, "status");
    check_eq(s.status, EVTCHNSTAT_interdomain, "bound");
    check_eq(s.u.interdomain.port, b.local_port, "to the other end");
    event_handler(a.port, count);
    event_handler(b.local_port, count);
    events_unmask();
    upcalls[b.local_port] = 0; /* binding itself may have raised it */
    upcalls[a.port] = 0;
    event_send(a.port);
    check_eq(upcalls[b.local_port], 1, "heard at the other end");
    check_eq(upcalls[a.port], 0, "and only there");
    event_send(b.local_port);
    check_eq(upcalls[a.port], 1, "and back");
    events_mask();
    close.port = b.local_port;
    check_eq(hc_event_channel_op(EVTCHNOP_close, &close), 0, "close");
    check_eq(hc_event_channel_op(EVTCHNOP_status, &s), 0, "status");
    check_eq(s.status, EVTCHNSTAT_unbound, "the other end waits again");
    close.port = a.port;
    check_eq(hc_event_channel_op(EVTCHNOP_close, &close), 0, "close");
}

/* The upcall's frame is that of the interrupted code, flags and all. */
static struct trap_frame seen;

static void upcall_spy(struct trap_frame *f)
{
    seen = *f;
    this_cpu()->info->evtchn_upcall_pending = 0;
    this_cpu()->info->evtchn_pending_sel = 0;
    memset(shared_info->evtchn_pending, 0, sizeof(shared_info->evtchn_pending));
}

extern char frame_behind[];

static void test_frame(void)
{
    unsigned port = event_bind_ipi(0);
    struct evtchn_send send = {.port = port};
    long ret;

    event_handler(port, NULL);
    trap_handler(TRAP_EVENT, upcall_spy);
    events_unmask();
    register uint64_t rdi __asm__("rdi") = EVTCHNOP_send;
    register void *rsi __asm__("rsi") = &send;
    __asm__ volatile("mov $0x1234, %%ebx; mov %2, %%eax; syscall\nframe_behind: nop\n"
                     : "=a"(ret), "+r"(rdi)
                     : "i"(__HYPERVISOR_event_channel_op), "r"(rsi)
                     : "rbx", "rcx", "r11", "memory", "cc");
    events_mask();
    check_eq(ret, 0, "send");
    check_eq(seen.rip, frame_behind, "rip behind the hypercall");
    check_eq(seen.rax, 0, "rax is already the result");
    check_eq(seen.rbx, 0x1234, "rbx");
    check_eq(seen.cs & 3, 0, "from kernel mode");
    check_eq(seen.saved_upcall_mask & 0xff, 0, "saved mask");
    check(seen.rflags & 0x200, "IF in the frame: %lx", seen.rflags);
    events_init();
}

static void test_poll(void)
{
    unsigned port = event_bind_ipi(0);
    struct sched_poll poll = {.nr_ports = 1, .timeout = system_time_ns() + 20000000};
    evtchn_port_t ports[1] = {port};
    uint64_t before = system_time_ns();

    set_xen_guest_handle(poll.ports, ports);
    check_eq(hc_sched_op(SCHEDOP_poll, &poll), 0, "poll that times out");
    check(system_time_ns() - before >= 19000000, "waited %lu ns", system_time_ns() - before);
    event_send(port);
    poll.timeout = 0;
    check_eq(hc_sched_op(SCHEDOP_poll, &poll), 0, "poll of a pending port returns");
}

void guest_main(void)
{
    events_init();
    test_ipi();
    test_loopback();
    test_frame();
    test_poll();
}
