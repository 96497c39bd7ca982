/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Stubs as processes: having them stop, go on, make system calls, and end.
 *
 * A stub stops by a call of which we are notified (seccomp_unotify(2)); until it is answered it is in the
 * host's kernel. One that user code is not in has all signals blocked, but for a template, which waits
 * outside of its signal handler. Whoever is interrupted there stops anew, and the old notification is void.
 */
#include <errno.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/rawsys.h"
#include "direct/internal.h"

#define RECORD_HAS(offset, field) \
    _Static_assert((offset) == offsetof(struct stub_record, field), "as stub_code.S has it")

RECORD_HAS(RECORD_FS_BASE, fs_base);
RECORD_HAS(RECORD_GS_BASE, gs_base);
RECORD_HAS(RECORD_NEW_FS_BASE, new_fs_base);
RECORD_HAS(RECORD_NEW_GS_BASE, new_gs_base);
RECORD_HAS(RECORD_FLAGS, flags);
RECORD_HAS(RECORD_FRAME, frame);
RECORD_HAS(RECORD_DS, ds);
RECORD_HAS(RECORD_ES, es);
RECORD_HAS(RECORD_FS, fs);
RECORD_HAS(RECORD_GS, gs);
RECORD_HAS(RECORD_NEW_DS, new_ds);
RECORD_HAS(RECORD_NEW_ES, new_es);
RECORD_HAS(RECORD_NEW_FS, new_fs);
RECORD_HAS(RECORD_NEW_GS, new_gs);
RECORD_HAS(RECORD_LOAD, load);
RECORD_HAS(RECORD_LEFT, left);
_Static_assert(sizeof(struct stub_call) == STUB_CALL_SIZE, "as stub_code.S has it");
_Static_assert(offsetof(struct stub_slot, descs) == STUB_DESCS_OFFSET - STUB_CALLS_OFFSET, "layout.h");
_Static_assert(offsetof(struct stub_slot, state) == STUB_STATE_OFFSET - STUB_CALLS_OFFSET, "layout.h");
_Static_assert(sizeof(struct stub_slot) == STUB_END_OFFSET - STUB_CALLS_OFFSET, "layout.h");

void stub_add_call(struct stub *s, uint64_t nr, uint64_t a, uint64_t b, uint64_t c, uint64_t e, uint64_t f,
                   uint64_t g)
{
    s->slot->calls[s->nr_calls++] = (struct stub_call){nr, {a, b, c, e, f, g}};
}

static bool answer(struct direct *d, struct stub *s, int64_t value, int error)
{
    struct seccomp_notif_resp r = {.id = s->id, .val = value, .error = error};

    if (rawsys6(SYS_ioctl, d->template->listener, SECCOMP_IOCTL_NOTIF_SEND, (long)&r, 0, 0, 0) < 0)
        return false;
    s->id = 0;
    return true;
}

bool stub_go(struct direct *d, struct stub *s, int64_t ending)
{
    /* What is left of longer lists may be another process's, which had the same page-table base. */
    if (s->written > s->nr_calls)
        memset(&s->slot->calls[s->nr_calls + 1], 0, (s->written - s->nr_calls) * sizeof(struct stub_call));
    s->written = s->nr_calls;
    s->slot->calls[s->nr_calls].nr = (uint64_t)ending;
    memset(s->slot->calls[s->nr_calls].arg, 0, sizeof(s->slot->calls[0].arg));
    if (!answer(d, s, (int64_t)host.cookie, 0))
        return false;
    s->nr_calls = 0;
    return true;
}

enum stub_stop stub_refuse(struct direct *d, struct stub *s)
{
    answer(d, s, 0, -EPERM);
    return stub_wait(d, s);
}

/* Which of ours has this process id; one that isn't known yet is the newborn. */
static struct stub *stub_of(struct direct *d, int pid)
{
    if (d->template->stub.pid == pid)
        return &d->template->stub;
    for (unsigned i = 0; i < SPACES; i++)
        if (d->space[i].stub.pid == pid)
            return &d->space[i].stub;
    d->newborn.pid = pid;
    return &d->newborn;
}

/* Takes the notification that is there. */
static struct stub *notification_take(struct direct *d)
{
    struct seccomp_notif n;
    struct stub *s;

    memset(&n, 0, sizeof(n));
    if (rawsys6(SYS_ioctl, d->template->listener, SECCOMP_IOCTL_NOTIF_RECV, (long)&n, 0, 0, 0) < 0)
        return NULL; /* we, or it, have been interrupted */
    s = stub_of(d, (int)n.pid);
    s->id = n.id;
    s->event = (struct stub_event){.what = (unsigned)n.data.args[0], .arg = n.data.args[1]};
    return s;
}

enum stub_stop stub_wait(struct direct *d, struct stub *s)
{
    struct pollfd fds[] = {{.fd = d->template->listener, .events = POLLIN},
                           {.fd = s->pidfd, .events = POLLIN}};

    for (;;) {
        if (rawsys6(SYS_poll, (long)fds, ARRAY_SIZE(fds), -1, 0, 0, 0) < 0)
            continue; /* a signal of ours: if it concerns the stub it has been told */
        if (fds[0].revents & POLLIN && notification_take(d) == s)
            return STUB_STOPPED;
        if (fds[1].revents)
            return STUB_GONE;
    }
}

bool stub_do_calls(struct direct *d, struct stub *s, long *result)
{
    *result = 0;
    while (!stub_go(d, s, CALLS_STOP))
        if (stub_wait(d, s) == STUB_GONE)
            return false;
    if (stub_wait(d, s) == STUB_GONE)
        return false;
    if (s->event.what == STUB_DONE || s->event.what == STUB_FAILED)
        *result = (long)s->event.arg;
    return s->event.what == STUB_DONE;
}

/*
 * Has a stub that has just been forked take to its own slot: the calls for that it finds in the template's,
 * those that follow already in its own. Stopped by a signal then. False: it isn't.
 */
static bool move_in(struct direct *d, struct stub *s, struct stub_slot *slot)
{
    const uint64_t at = (uint64_t)((const char *)slot - (const char *)d->template->slots);
    const uint64_t state = offsetof(struct stub_slot, state);
    struct stub old = {.slot = d->template->slots};

    stub_add_call(&old, SYS_mmap, STUB_STATE, sizeof(slot->state), PROT_READ | PROT_WRITE,
                  MAP_SHARED | MAP_FIXED, STUB_SLOTS_FD, at + state);
    stub_add_call(&old, SYS_mmap, STUB_CALLS, state, PROT_READ, MAP_SHARED | MAP_FIXED, STUB_SLOTS_FD, at);
    memset(slot, 0, sizeof(*slot)); /* another process's */
    s->slot = slot;
    s->slot_at = at;
    s->written = s->nr_calls = old.nr_calls;
    stub_add_call(s, SYS_prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0, 0);
    return stub_go(d, s, CALLS_TRAP) && stub_wait(d, s) == STUB_STOPPED && s->event.what == SIGTRAP;
}

int stub_make(struct direct *d, struct stub *s, struct stub_slot *slot)
{
    struct stub *t = &d->template->stub;
    long pid;

    /* CLONE_PARENT: our own child, so that waiting for it is all that has to be done when it ends. */
    d->newborn = (struct stub){0};
    stub_add_call(t, SYS_clone, CLONE_PARENT | SIGCHLD, 0, 0, 0, 0, 0);
    if (!stub_do_calls(d, t, &pid))
        return pid < 0 ? (int)pid : -ESRCH;
    *s = (struct stub){
        .pid = (int)pid,
        .pidfd = (int)rawsys6(SYS_pidfd_open, pid, 0, 0, 0, 0, 0),
        .id = d->newborn.id,
        .slot = t->slot,
    };
    if ((s->id || stub_wait(d, s) == STUB_STOPPED) && s->pidfd >= 0 && move_in(d, s, slot))
        return 0;
    stub_end(d, s);
    return -EAGAIN;
}

void stub_end(struct direct *d, struct stub *s)
{
    int status;

    s->nr_calls = 0;
    stub_add_call(s, SYS_exit_group, 0, 0, 0, 0, 0, 0);
    while (!stub_go(d, s, CALLS_STOP))
        if (stub_wait(d, s) == STUB_GONE)
            break;
    while (rawsys6(SYS_wait4, s->pid, (long)&status, __WALL, 0, 0, 0) == -EINTR)
        continue;
    if (s->pidfd >= 0)
        rawsys6(SYS_close, s->pidfd, 0, 0, 0, 0, 0);
    s->pid = 0;
}
