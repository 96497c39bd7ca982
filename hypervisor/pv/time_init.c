/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Starting a guest's clock and its vCPUs' host timers.  Heavy.
 */
#include "pv/time.h"

#include <cpuid.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "pv/panel.h"
#include "pv/time_math.h"

#define MEASURE_NS      5000000ull /* first measurement of the TSC's rate; good for some ppm */
#define REFINE_FIRST_NS 100000000ull

/* Xen gives PV guests a 100 Hz tick until they ask for something else. */
#define BOOT_PERIOD_NS 10000000ull

/* Whether the host's TSC ticks at one rate, in step on all CPUs: the CPU says so, or the kernel trusts it. */
static bool host_tsc_stable(void)
{
    unsigned a, b, c, d;
    char name[8] = "";
    int fd;

    if (__get_cpuid(0x80000007, &a, &b, &c, &d) && d & 1u << 8)
        return true;
    fd = open("/sys/devices/system/clocksource/clocksource0/current_clocksource", O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
        if (read(fd, name, 4) != 4)
            name[0] = 0;
        close(fd);
    }
    return memcmp(name, "tsc\n", 4) == 0;
}

int time_domain_init(struct domain *d)
{
    struct time_domain *t = &d->pv->time;
    uint64_t tsc0, mono0, tsc, mono, real;

    time_read_pair(CLOCK_MONOTONIC, &tsc0, &mono0);
    do
        time_read_pair(CLOCK_MONOTONIC, &tsc, &mono);
    while (mono - mono0 < MEASURE_NS);
    if ((int64_t)(tsc - tsc0) <= 0)
        return -ENODEV; /* a TSC that doesn't count */

    t->tsc_stable = host_tsc_stable();
    t->tsc_per_ns = time_ratio_fp32(tsc - tsc0, mono - mono0);
    time_line_slope(&t->line, mono - mono0, tsc - tsc0);
    t->line.base_tsc = tsc;
    t->line.base_ns = 0;
    t->start_mono_ns = mono;
    t->last_tsc = tsc;
    t->last_mono_ns = mono;
    t->refine_ns = REFINE_FIRST_NS;
    t->next_refine_tsc = tsc + time_ns_to_tsc(t, t->refine_ns);
    t->watchdog_ns[0] = t->watchdog_ns[1] = TIME_NEVER;
    time_read_pair(CLOCK_REALTIME, &tsc, &real);
    time_set_wall(d, real - time_line_ns(&t->line, tsc));

    for (unsigned i = 0; i < d->nr_vcpus; i++) {
        struct time_vcpu *tv = &pv_vcpu(d->vcpu[i])->time;

        tv->singleshot_ns = tv->periodic_ns = tv->poll_ns = tv->armed_ns = TIME_NEVER;
        tv->host_timer = -1;
        time_set_periodic(d->vcpu[i], BOOT_PERIOD_NS);
        pv_vcpu(d->vcpu[i])->runstate.state = RUNSTATE_offline;
        pv_vcpu(d->vcpu[i])->runstate.state_entry_time = 0;
        time_update_info(d->vcpu[i]);
    }
    return 0;
}

int time_vcpu_start(struct vcpu *v)
{
    struct time_vcpu *t = &pv_vcpu(v)->time;
    struct sigevent sev;
    long ret;

    memset(&sev, 0, sizeof(sev));
    sev.sigev_notify = SIGEV_THREAD_ID;
    sev.sigev_signo = VCPU_KICK_SIGNAL;
    sev.sigev_value.sival_ptr = v;
    sev._sigev_un._tid = gettid();
    ret = rawsys6(SYS_timer_create, CLOCK_MONOTONIC, (long)&sev, (long)&t->host_timer, 0, 0, 0);
    if (ret < 0) {
        t->host_timer = -1;
        return (int)ret;
    }
    t->armed_ns = TIME_NEVER;
    __atomic_store_n(&t->changed, true, __ATOMIC_RELEASE);
    time_update_info(v);
    return 0;
}

void time_vcpu_stop(struct vcpu *v)
{
    struct time_vcpu *t = &pv_vcpu(v)->time;

    if (t->host_timer >= 0)
        rawsys6(SYS_timer_delete, t->host_timer, 0, 0, 0, 0, 0);
    t->host_timer = -1;
    t->armed_ns = TIME_NEVER;
}
