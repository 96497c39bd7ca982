// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Random page-table operations of two vCPUs, valid and invalid ones, on few frames, so that every use of a
 * frame meets every other.  After each operation all references and types are computed from scratch and
 * compared, and no TLB entry may allow writing a table; after each flush or switch no TLB entry may
 * contradict the tables.
 *
 * A broken hypervisor would lose or leak a reference, let a frame be writable and a page table at once, or
 * keep a stale kernel mapping over a switch.
 *
 * MM_FUZZ_OPS and MM_FUZZ_SEED: how many operations, and where to start; a failure names its seed.
 */
#include <check.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "mm_world.h"
#include "suite.h"

static _Thread_local uint64_t rng_state;

static uint64_t rnd(void)
{
    rng_state ^= rng_state << 13;
    rng_state ^= rng_state >> 7;
    rng_state ^= rng_state << 17;
    return rng_state;
}

static unsigned below(unsigned n)
{
    return (unsigned)(rnd() >> 11) % n;
}

static bool chance(unsigned percent)
{
    return below(100) < percent;
}

/* Frames have favourite roles, so that deep trees come about: 4 L4 tables, 6 L3, 6 L2, 8 L1, 3 GDT, the rest
 * data. */
static const unsigned role_first[] = {0, 4, 10, 16, 24, 27, 48};

enum { ROLE_L4, ROLE_L3, ROLE_L2, ROLE_L1, ROLE_GDT, ROLE_DATA, NR_ROLES };

static mfn_t frame_of_role(unsigned role)
{
    return ram(role_first[role] + below(role_first[role + 1] - role_first[role]));
}

static mfn_t frame_any(void)
{
    static const uint64_t odd[] = {
        0, 3, WORLD_FOREIGN, WORLD_FRAMES, WORLD_FRAMES + 5, 0xfffffffffful, 0x7ffffffful};

    if (chance(4))
        return MFN(odd[below(7)]);
    return ram(below(role_first[NR_ROLES]));
}

static unsigned slot_for(unsigned role)
{
    static const unsigned l4[] = {0, 1, 255, 272, 273, 511, 256, 257, 271};
    static const unsigned lower[] = {0, 1, 511};

    return role == ROLE_L4 ? l4[below(chance(95) ? 6 : 9)] : lower[below(3)];
}

/* An address, mostly one that the tables lead somewhere for. */
static gva_t random_va(mfn_t root)
{
    unsigned slot[4];
    mfn_t m = root;

    for (unsigned k = 0; k < 4; k++) {
        slot[k] = slot_for(ROLE_L4 + k);
        for (unsigned tries = 0; tries < 8 && m.n != 0 && !(pte_read(entry(m, slot[k])) & PTE_P); tries++)
            slot[k] = slot_for(ROLE_L4 + k + (chance(10) && k > 0 ? -1 : 0));
        m = m.n != 0 && pte_read(entry(m, slot[k])) & PTE_P ? pte_mfn(pte_read(entry(m, slot[k]))) : MFN(0);
        if (!machine_valid(m))
            m = MFN(0);
    }
    return va_of(slot[0], slot[1], slot[2], slot[3]);
}

/* Something that might stand in a table of that role. */
static uint64_t random_entry(unsigned role)
{
    static const uint64_t harmless[] = {PTE_A, PTE_D, 0x200, 0x800, PTE_NX, 1ul << 54, PTE_USER};
    static const uint64_t harmful[] = {PTE_PWT, PTE_PCD, PTE_PSE, PTE_G};
    uint64_t e = PTE_P;
    mfn_t m;

    if (chance(15))
        return chance(50) ? 0 : rnd() & ~PTE_P;
    if (role >= ROLE_GDT)
        return chance(50) ? 0x00cffa000000ffff : rnd();
    if (role == ROLE_L1)
        m = chance(40) ? frame_of_role(ROLE_DATA) : frame_any();
    else
        m = chance(92) ? frame_of_role(role + 1) : frame_any();
    if (role == ROLE_L1 ? chance(60) : chance(80))
        e |= PTE_RW;
    if (chance(60))
        e |= PTE_A | PTE_D;
    for (unsigned i = below(3); i > 0; i--)
        e |= harmless[below(7)];
    if (chance(3))
        e |= harmful[below(4)];
    return pte(m, e);
}

static const char *const op_names[] = {"mmu_update", "store",   "trapped", "cmpxchg", "pin",    "unpin",
                                       "baseptr",    "userptr", "va",      "flush",   "access", "give",
                                       "take",       "page",    "gdt",     "updesc",  "self",   "m2p",
                                       "exchange",   "setcr3",  "tweak",   "probe"};

enum {
    OP_UPDATE,
    OP_STORE,
    OP_TRAPPED,
    OP_CMPXCHG,
    OP_PIN,
    OP_UNPIN,
    OP_BASEPTR,
    OP_USERPTR,
    OP_VA,
    OP_FLUSH,
    OP_ACCESS,
    OP_GIVE,
    OP_TAKE,
    OP_PAGE,
    OP_GDT,
    OP_UPDESC,
    OP_SELF,
    OP_M2P,
    OP_EXCHANGE,
    OP_SETCR3,
    OP_TWEAK,
    OP_PROBE,
    NR_OPS,
};

static unsigned weights[NR_OPS] = {30, 16, 10, 6, 10, 6, 8, 5, 14, 8, 60, 2, 3, 2, 2, 2, 0, 1, 1, 1, 15, 15};
static unsigned long ok_count[NR_OPS], fail_count[NR_OPS];
static bool threaded; /* no TLB, no frees that look at it */

static unsigned pick_op(void)
{
    unsigned total = 0, n;

    for (unsigned i = 0; i < NR_OPS; i++)
        total += weights[i];
    n = below(total);
    for (unsigned i = 0;; i++) {
        if (n < weights[i])
            return i;
        n -= weights[i];
    }
}

static mfn_t random_table(unsigned *role)
{
    *role = chance(40) ? ROLE_L1 : below(4);
    return chance(95) ? frame_of_role(*role) : frame_any();
}

/* Changes a bit or two of an entry that is there. */
static bool do_tweak(unsigned v)
{
    static const uint64_t bits[] = {PTE_RW, PTE_RW, PTE_RW | PTE_D, PTE_A, PTE_D, PTE_NX};
    unsigned role;
    mfn_t m = random_table(&role);
    unsigned slot = slot_for(role);
    uint64_t e;

    if (!machine_valid(m))
        return false;
    e = *entry(m, slot);
    return e & PTE_P && call_mmu_update(v, m.n << PAGE_SHIFT | slot * 8, e ^ bits[below(6)]) == 0;
}

static bool do_update(unsigned v)
{
    unsigned role;
    mfn_t m = random_table(&role);
    uint64_t ptr = m.n << PAGE_SHIFT | slot_for(role) * 8;

    if (chance(20))
        ptr |= MMU_PT_UPDATE_PRESERVE_AD;
    else if (chance(2))
        ptr |= below(8);
    return call_mmu_update(v, ptr, random_entry(role)) == 0;
}

/* A guest's own store: to any frame of its that isn't read-only by type. */
static bool do_store(unsigned v)
{
    unsigned role = below(NR_ROLES);
    mfn_t m = frame_of_role(role);
    struct frame *f = machine_frame(m);

    (void)v;
    if (f->owner != 1 || (f->type_count > 0 && f->type != FRAME_WRITABLE) || threaded)
        return false;
    *entry(m, slot_for(role)) = random_entry(role);
    return true;
}

/* The value of size bytes of a frame that other threads change. */
static uint64_t bytes_at(mfn_t m, unsigned off, unsigned size)
{
    const uint8_t *p = (const uint8_t *)machine_hva(m) + off;
    uint64_t value = 0;

    for (unsigned i = 0; i < size; i++)
        value |= (uint64_t)__atomic_load_n(&p[i], __ATOMIC_RELAXED) << 8 * i;
    return value;
}

static bool do_trapped(unsigned v, bool cmpxchg)
{
    mfn_t m = chance(95) ? frame_of_role(ROLE_L1) : frame_any();
    uint64_t data = random_entry(ROLE_L1);
    unsigned size = 1u << (chance(70) ? 3 : below(4));
    unsigned off = slot_for(ROLE_L1) * 8 + (chance(90) ? below(8) & ~(size - 1) : below(8));
    uint64_t was = 0;
    bool stored;

    if (!cmpxchg)
        return mm_trapped_write(&world.v[v], m, off, &data, size);
    if (machine_valid(m) && chance(80))
        was = pte_read(entry(m, off / 8));
    if (size < 8 && machine_valid(m) && off + size <= PAGE_SIZE)
        was = bytes_at(m, off, size);
    return mm_trapped_cmpxchg(&world.v[v], m, off, &was, &data, size, &stored) && stored;
}

static bool do_flush(unsigned v, const char **bad)
{
    static const unsigned cmds[] = {MMUEXT_TLB_FLUSH_LOCAL, MMUEXT_TLB_FLUSH_ALL, MMUEXT_TLB_FLUSH_MULTI};
    unsigned cmd = cmds[below(3)];
    uint64_t mask = rnd();
    bool ok = call_mmuext(v, cmd, 0, (uint64_t)&mask) == 0;

    for (unsigned i = 0; i < WORLD_VCPUS && !*bad && !threaded; i++)
        if (cmd == MMUEXT_TLB_FLUSH_ALL || (cmd == MMUEXT_TLB_FLUSH_LOCAL && i == v) ||
            (cmd == MMUEXT_TLB_FLUSH_MULTI && mask >> i & 1))
            *bad = world_check_tlb(i);
    return ok;
}

static bool do_va(unsigned v, const char **bad)
{
    gva_t a = random_va(world.pvv[v].cr3_kernel);
    uint64_t flags = chance(50) ? UVMF_NONE : chance(50) ? UVMF_TLB_FLUSH : UVMF_INVLPG;
    bool ok;

    if (chance(50))
        flags |= UVMF_ALL;
    ok = call_update_va(v, a, random_entry(ROLE_L1), flags) == 0;
    if (ok && !threaded && (flags & UVMF_FLUSHTYPE_MASK) == UVMF_TLB_FLUSH)
        *bad = world_check_tlb(v);
    return ok;
}

static bool do_access(unsigned v)
{
    bool user = chance(30);
    gva_t a = random_va(user ? world.pvv[v].cr3_user : world.pvv[v].cr3_kernel);
    enum access kind = below(3);
    struct translation t;
    uint32_t pfec = 0;
    mfn_t m;

    if (threaded)
        return pv_walk(&world.v[v], a, kind, &t, &pfec);
    return world_access(v, user, a, kind, &m, &pfec);
}

static bool do_give(unsigned v)
{
    uint64_t gmfn = frame_any().n;
    struct xen_memory_reservation r = {.nr_extents = 1, .domid = DOMID_SELF};

    set_xen_guest_handle(r.extent_start, &gmfn);
    return hc_memory_op(&world.v[v], (uint64_t[6]){XENMEM_decrease_reservation, (uint64_t)&r}) == 1;
}

static bool do_take(unsigned v)
{
    uint64_t pfn = below(1000);
    struct xen_memory_reservation r = {.nr_extents = 1, .domid = DOMID_SELF};

    set_xen_guest_handle(r.extent_start, &pfn);
    if (world.d.nr_pages >= WORLD_RAM)
        return false;
    return hc_memory_op(&world.v[v], (uint64_t[6]){XENMEM_populate_physmap, (uint64_t)&r}) == 1;
}

static bool do_exchange(unsigned v)
{
    uint64_t in = frame_any().n, out = 77;
    struct xen_memory_exchange x = {.in = {.nr_extents = 1, .domid = DOMID_SELF},
                                    .out = {.nr_extents = 1, .domid = DOMID_SELF}};

    set_xen_guest_handle(x.in.extent_start, &in);
    set_xen_guest_handle(x.out.extent_start, &out);
    return hc_memory_op(&world.v[v], (uint64_t[6]){XENMEM_exchange, (uint64_t)&x}) == 0;
}

static bool do_gdt(unsigned v)
{
    uint64_t frames[2] = {frame_of_role(ROLE_GDT).n, chance(90) ? frame_of_role(ROLE_GDT).n : frame_any().n};

    return hc_set_gdt(&world.v[v], (uint64_t[6]){(uint64_t)frames, below(1025)}) == 0;
}

/*
 * What a kernel would do that relies on a switch to flush: with a clean TLB, touch a page, change one entry
 * on its path, switch address spaces or ask for a flush. Nothing old may be left.
 */
static bool do_probe(unsigned v, const char **bad)
{
    static const uint64_t bits[] = {PTE_RW, PTE_RW, PTE_RW | PTE_D, PTE_A, PTE_D, PTE_NX};
    mfn_t root = world.pvv[v].cr3_kernel, m = root;
    uint32_t pfec;
    mfn_t data;
    unsigned level;
    gva_t a;
    uint64_t e, ptr;

    if (root.n == 0 || threaded)
        return false;
    call_mmuext(v, MMUEXT_TLB_FLUSH_LOCAL, 0, 0);
    a = random_va(root);
    if (!gva_is_guest(a) || !world_access(v, false, a, below(3), &data, &pfec))
        return false;
    level = chance(60) ? 1 : 1 + below(4);
    for (unsigned l = 4; l > level; l--)
        m = pte_mfn(*entry(m, pt_slot(a, l)));
    ptr = m.n << PAGE_SHIFT | pt_slot(a, level) * 8;
    e = *entry(m, pt_slot(a, level));
    e = chance(70) ? e ^ bits[below(6)] : random_entry(ROLE_L1 - (level - 1));
    if (call_mmu_update(below(WORLD_VCPUS), ptr, e) != 0)
        return false;
    if (chance(30))
        call_mmuext(v, MMUEXT_TLB_FLUSH_LOCAL, 0, 0);
    else
        while (call_mmuext(v, MMUEXT_NEW_BASEPTR, chance(50) ? root.n : frame_of_role(ROLE_L4).n, 0) != 0)
            ;
    *bad = world_check_tlb(v);
    return true;
}

static bool do_op(unsigned op, unsigned v, const char **bad)
{
    uint64_t pa;

    switch (op) {
    case OP_UPDATE:
        return do_update(v);
    case OP_STORE:
        return do_store(v);
    case OP_TRAPPED:
    case OP_CMPXCHG:
        return do_trapped(v, op == OP_CMPXCHG);
    case OP_PIN: {
        unsigned role = below(4);
        mfn_t m = chance(90) ? frame_of_role(role) : frame_any();

        return call_mmuext(v, MMUEXT_PIN_L4_TABLE - role, m.n, 0) == 0;
    }
    case OP_UNPIN:
        return call_mmuext(v, MMUEXT_UNPIN_TABLE, frame_of_role(below(4)).n, 0) == 0;
    case OP_BASEPTR: {
        bool ok =
            call_mmuext(v, MMUEXT_NEW_BASEPTR, chance(95) ? frame_of_role(ROLE_L4).n : frame_any().n, 0) == 0;

        if (ok && !threaded)
            *bad = world_check_tlb(v);
        return ok;
    }
    case OP_USERPTR: {
        uint64_t n = chance(90) ? frame_of_role(ROLE_L4).n : chance(50) ? 0 : frame_any().n;
        bool same = n == world.pvv[v].cr3_user.n;
        bool ok = call_mmuext(v, MMUEXT_NEW_USER_BASEPTR, n, 0) == 0;

        if (ok && !same && !threaded)
            *bad = world_check_tlb(v);
        return ok;
    }
    case OP_VA:
        return do_va(v, bad);
    case OP_FLUSH:
        return do_flush(v, bad);
    case OP_ACCESS:
        return do_access(v);
    case OP_GIVE:
        return do_give(v);
    case OP_TAKE:
        return do_take(v);
    case OP_PAGE:
        return call_mmuext(v, chance(50) ? MMUEXT_CLEAR_PAGE : MMUEXT_COPY_PAGE, frame_any().n,
                           frame_any().n) == 0;
    case OP_GDT:
        return do_gdt(v);
    case OP_UPDESC:
        pa = frame_of_role(chance(80) ? ROLE_GDT : below(NR_ROLES)).n << PAGE_SHIFT | below(512) * 8;
        return hc_update_descriptor(&world.v[v], (uint64_t[6]){pa, random_entry(ROLE_GDT)}) == 0;
    case OP_SELF: {
        unsigned role = below(3);
        mfn_t m = frame_of_role(role);

        return call_mmu_update(v, m.n << PAGE_SHIFT | slot_for(role) * 8,
                               pte(m, PTE_P | (chance(20) ? PTE_RW : 0))) == 0;
    }
    case OP_TWEAK:
        return do_tweak(v);
    case OP_PROBE:
        return do_probe(v, bad);
    case OP_M2P:
        return call_mmu_update(v, frame_any().n << PAGE_SHIFT | MMU_MACHPHYS_UPDATE, rnd()) == 0;
    case OP_EXCHANGE:
        return do_exchange(v);
    case OP_SETCR3:
        /* The vCPU goes down and comes up: what it had in its TLB is gone. */
        if (threaded ||
            mm_set_base_pointers(&world.v[v ^ 1], &world.v[v], frame_of_role(ROLE_L4), MFN(0)) != 0)
            return false;
        engine_flush_all(&world.v[v]);
        return true;
    default:
        return false;
    }
}

/*
 * What direct execution has mapped of each vCPU's user space, as far as it would know: as long as
 * user_region() says the same, so do the tables, but for accessed and dirty bits that have come to be set.
 */
static struct {
    uint64_t base;
    gva_t va;
    struct user_region region;
    uint64_t page[USER_REGION_PAGES];
    unsigned compared; /* how often the region was the same and had pages */
} mirror[WORLD_VCPUS];

static const char *mirror_check(unsigned v)
{
    struct vcpu *vcpu = &world.v[v];
    struct user_region now;
    uint64_t page[USER_REGION_PAGES];

    if (mirror[v].base == pv_user_space(vcpu) && pv_user_region(vcpu, mirror[v].va, &now) &&
        now.table.n == mirror[v].region.table.n && now.version == mirror[v].region.version &&
        now.rights == mirror[v].region.rights) {
        bool any = false;

        pv_user_pages(vcpu, &now, 0, USER_REGION_PAGES, page);
        for (unsigned i = 0; i < USER_REGION_PAGES; i++) {
            uint64_t old = mirror[v].page[i];

            any |= old != 0;
            if (old && ((old ^ page[i]) & PAGE_MASK || old & ~page[i]))
                return "a user's page changed, and the version of its table didn't";
        }
        mirror[v].compared += any;
    }
    if (chance(10)) {
        mirror[v].base = pv_user_space(vcpu);
        mirror[v].va = random_va(vcpu->pv->cr3_user);
        mirror[v].va.va &= 0x7fffffe00000;
        if (!pv_user_region(vcpu, mirror[v].va, &mirror[v].region))
            mirror[v].base = ~0ul;
        else
            pv_user_pages(vcpu, &mirror[v].region, 0, USER_REGION_PAGES, mirror[v].page);
    }
    return NULL;
}

/* Everything undone that holds references: nothing may be left. */
static void tear_down(void)
{
    for (unsigned i = 0; i < WORLD_VCPUS; i++) {
        ck_assert_int_eq(mm_set_base_pointers(&world.v[0], &world.v[i], MFN(0), MFN(0)), 0);
        ck_assert_int_eq(gdt_set(&world.v[0], &world.v[i], NULL, 0), 0);
    }
    for (unsigned n = 0; n < WORLD_FRAMES; n++)
        if (machine.frames[n].flags & FRAME_PINNED)
            ck_assert_int_eq(call_mmuext(0, MMUEXT_UNPIN_TABLE, n, 0), 0);
    for (unsigned n = 0; n < WORLD_FRAMES; n++) {
        ck_assert_msg(machine.frames[n].ref_count == 0, "frame %u: %u references left", n,
                      machine.frames[n].ref_count);
        ck_assert_msg(machine.frames[n].type_count == 0, "frame %u: %u type references left", n,
                      machine.frames[n].type_count);
    }
}

static unsigned long env_number(const char *name, unsigned long otherwise)
{
    const char *s = getenv(name);

    return s ? strtoul(s, NULL, 0) : otherwise;
}

/*
 * Something to start from, as a kernel would have it: two address spaces with the same kernel half, a user
 * half of their own each, pinned, and one of them in use by each vCPU.
 */
static void plant(bool recursive)
{
    const uint64_t dir = PTE_P | PTE_RW | PTE_A | PTE_D;

    for (unsigned k = 0; k < 2; k++) {
        *entry(ram(k), 272) = *entry(ram(k), 511) = pte(ram(4), dir);
        *entry(ram(k), 0) = pte(ram(5 + k), dir);
        *entry(ram(5 + k), 0) = *entry(ram(5 + k), 511) = pte(ram(11 + k), dir);
        *entry(ram(11 + k), 0) = *entry(ram(11 + k), 1) = pte(ram(17 + k), dir);
    }
    if (recursive)
        for (unsigned k = 0; k < 2; k++)
            *entry(ram(k), 273) = pte(ram(k), PTE_P | PTE_A);
    *entry(ram(4), 0) = *entry(ram(4), 1) = pte(ram(10), dir);
    *entry(ram(10), 0) = *entry(ram(10), 1) = pte(ram(16), dir);
    for (unsigned l1 = 16; l1 < 19; l1++) {
        *entry(ram(l1), 0) = pte(frame_of_role(ROLE_DATA), dir);
        *entry(ram(l1), 1) = pte(frame_of_role(ROLE_L1), PTE_P);
        *entry(ram(l1), 511) = pte(frame_of_role(ROLE_DATA), dir | PTE_NX);
    }
    for (unsigned k = 0; k < 2; k++) {
        ck_assert_int_eq(call_mmuext(k, MMUEXT_PIN_L4_TABLE, ram(k).n, 0), 0);
        ck_assert_int_eq(call_mmuext(k, MMUEXT_NEW_BASEPTR, ram(k).n, 0), 0);
        ck_assert_int_eq(call_mmuext(k, MMUEXT_NEW_USER_BASEPTR, ram(k).n, 0), 0);
    }
}

/* rounds of 2000 operations, each from a seed of its own */
static void run(unsigned long ops, bool recursive)
{
    unsigned long seed = env_number("MM_FUZZ_SEED", 1);

    weights[OP_SELF] = recursive ? 3 : 0;
    for (unsigned long done = 0; done < ops; done += 2000, seed++) {
        world_reset();
        rng_state = seed * 0x9e3779b97f4a7c15 | 1;
        plant(recursive);
        for (unsigned i = 0; i < 2000; i++) {
            const char *bad = NULL;
            unsigned op = pick_op();
            unsigned v = below(WORLD_VCPUS);

            if (do_op(op, v, &bad))
                ok_count[op]++;
            else
                fail_count[op]++;
            if (!bad)
                bad = world_check();
            if (!bad)
                bad = world_check_protected();
            if (!bad)
                bad = mirror_check(0);
            if (!bad)
                bad = mirror_check(1);
            ck_assert_msg(!bad, "MM_FUZZ_SEED=%lu, operation %u (%s by vCPU %u): %s", seed, i, op_names[op],
                          v, bad);
        }
        tear_down();
    }
}

static void counts_print(void)
{
    for (unsigned i = 0; i < NR_OPS; i++)
        if (getenv("MM_FUZZ_VERBOSE"))
            fprintf(stderr, "%-12s %8lu done %8lu refused\n", op_names[i], ok_count[i], fail_count[i]);
}

START_TEST(fuzz_plain)
{
    run(env_number("MM_FUZZ_OPS", 300000), false);
    counts_print();
    if (getenv("MM_FUZZ_OPS"))
        return;
    ck_assert(mirror[0].compared > 1000 && mirror[1].compared > 1000);
    /* The run meant something: every operation was done and was refused, often. */
    for (unsigned i = 0; i < NR_OPS; i++) {
        if (i == OP_SELF)
            continue;
        ck_assert_msg(ok_count[i] > 50, "%s was done only %lu times", op_names[i], ok_count[i]);
        if (i != OP_FLUSH)
            ck_assert_msg(fail_count[i] > 50, "%s was refused only %lu times", op_names[i], fail_count[i]);
    }
}
END_TEST

/* With recursive mappings, which end the tracking of the kernel half. */
START_TEST(fuzz_recursive)
{
    run(env_number("MM_FUZZ_OPS", 300000) / 4, true);
    ck_assert(ok_count[OP_SELF] > 50);
}
END_TEST

static void *racer(void *arg)
{
    unsigned v = (unsigned)(uintptr_t)arg;
    static const unsigned ops[] = {OP_UPDATE, OP_UPDATE,  OP_TRAPPED, OP_CMPXCHG, OP_PIN,
                                   OP_UNPIN,  OP_BASEPTR, OP_VA,      OP_ACCESS,  OP_ACCESS,
                                   OP_ACCESS, OP_PAGE,    OP_GDT};
    unsigned long n = env_number("MM_FUZZ_OPS", 300000) / 2;

    rng_state = env_number("MM_FUZZ_SEED", 1) * 0x9e3779b97f4a7c15 + v + 1;
    for (unsigned long i = 0; i < n; i++) {
        const char *bad = NULL;

        do_op(ops[below(ARRAY_SIZE(ops))], v, &bad);
    }
    return NULL;
}

/* Both vCPUs at once: the lock keeps the counts right whatever the walks do meanwhile. */
START_TEST(fuzz_threads)
{
    pthread_t t[WORLD_VCPUS];

    world_reset();
    rng_state = 88172645463325252ul;
    plant(false);
    for (unsigned i = 0; i < 20000; i++) {
        const char *bad = NULL;

        do_op(pick_op(), below(WORLD_VCPUS), &bad);
    }
    threaded = true;
    for (unsigned i = 0; i < WORLD_VCPUS; i++)
        pthread_create(&t[i], NULL, racer, (void *)(uintptr_t)i);
    for (unsigned i = 0; i < WORLD_VCPUS; i++)
        pthread_join(t[i], NULL);
    threaded = false;
    ck_assert_msg(!world_check(), "%s", world_check());
    tear_down();
}
END_TEST

int main(void)
{
    Suite *s = suite_create("mm_fuzz");
    TCase *tc = tcase_create("fuzz"), *threads = tcase_create("threads");
    SRunner *sr;
    int failed;

    tcase_set_timeout(tc, 0);
    tcase_add_test(tc, fuzz_plain);
    tcase_add_test(tc, fuzz_recursive);
    tcase_set_timeout(threads, 0);
    tcase_add_test(threads, fuzz_threads);
    suite_add_tcase(s, tc);
    suite_add_tcase(s, threads);
    sr = srunner_create(s);
    srunner_run_all(sr, CK_ENV);
    failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed != 0;
}
