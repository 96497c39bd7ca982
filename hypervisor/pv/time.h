/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A guest's time: system time (nanoseconds since the domain started, told through pvclock), wall clock,
 * virtual timers and runstates.
 *
 * Guest system time follows the host's CLOCK_MONOTONIC: one line tsc -> ns is the same for all vCPUs of a
 * domain and is refined from time to time, without a step backwards (time.c).
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
    lock_t lock;  /* taken by who changes the line or tells guests of it */
    uint32_t seq; /* odd while line changes; any thread */
    struct time_line line;
    uint64_t tsc_per_ns;             /* fixed point, 32 bits fraction; any thread */
    bool tsc_stable;                 /* the host's TSC ticks evenly on all its CPUs */
    uint64_t start_mono_ns;          /* CLOCK_MONOTONIC at system time 0 */
    uint64_t last_tsc, last_mono_ns; /* newest measurement */
    uint64_t next_refine_tsc;        /* any thread */
    uint64_t refine_ns;              /* from one refinement to the next */
    uint64_t wall_ns;                /* CLOCK_REALTIME at system time 0, as the guest was told */
    uint32_t wall_version;
    uint64_t watchdog_ns[2]; /* SCHEDOP_watchdog: expiry, TIME_NEVER: off; any thread */
    uint32_t watchdogs_used; /* bit i: watchdog_ns[i] was given out; any thread */
};

/* Times are guest system time in ns, TIME_NEVER where none.  Fields marked any thread are atomic. */
struct time_vcpu {
    uint64_t singleshot_ns;
    uint64_t period_ns;    /* any thread; 0: off */
    uint64_t periodic_ns;  /* any thread: next tick */
    uint64_t poll_ns;      /* end of SCHEDOP_poll's wait */
    uint64_t check_tsc;    /* time_vcpu_check() has nothing to do before */
    unsigned checks;       /* calls of time_vcpu_check() that had nothing to do */
    bool changed;          /* any thread: deadlines or the line were changed */
    int host_timer;        /* kernel's id, -1: none */
    uint64_t armed_ns;     /* host timer's expiry */
    uint32_t runstate_seq; /* odd while pv_vcpu.runstate changes; any thread */
    uint32_t info_version; /* of our copy of vcpu_time_info; time_domain.lock held */
    gva_t time_area;       /* any thread: VCPUOP_register_vcpu_time_memory_area; 0: none */
    bool area_stale;       /* any thread: time_area has to be written */
};

/* Raises what has expired by now, without arming anything: for a vCPU that waits. Own thread, light. */
void time_fire_expired(struct vcpu *v);

/* When the next virtual timer of v expires, in guest system time; TIME_NEVER. Own thread, light. */
uint64_t time_next_expiry_ns(const struct vcpu *v);

/* Sets or, with TIME_NEVER, stops the one-shot timer. Own thread, light. */
void time_set_singleshot(struct vcpu *v, uint64_t expiry_ns);

/* Sets or, with 0, stops the periodic timer. Any thread, light. */
void time_set_periodic(struct vcpu *v, uint64_t period_ns);

/*
 * Refines the line if it is time, and passes a changed line on to what user space reads. Own thread, light.
 */
void time_keep_line(struct vcpu *v);

/* Tells the guest the wall clock: CLOCK_REALTIME at system time 0, in ns. time_domain.lock held, or before
 * the guest runs. Light. */
void time_set_wall(struct domain *d, uint64_t wall_ns);

/*
 * Registers where user space of the guest reads its time (0: nowhere), and fills it in if v is self. Light.
 */
bool time_set_area(struct vcpu *self, struct vcpu *v, gva_t area);

/* The vCPU's runstate with the time in its present state counted in. Any thread, light. */
struct vcpu_runstate_info;
void time_runstate_get(const struct vcpu *v, struct vcpu_runstate_info *r);

/* Registers the guest's copy (0: none) and fills it in. Self's thread; v may be another vCPU. Light. */
void time_set_runstate_area(struct vcpu *self, struct vcpu *v, gva_t area);

/* SCHEDOP_watchdog. 0 or the new watchdog's id (1, 2), or -XEN_E*. Own thread, light. */
int time_watchdog(struct vcpu *v, uint32_t id, uint32_t seconds);

#endif
