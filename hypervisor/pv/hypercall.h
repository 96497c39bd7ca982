/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The hypercall table: one row a hypercall drives dispatch and the tracer.
 *
 * A handler runs on the calling vCPU's thread in the kernel view, with the guest's registers in
 * v->gpr[]; its result goes to rax.  Light, unless its row says heavy.  Handlers that change rip or rax
 * themselves (iret, stack switches into other contexts) return HYPERCALL_KEEP_REGS.
 */
#ifndef DIPTYCH_PV_HYPERCALL_H
#define DIPTYCH_PV_HYPERCALL_H

#include <xen/errno.h> /* XEN_EINVAL and so on: return -XEN_EINVAL */

#include "pv/pv.h"

typedef int64_t hypercall_fn(struct vcpu *v, const uint64_t arg[6]);

#define HYPERCALL_KEEP_REGS INT64_MIN

struct hypercall {
    const char *name; /* as in xen.h, lower case, without __HYPERVISOR_ */
    hypercall_fn *fn; /* NULL: -ENOSYS */
    uint8_t nr_args;
    bool heavy; /* calls libc or may use vector registers: runs under engine_heavy_call() */
};

#define NR_HYPERCALLS 64
extern const struct hypercall hypercalls[NR_HYPERCALLS]; /* pv/hypercall_table.c */

/* Runs the hypercall that rax names, as the hypercall page's SYSCALL asks (pv/hypercall.c). */
void hypercall_dispatch(struct vcpu *v);

/* Calls one handler by number, with tracing: used by dispatch and by multicall. */
int64_t hypercall_call(struct vcpu *v, uint64_t nr, const uint64_t arg[6]);

/* Handlers, one declaration a hypercall; defined in the file named beside each. */
hypercall_fn hc_set_trap_table;                /* traps.c */
hypercall_fn hc_set_callbacks;                 /* callback.c */
hypercall_fn hc_callback_op;                   /* callback.c */
hypercall_fn hc_stack_switch;                  /* cpu_ops.c */
hypercall_fn hc_fpu_taskswitch;                /* cpu_ops.c */
hypercall_fn hc_set_debugreg;                  /* cpu_ops.c */
hypercall_fn hc_get_debugreg;                  /* cpu_ops.c */
hypercall_fn hc_iret;                          /* iret.c */
hypercall_fn hc_set_segment_base;              /* segment.c */
hypercall_fn hc_set_gdt;                       /* descriptor.c */
hypercall_fn hc_update_descriptor;             /* descriptor.c */
hypercall_fn hc_multicall;                     /* multicall.c */
hypercall_fn hc_mmu_update;                    /* mm_update.c */
hypercall_fn hc_update_va_mapping;             /* mm_update.c */
hypercall_fn hc_update_va_mapping_otherdomain; /* mm_update.c */
hypercall_fn hc_mmuext_op;                     /* mmuext.c */
hypercall_fn hc_memory_op;                     /* memory_op.c */
hypercall_fn hc_vm_assist;                     /* vm_assist.c */
hypercall_fn hc_event_channel_op;              /* evtchn_op.c */
hypercall_fn hc_event_channel_op_compat;       /* evtchn_op.c */
hypercall_fn hc_sched_op;                      /* sched_op.c */
hypercall_fn hc_sched_op_compat;               /* sched_op.c */
hypercall_fn hc_set_timer_op;                  /* timer.c */
hypercall_fn hc_vcpu_op;                       /* vcpu_op.c */
hypercall_fn hc_xen_version;                   /* xen_version.c */
hypercall_fn hc_console_io;                    /* console_io.c */
hypercall_fn hc_grant_table_op;                /* grant.c */
hypercall_fn hc_physdev_op;                    /* physdev_op.c */
hypercall_fn hc_nmi_op;                        /* nmi_op.c */
hypercall_fn hc_hvm_op;                        /* hvm_op.c */

#endif
