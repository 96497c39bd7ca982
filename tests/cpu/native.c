// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The parent's half of the oracle: keeps a child alive, feeds it batches, turns signals into exceptions.
 */
#include "native.h"

#include <err.h>
#include <errno.h>
#include <linux/futex.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cpu/vcpu.h"

struct native {
    struct native_shared *shared;
    pid_t child;
};

static void spawn(struct native *n)
{
    pid_t parent = getpid();

    n->shared->go = 0;
    n->shared->done = 0;
    fflush(NULL);
    n->child = fork();
    if (n->child < 0)
        err(1, "cputest: fork");
    if (n->child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent)
            _exit(1);
        native_child(n->shared);
    }
}

struct native *native_start(void)
{
    struct native *n = calloc(1, sizeof(*n));

    if (!n)
        err(1, "cputest");
    n->shared = mmap(NULL, sizeof(*n->shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (n->shared == MAP_FAILED)
        err(1, "cputest: mmap");
    spawn(n);
    return n;
}

void native_stop(struct native *n)
{
    kill(n->child, SIGKILL);
    waitpid(n->child, NULL, 0);
    munmap(n->shared, sizeof(*n->shared));
    free(n);
}

/* Waits until the child has finished the batch; false if it died instead, with its wait status. */
static bool wait_done(struct native *n, int *status)
{
    struct timespec tick = {0, 50000000};
    struct native_shared *s = n->shared;
    int done;

    for (;;) {
        done = __atomic_load_n(&s->done, __ATOMIC_ACQUIRE);
        if (done == s->go)
            return true;
        if (syscall(SYS_futex, &s->done, FUTEX_WAIT, done, &tick, NULL, 0) < 0 && errno == ETIMEDOUT &&
            waitpid(n->child, status, WNOHANG) == n->child)
            return false;
    }
}

/*
 * ICEBP is a trap: RIP is behind it (SDM vol. 3, 6.5).  Where a hypervisor intercepts it (KVM on AMD does),
 * the guest finds RIP at the instruction.
 */
static bool left_at_icebp(const struct native_slot *slot)
{
    const struct page *pg = layout_find(slot->raw.state.rip);

    return slot->raw.trapno == VEC_DB && !(slot->raw.state.rflags & FLAG_TF) && pg &&
           slot->image[layout_offset(slot->raw.state.rip)] == 0xf1;
}

static void outcome_from_slot(const struct native_slot *slot, bool code32, struct outcome *out)
{
    const struct native_raw *raw = &slot->raw;

    memset(out, 0, sizeof(*out));
    out->state = raw->state;
    state_normalise_xsave(out->state.xsave);
    if (left_at_icebp(slot))
        out->state.rip++;
    if (code32) {
        for (unsigned i = 0; i < 16; i++)
            out->state.gpr[i] = i < 8 ? (uint32_t)out->state.gpr[i] : 0;
        out->state.rip = (uint32_t)out->state.rip;
    }
    if (raw->timeout) {
        out->kind = OUTCOME_TIMEOUT;
    } else if (raw->signo == SIGSYS) {
        out->kind = OUTCOME_SYSCALL;
        out->vector = raw->int80 ? 0x80 : 0;
    } else {
        out->kind = OUTCOME_EXCEPTION;
        out->vector = (uint32_t)raw->trapno;
        /* The kernel leaves an older exception's error code in place for vectors that have none. */
        if (raw->trapno == VEC_PF || raw->trapno == VEC_GP || raw->trapno == VEC_SS ||
            raw->trapno == VEC_NP || raw->trapno == VEC_TS || raw->trapno == VEC_AC)
            out->error = (uint32_t)raw->error;
        if (raw->trapno == VEC_PF)
            out->cr2 = raw->cr2;
    }
}

void native_run(struct native *n, const struct test_case *t, unsigned count, struct outcome *out)
{
    struct native_shared *s = n->shared;
    int status;

    for (unsigned i = 0; i < count; i++) {
        s->slot[i].in = t[i].init;
        s->slot[i].code32 = t[i].code32;
        case_image(&t[i], s->slot[i].image);
    }
    s->first = 0;
    s->count = count;
    while (s->first < count) {
        s->current = s->first;
        __atomic_store_n(&s->go, s->go + 1, __ATOMIC_RELEASE);
        syscall(SYS_futex, &s->go, FUTEX_WAKE, 1, NULL, NULL, 0);
        if (wait_done(n, &status)) {
            for (unsigned i = s->first; i < count; i++)
                outcome_from_slot(&s->slot[i], t[i].code32, &out[i]);
            return;
        }
        if (WIFEXITED(status) && WEXITSTATUS(status) == NATIVE_NO_SETUP)
            exit(1);
        for (unsigned i = s->first; i < s->current; i++)
            outcome_from_slot(&s->slot[i], t[i].code32, &out[i]);
        memset(&out[s->current], 0, sizeof(out[0]));
        out[s->current].kind = OUTCOME_DIED;
        snprintf(out[s->current].why, sizeof(out[0].why), "the native child died (%s %d)",
                 WIFSIGNALED(status) ? "signal" : "exit status",
                 WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
        s->first = s->current + 1;
        spawn(n);
    }
}

const uint8_t *native_memory(struct native *n, unsigned i)
{
    return n->shared->slot[i].image;
}
