// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * From the SYSCALL in the hypercall page to a handler and back.
 *
 * 64-bit PV convention (xen/arch-x86/xen-x86_64.h): number in rax; arguments in rdi, rsi, rdx, r10,
 * r8, r9; result in rax.  rcx and r11 hold what SYSCALL leaves there: the return address and the flags.
 * All other registers are kept.  Relies on the engine to have stopped behind the SYSCALL instruction.
 */
#include "pv/hypercall.h"
#include "pv/trace.h"

/* A handler call, for engine_heavy_call(), whose function takes one pointer. */
struct heavy_hypercall {
    hypercall_fn *fn;
    struct vcpu *v;
    const uint64_t *arg;
    int64_t result;
};

static void heavy_hypercall_run(void *p)
{
    struct heavy_hypercall *h = p;

    h->result = h->fn(h->v, h->arg);
}

static int64_t hypercall_invoke(struct vcpu *v, uint64_t nr, const uint64_t arg[6])
{
    const struct hypercall *hc;

    if (nr >= NR_HYPERCALLS || !hypercalls[nr].fn)
        return -XEN_ENOSYS;
    hc = &hypercalls[nr];
    if (hc->heavy) {
        struct heavy_hypercall h = {hc->fn, v, arg, 0};

        engine_heavy_call(v, heavy_hypercall_run, &h);
        return h.result;
    }
    return hc->fn(v, arg);
}

int64_t hypercall_call(struct vcpu *v, uint64_t nr, const uint64_t arg[6])
{
    int64_t result;

    if (likely(!v->domain->trace) || !trace_enter(v, nr, arg))
        return hypercall_invoke(v, nr, arg);
    result = hypercall_invoke(v, nr, arg);
    trace_exit(v, nr, arg, result);
    return result;
}

void hypercall_dispatch(struct vcpu *v)
{
    uint64_t arg[6] = {v->gpr[RDI], v->gpr[RSI], v->gpr[RDX], v->gpr[R10], v->gpr[R8], v->gpr[R9]};
    int64_t result;

    /* Before the call: iret and friends replace these with the context that they switch to. */
    v->gpr[RCX] = v->rip;
    v->gpr[R11] = v->rflags;
    result = hypercall_call(v, v->gpr[RAX], arg);
    if (result != HYPERCALL_KEEP_REGS)
        v->gpr[RAX] = (uint64_t)result;
}
