/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Guest flags computed in C, by the host's own instructions.
 *
 * A block that jumps back to its own start may leave its flags uncomputed (FLAGS_BY_RECIPE) until its first
 * instruction that overwrites them all: nobody looks unless an access on the way faults, and then they are
 * what the instruction before the jump would set again from the same registers, which trans_recipe.c has seen
 * to be unchanged.
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

void flags_settle(struct engine_vcpu *e, const struct block *blk)
{
    const struct flag_recipe *r = &blk->recipe;
    uint64_t a, b;

    if (likely(e->hot.flags != FLAGS_BY_RECIPE))
        return;
    a = e->v.gpr[r->a];
    b = r->b == NO_RECIPE_REG ? (uint64_t)(int64_t)r->imm : e->v.gpr[r->b];
    switch (r->kind) {
    case RECIPE_CMP:
        e->hot.flags = compare(a, b, r->size);
        break;
    case RECIPE_TEST:
        e->hot.flags = test(a, b, r->size);
        break;
    case RECIPE_SUB: /* a is the result */
        e->hot.flags = compare(a + b, b, r->size);
        break;
    default:
        e->hot.flags = add(a - b, b, r->size);
        break;
    }
}
