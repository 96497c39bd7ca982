/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Control and debug registers of a PV vCPU: what hypercalls (cpu_ops.c) and emulated instructions
 * (emulate*.c) share. Everything here is light and runs on the vCPU's own thread.
 */
#ifndef DIPTYCH_PV_CPU_OPS_H
#define DIPTYCH_PV_CPU_OPS_H

#include "pv/pv.h"

/* CR0 as every PV guest sees it, but for TS: PE MP ET NE WP AM PG. */
#define PV_CR0 0x80050033u
#define CR0_TS 8u

#define CR4_TSD        (1u << 2)
#define CR4_DE         (1u << 3)
#define CR4_PAE        (1u << 5)
#define CR4_OSFXSR     (1u << 9)
#define CR4_OSXMMEXCPT (1u << 10)
#define CR4_FSGSBASE   (1u << 16)
#define CR4_OSXSAVE    (1u << 18)

#define DR7_RESET 0x400u
#define DR6_RESET 0xffff0ff0u
#define DR6_BS    (1u << 14)

/*
 * Gives control, debug and extended control registers their values at the start of a PV vCPU.
 * v->domain->cpu_policy is set.  Called when a vCPU is made or given a new context.
 */
void pv_cpu_reset(struct vcpu *v);

/* CR0.TS, by fpu_taskswitch, CLTS and MOV to CR0. */
void pv_set_task_switched(struct vcpu *v, bool ts);

/*
 * The value that CR4 takes when the guest asks for cr4: bits it may choose, within its policy, and those it
 * only sees.
 */
uint64_t pv_fixup_cr4(const struct vcpu *v, uint64_t cr4);
void pv_set_cr4(struct vcpu *v, uint64_t cr4);

/* XSETBV's checks (SDM vol. 1, 13.3): false if the value isn't allowed. */
bool pv_xcr0_valid(const struct vcpu *v, uint64_t xcr0);

/* 0, or -XEN_EPERM (address or bits not allowed), -XEN_ENODEV (no such register, or DR4/DR5 with CR4.DE). */
int pv_set_debugreg(struct vcpu *v, unsigned reg, uint64_t value);
int pv_get_debugreg(const struct vcpu *v, unsigned reg, uint64_t *value);

#endif
