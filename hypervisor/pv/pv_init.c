/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Making and unmaking the PV state of a domain and its vCPUs. Heavy code.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "pv/cpu_ops.h"
#include "pv/panel.h"

/* As xl's default for max_event_channels: ports 1 to 1023. */
#define MAX_PORT 1023

int pv_domain_init(struct domain *d)
{
    struct pv_domain *pv = aligned_alloc(64, (sizeof(*pv) + 63) & ~63UL);
    struct frame *f;
    int err;

    if (!pv)
        return -ENOMEM;
    memset(pv, 0, sizeof(*pv));
    d->pv = pv;
    pv->shared_info_mfn = machine_alloc(d->domid, 1);
    if (pv->shared_info_mfn.n == MFN_INVALID.n)
        return -ENOMEM;
    f = machine_frame(pv->shared_info_mfn);
    f->owner = d->domid;
    f->flags |= FRAME_XEN;
    f->ref_count = 1;
    pv->shared_info = machine_hva(pv->shared_info_mfn);
    for (unsigned i = 0; i < XEN_LEGACY_MAX_VCPUS; i++)
        pv->shared_info->vcpu_info[i].evtchn_upcall_mask = 1;
    err = evtchn_domain_init(d, MAX_PORT);
    return err ? err : grant_domain_init(d);
}

void pv_domain_destroy(struct domain *d)
{
    if (!d->pv)
        return;
    grant_domain_destroy(d);
    evtchn_domain_destroy(d);
    free(d->pv);
    d->pv = NULL;
}

int pv_vcpu_init(struct vcpu *v)
{
    struct pv_vcpu *pv = aligned_alloc(64, (sizeof(*pv) + 63) & ~63UL);

    if (!pv)
        return -ENOMEM;
    memset(pv, 0, sizeof(*pv));
    v->pv = pv;
    for (unsigned i = 0; i < ARRAY_SIZE(pv->gdt_mfn); i++)
        pv->gdt_mfn[i] = MFN_INVALID;
    /*
     * vCPUs beyond the legacy array have no vcpu_info until they register one; until then writes go nowhere.
     */
    if (v->id < XEN_LEGACY_MAX_VCPUS) {
        pv->info = &v->domain->pv->shared_info->vcpu_info[v->id];
    } else {
        pv->info = calloc(1, sizeof(*pv->info));
        if (!pv->info)
            return -ENOMEM;
        pv->info->evtchn_upcall_mask = 1;
        pv->own_info = pv->info;
    }
    pv->runstate.state = RUNSTATE_offline;
    pv->time.host_timer = -1;
    pv->time.singleshot_ns = pv->time.periodic_ns = pv->time.poll_ns = pv->time.armed_ns = TIME_NEVER;
    pv_cpu_reset(v);
    return 0;
}

void pv_vcpu_destroy(struct vcpu *v)
{
    if (!v->pv)
        return;
    free(v->pv->own_info);
    free(v->pv);
    v->pv = NULL;
}
