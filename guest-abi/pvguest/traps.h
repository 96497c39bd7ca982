/* SPDX-License-Identifier: MIT */
/*
 * Exceptions, callbacks and user mode.
 */
#ifndef PVGUEST_TRAPS_H
#define PVGUEST_TRAPS_H

#include "pvguest/runtime.h"

/* What start.S builds on the stack. */
struct trap_frame {
    uint64_t r15, r14, r13, r12, r11, r10, r9, r8, rdi, rsi, rbp, rbx, rdx, rcx, rax;
    uint64_t vector; /* 0..255, or TRAP_* */
    uint64_t error;  /* 0 where the vector has none */
    uint64_t rip;
    uint32_t cs;                /* RPL 0: came from kernel mode; 3: from user mode */
    uint32_t saved_upcall_mask; /* in the low byte */
    uint64_t rflags, rsp, ss;
};

typedef void trap_fn(struct trap_frame *f);

/* Installs the trap table, the callbacks and the kernel stack of the calling vCPU. */
void traps_init(void);
void traps_init_context(struct trap_info table[256]); /* the same table, for VCPUOP_initialise */

/* A handler for a vector or TRAP_*; NULL: none. It may change the frame, to which the runtime returns. */
void trap_handler(unsigned vector, trap_fn *fn);

/*
 * Calls fn(arg) on this vCPU.  If a vector without a handler is raised meanwhile, in kernel or user mode,
 * fills in *f, abandons fn and returns true.  MUST NOT be nested.
 */
bool trap_catch(void (*fn)(void *), void *arg, struct trap_frame *f);

/* Enters user mode with the registers of *in until a trap without a handler is raised; that goes to *out. */
void user_run(const struct trap_frame *in, struct trap_frame *out);

/* Leaves for the context of *f by the iret hypercall. */
_Noreturn void trap_return(const struct trap_frame *f);

/* Prints a frame. */
void trap_print(const struct trap_frame *f);

static inline bool events_masked(void)
{
    return this_cpu()->info->evtchn_upcall_mask;
}

static inline void events_mask(void)
{
    this_cpu()->info->evtchn_upcall_mask = 1;
    __asm__ volatile("" : : : "memory");
}

/* Unmasks, and makes the hypervisor deliver what came meanwhile (the ABI leaves that to the guest). */
void events_unmask(void);

#endif
