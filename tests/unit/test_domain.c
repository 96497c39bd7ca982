/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How a domain ends: the first call wins, everybody is woken, a crash says one line; and offline vCPUs'
 * threads wait.
 */
#include <check.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cpu/domain.h"
#include "engine/engine.h"
#include "suite.h"

static unsigned heavy_calls, dumps;

/* Stands for cpu/vcpu.c. */
void vcpu_request(struct vcpu *v, uint32_t req)
{
    __atomic_fetch_or(&v->requests, req, __ATOMIC_ACQ_REL);
}

/* Stands for the engine, whose saving of vector state doesn't matter here. */
void engine_heavy_call(struct vcpu *v, void (*fn)(void *), void *arg)
{
    (void)v;
    heavy_calls++;
    fn(arg);
}

static void dump(struct vcpu *v)
{
    (void)v;
    dumps++;
}

static struct domain d;
static struct vcpu vcpu[3];

static void setup(void)
{
    memset(&d, 0, sizeof(d));
    memset(vcpu, 0, sizeof(vcpu));
    strcpy(d.name, "t");
    d.end = DOMAIN_RUNNING;
    d.nr_vcpus = 3;
    for (unsigned i = 0; i < 2; i++) { /* the third isn't made yet */
        vcpu[i].id = i;
        vcpu[i].domain = &d;
        d.vcpu[i] = &vcpu[i];
    }
    heavy_calls = dumps = 0;
    domain_dump = dump;
}

/* Calls domain_crash() and returns what it wrote to stderr. */
static const char *crash(struct vcpu *v, const char *reason, uint64_t value)
{
    static char text[2048];
    int p[2], saved = dup(STDERR_FILENO);
    ssize_t n;

    ck_assert_int_eq(pipe(p), 0);
    dup2(p[1], STDERR_FILENO);
    close(p[1]);
    domain_crash(&d, v, reason, value);
    dup2(saved, STDERR_FILENO);
    close(saved);
    n = read(p[0], text, sizeof(text) - 1);
    close(p[0]);
    text[n > 0 ? n : 0] = 0;
    return text;
}

START_TEST(first_end_wins)
{
    domain_shutdown(&d, DOMAIN_REBOOT);
    domain_shutdown(&d, DOMAIN_POWEROFF);
    ck_assert_int_eq(d.end, DOMAIN_REBOOT);
    ck_assert_str_eq(crash(&vcpu[0], "too late", 0), "");
    ck_assert_int_eq(d.end, DOMAIN_REBOOT);
    ck_assert_uint_eq(dumps, 0);
    ck_assert_uint_eq(vcpu[0].requests, VCPU_REQ_STOP);
    ck_assert_uint_eq(vcpu[1].requests, VCPU_REQ_STOP);
    ck_assert_int_ne(d.end_futex, 0);
}
END_TEST

START_TEST(crash_says_what)
{
    ck_assert_str_eq(crash(&vcpu[1], "triple fault, vector", 0xdeadbeefcafef00d),
                     "diptych: domain t vCPU 1: triple fault, vector (0xdeadbeefcafef00d)\n");
    ck_assert_str_eq(d.end_reason, "triple fault, vector (0xdeadbeefcafef00d)");
    ck_assert_int_eq(d.end, DOMAIN_CRASH);
    ck_assert_uint_eq(dumps, 1);
    ck_assert_uint_eq(heavy_calls, 1);
}
END_TEST

START_TEST(crash_without_vcpu)
{
    ck_assert_str_eq(crash(NULL, "bad ring", 0), "diptych: domain t: bad ring (0x0)\n");
    ck_assert_uint_eq(dumps, 0);
}
END_TEST

START_TEST(crash_quiet)
{
    d.quiet_crash = true;
    ck_assert_str_eq(crash(&vcpu[0], "x", 1), "");
    ck_assert_str_eq(d.end_reason, "x (0x1)");
    ck_assert_uint_eq(dumps, 0);
}
END_TEST

/* A reason longer than a line is cut off, not written past the end. */
START_TEST(crash_long)
{
    char reason[1000];
    const char *said;

    memset(reason, 'r', sizeof(reason) - 1);
    reason[sizeof(reason) - 1] = 0;
    said = crash(&vcpu[0], reason, 1);
    ck_assert_uint_eq(strlen(said), 300);
    ck_assert_int_eq(said[299], '\n');
    ck_assert_uint_eq(strlen(d.end_reason), sizeof(d.end_reason) - 1);
}
END_TEST

static void *waiter(void *v)
{
    return domain_vcpu_wait_online(v) ? "online" : "ended";
}

START_TEST(parked_until_online)
{
    pthread_t thread;
    void *result;

    for (unsigned i = 0; i < 200; i++) {
        vcpu[1].online = false;
        pthread_create(&thread, NULL, waiter, &vcpu[1]);
        if (i % 2)
            usleep(100);
        __atomic_store_n(&vcpu[1].online, true, __ATOMIC_RELEASE);
        domain_vcpu_online(&vcpu[1]);
        pthread_join(thread, &result);
        ck_assert_str_eq(result, "online");
    }
}
END_TEST

START_TEST(parked_until_end)
{
    pthread_t thread;
    void *result;

    for (unsigned i = 0; i < 200; i++) {
        setup();
        pthread_create(&thread, NULL, waiter, &vcpu[1]);
        if (i % 2)
            usleep(100);
        domain_shutdown(&d, DOMAIN_POWEROFF);
        pthread_join(thread, &result);
        ck_assert_str_eq(result, "ended");
    }
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("domain");

    tcase_add_checked_fixture(t, setup, NULL);
    tcase_add_test(t, first_end_wins);
    tcase_add_test(t, crash_says_what);
    tcase_add_test(t, crash_without_vcpu);
    tcase_add_test(t, crash_quiet);
    tcase_add_test(t, crash_long);
    tcase_add_test(t, parked_until_online);
    tcase_add_test(t, parked_until_end);
    return suite_run("domain", t);
}
