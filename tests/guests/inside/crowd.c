/* width: 64 32 */
// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A thousand threads at once over futexes: a mutex, a condition, a barrier, a semaphore, thread-local
 * storage, and a ring in which each wakes the next. Every count comes out, nobody sleeps for ever. A
 * hypervisor that loses a wake-up between its CPUs hangs here; one that mixes up FS or GS bases when there
 * are many threads miscounts.
 */
#include "check.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>

enum { THREADS = 1000, ROUNDS = 8, RING = 200 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t all_here = PTHREAD_COND_INITIALIZER;
static pthread_barrier_t barrier;
static sem_t few;
static unsigned here, counted, sums[ROUNDS];
static atomic_uint inside, serial;
static __thread unsigned own;

static void *take_part(void *argument)
{
    unsigned number = (unsigned)(uintptr_t)argument;

    pthread_mutex_lock(&lock);
    if (++here == THREADS)
        pthread_cond_broadcast(&all_here);
    while (here < THREADS)
        pthread_cond_wait(&all_here, &lock);
    pthread_mutex_unlock(&lock);
    for (unsigned round = 0; round < ROUNDS; round++) {
        own += number;
        pthread_mutex_lock(&lock);
        counted++;
        sums[round] += number;
        pthread_mutex_unlock(&lock);
        /* At most three at a time are between these two. */
        while (sem_wait(&few) != 0)
            CHECK(errno == EINTR);
        CHECK(atomic_fetch_add(&inside, 1) < 3);
        atomic_fetch_sub(&inside, 1);
        CHECK(sem_post(&few) == 0);
        int who = pthread_barrier_wait(&barrier);

        if (who == PTHREAD_BARRIER_SERIAL_THREAD)
            atomic_fetch_add(&serial, 1);
        /* Everybody has been through this round, and the next has begun for nobody or for some. */
        CHECK(__atomic_load_n(&counted, __ATOMIC_ACQUIRE) >= THREADS * (round + 1));
    }
    CHECK_EQ(own, ROUNDS * number);
    return (void *)(uintptr_t)(own + 1);
}

static sem_t turns[RING];
static unsigned token;

static void *pass_on(void *argument)
{
    unsigned number = (unsigned)(uintptr_t)argument;

    for (unsigned round = 0; round < ROUNDS; round++) {
        while (sem_wait(&turns[number]) != 0)
            CHECK(errno == EINTR);
        CHECK_EQ(token, round * RING + number);
        token++;
        CHECK(sem_post(&turns[(number + 1) % RING]) == 0);
    }
    return NULL;
}

int main(void)
{
    static pthread_t threads[THREADS];
    pthread_attr_t attributes;
    void *result;

    CHECK(pthread_attr_init(&attributes) == 0);
    CHECK(pthread_attr_setstacksize(&attributes, 32 * 1024) == 0);
    CHECK(pthread_barrier_init(&barrier, NULL, THREADS) == 0);
    CHECK(sem_init(&few, 0, 3) == 0);
    for (uintptr_t i = 0; i < THREADS; i++)
        CHECK_EQ(pthread_create(&threads[i], &attributes, take_part, (void *)i), 0);
    for (uintptr_t i = 0; i < THREADS; i++) {
        CHECK_EQ(pthread_join(threads[i], &result), 0);
        CHECK_EQ((uintptr_t)result, ROUNDS * i + 1);
    }
    CHECK_EQ(counted, THREADS * ROUNDS);
    CHECK_EQ(serial, ROUNDS);
    for (unsigned round = 0; round < ROUNDS; round++)
        CHECK_EQ(sums[round], THREADS * (THREADS - 1) / 2);
    for (unsigned i = 0; i < RING; i++)
        CHECK(sem_init(&turns[i], 0, i == 0) == 0);
    for (uintptr_t i = 0; i < RING; i++)
        CHECK_EQ(pthread_create(&threads[i], &attributes, pass_on, (void *)i), 0);
    for (uintptr_t i = 0; i < RING; i++)
        CHECK_EQ(pthread_join(threads[i], NULL), 0);
    CHECK_EQ(token, RING * ROUNDS);
    return 0;
}
