/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Blocks that are made by copying.
 *
 * The same code runs at many addresses: each process has its libraries at others. Copying a block's host code
 * and changing the constants that depend on its address ("places") costs a tenth of translating it again.
 * What makes this right: a block depends on nothing but its code, its mode and its address, and as long as it
 * isn't dead its code is what the frame holds now.
 *
 * Light.
 */
#include "base/debug.h"
#include "engine/internal.h"

/*
 * From here to the end of user addresses, and 2 GiB beyond at either end, an address takes 64 bits wherever
 * it stands in a block's code, and so does its negative.
 */
#define MOVABLE_FROM (8ul << 30)

bool block_may_move(uint64_t va, uint32_t mode)
{
    return (mode & (MODE_USER | MODE_64)) == (MODE_USER | MODE_64) && va >= MOVABLE_FROM && va < 1ul << 47 &&
           !debug_on(DEBUG_IN_ASM) && !debug_on(DEBUG_OUT_ASM); /* which list translations */
}

static uint32_t *like_entry(struct code_cache *c, uint64_t va, uint64_t mfn, uint32_t mode)
{
    uint64_t code = mfn << PAGE_SHIFT | (va & ~PAGE_MASK);

    return &c->like[(code ^ (uint64_t)mode << 48) * 0x9e3779b97f4a7c15ul >> 32 & (LIKE_HASH - 1)];
}

void copy_note(struct code_cache *c, uint32_t index)
{
    const struct block *b = &c->blocks[index];

    *like_entry(c, b->va, b->mfn, b->mode) = index + 1;
}

static void copy_bytes(void *to, const void *from, size_t n)
{
    __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(n) : : "memory");
}

/* Moves the displacement of an array's entry by so many pages. */
static uint32_t entry_moved(uint32_t disp, uint32_t array, unsigned entry_size, unsigned entries,
                            uint64_t pages)
{
    uint32_t index = (disp - array) / entry_size;

    return array + entry_size * ((index + (uint32_t)pages) & (entries - 1));
}

static void move_place(uint8_t *at, unsigned kind, uint64_t distance, uint32_t exits)
{
    const uint32_t view = OFF_VIEWS + VIEW_USER * VIEW_SIZE;
    const uint64_t pages = distance >> PAGE_SHIFT;
    uint64_t address;
    uint32_t word;

    if (kind == PLACE_ADDRESS || kind == PLACE_MINUS) {
        __builtin_memcpy(&address, at, 8);
        address += kind == PLACE_ADDRESS ? distance : -distance;
        __builtin_memcpy(at, &address, 8);
        return;
    }
    __builtin_memcpy(&word, at, 4);
    switch (kind) {
    case PLACE_INDEX:
        word = (word + (uint32_t)pages) & (TLB_ENTRIES - 1);
        break;
    case PLACE_RTAG:
        word = entry_moved(word, view + VIEW_RTAG, 8, TLB_ENTRIES, pages);
        break;
    case PLACE_WTAG:
        word = entry_moved(word, view + VIEW_WTAG, 8, TLB_ENTRIES, pages);
        break;
    case PLACE_HOST:
        word = entry_moved(word, view + VIEW_HOST, 8, TLB_ENTRIES, pages);
        break;
    case PLACE_ITLB:
        word = entry_moved(word, view + VIEW_ITLB, 4, ITLB_USER_ENTRIES, pages);
        break;
    default:
        word += exits;
        break;
    }
    __builtin_memcpy(at, &word, 4);
}

/* The copy's exits: linked to nothing, as they were when the block had just been translated. */
static void copy_exits(struct code_cache *c, const struct block *from, struct block *b)
{
    const uint32_t host = b->host_off - from->host_off;

    for (uint32_t i = 0; i < from->nr_exits; i++) {
        struct exit_rec *x = &c->exits[c->nr_exits++];

        *x = c->exits[from->first_exit + i];
        x->target += b->va - from->va;
        x->block = (uint32_t)(b - c->blocks);
        x->linked = x->next_in = 0;
        x->patch_off += x->patch_off ? host : 0;
        x->tail_off += x->tail_off ? host : 0;
        x->id_off += x->id_off ? host : 0;
        if (x->patch_off && x->kind != LINK_SITE) {
            uint32_t rel = x->tail_off - (x->patch_off + 4);

            __builtin_memcpy(c->base + x->patch_off, &rel, 4);
        }
        if (x->id_off)
            __builtin_memset(c->base + x->id_off, 0, 4);
    }
}

struct block *copy_block(struct engine_vcpu *e, uint64_t va, uint64_t mfn, uint32_t mode)
{
    struct code_cache *c = &e->cache;
    const struct block *from;
    struct block *b;
    uint32_t like;
    uint32_t host;

    if (!block_may_move(va, mode))
        return NULL;
    like = *like_entry(c, va, mfn, mode);
    if (!like)
        return NULL;
    from = &c->blocks[like - 1];
    if (from->dead || from->mfn != mfn || from->mode != mode || ((from->va ^ va) & ~PAGE_MASK))
        return NULL;

    c->used = (c->used + 15) & ~15ul;
    b = &c->blocks[c->nr_blocks];
    *b = *from;
    b->va = va;
    b->host_off = (uint32_t)c->used;
    host = b->host_off - from->host_off;
    b->entry_host += host;
    b->entry_saved += host;
    b->verify += host;
    b->first_exit = c->nr_exits;
    b->incoming = 0;
    copy_bytes(c->base + b->host_off, c->base + from->host_off, b->host_len);
    for (uint32_t i = 0; i < b->nr_places; i++) {
        const struct place *p = &c->places[b->first_place + i];

        move_place(c->base + b->host_off + p->at, p->kind, va - from->va, b->first_exit - from->first_exit);
    }
    copy_exits(c, from, b);
    c->used += b->host_len;
    cache_insert(e, c->nr_blocks++);
    e->stats.copied++;
    return b;
}
