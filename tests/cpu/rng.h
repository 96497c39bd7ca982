/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The CPU test's random numbers: splitmix64, so that a sequence depends on (seed, index) and on nothing else.
 */
#ifndef DIPTYCH_TESTS_CPU_RNG_H
#define DIPTYCH_TESTS_CPU_RNG_H

#include "base/types.h"

struct rng {
    uint64_t state;
};

static inline uint64_t rng_u64(struct rng *r)
{
    uint64_t z = (r->state += 0x9e3779b97f4a7c15UL);

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9UL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebUL;
    return z ^ (z >> 31);
}

/* 0 .. n-1; n > 0 and small against 2^64, so that the bias doesn't matter. */
static inline uint64_t rng_below(struct rng *r, uint64_t n)
{
    return rng_u64(r) % n;
}

static inline bool rng_pct(struct rng *r, unsigned percent)
{
    return rng_below(r, 100) < percent;
}

#endif
