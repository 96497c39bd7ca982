/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Calls between the files of the PV panel that are not hypercalls.
 */
#ifndef DIPTYCH_PV_PANEL_H
#define DIPTYCH_PV_PANEL_H

#include "cpu/cpu_policy.h"
#include "pv/pv.h"

struct store;

/* ---- run.c: the run loop of a PV vCPU's thread; returns when the domain ended or VCPU_REQ_STOP ---- */
void pv_vcpu_run(struct vcpu *v);
extern const struct guest_ops pv_guest_ops;

/* Allocates pv state of a domain (shared_info frame, tables) and of each vCPU. 0 or -errno. Heavy. */
int pv_domain_init(struct domain *d);
int pv_vcpu_init(struct vcpu *v);
/*
 * Gives back what those took; no thread of the domain runs any more, and pv may be half made. vCPUs first.
 * Heavy.
 */
void pv_domain_destroy(struct domain *d);
void pv_vcpu_destroy(struct vcpu *v);

/* ---- backends.c: the console and the store, which this process provides ---- */
/* Allocates their event channels, before pv_build(). 0 or -errno. Heavy. */
int pv_backends_init(struct domain *d);
/* Where the domain comes from, for the store; strings may be NULL. */
struct pv_origin {
    const char *kernel, *ramdisk, *cmdline;
};
/* Starts their threads, after pv_build() and before vCPUs run. 0, or -errno with nothing left running.
 * Heavy. */
int pv_backends_start(struct domain *d, const struct pv_origin *o);
/*
 * Asks the guest to power off, as `xl shutdown` does. False: it hasn't said that it listens
 * (control/feature-poweroff). Between pv_backends_start() and pv_backends_stop(), any thread but vCPUs.
 * Heavy.
 */
bool pv_backends_ask_poweroff(struct domain *d);
/* Writes out what is left in the console's ring, ends the threads, frees. No vCPU of the domain runs any
 * more. Harmless if they were never initialized or are stopped already. Heavy. */
void pv_backends_stop(struct domain *d);

/* ---- traps.c: exceptions and callbacks go to the guest kernel ---- */
/* Delivers an exception: switches to the kernel stack if need be, pushes the ABI's frame. Crashes the domain
 * when the frame can't be written. error < 0: no error code. */
void pv_inject(struct vcpu *v, uint8_t vector, int64_t error);
void pv_inject_page_fault(struct vcpu *v, uint64_t cr2, uint32_t pfec);

/* ---- callback.c ---- */
/* If an event upcall is pending and not masked, enters the guest's event callback. */
void pv_deliver_events(struct vcpu *v);

/* ---- walk.c ---- */
bool pv_walk(struct vcpu *v, gva_t a, enum access access, struct translation *t, uint32_t *pfec);

/* ---- mm_types.c: frames' types and references (owner's mm_lock held) ---- */
/* Takes a reference on a frame of domain d, and one on its type (FRAME_NONE: none), validating it as
 * a page table first if need be. 0, -XEN_EINVAL (not the domain's, wrong type in use, bad entries). */
int mm_get_page(struct domain *d, mfn_t m, enum frame_type type);
void mm_put_page(struct domain *d, mfn_t m, enum frame_type type);
/* A guest store to a frame that is a page table, of 1..8 aligned bytes, validated as mmu_update would. */
bool mm_trapped_write(struct vcpu *v, mfn_t m, unsigned off, const void *data, unsigned size);
/*
 * Makes cr3_kernel (level-4 frame built by the domain builder) a validated, pinned page table. 0 or -errno.
 */
int mm_adopt_initial_tables(struct domain *d, mfn_t l4);

/* ---- mm_tlb.c ---- */
/* MMUEXT_NEW_BASEPTR, and MOV to CR3: makes l4 the kernel's page-table base, validating it first if need be.
 * Takes mm_lock. 0 or -XEN_E*. Light. */
int mm_new_baseptr(struct vcpu *v, mfn_t l4);

/* ---- evtchn.c ---- */
/* Allocates an unbound or internal channel for a backend inside this process (console, store): handler(arg)
 * runs on the notifying vCPU's thread, light, when the guest notifies it. Port number, or -errno. */
int evtchn_alloc_backend(struct domain *d, unsigned vcpu, void (*handler)(void *), void *arg);
/* Raises the guest's side of a port. Any thread, light. */
void evtchn_raise(struct domain *d, unsigned port);
/* Raises a per-vCPU virtual interrupt (VIRQ_*), if bound. Any thread, light. */
void evtchn_raise_virq(struct vcpu *v, unsigned virq);

/* ---- time.c ---- */
/* Nanoseconds of guest system time (monotonic since the domain started). Any thread, light. */
uint64_t time_system_ns(const struct domain *d);
/* Reads the TSC rate and the wall clock, fills in the shared pages. Heavy; before vCPUs run. */
int time_domain_init(struct domain *d);
/* On the vCPU's thread at start and when it comes online: host timer that kicks this thread. Heavy. */
int time_vcpu_start(struct vcpu *v);
void time_vcpu_stop(struct vcpu *v);
/* Run loop, before entering the guest: raises expired timers, arms the host timer if it is later than the
 * next deadline. expired: the host timer has fired, or the vCPU has waited. Light. */
void time_vcpu_check(struct vcpu *v, bool expired);
/* CLOCK_MONOTONIC time of the next virtual timer, for vcpu_wait(); 0: none. Light. */
uint64_t time_next_deadline(const struct vcpu *v);
/* Runstate accounting: state is RUNSTATE_*. Light. */
void time_runstate_set(struct vcpu *v, int state);
/* Rewrites the vCPU's vcpu_time_info (after registration or TSC change). Light. */
void time_update_info(struct vcpu *v);

/* ---- sched_op.c ---- */
/* For the run loop of a vCPU whose blocked or polling flag is set, before each vcpu_wait(): whether the wait
 * is over; then both flags are clear. Raises expired timers. Light. */
bool sched_wait_over(struct vcpu *v);

/* ---- vcpu_context.c ---- */
/* Gives a vCPU that has never run the state of VCPUOP_initialise, checked as Xen does; takes its references
 * on page tables and GDT frames. self: calling vCPU. pv_domain.vcpu_lock held. 0 or -XEN_E*, with no
 * references taken. Light. */
int vcpu_set_context(struct vcpu *self, struct vcpu *v, const struct vcpu_guest_context *c);

/*
 * Whether addresses a .. a+n-1 can be the guest's: neither in Xen's part of the address space nor
 * non-canonical.
 */
static inline bool guest_range_ok(gva_t a, uint64_t n)
{
    uint64_t last = a.va + n - 1;

    return last >= a.va && (last < 1UL << 47 || a.va >= HYPERVISOR_VIRT_END);
}

/* ---- emulate.c: instructions that Xen emulates for PV kernels; #GP/#UD to the guest otherwise ---- */
void pv_emulate(struct vcpu *v);

/* ---- cpuid.c ---- */
void pv_cpuid(struct vcpu *v, uint32_t leaf, uint32_t subleaf, struct cpuid_regs *r);

/* ---- dump.c ---- */
void pv_dump(struct vcpu *v); /* registers, stack, code bytes, in Xen's manner, to stderr; heavy */

#endif
