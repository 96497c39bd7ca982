/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The careful form of an instruction: a block of one instruction whose every memory access asks here first.
 *
 * Used for what the inline probe can't do: accesses that cross a page, stores to frames with translated
 * code, stores to page tables, addresses that are not canonical.  An access to plain memory within a page
 * gets its host address; any other gets a copy, and what was stored into the copy is written back when the
 * instruction has finished.  If that fails, the instruction has not happened: registers and
 * flags are put back and the guest sees the fault.
 */
#include "engine/emulate.h"
#include "engine/internal.h"

static lock_t careful_lock;

static void refuse(struct engine_vcpu *e, uint64_t ea, uint32_t pfec)
{
    e->helper_leave = HELPER_FAULT;
    e->helper_exit = (struct vcpu_exit){
        .reason = EXIT_EXCEPTION, .vector = VEC_PF, .has_error = true, .error = pfec, .cr2 = ea};
}

/* Whether bytes first..last of an operand can be addressed: canonical, or within 4 GiB outside 64-bit
 * mode. */
static bool addressable(const struct engine_vcpu *e, uint64_t first, uint64_t last)
{
    if (!(engine_mode(&e->v) & MODE_64))
        return last <= 0xffffffffUL;
    return gva_canonical(GVA(first)) && gva_canonical(GVA(last));
}

static void *refuse_address(struct engine_vcpu *e, bool ss)
{
    e->helper_leave = HELPER_FAULT;
    e->helper_exit =
        (struct vcpu_exit){.reason = EXIT_EXCEPTION, .vector = ss ? VEC_SS : VEC_GP, .has_error = true};
    return NULL;
}

/*
 * The x87 operands whose size is no power of two are accessed in parts, so their first part's page fault
 * comes before the address of the last is looked at. That is 8 bytes of an 80-bit number, a word of an
 * environment (cases operand-parts-*.txt in tests/cpu/regress).
 */
static unsigned first_part(unsigned size)
{
    return size == 10 ? 8 : size & -size;
}

/* What #AC asks of an operand's address: its size, or its first part's; of 32 bytes as of 16 (so AMD's
 * CPUs). */
static unsigned alignment(unsigned size)
{
    unsigned part = first_part(size);

    return part < 16 ? part : 16;
}

/* True: #AC. */
static bool misaligned(struct engine_vcpu *e, uint64_t ea, unsigned size)
{
    if (!alignment_checked(&e->v) || !(ea & (alignment(size) - 1)))
        return false;
    e->helper_leave = HELPER_FAULT;
    e->helper_exit = (struct vcpu_exit){.reason = EXIT_EXCEPTION, .vector = VEC_AC, .has_error = true};
    return true;
}

/* The elements of a masked operand that count, a bit each. */
static uint64_t elements_of(uint32_t desc)
{
    unsigned lanes = ACCESS_LANES(desc), n = ACCESS_SIZE(desc) / ACCESS_ELEMENT(desc), packed = 0;
    uint64_t mask = emulate_read_mask(ACCESS_MASK(desc)), elements = 0;

    for (unsigned i = 0; i < lanes; i++)
        if (mask >> i & 1)
            elements |= 1UL << (ACCESS_PACKED(desc) ? packed++ : i % n);
    return elements;
}

/*
 * The next bytes [*from, *to) of an operand that count, from *from on, without a gap. False: there are none.
 */
static bool next_run(const struct careful_access *a, unsigned *from, unsigned *to)
{
    unsigned n = a->size, i = *from;

    if (!a->element) {
        *to = n;
        return i < n;
    }
    while (i < n && !(a->elements >> i / a->element & 1))
        i += a->element;
    *from = i;
    while (i < n && a->elements >> i / a->element & 1)
        i += a->element;
    *to = i;
    return *from < i;
}

/* The bytes [from, to) of an operand that the instruction will see a copy of: they are read, and may be
 * stored to. */
static bool run_begin(struct engine_vcpu *e, struct careful_access *a, unsigned from, unsigned to, bool ss)
{
    uint64_t first = a->ea + from, last = a->ea + to - 1;
    struct translation t;
    struct guest_fault f;

    if (!addressable(e, first, last)) {
        refuse_address(e, ss);
        return false;
    }
    if (misaligned(e, first, a->element)) /* AMD's CPUs ask for no more than the elements' alignment */
        return false;
    for (uint64_t va = first; a->write && va <= last; va = (va & PAGE_MASK) + PAGE_SIZE)
        if (!e->v.ops->walk(&e->v, GVA(va), ACCESS_WRITE, &t, &f.pfec)) {
            refuse(e, va, f.pfec);
            return false;
        }
    if (!guest_read_fault(&e->v, GVA(first), a->copy + from, to - from, &f)) {
        refuse(e, f.cr2, f.pfec);
        return false;
    }
    for (unsigned i = from; i < to; i++)
        a->old[i] = a->copy[i];
    return true;
}

/* A masked operand is always a copy; elements that don't count are zero there. */
static void *access_masked(struct engine_vcpu *e, uint64_t ea, uint32_t desc)
{
    struct careful_access *a = &e->careful.acc[e->careful.n++];
    unsigned to;

    a->ea = ea;
    a->size = ACCESS_SIZE(desc);
    a->write = ACCESS_STORES(desc);
    a->element = ACCESS_ELEMENT(desc);
    a->elements = elements_of(desc);
    a->copy = a->area + (ea & 63);
    for (unsigned i = 0; i < a->size; i++)
        a->copy[i] = 0;
    for (unsigned from = 0; next_run(a, &from, &to); from = to) {
        watch_data(e, ea + from, to - from, a->write);
        if (!run_begin(e, a, from, to, ACCESS_SS(desc)))
            return NULL;
    }
    return a->copy;
}

void *engine_careful_access(uint64_t ea, uint32_t desc)
{
    struct engine_vcpu *e = engine_self();
    struct careful *c = &e->careful;
    unsigned size = ACCESS_SIZE(desc);
    bool write = ACCESS_STORES(desc), ss = ACCESS_SS(desc);
    uint64_t last = ea + size - 1;
    struct careful_access *a;
    struct translation t;
    struct guest_fault f;
    uint32_t pfec;

    e->helper_in_tail = false;
    e->helper_ea = ea;
    if (ACCESS_MASK(desc))
        return access_masked(e, ea, desc);
    watch_data(e, ea, size, write);
    if (!addressable(e, ea, ea + first_part(size) - 1))
        return refuse_address(e, ss);
    if (misaligned(e, ea, size))
        return NULL;
    if (!e->v.ops->walk(&e->v, GVA(ea), write ? ACCESS_WRITE : ACCESS_READ, &t, &pfec)) {
        refuse(e, ea, pfec);
        return NULL;
    }
    if (!addressable(e, ea, last))
        return refuse_address(e, ss);
    if (((ea ^ last) & PAGE_MASK) == 0 &&
        (!write || (!t.trapped && __atomic_load_n(&machine_frame(t.mfn)->code_vcpus, __ATOMIC_SEQ_CST) == 0)))
        return (uint8_t *)machine_hva(t.mfn) + (ea & ~PAGE_MASK);
    if (((ea ^ last) & PAGE_MASK) &&
        !e->v.ops->walk(&e->v, GVA(last & PAGE_MASK), write ? ACCESS_WRITE : ACCESS_READ, &t, &pfec)) {
        refuse(e, last & PAGE_MASK, pfec);
        return NULL;
    }
    a = &c->acc[c->n++];
    a->ea = ea;
    a->size = size;
    a->write = write;
    a->element = 0;
    a->copy = a->area + (ea & 63);
    if (!guest_read_fault(&e->v, GVA(ea), a->copy, size, &f)) {
        refuse(e, f.cr2, f.pfec);
        return NULL;
    }
    for (unsigned i = 0; i < size; i++)
        a->old[i] = a->copy[i];
    return a->copy;
}

void careful_begin(struct engine_vcpu *e)
{
    struct careful *c = &e->careful;

    e->stats.careful++;
    c->active = true;
    c->n = 0;
    for (unsigned i = 0; i < 16; i++)
        c->gpr[i] = e->v.gpr[i];
    c->flags = e->hot.flags;
    c->rflags = e->v.rflags;
    c->rip = e->v.rip;
}

void careful_rollback(struct engine_vcpu *e)
{
    struct careful *c = &e->careful;

    for (unsigned i = 0; i < 16; i++)
        e->v.gpr[i] = c->gpr[i];
    e->hot.flags = c->flags;
    e->v.rflags = c->rflags;
    e->v.rip = c->rip;
    c->active = false;
}

/* True if memory still holds what the instruction read: another vCPU may have been there meanwhile. */
static bool unchanged(struct engine_vcpu *e, const struct careful_access *a)
{
    uint8_t now[CAREFUL_BYTES];
    struct guest_fault f;
    unsigned to;

    for (unsigned from = 0; next_run(a, &from, &to); from = to) {
        if (!guest_read_fault(&e->v, GVA(a->ea + from), now, to - from, &f))
            return true; /* the store will say */
        for (unsigned i = from; i < to; i++)
            if (now[i - from] != a->old[i])
                return false;
    }
    return true;
}

/* Stores the bytes [done, end) of a copy. */
static enum careful_result commit_run(struct engine_vcpu *e, const struct careful_access *a, unsigned done,
                                      unsigned end)
{
    while (done < end) {
        uint64_t va = a->ea + done;
        unsigned part = (unsigned)(PAGE_SIZE - (va & ~PAGE_MASK));
        struct guest_fault f;

        if (part > end - done)
            part = end - done;
        switch (store_commit(e, va, a->copy + done, a->old + done, part, &f)) {
        case STORE_DONE:
            break;
        case STORE_CHANGED:
            return CAREFUL_RETRY;
        case STORE_FAULT:
            refuse(e, f.cr2, f.pfec);
            return CAREFUL_FAULT;
        }
        done += part;
    }
    return CAREFUL_DONE;
}

/* The holder may wait for this vCPU to drop a TLB entry. */
static void careful_lock_take(struct engine_vcpu *e)
{
    uint32_t was;

    if (lock_try(&careful_lock))
        return;
    was = engine_wait_begin(&e->v);
    lock_acquire(&careful_lock);
    engine_wait_end(&e->v, was);
}

enum careful_result careful_commit(struct engine_vcpu *e)
{
    struct careful *c = &e->careful;
    enum careful_result result = CAREFUL_DONE;

    c->active = false;
    for (unsigned i = 0; i < c->n; i++) {
        struct careful_access *a = &c->acc[i];
        unsigned to;

        if (!a->write)
            continue;
        careful_lock_take(e);
        if (!unchanged(e, a))
            result = CAREFUL_RETRY;
        for (unsigned from = 0; result == CAREFUL_DONE && next_run(a, &from, &to); from = to)
            result = commit_run(e, a, from, to);
        lock_release(&careful_lock);
        if (result != CAREFUL_DONE) {
            careful_rollback(e);
            e->v.rflags |= FLAG_RF; /* if it is run again: its breakpoint has been looked at */
            e->v.exit = e->helper_exit;
            return result;
        }
    }
    return CAREFUL_DONE;
}
