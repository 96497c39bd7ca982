// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The engine's half of the comparison.
 *
 * The panel is panel.c. Exits become what the same instruction does on the bare CPU under Linux.
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
#include "panel.h"

#define RAM_FRAMES  4096
#define DOMID       1
#define CACHE_BYTES (8UL << 20)

/* What direct execution is for (direct_fits()). */
#define CR4_FSGSBASE (1u << 16)
#define CR4_OSXSAVE  (1u << 18)

static struct vcpu *vcpu;
static struct domain domain;
static mfn_t first_frame;
static enum engine_exec exec;
static bool ran_directly;
static uint8_t fpu_in[XSAVE_BYTES] __attribute__((aligned(64)));
static uint8_t fpu_out[XSAVE_BYTES] __attribute__((aligned(64)));

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
        "    mov state_xcr0(%rip), %eax\n"
        "    xor %edx, %edx\n"
        "    xrstor64 (%rsi)\n"
        "    mov %rbx, %rdi\n"
        "    call engine_run\n"
        "    mov %eax, %ebp\n"
        "    mov state_xcr0(%rip), %eax\n"
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

static void set_state(const struct test_case *t)
{
    memcpy(vcpu->gpr, t->init.gpr, sizeof(vcpu->gpr));
    vcpu->rip = t->init.rip;
    vcpu->rflags = t->init.rflags;
    vcpu->fs_base = t->init.fs_base;
    vcpu->gs_base = t->init.gs_base;
    vcpu->seg[SEG_CS] = panel_segment(t->code32 ? SEL_CODE_32 : SEL_CODE_64);
    vcpu->seg[SEG_SS] = vcpu->seg[SEG_DS] = vcpu->seg[SEG_ES] = panel_segment(SEL_DATA);
    vcpu->seg[SEG_FS] = panel_segment(t->code32 ? SEL_FS_32 : 0);
    vcpu->seg[SEG_GS] = panel_segment(t->code32 ? SEL_GS_32 : 0);
    vcpu->seg[SEG_FS].base = t->init.fs_base;
    vcpu->seg[SEG_GS].base = t->init.gs_base;
}

static void set_memory(const struct test_case *t)
{
    case_image(t, machine_hva(first_frame));
    for (unsigned i = 0; i < NR_FRAMES; i++)
        engine_frame_changed(vcpu, MFN(first_frame.n + i), 0, PAGE_SIZE);
}

/* Gives the case its memory back, and says so of no more than what has changed. */
static void restore_memory(const struct test_case *t)
{
    static uint8_t image[MEM_BYTES];

    case_image(t, image);
    for (unsigned i = 0; i < NR_FRAMES; i++) {
        uint8_t *frame = machine_hva(MFN(first_frame.n + i));

        if (memcmp(frame, image + i * PAGE_SIZE, PAGE_SIZE) == 0)
            continue;
        memcpy(frame, image + i * PAGE_SIZE, PAGE_SIZE);
        engine_frame_changed(vcpu, MFN(first_frame.n + i), 0, PAGE_SIZE);
    }
}

/*
 * What a kernel does that starts a program: its pages of code are new, and nothing that is known of those of
 * the last case holds.
 */
static void program_starts(void)
{
    panel_forget(false);
    engine_flush_all(vcpu);
}

static uint64_t direct_stops(void)
{
    struct engine_stats s;

    engine_stats_get(vcpu, &s);
    return s.stops - s.misses;
}

/* Direct execution, if cases are to run so; where the host doesn't allow it that is the process's end. */
static void exec_start(void)
{
    const char *why;
    int e = engine_exec_prepare(exec, 1, &why);

    if (e)
        errx(ENGINE_NO_DIRECT, "cputest: no direct execution here: %s: %s", why, strerror(-e));
}

void engine_side_start(enum engine_exec how)
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
    panel_start(first_frame);
    exec = how;
    exec_start();
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
    vcpu->cr4 = CR4_FSGSBASE | CR4_OSXSAVE;
    vcpu->xcr0 = state_xcr0;
    e = engine_thread_start(vcpu);
    if (e)
        errx(1, "cputest: engine_thread_start: %s", strerror(-e));
    /* The engine loads an initial FPU state of its own at the first entry: let that be behind us. */
    idle.init.rip = CODE_LOW;
    set_memory(&idle);
    set_state(&idle);
    engine_run(vcpu);
    if (exec == EXEC_DIRECT && !direct_stops())
        errx(ENGINE_NO_DIRECT, "cputest: no direct execution here");
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

static void run_to_end(void)
{
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
}

/*
 * Runs the case with its code at another address, whatever comes of it: what is translated there is what the
 * blocks at its own are copied from (engine/copy.c).
 */
static void run_elsewhere(const struct test_case *t)
{
    vcpu->rip += CODE_ELSEWHERE;
    panel_code_elsewhere = true;
    timed_out = false;
    __atomic_fetch_add(&run_serial, 1, __ATOMIC_SEQ_CST);
    run_to_end();
    panel_code_elsewhere = false;
    engine_flush_all(vcpu);
    memcpy(fpu_in, t->init.xsave, XSAVE_BYTES);
    restore_memory(t);
    set_state(t);
    panel_trouble = NULL;
}

void engine_side_run(const struct test_case *t, uint64_t salt, struct outcome *out)
{
    uint64_t stops;

    memset(out, 0, sizeof(*out));
    memcpy(fpu_in, t->init.xsave, XSAVE_BYTES);
    memset(fpu_out, 0, sizeof(fpu_out));
    set_memory(t);
    set_state(t);
    panel_trouble = NULL;
    if (salt & 1) {
        panel_forget(true);
        engine_flush_all(vcpu);
    }
    if (exec != EXEC_TRANSLATE)
        program_starts();
    else if (t->init.rip >= CODE_HIGH && (salt >> 4 & 1))
        run_elsewhere(t);
    stops = direct_stops();
    timed_out = false;
    __atomic_store_n(&kicking, (salt >> 1 & 7) == 0, __ATOMIC_RELAXED);
    __atomic_fetch_add(&run_serial, 1, __ATOMIC_SEQ_CST);
    run_to_end();
    ran_directly = direct_stops() != stops;
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
        for (unsigned i = 0; i < 16; i++) {
            if (i >= 8)
                out->state.gpr[i] = 0;
            else if (ran_directly) /* what is above isn't defined: AMD's KMOV with W set writes there */
                out->state.gpr[i] = (uint32_t)out->state.gpr[i];
        }
    memcpy(out->state.xsave, fpu_out, XSAVE_BYTES);
    state_normalise_xsave(out->state.xsave);
}

const uint8_t *engine_side_memory(void)
{
    return machine_hva(first_frame);
}

bool engine_side_ran_directly(void)
{
    return ran_directly;
}
