/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The guest's registers: to a stub and back.
 *
 * Selectors are as the guest has them, which works because a Linux guest's descriptors 4 to 6 and 12 to 14
 * mean what the host's do; where they don't, direct_fits() or state_put() says so. Vector state is limited to
 * x87, SSE and AVX on both ways: whatever else the host has is in its initial state when user code starts and
 * forgotten when it stops.
 */
#include <asm/ldt.h>
#include <elf.h>
#include <errno.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>

#include <asm/ptrace-abi.h> /* after sys/ptrace.h, which declares the same names otherwise */

#include "direct/internal.h"

/* Standard XSAVE format (SDM vol. 1, 13.4). */
#define XSAVE_MXCSR       24u
#define XSAVE_XMM         160u
#define XSAVE_XMM_BYTES   256u
#define XSAVE_SW_RESERVED 464u
#define XSAVE_HEADER      512u
#define XSAVE_AVX         576u
#define XSAVE_AVX_END     832u

#define XFEATURE_SSE 2u
#define MXCSR_INIT   0x1f80u

#define FLAGS_USER (FLAGS_ARITH | FLAG_TF | FLAG_DF | FLAG_NT | FLAG_AC | FLAG_ID)
/* Those that PTRACE_SETREGS changes; not ID. */
#define FLAGS_PUT (FLAGS_ARITH | FLAG_DF | FLAG_NT)

/* ---- vector state ---- */

/*
 * Makes a full image of the host's size out of what a guest may have; header and padding as SETREGSET wants
 * them.
 */
static void fpu_image(uint8_t *to, const uint8_t *from)
{
    uint32_t mxcsr;

    memcpy(to, from, XSAVE_SW_RESERVED);
    memset(to + XSAVE_SW_RESERVED, 0, host.xsave_size - XSAVE_SW_RESERVED);
    to[XSAVE_HEADER] = from[XSAVE_HEADER] & XFEATURES;
    /*
     * Where XMM registers are zero XSAVE may say that SSE state is initial, whatever MXCSR is (SDM vol. 1,
     * 13.6); the kernel would take MXCSR to be initial, too.
     */
    memcpy(&mxcsr, from + XSAVE_MXCSR, sizeof(mxcsr));
    if (!(to[XSAVE_HEADER] & XFEATURE_SSE) && mxcsr != MXCSR_INIT) {
        to[XSAVE_HEADER] |= XFEATURE_SSE;
        memset(to + XSAVE_XMM, 0, XSAVE_XMM_BYTES);
    }
    memcpy(to + XSAVE_AVX, from + XSAVE_AVX, XSAVE_AVX_END - XSAVE_AVX);
}

static bool fpu_same(const uint8_t *a, const uint8_t *b)
{
    return !memcmp(a, b, XSAVE_SW_RESERVED) && ((a[XSAVE_HEADER] ^ b[XSAVE_HEADER]) & XFEATURES) == 0 &&
           !memcmp(a + XSAVE_AVX, b + XSAVE_AVX, XSAVE_AVX_END - XSAVE_AVX);
}

static int fpu_put(struct direct *d, struct space *sp, const uint8_t *xsave)
{
    long err;

    struct iovec io = {.iov_base = d->fpu, .iov_len = host.xsave_size};

    if (d->fpu_space == sp && fpu_same(d->fpu, xsave))
        return 0;
    d->fpu_space = NULL;
    fpu_image(d->fpu, xsave);
    err = stub_ptrace(PTRACE_SETREGSET, sp->pid, (void *)NT_X86_XSTATE, &io);
    if (err < 0)
        return (int)err;
    d->fpu_space = sp;
    return 0;
}

static bool fpu_take(struct direct *d, struct space *sp, uint8_t *xsave)
{
    struct iovec io = {.iov_base = d->fpu, .iov_len = XSAVE_AVX_END};

    d->fpu_space = NULL;
    if (stub_ask(PTRACE_GETREGSET, sp, (void *)NT_X86_XSTATE, &io) < 0)
        return false;
    /*
     * XSAVEC and XSAVES don't store MXCSR if SSE state is initial, MXCSR included (SDM vol. 1, 13.10), and
     * where AVX state isn't the kernel tells us what was there before.
     */
    if (host.xsavec && !(d->fpu[XSAVE_HEADER] & XFEATURE_SSE))
        memcpy(d->fpu + XSAVE_MXCSR, &(uint32_t){MXCSR_INIT}, sizeof(uint32_t));
    fpu_image(xsave, d->fpu);
    d->fpu_space = sp;
    return true;
}

/* ---- descriptors for threads ---- */

static bool segment_same(const struct segment *a, const struct segment *b)
{
    return a->selector == b->selector && a->attr == b->attr && a->limit == b->limit && a->base == b->base;
}

/*
 * Descriptors 12 to 14, which 32-bit programs have their thread's data in: those of the guest's table that
 * the host accepts are set in the stub, others are not there, so that loading them faults and is left to the
 * translator. False: one that is in use can't be set.
 */
static bool tls_put(struct space *sp, struct vcpu *v)
{
    for (unsigned i = 0; i < HOST_TLS_NR; i++) {
        uint16_t selector = (uint16_t)(HOST_TLS + 8 * i);
        bool used = v->seg[SEG_FS].selector == selector || v->seg[SEG_GS].selector == selector;
        struct segment s;
        struct user_desc u = {.entry_number = HOST_TLS_SLOT + i, .read_exec_only = 1, .seg_not_present = 1};
        bool there =
            v->ops->user_segment(v, selector, &s) && !(s.attr & SEG_ATTR_CODE) && s.attr & SEG_ATTR_DB;

        if (!there)
            s = (struct segment){0};
        if (used && !there)
            return false;
        if (segment_same(&s, &sp->tls[i]))
            continue;
        if (there)
            u = (struct user_desc){
                .entry_number = HOST_TLS_SLOT + i,
                .base_addr = (unsigned)s.base,
                .limit = s.attr & SEG_ATTR_G ? s.limit >> PAGE_SHIFT : s.limit,
                .seg_32bit = 1,
                .contents =
                    s.attr & SEG_ATTR_EXPAND_DOWN ? MODIFY_LDT_CONTENTS_STACK : MODIFY_LDT_CONTENTS_DATA,
                .read_exec_only = !(s.attr & SEG_ATTR_RW),
                .limit_in_pages = (s.attr & SEG_ATTR_G) != 0,
            };
        if (stub_ptrace(PTRACE_SET_THREAD_AREA, sp->pid, (void *)(uintptr_t)u.entry_number, &u) < 0)
            return false;
        sp->tls[i] = s;
    }
    return true;
}

/* Whether the stub's descriptors for threads matter: to most 64-bit programs they don't. */
static bool tls_matters(const struct vcpu *v)
{
    return v->seg[SEG_CS].selector == HOST_CS_32 || segment_is_tls(v->seg[SEG_FS].selector) ||
           segment_is_tls(v->seg[SEG_GS].selector);
}

/* ---- general registers ---- */

int state_put(struct direct *d, struct space *sp, struct vcpu *v, void *xsave)
{
    struct stub_regs *r = &d->regs;
    const uint64_t *g = v->gpr;

    if ((v->rflags & FLAG_ID) != sp->flag_id) {
        if (!stub_set_flag_id(d, sp->pid, v->rflags & FLAG_ID))
            return -ESRCH;
        sp->flag_id = v->rflags & FLAG_ID;
    }
    if (tls_matters(v) && !tls_put(sp, v))
        return -EINVAL;
    *r = (struct stub_regs){
        .rax = g[RAX],
        .rcx = g[RCX],
        .rdx = g[RDX],
        .rbx = g[RBX],
        .rsp = g[RSP],
        .rbp = g[RBP],
        .rsi = g[RSI],
        .rdi = g[RDI],
        .r8 = g[R8],
        .r9 = g[R9],
        .r10 = g[R10],
        .r11 = g[R11],
        .r12 = g[R12],
        .r13 = g[R13],
        .r14 = g[R14],
        .r15 = g[R15],
        .rip = v->rip,
        .eflags = (v->rflags & FLAGS_PUT) | FLAG_IF | 2,
        .orig_rax = ~0UL,
        .cs = v->seg[SEG_CS].selector,
        .ss = v->seg[SEG_SS].selector,
        .ds = v->seg[SEG_DS].selector,
        .es = v->seg[SEG_ES].selector,
        .fs = v->seg[SEG_FS].selector,
        .gs = v->seg[SEG_GS].selector,
        .fs_base = v->fs_base,
        .gs_base = v->gs_base,
    };
    return fpu_put(d, sp, xsave);
}

bool state_fetch(struct direct *d, struct space *sp)
{
    return stub_ask(PTRACE_GETREGS, sp, NULL, &d->regs) == 0;
}

/* A segment register that user code has loaded by itself. */
static void segment_take(struct vcpu *v, enum segreg s, uint64_t selector)
{
    struct segment seg;

    if (v->seg[s].selector == selector)
        return;
    if (!v->ops->user_segment(v, (uint16_t)selector, &seg))
        seg = (struct segment){
            .selector = (uint16_t)selector, .attr = v->seg[s].attr, .limit = v->seg[s].limit};
    v->seg[s] = seg;
}

bool state_take(struct direct *d, struct space *sp, struct vcpu *v, void *xsave)
{
    const struct stub_regs *r = &d->regs;
    uint64_t *g = v->gpr;

    g[RAX] = r->rax;
    g[RCX] = r->rcx;
    g[RDX] = r->rdx;
    g[RBX] = r->rbx;
    g[RSP] = r->rsp;
    g[RBP] = r->rbp;
    g[RSI] = r->rsi;
    g[RDI] = r->rdi;
    g[R8] = r->r8;
    g[R9] = r->r9;
    g[R10] = r->r10;
    g[R11] = r->r11;
    g[R12] = r->r12;
    g[R13] = r->r13;
    g[R14] = r->r14;
    g[R15] = r->r15;
    v->rip = r->rip;
    v->rflags = (v->rflags & ~FLAGS_USER) | (r->eflags & FLAGS_USER);
    sp->flag_id = r->eflags & FLAG_ID;
    segment_take(v, SEG_CS, r->cs);
    segment_take(v, SEG_SS, r->ss);
    segment_take(v, SEG_DS, r->ds);
    segment_take(v, SEG_ES, r->es);
    segment_take(v, SEG_FS, r->fs);
    segment_take(v, SEG_GS, r->gs);
    v->fs_base = v->seg[SEG_FS].base = r->fs_base;
    v->gs_base = v->seg[SEG_GS].base = r->gs_base;
    return fpu_take(d, sp, xsave);
}
