// SPDX-License-Identifier: MIT
/*
 * Hypercalls that ask for nonsense, or for what only a control domain may do, are refused with an error
 * code and change nothing.
 *
 * A broken hypervisor crashes the domain, grants the request, or answers something else.  Errors are those of
 * Xen 4.17.
 */
#include "pvtest.h"

static void test_numbers(void)
{
    static const uint64_t unknown[] = {11, 43, 47, 63, 64, 1000, 1UL << 32 | __HYPERVISOR_xen_version, ~0UL};

    for (unsigned i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++)
        refused_with(hypercall_raw(unknown[i], 0, 0, 0, 0, 0, 0), XEN_ENOSYS, "unknown hypercall number");
    refused_with(hypercall_raw(__HYPERVISOR_tmem_op, 0, 0, 0, 0, 0, 0), XEN_ENOSYS, "tmem_op");
    refused(hypercall_raw(__HYPERVISOR_domctl, 0, 0, 0, 0, 0, 0), "domctl");
    refused(hypercall_raw(__HYPERVISOR_sysctl, 0, 0, 0, 0, 0, 0), "sysctl");
    refused(hypercall_raw(__HYPERVISOR_platform_op, 0, 0, 0, 0, 0, 0), "platform_op");
}

static void test_event_channels(void)
{
    struct evtchn_bind_virq virq = {.virq = VIRQ_TIMER, .vcpu = 99};
    struct evtchn_bind_ipi ipi = {.vcpu = 99};
    struct evtchn_send send = {.port = 0};
    struct evtchn_close close = {.port = 0};
    struct evtchn_status status = {.dom = DOMID_SELF, .port = 1U << 31};
    struct evtchn_alloc_unbound unbound = {.dom = 77, .remote_dom = DOMID_SELF};
    struct evtchn_bind_pirq pirq = {.pirq = 9};
    struct evtchn_bind_vcpu bind = {.port = 0, .vcpu = 0};
    unsigned port;

    refused_with(hc_event_channel_op(99, &send), XEN_ENOSYS, "unknown operation");
    refused_with(hc_event_channel_op(EVTCHNOP_send, NULL), XEN_EFAULT, "argument at 0");
    refused_with(hc_event_channel_op(EVTCHNOP_send, (void *)UNMAPPED), XEN_EFAULT, "argument nowhere");
    refused_with(hc_event_channel_op(EVTCHNOP_bind_virq, &virq), XEN_ENOENT, "bind_virq to no vCPU");
    virq = (struct evtchn_bind_virq){.virq = NR_VIRQS, .vcpu = 0};
    refused_with(hc_event_channel_op(EVTCHNOP_bind_virq, &virq), XEN_EINVAL, "bind_virq of no VIRQ");
    virq.virq = ~0U;
    refused_with(hc_event_channel_op(EVTCHNOP_bind_virq, &virq), XEN_EINVAL, "bind_virq of VIRQ -1");
    refused_with(hc_event_channel_op(EVTCHNOP_bind_ipi, &ipi), XEN_ENOENT, "bind_ipi to no vCPU");
    refused_with(hc_event_channel_op(EVTCHNOP_send, &send), XEN_EINVAL, "send to port 0");
    send.port = 900;
    refused_with(hc_event_channel_op(EVTCHNOP_send, &send), XEN_EINVAL, "send to a free port");
    send.port = ~0U;
    refused_with(hc_event_channel_op(EVTCHNOP_send, &send), XEN_EINVAL, "send to port -1");
    refused_with(hc_event_channel_op(EVTCHNOP_close, &close), XEN_EINVAL, "close port 0");
    close.port = 900;
    refused_with(hc_event_channel_op(EVTCHNOP_close, &close), XEN_EINVAL, "close a free port");
    refused_with(hc_event_channel_op(EVTCHNOP_status, &status), XEN_EINVAL, "status of no port");
    status = (struct evtchn_status){.dom = 77, .port = 1};
    refused(hc_event_channel_op(EVTCHNOP_status, &status), "status of another domain's port");
    refused(hc_event_channel_op(EVTCHNOP_alloc_unbound, &unbound), "alloc_unbound for another domain");
    refused(hc_event_channel_op(EVTCHNOP_bind_pirq, &pirq), "bind_pirq");
    refused_with(hc_event_channel_op(EVTCHNOP_bind_vcpu, &bind), XEN_EINVAL, "bind_vcpu of port 0");

    port = event_bind_virq(VIRQ_DEBUG, 0);
    virq = (struct evtchn_bind_virq){.virq = VIRQ_DEBUG, .vcpu = 0};
    refused_with(hc_event_channel_op(EVTCHNOP_bind_virq, &virq), XEN_EEXIST, "a VIRQ bound twice");
    bind = (struct evtchn_bind_vcpu){.port = port, .vcpu = 99};
    refused_with(hc_event_channel_op(EVTCHNOP_bind_vcpu, &bind), XEN_ENOENT, "bind_vcpu to no vCPU");
    bind.vcpu = 0;
    refused_with(hc_event_channel_op(EVTCHNOP_bind_vcpu, &bind), XEN_EINVAL, "bind_vcpu of a per-vCPU VIRQ");
    close.port = port;
    check_eq(hc_event_channel_op(EVTCHNOP_close, &close), 0, "close");
    refused_with(hc_event_channel_op(EVTCHNOP_close, &close), XEN_EINVAL, "close twice");
    status = (struct evtchn_status){.dom = DOMID_SELF, .port = port, .status = 99};
    check_eq(hc_event_channel_op(EVTCHNOP_status, &status), 0, "status");
    check_eq(status.status, EVTCHNSTAT_closed, "status of a closed port");
}

static void test_scheduler(void)
{
    evtchn_port_t ports[200] = {0};
    struct sched_poll poll = {.nr_ports = 200};
    struct sched_remote_shutdown remote = {.domain_id = 77, .reason = SHUTDOWN_crash};
    struct sched_watchdog watchdog = {.id = 99, .timeout = 5};

    set_xen_guest_handle(poll.ports, ports);
    refused_with(hc_sched_op(99, NULL), XEN_ENOSYS, "unknown sched_op");
    refused_with(hc_sched_op(SCHEDOP_shutdown, (void *)UNMAPPED), XEN_EFAULT, "shutdown, argument nowhere");
    refused_with(hc_sched_op(SCHEDOP_poll, (void *)UNMAPPED), XEN_EFAULT, "poll, argument nowhere");
    refused_with(hc_sched_op(SCHEDOP_poll, &poll), XEN_EINVAL, "poll of 200 ports");
    poll.nr_ports = 1;
    ports[0] = 1U << 30;
    refused_with(hc_sched_op(SCHEDOP_poll, &poll), XEN_EINVAL, "poll of no port");
    refused(hc_sched_op(SCHEDOP_remote_shutdown, &remote), "shutdown of another domain");
    refused(hc_sched_op(SCHEDOP_watchdog, &watchdog), "poke of a watchdog that isn't");
    check_eq(hc_sched_op(SCHEDOP_yield, NULL), 0, "yield");
}

static void test_vcpus(void)
{
    struct vcpu_set_periodic_timer periodic = {.period_ns = 1000};
    struct vcpu_set_singleshot_timer once = {.timeout_abs_ns = 1, .flags = VCPU_SSHOTTMR_future};
    struct vcpu_register_vcpu_info info = {.mfn = virt_to_mfn(page_alloc(1)), .offset = 4090};

    refused_with(hc_vcpu_op(VCPUOP_is_up, 999, NULL), XEN_ENOENT, "is_up of no vCPU");
    refused_with(hc_vcpu_op(99, 0, NULL), XEN_ENOSYS, "unknown vcpu_op");
    check_eq(hc_vcpu_op(VCPUOP_is_up, 0, NULL), 1, "vCPU 0 is up");
    refused_with(hc_vcpu_op(VCPUOP_initialise, 0, (void *)UNMAPPED), XEN_EFAULT, "initialise from nowhere");
    refused_with(hc_vcpu_op(VCPUOP_set_periodic_timer, 0, &periodic), XEN_EINVAL, "a period of 1 us");
    refused_with(hc_vcpu_op(VCPUOP_set_singleshot_timer, 0, &once), XEN_ETIME, "a timer in the past");
    refused(hc_vcpu_op(VCPUOP_register_vcpu_info, 0, &info), "vcpu_info across a page");
    info = (struct vcpu_register_vcpu_info){.mfn = 1UL << 40, .offset = 0};
    refused(hc_vcpu_op(VCPUOP_register_vcpu_info, 0, &info), "vcpu_info in no frame");
    refused(hc_vcpu_op(VCPUOP_send_nmi, 999, NULL), "NMI to no vCPU");
}

static void test_addresses(void)
{
    struct trap_info traps[2] = {{.vector = 200, .cs = FLAT_KERNEL_CS, .address = NONCANONICAL}};
    struct callback_register reg = {.type = CALLBACKTYPE_event, .address = NONCANONICAL};
    struct callback_unregister unreg = {.type = CALLBACKTYPE_event};

    refused_with(hc_set_trap_table(traps), XEN_EINVAL, "a trap handler at a non-canonical address");
    refused_with(hc_set_trap_table((void *)UNMAPPED), XEN_EFAULT, "trap table nowhere");
    refused_with(hc_callback_op(CALLBACKOP_register, &reg), XEN_EINVAL,
                 "a callback at a non-canonical address");
    reg = (struct callback_register){.type = 99, .address = (uint64_t)UNMAPPED};
    refused_with(hc_callback_op(CALLBACKOP_register, &reg), XEN_ENOSYS, "unknown callback");
    refused_with(hc_callback_op(99, &reg), XEN_ENOSYS, "unknown callback_op");
    refused_with(hc_callback_op(CALLBACKOP_unregister, &unreg), XEN_EINVAL,
                 "the event callback unregistered");
    refused_with(hc_callback_op(CALLBACKOP_register, NULL), XEN_EFAULT, "callback at 0");
    for (unsigned which = SEGBASE_FS; which <= SEGBASE_GS_KERNEL; which++)
        refused_with(hc_set_segment_base(which, NONCANONICAL), XEN_EINVAL, "non-canonical base");
    refused_with(hc_set_segment_base(99, 0), XEN_EINVAL, "unknown base");
}

static void test_descriptors(void)
{
    uint64_t *table = page_alloc(1);
    xen_pfn_t frame = virt_to_mfn(table), bad = 1UL << 40;
    static const uint64_t interrupt_gate = 0x0000ee0000080000;

    refused_with(hc_set_gdt(&frame, FIRST_RESERVED_GDT_ENTRY + 1), XEN_EINVAL, "a GDT over Xen's entries");
    refused_with(hc_set_gdt((void *)UNMAPPED, 1), XEN_EFAULT, "GDT frames nowhere");
    refused_with(hc_set_gdt(&bad, 1), XEN_EINVAL, "a GDT in no frame");
    refused(hc_set_gdt(&frame, 1), "a GDT that is mapped writable");
    refused_with(hc_update_descriptor(virt_to_machine(table) + 4, 0), XEN_EINVAL, "an unaligned descriptor");
    refused_with(hc_update_descriptor(bad << 12, 0), XEN_EINVAL, "a descriptor in no frame");
    refused_with(hc_update_descriptor(virt_to_machine(table), interrupt_gate), XEN_EINVAL,
                 "an interrupt gate");
    check_eq(table[0], 0, "descriptor refused, table unchanged");
}

static void test_debug_registers(void)
{
    refused(hc_set_debugreg(8, 0), "debug register 8");
    refused(hc_set_debugreg(0, HYPERVISOR_VIRT_START), "a breakpoint in the hypervisor");
    refused(hc_set_debugreg(7, 0x2000), "DR7.GD");
    check_eq(hc_set_debugreg(1, 0x123456), 0, "dr1");
    check_eq(hc_get_debugreg(1), 0x123456, "dr1 read back");
    check_eq(hc_set_debugreg(1, 0), 0, "dr1 cleared");
}

static void test_memory(void)
{
    struct xen_memory_reservation r = {.nr_extents = 1, .domid = 77};
    xen_pfn_t extent = 1UL << 40;
    struct xen_add_to_physmap add = {.domid = 77};
    long before = hc_memory_op(XENMEM_current_reservation, &(domid_t){DOMID_SELF});

    set_xen_guest_handle(r.extent_start, &extent);
    refused_with(hc_memory_op(63, NULL), XEN_ENOSYS, "unknown memory_op");
    /* These count extents done; none is. */
    check(hc_memory_op(XENMEM_decrease_reservation, NULL) <= 0, "reservation at 0");
    check(hc_memory_op(XENMEM_decrease_reservation, &r) <= 0, "another domain's memory given back");
    r.domid = DOMID_SELF;
    check(hc_memory_op(XENMEM_decrease_reservation, &r) <= 0, "memory given back that isn't ours");
    r.extent_order = 50;
    check(hc_memory_op(XENMEM_increase_reservation, &r) <= 0, "2^50 pages");
    refused(hc_memory_op(XENMEM_add_to_physmap, &add), "add_to_physmap for another domain");
    refused(hc_memory_op(XENMEM_set_memory_map, NULL), "set_memory_map");
    check_eq(hc_memory_op(XENMEM_current_reservation, &(domid_t){DOMID_SELF}), before,
             "reservation unchanged");
    check(before > 0 && (uint64_t)before <= start_info->nr_pages, "current reservation %ld", before);
}

static void test_rest(void)
{
    char byte;

    refused_with(hc_vm_assist(99, VMASST_TYPE_writable_pagetables), XEN_ENOSYS, "unknown vm_assist command");
    refused_with(hc_vm_assist(VMASST_CMD_enable, 200), XEN_EINVAL, "unknown vm_assist type");
    refused_with(hc_xen_version(99, &byte), XEN_ENOSYS, "unknown xen_version");
    refused_with(hc_xen_version(XENVER_extraversion, (void *)UNMAPPED), XEN_EFAULT,
                 "version text to nowhere");
    refused_with(hc_grant_table_op(99, &byte, 0), XEN_ENOSYS, "unknown grant_table_op");
    refused_with(hc_physdev_op(99, &byte), XEN_ENOSYS, "unknown physdev_op");
    refused(hc_console_io(CONSOLEIO_read, 1, &byte), "console read");
    refused(hc_nmi_op(99, NULL), "unknown nmi_op");
    refused_with(hc_multicall((void *)UNMAPPED, 1), XEN_EFAULT, "multicall from nowhere");
}

/* In a multicall: each entry has its result; neither iret nor another multicall is run. */
static void test_multicall(void)
{
    struct multicall_entry e[5] = {
        {.op = __HYPERVISOR_xen_version, .args = {XENVER_version}},
        {.op = __HYPERVISOR_multicall, .args = {(uint64_t)&e[0], 1}},
        {.op = 1000},
        {.op = __HYPERVISOR_event_channel_op, .args = {EVTCHNOP_send, UNMAPPED}},
        {.op = __HYPERVISOR_xen_version, .args = {XENVER_version}},
    };
    struct multicall_entry iret = {.op = __HYPERVISOR_iret, .result = 12345};

    check_eq(hc_multicall(e, 0), 0, "a multicall of nothing");
    check_eq(hc_multicall(e, 5), 0, "a multicall of five");
    check((long)e[0].result >> 16 == 4, "first result %ld", (long)e[0].result);
    refused(e[1].result, "a multicall in a multicall");
    refused_with(e[2].result, XEN_ENOSYS, "unknown number in a multicall");
    refused_with(e[3].result, XEN_EFAULT, "bad argument in a multicall");
    check_eq(e[4].result, e[0].result, "the entry behind refused ones");
    hc_multicall(&iret, 1);
    refused(iret.result, "iret in a multicall");
}

void guest_main(void)
{
    events_init();
    test_numbers();
    test_event_channels();
    test_scheduler();
    test_vcpus();
    test_addresses();
    test_descriptors();
    test_debug_registers();
    test_memory();
    test_rest();
    test_multicall();
}
