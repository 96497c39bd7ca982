/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The state components that a guest may have in XCR0, and where XSAVE puts them (SDM vol. 1, 13.1 to 13.4).
 * Light.
 *
 * In the standard format the place of a component is the CPU's choice, except for AVX's. In the compacted one
 * those of XCOMP_BV follow each other; none of ours asks for alignment, nor needs it.
 */
#ifndef DIPTYCH_CPU_XSAVE_H
#define DIPTYCH_CPU_XSAVE_H

#include "base/types.h"

#define XCR0_X87     1u
#define XCR0_SSE     2u
#define XCR0_AVX     4u
#define XCR0_OPMASK  0x20u
#define XCR0_ZMM_HI  0x40u /* upper halves of ZMM0 to ZMM15 */
#define XCR0_ZMM_NEW 0x80u /* ZMM16 to ZMM31 */
#define XCR0_AVX512  (XCR0_OPMASK | XCR0_ZMM_HI | XCR0_ZMM_NEW)
#define XCR0_GUEST   (XCR0_X87 | XCR0_SSE | XCR0_AVX | XCR0_AVX512)

#define XSAVE_HEADER      512u /* behind the FXSAVE image */
#define XSAVE_SIZE_LEGACY 576u /* FXSAVE image and header */
#define XSAVE_OFFSET_AVX  576u
#define XSAVE_COMPONENTS  8u

/* The largest area, of the CPUs that have components of others' between AVX's and those of AVX-512. */
#define XSAVE_AREA_MAX 2816u

struct xsave_layout {
    uint16_t offset[XSAVE_COMPONENTS]; /* in the standard format; 0: not in the extended area, or not there */
};

/* Bytes of an extended component; 0: none of ours. */
static inline uint32_t xsave_component_size(unsigned i)
{
    return i == 2 ? 256 : i == 5 ? 64 : i == 6 ? 512 : i == 7 ? 1024 : 0;
}

/* Where component i is in the compacted format of these components. */
static inline uint32_t xsave_offset_compact(unsigned i, uint64_t components)
{
    uint32_t at = XSAVE_SIZE_LEGACY;

    for (unsigned k = 2; k < i; k++)
        at += components >> k & 1 ? xsave_component_size(k) : 0;
    return at;
}

/* Bytes that XSAVE uses for these components. */
static inline uint32_t xsave_size(const struct xsave_layout *x, uint64_t components)
{
    uint32_t end = XSAVE_SIZE_LEGACY;

    for (unsigned i = 2; i < XSAVE_COMPONENTS; i++)
        if (components >> i & 1 && x->offset[i] + xsave_component_size(i) > end)
            end = x->offset[i] + xsave_component_size(i);
    return end;
}

/* The same of XSAVEC. */
static inline uint32_t xsave_size_compact(uint64_t components)
{
    return xsave_offset_compact(XSAVE_COMPONENTS, components);
}

/* Whether XSETBV takes it from a CPU that has all of these (SDM vol. 1, 13.3). */
static inline bool xcr0_consistent(uint64_t xcr0)
{
    uint64_t wide = xcr0 & XCR0_AVX512;

    return xcr0 & XCR0_X87 && !(xcr0 & ~(uint64_t)XCR0_GUEST) && (!(xcr0 & XCR0_AVX) || xcr0 & XCR0_SSE) &&
           (!wide || (wide == XCR0_AVX512 && xcr0 & XCR0_AVX));
}

#endif
