/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whether a process of ours can be kept from making system calls: what direct execution does with user code
 * of a guest, on one process that makes two calls, pause() and exit_group().
 *
 * Runs in a child of its own (doctor_try()); the process that is traced is that one's child and dies with it.
 */
#include <elf.h>
#include <errno.h>
#include <seccomp.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/reg.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host/doctor_try.h"

#define ANSWER       4242L /* what pause() returns in the traced process: the kernel never says that */
#define SYSCALL_STOP (SIGTRAP | 0x80) /* PTRACE_O_TRACESYSGOOD */
#define XSTATE_MAX   16384u           /* AMX has 8 KiB */

/* A filter that refuses getppid(). 0 if it does. */
static int filter_try(void)
{
    scmp_filter_ctx f;
    int err;

    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
        return errno;
    f = seccomp_init(SCMP_ACT_ALLOW);
    if (!f)
        return ENOMEM;
    err = seccomp_rule_add(f, SCMP_ACT_ERRNO(EDOM), SCMP_SYS(getppid), 0);
    if (!err)
        err = seccomp_load(f);
    seccomp_release(f);
    if (err)
        return -err;
    return syscall(SYS_getppid) == -1 && errno == EDOM ? 0 : ENOSYS;
}

/* The process that is traced. Through the pipe it says that its filter is in place. */
_Noreturn static void tracee(int ready)
{
    int err;

    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    err = filter_try();
    if (write(ready, &err, sizeof(err)) != sizeof(err))
        _exit(2);
    _exit(syscall(SYS_pause) == ANSWER ? 0 : 1);
}

/* Waits for the next stop. 0, or ECHILD if it has ended instead. */
static int wait_stop(pid_t pid, int *signo)
{
    int status;

    while (waitpid(pid, &status, __WALL) < 0)
        if (errno != EINTR)
            return errno;
    if (!WIFSTOPPED(status))
        return ECHILD;
    *signo = WSTOPSIG(status);
    return 0;
}

/* One of its registers: RAX and the like (sys/reg.h). None of the values that are expected is -1. */
static long register_get(pid_t pid, int reg)
{
    return ptrace(PTRACE_PEEKUSER, pid, sizeof(long) * (unsigned)reg, NULL);
}

/* Lets it run on to its next system call, which isn't made. */
static int resume_to_call(pid_t pid, long expected)
{
    int signo = 0, err;

    if (ptrace(PTRACE_SYSEMU, pid, NULL, NULL))
        return errno;
    err = wait_stop(pid, &signo);
    if (err)
        return err;
    return signo == SYSCALL_STOP && register_get(pid, ORIG_RAX) == expected ? 0 : ENOSYS;
}

static int vector_state_try(pid_t pid)
{
    struct iovec io = {.iov_base = malloc(XSTATE_MAX), .iov_len = XSTATE_MAX};
    int err = 0;

    if (!io.iov_base)
        return ENOMEM;
    if (ptrace(PTRACE_GETREGSET, pid, (void *)NT_X86_XSTATE, &io) ||
        ptrace(PTRACE_SETREGSET, pid, (void *)NT_X86_XSTATE, &io))
        err = errno;
    free(io.iov_base);
    return err;
}

static int trace(struct doctor_try *t, pid_t pid)
{
    const uintptr_t options = PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL;
    int signo, err;

    t->step = "tracing a process of one's own (PTRACE_SEIZE)";
    if (ptrace(PTRACE_SEIZE, pid, NULL, options) || ptrace(PTRACE_INTERRUPT, pid, NULL, NULL))
        return errno;
    err = wait_stop(pid, &signo);
    if (err)
        return err;
    /* It is in pause(), or about to be; that is the first call that comes. */
    t->step = "stopping its system calls (PTRACE_SYSEMU)";
    err = resume_to_call(pid, SYS_pause);
    if (err)
        return err;
    t->step = "its vector registers (PTRACE_GETREGSET, PTRACE_SETREGSET)";
    err = vector_state_try(pid);
    if (err)
        return err;
    t->step = "answering its system calls (PTRACE_POKEUSER)";
    if (ptrace(PTRACE_POKEUSER, pid, sizeof(long) * RAX, ANSWER))
        return errno;
    err = resume_to_call(pid, SYS_exit_group);
    if (err)
        return err;
    return register_get(pid, RDI) == 0 ? 0 : EINVAL;
}

int doctor_try_ptrace(struct doctor_try *t, void *arg)
{
    int ready[2], err = 0;
    pid_t pid;

    (void)arg;
    t->step = "a pipe";
    if (pipe(ready))
        return errno;
    t->step = "a process for user code";
    pid = fork();
    if (pid < 0)
        return errno;
    if (pid == 0)
        tracee(ready[1]);
    close(ready[1]);
    t->step = "its seccomp filter";
    if (read(ready[0], &err, sizeof(err)) != sizeof(err))
        return ECHILD;
    if (!err)
        err = trace(t, pid);
    kill(pid, SIGKILL);
    return err;
}
