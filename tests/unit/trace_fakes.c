// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What the tracer and the hypercall dispatch need of the other parts, small enough for unit tests: guest
 * memory that is one array, a clock that ticks at every look, and hypercall handlers that return what the
 * test says.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/diag.h"
#include "base/message.h"
#include "pv/panel.h"
#include "trace_fakes.h"

uint8_t fake_memory[FAKE_MEMORY_SIZE];
int64_t fake_result;
void (*fake_action)(struct vcpu *v);
unsigned fake_heavy_calls;
uint64_t fake_clock_ns;

bool guest_read(struct vcpu *v, gva_t from, void *to, size_t n)
{
    uint64_t off = from.va - FAKE_MEMORY_VA;

    (void)v;
    if (off > FAKE_MEMORY_SIZE || n > FAKE_MEMORY_SIZE - off)
        return false;
    memcpy(to, fake_memory + off, n);
    return true;
}

uint64_t time_system_ns(const struct domain *d)
{
    (void)d;
    return __atomic_add_fetch(&fake_clock_ns, 1000, __ATOMIC_RELAXED);
}

void engine_heavy_call(struct vcpu *v, void (*fn)(void *), void *arg)
{
    (void)v;
    fake_heavy_calls++;
    fn(arg);
}

struct terminal terminal; /* not raw */

void diag_error(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fputc('\n', stderr);
}

static int64_t fake_handler(struct vcpu *v)
{
    if (fake_action)
        fake_action(v);
    return fake_result;
}

#define FAKE(name)                                      \
    int64_t name(struct vcpu *v, const uint64_t arg[6]) \
    {                                                   \
        (void)arg;                                      \
        return fake_handler(v);                         \
    }
FAKE(hc_set_trap_table)
FAKE(hc_set_callbacks)
FAKE(hc_callback_op)
FAKE(hc_stack_switch)
FAKE(hc_fpu_taskswitch)
FAKE(hc_set_debugreg)
FAKE(hc_get_debugreg)
FAKE(hc_iret)
FAKE(hc_set_segment_base)
FAKE(hc_set_gdt)
FAKE(hc_update_descriptor)
FAKE(hc_mmu_update)
FAKE(hc_update_va_mapping)
FAKE(hc_update_va_mapping_otherdomain)
FAKE(hc_mmuext_op)
FAKE(hc_memory_op)
FAKE(hc_vm_assist)
FAKE(hc_event_channel_op)
FAKE(hc_event_channel_op_compat)
FAKE(hc_sched_op)
FAKE(hc_sched_op_compat)
FAKE(hc_set_timer_op)
FAKE(hc_vcpu_op)
FAKE(hc_xen_version)
FAKE(hc_console_io)
FAKE(hc_grant_table_op)
FAKE(hc_physdev_op)
FAKE(hc_nmi_op)
FAKE(hc_hvm_op)

/* As the real one as far as tracing sees: one hypercall_call() an entry. */
int64_t hc_multicall(struct vcpu *v, const uint64_t arg[6])
{
    for (uint64_t i = 0; i < arg[1]; i++) {
        struct multicall_entry e;

        if (!guest_read(v, GVA(arg[0] + i * sizeof(e)), &e, sizeof(e)))
            return -XEN_EFAULT;
        hypercall_call(v, e.op, e.args);
    }
    return 0;
}
