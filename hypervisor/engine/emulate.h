/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An instruction for emulate.c, decoded.
 */
#ifndef DIPTYCH_ENGINE_EMULATE_H
#define DIPTYCH_ENGINE_EMULATE_H

#include "cpu/vcpu.h"

enum emulated_op {
    EMU_NONE,
    EMU_FXSAVE,
    EMU_FXRSTOR,
    EMU_XSAVE,
    EMU_XSAVEOPT,
    EMU_XSAVEC,
    EMU_XRSTOR,
    EMU_XGETBV,
    EMU_WRFSBASE,
    EMU_WRGSBASE,
};

struct emulated_insn {
    enum emulated_op op;
    uint8_t length;
    bool wide;          /* 64-bit operand size */
    bool stack_segment; /* the memory operand is relative to SS */
    uint8_t reg;        /* register operand, hardware number */
    uint64_t ea;        /* linear address of the memory operand */
};

/* emulate_decode.c (heavy): false if the instruction is none of these. Registers are read from v. */
bool emulate_decode(const struct vcpu *v, const uint8_t *bytes, unsigned n, uint32_t mode, struct emulated_insn *out);

#endif
