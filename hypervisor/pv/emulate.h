/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The emulator of privileged and descriptor instructions: what its files share.  A small decoder by hand,
 * because the list of instructions is short and some (CPUID, RDMSR, IN) are too frequent for a detour through
 * heavy code.
 *
 * Files: emulate.c (dispatch, control registers, CPUID, TSC), insn.c (decoder, operands), emulate_msr.c,
 * emulate_io.c, emulate_seg.c (descriptor tables and segment registers), emulate_far.c (far jumps, calls and
 * returns).
 *
 * Each handler returns what became of the instruction; pv_emulate() then advances rip or raises the fault.
 */
#ifndef DIPTYCH_PV_EMULATE_H
#define DIPTYCH_PV_EMULATE_H

#include "pv/pv.h"

#define INSN_MAX 15u

enum emulated {
    EMU_DONE,     /* go on behind the instruction */
    EMU_AGAIN,    /* not finished (rep): rip stays, state is consistent */
    EMU_JUMPED,   /* rip is where it should be */
    EMU_GP0,      /* #GP(0) */
    EMU_UD,       /* #UD */
    EMU_INJECTED, /* the handler raised a fault itself */
};

struct insn {
    struct vcpu *v;
    uint8_t mode;   /* 64, 32 or 16: of the code segment */
    uint8_t opsize; /* operand size in bytes: 2, 4, 8 */
    uint8_t adsize; /* address size in bytes: 2, 4, 8 */
    bool rep, repne, lock, opsize_prefix;
    bool forced;     /* behind the forced-emulation prefix */
    uint8_t rex;     /* 0: none */
    int8_t segment;  /* override, -1: none */
    uint16_t opcode; /* 0x00xx, or 0x0fxx */
    bool has_modrm;
    uint8_t mod, reg, rm; /* reg and rm with REX bits */
    enum segreg ea_seg;
    uint64_t ea;   /* offset in ea_seg, if mod != 3 */
    uint8_t len;   /* bytes decoded so far, from rip on */
    uint8_t valid; /* bytes fetched so far */
    uint8_t bytes[INSN_MAX];
};

/* ---- insn.c ---- */

/*
 * Decodes prefixes, opcode, ModRM and address of the instruction skip bytes behind rip. False: a fault of the
 * fetch has been raised, or #GP(0) because it is too long.
 */
bool insn_decode(struct insn *in, struct vcpu *v, unsigned skip);
/* Takes n (1, 2, 4) immediate bytes, zero-extended. False: as insn_decode(). */
bool insn_imm(struct insn *in, unsigned n, uint32_t *imm);

/*
 * Reads and writes n bytes at an offset in a segment, with the segment's checks. False: the fault has been
 * raised.
 */
bool insn_read(struct insn *in, enum segreg s, uint64_t off, void *to, unsigned n);
bool insn_write(struct insn *in, enum segreg s, uint64_t off, const void *from, unsigned n);

/* The r/m operand as a 16-bit value. False: the fault has been raised. */
bool insn_read_rm16(struct insn *in, uint16_t *value);
/* Writes a system value to r/m: a register gets it in operand size, memory always gets 16 bits. */
bool insn_write_rm(struct insn *in, uint64_t value);
/* Writes a general register in operand size (4: zero-extended, 2: upper part kept). */
void insn_set_gpr(struct insn *in, unsigned reg, uint64_t value, unsigned size);

/* Stack address size in bytes: of 64-bit mode, or by the stack segment's B bit. */
static inline unsigned insn_stack_size(const struct insn *in)
{
    return in->mode == 64 ? 8 : in->v->seg[SEG_SS].attr & SEG_ATTR_DB ? 4 : 2;
}

/* Reads n bytes at off bytes above the stack pointer, which stays. False: the fault has been raised. */
bool insn_stack_read(struct insn *in, unsigned off, void *to, unsigned n);
/*
 * Writes the low n bytes of value at `below` bytes under the stack pointer, which stays. False: the fault
 * has been raised.
 */
bool insn_stack_write(struct insn *in, unsigned below, uint64_t value, unsigned n);
/* Pushes the low n bytes of value. False: the fault has been raised. */
bool insn_push(struct insn *in, uint64_t value, unsigned n);

static inline bool insn_kernel_mode(const struct insn *in)
{
    return !in->v->user_mode;
}

/* ---- emulate.c ---- */
/* Whether IOPL lets the vCPU use ports, CLI and STI. */
bool emulate_iopl_ok(const struct vcpu *v);

/* ---- emulate_msr.c ---- */
enum emulated emulate_rdmsr(struct insn *in);
enum emulated emulate_wrmsr(struct insn *in);

/* ---- emulate_io.c ---- */
enum emulated emulate_in_out(struct insn *in);   /* e4..e7, ec..ef */
enum emulated emulate_ins_outs(struct insn *in); /* 6c..6f */

/* ---- emulate_seg.c ---- */
enum emulated emulate_group6(struct insn *in);           /* 0f 00: SLDT STR LLDT LTR VERR VERW */
enum emulated emulate_sgdt_sidt(struct insn *in);        /* 0f 01 /0 /1, memory */
enum emulated emulate_lar_lsl(struct insn *in);          /* 0f 02, 0f 03 */
enum emulated emulate_mov_sreg(struct insn *in);         /* 8c, 8e */
enum emulated emulate_push_pop_sreg(struct insn *in);    /* 06 07 0e 16 17 1e 1f, 0f a0 a1 a8 a9 */
enum emulated emulate_load_far_pointer(struct insn *in); /* c4 c5, 0f b2 b4 b5 */

/* ---- emulate_far.c ---- */
enum emulated emulate_far_transfer(struct insn *in); /* 9a ea ca cb cf, ff /3 /5 */

#endif
