/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The hvm_op hypercall as a PV guest sees it: almost everything is for HVM guests and fails, each with Xen's
 * error. Kernels and user tools probe it.
 */
#include "pv/hypercall.h"
#include "pv/peers.h"

/* Behind xen_abi.h, which the above include. */
#include <xen/hvm/hvm_op.h>
#include <xen/hvm/params.h>

/* Operations on a domain: -XEN_ESRCH for one that isn't there, -XEN_EINVAL for one that isn't HVM. */
static int64_t on_domain(struct vcpu *v, domid_t domid)
{
    struct domain *d;

    if (domid == DOMID_SELF)
        return -XEN_EINVAL;
    d = peer_get(domid);
    if (!d)
        return -XEN_ESRCH;
    peer_put(d);
    return d == v->domain ? -XEN_EINVAL : -XEN_EPERM;
}

static int64_t param(struct vcpu *v, gva_t arg)
{
    struct xen_hvm_param op;

    if (!guest_read(v, arg, &op, sizeof(op)))
        return -XEN_EFAULT;
    if (op.index >= HVM_NR_PARAMS)
        return -XEN_EINVAL;
    return on_domain(v, op.domid);
}

static int64_t altp2m(struct vcpu *v, gva_t arg)
{
    struct xen_hvm_altp2m_op op;

    if (!guest_read(v, arg, &op, sizeof(op)))
        return -XEN_EFAULT;
    if (op.pad1 || op.pad2 || op.version != HVMOP_ALTP2M_INTERFACE_VERSION)
        return -XEN_EINVAL;
    return -XEN_EOPNOTSUPP;
}

/* Operations whose argument starts with the domain's id. */
static int64_t named_domain(struct vcpu *v, gva_t arg, size_t size)
{
    union {
        domid_t domid;
        uint8_t bytes[64];
    } op;

    if (!guest_read(v, arg, &op, size))
        return -XEN_EFAULT;
    return on_domain(v, op.domid);
}

static int64_t readable(struct vcpu *v, gva_t arg, size_t size, int64_t result)
{
    uint8_t bytes[64];

    return guest_read(v, arg, bytes, size) ? result : -XEN_EFAULT;
}

int64_t hc_hvm_op(struct vcpu *v, const uint64_t arg[6])
{
    gva_t p = GVA(arg[1]);

    switch ((uint32_t)arg[0]) {
    case HVMOP_set_param:
    case HVMOP_get_param:
        return param(v, p);
    case HVMOP_flush_tlbs:
        return -XEN_EINVAL;
    case HVMOP_pagetable_dying:
        return named_domain(v, p, sizeof(struct xen_hvm_pagetable_dying));
    case HVMOP_get_mem_type:
        return named_domain(v, p, sizeof(struct xen_hvm_get_mem_type));
    case HVMOP_get_time:
        return readable(v, p, sizeof(struct xen_hvm_get_time), -XEN_EINVAL);
    case HVMOP_xentrace:
        /* Nobody traces. */
        return readable(v, p, sizeof(struct xen_hvm_xentrace), 0);
    case HVMOP_set_evtchn_upcall_vector:
        return readable(v, p, sizeof(struct xen_hvm_evtchn_upcall_vector), -XEN_EINVAL);
    case HVMOP_guest_request_vm_event:
        /* Nobody monitors. */
        return p.va == 0 ? 0 : -XEN_EINVAL;
    case HVMOP_altp2m:
        return altp2m(v, p);
    default:
        return -XEN_ENOSYS;
    }
}
