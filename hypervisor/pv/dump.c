// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The register dump of a crashed domain, laid out as Xen prints it, so that people and scripts that read
 * Xen's logs read ours.
 *
 * Heavy.  Runs on the vCPU's own thread (guest memory is read in its current view).  Promises to print
 * something whatever state the guest is in: memory that can't be read is said to be so.
 */
#include <stdarg.h>
#include <stdio.h>

#include "base/message.h"
#include "pv/panel.h"

#define STACK_WORDS 32
#define CODE_BEFORE 20
#define CODE_AFTER  12

/* Text on its way out: one write, so that other threads' lines don't get in between. */
struct text {
    char buf[4096];
    size_t len;
};

__attribute__((format(printf, 2, 3))) static void text_add(struct text *t, const char *fmt, ...)
{
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = vsnprintf(t->buf + t->len, sizeof(t->buf) - t->len, fmt, ap);
    va_end(ap);
    if (n > 0)
        t->len = t->len + (size_t)n < sizeof(t->buf) ? t->len + (size_t)n : sizeof(t->buf) - 1;
}

static void dump_registers(struct text *t, const struct vcpu *v)
{
    static const struct {
        const char *name;
        uint8_t gpr;
    } order[15] = {
        {"rax", RAX}, {"rbx", RBX}, {"rcx", RCX}, {"rdx", RDX}, {"rsi", RSI},
        {"rdi", RDI}, {"rbp", RBP}, {"rsp", RSP}, {"r8", R8},   {"r9", R9},
        {"r10", R10}, {"r11", R11}, {"r12", R12}, {"r13", R13}, {"r14", R14},
    };
    const struct pv_vcpu *pv = v->pv;
    uint64_t cr3 = 0;
    unsigned masked = 0;

    if (pv) {
        cr3 = (v->user_mode ? pv->cr3_user.n : pv->cr3_kernel.n) << PAGE_SHIFT;
        masked = pv->info && pv->info->evtchn_upcall_mask;
    }
    text_add(t, "----[ Diptych  x86_64 ]----\n");
    text_add(t, "CPU:    %u\n", v->id);
    text_add(t, "RIP:    %04x:[<%016lx>]\n", v->seg[SEG_CS].selector, v->rip);
    text_add(t, "RFLAGS: %016lx   EM: %u   CONTEXT: pv guest %s (d%uv%u)\n", v->rflags, masked,
             v->user_mode ? "user" : "kernel", v->domain->domid, v->id);
    for (unsigned i = 0; i < ARRAY_SIZE(order); i++)
        text_add(t, "%s: %016lx%s", order[i].name, v->gpr[order[i].gpr], i % 3 == 2 ? "\n" : "   ");
    text_add(t, "r15: %016lx   cr0: %016lx   cr4: %016lx\n", v->gpr[R15],
             0x80050033UL | (v->task_switched ? 8 : 0), v->cr4);
    text_add(t, "cr3: %016lx   cr2: %016lx\n", cr3, v->cr2);
    text_add(t, "fsb: %016lx   gsb: %016lx   gss: %016lx\n", v->fs_base, v->gs_base,
             pv ? (v->user_mode ? pv->gs_base_kernel : pv->gs_base_user) : 0);
    text_add(t, "ds: %04x   es: %04x   fs: %04x   gs: %04x   ss: %04x   cs: %04x\n", v->seg[SEG_DS].selector,
             v->seg[SEG_ES].selector, v->seg[SEG_FS].selector, v->seg[SEG_GS].selector,
             v->seg[SEG_SS].selector, v->seg[SEG_CS].selector);
}

/* Bytes around rip, the one at rip in angle brackets; -- for each that can't be read. */
static void dump_code(struct text *t, struct vcpu *v)
{
    text_add(t, "Guest code around rip:\n  ");
    for (int i = -CODE_BEFORE; i < CODE_AFTER; i++) {
        uint8_t byte;
        const char *fmt = i ? " %02x" : " <%02x>";

        if (guest_read(v, gva_add(GVA(v->rip), (uint64_t)(int64_t)i), &byte, 1))
            text_add(t, fmt, byte);
        else
            text_add(t, i ? " --" : " <-->");
    }
    text_add(t, "\n");
}

static void dump_stack(struct text *t, struct vcpu *v)
{
    uint64_t rsp = v->gpr[RSP];

    text_add(t, "Guest stack trace from rsp=%016lx:\n", rsp);
    for (unsigned i = 0; i < STACK_WORDS; i++) {
        uint64_t word;

        if (!guest_read(v, gva_add(GVA(rsp), i * sizeof(word)), &word, sizeof(word))) {
            text_add(t, "%s  Fault while accessing guest memory.\n", i % 4 ? "\n" : "");
            return;
        }
        text_add(t, "%s%016lx%s", i % 4 ? " " : "   ", word, i % 4 == 3 ? "\n" : "");
    }
}

void pv_dump(struct vcpu *v)
{
    struct text t = {.len = 0};

    dump_registers(&t, v);
    dump_code(&t, v);
    dump_stack(&t, v);
    message_write(t.buf, t.len);
}
