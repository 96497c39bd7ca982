/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The x87 instruction and data pointers, and the instructions that store and load them apart from FXSAVE and
 * XSAVE: FNSTENV, FNSAVE, FLDENV, FRSTOR (SDM vol. 1, 8.1.8 and 8.1.10).
 *
 * The host CPU notes where the last x87 instruction and its operand were: in translated code and in the
 * host's mapping of guest memory. Neither may be seen by the guest. So what is stored for it has the guest's
 * address of that instruction, found by the block that the host's address lies in, and a data pointer of 0.
 * Pointers that the guest has loaded itself are kept in e->x87, and the host's instruction pointer is
 * IP_LOADED then, until the next x87 instruction overwrites it.
 */
#include "engine/emulate.h"

#define IP_LOADED 1u

#define FSW_ERROR_SUMMARY 0x80u

#define ENV_BYTES   28u /* 32-bit format; 14 in the 16-bit one */
#define STACK_BYTES 80u

/* The environment in 32-bit protected-mode format, and the registers behind it as FNSAVE stores them. */
struct x87_image {
    uint32_t control, status, tag, ip;
    uint16_t cs, opcode;
    uint32_t dp;
    uint16_t ds, reserved;
    uint8_t stack[STACK_BYTES];
};

_Static_assert(sizeof(struct x87_image) == ENV_BYTES + STACK_BYTES, "FNSAVE's image");

/* What the guest is to see for the low 32 bits of the host's instruction pointer: the cache is smaller
 * than 4 GiB. */
static struct x87_pointers guest_pointers(struct engine_vcpu *e, uint32_t host_ip)
{
    uint64_t base = (uint64_t)e->cache.base;
    uint64_t pc = base + (uint32_t)(host_ip - (uint32_t)base);
    const struct block *b;

    if (host_ip == IP_LOADED)
        return e->x87;
    b = cache_block_at(e, pc);
    if (!b)
        return (struct x87_pointers){.ip = 0};
    return (struct x87_pointers){.ip = b->va + cache_insn_at(e, b, pc)->guest_off,
                                 .cs = e->v.seg[SEG_CS].selector};
}

/* Keeps what the guest loads; the instruction pointer to be loaded instead. */
static uint32_t keep_pointers(struct engine_vcpu *e, const struct x87_pointers *p)
{
    e->x87 = *p;
    return p->ip | p->dp | p->cs | p->ds ? IP_LOADED : 0;
}

void x87_cache_flush(struct engine_vcpu *e)
{
    struct x87_image image;
    struct x87_pointers p;

    __asm__ volatile("fnstenv %0" : "=m"(image));
    p = guest_pointers(e, image.ip);
    image.ip = keep_pointers(e, &p);
    image.dp = 0;
    __asm__ volatile("fldenv %0" : : "m"(image));
}

/* ---- FXSAVE's and XSAVE's area ---- */

/* Offsets (SDM vol. 1, table 10-2); in the 64-bit format the pointers have 8 bytes and no selectors. */
struct fx_pointers {
    uint64_t before;
    union {
        struct {
            uint32_t ip;
            uint16_t cs, reserved1;
            uint32_t dp;
            uint16_t ds, reserved2;
        };
        struct {
            uint64_t ip64, dp64;
        };
    };
};

bool x87_area_exposes(const struct engine_vcpu *e)
{
    uint16_t status;

    __asm__ volatile("fnstsw %0" : "=a"(status));
    return !e->x87_hides || (status & FSW_ERROR_SUMMARY);
}

void x87_area_saved(struct engine_vcpu *e, void *area, bool wide)
{
    struct fx_pointers *fx = area;
    struct x87_pointers p = guest_pointers(e, fx->ip);

    fx->ip64 = wide ? p.ip : (uint32_t)p.ip;
    fx->dp64 = wide ? p.dp : (uint32_t)p.dp;
    if (!wide) {
        fx->cs = p.cs;
        fx->ds = p.ds;
    }
}

void x87_area_load(struct engine_vcpu *e, void *area, bool wide)
{
    struct fx_pointers *fx = area;
    struct x87_pointers p = {.ip = fx->ip64, .dp = fx->dp64};

    if (!wide)
        p = (struct x87_pointers){.ip = fx->ip, .dp = fx->dp, .cs = fx->cs, .ds = fx->ds};
    fx->ip64 = keep_pointers(e, &p);
    fx->dp64 = 0;
}

bool x87_area_hidden(void)
{
    static const float one = 1;
    struct {
        struct fx_pointers p;
        uint8_t rest[512 - sizeof(struct fx_pointers)];
    } area __attribute__((aligned(16)));

    area.p.ip64 = 0;
    __asm__ volatile("fninit; flds %1; fxsave64 %0; fninit" : "+m"(area) : "m"(one));
    return area.p.ip64 == 0;
}

/* ---- the environment ---- */

/* Sizes of the operand, and of what is accessed first. */
static unsigned operand_size(const struct emulated_insn *in)
{
    unsigned stack = in->op == EMU_FNSAVE || in->op == EMU_FRSTOR ? STACK_BYTES : 0;

    return (in->opsize == 2 ? ENV_BYTES / 2 : ENV_BYTES) + stack;
}

static unsigned first_part(const struct emulated_insn *in)
{
    return in->opsize == 2 ? 2 : 4;
}

static void move_bytes(void *to, const void *from, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        ((uint8_t *)to)[i] = ((const uint8_t *)from)[i];
}

/* The 16-bit format: words, and no opcode. */
static void to_short(uint16_t *to, const struct x87_image *from)
{
    to[0] = (uint16_t)from->control;
    to[1] = (uint16_t)from->status;
    to[2] = (uint16_t)from->tag;
    to[3] = (uint16_t)from->ip;
    to[4] = from->cs;
    to[5] = (uint16_t)from->dp;
    to[6] = from->ds;
    move_bytes(to + 7, from->stack, STACK_BYTES);
}

static void from_short(struct x87_image *to, const uint16_t *from)
{
    *to = (struct x87_image){.control = from[0],
                             .status = from[1],
                             .tag = from[2],
                             .ip = from[3],
                             .cs = from[4],
                             .dp = from[5],
                             .ds = from[6]};
    move_bytes(to->stack, from + 7, STACK_BYTES);
}

union guest_image {
    struct x87_image image;
    uint16_t words[(ENV_BYTES + STACK_BYTES) / 2];
};

static enum emulate_result do_store(struct engine_vcpu *e, const struct emulated_insn *in)
{
    bool save = in->op == EMU_FNSAVE;
    struct x87_image host, shown;
    union guest_image out;
    struct x87_pointers p;
    struct guest_fault f;

    if (!emulate_may_write(e, in, in->ea, first_part(in), &f) ||
        !emulate_may_write(e, in, in->ea, operand_size(in), &f))
        return emulate_raise_access(e, in->stack_segment, &f);
    if (save)
        __asm__ volatile("fnsave %0" : "=m"(host));
    else
        __asm__ volatile("fnstenv %0" : "=m"(host));
    p = guest_pointers(e, host.ip);
    shown = host;
    shown.ip = (uint32_t)p.ip;
    shown.cs = p.cs;
    shown.dp = (uint32_t)p.dp;
    shown.ds = p.ds;
    if (in->opsize == 2)
        to_short(out.words, &shown);
    else
        out.image = shown;
    if (emulate_write(e, in, in->ea, &out, operand_size(in), &f))
        return EMULATE_DONE;
    /* Another vCPU has changed the mapping since it was looked at. */
    if (save)
        __asm__ volatile("frstor %0" : : "m"(host));
    else
        __asm__ volatile("fldenv %0" : : "m"(host));
    return emulate_raise_access(e, in->stack_segment, &f);
}

static enum emulate_result do_load(struct engine_vcpu *e, const struct emulated_insn *in)
{
    union guest_image from;
    struct x87_image image;
    struct x87_pointers p;
    struct guest_fault f;
    uint16_t status;

    __asm__ volatile("fnstsw %0" : "=a"(status));
    if (status & FSW_ERROR_SUMMARY)
        return emulate_raise(e, VEC_MF, false);
    if (!emulate_read(e, in, in->ea, &from, first_part(in), &f) ||
        !emulate_read(e, in, in->ea, &from, operand_size(in), &f))
        return emulate_raise_access(e, in->stack_segment, &f);
    if (in->opsize == 2)
        from_short(&image, from.words);
    else
        image = from.image;
    p = (struct x87_pointers){.ip = image.ip, .cs = image.cs, .dp = image.dp, .ds = image.ds};
    image.ip = keep_pointers(e, &p);
    image.dp = 0;
    if (in->op == EMU_FRSTOR)
        __asm__ volatile("frstor %0" : : "m"(image));
    else
        __asm__ volatile("fldenv %0" : : "m"(image));
    return EMULATE_DONE;
}

enum emulate_result emulate_x87(struct engine_vcpu *e, const struct emulated_insn *in)
{
    return in->op == EMU_FNSTENV || in->op == EMU_FNSAVE ? do_store(e, in) : do_load(e, in);
}
