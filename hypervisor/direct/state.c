/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The guest's registers: to a stub and back, by way of the frame of its last signal.
 *
 * Selectors are as the guest has them, which works because a Linux guest's descriptors 4 to 6 and 12 to 14
 * mean what the host's do; where they don't, direct_fits() or state_put() says so. Of the host's state
 * components those in the guest's XCR0 go both ways, as far as they are in use: whatever else the host has is
 * in its initial state when user code starts and forgotten when it stops.
 *
 * User code can write to the frame, and can stop without a signal. So nothing of it is believed that user
 * code couldn't have brought about by itself, and all of it is written anew before the stub goes on.
 */
#include <asm/ldt.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "direct/internal.h"

/* Standard XSAVE format (SDM vol. 1, 13.4). */
#define XSAVE_MXCSR       24u
#define XSAVE_MXCSR_MASK  28u
#define XSAVE_ST          32u
#define XSAVE_ST_BYTES    128u
#define XSAVE_XMM         160u
#define XSAVE_XMM_BYTES   256u
#define XSAVE_SW_RESERVED 464u

#define MXCSR_INIT 0x1f80u

/* What the kernel keeps in a frame (asm/sigcontext.h, asm/ucontext.h of its UAPI headers). */
#define SW_MAGIC1        0x46505853u
#define SW_MAGIC2        0x46505845u
#define SW_XSTATE_SIZE   16u /* offset in the 48 bytes at XSAVE_SW_RESERVED */
#define FRAME_FP_XSTATE  1u
#define FRAME_SS         2u
#define FRAME_STRICT_SS  4u
#define STACK_AUTODISARM (1u << 31)

#define FLAGS_USER (FLAGS_ARITH | FLAG_TF | FLAG_DF | FLAG_NT | FLAG_AC | FLAG_ID)
/* Those that go by way of the frame, and by POPF. */
#define FLAGS_FRAME (FLAGS_ARITH | FLAG_DF | FLAG_TF | FLAG_AC)
#define FLAGS_POPF  (FLAG_NT | FLAG_ID)

/* ---- the frame ---- */

/* The memory of a range of the stub's state, or NULL: it isn't in there. */
static void *state_at(const struct space *sp, uint64_t va, size_t size)
{
    struct stub_slot *slot = sp->stub.slot;
    uint64_t at = va - STUB_STATE;

    return at <= sizeof(slot->state) && size <= sizeof(slot->state) - at ? slot->state + at : NULL;
}

bool state_begin(struct space *sp)
{
    const struct stub_frame *f = state_at(sp, sp->stub.event.arg, sizeof(*f));
    const uint8_t *fp;
    uint32_t magic, size;

    if (!f || !(f->uc_flags & FRAME_FP_XSTATE))
        return false;
    fp = state_at(sp, f->fpstate, XSAVE_SIZE_LEGACY);
    if (!fp)
        return false;
    memcpy(&magic, fp + XSAVE_SW_RESERVED, sizeof(magic));
    memcpy(&size, fp + XSAVE_SW_RESERVED + SW_XSTATE_SIZE, sizeof(size));
    if (magic != SW_MAGIC1 || size < xsave_size(&host.xsave, host.xcr0 & XCR0_GUEST) ||
        !state_at(sp, f->fpstate, size + sizeof(magic)))
        return false;
    memcpy(host.sw_reserved, fp + XSAVE_SW_RESERVED, sizeof(host.sw_reserved));
    host.xsave_size = size;
    memcpy(&host.mxcsr_mask, fp + XSAVE_MXCSR_MASK, sizeof(host.mxcsr_mask));
    sp->frame = sp->stub.event.arg;
    sp->fpstate = f->fpstate;
    return true;
}

/* ---- vector state ---- */

/*
 * What a guest with this XCR0 may have of an image, with nothing else in its header, and no bit that XRSTOR
 * faults on. Of components that aren't in use the image may hold what another process had in them: user code
 * can read the frame, so that isn't taken over. (Extended ones stay as they are, which is its own.)
 */
static void fpu_image(uint8_t *to, const uint8_t *from, uint64_t xcr0)
{
    uint32_t mxcsr;
    uint8_t used;

    memcpy(to, from, XSAVE_SW_RESERVED);
    memset(to + XSAVE_SW_RESERVED, 0, XSAVE_SIZE_LEGACY - XSAVE_SW_RESERVED);
    used = from[XSAVE_HEADER] & (uint8_t)(xcr0 & XCR0_GUEST);
    /*
     * Where XMM registers are zero XSAVE may say that SSE state is initial, whatever MXCSR is (SDM vol. 1,
     * 13.6); the kernel would take MXCSR to be initial, too.
     */
    memcpy(&mxcsr, from + XSAVE_MXCSR, sizeof(mxcsr));
    mxcsr &= host.mxcsr_mask;
    memcpy(to + XSAVE_MXCSR, &mxcsr, sizeof(mxcsr));
    if (!(used & XCR0_X87)) {
        memset(to, 0, XSAVE_MXCSR);
        memset(to + XSAVE_ST, 0, XSAVE_ST_BYTES);
    }
    if (!(used & XCR0_SSE))
        memset(to + XSAVE_XMM, 0, XSAVE_XMM_BYTES);
    if (!(used & XCR0_SSE) && mxcsr != MXCSR_INIT)
        used |= XCR0_SSE;
    for (unsigned i = 2; i < XSAVE_COMPONENTS; i++)
        if (used >> i & 1)
            memcpy(to + host.xsave.offset[i], from + host.xsave.offset[i], xsave_component_size(i));
    to[XSAVE_HEADER] = used;
}

static void fpu_put(struct space *sp, const uint8_t *xsave, uint64_t xcr0)
{
    uint8_t *fp = state_at(sp, sp->fpstate, host.xsave_size);
    const uint32_t magic = SW_MAGIC2;

    fpu_image(fp, xsave, xcr0);
    memcpy(fp + XSAVE_SW_RESERVED, host.sw_reserved, sizeof(host.sw_reserved));
    memcpy(fp + host.xsave_size, &magic, sizeof(magic));
}

/* ---- descriptors for threads ---- */

#define CALL_SET_THREAD_AREA (1UL << CALL_I386_BIT | 243) /* asm/unistd_32.h: 64-bit processes have none */

static bool segment_same(const struct segment *a, const struct segment *b)
{
    return a->selector == b->selector && a->attr == b->attr && a->limit == b->limit && a->base == b->base;
}

_Static_assert(HOST_TLS_NR + 2 <= STUB_CALLS_RESERVE, "room for the calls of tls_put()");

/*
 * Descriptors 12 to 14, which 32-bit programs have their thread's data in: those of the guest's table that
 * the host accepts are set in the stub, others are not there, so that loading them faults and is left to the
 * translator. False: one that is in use can't be set.
 */
static bool tls_put(struct space *sp, struct vcpu *v)
{
    struct user_desc *descs = (struct user_desc *)sp->stub.slot->descs;
    bool changed = false;

    for (unsigned i = 0; i < HOST_TLS_NR; i++) {
        uint16_t selector = (uint16_t)(HOST_TLS + 8 * i);
        bool used = v->seg[SEG_FS].selector == selector || v->seg[SEG_GS].selector == selector;
        struct segment s;
        bool there =
            v->ops->user_segment(v, selector, &s) && !(s.attr & SEG_ATTR_CODE) && s.attr & SEG_ATTR_DB;

        if (!there)
            s = (struct segment){0};
        if (used && !there)
            return false;
        if (segment_same(&s, &sp->tls[i]))
            continue;
        if (!sp->wide)
            return false;
        descs[i] =
            (struct user_desc){.entry_number = HOST_TLS_SLOT + i, .read_exec_only = 1, .seg_not_present = 1};
        if (there)
            descs[i] = (struct user_desc){
                .entry_number = HOST_TLS_SLOT + i,
                .base_addr = (unsigned)s.base,
                .limit = s.attr & SEG_ATTR_G ? s.limit >> PAGE_SHIFT : s.limit,
                .seg_32bit = 1,
                .contents =
                    s.attr & SEG_ATTR_EXPAND_DOWN ? MODIFY_LDT_CONTENTS_STACK : MODIFY_LDT_CONTENTS_DATA,
                .read_exec_only = !(s.attr & SEG_ATTR_RW),
                .limit_in_pages = (s.attr & SEG_ATTR_G) != 0,
            };
        if (!changed)
            stub_add_call(&sp->stub, SYS_mmap, STUB_LOW, PAGE_SIZE, PROT_READ, MAP_SHARED | MAP_FIXED,
                          STUB_SLOTS_FD, sp->stub.slot_at + offsetof(struct stub_slot, descs));
        stub_add_call(&sp->stub, CALL_SET_THREAD_AREA, STUB_LOW + i * sizeof(*descs), 0, 0, 0, 0, 0);
        sp->tls[i] = s;
        changed = true;
    }
    if (changed)
        stub_add_call(&sp->stub, SYS_munmap, STUB_LOW, PAGE_SIZE, 0, 0, 0, 0);
    return true;
}

/* Whether the stub's descriptors for threads matter: to most 64-bit programs they don't. */
static bool tls_matters(const struct vcpu *v)
{
    return v->seg[SEG_CS].selector == HOST_CS_32 || segment_is_tls(v->seg[SEG_FS].selector) ||
           segment_is_tls(v->seg[SEG_GS].selector);
}

/* ---- general registers ---- */

bool state_put(struct space *sp, struct vcpu *v, const void *xsave)
{
    struct stub_frame *f = state_at(sp, sp->frame, sizeof(*f));
    struct stub_record *r = &sp->stub.slot->record;
    const uint64_t *g = v->gpr;

    if (sp->stub.nr_calls == 0) /* none that wants them */
        memset(sp->stub.slot->descs, 0, HOST_TLS_NR * sizeof(struct user_desc));
    if (tls_matters(v) && !tls_put(sp, v))
        return false;
    f->uc_flags = FRAME_FP_XSTATE | FRAME_SS | FRAME_STRICT_SS;
    f->uc_link = 0;
    f->stack_sp = STUB_STACK;
    f->stack_flags = STACK_AUTODISARM;
    f->stack_size = STUB_STACK_SIZE;
    f->mask = 0;
    f->rax = g[RAX];
    f->rcx = g[RCX];
    f->rdx = g[RDX];
    f->rbx = g[RBX];
    f->rsp = g[RSP];
    f->rbp = g[RBP];
    f->rsi = g[RSI];
    f->rdi = g[RDI];
    f->r8 = g[R8];
    f->r9 = g[R9];
    f->r10 = g[R10];
    f->r11 = g[R11];
    f->r12 = g[R12];
    f->r13 = g[R13];
    f->r14 = g[R14];
    f->r15 = g[R15];
    f->rip = v->rip;
    f->eflags = (v->rflags & FLAGS_FRAME) | FLAG_IF | 2;
    f->cs = v->seg[SEG_CS].selector;
    f->ss = v->seg[SEG_SS].selector;
    f->gs = f->fs = 0;                            /* nobody looks at them */
    f->err = f->trapno = f->oldmask = f->cr2 = 0; /* another process's, maybe */
    memset(&f->info, 0, sizeof(f->info));
    f->fpstate = sp->fpstate;
    *r = (struct stub_record){
        .fs_base = r->fs_base,
        .gs_base = r->gs_base,
        .new_fs_base = v->fs_base,
        .new_gs_base = v->gs_base,
        .flags = (v->rflags & FLAGS_POPF) | FLAG_IF | 2,
        .frame = sp->frame + 8, /* the return address is gone then */
        .ds = r->ds,
        .es = r->es,
        .fs = r->fs,
        .gs = r->gs,
        .new_ds = v->seg[SEG_DS].selector,
        .new_es = v->seg[SEG_ES].selector,
        .new_fs = v->seg[SEG_FS].selector,
        .new_gs = v->seg[SEG_GS].selector,
    };
    r->load = r->ds != r->new_ds || r->es != r->new_es || r->fs != r->new_fs || r->gs != r->new_gs;
    fpu_put(sp, xsave, v->xcr0);
    return true;
}

/* A data segment register that user code has loaded by itself. */
static void segment_take(struct vcpu *v, enum segreg s, uint16_t selector)
{
    struct segment seg;

    if (v->seg[s].selector != selector && v->ops->user_segment(v, selector, &seg))
        v->seg[s] = seg;
}

/* Whether CS and SS are what user code can have come to. */
static bool selectors_take(struct vcpu *v, uint16_t cs, uint16_t ss)
{
    struct segment code = v->seg[SEG_CS], stack = v->seg[SEG_SS];

    if (cs != HOST_CS_64 && cs != HOST_CS_32)
        return false;
    if ((cs != code.selector && !v->ops->user_segment(v, cs, &code)) ||
        (ss != stack.selector && !v->ops->user_segment(v, ss, &stack)))
        return false;
    v->seg[SEG_CS] = code;
    v->seg[SEG_SS] = stack;
    return true;
}

enum state state_take(struct space *sp, struct vcpu *v, void *xsave)
{
    const struct stub_frame *f = state_at(sp, sp->frame, sizeof(*f));
    const struct stub_record *r = &sp->stub.slot->record;
    uint64_t fs_base = r->fs_base, gs_base = r->gs_base;
    uint64_t *g = v->gpr;

    bool odd = f->rip - STUB_CODE < STUB_END_OFFSET;

    if (sp->stub.event.arg != sp->frame || !gva_canonical(GVA(fs_base)) || !gva_canonical(GVA(gs_base)) ||
        !selectors_take(v, f->cs, f->ss))
        return STATE_NONE;
    g[RAX] = f->rax;
    g[RCX] = f->rcx;
    g[RDX] = f->rdx;
    g[RBX] = f->rbx;
    g[RSP] = f->rsp;
    g[RBP] = f->rbp;
    g[RSI] = f->rsi;
    g[RDI] = f->rdi;
    g[R8] = f->r8;
    g[R9] = f->r9;
    g[R10] = f->r10;
    g[R11] = f->r11;
    g[R12] = f->r12;
    g[R13] = f->r13;
    g[R14] = f->r14;
    g[R15] = f->r15;
    if (odd) /* where the cookie goes */
        g[RAX] = g[RDI] = g[R8] = g[R14] = 0;
    v->rip = f->cs == HOST_CS_64 ? f->rip : (uint32_t)f->rip;
    v->rflags = (v->rflags & ~FLAGS_USER) | (f->eflags & FLAGS_USER);
    if (!odd) { /* there is code in our page that loads these */
        segment_take(v, SEG_DS, r->ds);
        segment_take(v, SEG_ES, r->es);
        segment_take(v, SEG_FS, r->fs);
        segment_take(v, SEG_GS, r->gs);
        v->fs_base = v->seg[SEG_FS].base = fs_base;
        v->gs_base = v->seg[SEG_GS].base = gs_base;
    }
    fpu_image(xsave, state_at(sp, sp->fpstate, host.xsave_size), v->xcr0);
    return odd ? STATE_ODD : STATE_TAKEN;
}
