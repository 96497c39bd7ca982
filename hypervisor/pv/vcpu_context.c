/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * VCPUOP_initialise: from struct vcpu_guest_context to a vCPU ready to run.  The checks are those that Xen
 * 4.17 makes for 64-bit PV guests.
 */
#include "pv/cpu_ops.h"
#include "pv/hypercall.h"
#include "pv/mm.h"
#include "pv/panel.h"
#include "pv/segment.h"

#define LDT_MAX_ENTRIES   8192
#define GDT_FRAME_ENTRIES 512
#define MXCSR_OFFSET      24
#define MXCSR_VALID       0xffffu

/* What a guest may choose in RFLAGS; of the rest IF is always on, IOPL is virtual. */
#define FLAGS_GUEST (FLAGS_ARITH | FLAG_TF | FLAG_DF | FLAG_NT | FLAG_RF | FLAG_AC | FLAG_ID)
#define FLAGS_FIXED (FLAG_IF | 0x2)

/* Kernels name ring-0 selectors; they get Xen's flat ring-3 segments instead. */
static uint16_t code_selector(uint64_t sel)
{
    return (sel & 3) == 3 ? (uint16_t)sel : FLAT_KERNEL_CS;
}

static uint16_t stack_selector(uint64_t sel)
{
    return (sel & 3) == 3 ? (uint16_t)sel : FLAT_KERNEL_SS;
}

static bool addresses_ok(const struct vcpu_guest_context *c)
{
    const uint64_t canonical[] = {
        c->user_regs.rip,        c->user_regs.rsp, c->kernel_sp,          c->fs_base,
        c->gs_base_kernel,       c->gs_base_user,  c->event_callback_eip, c->failsafe_callback_eip,
        c->syscall_callback_eip,
    };

    for (unsigned i = 0; i < ARRAY_SIZE(canonical); i++) {
        if (!gva_canonical(GVA(canonical[i])))
            return false;
    }
    for (unsigned i = 0; i < ARRAY_SIZE(c->trap_ctxt); i++) {
        if (!gva_canonical(GVA(c->trap_ctxt[i].address)))
            return false;
    }
    return guest_range_ok(GVA(c->ldt_base), 1) && c->ldt_base % PAGE_SIZE == 0 &&
           c->ldt_ents <= LDT_MAX_ENTRIES;
}

/* ---- references on the GDT's frames; mm_lock held ---- */

static void gdt_put(struct domain *d, const struct vcpu_guest_context *c, unsigned n)
{
    while (n-- > 0)
        mm_put_page(d, MFN(c->gdt_frames[n]), FRAME_SEGDESC);
}

static bool gdt_get(struct domain *d, const struct vcpu_guest_context *c, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        mfn_t m = MFN(c->gdt_frames[i]);

        if (!machine_valid(m) || mm_get_page(d, m, FRAME_SEGDESC)) {
            gdt_put(d, c, i);
            return false;
        }
    }
    return true;
}

/* ---- registers ---- */

static void set_traps(struct pv_vcpu *p, const struct vcpu_guest_context *c)
{
    for (unsigned i = 0; i < ARRAY_SIZE(p->traps); i++) {
        p->traps[i].address = c->trap_ctxt[i].address;
        p->traps[i].cs = code_selector(c->trap_ctxt[i].cs);
        p->traps[i].flags = c->trap_ctxt[i].flags;
    }
    p->event = (struct pv_callback){.address = c->event_callback_eip, .mask_events = true};
    p->failsafe = (struct pv_callback){.address = c->failsafe_callback_eip,
                                       .mask_events = c->flags & VGCF_failsafe_disables_events};
    p->syscall = (struct pv_callback){.address = c->syscall_callback_eip,
                                      .mask_events = c->flags & VGCF_syscall_disables_events};
}

static void set_gprs(struct vcpu *v, const struct cpu_user_regs *r)
{
    v->gpr[RAX] = r->rax;
    v->gpr[RCX] = r->rcx;
    v->gpr[RDX] = r->rdx;
    v->gpr[RBX] = r->rbx;
    v->gpr[RSP] = r->rsp;
    v->gpr[RBP] = r->rbp;
    v->gpr[RSI] = r->rsi;
    v->gpr[RDI] = r->rdi;
    v->gpr[R8] = r->r8;
    v->gpr[R9] = r->r9;
    v->gpr[R10] = r->r10;
    v->gpr[R11] = r->r11;
    v->gpr[R12] = r->r12;
    v->gpr[R13] = r->r13;
    v->gpr[R14] = r->r14;
    v->gpr[R15] = r->r15;
    v->rip = r->rip;
    v->rflags = (r->rflags & FLAGS_GUEST) | FLAGS_FIXED;
}

/* False: no such segment. The LDT can't be read from here (this isn't v's thread): as if it were empty. */
static bool load(struct vcpu *v, enum segreg s, uint16_t selector)
{
    uint32_t fault;

    return !(selector & 4) && segment_load(v, s, selector, &fault);
}

/*
 * GDT and mode are set.  A data selector that can't be loaded becomes NULL; Xen would call the failsafe
 * callback, when the vCPU first runs.
 */
static bool set_segments(struct vcpu *v, const struct vcpu_guest_context *c)
{
    const struct cpu_user_regs *r = &c->user_regs;
    struct pv_vcpu *p = pv_vcpu(v);
    const uint16_t data[] = {[SEG_ES] = r->es, [SEG_DS] = r->ds, [SEG_FS] = r->fs, [SEG_GS] = r->gs};
    bool null_fs = !(r->fs & ~3u), null_gs = !(r->gs & ~3u);

    if (!load(v, SEG_CS, code_selector(r->cs)) || !load(v, SEG_SS, stack_selector(r->ss)))
        return false;
    for (unsigned s = 0; s < ARRAY_SIZE(data); s++) {
        if (s != SEG_CS && s != SEG_SS && !load(v, s, data[s]))
            load(v, s, 0);
    }
    /* A base counts where no selector names another. */
    if (null_fs)
        v->fs_base = v->seg[SEG_FS].base = c->fs_base;
    p->gs_base_kernel = c->gs_base_kernel;
    p->gs_base_user = null_gs ? c->gs_base_user : 0;
    if (!v->user_mode)
        v->gs_base = v->seg[SEG_GS].base = c->gs_base_kernel;
    else if (null_gs)
        v->gs_base = v->seg[SEG_GS].base = c->gs_base_user;
    return true;
}

static void set_fpu(struct pv_vcpu *p, const struct vcpu_guest_context *c)
{
    p->load_fpu = c->flags & VGCF_i387_valid;
    if (!p->load_fpu)
        return;
    for (unsigned i = 0; i < sizeof(p->fpu_image); i++)
        p->fpu_image[i] = (uint8_t)c->fpu_ctxt.x[i];
    *(uint32_t *)(p->fpu_image + MXCSR_OFFSET) &= MXCSR_VALID; /* FXRSTOR would fault */
}

static void set_control(struct vcpu *v, const struct vcpu_guest_context *c)
{
    pv_cpu_reset(v);
    v->cr4 = pv_fixup_cr4(v, c->ctrlreg[4]);
    v->task_switched = c->ctrlreg[0] & CR0_TS;
    /* What can't be set stays at its reset value. */
    for (unsigned i = 0; i < ARRAY_SIZE(c->debugreg); i++) {
        if (i != 4 && i != 5)
            pv_set_debugreg(v, i, c->debugreg[i]);
    }
}

static void gdt_drop(struct vcpu *v, const struct vcpu_guest_context *c, unsigned frames)
{
    lock_acquire(&v->domain->mm_lock);
    pv_vcpu(v)->gdt_entries = 0;
    gdt_put(v->domain, c, frames);
    lock_release(&v->domain->mm_lock);
}

int vcpu_set_context(struct vcpu *self, struct vcpu *v, const struct vcpu_guest_context *c)
{
    struct domain *d = v->domain;
    struct pv_vcpu *p = pv_vcpu(v);
    unsigned gdt_frames;
    int ret;

    if (!addresses_ok(c))
        return -XEN_EINVAL;
    if (!(c->flags & VGCF_in_kernel) && !c->ctrlreg[1])
        return -XEN_EINVAL;
    if (c->gdt_ents > FIRST_RESERVED_GDT_ENTRY)
        return -XEN_EINVAL;
    gdt_frames = ((unsigned)c->gdt_ents + GDT_FRAME_ENTRIES - 1) / GDT_FRAME_ENTRIES;

    lock_acquire(&d->mm_lock);
    if (!gdt_get(d, c, gdt_frames)) {
        lock_release(&d->mm_lock);
        return -XEN_EINVAL;
    }
    for (unsigned i = 0; i < gdt_frames; i++)
        p->gdt_mfn[i] = MFN(c->gdt_frames[i]);
    p->gdt_entries = (unsigned)c->gdt_ents;
    lock_release(&d->mm_lock);

    v->user_mode = !(c->flags & VGCF_in_kernel);
    if (!set_segments(v, c)) {
        gdt_drop(v, c, gdt_frames);
        return -XEN_EINVAL;
    }
    ret =
        mm_set_base_pointers(self, v, MFN(xen_cr3_to_pfn(c->ctrlreg[3])), MFN(xen_cr3_to_pfn(c->ctrlreg[1])));
    if (ret) {
        gdt_drop(v, c, gdt_frames);
        return ret;
    }

    p->ldt_base = c->ldt_base;
    p->ldt_entries = (unsigned)c->ldt_ents;
    p->kernel_ss = stack_selector(c->kernel_ss);
    p->kernel_sp = c->kernel_sp;
    p->iopl = c->user_regs.rflags >> 12 & 3;
    set_control(v, c);
    set_traps(p, c);
    set_gprs(v, &c->user_regs);
    set_fpu(p, c);
    if (v->id == 0)
        __atomic_store_n(&d->pv->vm_assist, c->vm_assist, __ATOMIC_SEQ_CST);
    return 0;
}
