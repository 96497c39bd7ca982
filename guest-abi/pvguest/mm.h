/* SPDX-License-Identifier: MIT */
/*
 * Frames and page tables of a PV guest.
 *
 * Pseudo-physical frame p is mapped at VIRT_BASE + p * 4096 as far as the domain builder mapped (everything
 * up to the end of the boot stack).  Machine frames come from the P2M list and the hypervisor's M2P table.
 */
#ifndef PVGUEST_MM_H
#define PVGUEST_MM_H

#include "pvguest/runtime.h"

#define PTE_P   0x001UL
#define PTE_RW  0x002UL
#define PTE_US  0x004UL
#define PTE_A   0x020UL
#define PTE_D   0x040UL
#define PTE_PSE 0x080UL
#define PTE_NX  (1UL << 63)
#define PTE_RAM (PTE_P | PTE_RW | PTE_A | PTE_D)
#define PTE_MFN 0x000ffffffffff000UL

static inline void *pfn_to_virt(uint64_t pfn)
{
    return (void *)(VIRT_BASE + pfn * 4096);
}

static inline uint64_t virt_to_pfn(const void *p)
{
    return ((uint64_t)p - VIRT_BASE) / 4096;
}

static inline uint64_t pfn_to_mfn(uint64_t pfn)
{
    return ((const uint64_t *)start_info->mfn_list)[pfn];
}

/* mfn MUST be one of this domain's. */
static inline uint64_t mfn_to_pfn(uint64_t mfn)
{
    return machine_to_phys_mapping[mfn];
}

static inline uint64_t virt_to_mfn(const void *p)
{
    return pfn_to_mfn(virt_to_pfn(p));
}

/* Machine address of a byte in the builder's mapping. */
static inline uint64_t virt_to_machine(const void *p)
{
    return virt_to_mfn(p) * 4096 + ((uint64_t)p & 4095);
}

/* Takes zeroed pages, 4096-aligned, from a fixed pool.  Panics when it is used up; there is no free. */
void *page_alloc(unsigned nr);

/* Points the mapping of one page in the builder's range at itself with other rights. 0 or -XEN_E*. */
long page_protect(void *page, uint64_t pte_flags);

/* Machine address of the entry that maps va at the level (1: PTE .. 4: top) in the kernel's page tables; 0 if
 * there is
 * no table for it. */
uint64_t pte_machine(uint64_t va, unsigned level);
/* That entry's present contents; 0 likewise. */
uint64_t pte_read(uint64_t va, unsigned level);

/* Makes a page read-only in the builder's mapping, so that it can be a page table. */
void page_make_table(void *page);

/*
 * A user address space: pages at user_map() addresses are seen by user mode; user_commit() pins the table and
 * makes it the user base pointer.  All user addresses MUST lie in one 2 MiB region.
 */
struct user_space {
    uint64_t *l4, *l3, *l2, *l1;
    uint64_t base; /* of the 2 MiB region */
};
void user_init(struct user_space *u, uint64_t base);
/* Before user_commit(): maps a page of the builder's range at va, with PTE_* flags. */
void user_map(struct user_space *u, uint64_t va, const void *page, uint64_t pte_flags);
void user_commit(struct user_space *u);

#endif
