/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Port I/O of an unprivileged PV guest.  Allowed by IOPL or by the I/O bitmap that the guest kernel names
 * (PHYSDEVOP_set_iobitmap), #GP(0) otherwise; behind the ports is nothing: reads give all ones, writes are
 * lost.  The exception is the interval timer (ports 0x40 to 0x43), whose counters read as zero, that is,
 * stopped: a kernel that tries to calibrate its TSC against it then gives up at once instead of after
 * 100,000 reads.
 */
#include "pv/emulate.h"

#define PIT_FIRST 0x40u
#define PIT_LAST  0x43u

/* Elements that one call moves, so that events don't wait for a long REP. */
#define STRING_BATCH 64u

static uint32_t port_read(uint16_t port, unsigned n)
{
    uint32_t value = 0;

    for (unsigned i = 0; i < n; i++) {
        unsigned p = port + i;

        if (p < PIT_FIRST || p > PIT_LAST)
            value |= 0xffu << (8 * i);
    }
    return value;
}

/*
 * The bitmap is in the guest kernel's memory, whichever mode the vCPU is in. What can't be read allows
 * nothing.
 */
static bool bitmap_allows(struct vcpu *v, uint16_t port, unsigned n)
{
    const struct pv_vcpu *pv = v->pv;
    bool user_mode = v->user_mode;
    uint16_t bits;
    bool ok;

    if (port + n > pv->io_bitmap_ports)
        return false;
    v->user_mode = false;
    ok = guest_read(v, gva_add(pv->io_bitmap, port / 8), &bits, sizeof(bits));
    v->user_mode = user_mode;
    return ok && !(bits & ((1u << n) - 1) << port % 8);
}

static bool port_allowed(struct vcpu *v, uint16_t port, unsigned n)
{
    return emulate_iopl_ok(v) || bitmap_allows(v, port, n);
}

/* Bytes that an opcode moves: even ones 1, odd ones by operand size (never 8). */
static unsigned port_size(const struct insn *in)
{
    if (!(in->opcode & 1))
        return 1;
    return in->opsize == 2 ? 2 : 4;
}

enum emulated emulate_in_out(struct insn *in)
{
    struct vcpu *v = in->v;
    unsigned n = port_size(in);
    uint16_t port = (uint16_t)v->gpr[RDX];

    if (in->opcode < 0xe8) {
        uint32_t imm;

        if (!insn_imm(in, 1, &imm))
            return EMU_INJECTED;
        port = (uint16_t)imm;
    }
    if (!port_allowed(v, port, n))
        return EMU_GP0;
    if (in->opcode & 2) /* OUT */
        return EMU_DONE;
    uint32_t value = port_read(port, n);

    if (n == 1)
        v->gpr[RAX] = (v->gpr[RAX] & ~0xfful) | value;
    else
        insn_set_gpr(in, RAX, value, n);
    return EMU_DONE;
}

static uint64_t address_mask(const struct insn *in)
{
    return in->adsize == 8 ? ~0ul : in->adsize == 4 ? 0xffffffffu : 0xffffu;
}

/* Adds to a counter or pointer in address size: 4 zero-extends, 2 keeps the upper part. */
static void advance(struct insn *in, unsigned reg, uint64_t by)
{
    insn_set_gpr(in, reg, in->v->gpr[reg] + by, in->adsize);
}

static bool string_element(struct insn *in, unsigned n, bool input)
{
    struct vcpu *v = in->v;
    uint64_t mask = address_mask(in);
    uint32_t data;

    if (input) {
        data = port_read((uint16_t)v->gpr[RDX], n);
        return insn_write(in, SEG_ES, v->gpr[RDI] & mask, &data, n);
    }
    return insn_read(in, in->segment >= 0 ? (enum segreg)in->segment : SEG_DS, v->gpr[RSI] & mask, &data, n);
}

enum emulated emulate_ins_outs(struct insn *in)
{
    struct vcpu *v = in->v;
    unsigned n = port_size(in);
    bool input = in->opcode < 0x6e;
    bool repeat = in->rep || in->repne;
    uint64_t by = v->rflags & FLAG_DF ? -(uint64_t)n : n;

    if (!port_allowed(v, (uint16_t)v->gpr[RDX], n))
        return EMU_GP0;
    if (!repeat) {
        if (!string_element(in, n, input))
            return EMU_INJECTED;
        advance(in, input ? RDI : RSI, by);
        return EMU_DONE;
    }
    for (unsigned i = 0; i < STRING_BATCH; i++) {
        if (!(v->gpr[RCX] & address_mask(in)))
            return EMU_DONE;
        if (!string_element(in, n, input))
            return EMU_INJECTED;
        advance(in, input ? RDI : RSI, by);
        advance(in, RCX, -1ul);
    }
    return EMU_AGAIN;
}
