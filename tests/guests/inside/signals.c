/* width: 64 32 */
// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Signals between processes and threads: queued ones all arrive, in order, with their values; masks hold;
 * handlers nest, run on the stack they were given and restart what they interrupted; timers fire as often
 * as they should.
 */
#include "check.h"

#include <pthread.h>
#include <signal.h>
#include <sys/time.h>

static volatile int queued, expected_value, nested, depth, alarms;
static volatile uintptr_t handler_stack;
static unsigned char alternate[65536];

static void on_queued(int number, siginfo_t *info, void *context)
{
    (void)number;
    (void)context;
    CHECK_EQ(info->si_code, SI_QUEUE);
    CHECK_EQ(info->si_value.sival_int, expected_value);
    expected_value++;
    queued++;
}

static void on_nested(int number)
{
    if (++depth < 8)
        raise(number);
    nested++;
}

static void on_stack(int number)
{
    volatile char here;

    (void)number;
    handler_stack = (uintptr_t)&here;
} /* NOLINT(clang-analyzer-core.StackAddressEscape): a number to compare, never followed */

static void on_alarm(int number)
{
    (void)number;
    alarms++;
}

static void install(int number, void (*simple)(int), void (*full)(int, siginfo_t *, void *), int flags)
{
    struct sigaction action = {.sa_flags = flags};

    if (full) {
        action.sa_sigaction = full;
        action.sa_flags |= SA_SIGINFO;
    } else {
        action.sa_handler = simple;
    }
    CHECK(sigaction(number, &action, NULL) == 0);
}

static void test_queue(void)
{
    sigset_t set, old;

    install(SIGRTMIN + 1, NULL, on_queued, 0);
    sigemptyset(&set);
    sigaddset(&set, SIGRTMIN + 1);
    CHECK(sigprocmask(SIG_BLOCK, &set, &old) == 0);
    for (int i = 0; i < 100; i++)
        CHECK(sigqueue(getpid(), SIGRTMIN + 1, (union sigval){.sival_int = i}) == 0);
    CHECK_EQ(queued, 0);
    CHECK(sigprocmask(SIG_SETMASK, &old, NULL) == 0);
    CHECK_EQ(queued, 100);
}

/* A process that is stopped, continued and terminated tells its parent each. */
static void test_stop(void)
{
    int status;
    pid_t child = fork();

    CHECK(child >= 0);
    if (child == 0)
        for (;;)
            pause();
    for (int i = 0; i < 20; i++) {
        CHECK(kill(child, SIGSTOP) == 0);
        CHECK(waitpid(child, &status, WUNTRACED) == child && WIFSTOPPED(status));
        CHECK(kill(child, SIGCONT) == 0);
        CHECK(waitpid(child, &status, WCONTINUED) == child && WIFCONTINUED(status));
    }
    CHECK(kill(child, SIGINT) == 0);
    CHECK(waitpid(child, &status, 0) == child && WIFSIGNALED(status) && WTERMSIG(status) == SIGINT);
}

static void *be_killed(void *argument)
{
    sigset_t set;
    int number;

    (void)argument;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    for (int i = 0; i < 100; i++)
        CHECK(sigwait(&set, &number) == 0 && number == SIGUSR2);
    return NULL;
}

int main(void)
{
    struct itimerval often = {{0, 5000}, {0, 5000}}, never = {{0, 0}, {0, 0}};
    stack_t stack = {.ss_sp = alternate, .ss_size = sizeof(alternate)};
    int ends[2];
    char byte;
    pthread_t thread;
    sigset_t set;

    test_queue();
    install(SIGUSR1, on_nested, NULL, SA_NODEFER);
    raise(SIGUSR1);
    CHECK_EQ(nested, 8);
    CHECK(sigaltstack(&stack, NULL) == 0);
    install(SIGUSR2, on_stack, NULL, SA_ONSTACK);
    raise(SIGUSR2);
    CHECK(handler_stack >= (uintptr_t)alternate && handler_stack < (uintptr_t)alternate + sizeof(alternate));
    test_stop();

    /* A read that is interrupted: fails with EINTR, or goes on under SA_RESTART. */
    CHECK(pipe(ends) == 0);
    install(SIGALRM, on_alarm, NULL, 0);
    CHECK(setitimer(ITIMER_REAL, &often, NULL) == 0);
    errno = 0;
    CHECK(read(ends[0], &byte, 1) == -1 && errno == EINTR);
    install(SIGALRM, on_alarm, NULL, SA_RESTART);
    int before = alarms;
    pid_t child = fork();

    CHECK(child >= 0);
    if (child == 0) {
        setitimer(ITIMER_REAL, &never, NULL);
        usleep(200000);
        _exit(write(ends[1], "x", 1) != 1);
    }
    CHECK(read(ends[0], &byte, 1) == 1 && byte == 'x');
    CHECK(alarms - before >= 10);
    CHECK(setitimer(ITIMER_REAL, &never, NULL) == 0);
    CHECK_EQ(child_status(child), 0);

    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    CHECK(pthread_sigmask(SIG_BLOCK, &set, NULL) == 0);
    CHECK(pthread_create(&thread, NULL, be_killed, NULL) == 0);
    /* Standard signals don't queue, so some of these melt into one: until it has had its hundred. */
    while (pthread_tryjoin_np(thread, NULL) == EBUSY) {
        pthread_kill(thread, SIGUSR2);
        usleep(300);
    }
    return 0;
}
