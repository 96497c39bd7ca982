// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Page tables and the hypercalls around them, one rule a test: what is refused, with which error; what
 * references remain; what a walk says; what a switch flushes.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "mm_world.h"

#define DIR (PTE_P | PTE_RW)

/* Frames' parts in the tree that tree_build() makes: two L4 tables, the kernel half shared. */
enum { A4, B4, K3, K2, K1, U3, U2, U1, D0, D1, D2, D3, SPARE };

#define KERNEL_VA va_of(272, 0, 0, 0)
#define USER_VA   va_of(0, 0, 0, 0)

static void check_world(void)
{
    const char *bad = world_check();

    ck_assert_msg(!bad, "%s", bad);
    bad = world_check_protected();
    ck_assert_msg(!bad, "%s", bad);
}

/* Kernel: slot 0 -> D0 rw, 1 -> K1 ro, 2 -> D1 ro. User: slot 0 -> D2 rw, 1 -> D3 ro and no-execute. */
static void tree_fill(void)
{
    world_reset();
    *entry(ram(A4), 272) = *entry(ram(B4), 272) = pte(ram(K3), DIR);
    *entry(ram(K3), 0) = pte(ram(K2), DIR);
    *entry(ram(K2), 0) = pte(ram(K1), DIR);
    *entry(ram(K1), 0) = pte(ram(D0), PTE_P | PTE_RW);
    *entry(ram(K1), 1) = pte(ram(K1), PTE_P);
    *entry(ram(K1), 2) = pte(ram(D1), PTE_P);
    *entry(ram(A4), 0) = pte(ram(U3), DIR | PTE_USER);
    *entry(ram(U3), 0) = pte(ram(U2), DIR | PTE_USER);
    *entry(ram(U2), 0) = pte(ram(U1), DIR | PTE_USER);
    *entry(ram(U1), 0) = pte(ram(D2), PTE_P | PTE_RW | PTE_USER);
    *entry(ram(U1), 1) = pte(ram(D3), PTE_P | PTE_USER | PTE_NX);
}

static void tree_build(void)
{
    tree_fill();
    ck_assert_int_eq(call_mmuext(0, MMUEXT_PIN_L4_TABLE, ram(A4).n, 0), 0);
    ck_assert_int_eq(call_mmuext(0, MMUEXT_PIN_L4_TABLE, ram(B4).n, 0), 0);
    ck_assert_int_eq(call_mmuext(0, MMUEXT_NEW_BASEPTR, ram(A4).n, 0), 0);
    ck_assert_int_eq(call_mmuext(0, MMUEXT_NEW_USER_BASEPTR, ram(A4).n, 0), 0);
    check_world();
}

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

static uint64_t ptr_to(mfn_t table, unsigned slot)
{
    return table.n << PAGE_SHIFT | slot * 8;
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

/* ---- base pointers and flushes ---- */

static void touch(gva_t a)
{
    uint32_t pfec;
    mfn_t m;

    ck_assert(world_access(0, false, a, ACCESS_READ, &m, &pfec));
}

static bool cached(gva_t a)
{
    for (unsigned i = 0; i < WORLD_TLB; i++)
        if (world.tlb[0][i].valid && world.tlb[0][i].page == a.va)
            return true;
    return false;
}

START_TEST(switch_keeps_the_kernel_half)
{
    tree_build();
    call_mmuext(0, MMUEXT_TLB_FLUSH_LOCAL, 0, 0);
    touch(KERNEL_VA);
    touch(USER_VA);
    ck_assert_int_eq(call_mmuext(0, MMUEXT_NEW_BASEPTR, ram(B4).n, 0), 0);
    ck_assert(cached(KERNEL_VA) && !cached(USER_VA));
    /* A mapping that is added changes nothing for what is there. */
    ck_assert_int_eq(call_update_va(0, va_of(272, 0, 0, 7), pte(ram(D1), PTE_P), 0), 0);
    ck_assert_int_eq(call_mmuext(0, MMUEXT_NEW_BASEPTR, ram(A4).n, 0), 0);
    ck_assert(cached(KERNEL_VA));
    /* One that is taken away does. */
    ck_assert_int_eq(call_update_va(0, va_of(272, 0, 0, 7), 0, 0), 0);
    ck_assert_int_eq(call_mmuext(0, MMUEXT_NEW_BASEPTR, ram(B4).n, 0), 0);
    ck_assert(!cached(KERNEL_VA));
    check_world();
}
END_TEST

START_TEST(switch_between_different_kernel_halves_flushes)
{
    tree_build();
    ck_assert_int_eq(call_mmu_update(0, ptr_to(ram(B4), 511), pte(ram(K3), DIR)), 0);
    call_mmuext(0, MMUEXT_TLB_FLUSH_LOCAL, 0, 0);
    touch(KERNEL_VA);
    ck_assert_int_eq(call_mmuext(0, MMUEXT_NEW_BASEPTR, ram(B4).n, 0), 0);
    ck_assert(!cached(KERNEL_VA));
}
END_TEST

/* The kernel takes the write bit from a page that becomes a page table: no flush of all, but no writable
 * entry. */
START_TEST(write_protected_page_can_become_a_table)
{
    gva_t a = va_of(272, 0, 0, 7);
    uint32_t pfec;
    mfn_t m;

    tree_build();
    ck_assert_int_eq(call_update_va(0, a, pte(ram(SPARE), PTE_P | PTE_RW | PTE_A | PTE_D), 0), 0);
    call_mmuext(0, MMUEXT_TLB_FLUSH_LOCAL, 0, 0);
    ck_assert(world_access(0, false, a, ACCESS_WRITE, &m, &pfec));
    touch(KERNEL_VA);
    ck_assert_int_eq(call_mmuext(0, MMUEXT_PIN_L1_TABLE, ram(SPARE).n, 0), -XEN_EINVAL);
    ck_assert_int_eq(call_update_va(0, a, pte(ram(SPARE), PTE_P | PTE_A | PTE_D), 0), 0);
    ck_assert_int_eq(call_mmuext(0, MMUEXT_PIN_L1_TABLE, ram(SPARE).n, 0), 0);
    check_world();
    ck_assert_int_eq(call_mmuext(0, MMUEXT_NEW_BASEPTR, ram(B4).n, 0), 0);
    ck_assert(cached(KERNEL_VA));
    ck_assert_ptr_null(world_check_tlb(0));
}
END_TEST

START_TEST(base_pointers_refuse)
{
    tree_build();
    ck_assert_int_eq(call_mmuext(0, MMUEXT_NEW_BASEPTR, 0, 0), -XEN_EINVAL);
    ck_assert_int_eq(call_mmuext(0, MMUEXT_NEW_BASEPTR, ram(K3).n, 0), -XEN_EINVAL);
    ck_assert_int_eq(call_mmuext(0, MMUEXT_NEW_BASEPTR, WORLD_FOREIGN, 0), -XEN_EINVAL);
    ck_assert_int_eq(call_mmuext(0, MMUEXT_NEW_USER_BASEPTR, ram(D0).n, 0), -XEN_EINVAL);
    ck_assert_uint_eq(world.pvv[0].cr3_kernel.n, ram(A4).n);
    ck_assert_uint_eq(world.pvv[0].cr3_user.n, ram(A4).n);
    /* In use, it stays a table when it is unpinned. */
    ck_assert_int_eq(call_mmuext(0, MMUEXT_UNPIN_TABLE, ram(A4).n, 0), 0);
    ck_assert_int_eq(machine_frame(ram(A4))->type, FRAME_L4);
    ck_assert_int_eq(call_mmuext(0, MMUEXT_NEW_USER_BASEPTR, 0, 0), 0);
    ck_assert_int_eq(call_mmuext(0, MMUEXT_NEW_BASEPTR, ram(B4).n, 0), 0);
    ck_assert_int_eq(machine_frame(ram(A4))->type, FRAME_NONE);
    check_world();
}
END_TEST

START_TEST(adopting_the_builders_tables)
{
    tree_fill();
    ck_assert_int_eq(mm_adopt_initial_tables(&world.d, ram(A4)), 0);
    ck_assert_uint_eq(world.pvv[0].cr3_kernel.n, ram(A4).n);
    ck_assert_int_eq(machine_frame(ram(A4))->type_count, 2);
    check_world();
    tree_fill();
    *entry(ram(K1), 9) = pte(MFN(WORLD_FOREIGN), PTE_P);
    ck_assert_int_ne(mm_adopt_initial_tables(&world.d, ram(A4)), 0);
    check_world();
}
END_TEST

START_TEST(other_mmuext)
{
    uint64_t mask = ~0ul;

    tree_build();
    memset(machine_hva(ram(D0)), 0x55, PAGE_SIZE);
    ck_assert_int_eq(call_mmuext(0, MMUEXT_COPY_PAGE, ram(D1).n, ram(D0).n), 0);
    ck_assert_uint_eq(*entry(ram(D1), 511), 0x5555555555555555);
    ck_assert_int_eq(call_mmuext(0, MMUEXT_CLEAR_PAGE, ram(D1).n, 0), 0);
    ck_assert_uint_eq(*entry(ram(D1), 511), 0);
    ck_assert_int_eq(call_mmuext(0, MMUEXT_CLEAR_PAGE, ram(K1).n, 0), -XEN_EINVAL);
    ck_assert_int_eq(call_mmuext(0, MMUEXT_COPY_PAGE, ram(K1).n, ram(D0).n), -XEN_EINVAL);
    ck_assert_int_eq(call_mmuext(0, MMUEXT_COPY_PAGE, ram(D0).n, WORLD_FOREIGN), -XEN_EINVAL);
    ck_assert_int_eq(call_mmuext(0, MMUEXT_COPY_PAGE, ram(D0).n, ram(K1).n), 0); /* a table may be read */
    ck_assert_int_eq(call_mmuext(0, MMUEXT_FLUSH_CACHE, 0, 0), -XEN_EACCES);
    ck_assert_int_eq(call_mmuext(0, MMUEXT_FLUSH_CACHE_GLOBAL, 0, 0), -XEN_EACCES);
    ck_assert_int_eq(call_mmuext(0, MMUEXT_MARK_SUPER, 0, 0), -XEN_EOPNOTSUPP);
    ck_assert_int_eq(call_mmuext(0, 14, 0, 0), -XEN_ENOSYS);
    ck_assert_int_eq(call_mmuext(0, 99, 0, 0), -XEN_ENOSYS);
    ck_assert_int_eq(call_mmuext(0, MMUEXT_INVLPG_LOCAL, KERNEL_VA.va, 0), 0);
    ck_assert_int_eq(call_mmuext(0, MMUEXT_INVLPG_ALL, 1ul << 47, 0), 0);
    ck_assert_int_eq(call_mmuext(0, MMUEXT_INVLPG_MULTI, KERNEL_VA.va, (uint64_t)&mask), 0);
    ck_assert_int_eq(call_mmuext(0, MMUEXT_TLB_FLUSH_MULTI, 0, 8), -XEN_EINVAL);
    ck_assert_int_eq(call_mmuext(0, MMUEXT_SET_LDT, 0x7000, 8192), 0);
    ck_assert_uint_eq(world.pvv[0].ldt_entries, 8192);
    ck_assert_int_eq(call_mmuext(0, MMUEXT_SET_LDT, 0x7000, 8193), -XEN_EINVAL);
    ck_assert_int_eq(call_mmuext(0, MMUEXT_SET_LDT, 0x7008, 1), -XEN_EINVAL);
    ck_assert_int_eq(call_mmuext(0, MMUEXT_SET_LDT, HYPERVISOR_VIRT_START, 1), -XEN_EINVAL);
    ck_assert_int_eq(call_mmuext(0, MMUEXT_SET_LDT, 1, 0), 0);
    check_world();
}
END_TEST

/* ---- descriptors ---- */

START_TEST(descriptors)
{
    static const struct {
        uint64_t in, out;
        bool ok;
    } cases[] = {
        {0, 0, true},
        {0x00af9a000000ffff, 0x00affa000000ffff, true}, /* kernel code: DPL 0 becomes 3 */
        {0x00cfb2000000ffff, 0x00cff2000000ffff, true}, /* data, DPL 1 */
        {0x00cff2000000ffff, 0x00cff2000000ffff, true},
        {0x0000890000000067, 0, false},                 /* TSS */
        {0x0000820000000fff, 0, false},                 /* LDT */
        {0x00008e0000101234, 0, false},                 /* interrupt gate */
        {0x00008c0000101234, 0x00008c0000131234, true}, /* call gate */
        {0x0000ec00e0331234, 0x00008c00e0331234, true}, /* to the flat kernel code segment */
        {0x0000ec00e0081234, 0, false},                 /* to Xen's own */
        {0x0000ec0100101234, 0, false},                 /* reserved bits */
        {0x0000090000000067, 0x0000090000000067, true}, /* not present */
        {0x0000800012345678, 0x0000800012345678, true}, /* type 0 */
    };

    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        uint64_t d = cases[i].in;

        ck_assert_msg(descriptor_fix(&d) == cases[i].ok, "case %u", i);
        if (cases[i].ok)
            ck_assert_msg(d == cases[i].out, "case %u: %lx", i, d);
    }
}
END_TEST

static int call_set_gdt(uint64_t *frames, unsigned entries)
{
    return (int)hc_set_gdt(&world.v[0], (uint64_t[6]){(uint64_t)frames, entries});
}

static int call_update_descriptor(uint64_t pa, uint64_t desc)
{
    return (int)hc_update_descriptor(&world.v[0], (uint64_t[6]){pa, desc});
}

START_TEST(gdt)
{
    uint64_t frames[] = {ram(SPARE).n, ram(SPARE + 1).n};
    uint64_t bad[] = {ram(SPARE + 1).n, ram(D0).n};

    tree_build();
    *entry(ram(SPARE), 2) = 0x00af9a000000ffff;
    ck_assert_int_eq(call_set_gdt(frames, 513), 0);
    ck_assert_uint_eq(*entry(ram(SPARE), 2), 0x00affa000000ffff);
    ck_assert_int_eq(machine_frame(ram(SPARE + 1))->type, FRAME_SEGDESC);
    check_world();
    ck_assert_int_eq(call_update_va(0, KERNEL_VA, pte(ram(SPARE), PTE_P | PTE_RW), 0), -XEN_EBUSY);
    ck_assert_int_eq(call_mmu_update(0, ptr_to(ram(SPARE), 0), 5), -XEN_EINVAL);
    ck_assert_int_eq(call_set_gdt(bad, 1024), -XEN_EINVAL); /* D0 is mapped writable */
    ck_assert_int_eq(call_set_gdt(frames, 7169), -XEN_EINVAL);
    ck_assert_int_eq(call_set_gdt((uint64_t *)8, 1), -XEN_EFAULT);
    check_world();
    ck_assert_int_eq(call_update_descriptor(ptr_to(ram(SPARE), 3), 0x00cf92000000ffff), 0);
    ck_assert_uint_eq(*entry(ram(SPARE), 3), 0x00cff2000000ffff);
    ck_assert_int_eq(call_update_descriptor(ptr_to(ram(SPARE), 3), 0x0000890000000067), -XEN_EINVAL);
    ck_assert_int_eq(call_update_descriptor(ptr_to(ram(SPARE), 3) + 4, 0), -XEN_EINVAL);
    ck_assert_int_eq(call_update_descriptor(ptr_to(ram(D0), 3), 0x00cff2000000ffff), 0); /* a plain frame */
    ck_assert_int_eq(call_update_descriptor(ptr_to(ram(K1), 3), 0), -XEN_EINVAL);
    ck_assert_int_eq(call_update_descriptor(ptr_to(MFN(WORLD_FOREIGN), 3), 0), -XEN_EINVAL);
    ck_assert_int_eq(call_set_gdt(frames, 0), 0);
    ck_assert_int_eq(machine_frame(ram(SPARE))->type, FRAME_NONE);
    check_world();
}
END_TEST

/* ---- multicall ---- */

START_TEST(multicall)
{
    struct mmu_update req = {ptr_to(ram(K1), 40), pte(ram(D1), PTE_P)};
    struct multicall_entry call[] = {
        {.op = __HYPERVISOR_mmu_update, .args = {(uint64_t)&req, 1, 0, DOMID_SELF}},
        {.op = __HYPERVISOR_iret},
        {.op = __HYPERVISOR_multicall, .args = {8, 0}},
        {.op = 63},
        {.op = ~0ul},
        {.op = __HYPERVISOR_update_va_mapping, .args = {KERNEL_VA.va, 0, 0}},
    };

    tree_build();
    for (unsigned i = 0; i < ARRAY_SIZE(call); i++)
        call[i].result = 0x5a5a;
    ck_assert_int_eq(hc_multicall(&world.v[0], (uint64_t[6]){(uint64_t)call, ARRAY_SIZE(call)}), 0);
    ck_assert_int_eq((int64_t)call[0].result, 0);
    ck_assert_int_eq((int64_t)call[1].result, -XEN_EINVAL);
    ck_assert_int_eq((int64_t)call[2].result, -XEN_EINVAL);
    ck_assert_int_eq((int64_t)call[3].result, -XEN_ENOSYS);
    ck_assert_int_eq((int64_t)call[4].result, -XEN_ENOSYS);
    ck_assert_int_eq((int64_t)call[5].result, 0);
    ck_assert_uint_eq(*entry(ram(K1), 0), 0);
    ck_assert_int_eq(hc_multicall(&world.v[0], (uint64_t[6]){8, 1}), -XEN_EFAULT);
    ck_assert(!world.pvv[0].in_multicall);
    ck_assert_int_eq(hc_multicall(&world.v[0], (uint64_t[6]){8, 0}), 0);
    check_world();
}
END_TEST

/* ---- memory_op ---- */

static int64_t call_memory(uint64_t cmd, void *arg)
{
    return hc_memory_op(&world.v[0], (uint64_t[6]){cmd, (uint64_t)arg});
}

static struct xen_memory_reservation extents(uint64_t *list, unsigned nr, unsigned order)
{
    struct xen_memory_reservation r = {.nr_extents = nr, .extent_order = order, .domid = DOMID_SELF};

    set_xen_guest_handle(r.extent_start, list);
    return r;
}

START_TEST(give_and_take)
{
    uint64_t list[] = {ram(20).n, ram(21).n, ram(22).n, WORLD_FOREIGN, ram(23).n};
    uint64_t pfns[] = {500, 600};
    struct xen_memory_reservation r;

    tree_build();
    r = extents(list, 5, 0);
    ck_assert_int_eq(call_memory(XENMEM_decrease_reservation, &r), 3);
    ck_assert_uint_eq(world.d.nr_pages, WORLD_RAM - 3);
    ck_assert_int_eq(machine_frame(ram(20))->owner, 0);
    check_world();
    r = extents(pfns, 2, 1);
    ck_assert_int_eq(call_memory(XENMEM_populate_physmap, &r), 2);
    ck_assert_uint_eq(world.d.nr_pages, WORLD_RAM + 1);
    ck_assert_uint_eq(machine.m2p[pfns[0]], 500);
    ck_assert_uint_eq(machine.m2p[pfns[1] + 1], 601);
    check_world();
    r = extents(list, 1, 0);
    r.extent_order = 10;
    ck_assert_int_eq(call_memory(XENMEM_populate_physmap, &r), 0);
    r = extents(pfns, 2, 3); /* more than max_pages */
    ck_assert_int_eq(call_memory(XENMEM_increase_reservation, &r), 0);
    r.domid = 0;
    ck_assert_int_eq(call_memory(XENMEM_decrease_reservation, &r), 0);
    ck_assert_int_eq(call_memory(XENMEM_decrease_reservation, (void *)8), 0);
    ck_assert_int_eq(call_memory(XENMEM_decrease_reservation | 7 << 6, (void *)8), 7);
    check_world();
}
END_TEST

/* A frame that is still mapped stays until its last mapping goes. */
START_TEST(give_back_while_in_use)
{
    uint64_t list[] = {ram(D0).n, ram(D0).n};
    struct xen_memory_reservation r;

    tree_build();
    r = extents(list, 2, 0);
    ck_assert_int_eq(call_memory(XENMEM_decrease_reservation, &r), 2);
    ck_assert_int_eq(machine_frame(ram(D0))->owner, 1);
    check_world();
    ck_assert_int_eq(call_update_va(0, KERNEL_VA, 0, 0), 0);
    ck_assert_int_eq(machine_frame(ram(D0))->owner, DOMID_NOBODY);
    ck_assert_uint_eq(world.d.nr_pages, WORLD_RAM - 1);
    ck_assert_int_eq(call_update_va(0, KERNEL_VA, pte(ram(D0), PTE_P), 0), -XEN_EBUSY);
    list[0] = ram(40).n;
    r = extents(list, 1, 0);
    ck_assert_int_eq(call_memory(XENMEM_decrease_reservation, &r), 1);
    ck_assert_int_eq(machine_frame(ram(D0))->owner, 0);
    check_world();
    /* A pinned table: unpinned first. */
    list[0] = ram(B4).n;
    ck_assert_int_eq(call_memory(XENMEM_decrease_reservation, &r), 1);
    ck_assert_int_eq(machine_frame(ram(B4))->owner, 0);
    check_world();
}
END_TEST

START_TEST(exchange)
{
    uint64_t in[] = {ram(20).n, ram(30).n}, out[] = {700};
    struct xen_memory_exchange x;

    tree_build();
    memset(&x, 0, sizeof(x));
    x.in = extents(in, 2, 0);
    x.out = extents(out, 1, 1);
    ck_assert_int_eq(call_memory(XENMEM_exchange, &x), 0);
    ck_assert_uint_eq(x.nr_exchanged, 2);
    ck_assert_uint_eq(machine.m2p[out[0] + 1], 701);
    ck_assert_uint_eq(world.d.nr_pages, WORLD_RAM);
    check_world();
    in[0] = ram(31).n;
    in[1] = ram(D0).n; /* in use */
    x.nr_exchanged = 0;
    ck_assert_int_eq(call_memory(XENMEM_exchange, &x), -XEN_EINVAL);
    ck_assert_uint_eq(x.nr_exchanged, 0);
    ck_assert_int_eq(machine_frame(ram(31))->owner, 1);
    check_world();
    x.in.nr_extents = 3;
    ck_assert_int_eq(call_memory(XENMEM_exchange, &x), -XEN_EINVAL);
    x.in.extent_order = 10;
    ck_assert_int_eq(call_memory(XENMEM_exchange, &x), -XEN_EPERM);
    ck_assert_int_eq(call_memory(XENMEM_exchange, (void *)8), -XEN_EFAULT);
    check_world();
}
END_TEST

START_TEST(memory_questions)
{
    domid_t self = DOMID_SELF, own = 1, zero = 0, nobody = 77;
    struct xen_machphys_mapping mapping;
    struct xen_machphys_mfn_list mfns = {.max_extents = 4};
    struct mm_e820_entry e820[2];
    struct xen_memory_map map = {.nr_entries = 2};
    struct xen_foreign_memory_map fmap = {.domid = DOMID_SELF};
    struct xen_add_to_physmap xatp = {.domid = DOMID_SELF, .space = XENMAPSPACE_shared_info};
    struct xen_remove_from_physmap xrfp = {.domid = DOMID_SELF, .gpfn = ram(0).n};
    uint64_t mfn[4];

    tree_build();
    ck_assert_int_eq(call_memory(XENMEM_maximum_ram_page, NULL), WORLD_FRAMES);
    ck_assert_int_eq(call_memory(XENMEM_maximum_ram_page | 1 << 6, NULL), -XEN_EINVAL);
    ck_assert_int_eq(call_memory(XENMEM_current_reservation, &self), WORLD_RAM);
    ck_assert_int_eq(call_memory(XENMEM_maximum_reservation, &own), WORLD_RAM + 8);
    ck_assert_int_eq(call_memory(XENMEM_maximum_gpfn, &self), WORLD_RAM - 1);
    ck_assert_int_eq(call_memory(XENMEM_maximum_gpfn, &zero), -XEN_EPERM);
    ck_assert_int_eq(call_memory(XENMEM_maximum_gpfn, &nobody), -XEN_ESRCH);
    ck_assert_int_eq(call_memory(XENMEM_maximum_gpfn, (void *)8), -XEN_EFAULT);
    ck_assert_int_eq(call_memory(XENMEM_machphys_mapping, &mapping), 0);
    ck_assert_uint_eq(mapping.v_start, HYPERVISOR_VIRT_START);
    ck_assert_uint_eq(mapping.max_mfn + 1, MACH2PHYS_NR_ENTRIES);
    set_xen_guest_handle(mfns.extent_start, mfn);
    ck_assert_int_eq(call_memory(XENMEM_machphys_mfn_list, &mfns), 0);
    ck_assert_uint_eq(mfns.nr_extents, 1);
    set_xen_guest_handle(map.buffer, e820);
    ck_assert_int_eq(call_memory(XENMEM_memory_map, &map), 0);
    ck_assert_uint_eq(map.nr_entries, 1);
    ck_assert_uint_eq(e820[0].size, (WORLD_RAM + 8) * PAGE_SIZE);
    ck_assert_uint_eq(e820[0].type, 1);
    e820[0] = (struct mm_e820_entry){0, 0x1000, 1};
    e820[1] = (struct mm_e820_entry){0x1000, 0x2000, 2};
    fmap.map = map;
    fmap.map.nr_entries = 2;
    ck_assert_int_eq(call_memory(XENMEM_set_memory_map, &fmap), 0);
    map.nr_entries = 9;
    ck_assert_int_eq(call_memory(XENMEM_memory_map, &map), 0);
    ck_assert_uint_eq(map.nr_entries, 2);
    fmap.map.nr_entries = 129;
    ck_assert_int_eq(call_memory(XENMEM_set_memory_map, &fmap), -XEN_EINVAL);
    ck_assert_int_eq(call_memory(XENMEM_machine_memory_map, &map), -XEN_EPERM);
    ck_assert_int_eq(call_memory(XENMEM_add_to_physmap, &xatp), -XEN_EACCES);
    ck_assert_int_eq(call_memory(XENMEM_remove_from_physmap, &xrfp), 0);
    xrfp.gpfn = WORLD_FOREIGN;
    ck_assert_int_eq(call_memory(XENMEM_remove_from_physmap, &xrfp), -XEN_ENOENT);
    ck_assert_int_eq(call_memory(XENMEM_get_pod_target, &map), -XEN_EPERM);
    ck_assert_int_eq(call_memory(8, &map), -XEN_ENOSYS);
    ck_assert_int_eq(call_memory(63, &map), -XEN_ENOSYS);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("mm");
    TCase *tc = tcase_create("mm");
    SRunner *sr;
    int failed;

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
    tcase_add_test(tc, switch_keeps_the_kernel_half);
    tcase_add_test(tc, switch_between_different_kernel_halves_flushes);
    tcase_add_test(tc, write_protected_page_can_become_a_table);
    tcase_add_test(tc, base_pointers_refuse);
    tcase_add_test(tc, adopting_the_builders_tables);
    tcase_add_test(tc, other_mmuext);
    tcase_add_test(tc, descriptors);
    tcase_add_test(tc, gdt);
    tcase_add_test(tc, multicall);
    tcase_add_test(tc, give_and_take);
    tcase_add_test(tc, give_back_while_in_use);
    tcase_add_test(tc, exchange);
    tcase_add_test(tc, memory_questions);
    suite_add_tcase(s, tc);
    sr = srunner_create(s);
    srunner_run_all(sr, CK_ENV);
    failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed != 0;
}
