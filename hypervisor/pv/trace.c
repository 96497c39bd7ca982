// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Recording of hypercalls, traps and upcalls into the vCPU's ring.  Light.
 *
 * What arguments point to is copied as the guest has it at that moment, a second time beside the handler's
 * own reading: a guest that changes it in between fools the trace, and nothing else.
 */
#include "pv/panel.h"
#include "pv/trace_internal.h"

/* Space for blobs behind a record. */
struct cursor {
    struct trace_record *r;
    uint8_t *at, *end;
};

/* Waits until the ring has room for the largest record, contiguous, and returns where it goes. */
static struct trace_record *ring_reserve(struct trace *t, struct trace_ring *ring)
{
    uint64_t head = ring->head;
    uint32_t to_end = TRACE_RING_SIZE - (uint32_t)(head % TRACE_RING_SIZE);
    uint64_t need = to_end < TRACE_RECORD_MAX ? to_end + TRACE_RECORD_MAX : TRACE_RECORD_MAX;

    for (;;) {
        int space = __atomic_load_n(&ring->space, __ATOMIC_SEQ_CST);

        if (head + need - __atomic_load_n(&ring->tail, __ATOMIC_ACQUIRE) <= TRACE_RING_SIZE)
            break;
        /* The writer moves the tail first and this word then: what we missed shows as another value here. */
        if (!(space & TRACE_SPACE_WANTED) &&
            !__atomic_compare_exchange_n(&ring->space, &space, space | TRACE_SPACE_WANTED, false,
                                         __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
            continue;
        __atomic_fetch_add(&t->kick, 1, __ATOMIC_SEQ_CST);
        rawsys_futex_wake(&t->kick, 1);
        rawsys_futex_wait(&ring->space, space | TRACE_SPACE_WANTED, NULL);
    }
    if (to_end < TRACE_RECORD_MAX) {
        struct trace_record *pad = (struct trace_record *)(ring->data + head % TRACE_RING_SIZE);

        /* Records are multiples of 8, so there is room for the first 8 bytes at least. */
        pad->size = to_end;
        pad->type = TRACE_PAD;
        head += to_end;
        __atomic_store_n(&ring->head, head, __ATOMIC_RELEASE);
    }
    return (struct trace_record *)(ring->data + head % TRACE_RING_SIZE);
}

static void ring_commit(struct trace *t, struct trace_ring *ring, struct trace_record *r)
{
    uint64_t head = ring->head + r->size;

    __atomic_store_n(&ring->head, head, __ATOMIC_RELEASE);
    /* The writer looks by itself every few ms; it is hurried only when the ring is half full. */
    if (head - __atomic_load_n(&ring->tail, __ATOMIC_RELAXED) > TRACE_RING_SIZE / 2 &&
        __atomic_exchange_n(&t->sleeping, 0, __ATOMIC_SEQ_CST)) {
        __atomic_fetch_add(&t->kick, 1, __ATOMIC_SEQ_CST);
        rawsys_futex_wake(&t->kick, 1);
    }
}

static struct trace_record *record_begin(struct vcpu *v, enum trace_type type, uint64_t nr)
{
    struct trace *t = v->domain->trace;
    struct trace_record *r = ring_reserve(t, &t->vcpu[v->id].ring);

    r->size = sizeof(*r);
    r->type = type;
    r->nr_blobs = 0;
    r->time_ns = time_system_ns(v->domain);
    r->nr = nr;
    return r;
}

static void record_end(struct vcpu *v, struct trace_record *r)
{
    struct trace *t = v->domain->trace;

    ring_commit(t, &t->vcpu[v->id].ring, r);
}

/* Appends len bytes of guest memory. NULL: not readable, or no room. */
static struct trace_blob *blob_add(struct cursor *c, struct vcpu *v, unsigned id, uint64_t va, uint64_t len)
{
    struct trace_blob *b = (struct trace_blob *)c->at;
    uint64_t need = sizeof(*b) + ((len + 7) & ~7UL);

    if (len > TRACE_BLOB_MAX || need > (uint64_t)(c->end - c->at) || !guest_read(v, GVA(va), b->data, len))
        return NULL;
    b->id = (uint16_t)id;
    b->len = (uint16_t)len;
    b->count = 0;
    c->at += need;
    c->r->size += (uint32_t)need;
    c->r->nr_blobs++;
    return b;
}

/* How many items of an ABI_UNTIL_ZERO list there are to copy, at most max: those before the item whose last 8
 * bytes are
 * 0. */
static uint64_t count_until_zero(struct vcpu *v, const struct abi_struct *item, uint64_t va, uint64_t max)
{
    uint64_t n, last;

    for (n = 0; n < max; n++)
        if (!guest_read(v, GVA(va + (n + 1) * item->size - 8), &last, 8) || !last)
            break;
    return n;
}

static void capture_list(struct cursor *c, struct vcpu *v, unsigned id, const struct abi_list *l, uint64_t va,
                         const void *holder, unsigned dir);

/* NOLINTBEGIN(misc-no-recursion): no deeper than the ABI's tables, two levels (test_trace counts them) */

/* Lists that the fields of a single structure point to. */
static void capture_nested(struct cursor *c, struct vcpu *v, unsigned id, const struct abi_struct *s,
                           const struct trace_blob *b, unsigned dir)
{
    for (unsigned i = 0; i < s->nr_fields; i++) {
        const struct abi_field *f = &s->field[i];
        const struct abi_list *l = abi_field_list(f, NULL);

        if (l)
            capture_list(c, v, TRACE_BLOB_SUB(id, i), l, abi_load(b->data + f->offset, 8), b->data, dir);
    }
}

/* Copies a list as far as it fits. dir: ABI_IN at the call, ABI_OUT at its end. */
static void capture_list(struct cursor *c, struct vcpu *v, unsigned id, const struct abi_list *l, uint64_t va,
                         const void *holder, unsigned dir)
{
    const struct abi_struct *s = l->item;
    uint64_t n = abi_list_count(l, holder), fit;
    struct trace_blob *b;

    if (!va || !n || (s && !(s->dir & dir)) || (!s && dir != ABI_IN))
        return;
    if (!s) {
        b = blob_add(c, v, id, va, n < TRACE_STRING_MAX ? n : TRACE_STRING_MAX);
    } else {
        fit = TRACE_BLOB_MAX / (s->size - s->start);
        if (fit > TRACE_ITEMS_MAX)
            fit = TRACE_ITEMS_MAX;
        if (l->count_offset == ABI_UNTIL_ZERO)
            n = count_until_zero(v, s, va, fit + 1); /* one more tells that there is more */
        b = blob_add(c, v, id, va + s->start, (n < fit ? n : fit) * (s->size - s->start));
    }
    if (!b)
        return;
    b->count = n < UINT32_MAX ? (uint32_t)n : UINT32_MAX;
    /* One level below the arguments' own, where a structure has pointers. */
    if (s && n == 1 && id < 16 && !s->start)
        capture_nested(c, v, id, s, b, dir);
}

/* NOLINTEND(misc-no-recursion) */

static void capture_args(struct cursor *c, struct vcpu *v, const struct abi_call *call, const uint64_t arg[6],
                         unsigned dir)
{
    const struct abi_op *op = abi_op_find(call, arg[0]);

    for (unsigned i = 0; i < call->args->nr_fields; i++) {
        const struct abi_field *f = &call->args->field[i];
        const struct abi_list *l = abi_field_list(f, op);

        if (l)
            capture_list(c, v, TRACE_BLOB_ARG(i), l, arg[f->offset / 8], arg, dir);
    }
}

static struct cursor cursor_at(struct trace_record *r)
{
    return (struct cursor){r, (uint8_t *)r + sizeof(*r), (uint8_t *)r + TRACE_RECORD_MAX};
}

bool trace_enter(struct vcpu *v, uint64_t nr, const uint64_t arg[6])
{
    const struct trace_filter *filter = &v->domain->trace->filter;
    const struct abi_call *call = nr < NR_ABI_CALLS && abi_calls[nr].args ? &abi_calls[nr] : NULL;
    struct trace_record *r;
    struct cursor c;

    if (call ? !(filter->op[nr] >> trace_op_bit(call, arg[0]) & 1) : !filter->unknown)
        return false;
    r = record_begin(v, TRACE_ENTER, nr);
    for (unsigned i = 0; i < 6; i++)
        r->arg[i] = arg[i];
    c = cursor_at(r);
    if (call && call->on_stack) {
        r->arg[0] = v->gpr[RSP];
        blob_add(&c, v, TRACE_BLOB_STACK, v->gpr[RSP], call->args->size);
    } else if (call) {
        capture_args(&c, v, call, arg, ABI_IN);
    }
    record_end(v, r);
    return true;
}

void trace_exit(struct vcpu *v, uint64_t nr, const uint64_t arg[6], int64_t result)
{
    const struct abi_call *call = nr < NR_ABI_CALLS && abi_calls[nr].args ? &abi_calls[nr] : NULL;
    struct trace_record *r = record_begin(v, TRACE_EXIT, nr);
    struct cursor c = cursor_at(r);

    r->arg[0] = (uint64_t)result;
    /* After a call that changed the context, the arguments' addresses mean nothing. */
    if (call && !call->on_stack && result != HYPERCALL_KEEP_REGS)
        capture_args(&c, v, call, arg, ABI_OUT);
    record_end(v, r);
}

void trace_trap_record(struct vcpu *v, uint8_t vector, int64_t error, uint64_t cr2)
{
    struct trace_record *r;

    if (!v->domain->trace->filter.trap)
        return;
    r = record_begin(v, TRACE_TRAP, vector);
    r->arg[0] = (uint64_t)error;
    r->arg[1] = cr2;
    r->arg[2] = v->rip;
    r->arg[3] = v->user_mode;
    record_end(v, r);
}

void trace_upcall_record(struct vcpu *v)
{
    struct trace_record *r;

    if (!v->domain->trace->filter.upcall)
        return;
    r = record_begin(v, TRACE_UPCALL, 0);
    r->arg[2] = v->rip;
    r->arg[3] = v->user_mode;
    record_end(v, r);
}
