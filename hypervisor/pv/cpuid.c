/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * CPUID as a PV guest sees it: the domain's policy, what depends on the vCPU, and Xen's own leaves.
 *
 * Light.  Relies on the domain's cpu_policy.  Xen's leaves: xen/arch-x86/cpuid.h.
 */
#include "pv/panel.h"

#include <xen/arch-x86/cpuid.h>

#define XEN_LEAVES     0x40000000u
#define XEN_LEAVES_END 0x40000100u
#define XEN_MAJOR      4u
#define XEN_MINOR      17u

#define ECX_OSXSAVE (1u << 27)
#define CR4_OSXSAVE (1u << 18)

/* Leaf 3 of Xen, sub-leaf 0, EAX. */
#define XEN_TSC_RELIABLE 2u
#define XEN_TSC_RDTSCP   4u

static void xen_time_leaf(const struct domain *d, uint32_t subleaf, struct cpuid_regs *r)
{
    const struct time_domain *t = &d->pv->time;
    uint32_t khz = (uint32_t)(t->tsc_per_ns * 15625 >> 26); /* times 10^6, of which 2^6 is in the shift */

    switch (subleaf) {
    case 0: /* EBX: tsc_mode 0, the default; EDX: never migrated */
        r->eax = (t->tsc_stable ? XEN_TSC_RELIABLE : 0) |
                 (cpu_policy_has(d->cpu_policy, CPU_RDTSCP) ? XEN_TSC_RDTSCP : 0);
        r->ecx = khz;
        break;
    case 1: /* the guest's TSC is the host's: offset 0 */
        r->ecx = t->line.mul;
        r->edx = (uint32_t)(int32_t)t->line.shift;
        break;
    case 2:
        r->eax = khz;
        break;
    default:
        break;
    }
}

static void xen_leaf(const struct vcpu *v, uint32_t leaf, uint32_t subleaf, struct cpuid_regs *r)
{
    unsigned bits = 0;

    switch (leaf - XEN_LEAVES) {
    case 0:
        *r = (struct cpuid_regs){XEN_LEAVES + XEN_CPUID_MAX_NUM_LEAVES, XEN_CPUID_SIGNATURE_EBX,
                                 XEN_CPUID_SIGNATURE_ECX, XEN_CPUID_SIGNATURE_EDX};
        break;
    case 1:
        r->eax = XEN_MAJOR << 16 | XEN_MINOR;
        break;
    case 2: /* one hypercall page, written through this MSR */
        *r = (struct cpuid_regs){1, XEN_LEAVES, XEN_CPUID_FEAT1_MMU_PT_UPDATE_PRESERVE_AD, 0};
        break;
    case 3:
        xen_time_leaf(v->domain, subleaf, r);
        break;
    case 5:
        while (machine.nr_frames >> bits)
            bits++;
        if (subleaf == 0)
            r->ebx = bits + PAGE_SHIFT;
        break;
    default: /* 4: HVM only */
        break;
    }
}

void pv_cpuid(struct vcpu *v, uint32_t leaf, uint32_t subleaf, struct cpuid_regs *r)
{
    const struct cpu_policy *p = v->domain->cpu_policy;

    *r = cpu_policy_leaf(p, leaf, subleaf);
    if (leaf >= XEN_LEAVES && leaf < XEN_LEAVES_END) {
        xen_leaf(v, leaf, subleaf, r);
        return;
    }
    switch (leaf) {
    case 1:
        r->ebx |= v->id << 24;
        if (v->cr4 & CR4_OSXSAVE)
            r->ecx |= ECX_OSXSAVE;
        break;
    case 0xb:
        /* Sub-leaves above the last level still name themselves and the x2APIC id. */
        r->ecx |= subleaf & 0xff;
        r->edx = v->id;
        break;
    case 0xd:
        if (subleaf == 0 && p->xcr0_mask)
            r->ebx = xsave_size(&p->xsave, v->xcr0);
        else if (subleaf == 1 && cpu_policy_has(p, CPU_XSAVEC))
            r->ebx = xsave_size_compact(v->xcr0);
        break;
    case 0x8000001eu: /* extended APIC id; core number, one thread a core; node 0 of 1 */
        if (cpu_policy_has(p, CPU_TOPOEXT)) {
            r->eax = v->id;
            r->ebx = v->id;
        }
        break;
    default:
        break;
    }
}
