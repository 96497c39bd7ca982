/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The vm_assist hypercall: switches of the ABI that a guest turns on.  What they change is up to those who
 * look at pv_domain.vm_assist.
 */
#include "pv/hypercall.h"

/* What Xen 4.17 takes from 64-bit PV guests, effect or not. */
#define VM_ASSIST_VALID                                                                \
    (1UL << VMASST_TYPE_4gb_segments | 1UL << VMASST_TYPE_4gb_segments_notify |        \
     1UL << VMASST_TYPE_writable_pagetables | 1UL << VMASST_TYPE_pae_extended_cr3 |    \
     1UL << VMASST_TYPE_architectural_iopl | 1UL << VMASST_TYPE_runstate_update_flag | \
     1UL << VMASST_TYPE_m2p_strict)

int64_t hc_vm_assist(struct vcpu *v, const uint64_t arg[6])
{
    uint64_t *assist = &v->domain->pv->vm_assist;
    uint32_t type = (uint32_t)arg[1];

    if (type >= 64 || !(VM_ASSIST_VALID >> type & 1))
        return -XEN_EINVAL;
    switch ((uint32_t)arg[0]) {
    case VMASST_CMD_enable:
        __atomic_fetch_or(assist, 1UL << type, __ATOMIC_SEQ_CST);
        return 0;
    case VMASST_CMD_disable:
        __atomic_fetch_and(assist, ~(1UL << type), __ATOMIC_SEQ_CST);
        return 0;
    default:
        return -XEN_ENOSYS;
    }
}
