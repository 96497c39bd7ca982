/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Host system calls for light code: inline, no libc, no errno, no vector registers.
 * Each returns what the kernel returned: a result, or -errno.
 */
#ifndef DIPTYCH_BASE_RAWSYS_H
#define DIPTYCH_BASE_RAWSYS_H

#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>

#include "base/types.h"

static inline long rawsys6(long nr, long a, long b, long c, long d, long e, long f)
{
    register long r10 __asm__("r10") = d;
    register long r8 __asm__("r8") = e;
    register long r9 __asm__("r9") = f;
    long ret;

    __asm__ volatile("syscall"
                     : "=a"(ret)
                     : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return ret;
}

/* Sleeps while *addr == val, at most until the absolute CLOCK_MONOTONIC time (NULL: for ever). */
static inline long rawsys_futex_wait(int *addr, int val, const struct timespec *until)
{
    return rawsys6(SYS_futex, (long)addr, FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG, val, (long)until, 0,
                   (long)FUTEX_BITSET_MATCH_ANY);
}

static inline long rawsys_futex_wake(int *addr, int n)
{
    return rawsys6(SYS_futex, (long)addr, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, n, 0, 0, 0);
}

static inline long rawsys_tgkill(int tgid, int tid, int sig)
{
    return rawsys6(SYS_tgkill, tgid, tid, sig, 0, 0, 0);
}

struct stat;

/* fstat() itself: libc 2.33 to 2.38 use newfstatat(), which takes names too and is refused by the sandbox. */
static inline long rawsys_fstat(int fd, struct stat *st)
{
    return rawsys6(SYS_fstat, fd, (long)st, 0, 0, 0, 0);
}

static inline long rawsys_write(int fd, const void *p, size_t n)
{
    return rawsys6(SYS_write, fd, (long)p, (long)n, 0, 0, 0);
}

#endif
