// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The hypercall table: what this hypervisor offers of Xen's PV ABI, one row a number.
 *
 * A number without a row, and a row without a handler, is -ENOSYS.  The rows that have a name and no handler
 * are known, not offered: operations of a control domain, of HVM guests, or of optional parts of Xen.
 * Argument counts are those of the C prototypes in xen/ *.h; the tracer's view of the same calls is
 * pv/hypercall_abi.c, and docs/pv-abi.md is checked against both.
 *
 * Heavy rows: memory_op takes and gives back frames (mem/machine.c is heavy).
 */
#include "pv/hypercall.h"

#define ROW(call, args)         [__HYPERVISOR_##call] = {#call, hc_##call, args, false}
#define ROW_HEAVY(call, args)   [__HYPERVISOR_##call] = {#call, hc_##call, args, true}
#define ROW_REFUSED(call, args) [__HYPERVISOR_##call] = {#call, NULL, args, false}

const struct hypercall hypercalls[NR_HYPERCALLS] = {
    ROW(set_trap_table, 1),
    ROW(mmu_update, 4),
    ROW(set_gdt, 2),
    ROW(stack_switch, 2),
    ROW(set_callbacks, 3),
    ROW(fpu_taskswitch, 1),
    ROW(sched_op_compat, 2),
    ROW_REFUSED(platform_op, 1),
    ROW(set_debugreg, 2),
    ROW(get_debugreg, 1),
    ROW(update_descriptor, 2),
    ROW_HEAVY(memory_op, 2),
    ROW(multicall, 2),
    ROW(update_va_mapping, 3),
    ROW(set_timer_op, 1),
    ROW(event_channel_op_compat, 1),
    ROW(xen_version, 2),
    ROW(console_io, 3),
    ROW_REFUSED(physdev_op_compat, 1),
    ROW(grant_table_op, 3),
    ROW(vm_assist, 2),
    ROW(update_va_mapping_otherdomain, 4),
    ROW(iret, 0),
    ROW(vcpu_op, 3),
    ROW(set_segment_base, 2),
    ROW(mmuext_op, 4),
    ROW_REFUSED(xsm_op, 1),
    ROW(nmi_op, 2),
    ROW(sched_op, 2),
    ROW(callback_op, 2),
    ROW_REFUSED(xenoprof_op, 2),
    ROW(event_channel_op, 2),
    ROW(physdev_op, 2),
    ROW(hvm_op, 2),
    ROW_REFUSED(sysctl, 1),
    ROW_REFUSED(domctl, 1),
    ROW_REFUSED(kexec_op, 2),
    ROW_REFUSED(tmem_op, 1),
    ROW_REFUSED(argo_op, 5),
    ROW_REFUSED(xenpmu_op, 2),
    ROW_REFUSED(dm_op, 3),
    ROW_REFUSED(hypfs_op, 5),
};
