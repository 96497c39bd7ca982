/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Faults of our own while the engine's handlers are in place: the handlers of host/fault.c, which were there
 * before, have the last word, and the process dies of the signal.
 */
#include <check.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include <pty.h>

#include "base/message.h"
#include "engine/engine.h"
#include "host/fault.h"
#include "suite.h"

struct outcome {
    int status;
    char text[1024]; /* what it said on standard error */
    bool echo;       /* the terminal echoes again */
};

/* Runs fault() in a child that has turned a terminal raw, behind both sets of handlers. */
static void run(void (*fault)(void), struct outcome *o)
{
    int said[2], master, slave;
    struct termios t;
    size_t n = 0;
    ssize_t got;
    pid_t pid;

    ck_assert_int_eq(pipe(said), 0);
    ck_assert_int_eq(openpty(&master, &slave, NULL, NULL, NULL), 0);
    pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        struct rlimit no_core = {0, 0};

        setrlimit(RLIMIT_CORE, &no_core);
        dup2(said[1], STDERR_FILENO);
        terminal.fd = slave;
        if (rawsys6(SYS_ioctl, slave, TCGETS, (long)terminal.saved, 0, 0, 0) < 0 || tcgetattr(slave, &t) != 0)
            _exit(100);
        cfmakeraw(&t);
        if (tcsetattr(slave, TCSANOW, &t) != 0)
            _exit(101);
        terminal.raw = 1;
        fault_handlers_install();
        if (engine_init() != 0)
            _exit(102);
        alarm(10); /* a handler that comes back for ever */
        fault();
        _exit(103);
    }
    close(said[1]);
    while (n < sizeof(o->text) - 1 && (got = read(said[0], o->text + n, sizeof(o->text) - 1 - n)) > 0)
        n += (size_t)got;
    o->text[n] = 0;
    close(said[0]);
    ck_assert_int_eq(waitpid(pid, &o->status, 0), pid);
    ck_assert_int_eq(tcgetattr(slave, &t), 0);
    o->echo = t.c_lflag & ECHO;
    close(master);
    close(slave);
}

/* In assembly, so that a sanitizer doesn't look at the address first. */
static void fault_read(void)
{
    __asm__ volatile("movl (%0), %%ecx" : : "r"(0x1234567000) : "ecx");
}

/* As GCC's sanitizer traps in light code. */
static void fault_ud2(void)
{
    __asm__ volatile(".globl fault_place\nfault_place: ud2");
}

/* A jump to nowhere. */
static void fault_jump(void)
{
    __asm__ volatile("call *%0" : : "r"(0x1234567000));
}

static void fault_divide(void)
{
    __asm__ volatile("xorl %%ecx, %%ecx; divl %%ecx" : : : "eax", "ecx", "edx", "cc");
}

static void fault_sent(void)
{
    kill(getpid(), SIGSEGV);
}

static void fault_file_end(void)
{
    int fd = memfd_create("end", 0);
    volatile char *p = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);

    (void)*p;
}

static void fault_int3(void)
{
    __asm__ volatile("int3");
}

static const struct {
    void (*fault)(void);
    int signo;
    const char *said;
} faults[] = {
    {fault_read, SIGSEGV, "at 0x1234567000, by diptych+0x"},
    {fault_ud2, SIGILL, "internal error: signal 4"},
    {fault_jump, SIGSEGV, "at 0x1234567000, by code at 0x1234567000;"},
    {fault_divide, SIGFPE, "internal error: signal 8"},
    {fault_sent, SIGSEGV, "internal error: signal 11"},
};

START_TEST(ours_ends_in_order)
{
    struct outcome o;

    run(faults[_i].fault, &o);
    ck_assert_msg(WIFSIGNALED(o.status), "status %#x, said: %s", o.status, o.text);
    ck_assert_int_eq(WTERMSIG(o.status), faults[_i].signo);
    ck_assert_msg(strstr(o.text, faults[_i].said) != NULL, "said: %s", o.text);
    ck_assert(o.echo);
}
END_TEST

/* NOLINTNEXTLINE(bugprone-reserved-identifier): the linker's name */
extern const char __executable_start[], fault_place[];

/* The line gives the place in the program's file. */
START_TEST(place_is_said)
{
    struct outcome o;
    char place[64];

    run(fault_ud2, &o);
    snprintf(place, sizeof(place), "diptych+%#lx;", (unsigned long)(fault_place - __executable_start));
    ck_assert_msg(strstr(o.text, place) != NULL, "said: %s, not %s", o.text, place);
}
END_TEST

/* fault.c leaves SIGTRAP alone: the default action. */
START_TEST(breakpoint_kills)
{
    struct outcome o;

    run(fault_int3, &o);
    ck_assert(WIFSIGNALED(o.status));
    ck_assert_int_eq(WTERMSIG(o.status), SIGTRAP);
}
END_TEST

START_TEST(host_memory_is_said)
{
    struct outcome o;

    run(fault_file_end, &o);
    ck_assert_msg(WIFEXITED(o.status), "status %#x, said: %s", o.status, o.text);
    ck_assert_int_eq(WEXITSTATUS(o.status), 1);
    ck_assert_msg(strstr(o.text, "host out of memory") != NULL, "said: %s", o.text);
    ck_assert(o.echo);
}
END_TEST

int main(void)
{
    TCase *c = tcase_create("faults");

    tcase_set_timeout(c, 30);
    tcase_add_loop_test(c, ours_ends_in_order, 0, (int)ARRAY_SIZE(faults));
    tcase_add_test(c, place_is_said);
    tcase_add_test(c, breakpoint_kills);
    tcase_add_test(c, host_memory_is_said);
    return suite_run("faults", c);
}
