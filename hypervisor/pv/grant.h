/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Grant tables: what a domain lets others of this process map or copy.
 *
 * The table's frames are the hypervisor's, reserved when the domain is made and shown to the guest as it grows the
 * table; the guest writes entries at any time, so each is read once and changed by compare-and-swap only.
 *
 * Lock: grant_domain.lock guards sizes, version, active[] and maptrack[]; two domains: lower address first.
 * A domain's mm_lock may be taken with it held, not the other way round.
 */
#ifndef DIPTYCH_PV_GRANT_H
#define DIPTYCH_PV_GRANT_H

#include "base/lock.h"
#include "base/types.h"

struct domain;

/* As xl's max_grant_frames. */
#define GRANT_MAX_FRAMES 64u
#define GRANT_V1_PER_FRAME (PAGE_SIZE / 8)
#define GRANT_V2_PER_FRAME (PAGE_SIZE / 16)
#define GRANT_STATUS_PER_FRAME (PAGE_SIZE / 2)
#define GRANT_MAX_STATUS_FRAMES (GRANT_MAX_FRAMES * GRANT_V2_PER_FRAME / GRANT_STATUS_PER_FRAME)
#define GRANT_MAX_REFS (GRANT_MAX_FRAMES * GRANT_V1_PER_FRAME)
#define GRANT_MAX_HANDLES 32768u

/* An entry in use: who uses the granted frame, how often. */
struct grant_active {
    uint32_t readers, writers; /* maps and copies under way */
    uint16_t domid;
    uint16_t page_off, length; /* 0, PAGE_SIZE unless a v2 sub-page grant */
    bool own_frame;            /* false: transitive, the frame isn't the granter's */
    uint64_t mfn;
};

/* A mapping that this domain made of another's grant, by handle. */
struct grant_map {
    uint32_t ref;
    uint16_t domid;
    uint16_t flags;    /* GNTMAP_*; 0: free */
    uint64_t host_addr;
    uint32_t next_free;
};

struct grant_domain {
    lock_t lock;
    unsigned version;      /* 1 or 2 */
    unsigned nr_frames;    /* entries' frames shown to the guest */
    unsigned nr_status;    /* v2 status frames shown */
    mfn_t first_frame;     /* GRANT_MAX_FRAMES of them, then GRANT_MAX_STATUS_FRAMES */
    struct grant_active *active; /* GRANT_MAX_REFS; host memory is taken as used */
    struct grant_map *maps;      /* GRANT_MAX_HANDLES; likewise */
    uint32_t maps_used;    /* handles ever given out */
    uint32_t maps_free;    /* list of free handles, ~0: none */
};

/* Reserves the table, with one frame shown. 0 or -errno. Heavy. */
int grant_domain_init(struct domain *d);
void grant_domain_destroy(struct domain *d);

/* Domain builder: reserved entry ref (GNTTAB_RESERVED_*) lets domain to have frame m. Before the guest runs. */
void grant_set_reserved(struct domain *d, unsigned ref, uint16_t to, mfn_t m);

#endif
