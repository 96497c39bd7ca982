/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Hypercalls on a vCPU's own registers: stack_switch, fpu_taskswitch, set_debugreg and get_debugreg; and the
 * rules for control and debug registers that the instruction emulator shares (cpu_ops.h).
 */
#include "pv/cpu_ops.h"

#include "cpu/cpu_policy.h"
#include "pv/hypercall.h"

/* What a guest may choose in CR4, and what it only sees. */
#define CR4_GUEST   (CR4_TSD | CR4_DE | CR4_FSGSBASE | CR4_OSXSAVE)
#define CR4_VISIBLE (CR4_PAE | CR4_OSFXSR | CR4_OSXMMEXCPT)

/* Debug registers (SDM vol. 3, 17.2). */
#define DR6_ZERO       0xffffffff00001000ul
#define DR6_ONE        DR6_RESET
#define DR7_ZERO       0xffffffff0000d800ul /* bits 11, 12, 14, 15 */
#define DR7_ONE        DR7_RESET
#define DR7_GD         (1u << 13)
#define DR7_ENABLES    0xffu
#define DR7_RW(dr7, i) ((dr7) >> (16 + 4 * (i)) & 3)
#define DR7_RW_IO      2u

void pv_cpu_reset(struct vcpu *v)
{
    for (unsigned i = 0; i < ARRAY_SIZE(v->dr); i++)
        v->dr[i] = 0;
    v->dr[6] = DR6_RESET;
    v->dr[7] = DR7_RESET;
    v->cr2 = 0;
    v->cr4 = pv_fixup_cr4(v, 0);
    v->xcr0 = XCR0_X87 | XCR0_SSE;
    v->tsc_aux = 0;
    v->task_switched = false;
}

void pv_set_task_switched(struct vcpu *v, bool ts)
{
    v->task_switched = ts;
}

uint64_t pv_fixup_cr4(const struct vcpu *v, uint64_t cr4)
{
    const struct cpu_policy *p = v->domain->cpu_policy;

    if (!cpu_policy_has(p, CPU_DE))
        cr4 &= ~(uint64_t)CR4_DE;
    if (!cpu_policy_has(p, CPU_FSGSBASE))
        cr4 &= ~(uint64_t)CR4_FSGSBASE;
    if (!cpu_policy_has(p, CPU_XSAVE))
        cr4 &= ~(uint64_t)CR4_OSXSAVE;
    return (cr4 & CR4_GUEST) | CR4_VISIBLE;
}

void pv_set_cr4(struct vcpu *v, uint64_t cr4)
{
    v->cr4 = pv_fixup_cr4(v, cr4);
}

bool pv_xcr0_valid(const struct vcpu *v, uint64_t xcr0)
{
    return xcr0_consistent(xcr0) && !(xcr0 & ~v->domain->cpu_policy->xcr0_mask);
}

/* A breakpoint may lie where the guest's own memory does: not in Xen's hole, not in a non-canonical place. */
static bool breakpoint_address_ok(uint64_t a)
{
    return a < 1ul << 47 || a >= HYPERVISOR_VIRT_END;
}

static int set_dr7(struct vcpu *v, uint64_t value)
{
    value = (value & ~DR7_ZERO) | DR7_ONE;
    if (value & DR7_GD)
        return -XEN_EPERM;
    if (value & DR7_ENABLES && !(v->cr4 & CR4_DE))
        for (unsigned i = 0; i < 4; i++)
            if (DR7_RW(value, i) == DR7_RW_IO)
                return -XEN_EPERM;
    v->dr[7] = value;
    return 0;
}

int pv_set_debugreg(struct vcpu *v, unsigned reg, uint64_t value)
{
    if (reg == 4 || reg == 5) {
        if (v->cr4 & CR4_DE)
            return -XEN_ENODEV;
        reg += 2;
    }
    switch (reg) {
    case 0 ... 3:
        if (!breakpoint_address_ok(value))
            return -XEN_EPERM;
        v->dr[reg] = value;
        return 0;
    case 6:
        v->dr[6] = (value & ~DR6_ZERO) | DR6_ONE;
        return 0;
    case 7:
        return set_dr7(v, value);
    default:
        return -XEN_ENODEV;
    }
}

int pv_get_debugreg(const struct vcpu *v, unsigned reg, uint64_t *value)
{
    if (reg > 7 || ((reg == 4 || reg == 5) && v->cr4 & CR4_DE))
        return -XEN_ENODEV;
    *value = v->dr[reg == 4 || reg == 5 ? reg + 2 : reg];
    return 0;
}

/* The stack pointer may be anything: pushing a frame there is what fails. Lower rings stand for ring 3. */
int64_t hc_stack_switch(struct vcpu *v, const uint64_t arg[6])
{
    v->pv->kernel_ss = (uint16_t)arg[0] | 3;
    v->pv->kernel_sp = arg[1];
    engine_task_changed(v);
    return 0;
}

int64_t hc_fpu_taskswitch(struct vcpu *v, const uint64_t arg[6])
{
    pv_set_task_switched(v, (int)arg[0] != 0);
    return 0;
}

int64_t hc_set_debugreg(struct vcpu *v, const uint64_t arg[6])
{
    return pv_set_debugreg(v, (unsigned)arg[0], arg[1]);
}

/* The ABI returns the register itself, so an error can look like a value. */
int64_t hc_get_debugreg(struct vcpu *v, const uint64_t arg[6])
{
    uint64_t value = 0;
    int err = pv_get_debugreg(v, (unsigned)arg[0], &value);

    return err ? err : (int64_t)value;
}
