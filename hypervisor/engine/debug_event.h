/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the engine tells --debug: one line an event, and listings of blocks.  The inline part is all that a
 * run without --debug pays: a predicted branch, never in translated code.
 */
#ifndef DIPTYCH_ENGINE_DEBUG_EVENT_H
#define DIPTYCH_ENGINE_DEBUG_EVENT_H

#include "base/debug.h"
#include "engine/internal.h"

/* ---- debug_event.c (light) ---- */
void debug_event_enter(const struct engine_vcpu *e, const struct block *b);
void debug_event_exit(const struct vcpu *v);
void debug_event_fill(const struct engine_vcpu *e, unsigned view, uint64_t va, bool write,
                      const struct translation *t, bool can_write);
void debug_event_fault(const struct engine_vcpu *e, unsigned view, uint64_t va, bool write, uint32_t pfec);
void debug_event_flush(const struct vcpu *v, const char *what, uint64_t va);

/* exec, cpu: block b is about to be entered from C; registers and hot.flags are the guest's. */
static inline void debug_exec(const struct engine_vcpu *e, const struct block *b)
{
    if (unlikely(debug.mask & (DEBUG_EXEC | DEBUG_CPU)))
        debug_event_enter(e, b);
}

/* exits: engine_run() is about to return v->exit. */
static inline void debug_exit(const struct vcpu *v)
{
    if (debug_on(DEBUG_EXITS))
        debug_event_exit(v);
}

/* mmu: the software TLB has an entry for va now; can_write: stores too go through it. */
static inline void debug_tlb_fill(const struct engine_vcpu *e, unsigned view, uint64_t va, bool write,
                                  const struct translation *t, bool can_write)
{
    if (debug_on(DEBUG_MMU))
        debug_event_fill(e, view, va, write, t, can_write);
}

/* mmu: the guest's tables don't allow the access. */
static inline void debug_tlb_fault(const struct engine_vcpu *e, unsigned view, uint64_t va, bool write,
                                   uint32_t pfec)
{
    if (debug_on(DEBUG_MMU))
        debug_event_fault(e, view, va, write, pfec);
}

/* mmu: entries are dropped; va is shown if it isn't 0. */
static inline void debug_tlb_flush(const struct vcpu *v, const char *what, uint64_t va)
{
    if (debug_on(DEBUG_MMU))
        debug_event_flush(v, what, va);
}

#endif
