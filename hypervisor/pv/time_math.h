/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reading the host's clocks, and arithmetic of the line tsc -> ns, exactly as guests do it (pvclock; struct
 * vcpu_time_info in xen.h).
 */
#ifndef DIPTYCH_PV_TIME_MATH_H
#define DIPTYCH_PV_TIME_MATH_H

#include <x86intrin.h>

#include "base/rawsys.h"
#include "pv/time.h"

#define NS_PER_S 1000000000ull

/* (hi:lo) / d; hi < d.  gcc would call a library function for a 128-bit division. */
static inline uint64_t time_div128(uint64_t hi, uint64_t lo, uint64_t d)
{
    uint64_t q, r;

    __asm__("divq %4" : "=a"(q), "=d"(r) : "0"(lo), "1"(hi), "r"(d) : "cc");
    return q;
}

/* num / den with 32 fractional bits; num < den << 32. */
static inline uint64_t time_ratio_fp32(uint64_t num, uint64_t den)
{
    return time_div128(num >> 32, num << 32, den);
}

/* The line's value at tsc; at its base for a TSC before that. */
static inline uint64_t time_line_ns(const struct time_line *l, uint64_t tsc)
{
    uint64_t delta = tsc - l->base_tsc;

    if ((int64_t)delta < 0)
        delta = 0;
    delta = l->shift >= 0 ? delta << l->shift : delta >> -l->shift;
    return l->base_ns + (uint64_t)((unsigned __int128)delta * l->mul >> 32);
}

/* Sets shift and mul for a line that rises by ns over tsc ticks; both above 0 and below 2^48. */
static inline void time_line_slope(struct time_line *l, uint64_t ns, uint64_t tsc)
{
    int shift = 0;

    /* Scale until 1/2 <= ns/tsc < 1, so that all 32 bits of mul count. */
    for (; ns >= tsc; shift++)
        tsc <<= 1;
    for (; ns < tsc - ns; shift--)
        ns <<= 1;
    l->shift = (int8_t)shift;
    l->mul = (uint32_t)time_ratio_fp32(ns, tsc);
}

static inline uint64_t time_ns_to_tsc(const struct time_domain *t, uint64_t ns)
{
    return (uint64_t)((unsigned __int128)ns * __atomic_load_n(&t->tsc_per_ns, __ATOMIC_RELAXED) >> 32);
}

/* Nanoseconds of a host clock; a system call of its own, for light code. */
static inline uint64_t time_host_clock(clockid_t id)
{
    struct timespec ts = {0, 0};

    rawsys6(SYS_clock_gettime, id, (long)&ts, 0, 0, 0, 0);
    return (uint64_t)ts.tv_sec * NS_PER_S + (uint64_t)ts.tv_nsec;
}

/* Reads the TSC and a clock at the same moment: the best of a few tries. */
static inline void time_read_pair(clockid_t id, uint64_t *tsc, uint64_t *ns)
{
    uint64_t best = UINT64_MAX;

    *tsc = *ns = 0;
    for (int i = 0; i < 5; i++) {
        uint64_t before = __rdtsc();
        uint64_t t = time_host_clock(id);
        uint64_t after = __rdtsc();

        if (after - before < best) {
            best = after - before;
            *tsc = before + (after - before) / 2;
            *ns = t;
        }
    }
}

#endif
