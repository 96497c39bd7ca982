/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which states of a vCPU may run directly. Light.
 *
 * Selectors that user code can see are those of the guest; a Linux guest's descriptors 4 to 6 and 12 to 14 are the host's, and with any
 * others the translator goes on. So with anything that makes instructions trap, since a stub's wouldn't.
 */
#include "direct/internal.h"

#define XFEATURES 7u /* x87, SSE, AVX: all that a guest is shown */

#define HOST_CS_64 0x33
#define HOST_CS_32 0x23
#define HOST_DS    0x2b

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

/* FS and GS have bases of their own; they may also be one of the three descriptors for threads. */
static bool is_tls(uint16_t selector)
{
    return selector == 0x63 || selector == 0x6b || selector == 0x73;
}

bool direct_fits(const struct vcpu *v)
{
    const struct segment *s = v->seg;
    const uint64_t traps = FLAG_TF | FLAG_VM | FLAG_AC;

    if (!v->user_mode || v->task_switched || v->rflags & traps || v->dr[7] & 0xff)
        return false;
    if ((v->cr4 & (CR4_TSD | CR4_FSGSBASE | CR4_OSXSAVE)) != (CR4_FSGSBASE | CR4_OSXSAVE) || v->xcr0 != XFEATURES)
        return false;
    if (s[SEG_CS].selector == HOST_CS_64) {
        if (!(s[SEG_CS].attr & SEG_ATTR_L) || v->rip >= USER_END || !gva_canonical(GVA(v->gpr[RSP])))
            return false;
    } else {
        return false;
    }
    return s[SEG_SS].selector == HOST_DS && segment_is_flat(&s[SEG_SS]) && data_segment_fits(&s[SEG_DS]) &&
           data_segment_fits(&s[SEG_ES]) && (s[SEG_FS].selector == 0 || is_tls(s[SEG_FS].selector)) &&
           (s[SEG_GS].selector == 0 || is_tls(s[SEG_GS].selector)) && v->fs_base < USER_END && v->gs_base < USER_END;
}
