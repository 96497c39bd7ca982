/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Translation of memory accesses: effective addresses, the inline TLB probe.
 *
 * A probe, with the address in T0 (rcx) and the view's arrays at fixed offsets from GS:
 *
 *      rorx  r14, rcx, 12
 *      movzx r14d, r14w                    index: address bits 12..27
 *      xor   rcx, gs:[r14*8 + tags]        offset in the page, if the tag is right
 *      cmp   rcx, 4096 - size
 *      ja    slow                          wrong tag, or the access leaves the page
 *      mov   r14, gs:[r14*8 + host]
 *      op    [rcx + r14]
 *
 * The slow path fills the entry and jumps back to the start of the address computation, whose inputs are
 * still intact.
 */
#include "engine/trans.h"

void get_reg(struct trans *t, unsigned dst, unsigned guest)
{
    unsigned h = host_reg(guest);

    if (h == NO_REG)
        emit_load_gs(&t->m, dst, gpr_off(guest));
    else if (h != dst)
        emit_mov(&t->m, dst, h);
}

void put_reg(struct trans *t, unsigned guest, unsigned src)
{
    unsigned h = host_reg(guest);

    if (h == NO_REG)
        emit_store_gs(&t->m, src, gpr_off(guest));
    else if (h != src)
        emit_mov(&t->m, h, src);
}

unsigned use_reg(struct trans *t, unsigned guest, unsigned tmp)
{
    unsigned h = host_reg(guest);

    if (h != NO_REG)
        return h;
    emit_load_gs(&t->m, tmp, gpr_off(guest));
    return tmp;
}

static uint32_t segment_base_off(ZydisRegister seg)
{
    switch (seg) {
    case ZYDIS_REGISTER_FS:
        return offsetof(struct vcpu, fs_base);
    case ZYDIS_REGISTER_GS:
        return offsetof(struct vcpu, gs_base);
    case ZYDIS_REGISTER_ES:
        return offsetof(struct vcpu, seg[SEG_ES].base);
    case ZYDIS_REGISTER_CS:
        return offsetof(struct vcpu, seg[SEG_CS].base);
    case ZYDIS_REGISTER_SS:
        return offsetof(struct vcpu, seg[SEG_SS].base);
    default:
        return offsetof(struct vcpu, seg[SEG_DS].base);
    }
}

static bool segment_has_base(const struct trans *t, ZydisRegister seg)
{
    if (seg == ZYDIS_REGISTER_FS || seg == ZYDIS_REGISTER_GS)
        return true;
    return !mode64(t) && (t->mode & MODE_SEGS);
}

void mem_lea(struct trans *t, unsigned dst)
{
    emit_lea(&t->m, true, dst, t->mem.base, t->mem.index, 0, t->mem.disp);
}

/* T0 := T0 + base of the segment; address in 32 bits outside 64-bit mode. */
void emit_segment(struct trans *t, ZydisRegister seg)
{
    if (!segment_has_base(t, seg))
        return;
    emit_load_gs(&t->m, T1, segment_base_off(seg));
    emit_lea(&t->m, mode64(t), T0, T0, T1, 0, 0);
}

void emit_offset(struct trans *t, const ZydisDecodedOperand *op, int32_t extra)
{
    struct emit *m = &t->m;
    unsigned bits = t->in->d.address_width;
    bool w = bits == 64;
    int64_t disp = op->mem.disp.has_displacement ? op->mem.disp.value : 0;
    unsigned base = NO_REG, index = NO_REG, scale = 0;

    t->probe_ss = op->mem.segment == ZYDIS_REGISTER_SS;
    disp += extra;
    if (op->mem.base == ZYDIS_REGISTER_RIP || op->mem.base == ZYDIS_REGISTER_EIP) {
        uint64_t a = t->in->va + t->in->d.length + (uint64_t)disp;

        if (w) {
            emit_mov_address(t, T0, a);
        } else {
            t->movable = false;
            emit_mov_imm(m, T0, (uint32_t)a);
        }
        return;
    }
    if (op->mem.base != ZYDIS_REGISTER_NONE)
        base = use_reg(t, reg_id(op->mem.base), T0);
    if (op->mem.index != ZYDIS_REGISTER_NONE) {
        index = use_reg(t, reg_id(op->mem.index), T1);
        scale = op->mem.scale == 8 ? 3 : op->mem.scale == 4 ? 2 : op->mem.scale == 2 ? 1 : 0;
    }
    if (base == NO_REG && index == NO_REG)
        emit_mov_imm(m, T0, bits == 64 ? (uint64_t)disp : bits == 32 ? (uint32_t)disp : (uint16_t)disp);
    else if (index == NO_REG && disp == 0 && w)
        emit_mov(m, T0, base);
    else if (fits_s32((uint64_t)disp))
        emit_lea(m, w, T0, base, index, scale, (int32_t)disp);
    else {
        /* only a 32-bit address with an unsigned displacement, or moffs64 plus extra, comes here */
        emit_lea(m, w, T0, base, index, scale, (int32_t)(uint32_t)disp);
    }
    if (bits == 16 && (base != NO_REG || index != NO_REG)) {
        /* movzx ecx, cx */
        e8(m, 0x0f);
        e8(m, 0xb7);
        e8(m, 0xc9);
    }
}

void emit_address(struct trans *t, const ZydisDecodedOperand *op, int32_t extra)
{
    emit_offset(t, op, extra);
    emit_segment(t, op->mem.segment);
}

void mem_collapse(struct trans *t)
{
    if (t->mem.index == NO_REG)
        return;
    emit_lea(&t->m, true, T0, T0, T1, 0, 0);
    t->mem.index = NO_REG;
}

void emit_op_t(struct trans *t, uint8_t op, bool w, unsigned reg)
{
    emit_rex(&t->m, w, reg, t->mem.index == NO_REG ? 0 : t->mem.index, t->mem.base);
    e8(&t->m, op);
    emit_mem_indexed(&t->m, reg, t->mem.base, t->mem.index, t->mem.disp);
}

void emit_probe(struct trans *t, const uint8_t *retry, unsigned size, bool write)
{
    struct emit *m = &t->m;
    uint32_t view = OFF_VIEWS + t->view * VIEW_SIZE;

    t->mem = (struct host_mem){.base = T0, .index = T1};
    if (t->careful) {
        /* mov r14d, desc; call careful */
        emit_mov_imm(m, T1, ACCESS_DESC(size, write, t->probe_ss) | t->access_mask);
        emit_call_gs(m, OFF_STUBS + 8 * STUB_CAREFUL);
        return;
    }
    /* rorx r14, rcx, 12 */
    e8(m, 0xc4);
    e8(m, 0x63);
    e8(m, 0xfb);
    e8(m, 0xf0);
    e8(m, 0xf1);
    e8(m, 12);
    /* movzx r14d, r14w */
    e8(m, 0x45);
    e8(m, 0x0f);
    e8(m, 0xb7);
    e8(m, 0xf6);
    emit_gs_index8(m, 0x33, true, T0, T1, view + (write ? VIEW_WTAG : VIEW_RTAG));
    /* cmp rcx, 4096 - size */
    e8(m, 0x48);
    e8(m, 0x81);
    emit_modrm(m, 3, 7, T0);
    e32(m, 4096 - size);
    t->slow[t->nr_slow++] = (struct slow_path){.from = emit_jcc32(m, 7), .retry = retry, .write = write};
    emit_gs_index8(m, 0x8b, true, T1, T1, view + VIEW_HOST);
}

/* Whether the operand's linear address is known now. *moves: it moves with the block. */
static bool address_known(struct trans *t, const ZydisDecodedOperand *op, uint64_t *a, bool *moves)
{
    bool rip = op->mem.base == ZYDIS_REGISTER_RIP || op->mem.base == ZYDIS_REGISTER_EIP;
    unsigned bits = t->in->d.address_width;

    if ((op->mem.base != ZYDIS_REGISTER_NONE && !rip) || op->mem.index != ZYDIS_REGISTER_NONE)
        return false;
    *a = (op->mem.disp.has_displacement ? (uint64_t)op->mem.disp.value : 0) +
         (rip ? t->in->va + t->in->d.length : 0);
    *moves = rip;
    if (bits < 64) {
        *a &= bits == 32 ? 0xffffffff : 0xffff;
        t->movable &= !rip;
    }
    if (op->mem.segment == ZYDIS_REGISTER_GS && kernel_gs_known(t->e, t->mode)) {
        t->e->kernel_gs_used = true;
        *a += t->e->kernel_gs;
        return true;
    }
    return !segment_has_base(t, op->mem.segment);
}

/*
 * The probe of a known address, whose entry is known, too: one comparison does, for the access is known not
 * to leave its page.  cmp gs:[tag], page; jne slow; mov rcx, gs:[host]
 */
static void emit_probe_known(struct trans *t, uint64_t a, bool moves, bool write)
{
    struct emit *m = &t->m;
    uint32_t view = OFF_VIEWS + t->view * VIEW_SIZE, i = tlb_index(a);
    uint32_t tag = view + (write ? VIEW_WTAG : VIEW_RTAG) + 8 * i;
    const uint8_t *retry = m->p;

    if (fits_s32(a & PAGE_MASK)) {
        emit_gs(m, 0x81, true, 7, tag);
        e32(m, (uint32_t)(a & PAGE_MASK));
    } else {
        emit_mov_imm(m, T0, a & PAGE_MASK);
        if (moves)
            note_place(t, PLACE_ADDRESS);
        emit_gs(m, 0x39, true, T0, tag);
        if (moves)
            note_place(t, write ? PLACE_WTAG : PLACE_RTAG);
    }
    t->slow[t->nr_slow++] = (struct slow_path){.from = emit_jcc32(m, 5),
                                               .retry = retry,
                                               .write = write,
                                               .known = true,
                                               .moves = moves,
                                               .address = a};
    emit_load_gs(m, T0, view + VIEW_HOST + 8 * i);
    if (moves)
        note_place(t, PLACE_HOST);
    t->mem = (struct host_mem){.base = T0, .index = NO_REG, .disp = (int32_t)(a & ~PAGE_MASK)};
}

void emit_access(struct trans *t, const ZydisDecodedOperand *op, unsigned size, bool write)
{
    const uint8_t *retry;
    uint64_t a;
    bool moves;

    if (group_access(t))
        return;
    flags_before_probe(t);
    if (!t->careful && address_known(t, op, &a, &moves) && (a & ~PAGE_MASK) + size <= PAGE_SIZE) {
        emit_probe_known(t, a, moves, write);
        return;
    }
    retry = t->m.p;
    emit_address(t, op, 0);
    emit_probe(t, retry, size, write);
}

void emit_stack_access(struct trans *t, int32_t disp, unsigned size, bool write)
{
    const uint8_t *retry;

    if (group_access(t))
        return;
    t->probe_ss = true;
    flags_before_probe(t);
    retry = t->m.p;
    if (disp == 0 && mode64(t))
        emit_mov(&t->m, T0, HOST_GUEST_RSP);
    else
        emit_lea(&t->m, mode64(t), T0, HOST_GUEST_RSP, NO_REG, 0, disp);
    if (!mode64(t))
        emit_segment(t, ZYDIS_REGISTER_SS);
    emit_probe(t, retry, size, write);
}
