// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Comparing and printing.
 */
#include "compare.h"

#include <Zydis/Zydis.h>
#include <string.h>

#include "cpu/vcpu.h"

static const char *const gpr_names[16] = {"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
                                          "r8",  "r9",  "r10", "r11", "r12", "r13", "r14", "r15"};
static const char *const vector_names[32] = {"#DE", "#DB", "NMI", "#BP", "#OF", "#BR", "#UD",
                                             "#NM", "#DF", "9",   "#TS", "#NP", "#SS", "#GP",
                                             "#PF", "15",  "#MF", "#AC", "#MC", "#XM"};

static void print_flags(uint64_t f, FILE *to)
{
    static const struct {
        uint64_t bit;
        const char *name;
    } names[] = {{FLAG_CF, "cf"}, {FLAG_PF, "pf"}, {FLAG_AF, "af"}, {FLAG_ZF, "zf"},
                 {FLAG_SF, "sf"}, {FLAG_OF, "of"}, {FLAG_DF, "df"}, {FLAG_TF, "tf"},
                 {FLAG_NT, "nt"}, {FLAG_AC, "ac"}, {FLAG_ID, "id"}, {FLAG_RF, "rf"}};

    fprintf(to, "%#lx", f);
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        if (f & names[i].bit)
            fprintf(to, " %s", names[i].name);
}

void outcome_print(const struct outcome *o, FILE *f)
{
    switch (o->kind) {
    case OUTCOME_EXCEPTION:
        fprintf(f, "%s", o->vector < 20 ? vector_names[o->vector] : "vector ?");
        if (o->vector == VEC_PF || o->vector == VEC_GP || o->vector == VEC_SS)
            fprintf(f, " error %#x", o->error);
        if (o->vector == VEC_PF)
            fprintf(f, " cr2 %#lx", o->cr2);
        break;
    case OUTCOME_SYSCALL:
        fprintf(f, o->vector ? "int %#x" : "syscall", o->vector);
        break;
    case OUTCOME_TIMEOUT:
        fprintf(f, "time limit");
        break;
    case OUTCOME_PANEL:
        fprintf(f, "far transfer at %#lx, left to the panel", o->state.rip);
        break;
    case OUTCOME_SEGMENT:
        fprintf(f, "segment register at %#lx, left to the panel", o->state.rip);
        break;
    case OUTCOME_DIED:
        fprintf(f, "failed: %s", o->why);
        break;
    }
    fprintf(f, " at %#lx", o->state.rip);
}

/* ---- comparing ---- */

struct diff {
    FILE *f;
    const char *a, *b;
    unsigned differs;
    unsigned kind; /* DIFF_* of what is being compared */
};

static void diff_bytes(struct diff *d, const char *name, unsigned nr, const uint8_t *a, const uint8_t *b,
                       unsigned n)
{
    if (!memcmp(a, b, n))
        return;
    d->differs |= d->kind;
    if (!d->f)
        return;
    fprintf(d->f, "  %s%u:", name, nr);
    for (unsigned side = 0; side < 2; side++) {
        fprintf(d->f, " %s ", side ? d->b : d->a);
        for (unsigned i = n; i > 0; i--)
            fprintf(d->f, "%02x", (side ? b : a)[i - 1]);
    }
    fprintf(d->f, "\n");
}

static void diff_u64(struct diff *d, const char *name, uint64_t a, uint64_t b)
{
    if (a == b)
        return;
    d->differs |= d->kind;
    if (d->f)
        fprintf(d->f, "  %s: %s %#lx %s %#lx\n", name, d->a, a, d->b, b);
}

static void diff_memory(struct diff *d, const uint8_t *a, const uint8_t *b)
{
    unsigned shown = 0;

    if (!memcmp(a, b, MEM_BYTES))
        return;
    d->differs |= d->kind;
    for (unsigned i = 0; d->f && i < layout_nr_pages && shown < 12; i++) {
        const uint8_t *pa = a + layout_pages[i].frame * PAGE_SIZE,
                      *pb = b + layout_pages[i].frame * PAGE_SIZE;

        for (unsigned off = 0; off < PAGE_SIZE && shown < 12; off += 8)
            if (memcmp(pa + off, pb + off, 8) != 0) {
                uint64_t x, y;

                memcpy(&x, pa + off, 8);
                memcpy(&y, pb + off, 8);
                fprintf(d->f, "  [%#lx]: %s %016lx %s %016lx\n", layout_pages[i].va + off, d->a, x, d->b, y);
                shown++;
            }
    }
}

static bool same_cr2(const struct test_case *t, uint64_t a, uint64_t b)
{
    return a == b || (t->loose_cr2 && a - b + XSAVE_BYTES < 2 * XSAVE_BYTES);
}

unsigned outcome_diff(const struct test_case *t, const struct outcome *a, const uint8_t *a_mem,
                      const struct outcome *b, const uint8_t *b_mem, FILE *f, const char *a_name,
                      const char *b_name)
{
    struct diff d = {f, a_name, b_name, 0, DIFF_END};
    const uint8_t *x = a->state.xsave, *y = b->state.xsave;
    /*
     * RF: set by the CPU in the image that a fault pushes; with the engine the panel that delivers the fault
     * sets it.  It is clear in all images of traps.
     */
    uint64_t flags_mask = t->flags_mask | FLAG_RF;

    if (a->kind != b->kind || a->vector != b->vector || a->error != b->error ||
        !same_cr2(t, a->cr2, b->cr2)) {
        d.differs |= d.kind;
        if (f) {
            fprintf(f, "  end: %s ", a_name);
            outcome_print(a, f);
            fprintf(f, "; %s ", b_name);
            outcome_print(b, f);
            fprintf(f, "\n");
        }
    }
    if (a->kind == OUTCOME_DIED || b->kind == OUTCOME_DIED || a->kind == OUTCOME_TIMEOUT ||
        b->kind == OUTCOME_TIMEOUT)
        return d.differs;
    d.kind = DIFF_RIP;
    diff_u64(&d, "rip", a->state.rip, b->state.rip);
    d.kind = DIFF_GPR;
    for (unsigned i = 0; i < 16; i++) {
        uint64_t mask = ~0UL;

        if (a->kind == OUTCOME_SYSCALL && a->vector == 0 && (i == RCX || i == R11))
            continue; /* written by SYSCALL on the host, by the panel with the engine */
        if (a->kind == OUTCOME_SYSCALL && a->vector == 0x80 && i == RAX)
            mask = 0xffffffff; /* the host kernel restores 32 bits only */
        diff_u64(&d, gpr_names[i], a->state.gpr[i] & mask, b->state.gpr[i] & mask);
    }
    d.kind = DIFF_FLAGS;
    if ((a->state.rflags ^ b->state.rflags) & ~flags_mask) {
        d.differs |= d.kind;
        if (f) {
            fprintf(f, "  flags: %s ", a_name);
            print_flags(a->state.rflags, f);
            fprintf(f, "; %s ", b_name);
            print_flags(b->state.rflags, f);
            fprintf(f, "\n");
        }
    }
    d.kind = DIFF_BASE;
    if (!t->code32) {
        diff_u64(&d, "fs base", a->state.fs_base, b->state.fs_base);
        diff_u64(&d, "gs base", a->state.gs_base, b->state.gs_base);
    }
    d.kind = DIFF_FPU;
    if (memcmp(x, y, XSAVE_BYTES) != 0) {
        diff_bytes(&d, "fcw", 0, x + XSAVE_FCW, y + XSAVE_FCW, 2);
        diff_bytes(&d, "fsw", 0, x + XSAVE_FSW, y + XSAVE_FSW, 2);
        diff_bytes(&d, "ftw", 0, x + XSAVE_FTW, y + XSAVE_FTW, 1);
        diff_bytes(&d, "mxcsr", 0, x + XSAVE_MXCSR, y + XSAVE_MXCSR, 4);
        for (unsigned i = 0; i < 8; i++)
            diff_bytes(&d, "st", i, x + XSAVE_ST + 16 * i, y + XSAVE_ST + 16 * i, 10);
        for (unsigned i = 0; i < 16; i++)
            diff_bytes(&d, "xmm", i, x + XSAVE_XMM + 16 * i, y + XSAVE_XMM + 16 * i, 16);
        for (unsigned i = 0; i < 16; i++)
            diff_bytes(&d, "ymm_high", i, x + XSAVE_YMMH + 16 * i, y + XSAVE_YMMH + 16 * i, 16);
        if (state_xcr0 & XCR0_AVX512) {
            for (unsigned i = 0; i < 8; i++)
                diff_bytes(&d, "k", i, x + XSAVE_K + 8 * i, y + XSAVE_K + 8 * i, 8);
            for (unsigned i = 0; i < 16; i++)
                diff_bytes(&d, "zmm_high", i, x + XSAVE_ZMMH + 32 * i, y + XSAVE_ZMMH + 32 * i, 32);
            for (unsigned i = 0; i < 16; i++)
                diff_bytes(&d, "zmm", 16 + i, x + XSAVE_ZMM + 64 * i, y + XSAVE_ZMM + 64 * i, 64);
        }
    }
    d.kind = DIFF_MEMORY;
    diff_memory(&d, a_mem, b_mem);
    return d.differs;
}

/* ---- printing ---- */

void case_print(const struct test_case *t, FILE *f)
{
    ZydisDisassembledInstruction in;
    unsigned off = 0;

    fprintf(f, " %s code at %#lx, %s\n", t->code32 ? "32-bit" : "64-bit", t->code_va, t->cls);
    while (off < t->code_len) {
        unsigned n = 1;
        bool ok = ZYAN_SUCCESS(
            ZydisDisassembleIntel(t->code32 ? ZYDIS_MACHINE_MODE_LONG_COMPAT_32 : ZYDIS_MACHINE_MODE_LONG_64,
                                  t->code_va + off, t->code + off, t->code_len - off, &in));

        if (ok)
            n = in.info.length;
        if (n == 1 && t->code[off] == 0x90) {
            off++;
            continue; /* what the shrinker left */
        }
        fprintf(f, "  %08lx  ", t->code_va + off);
        for (unsigned i = 0; i < 12; i++)
            fprintf(f, i < n ? "%02x" : "  ", t->code[off + (i < n ? i : 0)]);
        fprintf(f, " %s\n", ok ? in.text : "(bad)");
        off += n;
    }
    for (unsigned i = 0; i < (t->code32 ? 8 : 16); i++)
        if (t->init.gpr[i])
            fprintf(f, "  %s=%#lx", gpr_names[i], t->init.gpr[i]);
    fprintf(f, "\n  rip=%#lx fs=%#lx gs=%#lx flags ", t->init.rip, t->init.fs_base, t->init.gs_base);
    print_flags(t->init.rflags, f);
    fprintf(f, "\n");
}
