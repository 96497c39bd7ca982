/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The CPU that a domain is shown: which features of the host's CPU, and what CPUID says.
 *
 * One table (CPU_FEATURES) is the allow-list: a feature that isn't in it is never shown, whatever the host
 * has.  A feature is shown when the host has it, everything that it builds on is shown too, and the user
 * hasn't asked for it to be removed.  The engine asks the same policy whether an instruction is to raise #UD,
 * so that what CPUID says and what works are one thing.
 *
 * A policy is built once, by heavy code, before the domain runs (CPUID costs up to 17 us under an outer
 * hypervisor), and is read-only after that.  What depends on the vCPU (APIC id, OSXSAVE, XSAVE area in use)
 * is added by the panel's pv_cpuid().
 */
#ifndef DIPTYCH_CPU_CPU_POLICY_H
#define DIPTYCH_CPU_CPU_POLICY_H

#include "base/types.h"
#include "cpu/xsave.h"

struct cpuid_regs {
    uint32_t eax, ebx, ecx, edx;
};

/* Registers of CPUID that hold feature bits. */
enum cpu_word {
    CPU_WORD_1_EDX,
    CPU_WORD_1_ECX,
    CPU_WORD_7_EBX,
    CPU_WORD_7_ECX,
    CPU_WORD_7_EDX,
    CPU_WORD_71_EAX, /* leaf 7, sub-leaf 1 */
    CPU_WORD_D1_EAX,
    CPU_WORD_80000001_ECX,
    CPU_WORD_80000001_EDX,
    CPU_WORD_80000008_EBX,
    CPU_WORD_80000021_EAX,
    NR_CPU_WORDS,
    CPU_WORD_NONE = NR_CPU_WORDS, /* no bit of its own: there when its parents are */
};

/*
 * The allow-list.  A row: identifier, name as in Linux's /proc/cpuinfo, register, bit, kind, and up to two
 * features that it needs, which stand above it.
 *
 * Kinds: CORE    part of any x86-64 CPU: can't be removed
 *        PLAIN   can be removed
 *        INTEL   as PLAIN, shown if the host is Intel's (SYSENTER from 64-bit systems' compatibility mode)
 *        AMD     as PLAIN, shown if the host isn't Intel's
 *        ALWAYS  shown whatever the host says: the hypervisor provides it
 */
#define CPU_FEATURES(X)                                                                       \
    X(FPU, "fpu", 1_EDX, 0, CORE, FPU, FPU)                                                   \
    X(DE, "de", 1_EDX, 2, PLAIN, FPU, FPU)                                                    \
    X(TSC, "tsc", 1_EDX, 4, CORE, FPU, FPU)                                                   \
    X(MSR, "msr", 1_EDX, 5, CORE, FPU, FPU)                                                   \
    X(PAE, "pae", 1_EDX, 6, CORE, FPU, FPU)                                                   \
    X(CX8, "cx8", 1_EDX, 8, CORE, FPU, FPU)                                                   \
    X(APIC, "apic", 1_EDX, 9, ALWAYS, FPU, FPU)                                               \
    X(SEP, "sep", 1_EDX, 11, INTEL, FPU, FPU)                                                 \
    X(CMOV, "cmov", 1_EDX, 15, CORE, FPU, FPU)                                                \
    X(PAT, "pat", 1_EDX, 16, CORE, FPU, FPU)                                                  \
    X(CLFLUSH, "clflush", 1_EDX, 19, PLAIN, FPU, FPU)                                         \
    X(MMX, "mmx", 1_EDX, 23, CORE, FPU, FPU)                                                  \
    X(FXSR, "fxsr", 1_EDX, 24, CORE, FPU, FPU)                                                \
    X(SSE, "sse", 1_EDX, 25, CORE, FXSR, FPU)                                                 \
    X(SSE2, "sse2", 1_EDX, 26, CORE, SSE, FPU)                                                \
    X(SYSCALL, "syscall", 80000001_EDX, 11, CORE, FPU, FPU)                                   \
    X(NX, "nx", 80000001_EDX, 20, CORE, PAE, FPU)                                             \
    X(LM, "lm", 80000001_EDX, 29, CORE, PAE, FPU)                                             \
    X(MMXEXT, "mmxext", 80000001_EDX, 22, PLAIN, MMX, FPU)                                    \
    X(RDTSCP, "rdtscp", 80000001_EDX, 27, PLAIN, TSC, FPU)                                    \
    X(PNI, "pni", 1_ECX, 0, PLAIN, SSE2, FPU)                                                 \
    X(SSSE3, "ssse3", 1_ECX, 9, PLAIN, PNI, FPU)                                              \
    X(SSE4_1, "sse4_1", 1_ECX, 19, PLAIN, SSSE3, FPU)                                         \
    X(SSE4_2, "sse4_2", 1_ECX, 20, PLAIN, SSE4_1, FPU)                                        \
    X(PCLMULQDQ, "pclmulqdq", 1_ECX, 1, PLAIN, SSE2, FPU)                                     \
    X(AES, "aes", 1_ECX, 25, PLAIN, SSE2, FPU)                                                \
    X(CX16, "cx16", 1_ECX, 13, PLAIN, LM, FPU)                                                \
    X(MOVBE, "movbe", 1_ECX, 22, PLAIN, FPU, FPU)                                             \
    X(POPCNT, "popcnt", 1_ECX, 23, PLAIN, FPU, FPU)                                           \
    X(RDRAND, "rdrand", 1_ECX, 30, PLAIN, FPU, FPU)                                           \
    X(HYPERVISOR, "hypervisor", 1_ECX, 31, ALWAYS, FPU, FPU)                                  \
    X(XSAVE, "xsave", 1_ECX, 26, PLAIN, FXSR, FPU)                                            \
    X(XSAVEOPT, "xsaveopt", D1_EAX, 0, PLAIN, XSAVE, FPU)                                     \
    X(XSAVEC, "xsavec", D1_EAX, 1, PLAIN, XSAVE, FPU)                                         \
    X(XGETBV1, "xgetbv1", D1_EAX, 2, PLAIN, XSAVE, FPU)                                       \
    X(AVX, "avx", 1_ECX, 28, PLAIN, XSAVE, SSE4_2)                                            \
    X(F16C, "f16c", 1_ECX, 29, PLAIN, AVX, FPU)                                               \
    X(FMA, "fma", 1_ECX, 12, PLAIN, AVX, FPU)                                                 \
    X(AVX2, "avx2", 7_EBX, 5, PLAIN, AVX, FPU)                                                \
    X(GFNI, "gfni", 7_ECX, 8, PLAIN, SSE2, FPU)                                               \
    X(VAES, "vaes", 7_ECX, 9, PLAIN, AVX, AES)                                                \
    X(VPCLMULQDQ, "vpclmulqdq", 7_ECX, 10, PLAIN, AVX, PCLMULQDQ)                             \
    X(SHA_NI, "sha_ni", 7_EBX, 29, PLAIN, SSE2, FPU)                                          \
    X(FSGSBASE, "fsgsbase", 7_EBX, 0, PLAIN, LM, FPU)                                         \
    X(BMI1, "bmi1", 7_EBX, 3, PLAIN, FPU, FPU)                                                \
    X(BMI2, "bmi2", 7_EBX, 8, PLAIN, FPU, FPU)                                                \
    X(ERMS, "erms", 7_EBX, 9, PLAIN, FPU, FPU)                                                \
    X(RDSEED, "rdseed", 7_EBX, 18, PLAIN, FPU, FPU)                                           \
    X(ADX, "adx", 7_EBX, 19, PLAIN, FPU, FPU)                                                 \
    X(CLFLUSHOPT, "clflushopt", 7_EBX, 23, PLAIN, CLFLUSH, FPU)                               \
    X(CLWB, "clwb", 7_EBX, 24, PLAIN, CLFLUSH, FPU)                                           \
    X(FSRM, "fsrm", 7_EDX, 4, PLAIN, FPU, FPU)                                                \
    X(LAHF_LM, "lahf_lm", 80000001_ECX, 0, PLAIN, LM, FPU)                                    \
    X(ABM, "abm", 80000001_ECX, 5, PLAIN, FPU, FPU)                                           \
    X(MISALIGNSSE, "misalignsse", 80000001_ECX, 7, AMD, SSE, FPU)                             \
    X(PREFETCHW, "3dnowprefetch", 80000001_ECX, 8, PLAIN, FPU, FPU)                           \
    X(TOPOEXT, "topoext", 80000001_ECX, 22, AMD, FPU, FPU)                                    \
    X(XSAVEERPTR, "xsaveerptr", 80000008_EBX, 2, AMD, FXSR, FPU)                              \
    X(LFENCE_RDTSC, "lfence_rdtsc", 80000021_EAX, 2, AMD, SSE2, FPU)                          \
    X(NSCB, "null_sel_clr_base", 80000021_EAX, 6, AMD, LM, FPU)                               \
    X(AVX512F, "avx512f", 7_EBX, 16, PLAIN, AVX2, FMA)                                        \
    X(AVX512VL, "avx512vl", 7_EBX, 31, PLAIN, AVX512F, FPU)                                   \
    X(AVX512DQ, "avx512dq", 7_EBX, 17, PLAIN, AVX512F, FPU)                                   \
    X(AVX512CD, "avx512cd", 7_EBX, 28, PLAIN, AVX512F, FPU)                                   \
    X(AVX512BW, "avx512bw", 7_EBX, 30, PLAIN, AVX512VL, FPU)                                  \
    X(AVX512IFMA, "avx512ifma", 7_EBX, 21, PLAIN, AVX512F, FPU)                               \
    X(AVX512VBMI, "avx512vbmi", 7_ECX, 1, PLAIN, AVX512BW, FPU)                               \
    X(AVX512_VBMI2, "avx512_vbmi2", 7_ECX, 6, PLAIN, AVX512BW, FPU)                           \
    X(AVX512_VNNI, "avx512_vnni", 7_ECX, 11, PLAIN, AVX512VL, FPU)                            \
    X(AVX512_BITALG, "avx512_bitalg", 7_ECX, 12, PLAIN, AVX512BW, FPU)                        \
    X(AVX512_VPOPCNTDQ, "avx512_vpopcntdq", 7_ECX, 14, PLAIN, AVX512F, FPU)                   \
    X(AVX512_VP2INTERSECT, "avx512_vp2intersect", 7_EDX, 8, PLAIN, AVX512VL, FPU)             \
    X(AVX512_BF16, "avx512_bf16", 71_EAX, 5, PLAIN, AVX512VL, FPU)                            \
    X(AVX_AES, "avx+aes", NONE, 0, PLAIN, AVX, AES)                                           \
    X(AVX_GFNI, "avx+gfni", NONE, 0, PLAIN, AVX, GFNI)                                        \
    X(AVX512DQ_VL, "avx512dq+vl", NONE, 0, PLAIN, AVX512DQ, AVX512VL)                         \
    X(AVX512CD_VL, "avx512cd+vl", NONE, 0, PLAIN, AVX512CD, AVX512VL)                         \
    X(AVX512IFMA_VL, "avx512ifma+vl", NONE, 0, PLAIN, AVX512IFMA, AVX512VL)                   \
    X(AVX512_VPOPCNTDQ_VL, "avx512_vpopcntdq+vl", NONE, 0, PLAIN, AVX512_VPOPCNTDQ, AVX512VL) \
    X(AVX512_GFNI, "avx512f+gfni", NONE, 0, PLAIN, AVX512F, GFNI)                             \
    X(AVX512VL_GFNI, "avx512vl+gfni", NONE, 0, PLAIN, AVX512VL, GFNI)                         \
    X(AVX512_VAES, "avx512f+vaes", NONE, 0, PLAIN, AVX512F, VAES)                             \
    X(AVX512VL_VAES, "avx512vl+vaes", NONE, 0, PLAIN, AVX512VL, VAES)                         \
    X(AVX512_VPCLMULQDQ, "avx512f+vpclmulqdq", NONE, 0, PLAIN, AVX512F, VPCLMULQDQ)           \
    X(AVX512VL_VPCLMULQDQ, "avx512vl+vpclmulqdq", NONE, 0, PLAIN, AVX512VL, VPCLMULQDQ)

enum cpu_feature {
#define CPU_FEATURE_ID(id, ...) CPU_##id,
    CPU_FEATURES(CPU_FEATURE_ID)
#undef CPU_FEATURE_ID
        NR_CPU_FEATURES,
    CPU_NEVER = NR_CPU_FEATURES, /* nothing that a domain can have */
};

enum cpu_vendor { CPU_VENDOR_INTEL, CPU_VENDOR_AMD, CPU_VENDOR_OTHER };

/* CPUID leaves as shown, without what depends on the vCPU. */
#define CPU_POLICY_LEAVES 52
#define CPU_SUBLEAF_ANY   0xffffffffu

struct cpu_policy_leaf {
    uint32_t leaf, subleaf;
    struct cpuid_regs r;
};

struct cpu_policy {
    uint64_t has[(NR_CPU_FEATURES + 63) / 64];
    enum cpu_vendor vendor;
    unsigned nr_vcpus;
    unsigned phys_bits;
    uint64_t xcr0_mask; /* bits that XSETBV may set, of XCR0_GUEST; 0 without XSAVE */
    struct xsave_layout xsave;
    unsigned nr_leaves;
    struct cpu_policy_leaf leaf[CPU_POLICY_LEAVES];
};

/* True if the domain is shown the feature. Light. */
static inline bool cpu_policy_has(const struct cpu_policy *p, enum cpu_feature f)
{
    return f < NR_CPU_FEATURES && (p->has[f / 64] >> (f % 64) & 1);
}

/* What the policy says of a leaf; zeroes if nothing, or above the highest. Light. */
static inline struct cpuid_regs cpu_policy_leaf(const struct cpu_policy *p, uint32_t leaf, uint32_t subleaf)
{
    for (unsigned i = 0; i < p->nr_leaves; i++) {
        const struct cpu_policy_leaf *l = &p->leaf[i];

        if (l->leaf == leaf && (l->subleaf == subleaf || l->subleaf == CPU_SUBLEAF_ANY))
            return l->r;
    }
    return (struct cpuid_regs){0, 0, 0, 0};
}

/* ---- cpu/cpu_policy.c, heavy ---- */

/* Where a policy's facts come from: the host, or a test's tables. */
struct cpu_source {
    void (*cpuid)(void *arg, uint32_t leaf, uint32_t subleaf, struct cpuid_regs *r);
    void *arg;
    uint64_t xcr0; /* 0: no XSAVE */
};

/* The host's CPU. */
void cpu_source_host(struct cpu_source *s);

/*
 * Where that CPU's XSAVE has what. False: not the AVX-512 components, or not of the sizes that the SDM gives,
 * or beyond XSAVE_AREA_MAX.
 */
bool cpu_xsave_layout(const struct cpu_source *s, struct xsave_layout *x);

/*
 * Builds the policy of a domain of nr_vcpus (1 .. MAX_VCPUS).  mask names features to remove, with commas or
 * spaces between them ("avx,sha_ni"), and takes away what builds on them too; NULL or "": none.
 * 0, or -1 with one line in why: a name that doesn't exist or can't be removed, or a host without a CORE
 * feature.
 */
int cpu_policy_build(struct cpu_policy *p, const struct cpu_source *s, unsigned nr_vcpus, const char *mask,
                     char *why, size_t why_size);

/* Name as in /proc/cpuinfo, for messages and help. */
const char *cpu_feature_name(enum cpu_feature f);

/* The feature of that name, or CPU_NEVER. */
enum cpu_feature cpu_feature_by_name(const char *name, size_t len);

#endif
