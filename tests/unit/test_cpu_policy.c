/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The CPU that a domain is shown: no feature that isn't on the allow-list, none without what it builds on,
 * and leaves that agree with each other; on the host's CPU and on made-up ones.
 */
#include <check.h>
#include <string.h>

#include "cpu/isa_feature.h"
#include "cpu_fakes.h"
#include "pv/cpu_ops.h"
#include "suite.h"

static char why[200];

/* ---- made-up hosts: every bit that there is, by one vendor or another ---- */

static void all_ones(void *arg, uint32_t leaf, uint32_t subleaf, struct cpuid_regs *r)
{
    const char *vendor = arg;

    *r = (struct cpuid_regs){~0u, ~0u, ~0u, ~0u};
    switch (leaf) {
    case 0:
        r->eax = 0x20;
        memcpy(&r->ebx, vendor, 4);
        memcpy(&r->edx, vendor + 4, 4);
        memcpy(&r->ecx, vendor + 8, 4);
        break;
    case 1:
        r->eax = 0x806f8;
        break;
    case 4:
    case 0x8000001d:
        *r = (struct cpuid_regs){0, 0, 0, 0};
        if (subleaf < 4) { /* L1d, L1i, L2, L3, shared by the most that there can be */
            uint32_t type = subleaf == 0 ? 1 : subleaf == 1 ? 2 : 3;
            uint32_t level = subleaf < 2 ? 1 : subleaf;

            *r = (struct cpuid_regs){type | level << 5 | 0xffffc000u, 63, 63, 1};
        }
        break;
    case 0xd: /* AVX-512's components as AMD places them */
        if (subleaf >= 5 && subleaf <= 7)
            *r = (struct cpuid_regs){xsave_component_size(subleaf),
                                     subleaf == 5   ? 832
                                     : subleaf == 6 ? 896
                                                    : 1408,
                                     0, 0};
        break;
    case 0x80000000:
        r->eax = 0x80000025;
        break;
    case 0x80000008:
        r->eax = 0x3934;
        break;
    default:
        break;
    }
}

static struct cpu_source made_up(const char *vendor)
{
    return (struct cpu_source){.cpuid = all_ones, .arg = (void *)(uintptr_t)vendor, .xcr0 = ~0ul};
}

static struct cpu_policy build(const struct cpu_source *s, unsigned vcpus, const char *mask)
{
    struct cpu_policy p;

    ck_assert_msg(cpu_policy_build(&p, s, vcpus, mask, why, sizeof(why)) == 0, "%s", why);
    return p;
}

/* Asks CPUID as the vCPU would. */
static struct cpuid_regs ask(const struct cpu_policy *p, unsigned id, uint32_t leaf, uint32_t subleaf)
{
    struct cpuid_regs r;

    fake_vcpu.domain->cpu_policy = p;
    fake_vcpu.id = id;
    pv_cpuid(&fake_vcpu, leaf, subleaf, &r);
    return r;
}

START_TEST(rows_are_in_order)
{
    /* choose_features() relies on it, and so does anybody who reads the table. */
#define CHECK_NAME(id, name, word, bit, kind, a, b) \
    if (CPU_WORD_##word != CPU_WORD_NONE)           \
        ck_assert_uint_eq(cpu_feature_by_name(name, strlen(name)), CPU_##id);
    CPU_FEATURES(CHECK_NAME)
#undef CHECK_NAME
#define CHECK_ORDER(id, name, word, bit, kind, a, b) ck_assert(CPU_##a <= CPU_##id && CPU_##b <= CPU_##id);
    CPU_FEATURES(CHECK_ORDER)
#undef CHECK_ORDER
}
END_TEST

/* A host with every feature there is shows only those of the list. */
START_TEST(nothing_else_shows)
{
    static const char *const vendors[] = {"GenuineIntel", "AuthenticAMD"};

    for (unsigned i = 0; i < 2; i++) {
        struct cpu_source s = made_up(vendors[i]);
        struct cpu_policy p = build(&s, 4, NULL);
        struct cpuid_regs r = ask(&p, 0, 1, 0);

        ck_assert_uint_eq(r.ecx & (1u << 5 | 1u << 3 | 1u << 17 | 1u << 21 | 1u << 24 | 1u << 27), 0);
        ck_assert_uint_eq(r.edx & (1u << 1 | 1u << 3 | 1u << 7 | 1u << 12 | 1u << 13 | 1u << 14 | 1u << 17),
                          0);
        r = ask(&p, 0, 7, 0);
        ck_assert_uint_eq(r.eax, 1);
        ck_assert_uint_eq(r.ebx & ~(1u << 16 | 1u << 17 | 1u << 21 | 1u << 28 | 1u << 30 | 1u << 31 |
                                    1u << 0 | 1u << 3 | 1u << 5 | 1u << 8 | 1u << 9 | 1u << 18 | 1u << 19 |
                                    1u << 23 | 1u << 24 | 1u << 29),
                          0);
        ck_assert_uint_eq(r.ecx,
                          1u << 1 | 1u << 6 | 1u << 8 | 1u << 9 | 1u << 10 | 1u << 11 | 1u << 12 | 1u << 14);
        ck_assert_uint_eq(r.edx, 1u << 4 | 1u << 8);
        ck_assert_uint_eq(ask(&p, 0, 7, 1).eax, 1u << 5);
        ck_assert_uint_eq(ask(&p, 0, 7, 2).eax, 0);
        ck_assert_uint_eq(ask(&p, 0, 0x80000007, 0).edx, 0);
        ck_assert_uint_eq(ask(&p, 0, 0xa, 0).eax, 0);
        ck_assert_uint_eq(ask(&p, 0, 0x14, 0).ebx, 0);
        ck_assert_uint_eq(ask(&p, 0, 0x8000000a, 0).edx, 0);
        ck_assert_uint_eq(ask(&p, 0, 0xd, 0).eax, 0xe7);
        ck_assert_uint_eq(ask(&p, 0, 0xd, 1).eax, 7);
        ck_assert_uint_eq(ask(&p, 0, 0xd, 9).eax, 0);
        ck_assert(cpu_policy_has(&p, CPU_SEP) == (i == 0));
        ck_assert(cpu_policy_has(&p, CPU_TOPOEXT) == (i == 1));
        /* AMD repeats the common bits, Intel doesn't. */
        ck_assert_uint_eq(ask(&p, 0, 0x80000001, 0).edx & 1, i);
        ck_assert_uint_eq(ask(&p, 0, 0x80000008, 0).eax, 52 | 48 << 8);
    }
}
END_TEST

START_TEST(removal_takes_dependents)
{
    struct cpu_source s = made_up("AuthenticAMD");
    struct cpu_policy p = build(&s, 1, "avx, lzcnt");
    static const enum cpu_feature gone[] = {CPU_AVX,        CPU_AVX2,    CPU_FMA,      CPU_F16C, CPU_VAES,
                                            CPU_VPCLMULQDQ, CPU_AVX_AES, CPU_AVX_GFNI, CPU_ABM};

    for (unsigned i = 0; i < ARRAY_SIZE(gone); i++)
        ck_assert(!cpu_policy_has(&p, gone[i]));
    ck_assert(cpu_policy_has(&p, CPU_AES) && cpu_policy_has(&p, CPU_GFNI) && cpu_policy_has(&p, CPU_BMI2));
    ck_assert_uint_eq(p.xcr0_mask, 3);
    ck_assert_uint_eq(ask(&p, 0, 0xd, 0).ecx, 576);
    ck_assert_uint_eq(ask(&p, 0, 0xd, 2).eax, 0);

    p = build(&s, 1, "avx512vl");
    ck_assert(cpu_policy_has(&p, CPU_AVX512DQ) && cpu_policy_has(&p, CPU_AVX512_VAES));
    ck_assert(!cpu_policy_has(&p, CPU_AVX512BW) && !cpu_policy_has(&p, CPU_AVX512DQ_VL) &&
              !cpu_policy_has(&p, CPU_AVX512VL_VAES) && !cpu_policy_has(&p, CPU_AVX512_BF16));
    ck_assert_uint_eq(p.xcr0_mask, 0xe7);
    ck_assert_uint_eq(ask(&p, 0, 7, 0).eax, 0);

    p = build(&s, 1, "avx512f");
    ck_assert(!cpu_policy_has(&p, CPU_AVX512CD) && !cpu_policy_has(&p, CPU_AVX512_VPOPCNTDQ) &&
              cpu_policy_has(&p, CPU_AVX2));
    ck_assert_uint_eq(p.xcr0_mask, 7);
    ck_assert_uint_eq(ask(&p, 0, 0xd, 0).ecx, 832);
    ck_assert_uint_eq(ask(&p, 0, 0xd, 6).eax, 0);

    p = build(&s, 1, "xsave");
    ck_assert(!cpu_policy_has(&p, CPU_AVX) && !cpu_policy_has(&p, CPU_XGETBV1));
    ck_assert_uint_eq(p.xcr0_mask, 0);
    ck_assert_uint_eq(ask(&p, 0, 0, 0).eax, 0xb);
    ck_assert_uint_eq(ask(&p, 0, 0xd, 0).ecx, 0);

    p = build(&s, 1, "pni");
    ck_assert(!cpu_policy_has(&p, CPU_SSSE3) && !cpu_policy_has(&p, CPU_SSE4_2) &&
              !cpu_policy_has(&p, CPU_AVX2));

    ck_assert_int_eq(cpu_policy_build(&p, &s, 1, "avx,nosuch", why, sizeof(why)), -1);
    ck_assert_ptr_nonnull(strstr(why, "'nosuch'"));
    ck_assert_int_eq(cpu_policy_build(&p, &s, 1, "sse2", why, sizeof(why)), -1);
    ck_assert_ptr_nonnull(strstr(why, "sse2"));
}
END_TEST

/* AVX-512 as offered: its bits, its state, and where that is. */
START_TEST(avx512)
{
    struct cpu_source s = made_up("AuthenticAMD");
    struct cpu_policy p = build(&s, 1, NULL);

    ck_assert(cpu_policy_has(&p, CPU_AVX512F) && cpu_policy_has(&p, CPU_AVX512_BF16));
    ck_assert_uint_eq(p.xcr0_mask, 0xe7);
    ck_assert_uint_eq(ask(&p, 0, 7, 0).ebx >> 16 & 1, 1);
    ck_assert_uint_eq(ask(&p, 0, 7, 0).eax, 1);
    ck_assert_uint_eq(ask(&p, 0, 7, 1).eax, 1 << 5);
    ck_assert_uint_eq(ask(&p, 0, 0xd, 0).ecx, 2432);
    ck_assert_uint_eq(ask(&p, 0, 0xd, 7).ebx, 1408);
    fake_vcpu.xcr0 = 0xe7;
    ck_assert_uint_eq(ask(&p, 0, 0xd, 0).ebx, 2432);
    ck_assert_uint_eq(ask(&p, 0, 0xd, 1).ebx, 2432);
    s.xcr0 = 7; /* the host's kernel doesn't keep its state */
    p = build(&s, 1, NULL);
    ck_assert(cpu_policy_has(&p, CPU_AVX2) && !cpu_policy_has(&p, CPU_AVX512F) &&
              !cpu_policy_has(&p, CPU_AVX512_VNNI));
}
END_TEST

static void no_cmov(void *arg, uint32_t leaf, uint32_t subleaf, struct cpuid_regs *r)
{
    all_ones(arg, leaf, subleaf, r);
    if (leaf == 1)
        r->edx &= ~(1u << 15);
}

START_TEST(poor_hosts)
{
    struct cpu_source s = made_up("AuthenticAMD");
    struct cpu_policy p;

    s.xcr0 = 3; /* the host's kernel doesn't keep AVX state */
    p = build(&s, 1, NULL);
    ck_assert(cpu_policy_has(&p, CPU_XSAVE) && !cpu_policy_has(&p, CPU_AVX) && !cpu_policy_has(&p, CPU_VAES));
    s.xcr0 = 0;
    p = build(&s, 1, NULL);
    ck_assert(!cpu_policy_has(&p, CPU_XSAVE) && !cpu_policy_has(&p, CPU_XSAVEC));
    s.cpuid = no_cmov;
    ck_assert_int_eq(cpu_policy_build(&p, &s, 1, NULL, why, sizeof(why)), -1);
    ck_assert_ptr_nonnull(strstr(why, "cmov"));
}
END_TEST

/* One package, a core a vCPU, whatever leaf one asks. */
START_TEST(topology)
{
    static const unsigned counts[] = {1, 2, 3, 4, 8, 32};
    static const char *const vendors[] = {"GenuineIntel", "AuthenticAMD"};

    for (unsigned i = 0; i < ARRAY_SIZE(counts) * 2; i++) {
        unsigned n = counts[i / 2];
        bool intel = i % 2 == 0;
        struct cpu_source s = made_up(vendors[i % 2]);
        struct cpu_policy p = build(&s, n, NULL);

        for (unsigned id = 0; id < n; id++) {
            struct cpuid_regs r = ask(&p, id, 1, 0), level;
            unsigned logical = r.ebx >> 16 & 0xff;

            ck_assert_uint_eq(r.ebx >> 24, id);
            ck_assert_uint_ge(logical, n);
            ck_assert(!!(r.edx & 1u << 28) == (n > 1));
            level = ask(&p, id, 0xb, 0);
            ck_assert_uint_eq(level.eax, 0);
            ck_assert_uint_eq(level.ebx, 1);
            ck_assert_uint_eq(level.ecx, 1u << 8);
            ck_assert_uint_eq(level.edx, id);
            level = ask(&p, id, 0xb, 1);
            ck_assert_uint_eq(level.ebx, n);
            ck_assert_uint_eq(level.ecx, 2u << 8 | 1);
            ck_assert_uint_eq(1u << level.eax, logical);
            ck_assert_uint_eq(id >> level.eax, 0); /* all in package 0 */
            ck_assert_uint_eq(ask(&p, id, 0xb, 2).ebx, 0);
            ck_assert_uint_eq(ask(&p, id, 0xb, 2).ecx, 2);

            uint32_t caches = intel ? 4 : 0x8000001d;

            for (unsigned c = 0; c < 4; c++) {
                r = ask(&p, id, caches, c);
                ck_assert_uint_eq(r.eax >> 14 & 0xfff, c == 3 ? logical - 1 : 0);
                ck_assert_uint_eq(r.eax >> 26, intel ? logical - 1 : 0);
            }
            ck_assert_uint_eq(ask(&p, id, caches, 4).eax, 0);
            if (!intel) {
                ck_assert_uint_eq(ask(&p, id, 0x80000008, 0).ecx & 0xff, n - 1);
                ck_assert_uint_eq(ask(&p, id, 0x8000001e, 0).eax, id);
                ck_assert_uint_eq(ask(&p, id, 0x8000001e, 0).ebx, id);
                ck_assert_uint_eq(ask(&p, id, 4, 0).eax, 0);
            }
        }
        ck_assert_uint_lt(p.nr_leaves, CPU_POLICY_LEAVES);
    }
}
END_TEST

/* The real host: what is shown is there, and the sizes of XSAVE areas are the CPU's. */
START_TEST(host)
{
    struct cpu_source s;
    struct cpu_policy p;
    struct cpuid_regs mine, real;

    cpu_source_host(&s);
    p = build(&s, 2, "");
    s.cpuid(s.arg, 0, 0, &real);
    mine = ask(&p, 0, 0, 0);
    ck_assert(mine.ebx == real.ebx && mine.ecx == real.ecx && mine.edx == real.edx);
    ck_assert_uint_le(mine.eax, real.eax);
    s.cpuid(s.arg, 1, 0, &real);
    mine = ask(&p, 0, 1, 0);
    ck_assert_uint_eq(mine.eax, p.vendor == CPU_VENDOR_AMD ? 0x60fb1 : real.eax); /* cpu_policy.c says why */
    ck_assert_uint_eq(mine.ecx & ~real.ecx & ~(1u << 31), 0);
    ck_assert_uint_eq(mine.edx & ~real.edx & ~(1u << 28 | 1u << 9), 0);
    s.cpuid(s.arg, 7, 0, &real);
    mine = ask(&p, 0, 7, 0);
    ck_assert_uint_eq(mine.ebx & ~real.ebx, 0);
    ck_assert_uint_eq(mine.ecx & ~real.ecx, 0);
    for (uint32_t leaf = 0x80000002; leaf <= 0x80000004; leaf++) {
        s.cpuid(s.arg, leaf, 0, &real);
        mine = ask(&p, 0, leaf, 0);
        ck_assert_mem_eq(&mine, &real, sizeof(real));
    }
    if (cpu_policy_has(&p, CPU_AVX)) {
        s.cpuid(s.arg, 0xd, 2, &real);
        mine = ask(&p, 0, 0xd, 2);
        ck_assert(mine.eax == real.eax && mine.ebx == real.ebx);
    }
}
END_TEST

/* What changes with the vCPU's control registers. */
START_TEST(dynamic)
{
    const struct cpu_policy *p = fake_vcpu.domain->cpu_policy;

    ck_assert_uint_eq(ask(p, 0, 1, 0).ecx & 1u << 27, 0);
    fake_vcpu.cr4 |= CR4_OSXSAVE;
    ck_assert_uint_ne(ask(p, 0, 1, 0).ecx & 1u << 27, 0);
    if (p->xcr0_mask & 4) {
        fake_vcpu.xcr0 = 3;
        ck_assert_uint_eq(ask(p, 0, 0xd, 0).ebx, 576);
        fake_vcpu.xcr0 = 7;
        ck_assert_uint_eq(ask(p, 0, 0xd, 0).ebx, 832);
        ck_assert_uint_eq(ask(p, 0, 0xd, 0).ecx, xsave_size(&p->xsave, p->xcr0_mask));
    }
}
END_TEST

START_TEST(xen_leaves)
{
    const struct cpu_policy *p = fake_vcpu.domain->cpu_policy;
    struct cpuid_regs r = ask(p, 0, 0x40000000, 0);
    char signature[13] = {0};

    memcpy(signature, &r.ebx, 12);
    ck_assert_str_eq(signature, "XenVMMXenVMM");
    ck_assert_uint_eq(r.eax, 0x40000005);
    ck_assert_uint_eq(ask(p, 0, 0x40000001, 0).eax, 4 << 16 | 17);
    ck_assert_uint_eq(ask(p, 0, 0x40000002, 0).eax, 1);
    fake_vcpu.domain->pv->time.tsc_per_ns = 0x280000000; /* 2.5 */
    ck_assert_uint_eq(ask(p, 0, 0x40000003, 0).ecx, 2500000);
    ck_assert_uint_eq(ask(p, 0, 0x40000006, 0).eax, 0);
    ck_assert_uint_eq(ask(p, 0, 0x40000100, 0).ebx, 0);
    ck_assert_uint_eq(ask(p, 0, 0xc0000000, 0).eax, 0);
}
END_TEST

/* ---- instructions and features ---- */

static enum cpu_feature feature_of(const char *code, ZydisMachineMode mode)
{
    ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
    ZydisDecodedInstruction insn;
    ZydisDecoder d;

    ZydisDecoderInit(&d, mode,
                     mode == ZYDIS_MACHINE_MODE_LONG_64 ? ZYDIS_STACK_WIDTH_64 : ZYDIS_STACK_WIDTH_32);
    ck_assert(ZYAN_SUCCESS(ZydisDecoderDecodeFull(&d, code, 15, &insn, operands)));
    return cpu_feature_of_insn(&insn);
}

START_TEST(instructions)
{
    static const struct {
        const char code[16];
        enum cpu_feature feature;
    } rows[] = {
        {"\x48\x01\xc0", CPU_FPU},             /* add */
        {"\x0f\x44\xc1", CPU_CMOV},            /* cmovz */
        {"\x0f\x58\xc1", CPU_SSE},             /* addps */
        {"\xc5\xf4\x58\xc1", CPU_AVX},         /* vaddps ymm */
        {"\xc5\xf5\xfe\xc1", CPU_AVX2},        /* vpaddd ymm */
        {"\xc4\xe2\x79\xdc\xc0", CPU_AVX_AES}, /* vaesenc xmm */
        {"\xc4\xe2\x7d\xdc\xc0", CPU_VAES},    /* vaesenc ymm */
        {"\xc4\xe2\x78\xf2\xc0", CPU_BMI1},    /* andn */
        {"\xf3\x0f\xbc\xc0", CPU_FPU},         /* tzcnt: or bsf */
        {"\xf3\x0f\xb8\xc0", CPU_POPCNT},
        {"\xf3\x0f\xae\xc0", CPU_FSGSBASE},         /* rdfsbase */
        {"\xf3\x0f\x1e\xfa", CPU_FPU},              /* endbr64 */
        {"\x62\xf1\x7c\x48\x58\xc1", CPU_AVX512F},  /* vaddps zmm */
        {"\x62\xf1\x7c\x08\x58\xc1", CPU_AVX512VL}, /* vaddps xmm */
        {"\xc4\xe1\xf8\x90\xc1", CPU_AVX512BW},     /* kmovq */
        {"\x62\xf5\x7c\x48\x58\xc1", CPU_NEVER},    /* vaddph zmm */
        {"\x0f\x01\xca", CPU_NEVER},                /* clac */
        {"\xf3\x0f\xc7\xf8", CPU_NEVER},            /* rdpid */
        {"\x9f", CPU_LAHF_LM},
    };

    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++)
        ck_assert_msg(feature_of(rows[i].code, ZYDIS_MACHINE_MODE_LONG_64) == rows[i].feature, "row %u", i);
    ck_assert_uint_eq(feature_of("\x9f\0\0\0\0\0\0\0\0\0\0\0\0\0\0", ZYDIS_MACHINE_MODE_LEGACY_32), CPU_FPU);
    ck_assert_uint_eq(cpu_feature_of_isa(ZYDIS_ISA_SET_MAX_VALUE + 1), CPU_NEVER);
    ck_assert_uint_eq(cpu_feature_of_isa(ZYDIS_ISA_SET_INVALID), CPU_NEVER);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("cpu_policy");

    tcase_add_checked_fixture(t, fake_cpu_setup, fake_cpu_teardown);
    tcase_add_test(t, rows_are_in_order);
    tcase_add_test(t, nothing_else_shows);
    tcase_add_test(t, removal_takes_dependents);
    tcase_add_test(t, avx512);
    tcase_add_test(t, poor_hosts);
    tcase_add_test(t, topology);
    tcase_add_test(t, host);
    tcase_add_test(t, dynamic);
    tcase_add_test(t, xen_leaves);
    tcase_add_test(t, instructions);
    return suite_run("cpu_policy", t);
}
