/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Exceptions and software interrupts of a PV guest, and set_trap_table.
 */
#include "pv/bounce.h"
#include "pv/hypercall.h"
#include "pv/panel.h"
#include "pv/trace.h"
#include "pv/traps.h"

static void deliver(struct vcpu *v, uint8_t vector, bool has_error, uint32_t error)
{
    const struct pv_trap *t = &v->pv->traps[vector];

    trace_trap(v, vector, has_error ? (int64_t)error : -1, v->cr2);
    if (!t->address) {
        domain_crash(v->domain, v, "no trap handler for exception vector", vector);
        return;
    }
    pv_bounce(v, &(struct bounce){.address = t->address,
                                  .has_error = has_error,
                                  .error = error,
                                  .vector = vector,
                                  .mask_events = t->flags & 4}); /* TI_GET_IF */
}

void pv_inject(struct vcpu *v, uint8_t vector, int64_t error)
{
    deliver(v, vector, error >= 0, error >= 0 ? (uint32_t)error : 0);
}

void pv_inject_page_fault(struct vcpu *v, uint64_t cr2, uint32_t pfec)
{
    pfec &= ~PFEC_USER;
    if (v->user_mode)
        pfec |= PFEC_USER;
    v->cr2 = cr2;
    v->pv->info->arch.cr2 = cr2;
    deliver(v, VEC_PF, true, pfec);
}

void pv_soft_interrupt(struct vcpu *v, uint8_t vector, uint64_t next_rip)
{
    const struct pv_trap *t = &v->pv->traps[vector];
    unsigned dpl = t->flags & 3; /* TI_GET_DPL */

    if (dpl < (v->user_mode ? 3u : 1u)) {
        deliver(v, VEC_GP, true, (uint32_t)vector << 3 | 2);
        return;
    }
    v->rip = next_rip;
    deliver(v, vector, false, 0);
}

int64_t hc_set_trap_table(struct vcpu *v, const uint64_t arg[6])
{
    struct pv_vcpu *pv = v->pv;
    uint64_t a = arg[0];

    if (!a) {
        for (unsigned i = 0; i < ARRAY_SIZE(pv->traps); i++)
            pv->traps[i] = (struct pv_trap){0};
        return 0;
    }
    for (unsigned n = 0; n < 256; n++, a += sizeof(struct trap_info)) {
        struct trap_info t;

        if (!guest_read(v, GVA(a), &t, sizeof(t)))
            return -XEN_EFAULT;
        if (!t.address)
            return 0;
        if (!gva_canonical(GVA(t.address)))
            return -XEN_EINVAL;
        pv->traps[t.vector] = (struct pv_trap){.address = t.address, .cs = t.cs | 3, .flags = t.flags};
    }
    return 0;
}
