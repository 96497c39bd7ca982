/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The physdev_op hypercall as an unprivileged PV guest without hardware sees it: I/O privilege is virtual;
 * the domain has no physical interrupts (Xen: nr_pirqs is 0); interrupt controllers and PCI belong to the
 * hardware domain.
 */
#include "pv/hypercall.h"
#include "pv/panel.h"
#include "pv/peers.h"

/* Behind xen_abi.h, which the above include. */
#include <xen/physdev.h>

#define IO_PORTS 65536u

/* Operations refused after their argument was read, and its size. */
static const struct {
    uint8_t cmd, size;
} hardware_domain_only[] = {
    {PHYSDEVOP_apic_read, sizeof(struct physdev_apic)},
    {PHYSDEVOP_apic_write, sizeof(struct physdev_apic)},
    {PHYSDEVOP_alloc_irq_vector, sizeof(struct physdev_irq)},
    {PHYSDEVOP_manage_pci_add, sizeof(struct physdev_manage_pci)},
    {PHYSDEVOP_manage_pci_remove, sizeof(struct physdev_manage_pci)},
    {PHYSDEVOP_manage_pci_add_ext, sizeof(struct physdev_manage_pci_ext)},
    {PHYSDEVOP_pci_device_add, offsetof(struct physdev_pci_device_add, optarr)},
    {PHYSDEVOP_pci_device_remove, sizeof(struct physdev_pci_device)},
    {PHYSDEVOP_restore_msi, sizeof(struct physdev_restore_msi)},
    {PHYSDEVOP_restore_msi_ext, sizeof(struct physdev_pci_device)},
    {PHYSDEVOP_prepare_msix, sizeof(struct physdev_pci_device)},
    {PHYSDEVOP_release_msix, sizeof(struct physdev_pci_device)},
    {PHYSDEVOP_pci_mmcfg_reserved, sizeof(struct physdev_pci_mmcfg_reserved)},
    {PHYSDEVOP_setup_gsi, sizeof(struct physdev_setup_gsi)},
    {PHYSDEVOP_dbgp_op, sizeof(struct physdev_dbgp_op)},
};

static int64_t refuse(struct vcpu *v, uint32_t cmd, gva_t arg)
{
    uint8_t bytes[64];

    for (size_t i = 0; i < ARRAY_SIZE(hardware_domain_only); i++) {
        if (hardware_domain_only[i].cmd == cmd)
            return guest_read(v, arg, bytes, hardware_domain_only[i].size) ? -XEN_EPERM : -XEN_EFAULT;
    }
    return -XEN_ENOSYS;
}

static int64_t on_domain(struct vcpu *v, domid_t domid)
{
    struct domain *d;

    if (domid == DOMID_SELF || domid == v->domain->domid)
        return -XEN_EPERM;
    d = peer_get(domid);
    if (!d)
        return -XEN_ESRCH;
    peer_put(d);
    return -XEN_EPERM;
}

static int64_t map_pirq(struct vcpu *v, gva_t arg)
{
    struct physdev_map_pirq op;

    if (!guest_read(v, arg, &op, sizeof(op)))
        return -XEN_EFAULT;
    return on_domain(v, op.domid);
}

static int64_t unmap_pirq(struct vcpu *v, gva_t arg)
{
    struct physdev_unmap_pirq op;

    if (!guest_read(v, arg, &op, sizeof(op)))
        return -XEN_EFAULT;
    return on_domain(v, op.domid);
}

static int64_t set_iopl(struct vcpu *v, gva_t arg)
{
    struct physdev_set_iopl op;

    if (!guest_read(v, arg, &op, sizeof(op)))
        return -XEN_EFAULT;
    if (op.iopl > 3)
        return -XEN_EINVAL;
    pv_vcpu(v)->iopl = op.iopl;
    return 0;
}

static int64_t set_iobitmap(struct vcpu *v, gva_t arg)
{
    struct physdev_set_iobitmap op;

    if (!guest_read(v, arg, &op, sizeof(op)))
        return -XEN_EFAULT;
    if (op.nr_ports > IO_PORTS || !guest_range_ok(GVA(op.bitmap.p), IO_PORTS / 8))
        return -XEN_EINVAL;
    pv_vcpu(v)->io_bitmap = GVA(op.bitmap.p);
    pv_vcpu(v)->io_bitmap_ports = op.nr_ports;
    return 0;
}

/*
 * A page in which Xen marks the physical interrupts that need an EOI: there are none, so it stays as the
 * guest made it. Linux gives one at boot.
 */
static int64_t pirq_eoi_gmfn(struct vcpu *v, gva_t arg)
{
    struct domain *d = v->domain;
    struct physdev_pirq_eoi_gmfn op;
    int64_t ret = -XEN_EINVAL;

    if (!guest_read(v, arg, &op, sizeof(op)))
        return -XEN_EFAULT;
    lock_acquire(&d->mm_lock);
    if (machine_valid(MFN(op.gmfn)) && mm_get_page(d, MFN(op.gmfn), FRAME_WRITABLE) == 0) {
        if (d->pv->pirq_eoi_mfn.n) {
            mm_put_page(d, MFN(op.gmfn), FRAME_WRITABLE);
            ret = -XEN_EBUSY;
        } else {
            d->pv->pirq_eoi_mfn = MFN(op.gmfn);
            ret = 0;
        }
    }
    lock_release(&d->mm_lock);
    return ret;
}

/* Operations on a physical interrupt: every number is out of range. */
static int64_t no_such_pirq(struct vcpu *v, gva_t arg, size_t size)
{
    uint8_t bytes[16];

    return guest_read(v, arg, bytes, size) ? -XEN_EINVAL : -XEN_EFAULT;
}

static int64_t get_free_pirq(struct vcpu *v, gva_t arg)
{
    struct physdev_get_free_pirq op;

    return guest_read(v, arg, &op, sizeof(op)) ? -XEN_ENOSPC : -XEN_EFAULT;
}

int64_t hc_physdev_op(struct vcpu *v, const uint64_t arg[6])
{
    uint32_t cmd = (uint32_t)arg[0];
    gva_t p = GVA(arg[1]);

    switch (cmd) {
    case PHYSDEVOP_set_iopl:
        return set_iopl(v, p);
    case PHYSDEVOP_set_iobitmap:
        return set_iobitmap(v, p);
    case PHYSDEVOP_pirq_eoi_gmfn_v1:
    case PHYSDEVOP_pirq_eoi_gmfn_v2:
        return pirq_eoi_gmfn(v, p);
    case PHYSDEVOP_eoi:
        return no_such_pirq(v, p, sizeof(struct physdev_eoi));
    case PHYSDEVOP_irq_status_query:
        return no_such_pirq(v, p, sizeof(struct physdev_irq_status_query));
    case PHYSDEVOP_IRQ_UNMASK_NOTIFY:
        return 0;
    case PHYSDEVOP_map_pirq:
        return map_pirq(v, p);
    case PHYSDEVOP_unmap_pirq:
        return unmap_pirq(v, p);
    case PHYSDEVOP_get_free_pirq:
        return get_free_pirq(v, p);
    default:
        return refuse(v, cmd, p);
    }
}
