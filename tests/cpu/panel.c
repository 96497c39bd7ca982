// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The panel translates addresses by layout_pages[] and keeps accessed and dirty bits by the rules for real
 * page tables: a page is writable for the TLB only after a write walked it, and direct execution may have it
 * only after an access did.
 *
 * Light code: no libc, no vector registers (mk/cputest.mk).
 */
#include "panel.h"

#include "case.h"
#include "mem/machine.h"

#define MAX_PAGES 64

#define ATTR_CODE_64 0xa0fb /* G, L, P, DPL 3, code, accessed */
#define ATTR_CODE_32 0xc0fb /* G, D */
#define ATTR_DATA    0xc0f3 /* G, B, P, DPL 3, data writable, accessed */

static mfn_t first_frame;
static bool accessed[MAX_PAGES], dirty[MAX_PAGES]; /* by index in layout_pages[] */
static uint32_t version;                           /* of all tables */

const char *panel_trouble;
bool panel_code_elsewhere;

void panel_start(mfn_t first)
{
    first_frame = first;
}

void panel_forget(bool all)
{
    for (unsigned i = 0; i < layout_nr_pages; i++) {
        if (!all && !(layout_pages[i].perm & PERM_X))
            continue;
        accessed[i] = false;
        dirty[i] = false;
    }
    version++;
}

static bool panel_walk(struct vcpu *v, gva_t a, enum access access, struct translation *t, uint32_t *pfec)
{
    uint32_t code = (v->user_mode ? PFEC_USER : 0) | (access == ACCESS_WRITE ? PFEC_WRITE : 0) |
                    (access == ACCESS_FETCH ? PFEC_FETCH : 0);
    uint64_t page = a.va & PAGE_MASK;
    unsigned i;

    if (panel_code_elsewhere && page >= CODE_HIGH + CODE_ELSEWHERE)
        page -= CODE_ELSEWHERE;
    for (i = 0; i < layout_nr_pages && layout_pages[i].va != page; i++)
        ;
    if (i == layout_nr_pages) {
        /* Linux tells programs that kernel addresses are present (sanitize_error_code()). */
        *pfec = code | (a.va >= 0x7ffffffff000 ? PFEC_PRESENT : 0);
        return false;
    }
    if ((access == ACCESS_WRITE && !(layout_pages[i].perm & PERM_W)) ||
        (access == ACCESS_FETCH && !(layout_pages[i].perm & PERM_X))) {
        *pfec = code | PFEC_PRESENT;
        return false;
    }
    accessed[i] = true;
    if (access == ACCESS_WRITE)
        dirty[i] = true;
    t->mfn = MFN(first_frame.n + layout_pages[i].frame);
    t->trapped = layout_pages[i].trapped;
    t->writable = dirty[i] && (layout_pages[i].perm & PERM_W) && !t->trapped;
    t->global = false;
    return true;
}

static bool panel_trapped_write(struct vcpu *v, mfn_t m, unsigned off, const void *data, unsigned size)
{
    volatile uint8_t *to = machine_hva(m);

    (void)v;
    if (size == 0 || size > 64 || off + size > PAGE_SIZE) {
        panel_trouble = "trapped_write() called with a size or offset out of range";
        return false;
    }
    for (unsigned i = 0; i < size; i++)
        to[off + i] = ((const uint8_t *)data)[i];
    return true;
}

/* ---- for direct execution ---- */

static uint64_t panel_user_space(const struct vcpu *v)
{
    (void)v;
    return 1; /* there is one */
}

static uint64_t panel_user_task(const struct vcpu *v)
{
    (void)v;
    return 1;
}

/* There are no tables: the number of the 2 MiB stands for the frame that one would be in. */
static bool panel_user_region(struct vcpu *v, gva_t a, struct user_region *r)
{
    (void)v;
    *r = (struct user_region){.table = MFN((uint32_t)(a.va >> USER_REGION_SHIFT)),
                              .version = version,
                              .rights = USER_PAGE_R | USER_PAGE_W | USER_PAGE_X};
    for (unsigned i = 0; i < layout_nr_pages; i++)
        if (layout_pages[i].va >> USER_REGION_SHIFT == r->table.n)
            return true;
    return false;
}

static void panel_user_pages(struct vcpu *v, const struct user_region *r, unsigned first, unsigned n,
                             uint64_t *page)
{
    uint64_t va = ((uint64_t)r->table.n << USER_REGION_SHIFT) + (uint64_t)first * PAGE_SIZE;

    (void)v;
    for (unsigned i = 0; i < n; i++)
        page[i] = 0;
    for (unsigned i = 0; i < layout_nr_pages; i++) {
        const struct page *p = &layout_pages[i];
        uint64_t frame = first_frame.n + p->frame;

        if (p->va < va || p->va - va >= (uint64_t)n * PAGE_SIZE || !accessed[i])
            continue;
        page[(p->va - va) >> PAGE_SHIFT] = frame << PAGE_SHIFT | USER_PAGE_R |
                                           (dirty[i] && p->perm & PERM_W && !p->trapped ? USER_PAGE_W : 0) |
                                           (p->perm & PERM_X ? USER_PAGE_X : 0);
    }
}

struct segment panel_segment(uint16_t selector)
{
    struct segment s = {.selector = selector, .attr = ATTR_DATA, .limit = 0xffffffff};

    switch (selector) {
    case SEL_CODE_64:
        s.attr = ATTR_CODE_64;
        break;
    case SEL_CODE_32:
        s.attr = ATTR_CODE_32;
        break;
    case SEL_FS_32:
        s.base = FS_BASE_32;
        break;
    case SEL_GS_32:
        s.base = GS_BASE_32;
        break;
    case SEL_DATA:
        break;
    default:
        s = (struct segment){.selector = selector};
    }
    return s;
}

static bool panel_user_segment(struct vcpu *v, uint16_t selector, struct segment *s)
{
    (void)v;
    *s = panel_segment(selector);
    return s->attr != 0 || selector <= 3;
}

const struct guest_ops panel_ops = {
    .walk = panel_walk,
    .trapped_write = panel_trapped_write,
    .user_space = panel_user_space,
    .user_task = panel_user_task,
    .user_region = panel_user_region,
    .user_pages = panel_user_pages,
    .user_segment = panel_user_segment,
};
