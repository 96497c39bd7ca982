/* SPDX-License-Identifier: MIT */
/*
 * Shared by the test guests: checks of hypercall results, and small ways to provoke exceptions.
 */
#ifndef PVTEST_H
#define PVTEST_H

#include "pvguest/events.h"
#include "pvguest/mm.h"
#include "pvguest/traps.h"

/* A call is refused with exactly this error. */
#define refused_with(ret, error, what) check_eq((ret), -(error), what)

/* A call is refused; Xen's error depends on its build or its version. */
#define refused(ret, what)                                                   \
    do {                                                                     \
        long ret_ = (long)(ret);                                             \
        check(ret_<0 && ret_> - 4096, "%s: not refused: %ld", (what), ret_); \
    } while (0)

#define NONCANONICAL 0x0000800000000000UL

/* An address that nothing is mapped at. */
#define UNMAPPED 0xffffffffbf000000UL

/* Runs fn(arg) and checks that it raises exactly this vector, with this error code. */
static inline void raises(void (*fn)(void *), void *arg, unsigned vector, uint64_t error, const char *what)
{
    struct trap_frame f;

    if (!trap_catch(fn, arg, &f)) {
        check(false, "%s: no exception", what);
        return;
    }
    check(f.vector == vector && f.error == error, "%s: vector %lu error 0x%lx, want %u, 0x%lx", what,
          f.vector, f.error, vector, error);
}

#endif
