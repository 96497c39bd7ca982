/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Instructions that Xen emulates for PV guests, and those that read the CPU's own tables: the panel's answer
 * to EXIT_EMULATE.  What isn't emulated raises what ring 3 of a CPU would raise, #GP or #UD.
 *
 * Light.  The list and the rules are those of Xen 4.17 for an unprivileged domain: guest kernels get CPUID,
 * MSRs, control and debug registers, XSETBV, ports and CLI/STI by IOPL; guest user code gets CPUID, TSC and,
 * by IOPL, ports.
 */
#include "pv/emulate.h"

#include "cpu/cpu_policy.h"
#include "pv/cpu_ops.h"
#include "pv/panel.h"

#define ECX_OSXSAVE       (1u << 27) /* of CPUID leaf 1 */
#define FORCED_PREFIX_LEN 5u
#define IOPL_KERNEL       1u /* privilege that a guest kernel has towards IOPL, unless architectural_iopl */

/* IOPL that the mode needs: user 3, kernel 1, or 0 with VMASST_TYPE_architectural_iopl. */
bool emulate_iopl_ok(const struct vcpu *v)
{
    unsigned cpl = 3;

    if (!v->user_mode)
        cpl = v->domain->pv->vm_assist >> VMASST_TYPE_architectural_iopl & 1 ? 0 : IOPL_KERNEL;
    return cpl <= v->pv->iopl;
}

static enum emulated emulate_cpuid(struct insn *in)
{
    struct vcpu *v = in->v;
    struct cpuid_regs r;

    pv_cpuid(v, (uint32_t)v->gpr[RAX], (uint32_t)v->gpr[RCX], &r);
    /*
     * Part of the PV ABI since Linux learned to rely on it: a kernel that asks with the prefix sees OSXSAVE
     * wherever it may use XSAVE, before it has set CR4.OSXSAVE.
     */
    if (in->forced && !v->user_mode && (uint32_t)v->gpr[RAX] == 1 &&
        cpu_policy_has(v->domain->cpu_policy, CPU_XSAVE))
        r.ecx |= ECX_OSXSAVE;
    v->gpr[RAX] = r.eax;
    v->gpr[RBX] = r.ebx;
    v->gpr[RCX] = r.ecx;
    v->gpr[RDX] = r.edx;
    return EMU_DONE;
}

static enum emulated emulate_rdtsc(struct insn *in, bool aux)
{
    struct vcpu *v = in->v;
    uint32_t lo, hi;

    if (aux && !cpu_policy_has(v->domain->cpu_policy, CPU_RDTSCP))
        return EMU_UD;
    if (v->user_mode && v->cr4 & CR4_TSD)
        return EMU_GP0;
    __asm__ volatile("lfence; rdtsc" : "=a"(lo), "=d"(hi) : : "memory");
    v->gpr[RAX] = lo;
    v->gpr[RDX] = hi;
    if (aux)
        v->gpr[RCX] = v->tsc_aux;
    return EMU_DONE;
}

static enum emulated emulate_xsetbv(struct insn *in)
{
    struct vcpu *v = in->v;
    uint64_t value = (uint32_t)v->gpr[RAX] | v->gpr[RDX] << 32;

    if (!(v->cr4 & CR4_OSXSAVE))
        return EMU_UD;
    if (v->user_mode || (uint32_t)v->gpr[RCX] != 0 || !pv_xcr0_valid(v, value))
        return EMU_GP0;
    engine_xcr0_set(v, value);
    return EMU_DONE;
}

/* XGETBV: 0 is XCR0; 1 is XCR0 and the components in use, which only the host CPU knows. */
static enum emulated emulate_xgetbv(struct insn *in)
{
    struct vcpu *v = in->v;
    uint64_t value = v->xcr0;

    if (!(v->cr4 & CR4_OSXSAVE))
        return EMU_UD;
    if ((uint32_t)v->gpr[RCX] == 1 && cpu_policy_has(v->domain->cpu_policy, CPU_XGETBV1)) {
        uint32_t lo, hi;

        __asm__ volatile("xgetbv" : "=a"(lo), "=d"(hi) : "c"(1));
        value &= (uint64_t)hi << 32 | lo;
    } else if ((uint32_t)v->gpr[RCX] != 0) {
        return EMU_GP0;
    }
    v->gpr[RAX] = (uint32_t)value;
    v->gpr[RDX] = value >> 32;
    return EMU_DONE;
}

static enum emulated emulate_read_cr(struct insn *in)
{
    struct vcpu *v = in->v;
    uint64_t value;

    switch (in->reg) {
    case 0:
        value = PV_CR0 | (v->task_switched ? CR0_TS : 0);
        break;
    case 2:
        value = v->cr2;
        break;
    case 3:
        value = v->pv->cr3_kernel.n << PAGE_SHIFT;
        break;
    case 4:
        value = v->cr4;
        break;
    default:
        return EMU_GP0;
    }
    insn_set_gpr(in, in->rm, value, in->mode == 64 ? 8 : 4);
    return EMU_DONE;
}

static enum emulated emulate_write_cr(struct insn *in)
{
    struct vcpu *v = in->v;
    uint64_t value = in->mode == 64 ? v->gpr[in->rm] : (uint32_t)v->gpr[in->rm];

    switch (in->reg) {
    case 0: /* only TS is the guest's to change */
        if ((value ^ PV_CR0) & ~(uint64_t)CR0_TS)
            return EMU_GP0;
        pv_set_task_switched(v, value & CR0_TS);
        return EMU_DONE;
    case 2:
        v->cr2 = value;
        return EMU_DONE;
    case 3:
        return mm_new_baseptr(v, MFN(value >> PAGE_SHIFT)) == 0 ? EMU_DONE : EMU_GP0;
    case 4:
        pv_set_cr4(v, value);
        return EMU_DONE;
    default:
        return EMU_GP0;
    }
}

static enum emulated emulate_mov_dr(struct insn *in, bool write)
{
    struct vcpu *v = in->v;
    uint64_t value = in->mode == 64 ? v->gpr[in->rm] : (uint32_t)v->gpr[in->rm];
    unsigned reg = in->reg;

    if (reg > 7 || ((reg == 4 || reg == 5) && v->cr4 & CR4_DE))
        return EMU_UD;
    if (write)
        return pv_set_debugreg(v, reg, value) == 0 ? EMU_DONE : EMU_GP0;
    if (pv_get_debugreg(v, reg, &value))
        return EMU_GP0;
    insn_set_gpr(in, in->rm, value, in->mode == 64 ? 8 : 4);
    return EMU_DONE;
}

/* 0f 01, register forms: byte is the whole ModRM. */
static enum emulated emulate_0f01_register(struct insn *in)
{
    switch (0xc0 | (in->reg & 7) << 3 | (in->rm & 7)) {
    case 0xd0:
        return emulate_xgetbv(in);
    case 0xd1:
        return emulate_xsetbv(in);
    case 0xf9:
        return emulate_rdtsc(in, true);
    case 0xf8: /* SWAPGS */
        return in->mode == 64 ? EMU_GP0 : EMU_UD;
    case 0xf0 ... 0xf7: /* LMSW */
        return EMU_GP0;
    case 0xe0 ... 0xe7: /* SMSW */
        return insn_write_rm(in, PV_CR0 | (in->v->task_switched ? CR0_TS : 0)) ? EMU_DONE : EMU_INJECTED;
    default: /* virtualization, MONITOR and so on: none of them is shown in CPUID */
        return EMU_UD;
    }
}

static enum emulated emulate_0f01(struct insn *in)
{
    if (in->mod == 3)
        return emulate_0f01_register(in);
    switch (in->reg & 7) {
    case 0:
    case 1:
        return emulate_sgdt_sidt(in);
    case 2: /* LGDT, LIDT, LMSW, INVLPG */
    case 3:
    case 6:
    case 7:
        return EMU_GP0;
    case 4:
        return insn_write_rm(in, PV_CR0 | (in->v->task_switched ? CR0_TS : 0)) ? EMU_DONE : EMU_INJECTED;
    default:
        return EMU_UD;
    }
}

/*
 * What only a guest kernel may do; its user code gets #GP(0), as does everybody for what Xen doesn't emulate.
 */
static enum emulated emulate_kernel_only(struct insn *in)
{
    if (!insn_kernel_mode(in))
        return EMU_GP0;
    switch (in->opcode) {
    case 0x0f06: /* CLTS */
        pv_set_task_switched(in->v, false);
        return EMU_DONE;
    case 0x0f09: /* WBINVD: nothing is cached that an unprivileged domain could flush */
        return EMU_DONE;
    case 0x0f20:
        return emulate_read_cr(in);
    case 0x0f21:
        return emulate_mov_dr(in, false);
    case 0x0f22:
        return emulate_write_cr(in);
    case 0x0f23:
        return emulate_mov_dr(in, true);
    case 0x0f30:
        return emulate_wrmsr(in);
    case 0x0f32:
        return emulate_rdmsr(in);
    default:
        return EMU_GP0;
    }
}

static enum emulated emulate_two_byte(struct insn *in)
{
    switch (in->opcode) {
    case 0x0f00:
        return emulate_group6(in);
    case 0x0f01:
        return emulate_0f01(in);
    case 0x0f02:
    case 0x0f03:
        return emulate_lar_lsl(in);
    case 0x0f31:
        return emulate_rdtsc(in, false);
    case 0x0fa2:
        return emulate_cpuid(in);
    case 0x0fa0:
    case 0x0fa1:
    case 0x0fa8:
    case 0x0fa9:
        return emulate_push_pop_sreg(in);
    case 0x0fb2:
    case 0x0fb4:
    case 0x0fb5:
        return emulate_load_far_pointer(in);
    case 0x0f06:
    case 0x0f08: /* INVD */
    case 0x0f09:
    case 0x0f20 ... 0x0f23:
    case 0x0f30:
    case 0x0f32:
    case 0x0f33: /* RDPMC */
    case 0x0f07: /* SYSRET */
    case 0x0f35: /* SYSEXIT */
        return emulate_kernel_only(in);
    default:
        return EMU_UD;
    }
}

static enum emulated emulate_one(struct insn *in)
{
    if (in->lock)
        return EMU_UD;
    switch (in->opcode) {
    case 0x6c ... 0x6f:
        return emulate_ins_outs(in);
    case 0xe4 ... 0xe7:
    case 0xec ... 0xef:
        return emulate_in_out(in);
    case 0xfa: /* CLI, STI: as in Xen, allowed by IOPL and without effect on the event mask */
    case 0xfb:
        return emulate_iopl_ok(in->v) ? EMU_DONE : EMU_GP0;
    case 0xf4: /* HLT */
        return EMU_GP0;
    case 0x06:
    case 0x07:
    case 0x0e:
    case 0x16:
    case 0x17:
    case 0x1e:
    case 0x1f:
        return emulate_push_pop_sreg(in);
    case 0x8c:
    case 0x8e:
        return emulate_mov_sreg(in);
    case 0xc4:
    case 0xc5:
        return emulate_load_far_pointer(in);
    case 0x9a:
    case 0xca:
    case 0xcb:
    case 0xcf:
    case 0xea:
    case 0xff:
        return emulate_far_transfer(in);
    default:
        return in->opcode >= 0x0f00 ? emulate_two_byte(in) : EMU_UD;
    }
}

/*
 * UD2A and the bytes "xen" in front of CPUID ask Xen to emulate it (xen/arch-x86/xen.h, XEN_CPUID).  True if
 * they are at rip; a UD2 without them is just that.
 */
static bool forced_prefix(struct vcpu *v)
{
    static const uint8_t prefix[FORCED_PREFIX_LEN] = {0x0f, 0x0b, 'x', 'e', 'n'};
    uint64_t va = v->rip;
    uint8_t b;

    if (!(v->seg[SEG_CS].attr & SEG_ATTR_L))
        va = (uint32_t)(v->seg[SEG_CS].base + (uint32_t)va);
    for (unsigned i = 0; i < FORCED_PREFIX_LEN; i++)
        if (!guest_read(v, GVA(va + i), &b, 1) || b != prefix[i])
            return false;
    return true;
}

static void single_step(struct vcpu *v)
{
    v->dr[6] |= DR6_BS;
    pv_inject(v, VEC_DB, -1);
}

void pv_emulate(struct vcpu *v)
{
    unsigned skip = forced_prefix(v) ? FORCED_PREFIX_LEN : 0;
    bool step = v->rflags & FLAG_TF;
    struct insn in;

    if (!insn_decode(&in, v, skip))
        return;
    if (skip && (in.opcode != 0x0fa2 || in.len != skip + 2)) {
        pv_inject(v, VEC_UD, -1);
        return;
    }
    in.forced = skip != 0;
    switch (emulate_one(&in)) {
    case EMU_DONE:
        v->rip += in.len;
        if (in.mode != 64)
            v->rip = (uint32_t)v->rip;
        v->rflags &= ~FLAG_RF;
        if (step)
            single_step(v);
        break;
    case EMU_JUMPED:
        if (step)
            single_step(v);
        break;
    case EMU_AGAIN:
    case EMU_INJECTED:
        break;
    case EMU_GP0:
        pv_inject(v, VEC_GP, 0);
        break;
    case EMU_UD:
        pv_inject(v, VEC_UD, -1);
        break;
    }
}
