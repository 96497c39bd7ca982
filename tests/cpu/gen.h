/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Making test cases.
 *
 * gen.c        state of a case being made: registers whose value is known, addresses, encoding of a form
 * gen_state.c  initial registers
 * gen_class.c  the table of classes, and those that only pick forms
 * gen_flow.c   branches, loops, calls, code that changes itself
 * gen_cluster.c  accesses around one register
 * gen_special.c  what needs its operands prepared: string instructions, FPU environments, traps, ...
 *
 * A case is a straight program with few branches.  To reach memory it uses registers whose values the
 * generator still knows: at first all, later those that no instruction has written to.  Everything depends on
 * g->r alone, that is on (seed, index).
 */
#ifndef DIPTYCH_TESTS_CPU_GEN_H
#define DIPTYCH_TESTS_CPU_GEN_H

#include "case.h"
#include "cpu/vcpu.h"
#include "forms.h"

struct gen {
    struct rng r;
    struct test_case *t;
    ZydisDecoder dec;
    bool code32;
    unsigned nr_gprs;    /* 8 or 16 */
    uint64_t val[16];    /* what the registers that are known hold */
    uint16_t known;      /* bit = register */
    uint16_t locked;     /* not to be written: loop counters, what a loop body needs */
    bool segments_known; /* FS and GS bases still as at the start */
    bool code_high;      /* code lies at CODE_HIGH */
    unsigned fault_pct;  /* chance that a memory operand faults */
    unsigned unmask_pct; /* chance that x87 and SIMD exceptions start unmasked */
    bool no_stack_red;   /* nothing is to be addressed below RSP */
    uint64_t hot[4];     /* addresses used again and again */
    bool full;           /* no room for more code */
};

/* ---- gen.c ---- */

/* Starts an empty case. */
void gen_begin(struct gen *g, struct test_case *t, uint64_t seed, uint64_t index, bool code32);

/* Address of the next instruction; bytes left. */
uint64_t gen_here(const struct gen *g);
unsigned gen_room(const struct gen *g);

/* Appends one instruction given as bytes; returns its offset in t->code. */
unsigned gen_insn(struct gen *g, const uint8_t *bytes, unsigned n);
#define GEN(g, ...) gen_insn((g), (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

/* Stores a little-endian field of n bytes at an offset in t->code. */
void gen_patch(struct gen *g, unsigned off, uint64_t value, unsigned n);

/* Register for a result: not locked, seldom one that is useful as an address. Marks it unknown. */
unsigned gen_dest(struct gen *g);

/* mov reg, value; the register is known afterwards. Flags stay. */
void gen_set_reg(struct gen *g, unsigned reg, uint64_t value);

/* An address for an access of n bytes. */
uint64_t gen_target(struct gen *g, unsigned n, bool want_aligned);

/* One that doesn't fault, read and write, n <= 4096. */
uint64_t gen_target_good(struct gen *g, unsigned n);

/* Appends one instruction of this form with random operands; false if none was found. */
bool gen_form(struct gen *g, const struct form *f);

/* The same with the memory operand at target. */
bool gen_form_at(struct gen *g, const struct form *f, uint64_t target);

/* A random form of a set. */
const struct form *gen_pick(struct gen *g, const struct form_set *s);

/* HLT, where cases end. Sequences may go on behind it (functions). */
void gen_end(struct gen *g);

/* ---- gen_state.c ---- */

void gen_initial_state(struct gen *g);

/* ---- gen_class.c ---- */

struct gen_class {
    const char *name;
    const char *what;
    unsigned weight;                    /* share of all cases */
    unsigned modes;                     /* GEN_64 | GEN_32 */
    bool (*want)(const struct form *f); /* forms of the class, NULL: none */
    void (*emit)(struct gen *g, const struct gen_class *c, const struct form_set *set);
    unsigned fault_pct;
    unsigned unmask_pct;
    const char *cpu_flag; /* needs this flag of /proc/cpuinfo */
};

#define GEN_64 1u
#define GEN_32 2u

extern const struct gen_class gen_classes[];
extern const unsigned gen_nr_classes;

/* Makes case `index` of the run `seed` in this class. */
void gen_case(struct test_case *t, const struct gen_class *c, uint64_t seed, uint64_t index);

/* mov and simple arithmetic, to be mixed into others. */
void gen_filler(struct gen *g, unsigned n);

/* ---- gen_flow.c ---- */

void gen_emit_jcc(struct gen *g, const struct gen_class *c, const struct form_set *set);
void gen_emit_loop(struct gen *g, const struct gen_class *c, const struct form_set *set);
void gen_emit_call(struct gen *g, const struct gen_class *c, const struct form_set *set);
void gen_emit_indirect(struct gen *g, const struct gen_class *c, const struct form_set *set);
void gen_emit_smc(struct gen *g, const struct gen_class *c, const struct form_set *set);
void gen_emit_fetch(struct gen *g, const struct gen_class *c, const struct form_set *set);

/* ---- gen_cluster.c ---- */

void gen_emit_cluster(struct gen *g, const struct gen_class *c, const struct form_set *set);

/* ---- gen_special.c ---- */

void gen_emit_string(struct gen *g, const struct gen_class *c, const struct form_set *set);
void gen_emit_fpuenv(struct gen *g, const struct gen_class *c, const struct form_set *set);
void gen_emit_gather(struct gen *g, const struct gen_class *c, const struct form_set *set);
void gen_emit_trap(struct gen *g, const struct gen_class *c, const struct form_set *set);
void gen_emit_flagfault(struct gen *g, const struct gen_class *c, const struct form_set *set);
void gen_emit_prefix(struct gen *g, const struct gen_class *c, const struct form_set *set);
void gen_emit_fuzz(struct gen *g, const struct gen_class *c, const struct form_set *set);
void gen_emit_popf(struct gen *g, const struct gen_class *c, const struct form_set *set);

/* Registers and memory that a form needs beforehand (string pointers, divisors, counts); may emit code. */
void gen_prepare(struct gen *g, const struct form *f);

#endif
