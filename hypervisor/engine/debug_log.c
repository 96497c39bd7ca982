/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Listings of translated blocks for --debug in_asm and out_asm.  Heavy: called by translate_block().
 *
 * in_asm shows the guest's code alone, with its bytes.  out_asm shows both sides: on the left each guest
 * instruction at the first line of host code that was made from it, on the right the host code, by offset
 * from the block's start (as cache.infos[].host_off counts), with entries, slow paths and tails labelled and
 * places in the vCPU block named.
 *
 * A listing shows the block as it was made: links that are patched in later are not in it.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/debug_write.h"
#include "engine/trans.h"

#define GUEST_COLUMN 52 /* characters of the left side */

/* One listing at a time, in pieces of whole lines. */
static struct {
    lock_t lock;
    size_t n;
    char text[16384];
} out;

static void out_flush(void)
{
    debug_write(out.text, out.n);
    out.n = 0;
}

__attribute__((format(printf, 1, 2))) static void put(const char *fmt, ...)
{
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = vsnprintf(out.text + out.n, sizeof(out.text) - out.n, fmt, ap);
    va_end(ap);
    if (n > 0)
        out.n += (size_t)n < sizeof(out.text) - out.n ? (size_t)n : sizeof(out.text) - out.n - 1;
}

static void put_line_end(void)
{
    put("\n");
    if (out.n > sizeof(out.text) - 1024)
        out_flush();
}

/* ---- disassembly ---- */

static ZydisMachineMode guest_machine_mode(uint32_t mode)
{
    return mode & MODE_64   ? ZYDIS_MACHINE_MODE_LONG_64
           : mode & MODE_32 ? ZYDIS_MACHINE_MODE_LONG_COMPAT_32
                            : ZYDIS_MACHINE_MODE_LONG_COMPAT_16;
}

struct disassembled {
    unsigned length; /* bytes taken; at least 1 */
    char text[96];
    uint32_t gs_disp; /* of an operand gs:[disp] or gs:[reg*8 + disp], or 0 */
};

/* The instruction at code, at most n bytes, which counts as address at. */
static void disassemble(struct disassembled *r, ZydisMachineMode mode, const uint8_t *code, size_t n,
                        uint64_t at)
{
    ZydisStackWidth width = mode == ZYDIS_MACHINE_MODE_LONG_64          ? ZYDIS_STACK_WIDTH_64
                            : mode == ZYDIS_MACHINE_MODE_LONG_COMPAT_32 ? ZYDIS_STACK_WIDTH_32
                                                                        : ZYDIS_STACK_WIDTH_16;
    ZydisDecodedOperand op[ZYDIS_MAX_OPERAND_COUNT];
    ZydisDecodedInstruction d;
    ZydisFormatter f;
    ZydisDecoder decoder;

    ZydisDecoderInit(&decoder, mode, width);
    ZydisFormatterInit(&f, ZYDIS_FORMATTER_STYLE_INTEL);
    ZydisFormatterSetProperty(&f, ZYDIS_FORMATTER_PROP_ADDR_PADDING_ABSOLUTE, ZYDIS_PADDING_DISABLED);
    ZydisFormatterSetProperty(&f, ZYDIS_FORMATTER_PROP_HEX_UPPERCASE, ZYAN_FALSE);
    r->gs_disp = 0;
    if (!ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoder, code, n, &d, op))) {
        r->length = 1;
        snprintf(r->text, sizeof(r->text), ".byte 0x%02x", *code);
        return;
    }
    r->length = d.length;
    ZydisFormatterFormatInstruction(&f, &d, op, d.operand_count_visible, r->text, sizeof(r->text), at,
                                    ZYAN_NULL);
    for (unsigned i = 0; i < d.operand_count; i++)
        if (op[i].type == ZYDIS_OPERAND_TYPE_MEMORY && op[i].mem.segment == ZYDIS_REGISTER_GS &&
            op[i].mem.disp.has_displacement && op[i].visibility == ZYDIS_OPERAND_VISIBILITY_EXPLICIT)
            r->gs_disp = (uint32_t)op[i].mem.disp.value;
}

/* What translated code finds at a displacement from GS; NULL if it has no name here. */
static const char *gs_name(uint32_t disp)
{
#define STUB(i)       (OFF_STUBS + 8 * (i))
#define VIEW(v, what) (OFF_VIEWS + (v)*VIEW_SIZE + (what))
    static const struct {
        uint32_t off;
        const char *name;
    } names[] = {
        {OFF_R13, "guest r13"},
        {OFF_R14, "guest r14"},
        {OFF_R15, "guest r15"},
        {offsetof(struct vcpu, rip), "rip"},
        {offsetof(struct vcpu, rflags), "rflags"},
        {offsetof(struct vcpu, fs_base), "fs base"},
        {offsetof(struct vcpu, gs_base), "gs base"},
        {OFF_FLAGS, "saved flags"},
        {OFF_KICK, "kick"},
        {OFF_TMP0, "tmp[0]"},
        {OFF_TMP1, "tmp[1]"},
        {OFF_TMP2, "tmp2"},
        {OFF_LAST_INDIRECT, "last indirect"},
        {STUB(STUB_LINK_HOST), "leave, flags in host"},
        {STUB(STUB_LINK_SAVED), "leave, flags saved"},
        {STUB(STUB_IND_MISS), "leave, target in rcx"},
        {STUB(STUB_MISS), "TLB miss: read, kernel"},
        {STUB(STUB_MISS + 1), "TLB miss: write, kernel"},
        {STUB(STUB_MISS + 2), "TLB miss: read, user"},
        {STUB(STUB_MISS + 3), "TLB miss: write, user"},
        {STUB(STUB_MISS_WORD), "TLB miss: write of a word, kernel"},
        {STUB(STUB_STRING), "string helper"},
        {STUB(STUB_SPECIAL), "special helper"},
        {STUB(STUB_CAREFUL), "careful access"},
        {VIEW(VIEW_KERNEL, VIEW_RTAG), "TLB read tags, kernel"},
        {VIEW(VIEW_KERNEL, VIEW_WTAG), "TLB write tags, kernel"},
        {VIEW(VIEW_KERNEL, VIEW_HOST), "TLB host pages, kernel"},
        {VIEW(VIEW_KERNEL, VIEW_JC), "jump cache, kernel"},
        {VIEW(VIEW_USER, VIEW_RTAG), "TLB read tags, user"},
        {VIEW(VIEW_USER, VIEW_WTAG), "TLB write tags, user"},
        {VIEW(VIEW_USER, VIEW_HOST), "TLB host pages, user"},
        {VIEW(VIEW_USER, VIEW_JC), "jump cache, user"},
    };
#undef STUB
#undef VIEW

    for (unsigned i = 0; i < ARRAY_SIZE(names); i++)
        if (names[i].off == disp)
            return names[i].name;
    for (unsigned v = 0; v < NR_VIEWS; v++)
        if (disp - (OFF_VIEWS + v * VIEW_SIZE + VIEW_ITLB) < ITLB_ENTRIES * 4)
            return "code page mapped there";
    return NULL;
}

/* ---- the two sides ---- */

/* The block's guest bytes as they are in memory now; how many. */
static unsigned guest_bytes(const struct block *b, uint8_t *buf, unsigned size)
{
    const uint8_t *page = machine_hva(MFN(b->mfn));
    unsigned off = b->va & ~PAGE_MASK;
    unsigned n = b->guest_len < size ? b->guest_len : size;

    for (unsigned i = 0; i < n; i++) {
        if (off + i == PAGE_SIZE) {
            if (!b->mfn2)
                return i;
            page = (const uint8_t *)machine_hva(MFN(b->mfn2)) - PAGE_SIZE;
        }
        buf[i] = page[off + i];
    }
    return n;
}

static void list_guest(const struct block *b, const struct insn_info *infos, const uint8_t *code, unsigned n)
{
    for (unsigned i = 0; i < b->nr_insns && infos[i].guest_off < n; i++) {
        unsigned from = infos[i].guest_off;
        struct disassembled d;

        disassemble(&d, guest_machine_mode(b->mode), code + from, n - from, b->va + from);
        put("  %016" PRIx64 ":", b->va + from);
        for (unsigned k = 0; k < 12 || k < d.length; k++)
            if (k < d.length)
                put(" %02x", code[from + k]);
            else
                put("   ");
        put("  %s", d.text);
        put_line_end();
    }
}

/* What begins at this host address, in words; false if nothing does. */
static bool label_at(const struct trans *t, const uint8_t *p, const uint8_t *slow_paths, const uint8_t *tails,
                     char *text, size_t size)
{
    const struct code_cache *c = &t->e->cache;
    const struct block *b = t->b;
    uint32_t off = (uint32_t)(p - c->base);

    if (off == b->verify) {
        snprintf(text, size, "entry of indirect jumps (target in rcx)");
        return true;
    }
    if (off == b->entry_saved) { /* the same place as entry_host when that has nothing to save */
        snprintf(text, size, "entry, flags saved");
        return true;
    }
    if (off == b->entry_host) {
        snprintf(text, size, "entry, flags in host flags");
        return true;
    }
    if (p >= slow_paths && p < tails) {
        for (unsigned i = 0; i < t->nr_slow; i++) {
            const uint8_t *from = t->slow[i].from;
            int32_t rel;

            __builtin_memcpy(&rel, from, 4);
            if (from + 4 + rel == p) {
                snprintf(text, size, "slow path of the %s at +%03tx", t->slow[i].write ? "store" : "load",
                         t->slow[i].retry - t->start);
                return true;
            }
        }
        return false;
    }
    for (uint32_t i = b->first_exit; i < b->first_exit + b->nr_exits; i++)
        if (c->exits[i].tail_off == off) {
            snprintf(text, size, "tail of exit %u to %" PRIx64, i, c->exits[i].target);
            return true;
        }
    if (p == tails) {
        snprintf(text, size, "tails");
        return true;
    }
    return false;
}

static void list_both(const struct trans *t, const struct insn_info *infos, const uint8_t *code, unsigned n,
                      const uint8_t *slow_paths, const uint8_t *tails)
{
    const struct block *b = t->b;
    unsigned next = 0;

    for (const uint8_t *p = t->start; p < t->start + b->host_len;) {
        unsigned off = (unsigned)(p - t->start);
        struct disassembled host, guest;
        char left[160] = "", label[80];
        const char *name;

        if (label_at(t, p, slow_paths, tails, label, sizeof(label))) {
            put("%*s; %s", GUEST_COLUMN, "", label);
            put_line_end();
        }
        /* An instruction that became nothing shares its place with the next one: a line of its own. */
        while (next < b->nr_insns && infos[next].host_off <= off && infos[next].guest_off < n) {
            unsigned from = infos[next].guest_off;

            if (left[0]) {
                put("%s", left);
                put_line_end();
            }
            disassemble(&guest, guest_machine_mode(b->mode), code + from, n - from, b->va + from);
            snprintf(left, sizeof(left), "  %" PRIx64 "  %s", b->va + from, guest.text);
            next++;
        }
        disassemble(&host, ZYDIS_MACHINE_MODE_LONG_64, p, (size_t)(t->start + b->host_len - p), off);
        name = host.gs_disp ? gs_name(host.gs_disp) : NULL;
        put("%-*s+%03x  %s%s%s", GUEST_COLUMN, left, off, host.text, name ? "  ; " : "", name ? name : "");
        put_line_end();
        p += host.length;
    }
}

void debug_log_block(const struct trans *t, const uint8_t *slow_paths, const uint8_t *tails)
{
    const struct block *b = t->b;
    const struct insn_info *infos = &t->e->cache.infos[b->info];
    uint8_t code[MAX_BLOCK_INSNS * 15];
    unsigned n = guest_bytes(b, code, sizeof(code));

    lock_acquire(&out.lock);
    put("v%u block %td: guest %" PRIx64 " mfn %" PRIx64
        " %s %s%s%s%s, %u instructions, %u bytes; host %p, %u bytes",
        t->e->v.id, b - t->e->cache.blocks, b->va, b->mfn, b->mode & MODE_USER ? "user" : "kernel",
        b->mode & MODE_64   ? "64"
        : b->mode & MODE_32 ? "32"
                            : "16",
        b->mode & MODE_TS ? " ts" : "", b->mode & MODE_STEP ? " step" : "",
        b->mode & MODE_CAREFUL ? " careful" : "", b->nr_insns, b->guest_len, (const void *)t->start,
        b->host_len);
    put_line_end();
    if (debug_on(DEBUG_IN_ASM))
        list_guest(b, infos, code, n);
    if (debug_on(DEBUG_OUT_ASM))
        list_both(t, infos, code, n, slow_paths, tails);
    out_flush();
    lock_release(&out.lock);
}
