/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A futex lock that light code may take (see docs/architecture.md, "Light and heavy code"):
 * inline, no libc, no vector registers.  0 free, 1 held, 2 held with waiters.
 * From Drepper, "Futexes Are Tricky", mutex2.
 */
#ifndef DIPTYCH_BASE_LOCK_H
#define DIPTYCH_BASE_LOCK_H

#include "base/rawsys.h"

typedef struct {
    int state;
} lock_t;

/* Takes the lock if it is free. */
static inline bool lock_try(lock_t *l)
{
    int c = 0;

    return __atomic_compare_exchange_n(&l->state, &c, 1, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED);
}

static inline void lock_acquire(lock_t *l)
{
    int c = 0;

    if (__atomic_compare_exchange_n(&l->state, &c, 1, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
        return;
    for (int spin = 0; spin < 200; spin++) {
        c = 0;
        if (__atomic_compare_exchange_n(&l->state, &c, 1, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
            return;
        __builtin_ia32_pause();
    }
    while (__atomic_exchange_n(&l->state, 2, __ATOMIC_ACQUIRE) != 0)
        rawsys_futex_wait(&l->state, 2, NULL);
}

static inline void lock_release(lock_t *l)
{
    if (__atomic_exchange_n(&l->state, 0, __ATOMIC_RELEASE) == 2)
        rawsys_futex_wake(&l->state, 1);
}

#endif
