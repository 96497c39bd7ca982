/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A small machine for the tests of the panel's files: two domains with frames of their own, vCPUs without
 * threads.
 *
 * A guest-virtual address is the host address of fake machine memory; anything else faults.  Page references
 * are counted in struct frame as the real ones are, types without validation.  What would reach the engine or
 * a thread is only noted down.
 */
#ifndef DIPTYCH_TESTS_PV_FAKES_H
#define DIPTYCH_TESTS_PV_FAKES_H

#include "pv/panel.h"

#define FAKE_FRAMES 4096
#define FAKE_VCPUS  4

struct fake_vcpu_notes {
    uint32_t requests; /* all bits ever asked for since the last fake_requests() */
    unsigned kicks;
    unsigned onlined; /* domain_vcpu_online() */
};

/*
 * The first two domains, made anew by fake_setup(): ids 1 and 2, FAKE_VCPUS vCPUs each, event channels,
 * grants, time.
 */
extern struct domain fake_dom[2];

void fake_setup(void);
void fake_teardown(void);

/* A zeroed frame that belongs to the domain. */
mfn_t fake_frame(struct domain *d);

/* n bytes of guest memory, zeroed, not crossing a page. */
void *fake_guest_alloc(struct domain *d, size_t n);

/* Sum of all frames' references that d's guest pages have: what a leak shows in. */
unsigned fake_refs(const struct domain *d);

/* Requests made to the vCPU since the last call, and how often it was kicked. */
uint32_t fake_requests(struct vcpu *v, unsigned *kicks);
unsigned fake_onlined(const struct vcpu *v);

static inline gva_t fake_gva(const void *p)
{
    return GVA((uintptr_t)p);
}

#endif
