/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Page tables of PV guests: calls between the mm_*.c files, and those that other files of the panel need
 * beyond panel.h.  See mm_types.c for the rules of references and types.
 *
 * Everything is light.  "Locked" means that the caller holds the domain's mm_lock.  The lock must not be held
 * over guest_write() (which may come back through mm_trapped_write) nor over engine_flush_vcpus().
 */
#ifndef DIPTYCH_PV_MM_H
#define DIPTYCH_PV_MM_H

#include "pv/pv.h"

/* Bits of page-table entries (SDM vol. 3, 4.5), and the one that Xen uses for itself. */
#define PTE_P            0x001ul
#define PTE_RW           0x002ul
#define PTE_USER         0x004ul
#define PTE_PWT          0x008ul
#define PTE_PCD          0x010ul
#define PTE_A            0x020ul
#define PTE_D            0x040ul
#define PTE_PSE          0x080ul /* in L1: PAT */
#define PTE_G            0x100ul
#define PTE_AVAIL        0xe00ul
#define PTE_ADDR         0x000ffffffffff000ul
#define PTE_AVAIL_HIGH   0x7ff0000000000000ul
#define PTE_GUEST_KERNEL 0x0010000000000000ul /* the guest left PTE_USER out, Xen has put it in */
#define PTE_NX           0x8000000000000000ul

#define PT_ENTRIES 512u

/* In the machine-to-physical table: no guest's frame. */
#define INVALID_M2P_ENTRY (~0ul)

/* L4 slots: the first of the hypervisor's hole, and of the guest kernel's half behind it. */
#define L4_XEN_FIRST    256u
#define L4_KERNEL_FIRST 272u

/*
 * frame.version: changes of entries in the lower bits, how often it became a table in the upper ones; the
 * former may run over.
 */
#define VERSION_CHANGES_BITS 20u

static inline mfn_t pte_mfn(uint64_t e)
{
    return MFN((e & PTE_ADDR) >> PAGE_SHIFT);
}

static inline uint64_t *pt_hva(mfn_t m)
{
    return machine_hva(m);
}

static inline uint64_t pte_read(const uint64_t *p)
{
    return __atomic_load_n(p, __ATOMIC_RELAXED);
}

/* Other vCPUs may be walking the table. */
static inline void pte_write(uint64_t *p, uint64_t e)
{
    __atomic_store_n(p, e, __ATOMIC_RELAXED);
}

/* Index into the table of a level (4..1) for an address. */
static inline unsigned pt_slot(gva_t a, unsigned level)
{
    return (unsigned)(a.va >> (PAGE_SHIFT + 9 * (level - 1))) & (PT_ENTRIES - 1);
}

/* An address that a guest may use itself: canonical and outside the hypervisor's hole. */
static inline bool gva_is_guest(gva_t a)
{
    return gva_canonical(a) && (a.va < HYPERVISOR_VIRT_START || a.va >= HYPERVISOR_VIRT_END);
}

static inline bool frame_is_table(const struct frame *f)
{
    return f->type >= FRAME_L1;
}

/* ---- mm_types.c (locked) ---- */

/*
 * mm_get_page() and mm_put_page() of panel.h, for callers on a vCPU's thread: v is that vCPU, NULL before
 * vCPUs run. A page-table type may only be asked for with the right v.  Errors are those of Xen: -XEN_EINVAL,
 * or what made a table's validation fail (-XEN_EBUSY, -XEN_EPERM).
 */
int mm_get(struct vcpu *v, struct domain *d, mfn_t m, enum frame_type type);
void mm_put(struct vcpu *v, struct domain *d, mfn_t m, enum frame_type type);

/* References of one entry of a table: level-1 entries; of a table of type FRAME_L2..FRAME_L4 in frame table.
 * Only for entries with PTE_P.  0 or -XEN_E*.  foreign_io: the caller named DOMID_IO, so that no RAM may be
 * mapped. */
int mm_get_l1e(struct domain *d, uint64_t e, bool foreign_io);
void mm_put_l1e(struct domain *d, uint64_t e);
int mm_get_dir_entry(struct vcpu *v, struct domain *d, mfn_t table, unsigned slot, uint64_t e,
                     enum frame_type type);
void mm_put_dir_entry(struct vcpu *v, struct domain *d, mfn_t table, uint64_t e, enum frame_type type);

/* An entry as Xen makes it of the guest's (xen/arch/x86/pv/mm.h has the same idea). */
static inline uint64_t mm_adjust_l1e(uint64_t e)
{
    if (!(e & PTE_P))
        return e;
    if (!(e & PTE_USER))
        e |= PTE_GUEST_KERNEL | PTE_USER;
    return e & PTE_GUEST_KERNEL ? e : e | PTE_G;
}

static inline uint64_t mm_adjust_dir_entry(uint64_t e)
{
    return e & PTE_P ? e | PTE_USER : e;
}

/* Bits that no present entry of an unprivileged guest may have.  No large pages; caching is ours. */
#define L1_DISALLOW  (PTE_PWT | PTE_PCD | PTE_PSE)
#define DIR_DISALLOW (PTE_PWT | PTE_PCD | PTE_PSE | PTE_G)

/* Says that the table and all below it may be reached from the kernel half. */
void mm_mark_kernel_half(mfn_t table);

/* MMUEXT_PIN_Lx_TABLE: a reference that lasts until unpinned. 0, -XEN_EINVAL, or as mm_get. */
int mm_pin(struct vcpu *v, struct domain *d, mfn_t m, enum frame_type type);
/* MMUEXT_UNPIN_TABLE. 0, or -XEN_EINVAL: not the domain's, not pinned. */
int mm_unpin(struct vcpu *v, struct domain *d, mfn_t m);

/* The domain gives the frame back: unpins it, and frees it now or when its last reference goes.  0,
 * -XEN_EINVAL (no such frame) or -XEN_ENXIO (not the domain's). */
int mm_give_back(struct vcpu *v, struct domain *d, mfn_t m);
/* Takes the list of dead frames off the domain; the caller frees them, after flushing all TLBs. Linked by
 * frame.m2p. */
mfn_t mm_take_dead(struct domain *d);

/* ---- mm_entry.c (locked) ---- */

enum mm_update_kind {
    MM_UPDATE_STORE,       /* *p = new */
    MM_UPDATE_PRESERVE_AD, /* *p = new | (*p & (A|D)), atomically */
    MM_UPDATE_CMPXCHG,     /* if *p == *expected; -XEN_EAGAIN and *expected changed if not */
};

/* Changes one entry of a validated table. off: byte offset, a multiple of 8.  0, -XEN_EAGAIN or what Xen
 * answers. */
int mm_update_entry(struct vcpu *v, struct domain *d, mfn_t table, unsigned off, uint64_t new,
                    enum mm_update_kind how, uint64_t *expected, bool foreign_io);

/* ---- mm_tlb.c: flushes, and base pointers ---- */

/* Whether FRAME_KERNEL_HALF tells all there is to know: false once there has been a recursive mapping. */
static inline bool kernel_tracked(const struct domain *d)
{
    return !__atomic_load_n(&d->pv->mm.kernel_untracked, __ATOMIC_RELAXED);
}

/* An entry of a table has been changed (locked; the new value is in place): notes what TLBs may no longer
 * keep. */
void mm_note_change(struct vcpu *v, struct domain *d, mfn_t table, unsigned slot, uint64_t old, uint64_t new);
/* MMUEXT_NEW_USER_BASEPTR; MFN(0): none. */
int mm_new_user_baseptr(struct vcpu *v, mfn_t l4);
/* For VCPUOP_initialise: gives a vCPU that doesn't run its base pointers, whose old ones are dropped (MFN(0):
 * none). self: calling vCPU. Takes mm_lock. 0 or -XEN_EINVAL. */
int mm_set_base_pointers(struct vcpu *self, struct vcpu *v, mfn_t kernel, mfn_t user);

/* Flushes on behalf of the guest. mask: bit = vCPU id; those that don't exist are ignored. */
void mm_flush_local(struct vcpu *v);
void mm_flush_mask(struct vcpu *v, uint64_t mask);
void mm_flush_page_mask(struct vcpu *v, uint64_t mask, gva_t a);
/* Reads a guest's bitmap of vCPUs. */
bool mm_read_vcpu_mask(struct vcpu *v, gva_t bitmap, uint64_t *mask);

static inline uint64_t mm_all_vcpus(const struct domain *d)
{
    return (1ul << d->nr_vcpus) - 1;
}

/* ---- mm_update.c ---- */

/* What domain a guest means: 0, with *io set for DOMID_IO; -XEN_ESRCH, -XEN_EPERM. DOMID_SELF is the caller,
 * its own number is refused, as Xen does. */
int mm_foreign_domain(struct vcpu *v, uint16_t domid, bool *io);

/* Sets a frame's entry in the machine-to-physical table. */
void mm_set_m2p(mfn_t m, uint64_t pfn);

/* ---- walk.c and mm_entry.c, for the engine ---- */

/*
 * As mm_trapped_write, for atomic instructions: stores the size bytes at data if those at expected are still
 * there.  False: the guest must see a page fault.  *stored says whether the bytes were as expected; if not,
 * expected has been replaced by what is there, and nothing was stored.  So accessed and dirty bits that
 * another vCPU sets between an instruction's load and its store are not lost.
 */
bool mm_trapped_cmpxchg(struct vcpu *v, mfn_t m, unsigned off, void *expected, const void *data,
                        unsigned size, bool *stored);

/*
 * user_space, user_region and user_pages of cpu/guest_ops.h: what direct execution needs to know of the
 * user's tables.
 */
uint64_t pv_user_space(const struct vcpu *v);
uint64_t pv_user_task(const struct vcpu *v);
bool pv_user_region(struct vcpu *v, gva_t a, struct user_region *r);
void pv_user_pages(struct vcpu *v, const struct user_region *r, unsigned first, unsigned n, uint64_t *page);

#endif
