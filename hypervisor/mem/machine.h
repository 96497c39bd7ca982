/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Machine memory: the frames that all domains of this process share out between them.
 *
 * One memfd, mapped once and contiguously, holds every frame; frame numbers run from 0 to
 * machine.nr_frames - 1.  The lowest frames hold the machine-to-phys table (M2P), which guests
 * see read-only at HYPERVISOR_VIRT_START; domain memory starts at machine.first_ram.
 * Host memory is taken only when a frame is touched.
 *
 * Every frame has a struct frame with its owner, its type in the sense of the Xen PV ABI, and what
 * the engine needs to know of it.
 */
#ifndef DIPTYCH_MEM_MACHINE_H
#define DIPTYCH_MEM_MACHINE_H

#include "base/types.h"

/* Frame types, exclusive while type_count > 0 (xen/include/asm-x86/mm.h has the same idea). */
enum frame_type {
    FRAME_NONE = 0,
    FRAME_WRITABLE,
    FRAME_SEGDESC,
    FRAME_L1,
    FRAME_L2,
    FRAME_L3,
    FRAME_L4,
};

#define DOMID_NOBODY 0x7fff

/* Flags in frame.flags; changed with atomic or/and. */
#define FRAME_PINNED    (1u << 0) /* MMUEXT_PIN_Lx_TABLE holds a type reference */
#define FRAME_VALIDATED (1u << 1) /* entries have been checked and counted for frame.type */
#define FRAME_XEN       (1u << 2) /* hypervisor's own (M2P, shared_info, grant): never freed to a heap */
#define FRAME_KERNEL_HALF \
    (1u << 3) /* page table that L4 slots from 272 on lead to, or have led to (pv/mm_types.c) */
#define FRAME_GIVEN_BACK (1u << 4) /* the domain gave it back; it is freed when ref_count falls to 0 */

/*
 * 40 bytes.  Fields owner..type_count and version belong to pv/ (domain's mm_lock held); the rest to engine/.
 */
struct frame {
    uint16_t owner;      /* domid, or DOMID_NOBODY */
    uint8_t type;        /* enum frame_type */
    uint8_t flags;       /* FRAME_* */
    uint32_t ref_count;  /* mappings and pins: 0 means that the frame can be freed */
    uint32_t type_count; /* references that need the current type */
    uint32_t m2p;        /* the owner's pfn, mirrored in the M2P table */
    /*
     * Engine: bit i set while vCPU slot i (machine-wide slot, see vcpu.h) has translations made from this
     * frame, or may hold a writable TLB entry for it.
     */
    uint32_t code_vcpus;
    uint32_t wtlb_vcpus;
    uint64_t code_lines; /* which 64-byte lines have been translated, a bit each */
    uint32_t
        direct_vcpus; /* bit i set while a stub of vCPU slot i may have the frame mapped writable (direct/) */
    uint32_t version; /* of a page table: counts changes of its entries. any thread reads */
};

struct machine {
    int memfd;
    uint8_t *base_hva; /* frame 0 */
    uint64_t nr_frames;
    uint64_t m2p_frames; /* frames 0 .. m2p_frames-1 hold the M2P table */
    mfn_t first_ram;
    uint64_t *m2p;        /* == base_hva: m2p[mfn] = pfn, INVALID_M2P_ENTRY where none */
    struct frame *frames; /* nr_frames of them, zero = free */
};

extern struct machine machine;

/*
 * Reserves address space for ram_frames frames beside the M2P table.  Called once, before any
 * domain exists.  0, or -errno with a message in *why naming what failed.
 */
int machine_init(uint64_t ram_frames, const char **why);

/*
 * Takes nr contiguous free frames for the domain (domid 1..0x7fef: 0 is how a free frame looks);
 * MFN_INVALID if there are none. Zero-filled.  From 512 frames on they begin on a 2 MiB boundary if that is
 * possible.  Any thread; light code may call it.
 */
mfn_t machine_alloc(uint16_t domid, uint64_t nr);

/*
 * Gives frames back: host memory is released, contents become zero, frame and M2P entries are cleared.
 * No vCPU may have translations of them any more.  Any thread; light code may call it.
 */
void machine_free(mfn_t first, uint64_t nr);

static inline bool machine_valid(mfn_t m)
{
    return m.n < machine.nr_frames;
}

/* Host address of a frame.  m must be valid. */
static inline void *machine_hva(mfn_t m)
{
    return machine.base_hva + (m.n << PAGE_SHIFT);
}

static inline struct frame *machine_frame(mfn_t m)
{
    return &machine.frames[m.n];
}

static inline mfn_t machine_mfn_of(const void *hva)
{
    return MFN((uint64_t)((const uint8_t *)hva - machine.base_hva) >> PAGE_SHIFT);
}

#endif
