/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Host signals in a vCPU's thread: faults of translated code become guest exceptions, and the kick signal
 * makes translated code come back to C.
 *
 * A kick finds the thread in one of these places:
 *  - in a block: its direct exits are unlinked and, if it ends in RET, the top of the shadow stack is turned
 *    to C, so that the thread leaves at the block's end (indirect exits poll hot.kick themselves);
 *  - between a check of hot.kick and translated code (the two windows in enter.S): sent to where the check
 *    would have gone;
 *  - elsewhere in C: hot.kick is seen before the next entry.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/message.h"
#include "engine/internal.h"

__thread struct vcpu *vcpu_current;

void interrupt_block(struct engine_vcpu *e, uint64_t host_pc, uint64_t *shadow_top)
{
    struct block *b = cache_block_at(e, host_pc);

    if (!b)
        return;
    cache_unlink_block_exits(e, b);
    if (b->ends_in_ret && (uint64_t)shadow_top < e->shadow_base[e->cur_view])
        *shadow_top = e->hot.stubs[STUB_IND_MISS];
}

void engine_interrupt_helper(void)
{
    struct engine_vcpu *e = engine_self();

    interrupt_block(e, e->hot.helper_ra - 1, (uint64_t *)e->hot.shadow_rsp);
}

static bool in_range(uint64_t pc, const char *from, const char *to)
{
    return pc >= (uint64_t)from && pc < (uint64_t)to;
}

static bool in_cache(const struct engine_vcpu *e, uint64_t pc)
{
    return pc - (uint64_t)e->cache.base < e->cache.used;
}

static void on_kick(int sig, siginfo_t *info, void *context)
{
    ucontext_t *uc = context;
    greg_t *r = uc->uc_mcontext.gregs;
    struct vcpu *v = vcpu_current;
    struct engine_vcpu *e;

    (void)sig;
    if (!v)
        return;
    e = engine_of(v);
    if (info->si_code == SI_TIMER)
        __atomic_fetch_or(&v->requests, VCPU_REQ_TIMER, __ATOMIC_SEQ_CST);
    __atomic_store_n(&e->hot.kick, 1, __ATOMIC_SEQ_CST);
    e->stats.kicks++;
    if (e->direct)
        direct_interrupt(e->direct);
    if (in_cache(e, (uint64_t)r[REG_RIP]))
        interrupt_block(e, (uint64_t)r[REG_RIP], (uint64_t *)r[REG_RSP]);
    else if (in_range((uint64_t)r[REG_RIP], engine_enter_window, engine_enter_window_end) ||
             in_range((uint64_t)r[REG_RIP], engine_enter_kernel_window, engine_enter_kernel_window_end) ||
             in_range((uint64_t)r[REG_RIP], engine_enter_user_window, engine_enter_user_window_end))
        r[REG_RIP] = (greg_t)engine_enter_abort;
    else if (in_range((uint64_t)r[REG_RIP], engine_helper_window, engine_helper_window_end))
        r[REG_RIP] = (greg_t)helper_kicked;
}

/* Guest state at a fault in the body of a block, from the host's registers. */
static void state_from_context(struct engine_vcpu *e, const struct block *b, const greg_t *r)
{
    const struct insn_info *info = cache_insn_at(e, b, (uint64_t)r[REG_RIP]);
    uint64_t *g = e->v.gpr;

    g[RAX] = (uint64_t)r[REG_RAX];
    g[RCX] = (uint64_t)r[REG_R15];
    g[RDX] = (uint64_t)r[REG_RDX];
    g[RBX] = (uint64_t)r[REG_RBX];
    g[RSP] = (uint64_t)r[REG_R13];
    g[RBP] = (uint64_t)r[REG_RBP];
    g[RSI] = (uint64_t)r[REG_RSI];
    g[RDI] = (uint64_t)r[REG_RDI];
    g[R8] = (uint64_t)r[REG_R8];
    g[R9] = (uint64_t)r[REG_R9];
    g[R10] = (uint64_t)r[REG_R10];
    g[R11] = (uint64_t)r[REG_R11];
    g[R12] = (uint64_t)r[REG_R12];
    if (info->borrowed)
        g[info->borrowed - 1] = e->hot.tmp2;
    if (info->flags_host)
        e->hot.flags = flags_pack((uint64_t)r[REG_EFL]);
    else
        flags_settle_at(e, b, info);
    e->v.rip = b->va + info->guest_off;
}

static void host_memory_failure(void)
{
    static const char text[] = "diptych: host out of memory: a page of guest memory could not be provided\n";

    terminal_restore();
    message_write(text, sizeof(text) - 1);
    _exit(1);
}

static const int fault_signals[] = {SIGSEGV, SIGFPE, SIGILL, SIGBUS, SIGTRAP};
static struct sigaction fault_before[ARRAY_SIZE(fault_signals)]; /* who handled them before signals_init() */

/*
 * The fault is ours, or no fault: whoever was there before has the last word (host/fault.c gives the terminal
 * back and lets the process die).  Its handler is put in place, not called, so that it sees the signal as the
 * kernel gives it: a faulting instruction faults again, and a signal that was sent, or comes behind its
 * instruction, is sent again.
 */
static void fault_pass_on(int sig, const siginfo_t *info)
{
    for (unsigned i = 0; i < ARRAY_SIZE(fault_signals); i++)
        if (fault_signals[i] == sig)
            sigaction(sig, &fault_before[i], NULL);
    if (info->si_code <= 0 || sig == SIGTRAP)
        rawsys_tgkill((int)rawsys6(SYS_getpid, 0, 0, 0, 0, 0, 0), (int)rawsys6(SYS_gettid, 0, 0, 0, 0, 0, 0),
                      sig);
}

static void on_fault(int sig, siginfo_t *info, void *context)
{
    ucontext_t *uc = context;
    greg_t *r = uc->uc_mcontext.gregs;
    struct vcpu *v = vcpu_current;
    struct engine_vcpu *e = v ? engine_of(v) : NULL;
    uint64_t pc = (uint64_t)r[REG_RIP];
    const struct block *b;
    unsigned trap = (unsigned)r[REG_TRAPNO];

    if (info->si_code <= 0) { /* sent by somebody: the registers say nothing about it */
        fault_pass_on(sig, info);
        return;
    }
    if (sig == SIGBUS && trap != VEC_AC)
        host_memory_failure();
    b = e ? cache_block_at(e, pc) : NULL;
    if (!b || (trap == VEC_PF && ((uint64_t)info->si_addr < (uint64_t)e->shadow_map ||
                                  (uint64_t)info->si_addr >= e->shadow_base[VIEW_USER]))) {
        fault_pass_on(sig, info);
        return;
    }
    if (trap == VEC_PF) {
        /* a host call ran off the shadow stack: start it again from the top */
        r[REG_RSP] = (greg_t)e->shadow_base[e->cur_view];
        return;
    }
    state_from_context(e, b, r);
    e->stats.faults++;
    e->hot.shadow_rsp = (uint64_t)r[REG_RSP];
    e->helper_exit = (struct vcpu_exit){
        .reason = EXIT_EXCEPTION,
        .vector = (uint8_t)trap,
        .has_error = trap == VEC_GP || trap == VEC_SS || trap == VEC_AC,
    };
    r[REG_RIP] = (greg_t)engine_fault_exit;
    /* The C code runs with the host's usual direction flag and no single step. */
    r[REG_EFL] &= ~(greg_t)(FLAG_DF | FLAG_TF | FLAG_AC);
}

int signals_init(void)
{
    struct sigaction sa;

    memset(&sa, 0, sizeof(sa));
    sigfillset(&sa.sa_mask);
    sa.sa_flags = SA_SIGINFO | SA_ONSTACK;
    sa.sa_sigaction = on_fault;
    for (unsigned i = 0; i < ARRAY_SIZE(fault_signals); i++) {
        struct sigaction before;

        if (sigaction(fault_signals[i], &sa, &before) != 0)
            return -errno;
        if (before.sa_sigaction != on_fault) /* a second engine_init() */
            fault_before[i] = before;
    }
    sa.sa_sigaction = on_kick;
    sa.sa_flags |= SA_RESTART;
    return sigaction(VCPU_KICK_SIGNAL, &sa, NULL) != 0 ? -errno : 0;
}
