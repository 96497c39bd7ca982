/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The direct executor's run loop: enter the stub, see why it stopped.
 *
 * What a stop means is read off the signal and the bytes of code before rip. Whatever isn't plainly a system
 * call or a miss of the mirror is undone, back to the instruction, and left to the translator, which raises
 * the exact exception (DIRECT_ONE).
 */
#include <elf.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "base/diag.h"
#include "cpu/domain.h"
#include "direct/internal.h"
#include "engine/engine.h"

#define EVENT(status) ((unsigned)(status) >> 16)
#define SYSCALL_STOP  (SIGTRAP | 0x80)

#define DR6_BS 0x4000u

void warn_once(bool *said, const char *what, int err)
{
    if (!__atomic_exchange_n(said, true, __ATOMIC_RELAXED))
        diag_warn("%s%s%s", what, err ? ": " : "", err ? strerror(err) : "");
}

/*
 * What to do about a stop. NEXT_DELIVER: resume, kicked or not, for a signal that the stub stops for at once.
 */
enum next { NEXT_RESUME, NEXT_DELIVER, NEXT_ENTER, NEXT_LEAVE };

struct run {
    struct direct *d;
    struct space *sp;
    struct vcpu *v;
    void *xsave;
    bool taken;                /* the vCPU has the state that the stub has */
    enum direct_result result; /* with NEXT_LEAVE */
};

static enum next leave(struct run *r, enum direct_result result)
{
    r->result = result;
    return NEXT_LEAVE;
}

/* There is nothing left of the stub, nor of the guest's registers. */
static enum next lost(struct run *r)
{
    domain_crash(r->v->domain, r->v, "user code was running in a process that was killed, last seen at rip",
                 r->v->rip);
    r->sp->dying = true;
    return leave(r, DIRECT_TRANSLATE);
}

/*
 * SYSCALL, or INT 0x80 from 32-bit code. The stub is stopped behind the instruction; rcx and r11 are as
 * SYSCALL leaves them.
 */
static enum next on_syscall(struct run *r)
{
    struct stub_regs *u = &r->d->regs;
    uint8_t code[2] = {0, 0};

    r->d->stats->syscalls++;
    u->rax = u->orig_rax;
    if (space_code(r->sp, u->rip - 2, code, 2) == 2 && code[0] == 0x0f && code[1] == 0x05) {
        r->v->exit = (struct vcpu_exit){.reason = EXIT_SYSCALL, .next_rip = u->rip};
        return leave(r, DIRECT_EXIT);
    }
    /* INT 0x80; or an instruction in our own pages, which the guest doesn't have there. */
    u->rip -= 2;
    if (code[0] != 0xcd || code[1] != 0x80)
        return leave(r, DIRECT_ONE);
    r->v->exit = (struct vcpu_exit){.reason = EXIT_SOFTINT, .vector = 0x80, .next_rip = u->rip + 2};
    return leave(r, DIRECT_EXIT);
}

static bool byte_is(struct space *sp, uint64_t va, uint8_t byte)
{
    uint8_t code;

    return space_code(sp, va, &code, 1) == 1 && code == byte;
}

/* #DB and #BP are traps: rip is behind the instruction. */
static enum next on_trap(struct run *r, const siginfo_t *info)
{
    struct stub_regs *u = &r->d->regs;

    if (info->si_code == TRAP_TRACE) {
        r->v->dr[6] |= DR6_BS;
        r->v->exit = (struct vcpu_exit){.reason = EXIT_EXCEPTION, .vector = VEC_DB};
        return leave(r, DIRECT_EXIT);
    }
    /*
     * INT3 or INT 3. The byte may have gone by now: another vCPU that patches code under a breakpoint takes
     * it away.
     */
    if (info->si_code == SI_KERNEL) {
        r->v->exit = (struct vcpu_exit){.reason = EXIT_EXCEPTION, .vector = VEC_BP, .next_rip = u->rip};
        return leave(r, DIRECT_EXIT);
    }
    /* INT1: some hosts stop the stub behind it, others (seen in virtual machines) at it. */
    if (!byte_is(r->sp, u->rip, 0xf1) && byte_is(r->sp, u->rip - 1, 0xf1))
        u->rip -= 1;
    return leave(r, DIRECT_ONE);
}

/*
 * The host has emulated a call of its vsyscall page: undone; what the guest has there is the translator's to
 * see.
 */
static enum next on_vsyscall(struct run *r, const siginfo_t *info)
{
    struct stub_regs *u = &r->d->regs;

    u->rip = (uint64_t)info->si_call_addr;
    u->rsp -= 8;
    return leave(r, DIRECT_ONE);
}

/*
 * A SIGSEGV without an address: #GP and the like, or #OF, which is a trap. The CPU sets RF in what faults
 * leave, and only there (SDM vol. 3, 17.3.1.1).
 */
static void undo_overflow(struct run *r)
{
    struct stub_regs *u = &r->d->regs;

    if (u->eflags & FLAG_RF)
        return;
    if (u->cs == HOST_CS_32 && byte_is(r->sp, u->rip - 1, 0xce))
        u->rip -= 1; /* INTO */
    else if (byte_is(r->sp, u->rip - 2, 0xcd) && byte_is(r->sp, u->rip - 1, 4))
        u->rip -= 2; /* INT 4 */
}

static enum next on_segv(struct run *r, const siginfo_t *info)
{
    if (info->si_code == SI_KERNEL) {
        undo_overflow(r);
        return leave(r, DIRECT_ONE);
    }
    /*
     * Whoever kills a stub that has stopped for a signal leaves nothing of it; so nothing of the guest's may
     * be in it only.
     */
    r->taken = state_take(r->d, r->sp, r->v, r->xsave);
    switch (space_miss(r->d, r->sp, r->v, (uint64_t)info->si_addr, r->d->regs.rip)) {
    case MISS_MAPPED:
        return NEXT_ENTER;
    case MISS_ONE:
        return leave(r, DIRECT_ONE);
    case MISS_PAGE:
        r->d->stats->refused++;
        return leave(r, DIRECT_PAGE);
    default: /* if the stub has been killed, d->regs are the guest's all the same */
        return leave(r, DIRECT_TRANSLATE);
    }
}

static enum next on_signal(struct run *r, int sig)
{
    siginfo_t info;

    if (stub_ask(PTRACE_GETSIGINFO, r->sp, NULL, &info) < 0)
        return leave(r, DIRECT_ONE);
    if (r->sp->dying || info.si_signo != sig || info.si_code == (SIGTRAP | PTRACE_EVENT_EXIT << 8))
        info = (siginfo_t){.si_signo = sig, /* it has been killed, and this is about that */
                           .si_code = sig == SIGTRAP ? TRAP_BRKPT : SI_KERNEL};
    if (info.si_code <= 0)
        return NEXT_RESUME; /* somebody has sent it: the guest knows nothing of host signals */
    switch (sig) {
    case SIGSEGV:
        return on_segv(r, &info);
    case SIGTRAP:
        return on_trap(r, &info);
    case SIGSYS:
        return on_vsyscall(r, &info);
    case SIGILL:
    case SIGFPE:
    case SIGBUS:
        return leave(r, DIRECT_ONE);
    default:
        return NEXT_RESUME;
    }
}

static enum next on_stop(struct run *r, int status)
{
    r->d->stats->stops++;
    /*
     * A kick: seen before the stub is resumed. It comes first if the stub has just raised an exception, too:
     * a trap, whose instruction has been executed, would be lost if the engine went on without it.
     */
    if (EVENT(status))
        return stub_has_signal(r->sp->pid) ? NEXT_DELIVER : NEXT_RESUME;
    if (!state_fetch(r->d, r->sp))
        return lost(r);
    return WSTOPSIG(status) == SYSCALL_STOP ? on_syscall(r) : on_signal(r, WSTOPSIG(status));
}

/* User code's part of the time from resuming the stub to its stop: all but the shortest such time of late. */
static void stay_account(struct direct *d, uint64_t ticks)
{
    if (ticks < d->shortest || d->shortest == 0)
        d->shortest = ticks;
    else
        d->shortest += d->shortest / 256;
    d->user_ticks += ticks > d->shortest ? ticks - d->shortest : 0;
}

/* Resumes the stub, and waits until it stops. */
static enum next resume(struct run *r)
{
    struct direct *d = r->d;
    uint64_t ticks = __builtin_ia32_rdtsc();
    enum stub_stop stop;
    int status;

    r->taken = false;
    stub_ptrace(PTRACE_SYSEMU, r->sp->pid, NULL, NULL); /* an error says that it is dying, which we see now */
    stop = stub_wait(r->sp->pid, &status);
    ticks = __builtin_ia32_rdtsc() - ticks;
    stay_account(d, ticks);
    __atomic_store_n(&d->running, 0, __ATOMIC_SEQ_CST);
    place_after(d, r->sp, ticks);
    if (stop == STUB_STOPPED)
        return on_stop(r, status);
    r->sp->dying = true;
    if (stop != STUB_DYING || !state_fetch(d, r->sp))
        return lost(r);
    /* It may have been killed on its way into the host's kernel by a system call. */
    return (int64_t)d->regs.orig_rax >= 0 ? on_syscall(r) : leave(r, DIRECT_TRANSLATE);
}

/* Enters the stub, and stays until something concerns the engine. */
static void run(struct run *r)
{
    struct direct *d = r->d;
    enum next next = NEXT_ENTER;

    while (next != NEXT_LEAVE) {
        long err = next == NEXT_ENTER ? stub_ptrace(PTRACE_SETREGS, r->sp->pid, NULL, &d->regs) : 0;

        if (err < 0) {
            /*
             * A register has a value that the host doesn't let a process have; or the stub has been killed.
             */
            r->result = err == -EIO ? DIRECT_ONE : DIRECT_TRANSLATE;
            return;
        }
        if (stub_is_dying(r->sp->pid)) {
            r->sp->dying = true;
            r->result = DIRECT_TRANSLATE;
            return;
        }
        place_before(d, r->sp);
        __atomic_store_n(&d->running, r->sp->pid, __ATOMIC_SEQ_CST);
        if (next != NEXT_DELIVER && engine_kicked(r->v)) {
            __atomic_store_n(&d->running, 0, __ATOMIC_SEQ_CST);
            r->result = DIRECT_KICKED;
            if (next == NEXT_RESUME && !state_fetch(d, r->sp))
                lost(r);
            return;
        }
        next = resume(r);
    }
}

/* Somebody has killed the space's stub. What ran in it goes on without it. */
static void bury(struct direct *d, struct space *sp)
{
    static bool said;

    warn_once(&said, "a process that ran user code of the guest was killed from outside; going on without it",
              0);
    space_drop(d, sp, true);
}

enum direct_result direct_run(struct direct *d, struct vcpu *v, void *xsave, uint64_t *user_ticks)
{
    struct run r = {.d = d, .v = v, .xsave = xsave, .taken = true};
    int err;

    d->stats->entries++;
    d->user_ticks = *user_ticks = 0;
    r.sp = space_enter(d, v);
    if (!r.sp)
        return DIRECT_TRANSLATE;
    if (space_refuses(r.sp, v->rip)) {
        d->stats->refused++;
        return DIRECT_PAGE;
    }
    err = space_map_refused(d, r.sp, v) ? state_put(d, r.sp, v, xsave) : -ESRCH;
    if (err == -ESRCH)
        bury(d, r.sp);
    if (err)
        return err == -ESRCH ? DIRECT_TRANSLATE : DIRECT_ONE;
    run(&r);
    *user_ticks = d->user_ticks;
    d->stats->ticks += d->user_ticks;
    d->stats->ones += r.result == DIRECT_ONE;
    if (!r.taken && !domain_ended(v->domain) && !state_take(d, r.sp, v, xsave))
        lost(&r);
    if (r.sp->dying)
        bury(d, r.sp);
    return r.result;
}

/* ---- life ---- */

/* What PTRACE_SETREGSET(NT_X86_XSTATE) wants: what GETREGSET gives. */
static int xsave_size_ask(int pid)
{
    static const size_t largest = 65536;
    struct iovec io = {.iov_base = malloc(largest), .iov_len = largest};
    long err = io.iov_base ? stub_ptrace(PTRACE_GETREGSET, pid, (void *)NT_X86_XSTATE, &io) : -ENOMEM;

    if (!err)
        host.xsave_size = io.iov_len;
    free(io.iov_base);
    return (int)err;
}

struct direct *direct_attach(unsigned slot, struct direct_stats *stats)
{
    static bool attaching;
    struct direct *d = calloc(1, sizeof(*d));
    int err = -ENOMEM;

    if (!d)
        return NULL;
    d->slot_bit = 1u << slot;
    d->stats = stats;
    d->template = template_take();
    if (!d->template) {
        free(d);
        return NULL;
    }
    d->max_regions = REGIONS_MIN + 2 * (unsigned)(machine.nr_frames / USER_REGION_PAGES);
    place_init(d);
    err = stub_attach(d, d->template->pid);
    if (!err)
        err = xsave_size_ask(d->template->pid);
    d->fpu = err ? NULL : calloc(1, host.xsave_size);
    if (!d->fpu) {
        warn_once(&attaching, "user code can't run directly here and is translated: ptrace", -err);
        d->template->pid = 0;
        free(d);
        return NULL;
    }
    return d;
}

void direct_detach(struct direct *d)
{
    for (unsigned i = 0; i < SPACES; i++)
        if (d->space[i].key)
            space_drop(d, &d->space[i], false);
    stub_detach(d, d->template->pid);
    template_give_back(d->template);
    place_release(d);
}

void direct_free(struct direct *d)
{
    free(d->fpu);
    free(d);
}
