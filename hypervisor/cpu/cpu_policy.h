/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the user wants hidden of the CPU (diptych run --cpu).  The panel's CPUID (pv/cpuid.c) starts
 * from what the host has and the engine can run, and takes this away.
 */
#ifndef DIPTYCH_CPU_CPU_POLICY_H
#define DIPTYCH_CPU_CPU_POLICY_H

#include "base/types.h"

/* CPUID's feature words, numbered as in Xen's featureset (xen/arch-x86/cpufeatureset.h). */
enum cpuid_word {
    CPUID_1_EDX, CPUID_1_ECX, CPUID_E1_EDX, CPUID_E1_ECX, CPUID_D1_EAX, CPUID_7_EBX, CPUID_7_ECX,
    CPUID_E7_EDX, CPUID_E8_EBX, CPUID_7_EDX, CPUID_71_EAX, NR_CPUID_WORDS,
};

/*
 * Zero-initialized: hide nothing.  The set is closed: whatever needs a hidden feature is hidden too
 * (avx takes avx2, fma, f16c, vaes and avx512* with it).
 */
struct cpu_policy_request {
    uint32_t clear[NR_CPUID_WORDS]; /* bits to show as 0 */
};

/*
 * Parses MODEL[,-feature|,+feature]...: MODEL is host or x86-64, x86-64-v2, -v3, -v4 (psABI's levels,
 * without optional extensions), features are named as in /proc/cpuinfo, +feature keeps one that MODEL
 * hides.  0, or -1 with one line in why.  Heavy.
 */
int cpu_policy_parse(const char *spec, struct cpu_policy_request *r, char *why, size_t why_size);

/* Name of feature nr in the table that cpu_policy_parse() knows; NULL behind the last. Heavy. */
const char *cpu_policy_feature_name(unsigned nr);

#endif
