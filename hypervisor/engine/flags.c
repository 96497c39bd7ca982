/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Guest flags computed in C, by the host's own instructions.
 *
 * A block may leave its flags uncomputed, within it (trans_flags.c) or on its jump back to its own start
 * (FLAGS_BY_RECIPE), until the instruction that overwrites them all: nobody looks unless an access on the way
 * faults, and then they are what the instruction that set them would set again from the same registers, which
 * the translator has seen to be unchanged.
 */
#include "engine/internal.h"

/* lahf; seto al behind an operation on a and b in each size */
#define FLAGS_OF(name, op)                                                                 \
    static uint16_t name(uint64_t a, uint64_t b, unsigned size)                            \
    {                                                                                      \
        uint16_t f;                                                                        \
                                                                                           \
        switch (size) {                                                                    \
        case 1:                                                                            \
            __asm__(op "b %b2, %b1; lahf; seto %%al" : "=&a"(f), "+q"(a) : "q"(b) : "cc"); \
            break;                                                                         \
        case 2:                                                                            \
            __asm__(op "w %w2, %w1; lahf; seto %%al" : "=&a"(f), "+r"(a) : "r"(b) : "cc"); \
            break;                                                                         \
        case 4:                                                                            \
            __asm__(op "l %k2, %k1; lahf; seto %%al" : "=&a"(f), "+r"(a) : "r"(b) : "cc"); \
            break;                                                                         \
        default:                                                                           \
            __asm__(op "q %2, %1; lahf; seto %%al" : "=&a"(f), "+r"(a) : "r"(b) : "cc");   \
            break;                                                                         \
        }                                                                                  \
        return f;                                                                          \
    }

FLAGS_OF(compare, "cmp")
FLAGS_OF(test, "test")
FLAGS_OF(add, "add")

uint16_t flags_compare(uint64_t a, uint64_t b, unsigned size)
{
    return compare(a, b, size);
}

/* Flags by the recipe, from the registers in memory. */
static uint16_t flags_redo(const struct engine_vcpu *e, const struct flag_recipe *r)
{
    uint64_t a, b;

    if (r->kind == RECIPE_EQUAL)
        return compare(0, 0, 8);
    a = e->v.gpr[r->a];
    b = r->b == NO_RECIPE_REG ? (uint64_t)(int64_t)r->imm : e->v.gpr[r->b];
    switch (r->kind) {
    case RECIPE_CMP:
        return compare(a, b, r->size);
    case RECIPE_TEST:
        return test(a, b, r->size);
    case RECIPE_SUB:
        return compare(a + b, b, r->size);
    default:
        return add(a - b, b, r->size);
    }
}

void flags_settle(struct engine_vcpu *e, const struct block *b)
{
    if (unlikely(e->hot.flags == FLAGS_BY_RECIPE))
        e->hot.flags = flags_redo(e, &b->recipe);
}

void flags_settle_at(struct engine_vcpu *e, const struct block *b, const struct insn_info *info)
{
    if (info->recipe.kind != RECIPE_NONE)
        e->hot.flags = flags_redo(e, &info->recipe);
    else
        flags_settle(e, b);
}
