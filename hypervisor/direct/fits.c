/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which states of a vCPU may run directly. Light.
 *
 * Selectors that user code can see are those of the guest; a Linux guest's descriptors 4 to 6 and 12 to 14
 * are the host's, and with any others the translator goes on. So with anything that makes instructions trap,
 * since a stub's wouldn't.
 */
#include "cpu/cpu_policy.h"
#include "cpu/domain.h"
#include "direct/internal.h"

#define CR4_TSD      (1u << 2)
#define CR4_FSGSBASE (1u << 16)
#define CR4_OSXSAVE  (1u << 18)

static bool segment_is_flat(const struct segment *s)
{
    return s->base == 0 && s->limit == ~0u;
}

static bool data_segment_fits(const struct segment *s)
{
    return s->selector == 0 || (s->selector == HOST_DS && segment_is_flat(s));
}

/* FS and GS have bases of their own; they may also be one of the descriptors for threads (state.c). */
static bool thread_segment_fits(const struct segment *s, uint64_t base)
{
    return base < USER_END && (data_segment_fits(s) || segment_is_tls(s->selector));
}

static bool code_fits(const struct vcpu *v)
{
    const struct segment *cs = &v->seg[SEG_CS];

    if (cs->selector == HOST_CS_64)
        return cs->attr & SEG_ATTR_L && v->rip < USER_END && gva_canonical(GVA(v->gpr[RSP]));
    return cs->selector == HOST_CS_32 && !(cs->attr & SEG_ATTR_L) && cs->attr & SEG_ATTR_D &&
           segment_is_flat(cs) && v->rip >> 32 == 0;
}

/*
 * What is scanned for depends on the domain's features, so the guest has to have all of them in XCR0: Linux
 * does.
 */
static bool xcr0_fits(const struct vcpu *v)
{
    const struct cpu_policy *p = v->domain ? v->domain->cpu_policy : NULL;

    return v->xcr0 & XCR0_AVX && (!p || v->xcr0 == p->xcr0_mask);
}

bool direct_fits(const struct vcpu *v)
{
    const struct segment *s = v->seg;
    const uint64_t traps = FLAG_TF | FLAG_VM | FLAG_AC;

    return v->user_mode && !v->task_switched && !(v->rflags & traps) && !(v->dr[7] & 0xff) &&
           (v->cr4 & (CR4_TSD | CR4_FSGSBASE | CR4_OSXSAVE)) == (CR4_FSGSBASE | CR4_OSXSAVE) &&
           xcr0_fits(v) && code_fits(v) && s[SEG_SS].selector == HOST_DS && segment_is_flat(&s[SEG_SS]) &&
           data_segment_fits(&s[SEG_DS]) && data_segment_fits(&s[SEG_ES]) &&
           thread_segment_fits(&s[SEG_FS], v->fs_base) && thread_segment_fits(&s[SEG_GS], v->gs_base);
}
