/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where everything lies in a PV domain that is about to start; between the files of the domain builder only.
 *
 * The order is libxenguest's (Xen 4.17), which guests have come to rely on; pfn 0 is at virt_base:
 *
 *   kernel | module | P2M | start info | store | console | page tables | boot stack | padding to 4 MiB
 *          | module | P2M, its page tables
 *
 * The module lies in the second place if the kernel says that it need not be mapped (MOD_START_PFN), the P2M
 * if the kernel says where it wants it (INIT_P2M).  Only what is before the end of the padding is mapped at
 * virt_base.
 */
#ifndef DIPTYCH_LOADER_PV_LAYOUT_H
#define DIPTYCH_LOADER_PV_LAYOUT_H

#include "loader/loader.h"
#include "pv/pv.h"

#define PT_LEVELS 4 /* index 0: L1 */

struct frame_range {
    uint64_t pfn, nr;
};

/* The page tables of one level that a mapping brings along. */
struct table_range {
    uint64_t index; /* of the first: its lowest address >> (12 + 9 * level), levels counted from 1, 48 bits */
    uint64_t pfn;
    uint64_t nr;
};

/* A contiguous run of addresses mapped to a contiguous run of pfns, and the tables that it takes. */
struct pv_mapping {
    uint64_t va; /* full 64-bit address; page-aligned */
    struct frame_range frames;
    struct table_range tables[PT_LEVELS];
    struct frame_range all_tables;
};

struct pv_layout {
    struct frame_range kernel, module, p2m; /* p2m: without its page tables */
    uint64_t start_info_pfn, store_pfn, console_pfn, stack_pfn;
    bool module_mapped, p2m_mapped_apart;
    unsigned nr_mappings;
    struct pv_mapping mapping[2]; /* [0] from virt_base; [1] the P2M, if it lies apart */
    uint64_t nr_pages_needed;
};

/* ---- pv_layout.c ---- */

/*
 * Lays out a domain of nr_pages for the kernel and a module of module_size bytes (0: none).  Never fails for
 * want of memory: nr_pages_needed may exceed nr_pages.  -1 with one line in why if the addresses clash.
 */
int pv_layout(struct pv_layout *l, const struct kernel_image *k, uint64_t nr_pages, uint64_t module_size,
              char *why, size_t why_size);

/* ---- pv_tables.c ---- */

/* Writes the page tables.  d has at least nr_pages_needed frames. Returns the level-4 table's frame. */
mfn_t pv_tables_write(const struct domain *d, const struct pv_layout *l);

/* ---- pv_start.c ---- */
void pv_start_info_write(const struct domain *d, const struct kernel_image *k, const struct pv_layout *l,
                         size_t module_size, const char *cmdline);
void pv_hypercall_page_write(uint8_t *page);
/* All of vCPU 0 but its page-table base. */
void pv_vcpu0_set(struct domain *d, const struct kernel_image *k, const struct pv_layout *l);

/* Frame of a pfn as the builder lays them: one extent. */
static inline mfn_t pv_build_mfn(const struct domain *d, uint64_t pfn)
{
    return MFN(d->first_mfn.n + pfn);
}

static inline void *pv_build_hva(const struct domain *d, uint64_t pfn)
{
    return machine_hva(pv_build_mfn(d, pfn));
}

#endif
