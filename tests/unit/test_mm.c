// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Page tables, one rule a test: what is refused, with which error; what references remain; what a walk says.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "mm_tree.h"
#include "suite.h"

static bool walk(bool user, gva_t a, enum access kind, struct translation *t, uint32_t *pfec)
{
    bool ok;

    world.v[0].user_mode = user;
    ok = pv_walk(&world.v[0], a, kind, t, pfec);
    world.v[0].user_mode = false;
    return ok;
}

static uint32_t fault_of(bool user, gva_t a, enum access kind)
{
    struct translation t;
    uint32_t pfec;

    ck_assert(!walk(user, a, kind, &t, &pfec));
    return pfec;
}

/* ---- references ---- */

START_TEST(pin_takes_and_unpin_returns_all_references)
{
    tree_fill();
    ck_assert_int_eq(call_mmuext(0, MMUEXT_PIN_L4_TABLE, ram(A4).n, 0), 0);
    check_world();
    ck_assert_int_eq(machine_frame(ram(D0))->ref_count, 1);
    ck_assert_int_eq(machine_frame(ram(D0))->type, FRAME_WRITABLE);
    ck_assert_int_eq(machine_frame(ram(D1))->type_count, 0);
    ck_assert_int_eq(machine_frame(ram(K1))->type, FRAME_L1);
    ck_assert_int_eq(call_mmuext(0, MMUEXT_UNPIN_TABLE, ram(A4).n, 0), 0);
    for (unsigned n = 0; n < WORLD_RAM; n++) {
        ck_assert_int_eq(machine_frame(ram(n))->ref_count, 0);
        ck_assert_int_eq(machine_frame(ram(n))->type_count, 0);
        ck_assert_int_eq(machine_frame(ram(n))->flags, 0);
    }
}
END_TEST

START_TEST(pin_refuses)
{
    tree_build();
    ck_assert_int_eq(call_mmuext(0, MMUEXT_PIN_L4_TABLE, ram(A4).n, 0), -XEN_EINVAL); /* pinned already */
    ck_assert_int_eq(call_mmuext(0, MMUEXT_PIN_L3_TABLE, ram(A4).n, 0), -XEN_EINVAL); /* of another type */
    ck_assert_int_eq(call_mmuext(0, MMUEXT_PIN_L1_TABLE, ram(D0).n, 0), -XEN_EINVAL); /* writable */
    ck_assert_int_eq(call_mmuext(0, MMUEXT_PIN_L1_TABLE, WORLD_FOREIGN, 0), -XEN_EINVAL);
    ck_assert_int_eq(call_mmuext(0, MMUEXT_PIN_L1_TABLE, 0, 0), -XEN_EINVAL); /* M2P */
    ck_assert_int_eq(call_mmuext(0, MMUEXT_PIN_L1_TABLE, WORLD_FRAMES, 0), -XEN_EINVAL);
    ck_assert_int_eq(call_mmuext(0, MMUEXT_PIN_L1_TABLE, ~0ul, 0), -XEN_EINVAL);
    ck_assert_int_eq(call_mmuext(0, MMUEXT_UNPIN_TABLE, ram(K1).n, 0), -XEN_EINVAL); /* in use, not pinned */
    ck_assert_int_eq(call_mmuext(0, MMUEXT_UNPIN_TABLE, ram(D1).n, 0), -XEN_EINVAL);
    ck_assert_int_eq(call_mmuext(0, MMUEXT_UNPIN_TABLE, WORLD_FOREIGN, 0), -XEN_EINVAL);
    check_world();
}
END_TEST

/* A frame of the hypervisor's that the domain may map is never a table. */
START_TEST(shared_info_is_no_table)
{
    tree_build();
    machine_frame(ram(SPARE))->flags = FRAME_XEN;
    world.d.nr_pages--;
    ck_assert_int_eq(call_mmuext(0, MMUEXT_PIN_L1_TABLE, ram(SPARE).n, 0), -XEN_EINVAL);
    ck_assert_int_eq(call_update_va(0, va_of(272, 0, 0, 5), pte(ram(SPARE), PTE_P | PTE_RW), 0), 0);
    check_world();
}
END_TEST

struct bad_entry {
    unsigned level;
    uint64_t flags;
    uint64_t mfn;
    int rc;
};

/* Entries that a validated table may not hold: level, bits, frame; and Xen's answer. */
static const struct bad_entry bad_entries[] = {
    {1, PTE_P | PTE_PCD, WORLD_FIRST_RAM + D1, -XEN_EINVAL},
    {1, PTE_P | PTE_PWT, WORLD_FIRST_RAM + D1, -XEN_EINVAL},
    {1, PTE_P | PTE_PSE, WORLD_FIRST_RAM + D1, -XEN_EINVAL}, /* PAT */
    {1, PTE_P, WORLD_FOREIGN, -XEN_EBUSY},
    {1, PTE_P, 0, -XEN_EBUSY},             /* M2P */
    {1, PTE_P, WORLD_FRAMES, -XEN_EPERM},  /* I/O memory */
    {1, PTE_P, 0xffffffffff, -XEN_EINVAL}, /* INVALID_MFN */
    {1, PTE_P | PTE_RW, WORLD_FIRST_RAM + K1, -XEN_EBUSY},
    {1, PTE_P | PTE_RW, WORLD_FIRST_RAM + A4, -XEN_EBUSY},
    {2, DIR | PTE_PSE, WORLD_FIRST_RAM + D1, -XEN_EINVAL},
    {2, DIR | PTE_G, WORLD_FIRST_RAM + U1, -XEN_EINVAL},
    {2, DIR, WORLD_FIRST_RAM + D0, -XEN_EINVAL}, /* writable frame */
    {2, DIR, WORLD_FIRST_RAM + K3, -XEN_EINVAL}, /* wrong level */
    {2, DIR, WORLD_FIRST_RAM + K2, -XEN_EINVAL}, /* itself, writable */
    {2, DIR, WORLD_FOREIGN, -XEN_EINVAL},
    {3, DIR | PTE_PSE, WORLD_FIRST_RAM + D1, -XEN_EINVAL},
    {3, DIR, WORLD_FRAMES, -XEN_EINVAL},
    {3, DIR, WORLD_FIRST_RAM + K1, -XEN_EINVAL},
    {4, DIR | PTE_PCD, WORLD_FIRST_RAM + K3, -XEN_EINVAL},
    {4, DIR, WORLD_FIRST_RAM + B4, -XEN_EINVAL}, /* another table of the same level */
};

START_TEST(update_refuses)
{
    const struct bad_entry *b = &bad_entries[_i];
    const mfn_t table[] = {MFN(0), ram(K1), ram(K2), ram(K3), ram(A4)};

    tree_build();
    ck_assert_int_eq(call_mmu_update(0, ptr_to(table[b->level], 100), pte(MFN(b->mfn), b->flags)), b->rc);
    ck_assert_uint_eq(*entry(table[b->level], 100), 0);
    check_world();
}
END_TEST

/* The same entry in a table that is to be pinned: nothing comes of it, and no reference stays. */
START_TEST(promotion_refuses)
{
    const struct bad_entry *b = &bad_entries[_i];

    tree_build();
    *entry(ram(SPARE), 0) = pte(ram(b->level == 1   ? D3
                                    : b->level == 2 ? K1
                                    : b->level == 3 ? K2
                                                    : K3),
                                PTE_P);
    *entry(ram(SPARE), 300) = pte(MFN(b->mfn), b->flags);
    if (b->mfn == WORLD_FIRST_RAM + K2 && b->level == 2)
        *entry(ram(SPARE), 300) = pte(ram(SPARE), b->flags);
    ck_assert_int_eq(call_mmuext(0, MMUEXT_PIN_L1_TABLE + b->level - 1, ram(SPARE).n, 0), b->rc);
    ck_assert_int_eq(machine_frame(ram(SPARE))->ref_count, 0);
    check_world();
}
END_TEST

START_TEST(hypervisor_slots_are_not_the_guests)
{
    tree_fill();
    *entry(ram(A4), 256) = pte(ram(K3), DIR);
    *entry(ram(A4), 271) = ~0ul;
    ck_assert_int_eq(call_mmuext(0, MMUEXT_PIN_L4_TABLE, ram(A4).n, 0), 0);
    check_world(); /* no present entry there any more */
    for (unsigned slot = 256; slot < 272; slot++) {
        ck_assert_int_eq(call_mmu_update(0, ptr_to(ram(A4), slot), pte(ram(K3), DIR)), -XEN_EINVAL);
        ck_assert_int_eq(call_mmu_update(0, ptr_to(ram(A4), slot), 0), -XEN_EINVAL);
    }
}
END_TEST

START_TEST(recursive_mapping)
{
    struct translation t;
    uint32_t pfec;

    tree_build();
    ck_assert_int_eq(call_mmu_update(0, ptr_to(ram(A4), 300), pte(ram(A4), PTE_P)), 0);
    ck_assert_int_eq(call_mmu_update(0, ptr_to(ram(K3), 5), pte(ram(K3), PTE_P)), 0);
    ck_assert_int_eq(call_mmu_update(0, ptr_to(ram(K2), 5), pte(ram(K2), PTE_P)), 0);
    check_world();
    /* The L4 table seen as a page, read-only. */
    ck_assert(walk(false, va_of(300, 300, 300, 300), ACCESS_READ, &t, &pfec));
    ck_assert_uint_eq(t.mfn.n, ram(A4).n);
    ck_assert_uint_eq(fault_of(false, va_of(300, 300, 300, 300), ACCESS_WRITE), PFEC_PRESENT | PFEC_WRITE);
    ck_assert_int_eq(call_mmu_update(0, ptr_to(ram(A4), 300), 0), 0);
    check_world();
}
END_TEST

/* ---- mmu_update ---- */

START_TEST(entries_are_adjusted_as_xen_does)
{
    tree_build();
    /* The kernel's entries get the user bit, and say so; user pages are global. */
    ck_assert_uint_eq(*entry(ram(K1), 0), pte(ram(D0), PTE_P | PTE_RW | PTE_USER | PTE_GUEST_KERNEL));
    ck_assert_uint_eq(*entry(ram(U1), 0), pte(ram(D2), PTE_P | PTE_RW | PTE_USER | PTE_G));
    ck_assert_uint_eq(*entry(ram(K2), 0), pte(ram(K1), DIR | PTE_USER));
    ck_assert_int_eq(call_mmu_update(0, ptr_to(ram(K1), 0), pte(ram(D1), PTE_P)), 0);
    ck_assert_uint_eq(*entry(ram(K1), 0), pte(ram(D1), PTE_P | PTE_USER | PTE_GUEST_KERNEL));
    ck_assert_int_eq(call_mmu_update(0, ptr_to(ram(K1), 0), 0x123456789abcdef0),
                     0); /* not present: anything */
    ck_assert_uint_eq(*entry(ram(K1), 0), 0x123456789abcdef0);
    check_world();
}
END_TEST

START_TEST(preserve_ad)
{
    uint64_t *e;

    tree_build();
    e = entry(ram(K1), 0);
    *e |= PTE_A | PTE_D;
    ck_assert_int_eq(call_mmu_update(0, ptr_to(ram(K1), 0) | MMU_PT_UPDATE_PRESERVE_AD, pte(ram(D0), PTE_P)),
                     0);
    ck_assert_uint_eq(*e, pte(ram(D0), PTE_P | PTE_USER | PTE_GUEST_KERNEL | PTE_A | PTE_D));
    ck_assert_int_eq(call_mmu_update(0, ptr_to(ram(K1), 0), pte(ram(D0), PTE_P)), 0);
    ck_assert_uint_eq(*e, pte(ram(D0), PTE_P | PTE_USER | PTE_GUEST_KERNEL));
    check_world();
}
END_TEST

START_TEST(update_of_plain_frames_and_commands)
{
    tree_build();
    ck_assert_int_eq(call_mmu_update(0, ptr_to(ram(D0), 7), 0x1234), 0); /* no table: a store */
    ck_assert_uint_eq(*entry(ram(D0), 7), 0x1234);
    ck_assert_int_eq(call_mmu_update(0, ptr_to(ram(SPARE), 7), 0x5678), 0);
    ck_assert_int_eq(call_mmu_update(0, ptr_to(MFN(WORLD_FOREIGN), 0), 0), -XEN_EINVAL);
    ck_assert_int_eq(call_mmu_update(0, ptr_to(MFN(0), 0), 0), -XEN_EINVAL);
    ck_assert_int_eq(call_mmu_update(0, ~7ul, 0), -XEN_EINVAL);
    ck_assert_int_eq(call_mmu_update(0, ptr_to(ram(D0), 0) | MMU_PT_UPDATE_NO_TRANSLATE, 5), 0);
    ck_assert_int_eq(call_mmu_update(0, ptr_to(ram(D0), 0) | 4, 5), -XEN_ENOSYS);
    ck_assert_int_eq(call_mmu_update(0, ptr_to(ram(D0), 0) | MMU_MACHPHYS_UPDATE, 0x77), 0);
    ck_assert_uint_eq(machine.m2p[ram(D0).n], 0x77);
    ck_assert_int_eq(call_mmu_update(0, ptr_to(MFN(WORLD_FOREIGN), 0) | MMU_MACHPHYS_UPDATE, 1), -XEN_EINVAL);
    check_world();
}
END_TEST

START_TEST(batch_stops_at_the_first_error_and_says_where)
{
    struct mmu_update req[40];
    uint32_t done = 99;

    tree_build();
    for (unsigned i = 0; i < 40; i++)
        req[i] = (struct mmu_update){ptr_to(ram(K1), 100 + i), pte(ram(D1), PTE_P)};
    req[35].val |= PTE_PCD;
    ck_assert_int_eq(
        hc_mmu_update(&world.v[0], (uint64_t[6]){(uint64_t)req, 40, (uint64_t)&done, DOMID_SELF}),
        -XEN_EINVAL);
    ck_assert_uint_eq(done, 35);
    ck_assert_uint_ne(*entry(ram(K1), 134), 0);
    ck_assert_uint_eq(*entry(ram(K1), 135), 0);
    ck_assert_uint_eq(*entry(ram(K1), 136), 0);
    check_world();
    ck_assert_int_eq(hc_mmu_update(&world.v[0], (uint64_t[6]){8, 1, (uint64_t)&done, DOMID_SELF}),
                     -XEN_EFAULT);
    ck_assert_uint_eq(done, 0);
    ck_assert_int_eq(hc_mmu_update(&world.v[0], (uint64_t[6]){8, 0, 0, DOMID_SELF}), 0);
    /* As continued by Xen: what was done before counts. */
    done = 7;
    ck_assert_int_eq(
        hc_mmu_update(&world.v[0], (uint64_t[6]){(uint64_t)req, 0x80000002, (uint64_t)&done, DOMID_SELF}), 0);
    ck_assert_uint_eq(done, 9);
}
END_TEST

START_TEST(foreign_domains)
{
    struct mmu_update req = {ptr_to(ram(K1), 9), pte(ram(D1), PTE_P)};
    struct mmu_update io = {ptr_to(ram(K1), 9), pte(MFN(0xfee00), PTE_P)};
    struct mmu_update dir = {ptr_to(ram(K2), 9), 0};
    static const struct {
        uint32_t domid;
        int rc;
    } cases[] = {
        {DOMID_SELF, 0},
        {1, -XEN_ESRCH},
        {0, -XEN_EPERM},
        {2, -XEN_EPERM},
        {3, -XEN_ESRCH},
        {DOMID_XEN, -XEN_EPERM},
        {0x7fff, -XEN_ESRCH},
        {DOMID_IO, -XEN_EBUSY}, /* RAM, where only I/O memory may be */
        {DOMID_SELF | 2u << 16, 0} /* tables of domain 1: its own */,
        {DOMID_SELF | 3u << 16, -XEN_EPERM},
        {DOMID_SELF | 9u << 16, -XEN_ESRCH},
    };

    tree_build();
    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        ck_assert_int_eq(call_mmu_update(0, req.ptr, 0), 0); /* present, it would be a matter of flags only */
        ck_assert_msg(hc_mmu_update(&world.v[0], (uint64_t[6]){(uint64_t)&req, 1, 0, cases[i].domid}) ==
                          cases[i].rc,
                      "case %u", i);
        if (cases[i].domid >> 16 == 0 && cases[i].domid != DOMID_IO && cases[i].rc != 0)
            ck_assert_int_eq(hc_mmuext_op(&world.v[0], (uint64_t[6]){8, 0, 0, cases[i].domid}), cases[i].rc);
        if (cases[i].domid >> 16 == 0 && cases[i].rc != 0)
            ck_assert_int_eq(hc_update_va_mapping_otherdomain(
                                 &world.v[0], (uint64_t[6]){KERNEL_VA.va, req.val, 0, cases[i].domid}),
                             cases[i].rc);
    }
    ck_assert_int_eq(hc_mmu_update(&world.v[0], (uint64_t[6]){(uint64_t)&io, 1, 0, DOMID_IO}), -XEN_EPERM);
    ck_assert_int_eq(hc_mmu_update(&world.v[0], (uint64_t[6]){(uint64_t)&dir, 1, 0, DOMID_IO}), -XEN_EINVAL);
    ck_assert_int_eq(hc_mmuext_op(&world.v[0], (uint64_t[6]){8, 0, 0, DOMID_IO}), -XEN_EPERM);
    check_world();
}
END_TEST

/* ---- update_va_mapping ---- */

START_TEST(update_va_mapping)
{
    uint64_t mask = 3;

    tree_build();
    ck_assert_int_eq(call_update_va(0, KERNEL_VA, pte(ram(D1), PTE_P), UVMF_INVLPG | UVMF_ALL), 0);
    ck_assert_uint_eq(*entry(ram(K1), 0), pte(ram(D1), PTE_P | PTE_USER | PTE_GUEST_KERNEL));
    ck_assert_int_eq(call_update_va(0, KERNEL_VA, 0, UVMF_TLB_FLUSH | (uint64_t)&mask), 0);
    ck_assert_int_eq(call_update_va(0, KERNEL_VA, 0, UVMF_INVLPG | 8), -XEN_EFAULT);
    ck_assert_int_eq(call_update_va(0, va_of(273, 0, 0, 0), 0, 0), -XEN_EINVAL);
    ck_assert_int_eq(call_update_va(0, va_of(272, 1, 0, 0), 0, 0), -XEN_EINVAL);
    ck_assert_int_eq(call_update_va(0, GVA(HYPERVISOR_VIRT_START), 0, 0), -XEN_EINVAL);
    ck_assert_int_eq(call_update_va(0, GVA(1ul << 47), 0, 0), -XEN_EINVAL);
    ck_assert_int_eq(call_update_va(1, KERNEL_VA, 0, 0), -XEN_EINVAL); /* a vCPU without tables */
    check_world();
}
END_TEST

/* ---- stores that the kernel makes itself ---- */

START_TEST(trapped_stores)
{
    uint64_t e = pte(ram(D1), PTE_P | PTE_RW);
    uint8_t byte = 0;
    uint32_t high = 0x80000000;
    uint64_t bad = pte(MFN(WORLD_FOREIGN), PTE_P);

    tree_build();
    ck_assert(mm_trapped_write(&world.v[0], ram(K1), 8 * 50, &e, 8));
    ck_assert_uint_eq(*entry(ram(K1), 50), e | PTE_USER | PTE_GUEST_KERNEL);
    check_world();
    ck_assert(mm_trapped_write(&world.v[0], ram(K1), 8 * 50 + 4, &high, 4)); /* NX, and bit 52 goes */
    ck_assert_uint_eq(*entry(ram(K1), 50), e | PTE_USER | PTE_NX | PTE_G);
    ck_assert(mm_trapped_write(&world.v[0], ram(K1), 8 * 50, &byte, 1)); /* not present any more */
    ck_assert(!(*entry(ram(K1), 50) & PTE_P));
    check_world();
    ck_assert(!mm_trapped_write(&world.v[0], ram(K1), 8 * 50, &bad, 8));
    ck_assert(!mm_trapped_write(&world.v[0], ram(K1), 8 * 50 + 4, &e, 8));
    ck_assert(!mm_trapped_write(&world.v[0], ram(K1), 8 * 50, &e, 16));
    ck_assert(!mm_trapped_write(&world.v[0], ram(K1), 8 * 50, &e, 3));
    ck_assert(!mm_trapped_write(&world.v[0], ram(K1), 4096, &e, 8));
    ck_assert(!mm_trapped_write(&world.v[0], ram(K2), 8 * 50, &e, 8));
    ck_assert(!mm_trapped_write(&world.v[0], ram(D0), 8 * 50, &e, 8));
    check_world();
}
END_TEST

START_TEST(trapped_compare_and_exchange)
{
    uint64_t was, zero = 0;
    uint32_t low, low_new = 0;
    bool stored;

    tree_build();
    was = *entry(ram(K1), 0);
    *entry(ram(K1), 0) |= PTE_D; /* another vCPU's walk */
    ck_assert(mm_trapped_cmpxchg(&world.v[0], ram(K1), 0, &was, &zero, 8, &stored));
    ck_assert(!stored);
    ck_assert_uint_eq(was, *entry(ram(K1), 0));
    ck_assert(mm_trapped_cmpxchg(&world.v[0], ram(K1), 0, &was, &zero, 8, &stored));
    ck_assert(stored);
    ck_assert_uint_eq(*entry(ram(K1), 0), 0);
    low = (uint32_t)*entry(ram(K1), 2);
    ck_assert(mm_trapped_cmpxchg(&world.v[0], ram(K1), 16, &low, &low_new, 4, &stored) && stored);
    check_world();
    ck_assert(!mm_trapped_cmpxchg(&world.v[0], ram(K1), 17, &low, &low_new, 4, &stored));

    /* A new entry whose references were taken in vain. */
    lock_acquire(&world.d.mm_lock);
    was = 1;
    ck_assert_int_eq(mm_update_entry(&world.v[0], &world.d, ram(K1), 80, pte(ram(D3), PTE_P | PTE_RW),
                                     MM_UPDATE_CMPXCHG, &was, false),
                     -XEN_EAGAIN);
    lock_release(&world.d.mm_lock);
    ck_assert_uint_eq(was, 0);
    check_world();
}
END_TEST

/* ---- walks ---- */

START_TEST(walk_sets_accessed_and_dirty)
{
    struct translation t;
    uint32_t pfec;

    tree_build();
    ck_assert(walk(false, KERNEL_VA, ACCESS_READ, &t, &pfec));
    ck_assert_uint_eq(t.mfn.n, ram(D0).n);
    ck_assert(!t.writable && !t.trapped && t.global); /* the dirty bit isn't set yet */
    ck_assert_uint_eq(*entry(ram(K1), 0) & (PTE_A | PTE_D), PTE_A);
    ck_assert_uint_eq(*entry(ram(A4), 272) & *entry(ram(K3), 0) & *entry(ram(K2), 0) & (PTE_A | PTE_D),
                      PTE_A);
    ck_assert(walk(false, KERNEL_VA, ACCESS_WRITE, &t, &pfec));
    ck_assert(t.writable);
    ck_assert_uint_eq(*entry(ram(K1), 0) & (PTE_A | PTE_D), PTE_A | PTE_D);
    ck_assert(walk(false, KERNEL_VA, ACCESS_READ, &t, &pfec) && t.writable);
    check_world();
}
END_TEST

START_TEST(walk_faults)
{
    struct translation t;
    uint32_t pfec;

    tree_build();
    ck_assert_uint_eq(fault_of(false, va_of(272, 0, 0, 9), ACCESS_READ), 0);
    ck_assert_uint_eq(fault_of(true, va_of(0, 0, 0, 9), ACCESS_WRITE), PFEC_WRITE | PFEC_USER);
    ck_assert_uint_eq(fault_of(true, va_of(0, 0, 0, 1), ACCESS_WRITE), PFEC_PRESENT | PFEC_WRITE | PFEC_USER);
    ck_assert_uint_eq(fault_of(true, va_of(0, 0, 0, 1), ACCESS_FETCH), PFEC_PRESENT | PFEC_FETCH | PFEC_USER);
    ck_assert_uint_eq(fault_of(false, va_of(272, 0, 0, 2), ACCESS_WRITE), PFEC_PRESENT | PFEC_WRITE);
    ck_assert_uint_eq(fault_of(false, va_of(511, 0, 0, 2), ACCESS_FETCH), PFEC_FETCH);
    /* No user table: nothing is there. */
    ck_assert_int_eq(call_mmuext(0, MMUEXT_NEW_USER_BASEPTR, 0, 0), 0);
    ck_assert_uint_eq(fault_of(true, USER_VA, ACCESS_READ), PFEC_USER);
    /* A table that was made to lie: not the domain's frames. */
    *entry(ram(K1), 0) = pte(MFN(WORLD_FOREIGN), PTE_P | PTE_USER);
    ck_assert_uint_eq(fault_of(false, KERNEL_VA, ACCESS_READ), PFEC_PRESENT | PFEC_RSVD);
    *entry(ram(K1), 0) = pte(MFN(1ul << 39), PTE_P | PTE_USER);
    ck_assert_uint_eq(fault_of(false, KERNEL_VA, ACCESS_READ), PFEC_PRESENT | PFEC_RSVD);
    *entry(ram(K2), 0) = pte(MFN(0), PTE_P | PTE_USER);
    ck_assert_uint_eq(fault_of(false, KERNEL_VA, ACCESS_READ), PFEC_PRESENT | PFEC_RSVD);
    *entry(ram(K2), 0) = pte(ram(D1), PTE_P | PTE_USER | PTE_PSE);
    ck_assert_uint_eq(fault_of(false, KERNEL_VA, ACCESS_READ), PFEC_PRESENT | PFEC_RSVD);
    ck_assert(walk(false, USER_VA, ACCESS_WRITE, &t, &pfec) &&
              !t.global); /* the kernel sees the user's half */
}
END_TEST

START_TEST(walk_traps_stores_to_level_1_tables)
{
    gva_t at_k1 = va_of(272, 0, 0, 1);
    struct translation t;
    uint32_t pfec;

    tree_build();
    ck_assert(walk(false, at_k1, ACCESS_WRITE, &t, &pfec));
    ck_assert(t.trapped && !t.writable);
    ck_assert_uint_eq(t.mfn.n, ram(K1).n);
    ck_assert(walk(false, at_k1, ACCESS_READ, &t, &pfec) && !t.trapped && !t.writable);
    world.pv.vm_assist = 0;
    ck_assert_uint_eq(fault_of(false, at_k1, ACCESS_WRITE), PFEC_PRESENT | PFEC_WRITE);
    world.pv.vm_assist = 1ul << VMASST_TYPE_writable_pagetables;
    /* Upper levels are not written through. */
    ck_assert_int_eq(call_mmu_update(0, ptr_to(ram(K1), 1), pte(ram(K2), PTE_P)), 0);
    ck_assert_uint_eq(fault_of(false, at_k1, ACCESS_WRITE), PFEC_PRESENT | PFEC_WRITE);
    /* User code has no business there. */
    ck_assert_int_eq(call_mmu_update(0, ptr_to(ram(U1), 1), pte(ram(K1), PTE_P | PTE_USER)), 0);
    ck_assert_uint_eq(fault_of(true, va_of(0, 0, 0, 1), ACCESS_WRITE), PFEC_PRESENT | PFEC_WRITE | PFEC_USER);
}
END_TEST

START_TEST(walk_of_the_hypervisors_hole)
{
    gva_t m2p = GVA(MACH2PHYS_VIRT_START);
    struct translation t;
    uint32_t pfec;

    tree_build();
    ck_assert(walk(false, gva_add(m2p, 8 * ram(3).n), ACCESS_READ, &t, &pfec));
    ck_assert_uint_eq(t.mfn.n, 0);
    ck_assert(!t.writable && !t.trapped);
    ck_assert_uint_eq(fault_of(false, m2p, ACCESS_WRITE), PFEC_PRESENT | PFEC_WRITE);
    ck_assert_uint_eq(fault_of(false, m2p, ACCESS_FETCH), PFEC_PRESENT | PFEC_FETCH);
    ck_assert_uint_eq(fault_of(true, m2p, ACCESS_READ), PFEC_USER);
    ck_assert_uint_eq(fault_of(false, gva_add(m2p, machine.m2p_frames * PAGE_SIZE), ACCESS_READ), 0);
    ck_assert_uint_eq(fault_of(false, GVA(HYPERVISOR_VIRT_END - 1), ACCESS_READ), 0);
    ck_assert_uint_eq(fault_of(false, GVA(1ul << 47), ACCESS_READ), 0);
}
END_TEST

int main(void)
{
    TCase *tc = tcase_create("mm");

    tcase_add_test(tc, pin_takes_and_unpin_returns_all_references);
    tcase_add_test(tc, pin_refuses);
    tcase_add_test(tc, shared_info_is_no_table);
    tcase_add_loop_test(tc, update_refuses, 0, ARRAY_SIZE(bad_entries));
    tcase_add_loop_test(tc, promotion_refuses, 0, ARRAY_SIZE(bad_entries));
    tcase_add_test(tc, hypervisor_slots_are_not_the_guests);
    tcase_add_test(tc, recursive_mapping);
    tcase_add_test(tc, entries_are_adjusted_as_xen_does);
    tcase_add_test(tc, preserve_ad);
    tcase_add_test(tc, update_of_plain_frames_and_commands);
    tcase_add_test(tc, batch_stops_at_the_first_error_and_says_where);
    tcase_add_test(tc, foreign_domains);
    tcase_add_test(tc, update_va_mapping);
    tcase_add_test(tc, trapped_stores);
    tcase_add_test(tc, trapped_compare_and_exchange);
    tcase_add_test(tc, walk_sets_accessed_and_dirty);
    tcase_add_test(tc, walk_faults);
    tcase_add_test(tc, walk_traps_stores_to_level_1_tables);
    tcase_add_test(tc, walk_of_the_hypervisors_hole);
    return suite_run("mm", tc);
}
