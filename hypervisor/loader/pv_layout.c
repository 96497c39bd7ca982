/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Lays out a PV domain: pure arithmetic on numbers that elf_parse() has checked.
 *
 * Sources: xen/xen.h, "Start-of-day memory layout"; what `xl -v create` of Xen 4.17 prints.
 */
#include "loader/pv_layout.h"

#include "loader/image.h"

#define REGION_ALIGN   (4UL << 20)   /* the mapped region ends on such a boundary ... */
#define REGION_PADDING (512UL << 10) /* ... with at least this much behind the last thing in it */
#define VA_BITS_MASK   ((1UL << 48) - 1)

static uint64_t pages_of(uint64_t bytes)
{
    return bytes / PAGE_SIZE + (bytes % PAGE_SIZE != 0);
}

/* Takes nr frames at the cursor. */
static struct frame_range take(uint64_t *cursor, uint64_t nr)
{
    struct frame_range r = {*cursor, nr};

    *cursor += nr;
    return r;
}

/* Index of the table of the level (0: L1) that translates an address. */
static uint64_t table_index(uint64_t va, unsigned level)
{
    return (va & VA_BITS_MASK) >> (PAGE_SHIFT + 9 * (level + 1));
}

/*
 * Which tables the mapping of m->va, m->frames.nr needs, laid out from pfn on: the level-4 table, then level
 * by level.  Tables that the other mapping (NULL: none), at higher addresses, has already are left out.
 */
static void count_tables(struct pv_mapping *m, uint64_t pfn, const struct pv_mapping *other)
{
    uint64_t last_va = m->va + m->frames.nr * PAGE_SIZE - 1;

    m->all_tables = (struct frame_range){pfn, 0};
    for (unsigned level = PT_LEVELS; level-- > 0;) {
        struct table_range *t = &m->tables[level];
        uint64_t end = table_index(last_va, level) + 1;

        t->index = table_index(m->va, level);
        if (other && end > other->tables[level].index)
            end = other->tables[level].index;
        t->nr = end > t->index ? end - t->index : 0;
        t->pfn = m->all_tables.pfn + m->all_tables.nr;
        m->all_tables.nr += t->nr;
    }
}

/* The mapping at virt_base: as large as what is in it, its own tables included, wants. */
static int lay_base_mapping(struct pv_layout *l, const struct kernel_image *k, uint64_t *cursor, char *why,
                            size_t why_size)
{
    struct pv_mapping *m = &l->mapping[0];
    uint64_t more = 1 + REGION_PADDING / PAGE_SIZE; /* frames from the cursor on; 1: boot stack */
    uint64_t end, want = k->virt_base + (*cursor + more) * PAGE_SIZE;

    m->va = k->virt_base;
    do {
        end = (want | (REGION_ALIGN - 1)) + 1; /* always beyond want: that is how libxenguest rounds */
        if (want < m->va || end < m->va)
            return image_error(
                why, why_size,
                "kernel and module don't fit behind the kernel's address 0x%llx; use a smaller module",
                (unsigned long long)k->virt_base);
        if (!gva_canonical(GVA(end - 1)) || (m->va < HYPERVISOR_VIRT_END && end > HYPERVISOR_VIRT_START))
            return image_error(why, why_size,
                               "kernel and module would run into addresses that a PV guest can't have; use a "
                               "smaller module");
        m->frames = (struct frame_range){0, (end - m->va) / PAGE_SIZE};
        count_tables(m, *cursor, NULL);
        want = m->va + (*cursor + m->all_tables.nr + more) * PAGE_SIZE;
    } while (want > end || want < m->va);
    take(cursor, m->all_tables.nr);
    l->stack_pfn = take(cursor, 1).pfn;
    *cursor = m->frames.nr;
    l->nr_mappings = 1;
    return 0;
}

/* The P2M where INIT_P2M wants it, in frames of its own. */
static int lay_p2m_mapping(struct pv_layout *l, const struct kernel_image *k, uint64_t *cursor, char *why,
                           size_t why_size)
{
    struct pv_mapping *m = &l->mapping[1];
    uint64_t end = k->init_p2m + l->p2m.nr * PAGE_SIZE;

    l->p2m = take(cursor, l->p2m.nr);
    m->va = k->init_p2m;
    m->frames = l->p2m;
    if (end < k->init_p2m || end > k->virt_base || !gva_canonical(GVA(k->init_p2m)) ||
        !gva_canonical(GVA(end - 1)) || (k->init_p2m < HYPERVISOR_VIRT_END && end > HYPERVISOR_VIRT_START))
        return image_error(why, why_size,
                           "kernel wants its P2M at 0x%llx, where there is no room for it; use another "
                           "kernel or less memory",
                           (unsigned long long)k->init_p2m);
    count_tables(m, *cursor, &l->mapping[0]);
    take(cursor, m->all_tables.nr);
    l->nr_mappings = 2;
    return 0;
}

int pv_layout(struct pv_layout *l, const struct kernel_image *k, uint64_t nr_pages, uint64_t module_size,
              char *why, size_t why_size)
{
    uint64_t cursor, kernel_pfn = (k->virt_start - k->virt_base) / PAGE_SIZE;

    *l = (struct pv_layout){0};
    l->kernel = (struct frame_range){kernel_pfn, pages_of(k->virt_end - k->virt_base) - kernel_pfn};
    l->module_mapped = !k->mod_start_pfn;
    /* As in Xen: an INIT_P2M that makes no sense counts as none. */
    l->p2m_mapped_apart =
        k->init_p2m != XEN_NOTE_UNSET && k->init_p2m < k->virt_base && k->init_p2m % PAGE_SIZE == 0;
    l->p2m.nr = pages_of(nr_pages * sizeof(uint64_t));

    cursor = l->kernel.pfn + l->kernel.nr;
    if (l->module_mapped)
        l->module = take(&cursor, pages_of(module_size));
    if (!l->p2m_mapped_apart)
        l->p2m = take(&cursor, l->p2m.nr);
    l->start_info_pfn = take(&cursor, 1).pfn;
    l->store_pfn = take(&cursor, 1).pfn;
    l->console_pfn = take(&cursor, 1).pfn;
    if (lay_base_mapping(l, k, &cursor, why, why_size) < 0)
        return -1;
    if (!l->module_mapped)
        l->module = take(&cursor, pages_of(module_size));
    if (l->p2m_mapped_apart && lay_p2m_mapping(l, k, &cursor, why, why_size) < 0)
        return -1;
    l->nr_pages_needed = cursor;
    return 0;
}
