// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The hypercalls around page tables, one rule a test: base pointers and what a switch flushes, descriptors,
 * multicall, memory_op.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "mm_tree.h"
#include "suite.h"

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

/* What the user's base names is no matter to the kernel's half of the kernel's view; all else goes. */
START_TEST(user_base_keeps_the_kernels_half)
{
    uint32_t pfec;
    mfn_t m;

    tree_build();
    for (unsigned i = 0; i < 2; i++) { /* to none, and back from none */
        call_mmuext(0, MMUEXT_TLB_FLUSH_LOCAL, 0, 0);
        touch(KERNEL_VA);
        world.flush_all = 0;
        ck_assert_int_eq(call_mmuext(0, MMUEXT_NEW_USER_BASEPTR, i == 0 ? 0 : ram(A4).n, 0), 0);
        ck_assert(cached(KERNEL_VA));
        ck_assert_uint_eq(world.flush_all, 0);
        ck_assert_ptr_null(world_check_tlb(0));
    }
    engine_flush_all(&world.v[0]);
    ck_assert(world_access(0, true, KERNEL_VA, ACCESS_READ, &m, &pfec));
    ck_assert_int_eq(call_mmuext(0, MMUEXT_NEW_USER_BASEPTR, 0, 0), 0);
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
    TCase *tc = tcase_create("mm_calls");

    tcase_add_test(tc, switch_keeps_the_kernel_half);
    tcase_add_test(tc, switch_between_different_kernel_halves_flushes);
    tcase_add_test(tc, write_protected_page_can_become_a_table);
    tcase_add_test(tc, user_base_keeps_the_kernels_half);
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
    return suite_run("mm_calls", tc);
}
