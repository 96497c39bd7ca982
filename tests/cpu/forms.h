/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Every encoding there is, as data: forms.c tries all opcodes of all maps with all mandatory prefixes on
 * Zydis and keeps those that decode, with what Zydis knows of them.  Generators pick from sets of them.
 */
#ifndef DIPTYCH_TESTS_CPU_FORMS_H
#define DIPTYCH_TESTS_CPU_FORMS_H

#include <Zydis/Zydis.h>

#include "base/types.h"

struct form {
    bool vex, evex;
    uint8_t map; /* 0: one byte, 1: 0F, 2: 0F38, 3: 0F3A */
    uint8_t opcode;
    uint8_t pp; /* 0: none, 1: 66, 2: F3, 3: F2 */
    bool w, l;  /* REX.W, VEX.W or EVEX.W; VEX.L */
    uint8_t ll; /* EVEX.L'L */
    bool b;     /* EVEX.b: broadcast, or rounding */
    uint8_t k;  /* the least EVEX.aaa: 1 where there must be a mask, else 0 */
    bool modrm;
    bool mem;    /* ModRM names memory */
    uint8_t reg; /* ModRM.reg if reg_fixed */
    bool reg_fixed;
    uint8_t rm; /* ModRM.rm of a register form if rm_fixed (x87) */
    bool rm_fixed;
    uint16_t mnemonic;
    uint8_t category, isa_ext;
    uint16_t isa_set;
    uint16_t mem_bytes; /* of the memory operand, 0: none */
};

/* All forms of one mode that the test may use at all (forms_banned() are left out). */
struct form_list {
    unsigned nr;
    struct form *form;
};

/* Forms for 64-bit code and for 32-bit code; made at the first call. */
const struct form_list *forms_all(bool code32);

/*
 * Forms by mnemonic, so that each mnemonic is equally likely however many encodings it has.
 */
struct form_set {
    unsigned nr_groups;
    unsigned *start; /* nr_groups + 1 indices into form[] */
    const struct form **form;
};

/* The forms for which want() holds. The caller keeps it for ever. */
struct form_set *forms_select(bool code32, bool (*want)(const struct form *f));

/*
 * Instructions whose outcome is not a function of what a case holds, or that the panel's emulator answers and
 * the host CPU doesn't (NULL: allowed; otherwise the reason).
 */
const char *forms_banned(const ZydisDecodedInstruction *in);

#endif
