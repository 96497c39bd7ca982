/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Stubs as processes: attaching, forking, ending them, and having them make system calls.
 *
 * Only the thread that has attached to a template may touch it and its stubs: ptrace binds them to it. All of
 * them die with it.
 */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

#include "base/rawsys.h"
#include "direct/internal.h"

#define EVENT(status) ((unsigned)(status) >> 16)

long stub_ptrace(long request, int pid, const void *addr, void *data)
{
    return rawsys6(SYS_ptrace, request, pid, (long)addr, (long)data, 0, 0);
}

enum stub_stop stub_wait(int pid, int *status)
{
    long ret;

    *status = 0;
    do
        ret = rawsys6(SYS_wait4, pid, (long)status, __WALL, 0, 0, 0);
    while (ret == -EINTR);
    if (ret < 0 || !WIFSTOPPED(*status))
        return STUB_GONE;
    return EVENT(*status) == PTRACE_EVENT_EXIT ? STUB_DYING : STUB_STOPPED;
}

long stub_ask(long request, struct space *sp, const void *addr, void *data)
{
    long err = stub_ptrace(request, sp->pid, addr, data);
    int status;

    if (err != -ESRCH)
        return err;
    sp->dying = true;
    return stub_wait(sp->pid, &status) == STUB_DYING ? stub_ptrace(request, sp->pid, addr, data) : -ESRCH;
}

void stub_add_call(struct direct *d, uint64_t nr, uint64_t a, uint64_t b, uint64_t c, uint64_t e, uint64_t f,
                   uint64_t g)
{
    d->template->calls[d->nr_calls++] = (struct stub_call){nr, {a, b, c, e, f, g}};
}

void stub_reap(int pid)
{
    int status;

    do
        stub_ptrace(PTRACE_CONT, pid, NULL, NULL);
    while (stub_wait(pid, &status) != STUB_GONE);
}

bool stub_is_dying(int pid)
{
    int status;

    return rawsys6(SYS_wait4, pid, (long)&status, __WALL | WNOHANG, 0, 0, 0) != 0;
}

bool stub_has_signal(int pid)
{
    const struct __ptrace_peeksiginfo_args first = {.nr = 1};
    siginfo_t info;

    return stub_ptrace(PTRACE_PEEKSIGINFO, pid, &first, &info) > 0;
}

/* Runs the stub's own code at the label with the d->nr_calls calls. As stub_do_calls(). */
static int own_code(struct direct *d, int pid, const char *label, long *result, int *child)
{
    struct stub_regs r = {
        .rip = stub_address(label),
        .rsp = STUB_CALLS, /* for stub_code_flags */
        .rbx = STUB_CALLS,
        .r12 = STUB_CALLS + d->nr_calls * sizeof(struct stub_call),
        .cs = HOST_CS_64,
        .ss = HOST_DS,
        .eflags = FLAG_IF | 2,
        .orig_rax = ~0UL,
    };

    d->nr_calls = 0;
    if (stub_ptrace(PTRACE_SETREGS, pid, NULL, &r) < 0)
        return -1;
    for (;;) {
        int status;

        if (stub_is_dying(pid) || stub_ptrace(PTRACE_CONT, pid, NULL, NULL) < 0)
            return -1;
        if (stub_wait(pid, &status) != STUB_STOPPED)
            return -1;
        if (EVENT(status) == PTRACE_EVENT_FORK && child) {
            unsigned long message = 0;

            stub_ptrace(PTRACE_GETEVENTMSG, pid, NULL, &message);
            *child = (int)message;
        }
        if (EVENT(status) || WSTOPSIG(status) != SIGTRAP)
            continue; /* a late kick, or a signal that somebody has sent: neither concerns the stub */
        if (stub_ptrace(PTRACE_GETREGS, pid, NULL, &r) < 0)
            return -1;
        if (r.rip == stub_address(stub_code_done))
            break;
    }
    *result = (long)r.rax;
    return (int)((r.rbx - STUB_CALLS) / sizeof(struct stub_call));
}

int stub_do_calls(struct direct *d, int pid, long *result, int *child)
{
    return own_code(d, pid, stub_code_calls, result, child);
}

bool stub_set_flag_id(struct direct *d, int pid, uint64_t id)
{
    d->nr_calls = 0;
    *(uint64_t *)d->template->calls = id | FLAG_IF | 2;
    return own_code(d, pid, stub_code_flags, &(long){0}, NULL) == 0;
}

/* One call, whose result it is. */
static long one_call(struct direct *d, int pid, uint64_t nr, uint64_t a, uint64_t b)
{
    long result;

    d->nr_calls = 0;
    stub_add_call(d, nr, a, b, 0, 0, 0, 0);
    return stub_do_calls(d, pid, &result, NULL) < 0 ? -ESRCH : result;
}

int stub_attach(struct direct *d, int pid)
{
    const uintptr_t options =
        PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEFORK | PTRACE_O_TRACEEXIT | PTRACE_O_EXITKILL;
    long err = stub_ptrace(PTRACE_SEIZE, pid, NULL, (void *)options);
    int status;

    if (err < 0)
        return (int)err;
    stub_ptrace(PTRACE_INTERRUPT, pid, NULL, NULL);
    if (stub_wait(pid, &status) != STUB_STOPPED)
        return -ESRCH;
    /*
     * What is left of the hypervisor's memory; and what the stubs will see of the guest's is for nobody else
     * of this user to look at.
     */
    err = one_call(d, pid, SYS_munmap, 0, STUB_CODE);
    if (!err)
        err = one_call(d, pid, SYS_munmap, STUB_END, USER_END - STUB_END);
    if (!err)
        err = one_call(d, pid, SYS_prctl, PR_SET_DUMPABLE, 0);
    return (int)err;
}

void stub_detach(struct direct *d, int pid)
{
    struct stub_regs r;

    /* Who attaches next must be allowed to. */
    if (one_call(d, pid, SYS_prctl, PR_SET_DUMPABLE, 1) || stub_ptrace(PTRACE_GETREGS, pid, NULL, &r) < 0)
        return;
    r.rip = stub_address(stub_code_park);
    stub_ptrace(PTRACE_SETREGS, pid, NULL, &r);
    stub_ptrace(PTRACE_DETACH, pid, NULL, NULL);
}

int stub_make(struct direct *d)
{
    int pid = d->template->pid, child = 0, status;
    long result;

    /* CLONE_PARENT: our own child, so that waiting for it is all that has to be done when it ends. */
    d->nr_calls = 0;
    stub_add_call(d, SYS_clone, CLONE_PARENT | SIGCHLD, 0, 0, 0, 0, 0);
    switch (stub_do_calls(d, pid, &result, &child)) {
    case 1:
        break;
    case 0:
        return (int)result;
    default:
        return -ESRCH;
    }
    if (!child || stub_wait(child, &status) != STUB_STOPPED)
        return -ESRCH;
    return child;
}

void stub_end(struct direct *d, int pid)
{
    d->nr_calls = 0;
    stub_add_call(d, SYS_exit_group, 0, 0, 0, 0, 0, 0);
    (void)stub_do_calls(d, pid, &(long){0}, NULL); /* until it stops once more, on its way out */
    stub_reap(pid);
}
