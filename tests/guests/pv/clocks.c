// SPDX-License-Identifier: MIT
/*
 * Time: system time by pvclock never goes back, agrees with the TSC's rate, and timers fire not before
 * their time and not much after.
 */
#include "pvtest.h"

static volatile unsigned timer_fired;
static volatile uint64_t timer_at;

static void timer_event(unsigned port)
{
    (void)port;
    timer_fired++;
    timer_at = system_time_ns();
}

/* Sleeps until the timer has fired n times in all, or 3 s have passed. */
static void wait_for(unsigned n)
{
    uint64_t until = system_time_ns() + 3000000000UL;

    while (timer_fired < n && system_time_ns() < until) {
        struct sched_poll poll = {.nr_ports = 0, .timeout = system_time_ns() + 10000000};

        hc_sched_op(SCHEDOP_poll, &poll);
    }
}

static void test_monotonic(void)
{
    uint64_t last = system_time_ns(), start = last, back = 0;

    for (unsigned i = 0; i < 200000; i++) {
        uint64_t now = system_time_ns();

        back += now < last;
        last = now;
        if (i % 4096 == 0)
            hc_sched_op(SCHEDOP_yield, NULL);
    }
    check_eq(back, 0, "times that time went back");
    check(last > start, "time passes");
    check(this_cpu()->info->time.tsc_to_system_mul, "the TSC's rate is given");
}

static void test_timer(const char *what, uint64_t delay, bool singleshot)
{
    unsigned before = timer_fired;
    uint64_t at = system_time_ns() + delay;
    struct vcpu_set_singleshot_timer set = {.timeout_abs_ns = at};

    check_eq(singleshot ? hc_vcpu_op(VCPUOP_set_singleshot_timer, 0, &set) : hc_set_timer_op(at), 0, what);
    wait_for(before + 1);
    check_eq(timer_fired, before + 1, what);
    check(timer_at >= at, "%s: %lu ns early", what, at - timer_at);
    check(timer_at < at + 500000000, "%s: %lu ns late", what, timer_at - at);
}

static void test_periodic(void)
{
    struct vcpu_set_periodic_timer set = {.period_ns = 5000000};
    unsigned before = timer_fired;
    uint64_t start = system_time_ns();

    check_eq(hc_vcpu_op(VCPUOP_set_periodic_timer, 0, &set), 0, "periodic timer");
    wait_for(before + 10);
    check(timer_fired >= before + 10, "only %u periods", timer_fired - before);
    check(system_time_ns() - start >= 45000000, "10 periods of 5 ms took %lu ns", system_time_ns() - start);
    check_eq(hc_vcpu_op(VCPUOP_stop_periodic_timer, 0, NULL), 0, "stopped");
    before = timer_fired;
    for (start = system_time_ns(); system_time_ns() < start + 50000000;)
        hc_sched_op(SCHEDOP_yield, NULL);
    check(timer_fired <= before + 1, "%u periods after the stop", timer_fired - before);
}

/* block: sleeps, events unmasked, until one comes. */
static void test_block(void)
{
    uint64_t start = system_time_ns();
    unsigned before = timer_fired;

    events_mask();
    hc_set_timer_op(start + 30000000);
    check_eq(hc_sched_op(SCHEDOP_block, NULL), 0, "block");
    check_eq(events_masked(), 0, "block unmasks events");
    check_eq(timer_fired, before + 1, "the timer woke us");
    check(system_time_ns() - start >= 30000000, "slept %lu ns", system_time_ns() - start);
}

static void test_rate(void)
{
    uint64_t t0 = system_time_ns(), c0 = tsc_read(), ns, cycles, khz_measured, khz_given;
    const struct vcpu_time_info *t = &this_cpu()->info->time;

    while (system_time_ns() < t0 + 200000000)
        cpu_relax();
    ns = system_time_ns() - t0;
    cycles = tsc_read() - c0;
    khz_measured = cycles * 1000000 / ns;
    khz_given = (1000000UL << 32) / t->tsc_to_system_mul;
    khz_given = t->tsc_shift < 0 ? khz_given << -t->tsc_shift : khz_given >> t->tsc_shift;
    check(khz_measured > khz_given * 98 / 100 && khz_measured < khz_given * 102 / 100,
          "TSC at %lu kHz measured, %lu given", khz_measured, khz_given);
    check(shared_info->wc_sec > 1600000000, "wall clock %u", shared_info->wc_sec);
}

static void test_runstate(void)
{
    static struct vcpu_runstate_info area;
    struct vcpu_register_runstate_memory_area reg = {.addr.v = &area};
    struct vcpu_runstate_info now = {0};
    uint64_t sum;

    check_eq(hc_vcpu_op(VCPUOP_register_runstate_memory_area, 0, &reg), 0, "register runstate area");
    check_eq(area.state, RUNSTATE_running, "running, by the area");
    check_eq(hc_vcpu_op(VCPUOP_get_runstate_info, 0, &now), 0, "get_runstate_info");
    check_eq(now.state, RUNSTATE_running, "running, by the call");
    sum = now.time[0] + now.time[1] + now.time[2] + now.time[3];
    check(sum <= system_time_ns() + 1000000, "states' times add up to %lu at %lu", sum, system_time_ns());
    check(now.time[RUNSTATE_blocked] > 20000000, "blocked for %lu ns", now.time[RUNSTATE_blocked]);
}

void guest_main(void)
{
    events_init();
    test_monotonic();
    /* A vCPU starts with a periodic timer of 10 ms. */
    check_eq(hc_vcpu_op(VCPUOP_stop_periodic_timer, 0, NULL), 0, "the first timer stopped");
    event_handler(event_bind_virq(VIRQ_TIMER, 0), timer_event);
    events_unmask();
    test_timer("set_timer_op, 20 ms", 20000000, false);
    test_timer("set_timer_op, 1 ms", 1000000, false);
    test_timer("set_timer_op, now", 0, false);
    test_timer("singleshot, 20 ms", 20000000, true);
    test_periodic();
    test_block();
    test_rate();
    test_runstate();
    events_mask();
}
