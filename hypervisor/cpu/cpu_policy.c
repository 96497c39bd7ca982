/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The CPU features that can be hidden from a guest: one table drives the parser of --cpu, the models
 * and the dependencies.
 */
#include "cpu/cpu_policy.h"

#include <stdio.h>
#include <string.h>

/* Lowest psABI level (System V ABI for AMD64, "micro-architecture levels") whose model shows the feature. */
enum level { V1 = 1, V2, V3, V4, HOST };

struct feature {
    const char *name;  /* as in /proc/cpuinfo */
    enum cpuid_word word;
    uint8_t bit;
    enum level level;
    const char *needs; /* one feature that it makes no sense without (its own needs count too); may be NULL */
};

/*
 * What a 64-bit kernel can't do without (fpu, pae, cx8, cmov, fxsr, sse, sse2, lm, nx, syscall, ...) is not
 * here: a guest that lacks it doesn't boot.  A feature stands behind the one that it needs.
 */
static const struct feature features[] = {
    { "pni", CPUID_1_ECX, 0, V2, NULL },
    { "ssse3", CPUID_1_ECX, 9, V2, "pni" },
    { "cx16", CPUID_1_ECX, 13, V2, NULL },
    { "sse4_1", CPUID_1_ECX, 19, V2, "ssse3" },
    { "sse4_2", CPUID_1_ECX, 20, V2, "sse4_1" },
    { "popcnt", CPUID_1_ECX, 23, V2, NULL },
    { "lahf_lm", CPUID_E1_ECX, 0, V2, NULL },
    { "movbe", CPUID_1_ECX, 22, V3, NULL },
    { "abm", CPUID_E1_ECX, 5, V3, NULL },
    { "bmi1", CPUID_7_EBX, 3, V3, NULL },
    { "bmi2", CPUID_7_EBX, 8, V3, NULL },
    { "xsave", CPUID_1_ECX, 26, V3, NULL },
    { "xsaveopt", CPUID_D1_EAX, 0, V3, "xsave" },
    { "xsavec", CPUID_D1_EAX, 1, V3, "xsave" },
    { "xgetbv1", CPUID_D1_EAX, 2, V3, "xsave" },
    { "xsaves", CPUID_D1_EAX, 3, HOST, "xsavec" },
    { "avx", CPUID_1_ECX, 28, V3, "xsave" },
    { "f16c", CPUID_1_ECX, 29, V3, "avx" },
    { "fma", CPUID_1_ECX, 12, V3, "avx" },
    { "avx2", CPUID_7_EBX, 5, V3, "avx" },
    { "avx512f", CPUID_7_EBX, 16, V4, "avx2" },
    { "avx512dq", CPUID_7_EBX, 17, V4, "avx512f" },
    { "avx512cd", CPUID_7_EBX, 28, V4, "avx512f" },
    { "avx512bw", CPUID_7_EBX, 30, V4, "avx512f" },
    { "avx512vl", CPUID_7_EBX, 31, V4, "avx512f" },
    { "avx512ifma", CPUID_7_EBX, 21, HOST, "avx512f" },
    { "avx512vbmi", CPUID_7_ECX, 1, HOST, "avx512bw" },
    { "avx512_vbmi2", CPUID_7_ECX, 6, HOST, "avx512bw" },
    { "avx512_vnni", CPUID_7_ECX, 11, HOST, "avx512f" },
    { "avx512_bitalg", CPUID_7_ECX, 12, HOST, "avx512bw" },
    { "avx512_vpopcntdq", CPUID_7_ECX, 14, HOST, "avx512f" },
    { "avx512_4vnniw", CPUID_7_EDX, 2, HOST, "avx512f" },
    { "avx512_4fmaps", CPUID_7_EDX, 3, HOST, "avx512f" },
    { "avx512_vp2intersect", CPUID_7_EDX, 8, HOST, "avx512f" },
    { "avx512_fp16", CPUID_7_EDX, 23, HOST, "avx512bw" },
    { "avx512_bf16", CPUID_71_EAX, 5, HOST, "avx512bw" },
    { "avx_vnni", CPUID_71_EAX, 4, HOST, "avx2" },
    { "aes", CPUID_1_ECX, 25, HOST, NULL },
    { "pclmulqdq", CPUID_1_ECX, 1, HOST, NULL },
    { "vaes", CPUID_7_ECX, 9, HOST, "avx" },
    { "vpclmulqdq", CPUID_7_ECX, 10, HOST, "avx" },
    { "gfni", CPUID_7_ECX, 8, HOST, NULL },
    { "sha_ni", CPUID_7_EBX, 29, HOST, NULL },
    { "sse4a", CPUID_E1_ECX, 6, HOST, NULL },
    { "misalignsse", CPUID_E1_ECX, 7, HOST, NULL },
    { "3dnowprefetch", CPUID_E1_ECX, 8, HOST, NULL },
    { "xop", CPUID_E1_ECX, 11, HOST, "avx" },
    { "fma4", CPUID_E1_ECX, 16, HOST, "avx" },
    { "tbm", CPUID_E1_ECX, 21, HOST, NULL },
    { "mmxext", CPUID_E1_EDX, 22, HOST, NULL },
    { "rdtscp", CPUID_E1_EDX, 27, HOST, NULL },
    { "3dnow", CPUID_E1_EDX, 31, HOST, NULL },
    { "3dnowext", CPUID_E1_EDX, 30, HOST, "3dnow" },
    { "fsgsbase", CPUID_7_EBX, 0, HOST, NULL },
    { "erms", CPUID_7_EBX, 9, HOST, NULL },
    { "fsrm", CPUID_7_EDX, 4, HOST, NULL },
    { "rdrand", CPUID_1_ECX, 30, HOST, NULL },
    { "rdseed", CPUID_7_EBX, 18, HOST, NULL },
    { "adx", CPUID_7_EBX, 19, HOST, NULL },
    { "clflushopt", CPUID_7_EBX, 23, HOST, NULL },
    { "clwb", CPUID_7_EBX, 24, HOST, NULL },
    { "cldemote", CPUID_7_ECX, 25, HOST, NULL },
    { "movdiri", CPUID_7_ECX, 27, HOST, NULL },
    { "movdir64b", CPUID_7_ECX, 28, HOST, NULL },
    { "rdpid", CPUID_7_ECX, 22, HOST, NULL },
    { "serialize", CPUID_7_EDX, 14, HOST, NULL },
    { "rtm", CPUID_7_EBX, 11, HOST, NULL },
    { "hle", CPUID_7_EBX, 4, HOST, NULL },
    { "pku", CPUID_7_ECX, 3, HOST, NULL },
    { "umip", CPUID_7_ECX, 2, HOST, NULL },
    { "clzero", CPUID_E8_EBX, 0, HOST, NULL },
    { "wbnoinvd", CPUID_E8_EBX, 9, HOST, NULL },
};

#define NR_FEATURES ARRAY_SIZE(features)

static const struct {
    const char *name;
    enum level level;
} models[] = {
    { "host", HOST },   { "x86-64", V1 },    { "x86-64-v1", V1 },
    { "x86-64-v2", V2 }, { "x86-64-v3", V3 }, { "x86-64-v4", V4 },
};

/* Index of the feature whose name is the n bytes at name; -1: none. */
static int feature_find(const char *name, size_t n)
{
    for (unsigned i = 0; i < NR_FEATURES; i++)
        if (strlen(features[i].name) == n && !memcmp(features[i].name, name, n))
            return (int)i;
    return -1;
}

static int model_find(const char *name, size_t n)
{
    for (unsigned i = 0; i < ARRAY_SIZE(models); i++)
        if (strlen(models[i].name) == n && !memcmp(models[i].name, name, n))
            return (int)i;
    return -1;
}

const char *cpu_policy_feature_name(unsigned nr)
{
    return nr < NR_FEATURES ? features[nr].name : NULL;
}

/* Shows feature i and all that it needs. */
static void feature_show(bool *hidden, int i)
{
    while (i >= 0) {
        hidden[i] = false;
        i = features[i].needs ? feature_find(features[i].needs, strlen(features[i].needs)) : -1;
    }
}

static int spec_apply(const char *spec, bool *hidden, char *why, size_t why_size)
{
    bool first = true;

    for (const char *p = spec;; first = false) {
        size_t n = strcspn(p, ",");
        int i;

        if (n && (*p == '-' || *p == '+')) {
            i = feature_find(p + 1, n - 1);
            if (i < 0) {
                snprintf(why, why_size, "unknown CPU feature '%.*s'; `diptych run --cpu help` lists the names",
                         (int)n - 1, p + 1);
                return -1;
            }
            if (*p == '-')
                hidden[i] = true;
            else
                feature_show(hidden, i);
        } else {
            i = first ? model_find(p, n) : -1;
            if (i < 0) {
                snprintf(why, why_size, first ? "unknown CPU model '%.*s'; `diptych run --cpu help` lists the names"
                                              : "'%.*s': write -FEATURE or +FEATURE behind the CPU model",
                         (int)n, p);
                return -1;
            }
            for (unsigned f = 0; f < NR_FEATURES; f++)
                hidden[f] = features[f].level > models[i].level;
        }
        if (!p[n])
            return 0;
        p += n + 1;
    }
}

int cpu_policy_parse(const char *spec, struct cpu_policy_request *r, char *why, size_t why_size)
{
    bool hidden[NR_FEATURES] = { false };

    if (spec_apply(spec, hidden, why, why_size))
        return -1;
    memset(r, 0, sizeof(*r));
    for (unsigned i = 0; i < NR_FEATURES; i++) {
        const struct feature *f = &features[i];

        /* One pass closes the set, because what f needs stands before f. */
        if (f->needs && hidden[feature_find(f->needs, strlen(f->needs))])
            hidden[i] = true;
        if (hidden[i])
            r->clear[f->word] |= 1u << f->bit;
    }
    return 0;
}
