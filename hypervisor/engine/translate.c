/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Translating one block: fetch, decode, hand each instruction to the trans_*.c files, lay out the exits.
 * Heavy code, entered through engine_xcall().
 *
 * A block is straight-line guest code within one page, with side exits at conditional branches; it ends at
 * any other transfer, at the end of the page, or after MAX_BLOCK_INSNS.  Its host code: a verify entry for
 * indirect jumps (T0 = target, compared with the block's address), an entry for flags in host flags, an entry
 * for saved flags, the body, slow paths, tails.
 *
 * A direct exit is a rel32 that first leads to its tail, which leaves translated code with the exit's number;
 * cache_link() then turns it to the target's block.  If the target is on another page, the jump first
 * compares the id of the code page that is mapped there now (view.itlb) with the one that was linked.
 */
#include <assert.h>
#include <string.h>

#include "cpu/isa_feature.h"
#include "engine/trans.h"

static uint32_t off_of(const struct trans *t, const uint8_t *p)
{
    return (uint32_t)(p - t->e->cache.base);
}

static bool same_page(const struct trans *t, uint64_t target)
{
    return ((target ^ t->va) & PAGE_MASK) == 0;
}

uint32_t new_exit(struct trans *t, enum exit_kind kind, uint64_t target)
{
    struct code_cache *c = &t->e->cache;
    uint32_t i = c->nr_exits++;

    assert(t->flags != FLAGS_REDO); /* flags_fate() */
    c->exits[i] = (struct exit_rec){
        .target = target,
        .block = (uint32_t)(t->b - c->blocks),
        .kind = (uint8_t)kind,
        .flags_host = t->flags == FLAGS_HOST,
        .len = t->in ? t->in->d.length : 0,
    };
    t->b->nr_exits++;
    return i;
}

void note_place(struct trans *t, enum place_kind kind)
{
    struct code_cache *c = &t->e->cache;
    unsigned size = kind == PLACE_ADDRESS || kind == PLACE_MINUS ? 8 : 4;

    if (t->movable)
        c->places[c->nr_places++] =
            (struct place){.at = (uint16_t)(t->m.p - size - t->start), .kind = (uint8_t)kind};
}

void emit_mov_address(struct trans *t, unsigned dst, uint64_t address)
{
    emit_mov_imm(&t->m, dst, address);
    note_place(t, PLACE_ADDRESS);
}

void emit_exit_number(struct trans *t, uint32_t exit)
{
    emit_mov_imm(&t->m, T0, exit);
    note_place(t, PLACE_EXIT);
}

/* mov ecx, exit; jmp gs:[stub] */
static void emit_leave(struct trans *t, uint32_t exit)
{
    emit_exit_number(t, exit);
    emit_jmp_gs(&t->m,
                OFF_STUBS + 8 * (t->e->cache.exits[exit].flags_host ? STUB_LINK_HOST : STUB_LINK_SAVED));
}

void end_exit(struct trans *t, enum exit_kind kind, uint64_t target, unsigned vector)
{
    uint32_t i = new_exit(t, kind, target);

    t->e->cache.exits[i].vector = (uint8_t)vector;
    emit_leave(t, i);
    t->done = true;
}

/* T0d := 0 if the page of target is still mapped as when the exit was linked. Records where the id goes. */
static void emit_page_check(struct trans *t, uint32_t exit, uint64_t target)
{
    struct emit *m = &t->m;
    uint32_t slot = itlb_index(t->view, target);

    emit_load_gs32(m, T0, OFF_VIEWS + t->view * VIEW_SIZE + VIEW_ITLB + 4 * slot);
    note_place(t, PLACE_ITLB);
    e8(m, 0x8d); /* lea ecx, [rcx - id] */
    e8(m, 0x89);
    t->e->cache.exits[exit].id_off = off_of(t, m->p);
    e32(m, 0);
}

static void add_tail(struct trans *t, uint32_t exit, uint8_t *from, bool cross)
{
    t->tail[t->nr_tails++] = (struct tail){.exit = exit, .from = from, .cross = cross};
}

void emit_link(struct trans *t, enum exit_kind kind, uint64_t target)
{
    struct emit *m = &t->m;
    uint32_t i = new_exit(t, kind, target);
    struct exit_rec *x = &t->e->cache.exits[i];
    uint8_t *ok = NULL, *fail, *rel;

    if (trans_unchained(t)) {
        emit_leave(t, i);
        return;
    }
    if (!same_page(t, target)) {
        emit_page_check(t, i, target);
        ok = emit_jrcxz(m);
        /* a call all the same, for shadow stack and host's predictor: call tail; jmp site */
        fail = kind == LINK_CALL ? emit_call32(m) : emit_jmp32(m);
        if (kind == LINK_CALL) {
            e8(m, 0xeb);
            e8(m, 5);
        }
        emit_fix8(ok, m->p);
        rel = kind == LINK_CALL ? emit_call32(m) : emit_jmp32(m);
        x->patch_off = off_of(t, rel);
        add_tail(t, i, rel, false);
        t->tail[t->nr_tails++] = (struct tail){.exit = i, .from = fail, .cross = false};
        return;
    }
    rel = kind == LINK_CALL ? emit_call32(m) : emit_jmp32(m);
    x->patch_off = off_of(t, rel);
    add_tail(t, i, rel, false);
}

/*
 * mov word gs:[flags], by recipe; jcc to the entry for saved flags.  Not taken, flags go on in host flags as
 * before.
 */
static void emit_loop_jcc(struct trans *t, unsigned cc, uint64_t target)
{
    struct emit *m = &t->m;
    uint8_t *rel;
    uint32_t i;

    e8(m, 0x66);
    emit_gs(m, 0xc7, false, 0, OFF_FLAGS);
    e8(m, FLAGS_BY_RECIPE & 0xff);
    e8(m, FLAGS_BY_RECIPE >> 8);
    t->b->recipe = t->recipe;
    i = new_exit(t, LINK_JUMP, target);
    t->e->cache.exits[i].flags_host = 0;
    rel = emit_jcc32(m, cc);
    t->e->cache.exits[i].patch_off = off_of(t, rel);
    add_tail(t, i, rel, false);
}

void emit_link_jcc(struct trans *t, unsigned cc, uint64_t target)
{
    bool cross = !same_page(t, target) && !trans_unchained(t);
    uint8_t *rel;
    uint32_t i;

    if (target == t->va && !trans_unchained(t) && !(t->mode & MODE_SPLIT) && !t->starts_dead &&
        t->b->recipe.kind == RECIPE_NONE && recipe_fits_loop(t)) {
        emit_loop_jcc(t, cc, target);
        return;
    }
    i = new_exit(t, LINK_JUMP, target);
    rel = emit_jcc32(&t->m, cc);
    if (!cross && !trans_unchained(t))
        t->e->cache.exits[i].patch_off = off_of(t, rel);
    add_tail(t, i, rel, cross);
}

/* Out-of-line parts of the direct exits. */
static void emit_tails(struct trans *t)
{
    struct emit *m = &t->m;

    for (unsigned k = 0; k < t->nr_tails; k++) {
        struct tail *l = &t->tail[k];
        struct exit_rec *x = &t->e->cache.exits[l->exit];

        if (x->tail_off) { /* second way to the same tail */
            emit_fix32(l->from, t->e->cache.base + x->tail_off);
            continue;
        }
        emit_fix32(l->from, m->p);
        if (l->cross) {
            uint8_t *ok, *fail, *rel;

            emit_page_check(t, l->exit, x->target);
            ok = emit_jrcxz(m);
            fail = emit_jmp32(m);
            emit_fix8(ok, m->p);
            rel = emit_jmp32(m);
            emit_fix32(rel, m->p);
            emit_fix32(fail, m->p);
            x->patch_off = off_of(t, rel);
        }
        x->tail_off = off_of(t, m->p);
        emit_leave(t, l->exit);
    }
}

/* mov dword gs:[last_indirect], exit: where to go back to if the target is not canonical */
void emit_indirect_mark(struct trans *t, int32_t rsp_change)
{
    uint32_t i;

    if (!(t->mode & MODE_64))
        return;
    i = new_exit(t, EXIT_KIND_INDIRECT, t->in->va);
    t->e->cache.exits[i].rsp_change = rsp_change;
    emit_gs(&t->m, 0xc7, false, 0, OFF_LAST_INDIRECT);
    e32(&t->m, i);
    note_place(t, PLACE_EXIT);
}

static void emit_jc_jump(struct trans *t, bool call)
{
    struct emit *m = &t->m;

    /* movzx r14d, cx; jmp/call gs:[r14*8 + jump cache] */
    e8(m, 0x44);
    e8(m, 0x0f);
    e8(m, 0xb7);
    emit_modrm(m, 3, T1, T0);
    emit_gs_index8(m, 0xff, false, call ? 2 : 4, T1, OFF_VIEWS + t->view * VIEW_SIZE + VIEW_JC);
}

void emit_indirect(struct trans *t, bool call)
{
    struct emit *m = &t->m;
    uint8_t *go;

    if (trans_unchained(t)) {
        emit_jmp_gs(m, OFF_STUBS + 8 * STUB_IND_MISS);
        return;
    }
    /* flags are saved, so the poll may clobber: cmp dword gs:[kick], 0; je go */
    emit_gs(m, 0x83, false, 7, OFF_KICK);
    e8(m, 0);
    e8(m, 0x74);
    go = m->p++;
    if (call) {
        /* lea r14, [rip + past the call]; push r14 */
        e8(m, 0x4c);
        e8(m, 0x8d);
        e8(m, 0x35);
        e32(m, 2 + 8 + 4 + 9);
        e8(m, 0x41);
        e8(m, 0x56);
    }
    emit_jmp_gs(m, OFF_STUBS + 8 * STUB_IND_MISS);
    emit_fix8(go, m->p);
    emit_jc_jump(t, call);
}

/* T0 += or -= an address that moves with the block, leaving flags alone; T1 may change. */
static void emit_add_address(struct trans *t, uint64_t address, bool minus)
{
    uint64_t value = minus ? -address : address;

    if (fits_s32(value)) {
        emit_lea(&t->m, true, T0, T0, NO_REG, 0, (int32_t)value);
    } else {
        emit_mov_imm(&t->m, T1, value);
        note_place(t, minus ? PLACE_MINUS : PLACE_ADDRESS);
        emit_lea(&t->m, true, T0, T0, T1, 0, 0);
    }
}

/*
 * The block goes on behind the site.  A return comes here through the shadow stack even after the block has
 * died, so the site is on record (LINK_SITE) and block_kill() closes it.
 */
void emit_return_site(struct trans *t, uint64_t ret_va)
{
    struct emit *m = &t->m;
    uint8_t *ok;
    uint32_t i;

    if (trans_unchained(t)) {
        t->done = true;
        return;
    }
    emit_add_address(t, ret_va, true);
    i = new_exit(t, LINK_SITE, ret_va);
    t->e->cache.exits[i].patch_off = off_of(t, m->p);
    ok = emit_jrcxz(m);
    emit_add_address(t, ret_va, false);
    emit_jc_jump(t, false);
    emit_fix8(ok, m->p);
}

static void emit_slow_paths(struct trans *t)
{
    for (unsigned k = 0; k < t->nr_slow; k++) {
        struct slow_path *s = &t->slow[k];
        const uint8_t *behind;

        emit_fix32(s->from, t->m.p);
        if (s->known) { /* what the stubs expect: the address ^ tag, and the index */
            emit_mov_imm(&t->m, T0, s->address);
            if (s->moves)
                note_place(t, PLACE_ADDRESS);
            emit_mov_imm(&t->m, T1, tlb_index(s->address));
            if (s->moves)
                note_place(t, PLACE_INDEX);
            emit_gs_index8(&t->m, 0x33, true, T0, T1,
                           OFF_VIEWS + t->view * VIEW_SIZE + (s->write ? VIEW_WTAG : VIEW_RTAG));
        }
        emit_call_gs(&t->m, OFF_STUBS + 8 * (s->end ? STUB_MISS_WORD : STUB_MISS + 2 * t->view + s->write));
        behind = t->m.p;
        emit_fix32(emit_jmp32(&t->m), s->retry);
        if (s->end) {
            /* test eax, word: data, never run, as an instruction for whoever reads the listing */
            e8(&t->m, 0xa9);
            e32(&t->m, STORE_WORD(behind - s->end, s->reg, s->xchg));
        }
    }
}

/* Leaves, to be looked up anew, if the second page isn't mapped as it was at translation. */
static void emit_second_page_check(struct trans *t)
{
    struct emit *m = &t->m;
    uint64_t va2 = next_code_page(t->va, t->mode);
    uint32_t id = cache_page_id(t->e, va2, t->b->mfn2, t->view);
    uint8_t *ok;
    uint32_t i;

    t->flags = FLAGS_SAVED;
    i = new_exit(t, EXIT_KIND_AGAIN, t->va);
    emit_load_gs32(m, T0, OFF_VIEWS + t->view * VIEW_SIZE + VIEW_ITLB + 4 * itlb_index(t->view, va2));
    emit_lea(m, false, T0, T0, NO_REG, 0, -(int32_t)id);
    ok = emit_jrcxz(m);
    emit_leave(t, i);
    emit_fix8(ok, m->p);
}

/* The block's three entries. Where nobody can see the flags that it starts with, none of them saves any. */
static void emit_entries(struct trans *t)
{
    struct emit *m = &t->m;

    t->b->verify = off_of(t, m->p);
    emit_add_address(t, t->va, true);
    {
        uint8_t *ok = emit_jrcxz(m);

        /* not this block's address: the full target again, and ask C */
        emit_add_address(t, t->va, false);
        emit_jmp_gs(m, OFF_STUBS + 8 * STUB_IND_MISS);
        emit_fix8(ok, m->p);
    }
    t->b->entry_host = off_of(t, m->p);
    t->flags = FLAGS_SAVED;
    /* A second page's check leaves with the flags saved. */
    t->starts_dead = !t->b->mfn2 && flags_dead_at_start(t);
    if (!t->starts_dead) {
        uint8_t *over;

        e8(m, 0xeb); /* to the saved entry */
        over = m->p++;
        t->b->entry_host = off_of(t, m->p);
        t->flags = FLAGS_HOST;
        flags_need_saved(t);
        emit_fix8(over, m->p);
    }
    t->b->entry_saved = off_of(t, m->p);
    if (t->b->mfn2)
        emit_second_page_check(t);
}

/* Nobody may go on writing to the frame unnoticed once code has been fetched from it. */
static void watch_frame(struct engine_vcpu *e, uint64_t mfn)
{
    struct frame *f = machine_frame(MFN(mfn));
    uint32_t self = 1u << e->slot;

    if (__atomic_fetch_or(&f->code_vcpus, self, __ATOMIC_SEQ_CST) & self)
        return;
    engine_frame_protect(&e->v, MFN(mfn));
}

bool trans_offers(const struct trans *t, enum cpu_feature f)
{
    const struct domain *d = t->e->v.domain;

    return !d || !d->cpu_policy || cpu_policy_has(d->cpu_policy, f);
}

bool insn_offered(const struct trans *t, const struct insn *in)
{
    const ZydisDecodedInstruction *d = &in->d;
    enum cpu_feature f = cpu_feature_of_insn(d);

    if (d->mnemonic == ZYDIS_MNEMONIC_UD0 || d->mnemonic == ZYDIS_MNEMONIC_UD1 ||
        d->mnemonic == ZYDIS_MNEMONIC_UD2)
        return true;
    return trans_offers(t, f);
}

/* For recipe_note(): instructions whose translation is straight code. */
static bool is_plain(const struct trans *t)
{
    switch (t->in->d.mnemonic) {
    case ZYDIS_MNEMONIC_PUSHF:
    case ZYDIS_MNEMONIC_PUSHFD:
    case ZYDIS_MNEMONIC_PUSHFQ:
    case ZYDIS_MNEMONIC_CLD:
    case ZYDIS_MNEMONIC_STD:
        return false;
    default:
        return t->in->d.meta.category != ZYDIS_CATEGORY_STRINGOP;
    }
}

static void translate_insn(struct trans *t, const struct insn *in, struct insn_info *info)
{
    t->in = in;
    t->next = in->va + in->d.length;
    if (!mode64(t))
        t->next = (uint32_t)t->next;
    t->info = info;
    info->host_off = (uint16_t)(t->m.p - t->start);
    info->guest_off = (uint16_t)(in->va - t->va);
    info->flags_host = 0;
    info->borrowed = 0;
    info->align = 0;
    info->group = 0;
    info->recipe = t->flags == FLAGS_REDO ? t->recipe : (struct flag_recipe){.kind = RECIPE_NONE};
    if (!insn_offered(t, in)) {
        end_exit(t, EXIT_KIND_EXCEPTION, in->va, VEC_UD);
        return;
    }
    if (t->index >= t->group.to)
        group_plan(t);
    if (in_group(t) && t->index == t->group.from)
        group_begin(t);
    if (trans_branch(t)) {
        recipe_note(t, false);
        return;
    }
    if (!trans_stack(t) && !trans_special(t))
        trans_generic(t);
    recipe_note(t, !t->done && is_plain(t));
}

/*
 * The bytes at va, up to 15, from at most two pages. Number of bytes; *mfn2 set if the second page was used.
 */
static unsigned fetch_bytes(uint64_t va, uint64_t mfn, uint8_t *buf, unsigned have)
{
    const uint8_t *p = machine_hva(MFN(mfn));
    unsigned off = va & ~PAGE_MASK;
    unsigned n = (unsigned)PAGE_SIZE - off;

    if (n > have)
        n = have;
    for (unsigned i = 0; i < n; i++)
        buf[i] = ((const volatile uint8_t *)p)[off + i];
    return n;
}

/* The bytes of the instruction at va: of its own page, and of the second one if the block has one. */
static unsigned fetch_first(struct trans *t, uint64_t va, uint8_t *buf)
{
    unsigned n = fetch_bytes(va, t->b->mfn, buf, 15);

    if (n < 15 && t->b->mfn2 && va == t->va)
        n += fetch_bytes((va & PAGE_MASK) + PAGE_SIZE, t->b->mfn2, buf + n, 15 - n);
    return n;
}

/*
 * A block whose first instruction straddles two pages consists of that instruction. Finds the second page;
 * false with v.exit filled in if it can't be fetched.
 */
static bool find_second_page(struct trans *t)
{
    struct engine_vcpu *e = t->e;
    uint64_t va2 = next_code_page(t->va, t->mode);
    struct translation second;
    struct insn first;
    uint8_t bytes[16] = {0};
    unsigned n = fetch_first(t, t->va, bytes);
    uint32_t pfec;

    if (n == 15 || decode_insn(&first, bytes, n, t->va, t->mode) <= 0)
        return true;
    if (!e->v.ops->walk(&e->v, GVA(va2), ACCESS_FETCH, &second, &pfec)) {
        e->v.exit = (struct vcpu_exit){
            .reason = EXIT_EXCEPTION, .vector = VEC_PF, .has_error = true, .error = pfec, .cr2 = va2};
        return false;
    }
    watch_frame(e, second.mfn.n);
    t->b->mfn2 = second.mfn.n;
    return true;
}

/* How far a block may go at most, in instructions. */
static unsigned block_limit(const struct trans *t)
{
    return (t->mode & (MODE_STEP | MODE_CAREFUL)) || debug_on(DEBUG_ONE_INSN) ? 1 : MAX_BLOCK_INSNS;
}

const struct insn *insn_ahead(struct trans *t, unsigned index)
{
    while (t->nr_ahead <= index) {
        struct insn *in = &t->ahead[t->nr_ahead];
        uint64_t pos = t->ahead_va;
        uint8_t bytes[16] = {0};

        if (t->nr_ahead == block_limit(t) || ((pos ^ t->va) & PAGE_MASK) ||
            decode_insn(in, bytes, fetch_first(t, pos, bytes), pos, t->mode) != 0)
            return NULL;
        t->nr_ahead++;
        t->ahead_va = pos + in->d.length;
        if (!mode64(t))
            t->ahead_va = (uint32_t)t->ahead_va;
    }
    return &t->ahead[index];
}

/* What stands at the block's start is no instruction: the panel or the emulator says what that means. */
static void translate_invalid(struct trans *t)
{
    struct insn *in = &t->ahead[0];

    memset(in, 0, sizeof(*in));
    in->va = t->va;
    in->d.length = 1;
    t->in = in;
    t->next = t->va;
    t->e->cache.infos[t->e->cache.nr_infos++] = (struct insn_info){.host_off = (uint16_t)(t->m.p - t->start)};
    t->b->nr_insns++;
    t->b->guest_len = 15;
    end_exit(t, EXIT_KIND_EMULATE, t->va, 0);
}

struct block *translate_block(struct engine_vcpu *e, uint64_t va, uint64_t mfn, uint32_t mode)
{
    static __thread struct trans trans;
    struct trans *t = &trans;
    struct code_cache *c = &e->cache;
    const uint8_t *slow_at, *tails_at;

    c->used = (c->used + 15) & ~15ul;
    t->e = e;
    t->m.p = t->start = c->base + c->used;
    t->mode = mode;
    t->view = mode & MODE_USER ? VIEW_USER : VIEW_KERNEL;
    t->careful = mode & MODE_CAREFUL;
    t->done = false;
    t->movable = block_may_move(va, mode);
    t->region = REGION_OPEN;
    t->region_writes = 0;
    t->recipe.kind = RECIPE_NONE;
    t->va = t->next = t->ahead_va = va;
    t->in = NULL;
    t->index = t->nr_ahead = t->group.to = 0;
    t->nr_slow = t->nr_tails = 0;
    t->b = &c->blocks[c->nr_blocks];
    *t->b = (struct block){
        .va = va,
        .mfn = mfn,
        .mode = mode,
        .host_off = off_of(t, t->start),
        .info = c->nr_infos,
        .first_exit = c->nr_exits,
        .first_place = c->nr_places,
    };
    watch_frame(e, mfn);
    if (!find_second_page(t))
        return NULL;
    emit_entries(t);

    for (; !t->done; t->index++) {
        const struct insn *in = insn_ahead(t, t->index);

        if (!in && t->index == 0) {
            translate_invalid(t);
            break;
        }
        if (!in || t->nr_slow > MAX_SLOW - 4 || t->nr_tails > MAX_BLOCK_EXITS - 8 ||
            t->b->nr_exits > MAX_BLOCK_EXITS) {
            t->in = NULL;
            emit_link(t, LINK_JUMP, t->next);
            break;
        }
        t->b->nr_insns++;
        translate_insn(t, in, &c->infos[c->nr_infos++]);
        t->b->guest_len = (uint16_t)(in->va + in->d.length - va);
    }
    slow_at = t->m.p;
    emit_slow_paths(t);
    tails_at = t->m.p;
    emit_tails(t);
    t->b->host_len = (uint32_t)(t->m.p - t->start);
    t->b->nr_places = (uint16_t)(c->nr_places - t->b->first_place);
    t->b->movable = t->movable && !t->b->mfn2;
    c->used += t->b->host_len;
    cache_insert(e, c->nr_blocks++);
    if (unlikely(debug.mask & (DEBUG_IN_ASM | DEBUG_OUT_ASM)))
        debug_log_block(t, slow_at, tails_at);
    e->stats.blocks++;
    e->stats.guest_bytes += t->b->guest_len;
    e->stats.host_bytes += t->b->host_len;
    return t->b;
}
