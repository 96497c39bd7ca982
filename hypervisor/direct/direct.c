/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The direct executor's run loop: enter the stub, see why it stopped.
 *
 * What a stop means is read off the signal and the bytes of code before rip. Whatever isn't plainly a system
 * call, a page fault or a miss of the mirror is undone, back to the instruction, and left to the translator,
 * which raises the exact exception (DIRECT_ONE). While a stub is stopped the vCPU has all of its state.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/diag.h"
#include "cpu/domain.h"
#include "direct/internal.h"
#include "engine/engine.h"

#define DR6_BS 0x4000u

/* Page-fault error code (SDM vol. 3, 4.7), as the frame has it. */
#define ERR_WRITE 2u
#define ERR_FETCH 16u

void warn_once(bool *said, const char *what, int err)
{
    if (!__atomic_exchange_n(said, true, __ATOMIC_RELAXED))
        diag_warn("%s%s%s", what, err ? ": " : "", err ? strerror(err) : "");
}

enum next { NEXT_RESUME, NEXT_LEAVE };

struct run {
    struct direct *d;
    struct space *sp;
    struct vcpu *v;
    void *xsave;
    const struct stub_frame *frame; /* of the signal that has stopped it */
    enum direct_result result;      /* with NEXT_LEAVE */
    bool calls;                     /* there were some to be made before user code went on */
    bool gone;
};

static enum next leave(struct run *r, enum direct_result result)
{
    r->result = result;
    return NEXT_LEAVE;
}

/*
 * The stub has been killed while user code ran in it: its registers are lost. The guest's kernel gets to see
 * an exception where they were last known, which ends that program and nothing else.
 */
static enum next lost(struct run *r)
{
    static bool said;

    warn_once(&said, "a process that ran user code was killed from outside; the guest's program gets #GP", 0);
    r->gone = true;
    r->v->exit =
        (struct vcpu_exit){.reason = EXIT_EXCEPTION, .vector = VEC_GP, .has_error = true, .error = 0};
    return leave(r, DIRECT_EXIT);
}

/*
 * SYSCALL, or INT 0x80 from 32-bit code. rip is behind the instruction; rcx and r11 are as SYSCALL leaves
 * them.
 */
static enum next on_syscall(struct run *r)
{
    struct vcpu *v = r->v;
    uint8_t code[2] = {0, 0};

    r->d->stats->syscalls++;
    if (space_code(r->sp, v->rip - 2, code, 2) == 2 && code[0] == 0x0f && code[1] == 0x05) {
        v->exit = (struct vcpu_exit){.reason = EXIT_SYSCALL, .next_rip = v->rip};
        return leave(r, DIRECT_EXIT);
    }
    v->rip -= 2;
    if (code[0] != 0xcd || code[1] != 0x80)
        return leave(r, DIRECT_ONE);
    v->exit = (struct vcpu_exit){.reason = EXIT_SOFTINT, .vector = 0x80, .next_rip = v->rip + 2};
    return leave(r, DIRECT_EXIT);
}

static bool byte_is(struct space *sp, uint64_t va, uint8_t byte)
{
    uint8_t code;

    return space_code(sp, va, &code, 1) == 1 && code == byte;
}

/* #DB and #BP are traps: rip is behind the instruction. */
static enum next on_trap(struct run *r)
{
    struct vcpu *v = r->v;

    if (r->frame->info.si_code == TRAP_TRACE) {
        v->dr[6] |= DR6_BS;
        v->exit = (struct vcpu_exit){.reason = EXIT_EXCEPTION, .vector = VEC_DB};
        return leave(r, DIRECT_EXIT);
    }
    /*
     * INT3 or INT 3. The byte may have gone by now: another vCPU that patches code under a breakpoint takes
     * it away.
     */
    if (r->frame->info.si_code == SI_KERNEL) {
        v->exit = (struct vcpu_exit){.reason = EXIT_EXCEPTION, .vector = VEC_BP, .next_rip = v->rip};
        return leave(r, DIRECT_EXIT);
    }
    /* INT1: some hosts stop the stub behind it, others (seen in virtual machines) at it. */
    if (!byte_is(r->sp, v->rip, 0xf1) && byte_is(r->sp, v->rip - 1, 0xf1))
        v->rip -= 1;
    return leave(r, DIRECT_ONE);
}

/* A call that the filter has stopped. */
static enum next on_sys(struct run *r)
{
    uint64_t at = (uint64_t)r->frame->info.si_call_addr;

    if (r->frame->cs == HOST_CS_32 && r->frame->rip >> 32) {
        /*
         * SYSCALL or SYSENTER, which scan.c hasn't found: the host's kernel has put another address in place
         * of where it was.
         */
        r->v->rip = 0;
        return leave(r, DIRECT_ONE);
    }
    if (at == r->v->rip)
        return on_syscall(r);
    /*
     * The host has emulated a call of its vsyscall page: undone; what the guest has there is the translator's
     * to see.
     */
    r->v->rip = at;
    r->v->gpr[RSP] -= 8;
    return leave(r, DIRECT_ONE);
}

/*
 * #GP and the like, or #OF, which is a trap. The CPU sets RF in what faults leave, and only there (SDM vol.
 * 3, 17.3.1.1).
 */
static void undo_overflow(struct run *r)
{
    struct vcpu *v = r->v;

    if (r->frame->eflags & FLAG_RF)
        return;
    if (v->seg[SEG_CS].selector == HOST_CS_32 && byte_is(r->sp, v->rip - 1, 0xce))
        v->rip -= 1; /* INTO */
    else if (byte_is(r->sp, v->rip - 2, 0xcd) && byte_is(r->sp, v->rip - 1, 4))
        v->rip -= 2; /* INT 4 */
}

static enum next on_segv(struct run *r)
{
    uint64_t err = r->frame->err;

    if (r->frame->trapno != VEC_PF) {
        undo_overflow(r);
        return leave(r, DIRECT_ONE);
    }
    switch (space_miss(r->d, r->sp, r->v, r->frame->cr2,
                       err & ERR_FETCH   ? ACCESS_FETCH
                       : err & ERR_WRITE ? ACCESS_WRITE
                                         : ACCESS_READ)) {
    case MISS_MAPPED:
        return NEXT_RESUME;
    case MISS_FAULT:
        return leave(r, DIRECT_EXIT);
    case MISS_ONE:
        return leave(r, DIRECT_ONE);
    case MISS_PAGE:
        r->d->stats->refused++;
        return leave(r, DIRECT_PAGE);
    case MISS_GONE:
        r->gone = true;
        break;
    case MISS_TRANSLATE:
        break;
    }
    return leave(r, DIRECT_TRANSLATE);
}

/*
 * User code has stopped by itself, in our page of code, or has tried to. It gets a page fault there, with the
 * registers that it has by now.
 */
static enum next on_forgery(struct run *r, enum state taken)
{
    static bool said;

    if (++r->d->forgeries > FORGERIES_MAX)
        warn_once(&said, "user code of the guest tampers with the process that it runs in, and is translated",
                  0);
    if (taken == STATE_NONE) {
        if (stub_refuse(r->d, &r->sp->stub) == STUB_GONE)
            return lost(r);
        if (state_take(r->sp, r->v, r->xsave) == STATE_NONE)
            r->v->rip = stub_address(stub_code_notified);
    }
    return leave(r, DIRECT_ONE);
}

static enum next on_stop(struct run *r)
{
    const struct stub_event *event = &r->sp->stub.event;
    enum state taken;

    r->d->stats->stops++;
    if (event->what == STUB_FAILED && r->calls) {
        /* Too many maps, or no memory; or forged. User code hasn't run yet, as far as we know. */
        r->gone = !space_reset(r->d, r->sp);
        return leave(r, DIRECT_TRANSLATE);
    }
    taken = state_take(r->sp, r->v, r->xsave);
    if (taken != STATE_TAKEN)
        return on_forgery(r, taken);
    switch (event->what) {
    case SIGSEGV:
        return r->frame->info.si_code > 0 ? on_segv(r) : NEXT_RESUME;
    case SIGTRAP:
        return r->frame->info.si_code > 0 ? on_trap(r) : NEXT_RESUME;
    case SIGSYS:
        return r->frame->info.si_code > 0 ? on_sys(r) : NEXT_RESUME;
    case SIGILL:
    case SIGFPE:
    case SIGBUS:
        return r->frame->info.si_code > 0 ? leave(r, DIRECT_ONE) : NEXT_RESUME;
    default:
        return NEXT_RESUME; /* a kick; or somebody has sent it: the guest knows nothing of host signals */
    }
}

/* The lowest of late: goes down at once, and up slowly. */
static void lowest(uint64_t *low, uint64_t ticks)
{
    if (ticks < *low || *low == 0)
        *low = ticks;
    else
        *low += *low / 256;
}

/*
 * User code's part of the time from resuming the stub to its stop: all but the shortest such time of late,
 * and as much for each call that the stub made before as the shortest that had some.
 */
static void stay_account(struct direct *d, uint64_t ticks, unsigned calls)
{
    uint64_t ways;

    if (calls)
        lowest(&d->shortest_call, (ticks > d->shortest ? ticks - d->shortest : 0) / calls);
    else
        lowest(&d->shortest, ticks);
    ways = d->shortest + calls * d->shortest_call;
    d->user_ticks += ticks > ways ? ticks - ways : 0;
}

/*
 * Resumes the stub, and waits until it stops. If it had been interrupted where it was it stops once more
 * before it runs anything.
 */
static enum next resume(struct run *r)
{
    struct direct *d = r->d;
    struct stub *s = &r->sp->stub;
    uint64_t ticks = __builtin_ia32_rdtsc();
    enum stub_stop stop;
    bool went;

    r->calls = s->nr_calls;
    went = stub_go(d, s, CALLS_RESUME);
    stop = stub_wait(d, s);

    ticks = __builtin_ia32_rdtsc() - ticks;
    __atomic_store_n(&d->running, 0, __ATOMIC_SEQ_CST);
    if (!went) {
        r->gone = stop == STUB_GONE;
        return r->gone ? leave(r, DIRECT_TRANSLATE) : NEXT_RESUME;
    }
    stay_account(d, ticks, r->calls);
    place_after(d, r->sp, ticks);
    if (stop == STUB_STOPPED)
        return on_stop(r);
    if (s->slot->record.left)
        return lost(r);
    r->gone = true; /* and with it nothing: all that it was to take to user code is still here */
    return leave(r, DIRECT_TRANSLATE);
}

/* Enters the stub, and stays until something concerns the engine. */
static void run(struct run *r)
{
    struct direct *d = r->d;

    do {
        if (!state_put(r->sp, r->v, r->xsave)) {
            r->result = DIRECT_ONE; /* a register has a value that the host doesn't let a process have */
            return;
        }
        place_before(d, r->sp);
        __atomic_store_n(&d->running, r->sp->stub.pid, __ATOMIC_SEQ_CST);
        if (engine_kicked(r->v)) {
            __atomic_store_n(&d->running, 0, __ATOMIC_SEQ_CST);
            r->result = DIRECT_KICKED;
            return;
        }
    } while (resume(r) == NEXT_RESUME);
}

enum direct_result direct_run(struct direct *d, struct vcpu *v, void *xsave, uint64_t *user_ticks)
{
    struct run r = {.d = d, .v = v, .xsave = xsave};

    d->stats->entries++;
    d->user_ticks = *user_ticks = 0;
    d->xcr0_more = host.xcr0 & ~v->xcr0; /* direct_fits(): v->xcr0 is the domain's */
    r.sp = space_enter(d, v);
    if (!r.sp)
        return DIRECT_TRANSLATE;
    r.frame = space_frame(r.sp);
    if (space_refuses(r.sp, v->rip)) {
        d->stats->refused++;
        return DIRECT_PAGE;
    }
    if (space_map_refused(d, r.sp, v)) {
        run(&r);
    } else {
        r.gone = true;
        r.result = DIRECT_TRANSLATE;
    }
    *user_ticks = d->user_ticks;
    d->stats->ticks += d->user_ticks;
    d->stats->ones += r.result == DIRECT_ONE;
    if (r.gone)
        space_drop(d, r.sp);
    return r.result;
}

/* ---- life ---- */

struct direct *direct_attach(unsigned slot, struct direct_stats *stats)
{
    struct direct *d = calloc(1, sizeof(*d));

    if (!d)
        return NULL;
    d->slot_bit = 1u << slot;
    d->stats = stats;
    d->stays = host.stays;
    d->template = template_take();
    if (!d->template) {
        free(d);
        return NULL;
    }
    d->max_regions = REGIONS_MIN + 2 * (unsigned)(machine.nr_frames / USER_REGION_PAGES);
    place_init(d);
    return d;
}

void direct_detach(struct direct *d)
{
    for (unsigned i = 0; i < SPACES; i++)
        if (d->space[i].key)
            space_drop(d, &d->space[i]);
    template_give_back(d->template);
    place_release(d);
}

void direct_free(struct direct *d)
{
    free(d);
}
