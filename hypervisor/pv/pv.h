/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The PV panel's state of a domain and of a vCPU, and the calls between the panel's files.
 *
 * Structures, numbers and limits come from Xen 4.17's public headers (xen/ *.h of Debian's libxen-dev).
 */
#ifndef DIPTYCH_PV_PV_H
#define DIPTYCH_PV_PV_H

#include "cpu/domain.h"
#include "cpu/guest_access.h"
#include "engine/engine.h"
#include "pv/evtchn.h"
#include "pv/grant.h"
#include "pv/mm_state.h"
#include "pv/time.h"
#include "pv/xen_abi.h"

/* Flat 64-bit ring-3 selectors that Xen gives PV guests (xen/arch-x86/xen-x86_64.h). */

struct console_ring;

struct pv_trap {
    uint64_t address;
    uint16_t cs;
    uint8_t flags; /* TI_GET_DPL, TI_GET_IF; present when address != 0 */
};

struct pv_callback {
    uint64_t address;
    bool mask_events;
};

struct pv_vcpu {
    struct pv_trap traps[256];
    struct pv_callback event, failsafe, syscall, syscall32, sysenter, nmi;
    uint64_t kernel_sp; /* stack_switch */
    uint16_t kernel_ss;
    mfn_t cr3_kernel;      /* MMUEXT_NEW_BASEPTR */
    mfn_t cr3_user;        /* MMUEXT_NEW_USER_BASEPTR; MFN(0) = none */
    uint64_t gs_base_user; /* the one not loaded now is kept here; see pv/segment.c */
    uint64_t gs_base_kernel;
    mfn_t gdt_mfn[16];
    unsigned gdt_entries;
    uint64_t ldt_base; /* guest-virtual */
    unsigned ldt_entries;
    uint64_t iopl;            /* PHYSDEVOP_set_iopl: 0..3 */
    gva_t io_bitmap;          /* PHYSDEVOP_set_iobitmap: a clear bit lets user code use the port */
    uint32_t io_bitmap_ports; /* ports that the bitmap speaks of; 0: none */
    uint64_t vm_assist;
    struct vcpu_info *info;     /* in shared_info, or where VCPUOP_register_vcpu_info says */
    struct vcpu_info *own_info; /* heap: stands in for info until the guest registers one; NULL: not needed */
    mfn_t info_mfn;             /* frame that VCPUOP_register_vcpu_info named; MFN(0): none */
    bool initialised;           /* by the domain builder or VCPUOP_initialise; pv_domain.vcpu_lock */
    bool load_fpu; /* fpu_image is to be loaded before the vCPU first runs (run.c), then cleared */
    uint8_t fpu_image[512] __attribute__((aligned(16))); /* FXSAVE layout, reserved MXCSR bits cleared */
    struct vcpu_runstate_info runstate;
    gva_t runstate_area; /* 0: none */
    bool blocked;
    bool polling;
    bool in_multicall;
    struct mm_vcpu mm;
    struct evtchn_vcpu evtchn;
    struct time_vcpu time;
};

struct pv_domain {
    struct shared_info *shared_info;
    mfn_t shared_info_mfn;
    uint64_t vm_assist; /* any thread: VMASST_TYPE_* bits */
    lock_t vcpu_lock;   /* vCPUs' initialised; bringing up and down */
    mfn_t pirq_eoi_mfn; /* PHYSDEVOP_pirq_eoi_gmfn; MFN(0): none */
    int shutdown_code;  /* SCHEDOP_shutdown_code: the reason + 1; 0: none */
    struct mm_domain mm;
    struct evtchn_domain evtchn;
    struct grant_domain grant;
    struct time_domain time;
    mfn_t console_mfn, store_mfn;
    unsigned console_port, store_port;
    struct console_ring *console; /* backends.c */
    struct store_ring *store;     /* backends.c */
};

static inline struct pv_vcpu *pv_vcpu(struct vcpu *v)
{
    return v->pv;
}

#endif
