/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Hypercalls of two domains under libFuzzer: event channels, grants, scheduling, vCPU operations and the
 * smaller ones. Each step names the domain, the vCPU, the call and its sub-operation, and gives the structure
 * that the call's argument points to; a word of the structure may become an address of the domain's memory or
 * a frame's number. At the end both domains' references are given back.
 *
 * Page tables have tests/unit/test_mm_fuzz.c, which knows what to expect.
 */
#include "fuzz.h"
#include "pv/hypercall.h"
#include "pv_fakes.h"

static hypercall_fn *const calls[] = {
    hc_event_channel_op,
    hc_grant_table_op,
    hc_sched_op,
    hc_vcpu_op,
    hc_physdev_op,
    hc_xen_version,
    hc_hvm_op,
    hc_nmi_op,
    hc_vm_assist,
    hc_set_timer_op,
    hc_console_io,
    hc_sched_op_compat,
    hc_event_channel_op_compat,
};

/*
 * The clock is measured once, which takes milliseconds, and not for each input (the linker's --wrap sends
 * fake_setup() here).
 */
/* NOLINTBEGIN(bugprone-reserved-identifier): the linker's names */
int __real_time_domain_init(struct domain *d);
int __wrap_time_domain_init(struct domain *d);
/* NOLINTEND(bugprone-reserved-identifier) */

int __wrap_time_domain_init(struct domain *d)
{
    static bool measured;
    static struct time_domain clock;
    static struct pv_vcpu vcpu;

    if (!measured) {
        require(__real_time_domain_init(d) == 0);
        clock = d->pv->time;
        vcpu = *d->vcpu[0]->pv;
        measured = true;
    }
    d->pv->time = clock;
    for (unsigned i = 0; i < d->nr_vcpus; i++) {
        d->vcpu[i]->pv->time = vcpu.time;
        d->vcpu[i]->pv->runstate = vcpu.runstate;
    }
    return 0;
}

#define GUEST_PAGES 4
#define STRUCT_MAX  128

static uint8_t *memory[2][GUEST_PAGES];
static mfn_t frame[2][GUEST_PAGES];

static uint64_t word(struct input *in, unsigned dom)
{
    uint8_t kind = input_byte(in);

    switch (kind & 3) {
    case 0:
        return kind >> 2; /* small: ports, references, vCPUs, counts, domain ids */
    case 1:
        return (uintptr_t)memory[dom][kind >> 2 & 3] + (uint64_t)(kind >> 4) * 255;
    case 2:
        return frame[kind >> 4 & 1][kind >> 2 & 3].n;
    default:
        return input_u64(in);
    }
}

/* The structure at the start of the domain's first page. */
static void make_struct(struct input *in, unsigned dom)
{
    uint8_t n = input_byte(in) % STRUCT_MAX;
    uint8_t words = input_byte(in);
    uint64_t value;

    input_take(in, memory[dom][0], n);
    for (unsigned i = 0; i < 8; i++) {
        if (!(words >> i & 1))
            continue;
        value = word(in, dom);
        memcpy(memory[dom][0] + i * 8, &value, 8);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = {data, size};

    fake_setup();
    for (unsigned d = 0; d < 2; d++)
        for (unsigned i = 0; i < GUEST_PAGES; i++) {
            frame[d][i] = fake_frame(&fake_dom[d]);
            memory[d][i] = machine_hva(frame[d][i]);
        }
    while (in.n) {
        uint8_t who = input_byte(&in), call = input_byte(&in) % ARRAY_SIZE(calls);
        unsigned dom = who & 1;
        struct vcpu *v = fake_dom[dom].vcpu[who >> 1 & (FAKE_VCPUS - 1)];
        uint64_t arg[6] = {input_byte(&in)};

        make_struct(&in, dom);
        for (unsigned i = 1; i < 4; i++)
            arg[i] = who >> (3 + i) & 1 ? word(&in, dom) : (uintptr_t)memory[dom][0];
        if (calls[call] == hc_grant_table_op)
            arg[2] = input_byte(&in) % 8;
        calls[call](v, arg);
    }
    fake_teardown();
    return 0;
}
