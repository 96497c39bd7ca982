// SPDX-License-Identifier: MIT
/*
 * Frames and page tables; see mm.h.
 */
#include "pvguest/mm.h"

#define POOL_PAGES 512

static char pool[POOL_PAGES][4096] __attribute__((aligned(4096)));
static unsigned pool_used;

void *page_alloc(unsigned nr)
{
    unsigned first = __atomic_fetch_add(&pool_used, nr, __ATOMIC_RELAXED);

    if (first + nr > POOL_PAGES)
        panic("page_alloc: out of pages");
    return pool[first];
}

long page_protect(void *page, uint64_t pte_flags)
{
    return hc_update_va_mapping((uint64_t)page, virt_to_mfn(page) * 4096 | pte_flags, UVMF_INVLPG | UVMF_ALL);
}

uint64_t pte_machine(uint64_t va, unsigned level)
{
    const uint64_t *table = (const uint64_t *)start_info->pt_base;

    for (unsigned at = 4;; at--) {
        const uint64_t *entry = &table[va >> (12 + 9 * (at - 1)) & 511];

        if (at == level)
            return virt_to_machine(entry);
        if (!(*entry & PTE_P))
            return 0;
        table = pfn_to_virt(mfn_to_pfn((*entry & PTE_MFN) / 4096));
    }
}

uint64_t pte_read(uint64_t va, unsigned level)
{
    uint64_t ma = pte_machine(va, level);

    return ma ? *(const uint64_t *)((const char *)pfn_to_virt(mfn_to_pfn(ma / 4096)) + ma % 4096) : 0;
}

void page_make_table(void *page)
{
    long ret = page_protect(page, PTE_P | PTE_A);

    if (ret)
        panic("can't make %p read-only: %ld", page, ret);
}

void user_init(struct user_space *u, uint64_t base)
{
    u->l4 = page_alloc(1);
    u->l3 = page_alloc(1);
    u->l2 = page_alloc(1);
    u->l1 = page_alloc(1);
    u->base = base;
    u->l4[base >> 39 & 511] = virt_to_machine(u->l3) | PTE_P | PTE_RW | PTE_US | PTE_A;
    u->l3[base >> 30 & 511] = virt_to_machine(u->l2) | PTE_P | PTE_RW | PTE_US | PTE_A;
    u->l2[base >> 21 & 511] = virt_to_machine(u->l1) | PTE_P | PTE_RW | PTE_US | PTE_A;
}

void user_map(struct user_space *u, uint64_t va, const void *page, uint64_t pte_flags)
{
    u->l1[va >> 12 & 511] = virt_to_machine(page) | pte_flags;
}

void user_commit(struct user_space *u)
{
    struct mmuext_op op[2] = {
        {.cmd = MMUEXT_PIN_L4_TABLE, .arg1.mfn = virt_to_mfn(u->l4)},
        {.cmd = MMUEXT_NEW_USER_BASEPTR, .arg1.mfn = virt_to_mfn(u->l4)},
    };
    long ret;

    page_make_table(u->l1);
    page_make_table(u->l2);
    page_make_table(u->l3);
    page_make_table(u->l4);
    ret = hc_mmuext_op(op, 2, NULL, DOMID_SELF);
    if (ret)
        panic("can't pin and load the user page table: %ld", ret);
}
