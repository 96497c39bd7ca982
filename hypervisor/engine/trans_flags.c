/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where the guest's flags are while a block is translated, and how they get from one place to another.
 *
 * A probe clobbers host flags.  Before one, they are saved (lahf, seto), which takes five instructions, or
 * left to be computed again (FLAGS_REDO) from the registers that the instruction that set them has read or
 * written (trans_recipe.c).  What is computed when depends on who needs them next:
 *  - mostly the next thing that happens to flags is that all of them are overwritten.  Then they are computed
 *    only if an access in between faults: insn_info.recipe says from what (state_at_helper(), on_fault());
 *  - a conditional jump, or another instruction that reads flags, has the comparison done once more.
 * flags_fate() looks ahead for that.  It follows straight code of general-purpose instructions only: all that
 * could leave the block with flags in this state is a fault, whose place in the code tells the recipe.
 */
#include <assert.h>

#include "engine/trans.h"

/* Flags behind a comparison of two equal numbers, in the form of hot.flags. */
#define EQUAL_FLAGS ((uint16_t)(((FLAG_ZF | FLAG_PF | 2) << 8) & 0xffff))

/* Whether doing the recipe again takes one instruction, and no scratch register. */
static bool redo_is_short(const struct flag_recipe *r)
{
    switch (r->kind) {
    case RECIPE_EQUAL:
        return true;
    case RECIPE_CMP:
    case RECIPE_TEST:
        return r->b == NO_RECIPE_REG || host_reg(r->a) != NO_REG || host_reg(r->b) != NO_REG;
    default:
        return false;
    }
}

/* op reg, home of the guest register; always with REX, so that 4 to 7 mean SPL to DIL */
static void emit_home_op(struct trans *t, uint8_t op, bool w, unsigned reg, unsigned guest)
{
    struct emit *m = &t->m;
    unsigned h = host_reg(guest);

    if (h == NO_REG)
        e8(m, 0x65);
    e8(m, (uint8_t)(0x40 | w << 3 | (reg & 8) >> 1 | (h == NO_REG ? 0 : h >> 3)));
    e8(m, op);
    if (h == NO_REG) { /* gs:[gpr] */
        emit_modrm(m, 0, reg, 4);
        e8(m, 0x25);
        e32(m, gpr_off(guest));
    } else {
        emit_modrm(m, 3, reg, h);
    }
}

/* cmp or test of what the recipe says; redo_is_short() */
static void emit_redo(struct trans *t, const struct flag_recipe *r)
{
    struct emit *m = &t->m;
    bool w = r->size == 8, wide = r->size > 1;
    unsigned a = r->a, b = r->b;

    if (r->kind == RECIPE_EQUAL) { /* cmp r14d, r14d */
        emit_rr(m, 0x39, false, T1, T1);
        return;
    }
    if (r->size == 2)
        e8(m, 0x66);
    if (b != NO_RECIPE_REG) {
        if (host_reg(b) != NO_REG) {
            /* cmp a, b; test a, b */
            emit_home_op(t, (uint8_t)((r->kind == RECIPE_CMP ? 0x38 : 0x84) | wide), w, host_reg(b), a);
        } else {
            /* cmp a, b; test b, a */
            emit_home_op(t, (uint8_t)((r->kind == RECIPE_CMP ? 0x3a : 0x84) | wide), w, host_reg(a), b);
        }
        return;
    }
    /* cmp a, imm: 80 /7, 81 /7; test a, imm: f6 /0, f7 /0 */
    emit_home_op(t, (uint8_t)((r->kind == RECIPE_CMP ? 0x80 : 0xf6) | wide), w, r->kind == RECIPE_CMP ? 7 : 0,
                 a);
    for (unsigned i = 0; i < (w ? 4u : r->size); i++)
        e8(m, (uint8_t)((uint32_t)r->imm >> 8 * i));
}

/* mov r14, rax; lahf; seto al; mov gs:[flags], ax; mov rax, r14 */
void flags_need_saved(struct trans *t)
{
    struct emit *m = &t->m;

    if (t->flags == FLAGS_SAVED)
        return;
    if (t->recipe.kind == RECIPE_EQUAL) { /* mov word gs:[flags], imm */
        e8(m, 0x66);
        emit_gs(m, 0xc7, false, 0, OFF_FLAGS);
        e8(m, EQUAL_FLAGS & 0xff);
        e8(m, EQUAL_FLAGS >> 8);
        t->flags = FLAGS_SAVED;
        return;
    }
    if (t->flags == FLAGS_REDO)
        flags_need_host(t, false);
    emit_mov(m, T1, RAX);
    e8(m, 0x9f);
    e8(m, 0x0f);
    e8(m, 0x90);
    e8(m, 0xc0);
    e8(m, 0x66);
    emit_gs(m, 0x89, false, RAX, OFF_FLAGS);
    emit_mov(m, RAX, T1);
    t->flags = FLAGS_SAVED;
}

/* The recipe's comparison; or mov r14, rax; movzx eax, word gs:[flags]; add al, 127; sahf; mov rax, r14 */
void flags_need_host(struct trans *t, bool keep_t1)
{
    struct emit *m = &t->m;

    if (t->flags == FLAGS_HOST)
        return;
    if (redo_is_short(&t->recipe)) {
        emit_redo(t, &t->recipe);
        t->flags = FLAGS_HOST;
        return;
    }
    assert(t->flags == FLAGS_SAVED); /* flags_fate() */
    if (keep_t1)
        emit_store_gs(m, RAX, OFF_TMP0);
    else
        emit_mov(m, T1, RAX);
    e8(m, 0x65);
    e8(m, 0x0f);
    e8(m, 0xb7);
    e8(m, 0x04);
    e8(m, 0x25);
    e32(m, OFF_FLAGS);
    e8(m, 0x04);
    e8(m, 0x7f);
    e8(m, 0x9e);
    if (keep_t1)
        emit_load_gs(m, RAX, OFF_TMP0);
    else
        emit_mov(m, RAX, T1);
    t->flags = FLAGS_HOST;
}

/*
 * Whether the instruction is a plain one: general registers, memory and flags are all it touches, and its
 * translation is straight code without a helper.
 */
static bool is_straight(const struct trans *t, const struct insn *in)
{
    const ZydisDecodedInstruction *d = &in->d;

    switch (d->meta.category) {
    case ZYDIS_CATEGORY_BINARY:
    case ZYDIS_CATEGORY_LOGICAL:
    case ZYDIS_CATEGORY_DATAXFER:
    case ZYDIS_CATEGORY_CMOV:
    case ZYDIS_CATEGORY_SETCC:
    case ZYDIS_CATEGORY_SHIFT:
    case ZYDIS_CATEGORY_NOP:
    case ZYDIS_CATEGORY_WIDENOP:
    case ZYDIS_CATEGORY_PUSH:
    case ZYDIS_CATEGORY_POP:
        break;
    default:
        if (d->mnemonic != ZYDIS_MNEMONIC_LEA)
            return false;
        break;
    }
    for (unsigned i = 0; i < d->operand_count; i++) {
        const ZydisDecodedOperand *o = &in->op[i];

        if (o->type == ZYDIS_OPERAND_TYPE_MEMORY && o->mem.segment == ZYDIS_REGISTER_CS)
            return false; /* outside 64-bit mode a store to it leaves the block */
        if (o->type != ZYDIS_OPERAND_TYPE_REGISTER)
            continue;
        switch (ZydisRegisterGetClass(o->reg.value)) {
        case ZYDIS_REGCLASS_GPR8:
        case ZYDIS_REGCLASS_GPR16:
        case ZYDIS_REGCLASS_GPR32:
        case ZYDIS_REGCLASS_GPR64:
        case ZYDIS_REGCLASS_FLAGS:
        case ZYDIS_REGCLASS_IP:
            break;
        default:
            return false;
        }
    }
    return d->mnemonic != ZYDIS_MNEMONIC_PUSHA && d->mnemonic != ZYDIS_MNEMONIC_PUSHAD &&
           d->mnemonic != ZYDIS_MNEMONIC_POPA && d->mnemonic != ZYDIS_MNEMONIC_POPAD &&
           d->mnemonic != ZYDIS_MNEMONIC_PUSHF && d->mnemonic != ZYDIS_MNEMONIC_PUSHFD &&
           d->mnemonic != ZYDIS_MNEMONIC_PUSHFQ && d->mnemonic != ZYDIS_MNEMONIC_POPF &&
           d->mnemonic != ZYDIS_MNEMONIC_POPFD && d->mnemonic != ZYDIS_MNEMONIC_POPFQ && insn_offered(t, in);
}

/* Whether the instruction can fault: has a probe of its own, or divides. */
static bool may_fault(const struct trans *t, const struct insn *in, unsigned index)
{
    if (in->d.mnemonic == ZYDIS_MNEMONIC_DIV || in->d.mnemonic == ZYDIS_MNEMONIC_IDIV)
        return true;
    if (index > t->group.from && index < t->group.to)
        return false;
    for (unsigned i = 0; i < in->d.operand_count; i++)
        if (in->op[i].type == ZYDIS_OPERAND_TYPE_MEMORY && in->op[i].mem.type != ZYDIS_MEMOP_TYPE_AGEN)
            return true;
    return false;
}

/* What happens to flags next. */
enum fate {
    FATE_SAVE, /* not known, or they are needed in a way that wants them saved */
    FATE_READ, /* read, or written in part, while the registers still hold what they held */
    FATE_DEAD, /* overwritten; and as long as something may fault, the registers hold what they held */
};

/*
 * From the current instruction on, for flags that can be computed from regs (a bit each); holds: they can be
 * as things are.  No instruction on the way adds a tail, and of slow paths there is room for a whole block's,
 * so translate_block() doesn't end the block on the way either.
 */
static enum fate flags_fate(struct trans *t, uint32_t regs, bool holds)
{
    for (unsigned i = t->index;; i++) {
        const struct insn *in = insn_ahead(t, i);

        if (!in)
            return FATE_SAVE;
        if (branch_condition(in->d.mnemonic) != NO_REG)
            return holds ? FATE_READ : FATE_SAVE;
        if (!is_straight(t, in) || (!holds && may_fault(t, in, i)))
            return FATE_SAVE;
        if (insn_kills_flags(&in->d))
            return FATE_DEAD;
        if (insn_touches_flags(&in->d))
            return holds ? FATE_READ : FATE_SAVE;
        if (insn_writes(in) & regs) {
            /* a word's slow path may do all of an XCHG before it leaves (store.c) */
            if (in->d.mnemonic == ZYDIS_MNEMONIC_XCHG)
                return FATE_SAVE;
            holds = false;
        }
    }
}

bool flags_dead_at_start(struct trans *t)
{
    return flags_fate(t, 0, false) == FATE_DEAD;
}

void flags_before_probe(struct trans *t)
{
    enum fate fate;

    if (t->flags != FLAGS_HOST)
        return;
    fate = t->recipe.kind == RECIPE_NONE ? FATE_SAVE : flags_fate(t, recipe_registers(&t->recipe), true);
    if (fate == FATE_DEAD || (fate == FATE_READ && redo_is_short(&t->recipe))) {
        t->flags = FLAGS_REDO;
        t->info->recipe = t->recipe;
        return;
    }
    flags_need_saved(t);
}
