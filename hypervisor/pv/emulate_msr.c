/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * RDMSR and WRMSR of a PV guest kernel: the registers that Xen 4.17 offers an unprivileged domain.  The rest
 * raise #GP(0).
 *
 * MSR numbers: SDM vol. 4; AMD64 APM vol. 2, appendix A.
 */
#include "cpu/cpu_policy.h"
#include "pv/emulate.h"
#include "pv/segment.h"

#define MSR_TSC                   0x10u
#define MSR_APIC_BASE             0x1bu
#define MSR_UCODE_REV             0x8bu
#define MSR_PLATFORM_INFO         0xceu
#define MSR_MISC_FEATURES_ENABLES 0x140u
#define MSR_THERM_CONTROL         0x19au
#define MSR_MISC_ENABLE           0x1a0u
#define MSR_ENERGY_PERF_BIAS      0x1b0u
#define MSR_PAT                   0x277u
#define MSR_PERF_CAPABILITIES     0x345u
#define MSR_MPERF                 0xe7u
#define MSR_APERF                 0xe8u
#define MSR_XEN_HYPERCALL         0x40000000u
#define MSR_EFER                  0xc0000080u
#define MSR_FS_BASE               0xc0000100u
#define MSR_GS_BASE               0xc0000101u
#define MSR_SHADOW_GS_BASE        0xc0000102u
#define MSR_TSC_AUX               0xc0000103u
#define MSR_K7_HWCR               0xc0010015u
#define MSR_K7_PSTATE_FIRST       0xc0010061u
#define MSR_K7_PSTATE_LAST        0xc001006bu
#define MSR_AMD_DE_CFG            0xc0011029u

#define EFER_VALUE      0xd01u     /* SCE, LME, LMA, NXE */
#define EFER_AIBRSE     (1u << 21) /* always on where CPUID shows it (cpu/cpu_policy.c) */
#define APIC_BASE_VALUE 0xfee00800u
#define APIC_BASE_BSP   0x100u
/* Entries of the PAT that every PV guest of Xen has (XENFEAT, docs of x86 PV): WB WT UC- UC WC WP UC UC. */
#define PAT_VALUE 0x050100070406ul
/* Fast strings; no branch trace, no PEBS, no TPR messages. */
#define MISC_ENABLE_VALUE       0x801801u
#define HWCR_TSC_FREQ_SEL       (1u << 24)
#define DE_CFG_LFENCE_SERIALIZE 2u

static bool intel(const struct insn *in)
{
    return in->v->domain->cpu_policy->vendor == CPU_VENDOR_INTEL;
}

static bool amd(const struct insn *in)
{
    return in->v->domain->cpu_policy->vendor == CPU_VENDOR_AMD;
}

/* False: #GP(0). */
static bool msr_read(struct insn *in, uint32_t msr, uint64_t *value)
{
    struct vcpu *v = in->v;
    uint32_t lo, hi;

    *value = 0;
    switch (msr) {
    case MSR_TSC:
        __asm__ volatile("rdtsc" : "=a"(lo), "=d"(hi));
        *value = (uint64_t)hi << 32 | lo;
        return true;
    case MSR_APIC_BASE:
        *value = APIC_BASE_VALUE | (v->id == 0 ? APIC_BASE_BSP : 0);
        return true;
    case MSR_UCODE_REV: /* not to be known without privilege; reads as "no update loaded" */
    case MSR_PERF_CAPABILITIES:
    case MSR_XEN_HYPERCALL:
        return true;
    case MSR_PLATFORM_INFO: /* no CPUID faulting */
    case MSR_MISC_FEATURES_ENABLES:
        return intel(in);
    case MSR_MISC_ENABLE:
        *value = MISC_ENABLE_VALUE;
        return intel(in);
    case MSR_PAT:
        *value = PAT_VALUE;
        return true;
    case MSR_EFER:
        *value = EFER_VALUE | (intel(in) ? 0 : EFER_AIBRSE);
        return true;
    case MSR_FS_BASE:
        *value = v->fs_base;
        return true;
    case MSR_GS_BASE:
        *value = v->gs_base;
        return true;
    case MSR_SHADOW_GS_BASE:
        *value = v->pv->gs_base_user;
        return true;
    case MSR_TSC_AUX:
        *value = v->tsc_aux;
        return cpu_policy_has(v->domain->cpu_policy, CPU_RDTSCP);
    case MSR_K7_HWCR:
        *value = HWCR_TSC_FREQ_SEL;
        return amd(in);
    case MSR_AMD_DE_CFG:
        *value = DE_CFG_LFENCE_SERIALIZE;
        return amd(in);
    case MSR_K7_PSTATE_FIRST ... MSR_K7_PSTATE_LAST:
        return amd(in);
    default:
        return false;
    }
}

/* False: #GP(0). */
static bool msr_write(struct insn *in, uint32_t msr, uint64_t value)
{
    struct vcpu *v = in->v;

    switch (msr) {
    case MSR_FS_BASE:
        if (!gva_canonical(GVA(value)))
            return false;
        v->fs_base = v->seg[SEG_FS].base = value;
        return true;
    case MSR_GS_BASE:
        if (!gva_canonical(GVA(value)))
            return false;
        v->gs_base = v->seg[SEG_GS].base = value;
        return true;
    case MSR_SHADOW_GS_BASE:
        if (!gva_canonical(GVA(value)))
            return false;
        v->pv->gs_base_user = value;
        return true;
    case MSR_TSC_AUX:
        if (!cpu_policy_has(v->domain->cpu_policy, CPU_RDTSCP) || value >> 32)
            return false;
        v->tsc_aux = (uint32_t)value;
        return true;
    /* The value that is there may be written again. */
    case MSR_EFER:
        return (value & ~(intel(in) ? 0UL : (uint64_t)EFER_AIBRSE)) == EFER_VALUE;
    case MSR_PAT:
        return value == PAT_VALUE;
    case MSR_MISC_ENABLE:
        return intel(in) && value == MISC_ENABLE_VALUE;
    case MSR_MISC_FEATURES_ENABLES:
    case MSR_UCODE_REV: /* Intel's way to ask for the revision starts with writing 0 */
        return intel(in) && value == 0;
    /* Ignored: power management is not an unprivileged domain's. */
    case MSR_THERM_CONTROL:
    case MSR_ENERGY_PERF_BIAS:
        return intel(in);
    case MSR_MPERF:
    case MSR_APERF:
        return true;
    case MSR_K7_PSTATE_FIRST ... MSR_K7_PSTATE_LAST:
    case MSR_AMD_DE_CFG:
        return amd(in);
    default:
        return false;
    }
}

enum emulated emulate_rdmsr(struct insn *in)
{
    struct vcpu *v = in->v;
    uint64_t value;

    if (!msr_read(in, (uint32_t)v->gpr[RCX], &value))
        return EMU_GP0;
    v->gpr[RAX] = (uint32_t)value;
    v->gpr[RDX] = value >> 32;
    return EMU_DONE;
}

enum emulated emulate_wrmsr(struct insn *in)
{
    struct vcpu *v = in->v;
    uint64_t value = (uint32_t)v->gpr[RAX] | v->gpr[RDX] << 32;

    return msr_write(in, (uint32_t)v->gpr[RCX], value) ? EMU_DONE : EMU_GP0;
}
