/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The address spaces of a virtual machine, as distinct C types.
 *
 * gva_t  guest-virtual address, as guest code uses it, in bytes
 * pfn_t  pseudo-physical frame number: the guest's own contiguous numbering
 * mfn_t  machine frame number: what page-table entries and the Xen ABI hold
 *
 * A host address is a plain pointer (suffix _hva).  The only ways between them are
 * machine_hva() (mfn_t to pointer) and guest_access.h (gva_t to pointer or copy).
 */
#ifndef DIPTYCH_BASE_TYPES_H
#define DIPTYCH_BASE_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct {
    uint64_t va;
} gva_t;

typedef struct {
    uint64_t n;
} pfn_t;

typedef struct {
    uint64_t n;
} mfn_t;

#define GVA(x) ((gva_t){(uint64_t)(x)})
#define PFN(x) ((pfn_t){(uint64_t)(x)})
#define MFN(x) ((mfn_t){(uint64_t)(x)})

/*
 * Values at any address. x86 reads and writes each with one instruction, atomically unless it crosses a cache
 * line (SDM vol. 3, 9.1.1); in C it takes these types. For operands in guest memory, which lie where the
 * guest wants.
 */
typedef uint16_t unaligned_u16 __attribute__((aligned(1)));
typedef uint32_t unaligned_u32 __attribute__((aligned(1)));
typedef uint64_t unaligned_u64 __attribute__((aligned(1)));

#define PAGE_SHIFT 12
#define PAGE_SIZE  4096UL
#define PAGE_MASK  (~(PAGE_SIZE - 1))

#define MFN_INVALID MFN(~0UL)

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define likely(x)     __builtin_expect(!!(x), 1)
#define unlikely(x)   __builtin_expect(!!(x), 0)

/* True if the address is canonical for 48-bit virtual addresses (SDM vol. 1, 3.3.7.1). */
static inline bool gva_canonical(gva_t a)
{
    return (uint64_t)((int64_t)(a.va << 16) >> 16) == a.va;
}

static inline gva_t gva_add(gva_t a, uint64_t bytes)
{
    return GVA(a.va + bytes);
}

#endif
