/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A machine's life, on a machine of cardboard (fake_machine.c) but with the real console, sandbox and
 * threads: how each way to end is answered, that a restart works behind the sandbox, that each failure is one
 * line with its status, and that nothing is left behind.
 */
#include <check.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "fake_machine.h"
#include "host/console.h"
#include "host/vm.h"
#include "suite.h"

#define LEFT_BEHIND 99

static struct vm_config c;
static char dir[] = "/tmp/test_vm.XXXXXX";
static char kernel[60], initrd[60], empty[60];
static char out[65536], err[16384];
static const char *input; /* what standard input has, then it ends; NULL: it stays open and silent */
static int send_signal;   /* sent once the guest has said "ready" */
static bool send_twice;   /* and again once it has been asked to power off */

static void file_make(char *path, const char *name, const char *text)
{
    FILE *f;

    sprintf(path, "%s/%s", dir, name);
    f = fopen(path, "w");
    fputs(text, f);
    fclose(f);
}

static void setup(void)
{
    /* The machine honours signals that are ignored at its start; a test run in the background has some. */
    signal(SIGINT, SIG_DFL);
    signal(SIGHUP, SIG_DFL);
    signal(SIGQUIT, SIG_DFL);
    strcpy(dir, "/tmp/test_vm.XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
    file_make(kernel, "kernel", "KERNEL");
    file_make(initrd, "initrd", "0123456789");
    file_make(empty, "empty", "");
    memset(&fake, 0, sizeof(fake));
    vm_config_init(&c);
    vm_config_string(&c.kernel, kernel);
    vm_config_string(&c.name, "t");
    c.memory = 16UL << 20;
    c.vcpus = 2;
    input = NULL;
    send_signal = 0;
    send_twice = false;
}

static void teardown(void)
{
    vm_config_free(&c);
    unlink(kernel);
    unlink(initrd);
    unlink(empty);
    rmdir(dir);
}

static int vm_child(void)
{
    char why[200];
    int status;

    if (vm_config_check(&c, why, sizeof(why)))
        return 98;
    status = vm_run(&c);
    if (fake.live || fake.frames) {
        dprintf(STDERR_FILENO, "left behind: %d things, %lu frames\n", fake.live, fake.frames);
        return LEFT_BEHIND;
    }
    return status;
}

static void collect(int fd, char *text, size_t size)
{
    size_t used = strlen(text);
    ssize_t n = read(fd, text + used, size - used - 1);

    if (n > 0)
        text[used + (size_t)n] = 0;
}

/* Runs vm_run() in a process of its own, on pipes; fills out[] and err[]. The result is its wait status. */
static int run(void)
{
    int in_pipe[2], out_pipe[2], err_pipe[2], status;
    pid_t pid;
    bool sent = false;

    out[0] = err[0] = 0;
    if (pipe(in_pipe) || pipe(out_pipe) || pipe(err_pipe))
        abort();
    pid = fork();
    if (!pid) {
        dup2(in_pipe[0], 0);
        dup2(out_pipe[1], 1);
        dup2(err_pipe[1], 2);
        for (int fd = 3; fd < 20; fd++)
            close(fd);
        _exit(vm_child());
    }
    close(in_pipe[0]);
    close(out_pipe[1]);
    close(err_pipe[1]);
    if (input) {
        ck_assert_int_eq(write(in_pipe[1], input, strlen(input)), (ssize_t)strlen(input));
        close(in_pipe[1]);
    }
    for (;;) {
        struct pollfd fds[2] = {{.fd = out_pipe[0], .events = POLLIN}, {.fd = err_pipe[0], .events = POLLIN}};

        poll(fds, 2, -1);
        if (fds[0].revents & POLLIN)
            collect(out_pipe[0], out, sizeof(out));
        if (fds[1].revents & POLLIN)
            collect(err_pipe[0], err, sizeof(err));
        if (send_signal && !sent && (strstr(out, "ready") || strstr(err, "preserved"))) {
            kill(pid, send_signal);
            sent = true;
        }
        if (send_twice && strstr(err, "asked to power off")) {
            kill(pid, send_signal);
            send_twice = false;
        }
        if (!((fds[0].revents | fds[1].revents) & POLLIN) && fds[0].revents & fds[1].revents & POLLHUP)
            break;
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    close(out_pipe[0]);
    close(err_pipe[0]);
    if (!input)
        close(in_pipe[1]);
    return status;
}

/* run(), ended by exit(). */
static int run_status(void)
{
    int status = run();

    ck_assert_msg(WIFEXITED(status), "wait status %#x: %s", (unsigned)status, err);
    return WEXITSTATUS(status);
}

static void say(const char *s)
{
    console_output(s, strlen(s));
}

/* ---- guests ---- */

static void guest_poweroff(struct vcpu *v, unsigned boot)
{
    (void)boot;
    say("bye\n");
    domain_shutdown(v->domain, DOMAIN_POWEROFF);
}

static void guest_reboot_twice(struct vcpu *v, unsigned boot)
{
    say(boot < 2 ? "again\n" : "bye\n");
    domain_shutdown(v->domain, boot < 2 ? DOMAIN_REBOOT : DOMAIN_POWEROFF);
}

static void guest_crash(struct vcpu *v, unsigned boot)
{
    if (boot == 0)
        domain_crash(v->domain, v, "jump into nowhere", 42);
    else
        domain_shutdown(v->domain, DOMAIN_POWEROFF);
}

static void guest_panic(struct vcpu *v, unsigned boot)
{
    (void)boot;
    domain_shutdown(v->domain, DOMAIN_CRASH);
}

static void guest_suspend(struct vcpu *v, unsigned boot)
{
    (void)boot;
    domain_shutdown(v->domain, DOMAIN_SUSPEND);
}

static void guest_watchdog(struct vcpu *v, unsigned boot)
{
    (void)boot;
    domain_shutdown(v->domain, DOMAIN_WATCHDOG);
}

static void guest_ready(struct vcpu *v, unsigned boot)
{
    static bool said;

    (void)v, (void)boot;
    if (!said)
        say("ready\n");
    said = true;
    usleep(1000);
}

/* vCPU 0 brings up vCPU 1 three times and takes it down; the third time vCPU 1 powers off. */
static void guest_smp(struct vcpu *v, unsigned boot)
{
    static unsigned runs;
    struct vcpu *other = v->domain->vcpu[1];

    (void)boot;
    if (v->id == 0) {
        for (unsigned i = 0; i < 3; i++) {
            __atomic_store_n(&other->online, true, __ATOMIC_RELEASE);
            domain_vcpu_online(other);
            while (__atomic_load_n(&other->online, __ATOMIC_ACQUIRE) && !domain_ended(v->domain))
                usleep(100);
        }
        return;
    }
    if (++runs == 3)
        domain_shutdown(v->domain, DOMAIN_POWEROFF);
    __atomic_store_n(&v->online, false, __ATOMIC_RELEASE);
    vcpu_request(v, VCPU_REQ_STOP);
}

/* Sends its input back, in capitals, and goes on after its end. */
static void guest_echo(struct vcpu *v, unsigned boot)
{
    static unsigned idle;
    char text[10];
    size_t n = console_input(text, sizeof(text));

    (void)boot;
    for (size_t i = 0; i < n; i++)
        text[i] = (char)(text[i] >= 'a' && text[i] <= 'z' ? text[i] - 32 : text[i]);
    if (n)
        console_output(text, n);
    else if (++idle == 20)
        domain_shutdown(v->domain, DOMAIN_POWEROFF);
    else
        usleep(2000);
}

/* What a guest that broke out would try. */
static void guest_socket(struct vcpu *v, unsigned boot)
{
    (void)boot;
    socket(AF_INET, SOCK_STREAM, 0);
    domain_shutdown(v->domain, DOMAIN_POWEROFF);
}

static void guest_wild(struct vcpu *v, unsigned boot)
{
    int *volatile nowhere = (int *)16;

    (void)v, (void)boot;
    *nowhere = 0;
}

/* ---- ends ---- */

START_TEST(poweroff)
{
    fake.guest = guest_poweroff;
    ck_assert_int_eq(run_status(), EXIT_STATUS_OK);
    ck_assert_str_eq(out, "bye\n");
    ck_assert_str_eq(err, "");
}
END_TEST

START_TEST(reboot_behind_the_sandbox)
{
    fake.guest = guest_reboot_twice;
    vm_config_string(&c.ramdisk, initrd);
    ck_assert_int_eq(run_status(), EXIT_STATUS_OK);
    ck_assert_str_eq(out, "again\nagain\nbye\n");
    ck_assert_str_eq(err, "");
}
END_TEST

START_TEST(reboot_destroys)
{
    fake.guest = guest_reboot_twice;
    c.on_reboot = VM_DESTROY;
    ck_assert_int_eq(run_status(), EXIT_STATUS_REBOOT);
    ck_assert_str_eq(err, "diptych: domain t asked for a reboot; on_reboot=destroy\n");
}
END_TEST

START_TEST(crash)
{
    fake.guest = guest_crash;
    ck_assert_int_eq(run_status(), EXIT_STATUS_CRASH);
    ck_assert_str_eq(err, "diptych: domain t vCPU 0: jump into nowhere (0x2a)\n(registers)\n"
                          "diptych: domain t crashed; on_crash=destroy\n");
}
END_TEST

START_TEST(crash_restarts_after_a_second)
{
    struct timespec a, b;

    fake.guest = guest_crash;
    c.on_crash = VM_RESTART;
    clock_gettime(CLOCK_MONOTONIC, &a);
    ck_assert_int_eq(run_status(), EXIT_STATUS_OK);
    clock_gettime(CLOCK_MONOTONIC, &b);
    ck_assert_int_ge((b.tv_sec - a.tv_sec) * 1000 + (b.tv_nsec - a.tv_nsec) / 1000000, 1000);
    ck_assert_ptr_nonnull(strstr(err, "crashed; on_crash=restart\n"));
}
END_TEST

START_TEST(other_ends)
{
    fake.guest = guest_panic;
    ck_assert_int_eq(run_status(), EXIT_STATUS_CRASH);
    ck_assert_str_eq(err, "diptych: domain t crashed; on_crash=destroy\n");
    fake.guest = guest_suspend;
    ck_assert_int_eq(run_status(), EXIT_STATUS_CRASH);
    fake.guest = guest_watchdog;
    ck_assert_int_eq(run_status(), EXIT_STATUS_CRASH);
    ck_assert_ptr_nonnull(strstr(err, "on_watchdog=destroy"));
}
END_TEST

START_TEST(preserved_until_signal)
{
    fake.guest = guest_panic;
    c.on_crash = VM_PRESERVE;
    send_signal = SIGTERM;
    ck_assert_int_eq(run_status(), EXIT_STATUS_CRASH);
    ck_assert_ptr_nonnull(strstr(err, "is preserved"));
}
END_TEST

START_TEST(signals)
{
    static const int all[] = {SIGTERM, SIGINT, SIGHUP, SIGQUIT};

    fake.guest = guest_ready;
    for (unsigned i = 0; i < ARRAY_SIZE(all); i++) {
        send_signal = all[i];
        ck_assert_int_eq(run_status(), EXIT_STATUS_SIGNAL + all[i]);
        ck_assert_str_eq(err, "");
    }
}
END_TEST

/* A guest that listens is asked by SIGTERM and SIGINT, and isn't restarted whatever is configured. */
START_TEST(signal_asks)
{
    fake.guest = guest_ready;
    fake.listens = fake.obeys = true;
    c.on_poweroff = VM_RESTART;
    for (unsigned i = 0; i < 2; i++) {
        send_signal = i ? SIGINT : SIGTERM;
        ck_assert_int_eq(run_status(), EXIT_STATUS_OK);
        ck_assert_ptr_nonnull(strstr(err, "asked to power off"));
    }
    send_signal = SIGHUP;
    ck_assert_int_eq(run_status(), EXIT_STATUS_SIGNAL + SIGHUP);
}
END_TEST

START_TEST(second_signal_ends)
{
    fake.guest = guest_ready;
    fake.listens = true;
    send_signal = SIGTERM;
    send_twice = true;
    ck_assert_int_eq(run_status(), EXIT_STATUS_SIGNAL + SIGTERM);
}
END_TEST

/* A kernel that takes its time to load doesn't make the user wait. */
START_TEST(signal_while_building)
{
    fake.guest = guest_reboot_twice;
    fake.fail = "hang";
    send_signal = SIGTERM;
    ck_assert_int_eq(run_status(), EXIT_STATUS_SIGNAL + SIGTERM);
    fake.fail_boot = 1;
    ck_assert_int_eq(run_status(), EXIT_STATUS_SIGNAL + SIGTERM);
    ck_assert_str_eq(err, "");
}
END_TEST

START_TEST(vcpus_come_and_go)
{
    fake.guest = guest_smp;
    ck_assert_int_eq(run_status(), EXIT_STATUS_OK);
}
END_TEST

/* ---- console ---- */

START_TEST(pipes)
{
    fake.guest = guest_echo;
    input = "hello, \x1d world of many bytes\n"; /* Ctrl-] is a byte like any other, but on a terminal */
    ck_assert_int_eq(run_status(), EXIT_STATUS_OK);
    ck_assert_str_eq(out, "HELLO, \x1d WORLD OF MANY BYTES\n");
}
END_TEST

/* On a terminal: raw while the guest runs, Ctrl-C for the guest, Ctrl-] to leave, and back as it was. */
static int run_pty(const char *typed, struct termios *during, struct termios *before, struct termios *after)
{
    int master, slave, status;
    size_t typed_size = strlen(typed), sent = 0;
    pid_t pid;

    out[0] = 0;
    ck_assert_int_eq(openpty(&master, &slave, NULL, NULL, NULL), 0);
    tcgetattr(slave, before);
    pid = fork();
    if (!pid) {
        setsid();
        ioctl(slave, TIOCSCTTY, 0);
        dup2(slave, 0);
        dup2(slave, 1);
        dup2(slave, 2);
        close(master);
        close(slave);
        _exit(vm_child());
    }
    for (;;) {
        struct pollfd fd = {.fd = master, .events = POLLIN};

        if (poll(&fd, 1, 20) > 0)
            collect(master, out, sizeof(out));
        if (!sent && strstr(out, "ready")) {
            tcgetattr(slave, during);
            sent = (size_t)write(master, typed, typed_size);
        }
        if (waitpid(pid, &status, WNOHANG) == pid)
            break;
    }
    while (poll(&(struct pollfd){.fd = master, .events = POLLIN}, 1, 0) > 0)
        collect(master, out, sizeof(out));
    tcgetattr(slave, after);
    close(master);
    close(slave);
    return status;
}

static void same_terminal(const struct termios *a, const struct termios *b)
{
    ck_assert_uint_eq(a->c_iflag, b->c_iflag);
    ck_assert_uint_eq(a->c_oflag, b->c_oflag);
    ck_assert_uint_eq(a->c_cflag, b->c_cflag);
    ck_assert_uint_eq(a->c_lflag, b->c_lflag);
    ck_assert_mem_eq(a->c_cc, b->c_cc, NCCS);
}

/* Says ready, then what it is sent; q powers off, x crashes the domain, w the hypervisor. */
static void guest_terminal(struct vcpu *v, unsigned boot)
{
    char byte;

    guest_ready(v, boot);
    if (!console_input(&byte, 1))
        return;
    if (byte == 'q')
        domain_shutdown(v->domain, DOMAIN_POWEROFF);
    else if (byte == 'x')
        domain_crash(v->domain, v, "x", 1);
    else if (byte == 'w')
        guest_wild(v, boot);
    else if (byte == 'a')
        abort();
    else if (byte == 's')
        guest_socket(v, boot);
    else
        console_output(byte == 3 ? "^C" : "?", byte == 3 ? 2 : 1);
}

START_TEST(terminal_session)
{
    struct termios before, during, after;
    int status;

    fake.guest = guest_terminal;
    status = run_pty("\003q", &during, &before, &after);
    ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == EXIT_STATUS_OK, "%#x %s", (unsigned)status,
                  out);
    ck_assert(!(during.c_lflag & (ICANON | ECHO | ISIG)) && !(during.c_oflag & OPOST));
    ck_assert_ptr_nonnull(strstr(out, "^C"));
    same_terminal(&before, &after);
}
END_TEST

START_TEST(terminal_escape)
{
    struct termios before, during, after;
    int status;

    fake.guest = guest_terminal;
    status = run_pty("\035q", &during, &before, &after);
    ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == EXIT_STATUS_DETACHED, "%#x", (unsigned)status);
    same_terminal(&before, &after);
}
END_TEST

/* The dump comes while the terminal is raw: lines start at the margin all the same. */
START_TEST(terminal_crash)
{
    struct termios before, during, after;
    int status;

    fake.guest = guest_terminal;
    status = run_pty("x", &during, &before, &after);
    ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == EXIT_STATUS_CRASH);
    ck_assert_ptr_nonnull(strstr(out, "diptych: domain t vCPU 0: x (0x1)\r\n"));
    same_terminal(&before, &after);
}
END_TEST

/* Our own faults: by wild access, assertion, sandbox. */
START_TEST(terminal_faults)
{
    static const struct {
        const char *typed;
        int signo;
        const char *said;
    } rows[] = {
        {"w", SIGSEGV, "internal error: signal 11 at 0x10"},
        {"a", SIGABRT, "internal error: signal 6"},
        {"s", SIGSYS, "the sandbox stopped system call 41"},
    };
    struct termios before, during, after;

    fake.guest = guest_terminal;
    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        int status = run_pty(rows[i].typed, &during, &before, &after);

        ck_assert_msg(WIFSIGNALED(status) && WTERMSIG(status) == rows[i].signo, "%s: %#x", rows[i].typed,
                      (unsigned)status);
        ck_assert_msg(strstr(out, rows[i].said) != NULL, "%s", out);
        same_terminal(&before, &after);
    }
}
END_TEST

/* ---- failures ---- */

static const struct {
    const char *call;
    int status;
    const char *said;
} failures[] = {
    {"engine_host_missing", EXIT_STATUS_HOST, "lacks what the translator needs: abacus"},
    {"machine_init", EXIT_STATUS_HOST, "no room for a guest of 16M: memfd: Cannot allocate memory"},
    {"engine_init", EXIT_STATUS_HOST, "starting the translator"},
    {"machine_alloc", EXIT_STATUS_HOST, "no memory for a guest of 16M"},
    {"pv_domain_init", EXIT_STATUS_HOST, "setting up the domain"},
    {"engine_vcpu_create", EXIT_STATUS_HOST, "no memory for vCPU 0"},
    {"pv_vcpu_init", EXIT_STATUS_HOST, "setting up vCPU 0"},
    {"trace_start", EXIT_STATUS_HOST, "starting the tracer"},
    {"pv_backends_init", EXIT_STATUS_HOST, "console and the store: No space left"},
    {"pv_build", EXIT_STATUS_IMAGE, "needs 64 MiB of memory"},
    {"time_domain_init", EXIT_STATUS_HOST, "clock"},
};

static void expect_one_line(int status, const char *said)
{
    int got = run_status();

    ck_assert_msg(got == status, "status %d, not %d: %s", got, status, err);
    ck_assert_msg(strstr(err, said) != NULL, "'%s' isn't in: %s", said, err);
    ck_assert_msg(!strncmp(err, "diptych: ", 9) && strchr(err, '\n') == err + strlen(err) - 1,
                  "not one line: %s", err);
}

START_TEST(failure)
{
    fake.guest = guest_poweroff;
    fake.fail = failures[_i].call;
    vm_config_string(&c.trace_file, "/dev/null");
    expect_one_line(failures[_i].status, failures[_i].said);
}
END_TEST

/* The same while restarting: behind the sandbox, with threads and terminal there. */
START_TEST(failure_later)
{
    if (_i < 3) /* once a process */
        return;
    fake.guest = guest_reboot_twice;
    fake.fail = failures[_i].call;
    fake.fail_boot = 1;
    vm_config_string(&c.trace_file, "/dev/null");
    expect_one_line(failures[_i].status, failures[_i].said);
}
END_TEST

/* Failures once the domain exists: its other threads and backends have to go too. */
START_TEST(failure_of_threads)
{
    fake.guest = guest_ready;
    fake.fail_boot = 1; /* counts domains that are built */
    fake.fail = "engine_thread_start";
    expect_one_line(EXIT_STATUS_HOST, "starting a vCPU's thread: Operation not permitted");
    fake.fail = "time_vcpu_start";
    expect_one_line(EXIT_STATUS_HOST, "starting a vCPU's thread: Resource temporarily unavailable");
    fake.fail = "pv_backends_start";
    expect_one_line(EXIT_STATUS_HOST, "starting the console and the store: Resource");
}
END_TEST

START_TEST(bad_files)
{
    fake.guest = guest_poweroff;
    vm_config_string(&c.ramdisk, empty);
    expect_one_line(EXIT_STATUS_IMAGE, "is empty");
    vm_config_string(&c.ramdisk, "/nonexistent/initrd");
    expect_one_line(EXIT_STATUS_IMAGE, "initrd /nonexistent/initrd: No such file");
    vm_config_string(&c.ramdisk, dir);
    expect_one_line(EXIT_STATUS_IMAGE, "is a directory");
    vm_config_string(&c.ramdisk, "/dev/null");
    expect_one_line(EXIT_STATUS_IMAGE, "is empty");
    vm_config_string(&c.ramdisk, NULL);
    vm_config_string(&c.kernel, initrd);
    expect_one_line(EXIT_STATUS_IMAGE, "is no kernel");
    vm_config_string(&c.kernel, "/nonexistent/\nkernel");
    expect_one_line(EXIT_STATUS_IMAGE, "kernel /nonexistent/?kernel: No such file");
    vm_config_string(&c.kernel, kernel);
    vm_config_string(&c.trace_file, "/nonexistent/trace");
    expect_one_line(EXIT_STATUS_HOST, "/nonexistent/trace: No such file");
}
END_TEST

START_TEST(bad_words)
{
    fake.guest = guest_poweroff;
    c.trace = true;
    vm_config_string(&c.trace_filter, "nonsense");
    expect_one_line(EXIT_STATUS_USAGE, "--trace: 'nonsense' is no hypercall");
    c.trace = false;
    vm_config_string(&c.cpu_mask, "warp_drive");
    expect_one_line(EXIT_STATUS_USAGE, "--cpu: ");
}
END_TEST

/* A column a vCPU and the sum; a table for each boot. */
START_TEST(stats)
{
    const char *second;

    fake.guest = guest_reboot_twice;
    c.stats = true;
    ck_assert_int_eq(run_status(), EXIT_STATUS_OK);
    ck_assert_ptr_nonnull(strstr(err, "engine                         vcpu 0       vcpu 1          all\n"));
    ck_assert_ptr_nonnull(strstr(err, "blocks translated                1000         1001         2001\n"));
    ck_assert_ptr_nonnull(strstr(err, "expansion                        4.50         4.50         4.50\n"));
    second = strstr(strstr(err, "engine") + 1, "engine");
    ck_assert_ptr_nonnull(second);
    ck_assert_ptr_nonnull(strstr(second + 1, "engine"));
}
END_TEST

START_TEST(stats_of_one)
{
    fake.guest = guest_poweroff;
    c.stats = true;
    c.vcpus = 1;
    ck_assert_int_eq(run_status(), EXIT_STATUS_OK);
    ck_assert_ptr_nonnull(strstr(err, "blocks translated                1000\n"));
    ck_assert_ptr_null(strstr(err, "all\n"));
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("vm");

    tcase_set_timeout(t, 30);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, poweroff);
    tcase_add_test(t, reboot_behind_the_sandbox);
    tcase_add_test(t, reboot_destroys);
    tcase_add_test(t, crash);
    tcase_add_test(t, crash_restarts_after_a_second);
    tcase_add_test(t, other_ends);
    tcase_add_test(t, preserved_until_signal);
    tcase_add_test(t, signals);
    tcase_add_test(t, signal_asks);
    tcase_add_test(t, second_signal_ends);
    tcase_add_test(t, signal_while_building);
    tcase_add_test(t, vcpus_come_and_go);
    tcase_add_test(t, pipes);
    tcase_add_test(t, terminal_session);
    tcase_add_test(t, terminal_escape);
    tcase_add_test(t, terminal_crash);
    tcase_add_test(t, terminal_faults);
    tcase_add_loop_test(t, failure, 0, ARRAY_SIZE(failures));
    tcase_add_loop_test(t, failure_later, 0, ARRAY_SIZE(failures));
    tcase_add_test(t, failure_of_threads);
    tcase_add_test(t, bad_files);
    tcase_add_test(t, bad_words);
    tcase_add_test(t, stats);
    tcase_add_test(t, stats_of_one);
    return suite_run("vm", t);
}
