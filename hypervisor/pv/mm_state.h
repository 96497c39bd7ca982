/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the memory hypercalls keep of a domain and of a vCPU.  All zero is the right start.
 */
#ifndef DIPTYCH_PV_MM_STATE_H
#define DIPTYCH_PV_MM_STATE_H

#include "base/types.h"

#define MM_E820_MAX 128u

/* The BIOS's INT 0x15, EAX=0xE820 format, which XENMEM_memory_map has. */
struct mm_e820_entry {
    uint64_t addr, size;
    uint32_t type;
} __attribute__((packed));

/* mm_lock guards all of it, unless said otherwise. */
struct mm_domain {
    uint64_t kernel_gen; /* counts changes that kernel-half TLB entries must not outlive; see mm_tlb.c. any
                            thread */
    uint64_t l4_tag; /* last tag given out to a group of L4 tables with the same kernel half; see mm_tlb.c */
    bool kernel_untracked; /* a recursive mapping exists or has existed: kernel_gen tells nothing */
    mfn_t dead;       /* frames given back, unreferenced, not yet freed: a list through frame.m2p; 0: none */
    unsigned nr_e820; /* XENMEM_set_memory_map; 0: never set */
    struct mm_e820_entry e820[MM_E820_MAX];
};

struct mm_vcpu {
    uint64_t kernel_gen; /* mm_domain.kernel_gen as of the last full flush of this vCPU's TLB. any thread */
};

#endif
