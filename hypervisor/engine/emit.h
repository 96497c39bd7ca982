/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A minimal x86-64 assembler: exactly the forms that the translator emits for itself.
 * Host register numbers are the hardware's (enum gpr).  Callers leave room: EMIT_SLACK bytes an instruction.
 */
#ifndef DIPTYCH_ENGINE_EMIT_H
#define DIPTYCH_ENGINE_EMIT_H

#include "base/types.h"
#include "cpu/vcpu.h"

struct emit {
    uint8_t *p;
};

static inline void e8(struct emit *m, uint8_t b)
{
    *m->p++ = b;
}

static inline void e32(struct emit *m, uint32_t v)
{
    __builtin_memcpy(m->p, &v, 4);
    m->p += 4;
}

static inline void e64(struct emit *m, uint64_t v)
{
    __builtin_memcpy(m->p, &v, 8);
    m->p += 8;
}

static inline bool fits_s32(uint64_t v)
{
    return (uint64_t)(int64_t)(int32_t)v == v;
}

static inline void emit_rex(struct emit *m, bool w, unsigned reg, unsigned index, unsigned base)
{
    uint8_t rex = (uint8_t)(0x40 | (w ? 8 : 0) | (reg >> 3) << 2 | (index >> 3) << 1 | base >> 3);

    if (rex != 0x40)
        e8(m, rex);
}

static inline void emit_modrm(struct emit *m, unsigned mod, unsigned reg, unsigned rm)
{
    e8(m, (uint8_t)(mod << 6 | (reg & 7) << 3 | (rm & 7)));
}

/* op r, r (op has a ModRM; one-byte opcode) */
static inline void emit_rr(struct emit *m, uint8_t op, bool w, unsigned reg, unsigned rm)
{
    emit_rex(m, w, reg, 0, rm);
    e8(m, op);
    emit_modrm(m, 3, reg, rm);
}

/* mov dst, src (64 bits) */
static inline void emit_mov(struct emit *m, unsigned dst, unsigned src)
{
    emit_rr(m, 0x89, true, src, dst);
}

static inline void emit_mov32(struct emit *m, unsigned dst, unsigned src)
{
    emit_rr(m, 0x89, false, src, dst);
}

/* mov dst, imm: shortest form */
static inline void emit_mov_imm(struct emit *m, unsigned dst, uint64_t imm)
{
    if (imm <= 0xffffffffUL) {
        emit_rex(m, false, 0, 0, dst);
        e8(m, (uint8_t)(0xb8 | (dst & 7)));
        e32(m, (uint32_t)imm);
    } else if (fits_s32(imm)) {
        emit_rex(m, true, 0, 0, dst);
        e8(m, 0xc7);
        emit_modrm(m, 3, 0, dst);
        e32(m, (uint32_t)imm);
    } else {
        emit_rex(m, true, 0, 0, dst);
        e8(m, (uint8_t)(0xb8 | (dst & 7)));
        e64(m, imm);
    }
}

/* op reg, gs:[disp]  (ModRM one-byte opcode, absolute disp32 through SIB) */
static inline void emit_gs(struct emit *m, uint8_t op, bool w, unsigned reg, uint32_t disp)
{
    e8(m, 0x65);
    emit_rex(m, w, reg, 0, 0);
    e8(m, op);
    emit_modrm(m, 0, reg, 4);
    e8(m, 0x25);
    e32(m, disp);
}

static inline void emit_load_gs(struct emit *m, unsigned reg, uint32_t disp)
{
    emit_gs(m, 0x8b, true, reg, disp);
}

static inline void emit_load_gs32(struct emit *m, unsigned reg, uint32_t disp)
{
    emit_gs(m, 0x8b, false, reg, disp);
}

static inline void emit_store_gs(struct emit *m, unsigned reg, uint32_t disp)
{
    emit_gs(m, 0x89, true, reg, disp);
}

/* op reg, gs:[index*8 + disp] */
static inline void emit_gs_index8(struct emit *m, uint8_t op, bool w, unsigned reg, unsigned index,
                                  uint32_t disp)
{
    e8(m, 0x65);
    emit_rex(m, w, reg, index, 0);
    e8(m, op);
    emit_modrm(m, 0, reg, 4);
    e8(m, (uint8_t)(3 << 6 | (index & 7) << 3 | 5));
    e32(m, disp);
}

#define NO_REG 0xffu

/* ModRM, SIB and displacement of [base + disp] */
static inline void emit_mem_tail(struct emit *m, unsigned reg, unsigned base, int32_t disp)
{
    unsigned mod = disp == 0 && (base & 7) != 5 ? 0 : disp >= -128 && disp <= 127 ? 1 : 2;

    emit_modrm(m, mod, reg, (base & 7) == 4 ? 4 : base);
    if ((base & 7) == 4)
        e8(m, 0x24);
    if (mod == 1)
        e8(m, (uint8_t)disp);
    else if (mod == 2)
        e32(m, (uint32_t)disp);
}

/* The same of [base + index + disp]; index may be NO_REG */
static inline void emit_mem_indexed(struct emit *m, unsigned reg, unsigned base, unsigned index, int32_t disp)
{
    unsigned mod = disp == 0 && (base & 7) != 5 ? 0 : disp >= -128 && disp <= 127 ? 1 : 2;

    if (index == NO_REG) {
        emit_mem_tail(m, reg, base, disp);
        return;
    }
    emit_modrm(m, mod, reg, 4);
    e8(m, (uint8_t)((index & 7) << 3 | (base & 7)));
    if (mod == 1)
        e8(m, (uint8_t)disp);
    else if (mod == 2)
        e32(m, (uint32_t)disp);
}

/*
 * The same for EVEX, which would take a displacement of one byte times the operand's size: of four bytes, or
 * none.
 */
static inline void emit_mem_wide(struct emit *m, unsigned reg, unsigned base, unsigned index, int32_t disp)
{
    unsigned mod = disp == 0 && (base & 7) != 5 ? 0 : 2;
    bool sib = index != NO_REG || (base & 7) == 4;

    emit_modrm(m, mod, reg, sib ? 4 : base);
    if (sib)
        e8(m, (uint8_t)((index == NO_REG ? 4 : index & 7) << 3 | (base & 7)));
    if (mod == 2)
        e32(m, (uint32_t)disp);
}

/* op reg, [base + disp] */
static inline void emit_mem(struct emit *m, uint8_t op, bool w, unsigned reg, unsigned base, int32_t disp)
{
    emit_rex(m, w, reg, 0, base);
    e8(m, op);
    emit_mem_tail(m, reg, base, disp);
}

/* lea dst, [base + index << scale + disp]; base or index may be NO_REG. w: 64-bit result */
static inline void emit_lea(struct emit *m, bool w, unsigned dst, unsigned base, unsigned index,
                            unsigned scale, int32_t disp)
{
    if (index == NO_REG && base != NO_REG) {
        emit_mem(m, 0x8d, w, dst, base, disp);
        return;
    }
    emit_rex(m, w, dst, index == NO_REG ? 0 : index, base == NO_REG ? 0 : base);
    e8(m, 0x8d);
    if (base == NO_REG) {
        emit_modrm(m, 0, dst, 4);
        e8(m, (uint8_t)(scale << 6 | ((index == NO_REG ? 4 : index) & 7) << 3 | 5));
        e32(m, (uint32_t)disp);
        return;
    }
    unsigned mod = disp == 0 && (base & 7) != 5 ? 0 : disp >= -128 && disp <= 127 ? 1 : 2;

    emit_modrm(m, mod, dst, 4);
    e8(m, (uint8_t)(scale << 6 | (index & 7) << 3 | (base & 7)));
    if (mod == 1)
        e8(m, (uint8_t)disp);
    else if (mod == 2)
        e32(m, (uint32_t)disp);
}

/* jmp gs:[disp] */
static inline void emit_jmp_gs(struct emit *m, uint32_t disp)
{
    emit_gs(m, 0xff, false, 4, disp);
}

/* call gs:[disp] */
static inline void emit_call_gs(struct emit *m, uint32_t disp)
{
    emit_gs(m, 0xff, false, 2, disp);
}

/* jmp/call/jcc rel32 with the displacement to be filled in: returns its place */
static inline uint8_t *emit_jmp32(struct emit *m)
{
    e8(m, 0xe9);
    m->p += 4;
    return m->p - 4;
}

static inline uint8_t *emit_call32(struct emit *m)
{
    e8(m, 0xe8);
    m->p += 4;
    return m->p - 4;
}

static inline uint8_t *emit_jcc32(struct emit *m, unsigned cc)
{
    e8(m, 0x0f);
    e8(m, (uint8_t)(0x80 | cc));
    m->p += 4;
    return m->p - 4;
}

static inline void emit_fix32(uint8_t *at, const uint8_t *target)
{
    int32_t d = (int32_t)(target - (at + 4));

    __builtin_memcpy(at, &d, 4);
}

/* jrcxz over what follows: returns the place of its rel8 */
static inline uint8_t *emit_jrcxz(struct emit *m)
{
    e8(m, 0xe3);
    return m->p++;
}

static inline void emit_fix8(uint8_t *at, const uint8_t *target)
{
    *at = (uint8_t)(target - (at + 1));
}

#endif
