/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The page tables that the tests of mm_*.c start from, in the world of mm_world.h. */
#ifndef DIPTYCH_TESTS_MM_TREE_H
#define DIPTYCH_TESTS_MM_TREE_H

#include "mm_world.h"

#define DIR (PTE_P | PTE_RW)

/* Frames' parts in the tree that tree_build() makes: two L4 tables, the kernel half shared. */
enum { A4, B4, K3, K2, K1, U3, U2, U1, D0, D1, D2, D3, SPARE };

#define KERNEL_VA va_of(272, 0, 0, 0)
#define USER_VA   va_of(0, 0, 0, 0)

/* Address of an entry, as mmu_update names it. */
static inline uint64_t ptr_to(mfn_t table, unsigned slot)
{
    return table.n << PAGE_SHIFT | slot * 8;
}

/*
 * The world anew. Kernel: slot 0 -> D0 rw, 1 -> K1 ro, 2 -> D1 ro. User: slot 0 -> D2 rw, 1 -> D3 ro and
 * no-execute.
 */
void tree_fill(void);

/* Fills and makes the guest run on it: both L4 tables pinned, A4 the base pointer of kernel and user. */
void tree_build(void);

/* Asserts all that must always hold (world_check(), world_check_protected()). */
void check_world(void);

#endif
