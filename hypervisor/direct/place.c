/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * On which CPU user code runs: on that of the vCPU's thread.
 *
 * Only one of the two ever runs, and handing over from one to the other costs six times as much when they are
 * on two CPUs (the other one has to be woken from idle). Linux 6.6 and later can be told to keep a hand-over
 * on its CPU. With others the host's scheduler tends to put the two on two CPUs, so both are bound to one.
 * But then it can't move them when somebody else wants that CPU. So we do that ourselves: vCPUs of this
 * process keep off each other's CPUs as long as there are others, and every ten milliseconds a stub's CPU
 * time is compared with how long it should have had: if much is missing, both go elsewhere.
 *
 * Light: raw system calls only.
 */
#include "base/rawsys.h"
#include "direct/internal.h"

#define STAY_TICKS (1UL << 25) /* of the TSC: some ten milliseconds */
#define CPUS       (64u * ARRAY_SIZE(((struct direct *)NULL)->cpus))

/* How many vCPUs are bound to each CPU. Any thread. */
static uint8_t bound[1024];

_Static_assert(CPUS <= ARRAY_SIZE(bound), "a count for each bit of the mask");

static void bind(int tid, int cpu)
{
    uint64_t mask[ARRAY_SIZE(((struct direct *)NULL)->cpus)] = {0};

    mask[cpu / 64] = 1UL << (cpu % 64);
    rawsys6(SYS_sched_setaffinity, tid, sizeof(mask), (long)mask, 0, 0, 0);
}

static unsigned cpu_now(void)
{
    unsigned cpu = 0;

    rawsys6(SYS_getcpu, (long)&cpu, 0, 0, 0, 0, 0);
    return cpu < CPUS ? cpu : 0;
}

static uint64_t clock_ns(long clock)
{
    struct timespec t = {0, 0};

    rawsys6(SYS_clock_gettime, clock, (long)&t, 0, 0, 0, 0);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* The CPU-time clock of a process (clock_getcpuclockid(3)). */
static long clock_of(int pid)
{
    return (long)(~(unsigned)pid << 3 | 2u);
}

void place_init(struct direct *d)
{
    d->cpu = -1;
    if (rawsys6(SYS_sched_getaffinity, 0, sizeof(d->cpus), (long)d->cpus, 0, 0, 0) < 0)
        for (unsigned i = 0; i < ARRAY_SIZE(d->cpus); i++)
            d->cpus[i] = 0;
}

static void unclaim(struct direct *d)
{
    if (d->cpu >= 0)
        __atomic_fetch_sub(&bound[d->cpu], 1, __ATOMIC_RELAXED);
    d->cpu = -1;
}

void place_release(struct direct *d)
{
    if (d->cpu < 0)
        return;
    unclaim(d);
    rawsys6(SYS_sched_setaffinity, 0, sizeof(d->cpus), (long)d->cpus, 0, 0, 0);
}

/* Of the CPUs that we may use, from `from` on and round, the first with the fewest vCPUs. */
static unsigned cpu_choose(const struct direct *d, unsigned from)
{
    unsigned best = from;
    unsigned fewest = ~0u;

    for (unsigned i = 0; i < CPUS; i++) {
        unsigned cpu = (from + i) % CPUS;
        unsigned n;

        if (!(d->cpus[cpu / 64] >> (cpu % 64) & 1))
            continue;
        n = __atomic_load_n(&bound[cpu], __ATOMIC_RELAXED);
        if (n < fewest) {
            fewest = n;
            best = cpu;
        }
    }
    return best;
}

static void settle(struct direct *d, unsigned cpu)
{
    d->cpu = (int)cpu;
    __atomic_fetch_add(&bound[cpu], 1, __ATOMIC_RELAXED);
    bind(0, d->cpu);
}

/* Begins to watch what the CPU gives to a stub. */
static void watch(struct direct *d, struct space *sp)
{
    d->watched = sp;
    d->watch_ticks = 0;
    d->watch_tsc = __builtin_ia32_rdtsc();
    d->watch_ns = clock_ns(CLOCK_MONOTONIC);
    d->watch_used = clock_ns(clock_of(sp->stub.pid));
}

/*
 * Whether somebody else takes much of the CPU: the stub that we have watched should have used it all the time
 * that we waited.
 */
static bool crowded(const struct direct *d)
{
    uint64_t ticks = __builtin_ia32_rdtsc() - d->watch_tsc;
    uint64_t ns = clock_ns(CLOCK_MONOTONIC) - d->watch_ns;
    uint64_t used = clock_ns(clock_of(d->watched->stub.pid)) - d->watch_used;

    return d->watch_ticks > ticks / 2 && used < ns / 4 * 3 * (d->watch_ticks >> 10) / (ticks >> 10);
}

void place_before(struct direct *d, struct space *sp)
{
    if (d->stays)
        return;
    if (d->cpu < 0) {
        settle(d, cpu_choose(d, cpu_now()));
        watch(d, sp);
    } else if (__builtin_ia32_rdtsc() - d->watch_tsc > STAY_TICKS) {
        if (d->watched == sp && crowded(d)) {
            unsigned next = ((unsigned)d->cpu + 1) % CPUS;

            unclaim(d);
            settle(d, cpu_choose(d, next));
        }
        watch(d, sp);
    }
    if (sp->cpu != d->cpu) {
        bind(sp->stub.pid, d->cpu);
        sp->cpu = d->cpu;
    }
}

void place_after(struct direct *d, struct space *sp, uint64_t ticks)
{
    if (d->watched == sp)
        d->watch_ticks += ticks;
    else
        d->watched = NULL;
}
