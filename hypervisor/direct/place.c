/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * On which CPU user code runs: on that of the vCPU's thread.
 *
 * Only one of the two ever runs, and handing over from one to the other costs six times as much when they are on two CPUs (the other one has
 * to be woken from idle). The host's scheduler tends to put them on two, so both are bound to one. A thread that is bound can't
 * be moved when somebody else wants the CPU; so now and then it is let go for the length of one stay in user code, and bound again where
 * the scheduler has woken it.
 *
 * Light: raw system calls only.
 */
#include "base/rawsys.h"
#include "direct/internal.h"

#define STAY_TICKS (1UL << 25) /* of the TSC: some ten milliseconds */

static void bind(int tid, int cpu)
{
    uint64_t mask[16] = {0};

    mask[cpu / 64] = 1UL << (cpu % 64);
    rawsys6(SYS_sched_setaffinity, tid, sizeof(mask), (long)mask, 0, 0, 0);
}

static int cpu_now(void)
{
    unsigned cpu = 0;

    rawsys6(SYS_getcpu, (long)&cpu, 0, 0, 0, 0, 0);
    return cpu < 1024 ? (int)cpu : 0;
}

void place_init(struct direct *d)
{
    d->cpu = -1;
    if (rawsys6(SYS_sched_getaffinity, 0, sizeof(d->cpus), (long)d->cpus, 0, 0, 0) < 0)
        for (unsigned i = 0; i < ARRAY_SIZE(d->cpus); i++)
            d->cpus[i] = ~0UL;
}

void place_release(struct direct *d)
{
    if (d->cpu < 0)
        return;
    rawsys6(SYS_sched_setaffinity, 0, sizeof(d->cpus), (long)d->cpus, 0, 0, 0);
    d->cpu = -1;
}

static void settle(struct direct *d)
{
    d->cpu = cpu_now();
    d->cpu_since = __builtin_ia32_rdtsc();
    d->floating = false;
    bind(0, d->cpu);
}

void place_before(struct direct *d, struct space *sp)
{
    if (d->cpu < 0) {
        settle(d);
    } else if (!d->floating && __builtin_ia32_rdtsc() - d->cpu_since > STAY_TICKS) {
        rawsys6(SYS_sched_setaffinity, 0, sizeof(d->cpus), (long)d->cpus, 0, 0, 0);
        d->floating = true;
    }
    if (sp->cpu != d->cpu) {
        bind(sp->pid, d->cpu);
        sp->cpu = d->cpu;
    }
}

void place_after(struct direct *d)
{
    if (d->floating)
        settle(d);
}
