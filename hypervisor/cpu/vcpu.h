/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A virtual CPU: its architectural state, what the engine keeps for it, and how others reach it.
 *
 * One host thread runs each vCPU.  struct vcpu lies in shared memory and is addressed through the host's
 * GS base by translated code, so the offsets of its first part are known to the engine.  Only the
 * vCPU's own thread touches the fields, except those marked "any thread", which are atomic.
 *
 * Architectural state is exact whenever C code outside the engine runs: every general register is in gpr[],
 * flags are in rflags, rip is the instruction to run next (or, for faults, the faulting one).  x87, SSE
 * and AVX state is live in the host CPU while light code runs (see docs/architecture.md).
 */
#ifndef DIPTYCH_CPU_VCPU_H
#define DIPTYCH_CPU_VCPU_H

#include <signal.h>

#include "base/types.h"

#define MAX_VCPUS 32

/* Order of the hardware's register numbers (SDM vol. 2, table 2-2 and REX). */
/* clang-format off */
enum gpr {
    RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8, R9, R10, R11, R12, R13, R14, R15,
};
/* clang-format on */

enum segreg { SEG_ES, SEG_CS, SEG_SS, SEG_DS, SEG_FS, SEG_GS, NR_SEGS };

#define FLAG_CF     0x0001UL
#define FLAG_PF     0x0004UL
#define FLAG_AF     0x0010UL
#define FLAG_ZF     0x0040UL
#define FLAG_SF     0x0080UL
#define FLAG_TF     0x0100UL
#define FLAG_IF     0x0200UL
#define FLAG_DF     0x0400UL
#define FLAG_OF     0x0800UL
#define FLAG_IOPL   0x3000UL
#define FLAG_NT     0x4000UL
#define FLAG_RF     0x10000UL
#define FLAG_VM     0x20000UL
#define FLAG_AC     0x40000UL
#define FLAG_ID     0x200000UL
#define FLAGS_ARITH (FLAG_CF | FLAG_PF | FLAG_AF | FLAG_ZF | FLAG_SF | FLAG_OF)

/* clang-format off */
enum vector {
    VEC_DE = 0, VEC_DB = 1, VEC_NMI = 2, VEC_BP = 3, VEC_OF = 4, VEC_BR = 5, VEC_UD = 6, VEC_NM = 7,
    VEC_DF = 8, VEC_TS = 10, VEC_NP = 11, VEC_SS = 12, VEC_GP = 13, VEC_PF = 14, VEC_MF = 16,
    VEC_AC = 17, VEC_MC = 18, VEC_XM = 19,
};
/* clang-format on */

/* Page-fault error code (SDM vol. 3, 4.7). */
#define PFEC_PRESENT 1u
#define PFEC_WRITE   2u
#define PFEC_USER    4u
#define PFEC_RSVD    8u
#define PFEC_FETCH   16u

#define SEG_ATTR_L 0x2000u /* bits of segment.attr: 64-bit code, */
#define SEG_ATTR_D 0x4000u /* 32-bit code or stack */

struct segment {
    uint16_t selector;
    uint16_t attr;  /* descriptor bits 40..55: type, S, DPL, P, limit 19:16 cleared, AVL, L, D, G */
    uint32_t limit; /* in bytes, inclusive */
    uint64_t base;
};

/* Bits of segment.attr, that is, of the descriptor less 40. */
#define SEG_ATTR_RW          0x0002u /* data: writable; code: readable */
#define SEG_ATTR_EXPAND_DOWN 0x0004u /* data */
#define SEG_ATTR_CONFORMING  0x0004u /* code */
#define SEG_ATTR_CODE        0x0008u
#define SEG_ATTR_S           0x0010u
#define SEG_ATTR_P           0x0080u
#define SEG_ATTR_L           0x2000u /* 64-bit code */
#define SEG_ATTR_DB          0x4000u /* 32-bit code or stack */
#define SEG_ATTR_G           0x8000u

/* Why the engine came back.  Names of the fields that matter are in brackets. */
enum exit_reason {
    EXIT_REQUEST,   /* somebody kicked this vCPU: look at requests and events */
    EXIT_SYSCALL,   /* SYSCALL; rip is the next instruction */
    EXIT_SYSENTER,  /* SYSENTER; rip is the next instruction */
    EXIT_SOFTINT,   /* INT n [vector]; rip at the instruction, next_rip behind it */
    EXIT_EXCEPTION, /* fault or trap [vector, has_error, error, cr2]; rip as the vector's class says */
    EXIT_EMULATE,   /* instruction at rip is for the panel's C emulator */
};

struct vcpu_exit {
    enum exit_reason reason;
    uint8_t vector;
    bool has_error;
    uint32_t error;
    uint64_t cr2;
    uint64_t next_rip;
};

/*
 * The host signal that gets a vCPU's thread out of translated code.  Also sent by the vCPU's own host timer
 * (si_code SI_TIMER, pv/time.c), and then stands for VCPU_REQ_TIMER.
 */
#define VCPU_KICK_SIGNAL SIGUSR1

/* Requests to a vCPU; any thread sets them with vcpu_request(). */
#define VCPU_REQ_EVENT (1u << 0) /* look at event channels */
#define VCPU_REQ_TIMER (1u << 1) /* a virtual timer may have expired */
#define VCPU_REQ_FLUSH (1u << 2) /* drop all TLB entries; see vcpus_flush() */
#define VCPU_REQ_CODE  (1u << 3) /* frames in the code queue were written to */
#define VCPU_REQ_STOP  (1u << 4) /* leave the run loop: domain shut down, or vCPU taken down */
#define VCPU_REQ_PAUSE (1u << 5) /* wait until unpaused */
#define VCPU_REQ_NMI   (1u << 6)

struct domain;
struct engine_vcpu;
struct pv_vcpu;
struct guest_ops;

struct vcpu {
    /* Part 1: reached by translated code through GS at fixed offsets. */
    uint64_t gpr[16];
    uint64_t rip;
    uint64_t rflags;  /* outside translated code: complete; inside: all but FLAGS_ARITH */
    uint64_t fs_base; /* what user or kernel code sees now */
    uint64_t gs_base;
    struct segment seg[NR_SEGS];
    struct engine_vcpu *engine; /* TLBs, jump caches, translation cache: engine/ only */
    struct vcpu_exit exit;

    /* Part 2: architectural state that C code changes. */
    bool user_mode;     /* guest runs at user privilege (Xen PV 64: not TF_kernel_mode) */
    bool task_switched; /* CR0.TS: FPU instructions raise #NM */
    uint64_t cr2;
    uint64_t cr4;
    uint64_t dr[8];
    uint64_t xcr0; /* what XGETBV shows; subset of the host's */
    uint32_t tsc_aux;

    /* Part 3: identity and run state. */
    struct domain *domain;
    const struct guest_ops *ops;
    struct pv_vcpu *pv; /* NULL for unmodified guests */
    unsigned id;        /* within the domain */
    int tid;            /* host thread, 0 before it starts */
    uint32_t requests;  /* any thread: VCPU_REQ_* */
    int wake;           /* any thread: futex word, counts kicks */
    uint32_t in_guest;  /* 1 while the thread is inside engine_run() */
    bool online;        /* VCPUOP_up done; any thread reads */
    int gate;           /* any thread: futex word on which the thread waits while offline (cpu/domain.c) */
};

/* ---- cpu/vcpu.c ---- */

/* Sets request bits and makes the vCPU notice soon: interrupts translated code, wakes it if it is blocked.
 * Any thread, light. */
void vcpu_request(struct vcpu *v, uint32_t req);

/* Blocks the calling vCPU's thread until vcpu_request() or until the CLOCK_MONOTONIC time deadline_ns (0: for
 * ever).  Returns at once if a request is pending.  Light. */
void vcpu_wait(struct vcpu *v, uint64_t deadline_ns);

#endif
