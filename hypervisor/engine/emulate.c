/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Rare unprivileged instructions, done in C with the guest's registers in memory: those that act on areas
 * larger than a probe covers, those whose accesses depend on data (masked moves, gathers), and those that
 * aren't worth generated code.
 *
 * Decoding is heavy and happens first, into a plain description; the work itself is light, since it must see
 * the guest's x87/SSE/AVX state in the host CPU.
 */
#include "engine/emulate.h"
#include "engine/special.h"

enum emulate_result emulate_raise(struct engine_vcpu *e, unsigned vector, bool has_error)
{
    e->v.exit =
        (struct vcpu_exit){.reason = EXIT_EXCEPTION, .vector = (uint8_t)vector, .has_error = has_error};
    return EMULATE_FAULT;
}

enum emulate_result emulate_raise_access(struct engine_vcpu *e, bool stack_segment,
                                         const struct guest_fault *f)
{
    if (f->pfec == ~0u)
        return emulate_raise(e, stack_segment ? VEC_SS : VEC_GP, true);
    if (f->pfec == FAULT_ALIGNMENT)
        return emulate_raise(e, VEC_AC, true);
    e->v.exit = (struct vcpu_exit){
        .reason = EXIT_EXCEPTION, .vector = VEC_PF, .has_error = true, .error = f->pfec, .cr2 = f->cr2};
    return EMULATE_FAULT;
}

/*
 * Outside 64-bit mode an operand that wraps at offset 4 GiB exceeds the segment's limit (one that wraps as a
 * linear address is refused too, which a CPU doesn't do). In 64-bit mode both ends are looked at before
 * either page is.
 */
static bool in_range(const struct emulated_insn *in, uint64_t ea, unsigned n, bool write,
                     struct guest_fault *f)
{
    uint64_t last = ea + n - 1, offset = (uint32_t)(ea - in->segment_base);

    if (!(write && in->read_only) && (in->mode64 ? gva_canonical(GVA(ea)) && gva_canonical(GVA(last))
                                                 : last <= 0xffffffff && offset + n - 1 <= 0xffffffff))
        return true;
    *f = (struct guest_fault){.cr2 = ea, .pfec = ~0u};
    return false;
}

/*
 * False: #AC. MASKMOVDQU is checked as of 8 bytes, the elements of masked moves and gathers are exempt, the
 * areas of FXSAVE, FNSTENV and their like have rules of their own.
 */
static bool is_aligned(const struct engine_vcpu *e, const struct emulated_insn *in, uint64_t ea, unsigned n,
                       struct guest_fault *f)
{
    if (!alignment_checked(&e->v) || in->element || n > 16 || (n & (n - 1)) || !(ea & ((n < 8 ? n : 8) - 1)))
        return true;
    *f = (struct guest_fault){.cr2 = ea, .pfec = FAULT_ALIGNMENT};
    return false;
}

bool emulate_read(struct engine_vcpu *e, const struct emulated_insn *in, uint64_t ea, void *to, unsigned n,
                  struct guest_fault *f)
{
    const void *p;
    uint64_t value = 0;

    if (!in_range(in, ea, n, false, f) || !is_aligned(e, in, ea, n, f))
        return false;
    watch_data(e, ea, n, false);
    if (n > 8)
        return guest_read_fault(&e->v, GVA(ea), to, n, f);
    p = guest_hva(&e->v, GVA(ea), n, false);
    if (p && n == 8)
        value = *(const volatile unaligned_u64 *)p;
    else if (p && n == 4)
        value = *(const volatile unaligned_u32 *)p;
    else if (p && n == 2)
        value = *(const volatile unaligned_u16 *)p;
    else if (!guest_read_fault(&e->v, GVA(ea), &value, n, f))
        return false;
    for (unsigned i = 0; i < n; i++)
        ((uint8_t *)to)[i] = (uint8_t)(value >> 8 * i);
    return true;
}

bool emulate_write(struct engine_vcpu *e, const struct emulated_insn *in, uint64_t ea, const void *from,
                   unsigned n, struct guest_fault *f)
{
    void *p;

    if (!in_range(in, ea, n, true, f) || !is_aligned(e, in, ea, n, f))
        return false;
    watch_data(e, ea, n, true);
    p = n <= 8 ? guest_hva(&e->v, GVA(ea), n, true) : NULL;
    if (p && n == 8)
        *(volatile unaligned_u64 *)p = *(const unaligned_u64 *)from;
    else if (p && n == 4)
        *(volatile unaligned_u32 *)p = *(const unaligned_u32 *)from;
    else if (p && n == 2)
        *(volatile unaligned_u16 *)p = *(const unaligned_u16 *)from;
    else
        return guest_write_fault(&e->v, GVA(ea), from, n, f);
    return true;
}

bool emulate_may_write(struct engine_vcpu *e, const struct emulated_insn *in, uint64_t ea, unsigned n,
                       struct guest_fault *f)
{
    if (!in_range(in, ea, n, true, f) || !is_aligned(e, in, ea, n, f))
        return false;
    for (uint64_t done = 0; done < n; done = ((ea + done) & PAGE_MASK) + PAGE_SIZE - ea) {
        struct translation t;

        if (!e->v.ops->walk(&e->v, GVA(ea + done), ACCESS_WRITE, &t, &f->pfec)) {
            f->cr2 = ea + done;
            return false;
        }
    }
    return true;
}

static enum emulate_result do_wrbase(struct engine_vcpu *e, const struct emulated_insn *in, uint64_t value)
{
    if (!in->wide)
        value = (uint32_t)value;
    if (!gva_canonical(GVA(value)))
        return emulate_raise(e, VEC_GP, true);
    if (in->op == EMU_WRFSBASE)
        e->v.fs_base = e->v.seg[SEG_FS].base = value;
    else
        e->v.gs_base = e->v.seg[SEG_GS].base = value;
    return EMULATE_DONE;
}

static enum emulate_result execute(struct engine_vcpu *e, const struct emulated_insn *in)
{
    switch (in->op) {
    case EMU_NONE:
        return EMULATE_NOT_OURS;
    case EMU_FXSAVE:
    case EMU_FXRSTOR:
    case EMU_XSAVE:
    case EMU_XSAVEOPT:
    case EMU_XSAVEC:
    case EMU_XRSTOR:
    case EMU_XGETBV:
        return emulate_state(e, in);
    case EMU_FNSTENV:
    case EMU_FNSAVE:
    case EMU_FLDENV:
    case EMU_FRSTOR:
        return emulate_x87(e, in);
    case EMU_WRFSBASE:
    case EMU_WRGSBASE:
        return do_wrbase(e, in, e->v.gpr[in->reg[0]]);
    case EMU_MASKMOVQ:
    case EMU_MASKMOVDQU:
    case EMU_VMASKMOVDQU:
    case EMU_MASKED_LOAD:
    case EMU_MASKED_STORE:
    case EMU_GATHER:
    case EMU_SCATTER:
        return emulate_vector(e, in);
    default:
        return emulate_integer(e, in);
    }
}

enum emulate_result emulate_special(struct engine_vcpu *e, uint64_t value, uint32_t desc)
{
    struct emulated_insn in = {
        .op = (enum emulated_op)SPECIAL_ARG(desc),
        .mode64 = true,
        .wide = desc & SPECIAL_WIDE,
        .stack_segment = desc & SPECIAL_SS,
        .has_memory = true,
        .opsize = desc & SPECIAL_WIDE    ? 8
                  : desc & SPECIAL_SHORT ? 2
                                         : 4,
        .adsize = 8,
        .stack = 8,
        .offset = value,
        .ea = value,
    };

    return SPECIAL_OP(desc) == SPECIAL_BASE ? do_wrbase(e, &in, value) : execute(e, &in);
}

struct decode_request {
    struct engine_vcpu *e;
    struct emulated_insn *in;
    uint8_t bytes[16];
    unsigned n;
    enum emulate_decoded result;
};

static void decode_job(void *arg)
{
    struct decode_request *r = arg;

    r->result = emulate_decode(&r->e->v, r->bytes, r->n, engine_mode(&r->e->v), r->in);
}

/* As much as can be fetched of the 15 bytes at rip. */
static void fetch(struct engine_vcpu *e, struct decode_request *r, struct guest_fault *f)
{
    uint64_t rip = e->v.rip, next = next_code_page(rip, engine_mode(&e->v));
    unsigned first = (unsigned)(PAGE_SIZE - (rip & ~PAGE_MASK));

    if (first > 15)
        first = 15;
    r->n = 0;
    if (!guest_read_fault(&e->v, GVA(rip), r->bytes, first, f))
        return;
    r->n = first;
    if (first < 15 && guest_read_fault(&e->v, GVA(next), r->bytes + first, 15 - first, f))
        r->n = 15;
}

enum emulate_result engine_emulate(struct engine_vcpu *e)
{
    struct emulated_insn in;
    struct decode_request r = {.e = e, .in = &in};
    struct guest_fault f;
    enum emulate_result result;

    fetch(e, &r, &f);
    if (r.n == 0) {
        f.pfec |= f.pfec == ~0u ? 0 : PFEC_FETCH;
        return emulate_raise_access(e, false, &f);
    }
    engine_xcall(decode_job, &r, e->xsave_area);
    switch (r.result) {
    case EMULATE_DECODED:
        break;
    case EMULATE_INVALID:
        return emulate_raise(e, VEC_UD, false);
    case EMULATE_TOO_LONG:
        return emulate_raise(e, VEC_GP, true);
    case EMULATE_SHORT: /* the second page is gone since the instruction was translated */
        f.pfec |= f.pfec == ~0u ? 0 : PFEC_FETCH;
        return emulate_raise_access(e, false, &f);
    }
    /* The arithmetic flags are in hot.flags. */
    result = execute(e, &in);
    if (result == EMULATE_DONE) {
        e->v.rip += in.length;
        if (!in.mode64)
            e->v.rip = (uint32_t)e->v.rip;
    }
    return result;
}
