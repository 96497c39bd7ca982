/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The console on pipes: no byte is lost or made up, whoever is slow; the input descriptor says exactly when
 * there is input; and leaving doesn't wait for a reader who doesn't read.  (Terminals: test_vm.c.)
 */
#include <check.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "host/console.h"
#include "suite.h"

#define BULK (1u << 20) /* four times the input buffer, sixteen times a pipe's */

static int in_fd, out_fd, err_fd; /* our ends of the child's standard files */

static volatile sig_atomic_t last_signal;

static void on_detached(void)
{
    _exit(90);
}

static void on_signalled(int signo)
{
    last_signal = signo;
    console_abandon();
}

/* Starts fn in a process whose console is open. */
static pid_t start(int (*fn)(void), bool sockets)
{
    static const struct console_events events = {on_detached, on_signalled};
    int in[2], out[2], err[2];
    const char *why;
    pid_t pid;

    if (pipe(in) || (sockets ? socketpair(AF_UNIX, SOCK_STREAM, 0, out) : pipe(out)) || pipe(err))
        abort();
    pid = fork();
    if (!pid) {
        dup2(in[0], 0);
        dup2(out[1], 1);
        dup2(err[1], 2);
        for (int fd = 3; fd < 20; fd++)
            close(fd);
        if (console_open(&events, &why))
            _exit(91);
        int ret = fn();
        console_close();
        _exit(ret);
    }
    close(in[0]);
    close(out[1]);
    close(err[1]);
    in_fd = in[1];
    out_fd = out[0];
    err_fd = err[0];
    return pid;
}

static int end(pid_t pid)
{
    int status;

    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    close(out_fd);
    close(err_fd);
    return status;
}

static uint8_t pattern(size_t i)
{
    return (uint8_t)(i * 167 + (i >> 8) * 13);
}

/* ---- output ---- */

static int child_writes_bulk(void)
{
    uint8_t chunk[2048]; /* as a console ring's */

    for (size_t done = 0; done < BULK; done += sizeof(chunk)) {
        for (size_t i = 0; i < sizeof(chunk); i++)
            chunk[i] = pattern(done + i);
        console_output(chunk, sizeof(chunk));
    }
    return 0;
}

static void slow_reader(bool sockets)
{
    pid_t pid = start(child_writes_bulk, sockets);
    uint8_t chunk[5000];
    size_t done = 0;
    ssize_t n;

    usleep(50000); /* the pipe is full by now */
    while ((n = read(out_fd, chunk, sizeof(chunk))) > 0) {
        for (ssize_t i = 0; i < n; i++)
            ck_assert_uint_eq(chunk[i], pattern(done + (size_t)i));
        done += (size_t)n;
        if (done < 200000)
            usleep(500);
    }
    ck_assert_uint_eq(done, BULK);
    close(in_fd);
    ck_assert_int_eq(end(pid), 0);
}

START_TEST(slow_reader_of_pipe)
{
    slow_reader(false);
}
END_TEST

START_TEST(slow_reader_of_socket)
{
    slow_reader(true);
}
END_TEST

/* The reader goes away: said once, SIGPIPE doesn't kill, the rest is dropped. */
START_TEST(reader_gone)
{
    pid_t pid = start(child_writes_bulk, false);
    char text[300];
    ssize_t n;

    usleep(20000);
    close(out_fd);
    out_fd = dup(in_fd); /* end() closes it */
    n = read(err_fd, text, sizeof(text) - 1);
    ck_assert_int_gt(n, 0);
    text[n] = 0;
    ck_assert_ptr_nonnull(strstr(text, "standard output: Broken pipe"));
    ck_assert_ptr_eq(strchr(text, '\n'), text + n - 1);
    ck_assert_int_eq(end(pid), 0);
    close(in_fd);
}
END_TEST

/* A reader that is there but doesn't read holds nobody up who wants to leave. */
START_TEST(abandoned)
{
    pid_t pid = start(child_writes_bulk, false);
    struct timespec a, b;

    usleep(50000);
    clock_gettime(CLOCK_MONOTONIC, &a);
    kill(pid, SIGTERM);
    ck_assert_int_eq(end(pid), 0);
    clock_gettime(CLOCK_MONOTONIC, &b);
    ck_assert_int_lt((b.tv_sec - a.tv_sec) * 1000 + (b.tv_nsec - a.tv_nsec) / 1000000, 2000);
    close(in_fd);
}
END_TEST

/* ---- input ---- */

static bool readable(void)
{
    struct pollfd fd = {.fd = console_input_fd(), .events = POLLIN};

    return poll(&fd, 1, 0) == 1;
}

/* Takes the bulk in odd pieces, slowly at first, so that the buffer and the pipe behind it fill up. */
static int child_reads_bulk(void)
{
    uint8_t piece[1021];
    size_t done = 0;

    usleep(100000);
    while (done < BULK) {
        struct pollfd fd = {.fd = console_input_fd(), .events = POLLIN};
        size_t n;

        if (poll(&fd, 1, 5000) != 1)
            return 1;
        n = console_input(piece, sizeof(piece));
        if (!n)
            return 2; /* said to be readable, and was not */
        for (size_t i = 0; i < n; i++)
            if (piece[i] != pattern(done + i))
                return 3;
        done += n;
    }
    return readable() ? 4 : 0;
}

START_TEST(slow_guest)
{
    pid_t pid = start(child_reads_bulk, false);
    uint8_t *bytes = malloc(BULK);

    for (size_t i = 0; i < BULK; i++)
        bytes[i] = pattern(i);
    for (size_t done = 0; done < BULK;) {
        ssize_t n = write(in_fd, bytes + done, BULK - done);

        ck_assert_int_gt(n, 0);
        done += (size_t)n;
    }
    free(bytes);
    ck_assert_int_eq(end(pid), 0);
    close(in_fd);
}
END_TEST

static int child_sees_end(void)
{
    struct pollfd fd = {.fd = console_input_fd(), .events = POLLIN};
    char text[10];

    if (readable() || console_input(text, 1) != 0)
        return 1;
    console_output("go", 2);
    if (poll(&fd, 1, 5000) != 1)
        return 2;
    if (console_input(text, 2) != 2 || memcmp(text, "ab", 2) != 0 || !readable())
        return 3;
    if (console_input(text, sizeof(text)) != 1 || text[0] != 'c' || readable())
        return 4;
    usleep(50000); /* the end of input comes meanwhile, and makes no noise */
    if (readable() || console_input(text, sizeof(text)) != 0)
        return 5;
    console_output("on", 2);
    return 0;
}

START_TEST(end_of_input)
{
    pid_t pid = start(child_sees_end, false);
    char text[3] = "";

    ck_assert_int_eq(read(out_fd, text, 2), 2);
    ck_assert_int_eq(write(in_fd, "abc", 3), 3);
    close(in_fd);
    ck_assert_int_eq(read(out_fd, text, 2), 2);
    ck_assert_str_eq(text, "on");
    ck_assert_int_eq(end(pid), 0);
}
END_TEST

/* ---- signals ---- */

static int child_waits_signal(void)
{
    console_output("go", 2);
    for (int i = 0; i < 5000 && !last_signal; i++)
        usleep(1000);
    return last_signal;
}

START_TEST(signal_arrives)
{
    char text[2];
    pid_t pid;

    signal(SIGHUP, SIG_DFL);
    pid = start(child_waits_signal, false);
    ck_assert_int_eq(read(out_fd, text, 2), 2);
    kill(pid, SIGCONT); /* not one that ends us */
    kill(pid, SIGHUP);
    ck_assert_int_eq(WEXITSTATUS(end(pid)), SIGHUP);
    close(in_fd);
}
END_TEST

/* nohup's SIGHUP stays ignored. */
START_TEST(ignored_signal)
{
    char text[2];
    pid_t pid;

    signal(SIGHUP, SIG_IGN);
    pid = start(child_waits_signal, false);
    ck_assert_int_eq(read(out_fd, text, 2), 2);
    kill(pid, SIGHUP);
    usleep(50000);
    kill(pid, SIGTERM);
    ck_assert_int_eq(WEXITSTATUS(end(pid)), SIGTERM);
    close(in_fd);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("console");

    tcase_set_timeout(t, 30);
    tcase_add_test(t, slow_reader_of_pipe);
    tcase_add_test(t, slow_reader_of_socket);
    tcase_add_test(t, reader_gone);
    tcase_add_test(t, abandoned);
    tcase_add_test(t, slow_guest);
    tcase_add_test(t, end_of_input);
    tcase_add_test(t, signal_arrives);
    tcase_add_test(t, ignored_signal);
    return suite_run("console", t);
}
