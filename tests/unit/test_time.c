/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Guest time against the host's: the clock as a guest computes it from vcpu_time_info, its consistency over
 * vCPUs while it is refined, and virtual timers with their host timer.
 */
#include <check.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>
#include <x86intrin.h>

#include "pv/hypercall.h"
#include "pv/time_math.h"
#include "pv_fakes.h"
#include "suite.h"

#define D    (&fake_dom[0])
#define V(n) (fake_dom[0].vcpu[n])
#define MS   1000000ull

/* System time as a kernel reads it (pvclock). Translated code isn't instrumented either. */
__attribute__((no_sanitize("thread"))) static uint64_t guest_now(const volatile struct vcpu_time_info *t)
{
    uint32_t version;
    uint64_t tsc, delta, ns;

    do {
        while ((version = t->version) & 1)
            __builtin_ia32_pause();
        __builtin_ia32_lfence();
        tsc = __rdtsc();
        delta = tsc - t->tsc_timestamp;
        delta = t->tsc_shift >= 0 ? delta << t->tsc_shift : delta >> -t->tsc_shift;
        ns = t->system_time + (uint64_t)((unsigned __int128)delta * t->tsc_to_system_mul >> 32);
        __builtin_ia32_lfence();
    } while (t->version != version);
    return ns;
}

static uint64_t host_now(clockid_t id)
{
    struct timespec ts;

    clock_gettime(id, &ts);
    return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

/* Guest time minus host time since the domain's start. */
static int64_t error_ns(unsigned vcpu)
{
    return (int64_t)(guest_now(&V(vcpu)->pv->info->time) + D->pv->time.start_mono_ns -
                     host_now(CLOCK_MONOTONIC));
}

START_TEST(slope)
{
    static const struct {
        uint64_t hz;
    } rates[] = {{1000000000}, {999999999},  {1000000001}, {2600000000},
                 {4294967296}, {5000000000}, {100000000}};

    for (unsigned i = 0; i < ARRAY_SIZE(rates); i++) {
        struct time_line l = {.base_tsc = 1000, .base_ns = 77};
        int64_t day = 86400ll * 1000000000, err;

        time_line_slope(&l, 1000000000, rates[i].hz);
        ck_assert_uint_ge(l.mul, 1u << 31);
        err = (int64_t)(time_line_ns(&l, 1000 + rates[i].hz * 86400) - 77) - day;
        /* 32 bits of multiplier: half a part in 2^31 */
        ck_assert_int_le(err < 0 ? -err : err, day >> 30);
        ck_assert_uint_eq(time_line_ns(&l, 1000), 77);
        ck_assert_uint_eq(time_line_ns(&l, 5), 77); /* before its base it stands */
    }
}
END_TEST

START_TEST(follows_the_host)
{
    ck_assert_int_lt(llabs(error_ns(0)), 20000);
    for (unsigned i = 0; i < 12; i++) {
        usleep(25000);
        time_vcpu_check(V(i % FAKE_VCPUS), true);
    }
    /* 0.01 % would be 30 us after 300 ms. */
    ck_assert_int_lt(llabs(error_ns(0)), 30000);
    ck_assert_int_lt(llabs(error_ns(3)), 30000);
    ck_assert_int_lt(llabs((int64_t)(time_system_ns(D) - guest_now(&V(1)->pv->info->time))), 10000);
    ck_assert_uint_eq(D->pv->time.refine_ns, 1000 * MS); /* it was refined once */
}
END_TEST

START_TEST(wall_clock)
{
    struct shared_info *s = D->pv->shared_info;
    uint64_t wall = ((uint64_t)s->wc_sec_hi << 32 | s->wc_sec) * 1000000000 + s->wc_nsec;
    int64_t err = (int64_t)(wall + time_system_ns(D) - host_now(CLOCK_REALTIME));

    ck_assert_uint_eq(s->wc_version & 1, 0);
    ck_assert_uint_lt(s->wc_nsec, 1000000000);
    ck_assert_int_lt(llabs(err), 1000000);
}
END_TEST

/*
 * A line that is wrong by much must be bent back without a step backwards, and a host that slept is caught up
 * with.
 */
START_TEST(corrects_itself)
{
    struct time_domain *t = &D->pv->time;
    uint64_t before, after;
    int64_t err;

    /* Behind by 50 ms: stepped over. */
    t->start_mono_ns -= 50 * MS;
    t->next_refine_tsc = 0;
    V(0)->pv->time.changed = true;
    before = guest_now(&V(2)->pv->info->time);
    time_vcpu_check(V(0), true);
    after = guest_now(&V(2)->pv->info->time);
    ck_assert_uint_ge(after, before + 49 * MS);
    ck_assert_int_lt(llabs(error_ns(1)), 100000);

    /* Ahead by 200 us: slowed down, never stepped. */
    t->start_mono_ns += 200000;
    t->refine_ns = 10 * MS;
    t->next_refine_tsc = 0;
    V(0)->pv->time.changed = true;
    before = guest_now(&V(2)->pv->info->time);
    time_vcpu_check(V(0), true);
    ck_assert_uint_ge(guest_now(&V(2)->pv->info->time), before);
    err = error_ns(1);
    usleep(100000);
    ck_assert_int_lt(error_ns(1), err - 20000); /* 500 ppm of 100 ms is 50 us */
}
END_TEST

static int stop_readers;
static uint64_t last_seen;
static unsigned backward;

/* Readings of any vCPU's clock, in one order: what the stable flag promises. */
static void *reader(void *arg)
{
    const volatile struct vcpu_time_info *t = &V((uintptr_t)arg)->pv->info->time;

    while (!__atomic_load_n(&stop_readers, __ATOMIC_RELAXED)) {
        uint64_t seen = __atomic_load_n(&last_seen, __ATOMIC_SEQ_CST);
        uint64_t now = guest_now(t);

        if (now < seen)
            __atomic_fetch_add(&backward, 1, __ATOMIC_RELAXED);
        while (now > seen && !__atomic_compare_exchange_n(&last_seen, &seen, now, false, __ATOMIC_SEQ_CST,
                                                          __ATOMIC_SEQ_CST))
            ;
    }
    return NULL;
}

START_TEST(never_backwards)
{
    pthread_t t[3];

    stop_readers = 0;
    last_seen = 0;
    backward = 0;
    for (uintptr_t i = 0; i < 3; i++)
        pthread_create(&t[i], NULL, reader, (void *)i);
    for (unsigned i = 0; i < 300; i++) {
        /* Wrong by up to 300 us either way, so that each refinement bends the line as far as it may. */
        D->pv->time.start_mono_ns += (uint64_t)((int64_t)(i % 7) - 3) * 100000;
        D->pv->time.refine_ns = MS;
        D->pv->time.next_refine_tsc = 0;
        V(3)->pv->time.changed = true;
        time_vcpu_check(V(3), true);
        usleep(1000);
    }
    __atomic_store_n(&stop_readers, 1, __ATOMIC_RELAXED);
    for (unsigned i = 0; i < 3; i++)
        pthread_join(t[i], NULL);
    ck_assert_uint_eq(backward, 0);
}
END_TEST

/* ---- timers ---- */

static uint32_t bind_timer(unsigned vcpu)
{
    struct evtchn_bind_virq b = {.virq = VIRQ_TIMER, .vcpu = vcpu};

    ck_assert_int_eq(evtchn_bind_virq(D, &b), 0);
    return b.port;
}

static bool take(uint32_t port)
{
    return __atomic_fetch_and(&D->pv->shared_info->evtchn_pending[port / 64], ~(1UL << port % 64),
                              __ATOMIC_SEQ_CST) >>
               port % 64 &
           1;
}

static int64_t set_timer(unsigned vcpu, int64_t timeout)
{
    return hc_set_timer_op(V(vcpu), (uint64_t[6]){(uint64_t)timeout});
}

START_TEST(singleshot)
{
    uint32_t port = bind_timer(0);
    uint64_t start = time_system_ns(D);

    time_set_periodic(V(0), 0);
    ck_assert_uint_eq(time_next_deadline(V(0)), 0);
    ck_assert_int_eq(set_timer(0, (int64_t)(start + 20 * MS)), 0);
    time_vcpu_check(V(0), true);
    ck_assert(!take(port));
    ck_assert_int_lt(llabs((int64_t)(time_next_deadline(V(0)) - D->pv->time.start_mono_ns - start - 20 * MS)),
                     50000);
    usleep(21000);
    time_vcpu_check(V(0), true);
    ck_assert(take(port));
    time_vcpu_check(V(0), true);
    ck_assert(!take(port));

    /* In the past: at once. Never, if stopped. */
    ck_assert_int_eq(set_timer(0, 1), 0);
    time_vcpu_check(V(0), true);
    ck_assert(take(port));
    ck_assert_int_eq(set_timer(0, 1), 0);
    ck_assert_int_eq(set_timer(0, 0), 0);
    time_vcpu_check(V(0), true);
    ck_assert(!take(port));

    /* Absurd ones are in 100 ms. */
    ck_assert_int_eq(set_timer(0, -5), 0);
    ck_assert_uint_ge(time_next_expiry_ns(V(0)), start + 100 * MS);
    ck_assert_uint_le(time_next_expiry_ns(V(0)), time_system_ns(D) + 100 * MS);
    ck_assert_int_eq(set_timer(0, INT64_MAX), 0);
    ck_assert_uint_le(time_next_expiry_ns(V(0)), time_system_ns(D) + 100 * MS);
}
END_TEST

START_TEST(periodic)
{
    uint32_t port = bind_timer(1);
    unsigned ticks = 0;

    /* The boot tick of 100 Hz is there from the start. */
    ck_assert_uint_eq(V(1)->pv->time.period_ns, 10 * MS);
    time_set_periodic(V(1), 5 * MS);
    for (unsigned i = 0; i < 60; i++) {
        usleep(1000);
        time_vcpu_check(V(1), true);
        ticks += take(port);
    }
    ck_assert_uint_ge(ticks, 10);
    ck_assert_uint_le(ticks, 20);
    /* Ticks that nobody saw are gone, but for one. */
    usleep(30000);
    time_vcpu_check(V(1), true);
    ck_assert(take(port));
    ck_assert_uint_gt(time_next_expiry_ns(V(1)), time_system_ns(D) - MS);
    ck_assert_uint_le(time_next_expiry_ns(V(1)), time_system_ns(D) + 5 * MS);
    time_set_periodic(V(1), 0);
    time_vcpu_check(V(1), true);
    usleep(10000);
    time_vcpu_check(V(1), true);
    ck_assert(!take(port));
}
END_TEST

static volatile unsigned kicks;

static void on_kick(int sig, siginfo_t *si, void *ctx)
{
    (void)sig;
    (void)ctx;
    if (si->si_code == SI_TIMER && si->si_value.sival_ptr == V(0))
        kicks++;
}

START_TEST(host_timer)
{
    struct sigaction sa = {.sa_sigaction = on_kick, .sa_flags = SA_SIGINFO};
    uint32_t port = bind_timer(0);
    uint64_t deadline, armed;

    sigaction(VCPU_KICK_SIGNAL, &sa, NULL);
    ck_assert_int_eq(time_vcpu_start(V(0)), 0);
    time_set_periodic(V(0), 0);
    for (unsigned i = 0; i < 20; i++) {
        kicks = 0;
        deadline = time_system_ns(D) + 3 * MS;
        set_timer(0, (int64_t)deadline);
        time_vcpu_check(V(0), true);
        while (!kicks)
            usleep(100);
        /* Never early: the check that follows the kick must find the timer expired. */
        ck_assert_uint_ge(time_system_ns(D), deadline);
        time_vcpu_check(V(0), true);
        ck_assert(take(port));
    }
    /* A timer moved to later arms nothing; it is caught up with when the old one fires. */
    kicks = 0;
    set_timer(0, (int64_t)(time_system_ns(D) + 3 * MS));
    time_vcpu_check(V(0), true);
    armed = V(0)->pv->time.armed_ns;
    deadline = time_system_ns(D) + 8 * MS;
    set_timer(0, (int64_t)deadline);
    time_vcpu_check(V(0), true);
    ck_assert_uint_eq(V(0)->pv->time.armed_ns, armed);
    while (kicks < 1)
        usleep(100);
    time_vcpu_check(V(0), true);
    ck_assert(!take(port));
    while (kicks < 2)
        usleep(100);
    time_vcpu_check(V(0), true);
    ck_assert(take(port));
    ck_assert_uint_ge(time_system_ns(D), deadline);
    time_vcpu_stop(V(0));
}
END_TEST

START_TEST(watchdogs)
{
    int first = time_watchdog(V(0), 0, 1000), second = time_watchdog(V(0), 0, 1000);

    ck_assert_int_eq(first, 1);
    ck_assert_int_eq(second, 2);
    ck_assert_int_eq(time_watchdog(V(0), 0, 5), -XEN_ENOSPC);
    ck_assert_int_eq(time_watchdog(V(0), 3, 5), -XEN_EINVAL);
    ck_assert_int_eq(time_watchdog(V(0), 1, 0), 0);
    ck_assert_int_eq(time_watchdog(V(0), 1, 5), -XEN_EINVAL); /* given back */
    time_vcpu_check(V(0), true);
    ck_assert_int_eq(D->end, DOMAIN_RUNNING);
    D->pv->time.watchdog_ns[1] = 1;
    V(0)->pv->time.changed = true;
    time_vcpu_check(V(0), true);
    ck_assert_int_eq(D->end, DOMAIN_WATCHDOG);
}
END_TEST

/* ---- runstates ---- */

START_TEST(runstates)
{
    struct vcpu_runstate_info *area = fake_guest_alloc(D, sizeof(*area)), r;
    uint64_t sum = 0;

    time_runstate_set(V(0), RUNSTATE_running);
    usleep(3000);
    time_set_runstate_area(V(0), V(0), fake_gva(area));
    ck_assert_int_eq(area->state, RUNSTATE_running);
    time_runstate_set(V(0), RUNSTATE_blocked);
    usleep(5000);
    time_runstate_set(V(0), RUNSTATE_running);
    ck_assert_int_eq(area->state, RUNSTATE_running);
    ck_assert_uint_ge(area->time[RUNSTATE_blocked], 5 * MS);
    ck_assert_uint_ge(area->time[RUNSTATE_running], 3 * MS);
    D->pv->vm_assist = 1UL << VMASST_TYPE_runstate_update_flag;
    time_runstate_set(V(0), RUNSTATE_blocked);
    ck_assert_int_eq(area->state, RUNSTATE_blocked);
    ck_assert_uint_eq(area->state_entry_time & XEN_RUNSTATE_UPDATE, 0);
    time_runstate_get(V(0), &r);
    for (unsigned i = 0; i < 4; i++)
        sum += r.time[i];
    /* The states' times add up to system time. */
    ck_assert_int_lt(llabs((int64_t)(time_system_ns(D) - sum)), 1000000);
}
END_TEST

START_TEST(user_time_area)
{
    struct vcpu_time_info *area = fake_guest_alloc(D, sizeof(*area));

    ck_assert(time_set_area(V(0), V(0), fake_gva(area)));
    ck_assert_uint_eq(area->version & 1, 0);
    ck_assert_uint_eq(area->system_time, V(0)->pv->info->time.system_time);
    D->pv->time.next_refine_tsc = 0;
    V(1)->pv->time.changed = true;
    fake_requests(V(0), NULL);
    time_vcpu_check(V(1), true);
    ck_assert_uint_ne(area->system_time, V(0)->pv->info->time.system_time);
    ck_assert_uint_eq(fake_requests(V(0), NULL), VCPU_REQ_TIMER);
    time_vcpu_check(V(0), true);
    ck_assert_mem_eq(area, &V(0)->pv->info->time, sizeof(*area));
    ck_assert(!time_set_area(V(0), V(0), GVA(16)));
    ck_assert(time_set_area(V(0), V(0), GVA(0)));
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("time");

    tcase_add_checked_fixture(t, fake_setup, fake_teardown);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, slope);
    tcase_add_test(t, follows_the_host);
    tcase_add_test(t, wall_clock);
    tcase_add_test(t, corrects_itself);
    tcase_add_test(t, never_backwards);
    tcase_add_test(t, singleshot);
    tcase_add_test(t, periodic);
    tcase_add_test(t, host_timer);
    tcase_add_test(t, watchdogs);
    tcase_add_test(t, runstates);
    tcase_add_test(t, user_time_area);
    return suite_run("time", t);
}
