/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Runstates: how long a vCPU has been running, waiting for a CPU, blocked or offline (xen/vcpu.h), as a
 * hypercall and as a copy in the guest's memory.
 *
 * Only the vCPU's own thread changes its runstate; others read it under the sequence count.
 */
#include "pv/hypercall.h"
#include "pv/panel.h"

static struct vcpu_runstate_info snapshot(const struct vcpu *v)
{
    const struct pv_vcpu *p = v->pv;
    struct vcpu_runstate_info r = {0};
    uint32_t seq;

    do {
        while ((seq = __atomic_load_n(&p->time.runstate_seq, __ATOMIC_ACQUIRE)) & 1)
            __builtin_ia32_pause();
        /* x86 keeps the order of these loads. */
        r.state = __atomic_load_n(&p->runstate.state, __ATOMIC_ACQUIRE);
        r.state_entry_time = __atomic_load_n(&p->runstate.state_entry_time, __ATOMIC_ACQUIRE);
        for (unsigned i = 0; i < ARRAY_SIZE(r.time); i++)
            r.time[i] = __atomic_load_n(&p->runstate.time[i], __ATOMIC_ACQUIRE);
    } while (__atomic_load_n(&p->time.runstate_seq, __ATOMIC_RELAXED) != seq);
    return r;
}

/* Copies to the guest, which may be in user mode now, through self's view of memory. */
static void area_write(struct vcpu *self, gva_t area, const struct vcpu_runstate_info *r, bool flag_update)
{
    struct vcpu_runstate_info out = *r;
    gva_t entry = gva_add(area, offsetof(struct vcpu_runstate_info, state_entry_time));
    bool user = self->user_mode;

    self->user_mode = false;
    if (flag_update) {
        /* Readers on other vCPUs see the flag before, and until after, anything else changes: x86 keeps the
         * order of stores. */
        out.state_entry_time |= XEN_RUNSTATE_UPDATE;
        guest_write(self, entry, &out.state_entry_time, sizeof(out.state_entry_time));
    }
    guest_write(self, area, &out, sizeof(out));
    if (flag_update) {
        guest_write(self, entry, &r->state_entry_time, sizeof(r->state_entry_time));
    }
    self->user_mode = user;
}

void time_runstate_set(struct vcpu *v, int state)
{
    struct pv_vcpu *p = pv_vcpu(v);
    struct vcpu_runstate_info *r = &p->runstate;
    uint64_t now = time_system_ns(v->domain);
    uint64_t assist = __atomic_load_n(&v->domain->pv->vm_assist, __ATOMIC_RELAXED);
    gva_t area;

    __atomic_store_n(&p->time.runstate_seq, p->time.runstate_seq + 1, __ATOMIC_SEQ_CST);
    if (now > r->state_entry_time)
        __atomic_store_n(&r->time[r->state], r->time[r->state] + now - r->state_entry_time, __ATOMIC_RELEASE);
    __atomic_store_n(&r->state, state, __ATOMIC_RELEASE);
    __atomic_store_n(&r->state_entry_time, now, __ATOMIC_RELEASE);
    __atomic_store_n(&p->time.runstate_seq, p->time.runstate_seq + 1, __ATOMIC_SEQ_CST);

    area = GVA(__atomic_load_n(&p->runstate_area.va, __ATOMIC_ACQUIRE));
    if (area.va)
        area_write(v, area, r, assist & 1UL << VMASST_TYPE_runstate_update_flag);
}

void time_runstate_get(const struct vcpu *v, struct vcpu_runstate_info *r)
{
    uint64_t now;

    *r = snapshot(v);
    now = time_system_ns(v->domain);
    if (now > r->state_entry_time)
        r->time[r->state] += now - r->state_entry_time;
}

void time_set_runstate_area(struct vcpu *self, struct vcpu *v, gva_t area)
{
    struct vcpu_runstate_info r;

    __atomic_store_n(&pv_vcpu(v)->runstate_area.va, area.va, __ATOMIC_RELEASE);
    if (!area.va)
        return;
    if (v == self)
        r = pv_vcpu(v)->runstate;
    else
        time_runstate_get(v, &r);
    area_write(self, area, &r, false);
}
