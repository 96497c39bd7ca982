// SPDX-License-Identifier: MIT
// vcpus: 4
/*
 * Further vCPUs: brought up where asked, going down, coming up again; IPIs reach them while they run, spin
 * and block; memory and locked instructions agree; a flush of all TLBs is seen by all.
 */
#include "pvtest.h"

#define CPUS   4
#define ROUNDS 20000

static volatile unsigned arrived, stop, ipis[CPUS], down;
static volatile uint64_t counter;
static unsigned ipi_port[CPUS];

static void ipi_event(unsigned port)
{
    (void)port;
    ipis[this_cpu()->id]++;
}

static void worker(void *arg)
{
    unsigned id = this_cpu()->id;

    check_eq(id, (uint64_t)arg, "vCPU number");
    for (unsigned i = 0; i < ROUNDS; i++)
        __atomic_fetch_add(&counter, 1, __ATOMIC_SEQ_CST);
    __atomic_fetch_add(&arrived, 1, __ATOMIC_SEQ_CST);
    events_unmask();
    while (!stop)
        if (ipis[id] % 2)
            cpu_relax();
        else
            hc_sched_op(SCHEDOP_block, NULL);
    events_mask();
    __atomic_fetch_add(&down, 1, __ATOMIC_SEQ_CST);
}

static bool wait_until(volatile unsigned *word, unsigned value)
{
    uint64_t until = system_time_ns() + 5000000000UL;

    while (*word < value && system_time_ns() < until)
        cpu_relax();
    return *word >= value;
}

/* Another vCPU stores through a mapping, on and on, until it is changed under it. */
static unsigned *volatile window;
static volatile unsigned window_stop;

static void writer(void *arg)
{
    unsigned n = 0;

    (void)arg;
    __atomic_fetch_add(&arrived, 1, __ATOMIC_SEQ_CST);
    while (!window_stop)
        *(volatile unsigned *)window = ++n | 1;
    __atomic_fetch_add(&down, 1, __ATOMIC_SEQ_CST);
}

/* After the flush no store reaches the old frame, and all reach the new one. */
static void test_flush(void)
{
    unsigned *page = page_alloc(1), *old_frame = page_alloc(1), *new_frame = page_alloc(1), seen;
    uint64_t until;

    window = page;
    arrived = down = 0;
    check_eq(hc_update_va_mapping((uint64_t)old_frame, virt_to_machine(page) | PTE_RAM, UVMF_INVLPG), 0,
             "alias");
    check_eq(cpu_up(1, writer, NULL), 0, "vCPU 1 up again");
    check(wait_until(&arrived, 1) && wait_until(page, 1), "writer runs");
    check_eq(
        hc_update_va_mapping((uint64_t)page, virt_to_machine(new_frame) | PTE_RAM, UVMF_INVLPG | UVMF_ALL), 0,
        "remapped");
    seen = *(volatile unsigned *)old_frame;
    check(wait_until(new_frame, 1), "stores reach the new frame");
    for (until = system_time_ns() + 20000000; system_time_ns() < until;)
        cpu_relax();
    check_eq(*(volatile unsigned *)old_frame, seen, "the old frame, untouched since");
    window_stop = 1;
    check(wait_until(&down, 1), "writer ends");
}

void guest_main(void)
{
    events_init();
    for (uint64_t i = 1; i < CPUS; i++) {
        check_eq(hc_vcpu_op(VCPUOP_is_up, (unsigned)i, NULL), 0, "down at first");
        refused_with(hc_vcpu_op(VCPUOP_up, (unsigned)i, NULL), XEN_EINVAL, "up before it is initialised");
        ipi_port[i] = event_bind_ipi((unsigned)i);
        event_handler(ipi_port[i], ipi_event);
        check_eq(cpu_up((unsigned)i, worker, (void *)i), 0, "up");
        check_eq(hc_vcpu_op(VCPUOP_is_up, (unsigned)i, NULL), 1, "is up");
    }
    check(wait_until(&arrived, CPUS - 1), "all arrive: %u", arrived);
    check_eq(counter, ROUNDS * (CPUS - 1), "locked additions");

    for (unsigned round = 1; round <= 200; round++)
        for (unsigned i = 1; i < CPUS; i++) {
            event_send(ipi_port[i]);
            if (!wait_until(&ipis[i], round)) {
                check(false, "vCPU %u missed IPI %u (has %u)", i, round, ipis[i]);
                goto end;
            }
        }
    for (unsigned i = 1; i < CPUS; i++)
        check_eq(ipis[i], 200, "IPIs");
end:
    stop = 1;
    for (unsigned i = 1; i < CPUS; i++)
        event_send(ipi_port[i]);
    check(wait_until(&down, CPUS - 1), "all leave: %u", down);
    for (unsigned i = 1; i < CPUS; i++) {
        uint64_t until = system_time_ns() + 2000000000UL;

        while (hc_vcpu_op(VCPUOP_is_up, i, NULL) == 1 && system_time_ns() < until)
            cpu_relax();
        check_eq(hc_vcpu_op(VCPUOP_is_up, i, NULL), 0, "is down");
    }
    test_flush();
}
