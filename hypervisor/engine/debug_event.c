/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The engine's one-line debug events: exec, cpu, exits, mmu.  Light, so that they can stand anywhere in the
 * engine, helpers of translated code and signal masks included; listings of blocks, which need Zydis, are in
 * debug_log.c.
 *
 * Each line starts with the vCPU and the option that asked for it, so that grep sorts them apart.
 */
#include "engine/debug_event.h"

#include "base/debug_write.h"

static void line_begin(struct message *m, const struct vcpu *v, const char *what)
{
    m->n = 0;
    message_char(m, 'v');
    message_decimal(m, v->id);
    message_char(m, ' ');
    message_string(m, what);
    message_char(m, ' ');
}

static void field(struct message *m, const char *name, uint64_t value)
{
    message_string(m, name);
    message_hex(m, value);
}

static const char *view_name(unsigned view)
{
    return view == VIEW_USER ? "user" : "kernel";
}

static void registers(const struct engine_vcpu *e, uint64_t rip)
{
    static const char *const names[16] = {" rax", " rcx", " rdx", " rbx", " rsp", " rbp", " rsi", " rdi",
                                          " r8",  " r9",  " r10", " r11", " r12", " r13", " r14", " r15"};
    struct message m;

    line_begin(&m, &e->v, "cpu ");
    field(&m, "rip=", rip);
    field(&m, " flags=", e->v.rflags | flags_expand(e->hot.flags));
    field(&m, " fsb=", e->v.fs_base);
    field(&m, " gsb=", e->v.gs_base);
    debug_send(&m);
    for (unsigned i = 0; i < 16; i++) {
        if (i % 8 == 0)
            line_begin(&m, &e->v, "cpu ");
        message_string(&m, names[i]);
        field(&m, "=", e->v.gpr[i]);
        if (i % 8 == 7)
            debug_send(&m);
    }
}

void debug_event_enter(const struct engine_vcpu *e, const struct block *b)
{
    struct message m;

    if (debug_on(DEBUG_EXEC)) {
        line_begin(&m, &e->v, "exec");
        message_hex(&m, b->va);
        message_char(&m, ' ');
        message_string(&m, view_name(b->mode & MODE_USER ? VIEW_USER : VIEW_KERNEL));
        message_string(&m, b->mode & MODE_64 ? " 64" : b->mode & MODE_32 ? " 32" : " 16");
        if (b->mode & MODE_CAREFUL)
            message_string(&m, " careful");
        if (b->mode & MODE_STEP)
            message_string(&m, " step");
        message_string(&m, " block ");
        message_decimal(&m, (uint64_t)(b - e->cache.blocks));
        message_string(&m, ", ");
        message_decimal(&m, b->nr_insns);
        message_string(&m, b->nr_insns == 1 ? " instruction" : " instructions");
        debug_send(&m);
    }
    if (debug_on(DEBUG_CPU))
        registers(e, b->va);
}

void debug_event_exit(const struct vcpu *v)
{
    static const char *const reasons[] = {
        [EXIT_REQUEST] = "request", [EXIT_SYSCALL] = "syscall",     [EXIT_SYSENTER] = "sysenter",
        [EXIT_SOFTINT] = "int",     [EXIT_EXCEPTION] = "exception", [EXIT_EMULATE] = "emulate",
    };
    const struct vcpu_exit *x = &v->exit;
    struct message m;

    line_begin(&m, v, "exit");
    message_string(&m, reasons[x->reason]);
    field(&m, " at ", v->rip);
    message_char(&m, ' ');
    message_string(&m, view_name(vcpu_view(v)));
    switch (x->reason) {
    case EXIT_REQUEST:
        field(&m, " requests ", __atomic_load_n(&v->requests, __ATOMIC_RELAXED));
        break;
    case EXIT_SYSCALL:
        message_string(&m, " rax ");
        message_decimal(&m, v->gpr[RAX]);
        break;
    case EXIT_SOFTINT:
    case EXIT_EXCEPTION:
        message_string(&m, " vector ");
        message_decimal(&m, x->vector);
        if (x->has_error)
            field(&m, " error ", x->error);
        if (x->reason == EXIT_EXCEPTION && x->vector == VEC_PF)
            field(&m, " cr2 ", x->cr2);
        break;
    default:
        break;
    }
    debug_send(&m);
}

static void mmu_line(struct message *m, const struct vcpu *v, const char *what, unsigned view, uint64_t va,
                     bool write)
{
    line_begin(m, v, "mmu ");
    message_string(m, what);
    message_string(m, view_name(view));
    message_string(m, write ? " write " : " read ");
    message_hex(m, va);
}

void debug_event_fill(const struct engine_vcpu *e, unsigned view, uint64_t va, bool write,
                      const struct translation *t, bool can_write)
{
    struct message m;

    mmu_line(&m, &e->v, "fill ", view, va, write);
    field(&m, " mfn ", t->mfn.n);
    message_string(&m, can_write ? " rw" : " r");
    if (t->trapped)
        message_string(&m, " trapped");
    debug_send(&m);
}

void debug_event_fault(const struct engine_vcpu *e, unsigned view, uint64_t va, bool write, uint32_t pfec)
{
    struct message m;

    mmu_line(&m, &e->v, "fault ", view, va, write);
    field(&m, " error ", pfec);
    debug_send(&m);
}

void debug_event_flush(const struct vcpu *v, const char *what, uint64_t va)
{
    struct message m;

    line_begin(&m, v, "mmu ");
    message_string(&m, "flush ");
    message_string(&m, what);
    if (va)
        field(&m, " ", va);
    debug_send(&m);
}
