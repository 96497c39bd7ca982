/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * FXSAVE, XSAVE and their kin: they act on areas larger than a probe covers. The guest's x87/SSE/AVX/AVX-512
 * state is live in the host CPU, so the host's own instruction moves it, with the guest's XCR0 as the mask
 * (SDM vol. 1, 13; vol. 2, FXSAVE).
 *
 * The host runs in 64-bit mode, where the instructions move all 16 vector registers. For a guest that is not
 * in 64-bit mode the upper eight are put back: in the area when saving, in the CPU when restoring.
 */
#include "cpu/xsave.h"
#include "engine/emulate.h"

/* Offsets in the area (SDM vol. 1, 13.4). */
#define AREA_MXCSR  24u
#define AREA_XMM8   288u
#define AREA_FXSAVE 512u

#define XCOMP_COMPACT (1UL << 63)

struct xsave_layout engine_xsave;

struct state_area {
    uint8_t bytes[XSAVE_AREA_MAX] __attribute__((aligned(64)));
};

/* XSTATE_BV and XCOMP_BV. */
static uint64_t saved(const struct state_area *area)
{
    return *(const uint64_t *)(area->bytes + XSAVE_HEADER);
}

static uint64_t compacted(const struct state_area *area)
{
    return *(const uint64_t *)(area->bytes + XSAVE_HEADER + 8);
}

static uint64_t requested(const struct engine_vcpu *e)
{
    return (e->v.gpr[RDX] << 32 | (uint32_t)e->v.gpr[RAX]) & e->v.xcr0;
}

/* Bytes of the area for these components. */
static unsigned area_size(uint64_t mask, bool compact)
{
    return compact ? xsave_size_compact(mask) : xsave_size(&engine_xsave, mask);
}

/* Where an extended component is; xcomp: XCOMP_BV, or 0 in the standard format. */
static unsigned component_at(unsigned i, uint64_t xcomp)
{
    return xcomp & XCOMP_COMPACT ? xsave_offset_compact(i, xcomp) : engine_xsave.offset[i];
}

/*
 * Bytes of an extended component that code in this mode can see: outside 64-bit mode not those of the upper
 * eight registers, nor any of ZMM16 and up.
 */
static unsigned component_visible(unsigned i, bool mode64)
{
    unsigned size = xsave_component_size(i);

    if (mode64 || i == 5)
        return size;
    return i == 7 ? 0 : size / 2;
}

/* The upper eight vector registers, as much of them as the guest has. */
struct upper {
    struct vreg r[8];
};

static void upper_read(struct upper *u, uint64_t xcr0)
{
    for (unsigned i = 0; i < 8; i++) {
        if (xcr0 & XCR0_AVX512)
            emulate_read_zmm(8 + i, &u->r[i]);
        else if (xcr0 & XCR0_AVX)
            emulate_read_ymm(8 + i, &u->r[i]);
        else
            emulate_read_xmm(8 + i, &u->r[i]);
    }
}

static void upper_write(const struct upper *u, uint64_t xcr0)
{
    for (unsigned i = 0; i < 8; i++) {
        if (xcr0 & XCR0_AVX512)
            emulate_write_zmm(8 + i, &u->r[i]);
        else if (xcr0 & XCR0_AVX)
            emulate_write_ymm(8 + i, &u->r[i]);
        else
            emulate_write_xmm(8 + i, &u->r[i]);
    }
}

/*
 * Where the area may not lie. FXSAVE and FXRSTOR look at whether the address is canonical first and at its
 * alignment then, XSAVE and its kin the other way round (as AMD's CPUs do, which the cases in
 * tests/cpu/regress were taken from; the manuals leave it open). Where alignment is checked, FXSAVE and
 * FXRSTOR at an odd word raise #AC.
 */
static bool area_misplaced(const struct engine_vcpu *e, const struct emulated_insn *in, bool fx,
                           unsigned *vector)
{
    bool misaligned = in->ea & (fx ? 15 : 63);

    if (fx && in->mode64 && !gva_canonical(GVA(in->ea)))
        *vector = in->stack_segment ? VEC_SS : VEC_GP;
    else if (misaligned)
        *vector = fx && alignment_checked(&e->v) && (in->ea & 3) ? VEC_AC : VEC_GP;
    else
        return false;
    return true;
}

/* Of n bytes from ea on, those on ea's page: XSAVE and its kin look at a page before they ask whether the
 * next is canonical. */
static unsigned page_part(uint64_t ea, unsigned n)
{
    unsigned room = (unsigned)(PAGE_SIZE - (ea & ~PAGE_MASK));

    return room < n ? room : n;
}

/* ---- storing ---- */

static void store_state(const struct emulated_insn *in, void *p, uint64_t mask)
{
    uint32_t lo = (uint32_t)mask, hi = (uint32_t)(mask >> 32);

    switch (in->op) {
    case EMU_FXSAVE:
        if (in->wide)
            __asm__ volatile("fxsave64 (%0)" : : "r"(p) : "memory");
        else
            __asm__ volatile("fxsave (%0)" : : "r"(p) : "memory");
        break;
    case EMU_XSAVEC:
        if (in->wide)
            __asm__ volatile("xsavec64 (%0)" : : "r"(p), "a"(lo), "d"(hi) : "memory");
        else
            __asm__ volatile("xsavec (%0)" : : "r"(p), "a"(lo), "d"(hi) : "memory");
        break;
    default:
        /*
         * XSAVEOPT too: the host's modified-state tracking knows nothing of the guest's areas, so all is
         * saved.
         */
        if (in->wide)
            __asm__ volatile("xsave64 (%0)" : : "r"(p), "a"(lo), "d"(hi) : "memory");
        else
            __asm__ volatile("xsave (%0)" : : "r"(p), "a"(lo), "d"(hi) : "memory");
        break;
    }
}

/* The area in host memory, if it is contiguous there and holds no code; or NULL. */
static void *area_hva(struct engine_vcpu *e, uint64_t ea, unsigned size)
{
    unsigned first = (unsigned)(PAGE_SIZE - (ea & ~PAGE_MASK));
    uint8_t *p = guest_hva(&e->v, GVA(ea), 1, true);

    if (!p || first >= size)
        return p;
    return guest_hva(&e->v, GVA(ea + first), 1, true) == p + first ? p : NULL;
}

/* Writes bytes first..end of a copy of the area to the guest's. */
static bool put_back(struct engine_vcpu *e, const struct emulated_insn *in, const struct state_area *copy,
                     unsigned first, unsigned end, struct guest_fault *f)
{
    return emulate_write(e, in, in->ea + first, copy->bytes + first, end - first, f);
}

/*
 * Writes back what was stored in a copy: of the extended components those that were asked for, or, by XSAVEC,
 * those in use. Neighbours go together.
 */
static bool put_components(struct engine_vcpu *e, const struct emulated_insn *in,
                           const struct state_area *copy, uint64_t mask, struct guest_fault *f)
{
    bool compact = in->op == EMU_XSAVEC;
    uint64_t stored = compact ? mask & saved(copy) : mask;
    unsigned first = 0, end = 0;

    for (unsigned i = 2; i < XSAVE_COMPONENTS; i++) {
        unsigned n = stored >> i & 1 ? component_visible(i, in->mode64) : 0;
        unsigned at = component_at(i, compact ? compacted(copy) : 0);

        if (!n)
            continue;
        if (at != end) {
            if (end && !put_back(e, in, copy, first, end, f))
                return false;
            first = at;
        }
        end = at + n;
    }
    return !end || put_back(e, in, copy, first, end, f);
}

static enum emulate_result do_store(struct engine_vcpu *e, const struct emulated_insn *in)
{
    bool fxsave = in->op == EMU_FXSAVE;
    uint64_t mask = requested(e);
    unsigned size = fxsave ? AREA_FXSAVE : area_size(mask, in->op == EMU_XSAVEC);
    unsigned fixed = fxsave ? AREA_FXSAVE : XSAVE_SIZE_LEGACY, top = in->mode64 ? AREA_FXSAVE : AREA_XMM8;
    struct state_area copy;
    struct guest_fault f;
    unsigned vector;
    bool x87;
    void *p;

    if (area_misplaced(e, in, fxsave, &vector))
        return emulate_raise(e, vector, true);
    /* Host pointers mustn't even pass through guest memory. */
    x87 = (fxsave || (mask & XCR0_X87)) && x87_area_exposes(e);
    p = in->mode64 && !x87 ? area_hva(e, in->ea, size) : NULL;
    if (p) {
        watch_data(e, in->ea, size, true);
        store_state(in, p, mask);
        return EMULATE_DONE;
    }
    /* FXSAVE looks at its last byte first. */
    if (!emulate_may_write(e, in, fxsave ? in->ea + size - 1 : in->ea, fxsave ? 1 : page_part(in->ea, size),
                           &f) ||
        !emulate_may_write(e, in, in->ea, size, &f))
        return emulate_raise_access(e, in->stack_segment, &f);
    if (!emulate_read(e, in, in->ea, copy.bytes, fixed, &f))
        return emulate_raise_access(e, in->stack_segment, &f);
    /* Outside 64-bit mode ZMM16 and up aren't in use, whatever they hold (SDM vol. 1, 13.6). */
    store_state(in, copy.bytes, in->mode64 ? mask : mask & ~(uint64_t)XCR0_ZMM_NEW);
    if (in->op == EMU_XSAVEC)
        *(uint64_t *)(copy.bytes + XSAVE_HEADER + 8) |= mask;
    if (x87 && (fxsave || (saved(&copy) & XCR0_X87)))
        x87_area_saved(e, copy.bytes, in->wide);
    if (!put_back(e, in, &copy, 0, top, &f) ||
        (!fxsave && (!put_back(e, in, &copy, XSAVE_HEADER, XSAVE_SIZE_LEGACY, &f) ||
                     !put_components(e, in, &copy, mask, &f))))
        return emulate_raise_access(e, in->stack_segment, &f);
    return EMULATE_DONE;
}

/* ---- loading ---- */

static enum emulate_result do_fxrstor(struct engine_vcpu *e, const struct emulated_insn *in)
{
    struct state_area copy; /* other vCPUs may write to the guest's: check and load the same bytes */
    struct guest_fault f;
    struct upper upper;
    unsigned vector;

    if (area_misplaced(e, in, true, &vector))
        return emulate_raise(e, vector, true);
    /* As FXSAVE, it looks at its last byte first. */
    if (!emulate_read(e, in, in->ea + AREA_FXSAVE - 1, copy.bytes, 1, &f) ||
        !emulate_read(e, in, in->ea, copy.bytes, AREA_FXSAVE, &f))
        return emulate_raise_access(e, in->stack_segment, &f);
    if (*(uint32_t *)(copy.bytes + AREA_MXCSR) & ~e->mxcsr_mask)
        return emulate_raise(e, VEC_GP, true);
    if (!in->mode64)
        upper_read(&upper, XCR0_SSE);
    x87_area_load(e, copy.bytes, in->wide);
    if (in->wide)
        __asm__ volatile("fxrstor64 (%0)" : : "r"(copy.bytes) : "memory");
    else
        __asm__ volatile("fxrstor (%0)" : : "r"(copy.bytes) : "memory");
    if (!in->mode64)
        upper_write(&upper, XCR0_SSE);
    return EMULATE_DONE;
}

/* Reads bytes first..end of the guest's area. */
static bool read_area(struct engine_vcpu *e, const struct emulated_insn *in, struct state_area *copy,
                      unsigned first, unsigned end, struct guest_fault *f)
{
    unsigned n;

    for (; first < end; first += n) {
        n = page_part(in->ea + first, end - first);
        if (!emulate_read(e, in, in->ea + first, copy->bytes + first, n, f))
            return false;
    }
    return true;
}

/* What XRSTOR would fault on in the header (SDM vol. 1, 13.8), with the guest's XCR0 for the host's. */
static bool header_ok(const struct engine_vcpu *e, const struct state_area *area)
{
    const uint64_t *h = (const uint64_t *)(area->bytes + XSAVE_HEADER);
    uint64_t present = saved(area), xcomp = compacted(area);
    bool compact = xcomp & XCOMP_COMPACT;

    if (present & ~e->v.xcr0)
        return false;
    if (compact ? (xcomp & ~XCOMP_COMPACT & ~e->v.xcr0) || (present & ~xcomp) : xcomp != 0)
        return false;
    for (unsigned i = 2; i < 8; i++)
        if (h[i] != 0 && (compact || i < 3))
            return false;
    return true;
}

/* And in MXCSR, which it looks at when it has seen that the components are there. */
static bool mxcsr_ok(const struct engine_vcpu *e, const struct state_area *area, uint64_t mask)
{
    uint64_t loads =
        compacted(area) & XCOMP_COMPACT ? mask & saved(area) & XCR0_SSE : mask & (XCR0_SSE | XCR0_AVX);

    return !loads || !(*(const uint32_t *)(area->bytes + AREA_MXCSR) & ~e->mxcsr_mask);
}

/* Whether bytes first..end of the area can be read; *seen: a page of which that is known. */
static bool area_there(struct engine_vcpu *e, const struct emulated_insn *in, unsigned first, unsigned end,
                       uint64_t *seen, struct guest_fault *f)
{
    const uint64_t bytes[] = {in->ea + first, in->ea + end - 1};
    uint8_t byte;

    for (unsigned i = 0; i < ARRAY_SIZE(bytes); i++) {
        if ((bytes[i] & PAGE_MASK) == *seen)
            continue;
        if (!emulate_read(e, in, bytes[i], &byte, 1, f))
            return false;
        *seen = bytes[i] & PAGE_MASK;
    }
    return true;
}

/*
 * The extended components that are asked for; of those that aren't in use it is only seen that they are
 * there.
 */
static bool read_components(struct engine_vcpu *e, const struct emulated_insn *in, struct state_area *copy,
                            uint64_t mask, struct guest_fault *f)
{
    uint64_t present = saved(copy), xcomp = compacted(copy);
    uint64_t seen = (in->ea + XSAVE_SIZE_LEGACY - 1) & PAGE_MASK;

    if (xcomp & XCOMP_COMPACT)
        mask &= xcomp;
    for (unsigned i = 2; i < XSAVE_COMPONENTS; i++) {
        unsigned at = component_at(i, xcomp), size = xsave_component_size(i);

        if (!(mask >> i & 1))
            continue;
        if (present >> i & 1 ? !read_area(e, in, copy, at, at + size, f)
                             : !area_there(e, in, at, at + size, &seen, f))
            return false;
    }
    return true;
}

static enum emulate_result do_xrstor(struct engine_vcpu *e, const struct emulated_insn *in)
{
    /* Outside 64-bit mode ZMM16 and up stay as they are, and so do the upper eight registers. */
    uint64_t mask = requested(e), loaded = in->mode64 ? mask : mask & ~(uint64_t)XCR0_ZMM_NEW;
    uint32_t lo = (uint32_t)loaded, hi = (uint32_t)(loaded >> 32);
    bool put_upper = !in->mode64 && (mask & (XCR0_SSE | XCR0_AVX | XCR0_ZMM_HI));
    struct state_area copy;
    struct guest_fault f;
    struct upper upper;
    unsigned vector;

    if (area_misplaced(e, in, false, &vector))
        return emulate_raise(e, vector, true);
    if (!read_area(e, in, &copy, 0, XSAVE_SIZE_LEGACY, &f))
        return emulate_raise_access(e, in->stack_segment, &f);
    if (!header_ok(e, &copy))
        return emulate_raise(e, VEC_GP, true);
    if (!read_components(e, in, &copy, mask, &f))
        return emulate_raise_access(e, in->stack_segment, &f);
    if (!mxcsr_ok(e, &copy, mask))
        return emulate_raise(e, VEC_GP, true);
    if (put_upper)
        upper_read(&upper, e->v.xcr0);
    if (mask & saved(&copy) & XCR0_X87)
        x87_area_load(e, copy.bytes, in->wide);
    if (in->wide)
        __asm__ volatile("xrstor64 (%0)" : : "r"(copy.bytes), "a"(lo), "d"(hi) : "memory");
    else
        __asm__ volatile("xrstor (%0)" : : "r"(copy.bytes), "a"(lo), "d"(hi) : "memory");
    if (put_upper)
        upper_write(&upper, e->v.xcr0);
    return EMULATE_DONE;
}

void engine_xcr0_set(struct vcpu *v, uint64_t xcr0)
{
    struct engine_vcpu *e = engine_of(v);

    if ((v->xcr0 ^ xcr0) & XCR0_AVX512 && e->avx512_seen)
        cache_flush(e);
    v->xcr0 = xcr0;
}

static enum emulate_result do_xgetbv(struct engine_vcpu *e)
{
    uint64_t value = e->v.xcr0;

    switch ((uint32_t)e->v.gpr[RCX]) {
    case 0:
        break;
    case 1: {
        uint32_t lo, hi;

        __asm__ volatile("xgetbv" : "=a"(lo), "=d"(hi) : "c"(1));
        value &= (uint64_t)hi << 32 | lo;
        break;
    }
    default:
        return emulate_raise(e, VEC_GP, true);
    }
    e->v.gpr[RAX] = (uint32_t)value;
    e->v.gpr[RDX] = value >> 32;
    return EMULATE_DONE;
}

enum emulate_result emulate_state(struct engine_vcpu *e, const struct emulated_insn *in)
{
    switch (in->op) {
    case EMU_FXRSTOR:
        return do_fxrstor(e, in);
    case EMU_XRSTOR:
        return do_xrstor(e, in);
    case EMU_XGETBV:
        return do_xgetbv(e);
    default:
        return do_store(e, in);
    }
}
