/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The execution engine as the rest of the hypervisor sees it: an executor of guest code behind a narrow
 * interface, so that direct execution and KVM can stand beside the translator.
 */
#ifndef DIPTYCH_ENGINE_ENGINE_H
#define DIPTYCH_ENGINE_ENGINE_H

#include "cpu/guest_ops.h"
#include "cpu/vcpu.h"
#include "direct/direct.h"

/* Checks that the host CPU has what translated code needs; NULL, or what is missing. */
const char *engine_host_missing(void);

/* Installs the signal handlers that all vCPU threads share. 0 or -errno. */
int engine_init(void);

/* Allocates a vCPU and its engine state (translation cache of cache_bytes, 0: default). NULL: no memory.
 * The vCPU starts with all registers zero. */
struct vcpu *engine_vcpu_create(size_t cache_bytes);
void engine_vcpu_destroy(struct vcpu *v);

/* Called first on the vCPU's own thread: GS base, signal stack. 0 or -errno. */
int engine_thread_start(struct vcpu *v);
void engine_thread_stop(struct vcpu *v);

/* Runs guest code from v->rip until something needs attention; fills in v->exit. Returns exit.reason. */
enum exit_reason engine_run(struct vcpu *v);

/*
 * The same again and again: calls again() with each exit's reason, as long as that says true. A loop around
 * engine_run() would do the same, but its calls and returns would spoil the host's prediction of the guest's
 * (enter.S).
 */
void engine_loop(struct vcpu *v, bool (*again)(struct vcpu *v, enum exit_reason why));

/* Does what other vCPUs have asked this one's engine to do (flushes, dead translations); clears those request
 * bits. For a vCPU that waits. Own thread, light. */
void engine_serve_requests(struct vcpu *v);

/* Gives the vCPU the x87 and SSE state of a 512-byte FXSAVE image; the rest is initial. Before its next
 * engine_run(). Own thread, light. */
void engine_fpu_set(struct vcpu *v, const void *fxsave);

/* ---- direct execution of user code (direct/) ---- */

enum engine_exec {
    EXEC_TRANSLATE, /* all code */
    EXEC_DIRECT,    /* user code runs directly wherever it can */
    EXEC_AUTO,      /* where it is faster */
    EXEC_RANDOM,    /* at each entry of user code it is left to chance: for tests */
};

/*
 * How the user code of all vCPUs is to be run. Once, after machine_init(), before the sandbox and before
 * there are other threads. 0, or -errno and what this host doesn't let us do in *why: everything is
 * translated then.
 */
int engine_exec_prepare(enum engine_exec how, unsigned vcpus, const char **why);

/* Whether there are processes to run user code in (direct/). */
bool engine_exec_has_stubs(void);

/* Another of the guest's threads runs now, or may: user_task() has a new value. Own thread, light. */
void engine_task_changed(struct vcpu *v);

/*
 * For direct/: whether the vCPU, on whose thread this is, must not enter user code before engine_run() has
 * looked at requests.
 */
bool engine_kicked(const struct vcpu *v);

/* The guest sets XCR0, to a value that it may have. Own thread, light. */
void engine_xcr0_set(struct vcpu *v, uint64_t xcr0);

/* ---- TLB, own vCPU ---- */
void engine_flush_all(struct vcpu *v); /* both views */
/* All of the user's view, and user-half addresses in the kernel's: address-space switch. */
void engine_flush_user(struct vcpu *v);
void engine_flush_page(struct vcpu *v, gva_t a);

/* ---- TLB and code, any vCPU of the domain ---- */

/* Drops the TLB entries of the vCPUs in mask (bit = vcpu id), the caller's own included; returns when no vCPU
 * can use an old entry any more. self may be NULL when called from a thread that is no vCPU. */
void engine_flush_vcpus(struct vcpu *self, struct domain *d, uint64_t mask);

/*
 * As engine_flush_vcpus() of all vCPUs, when frames that were the domain's have just been given to nobody:
 * what the guest's tables say of them doesn't matter any more.
 */
void engine_flush_frames(struct vcpu *self, struct domain *d);

/* Returns when no vCPU holds a writable translation of the frame. To be called before a frame becomes a
 * page table. Cheap when there is none. */
void engine_frame_protect(struct vcpu *self, mfn_t m);

/* C code has changed, or is about to reuse, this frame's bytes: translations made from it die. Cheap when
 * there are none. */
void engine_frame_changed(struct vcpu *self, mfn_t m, unsigned off, unsigned len);

/* Runs fn(arg) with the guest's x87/SSE/AVX state put aside: the only way from light code to heavy code. */
void engine_heavy_call(struct vcpu *v, void (*fn)(void *), void *arg);

/* X(field, what is counted), since the vCPU was made. */
#define ENGINE_STATS(X)                     \
    X(blocks, "blocks translated")          \
    X(copied, "blocks copied")              \
    X(guest_bytes, "guest code bytes")      \
    X(host_bytes, "host code bytes")        \
    X(invalidated, "blocks invalidated")    \
    X(cache_flushes, "code cache flushes")  \
    X(enters, "enters")                     \
    X(link_exits, "direct exits")           \
    X(ind_misses, "indirect misses")        \
    X(tlb_misses, "TLB misses")             \
    X(tlb_fills, "TLB fills")               \
    X(flush_user, "TLB flushes, user")      \
    X(flush_all, "TLB flushes, all")        \
    X(careful, "careful instructions")      \
    X(splits, "groups split")               \
    X(store_words, "page-table stores")     \
    X(faults, "host faults to guest")       \
    X(kicks, "kicks")                       \
    X(to_direct, "tasks to direct")         \
    X(to_translator, "tasks to translator") \
    DIRECT_STATS(X)

struct engine_stats {
#define ENGINE_STATS_FIELD_(field, what) uint64_t field;
    ENGINE_STATS(ENGINE_STATS_FIELD_)
#undef ENGINE_STATS_FIELD_
};

/* Copies the vCPU's counts. Exact from its own thread, or when that has ended. Light. */
void engine_stats_get(const struct vcpu *v, struct engine_stats *s);

#endif
