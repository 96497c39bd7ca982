/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The software TLB: fills, flushes, and guest memory access for C code.
 *
 * Each view (kernel, user) has direct-mapped arrays indexed by bits 12..27 of the address: a tag for reads, a
 * tag for writes, and the host page.  Translated code compares tags inline; a miss comes to
 * engine_tlb_miss().  Invariants:
 *  - rtag[i] and wtag[i], where valid, name the same page as host[i];
 *  - wtag[i] is valid only if the guest's tables allow the write, the dirty bit is set, the frame is no page
 *    table, and no vCPU has translations made from the frame (frame.code_vcpus == 0) -- so every store to
 *    translated code comes to C;
 *  - an entry is valid only if it is in a log, or the log has overflowed.
 * Entries of the lower and the upper half of the address space are logged apart, because an
 * address-space switch drops only the lower half of the kernel's view.
 */
#include "engine/debug_event.h"
#include "engine/internal.h"

static inline bool va_is_low(uint64_t va)
{
    return (int64_t)va >= 0;
}

static void log_add(struct tlb_log *l, unsigned i)
{
    uint64_t bit = 1UL << (i & 63);

    if (l->listed[i / 64] & bit)
        return;
    l->listed[i / 64] |= bit;
    if (l->n < TLB_LOG)
        l->index[l->n] = (uint16_t)i;
    if (l->n <= TLB_LOG)
        l->n++;
}

static void view_clear_all(struct view *w)
{
    for (unsigned i = 0; i < TLB_ENTRIES; i++)
        w->rtag[i] = w->wtag[i] = tlb_invalid(i);
}

static void view_clear_log(struct view *w, struct tlb_log *l)
{
    if (l->n > TLB_LOG) {
        view_clear_all(w);
        for (unsigned k = 0; k < ARRAY_SIZE(l->listed); k++)
            l->listed[k] = 0;
    } else {
        for (unsigned k = 0; k < l->n; k++) {
            unsigned i = l->index[k];

            w->rtag[i] = w->wtag[i] = tlb_invalid(i);
            l->listed[i / 64] &= ~(1UL << (i & 63));
        }
    }
    l->n = 0;
}

void tlb_reset(struct engine_vcpu *e)
{
    for (unsigned n = 0; n < NR_VIEWS; n++) {
        view_clear_all(&e->view[n]);
        e->log_low[n].n = e->log_high[n].n = 0;
    }
}

void jc_reset(struct engine_vcpu *e, unsigned view)
{
    uint64_t miss = e->hot.stubs[STUB_IND_MISS];
    struct view *w = &e->view[view];

    if (e->jc_log_n[view] > ARRAY_SIZE(e->jc_log[view])) {
        for (unsigned i = 0; i < 65536; i++)
            w->jc[i] = miss;
    } else {
        for (unsigned k = 0; k < e->jc_log_n[view]; k++)
            w->jc[e->jc_log[view][k]] = miss;
    }
    e->jc_log_n[view] = 0;
}

/* What was executable where in this view may have changed: forgets jump cache, instruction TLB and return
 * stack, all of which stand for a mapping. */
void view_forget_code(struct engine_vcpu *e, unsigned view)
{
    jc_reset(e, view);
    e->found = NULL;
    for (unsigned i = 0; i < itlb_size(view); i++)
        e->view[view].itlb[i] = 0;
    e->shadow[view] = e->shadow_base[view];
    if (view == e->cur_view)
        e->hot.shadow_rsp = e->shadow[view]; /* for a helper that goes back to translated code */
}

void engine_flush_user(struct vcpu *v)
{
    struct engine_vcpu *e = engine_of(v);

    e->stats.flush_user++;
    debug_tlb_flush(v, "user", 0);
    view_clear_log(&e->view[VIEW_USER], &e->log_low[VIEW_USER]);
    view_clear_log(&e->view[VIEW_USER], &e->log_high[VIEW_USER]);
    view_clear_log(&e->view[VIEW_KERNEL], &e->log_low[VIEW_KERNEL]);
    view_forget_code(e, VIEW_USER);
    if (e->direct)
        direct_flush(e->direct);
}

void engine_flush_all(struct vcpu *v)
{
    struct engine_vcpu *e = engine_of(v);

    e->stats.flush_all++;
    debug_tlb_flush(v, "all", 0);
    for (unsigned n = 0; n < NR_VIEWS; n++) {
        view_clear_log(&e->view[n], &e->log_low[n]);
        view_clear_log(&e->view[n], &e->log_high[n]);
        view_forget_code(e, n);
    }
    if (e->direct)
        direct_flush(e->direct);
}

void engine_flush_page(struct vcpu *v, gva_t a)
{
    struct engine_vcpu *e = engine_of(v);
    uint64_t page = a.va & PAGE_MASK;
    unsigned i = tlb_index(page);

    debug_tlb_flush(v, "page", page);
    for (unsigned n = 0; n < NR_VIEWS; n++) {
        struct view *w = &e->view[n];

        if (w->rtag[i] == page)
            w->rtag[i] = tlb_invalid(i);
        if (w->wtag[i] == page)
            w->wtag[i] = tlb_invalid(i);
        if (cache_has_page(e, page, n))
            view_forget_code(e, n);
    }
    if (e->direct && va_is_low(page))
        direct_flush(e->direct);
}

/* Drops writable entries for a frame on the own vCPU. */
void tlb_drop_writable(struct engine_vcpu *e, uint64_t mfn)
{
    uint64_t hva = (uint64_t)machine_hva(MFN(mfn));

    for (unsigned n = 0; n < NR_VIEWS; n++) {
        struct view *w = &e->view[n];
        const struct tlb_log *logs[2] = {&e->log_low[n], &e->log_high[n]};

        for (unsigned half = 0; half < 2; half++) {
            if (logs[half]->n > TLB_LOG) {
                for (unsigned i = 0; i < TLB_ENTRIES; i++)
                    if (w->host[i] == hva)
                        w->wtag[i] = tlb_invalid(i);
                continue;
            }
            for (unsigned k = 0; k < logs[half]->n; k++) {
                unsigned i = logs[half]->index[k];

                if (w->host[i] == hva)
                    w->wtag[i] = tlb_invalid(i);
            }
        }
    }
}

/*
 * Makes an entry for va in a view, which must be the vCPU's current one.  TLB_CAREFUL: the access is
 * allowed, but must go through store_commit().
 */
enum tlb_result tlb_fill(struct engine_vcpu *e, unsigned view, uint64_t va, bool write, uint32_t *pfec)
{
    struct view *w = &e->view[view];
    struct translation t;
    uint64_t page = va & PAGE_MASK;
    unsigned i = tlb_index(va);
    struct frame *f;
    bool can_write;
    bool was_valid;

    if (!e->v.ops->walk(&e->v, GVA(va), write ? ACCESS_WRITE : ACCESS_READ, &t, pfec)) {
        debug_tlb_fault(e, view, va, write, *pfec);
        return TLB_FAULT;
    }
    e->stats.tlb_fills++;
    f = machine_frame(t.mfn);
    can_write = t.writable && !t.trapped;
    if (can_write) {
        /*
         * Order against those who want no writable entry for the frame: translate_block() sets code_vcpus, a
         * page-table update removes the writable mapping; both then look at wtlb_vcpus.  So after setting the
         * bit anew, look again at both.
         */
        if (!(__atomic_load_n(&f->wtlb_vcpus, __ATOMIC_RELAXED) & (1u << e->slot))) {
            mfn_t old = t.mfn;

            __atomic_fetch_or(&f->wtlb_vcpus, 1u << e->slot, __ATOMIC_SEQ_CST);
            if (!e->v.ops->walk(&e->v, GVA(va), write ? ACCESS_WRITE : ACCESS_READ, &t, pfec))
                return TLB_FAULT;
            can_write = t.mfn.n == old.n && t.writable && !t.trapped;
            f = machine_frame(t.mfn);
        }
        if (__atomic_load_n(&f->code_vcpus, __ATOMIC_SEQ_CST) != 0)
            can_write = false;
    }
    was_valid = w->rtag[i] != tlb_invalid(i) && va_is_low(w->rtag[i]) == va_is_low(page);
    w->rtag[i] = page;
    w->wtag[i] = can_write ? page : tlb_invalid(i);
    w->host[i] = (uint64_t)machine_hva(t.mfn);
    if (!was_valid)
        log_add(va_is_low(page) ? &e->log_low[view] : &e->log_high[view], i);
    debug_tlb_fill(e, view, va, write, &t, can_write);
    return write && !can_write ? TLB_CAREFUL : TLB_OK;
}

/*
 * From enter.S: an inline probe failed.  0: the entry is there now, probe again.  Otherwise the
 * instruction leaves: with helper_exit filled in (fault), or because it needs the careful form
 * (page-crossing access, store to code or to a page table).
 */
int engine_tlb_miss(uint64_t ea, int write)
{
    struct engine_vcpu *e = engine_self();
    unsigned view = e->cur_view;
    unsigned i = tlb_index(ea);
    uint64_t tag = write ? e->view[view].wtag[i] : e->view[view].rtag[i];
    uint32_t pfec;

    e->stats.tlb_misses++;
    e->helper_in_tail = true;
    e->helper_ea = ea;
    /* Near the end of a 32-bit segment, or of the lower half of the address space, the operand's size
     * decides, which only the careful form knows. */
    uint64_t end = engine_mode(&e->v) & MODE_64 ? 1UL << 47 : 1UL << 32;
    bool at_limit = ea >= end - CAREFUL_BYTES && ea < end;

    if (tag != (ea & PAGE_MASK) && gva_canonical(GVA(ea)) && !at_limit) {
        switch (tlb_fill(e, view, ea, write != 0, &pfec)) {
        case TLB_OK:
            return 0;
        case TLB_FAULT:
            e->helper_exit = (struct vcpu_exit){
                .reason = EXIT_EXCEPTION, .vector = VEC_PF, .has_error = true, .error = pfec, .cr2 = ea};
            e->helper_leave = HELPER_FAULT;
            return 1;
        case TLB_CAREFUL:
            break;
        }
    }
    e->helper_leave = HELPER_CAREFUL;
    return 1;
}

/* ---- guest memory for C code ---- */

static void *access_page(struct vcpu *v, uint64_t va, bool write, struct guest_fault *f, bool *careful)
{
    struct engine_vcpu *e = engine_of(v);
    unsigned view = vcpu_view(v);
    struct view *w = &e->view[view];
    unsigned i = tlb_index(va);
    uint64_t page = va & PAGE_MASK;

    *careful = false;
    if (unlikely(__atomic_load_n(&e->flush_seq, __ATOMIC_SEQ_CST) != e->flush_done))
        engine_serve_flush(e); /* somebody relies on our not using old entries, here as in translated code */
    if (unlikely((write ? w->wtag[i] : w->rtag[i]) != page)) {
        if (!gva_canonical(GVA(va))) {
            *f = (struct guest_fault){.cr2 = va, .pfec = ~0u};
            return NULL;
        }
        switch (tlb_fill(e, view, va, write, &f->pfec)) {
        case TLB_OK:
            break;
        case TLB_FAULT:
            f->cr2 = va;
            return NULL;
        case TLB_CAREFUL:
            *careful = true;
            break;
        }
    }
    return (void *)(w->host[i] + (va & ~PAGE_MASK));
}

static inline void copy_bytes(void *to, const void *from, size_t n)
{
    __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(n) : : "memory");
}

/* Short copies matter most (trap frames, hypercall arguments): words without a string instruction. */
static inline void copy_guest(void *to, const void *from, size_t n)
{
    if (n <= 256 && (n & 7) == 0) {
        uint64_t *d = to;
        const uint64_t *s = from;

        for (size_t k = 0; k < n / 8; k++)
            __builtin_memcpy(&d[k], &s[k], 8);
        return;
    }
    copy_bytes(to, from, n);
}

/*
 * Host address of n bytes in one page that the TLB knows: what nearly all accesses are.  NULL: access_page()
 * has to see.
 */
static inline void *known_page(struct vcpu *v, uint64_t va, size_t n, bool write)
{
    struct engine_vcpu *e = engine_of(v);
    const struct view *w = &e->view[vcpu_view(v)];
    unsigned i = tlb_index(va);

    if (unlikely(__atomic_load_n(&e->flush_seq, __ATOMIC_SEQ_CST) != e->flush_done ||
                 (write ? w->wtag[i] : w->rtag[i]) != (va & PAGE_MASK) || (va & ~PAGE_MASK) + n > PAGE_SIZE))
        return NULL;
    return (void *)(w->host[i] + (va & ~PAGE_MASK));
}

bool guest_read_fault(struct vcpu *v, gva_t from, void *to, size_t n, struct guest_fault *f)
{
    uint8_t *out = to;
    uint64_t va = from.va;
    const void *known = known_page(v, va, n, false);

    if (likely(known)) {
        copy_guest(to, known, n);
        return true;
    }
    while (n > 0) {
        size_t part = PAGE_SIZE - (va & ~PAGE_MASK);
        bool careful;
        void *p = access_page(v, va, false, f, &careful);

        if (!p)
            return false;
        if (part > n)
            part = n;
        copy_guest(out, p, part);
        va += part;
        out += part;
        n -= part;
    }
    return true;
}

bool guest_write_fault(struct vcpu *v, gva_t to, const void *from, size_t n, struct guest_fault *f)
{
    const uint8_t *in = from;
    uint64_t va = to.va;
    bool careful;
    void *known = known_page(v, va, n, true);

    if (likely(known)) {
        copy_guest(known, from, n);
        return true;
    }
    /* An operand that straddles pages is stored whole or not at all. */
    if (((va ^ (va + n - 1)) & PAGE_MASK) && n <= PAGE_SIZE &&
        (!access_page(v, va, true, f, &careful) ||
         !access_page(v, (va + n - 1) & PAGE_MASK, true, f, &careful)))
        return false;
    while (n > 0) {
        size_t part = PAGE_SIZE - (va & ~PAGE_MASK);
        void *p = access_page(v, va, true, f, &careful);

        if (!p)
            return false;
        if (part > n)
            part = n;
        if (careful) {
            if (store_commit(engine_of(v), va, in, NULL, (unsigned)part, f) != STORE_DONE)
                return false;
        } else {
            copy_guest(p, in, part);
        }
        va += part;
        in += part;
        n -= part;
    }
    return true;
}

bool guest_read(struct vcpu *v, gva_t from, void *to, size_t n)
{
    struct guest_fault f;

    return guest_read_fault(v, from, to, n, &f);
}

bool guest_write(struct vcpu *v, gva_t to, const void *from, size_t n)
{
    struct guest_fault f;

    return guest_write_fault(v, to, from, n, &f);
}

void *guest_hva(struct vcpu *v, gva_t a, size_t n, bool write)
{
    struct guest_fault f;
    bool careful;
    void *p;

    if ((a.va & ~PAGE_MASK) + n > PAGE_SIZE)
        return NULL;
    p = access_page(v, a.va, write, &f, &careful);
    return careful ? NULL : p;
}
