/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A guest's time: system time (nanoseconds since the domain started, told through pvclock), wall clock, virtual
 * timers and runstates.
 *
 * Guest system time follows the host's CLOCK_MONOTONIC: one line tsc -> ns is the same for all vCPUs of a domain and is
 * refined from time to time, without a step backwards (time.c).
 */
#ifndef DIPTYCH_PV_TIME_H
#define DIPTYCH_PV_TIME_H

#include "base/lock.h"
#include "base/types.h"

struct domain;
struct vcpu;

#define TIME_NEVER UINT64_MAX

/* ns = base_ns + (((tsc - base_tsc) shifted by shift) * mul >> 32), as struct vcpu_time_info has it. */
struct time_line {
    uint64_t base_tsc, base_ns;
    uint32_t mul;
    int8_t shift;
};

struct time_domain {
    lock_t lock;              /* taken by who refines the line */
    uint32_t seq;             /* odd while line changes; any thread */
    struct time_line line;
    bool tsc_stable;          /* the host's TSC ticks evenly on all its CPUs */
    uint64_t start_mono_ns;   /* CLOCK_MONOTONIC at system time 0 */
    uint64_t first_tsc, first_mono_ns; /* of the last measurement's far end */
    uint64_t next_refine_tsc; /* any thread */
    uint64_t refine_ns;       /* until the next refinement */
    uint64_t wall_ns;         /* CLOCK_REALTIME at system time 0, as shown to the guest */
    uint64_t tsc_hz;
    uint64_t watchdog_ns[2];  /* SCHEDOP_watchdog: guest system time of expiry, TIME_NEVER: off; any thread */
};

/* Times are guest system time in ns, TIME_NEVER where none.  Fields marked any thread are atomic. */
struct time_vcpu {
    uint64_t singleshot_ns;   /* any thread */
    uint64_t period_ns;       /* any thread; 0: off */
    uint64_t periodic_ns;     /* next tick */
    uint64_t poll_ns;         /* end of SCHEDOP_poll's wait */
    uint64_t check_tsc;       /* time_vcpu_check() has nothing to do before */
    bool changed;             /* any thread: deadlines were changed, or the line was */
    int host_timer;           /* kernel's id, -1: none */
    uint64_t armed_ns;        /* host timer's expiry, guest system time */
    gva_t time_area;          /* VCPUOP_register_vcpu_time_memory_area; 0: none */
    bool time_area_stale;     /* any thread */
};

#endif
