/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Access to the entries of a domain's grant table, for the grant_*.c files.  The domain's grant lock is held.
 */
#ifndef DIPTYCH_PV_GRANT_ENTRY_H
#define DIPTYCH_PV_GRANT_ENTRY_H

#include "pv/pv.h"

#include <xen/grant_table.h>

static inline uint32_t grant_nr_entries(const struct grant_domain *g)
{
    return g->nr_frames * (uint32_t)(g->version == 1 ? GRANT_V1_PER_FRAME : GRANT_V2_PER_FRAME);
}

/* ref is below grant_nr_entries() in the three below; frames are contiguous. */
static inline struct grant_entry_v1 *grant_v1(const struct grant_domain *g, uint32_t ref)
{
    return (struct grant_entry_v1 *)machine_hva(g->first_frame) + ref;
}

static inline union grant_entry_v2 *grant_v2(const struct grant_domain *g, uint32_t ref)
{
    return (union grant_entry_v2 *)machine_hva(g->first_frame) + ref;
}

static inline grant_status_t *grant_status(const struct grant_domain *g, uint32_t ref)
{
    return (grant_status_t *)machine_hva(MFN(g->first_frame.n + GRANT_MAX_FRAMES)) + ref;
}

static inline mfn_t grant_status_mfn(const struct grant_domain *g, unsigned i)
{
    return MFN(g->first_frame.n + GRANT_MAX_FRAMES + i);
}

/* Which domain a caller means by domid: itself (GNTST_okay), another (GNTST_permission_denied), none
 * (GNTST_bad_domain). For operations on one's own table only. */
int16_t grant_whose(struct vcpu *v, domid_t domid);

/* GNTTABOP_copy of one; fills in op->status. Takes the locks itself. grant_copy.c */
void grant_copy(struct vcpu *v, struct gnttab_copy *op);

#endif
