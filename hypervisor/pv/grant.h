/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Grant tables: what a domain lets others of this process copy.
 *
 * The table's frames are the hypervisor's, reserved when the domain is made and shown to the guest as it
 * grows the table; the guest writes entries at any time, so each is read once and changed by compare-and-swap
 * only.
 *
 * Not offered: mapping others' grants (every domain is as one that Xen made with max_maptrack_frames=0),
 * transferring pages, transitive grants.
 *
 * Lock: grant_domain.lock guards sizes, version and active[]; two domains' are never held at once.
 */
#ifndef DIPTYCH_PV_GRANT_H
#define DIPTYCH_PV_GRANT_H

#include "base/lock.h"
#include "base/types.h"

struct domain;

/* As xl's max_grant_frames. */
#define GRANT_MAX_FRAMES        64u
#define GRANT_V1_PER_FRAME      (PAGE_SIZE / 8)
#define GRANT_V2_PER_FRAME      (PAGE_SIZE / 16)
#define GRANT_STATUS_PER_FRAME  (PAGE_SIZE / 2)
#define GRANT_MAX_STATUS_FRAMES (GRANT_MAX_FRAMES * GRANT_V2_PER_FRAME / GRANT_STATUS_PER_FRAME)
#define GRANT_MAX_REFS          (GRANT_MAX_FRAMES * GRANT_V1_PER_FRAME)

/* Copies under way that use an entry. */
struct grant_active {
    uint32_t readers, writers;
};

struct grant_domain {
    lock_t lock;
    unsigned version;            /* 1 or 2 */
    unsigned nr_frames;          /* entries' frames shown to the guest */
    unsigned nr_status;          /* v2 status frames shown */
    mfn_t first_frame;           /* GRANT_MAX_FRAMES of them, then GRANT_MAX_STATUS_FRAMES */
    struct grant_active *active; /* GRANT_MAX_REFS; host memory is taken as used */
};

/* Reserves the table, with one frame shown. 0 or -errno. Heavy. */
int grant_domain_init(struct domain *d);
/* Frees it; no vCPU of any domain can be using it any more. Heavy. */
void grant_domain_destroy(struct domain *d);

/*
 * Domain builder: reserved entry ref (GNTTAB_RESERVED_*) lets domain to have frame m. Before the guest runs.
 */
void grant_set_reserved(struct domain *d, unsigned ref, uint16_t to, mfn_t m);

#endif
