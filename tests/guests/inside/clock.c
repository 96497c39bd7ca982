/* width: 64 32 */
// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Time never goes back, on no CPU and by no way of asking (vDSO or system call), and sleeps last as long as
 * asked: not less, and not absurdly more. A pvclock page that is torn, or differs between vCPUs, goes back.
 */
#include "check.h"

#include <pthread.h>
#include <sched.h>
#include <sys/syscall.h>
#include <sys/time.h>

static volatile int stop;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static uint64_t latest;

static uint64_t by_system_call_ns(clockid_t clock)
{
#ifdef __x86_64__
    struct timespec ts;

    CHECK(syscall(SYS_clock_gettime, clock, &ts) == 0);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
#else
    int64_t ts[2];

    CHECK(syscall(SYS_clock_gettime64, clock, ts) == 0);
    return (uint64_t)ts[0] * 1000000000u + (uint64_t)(uint32_t)ts[1];
#endif
}

/* Under a lock, so that "before" and "after" mean something across CPUs. */
static void *watch(void *argument)
{
    unsigned number = (unsigned)(uintptr_t)argument;
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);
    cpu_set_t set;

    CPU_ZERO(&set);
    CPU_SET(number % (unsigned)cpus, &set);
    sched_setaffinity(0, sizeof(set), &set);
    while (!stop) {
        pthread_mutex_lock(&lock);
        for (int i = 0; i < 50; i++) {
            uint64_t now = i % 8 ? monotonic_ns() : by_system_call_ns(CLOCK_MONOTONIC);

            if (now < latest)
                FAIL("went back by %llu ns on CPU %u", (unsigned long long)(latest - now),
                     number % (unsigned)cpus);
            latest = now;
        }
        pthread_mutex_unlock(&lock);
    }
    return NULL;
}

int main(void)
{
    static const unsigned sleeps_ms[] = {1, 5, 20, 100, 300};
    pthread_t threads[4];
    struct timespec real;
    struct timeval day;

    for (size_t i = 0; i < sizeof(sleeps_ms) / sizeof(sleeps_ms[0]); i++) {
        struct timespec wish = {0, (long)sleeps_ms[i] * 1000000};
        uint64_t before = monotonic_ns(), passed;

        CHECK(nanosleep(&wish, NULL) == 0);
        passed = monotonic_ns() - before;
        CHECK(passed >= sleeps_ms[i] * 1000000ull);
        if (passed > sleeps_ms[i] * 1000000ull + 1000000000)
            FAIL("a sleep of %u ms took %llu ns", sleeps_ms[i], (unsigned long long)passed);
    }
    CHECK(clock_gettime(CLOCK_REALTIME, &real) == 0 && gettimeofday(&day, NULL) == 0);
    CHECK(day.tv_sec - real.tv_sec <= 1 && day.tv_sec >= real.tv_sec);
    CHECK(real.tv_sec > 1700000000);
    for (uintptr_t i = 0; i < 4; i++)
        CHECK(pthread_create(&threads[i], NULL, watch, (void *)i) == 0);
    usleep(700000);
    stop = 1;
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    return 0;
}
