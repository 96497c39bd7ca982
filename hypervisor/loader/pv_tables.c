/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The page tables with which a PV domain starts: 4 KiB pages, everything writable except the tables
 * themselves.
 *
 * Entries look as they do to a guest on Xen, which adds the user bit to a 64-bit PV kernel's own pages
 * (kernel and user run in ring 3 both, in different address spaces).
 */
#include <assert.h>

#include "loader/pv_layout.h"

#define PTE_P  0x01UL
#define PTE_RW 0x02UL
#define PTE_US 0x04UL
#define PTE_A  0x20UL
#define PTE_D  0x40UL

#define LEAF_PROT  (PTE_P | PTE_RW | PTE_US | PTE_A)
#define TABLE_PROT (PTE_P | PTE_RW | PTE_US | PTE_A | PTE_D)

/* The table of a level (0: L1) by its index, whichever mapping brought it. */
static uint64_t *table(const struct domain *d, const struct pv_layout *l, unsigned level, uint64_t index)
{
    for (unsigned i = 0; i < l->nr_mappings; i++) {
        const struct table_range *t = &l->mapping[i].tables[level];

        if (index - t->index < t->nr)
            return pv_build_hva(d, t->pfn + (index - t->index));
    }
    assert(!"a page table that was not laid out");
    return NULL;
}

static bool in_range(uint64_t pfn, const struct frame_range *r)
{
    return pfn - r->pfn < r->nr;
}

static bool is_table(const struct pv_layout *l, uint64_t pfn)
{
    for (unsigned i = 0; i < l->nr_mappings; i++)
        if (in_range(pfn, &l->mapping[i].all_tables))
            return true;
    return false;
}

/* Enters the mapping's tables into those one level up. */
static void link_tables(const struct domain *d, const struct pv_layout *l, const struct pv_mapping *m)
{
    for (unsigned level = 0; level < PT_LEVELS - 1; level++) {
        const struct table_range *t = &m->tables[level];

        for (uint64_t i = 0; i < t->nr; i++) {
            uint64_t index = t->index + i;

            table(d, l, level + 1, index >> 9)[index & 511] =
                pv_build_mfn(d, t->pfn + i).n << PAGE_SHIFT | TABLE_PROT;
        }
    }
}

static void map_pages(const struct domain *d, const struct pv_layout *l, const struct pv_mapping *m)
{
    uint64_t page = (m->va & ((1UL << 48) - 1)) >> PAGE_SHIFT;
    uint64_t *l1 = NULL;

    for (uint64_t i = 0; i < m->frames.nr; i++, page++) {
        uint64_t pfn = m->frames.pfn + i;
        uint64_t prot = is_table(l, pfn) ? LEAF_PROT & ~PTE_RW : LEAF_PROT;

        if (!l1 || page % 512 == 0)
            l1 = table(d, l, 0, page >> 9);
        l1[page & 511] = pv_build_mfn(d, pfn).n << PAGE_SHIFT | prot;
    }
}

mfn_t pv_tables_write(const struct domain *d, const struct pv_layout *l)
{
    for (unsigned i = 0; i < l->nr_mappings; i++)
        link_tables(d, l, &l->mapping[i]);
    for (unsigned i = 0; i < l->nr_mappings; i++)
        map_pages(d, l, &l->mapping[i]);
    return pv_build_mfn(d, l->mapping[0].tables[PT_LEVELS - 1].pfn);
}
