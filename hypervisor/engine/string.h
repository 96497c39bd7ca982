/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What translated code tells engine_helper_string() of a string instruction, in one 32-bit word.
 */
#ifndef DIPTYCH_ENGINE_STRING_H
#define DIPTYCH_ENGINE_STRING_H

enum string_op { STRING_MOVS, STRING_STOS, STRING_LODS, STRING_SCAS, STRING_CMPS };
enum string_rep { REP_NONE, REP_E, REP_NE };

#define STRING_DESC(op, log2size, rep, log2addr, seg)                                                 \
    ((uint32_t)(op) | (uint32_t)(log2size) << 4 | (uint32_t)(rep) << 8 | (uint32_t)(log2addr) << 12 | \
     (uint32_t)(seg) << 16)
#define STRING_OP(d)   ((enum string_op)((d)&15))
#define STRING_SIZE(d) (1u << ((d) >> 4 & 15))
#define STRING_REP(d)  ((enum string_rep)((d) >> 8 & 15))
#define STRING_ADDR(d) (1u << ((d) >> 12 & 15)) /* address width in bytes: 2, 4, 8 */
#define STRING_SEG(d)  ((d) >> 16 & 7)          /* enum segreg of the source; 7: no base */

#endif
