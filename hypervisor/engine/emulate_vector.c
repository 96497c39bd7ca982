/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Masked moves, gathers and scatters: vector instructions that access memory element by element, and only
 * where a mask says so.
 *
 * Light: the guest's vector registers are the host's. They are moved to and from memory by number; the
 * compiler knows nothing of them and uses none.
 */
#include "cpu/xsave.h"
#include "engine/emulate.h"

#define EACH_EIGHT(X)    X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7)
#define EACH_REGISTER(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12) X(13) X(14) X(15)

#define EACH_WIDE_REGISTER(X) \
    EACH_REGISTER(X)          \
    X(16) X(17) X(18) X(19) X(20) X(21) X(22) X(23) X(24) X(25) X(26) X(27) X(28) X(29) X(30) X(31)

uint64_t emulate_read_mask(unsigned n)
{
    uint64_t value = 0;

    switch (n & 7) {
#define X(i)                                                   \
    case i:                                                    \
        __asm__ volatile("kmovq %%k" #i ", %0" : "=r"(value)); \
        break;
        EACH_EIGHT(X)
#undef X
    }
    return value;
}

void emulate_write_mask(unsigned n, uint64_t value)
{
    switch (n & 7) {
#define X(i)                                                 \
    case i:                                                  \
        __asm__ volatile("kmovq %0, %%k" #i : : "r"(value)); \
        break;
        EACH_EIGHT(X)
#undef X
    }
}

void emulate_read_zmm(unsigned n, struct vreg *to)
{
    switch (n & 31) {
#define X(i)                                                       \
    case i:                                                        \
        __asm__ volatile("vmovdqu64 %%zmm" #i ", %0" : "=m"(*to)); \
        break;
        EACH_WIDE_REGISTER(X)
#undef X
    }
}

void emulate_write_zmm(unsigned n, const struct vreg *from)
{
    switch (n & 31) {
#define X(i)                                                       \
    case i:                                                        \
        __asm__ volatile("vmovdqu64 %0, %%zmm" #i : : "m"(*from)); \
        break;
        EACH_WIDE_REGISTER(X)
#undef X
    }
}

void emulate_read_xmm(unsigned n, struct vreg *to)
{
    switch (n & 15) {
#define X(i)                                                    \
    case i:                                                     \
        __asm__ volatile("movdqu %%xmm" #i ", %0" : "=m"(*to)); \
        break;
        EACH_REGISTER(X)
#undef X
    }
}

void emulate_read_ymm(unsigned n, struct vreg *to)
{
    switch (n & 15) {
#define X(i)                                                     \
    case i:                                                      \
        __asm__ volatile("vmovdqu %%ymm" #i ", %0" : "=m"(*to)); \
        break;
        EACH_REGISTER(X)
#undef X
    }
}

void emulate_write_xmm(unsigned n, const struct vreg *from)
{
    switch (n & 15) {
#define X(i)                                                    \
    case i:                                                     \
        __asm__ volatile("movdqu %0, %%xmm" #i : : "m"(*from)); \
        break;
        EACH_REGISTER(X)
#undef X
    }
}

void emulate_write_ymm(unsigned n, const struct vreg *from)
{
    switch (n & 15) {
#define X(i)                                                     \
    case i:                                                      \
        __asm__ volatile("vmovdqu %0, %%ymm" #i : : "m"(*from)); \
        break;
        EACH_REGISTER(X)
#undef X
    }
}

static void clear_from(struct vreg *v, unsigned first)
{
    for (unsigned i = first; i < sizeof(v->b); i++)
        v->b[i] = 0;
}

/* Whether element i of a mask is set: its highest bit counts. */
static bool enabled(const struct vreg *mask, size_t i, size_t element)
{
    return mask->b[(i + 1) * element - 1] & 0x80;
}

/*
 * Stores the enabled elements, from the lowest on. All are looked at before the first is stored, so a
 * fault leaves memory alone.
 */
static enum emulate_result store_enabled(struct engine_vcpu *e, const struct emulated_insn *in,
                                         const struct vreg *mask, const struct vreg *data, unsigned bytes,
                                         unsigned element)
{
    struct guest_fault f;

    for (size_t i = 0; i < bytes / element; i++)
        if (enabled(mask, i, element) &&
            !emulate_may_write(e, in, emulate_linear(in, in->offset + i * element), element, &f))
            return emulate_raise_access(e, in->stack_segment, &f);
    for (size_t i = 0; i < bytes / element; i++)
        if (enabled(mask, i, element) && !emulate_write(e, in, emulate_linear(in, in->offset + i * element),
                                                        &data->b[i * element], element, &f))
            return emulate_raise_access(e, in->stack_segment, &f);
    return EMULATE_DONE;
}

static enum emulate_result do_masked_load(struct engine_vcpu *e, const struct emulated_insn *in)
{
    struct vreg mask, data;
    struct guest_fault f;

    emulate_read_ymm(in->reg[1], &mask);
    clear_from(&data, 0);
    for (size_t i = 0; i < in->vector / in->element; i++)
        if (enabled(&mask, i, in->element) &&
            !emulate_read(e, in, emulate_linear(in, in->offset + i * in->element), &data.b[i * in->element],
                          in->element, &f))
            return emulate_raise_access(e, in->stack_segment, &f);
    emulate_write_ymm(in->reg[0], &data);
    return EMULATE_DONE;
}

static enum emulate_result do_masked_store(struct engine_vcpu *e, const struct emulated_insn *in)
{
    struct vreg mask, data;

    emulate_read_ymm(in->reg[0], &mask);
    emulate_read_ymm(in->reg[1], &data);
    return store_enabled(e, in, &mask, &data, in->vector, in->element);
}

/*
 * MASKMOVQ and MASKMOVDQU may fault on bytes that the mask leaves out (SDM vol. 2, MASKMOVDQU): CPUs check
 * the whole operand.
 */
static enum emulate_result store_bytes(struct engine_vcpu *e, const struct emulated_insn *in,
                                       const struct vreg *mask, const struct vreg *data, unsigned bytes)
{
    struct guest_fault f;

    if (!emulate_may_write(e, in, in->ea, bytes, &f))
        return emulate_raise_access(e, in->stack_segment, &f);
    return store_enabled(e, in, mask, data, bytes, 1);
}

static enum emulate_result do_maskmovdqu(struct engine_vcpu *e, const struct emulated_insn *in)
{
    struct vreg mask, data;

    emulate_read_xmm(in->reg[0], &data);
    emulate_read_xmm(in->reg[1], &mask);
    return store_bytes(e, in, &mask, &data, 16);
}

static void read_mm(unsigned n, struct vreg *to)
{
    switch (n & 7) {
#define X(i)                                                 \
    case i:                                                  \
        __asm__ volatile("movq %%mm" #i ", %0" : "=m"(*to)); \
        break;
        EACH_EIGHT(X)
#undef X
    }
}

#define FSW_ERROR_SUMMARY 0x80u

/*
 * An MMX instruction: a pending x87 exception comes first, and x87 turns to MMX state even if the store
 * faults.
 */
static enum emulate_result do_maskmovq(struct engine_vcpu *e, const struct emulated_insn *in)
{
    struct vreg mask, data;
    uint16_t status;

    __asm__ volatile("fnstsw %0" : "=m"(status));
    if (status & FSW_ERROR_SUMMARY)
        return emulate_raise(e, VEC_MF, false);
    read_mm(in->reg[0], &data);
    read_mm(in->reg[1], &mask);
    return store_bytes(e, in, &mask, &data, 8);
}

static uint64_t gather_offset(const struct emulated_insn *in, const struct vreg *index, size_t i)
{
    int64_t value;

    if (in->index_size == 4)
        value = ((const int32_t *)(const void *)index->b)[i];
    else
        value = ((const int64_t *)(const void *)index->b)[i];
    return in->offset + (uint64_t)value * in->scale;
}

/* The mask of a gather or scatter: a vector register's highest bits, or a mask register. */
struct elements {
    struct vreg vector;
    uint64_t bits;
};

/* Registers as wide as the guest has them, so that what lies above an operand can be kept. */
static void read_vector(const struct engine_vcpu *e, unsigned n, struct vreg *to)
{
    if (e->v.xcr0 & XCR0_AVX512)
        emulate_read_zmm(n, to);
    else
        emulate_read_ymm(n, to);
}

static void write_vector(const struct engine_vcpu *e, unsigned n, const struct vreg *from)
{
    if (e->v.xcr0 & XCR0_AVX512)
        emulate_write_zmm(n, from);
    else
        emulate_write_ymm(n, from);
}

static void elements_read(const struct engine_vcpu *e, const struct emulated_insn *in, struct elements *m)
{
    if (in->evex)
        m->bits = emulate_read_mask(in->reg[1]);
    else
        read_vector(e, in->reg[1], &m->vector);
}

static void elements_write(const struct engine_vcpu *e, const struct emulated_insn *in,
                           const struct elements *m)
{
    if (in->evex)
        emulate_write_mask(in->reg[1], m->bits);
    else
        write_vector(e, in->reg[1], &m->vector);
}

static bool element_enabled(const struct emulated_insn *in, const struct elements *m, size_t i)
{
    return in->evex ? m->bits >> i & 1 : enabled(&m->vector, i, in->element);
}

static void element_done(const struct emulated_insn *in, struct elements *m, size_t i)
{
    m->bits &= ~(1UL << i);
    for (unsigned k = 0; k < in->element; k++)
        m->vector.b[i * in->element + k] = 0;
}

/* How many elements a gather or scatter has. */
static unsigned element_count(const struct emulated_insn *in)
{
    return in->vector / (in->element > in->index_size ? in->element : in->index_size);
}

/*
 * Elements from the lowest on; each that is done clears its part of the mask, so that the instruction goes on
 * where a fault stopped it (SDM vol. 2, VPGATHERDD). On a fault the rest of the mask and of the destination
 * is as it was.
 */
static enum emulate_result do_gather(struct engine_vcpu *e, const struct emulated_insn *in)
{
    unsigned n = element_count(in), size = in->element;
    struct vreg index, data;
    struct elements mask;
    struct guest_fault f;
    bool ok = true, loaded = false;

    read_vector(e, in->reg[0], &data);
    read_vector(e, in->index, &index);
    elements_read(e, in, &mask);
    for (size_t i = 0; i < n; i++) {
        if (element_enabled(in, &mask, i)) {
            uint64_t ea = emulate_linear(in, gather_offset(in, &index, i));

            ok = emulate_read(e, in, ea, &data.b[i * size], size, &f);
            if (!ok)
                break;
            loaded = true;
        }
        element_done(in, &mask, i);
    }
    if (ok) {
        mask.bits = 0;
        clear_from(&mask.vector, n * size);
        clear_from(&data, n * size);
    } else if (in->evex && loaded) {
        clear_from(&data, in->vector); /* so AMD's CPUs, as soon as they write to the register */
    }
    write_vector(e, in->reg[0], &data);
    elements_write(e, in, &mask);
    return ok ? EMULATE_DONE : emulate_raise_access(e, in->stack_segment, &f);
}

/* As a gather; where elements overlap the higher one is stored last. */
static enum emulate_result do_scatter(struct engine_vcpu *e, const struct emulated_insn *in)
{
    unsigned n = element_count(in), size = in->element;
    struct vreg index, data;
    struct elements mask;
    struct guest_fault f;
    bool ok = true;

    emulate_read_zmm(in->reg[0], &data);
    emulate_read_zmm(in->index, &index);
    elements_read(e, in, &mask);
    for (size_t i = 0; i < n && ok; i++) {
        if (!element_enabled(in, &mask, i))
            continue;
        ok = emulate_write(e, in, emulate_linear(in, gather_offset(in, &index, i)), &data.b[i * size], size,
                           &f);
        if (ok)
            element_done(in, &mask, i);
    }
    if (ok)
        mask.bits = 0;
    elements_write(e, in, &mask);
    return ok ? EMULATE_DONE : emulate_raise_access(e, in->stack_segment, &f);
}

enum emulate_result emulate_vector(struct engine_vcpu *e, const struct emulated_insn *in)
{
    if (in->op == EMU_MASKMOVQ)
        return do_maskmovq(e, in);
    if (in->op == EMU_MASKMOVDQU)
        return do_maskmovdqu(e, in);
    if ((e->v.xcr0 & (XCR0_SSE | XCR0_AVX)) != (XCR0_SSE | XCR0_AVX))
        return emulate_raise(e, VEC_UD, false);
    switch (in->op) {
    case EMU_VMASKMOVDQU:
        return do_maskmovdqu(e, in);
    case EMU_MASKED_LOAD:
        return do_masked_load(e, in);
    case EMU_MASKED_STORE:
        return do_masked_store(e, in);
    case EMU_SCATTER:
        return do_scatter(e, in);
    default:
        return do_gather(e, in);
    }
}
