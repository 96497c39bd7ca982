/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Flags that need not be saved on a block's jump back to its own start.
 *
 * Most hot loops end in a comparison and a conditional jump, and start with memory accesses before their next
 * arithmetic instruction; saving the comparison's flags for those accesses' sake costs five instructions a
 * round.  Instead the jump leaves one word saying that the flags are by recipe, if
 *  - the instruction that set them can be done again: CMP or TEST of registers or an immediate, ADD or SUB
 *    from whose result the operand can be had back, AND, OR or XOR, whose flags are those of TEST of the
 *    result; and
 *  - from the block's start to its first instruction that overwrites all flags ("the region") nothing reads
 *    flags, nothing leaves the block except by a fault, and nothing changes the recipe's registers.
 * flags_settle() computes them when a fault comes after all.
 *
 * Recipes serve within a block, too: trans_flags.c.
 */
#include "engine/trans.h"

uint32_t insn_writes(const struct insn *in)
{
    uint32_t mask = 0;

    for (unsigned i = 0; i < in->d.operand_count; i++) {
        const ZydisDecodedOperand *o = &in->op[i];

        if (o->type == ZYDIS_OPERAND_TYPE_REGISTER && reg_is_gpr(o->reg.value) &&
            (o->actions & (ZYDIS_OPERAND_ACTION_WRITE | ZYDIS_OPERAND_ACTION_CONDWRITE)))
            mask |= 1u << (reg_is_high8(o->reg.value) ? reg_id(o->reg.value) - 4 : reg_id(o->reg.value));
    }
    return mask;
}

uint32_t recipe_registers(const struct flag_recipe *r)
{
    if (r->kind == RECIPE_EQUAL)
        return 0;
    return 1u << r->a | (r->b == NO_RECIPE_REG ? 0 : 1u << r->b);
}

static bool plain_register(const ZydisDecodedOperand *o)
{
    return o->type == ZYDIS_OPERAND_TYPE_REGISTER && reg_is_gpr(o->reg.value) && !reg_is_high8(o->reg.value);
}

/* The recipe that the instruction gives, or RECIPE_NONE. */
static struct flag_recipe recipe_of(const struct insn *in)
{
    struct flag_recipe r = {.kind = RECIPE_NONE};
    const ZydisDecodedOperand *a = &in->op[0], *b = &in->op[1];
    uint8_t kind;

    switch (in->d.mnemonic) {
    case ZYDIS_MNEMONIC_CMP:
        kind = RECIPE_CMP;
        break;
    case ZYDIS_MNEMONIC_TEST:
        kind = RECIPE_TEST;
        break;
    case ZYDIS_MNEMONIC_SUB:
        kind = RECIPE_SUB;
        break;
    case ZYDIS_MNEMONIC_ADD:
        kind = RECIPE_ADD;
        break;
    case ZYDIS_MNEMONIC_AND:
    case ZYDIS_MNEMONIC_OR:
    case ZYDIS_MNEMONIC_XOR:
        kind = RECIPE_TEST;
        break;
    default:
        return r;
    }
    if (!plain_register(a))
        return r;
    if ((in->d.mnemonic == ZYDIS_MNEMONIC_XOR || in->d.mnemonic == ZYDIS_MNEMONIC_SUB) &&
        b->type == ZYDIS_OPERAND_TYPE_REGISTER && a->reg.value == b->reg.value) {
        r.kind = RECIPE_EQUAL;
        return r;
    }
    if (kind == RECIPE_TEST && in->d.mnemonic != ZYDIS_MNEMONIC_TEST)
        b = a; /* what flags say of the result is what TEST says of it */
    r.a = (uint8_t)reg_id(a->reg.value);
    r.size = (uint8_t)(a->size / 8);
    if (b->type == ZYDIS_OPERAND_TYPE_IMMEDIATE && fits_s32((uint64_t)b->imm.value.s)) {
        r.b = NO_RECIPE_REG;
        r.imm = (int32_t)b->imm.value.s;
    } else if (plain_register(b) &&
               (kind == RECIPE_CMP || kind == RECIPE_TEST || reg_id(a->reg.value) != reg_id(b->reg.value))) {
        r.b = (uint8_t)reg_id(b->reg.value);
    } else {
        return r;
    }
    r.kind = kind;
    return r;
}

void recipe_note(struct trans *t, bool plain)
{
    const ZydisDecodedInstruction *d = &t->in->d;
    uint32_t written = insn_writes(t->in);
    bool touched = insn_touches_flags(d);

    if (t->region == REGION_OPEN) {
        if (!plain || (touched && !insn_kills_flags(d)))
            t->region = REGION_BAD;
        else if (touched)
            t->region = REGION_CLOSED;
        else
            t->region_writes |= written;
    }
    if (t->recipe.kind != RECIPE_NONE && (written & recipe_registers(&t->recipe)))
        t->recipe.kind = RECIPE_NONE;
    if (insn_changes_flags(d))
        t->recipe = recipe_of(t->in);
    if (!plain && branch_condition(d->mnemonic) == NO_REG)
        t->recipe.kind = RECIPE_NONE;
}

bool recipe_fits_loop(const struct trans *t)
{
    return t->region == REGION_CLOSED && t->recipe.kind != RECIPE_NONE && t->flags == FLAGS_HOST &&
           !(t->region_writes & recipe_registers(&t->recipe));
}
