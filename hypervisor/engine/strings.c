/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * String instructions: page by page, with the host's own string instructions where both sides are plain
 * memory.
 *
 * Registers are exact after every piece, so a fault or a request in the middle leaves the instruction
 * restartable, as the manual has it (SDM vol. 2, REP).  With a breakpoint set or TF on, a piece is one
 * element, and a repeated instruction traps behind the one that hit, before the next (SDM vol. 3, 17.3.1.2
 * and 17.3.1.4).
 */
#include "engine/internal.h"
#include "engine/string.h"

struct string_state {
    struct engine_vcpu *e;
    unsigned size;
    unsigned addr; /* width of rsi, rdi, rcx in bytes */
    bool back;
    uint64_t src_base, dst_base;
    uint64_t linear; /* mask: linear addresses have 32 bits outside 64-bit mode */
    bool aligned;    /* misaligned elements are #AC */
    bool src_ss;     /* the source is relative to SS, and there are limits */
};

static uint64_t reg_get(const struct string_state *s, enum gpr r)
{
    uint64_t x = s->e->v.gpr[r];

    return s->addr == 8 ? x : s->addr == 4 ? (uint32_t)x : (uint16_t)x;
}

/* The element at a, which was accessed; while breakpoints are set elements come one by one. */
static void watch(const struct string_state *s, uint64_t a, bool write)
{
    watch_data(s->e, a, s->size, write);
}

static uint64_t source(const struct string_state *s)
{
    return (s->src_base + reg_get(s, RSI)) & s->linear;
}

static uint64_t destination(const struct string_state *s)
{
    return (s->dst_base + reg_get(s, RDI)) & s->linear;
}

static void reg_set(const struct string_state *s, enum gpr r, uint64_t x)
{
    uint64_t *p = &s->e->v.gpr[r];

    *p = s->addr == 8 ? x : s->addr == 4 ? (uint32_t)x : (*p & ~0xffffUL) | (uint16_t)x;
}

static void reg_step(const struct string_state *s, enum gpr r, uint64_t n)
{
    uint64_t by = n * s->size;

    reg_set(s, r, reg_get(s, r) + (s->back ? -by : by));
}

/* Elements from a on, in the direction of travel, that lie within a's page; 0 if the first straddles. */
static uint64_t elements_in_page(const struct string_state *s, uint64_t a)
{
    uint64_t off = a & ~PAGE_MASK;

    if (off + s->size > PAGE_SIZE)
        return 0;
    return s->back ? off / s->size + 1 : (PAGE_SIZE - off) / s->size;
}

static bool fault(struct engine_vcpu *e, const struct guest_fault *f)
{
    e->helper_leave = HELPER_FAULT;
    if (f->pfec == ~0u)
        e->helper_exit = (struct vcpu_exit){.reason = EXIT_EXCEPTION, .vector = VEC_GP, .has_error = true};
    else
        e->helper_exit = (struct vcpu_exit){
            .reason = EXIT_EXCEPTION, .vector = VEC_PF, .has_error = true, .error = f->pfec, .cr2 = f->cr2};
    return false;
}

static bool misaligned(struct engine_vcpu *e)
{
    e->helper_leave = HELPER_FAULT;
    e->helper_exit = (struct vcpu_exit){.reason = EXIT_EXCEPTION, .vector = VEC_AC, .has_error = true};
    return false;
}

/*
 * Before an element's page is looked at: both its ends must be canonical.  Outside 64-bit mode one whose
 * offset wraps at 4 GiB exceeds the segment's limit; one that wraps as a linear address can't be had in one
 * piece and is refused as well.
 */
static bool in_limit(const struct string_state *s, enum gpr r, uint64_t a)
{
    static const struct guest_fault beyond = {.pfec = ~0u};
    uint64_t last = a + s->size - 1;

    if (s->linear == ~0UL ? gva_canonical(GVA(a)) && gva_canonical(GVA(last))
                          : reg_get(s, r) + s->size - 1 <= s->linear && last <= s->linear)
        return !(s->aligned && (a & (s->size - 1))) || misaligned(s->e);
    fault(s->e, &beyond);
    if (r == RSI && s->src_ss)
        s->e->helper_exit.vector = VEC_SS;
    return false;
}

/* Up to so many words a loop is quicker than the start of the host's rep. */
#define FEW_WORDS 32u

typedef volatile uint64_t __attribute__((aligned(1))) unaligned_word;

static void host_movs(void *to, const void *from, uint64_t n, unsigned size, bool back)
{
    if (size == 8 && n <= FEW_WORDS && !back) {
        for (unsigned i = 0; i < n; i++)
            ((unaligned_word *)to)[i] = ((const unaligned_word *)from)[i];
        return;
    }
    if (back)
        __asm__ volatile("std");
    switch (size) {
    case 1:
        __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(n) : : "memory");
        break;
    case 2:
        __asm__ volatile("rep movsw" : "+D"(to), "+S"(from), "+c"(n) : : "memory");
        break;
    case 4:
        __asm__ volatile("rep movsl" : "+D"(to), "+S"(from), "+c"(n) : : "memory");
        break;
    default:
        __asm__ volatile("rep movsq" : "+D"(to), "+S"(from), "+c"(n) : : "memory");
        break;
    }
    if (back)
        __asm__ volatile("cld");
}

static void host_stos(void *to, uint64_t value, uint64_t n, unsigned size, bool back)
{
    if (size == 8 && n <= FEW_WORDS && !back) {
        for (unsigned i = 0; i < n; i++)
            ((unaligned_word *)to)[i] = value;
        return;
    }
    if (back)
        __asm__ volatile("std");
    switch (size) {
    case 1:
        __asm__ volatile("rep stosb" : "+D"(to), "+c"(n) : "a"(value) : "memory");
        break;
    case 2:
        __asm__ volatile("rep stosw" : "+D"(to), "+c"(n) : "a"(value) : "memory");
        break;
    case 4:
        __asm__ volatile("rep stosl" : "+D"(to), "+c"(n) : "a"(value) : "memory");
        break;
    default:
        __asm__ volatile("rep stosq" : "+D"(to), "+c"(n) : "a"(value) : "memory");
        break;
    }
    if (back)
        __asm__ volatile("cld");
}

static bool movs(const struct string_state *s, uint64_t max, uint64_t *done)
{
    struct engine_vcpu *e = s->e;
    uint64_t src = source(s), dst = destination(s);
    uint64_t n = elements_in_page(s, src), m = elements_in_page(s, dst);
    struct guest_fault f;
    uint64_t value;

    if (m < n)
        n = m;
    if (max < n)
        n = max;
    if (n > 1) {
        uint64_t bytes = (n - 1) * s->size;
        void *p = guest_hva(&e->v, GVA(s->back ? src - bytes : src), n * s->size, false);
        void *q = guest_hva(&e->v, GVA(s->back ? dst - bytes : dst), n * s->size, true);

        if (p && q) {
            host_movs((uint8_t *)q + (s->back ? bytes : 0), (uint8_t *)p + (s->back ? bytes : 0), n, s->size,
                      s->back);
            *done = n;
            return true;
        }
    }
    *done = 1;
    if (!in_limit(s, RSI, src))
        return false;
    if (!guest_read_fault(&e->v, GVA(src), &value, s->size, &f))
        return fault(e, &f);
    if (!in_limit(s, RDI, dst))
        return false;
    if (!guest_write_fault(&e->v, GVA(dst), &value, s->size, &f))
        return fault(e, &f);
    return true;
}

static bool stos(const struct string_state *s, uint64_t max, uint64_t *done)
{
    struct engine_vcpu *e = s->e;
    uint64_t dst = destination(s);
    uint64_t n = elements_in_page(s, dst);
    struct guest_fault f;

    if (max < n)
        n = max;
    if (n > 1) {
        uint64_t bytes = (n - 1) * s->size;
        void *q = guest_hva(&e->v, GVA(s->back ? dst - bytes : dst), n * s->size, true);

        if (q) {
            host_stos((uint8_t *)q + (s->back ? bytes : 0), e->v.gpr[RAX], n, s->size, s->back);
            *done = n;
            return true;
        }
    }
    *done = 1;
    if (!in_limit(s, RDI, dst))
        return false;
    if (!guest_write_fault(&e->v, GVA(dst), &e->v.gpr[RAX], s->size, &f))
        return fault(e, &f);
    return true;
}

/* a: where r points to. */
static bool read_element(const struct string_state *s, enum gpr r, uint64_t a, uint64_t *value)
{
    struct guest_fault f;

    *value = 0;
    if (!in_limit(s, r, a))
        return false;
    return guest_read_fault(&s->e->v, GVA(a), value, s->size, &f) || fault(s->e, &f);
}

static void set_al(const struct string_state *s, uint64_t value)
{
    uint64_t *rax = &s->e->v.gpr[RAX];

    switch (s->size) {
    case 1:
        *rax = (*rax & ~0xffUL) | value;
        break;
    case 2:
        *rax = (*rax & ~0xffffUL) | value;
        break;
    default: /* 32-bit results clear the upper half, as read_element() has */
        *rax = value;
        break;
    }
}

static uint64_t low_bytes(uint64_t x, unsigned size)
{
    return size == 8 ? x : x & ((1UL << 8 * size) - 1);
}

/* The instruction is complete: back to its block, unless that has just been overwritten. */
static int finish(struct engine_vcpu *e, uint64_t invalidated)
{
    engine_serve_flush(e); /* asked for, perhaps, while the panel waited for its lock */
    if (likely(e->stats.invalidated == invalidated) || !cache_block_at(e, e->hot.helper_ra - 1)->dead)
        return 0;
    e->helper_leave = HELPER_DONE;
    return 1;
}

static int string_by_page(struct engine_vcpu *e, uint32_t desc)
{
    enum string_op op = STRING_OP(desc);
    enum string_rep rep = STRING_REP(desc);
    uint64_t invalidated = e->stats.invalidated;
    bool flat = e->v.seg[SEG_CS].attr & SEG_ATTR_L; /* 64-bit code: only FS and GS have bases */
    unsigned seg = STRING_SEG(desc);
    struct string_state s = {
        .e = e,
        .size = STRING_SIZE(desc),
        .addr = STRING_ADDR(desc),
        .back = e->v.rflags & FLAG_DF,
        .src_base = seg == SEG_FS   ? e->v.fs_base
                    : seg == SEG_GS ? e->v.gs_base
                    : flat          ? 0
                                    : e->v.seg[seg].base,
        .linear = flat ? ~0UL : 0xffffffffUL,
        .aligned = alignment_checked(&e->v),
        .src_ss = !flat && seg == SEG_SS,
        .dst_base = flat ? 0 : e->v.seg[SEG_ES].base,
    };

    bool stepping = e->v.rflags & FLAG_TF, one_by_one = stepping || s.aligned || watch_enabled(&e->v);

    e->helper_in_tail = false;
    e->careful.active = false; /* no copies are used here, and what has been done stays done */
    for (;;) {
        uint64_t left = rep == REP_NONE ? 1 : reg_get(&s, RCX);
        uint64_t max = one_by_one && left > 1 ? 1 : left;
        uint64_t done = 1, a, b;
        bool again = true;

        if (left == 0)
            return finish(e, invalidated);
        switch (op) {
        case STRING_MOVS:
            a = source(&s);
            b = destination(&s);
            if (!movs(&s, max, &done))
                return 1;
            watch(&s, a, false);
            watch(&s, b, true);
            reg_step(&s, RSI, done);
            reg_step(&s, RDI, done);
            break;
        case STRING_STOS:
            b = destination(&s);
            if (!stos(&s, max, &done))
                return 1;
            watch(&s, b, true);
            reg_step(&s, RDI, done);
            break;
        case STRING_LODS:
            b = source(&s);
            if (!read_element(&s, RSI, b, &a))
                return 1;
            watch(&s, b, false);
            set_al(&s, a);
            reg_step(&s, RSI, 1);
            break;
        case STRING_SCAS:
            a = destination(&s);
            if (!read_element(&s, RDI, a, &b))
                return 1;
            watch(&s, a, false);
            a = low_bytes(e->v.gpr[RAX], s.size);
            e->hot.flags = flags_compare(a, b, s.size);
            reg_step(&s, RDI, 1);
            again = (rep == REP_E) == (a == b);
            break;
        case STRING_CMPS:
            if (!read_element(&s, RSI, source(&s), &a) || !read_element(&s, RDI, destination(&s), &b))
                return 1;
            watch(&s, source(&s), false);
            watch(&s, destination(&s), false);
            e->hot.flags = flags_compare(a, b, s.size);
            reg_step(&s, RSI, 1);
            reg_step(&s, RDI, 1);
            again = (rep == REP_E) == (a == b);
            break;
        }
        if (rep == REP_NONE)
            return finish(e, invalidated);
        reg_set(&s, RCX, left - done);
        if (left == done || !again)
            return finish(e, invalidated);
        if (one_by_one && (stepping || e->watch_hits)) {
            e->helper_leave = HELPER_TRAP;
            return 1;
        }
        if (__atomic_load_n(&e->hot.kick, __ATOMIC_RELAXED)) {
            e->helper_leave = HELPER_AGAIN;
            return 1;
        }
    }
}

/* Host address of n bytes at a that translated code could access itself; NULL if there is more to it. */
static inline void *plain_memory(struct engine_vcpu *e, uint64_t a, uint64_t n, bool write)
{
    const struct view *w = &e->view[e->cur_view];
    unsigned i = tlb_index(a);

    if ((write ? w->wtag[i] : w->rtag[i]) != (a & PAGE_MASK) || (a & ~PAGE_MASK) + n > PAGE_SIZE)
        return NULL;
    return (void *)(w->host[i] + (a & ~PAGE_MASK));
}

/*
 * What nearly all are: MOVS or STOS upwards in 64-bit code, within a page that the TLB knows on either side.
 * The host does it in one go. False if it is anything else; then nothing has happened.
 */
static bool string_at_once(struct engine_vcpu *e, uint32_t desc)
{
    uint64_t *g = e->v.gpr;
    enum string_op op = STRING_OP(desc);
    unsigned size = STRING_SIZE(desc), seg = STRING_SEG(desc);
    uint64_t n = STRING_REP(desc) == REP_NONE ? 1 : g[RCX];
    uint64_t bytes = n * size;
    void *to, *from;

    if (op > STRING_STOS || STRING_ADDR(desc) != 8 || !(e->v.seg[SEG_CS].attr & SEG_ATTR_L) ||
        (e->v.rflags & (FLAG_DF | FLAG_TF)) || n > PAGE_SIZE || watch_enabled(&e->v) ||
        alignment_checked(&e->v))
        return false;
    to = plain_memory(e, g[RDI], bytes, true);
    if (!to)
        return false;
    if (op == STRING_MOVS) {
        if (seg == SEG_FS || seg == SEG_GS)
            return false;
        from = plain_memory(e, g[RSI], bytes, false);
        if (!from)
            return false;
        host_movs(to, from, n, size, false);
        g[RSI] += bytes;
    } else {
        host_stos(to, g[RAX], n, size, false);
    }
    g[RDI] += bytes;
    if (STRING_REP(desc) != REP_NONE)
        g[RCX] = 0;
    return true;
}

int engine_helper_string(uint64_t unused, uint32_t desc)
{
    struct engine_vcpu *e = engine_self();

    (void)unused;
    return string_at_once(e, desc) ? 0 : string_by_page(e, desc);
}
