/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * FXSAVE, XSAVE and their kin: they act on areas larger than a probe covers. The guest's x87/SSE/AVX state is live in the host
 * CPU, so the host's own instruction moves it, with the guest's XCR0 as the mask.
 */
#include "engine/emulate.h"

static uint64_t guest_xcr0(const struct engine_vcpu *e)
{
    return e->v.xcr0;
}

/* Bytes of the standard-format area for these components (SDM vol. 1, 13.4). */
static unsigned xsave_size(uint64_t mask)
{
    return mask & 4 ? 832 : 576;
}

#define STATE_AREA_MAX 1024 /* legacy region, header, AVX */

struct state_area {
    uint8_t bytes[STATE_AREA_MAX] __attribute__((aligned(64)));
};

/* The area in host memory: guest memory itself where it is contiguous there, else a copy. */
static uint8_t *area_of(struct engine_vcpu *e, uint64_t ea, unsigned size, bool write, struct state_area *copy,
                        struct guest_fault *f)
{
    uint8_t *first = guest_hva(&e->v, GVA(ea), 1, write);

    if (first) {
        uint8_t *last = guest_hva(&e->v, GVA(ea + size - 1), 1, write);

        if (last == first + size - 1)
            return first;
    }
    if (!guest_read_fault(&e->v, GVA(ea), copy->bytes, size, f))
        return NULL;
    return copy->bytes;
}

static bool area_done(struct engine_vcpu *e, uint64_t ea, unsigned size, const uint8_t *p,
                      const struct state_area *copy, struct guest_fault *f)
{
    return p != copy->bytes || guest_write_fault(&e->v, GVA(ea), copy->bytes, size, f);
}

static enum emulate_result do_fxsave(struct engine_vcpu *e, const struct emulated_insn *in)
{
    struct state_area copy;
    struct guest_fault f;
    bool store = in->op == EMU_FXSAVE;
    uint8_t *p;

    if (in->ea & 15)
        return emulate_raise(e, VEC_GP, true);
    p = area_of(e, in->ea, 512, store, &copy, &f);
    if (!p)
        return emulate_raise_access(e, in->stack_segment, &f);
    if (store) {
        if (in->wide)
            __asm__ volatile("fxsave64 (%0)" : : "r"(p) : "memory");
        else
            __asm__ volatile("fxsave (%0)" : : "r"(p) : "memory");
        return area_done(e, in->ea, 512, p, &copy, &f) ? EMULATE_DONE : emulate_raise_access(e, in->stack_segment, &f);
    }
    if (p != copy.bytes) {
        /* other vCPUs may write to it: check and load the same bytes */
        __asm__ volatile("rep movsb" : : "D"(copy.bytes), "S"(p), "c"(512) : "memory");
        p = copy.bytes;
    }
    if (*(uint32_t *)(p + 24) & ~e->mxcsr_mask)
        return emulate_raise(e, VEC_GP, true);
    if (in->wide)
        __asm__ volatile("fxrstor64 (%0)" : : "r"(p) : "memory");
    else
        __asm__ volatile("fxrstor (%0)" : : "r"(p) : "memory");
    return EMULATE_DONE;
}

static enum emulate_result do_xsave(struct engine_vcpu *e, const struct emulated_insn *in)
{
    uint64_t mask = (e->v.gpr[RDX] << 32 | (uint32_t)e->v.gpr[RAX]) & guest_xcr0(e);
    uint32_t lo = (uint32_t)mask, hi = (uint32_t)(mask >> 32);
    unsigned size = xsave_size(mask);
    struct state_area copy;
    struct guest_fault f;
    uint8_t *p;

    if (in->ea & 63)
        return emulate_raise(e, VEC_GP, true);
    p = area_of(e, in->ea, size, true, &copy, &f);
    if (!p)
        return emulate_raise_access(e, in->stack_segment, &f);
    switch (in->op) {
    case EMU_XSAVE:
        if (in->wide)
            __asm__ volatile("xsave64 (%0)" : : "r"(p), "a"(lo), "d"(hi) : "memory");
        else
            __asm__ volatile("xsave (%0)" : : "r"(p), "a"(lo), "d"(hi) : "memory");
        break;
    case EMU_XSAVEOPT:
        /* The host's modified-state tracking knows nothing of the guest's areas: save all. */
        if (in->wide)
            __asm__ volatile("xsave64 (%0)" : : "r"(p), "a"(lo), "d"(hi) : "memory");
        else
            __asm__ volatile("xsave (%0)" : : "r"(p), "a"(lo), "d"(hi) : "memory");
        break;
    default:
        if (in->wide)
            __asm__ volatile("xsavec64 (%0)" : : "r"(p), "a"(lo), "d"(hi) : "memory");
        else
            __asm__ volatile("xsavec (%0)" : : "r"(p), "a"(lo), "d"(hi) : "memory");
        break;
    }
    return area_done(e, in->ea, size, p, &copy, &f) ? EMULATE_DONE : emulate_raise_access(e, in->stack_segment, &f);
}

/* What XRSTOR would fault on (SDM vol. 1, 13.8), with the guest's XCR0 for the host's. */
static bool xrstor_header_ok(const struct engine_vcpu *e, const uint8_t *p)
{
    const uint64_t *h = (const uint64_t *)(p + 512);
    uint64_t xcomp = h[1];

    if (h[0] & ~guest_xcr0(e))
        return false;
    if (xcomp >> 63) {
        if ((xcomp & ~(1UL << 63) & ~guest_xcr0(e)) || (h[0] & ~xcomp))
            return false;
    } else if (xcomp != 0) {
        return false;
    }
    for (unsigned i = 2; i < 8; i++)
        if (h[i] != 0 && (xcomp >> 63 || i < 3))
            return false;
    return true;
}

static enum emulate_result do_xrstor(struct engine_vcpu *e, const struct emulated_insn *in)
{
    uint64_t mask = (e->v.gpr[RDX] << 32 | (uint32_t)e->v.gpr[RAX]) & guest_xcr0(e);
    uint32_t lo = (uint32_t)mask, hi = (uint32_t)(mask >> 32);
    unsigned size = xsave_size(mask);
    struct state_area copy;
    struct guest_fault f;

    if (in->ea & 63)
        return emulate_raise(e, VEC_GP, true);
    if (!guest_read_fault(&e->v, GVA(in->ea), copy.bytes, size, &f))
        return emulate_raise_access(e, in->stack_segment, &f);
    if (!xrstor_header_ok(e, copy.bytes) ||
        ((mask & 6) && (*(uint32_t *)(copy.bytes + 24) & ~e->mxcsr_mask)))
        return emulate_raise(e, VEC_GP, true);
    if (in->wide)
        __asm__ volatile("xrstor64 (%0)" : : "r"(copy.bytes), "a"(lo), "d"(hi) : "memory");
    else
        __asm__ volatile("xrstor (%0)" : : "r"(copy.bytes), "a"(lo), "d"(hi) : "memory");
    return EMULATE_DONE;
}

static enum emulate_result do_xgetbv(struct engine_vcpu *e)
{
    uint64_t value;

    switch ((uint32_t)e->v.gpr[RCX]) {
    case 0:
        value = guest_xcr0(e);
        break;
    case 1: {
        uint32_t lo, hi;

        __asm__ volatile("xgetbv" : "=a"(lo), "=d"(hi) : "c"(1));
        value = ((uint64_t)hi << 32 | lo) & guest_xcr0(e);
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
    case EMU_FXSAVE:
    case EMU_FXRSTOR:
        return do_fxsave(e, in);
    case EMU_XRSTOR:
        return do_xrstor(e, in);
    case EMU_XGETBV:
        return do_xgetbv(e);
    default:
        return do_xsave(e, in);
    }
}
