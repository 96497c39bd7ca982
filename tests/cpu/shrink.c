// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The shrinker: instructions but HLT become NOPs of the same length (so that nothing else moves), then the
 * case is cut behind the last that matters, then registers, flags and pokes go to zero; again until nothing
 * changes.
 */
#include "shrink.h"

#include <string.h>

struct shrinker {
    struct test_case *t;
    bool (*fails)(const struct test_case *t, void *arg);
    void *arg;
    unsigned left; /* tries */
};

/* Keeps the changed case if it still fails. */
static bool keep_if_fails(struct shrinker *s, const struct test_case *changed)
{
    if (!s->left)
        return false;
    s->left--;
    if (!s->fails(changed, s->arg))
        return false;
    *s->t = *changed;
    return true;
}

static unsigned insn_len(const struct test_case *t, unsigned i)
{
    return (i + 1 < t->nr_insns ? t->insn_off[i + 1] : t->code_len) - t->insn_off[i];
}

static bool is_nops(const struct test_case *t, unsigned i)
{
    for (unsigned j = 0; j < insn_len(t, i); j++)
        if (t->code[t->insn_off[i] + j] != 0x90)
            return false;
    return true;
}

/* Instruction i and those glued to it become NOPs. */
static void drop(struct test_case *t, unsigned i)
{
    do {
        memset(t->code + t->insn_off[i], 0x90, insn_len(t, i));
        i++;
    } while (i < t->nr_insns && t->glued[i]);
}

static bool drop_insns(struct shrinker *s)
{
    struct test_case c;
    bool any = false;

    for (unsigned i = 0; i < s->t->nr_insns; i++) {
        if (s->t->glued[i] || is_nops(s->t, i) ||
            (insn_len(s->t, i) == 1 && s->t->code[s->t->insn_off[i]] == 0xf4))
            continue;
        c = *s->t;
        drop(&c, i);
        any |= keep_if_fails(s, &c);
    }
    return any;
}

/* HLT at the first instruction that can be left out with all that follow; then nothing behind it. */
static bool cut_tail(struct shrinker *s)
{
    struct test_case c;

    for (unsigned i = 1; i < s->t->nr_insns; i++) {
        if (s->t->code_len == s->t->insn_off[i] + 1u)
            return false;
        if (s->t->glued[i])
            continue;
        c = *s->t;
        c.code[c.insn_off[i]] = 0xf4;
        c.code_len = c.insn_off[i] + 1u;
        c.nr_insns = i + 1;
        if (keep_if_fails(s, &c))
            return true;
    }
    return false;
}

/* Starts at the first instruction that isn't a NOP. */
static bool cut_head(struct shrinker *s)
{
    struct test_case c = *s->t;
    unsigned n = 0, off;

    while (n + 1 < c.nr_insns && is_nops(&c, n))
        n++;
    if (!n || c.init.rip != c.code_va)
        return false;
    off = c.insn_off[n];
    memmove(c.code, c.code + off, c.code_len - off);
    for (unsigned i = n; i < c.nr_insns; i++)
        c.insn_off[i - n] = (uint16_t)(c.insn_off[i] - off);
    memmove(c.glued, c.glued + n, (c.nr_insns - n) * sizeof(c.glued[0]));
    c.nr_insns -= n;
    c.code_len -= off;
    c.code_va += off;
    c.init.rip += off;
    return keep_if_fails(s, &c);
}

static bool simplify_state(struct shrinker *s)
{
    struct test_case c;
    uint8_t init[XSAVE_BYTES];
    bool any = false;

    state_init_xsave(init);
    if (memcmp(s->t->init.xsave, init, XSAVE_BYTES) != 0) {
        c = *s->t;
        memcpy(c.init.xsave, init, XSAVE_BYTES);
        any |= keep_if_fails(s, &c);
    }
    for (unsigned off = 0; off < XSAVE_BYTES; off += off < XSAVE_ST ? 8 : 16) {
        unsigned n = off < XSAVE_ST ? 8 : 16;

        if ((off >= 416 && off < XSAVE_YMMH) || !memcmp(s->t->init.xsave + off, init + off, n))
            continue;
        c = *s->t;
        memcpy(c.init.xsave + off, init + off, n);
        any |= keep_if_fails(s, &c);
    }
    for (unsigned i = 0; i < 16; i++) {
        if (!s->t->init.gpr[i])
            continue;
        c = *s->t;
        c.init.gpr[i] = 0;
        any |= keep_if_fails(s, &c);
    }
    if (s->t->init.rflags != 0x202) {
        c = *s->t;
        c.init.rflags = 0x202;
        any |= keep_if_fails(s, &c);
    }
    if (s->t->mem_seed) {
        c = *s->t;
        c.mem_seed = 0;
        any |= keep_if_fails(s, &c);
    }
    for (unsigned i = 0; i < s->t->nr_pokes; i++) {
        c = *s->t;
        memmove(&c.poke[i], &c.poke[i + 1], (c.nr_pokes - i - 1) * sizeof(c.poke[0]));
        c.nr_pokes--;
        if (keep_if_fails(s, &c)) {
            any = true;
            i--;
        }
    }
    return any;
}

void case_shrink(struct test_case *t, bool (*still_fails)(const struct test_case *t, void *arg), void *arg)
{
    struct shrinker s = {t, still_fails, arg, 600};
    bool changed = true;

    while (changed && s.left) {
        changed = cut_tail(&s);
        changed |= drop_insns(&s);
        changed |= cut_head(&s);
        changed |= simplify_state(&s);
    }
}
