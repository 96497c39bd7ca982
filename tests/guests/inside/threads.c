/* width: 64 32 */
// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Threads, futexes and locked instructions: nothing is lost and nobody sleeps for ever, on however many
 * CPUs. A hypervisor that drops an IPI hangs here; one that loses the atomicity of a locked instruction
 * miscounts; one that adds or removes memory ordering fails the message-passing test.
 */
#include "check.h"

#include <pthread.h>
#include <stdatomic.h>

enum { THREADS = 8, ROUNDS = 20000 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t turned = PTHREAD_COND_INITIALIZER;
static unsigned plain, turn;
static atomic_uint counted;
static _Atomic uint64_t wide;
static __thread unsigned own;

static void *count(void *argument)
{
    unsigned number = (unsigned)(uintptr_t)argument;

    for (unsigned i = 0; i < ROUNDS; i++) {
        atomic_fetch_add(&counted, 1);
        uint64_t old = atomic_load(&wide);

        /* Both halves move together, or a carry gets lost between them. */
        while (!atomic_compare_exchange_weak(&wide, &old, old + 0xffffffffu))
            ;
        pthread_mutex_lock(&lock);
        plain++;
        pthread_mutex_unlock(&lock);
        own += number;
    }
    CHECK_EQ(own, ROUNDS * number);
    return NULL;
}

static void *take_turns(void *argument)
{
    unsigned number = (unsigned)(uintptr_t)argument;

    for (unsigned i = 0; i < 200; i++) {
        pthread_mutex_lock(&lock);
        while (turn % THREADS != number)
            pthread_cond_wait(&turned, &lock);
        turn++;
        pthread_cond_broadcast(&turned);
        pthread_mutex_unlock(&lock);
    }
    return NULL;
}

/*
 * x86 keeps stores in order and loads in order: who sees the flag sees the data, without any barrier
 * instruction.
 */
static volatile unsigned message_data, message_flag;

static void *send_messages(void *argument)
{
    (void)argument;
    for (unsigned i = 1; i <= 200000; i++) {
        message_data = i;
        __asm__ volatile("" ::: "memory");
        message_flag = i;
    }
    return NULL;
}

static void *receive_messages(void *argument)
{
    unsigned flag;

    (void)argument;
    do {
        flag = message_flag;
        __asm__ volatile("" ::: "memory");
        unsigned content = message_data;

        CHECK(content >= flag);
    } while (flag != 200000);
    return NULL;
}

static void run(void *(*function)(void *))
{
    pthread_t threads[THREADS];

    for (uintptr_t i = 0; i < THREADS; i++)
        CHECK(pthread_create(&threads[i], NULL, function, (void *)i) == 0);
    for (int i = 0; i < THREADS; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
}

int main(void)
{
    pthread_t sender, receiver;

    run(count);
    CHECK_EQ(counted, THREADS * ROUNDS);
    CHECK_EQ(plain, THREADS * ROUNDS);
    CHECK_EQ(wide, (uint64_t)THREADS * ROUNDS * 0xffffffffu);
    run(take_turns);
    CHECK_EQ(turn, THREADS * 200);
    CHECK(pthread_create(&receiver, NULL, receive_messages, NULL) == 0);
    CHECK(pthread_create(&sender, NULL, send_messages, NULL) == 0);
    pthread_join(sender, NULL);
    pthread_join(receiver, NULL);
    return 0;
}
