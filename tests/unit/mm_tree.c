/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See mm_tree.h. */
#include "mm_tree.h"

#include <check.h>

void check_world(void)
{
    const char *bad = world_check();

    ck_assert_msg(!bad, "%s", bad);
    bad = world_check_protected();
    ck_assert_msg(!bad, "%s", bad);
}

void tree_fill(void)
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

void tree_build(void)
{
    tree_fill();
    ck_assert_int_eq(call_mmuext(0, MMUEXT_PIN_L4_TABLE, ram(A4).n, 0), 0);
    ck_assert_int_eq(call_mmuext(0, MMUEXT_PIN_L4_TABLE, ram(B4).n, 0), 0);
    ck_assert_int_eq(call_mmuext(0, MMUEXT_NEW_BASEPTR, ram(A4).n, 0), 0);
    ck_assert_int_eq(call_mmuext(0, MMUEXT_NEW_USER_BASEPTR, ram(A4).n, 0), 0);
    check_world();
}
