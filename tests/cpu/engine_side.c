// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The engine's half of the comparison.
 *
 * The panel here translates addresses by layout_pages[] and keeps accessed/dirty rules as real page tables do
 * (a page is writable for the TLB only after a write walked it).  Exits become what the same instruction does
 * on the bare CPU under Linux.
 *
 * The guest's x87/SSE/AVX state is live in the host's registers while the engine runs: run_with_fpu() puts it
 * there and takes it out, with the engine between.
 */
#include "engine_side.h"

#include <Zydis/Zydis.h>
#include <err.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cpu/domain.h"
#include "cpu/guest_ops.h"
#include "engine/engine.h"
#include "mem/machine.h"

#define RAM_FRAMES  4096
#define DOMID       1
#define CACHE_BYTES (8UL << 20)

#define ATTR_CODE_64 0xa0fb /* G, L, P, DPL 3, code, accessed */
#define ATTR_CODE_32 0xc0fb /* G, D */
#define ATTR_DATA    0xc0f3 /* G, B, P, DPL 3, data writable, accessed */

static struct vcpu *vcpu;
static struct domain domain;
static mfn_t first_frame;
static bool dirty[64]; /* by index in layout_pages[] */
static const char *panel_trouble;
static uint8_t fpu_in[XSAVE_BYTES] __attribute__((aligned(64)));
static uint8_t fpu_out[XSAVE_BYTES] __attribute__((aligned(64)));

/* ---- the panel; light code ---- */

/* Light: no libc, so that no vector register changes. */
__attribute__((target("general-regs-only"))) static bool
panel_walk(struct vcpu *v, gva_t a, enum access access, struct translation *t, uint32_t *pfec)
{
    uint32_t code = (v->user_mode ? PFEC_USER : 0) | (access == ACCESS_WRITE ? PFEC_WRITE : 0) |
                    (access == ACCESS_FETCH ? PFEC_FETCH : 0);
    unsigned i;

    for (i = 0; i < layout_nr_pages && layout_pages[i].va != (a.va & PAGE_MASK); i++)
        ;
    if (i == layout_nr_pages) {
        /* Linux tells programs that kernel addresses are present (sanitize_error_code()). */
        *pfec = code | (a.va >= 0x7ffffffff000 ? PFEC_PRESENT : 0);
        return false;
    }
    if ((access == ACCESS_WRITE && !(layout_pages[i].perm & PERM_W)) ||
        (access == ACCESS_FETCH && !(layout_pages[i].perm & PERM_X))) {
        *pfec = code | PFEC_PRESENT;
        return false;
    }
    if (access == ACCESS_WRITE)
        dirty[i] = true;
    t->mfn = MFN(first_frame.n + layout_pages[i].frame);
    t->trapped = layout_pages[i].trapped;
    t->writable = dirty[i] && (layout_pages[i].perm & PERM_W) && !t->trapped;
    t->global = false;
    return true;
}

__attribute__((target("general-regs-only"))) static bool
panel_trapped_write(struct vcpu *v, mfn_t m, unsigned off, const void *data, unsigned size)
{
    volatile uint8_t *to = machine_hva(m);

    (void)v;
    if (size == 0 || size > 64 || off + size > PAGE_SIZE) {
        panel_trouble = "trapped_write() called with a size or offset out of range";
        return false;
    }
    for (unsigned i = 0; i < size; i++)
        to[off + i] = ((const uint8_t *)data)[i];
    return true;
}

static const struct guest_ops panel_ops = {.walk = panel_walk, .trapped_write = panel_trapped_write};

/* ---- time limit and kicks, from another thread ---- */

static int run_serial; /* odd while a case runs */
static bool kicking;   /* the running case is to be kicked often */
static bool timed_out;

#define LIMIT_MS 2000
#define STUCK_MS 8000

static void *watch(void *arg)
{
    struct timespec nap = {0, 50000};
    int serial = 0, now;
    double ms = 0, factor;

    (void)arg;
    for (;;) {
        now = __atomic_load_n(&run_serial, __ATOMIC_ACQUIRE);
        factor = __atomic_load_n(&kicking, __ATOMIC_RELAXED) ? 0.1 : 1;
        nap.tv_nsec = factor < 1 ? 50000 : 1000000;
        nanosleep(&nap, NULL);
        if (now != serial || !(now & 1)) {
            serial = now;
            ms = 0;
            if (!(now & 1))
                continue;
        }
        ms += factor;
        if (__atomic_load_n(&kicking, __ATOMIC_RELAXED))
            vcpu_request(vcpu, VCPU_REQ_EVENT);
        if (ms > LIMIT_MS) {
            __atomic_store_n(&timed_out, true, __ATOMIC_RELEASE);
            vcpu_request(vcpu, VCPU_REQ_STOP);
        }
        if (ms > STUCK_MS) {
            fprintf(stderr, "cputest: the engine doesn't come back from translated code\n");
            abort();
        }
    }
    return NULL;
}

/* ---- entering ---- */

long run_with_fpu(struct vcpu *v, const void *in, void *out);

__asm__(".pushsection .text\n"
        ".globl run_with_fpu\n"
        "run_with_fpu:\n"
        "    push %rbx\n"
        "    push %rbp\n"
        "    push %r12\n"
        "    sub $16, %rsp\n"
        "    mov %rdi, %rbx\n"
        "    mov %rdx, %r12\n"
        "    fnstcw (%rsp)\n"
        "    stmxcsr 8(%rsp)\n"
        "    mov $7, %eax\n"
        "    xor %edx, %edx\n"
        "    xrstor64 (%rsi)\n"
        "    mov %rbx, %rdi\n"
        "    call engine_run\n"
        "    mov %eax, %ebp\n"
        "    mov $7, %eax\n"
        "    xor %edx, %edx\n"
        "    xsave64 (%r12)\n"
        "    vzeroupper\n"
        "    fninit\n"
        "    fldcw (%rsp)\n"
        "    ldmxcsr 8(%rsp)\n"
        "    mov %ebp, %eax\n"
        "    add $16, %rsp\n"
        "    pop %r12\n"
        "    pop %rbp\n"
        "    pop %rbx\n"
        "    ret\n"
        ".popsection\n");

static void set_segment(enum segreg s, uint16_t selector, uint16_t attr, uint64_t base)
{
    vcpu->seg[s] = (struct segment){.selector = selector, .attr = attr, .limit = 0xffffffff, .base = base};
}

static void set_state(const struct test_case *t)
{
    memcpy(vcpu->gpr, t->init.gpr, sizeof(vcpu->gpr));
    vcpu->rip = t->init.rip;
    vcpu->rflags = t->init.rflags;
    vcpu->fs_base = t->init.fs_base;
    vcpu->gs_base = t->init.gs_base;
    set_segment(SEG_CS, t->code32 ? SEL_CODE_32 : SEL_CODE_64, t->code32 ? ATTR_CODE_32 : ATTR_CODE_64, 0);
    set_segment(SEG_SS, SEL_DATA, ATTR_DATA, 0);
    set_segment(SEG_DS, SEL_DATA, ATTR_DATA, 0);
    set_segment(SEG_ES, SEL_DATA, ATTR_DATA, 0);
    set_segment(SEG_FS, t->code32 ? SEL_FS_32 : 0, ATTR_DATA, t->init.fs_base);
    set_segment(SEG_GS, t->code32 ? SEL_GS_32 : 0, ATTR_DATA, t->init.gs_base);
}

static void set_memory(const struct test_case *t)
{
    case_image(t, machine_hva(first_frame));
    for (unsigned i = 0; i < NR_FRAMES; i++)
        engine_frame_changed(vcpu, MFN(first_frame.n + i), 0, PAGE_SIZE);
}

void engine_side_start(void)
{
    const char *why = engine_host_missing();
    struct test_case idle = {.code_va = CODE_LOW, .code_len = 1, .code = {0xf4}};
    pthread_t thread;
    int e;

    if (why)
        errx(1, "cputest: the host lacks %s", why);
    e = machine_init(RAM_FRAMES, &why);
    if (e)
        errx(1, "cputest: machine_init: %s: %s", why, strerror(-e));
    first_frame = machine_alloc(DOMID, NR_FRAMES);
    if (first_frame.n == MFN_INVALID.n)
        errx(1, "cputest: no frames");
    e = engine_init();
    if (e)
        errx(1, "cputest: engine_init: %s", strerror(-e));
    vcpu = engine_vcpu_create(CACHE_BYTES);
    if (!vcpu)
        errx(1, "cputest: no memory for a vCPU");
    domain.domid = DOMID;
    strcpy(domain.name, "cputest");
    domain.nr_vcpus = 1;
    domain.vcpu[0] = vcpu;
    domain.end = DOMAIN_RUNNING;
    vcpu->domain = &domain;
    vcpu->ops = &panel_ops;
    vcpu->user_mode = true;
    vcpu->online = true;
    e = engine_thread_start(vcpu);
    if (e)
        errx(1, "cputest: engine_thread_start: %s", strerror(-e));
    /* The engine loads an initial FPU state of its own at the first entry: let that be behind us. */
    idle.init.rip = CODE_LOW;
    set_memory(&idle);
    set_state(&idle);
    engine_run(vcpu);
    if (pthread_create(&thread, NULL, watch, NULL))
        errx(1, "cputest: pthread_create");
}

/* ---- exits ---- */

static bool names_segment_register(const ZydisDecodedInstruction *in, const ZydisDecodedOperand *op)
{
    for (unsigned i = 0; i < in->operand_count; i++)
        if (op[i].type == ZYDIS_OPERAND_TYPE_REGISTER &&
            ZydisRegisterGetClass(op[i].reg.value) == ZYDIS_REGCLASS_SEGMENT)
            return true;
    return false;
}

/* What the CPU does in user mode with an instruction that the engine leaves to the panel. */
static void outcome_emulate(const struct test_case *t, struct outcome *out)
{
    ZydisDecoder dec;
    ZydisDecodedInstruction in;
    ZydisDecodedOperand op[ZYDIS_MAX_OPERAND_COUNT];
    uint8_t b[ZYDIS_MAX_INSTRUCTION_LENGTH];
    ZyanStatus status;
    unsigned n = 0;

    ZydisDecoderInit(&dec, t->code32 ? ZYDIS_MACHINE_MODE_LONG_COMPAT_32 : ZYDIS_MACHINE_MODE_LONG_64,
                     t->code32 ? ZYDIS_STACK_WIDTH_32 : ZYDIS_STACK_WIDTH_64);
    while (n < sizeof(b) && layout_find(vcpu->rip + n)) {
        b[n] = ((uint8_t *)machine_hva(first_frame))[layout_offset(vcpu->rip + n)];
        n++;
    }
    status = ZydisDecoderDecodeFull(&dec, b, n, &in, op);
    if (ZYAN_FAILED(status)) {
        /* More than 15 bytes are #GP. */
        out->vector = status == ZYDIS_STATUS_INSTRUCTION_TOO_LONG ||
                              (status == ZYDIS_STATUS_NO_MORE_DATA && n == sizeof(b))
                          ? VEC_GP
                          : VEC_UD;
        return;
    }
    if (in.mnemonic == ZYDIS_MNEMONIC_UD0 || in.mnemonic == ZYDIS_MNEMONIC_UD1 ||
        in.mnemonic == ZYDIS_MNEMONIC_UD2 || in.meta.category == ZYDIS_CATEGORY_SMAP ||
        in.mnemonic == ZYDIS_MNEMONIC_RSM) {
        out->vector = VEC_UD;
        return;
    }
    if (in.meta.branch_type == ZYDIS_BRANCH_TYPE_FAR || in.mnemonic == ZYDIS_MNEMONIC_IRET ||
        in.mnemonic == ZYDIS_MNEMONIC_IRETD || in.mnemonic == ZYDIS_MNEMONIC_IRETQ) {
        out->kind = OUTCOME_PANEL;
        return;
    }
    if (names_segment_register(&in, op)) {
        out->kind = OUTCOME_SEGMENT;
        return;
    }
    if (!(in.attributes & ZYDIS_ATTRIB_IS_PRIVILEGED) && in.meta.category != ZYDIS_CATEGORY_IO &&
        (in.meta.category != ZYDIS_CATEGORY_SYSTEM || in.mnemonic == ZYDIS_MNEMONIC_ARPL) &&
        in.meta.category != ZYDIS_CATEGORY_IOSTRINGOP && in.mnemonic != ZYDIS_MNEMONIC_CLI &&
        in.mnemonic != ZYDIS_MNEMONIC_STI) {
        out->kind = OUTCOME_DIED;
        snprintf(out->why, sizeof(out->why), "EXIT_EMULATE of %s, which a user may execute",
                 ZydisMnemonicGetString(in.mnemonic));
        return;
    }
    out->vector = VEC_GP;
}

static void outcome_from_exit(const struct test_case *t, struct outcome *out)
{
    const struct vcpu_exit *x = &vcpu->exit;
    uint8_t vec = x->vector;

    out->kind = OUTCOME_EXCEPTION;
    switch (x->reason) {
    case EXIT_EXCEPTION:
        out->vector = vec;
        out->error = x->has_error ? x->error : 0;
        out->cr2 = vec == VEC_PF ? x->cr2 : 0;
        if (x->has_error != (vec == VEC_PF || vec == VEC_GP || vec == VEC_SS || vec == VEC_NP ||
                             vec == VEC_TS || vec == VEC_AC)) {
            out->kind = OUTCOME_DIED;
            snprintf(out->why, sizeof(out->why), "vector %u: has_error is %d", vec, x->has_error);
        }
        break;
    case EXIT_SYSCALL:
        out->kind = OUTCOME_SYSCALL;
        break;
    case EXIT_SOFTINT:
        /* Gates that Linux lets users through: 3, 4 and 80h. */
        if (vec == 3 || vec == 4 || vec == 0x80) {
            out->vector = vec;
            out->kind = vec == 0x80 ? OUTCOME_SYSCALL : OUTCOME_EXCEPTION;
            vcpu->rip = x->next_rip;
        } else {
            out->vector = VEC_GP;
            out->error = vec * 8u + 2;
        }
        break;
    case EXIT_EMULATE:
        outcome_emulate(t, out);
        break;
    default:
        out->kind = OUTCOME_DIED;
        snprintf(out->why, sizeof(out->why), "exit reason %d", x->reason);
        break;
    }
}

void engine_side_run(const struct test_case *t, uint64_t salt, struct outcome *out)
{
    memset(out, 0, sizeof(*out));
    memcpy(fpu_in, t->init.xsave, XSAVE_BYTES);
    memset(fpu_out, 0, sizeof(fpu_out));
    set_memory(t);
    set_state(t);
    panel_trouble = NULL;
    if (salt & 1) {
        engine_flush_all(vcpu);
        memset(dirty, 0, sizeof(dirty));
    }
    timed_out = false;
    __atomic_store_n(&kicking, (salt >> 1 & 7) == 0, __ATOMIC_RELAXED);
    __atomic_fetch_add(&run_serial, 1, __ATOMIC_SEQ_CST);
    for (;;) {
        run_with_fpu(vcpu, fpu_in, fpu_out);
        if (vcpu->exit.reason != EXIT_REQUEST || __atomic_load_n(&timed_out, __ATOMIC_ACQUIRE))
            break;
        __atomic_store_n(&vcpu->requests, 0, __ATOMIC_SEQ_CST);
        memcpy(fpu_in, fpu_out, XSAVE_BYTES);
    }
    __atomic_fetch_add(&run_serial, 1, __ATOMIC_SEQ_CST);
    __atomic_store_n(&kicking, false, __ATOMIC_RELAXED);
    __atomic_store_n(&vcpu->requests, 0, __ATOMIC_SEQ_CST);
    if (timed_out)
        out->kind = OUTCOME_TIMEOUT;
    else
        outcome_from_exit(t, out);
    if (panel_trouble) {
        out->kind = OUTCOME_DIED;
        snprintf(out->why, sizeof(out->why), "%s", panel_trouble);
    }
    memcpy(out->state.gpr, vcpu->gpr, sizeof(vcpu->gpr));
    out->state.rip = vcpu->rip;
    out->state.rflags = vcpu->rflags;
    out->state.fs_base = vcpu->fs_base;
    out->state.gs_base = vcpu->gs_base;
    if (t->code32)
        for (unsigned i = 8; i < 16; i++)
            out->state.gpr[i] = 0;
    memcpy(out->state.xsave, fpu_out, XSAVE_BYTES);
    state_normalise_xsave(out->state.xsave);
}

const uint8_t *engine_side_memory(void)
{
    return machine_hva(first_frame);
}
