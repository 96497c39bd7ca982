// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Reading and writing the text form of a case.
 */
#include "replay.h"

#include <Zydis/Zydis.h>
#include <err.h>
#include <stdlib.h>
#include <string.h>

static const char *const gpr_names[16] = {"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
                                          "r8",  "r9",  "r10", "r11", "r12", "r13", "r14", "r15"};

/* Vector registers in the XSAVE image: offset from where the component is, number of the first one. */
static const struct {
    const char *name;
    unsigned component, offset, stride, bytes, nr, first;
} areas[] = {
    {"fcw", 0, XSAVE_FCW, 0, 2, 1, 0}, {"fsw", 0, XSAVE_FSW, 0, 2, 1, 0},
    {"ftw", 0, XSAVE_FTW, 0, 1, 1, 0}, {"mxcsr", 0, XSAVE_MXCSR, 0, 4, 1, 0},
    {"st", 0, XSAVE_ST, 16, 10, 8, 0}, {"xmm", 1, XSAVE_XMM, 16, 16, 16, 0},
    {"ymmh", 2, 0, 16, 16, 16, 0},     {"k", 5, 0, 8, 8, 8, 0},
    {"zmmh", 6, 0, 32, 32, 16, 0},     {"zmm", 7, 0, 64, 64, 16, 16},
};

static bool area_there(unsigned a)
{
    return state_xcr0 >> areas[a].component & 1;
}

/* Offset of its register i in the image. */
static unsigned area_at(unsigned a, unsigned i)
{
    return state_layout.offset[areas[a].component] + areas[a].offset + i * areas[a].stride;
}

/* ---- writing ---- */

static void write_hex(FILE *f, const uint8_t *p, unsigned n, bool reversed)
{
    for (unsigned i = 0; i < n; i++)
        fprintf(f, "%02x", p[reversed ? n - 1 - i : i]);
}

static void write_code(const struct test_case *t, FILE *f)
{
    ZydisDisassembledInstruction in;
    unsigned off = 0, n;
    bool ok;

    while (off < t->code_len) {
        ok = ZYAN_SUCCESS(
            ZydisDisassembleIntel(t->code32 ? ZYDIS_MACHINE_MODE_LONG_COMPAT_32 : ZYDIS_MACHINE_MODE_LONG_64,
                                  t->code_va + off, t->code + off, t->code_len - off, &in));
        n = ok ? in.info.length : 1;
        fprintf(f, "code %#lx ", t->code_va + off);
        write_hex(f, t->code + off, n, false);
        fprintf(f, "%*s# %s\n", n < 12 ? (int)(24 - 2 * n) : 1, "", ok ? in.text : "(bad)");
        off += n;
    }
}

void case_write(const struct test_case *t, FILE *f)
{
    uint8_t init[XSAVE_BYTES];

    state_init_xsave(init);
    fprintf(f, "mode %d\nclass %s\nmem %lu\n", t->code32 ? 32 : 64, t->cls, t->mem_seed);
    if (t->loose_cr2)
        fprintf(f, "loose_cr2 1\n");
    write_code(t, f);
    for (unsigned i = 0; i < t->nr_pokes; i++) {
        fprintf(f, "poke %#lx ", t->poke[i].va);
        write_hex(f, t->poke[i].data, t->poke[i].len, false);
        fprintf(f, "\n");
    }
    fprintf(f, "rip %#lx\nrflags %#lx\n", t->init.rip, t->init.rflags);
    for (unsigned i = 0; i < 16; i++)
        if (t->init.gpr[i])
            fprintf(f, "%s %#lx\n", gpr_names[i], t->init.gpr[i]);
    if (t->init.fs_base)
        fprintf(f, "fs_base %#lx\n", t->init.fs_base);
    if (t->init.gs_base)
        fprintf(f, "gs_base %#lx\n", t->init.gs_base);
    for (size_t a = 0; a < ARRAY_SIZE(areas); a++)
        for (unsigned i = 0; i < areas[a].nr && area_there(a); i++) {
            unsigned off = area_at(a, i);

            if (!memcmp(t->init.xsave + off, init + off, areas[a].bytes))
                continue;
            if (areas[a].stride)
                fprintf(f, "%s%u ", areas[a].name, areas[a].first + i);
            else
                fprintf(f, "%s ", areas[a].name);
            write_hex(f, t->init.xsave + off, areas[a].bytes, true);
            fprintf(f, "\n");
        }
}

/* ---- reading ---- */

struct reader {
    const char *path;
    unsigned line;
    struct test_case *t;
};

static _Noreturn void bad(const struct reader *r, const char *what)
{
    errx(2, "%s:%u: %s", r->path, r->line, what);
}

/* Bytes of a hex string; at most max. */
static unsigned read_hex(const struct reader *r, const char *s, uint8_t *out, unsigned max)
{
    unsigned n = 0, byte;

    if (s[0] == '0' && s[1] == 'x')
        s += 2;
    if (strlen(s) % 2)
        bad(r, "odd number of hex digits");
    for (; *s; s += 2) {
        if (n == max)
            bad(r, "too many bytes");
        if (sscanf(s, "%2x", &byte) != 1)
            bad(r, "not hex digits");
        out[n++] = (uint8_t)byte;
    }
    return n;
}

static uint64_t read_number(const struct reader *r, const char *s)
{
    char *end;
    uint64_t v = strtoul(s, &end, 0);

    if (!s[0] || *end)
        bad(r, "not a number");
    return v;
}

static bool read_area(const struct reader *r, const char *key, const char *value)
{
    uint8_t b[16];
    unsigned n;

    for (size_t a = 0; a < ARRAY_SIZE(areas); a++)
        for (unsigned i = 0; i < areas[a].nr; i++) {
            char name[16];

            snprintf(name, sizeof(name), areas[a].stride ? "%s%u" : "%s", areas[a].name, i);
            if (strcmp(name, key) != 0)
                continue;
            n = read_hex(r, value, b, areas[a].bytes);
            for (unsigned j = 0; j < n; j++)
                r->t->init.xsave[area_at(a, i) + j] = b[n - 1 - j];
            return true;
        }
    return false;
}

static bool read_register(const struct reader *r, const char *key, const char *value)
{
    struct cpu_state *s = &r->t->init;

    for (unsigned i = 0; i < 16; i++)
        if (!strcmp(key, gpr_names[i])) {
            s->gpr[i] = read_number(r, value);
            return true;
        }
    if (!strcmp(key, "rip"))
        s->rip = read_number(r, value);
    else if (!strcmp(key, "rflags"))
        s->rflags = read_number(r, value) | 0x202;
    else if (!strcmp(key, "fs_base"))
        s->fs_base = read_number(r, value);
    else if (!strcmp(key, "gs_base"))
        s->gs_base = read_number(r, value);
    else
        return false;
    return true;
}

static void read_code(const struct reader *r, const char *value, const char *more)
{
    struct test_case *t = r->t;
    uint64_t va = read_number(r, value);
    unsigned n;

    if (!t->code_len) {
        t->code_va = va;
        if (!t->init.rip)
            t->init.rip = va;
    }
    if (va != t->code_va + t->code_len)
        bad(r, "code lines must follow each other without a gap");
    if (t->nr_insns == MAX_INSNS)
        bad(r, "too many code lines");
    n = read_hex(r, more, t->code + t->code_len, MAX_CODE - t->code_len);
    t->insn_off[t->nr_insns++] = (uint16_t)t->code_len;
    t->code_len += n;
}

static void read_line(const struct reader *r, const char *key, const char *value, const char *more)
{
    struct test_case *t = r->t;
    uint8_t b[32];
    unsigned n;

    if (!strcmp(key, "mode")) {
        t->code32 = read_number(r, value) == 32;
    } else if (!strcmp(key, "class")) {
        snprintf(t->cls, sizeof(t->cls), "%.15s", value);
    } else if (!strcmp(key, "mem")) {
        t->mem_seed = read_number(r, value);
    } else if (!strcmp(key, "loose_cr2")) {
        t->loose_cr2 = read_number(r, value);
    } else if (!strcmp(key, "code")) {
        read_code(r, value, more);
    } else if (!strcmp(key, "poke")) {
        n = read_hex(r, more, b, sizeof(b));
        if (!n || !case_poke(t, read_number(r, value), b, n))
            bad(r, "too many pokes, or an empty one");
    } else if (!read_register(r, key, value) && !read_area(r, key, value)) {
        bad(r, "unknown word");
    }
}

void case_read(const char *path, struct test_case *t)
{
    struct reader r = {.path = path, .t = t};
    char line[512], key[32], value[128], more[300];
    FILE *f = fopen(path, "r");

    if (!f)
        err(2, "%s", path);
    memset(t, 0, sizeof(*t));
    state_init_xsave(t->init.xsave);
    t->init.rflags = 0x202;
    while (fgets(line, sizeof(line), f)) {
        r.line++;
        line[strcspn(line, "#\n")] = 0;
        more[0] = value[0] = 0;
        if (sscanf(line, "%31s %127s %299s", key, value, more) >= 1)
            read_line(&r, key, value, more);
    }
    fclose(f);
    if (t->code32) {
        t->init.fs_base = FS_BASE_32;
        t->init.gs_base = GS_BASE_32;
    }
    if (!t->code_len)
        bad(&r, "no code");
}
