/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The translator's run loop: find or make the block at rip, enter it, and see why it came back.
 */
#include "engine/debug_event.h"
#include "engine/emulate.h"
#include "engine/internal.h"
#include "engine/special.h"

_Static_assert(sizeof(struct vcpu) <= OFF_HOT, "struct vcpu outgrew its place");
_Static_assert(offsetof(struct vcpu, gpr) == OFF_RAX, "enter.S");
_Static_assert(offsetof(struct engine_vcpu, hot) == OFF_HOT, "enter.S");
_Static_assert(offsetof(struct engine_vcpu, view) == OFF_VIEWS, "enter.S");
_Static_assert(sizeof(struct view) == VIEW_SIZE, "enter.S");
_Static_assert(OFF_HOT + offsetof(struct engine_hot, c_rsp) == OFF_C_RSP, "enter.S");
_Static_assert(OFF_HOT + offsetof(struct engine_hot, shadow_rsp) == OFF_SHADOW_RSP, "enter.S");
_Static_assert(OFF_HOT + offsetof(struct engine_hot, flags) == OFF_FLAGS, "enter.S");
_Static_assert(OFF_HOT + offsetof(struct engine_hot, kick) == OFF_KICK, "enter.S");
_Static_assert(OFF_HOT + offsetof(struct engine_hot, exit_id) == OFF_EXIT_ID, "enter.S");
_Static_assert(OFF_HOT + offsetof(struct engine_hot, helper_ra) == OFF_HELPER_RA, "enter.S");
_Static_assert(OFF_HOT + offsetof(struct engine_hot, helper_ea) == OFF_HELPER_EA, "enter.S");
_Static_assert(OFF_HOT + offsetof(struct engine_hot, tmp) == OFF_TMP0, "enter.S");
_Static_assert(OFF_HOT + offsetof(struct engine_hot, shadow_base) == OFF_SHADOW_BASE, "enter.S");
_Static_assert(OFF_HOT + offsetof(struct engine_hot, tmp2) == OFF_TMP2, "enter.S");
_Static_assert(OFF_HOT + offsetof(struct engine_hot, last_indirect) == OFF_LAST_INDIRECT, "enter.S");
_Static_assert(OFF_HOT + offsetof(struct engine_hot, stubs) == OFF_STUBS, "enter.S");

struct engine_vcpu *engine_slots[32];

uint32_t engine_mode(const struct vcpu *v)
{
    uint32_t mode = v->user_mode ? MODE_USER : 0;
    uint16_t cs = v->seg[SEG_CS].attr;

    if (cs & SEG_ATTR_L)
        mode |= MODE_64;
    else {
        if (cs & SEG_ATTR_D)
            mode |= MODE_32;
        if (v->seg[SEG_DS].base | v->seg[SEG_ES].base | v->seg[SEG_SS].base | v->seg[SEG_CS].base)
            mode |= MODE_SEGS;
    }
    if (v->task_switched)
        mode |= MODE_TS;
    if (v->rflags & FLAG_TF)
        mode |= MODE_STEP;
    return mode;
}

struct translate_job {
    struct engine_vcpu *e;
    uint64_t va, mfn;
    uint32_t mode;
    struct block *result;
};

static void translate_job(void *arg)
{
    struct translate_job *j = arg;

    j->result = translate_block(j->e, j->va, j->mfn, j->mode);
}

static bool cache_nearly_full(const struct code_cache *c)
{
    return c->size - c->used < BLOCK_MAX_HOST_BYTES || c->max_blocks - c->nr_blocks < 16 ||
           c->max_exits - c->nr_exits < BLOCK_MAX_EXITS || c->max_infos - c->nr_infos < BLOCK_MAX_INFOS ||
           c->max_places - c->nr_places < BLOCK_MAX_PLACES || c->max_pages - c->nr_pages < 16;
}

/* The frame that holds the code at va in this view. */
static bool code_frame(struct engine_vcpu *e, uint64_t va, uint64_t *mfn)
{
    struct vcpu *v = &e->v;
    uint32_t *id = &e->view[e->cur_view].itlb[itlb_index(e->cur_view, va)];
    struct translation t;
    uint32_t pfec;

    if (*id && e->cache.pages[*id - 1].va == (va & PAGE_MASK)) {
        *mfn = e->cache.pages[*id - 1].mfn;
        return true;
    }
    if (!gva_canonical(GVA(va))) {
        v->exit = (struct vcpu_exit){.reason = EXIT_EXCEPTION, .vector = VEC_GP, .has_error = true};
        return false;
    }
    if (!v->ops->walk(v, GVA(va), ACCESS_FETCH, &t, &pfec)) {
        v->exit = (struct vcpu_exit){
            .reason = EXIT_EXCEPTION, .vector = VEC_PF, .has_error = true, .error = pfec, .cr2 = va};
        return false;
    }
    *mfn = t.mfn.n;
    *id = cache_page_id(e, va, t.mfn.n, e->cur_view);
    return true;
}

/* The block for the code at va, translated now if need be; NULL with v.exit filled in on a fetch fault. */
static struct block *find_block(struct engine_vcpu *e, uint64_t va, uint32_t mode)
{
    struct translate_job job = {.e = e, .va = va, .mode = mode};
    struct block *b;
    uint64_t mfn, began;

    if (cache_nearly_full(&e->cache))
        cache_flush(e);
    if (!code_frame(e, va, &mfn))
        return NULL;
    b = cache_find(e, va, mfn, mode);
    if (b && b->mfn2) {
        /* straddles: the second page may be another one by now */
        struct translation t;
        uint32_t pfec;
        uint64_t va2 = next_code_page(va, mode);

        if (!e->v.ops->walk(&e->v, GVA(va2), ACCESS_FETCH, &t, &pfec)) {
            e->v.exit = (struct vcpu_exit){
                .reason = EXIT_EXCEPTION, .vector = VEC_PF, .has_error = true, .error = pfec, .cr2 = va2};
            return NULL;
        }
        if (t.mfn.n != b->mfn2) {
            cache_invalidate(e, b->mfn2, 0, PAGE_SIZE);
            b = NULL;
        } else {
            e->view[e->cur_view].itlb[itlb_index(e->cur_view, va2)] =
                cache_page_id(e, va2, b->mfn2, e->cur_view);
        }
    }
    if (!b)
        b = copy_block(e, va, mfn, mode);
    if (b)
        return b;
    job.mfn = mfn;
    began = __builtin_ia32_rdtsc();
    engine_xcall(translate_job, &job, e->xsave_area);
    if (e->direct && e->v.user_mode)
        exec_translated(e, __builtin_ia32_rdtsc() - began);
    return job.result;
}

/* A memory fault gives way to what the instruction checks before it looks at the page tables. */
static void fault_priority(struct engine_vcpu *e, uint8_t align)
{
    if (align & ALIGN_X87) {
        uint16_t status;

        __asm__ volatile("fnstsw %0" : "=a"(status));
        if (status & 0x80) { /* ES: an unmasked exception is pending */
            e->helper_exit = (struct vcpu_exit){.reason = EXIT_EXCEPTION, .vector = VEC_MF};
            return;
        }
        align &= (uint8_t)~ALIGN_X87;
    }
    if (align && (e->helper_ea & (align - 1u)))
        e->helper_exit = (struct vcpu_exit){.reason = EXIT_EXCEPTION, .vector = VEC_GP, .has_error = true};
}

/*
 * Puts rip in v at the instruction whose helper call has just left; a group's probe has said nothing about
 * that one.
 */
static void state_at_helper(struct engine_vcpu *e)
{
    const struct insn_info *info;
    uint64_t pc = e->hot.helper_ra - 1;
    const struct block *b;

    if (e->helper_in_tail) {
        int32_t rel;

        /* behind the call stands: jmp retry */
        __builtin_memcpy(&rel, (void *)(e->hot.helper_ra + 1), 4);
        pc = e->hot.helper_ra + 5 + (uint64_t)(int64_t)rel;
    }
    b = cache_block_at(e, pc);
    info = cache_insn_at(e, b, pc);
    flags_settle_at(e, b, info);
    e->v.rip = b->va + info->guest_off;
    if (info->group && e->helper_in_tail)
        e->helper_leave = HELPER_SPLIT;
    if (info->masked && e->helper_in_tail && e->helper_leave == HELPER_FAULT)
        e->helper_leave = HELPER_CAREFUL;
    if (e->helper_leave == HELPER_FAULT && info->align)
        fault_priority(e, info->align);
}

void engine_serve_flush(struct engine_vcpu *e)
{
    uint32_t seq = __atomic_load_n(&e->flush_seq, __ATOMIC_SEQ_CST);

    if (seq != e->flush_done) {
        engine_flush_all(&e->v);
        __atomic_store_n(&e->flush_done, seq, __ATOMIC_SEQ_CST);
    }
}

/*
 * Before requests are looked at: who asks for something sets hot.kick behind the request.  So a kick that is
 * there must be gone before the requests are read, hence the full barrier; one that comes after the look
 * stays for enter.S to see.
 */
static void kick_clear(struct engine_vcpu *e)
{
    if (unlikely(__atomic_load_n(&e->hot.kick, __ATOMIC_ACQUIRE)))
        __atomic_store_n(&e->hot.kick, 0, __ATOMIC_SEQ_CST);
}

/* Work that others have asked for and that needs no help from the panel. */
static void serve_requests(struct engine_vcpu *e)
{
    engine_serve_flush(e);
    if (__atomic_load_n(&e->v.requests, __ATOMIC_RELAXED) & (VCPU_REQ_CODE | VCPU_REQ_FLUSH)) {
        uint32_t old =
            __atomic_fetch_and(&e->v.requests, ~(VCPU_REQ_CODE | VCPU_REQ_FLUSH), __ATOMIC_SEQ_CST);

        if (old & VCPU_REQ_CODE)
            engine_process_queue(e);
    }
}

void engine_serve_requests(struct vcpu *v)
{
    serve_requests(engine_of(v));
}

void engine_fpu_set(struct vcpu *v, const void *fxsave)
{
    struct engine_vcpu *e = engine_of(v);
    uint64_t *area = (uint64_t *)e->xsave_area;
    const uint64_t *image = fxsave;

    for (unsigned i = 0; i < 64; i++)
        area[i] = i == 1 || i == 2 ? 0 : image[i]; /* but for the x87 pointers (emulate_x87.c) */
    for (unsigned i = 64; i < 72; i++)
        area[i] = 0;
    area[64] = 3; /* XSTATE_BV: x87 and SSE; the rest is initial */
    e->fpu_loaded = false;
}

static void select_view(struct engine_vcpu *e, uint32_t mode)
{
    unsigned view = mode & MODE_USER ? VIEW_USER : VIEW_KERNEL;
    uint32_t key = mode & ~(MODE_CAREFUL | MODE_STEP | MODE_ALONE);

    e->cur_view = view;
    e->hot.shadow_base = e->shadow_base[view];
    if (mode & MODE_STEP)
        return;
    if (e->view_mode[view] != key) {
        view_forget_code(e, view);
        e->view_mode[view] = key;
    }
}

/* The kernel's GS base isn't what its blocks assume. */
static void kernel_gs_moved(struct engine_vcpu *e)
{
    e->kernel_gs = e->v.gs_base;
    e->kernel_gs_moves++;
    if (e->kernel_gs_used)
        cache_flush(e);
}

#define DR6_BS 0x4000u /* single step */

/* What a block's exit asks for, once the instruction behind it is complete. */
enum next { NEXT_LOOP, NEXT_LEAVE };

static enum next step_done(struct engine_vcpu *e, uint32_t mode)
{
    if (likely(!(mode & MODE_STEP) && !e->watch_hits))
        return NEXT_LOOP;
    e->v.dr[6] |= e->watch_hits | (mode & MODE_STEP ? DR6_BS : 0);
    e->watch_hits = 0;
    e->v.exit = (struct vcpu_exit){.reason = EXIT_EXCEPTION, .vector = VEC_DB};
    return NEXT_LEAVE;
}

/*
 * Behind an exit that is linked and came here all the same, because the page of its target wasn't known to be
 * mapped: true if it is, as when the exit was linked, so that the link is right.
 */
static bool link_stands(struct engine_vcpu *e, const struct exit_rec *x, uint32_t mode)
{
    struct block *b;
    uint64_t mfn;

    if (!x->linked)
        return false;
    b = &e->cache.blocks[x->linked - 1];
    if (b->mode != mode || b->mfn2 || cache_nearly_full(&e->cache) || !code_frame(e, b->va, &mfn) ||
        mfn != b->mfn)
        return false;
    e->found = b;
    return true;
}

static enum next leave_direct(struct engine_vcpu *e, uint32_t mode)
{
    struct vcpu *v = &e->v;
    uint32_t id = e->hot.exit_id;
    const struct exit_rec *x = &e->cache.exits[id];
    bool was_careful = e->careful.active;

    e->stats.link_exits++;
    flags_settle(e, &e->cache.blocks[x->block]);
    if (x->kind <= LINK_CALL) {
        uint64_t flushes = e->stats.cache_flushes;
        struct block *b;

        if (was_careful) {
            enum careful_result r = careful_commit(e);

            if (r != CAREFUL_DONE)
                return r == CAREFUL_FAULT ? NEXT_LEAVE : NEXT_LOOP;
        }
        v->rip = x->target;
        if (step_done(e, mode) == NEXT_LEAVE)
            return NEXT_LEAVE;
        if (!x->patch_off || was_careful || __atomic_load_n(&e->hot.kick, __ATOMIC_RELAXED))
            return NEXT_LOOP;
        if (link_stands(e, x, mode))
            return NEXT_LOOP;
        b = find_block(e, v->rip, mode);
        if (!b)
            return NEXT_LEAVE;
        /* A flush has given *x to another exit. */
        if (flushes == e->stats.cache_flushes && !e->cache.blocks[x->block].dead)
            cache_link(e, id, (uint32_t)(b - e->cache.blocks));
        e->found = b;
        return NEXT_LOOP;
    }
    e->careful.active = false;
    v->rip = x->target;
    if (x->kind == EXIT_KIND_AGAIN) {
        e->by_block = true;
        v->rflags |= FLAG_RF; /* its breakpoint has been looked at */
        return NEXT_LOOP;
    }
    v->exit =
        (struct vcpu_exit){.vector = x->vector, .has_error = x->vector == VEC_GP, .next_rip = x->target};
    switch (x->kind) {
    case EXIT_KIND_EXCEPTION:
        v->exit.reason = EXIT_EXCEPTION;
        break;
    case EXIT_KIND_SYSCALL:
        v->exit.reason = EXIT_SYSCALL;
        break;
    case EXIT_KIND_SYSENTER:
        v->exit.reason = EXIT_SYSENTER;
        break;
    case EXIT_KIND_SOFTINT:
        v->exit.reason = EXIT_SOFTINT;
        v->exit.next_rip = x->target + x->len;
        break;
    case EXIT_KIND_PANEL:
        v->exit = (struct vcpu_exit){.reason = EXIT_EMULATE};
        break;
    default:
        switch (engine_emulate(e)) {
        case EMULATE_DONE:
            return step_done(e, mode);
        case EMULATE_FAULT:
            return NEXT_LEAVE;
        case EMULATE_NOT_OURS:
            v->exit = (struct vcpu_exit){.reason = EXIT_EMULATE};
            break;
        }
        break;
    }
    return NEXT_LEAVE;
}

static enum next leave_indirect(struct engine_vcpu *e, uint32_t mode)
{
    struct vcpu *v = &e->v;
    uint64_t target = e->hot.helper_ea;
    bool was_careful = e->careful.active;
    struct block *b;

    e->stats.ind_misses++;
    if (was_careful) {
        enum careful_result r = careful_commit(e);

        if (r != CAREFUL_DONE)
            return r == CAREFUL_FAULT ? NEXT_LEAVE : NEXT_LOOP;
    }
    if (unlikely((mode & MODE_64) && !gva_canonical(GVA(target)))) {
        /* the transfer itself faults: undo what it did to rsp (SDM vol. 2, RET, CALL, JMP) */
        const struct exit_rec *x = &e->cache.exits[e->hot.last_indirect];

        v->rip = x->target;
        v->gpr[RSP] -= (uint64_t)(int64_t)x->rsp_change;
        v->exit = (struct vcpu_exit){.reason = EXIT_EXCEPTION, .vector = VEC_GP, .has_error = true};
        return NEXT_LEAVE;
    }
    v->rip = target;
    if (step_done(e, mode) == NEXT_LEAVE)
        return NEXT_LEAVE;
    if (was_careful || mode & MODE_ALONE || __atomic_load_n(&e->hot.kick, __ATOMIC_RELAXED))
        return NEXT_LOOP;
    b = find_block(e, target, mode);
    if (!b)
        return NEXT_LEAVE;
    {
        unsigned slot = target & 0xffff;

        e->view[e->cur_view].jc[slot] = (uint64_t)e->cache.base + b->verify;
        if (e->jc_log_n[e->cur_view] < ARRAY_SIZE(e->jc_log[0]))
            e->jc_log[e->cur_view][e->jc_log_n[e->cur_view]] = (uint16_t)slot;
        if (e->jc_log_n[e->cur_view] <= ARRAY_SIZE(e->jc_log[0]))
            e->jc_log_n[e->cur_view]++;
    }
    e->found = b;
    return NEXT_LOOP;
}

/* Guest address behind the instruction whose helper call has just left. */
static uint64_t behind_helper(struct engine_vcpu *e)
{
    const struct block *b = cache_block_at(e, e->hot.helper_ra - 1);
    const struct insn_info *info = cache_insn_at(e, b, e->hot.helper_ra - 1);
    const struct insn_info *end = &e->cache.infos[b->info + b->nr_insns];

    return b->va + (info + 1 < end ? info[1].guest_off : b->guest_len);
}

static enum next leave_helper(struct engine_vcpu *e, uint32_t mode, uint32_t *form)
{
    struct vcpu *v = &e->v;

    state_at_helper(e);
    if (e->careful.active)
        careful_rollback(e);
    e->careful.active = false;
    switch (e->helper_leave) {
    case HELPER_CAREFUL:
        *form = MODE_CAREFUL;
        return NEXT_LOOP;
    case HELPER_SPLIT:
        e->stats.splits++;
        *form = MODE_SPLIT;
        return NEXT_LOOP;
    /* In the middle of a repeated string instruction RF is set (SDM vol. 3, 17.3.1.1): it doesn't meet its
     * breakpoint again. */
    case HELPER_AGAIN:
        v->rflags |= FLAG_RF;
        return NEXT_LOOP;
    case HELPER_TRAP:
        v->rflags |= FLAG_RF;
        return step_done(e, mode);
    case HELPER_DONE:
        v->rip = behind_helper(e);
        return step_done(e, mode);
    default:
        v->exit = e->helper_exit;
        return NEXT_LEAVE;
    }
}

static void load_fpu(struct engine_vcpu *e)
{
    __asm__ volatile("xrstor64 (%0)" : : "r"(e->xsave_area), "a"(-1), "d"(-1) : "memory");
    e->fpu_loaded = true;
}

/* Jumps to one of enter.S's ways into translated code, which jumps back here; ENTER_*. */
#define ENTER_BY(way, at)                                                                  \
    ({                                                                                     \
        uint64_t to_ = (uint64_t)(at);                                                     \
        int why_;                                                                          \
                                                                                           \
        __asm__ volatile("leaq 1f(%%rip), %%rax; jmp " #way "; 1:"                         \
                         : "=a"(why_), "+D"(to_)                                           \
                         :                                                                 \
                         : "rcx", "rdx", "rsi", "r8", "r9", "r10", "r11", "cc", "memory"); \
        why_;                                                                              \
    })

/*
 * Enters translated code at rip; ENTER_* or -1 with v.exit filled in.  Who has just looked the block up has
 * left it in e->found; else the jump cache knows it most often.  Single steps and other forms (MODE_CAREFUL,
 * MODE_SPLIT) are blocks of their own kind, which neither holds.
 */
static inline __attribute__((always_inline)) int enter(struct engine_vcpu *e, uint32_t mode, uint32_t form)
{
    struct block *b = e->found;

    e->stats.enters++;
    e->found = NULL;
    if (b && b->va == e->v.rip && b->mode == mode && !b->dead && !form) {
        e->hot.shadow_rsp = e->shadow[e->cur_view];
        debug_exec(e, b);
        return ENTER_BY(engine_enter, e->cache.base + b->entry_saved);
    }
    if (!form && !e->by_block && !(mode & (MODE_STEP | MODE_ALONE)) &&
        likely(!(debug.mask & ~DEBUG_NO_SANDBOX)) && gva_canonical(GVA(e->v.rip))) {
        e->hot.shadow_rsp = e->shadow[e->cur_view];
        return e->cur_view == VIEW_USER ? ENTER_BY(engine_enter_user, e->v.rip)
                                        : ENTER_BY(engine_enter_kernel, e->v.rip);
    }
    e->by_block = false;
    b = find_block(e, e->v.rip, mode | form);
    if (!b)
        return -1;
    if (form == MODE_CAREFUL)
        careful_begin(e);
    e->hot.shadow_rsp = e->shadow[e->cur_view];
    debug_exec(e, b);
    return ENTER_BY(engine_enter, e->cache.base + b->entry_saved);
}

/* Part of engine_loop(), not called: see enter.S. */
static inline __attribute__((always_inline)) enum exit_reason run(struct vcpu *v)
{
    struct engine_vcpu *e = engine_of(v);
    uint32_t next_form = 0;
    enum next next = NEXT_LOOP;

    if (!e->fpu_loaded)
        load_fpu(e);
    e->hot.flags = flags_pack(v->rflags);
    v->rflags &= ~FLAGS_ARITH;
    v->rflags |= 2;
    if (e->direct && v->user_mode)
        exec_enter(e);
    __atomic_store_n(&v->in_guest, 1, __ATOMIC_SEQ_CST);

    while (next == NEXT_LOOP) {
        uint32_t mode;
        uint32_t form = next_form;
        bool resumed;

        kick_clear(e);
        serve_requests(e);
        if (__atomic_load_n(&v->requests, __ATOMIC_SEQ_CST)) {
            v->exit = (struct vcpu_exit){.reason = EXIT_REQUEST};
            if (e->direct && v->user_mode)
                exec_kicked(e);
            break;
        }
        resumed = v->rflags & FLAG_RF; /* no instruction breakpoint for the next instruction */
        v->rflags &= ~FLAG_RF;         /* PUSHF takes rflags as they are */
        mode = engine_mode(v);
        select_view(e, mode);
        if (unlikely(e->kernel_gs != v->gs_base && kernel_gs_known(e, mode)))
            kernel_gs_moved(e);
        if (unlikely(alignment_checked(v)))
            form = MODE_CAREFUL;
        if (unlikely(watch_enabled(v))) {
            uint32_t hits = resumed ? 0 : watch_code(v);

            if (hits) {
                v->dr[6] |= hits;
                v->exit = (struct vcpu_exit){.reason = EXIT_EXCEPTION, .vector = VEC_DB};
                v->rflags |= FLAG_RF; /* a fault: the handler returns behind it */
                break;
            }
            e->watch_hits = 0;
            form = MODE_CAREFUL;
        }
        next_form = 0;
        if (e->direct && v->user_mode && !form) {
            if (exec_is_direct(e)) {
                e->found = NULL;
                if (exec_direct(e, &next_form))
                    break;
                continue;
            }
            if (exec_page_alone(e))
                mode |= MODE_ALONE;
        }
        switch (enter(e, mode, form)) {
        case -1:
            next = NEXT_LEAVE;
            break;
        case ENTER_LINK:
            e->shadow[e->cur_view] = e->hot.shadow_rsp;
            next = leave_direct(e, mode);
            break;
        case ENTER_IND:
            e->shadow[e->cur_view] = e->hot.shadow_rsp;
            next = leave_indirect(e, mode);
            break;
        case ENTER_HELPER:
            e->shadow[e->cur_view] = e->hot.shadow_rsp;
            next = leave_helper(e, mode, &next_form);
            break;
        case ENTER_FAULT:
            e->shadow[e->cur_view] = e->hot.shadow_rsp;
            if (e->careful.active) {
                uint64_t rip = v->rip;

                careful_rollback(e);
                v->rip = rip;
            }
            v->exit = e->helper_exit;
            next = NEXT_LEAVE;
            break;
        default:
            e->careful.active = false;
            break;
        }
    }
    __atomic_store_n(&v->in_guest, 0, __ATOMIC_RELEASE);
    v->rflags |= flags_expand(e->hot.flags);
    /* Faults push RF set (SDM vol. 3, 17.3.1.1); #DB, #BP and #OF are traps here. */
    if (v->exit.reason == EXIT_EXCEPTION && v->exit.vector != VEC_DB && v->exit.vector != VEC_BP &&
        v->exit.vector != VEC_OF)
        v->rflags |= FLAG_RF;
    debug_exit(v);
    return v->exit.reason;
}

void engine_loop(struct vcpu *v, bool (*again)(struct vcpu *v, enum exit_reason why))
{
    while (again(v, run(v)))
        ;
}

static bool once(struct vcpu *v, enum exit_reason why)
{
    (void)v;
    (void)why;
    return false;
}

enum exit_reason engine_run(struct vcpu *v)
{
    engine_loop(v, once);
    return v->exit.reason;
}

static void helper_popf(struct engine_vcpu *e, uint64_t value, unsigned width)
{
    uint64_t changeable = FLAG_TF | FLAG_DF | FLAG_NT | (width > 2 ? FLAG_AC | FLAG_ID : 0);

    e->hot.flags = flags_pack(value);
    e->v.rflags = (e->v.rflags & ~changeable) | (value & changeable);
    if (e->v.rflags & (FLAG_TF | FLAG_AC))
        __atomic_store_n(&e->hot.kick, 1,
                         __ATOMIC_RELAXED); /* the next instruction wants another kind of block */
}

int engine_helper_special(uint64_t value, uint32_t desc)
{
    struct engine_vcpu *e = engine_self();

    e->helper_in_tail = false;
    e->helper_ea = value;
    if (SPECIAL_OP(desc) == SPECIAL_POPF) {
        helper_popf(e, value, SPECIAL_ARG(desc));
        return 0;
    }
    if (emulate_special(e, value, desc) == EMULATE_DONE)
        return 0;
    e->helper_leave = HELPER_FAULT;
    e->helper_exit = e->v.exit;
    return 1;
}

void engine_heavy_call(struct vcpu *v, void (*fn)(void *), void *arg)
{
    struct engine_vcpu *e = engine_of(v);

    if (e->fpu_loaded)
        engine_xcall(fn, arg, e->xsave_area);
    else
        fn(arg);
}

void engine_stats_get(const struct vcpu *v, struct engine_stats *s)
{
    const struct engine_vcpu *e = (const struct engine_vcpu *)v;

    *s = e->stats;
#define TAKE(field, what) s->field = e->direct_stats.field;
    DIRECT_STATS(TAKE)
#undef TAKE
}

/* ---- other vCPUs ---- */

static void pause_or_yield(unsigned n)
{
    if (n < 100)
        __builtin_ia32_pause();
    else
        rawsys6(SYS_sched_yield, 0, 0, 0, 0, 0, 0);
}

/* Asks a vCPU to flush and waits until it has, or is not in guest code (then it will before it is). */
static void flush_remote(struct engine_vcpu *e)
{
    uint32_t seq = __atomic_add_fetch(&e->flush_seq, 1, __ATOMIC_SEQ_CST);

    if (!__atomic_load_n(&e->v.in_guest, __ATOMIC_SEQ_CST))
        return;
    vcpu_request(&e->v, VCPU_REQ_FLUSH);
    for (unsigned n = 0; __atomic_load_n(&e->v.in_guest, __ATOMIC_SEQ_CST) &&
                         (int32_t)(__atomic_load_n(&e->flush_done, __ATOMIC_SEQ_CST) - seq) < 0;
         n++)
        pause_or_yield(n);
}

uint32_t engine_wait_begin(struct vcpu *self)
{
    return self ? __atomic_exchange_n(&self->in_guest, 0, __ATOMIC_SEQ_CST) : 0;
}

void engine_wait_end(struct vcpu *self, uint32_t was)
{
    if (self)
        __atomic_store_n(&self->in_guest, was, __ATOMIC_SEQ_CST);
}

void engine_flush_vcpus(struct vcpu *self, struct domain *d, uint64_t mask)
{
    uint32_t was = engine_wait_begin(self);

    for (unsigned i = 0; i < d->nr_vcpus; i++) {
        if (!(mask >> i & 1) || !d->vcpu[i])
            continue;
        if (d->vcpu[i] == self)
            engine_flush_all(self);
        else
            flush_remote(engine_of(d->vcpu[i]));
    }
    engine_wait_end(self, was);
}

void engine_flush_frames(struct vcpu *self, struct domain *d)
{
    for (unsigned i = 0; i < d->nr_vcpus; i++)
        if (d->vcpu[i] && engine_of(d->vcpu[i])->direct)
            direct_recheck(engine_of(d->vcpu[i])->direct);
    engine_flush_vcpus(self, d, (1ul << d->nr_vcpus) - 1);
}

void engine_frame_protect(struct vcpu *self, mfn_t m)
{
    struct frame *f = machine_frame(m);
    uint32_t stubs = __atomic_load_n(&f->direct_vcpus, __ATOMIC_SEQ_CST);
    uint32_t who = __atomic_load_n(&f->wtlb_vcpus, __ATOMIC_SEQ_CST) | stubs;
    uint32_t was;

    if (!who)
        return;
    was = engine_wait_begin(self);
    while (who) {
        unsigned slot = (unsigned)__builtin_ctz(who);
        struct engine_vcpu *e = engine_slots[slot];

        who &= who - 1;
        if (e && e->direct && stubs >> slot & 1)
            direct_recheck(e->direct);
        if (e && self && e == engine_of(self))
            tlb_drop_writable(e, m.n);
        else if (e)
            flush_remote(e);
        __atomic_fetch_and(&f->wtlb_vcpus, ~(1u << slot), __ATOMIC_SEQ_CST);
        __atomic_fetch_and(&f->direct_vcpus, ~(1u << slot), __ATOMIC_SEQ_CST);
    }
    engine_wait_end(self, was);
}
