/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Rare unprivileged instructions done in C: an instruction decoded, and what the files share.
 *
 * Files: emulate.c (fetch, dispatch, memory access), emulate_decode.c (decoder; heavy), emulate_state.c
 * (FXSAVE, XSAVE and their kin), emulate_integer.c (stack frames, decimal arithmetic, BOUND and the like),
 * emulate_vector.c (masked moves, gathers and scatters), emulate_x87.c (FNSTENV and its like, and the x87
 * pointers).
 */
#ifndef DIPTYCH_ENGINE_EMULATE_H
#define DIPTYCH_ENGINE_EMULATE_H

#include "cpu/vcpu.h"
#include "engine/internal.h"

enum emulated_op {
    EMU_NONE,
    EMU_FXSAVE,
    EMU_FXRSTOR,
    EMU_XSAVE,
    EMU_XSAVEOPT,
    EMU_XSAVEC,
    EMU_XRSTOR,
    EMU_FNSTENV,
    EMU_FNSAVE,
    EMU_FLDENV,
    EMU_FRSTOR,
    EMU_XGETBV,
    EMU_WRFSBASE,
    EMU_WRGSBASE,
    EMU_ENTER,
    EMU_PUSHA,
    EMU_POPA,
    EMU_DAA,
    EMU_DAS,
    EMU_AAA,
    EMU_AAS,
    EMU_AAM,
    EMU_AAD,
    EMU_SALC,
    EMU_INTO,
    EMU_BOUND,
    EMU_ARPL,
    EMU_MASKMOVQ,
    EMU_MASKMOVDQU,
    EMU_VMASKMOVDQU,
    EMU_MASKED_LOAD,  /* VMASKMOVPS/PD, VPMASKMOVD/Q from memory */
    EMU_MASKED_STORE, /* the same to memory */
    EMU_GATHER,       /* VGATHER*, VPGATHER*, with a vector or a mask register for mask */
    EMU_SCATTER,      /* VSCATTER*, VPSCATTER* */
};

/* In guest_fault.pfec: the operand is misaligned, and checked (~0u: the segment doesn't allow it, or it is
 * not canonical). */
#define FAULT_ALIGNMENT (~0u - 1)

struct emulated_insn {
    enum emulated_op op;
    uint8_t length;
    bool mode64;
    bool wide;          /* REX.W */
    bool stack_segment; /* the memory operand is relative to SS */
    bool has_memory;
    bool read_only; /* the memory operand is relative to CS outside 64-bit mode: stores are #GP(0) */
    uint8_t opsize; /* operand size in bytes */
    uint8_t adsize; /* address size in bytes */
    uint8_t stack;  /* size of the stack pointer in bytes */
    uint8_t nr_regs;
    uint8_t reg[3];     /* register operands in order, hardware numbers (vector registers too) */
    bool evex;          /* EVEX-encoded */
    uint8_t element;    /* of masked moves, gathers and scatters: bytes of an element */
    uint8_t index_size; /* of gathers and scatters: bytes of an index */
    uint8_t index;      /* of gathers and scatters: the vector register of the indices */
    uint8_t scale;      /* of gathers and scatters */
    uint8_t vector;     /* bytes of the vector operand: 16, 32 or 64 */
    uint32_t imm[2];
    uint64_t segment_base; /* of the memory operand, or of the stack */
    uint64_t
        offset;  /* of the memory operand in its segment, not yet cut to adsize; of gathers without index */
    uint64_t ea; /* linear address of the memory operand */
};

/* An instruction that translated code hands over with its operand already computed (special.h). */
enum emulate_result emulate_special(struct engine_vcpu *e, uint64_t value, uint32_t desc);

enum emulate_decoded {
    EMULATE_DECODED,  /* *out filled in; op is EMU_NONE if it is none of these */
    EMULATE_INVALID,  /* no instruction: #UD */
    EMULATE_TOO_LONG, /* more than 15 bytes: #GP(0) */
    EMULATE_SHORT,    /* more than n bytes are needed */
};

/* emulate_decode.c (heavy). n: 1..15 bytes at v->rip. Registers are read from v. */
enum emulate_decoded emulate_decode(const struct vcpu *v, const uint8_t *bytes, unsigned n, uint32_t mode,
                                    struct emulated_insn *out);

/* Linear address of an offset in the memory operand's segment. */
static inline uint64_t emulate_linear(const struct emulated_insn *in, uint64_t offset)
{
    if (in->adsize == 4)
        offset = (uint32_t)offset;
    else if (in->adsize == 2)
        offset = (uint16_t)offset;
    offset += in->segment_base;
    return in->mode64 ? offset : (uint32_t)offset;
}

/* ---- emulate.c ---- */

/* Fills in the exit for an exception without error code, or with error code 0. */
enum emulate_result emulate_raise(struct engine_vcpu *e, unsigned vector, bool has_error);
/*
 * The same for a failed access: #PF, or #GP(0) or #SS(0) if the segment doesn't allow it or the address is
 * not canonical.
 */
enum emulate_result emulate_raise_access(struct engine_vcpu *e, bool stack_segment,
                                         const struct guest_fault *f);

/*
 * Guest memory at a linear address, n bytes. False: *f says why. Then, up to 8 bytes, *to is as it was; of
 * longer operands nothing is said. Stores that straddle pages happen whole or not at all. Operands of 2, 4
 * and 8 bytes are moved in one access.
 */
bool emulate_read(struct engine_vcpu *e, const struct emulated_insn *in, uint64_t ea, void *to, unsigned n,
                  struct guest_fault *f);
bool emulate_write(struct engine_vcpu *e, const struct emulated_insn *in, uint64_t ea, const void *from,
                   unsigned n, struct guest_fault *f);
/* Whether a store to these bytes would fault; sets dirty bits as the store would. */
bool emulate_may_write(struct engine_vcpu *e, const struct emulated_insn *in, uint64_t ea, unsigned n,
                       struct guest_fault *f);

/* Writes a general register: 8, 4 (the upper half cleared) or 2 bytes (the rest kept). */
static inline void emulate_set_gpr(struct engine_vcpu *e, unsigned reg, uint64_t value, unsigned bytes)
{
    uint64_t *r = &e->v.gpr[reg];

    *r = bytes == 8 ? value : bytes == 4 ? (uint32_t)value : (*r & ~0xfffful) | (uint16_t)value;
}

/* ---- the guest's vector registers, which are the host's, by number (emulate_vector.c) ---- */
struct vreg {
    uint8_t b[64] __attribute__((aligned(64)));
};

uint64_t emulate_read_mask(unsigned n); /* of AVX-512BW hosts, as the next */
void emulate_write_mask(unsigned n, uint64_t value);
void emulate_read_zmm(unsigned n, struct vreg *to); /* 0 to 31; of AVX-512F hosts, as the next */
void emulate_write_zmm(unsigned n, const struct vreg *from);

void emulate_read_xmm(unsigned n, struct vreg *to);          /* the lower 16 bytes of *to */
void emulate_read_ymm(unsigned n, struct vreg *to);          /* the lower 32 bytes */
void emulate_write_xmm(unsigned n, const struct vreg *from); /* the rest of the register stays */
void emulate_write_ymm(unsigned n, const struct vreg *from); /* the rest of the register becomes zero */

/* ---- the x87 pointers in the area of FXSAVE and XSAVE (emulate_x87.c); wide: in the 64-bit format ---- */
/* Whether the host's FXSAVE and XSAVE would store its own pointers now. */
bool x87_area_exposes(const struct engine_vcpu *e);
/* Puts what the guest is to see for the host's pointers in an area that has just been saved. */
void x87_area_saved(struct engine_vcpu *e, void *area, bool wide);
/* Keeps the guest's pointers of an area that is about to be loaded into the host CPU, and puts harmless
 * ones there. */
void x87_area_load(struct engine_vcpu *e, void *area, bool wide);

/* ---- handlers; EMULATE_DONE: rip is still to be advanced ---- */
enum emulate_result emulate_state(struct engine_vcpu *e,
                                  const struct emulated_insn *in);                      /* emulate_state.c */
enum emulate_result emulate_x87(struct engine_vcpu *e, const struct emulated_insn *in); /* emulate_x87.c */
enum emulate_result emulate_integer(struct engine_vcpu *e,
                                    const struct emulated_insn *in); /* emulate_integer.c */
enum emulate_result emulate_vector(struct engine_vcpu *e,
                                   const struct emulated_insn *in); /* emulate_vector.c */

#endif
