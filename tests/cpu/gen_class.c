// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The table of classes: what is tested, in which shares.
 */
#include "gen.h"

#include <err.h>
#include <stdlib.h>

/* ---- which forms belong where ---- */

static bool is_base(const struct form *f)
{
    return f->isa_ext == ZYDIS_ISA_EXT_BASE || f->isa_ext == ZYDIS_ISA_EXT_LONGMODE;
}

static bool want_alu(const struct form *f)
{
    return is_base(f) &&
           (f->category == ZYDIS_CATEGORY_BINARY || f->category == ZYDIS_CATEGORY_LOGICAL ||
            f->category == ZYDIS_CATEGORY_DECIMAL || f->category == ZYDIS_CATEGORY_CONVERT) &&
           f->mnemonic != ZYDIS_MNEMONIC_DIV && f->mnemonic != ZYDIS_MNEMONIC_IDIV &&
           f->mnemonic != ZYDIS_MNEMONIC_AAM && f->mnemonic != ZYDIS_MNEMONIC_MUL &&
           f->mnemonic != ZYDIS_MNEMONIC_IMUL;
}

/* System registers are the priv class's. */
static bool is_system_mov(const struct form *f)
{
    return f->map == 1 && f->opcode >= 0x20 && f->opcode <= 0x27;
}

static bool want_mov(const struct form *f)
{
    return ((is_base(f) && (f->category == ZYDIS_CATEGORY_DATAXFER || f->category == ZYDIS_CATEGORY_CMOV ||
                            f->category == ZYDIS_CATEGORY_SETCC || f->mnemonic == ZYDIS_MNEMONIC_LEA ||
                            f->mnemonic == ZYDIS_MNEMONIC_XLAT)) ||
            f->isa_ext == ZYDIS_ISA_EXT_MOVBE || f->mnemonic == ZYDIS_MNEMONIC_MOVNTI) &&
           !is_system_mov(f) && !(f->map == 0 && f->opcode >= 0xa0 && f->opcode <= 0xa3);
}

static bool want_filler(const struct form *f)
{
    return (want_mov(f) && f->mnemonic != ZYDIS_MNEMONIC_XLAT) ||
           (want_alu(f) && f->category != ZYDIS_CATEGORY_DECIMAL);
}

static bool want_shift(const struct form *f)
{
    return f->category == ZYDIS_CATEGORY_SHIFT || f->category == ZYDIS_CATEGORY_ROTATE;
}

static bool want_muldiv(const struct form *f)
{
    return f->mnemonic == ZYDIS_MNEMONIC_DIV || f->mnemonic == ZYDIS_MNEMONIC_IDIV ||
           f->mnemonic == ZYDIS_MNEMONIC_AAM || f->mnemonic == ZYDIS_MNEMONIC_MUL ||
           f->mnemonic == ZYDIS_MNEMONIC_IMUL;
}

static bool want_bit(const struct form *f)
{
    return (f->category == ZYDIS_CATEGORY_BITBYTE && is_base(f)) || f->isa_ext == ZYDIS_ISA_EXT_LZCNT ||
           f->isa_ext == ZYDIS_ISA_EXT_BMI1 || f->isa_ext == ZYDIS_ISA_EXT_BMI2 ||
           f->isa_ext == ZYDIS_ISA_EXT_ADOX_ADCX || f->isa_ext == ZYDIS_ISA_EXT_TBM ||
           f->mnemonic == ZYDIS_MNEMONIC_POPCNT || f->mnemonic == ZYDIS_MNEMONIC_CRC32;
}

static bool want_flags(const struct form *f)
{
    return (f->category == ZYDIS_CATEGORY_FLAGOP && f->mnemonic != ZYDIS_MNEMONIC_CLI &&
            f->mnemonic != ZYDIS_MNEMONIC_STI) ||
           f->category == ZYDIS_CATEGORY_SETCC || f->category == ZYDIS_CATEGORY_CMOV ||
           f->mnemonic == ZYDIS_MNEMONIC_ADC || f->mnemonic == ZYDIS_MNEMONIC_SBB ||
           f->mnemonic == ZYDIS_MNEMONIC_INC || f->mnemonic == ZYDIS_MNEMONIC_DEC ||
           f->mnemonic == ZYDIS_MNEMONIC_PUSHF || f->mnemonic == ZYDIS_MNEMONIC_PUSHFD ||
           f->mnemonic == ZYDIS_MNEMONIC_PUSHFQ || f->mnemonic == ZYDIS_MNEMONIC_RCL ||
           f->mnemonic == ZYDIS_MNEMONIC_RCR || f->mnemonic == ZYDIS_MNEMONIC_SALC;
}

static bool want_atomic(const struct form *f)
{
    return f->category == ZYDIS_CATEGORY_SEMAPHORE || f->mnemonic == ZYDIS_MNEMONIC_XCHG ||
           (f->mem && want_alu(f)) || (f->mem && f->category == ZYDIS_CATEGORY_BITBYTE && is_base(f));
}

static bool want_stack(const struct form *f)
{
    return (f->category == ZYDIS_CATEGORY_PUSH || f->category == ZYDIS_CATEGORY_POP ||
            f->mnemonic == ZYDIS_MNEMONIC_ENTER || f->mnemonic == ZYDIS_MNEMONIC_LEAVE) &&
           f->mnemonic != ZYDIS_MNEMONIC_POPF && f->mnemonic != ZYDIS_MNEMONIC_POPFD &&
           f->mnemonic != ZYDIS_MNEMONIC_POPFQ;
}

static bool want_x87(const struct form *f)
{
    return f->category == ZYDIS_CATEGORY_X87_ALU || f->category == ZYDIS_CATEGORY_FCMOV ||
           f->isa_ext == ZYDIS_ISA_EXT_X87;
}

/* MMX registers or not: Zydis files the XMM forms of MMX instructions under SSE2 in isa_set only. */
static bool want_mmx(const struct form *f)
{
    return !f->vex &&
           (f->isa_ext == ZYDIS_ISA_EXT_MMX || f->isa_ext == ZYDIS_ISA_EXT_AMD3DNOW ||
            (f->pp == 0 && (f->isa_ext == ZYDIS_ISA_EXT_SSSE3 || f->category == ZYDIS_CATEGORY_MMX)));
}

static bool want_sse(const struct form *f)
{
    return !f->vex &&
           (f->isa_ext == ZYDIS_ISA_EXT_SSE || f->isa_ext == ZYDIS_ISA_EXT_SSE2 ||
            f->isa_ext == ZYDIS_ISA_EXT_SSE3 || f->isa_ext == ZYDIS_ISA_EXT_SSSE3 ||
            f->isa_ext == ZYDIS_ISA_EXT_SSE4 || f->isa_ext == ZYDIS_ISA_EXT_SSE4A) &&
           f->mnemonic != ZYDIS_MNEMONIC_POPCNT && f->mnemonic != ZYDIS_MNEMONIC_CRC32;
}

static bool want_crypto(const struct form *f)
{
    return f->isa_ext == ZYDIS_ISA_EXT_AES || f->isa_ext == ZYDIS_ISA_EXT_PCLMULQDQ ||
           f->isa_ext == ZYDIS_ISA_EXT_SHA || f->isa_ext == ZYDIS_ISA_EXT_AVXAES ||
           f->isa_ext == ZYDIS_ISA_EXT_VAES || f->isa_ext == ZYDIS_ISA_EXT_VPCLMULQDQ ||
           f->isa_ext == ZYDIS_ISA_EXT_GFNI;
}

static bool want_avx(const struct form *f)
{
    return f->vex && f->isa_ext == ZYDIS_ISA_EXT_AVX;
}

static bool want_avx2(const struct form *f)
{
    return f->vex && f->isa_ext == ZYDIS_ISA_EXT_AVX2;
}

static bool is_sparse(const struct form *f)
{
    return f->category == ZYDIS_CATEGORY_GATHER || f->category == ZYDIS_CATEGORY_SCATTER;
}

static bool want_evex(const struct form *f)
{
    return f->evex && !is_sparse(f);
}

static bool want_mask(const struct form *f)
{
    return f->isa_ext == ZYDIS_ISA_EXT_AVX512VEX;
}

static bool want_evex_memory(const struct form *f)
{
    return want_evex(f) && f->mem;
}

static bool want_sparse(const struct form *f)
{
    return f->evex && is_sparse(f);
}

static bool want_fma(const struct form *f)
{
    return f->isa_ext == ZYDIS_ISA_EXT_FMA || f->isa_ext == ZYDIS_ISA_EXT_F16C;
}

static bool want_mxcsr(const struct form *f)
{
    return (want_sse(f) || want_avx(f) || want_fma(f) || want_evex(f)) &&
           (f->category == ZYDIS_CATEGORY_SSE || f->category == ZYDIS_CATEGORY_AVX ||
            f->category == ZYDIS_CATEGORY_AVX512 || f->category == ZYDIS_CATEGORY_CONVERT ||
            f->category == ZYDIS_CATEGORY_VFMA) &&
           f->mnemonic != ZYDIS_MNEMONIC_FXRSTOR && f->mnemonic != ZYDIS_MNEMONIC_FXRSTOR64;
}

static bool want_gather(const struct form *f)
{
    return f->isa_ext == ZYDIS_ISA_EXT_AVX2GATHER || f->mnemonic == ZYDIS_MNEMONIC_VMASKMOVPS ||
           f->mnemonic == ZYDIS_MNEMONIC_VMASKMOVPD || f->mnemonic == ZYDIS_MNEMONIC_VPMASKMOVD ||
           f->mnemonic == ZYDIS_MNEMONIC_VPMASKMOVQ || f->mnemonic == ZYDIS_MNEMONIC_MASKMOVQ ||
           f->mnemonic == ZYDIS_MNEMONIC_MASKMOVDQU || f->mnemonic == ZYDIS_MNEMONIC_VMASKMOVDQU;
}

static bool want_string(const struct form *f)
{
    return f->category == ZYDIS_CATEGORY_STRINGOP && !f->vex;
}

static bool want_priv(const struct form *f)
{
    return f->category == ZYDIS_CATEGORY_SYSTEM || f->category == ZYDIS_CATEGORY_IO ||
           f->category == ZYDIS_CATEGORY_IOSTRINGOP || f->category == ZYDIS_CATEGORY_SYSRET ||
           f->category == ZYDIS_CATEGORY_SMAP || f->mnemonic == ZYDIS_MNEMONIC_CLI ||
           f->mnemonic == ZYDIS_MNEMONIC_STI || is_system_mov(f) || f->mnemonic == ZYDIS_MNEMONIC_UD1 ||
           f->mnemonic == ZYDIS_MNEMONIC_UD2 || f->isa_ext == ZYDIS_ISA_EXT_XOP ||
           f->isa_ext == ZYDIS_ISA_EXT_FMA4;
}

static bool want_hint(const struct form *f)
{
    return f->category == ZYDIS_CATEGORY_NOP || f->category == ZYDIS_CATEGORY_WIDENOP ||
           f->category == ZYDIS_CATEGORY_PREFETCH || f->category == ZYDIS_CATEGORY_PREFETCHWT1 ||
           f->isa_ext == ZYDIS_ISA_EXT_CLFSH || f->isa_ext == ZYDIS_ISA_EXT_CLFLUSHOPT ||
           f->isa_ext == ZYDIS_ISA_EXT_CLWB || f->isa_ext == ZYDIS_ISA_EXT_PAUSE ||
           f->isa_ext == ZYDIS_ISA_EXT_RDWRFSGS || f->mnemonic == ZYDIS_MNEMONIC_MFENCE ||
           f->mnemonic == ZYDIS_MNEMONIC_SFENCE || f->mnemonic == ZYDIS_MNEMONIC_LFENCE ||
           (f->map == 0 && f->opcode >= 0xa0 && f->opcode <= 0xa3);
}

/* Memory operands of every kind and size, to be made to fault. */
static bool want_memory(const struct form *f)
{
    return f->mem &&
           (want_filler(f) || want_shift(f) || want_bit(f) || want_sse(f) || want_avx(f) || want_x87(f) ||
            want_atomic(f) || want_fma(f)) &&
           f->mnemonic != ZYDIS_MNEMONIC_FXRSTOR && f->mnemonic != ZYDIS_MNEMONIC_FXRSTOR64;
}

static bool want_any(const struct form *f)
{
    return !is_sparse(f) && f->category != ZYDIS_CATEGORY_CALL && f->category != ZYDIS_CATEGORY_UNCOND_BR &&
           f->category != ZYDIS_CATEGORY_RET && f->category != ZYDIS_CATEGORY_INTERRUPT &&
           f->mnemonic != ZYDIS_MNEMONIC_POPF && f->mnemonic != ZYDIS_MNEMONIC_POPFD &&
           f->mnemonic != ZYDIS_MNEMONIC_POPFQ;
}

/* ---- classes that are nothing but their forms ---- */

static const struct form_set *filler_set(bool code32)
{
    static struct form_set *sets[2];

    if (!sets[code32])
        sets[code32] = forms_select(code32, want_filler);
    return sets[code32];
}

void gen_filler(struct gen *g, unsigned n)
{
    while (n--)
        gen_form(g, gen_pick(g, filler_set(g->code32)));
}

static void emit_forms(struct gen *g, const struct gen_class *c, const struct form_set *set)
{
    unsigned n = 1 + (unsigned)rng_below(&g->r, 12);

    (void)c;
    for (unsigned i = 0; i < n && gen_room(g) > 100; i++) {
        if (rng_pct(&g->r, 20))
            gen_filler(g, 1);
        else
            gen_form(g, gen_pick(g, set));
    }
}

/* One or two of them at the end: each ends the case. */
static void emit_last(struct gen *g, const struct gen_class *c, const struct form_set *set)
{
    (void)c;
    gen_filler(g, (unsigned)rng_below(&g->r, 4));
    gen_form(g, gen_pick(g, set));
    gen_form(g, gen_pick(g, set));
}

#define BOTH (GEN_64 | GEN_32)

const struct gen_class gen_classes[] = {
    {"alu", "add .. xor, adc/sbb, inc/dec, neg/not, decimal", 8, BOTH, want_alu, emit_forms, 2, 0, NULL},
    {"mov", "mov, movzx/movsx, lea, cmov, setcc, bswap, xchg, movbe, xlat", 8, BOTH, want_mov, emit_forms, 2,
     0, NULL},
    {"shift", "shifts and rotates, shld/shrd", 6, BOTH, want_shift, emit_forms, 2, 0, NULL},
    {"muldiv", "mul, imul, div, idiv, aam; #DE", 5, BOTH, want_muldiv, emit_forms, 2, 0, NULL},
    {"bit", "bt*, bsf/bsr, tzcnt/lzcnt/popcnt, BMI, ADX, crc32", 6, BOTH, want_bit, emit_forms, 3, 0, NULL},
    {"flags", "lahf/sahf, clc .. std, setcc/cmovcc, carry chains, pushf", 5, BOTH, want_flags, emit_forms, 2,
     0, NULL},
    {"popf", "popf of all flags a user may change", 2, BOTH, NULL, gen_emit_popf, 2, 0, NULL},
    {"atomic", "lock, xadd, cmpxchg, cmpxchg8b/16b, xchg", 5, BOTH, want_atomic, emit_forms, 3, 0, NULL},
    {"stack", "push/pop of all kinds, enter/leave, pusha", 5, BOTH, want_stack, emit_forms, 3, 0, NULL},
    {"cluster", "accesses at small distances from one register, pushes and pops in a row", 8, BOTH, NULL,
     gen_emit_cluster, 25, 0, NULL},
    {"string", "movs .. scas, with rep, both directions, across pages, faulting half-way", 8, BOTH,
     want_string, gen_emit_string, 10, 0, NULL},
    {"jcc", "conditional branches, jrcxz", 5, BOTH, NULL, gen_emit_jcc, 2, 0, NULL},
    {"loop", "loops: blocks that run again", 5, BOTH, NULL, gen_emit_loop, 3, 0, NULL},
    {"call", "call/ret, recursion, returns that were not called", 5, BOTH, NULL, gen_emit_call, 2, 0, NULL},
    {"indirect", "jmp/call through registers and tables", 4, BOTH, NULL, gen_emit_indirect, 2, 0, NULL},
    {"smc", "code that changes itself", 6, BOTH, NULL, gen_emit_smc, 1, 0, NULL},
    {"fetch", "instructions that run into bad pages; jumps to nowhere", 3, BOTH, NULL, gen_emit_fetch, 2, 0,
     NULL},
    {"x87", "x87 arithmetic, loads and stores, transcendental", 8, BOTH, want_x87, emit_forms, 2, 5, NULL},
    {"mf", "x87 with exceptions unmasked: #MF", 4, BOTH, want_x87, emit_forms, 2, 100, NULL},
    {"fpuenv", "fnstenv/fldenv/fnsave/frstor/fxsave/xsave", 3, BOTH, want_x87, gen_emit_fpuenv, 2, 5, NULL},
    {"mmx", "MMX", 4, BOTH, want_mmx, emit_forms, 2, 0, NULL},
    {"sse", "SSE to SSE4.2, misaligned operands too", 10, BOTH, want_sse, emit_forms, 2, 4, NULL},
    {"crypto", "AES, PCLMULQDQ, SHA, GFNI", 2, BOTH, want_crypto, emit_forms, 2, 0, NULL},
    {"avx", "AVX", 8, BOTH, want_avx, emit_forms, 2, 4, "avx"},
    {"avx2", "AVX2", 4, BOTH, want_avx2, emit_forms, 2, 4, "avx2"},
    {"fma", "FMA, F16C", 3, BOTH, want_fma, emit_forms, 2, 4, "fma"},
    {"gather", "gathers, masked moves", 4, BOTH, want_gather, gen_emit_gather, 15, 0, "avx2"},
    {"evex", "AVX-512", 14, BOTH, want_evex, emit_forms, 2, 4, "avx512f"},
    {"kmask", "mask registers", 3, BOTH, want_mask, emit_forms, 3, 0, "avx512bw"},
    {"masked", "AVX-512 operands that fault, by masks in part or not", 8, BOTH, want_evex_memory, emit_forms,
     40, 4, "avx512bw"},
    {"scatter", "gathers and scatters of AVX-512", 4, BOTH, want_sparse, gen_emit_gather, 15, 0, "avx512bw"},
    {"xm", "SIMD exceptions unmasked: #XM", 4, BOTH, want_mxcsr, emit_forms, 2, 100, "avx"},
    {"fault", "memory operands on bad pages and across into them, not canonical", 8, BOTH, want_memory,
     emit_forms, 40, 4, NULL},
    {"flagfault", "faults between producer and consumer of flags", 8, BOTH, want_memory, gen_emit_flagfault,
     80, 0, NULL},
    {"priv", "privileged and undefined instructions", 4, BOTH, want_priv, emit_last, 0, 0, NULL},
    {"trap", "int3, int n, icebp, into, bound, syscall, single-step", 4, BOTH, NULL, gen_emit_trap, 2, 0,
     NULL},
    {"hint", "nop, prefetch, fences, clflush, rd/wrfsbase, moffs", 2, BOTH, want_hint, emit_forms, 2, 0,
     NULL},
    {"prefix", "redundant, repeated and odd prefixes", 6, BOTH, want_any, gen_emit_prefix, 2, 0, NULL},
    {"fuzz", "random bytes", 5, BOTH, NULL, gen_emit_fuzz, 2, 0, NULL},
    {"any", "all forms, mixed", 6, BOTH, want_any, emit_forms, 4, 8, NULL},
};
const unsigned gen_nr_classes = ARRAY_SIZE(gen_classes);

void gen_case(struct test_case *t, const struct gen_class *c, uint64_t seed, uint64_t index)
{
    static struct form_set *sets[ARRAY_SIZE(gen_classes)][2];
    struct form_set **set;
    struct gen g;
    bool code32 =
        c->modes == GEN_32 || ((c->modes & GEN_32) && (index * 0x9e3779b97f4a7c15UL >> 40) % 100 < 28);

    set = &sets[c - gen_classes][code32];
    if (c->want && !*set) {
        *set = forms_select(code32, c->want);
        if (!(*set)->nr_groups)
            errx(1, "cputest: class %s: Zydis knows no such instruction", c->name);
    }
    gen_begin(&g, t, seed, index, code32);
    for (unsigned i = 0; i < sizeof(t->cls) - 1 && c->name[i]; i++)
        t->cls[i] = c->name[i];
    g.fault_pct = rng_pct(&g.r, 60) ? c->fault_pct : 0;
    if (c->fault_pct >= 10)
        g.fault_pct = c->fault_pct;
    g.unmask_pct = c->unmask_pct;
    gen_initial_state(&g);
    c->emit(&g, c, *set);
    gen_end(&g);
}
