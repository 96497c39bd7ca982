/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The hypercall tracer: what a guest asks of the hypervisor, printed in the manner of strace.
 *
 * vCPU threads record calls (light code) into a ring each; a writer thread formats and writes them.
 * Nothing is lost: a vCPU whose ring is full waits for the writer.  With d->trace == NULL it costs one
 * predictable branch a hypercall.
 *
 * Files: hypercall_abi.c (what arguments mean), trace.c (recording), trace_filter.c, trace_format.c
 * (records to text), trace_writer.c (thread, summary, life).
 */
#ifndef DIPTYCH_PV_TRACE_H
#define DIPTYCH_PV_TRACE_H

#include "cpu/domain.h"

struct trace;

struct trace_config {
    /*
     * What to trace, as strace's -e: names of hypercalls ("mmu_update"), of sub-operations
     * ("EVTCHNOP_send"), groups ("%mm", "%event", "%sched", "%time", "%cpu", "%grant", "%misc"; "%trap" and
     * "%upcall" for exceptions and event upcalls that the guest gets), "all", "none"; a comma between, "!"
     * in front for all hypercalls but these. NULL or "": all.
     */
    const char *filter;
    int fd;       /* where lines and summary go; stays the caller's */
    bool lines;   /* print each call */
    bool summary; /* print a table at the end */
};

/* Parses the filter. NULL with one line in why: filter not understood, or no memory. Heavy. */
struct trace *trace_create(const struct trace_config *config, char *why, size_t why_size);

/* Starts the writer thread (all signals blocked) and sets d->trace. Before the domain's vCPUs run. 0 or
 * -errno. Heavy. */
int trace_start(struct trace *t, struct domain *d);

/* Writes what is left and the summary, ends the thread, frees t. No vCPU of its domain runs any more. Heavy.
 * */
void trace_destroy(struct trace *t);

/* ---- recording: the vCPU's own thread, light ---- */

/* A hypercall begins. Whether it is traced: then trace_exit() must follow. */
bool trace_enter(struct vcpu *v, uint64_t nr, const uint64_t arg[6]);
/* It ended with this result (or HYPERCALL_KEEP_REGS). arg as for trace_enter(). */
void trace_exit(struct vcpu *v, uint64_t nr, const uint64_t arg[6], int64_t result);

void trace_trap_record(struct vcpu *v, uint8_t vector, int64_t error, uint64_t cr2);
void trace_upcall_record(struct vcpu *v);

/* The guest is about to get an exception (error < 0: no error code; cr2: for #PF). */
static inline void trace_trap(struct vcpu *v, uint8_t vector, int64_t error, uint64_t cr2)
{
    if (unlikely(v->domain->trace != NULL))
        trace_trap_record(v, vector, error, cr2);
}

/* The guest is about to get an event upcall. */
static inline void trace_upcall(struct vcpu *v)
{
    if (unlikely(v->domain->trace != NULL))
        trace_upcall_record(v);
}

#endif
