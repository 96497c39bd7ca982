/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The sandbox: what a process behind it can do, and that each thing that it can't do ends it or is refused.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "host/fault.h"
#include "host/sandbox.h"

/* Runs fn in a process behind the sandbox; the result is as from waitpid(). */
static int behind(int (*fn)(void), bool exec_mappings, bool handlers)
{
    const char *why = "";
    int status;
    pid_t pid = fork();

    if (!pid) {
        if (handlers)
            fault_handlers_install();
        if (sandbox_prepare() || sandbox_enter(exec_mappings, &why))
            _exit(100);
        _exit(fn());
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    return status;
}

static bool dies(int (*fn)(void))
{
    int status = behind(fn, false, false);

    return WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS;
}

static bool succeeds(int (*fn)(void))
{
    int status = behind(fn, false, false);

    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static int do_socket(void)
{
    socket(AF_INET, SOCK_STREAM, 0);
    return 0;
}

static int do_exec(void)
{
    execl("/bin/true", "true", (char *)NULL);
    return 0;
}

static int do_fork(void)
{
    return syscall(SYS_fork) == 0 ? 0 : 1;
}

/* A new process by clone(): not a thread, so refused. */
static int do_clone_process(void)
{
    syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
    return 0;
}

static int do_ptrace(void)
{
    ptrace(PTRACE_TRACEME, 0, 0, 0);
    return 0;
}

static int do_kill_other(void)
{
    kill(getppid(), 0);
    return 0;
}

static int do_exec_mprotect(void)
{
    void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    mprotect(p, 4096, PROT_READ | PROT_EXEC);
    return 0;
}

static int do_exec_mmap(void)
{
    return mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED;
}

/* Typing into the terminal of whoever started us. */
static int do_tiocsti(void)
{
    syscall(SYS_ioctl, 0, 0x5412, "x");
    return 0;
}

static int do_sigsys_handler(void)
{
    signal(SIGSYS, SIG_IGN);
    return 0;
}

/* Blocking the signal must not help. */
static int do_block_sigsys(void)
{
    sigset_t set;

    sigfillset(&set);
    sigprocmask(SIG_BLOCK, &set, NULL);
    return do_socket();
}

START_TEST(forbidden_dies)
{
    ck_assert(dies(do_socket));
    ck_assert(dies(do_exec));
    ck_assert(dies(do_fork));
    ck_assert(dies(do_clone_process));
    ck_assert(dies(do_ptrace));
    ck_assert(dies(do_kill_other));
    ck_assert(dies(do_exec_mprotect));
    ck_assert(dies(do_exec_mmap));
    ck_assert(dies(do_tiocsti));
    ck_assert(dies(do_sigsys_handler));
    ck_assert(dies(do_block_sigsys));
}
END_TEST

START_TEST(exec_mappings_when_asked)
{
    ck_assert_int_eq(behind(do_exec_mmap, true, false), 0);
    ck_assert_int_eq(WTERMSIG(behind(do_exec_mprotect, true, false)), SIGSYS);
}
END_TEST

/* With our handler in front, the process says what it was and dies of the same signal. */
START_TEST(handler_says_and_dies)
{
    char text[200] = "";
    int p[2], saved = dup(STDERR_FILENO), status;
    ssize_t n;

    ck_assert_int_eq(pipe(p), 0);
    dup2(p[1], STDERR_FILENO);
    close(p[1]);
    status = behind(do_socket, false, true);
    dup2(saved, STDERR_FILENO);
    close(saved);
    n = read(p[0], text, sizeof(text) - 1);
    ck_assert_int_gt(n, 0);
    ck_assert_ptr_nonnull(strstr(text, "the sandbox stopped system call 41;"));
    ck_assert(WIFSIGNALED(status));
    ck_assert_int_eq(WTERMSIG(status), SIGSYS);
}
END_TEST

static int do_open(void)
{
    return open("/etc/hostname", O_RDONLY) < 0 && errno == EACCES ? 0 : 1;
}

static void *thread_body(void *arg)
{
    void *p = malloc(300000); /* an arena of its own, a mapping of its own */

    memset(p, 1, 300000);
    free(p);
    return arg;
}

/* What a domain that restarts needs: threads, memory, timers, clocks, reading open files. */
static int do_daily_work(void)
{
    pthread_t t[4];
    struct timespec ts = {0, 1000};
    struct sigevent ev = {.sigev_notify = SIGEV_NONE};
    timer_t timer;
    int p[2];
    char *m;

    for (int i = 0; i < 4; i++)
        if (pthread_create(&t[i], NULL, thread_body, NULL))
            return 1;
    for (int i = 0; i < 4; i++)
        pthread_join(t[i], NULL);
    m = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (m == MAP_FAILED || mprotect(m, 4096, PROT_NONE) || munmap(m, 1 << 20))
        return 2;
    if (timer_create(CLOCK_MONOTONIC, &ev, &timer) || timer_delete(timer))
        return 3;
    if (clock_nanosleep(CLOCK_MONOTONIC, 0, &ts, NULL) || pipe2(p, O_CLOEXEC))
        return 4;
    if (write(p[1], "x", 1) != 1 || kill(getpid(), 0) || raise(0))
        return 5;
    return signal(SIGUSR1, SIG_IGN) == SIG_ERR;
}

START_TEST(daily_work_goes_on)
{
    ck_assert(succeeds(do_daily_work));
    ck_assert(succeeds(do_open));
}
END_TEST

static int thread_may;

static void *other_thread(void *arg)
{
    (void)arg;
    while (!__atomic_load_n(&thread_may, __ATOMIC_ACQUIRE))
        usleep(1000);
    do_socket();
    return NULL;
}

/* Threads that were there before are inside too. */
START_TEST(threads_are_inside)
{
    pid_t pid = fork();
    int status;

    if (!pid) {
        const char *why;
        pthread_t t;

        pthread_create(&t, NULL, other_thread, NULL);
        if (sandbox_prepare() || sandbox_enter(true, &why))
            _exit(100);
        __atomic_store_n(&thread_may, 1, __ATOMIC_RELEASE);
        pthread_join(t, NULL);
        _exit(0);
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert(WIFSIGNALED(status));
    ck_assert_int_eq(WTERMSIG(status), SIGSYS);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("sandbox");
    TCase *t = tcase_create("sandbox");
    SRunner *r = srunner_create(s);
    int failed;

    tcase_add_test(t, forbidden_dies);
    tcase_add_test(t, exec_mappings_when_asked);
    tcase_add_test(t, handler_says_and_dies);
    tcase_add_test(t, daily_work_goes_on);
    tcase_add_test(t, threads_are_inside);
    suite_add_tcase(s, t);
    srunner_run_all(r, CK_ENV);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
