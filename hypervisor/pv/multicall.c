// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The hypercall multicall: a list of calls, each through hypercall_call(), so that the tracer sees every one.
 *
 * Xen ends the list at an iret; here an iret in a list is refused with -EINVAL, as a multicall in a multicall
 * is.
 */
#include "pv/hypercall.h"

/* One entry; 0, or -XEN_EFAULT. */
static int multicall_one(struct vcpu *v, gva_t entry)
{
    struct multicall_entry call;
    uint64_t arg[6];
    int64_t result;

    if (!guest_read(v, entry, &call, sizeof(call)))
        return -XEN_EFAULT;
    for (unsigned i = 0; i < 6; i++)
        arg[i] = call.args[i];
    if (unlikely(call.op == __HYPERVISOR_iret))
        result = -XEN_EINVAL;
    else
        result = hypercall_call(v, call.op, arg);
    if (!guest_write(v, gva_add(entry, offsetof(struct multicall_entry, result)), &result, sizeof(result)))
        return -XEN_EFAULT;
    return 0;
}

int64_t hc_multicall(struct vcpu *v, const uint64_t arg[6])
{
    uint32_t nr = (uint32_t)arg[1];
    int rc = 0;

    if (v->pv->in_multicall)
        return -XEN_EINVAL;
    v->pv->in_multicall = true;
    for (uint32_t i = 0; i < nr && rc == 0 && !domain_ended(v->domain); i++)
        rc = multicall_one(v, gva_add(GVA(arg[0]), i * sizeof(struct multicall_entry)));
    v->pv->in_multicall = false;
    return rc;
}
