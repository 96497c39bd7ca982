/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The xen_version hypercall: which ABI this is (4.17's), who implements it, and what the guest may rely on.
 */
#include "pv/hypercall.h"

/* Behind xen_abi.h, which the above include. */
#include <xen/version.h>

#define MAJOR 4u
#define MINOR 17u

/* What Xen answers in place of what it hides from ordinary guests. */
#define DENIED "<denied>"

/* As Xen 4.17 tells a 64-bit PV guest without privileges. */
static const uint32_t features = 1u << XENFEAT_pae_pgdir_above_4gb | 1u << XENFEAT_mmu_pt_update_preserve_ad |
                                 1u << XENFEAT_highmem_assist | 1u << XENFEAT_gnttab_map_avail_bits |
                                 1u << XENFEAT_memory_op_vnode_supported | 1u << XENFEAT_direct_mapped;

static const xen_extraversion_t extraversion = "-diptych";
static const xen_capabilities_info_t capabilities = "xen-3.0-x86_64 ";
static const xen_changeset_info_t changeset = "unavailable";
static const struct xen_compile_info compile_info = {
    .compiler = "gcc " __VERSION__,
    .compile_by = "diptych",
    .compile_domain = "",
    .compile_date = "", /* builds are reproducible */
};

static int64_t give(struct vcpu *v, gva_t to, const void *from, size_t n)
{
    return guest_write(v, to, from, n) ? 0 : -XEN_EFAULT;
}

static int64_t get_features(struct vcpu *v, gva_t arg)
{
    struct xen_feature_info info;

    if (!guest_read(v, arg, &info, sizeof(info)))
        return -XEN_EFAULT;
    if (info.submap_idx >= XENFEAT_NR_SUBMAPS)
        return -XEN_EINVAL;
    info.submap = features;
    return give(v, arg, &info, sizeof(info));
}

int64_t hc_xen_version(struct vcpu *v, const uint64_t arg[6])
{
    static const struct xen_platform_parameters platform = {.virt_start = HYPERVISOR_VIRT_START};
    gva_t p = GVA(arg[1]);

    switch ((uint32_t)arg[0]) {
    case XENVER_version:
        return MAJOR << 16 | MINOR;
    case XENVER_extraversion:
        return give(v, p, extraversion, sizeof(extraversion));
    case XENVER_compile_info:
        return give(v, p, &compile_info, sizeof(compile_info));
    case XENVER_capabilities:
        return give(v, p, capabilities, sizeof(capabilities));
    case XENVER_changeset:
        return give(v, p, changeset, sizeof(changeset));
    case XENVER_platform_parameters:
        return give(v, p, &platform, sizeof(platform));
    case XENVER_get_features:
        return get_features(v, p);
    case XENVER_pagesize:
        return p.va == 0 ? (int64_t)PAGE_SIZE : -XEN_EINVAL;
    case XENVER_guest_handle:
        return give(v, p, v->domain->uuid, sizeof(v->domain->uuid));
    case XENVER_commandline:
        return give(v, p, DENIED, sizeof(DENIED));
    case XENVER_build_id:
        return -XEN_EPERM;
    default:
        return -XEN_ENOSYS;
    }
}
