/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The nmi_op hypercall: the older way to name the handler of NMIs (callback_op has CALLBACKTYPE_nmi).
 */
#include "pv/hypercall.h"

/* Behind xen_abi.h, which the above include. */
#include <xen/nmi.h>

int64_t hc_nmi_op(struct vcpu *v, const uint64_t arg[6])
{
    struct xennmi_callback cb;

    switch ((uint32_t)arg[0]) {
    case XENNMI_register_callback:
        if (!guest_read(v, GVA(arg[1]), &cb, sizeof(cb)))
            return -XEN_EFAULT;
        if (!gva_canonical(GVA(cb.handler_address)))
            return -XEN_EINVAL;
        pv_vcpu(v)->nmi = (struct pv_callback){.address = cb.handler_address, .mask_events = true};
        return 0;
    case XENNMI_unregister_callback:
        pv_vcpu(v)->nmi = (struct pv_callback){0};
        return 0;
    default:
        return -XEN_ENOSYS;
    }
}
