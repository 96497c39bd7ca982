/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The translation cache of one vCPU: blocks, the links between them, and their end.
 *
 * A cache belongs to one vCPU and is touched by its thread only, so linking and unlinking patch code that no
 * other thread runs.  Host code is only ever reclaimed all at once (cache_flush), so a stale host return
 * address always leads to a return site of this cache, which an invalidation has closed.
 *
 * A dead block is in no table and no link leads to it; the code that is running may still be inside it, and
 * leaves it at its next exit.
 */
#include "engine/internal.h"

static inline uint32_t hash64(uint64_t x)
{
    x *= 0x9e3779b97f4a7c15UL;
    return (uint32_t)(x >> 40);
}

static inline uint32_t block_bucket(uint64_t va, uint64_t mfn, uint32_t mode)
{
    return hash64(va ^ mfn << 44 ^ (uint64_t)mode << 36 ^ mfn) & (BLOCK_HASH - 1);
}

static inline uint32_t frame_bucket(uint64_t mfn)
{
    return hash64(mfn) & (FRAME_HASH - 1);
}

struct block *cache_find(struct engine_vcpu *e, uint64_t va, uint64_t mfn, uint32_t mode)
{
    struct code_cache *c = &e->cache;

    for (uint32_t i = c->block_hash[block_bucket(va, mfn, mode)]; i; i = c->blocks[i - 1].hash_next) {
        struct block *b = &c->blocks[i - 1];

        if (b->va == va && b->mfn == mfn && b->mode == mode)
            return b;
    }
    return NULL;
}

/* A block whose last instruction straddles pages hangs on its first page's list only; invalidation of the
 * second page finds it through the list of straddlers, which is short: frame bucket 0 of the hash is
 * theirs too. */
void cache_insert(struct engine_vcpu *e, uint32_t index)
{
    struct code_cache *c = &e->cache;
    struct block *b = &c->blocks[index];
    uint32_t h = block_bucket(b->va, b->mfn, b->mode);
    uint32_t f = b->mfn2 ? 0 : frame_bucket(b->mfn);

    b->hash_next = c->block_hash[h];
    c->block_hash[h] = index + 1;
    b->frame_next = c->frame_hash[f];
    c->frame_hash[f] = index + 1;
    if (b->movable)
        copy_note(c, index);
}

struct block *cache_block_at(struct engine_vcpu *e, uint64_t host_pc)
{
    struct code_cache *c = &e->cache;
    uint64_t off = host_pc - (uint64_t)c->base;
    uint32_t lo = 0, hi = c->nr_blocks;

    if (off >= c->used)
        return NULL;
    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;

        if (c->blocks[mid].host_off + c->blocks[mid].host_len <= off)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < c->nr_blocks && c->blocks[lo].host_off <= off ? &c->blocks[lo] : NULL;
}

const struct insn_info *cache_insn_at(struct engine_vcpu *e, const struct block *b, uint64_t host_pc)
{
    const struct insn_info *info = &e->cache.infos[b->info];
    uint32_t off = (uint32_t)(host_pc - (uint64_t)e->cache.base) - b->host_off;
    uint32_t n = 0;

    while (n + 1 < b->nr_insns && info[n + 1].host_off <= off)
        n++;
    return &info[n];
}

static void patch32(struct engine_vcpu *e, uint32_t off, uint32_t value)
{
    __builtin_memcpy(e->cache.base + off, &value, 4);
}

static uint32_t page_bucket(uint64_t page, unsigned view)
{
    return hash64(page ^ view) & (PAGE_HASH - 1);
}

bool cache_has_page(struct engine_vcpu *e, uint64_t va, unsigned view)
{
    struct code_cache *c = &e->cache;
    uint64_t page = va & PAGE_MASK;
    unsigned index = tlb_index(page);

    /* Nearly all that ask (INVLPG) mean data. */
    if (likely(!(c->page_seen[view][index / 64] >> (index & 63) & 1)))
        return false;
    for (uint32_t i = c->page_hash[page_bucket(page, view)]; i; i = c->pages[i - 1].next)
        if (c->pages[i - 1].va == page && c->pages[i - 1].view == view)
            return true;
    return false;
}

uint32_t cache_page_id(struct engine_vcpu *e, uint64_t va, uint64_t mfn, unsigned view)
{
    struct code_cache *c = &e->cache;
    uint64_t page = va & PAGE_MASK;
    uint32_t h = page_bucket(page, view);

    for (uint32_t i = c->page_hash[h]; i; i = c->pages[i - 1].next) {
        struct code_page *p = &c->pages[i - 1];

        if (p->va == page && p->mfn == mfn && p->view == view)
            return i;
    }
    if (c->nr_pages == c->max_pages) {
        /* Numbers start again: nothing may still compare with an old one. */
        cache_flush(e);
    }
    c->pages[c->nr_pages] = (struct code_page){.va = page, .mfn = mfn, .view = view, .next = c->page_hash[h]};
    c->page_hash[h] = ++c->nr_pages;
    c->page_seen[view][tlb_index(page) / 64] |= 1UL << (tlb_index(page) & 63);
    return c->nr_pages;
}

void cache_link(struct engine_vcpu *e, uint32_t exit, uint32_t block)
{
    struct code_cache *c = &e->cache;
    struct exit_rec *x = &c->exits[exit];
    struct block *b = &c->blocks[block];
    uint32_t entry = x->flags_host ? b->entry_host : b->entry_saved;

    if (x->linked)
        cache_unlink(e, exit);
    if (x->id_off)
        patch32(e, x->id_off,
                -cache_page_id(e, b->va, b->mfn, b->mode & MODE_USER ? VIEW_USER : VIEW_KERNEL));
    patch32(e, x->patch_off, entry - (x->patch_off + 4));
    x->linked = block + 1;
    x->next_in = b->incoming;
    b->incoming = exit + 1;
}

void cache_unlink(struct engine_vcpu *e, uint32_t exit)
{
    struct code_cache *c = &e->cache;
    struct exit_rec *x = &c->exits[exit];
    uint32_t *p;

    if (!x->linked)
        return;
    for (p = &c->blocks[x->linked - 1].incoming; *p != exit + 1; p = &c->exits[*p - 1].next_in)
        ;
    *p = x->next_in;
    patch32(e, x->patch_off, x->tail_off - (x->patch_off + 4));
    x->linked = 0;
}

void cache_unlink_block_exits(struct engine_vcpu *e, struct block *b)
{
    for (uint32_t i = 0; i < b->nr_exits; i++)
        cache_unlink(e, b->first_exit + i);
}

static void block_kill(struct engine_vcpu *e, uint32_t index)
{
    struct code_cache *c = &e->cache;
    struct block *b = &c->blocks[index];
    uint32_t *p = &c->block_hash[block_bucket(b->va, b->mfn, b->mode)];
    unsigned view = b->mode & MODE_USER ? VIEW_USER : VIEW_KERNEL;
    uint64_t *jc = &e->view[view].jc[b->va & 0xffff];

    while (*p != index + 1)
        p = &c->blocks[*p - 1].hash_next;
    *p = b->hash_next;
    if (*jc == (uint64_t)c->base + b->verify)
        *jc = e->hot.stubs[STUB_IND_MISS];
    while (b->incoming)
        cache_unlink(e, b->incoming - 1);
    cache_unlink_block_exits(e, b);
    for (uint32_t i = 0; i < b->nr_exits; i++) {
        const struct exit_rec *x = &c->exits[b->first_exit + i];

        if (x->kind == LINK_SITE) { /* jrcxz ok -> jmp to the next instruction: every return misses */
            c->base[x->patch_off] = 0xeb;
            c->base[x->patch_off + 1] = 0;
        }
    }
    b->dead = 1;
    e->stats.invalidated++;
}

static bool range_hits(const struct block *b, uint64_t mfn, unsigned off, unsigned len)
{
    unsigned start = b->va & ~PAGE_MASK;
    unsigned end = start + b->guest_len;

    if (b->mfn == mfn && off < end && off + len > start)
        return true;
    return b->mfn2 == mfn && b->mfn2 && off + PAGE_SIZE < end;
}

static bool invalidate_list(struct engine_vcpu *e, uint32_t *p, uint64_t mfn, unsigned off, unsigned len)
{
    struct code_cache *c = &e->cache;
    bool left = false;

    while (*p) {
        struct block *b = &c->blocks[*p - 1];
        uint32_t index = *p - 1;

        if (range_hits(b, mfn, off, len)) {
            *p = b->frame_next;
            block_kill(e, index);
        } else {
            left |= b->mfn == mfn || b->mfn2 == mfn;
            p = &b->frame_next;
        }
    }
    return left;
}

void cache_invalidate(struct engine_vcpu *e, uint64_t mfn, unsigned off, unsigned len)
{
    struct code_cache *c = &e->cache;
    uint32_t h = frame_bucket(mfn);
    bool left = invalidate_list(e, &c->frame_hash[h], mfn, off, len);

    if (h != 0)
        left |= invalidate_list(e, &c->frame_hash[0], mfn, off, len);
    if (!left)
        __atomic_fetch_and(&machine_frame(MFN(mfn))->code_vcpus, ~(1u << e->slot), __ATOMIC_SEQ_CST);
}

void cache_flush(struct engine_vcpu *e)
{
    struct code_cache *c = &e->cache;

    if (e->fpu_loaded)
        x87_cache_flush(e);
    for (uint32_t i = 0; i < c->nr_blocks; i++) {
        __atomic_fetch_and(&machine_frame(MFN(c->blocks[i].mfn))->code_vcpus, ~(1u << e->slot),
                           __ATOMIC_SEQ_CST);
        if (c->blocks[i].mfn2)
            __atomic_fetch_and(&machine_frame(MFN(c->blocks[i].mfn2))->code_vcpus, ~(1u << e->slot),
                               __ATOMIC_SEQ_CST);
    }
    e->kernel_gs_used = false;
    e->avx512_seen = false;
    c->used = 0;
    c->nr_blocks = 0;
    c->nr_exits = 0;
    c->nr_infos = 0;
    c->nr_places = 0;
    c->nr_pages = 0;
    __builtin_memset(c->block_hash, 0, sizeof(c->block_hash));
    __builtin_memset(c->frame_hash, 0, sizeof(c->frame_hash));
    __builtin_memset(c->page_hash, 0, sizeof(c->page_hash));
    __builtin_memset(c->like, 0, sizeof(c->like));
    __builtin_memset(c->page_seen, 0, sizeof(c->page_seen));
    for (unsigned n = 0; n < NR_VIEWS; n++)
        view_forget_code(e, n);
    e->stats.cache_flushes++;
}
