/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a stub has mapped: a mirror of it, filled at misses, compared with the guest's tables after flushes.
 *
 * The mirror says of each page what the stub may do there. Invariants, whenever guest code runs:
 *  - a page is mapped only if since the vCPU's last flush the guest's tables had an accessed entry for it,
 *    and writable only if that was dirty: so accesses that have to set these bits are misses, and walk() sets
 *    them;
 *  - a page is mapped writable only if no vCPU has translations made from its frame, and our bit is set in
 *    frame.direct_vcpus: so that whoever wants no writable mapping any more finds us
 *    (engine_frame_protect());
 *  - no page is writable and executable, and an executable one has been looked through (scan.c).
 *
 * Flushes are counted, not carried out: before the stub runs again, each region whose leaf table has another
 * version or place than when it was last compared is compared again (space_check()). That makes a flush of
 * everything cost little more than what has changed.
 */
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "direct/internal.h"
#include "engine/engine.h"

#define RIGHTS (USER_PAGE_R | USER_PAGE_W | USER_PAGE_X)

/* How far a miss looks around, in pages, and how many calls it may take. */
#define AROUND_DATA  128u
#define AROUND_CODE  16u
#define AROUND_CALLS 24u

static struct region **bucket_of(struct space *sp, uint64_t va)
{
    return &sp->bucket[(va >> USER_REGION_SHIFT ^ va >> (USER_REGION_SHIFT + 8)) % REGION_BUCKETS];
}

static struct region *region_find(struct space *sp, uint64_t va)
{
    struct region *r = *bucket_of(sp, va);

    va &= ~((1UL << USER_REGION_SHIFT) - 1);
    while (r && r->va != va)
        r = r->next;
    return r;
}

static unsigned page_index(uint64_t va)
{
    return (unsigned)(va >> PAGE_SHIFT) % USER_REGION_PAGES;
}

static uint64_t page_at(struct space *sp, uint64_t va)
{
    struct region *r = region_find(sp, va);

    return r ? r->page[page_index(va)] : 0;
}

static void region_free(struct direct *d, struct region *r)
{
    d->nr_regions--;
    free(r);
}

static void regions_free(struct direct *d, struct space *sp)
{
    for (unsigned i = 0; i < REGION_BUCKETS; i++) {
        while (sp->bucket[i]) {
            struct region *r = sp->bucket[i];

            sp->bucket[i] = r->next;
            region_free(d, r);
        }
    }
}

/* ---- calls ---- */

/* Has the stub do what was added. False: one failed, and the mirror is wrong. */
static bool calls_do(struct direct *d, struct space *sp)
{
    long result;

    return stub_do_calls(d, &sp->stub, &result);
}

/* A call that the stub makes when it goes on, or before if there are too many. */
static bool call_add(struct direct *d, struct space *sp, uint64_t nr, uint64_t a, uint64_t b, uint64_t c,
                     uint64_t e, uint64_t f, uint64_t g)
{
    if (sp->stub.nr_calls >= STUB_CALLS_MAX - STUB_CALLS_RESERVE && !calls_do(d, sp))
        return false;
    stub_add_call(&sp->stub, nr, a, b, c, e, f, g);
    d->stats->maps++;
    sp->maps++;
    return true;
}

static int prot_of(uint64_t page)
{
    return (page & USER_PAGE_R ? PROT_READ : 0) | (page & USER_PAGE_W ? PROT_WRITE : 0) |
           (page & USER_PAGE_X ? PROT_EXEC : 0);
}

bool space_reset(struct direct *d, struct space *sp)
{
    d->stats->resets++;
    regions_free(d, sp);
    sp->stub.nr_calls = 0;
    sp->maps = 0;
    return call_add(d, sp, SYS_munmap, 0, STUB_CODE, 0, 0, 0, 0) &&
           call_add(d, sp, SYS_munmap, STUB_END, USER_END - STUB_END, 0, 0, 0, 0) && calls_do(d, sp);
}

/* ---- making room ---- */

void space_drop(struct direct *d, struct space *sp)
{
    regions_free(d, sp);
    stub_end(d, &sp->stub);
    if (d->watched == sp)
        d->watched = NULL;
    if (d->refused.space == sp)
        d->refused.space = NULL;
    sp->key = 0;
}

static struct space *space_oldest(struct direct *d)
{
    struct space *old = NULL;

    for (unsigned i = 0; i < SPACES; i++)
        if (d->space[i].key && (!old || d->space[i].last_used < old->last_used))
            old = &d->space[i];
    return old;
}

/*
 * Room for one more region: spaces that weren't used for long go, then what this one has. False: its stub is
 * gone.
 */
static bool regions_make_room(struct direct *d, struct space *sp)
{
    while (d->nr_regions >= d->max_regions) {
        struct space *old = space_oldest(d);

        if (old == sp)
            return space_reset(d, sp);
        space_drop(d, old);
    }
    return true;
}

/* ---- after a flush ---- */

/* What may stay of a page that is mapped as old, now that the tables say new. */
static uint64_t page_keep(uint64_t old, uint64_t new)
{
    uint64_t keep;

    if ((old ^ new) & PAGE_MASK)
        return 0;
    keep = old & (new | PAGE_REFUSED) & ~PAGE_MASK;
    if (keep & USER_PAGE_W &&
        __atomic_load_n(&machine_frame(MFN(old >> PAGE_SHIFT))->code_vcpus, __ATOMIC_SEQ_CST))
        keep &= ~(uint64_t)USER_PAGE_W;
    return keep & USER_PAGE_R ? (old & PAGE_MASK) | keep : 0;
}

/* Compares a region with the tables; all: although they haven't changed. */
static bool region_check(struct direct *d, struct space *sp, struct vcpu *v, struct region *r, bool all)
{
    uint64_t now[USER_REGION_PAGES];
    struct user_region tables;
    bool there = v->ops->user_region(v, GVA(r->va), &tables);

    if (there && !all && tables.table.n == r->tables.table.n && tables.version == r->tables.version &&
        tables.rights == r->tables.rights)
        return true;
    if (there)
        v->ops->user_pages(v, &tables, 0, USER_REGION_PAGES, now);
    else
        memset(now, 0, sizeof(now));
    r->tables = there ? tables : (struct user_region){.table = MFN_INVALID};
    for (unsigned i = 0; i < USER_REGION_PAGES;) {
        uint64_t keep = r->page[i] ? page_keep(r->page[i], now[i]) : 0;
        unsigned n = 1;

        if (keep == r->page[i]) {
            i++;
            continue;
        }
        r->used -= !keep;
        r->page[i] = keep;
        /* a run of those that go, or that keep the same rights */
        while (i + n < USER_REGION_PAGES && r->page[i + n]) {
            uint64_t more = page_keep(r->page[i + n], now[i + n]);

            if (more == r->page[i + n] || (more & RIGHTS) != (keep & RIGHTS))
                break;
            r->used -= !more;
            r->page[i + n++] = more;
        }
        if (!(keep ? call_add(d, sp, SYS_mprotect, r->va + i * PAGE_SIZE, n * PAGE_SIZE,
                              (uint64_t)prot_of(keep), 0, 0, 0)
                   : call_add(d, sp, SYS_munmap, r->va + i * PAGE_SIZE, n * PAGE_SIZE, 0, 0, 0, 0)))
            return false;
        i += n;
    }
    return true;
}

/* False: the stub is gone. */
static bool space_check(struct direct *d, struct space *sp, struct vcpu *v)
{
    uint32_t rechecks = __atomic_load_n(&d->rechecks, __ATOMIC_SEQ_CST);
    bool all = sp->rechecks != rechecks;

    if (sp->flushes == d->flushes && !all)
        return true;
    d->stats->checks++;
    sp->flushes = d->flushes;
    sp->rechecks = rechecks;
    for (unsigned i = 0; i < REGION_BUCKETS; i++) {
        for (struct region **p = &sp->bucket[i]; *p;) {
            struct region *r = *p;

            if (!region_check(d, sp, v, r, all))
                return space_reset(d, sp);
            if (r->used == 0) {
                *p = r->next;
                region_free(d, r);
            } else {
                p = &r->next;
            }
        }
    }
    return true;
}

/* ---- misses ---- */

/*
 * Whether the page's seam with a neighbour that is mapped executable lets both be. want: what will be mapped
 * of the page before.
 */
static bool seams_refuse(struct space *sp, uint64_t va, mfn_t m, uint64_t before, unsigned how)
{
    uint64_t behind = page_at(sp, va + PAGE_SIZE);

    if (!(before & USER_PAGE_X))
        before = page_at(sp, va - PAGE_SIZE);
    return (before & USER_PAGE_X &&
            scan_seam_refuses(machine_hva(MFN(before >> PAGE_SHIFT)), machine_hva(m), how)) ||
           (behind & USER_PAGE_X &&
            scan_seam_refuses(machine_hva(m), machine_hva(MFN(behind >> PAGE_SHIFT)), how));
}

/*
 * What to map of a page of which the tables say `now`; have: what is mapped there, before: what will be of
 * the page before it. wanted: what was missed, if it was this page.
 */
static uint64_t page_choose(struct direct *d, struct space *sp, struct vcpu *v, uint64_t va, uint64_t now,
                            uint64_t have, uint64_t before, enum access wanted, bool missed)
{
    mfn_t m = MFN(now >> PAGE_SHIFT);
    struct frame *f = machine_frame(m);
    uint64_t rights = now & RIGHTS;
    uint64_t refused = (have ^ now) & PAGE_MASK ? 0 : have & PAGE_REFUSED;

    /* One of write and execute: what is asked for, else what it is more likely to be. */
    if (rights & USER_PAGE_W && rights & USER_PAGE_X)
        rights &= ~(uint64_t)(missed && wanted == ACCESS_FETCH ? USER_PAGE_W : USER_PAGE_X);
    if (rights & USER_PAGE_X) {
        unsigned how = (sp->wide ? SCAN_32 : 0) | (d->xcr0_more ? SCAN_XSTATE : 0);

        if (refused || scan_refuses(machine_hva(m), how) || seams_refuse(sp, va, m, before, how)) {
            refused = PAGE_REFUSED;
            rights &= ~(uint64_t)USER_PAGE_X;
        }
    }
    if (rights & USER_PAGE_W) {
        refused = 0;
        if (!(__atomic_load_n(&f->direct_vcpus, __ATOMIC_SEQ_CST) & d->slot_bit))
            __atomic_fetch_or(&f->direct_vcpus, d->slot_bit, __ATOMIC_SEQ_CST);
        if (missed && wanted == ACCESS_WRITE && __atomic_load_n(&f->code_vcpus, __ATOMIC_SEQ_CST))
            engine_frame_changed(v, m, 0, PAGE_SIZE); /* it is about to */
        if (__atomic_load_n(&f->code_vcpus, __ATOMIC_SEQ_CST))
            rights &= ~(uint64_t)USER_PAGE_W;
    }
    return rights ? (now & PAGE_MASK) | rights | refused : 0;
}

static bool page_same_kind(uint64_t a, uint64_t b, uint64_t distance)
{
    return ((a ^ b) & RIGHTS) == 0 && (a & PAGE_MASK) + distance * PAGE_SIZE == (b & PAGE_MASK);
}

/* Maps what want[] says of pages [first, end) of a region, in runs. */
static bool run_map(struct direct *d, struct space *sp, struct region *r, const uint64_t *want,
                    unsigned first, unsigned end)
{
    for (unsigned i = first; i < end;) {
        unsigned n = 1;

        if (!want[i] || want[i] == r->page[i]) {
            i++;
            continue;
        }
        while (i + n < end && want[i + n] && page_same_kind(want[i], want[i + n], n))
            n++;
        for (unsigned k = i; k < i + n; k++) {
            r->used += !r->page[k];
            r->page[k] = want[k];
        }
        d->stats->pages += n;
        if (!call_add(d, sp, SYS_mmap, r->va + i * PAGE_SIZE, n * PAGE_SIZE, (uint64_t)prot_of(want[i]),
                      MAP_SHARED | MAP_FIXED | MAP_POPULATE, STUB_MEMORY_FD, want[i] & PAGE_MASK))
            return false;
        i += n;
    }
    return true;
}

static struct region *region_make(struct direct *d, struct space *sp, struct vcpu *v, uint64_t va)
{
    struct region *r = region_find(sp, va);
    struct region **b = bucket_of(sp, va);
    struct user_region tables;

    if (!v->ops->user_region(v, GVA(va), &tables))
        return NULL;
    if (!r) {
        r = calloc(1, sizeof(*r));
        if (!r)
            return NULL;
        d->nr_regions++;
        r->va = va & ~((1UL << USER_REGION_SHIFT) - 1);
        r->tables = tables;
        r->next = *b;
        *b = r;
    }
    return r;
}

/*
 * Frames that the stub may write to must be found by who protects them: looks again after our bits are set.
 */
static void want_confirm(struct vcpu *v, const struct user_region *tables, uint64_t *want, unsigned first,
                         unsigned end)
{
    uint64_t now[USER_REGION_PAGES];

    v->ops->user_pages(v, tables, first, end - first, now);
    for (unsigned i = first; i < end; i++)
        if (want[i] && ((want[i] ^ now[i - first]) & PAGE_MASK || (want[i] & RIGHTS) & ~now[i - first]))
            want[i] = 0;
}

/* Whether user code may have something at this address: it is neither the host's nor the stub's own. */
static bool is_free(const struct space *sp, uint64_t va)
{
    return va >= host.lowest && va < USER_END && va - STUB_CODE >= STUB_END_OFFSET &&
           !(sp->wide && (va & PAGE_MASK) == STUB_LOW);
}

/* Maps the page of va and what is around it. */
static enum space_miss map_around(struct direct *d, struct space *sp, struct vcpu *v, uint64_t va,
                                  enum access access)
{
    uint64_t now[USER_REGION_PAGES], want[USER_REGION_PAGES] = {0};
    struct region *r = region_make(d, sp, v, va);
    struct user_region tables;
    unsigned at = page_index(va);
    unsigned around = access == ACCESS_FETCH ? AROUND_CODE : AROUND_DATA;
    unsigned first = at > around / 4 ? at - around / 4 : 0;
    unsigned end = at + around < USER_REGION_PAGES ? at + around : USER_REGION_PAGES;
    unsigned calls = 0;

    if (!r || !v->ops->user_region(v, GVA(va), &tables))
        return MISS_ONE;
    v->ops->user_pages(v, &tables, first, end - first, &now[first]);
    for (unsigned i = first; i < end; i++) {
        uint64_t page_va = r->va + i * PAGE_SIZE;
        bool missed = i == at;

        if (!now[i] || !is_free(sp, page_va))
            continue;
        if (!missed && (calls >= AROUND_CALLS || (r->page[i] && !((r->page[i] ^ now[i]) & PAGE_MASK))))
            continue;
        want[i] =
            page_choose(d, sp, v, page_va, now[i], r->page[i], i > first ? want[i - 1] : 0, access, missed);
        calls += i == first || !want[i - 1] || !page_same_kind(want[i - 1], want[i], 1);
    }
    want_confirm(v, &tables, want, first, end);
    if (!want[at])
        return MISS_ONE;
    if (!run_map(d, sp, r, want, first, end)) /* too many maps, or no memory */
        return space_reset(d, sp) ? MISS_TRANSLATE : MISS_GONE;
    return MISS_MAPPED;
}

/*
 * A page that is written and executed in turn costs two misses, and a search for code, each time round. True
 * as long as that has not been too much lately: one turn is earned by FLIP_TICKS of the TSC, some 400
 * microseconds.
 */
#define FLIP_TICKS (1UL << 20)
#define FLIPS_MAX  64u

static bool may_flip(struct direct *d)
{
    uint64_t now = __builtin_ia32_rdtsc(), earned = (now - d->flips_since) / FLIP_TICKS;

    if (earned > 0) {
        d->flips = d->flips + earned < FLIPS_MAX ? d->flips + (unsigned)earned : FLIPS_MAX;
        d->flips_since = now;
    }
    if (d->flips == 0)
        return false;
    d->flips--;
    return true;
}

/* Whether this access turns a page of code into one of data, or the other way. */
static bool is_flip(uint64_t page, enum access access, mfn_t m)
{
    if (access == ACCESS_FETCH)
        return page & USER_PAGE_W;
    return access == ACCESS_WRITE &&
           (page & USER_PAGE_X || __atomic_load_n(&machine_frame(m)->code_vcpus, __ATOMIC_SEQ_CST));
}

enum space_miss space_miss(struct direct *d, struct space *sp, struct vcpu *v, uint64_t a, enum access access)
{
    uint64_t page = page_at(sp, a);
    struct translation t;
    enum space_miss miss;
    uint32_t pfec;

    d->stats->misses++;
    if ((sp->maps > host.map_limit && !space_reset(d, sp)) || !regions_make_room(d, sp))
        return MISS_GONE;
    if (access == ACCESS_FETCH && page & PAGE_REFUSED)
        return MISS_PAGE;
    if (!is_free(sp, a) || (access != ACCESS_FETCH && page & USER_PAGE_W))
        return MISS_ONE;
    if (!v->ops->walk(v, GVA(a), access, &t, &pfec)) {
        d->refused = (struct refused_access){.space = sp, .va = a, .access = access};
        v->exit = (struct vcpu_exit){
            .reason = EXIT_EXCEPTION, .vector = VEC_PF, .has_error = true, .error = pfec, .cr2 = a};
        return MISS_FAULT;
    }
    if (is_flip(page, access, t.mfn) && !may_flip(d))
        return MISS_TRANSLATE;
    miss = map_around(d, sp, v, a, access);
    page = page_at(sp, a);
    if (miss != MISS_MAPPED)
        return miss;
    if (access == ACCESS_FETCH && !(page & USER_PAGE_X))
        return page & PAGE_REFUSED ? MISS_PAGE : MISS_ONE;
    return access == ACCESS_WRITE && !(page & USER_PAGE_W) ? MISS_ONE : MISS_MAPPED;
}

bool space_map_refused(struct direct *d, struct space *sp, struct vcpu *v)
{
    struct refused_access refused = d->refused;
    struct user_region tables;
    uint64_t page;

    d->refused.space = NULL;
    if (refused.space != sp || page_at(sp, refused.va) || !v->ops->user_region(v, GVA(refused.va), &tables))
        return true;
    v->ops->user_pages(v, &tables, page_index(refused.va), 1, &page);
    return !page || !regions_make_room(d, sp) ||
           map_around(d, sp, v, refused.va, refused.access) != MISS_GONE;
}

bool space_refuses(struct space *sp, uint64_t rip)
{
    return page_at(sp, rip) & PAGE_REFUSED;
}

unsigned space_code(struct space *sp, uint64_t va, uint8_t *bytes, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        uint64_t page = page_at(sp, va + i);

        if (!(page & USER_PAGE_X))
            return i;
        bytes[i] = ((const uint8_t *)machine_hva(MFN(page >> PAGE_SHIFT)))[(va + i) & ~PAGE_MASK];
    }
    return n;
}

/* ---- which space ---- */

/* A space without a stub, which one is dropped for if need be. */
static struct space *space_free_one(struct direct *d)
{
    struct space *old;

    for (unsigned i = 0; i < SPACES; i++)
        if (!d->space[i].key)
            return &d->space[i];
    old = space_oldest(d);
    space_drop(d, old);
    return old;
}

/* Gives a space that has none a stub. 0 or -errno. */
static int space_stub(struct direct *d, struct space *sp)
{
    int err;

    *sp = (struct space){0};
    err = stub_make(d, &sp->stub, &d->template->slots[1 + (sp - d->space)]);
    if (!err && !state_begin(sp)) {
        stub_end(d, &sp->stub);
        err = -ENOTSUP;
    }
    return err;
}

static struct space *space_make(struct direct *d, uint64_t key)
{
    static bool said;
    struct space *sp;
    int err;

    if (d->no_stubs)
        return NULL;
    sp = space_free_one(d);
    err = space_stub(d, sp);
    /* No more processes: one of ours has to do. */
    if (err == -EAGAIN && space_oldest(d)) {
        sp = space_oldest(d);
        space_drop(d, sp);
        err = space_stub(d, sp);
    }
    if (err) {
        warn_once(&said, "no more processes for user code, which is translated now", -err);
        d->no_stubs = true;
        return NULL;
    }
    d->stats->stubs++;
    sp->key = key;
    sp->cpu = -1;
    sp->flushes = d->flushes;
    sp->rechecks = __atomic_load_n(&d->rechecks, __ATOMIC_SEQ_CST);
    return sp;
}

static bool same_base(uint64_t a, uint64_t b)
{
    return ((a ^ b) & ((1ul << USER_SPACE_BASE_BITS) - 1)) == 0;
}

/*
 * Another process has the page-table base that was the space's, and gets its stub: what is mapped there is
 * found to be wrong as after any other change of the tables, but what the last one has left in the stub's own
 * pages must go. False: the stub is gone.
 */
static bool space_inherit(struct direct *d, struct space *sp, uint64_t key)
{
    struct stub_record old;

    if (sp->stub.nr_calls > 0 && !calls_do(d, sp))
        return false;
    old = sp->stub.slot->record;
    memset(sp->stub.slot, 0, sizeof(*sp->stub.slot));
    /* The selectors that the CPU has there still. */
    sp->stub.slot->record = (struct stub_record){.ds = old.ds, .es = old.es, .fs = old.fs, .gs = old.gs};
    sp->stub.written = 0;
    sp->key = key;
    return true;
}

struct space *space_enter(struct direct *d, struct vcpu *v)
{
    uint64_t key = v->ops->user_space(v);
    struct user_region tables;
    struct space *sp = NULL;
    uint64_t own[STUB_PAGES];

    if (d->forgeries > FORGERIES_MAX)
        return NULL;
    /* Guest memory where the stub's own pages are: it would see them instead. */
    if (v->ops->user_region(v, GVA(STUB_CODE), &tables)) {
        v->ops->user_pages(v, &tables, page_index(STUB_CODE), ARRAY_SIZE(own), own);
        for (unsigned i = 0; i < ARRAY_SIZE(own); i++)
            if (own[i])
                return NULL;
    }
    for (unsigned i = 0; i < SPACES && !sp; i++)
        if (same_base(d->space[i].key, key))
            sp = &d->space[i];
    if (!sp)
        sp = space_make(d, key);
    if (!sp)
        return NULL;
    if (sp->key != key && !space_inherit(d, sp, key)) {
        space_drop(d, sp);
        return NULL;
    }
    sp->last_used = ++d->clock;
    /*
     * Code may be executed as 32-bit code, too, from now on: all that is executable is to be looked through
     * again.
     */
    if (v->seg[SEG_CS].selector == HOST_CS_32 && !sp->wide) {
        sp->wide = true;
        if (!space_reset(d, sp)) {
            space_drop(d, sp);
            return NULL;
        }
    }
    if (!space_check(d, sp, v)) {
        space_drop(d, sp);
        return NULL;
    }
    return sp;
}
