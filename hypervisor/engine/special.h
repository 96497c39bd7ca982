/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What translated code tells engine_helper_special(): an operation, an argument of 8 bits, and flags, in one
 * 32-bit word.
 */
#ifndef DIPTYCH_ENGINE_SPECIAL_H
#define DIPTYCH_ENGINE_SPECIAL_H

enum special {
    SPECIAL_POPF,  /* value: what was popped; argument: operand size in bytes */
    SPECIAL_STATE, /* FXSAVE, XSAVE, FNSTENV in 64-bit code; value: address; argument: enum emulated_op */
    SPECIAL_BASE,  /* WRFSBASE, WRGSBASE; value: the base; argument: enum emulated_op */
};

#define SPECIAL_WIDE  (1u << 16) /* REX.W */
#define SPECIAL_SS    (1u << 17) /* the address is relative to SS */
#define SPECIAL_SHORT (1u << 18) /* 16-bit operands */

#define SPECIAL_DESC(op, arg, flags) ((uint32_t)(op) | (uint32_t)(arg) << 8 | (flags))
#define SPECIAL_OP(d)                ((enum special)((d)&0xff))
#define SPECIAL_ARG(d)               ((d) >> 8 & 0xff)

#endif
