// SPDX-License-Identifier: MIT
/*
 * A page table is never writable for the guest, and names no frame that isn't the guest's.
 *
 * Every way to a writable or foreign mapping is tried: mapping a table writable, pinning a page that has a
 * writable mapping or wrong contents, entries with bad frames or levels, unpinning what is in use, direct
 * stores.  A broken hypervisor lets one through; what is refused must also have had no effect.
 */
#include "pvtest.h"

static long map_l1(uint64_t va, uint64_t entry)
{
    return hc_update_va_mapping(va, entry, UVMF_INVLPG);
}

static long pin(unsigned cmd, uint64_t mfn)
{
    struct mmuext_op op = {.cmd = cmd, .arg1.mfn = mfn};

    return hc_mmuext_op(&op, 1, NULL, DOMID_SELF);
}

/* No mapping of a table in use may be writable, nor of a frame that isn't ours. */
static void test_mappings(void)
{
    char *page = page_alloc(1);
    uint64_t va = (uint64_t)page, own = virt_to_mfn(page);
    uint64_t l4 = virt_to_mfn((void *)start_info->pt_base);
    uint64_t l1 = pte_machine(va, 1) / 4096;

    page[0] = 7;
    refused(map_l1(va, l4 * 4096 | PTE_RAM), "the top table mapped writable");
    refused(map_l1(va, l1 * 4096 | PTE_RAM), "the page's own table mapped writable");
    refused(map_l1(va, 0x7ffffffff000 | PTE_RAM), "a frame beyond memory");
    refused(map_l1(va, 0 | PTE_RAM), "the machine-to-phys table mapped writable");
    check_eq(pte_read(va, 1) & PTE_MFN, own * 4096, "entry unchanged");
    check_eq(page[0], 7, "page unchanged");
    check_eq(map_l1(va, l4 * 4096 | PTE_P | PTE_A), 0, "the top table mapped read-only");
    check_eq(((uint64_t *)page)[511], ((uint64_t *)start_info->pt_base)[511], "and what is seen there");
    check_eq(map_l1(va, own * 4096 | PTE_RAM), 0, "the page itself again");
    refused(map_l1(NONCANONICAL, own * 4096 | PTE_RAM), "at a non-canonical address");
    refused(map_l1(HYPERVISOR_VIRT_START, own * 4096 | PTE_RAM), "at the hypervisor's addresses");
    refused(map_l1(0x123456789000, own * 4096 | PTE_RAM), "where there is no table");
}

static void test_mmu_update(void)
{
    char *page = page_alloc(1);
    uint64_t at = pte_machine((uint64_t)page, 1), own = virt_to_machine(page);
    struct mmu_update u[3] = {
        {at | MMU_NORMAL_PT_UPDATE, own | PTE_RAM},
        {1UL << 52 | MMU_NORMAL_PT_UPDATE, own | PTE_RAM},
        {at | MMU_NORMAL_PT_UPDATE, own | PTE_RAM},
    };
    unsigned done = 99;

    refused(hc_mmu_update(u, 3, &done, DOMID_SELF), "an update outside of memory");
    check_eq(done, 1, "updates done before it");
    u[0] = (struct mmu_update){virt_to_machine(page) | MMU_NORMAL_PT_UPDATE, 0};
    refused(hc_mmu_update(u, 1, &done, DOMID_XEN), "an update in DOMID_XEN's name");
    refused_with(hc_mmu_update((void *)UNMAPPED, 1, NULL, DOMID_SELF), XEN_EFAULT, "updates from nowhere");
    u[0] = (struct mmu_update){at | MMU_PT_UPDATE_PRESERVE_AD, (own | PTE_P | PTE_RW) & ~(PTE_A | PTE_D)};
    *(volatile char *)page = 1;
    check_eq(hc_mmu_update(u, 1, &done, DOMID_SELF), 0, "PRESERVE_AD");
    check((pte_read((uint64_t)page, 1) & (PTE_A | PTE_D)) == (PTE_A | PTE_D), "A and D kept: %lx",
          pte_read((uint64_t)page, 1));
    u[0] = (struct mmu_update){own | MMU_MACHPHYS_UPDATE, virt_to_pfn(page)};
    check_eq(hc_mmu_update(u, 1, &done, DOMID_SELF), 0, "MACHPHYS_UPDATE");
    check_eq(mfn_to_pfn(own / 4096), virt_to_pfn(page), "M2P entry");
    u[0].ptr = 1UL << 50 | MMU_MACHPHYS_UPDATE;
    refused(hc_mmu_update(u, 1, &done, DOMID_SELF), "MACHPHYS_UPDATE of no frame");
}

/* Tables to be: refused while writable, with bad entries, at the wrong level. */
static void test_pinning(void)
{
    uint64_t *l1 = page_alloc(1), *l2 = page_alloc(1), *page = page_alloc(1);

    refused(pin(MMUEXT_PIN_L1_TABLE, virt_to_mfn(l1)), "a table with a writable mapping");
    refused(pin(MMUEXT_PIN_L4_TABLE, 1UL << 40), "a table in no frame");
    l1[0] = 1UL << 45 | PTE_P;
    page_make_table(l1);
    refused(pin(MMUEXT_PIN_L1_TABLE, virt_to_mfn(l1)), "a table that names no frame of ours");
    check_eq(page_protect(l1, PTE_RAM), 0, "and it can be written again");
    l1[0] = virt_to_machine(l1) | PTE_RAM;
    page_make_table(l1);
    refused(pin(MMUEXT_PIN_L1_TABLE, virt_to_mfn(l1)), "a table that maps itself writable");
    check_eq(page_protect(l1, PTE_RAM), 0, "and it can be written again");
    l1[0] = virt_to_machine(page) | PTE_RAM;
    page_make_table(l1);
    check_eq(pin(MMUEXT_PIN_L1_TABLE, virt_to_mfn(l1)), 0, "a good table");
    refused(page_protect(l1, PTE_RAM), "a pinned table mapped writable");
    refused(pin(MMUEXT_PIN_L2_TABLE, virt_to_mfn(l1)), "a level 1 table pinned as level 2");
    l2[0] = virt_to_machine(l2) | PTE_P | PTE_RW | PTE_A;
    page_make_table(l2);
    refused(pin(MMUEXT_PIN_L2_TABLE, virt_to_mfn(l2)), "a level 2 table that names itself as level 1");
    check_eq(page_protect(l2, PTE_RAM), 0, "and it can be written again");
    l2[0] = virt_to_machine(l1) | PTE_P | PTE_RW | PTE_A;
    l2[1] = PTE_P | PTE_RW | PTE_A | PTE_PSE;
    page_make_table(l2);
    refused(pin(MMUEXT_PIN_L2_TABLE, virt_to_mfn(l2)), "a superpage");
    check_eq(page_protect(l2, PTE_RAM), 0, "and it can be written again");
    l2[1] = 0;
    page_make_table(l2);
    check_eq(pin(MMUEXT_PIN_L2_TABLE, virt_to_mfn(l2)), 0, "a good level 2 table");
    check_eq(pin(MMUEXT_UNPIN_TABLE, virt_to_mfn(l1)), 0, "the level 1 table unpinned");
    refused(page_protect(l1, PTE_RAM), "which the level 2 table still holds");
    refused(pin(MMUEXT_UNPIN_TABLE, virt_to_mfn(l1)), "unpinned twice");
    check_eq(pin(MMUEXT_UNPIN_TABLE, virt_to_mfn(l2)), 0, "the level 2 table unpinned");
    check_eq(page_protect(l2, PTE_RAM), 0, "both are pages again");
    check_eq(page_protect(l1, PTE_RAM), 0, "both are pages again");
    refused(pin(MMUEXT_UNPIN_TABLE, virt_to_mfn(page)), "a plain page unpinned");
    refused(pin(MMUEXT_NEW_BASEPTR, virt_to_mfn(page)), "a plain page as base pointer");
    refused(pin(MMUEXT_NEW_USER_BASEPTR, 1UL << 40), "no frame as user base pointer");
    refused_with(pin(99, 0), XEN_ENOSYS, "unknown mmuext_op");
}

static void store(void *p)
{
    *(volatile uint64_t *)p = 0;
}

/* Without the assist, a store to a read-only page table page is a page fault like any other. */
static void test_stores(void)
{
    uint64_t *page = page_alloc(1);

    page[5] = 55;
    page_make_table(page);
    raises(store, &page[5], 14, 3, "a store to a read-only page");
    check_eq(this_cpu()->info->arch.cr2, &page[5], "cr2");
    check_eq(page[5], 55, "unchanged");
    raises(store, (void *)UNMAPPED, 14, 2, "a store to nowhere");
    raises(store, (void *)MACH2PHYS_VIRT_START, 14, 3, "a store to the machine-to-phys table");
    check_eq(page_protect(page, PTE_RAM), 0, "the page writable again");
    store(&page[5]);
    check_eq(page[5], 0, "and written");
}

void guest_main(void)
{
    test_mappings();
    test_mmu_update();
    test_pinning();
    test_stores();
}
