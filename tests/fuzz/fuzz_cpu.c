/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * `--cpu` under libFuzzer: the first line is the specification, the rest what the CPUID of a strange host
 * says. What the parser gives is a mask that the policy understands or refuses in one line; a policy shows no
 * feature without those that it builds on.
 */
#include <stdio.h>

#include "cpu/cpu_policy.h"
#include "cpu/vcpu.h"
#include "fuzz.h"
#include "host/cpu_spec.h"

static const uint8_t *host;
static size_t host_size;

/* Some 16 bytes of the input, the same each time. */
static void strange_cpuid(void *arg, uint32_t leaf, uint32_t subleaf, struct cpuid_regs *r)
{
    size_t at = (leaf * 7 + (leaf >> 31) * 3 + subleaf * 5) * 16 % (host_size / 16 * 16);

    (void)arg;
    memcpy(r, host + at, 16);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct cpu_policy policy;
    struct input in = {data, size};
    struct cpu_source source;
    char spec[512], mask[256], why[200] = "";

    _Static_assert(sizeof(struct cpuid_regs) == 16, "strange_cpuid() fills one");
    input_line(&in, spec, sizeof(spec));
    if (cpu_spec_parse(spec, mask, sizeof(mask), why, sizeof(why))) {
        require(*why);
        return 0;
    }
    require(strlen(mask) < sizeof(mask));
    cpu_source_host(&source);
    if (in.n >= 24) {
        source.xcr0 = input_u64(&in);
        host = in.p;
        host_size = in.n;
        source.cpuid = strange_cpuid;
    }
    if (cpu_policy_build(&policy, &source, 1 + (unsigned)(size % MAX_VCPUS), mask, why, sizeof(why))) {
        require(*why);
        return 0;
    }
    require(!cpu_policy_has(&policy, CPU_AVX2) || cpu_policy_has(&policy, CPU_AVX));
    require(!cpu_policy_has(&policy, CPU_AVX) || cpu_policy_has(&policy, CPU_XSAVE));
    return 0;
}
