/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Direct execution: user code of a guest on the host CPU as it is, in processes that hold nothing else.
 *
 * A *stub* is a process with one thread that stands for one address space of the guest on one vCPU. Frames of
 * guest memory are mapped in it where the guest's page tables have them. Its seccomp filter turns system
 * calls of the guest's into signals, as exceptions are; the handler of all signals stops the stub, by a call
 * of which we are notified, and what the host's kernel has stored for the handler is the guest's exact state.
 *
 * The engine is the only caller. For it a stub is a TLB that user code runs through: it may hold translations
 * that the guest hasn't flushed yet, never others, and engine_flush_*() and engine_frame_protect() tell it
 * so.
 *
 * Functions marked light may be called with the guest's vector registers live; all others are heavy.
 */
#ifndef DIPTYCH_DIRECT_DIRECT_H
#define DIPTYCH_DIRECT_DIRECT_H

#include "cpu/guest_ops.h"
#include "cpu/vcpu.h"

struct direct;

/* X(field, what is counted). */
#define DIRECT_STATS(X)                         \
    X(ticks, "direct: user ticks")              \
    X(entries, "direct: entries")               \
    X(stops, "direct: stops")                   \
    X(syscalls, "direct: system calls")         \
    X(misses, "direct: mapping misses")         \
    X(maps, "direct: maps and unmaps")          \
    X(pages, "direct: pages mapped")            \
    X(ones, "direct: single instructions")      \
    X(refused, "direct: code not for it")       \
    X(checks, "direct: address spaces checked") \
    X(stubs, "direct: stubs made")              \
    X(resets, "direct: stubs emptied")

struct direct_stats {
#define DIRECT_STATS_FIELD_(field, what) uint64_t field;
    DIRECT_STATS(DIRECT_STATS_FIELD_)
#undef DIRECT_STATS_FIELD_
};

/*
 * Forks one template process a vCPU. Once, after machine_init(), before the sandbox and before any other
 * thread exists. 0, or -errno and in *why what this host doesn't let us do; then there is no direct
 * execution.
 */
int direct_prepare(unsigned vcpus, const char **why);

/*
 * Makes direct execution possible for the vCPU whose thread calls; slot: its bit in frame.direct_vcpus. NULL:
 * it isn't (no template is left, or the host refuses; said once). The caller gives it back to direct_detach()
 * on the same thread, and to direct_free(). *stats are counted up.
 */
struct direct *direct_attach(unsigned slot, struct direct_stats *stats);
void direct_detach(struct direct *d);
/* When no other thread can call direct_recheck() any more. */
void direct_free(struct direct *d);

/*
 * Whether the vCPU is in a state that may run directly: user mode, flat segments as the host's, nothing that
 * traps instructions. Light.
 */
bool direct_fits(const struct vcpu *v);

enum direct_result {
    DIRECT_KICKED,    /* somebody wants the engine's attention */
    DIRECT_EXIT,      /* v->exit says why */
    DIRECT_ONE,       /* the translator shall run the instruction at rip, and raise what it raises */
    DIRECT_PAGE,      /* the translator shall go on from here while rip stays in its page */
    DIRECT_TRANSLATE, /* the translator shall go on from here until the guest's kernel is entered */
};

/*
 * Runs user code from the vCPU's state, which direct_fits(); v->rflags is complete. xsave: its x87, SSE and
 * AVX state, a standard-format XSAVE area that is read and written. *user_ticks: how long user code ran, in
 * ticks of the TSC, without the ways there and back as far as they are known. The state is exact again on
 * return, whatever the result.
 */
enum direct_result direct_run(struct direct *d, struct vcpu *v, void *xsave, uint64_t *user_ticks);

/* The vCPU's TLB is flushed, all of it or a part: own thread, light. */
void direct_flush(struct direct *d);

/*
 * Before the vCPU runs user code again every translation is to be compared with the guest's tables, and with
 * what is known of its frame: a frame has come to hold translations or has left the domain. Any thread,
 * light; followed by a flush that the vCPU has to serve.
 */
void direct_recheck(struct direct *d);

/* The vCPU waits for something: its thread may be moved to any CPU. Own thread, light. */
void direct_idle(struct direct *d);

/* For the handler of the kick signal, on the vCPU's thread: user code that is running comes back soon. */
void direct_interrupt(struct direct *d);

#endif
