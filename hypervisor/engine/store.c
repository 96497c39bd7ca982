/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Stores that may not go straight to memory: to frames that hold translated code, and to frames that the
 * panel traps (page tables).  Also the notices that such frames have changed, to this vCPU and to others.
 */
#include "engine/internal.h"

static inline void copy_bytes(void *to, const void *from, size_t n)
{
    __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(n) : : "memory");
}

/* A store to a frame that the panel traps. */
static enum store_result store_trapped(struct engine_vcpu *e, mfn_t m, unsigned off, const uint8_t *data,
                                       const void *old, unsigned n)
{
    const struct guest_ops *ops = e->v.ops;

    if (old && n <= 8 && ops->trapped_cmpxchg) {
        uint64_t expected = 0;
        bool stored;

        copy_bytes(&expected, old, n);
        if (!ops->trapped_cmpxchg(&e->v, m, off, &expected, data, n, &stored))
            return STORE_FAULT;
        return stored ? STORE_DONE : STORE_CHANGED;
    }
    for (unsigned done = 0; done < n;) {
        unsigned part = n - done < 64 ? n - done : 64;

        if (!ops->trapped_write(&e->v, m, off + done, data + done, part))
            return STORE_FAULT;
        done += part;
    }
    return STORE_DONE;
}

enum store_result store_commit(struct engine_vcpu *e, uint64_t va, const void *data, const void *old,
                               unsigned n, struct guest_fault *f)
{
    struct translation t;

    if (!e->v.ops->walk(&e->v, GVA(va), ACCESS_WRITE, &t, &f->pfec)) {
        f->cr2 = va;
        return STORE_FAULT;
    }
    if (t.trapped) {
        enum store_result r = store_trapped(e, t.mfn, va & ~PAGE_MASK, data, old, n);

        if (r == STORE_FAULT)
            *f = (struct guest_fault){.cr2 = va,
                                      .pfec = PFEC_PRESENT | PFEC_WRITE | (e->v.user_mode ? PFEC_USER : 0)};
        return r;
    }
    /*
     * Bytes first, notice after: a vCPU that translates in between has either seen the new bytes or set its
     * bit in code_vcpus before the notice looks.
     */
    copy_bytes((uint8_t *)machine_hva(t.mfn) + (va & ~PAGE_MASK), data, n);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    engine_frame_changed(&e->v, t.mfn, va & ~PAGE_MASK, n);
    return STORE_DONE;
}

/*
 * Does the MOV or XCHG of a word to ea, which a write that the guest's tables allow and the TLB doesn't; true
 * if it is done.  Only for page tables: what else there is (code, an operand that isn't aligned, a store that
 * the panel refuses) takes the long way.
 */
static bool store_word(struct engine_vcpu *e, uint64_t ea, uint32_t word)
{
    const struct guest_ops *ops = e->v.ops;
    const struct view *w = &e->view[VIEW_KERNEL];
    unsigned i = tlb_index(ea), off = ea & ~PAGE_MASK;
    uint64_t *reg = &e->v.gpr[STORE_WORD_REG(word)];
    uint64_t *p, old;
    bool stored = false;
    mfn_t m;

    if ((ea & 7) || w->rtag[i] != (ea & PAGE_MASK))
        return false;
    p = (uint64_t *)(w->host[i] + off);
    m = machine_mfn_of(p);
    if (__atomic_load_n(&machine_frame(m)->code_vcpus, __ATOMIC_SEQ_CST) != 0)
        return false;
    if (!STORE_WORD_XCHG(word))
        return ops->trapped_write(&e->v, m, off, reg, 8);
    if (!ops->trapped_cmpxchg)
        return false;
    old = __atomic_load_n(p, __ATOMIC_RELAXED);
    while (!stored)
        if (!ops->trapped_cmpxchg(&e->v, m, off, &old, reg, 8, &stored))
            return false;
    *reg = old;
    return true;
}

/*
 * From enter.S: engine_tlb_miss() for an instruction whose slow path has a STORE_WORD. What it would leave to
 * the careful form is done here if it is a store to a page table; translated code then goes on behind the
 * instruction.
 */
int engine_tlb_miss_word(uint64_t ea, int write)
{
    struct engine_vcpu *e = engine_self();
    uint32_t word;

    if (engine_tlb_miss(ea, write) == 0)
        return 0;
    if (e->helper_leave != HELPER_CAREFUL)
        return 1;
    __builtin_memcpy(&word, (const void *)(e->hot.helper_ra + STORE_WORD_OFFSET), 4);
    if (!store_word(e, ea, word))
        return 1;
    e->hot.helper_ra -= STORE_WORD_BACK(word);
    e->stats.store_words++;
    engine_serve_flush(e); /* asked for, perhaps, while the panel waited for a lock */
    return 0;
}

static void queue_post(struct engine_vcpu *e, uint64_t mfn, unsigned off, unsigned len)
{
    lock_acquire(&e->queue_lock);
    if (e->queue_n < CODE_QUEUE)
        e->queue[e->queue_n] = (struct code_range){.mfn = mfn, .off = (uint16_t)off, .len = (uint16_t)len};
    if (e->queue_n <= CODE_QUEUE)
        e->queue_n++;
    lock_release(&e->queue_lock);
    vcpu_request(&e->v, VCPU_REQ_CODE);
}

void engine_frame_changed(struct vcpu *self, mfn_t m, unsigned off, unsigned len)
{
    uint32_t who = __atomic_load_n(&machine_frame(m)->code_vcpus, __ATOMIC_SEQ_CST);

    while (who) {
        unsigned slot = (unsigned)__builtin_ctz(who);
        struct engine_vcpu *e = engine_slots[slot];

        who &= who - 1;
        if (!e)
            continue;
        if (self && e == engine_of(self))
            cache_invalidate(e, m.n, off, len);
        else
            queue_post(e, m.n, off, len);
    }
}

void engine_process_queue(struct engine_vcpu *e)
{
    struct code_range todo[CODE_QUEUE];
    unsigned n;

    lock_acquire(&e->queue_lock);
    n = e->queue_n;
    for (unsigned i = 0; i < n && i < CODE_QUEUE; i++)
        todo[i] = e->queue[i];
    e->queue_n = 0;
    lock_release(&e->queue_lock);
    if (n > CODE_QUEUE) {
        cache_flush(e);
        return;
    }
    for (unsigned i = 0; i < n; i++)
        cache_invalidate(e, todo[i].mfn, todo[i].off, todo[i].len);
}
