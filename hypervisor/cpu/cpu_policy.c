/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Builds the CPU that a domain is shown.  See cpu_policy.h for the rules.
 *
 * Leaves and bits: SDM vol. 2, CPUID; AMD64 APM vol. 3, appendix E.  Caches and the brand are the host's;
 * topology is one package with a core a vCPU, whose APIC id is the vCPU's number.
 */
#include "cpu/cpu_policy.h"

#include <cpuid.h>
#include <stdio.h>
#include <string.h>

#include "cpu/vcpu.h"

enum feature_kind { KIND_CORE, KIND_PLAIN, KIND_INTEL, KIND_AMD, KIND_ALWAYS };

static const struct {
    const char *name;
    uint8_t word, bit, kind;
    uint8_t needs[2];
} features[NR_CPU_FEATURES] = {
#define CPU_FEATURE_ROW(id, name, word, bit, kind, a, b) \
    [CPU_##id] = {name, CPU_WORD_##word, bit, KIND_##kind, {CPU_##a, CPU_##b}},
    CPU_FEATURES(CPU_FEATURE_ROW)
#undef CPU_FEATURE_ROW
};

/* Other names by which people know a feature. */
static const struct {
    const char *name;
    enum cpu_feature feature;
} aliases[] = {
    {"sse3", CPU_PNI},   {"sse4.1", CPU_SSE4_1}, {"sse4.2", CPU_SSE4_2},   {"lzcnt", CPU_ABM},
    {"sha", CPU_SHA_NI}, {"adcx", CPU_ADX},      {"cmpxchg16b", CPU_CX16}, {"pclmul", CPU_PCLMULQDQ},
};

#define LEAF_MAX_BASIC_XSAVE 0xdu
#define LEAF_MAX_BASIC       0xbu
#define LEAF_MAX_EXT         0x80000008u
#define LEAF_MAX_EXT_TOPO    0x8000001eu
#define LEAF_MAX_EXT_21      0x80000021u

/* Leaf 1 EDX bits that AMD repeats in 0x80000001 EDX. */
#define AMD_COMMON_EDX 0x0183f3ffu
#define EDX_HTT        (1u << 28)
#define ECX_CMP_LEGACY (1u << 1)

/*
 * The family that AMD hosts show (K8, model 6b, stepping 1, as QEMU's qemu64), whatever they are: kernels
 * take the real one for leave to touch that part's own registers (Linux 6.17 and later read a reset-status
 * register of the Zen south bridge at a fixed physical address, and a domain that may not map it dies) and
 * for a reason to guard against its predictors, with code whose effect translation undoes.
 */
#define AMD_SIGNATURE 0x00060fb1u
/*
 * Leaf 0x80000021 EAX: automatic IBRS.  Makes kernels call indirectly instead of through return thunks, which
 * translated code would not run as they are meant; docs/decisions.md says what protection a guest has.
 */
#define EAX21_AUTOIBRS (1u << 8)

/* Most subleaves of a cache leaf that are looked at: L1d, L1i, L2, L3, L4 and room. */
#define MAX_CACHES 8u

const char *cpu_feature_name(enum cpu_feature f)
{
    return f < NR_CPU_FEATURES ? features[f].name : "?";
}

enum cpu_feature cpu_feature_by_name(const char *name, size_t len)
{
    for (unsigned f = 0; f < NR_CPU_FEATURES; f++)
        if (features[f].word != CPU_WORD_NONE && strlen(features[f].name) == len &&
            !memcmp(features[f].name, name, len))
            return f;
    for (unsigned i = 0; i < ARRAY_SIZE(aliases); i++)
        if (strlen(aliases[i].name) == len && !memcmp(aliases[i].name, name, len))
            return aliases[i].feature;
    return CPU_NEVER;
}

static void host_cpuid(void *arg, uint32_t leaf, uint32_t subleaf, struct cpuid_regs *r)
{
    (void)arg;
    __cpuid_count(leaf, subleaf, r->eax, r->ebx, r->ecx, r->edx);
}

void cpu_source_host(struct cpu_source *s)
{
    struct cpuid_regs r;

    *s = (struct cpu_source){.cpuid = host_cpuid};
    host_cpuid(NULL, 1, 0, &r);
    if (r.ecx & (1u << 27)) { /* OSXSAVE: XGETBV works */
        uint32_t lo, hi;

        __asm__ volatile("xgetbv" : "=a"(lo), "=d"(hi) : "c"(0));
        s->xcr0 = (uint64_t)hi << 32 | lo;
    }
}

static struct cpuid_regs read_leaf(const struct cpu_source *s, uint32_t leaf, uint32_t subleaf)
{
    struct cpuid_regs r = {0, 0, 0, 0};
    struct cpuid_regs max;

    s->cpuid(s->arg, leaf & 0x80000000u, 0, &max);
    if (leaf <= max.eax)
        s->cpuid(s->arg, leaf, subleaf, &r);
    return r;
}

bool cpu_xsave_layout(const struct cpu_source *s, struct xsave_layout *x)
{
    *x = (struct xsave_layout){.offset = {[2] = XSAVE_OFFSET_AVX}};
    for (unsigned i = 5; i < XSAVE_COMPONENTS; i++) {
        struct cpuid_regs r = read_leaf(s, 0xd, i);

        if (r.eax != xsave_component_size(i) || r.ebx < XSAVE_OFFSET_AVX + xsave_component_size(2) ||
            r.ebx > XSAVE_AREA_MAX - r.eax) {
            *x = (struct xsave_layout){.offset = {[2] = XSAVE_OFFSET_AVX}};
            return false;
        }
        x->offset[i] = (uint16_t)r.ebx;
    }
    return true;
}

static void add_leaf(struct cpu_policy *p, uint32_t leaf, uint32_t subleaf, struct cpuid_regs r)
{
    if (p->nr_leaves < CPU_POLICY_LEAVES)
        p->leaf[p->nr_leaves++] = (struct cpu_policy_leaf){leaf, subleaf, r};
}

static void read_words(const struct cpu_source *s, uint32_t word[NR_CPU_WORDS])
{
    struct cpuid_regs r = read_leaf(s, 1, 0);

    word[CPU_WORD_1_EDX] = r.edx;
    word[CPU_WORD_1_ECX] = r.ecx;
    r = read_leaf(s, 7, 0);
    word[CPU_WORD_7_EBX] = r.ebx;
    word[CPU_WORD_7_ECX] = r.ecx;
    word[CPU_WORD_7_EDX] = r.edx;
    word[CPU_WORD_71_EAX] = r.eax >= 1 ? read_leaf(s, 7, 1).eax : 0;
    r = read_leaf(s, 0xd, 1);
    word[CPU_WORD_D1_EAX] = r.eax;
    r = read_leaf(s, 0x80000001, 0);
    word[CPU_WORD_80000001_ECX] = r.ecx;
    word[CPU_WORD_80000001_EDX] = r.edx;
    word[CPU_WORD_80000008_EBX] = read_leaf(s, 0x80000008, 0).ebx;
    word[CPU_WORD_80000021_EAX] = read_leaf(s, 0x80000021, 0).eax;
}

static bool host_has(const struct cpu_policy *p, const struct cpu_source *s, const uint32_t *word, unsigned f)
{
    if (features[f].kind == KIND_ALWAYS || features[f].word == CPU_WORD_NONE)
        return true;
    if (features[f].kind == KIND_INTEL && p->vendor != CPU_VENDOR_INTEL)
        return false;
    if (features[f].kind == KIND_AMD && p->vendor == CPU_VENDOR_INTEL)
        return false;
    /* Intel shows MMXEXT as part of SSE. */
    if (f == CPU_MMXEXT && p->vendor == CPU_VENDOR_INTEL)
        return false;
    if (f == CPU_XSAVE && (s->xcr0 & (XCR0_X87 | XCR0_SSE)) != (XCR0_X87 | XCR0_SSE))
        return false;
    if (f == CPU_AVX && !(s->xcr0 & XCR0_AVX))
        return false;
    /* The translator reads masks by KMOVQ, which is AVX512BW's. */
    if (f == CPU_AVX512F && ((s->xcr0 & XCR0_AVX512) != XCR0_AVX512 || !p->xsave.offset[7] ||
                             !(word[features[CPU_AVX512BW].word] >> features[CPU_AVX512BW].bit & 1)))
        return false;
    return word[features[f].word] >> features[f].bit & 1;
}

static int parse_mask(const char *mask, bool removed[NR_CPU_FEATURES], char *why, size_t why_size)
{
    static const char separators[] = ", \t";

    for (const char *s = mask ? mask : ""; *(s += strspn(s, separators)); s += strcspn(s, separators)) {
        size_t len = strcspn(s, separators);
        enum cpu_feature f = cpu_feature_by_name(s, len);

        if (f == CPU_NEVER) {
            snprintf(why, why_size, "no CPU feature '%.*s' to remove (names are those of /proc/cpuinfo)",
                     (int)len, s);
            return -1;
        }
        if (features[f].kind == KIND_CORE || features[f].kind == KIND_ALWAYS) {
            snprintf(why, why_size, "CPU feature '%.*s' can't be removed: every x86-64 guest needs it",
                     (int)len, s);
            return -1;
        }
        removed[f] = true;
    }
    return 0;
}

/* Rows stand below those that they need, so one pass from the top is enough. */
static int choose_features(struct cpu_policy *p, const struct cpu_source *s, const bool *removed, char *why,
                           size_t why_size)
{
    uint32_t word[NR_CPU_WORDS];

    read_words(s, word);
    for (unsigned f = 0; f < NR_CPU_FEATURES; f++) {
        bool has = host_has(p, s, word, f) && !removed[f];

        for (unsigned i = 0; i < ARRAY_SIZE(features[f].needs); i++)
            if (features[f].needs[i] != f && !cpu_policy_has(p, features[f].needs[i]))
                has = false;
        if (!has && features[f].kind == KIND_CORE) {
            snprintf(why, why_size, "this host's CPU lacks '%s'", features[f].name);
            return -1;
        }
        if (has)
            p->has[f / 64] |= 1ul << (f % 64);
    }
    return 0;
}

static void shown_words(const struct cpu_policy *p, uint32_t word[NR_CPU_WORDS])
{
    memset(word, 0, NR_CPU_WORDS * sizeof(word[0]));
    for (unsigned f = 0; f < NR_CPU_FEATURES; f++)
        if (features[f].word != CPU_WORD_NONE && cpu_policy_has(p, f))
            word[features[f].word] |= 1u << features[f].bit;
}

/* Smallest n with 1 << n >= x. */
static unsigned ceil_log2(unsigned x)
{
    unsigned n = 0;

    while (1u << n < x)
        n++;
    return n;
}

/*
 * Leaf 4 and 0x8000001d have one layout: EAX 4:0 type, 7:5 level, 25:14 threads that share it less one; 31:26
 * (leaf 4 only) cores of the package less one.  Level-3 caches and above are shared by all vCPUs, the others
 * by none.
 */
static void add_caches(struct cpu_policy *p, const struct cpu_source *s, uint32_t leaf)
{
    unsigned all = (1u << ceil_log2(p->nr_vcpus)) - 1;

    for (unsigned i = 0; i < MAX_CACHES; i++) {
        struct cpuid_regs r = read_leaf(s, leaf, i);

        if ((r.eax & 0x1f) == 0)
            break;
        r.eax &= 0x3fff;
        if ((r.eax >> 5 & 7) >= 3)
            r.eax |= all << 14;
        if (leaf == 4)
            r.eax |= all << 26;
        add_leaf(p, leaf, i, r);
    }
}

static void add_basic_leaves(struct cpu_policy *p, const struct cpu_source *s, const uint32_t *word)
{
    bool xsave = cpu_policy_has(p, CPU_XSAVE);
    struct cpuid_regs r = read_leaf(s, 0, 0);
    unsigned shift = ceil_log2(p->nr_vcpus);

    r.eax = xsave ? LEAF_MAX_BASIC_XSAVE : LEAF_MAX_BASIC;
    add_leaf(p, 0, CPU_SUBLEAF_ANY, r);

    r = read_leaf(s, 1, 0);
    if (p->vendor == CPU_VENDOR_AMD)
        r.eax = AMD_SIGNATURE;
    r.ebx = (r.ebx & 0xff00) | (1u << shift) << 16; /* CLFLUSH size is the host's; APIC id comes later */
    r.ecx = word[CPU_WORD_1_ECX];
    r.edx = word[CPU_WORD_1_EDX] | (p->nr_vcpus > 1 ? EDX_HTT : 0);
    add_leaf(p, 1, CPU_SUBLEAF_ANY, r);

    if (p->vendor == CPU_VENDOR_INTEL) {
        add_leaf(p, 2, CPU_SUBLEAF_ANY, read_leaf(s, 2, 0));
        add_caches(p, s, 4);
    }
    add_leaf(p, 7, 0,
             (struct cpuid_regs){word[CPU_WORD_71_EAX] ? 1 : 0, word[CPU_WORD_7_EBX], word[CPU_WORD_7_ECX],
                                 word[CPU_WORD_7_EDX]});
    if (word[CPU_WORD_71_EAX])
        add_leaf(p, 7, 1, (struct cpuid_regs){word[CPU_WORD_71_EAX], 0, 0, 0});

    /* Topology: level type 1 (SMT) with one thread, 2 (core) with all. The APIC id in EDX comes later. */
    add_leaf(p, 0xb, 0, (struct cpuid_regs){0, 1, 1u << 8 | 0, 0});
    add_leaf(p, 0xb, 1, (struct cpuid_regs){shift, p->nr_vcpus, 2u << 8 | 1, 0});

    if (xsave) {
        /* EBX, the size for the XCR0 now in use, comes later. */
        add_leaf(p, 0xd, 0,
                 (struct cpuid_regs){(uint32_t)p->xcr0_mask, 0, xsave_size(&p->xsave, p->xcr0_mask), 0});
        add_leaf(p, 0xd, 1, (struct cpuid_regs){word[CPU_WORD_D1_EAX], 0, 0, 0});
        for (unsigned i = 2; i < XSAVE_COMPONENTS; i++)
            if (p->xcr0_mask >> i & 1)
                add_leaf(p, 0xd, i, (struct cpuid_regs){xsave_component_size(i), p->xsave.offset[i], 0, 0});
    }
}

static void add_extended_leaves(struct cpu_policy *p, const struct cpu_source *s, const uint32_t *word)
{
    bool intel = p->vendor == CPU_VENDOR_INTEL;
    unsigned shift = ceil_log2(p->nr_vcpus);
    struct cpuid_regs r = read_leaf(s, 0x80000000u, 0);

    r.eax = word[CPU_WORD_80000021_EAX]      ? LEAF_MAX_EXT_21
            : cpu_policy_has(p, CPU_TOPOEXT) ? LEAF_MAX_EXT_TOPO
                                             : LEAF_MAX_EXT;
    add_leaf(p, 0x80000000u, CPU_SUBLEAF_ANY, r);

    r = read_leaf(s, 0x80000001u, 0);
    if (p->vendor == CPU_VENDOR_AMD)
        r.eax = AMD_SIGNATURE;
    r.ebx = intel ? 0 : r.ebx & 0xf0000000u; /* package type */
    r.ecx = word[CPU_WORD_80000001_ECX];
    r.edx = word[CPU_WORD_80000001_EDX];
    if (!intel) {
        r.edx |= word[CPU_WORD_1_EDX] & AMD_COMMON_EDX;
        r.ecx |= p->nr_vcpus > 1 ? ECX_CMP_LEGACY : 0;
    }
    add_leaf(p, 0x80000001u, CPU_SUBLEAF_ANY, r);

    for (uint32_t leaf = 0x80000002u; leaf <= 0x80000004u; leaf++)
        add_leaf(p, leaf, CPU_SUBLEAF_ANY, read_leaf(s, leaf, 0));
    if (!intel)
        add_leaf(p, 0x80000005u, CPU_SUBLEAF_ANY, read_leaf(s, 0x80000005u, 0));
    r = read_leaf(s, 0x80000006u, 0);
    add_leaf(p, 0x80000006u, CPU_SUBLEAF_ANY, intel ? (struct cpuid_regs){0, 0, r.ecx, 0} : r);

    r = (struct cpuid_regs){p->phys_bits | 48u << 8, word[CPU_WORD_80000008_EBX], 0, 0};
    if (!intel)
        r.ecx = (p->nr_vcpus - 1) | shift << 12;
    add_leaf(p, 0x80000008u, CPU_SUBLEAF_ANY, r);

    if (cpu_policy_has(p, CPU_TOPOEXT))
        add_caches(p, s, 0x8000001du);
    if (word[CPU_WORD_80000021_EAX])
        add_leaf(p, 0x80000021u, CPU_SUBLEAF_ANY, (struct cpuid_regs){word[CPU_WORD_80000021_EAX], 0, 0, 0});
}

static enum cpu_vendor vendor_of(const struct cpuid_regs *r)
{
    char name[13] = {0};

    memcpy(name, &r->ebx, 4);
    memcpy(name + 4, &r->edx, 4);
    memcpy(name + 8, &r->ecx, 4);
    if (!strcmp(name, "GenuineIntel"))
        return CPU_VENDOR_INTEL;
    if (!strcmp(name, "AuthenticAMD") || !strcmp(name, "HygonGenuine"))
        return CPU_VENDOR_AMD;
    return CPU_VENDOR_OTHER;
}

int cpu_policy_build(struct cpu_policy *p, const struct cpu_source *s, unsigned nr_vcpus, const char *mask,
                     char *why, size_t why_size)
{
    bool removed[NR_CPU_FEATURES] = {false};
    uint32_t word[NR_CPU_WORDS];
    struct cpuid_regs r = read_leaf(s, 0, 0);

    *p = (struct cpu_policy){.vendor = vendor_of(&r), .nr_vcpus = nr_vcpus};
    cpu_xsave_layout(s, &p->xsave);
    if (parse_mask(mask, removed, why, why_size) || choose_features(p, s, removed, why, why_size))
        return -1;
    if (cpu_policy_has(p, CPU_XSAVE))
        p->xcr0_mask = XCR0_X87 | XCR0_SSE | (cpu_policy_has(p, CPU_AVX) ? XCR0_AVX : 0) |
                       (cpu_policy_has(p, CPU_AVX512F) ? XCR0_AVX512 : 0);

    p->phys_bits = read_leaf(s, 0x80000008u, 0).eax & 0xff;
    if (p->phys_bits < 36)
        p->phys_bits = 36; /* what a CPU without leaf 0x80000008 has */
    else if (p->phys_bits > 52)
        p->phys_bits = 52;

    shown_words(p, word);
    if (p->vendor == CPU_VENDOR_AMD)
        word[CPU_WORD_80000021_EAX] |= EAX21_AUTOIBRS;
    add_basic_leaves(p, s, word);
    add_extended_leaves(p, s, word);
    return 0;
}
