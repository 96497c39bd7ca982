/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A small world for the tests of page tables: a machine of plain memory, a domain, and an engine that is
 * nothing but a TLB.  Guest-virtual addresses of hypercall arguments are host addresses here; those that the
 * fake TLB looks up go through pv_walk().
 */
#ifndef DIPTYCH_TESTS_MM_WORLD_H
#define DIPTYCH_TESTS_MM_WORLD_H

#include "pv/descriptor.h"
#include "pv/hypercall.h"
#include "pv/mm.h"
#include "pv/panel.h"

#include <xen/memory.h>

#define WORLD_FRAMES    192u
#define WORLD_FIRST_RAM 16u
#define WORLD_RAM       96u                           /* given to the domain: WORLD_FIRST_RAM .. */
#define WORLD_FOREIGN   (WORLD_FIRST_RAM + WORLD_RAM) /* a frame of domain 2 */
#define WORLD_VCPUS     2u

struct world_tlb_entry {
    bool valid, writable, executable, user_view;
    uint64_t page;
    mfn_t mfn;
};

#define WORLD_TLB 128u

struct world {
    struct domain d;
    struct pv_domain pv;
    struct vcpu v[WORLD_VCPUS];
    struct pv_vcpu pvv[WORLD_VCPUS];
    struct shared_info shared_info;
    struct world_tlb_entry tlb[WORLD_VCPUS][WORLD_TLB];
    unsigned flush_user, flush_all; /* how often, own vCPU */
};

extern struct world world;

/* Everything anew: all frames zero, no tables. */
void world_reset(void);

/* n-th frame of the domain. */
static inline mfn_t ram(unsigned n)
{
    return MFN(WORLD_FIRST_RAM + n);
}

static inline uint64_t pte(mfn_t m, uint64_t flags)
{
    return m.n << PAGE_SHIFT | flags;
}

static inline uint64_t *entry(mfn_t m, unsigned slot)
{
    return pt_hva(m) + slot;
}

/* Address made of table slots. */
static inline gva_t va_of(unsigned s4, unsigned s3, unsigned s2, unsigned s1)
{
    uint64_t a = (uint64_t)s4 << 39 | (uint64_t)s3 << 30 | (uint64_t)s2 << 21 | (uint64_t)s1 << 12;

    return GVA((int64_t)(a << 16) >> 16);
}

/* ---- calls, as a guest makes them; results are those of the hypercalls ---- */
int call_mmu_update(unsigned vcpu, uint64_t ptr, uint64_t val);
int call_mmuext(unsigned vcpu, unsigned cmd, uint64_t arg1, uint64_t arg2);
int call_update_va(unsigned vcpu, gva_t a, uint64_t val, uint64_t flags);

/* A guest's access to one byte at a, through the TLB. *m is the frame.  False: page fault, with *pfec. */
bool world_access(unsigned vcpu, bool user, gva_t a, enum access kind, mfn_t *m, uint32_t *pfec);

/* A walk that changes nothing, and trusts the tables. */
struct world_mapping {
    bool present, writable, accessed, dirty, nx;
    mfn_t mfn;
};
struct world_mapping world_lookup(mfn_t root, gva_t a);

/* ---- what must always hold; NULL, or what doesn't ---- */
/* References and types, computed from scratch, are what the frames say; tables are well-formed. */
const char *world_check(void);
/* No vCPU can write a table through its TLB. */
const char *world_check_protected(void);
/* Nothing in the vCPU's TLB contradicts its tables. After a flush or a switch. */
const char *world_check_tlb(unsigned vcpu);

#endif
