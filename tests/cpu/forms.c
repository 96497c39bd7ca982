// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Enumerates encodings with Zydis; the list of what the test leaves out, with reasons.
 */
#include "forms.h"

#include <err.h>
#include <stdlib.h>
#include <string.h>

#include "cpu/isa_feature.h"

/* ---- what is left out ---- */

struct ban {
    uint16_t mnemonic;
    const char *why;
};

static const struct ban bans[] = {
    {ZYDIS_MNEMONIC_CPUID, "the panel answers"},
    {ZYDIS_MNEMONIC_XGETBV, "the panel answers"},
    {ZYDIS_MNEMONIC_RDTSC, "time"},
    {ZYDIS_MNEMONIC_RDTSCP, "time"},
    {ZYDIS_MNEMONIC_RDPMC, "counters"},
    {ZYDIS_MNEMONIC_RDPRU, "time"},
    {ZYDIS_MNEMONIC_RDPID, "host CPU number"},
    {ZYDIS_MNEMONIC_RDRAND, "random"},
    {ZYDIS_MNEMONIC_RDSEED, "random"},
    {ZYDIS_MNEMONIC_SGDT, "the host kernel emulates it (UMIP)"},
    {ZYDIS_MNEMONIC_SIDT, "the host kernel emulates it (UMIP)"},
    {ZYDIS_MNEMONIC_SLDT, "the host kernel emulates it (UMIP)"},
    {ZYDIS_MNEMONIC_STR, "the host kernel emulates it (UMIP)"},
    {ZYDIS_MNEMONIC_SMSW, "the host kernel emulates it (UMIP)"},
    {ZYDIS_MNEMONIC_SYSCALL, "made by the trap class"},
    {ZYDIS_MNEMONIC_SYSENTER, "enters the host kernel or #UD, by vendor"},
    {ZYDIS_MNEMONIC_SYSEXIT, "by vendor"},
    {ZYDIS_MNEMONIC_SYSRET, "by vendor"},
    {ZYDIS_MNEMONIC_VMCALL, "by hypervisor"},
    {ZYDIS_MNEMONIC_VMMCALL, "by hypervisor"},
    {ZYDIS_MNEMONIC_MONITOR, "by hypervisor"},
    {ZYDIS_MNEMONIC_MWAIT, "by hypervisor"},
    {ZYDIS_MNEMONIC_MONITORX, "by hypervisor"},
    {ZYDIS_MNEMONIC_MWAITX, "by hypervisor"},
    {ZYDIS_MNEMONIC_LAR, "reads the host's GDT"},
    {ZYDIS_MNEMONIC_LSL, "reads the host's GDT"},
    {ZYDIS_MNEMONIC_VERR, "reads the host's GDT"},
    {ZYDIS_MNEMONIC_VERW, "reads the host's GDT"},
    {ZYDIS_MNEMONIC_LDS, "loads a segment: the panel's"},
    {ZYDIS_MNEMONIC_LES, "loads a segment: the panel's"},
    {ZYDIS_MNEMONIC_LSS, "loads a segment: the panel's"},
    {ZYDIS_MNEMONIC_LFS, "loads a segment: the panel's"},
    {ZYDIS_MNEMONIC_LGS, "loads a segment: the panel's"},
    {ZYDIS_MNEMONIC_IRET, "loads segments: the panel's"},
    {ZYDIS_MNEMONIC_IRETD, "loads segments: the panel's"},
    {ZYDIS_MNEMONIC_IRETQ, "loads segments: the panel's"},
    {ZYDIS_MNEMONIC_XSETBV, "panel's"},
    {ZYDIS_MNEMONIC_XSAVE, "special.c, with a mask"},
    {ZYDIS_MNEMONIC_XSAVE64, "special.c, with a mask"},
    {ZYDIS_MNEMONIC_XRSTOR, "special.c, with an image"},
    {ZYDIS_MNEMONIC_XRSTOR64, "special.c, with an image"},
    {ZYDIS_MNEMONIC_FNSTENV, "special.c: holds FIP"},
    {ZYDIS_MNEMONIC_FNSAVE, "special.c: holds FIP"},
    {ZYDIS_MNEMONIC_FXSAVE, "special.c: holds FIP"},
    {ZYDIS_MNEMONIC_FXSAVE64, "special.c: holds FIP"},
    {ZYDIS_MNEMONIC_UD0, "length differs by vendor (with or without ModRM)"},
    {ZYDIS_MNEMONIC_UD1, "#UD or, of more than 15 bytes, #GP: by vendor"},
};

/* Extensions that a guest is not shown, or that need more than the CPU (enclaves, keys, tiles). */
static const uint8_t ext_banned[] = {
    ZYDIS_ISA_EXT_AMD_INVLPGB,
    ZYDIS_ISA_EXT_AMX_BF16,
    ZYDIS_ISA_EXT_AMX_INT8,
    ZYDIS_ISA_EXT_AMX_TILE,
    ZYDIS_ISA_EXT_AVX_VNNI,
    ZYDIS_ISA_EXT_CET,
    ZYDIS_ISA_EXT_CLDEMOTE,
    ZYDIS_ISA_EXT_CLZERO,
    ZYDIS_ISA_EXT_ENQCMD,
    ZYDIS_ISA_EXT_HRESET,
    ZYDIS_ISA_EXT_INVPCID,
    ZYDIS_ISA_EXT_KEYLOCKER,
    ZYDIS_ISA_EXT_KEYLOCKER_WIDE,
    ZYDIS_ISA_EXT_KNC,
    ZYDIS_ISA_EXT_KNCE,
    ZYDIS_ISA_EXT_KNCV,
    ZYDIS_ISA_EXT_MCOMMIT,
    ZYDIS_ISA_EXT_MONITOR,
    ZYDIS_ISA_EXT_MONITORX,
    ZYDIS_ISA_EXT_MOVDIR,
    ZYDIS_ISA_EXT_MPX,
    ZYDIS_ISA_EXT_PADLOCK,
    ZYDIS_ISA_EXT_PCONFIG,
    ZYDIS_ISA_EXT_PKU,
    ZYDIS_ISA_EXT_PT,
    ZYDIS_ISA_EXT_RTM,
    ZYDIS_ISA_EXT_SERIALIZE,
    ZYDIS_ISA_EXT_SGX,
    ZYDIS_ISA_EXT_SGX_ENCLV,
    ZYDIS_ISA_EXT_SMX,
    ZYDIS_ISA_EXT_SNP,
    ZYDIS_ISA_EXT_SVM,
    ZYDIS_ISA_EXT_TDX,
    ZYDIS_ISA_EXT_TSX_LDTRK,
    ZYDIS_ISA_EXT_UINTR,
    ZYDIS_ISA_EXT_VMFUNC,
    ZYDIS_ISA_EXT_VTX,
    ZYDIS_ISA_EXT_WAITPKG,
    ZYDIS_ISA_EXT_XSAVEC,
    ZYDIS_ISA_EXT_XSAVES,
    ZYDIS_ISA_EXT_XSAVEOPT,
};

const char *forms_banned(const ZydisDecodedInstruction *in)
{
    for (size_t i = 0; i < ARRAY_SIZE(bans); i++)
        if (bans[i].mnemonic == in->mnemonic)
            return bans[i].why;
    for (size_t i = 0; i < ARRAY_SIZE(ext_banned); i++)
        if (ext_banned[i] == in->meta.isa_ext)
            return "an extension that guests are not shown";
    if (in->encoding == ZYDIS_INSTRUCTION_ENCODING_EVEX && cpu_feature_of_insn(in) == CPU_NEVER)
        return "an extension that guests are not shown";
    if (in->meta.branch_type == ZYDIS_BRANCH_TYPE_FAR)
        return "loads CS: the panel's";
    if ((in->opcode_map == ZYDIS_OPCODE_MAP_DEFAULT &&
         (in->opcode == 0x8c || in->opcode == 0x8e ||
          (in->opcode < 0x20 && (in->opcode & 6) == 6 && in->opcode != 0x0f))) ||
        (in->opcode_map == ZYDIS_OPCODE_MAP_0F && (in->opcode & 0xf6) == 0xa0))
        return "segment registers are the panel's";
    if (in->opcode_map == ZYDIS_OPCODE_MAP_0F && in->opcode == 0x0d && in->raw.modrm.mod == 3)
        return "#UD or NOP, by vendor";
    if (in->machine_mode != ZYDIS_MACHINE_MODE_LONG_64 && in->encoding == ZYDIS_INSTRUCTION_ENCODING_VEX &&
        in->raw.vex.W && (in->mnemonic == ZYDIS_MNEMONIC_VPEXTRD || in->mnemonic == ZYDIS_MNEMONIC_VPINSRD))
        return "#UD or as with W = 0, by vendor";
    return NULL;
}

/* ---- enumeration ---- */

static const uint8_t legacy_prefix[4] = {0, 0x66, 0xf3, 0xf2};

/* Bytes of a form with this ModRM, then zeros; the offset of ModRM. */
static unsigned form_bytes(const struct form *f, uint8_t modrm, uint8_t *b)
{
    unsigned n = 0;

    memset(b, 0, ZYDIS_MAX_INSTRUCTION_LENGTH);
    if (f->evex) {
        b[n++] = 0x62;
        b[n++] = (uint8_t)(0xf0 | f->map);
        b[n++] = (uint8_t)(f->w << 7 | 0x7c | f->pp);
        b[n++] = (uint8_t)(f->ll << 5 | f->b << 4 | 8 | f->k);
    } else if (f->vex) {
        b[n++] = 0xc4;
        b[n++] = (uint8_t)(0xe0 | f->map);
        b[n++] = (uint8_t)(f->w << 7 | 0x78 | f->l << 2 | f->pp);
    } else {
        if (f->pp)
            b[n++] = legacy_prefix[f->pp];
        if (f->w)
            b[n++] = 0x48;
        if (f->map)
            b[n++] = 0x0f;
        if (f->map == 2)
            b[n++] = 0x38;
        if (f->map == 3)
            b[n++] = 0x3a;
    }
    b[n++] = f->opcode;
    b[n] = modrm;
    if (modrm < 0xc0 && (modrm & 7) == 4)
        b[n + 1] = 0x10; /* [rax+xmm2]: mask and destination must be others */
    return n;
}

static bool is_prefix_byte(const struct form *f, bool code32)
{
    uint8_t o = f->opcode;

    if (f->evex)
        return false;
    if (f->vex || f->map)
        return !f->vex && f->map == 1 && (o == 0x38 || o == 0x3a);
    return o == 0x0f || o == 0x26 || o == 0x2e || o == 0x36 || o == 0x3e || o == 0x64 || o == 0x65 ||
           o == 0x66 || o == 0x67 || o == 0xf0 || o == 0xf2 || o == 0xf3 || (!code32 && (o & 0xf0) == 0x40) ||
           o == 0x62 || ((o == 0xc4 || o == 0xc5));
}

struct builder {
    ZydisDecoder dec;
    bool code32;
    struct form_list *list;
    unsigned room;
};

/* Adds the form if it decodes as itself; false: it doesn't. */
static bool try_form(struct builder *b, struct form f, uint8_t modrm)
{
    ZydisDecodedInstruction in;
    ZydisDecodedOperand op[ZYDIS_MAX_OPERAND_COUNT];
    uint8_t bytes[ZYDIS_MAX_INSTRUCTION_LENGTH];
    unsigned at = form_bytes(&f, modrm, bytes);

    if (ZYAN_FAILED(ZydisDecoderDecodeFull(&b->dec, bytes, sizeof(bytes), &in, op)))
        return false;
    if (in.raw.imm[0].is_relative || in.raw.imm[1].is_relative)
        return true;
    if (forms_banned(&in))
        return true;
    f.modrm = in.attributes & ZYDIS_ATTRIB_HAS_MODRM;
    if (f.modrm && in.raw.modrm.offset != at)
        return false;
    f.mem = f.modrm && in.raw.modrm.mod != 3;
    f.reg = (modrm >> 3) & 7;
    f.rm = modrm & 7;
    f.reg_fixed = f.modrm;
    f.rm_fixed = f.modrm && !f.vex && f.map == 0 && (f.opcode & 0xf8) == 0xd8 && !f.mem;
    f.mnemonic = (uint16_t)in.mnemonic;
    f.category = (uint8_t)in.meta.category;
    f.isa_ext = (uint8_t)in.meta.isa_ext;
    f.isa_set = (uint16_t)in.meta.isa_set;
    for (unsigned i = 0; i < in.operand_count; i++) {
        if (op[i].encoding == ZYDIS_OPERAND_ENCODING_MODRM_REG)
            f.reg_fixed = false;
        if (op[i].type == ZYDIS_OPERAND_TYPE_MEMORY && !f.mem_bytes)
            f.mem_bytes = op[i].size / 8;
    }
    if (b->list->nr == b->room) {
        b->room = b->room ? b->room * 2 : 4096;
        b->list->form = realloc(b->list->form, b->room * sizeof(f));
        if (!b->list->form)
            err(1, "cputest");
    }
    b->list->form[b->list->nr++] = f;
    return true;
}

static void try_opcode(struct builder *b, struct form f)
{
    unsigned before = b->list->nr;

    if (is_prefix_byte(&f, b->code32))
        return;
    for (unsigned reg = 0; reg < 8; reg++) {
        /* Memory at [rbx]; an index is wanted for VSIB, so a SIB byte comes second. */
        if (!try_form(b, f, (uint8_t)(reg << 3 | 3)))
            try_form(b, f, (uint8_t)(reg << 3 | 4));
        if (b->list->nr > before && !b->list->form[before].modrm)
            return;
        for (unsigned rm = 0; rm < 8; rm++)
            try_form(b, f, (uint8_t)(0xc0 | reg << 3 | rm));
    }
}

/* ModRM.rm says nothing but register or memory; gathers and scatters want an index, and a mask. */
static void try_evex(struct builder *b, struct form f)
{
    struct form masked = f;

    masked.k = 1;
    for (unsigned reg = 0; reg < 8; reg++) {
        if (!try_form(b, f, (uint8_t)(reg << 3 | 3)))
            try_form(b, masked, (uint8_t)(reg << 3 | 4));
        try_form(b, f, (uint8_t)(0xc0 | reg << 3 | 3));
    }
}

/* One of each kind: rows that differ only in register numbers are dropped. */
static bool same_kind(const struct form *a, const struct form *b)
{
    return a->vex == b->vex && a->evex == b->evex && a->ll == b->ll && a->b == b->b && a->map == b->map &&
           a->opcode == b->opcode && a->pp == b->pp && a->w == b->w && a->l == b->l && a->mem == b->mem &&
           a->mnemonic == b->mnemonic && a->reg_fixed == b->reg_fixed &&
           (!a->reg_fixed || a->reg == b->reg) && (!a->rm_fixed || a->rm == b->rm);
}

static void drop_duplicates(struct form_list *l)
{
    unsigned out = 0;

    for (unsigned i = 0; i < l->nr; i++) {
        bool dup = false;

        for (unsigned j = out; j > 0 && j + 80 > out && !dup; j--)
            dup = same_kind(&l->form[i], &l->form[j - 1]);
        if (!dup)
            l->form[out++] = l->form[i];
    }
    l->nr = out;
}

const struct form_list *forms_all(bool code32)
{
    static struct form_list lists[2];
    struct form_list *l = &lists[code32];
    struct builder b = {.code32 = code32, .list = l};

    if (l->nr)
        return l;
    ZydisDecoderInit(&b.dec, code32 ? ZYDIS_MACHINE_MODE_LONG_COMPAT_32 : ZYDIS_MACHINE_MODE_LONG_64,
                     code32 ? ZYDIS_STACK_WIDTH_32 : ZYDIS_STACK_WIDTH_64);
    for (unsigned vex = 0; vex < 2; vex++)
        for (unsigned map = vex; map < 4; map++)
            for (unsigned op = 0; op < 256; op++)
                for (unsigned bits = 0; bits < 16; bits++) {
                    struct form f = {.vex = vex,
                                     .map = (uint8_t)map,
                                     .opcode = (uint8_t)op,
                                     .pp = bits & 3,
                                     .w = bits & 4,
                                     .l = bits & 8};

                    if ((!vex && f.l) || (!vex && code32 && f.w) || (!vex && !map && f.pp > 1))
                        continue;
                    try_opcode(&b, f);
                }
    for (unsigned map = 1; map < 4; map++)
        for (unsigned op = 0; op < 256; op++)
            for (unsigned bits = 0; bits < 64; bits++) {
                struct form f = {.evex = true,
                                 .map = (uint8_t)map,
                                 .opcode = (uint8_t)op,
                                 .pp = bits & 3,
                                 .w = bits & 4,
                                 .b = bits & 8,
                                 .ll = (uint8_t)(bits >> 4)};

                try_evex(&b, f);
            }
    drop_duplicates(l);
    return l;
}

static int by_mnemonic(const void *a, const void *b)
{
    const struct form *x = *(const struct form *const *)a, *y = *(const struct form *const *)b;

    if (x->mnemonic != y->mnemonic)
        return x->mnemonic < y->mnemonic ? -1 : 1;
    return x < y ? -1 : x > y;
}

struct form_set *forms_select(bool code32, bool (*want)(const struct form *f))
{
    const struct form_list *all = forms_all(code32);
    struct form_set *s = calloc(1, sizeof(*s));
    unsigned n = 0;

    if (!s || !(s->form = calloc(all->nr, sizeof(*s->form))) ||
        !(s->start = calloc(all->nr + 1, sizeof(unsigned))))
        err(1, "cputest");
    for (unsigned i = 0; i < all->nr; i++)
        if (want(&all->form[i]))
            s->form[n++] = &all->form[i];
    qsort(s->form, n, sizeof(*s->form), by_mnemonic);
    for (unsigned i = 0; i < n; i++)
        if (!i || s->form[i]->mnemonic != s->form[i - 1]->mnemonic)
            s->start[s->nr_groups++] = i;
    s->start[s->nr_groups] = n;
    return s;
}
