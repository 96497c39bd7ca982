// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The PV ABI as data; see hypercall_abi.h.  Names, structures and numbers are those of xen/ *.h.
 *
 * From small to large: names of constants, structures, lists, sub-operations, hypercalls.
 */
#include "pv/hypercall_abi.h"

#include "pv/xen_abi.h"

#include <xen/callback.h>
#include <xen/grant_table.h>
#include <xen/hvm/hvm_op.h>
#include <xen/hvm/params.h>
#include <xen/memory.h>
#include <xen/nmi.h>
#include <xen/physdev.h>
#include <xen/sched.h>
#include <xen/vcpu.h>
#include <xen/version.h>

/* What a row doesn't mention is 0: most fields have neither names nor a list. */
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

const char *const abi_group_names[NR_ABI_GROUPS] = {"mm", "event", "sched", "time", "cpu", "grant", "misc"};

/* ---- names ---- */

#define N(x)              \
    {                     \
        (uint64_t)(x), #x \
    }
#define NAMES(id, ...)                                     \
    static const struct abi_name id##_v[] = {__VA_ARGS__}; \
    static const struct abi_names id = {id##_v, ARRAY_SIZE(id##_v)}

NAMES(virq, N(VIRQ_TIMER), N(VIRQ_DEBUG), N(VIRQ_CONSOLE), N(VIRQ_DOM_EXC), N(VIRQ_TBUF), N(VIRQ_DEBUGGER),
      N(VIRQ_XENOPROF), N(VIRQ_CON_RING), N(VIRQ_PCPU_STATE), N(VIRQ_MEM_EVENT), N(VIRQ_ARGO), N(VIRQ_ENOMEM),
      N(VIRQ_XENPMU));
NAMES(uvmf, N(UVMF_TLB_FLUSH), N(UVMF_INVLPG), N(UVMF_ALL));
NAMES(segbase, N(SEGBASE_FS), N(SEGBASE_GS_USER), N(SEGBASE_GS_KERNEL), N(SEGBASE_GS_USER_SEL));
NAMES(consoleio, N(CONSOLEIO_write), N(CONSOLEIO_read));
NAMES(vmasst_cmd, N(VMASST_CMD_enable), N(VMASST_CMD_disable));
NAMES(vmasst_type, N(VMASST_TYPE_4gb_segments), N(VMASST_TYPE_4gb_segments_notify),
      N(VMASST_TYPE_writable_pagetables), N(VMASST_TYPE_pae_extended_cr3), N(VMASST_TYPE_architectural_iopl),
      N(VMASST_TYPE_runstate_update_flag), N(VMASST_TYPE_m2p_strict));
NAMES(shutdown_reason, N(SHUTDOWN_poweroff), N(SHUTDOWN_reboot), N(SHUTDOWN_suspend), N(SHUTDOWN_crash),
      N(SHUTDOWN_watchdog), N(SHUTDOWN_soft_reset));
NAMES(evtchnstat, N(EVTCHNSTAT_closed), N(EVTCHNSTAT_unbound), N(EVTCHNSTAT_interdomain), N(EVTCHNSTAT_pirq),
      N(EVTCHNSTAT_virq), N(EVTCHNSTAT_ipi));
NAMES(runstate, N(RUNSTATE_running), N(RUNSTATE_runnable), N(RUNSTATE_blocked), N(RUNSTATE_offline));
NAMES(sshottmr, N(VCPU_SSHOTTMR_future));
NAMES(callbacktype, N(CALLBACKTYPE_event), N(CALLBACKTYPE_failsafe), N(CALLBACKTYPE_syscall),
      N(CALLBACKTYPE_sysenter_deprecated), N(CALLBACKTYPE_nmi), N(CALLBACKTYPE_sysenter),
      N(CALLBACKTYPE_syscall32));
NAMES(callbackf, N(CALLBACKF_mask_events));
NAMES(gntst, N(GNTST_okay), N(GNTST_general_error), N(GNTST_bad_domain), N(GNTST_bad_gntref),
      N(GNTST_bad_handle), N(GNTST_bad_virt_addr), N(GNTST_bad_dev_addr), N(GNTST_no_device_space),
      N(GNTST_permission_denied), N(GNTST_bad_page), N(GNTST_bad_copy_arg), N(GNTST_address_too_big),
      N(GNTST_eagain), N(GNTST_no_space));
NAMES(gntmap, N(GNTMAP_device_map), N(GNTMAP_host_map), N(GNTMAP_readonly), N(GNTMAP_application_map),
      N(GNTMAP_contains_pte));
NAMES(gntcopy, N(GNTCOPY_source_gref), N(GNTCOPY_dest_gref));
NAMES(mapspace, N(XENMAPSPACE_shared_info), N(XENMAPSPACE_grant_table), N(XENMAPSPACE_gmfn),
      N(XENMAPSPACE_gmfn_range), N(XENMAPSPACE_gmfn_foreign), N(XENMAPSPACE_dev_mmio));
NAMES(hvm_param, N(HVM_PARAM_CALLBACK_IRQ), N(HVM_PARAM_STORE_PFN), N(HVM_PARAM_STORE_EVTCHN),
      N(HVM_PARAM_CONSOLE_PFN), N(HVM_PARAM_CONSOLE_EVTCHN));
NAMES(vgcf, N(VGCF_I387_VALID), N(VGCF_IN_KERNEL), N(VGCF_failsafe_disables_events),
      N(VGCF_syscall_disables_events), N(VGCF_online));
NAMES(vgcf_iret, N(VGCF_in_syscall));
NAMES(eflags, {0x1, "CF"}, {0x4, "PF"}, {0x10, "AF"}, {0x40, "ZF"}, {0x80, "SF"}, {0x100, "TF"},
      {0x200, "IF"}, {0x400, "DF"}, {0x800, "OF"}, {0x4000, "NT"}, {0x10000, "RF"}, {0x40000, "AC"},
      {0x200000, "ID"});
NAMES(trap_flags, {3, "DPL3"}, {1, "DPL1"}, {2, "DPL2"}, {4, "IF"});
NAMES(map_pirq_type, N(MAP_PIRQ_TYPE_MSI), N(MAP_PIRQ_TYPE_GSI), N(MAP_PIRQ_TYPE_UNKNOWN),
      N(MAP_PIRQ_TYPE_MSI_SEG), N(MAP_PIRQ_TYPE_MULTI_MSI));
NAMES(e820_type, {1, "E820_RAM"}, {2, "E820_RESERVED"}, {3, "E820_ACPI"}, {4, "E820_NVS"},
      {5, "E820_UNUSABLE"});

/* ---- structures ---- */

#define SIZE(s, f) sizeof(((struct s *)0)->f)
/* A field called as in the C structure; one with a name of its own (for members of unions). */
#define FIELD(s, f, fmt, dir, ...)                                     \
    {                                                                  \
#f, offsetof(struct s, f), SIZE(s, f), fmt, dir, ##__VA_ARGS__ \
    }
#define FIELD_AS(name, s, f, fmt, dir, ...)                              \
    {                                                                    \
        name, offsetof(struct s, f), SIZE(s, f), fmt, dir, ##__VA_ARGS__ \
    }
#define STRUCT_FROM(id, from, bytes, d, ...)                              \
    static const struct abi_field id##_f[] = {__VA_ARGS__};               \
    static const struct abi_struct id = {.name = #id,                     \
                                         .start = (from),                 \
                                         .size = (bytes),                 \
                                         .dir = (d),                      \
                                         .nr_fields = ARRAY_SIZE(id##_f), \
                                         .field = id##_f}
#define STRUCT(id, dir, ...) STRUCT_FROM(id, 0, sizeof(struct id), dir, __VA_ARGS__)
#define ONE(id)              static const struct abi_list id##_one = {&(id), ABI_ONE, 0, 0}

/* Items that are plain values. */
#define VALUE(id, bytes, fmt, d)                                                     \
    static const struct abi_field id##_f[] = {{NULL, 0, bytes, fmt, d, NULL, NULL}}; \
    static const struct abi_struct id = {                                            \
        .name = #id, .size = (bytes), .dir = (d), .nr_fields = 1, .field = id##_f}
VALUE(value_out_u32, 4, ABI_UNS, ABI_OUT);
VALUE(value_in_u32, 4, ABI_UNS, ABI_IN);
VALUE(value_frame, 8, ABI_HEX, ABI_IN);
VALUE(value_frame_out, 8, ABI_HEX, ABI_OUT);
static const struct abi_list done_out = {&value_out_u32, ABI_ONE, 0, 0};

STRUCT(trap_info, ABI_IN, FIELD(trap_info, vector, ABI_HEX, ABI_IN),
       FIELD(trap_info, flags, ABI_FLAGS, ABI_IN, &trap_flags), FIELD(trap_info, cs, ABI_HEX, ABI_IN),
       FIELD(trap_info, address, ABI_ADDR, ABI_IN));
static const struct abi_list trap_table = {&trap_info, ABI_UNTIL_ZERO, 0, 0};

STRUCT(mmu_update, ABI_IN, FIELD(mmu_update, ptr, ABI_MMUPTR, ABI_IN),
       FIELD(mmu_update, val, ABI_PTE, ABI_IN));
static const struct abi_list mmu_updates = {&mmu_update, 8, 8, 0};

#define MMUEXT_SHAPE(id, ...) STRUCT_FROM(id, 0, sizeof(struct mmuext_op), ABI_IN, __VA_ARGS__)
#define MMUEXT_MFN            FIELD_AS("mfn", mmuext_op, arg1.mfn, ABI_HEX, ABI_IN)
#define MMUEXT_ADDR           FIELD_AS("linear_addr", mmuext_op, arg1.linear_addr, ABI_ADDR, ABI_IN)
#define MMUEXT_MASK           FIELD_AS("vcpumask", mmuext_op, arg2.vcpumask, ABI_ADDR, ABI_IN)
MMUEXT_SHAPE(mmuext_mfn, MMUEXT_MFN);
MMUEXT_SHAPE(mmuext_addr, MMUEXT_ADDR);
MMUEXT_SHAPE(mmuext_mask, MMUEXT_MASK);
MMUEXT_SHAPE(mmuext_addr_mask, MMUEXT_ADDR, MMUEXT_MASK);
MMUEXT_SHAPE(mmuext_ldt, MMUEXT_ADDR, FIELD_AS("nr_ents", mmuext_op, arg2.nr_ents, ABI_UNS, ABI_IN));
MMUEXT_SHAPE(mmuext_copy, MMUEXT_MFN, FIELD_AS("src_mfn", mmuext_op, arg2.src_mfn, ABI_HEX, ABI_IN));
#define V(x, shape)  \
    {                \
        x, #x, shape \
    }
static const struct abi_variant mmuext_variants[] = {
    V(MMUEXT_PIN_L1_TABLE, &mmuext_mfn),
    V(MMUEXT_PIN_L2_TABLE, &mmuext_mfn),
    V(MMUEXT_PIN_L3_TABLE, &mmuext_mfn),
    V(MMUEXT_PIN_L4_TABLE, &mmuext_mfn),
    V(MMUEXT_UNPIN_TABLE, &mmuext_mfn),
    V(MMUEXT_NEW_BASEPTR, &mmuext_mfn),
    V(MMUEXT_TLB_FLUSH_LOCAL, NULL),
    V(MMUEXT_INVLPG_LOCAL, &mmuext_addr),
    V(MMUEXT_TLB_FLUSH_MULTI, &mmuext_mask),
    V(MMUEXT_INVLPG_MULTI, &mmuext_addr_mask),
    V(MMUEXT_TLB_FLUSH_ALL, NULL),
    V(MMUEXT_INVLPG_ALL, &mmuext_addr),
    V(MMUEXT_FLUSH_CACHE, NULL),
    V(MMUEXT_SET_LDT, &mmuext_ldt),
    V(MMUEXT_NEW_USER_BASEPTR, &mmuext_mfn),
    V(MMUEXT_CLEAR_PAGE, &mmuext_mfn),
    V(MMUEXT_COPY_PAGE, &mmuext_copy),
    V(MMUEXT_FLUSH_CACHE_GLOBAL, NULL),
    V(MMUEXT_MARK_SUPER, &mmuext_mfn),
    V(MMUEXT_UNMARK_SUPER, &mmuext_mfn),
};
static const struct abi_field mmuext_op_f[] = {FIELD(mmuext_op, cmd, ABI_HEX, ABI_IN)};
static const struct abi_struct mmuext_op = {.name = "mmuext_op",
                                            .size = sizeof(struct mmuext_op),
                                            .dir = ABI_IN,
                                            .nr_fields = 1,
                                            .nr_variants = ARRAY_SIZE(mmuext_variants),
                                            .field = mmuext_op_f,
                                            .variant = mmuext_variants};
static const struct abi_list mmuext_ops = {&mmuext_op, 8, 8, 0};

static const struct abi_list gdt_frames = {&value_frame, 8, 8, 9};

STRUCT(iret_context, ABI_IN, FIELD(iret_context, flags, ABI_FLAGS, ABI_IN, &vgcf_iret),
       FIELD(iret_context, rip, ABI_ADDR, ABI_IN), FIELD(iret_context, cs, ABI_HEX, ABI_IN),
       FIELD(iret_context, rflags, ABI_FLAGS, ABI_IN, &eflags), FIELD(iret_context, rsp, ABI_ADDR, ABI_IN),
       FIELD(iret_context, ss, ABI_HEX, ABI_IN));

/* Event channels. */
#define PORT(s, f, dir) FIELD(s, f, ABI_UNS, dir)
STRUCT(evtchn_bind_interdomain, ABI_IN | ABI_OUT,
       FIELD(evtchn_bind_interdomain, remote_dom, ABI_DOMID, ABI_IN),
       PORT(evtchn_bind_interdomain, remote_port, ABI_IN),
       PORT(evtchn_bind_interdomain, local_port, ABI_OUT));
STRUCT(evtchn_bind_virq, ABI_IN | ABI_OUT, FIELD(evtchn_bind_virq, virq, ABI_NAME, ABI_IN, &virq),
       FIELD(evtchn_bind_virq, vcpu, ABI_UNS, ABI_IN), PORT(evtchn_bind_virq, port, ABI_OUT));
STRUCT(evtchn_bind_pirq, ABI_IN | ABI_OUT, FIELD(evtchn_bind_pirq, pirq, ABI_UNS, ABI_IN),
       FIELD(evtchn_bind_pirq, flags, ABI_HEX, ABI_IN), PORT(evtchn_bind_pirq, port, ABI_OUT));
STRUCT(evtchn_close, ABI_IN, PORT(evtchn_close, port, ABI_IN));
STRUCT(evtchn_send, ABI_IN, PORT(evtchn_send, port, ABI_IN));
STRUCT(evtchn_status, ABI_IN | ABI_OUT, FIELD(evtchn_status, dom, ABI_DOMID, ABI_IN),
       PORT(evtchn_status, port, ABI_IN), FIELD(evtchn_status, status, ABI_NAME, ABI_OUT, &evtchnstat),
       FIELD(evtchn_status, vcpu, ABI_UNS, ABI_OUT));
STRUCT(evtchn_alloc_unbound, ABI_IN | ABI_OUT, FIELD(evtchn_alloc_unbound, dom, ABI_DOMID, ABI_IN),
       FIELD(evtchn_alloc_unbound, remote_dom, ABI_DOMID, ABI_IN), PORT(evtchn_alloc_unbound, port, ABI_OUT));
STRUCT(evtchn_bind_ipi, ABI_IN | ABI_OUT, FIELD(evtchn_bind_ipi, vcpu, ABI_UNS, ABI_IN),
       PORT(evtchn_bind_ipi, port, ABI_OUT));
STRUCT(evtchn_bind_vcpu, ABI_IN, PORT(evtchn_bind_vcpu, port, ABI_IN),
       FIELD(evtchn_bind_vcpu, vcpu, ABI_UNS, ABI_IN));
STRUCT(evtchn_unmask, ABI_IN, PORT(evtchn_unmask, port, ABI_IN));
STRUCT(evtchn_reset, ABI_IN, FIELD(evtchn_reset, dom, ABI_DOMID, ABI_IN));
STRUCT(evtchn_init_control, ABI_IN | ABI_OUT, FIELD(evtchn_init_control, control_gfn, ABI_HEX, ABI_IN),
       FIELD(evtchn_init_control, offset, ABI_HEX, ABI_IN), FIELD(evtchn_init_control, vcpu, ABI_UNS, ABI_IN),
       FIELD(evtchn_init_control, link_bits, ABI_UNS, ABI_OUT));
STRUCT(evtchn_expand_array, ABI_IN, FIELD(evtchn_expand_array, array_gfn, ABI_HEX, ABI_IN));
STRUCT(evtchn_set_priority, ABI_IN, PORT(evtchn_set_priority, port, ABI_IN),
       FIELD(evtchn_set_priority, priority, ABI_UNS, ABI_IN));
ONE(evtchn_bind_interdomain);
ONE(evtchn_bind_virq);
ONE(evtchn_bind_pirq);
ONE(evtchn_close);
ONE(evtchn_send);
ONE(evtchn_status);
ONE(evtchn_alloc_unbound);
ONE(evtchn_bind_ipi);
ONE(evtchn_bind_vcpu);
ONE(evtchn_unmask);
ONE(evtchn_reset);
ONE(evtchn_init_control);
ONE(evtchn_expand_array);
ONE(evtchn_set_priority);

/* Scheduling. */
static const struct abi_list poll_ports = {&value_in_u32, offsetof(struct sched_poll, nr_ports), 4, 0};
STRUCT(sched_shutdown, ABI_IN, FIELD(sched_shutdown, reason, ABI_NAME, ABI_IN, &shutdown_reason));
STRUCT(sched_poll, ABI_IN, FIELD(sched_poll, ports, ABI_LIST, ABI_IN, NULL, &poll_ports),
       FIELD(sched_poll, nr_ports, ABI_UNS, ABI_IN), FIELD(sched_poll, timeout, ABI_NS, ABI_IN));
STRUCT(sched_remote_shutdown, ABI_IN, FIELD(sched_remote_shutdown, domain_id, ABI_DOMID, ABI_IN),
       FIELD(sched_remote_shutdown, reason, ABI_NAME, ABI_IN, &shutdown_reason));
STRUCT(sched_watchdog, ABI_IN, FIELD(sched_watchdog, id, ABI_UNS, ABI_IN),
       FIELD(sched_watchdog, timeout, ABI_UNS, ABI_IN));
STRUCT(sched_pin_override, ABI_IN, FIELD(sched_pin_override, pcpu, ABI_DEC, ABI_IN));
ONE(sched_shutdown);
ONE(sched_poll);
ONE(sched_remote_shutdown);
ONE(sched_watchdog);
ONE(sched_pin_override);

/* vCPUs. Of the large context only what says where the vCPU starts. */
#define REG(r, fmt, ...) FIELD_AS(#r, vcpu_guest_context, user_regs.r, fmt, ABI_IN, ##__VA_ARGS__)
STRUCT_FROM(vcpu_guest_context, offsetof(struct vcpu_guest_context, flags),
            offsetof(struct vcpu_guest_context, trap_ctxt), ABI_IN,
            FIELD(vcpu_guest_context, flags, ABI_FLAGS, ABI_IN, &vgcf), REG(rip, ABI_ADDR), REG(cs, ABI_HEX),
            REG(rflags, ABI_FLAGS, &eflags), REG(rsp, ABI_ADDR), REG(ss, ABI_HEX), REG(rdi, ABI_HEX),
            REG(rsi, ABI_HEX));
STRUCT(vcpu_runstate_info, ABI_OUT, FIELD(vcpu_runstate_info, state, ABI_NAME, ABI_OUT, &runstate),
       FIELD(vcpu_runstate_info, state_entry_time, ABI_NS, ABI_OUT));
STRUCT(vcpu_register_runstate_memory_area, ABI_IN,
       FIELD_AS("addr", vcpu_register_runstate_memory_area, addr.p, ABI_ADDR, ABI_IN));
STRUCT(vcpu_set_periodic_timer, ABI_IN, FIELD(vcpu_set_periodic_timer, period_ns, ABI_NS, ABI_IN));
STRUCT(vcpu_set_singleshot_timer, ABI_IN, FIELD(vcpu_set_singleshot_timer, timeout_abs_ns, ABI_NS, ABI_IN),
       FIELD(vcpu_set_singleshot_timer, flags, ABI_FLAGS, ABI_IN, &sshottmr));
STRUCT(vcpu_register_vcpu_info, ABI_IN, FIELD(vcpu_register_vcpu_info, mfn, ABI_HEX, ABI_IN),
       FIELD(vcpu_register_vcpu_info, offset, ABI_HEX, ABI_IN));
STRUCT(vcpu_get_physid, ABI_OUT, FIELD(vcpu_get_physid, phys_id, ABI_HEX, ABI_OUT));
STRUCT(vcpu_register_time_memory_area, ABI_IN,
       FIELD_AS("addr", vcpu_register_time_memory_area, addr.p, ABI_ADDR, ABI_IN));
ONE(vcpu_guest_context);
ONE(vcpu_runstate_info);
ONE(vcpu_register_runstate_memory_area);
ONE(vcpu_set_periodic_timer);
ONE(vcpu_set_singleshot_timer);
ONE(vcpu_register_vcpu_info);
ONE(vcpu_get_physid);
ONE(vcpu_register_time_memory_area);

/* Memory. */
#define RESERVATION_FIELDS(id, list, d)                                                       \
    STRUCT_FROM(id, 0, sizeof(struct xen_memory_reservation), d,                              \
                FIELD(xen_memory_reservation, extent_start, ABI_LIST, ABI_IN, NULL, &(list)), \
                FIELD(xen_memory_reservation, nr_extents, ABI_UNS, ABI_IN),                   \
                FIELD(xen_memory_reservation, extent_order, ABI_UNS, ABI_IN),                 \
                FIELD(xen_memory_reservation, mem_flags, ABI_HEX, ABI_IN),                    \
                FIELD(xen_memory_reservation, domid, ABI_DOMID, ABI_IN))
static const struct abi_list extents_in = {&value_frame, offsetof(struct xen_memory_reservation, nr_extents),
                                           8, 0};
static const struct abi_list extents_out = {&value_frame_out,
                                            offsetof(struct xen_memory_reservation, nr_extents), 8, 0};
RESERVATION_FIELDS(reservation_in, extents_in, ABI_IN);
RESERVATION_FIELDS(reservation_out, extents_out, ABI_IN | ABI_OUT);
ONE(reservation_in);
ONE(reservation_out);
STRUCT(xen_memory_exchange, ABI_IN | ABI_OUT,
       FIELD_AS("in.extent_start", xen_memory_exchange, in.extent_start, ABI_ADDR, ABI_IN),
       FIELD_AS("in.nr_extents", xen_memory_exchange, in.nr_extents, ABI_UNS, ABI_IN),
       FIELD_AS("in.extent_order", xen_memory_exchange, in.extent_order, ABI_UNS, ABI_IN),
       FIELD_AS("out.extent_start", xen_memory_exchange, out.extent_start, ABI_ADDR, ABI_IN),
       FIELD_AS("out.nr_extents", xen_memory_exchange, out.nr_extents, ABI_UNS, ABI_IN),
       FIELD_AS("out.extent_order", xen_memory_exchange, out.extent_order, ABI_UNS, ABI_IN),
       FIELD(xen_memory_exchange, nr_exchanged, ABI_UNS, ABI_OUT));
STRUCT(xen_memory_domain, ABI_IN, FIELD(xen_memory_domain, domid, ABI_DOMID, ABI_IN));
STRUCT(xen_machphys_mapping, ABI_OUT, FIELD(xen_machphys_mapping, v_start, ABI_ADDR, ABI_OUT),
       FIELD(xen_machphys_mapping, v_end, ABI_ADDR, ABI_OUT),
       FIELD(xen_machphys_mapping, max_mfn, ABI_HEX, ABI_OUT));
static const struct abi_list mfn_list_out = {&value_frame_out,
                                             offsetof(struct xen_machphys_mfn_list, nr_extents), 4, 0};
STRUCT(xen_machphys_mfn_list, ABI_IN | ABI_OUT, FIELD(xen_machphys_mfn_list, max_extents, ABI_UNS, ABI_IN),
       FIELD(xen_machphys_mfn_list, extent_start, ABI_LIST, ABI_IN, NULL, &mfn_list_out),
       FIELD(xen_machphys_mfn_list, nr_extents, ABI_UNS, ABI_OUT));
STRUCT(xen_add_to_physmap, ABI_IN, FIELD(xen_add_to_physmap, domid, ABI_DOMID, ABI_IN),
       FIELD(xen_add_to_physmap, size, ABI_UNS, ABI_IN),
       FIELD(xen_add_to_physmap, space, ABI_NAME, ABI_IN, &mapspace),
       FIELD(xen_add_to_physmap, idx, ABI_HEX, ABI_IN), FIELD(xen_add_to_physmap, gpfn, ABI_HEX, ABI_IN));
STRUCT(xen_remove_from_physmap, ABI_IN, FIELD(xen_remove_from_physmap, domid, ABI_DOMID, ABI_IN),
       FIELD(xen_remove_from_physmap, gpfn, ABI_HEX, ABI_IN));
struct e820entry_abi {
    uint64_t addr, size;
    uint32_t type;
} __attribute__((packed));
STRUCT_FROM(e820entry, 0, sizeof(struct e820entry_abi), ABI_OUT, FIELD(e820entry_abi, addr, ABI_HEX, ABI_OUT),
            FIELD(e820entry_abi, size, ABI_HEX, ABI_OUT),
            FIELD(e820entry_abi, type, ABI_NAME, ABI_OUT, &e820_type));
static const struct abi_list e820_map = {&e820entry, offsetof(struct xen_memory_map, nr_entries), 4, 0};
STRUCT(xen_memory_map, ABI_IN | ABI_OUT, FIELD(xen_memory_map, nr_entries, ABI_UNS, ABI_IN | ABI_OUT),
       FIELD(xen_memory_map, buffer, ABI_LIST, ABI_IN, NULL, &e820_map));
ONE(xen_memory_exchange);
ONE(xen_memory_domain);
ONE(xen_machphys_mapping);
ONE(xen_machphys_mfn_list);
ONE(xen_add_to_physmap);
ONE(xen_remove_from_physmap);
ONE(xen_memory_map);

/* Version. */
#define TEXT_STRUCT(id, bytes)                                                                  \
    static const struct abi_field id##_f[] = {{NULL, 0, bytes, ABI_TEXT, ABI_OUT, NULL, NULL}}; \
    static const struct abi_struct id = {                                                       \
        .name = #id, .size = (bytes), .dir = ABI_OUT, .nr_fields = 1, .field = id##_f};         \
    ONE(id)
TEXT_STRUCT(xen_extraversion, 16);
TEXT_STRUCT(xen_capabilities_info, 1024);
TEXT_STRUCT(xen_changeset_info, 64);
TEXT_STRUCT(xen_commandline, 1024);
STRUCT(xen_compile_info, ABI_OUT, FIELD(xen_compile_info, compiler, ABI_TEXT, ABI_OUT),
       FIELD(xen_compile_info, compile_by, ABI_TEXT, ABI_OUT),
       FIELD(xen_compile_info, compile_domain, ABI_TEXT, ABI_OUT),
       FIELD(xen_compile_info, compile_date, ABI_TEXT, ABI_OUT));
STRUCT(xen_platform_parameters, ABI_OUT, FIELD(xen_platform_parameters, virt_start, ABI_ADDR, ABI_OUT));
STRUCT(xen_feature_info, ABI_IN | ABI_OUT, FIELD(xen_feature_info, submap_idx, ABI_UNS, ABI_IN),
       FIELD(xen_feature_info, submap, ABI_HEX, ABI_OUT));
VALUE(guest_handle, 16, ABI_UUID, ABI_OUT);
ONE(xen_compile_info);
ONE(xen_platform_parameters);
ONE(xen_feature_info);
ONE(guest_handle);

/* Callbacks, physical devices, NMI, HVM. */
STRUCT(callback_register, ABI_IN, FIELD(callback_register, type, ABI_NAME, ABI_IN, &callbacktype),
       FIELD(callback_register, flags, ABI_FLAGS, ABI_IN, &callbackf),
       FIELD(callback_register, address, ABI_ADDR, ABI_IN));
STRUCT(callback_unregister, ABI_IN, FIELD(callback_unregister, type, ABI_NAME, ABI_IN, &callbacktype));
STRUCT(physdev_eoi, ABI_IN, FIELD(physdev_eoi, irq, ABI_UNS, ABI_IN));
STRUCT(physdev_irq_status_query, ABI_IN | ABI_OUT, FIELD(physdev_irq_status_query, irq, ABI_UNS, ABI_IN),
       FIELD(physdev_irq_status_query, flags, ABI_HEX, ABI_OUT));
STRUCT(physdev_set_iopl, ABI_IN, FIELD(physdev_set_iopl, iopl, ABI_UNS, ABI_IN));
STRUCT(physdev_set_iobitmap, ABI_IN, FIELD(physdev_set_iobitmap, bitmap, ABI_ADDR, ABI_IN),
       FIELD(physdev_set_iobitmap, nr_ports, ABI_UNS, ABI_IN));
STRUCT(physdev_apic, ABI_IN | ABI_OUT, FIELD(physdev_apic, apic_physbase, ABI_HEX, ABI_IN),
       FIELD(physdev_apic, reg, ABI_HEX, ABI_IN), FIELD(physdev_apic, value, ABI_HEX, ABI_IN | ABI_OUT));
STRUCT(physdev_map_pirq, ABI_IN | ABI_OUT, FIELD(physdev_map_pirq, domid, ABI_DOMID, ABI_IN),
       FIELD(physdev_map_pirq, type, ABI_NAME, ABI_IN, &map_pirq_type),
       FIELD(physdev_map_pirq, index, ABI_DEC, ABI_IN),
       FIELD(physdev_map_pirq, pirq, ABI_DEC, ABI_IN | ABI_OUT));
STRUCT(physdev_setup_gsi, ABI_IN, FIELD(physdev_setup_gsi, gsi, ABI_DEC, ABI_IN),
       FIELD(physdev_setup_gsi, triggering, ABI_UNS, ABI_IN),
       FIELD(physdev_setup_gsi, polarity, ABI_UNS, ABI_IN));
STRUCT(physdev_get_free_pirq, ABI_IN | ABI_OUT,
       FIELD(physdev_get_free_pirq, type, ABI_NAME, ABI_IN, &map_pirq_type),
       FIELD(physdev_get_free_pirq, pirq, ABI_UNS, ABI_OUT));
STRUCT(xennmi_callback, ABI_IN, FIELD(xennmi_callback, handler_address, ABI_ADDR, ABI_IN));
STRUCT(xen_hvm_param, ABI_IN | ABI_OUT, FIELD(xen_hvm_param, domid, ABI_DOMID, ABI_IN),
       FIELD(xen_hvm_param, index, ABI_NAME, ABI_IN, &hvm_param),
       FIELD(xen_hvm_param, value, ABI_HEX, ABI_IN | ABI_OUT));
ONE(callback_register);
ONE(callback_unregister);
ONE(physdev_eoi);
ONE(physdev_irq_status_query);
ONE(physdev_set_iopl);
ONE(physdev_set_iobitmap);
ONE(physdev_apic);
ONE(physdev_map_pirq);
ONE(physdev_setup_gsi);
ONE(physdev_get_free_pirq);
ONE(xennmi_callback);
ONE(xen_hvm_param);

/* Grant tables: arrays, as long as argument 2 says. */
#define GNT(id)   static const struct abi_list id##s = {&(id), 16, 8, 0}
#define STATUS(s) FIELD(s, status, ABI_NAME, ABI_OUT, &gntst)
/* NOLINTNEXTLINE(bugprone-macro-parentheses): side.f names a member */
#define PIECE(side, f, fmt) FIELD_AS(#side "." #f, gnttab_copy, side.f, fmt, ABI_IN)
STRUCT(gnttab_map_grant_ref, ABI_IN | ABI_OUT, FIELD(gnttab_map_grant_ref, host_addr, ABI_ADDR, ABI_IN),
       FIELD(gnttab_map_grant_ref, flags, ABI_FLAGS, ABI_IN, &gntmap),
       FIELD(gnttab_map_grant_ref, ref, ABI_UNS, ABI_IN), FIELD(gnttab_map_grant_ref, dom, ABI_DOMID, ABI_IN),
       STATUS(gnttab_map_grant_ref), FIELD(gnttab_map_grant_ref, handle, ABI_UNS, ABI_OUT),
       FIELD(gnttab_map_grant_ref, dev_bus_addr, ABI_HEX, ABI_OUT));
STRUCT(gnttab_unmap_grant_ref, ABI_IN | ABI_OUT, FIELD(gnttab_unmap_grant_ref, host_addr, ABI_ADDR, ABI_IN),
       FIELD(gnttab_unmap_grant_ref, dev_bus_addr, ABI_HEX, ABI_IN),
       FIELD(gnttab_unmap_grant_ref, handle, ABI_UNS, ABI_IN), STATUS(gnttab_unmap_grant_ref));
static const struct abi_list setup_frames = {&value_frame_out, offsetof(struct gnttab_setup_table, nr_frames),
                                             4, 0};
STRUCT(gnttab_setup_table, ABI_IN | ABI_OUT, FIELD(gnttab_setup_table, dom, ABI_DOMID, ABI_IN),
       FIELD(gnttab_setup_table, nr_frames, ABI_UNS, ABI_IN), STATUS(gnttab_setup_table),
       FIELD(gnttab_setup_table, frame_list, ABI_LIST, ABI_IN, NULL, &setup_frames));
STRUCT(gnttab_dump_table, ABI_IN | ABI_OUT, FIELD(gnttab_dump_table, dom, ABI_DOMID, ABI_IN),
       STATUS(gnttab_dump_table));
STRUCT(gnttab_transfer, ABI_IN | ABI_OUT, FIELD(gnttab_transfer, mfn, ABI_HEX, ABI_IN),
       FIELD(gnttab_transfer, domid, ABI_DOMID, ABI_IN), FIELD(gnttab_transfer, ref, ABI_UNS, ABI_IN),
       STATUS(gnttab_transfer));
STRUCT(gnttab_copy, ABI_IN | ABI_OUT, PIECE(source, u.gmfn, ABI_HEX), PIECE(source, domid, ABI_DOMID),
       PIECE(source, offset, ABI_UNS), PIECE(dest, u.gmfn, ABI_HEX), PIECE(dest, domid, ABI_DOMID),
       PIECE(dest, offset, ABI_UNS), FIELD(gnttab_copy, len, ABI_UNS, ABI_IN),
       FIELD(gnttab_copy, flags, ABI_FLAGS, ABI_IN, &gntcopy), STATUS(gnttab_copy));
STRUCT(gnttab_query_size, ABI_IN | ABI_OUT, FIELD(gnttab_query_size, dom, ABI_DOMID, ABI_IN),
       FIELD(gnttab_query_size, nr_frames, ABI_UNS, ABI_OUT),
       FIELD(gnttab_query_size, max_nr_frames, ABI_UNS, ABI_OUT), STATUS(gnttab_query_size));
STRUCT(gnttab_unmap_and_replace, ABI_IN | ABI_OUT,
       FIELD(gnttab_unmap_and_replace, host_addr, ABI_ADDR, ABI_IN),
       FIELD(gnttab_unmap_and_replace, new_addr, ABI_ADDR, ABI_IN),
       FIELD(gnttab_unmap_and_replace, handle, ABI_UNS, ABI_IN), STATUS(gnttab_unmap_and_replace));
STRUCT(gnttab_set_version, ABI_IN | ABI_OUT, FIELD(gnttab_set_version, version, ABI_UNS, ABI_IN | ABI_OUT));
static const struct abi_list status_frames = {&value_frame_out,
                                              offsetof(struct gnttab_get_status_frames, nr_frames), 4, 0};
STRUCT(gnttab_get_status_frames, ABI_IN | ABI_OUT,
       FIELD(gnttab_get_status_frames, nr_frames, ABI_UNS, ABI_IN),
       FIELD(gnttab_get_status_frames, dom, ABI_DOMID, ABI_IN), STATUS(gnttab_get_status_frames),
       FIELD(gnttab_get_status_frames, frame_list, ABI_LIST, ABI_IN, NULL, &status_frames));
STRUCT(gnttab_get_version, ABI_IN | ABI_OUT, FIELD(gnttab_get_version, dom, ABI_DOMID, ABI_IN),
       FIELD(gnttab_get_version, version, ABI_UNS, ABI_OUT));
STRUCT(gnttab_swap_grant_ref, ABI_IN | ABI_OUT, FIELD(gnttab_swap_grant_ref, ref_a, ABI_UNS, ABI_IN),
       FIELD(gnttab_swap_grant_ref, ref_b, ABI_UNS, ABI_IN), STATUS(gnttab_swap_grant_ref));
STRUCT(gnttab_cache_flush, ABI_IN, FIELD_AS("addr", gnttab_cache_flush, a.dev_bus_addr, ABI_HEX, ABI_IN),
       FIELD(gnttab_cache_flush, offset, ABI_UNS, ABI_IN), FIELD(gnttab_cache_flush, length, ABI_UNS, ABI_IN),
       FIELD(gnttab_cache_flush, op, ABI_HEX, ABI_IN));
GNT(gnttab_map_grant_ref);
GNT(gnttab_unmap_grant_ref);
GNT(gnttab_setup_table);
GNT(gnttab_dump_table);
GNT(gnttab_transfer);
GNT(gnttab_copy);
GNT(gnttab_query_size);
GNT(gnttab_unmap_and_replace);
GNT(gnttab_set_version);
GNT(gnttab_get_status_frames);
GNT(gnttab_get_version);
GNT(gnttab_swap_grant_ref);
GNT(gnttab_cache_flush);

/* ---- sub-operations ---- */

#define OP(x, list, group)                     \
    {                                          \
        x, #x, list, GROUP_##group, ABI_RESULT \
    }
#define OP_HEX(x, list, group)              \
    {                                       \
        x, #x, list, GROUP_##group, ABI_HEX \
    }
#define NO_ARG NULL

static const struct abi_op evtchn_ops[] = {
    OP(EVTCHNOP_bind_interdomain, &evtchn_bind_interdomain_one, EVENT),
    OP(EVTCHNOP_bind_virq, &evtchn_bind_virq_one, EVENT),
    OP(EVTCHNOP_bind_pirq, &evtchn_bind_pirq_one, EVENT),
    OP(EVTCHNOP_close, &evtchn_close_one, EVENT),
    OP(EVTCHNOP_send, &evtchn_send_one, EVENT),
    OP(EVTCHNOP_status, &evtchn_status_one, EVENT),
    OP(EVTCHNOP_alloc_unbound, &evtchn_alloc_unbound_one, EVENT),
    OP(EVTCHNOP_bind_ipi, &evtchn_bind_ipi_one, EVENT),
    OP(EVTCHNOP_bind_vcpu, &evtchn_bind_vcpu_one, EVENT),
    OP(EVTCHNOP_unmask, &evtchn_unmask_one, EVENT),
    OP(EVTCHNOP_reset, &evtchn_reset_one, EVENT),
    OP(EVTCHNOP_init_control, &evtchn_init_control_one, EVENT),
    OP(EVTCHNOP_expand_array, &evtchn_expand_array_one, EVENT),
    OP(EVTCHNOP_set_priority, &evtchn_set_priority_one, EVENT),
};

static const struct abi_op sched_ops[] = {
    OP(SCHEDOP_yield, NO_ARG, SCHED),
    OP(SCHEDOP_block, NO_ARG, SCHED),
    OP(SCHEDOP_shutdown, &sched_shutdown_one, SCHED),
    OP(SCHEDOP_poll, &sched_poll_one, SCHED),
    OP(SCHEDOP_remote_shutdown, &sched_remote_shutdown_one, SCHED),
    OP(SCHEDOP_shutdown_code, &sched_shutdown_one, SCHED),
    OP(SCHEDOP_watchdog, &sched_watchdog_one, SCHED),
    OP(SCHEDOP_pin_override, &sched_pin_override_one, SCHED),
};

static const struct abi_op sched_compat_ops[] = {
    OP(SCHEDOP_yield, NO_ARG, SCHED),
    OP(SCHEDOP_block, NO_ARG, SCHED),
    OP(SCHEDOP_shutdown, NO_ARG, SCHED),
};

static const struct abi_op vcpu_ops[] = {
    OP(VCPUOP_initialise, &vcpu_guest_context_one, CPU),
    OP(VCPUOP_up, NO_ARG, CPU),
    OP(VCPUOP_down, NO_ARG, CPU),
    OP(VCPUOP_is_up, NO_ARG, CPU),
    OP(VCPUOP_get_runstate_info, &vcpu_runstate_info_one, TIME),
    OP(VCPUOP_register_runstate_memory_area, &vcpu_register_runstate_memory_area_one, TIME),
    OP(VCPUOP_set_periodic_timer, &vcpu_set_periodic_timer_one, TIME),
    OP(VCPUOP_stop_periodic_timer, NO_ARG, TIME),
    OP(VCPUOP_set_singleshot_timer, &vcpu_set_singleshot_timer_one, TIME),
    OP(VCPUOP_stop_singleshot_timer, NO_ARG, TIME),
    OP(VCPUOP_register_vcpu_info, &vcpu_register_vcpu_info_one, CPU),
    OP(VCPUOP_send_nmi, NO_ARG, CPU),
    OP(VCPUOP_get_physid, &vcpu_get_physid_one, CPU),
    OP(VCPUOP_register_vcpu_time_memory_area, &vcpu_register_time_memory_area_one, TIME),
};

static const struct abi_op memory_ops[] = {
    OP(XENMEM_increase_reservation, &reservation_out_one, MM),
    OP(XENMEM_decrease_reservation, &reservation_in_one, MM),
    OP(XENMEM_maximum_ram_page, NO_ARG, MM),
    OP(XENMEM_current_reservation, &xen_memory_domain_one, MM),
    OP(XENMEM_maximum_reservation, &xen_memory_domain_one, MM),
    OP(XENMEM_machphys_mfn_list, &xen_machphys_mfn_list_one, MM),
    OP(XENMEM_populate_physmap, &reservation_out_one, MM),
    OP(XENMEM_add_to_physmap, &xen_add_to_physmap_one, MM),
    OP(XENMEM_memory_map, &xen_memory_map_one, MM),
    OP(XENMEM_machine_memory_map, &xen_memory_map_one, MM),
    OP(XENMEM_exchange, &xen_memory_exchange_one, MM),
    OP(XENMEM_machphys_mapping, &xen_machphys_mapping_one, MM),
    OP(XENMEM_set_memory_map, NO_ARG, MM),
    OP(XENMEM_maximum_gpfn, &xen_memory_domain_one, MM),
    OP(XENMEM_remove_from_physmap, &xen_remove_from_physmap_one, MM),
    OP(XENMEM_set_pod_target, NO_ARG, MM),
    OP(XENMEM_get_pod_target, NO_ARG, MM),
    OP(XENMEM_add_to_physmap_batch, NO_ARG, MM),
    /* The headers show these to tools only. */
    {21, "XENMEM_access_op", NO_ARG, GROUP_MM, ABI_RESULT},
    {24, "XENMEM_claim_pages", NO_ARG, GROUP_MM, ABI_RESULT},
    {27, "XENMEM_reserved_device_memory_map", NO_ARG, GROUP_MM, ABI_RESULT},
    OP(XENMEM_machphys_compat_mfn_list, &xen_machphys_mfn_list_one, MM),
    OP(XENMEM_get_vnumainfo, NO_ARG, MM),
    OP(XENMEM_acquire_resource, NO_ARG, MM),
};

static const struct abi_op version_ops[] = {
    OP_HEX(XENVER_version, NO_ARG, MISC),
    OP(XENVER_extraversion, &xen_extraversion_one, MISC),
    OP(XENVER_compile_info, &xen_compile_info_one, MISC),
    OP(XENVER_capabilities, &xen_capabilities_info_one, MISC),
    OP(XENVER_changeset, &xen_changeset_info_one, MISC),
    OP(XENVER_platform_parameters, &xen_platform_parameters_one, MISC),
    OP(XENVER_get_features, &xen_feature_info_one, MISC),
    OP(XENVER_pagesize, NO_ARG, MISC),
    OP(XENVER_guest_handle, &guest_handle_one, MISC),
    OP(XENVER_commandline, &xen_commandline_one, MISC),
    OP(XENVER_build_id, NO_ARG, MISC),
};

static const struct abi_op grant_ops[] = {
    OP(GNTTABOP_map_grant_ref, &gnttab_map_grant_refs, GRANT),
    OP(GNTTABOP_unmap_grant_ref, &gnttab_unmap_grant_refs, GRANT),
    OP(GNTTABOP_setup_table, &gnttab_setup_tables, GRANT),
    OP(GNTTABOP_dump_table, &gnttab_dump_tables, GRANT),
    OP(GNTTABOP_transfer, &gnttab_transfers, GRANT),
    OP(GNTTABOP_copy, &gnttab_copys, GRANT),
    OP(GNTTABOP_query_size, &gnttab_query_sizes, GRANT),
    OP(GNTTABOP_unmap_and_replace, &gnttab_unmap_and_replaces, GRANT),
    OP(GNTTABOP_set_version, &gnttab_set_versions, GRANT),
    OP(GNTTABOP_get_status_frames, &gnttab_get_status_framess, GRANT),
    OP(GNTTABOP_get_version, &gnttab_get_versions, GRANT),
    OP(GNTTABOP_swap_grant_ref, &gnttab_swap_grant_refs, GRANT),
    OP(GNTTABOP_cache_flush, &gnttab_cache_flushs, GRANT),
};

static const struct abi_op callback_ops[] = {
    OP(CALLBACKOP_register, &callback_register_one, CPU),
    OP(CALLBACKOP_unregister, &callback_unregister_one, CPU),
};

static const struct abi_op physdev_ops[] = {
    OP(PHYSDEVOP_IRQ_UNMASK_NOTIFY, NO_ARG, MISC),
    OP(PHYSDEVOP_irq_status_query, &physdev_irq_status_query_one, MISC),
    OP(PHYSDEVOP_set_iopl, &physdev_set_iopl_one, CPU),
    OP(PHYSDEVOP_set_iobitmap, &physdev_set_iobitmap_one, CPU),
    OP(PHYSDEVOP_apic_read, &physdev_apic_one, MISC),
    OP(PHYSDEVOP_apic_write, &physdev_apic_one, MISC),
    OP(PHYSDEVOP_eoi, &physdev_eoi_one, EVENT),
    OP(PHYSDEVOP_map_pirq, &physdev_map_pirq_one, MISC),
    OP(PHYSDEVOP_unmap_pirq, NO_ARG, MISC),
    OP(PHYSDEVOP_pirq_eoi_gmfn_v1, NO_ARG, MISC),
    OP(PHYSDEVOP_setup_gsi, &physdev_setup_gsi_one, MISC),
    OP(PHYSDEVOP_get_free_pirq, &physdev_get_free_pirq_one, MISC),
    OP(PHYSDEVOP_pci_mmcfg_reserved, NO_ARG, MISC),
    OP(PHYSDEVOP_pci_device_add, NO_ARG, MISC),
    OP(PHYSDEVOP_pci_device_remove, NO_ARG, MISC),
    OP(PHYSDEVOP_pirq_eoi_gmfn_v2, NO_ARG, MISC),
    OP(PHYSDEVOP_dbgp_op, NO_ARG, MISC),
};

static const struct abi_op nmi_ops[] = {
    OP(XENNMI_register_callback, &xennmi_callback_one, CPU),
    OP(XENNMI_unregister_callback, NO_ARG, CPU),
};

static const struct abi_op hvm_ops[] = {
    OP(HVMOP_set_param, &xen_hvm_param_one, MISC),
    OP(HVMOP_get_param, &xen_hvm_param_one, MISC),
    OP(HVMOP_flush_tlbs, NO_ARG, MISC),
    OP(HVMOP_pagetable_dying, NO_ARG, MISC),
    OP(HVMOP_get_time, NO_ARG, MISC),
    OP(HVMOP_xentrace, NO_ARG, MISC),
    OP(HVMOP_get_mem_type, NO_ARG, MISC),
    OP(HVMOP_set_evtchn_upcall_vector, NO_ARG, MISC),
    OP(HVMOP_guest_request_vm_event, NO_ARG, MISC),
    OP(HVMOP_altp2m, NO_ARG, MISC),
};

/* ---- hypercalls: argument i is the field at offset 8 * i ---- */

#define ARG(i, name, fmt, ...)                       \
    {                                                \
        name, 8 * (i), 8, fmt, ABI_IN, ##__VA_ARGS__ \
    }
#define ARG32(i, name, fmt, ...)                     \
    {                                                \
        name, 8 * (i), 4, fmt, ABI_IN, ##__VA_ARGS__ \
    }
#define ARGS(id, ...)                                            \
    static const struct abi_field id##_args_f[] = {__VA_ARGS__}; \
    static const struct abi_struct id##_args = {                 \
        .name = #id, .size = 48, .dir = ABI_IN, .nr_fields = ARRAY_SIZE(id##_args_f), .field = id##_args_f}

static const struct abi_list console_text = {NULL, 8, 4, 0};

ARGS(set_trap_table, ARG(0, "traps", ABI_LIST, NULL, &trap_table));
ARGS(mmu_update, ARG(0, "reqs", ABI_LIST, NULL, &mmu_updates), ARG32(1, "count", ABI_UNS),
     ARG(2, "done", ABI_LIST, NULL, &done_out), ARG32(3, "foreigndom", ABI_DOMID));
ARGS(set_gdt, ARG(0, "frames", ABI_LIST, NULL, &gdt_frames), ARG32(1, "entries", ABI_UNS));
ARGS(stack_switch, ARG(0, "ss", ABI_HEX), ARG(1, "sp", ABI_ADDR));
ARGS(set_callbacks, ARG(0, "event", ABI_ADDR), ARG(1, "failsafe", ABI_ADDR), ARG(2, "syscall", ABI_ADDR));
ARGS(fpu_taskswitch, ARG(0, "set", ABI_UNS));
ARGS(sched_op_compat, ARG(0, "cmd", ABI_OP), ARG(1, "arg", ABI_HEX));
ARGS(platform_op, ARG(0, "op", ABI_ADDR));
ARGS(set_debugreg, ARG(0, "reg", ABI_UNS), ARG(1, "value", ABI_HEX));
ARGS(get_debugreg, ARG(0, "reg", ABI_UNS));
ARGS(update_descriptor, ARG(0, "ma", ABI_HEX), ARG(1, "descriptor", ABI_HEX));
ARGS(cmd_arg, ARG(0, "cmd", ABI_OP), ARG(1, "arg", ABI_OP_ARG));
ARGS(multicall, ARG(0, "calls", ABI_ADDR), ARG32(1, "nr_calls", ABI_UNS));
ARGS(update_va_mapping, ARG(0, "va", ABI_ADDR), ARG(1, "val", ABI_PTE), ARG(2, "flags", ABI_FLAGS, &uvmf));
ARGS(update_va_mapping_otherdomain, ARG(0, "va", ABI_ADDR), ARG(1, "val", ABI_PTE),
     ARG(2, "flags", ABI_FLAGS, &uvmf), ARG32(3, "domid", ABI_DOMID));
ARGS(set_timer_op, ARG(0, "timeout", ABI_NS));
ARGS(one_pointer, ARG(0, "op", ABI_ADDR));
ARGS(console_io, ARG32(0, "cmd", ABI_NAME, &consoleio), ARG32(1, "count", ABI_UNS),
     ARG(2, "buffer", ABI_STRING, NULL, &console_text));
ARGS(grant_table_op, ARG(0, "cmd", ABI_OP), ARG(1, "uop", ABI_OP_ARG), ARG32(2, "count", ABI_UNS));
ARGS(vm_assist, ARG32(0, "cmd", ABI_NAME, &vmasst_cmd), ARG32(1, "type", ABI_NAME, &vmasst_type));
ARGS(vcpu_op, ARG(0, "cmd", ABI_OP), ARG32(1, "vcpuid", ABI_UNS), ARG(2, "extra", ABI_OP_ARG));
ARGS(set_segment_base, ARG32(0, "which", ABI_NAME, &segbase), ARG(1, "base", ABI_ADDR));
ARGS(mmuext_op, ARG(0, "ops", ABI_LIST, NULL, &mmuext_ops), ARG32(1, "count", ABI_UNS),
     ARG(2, "done", ABI_LIST, NULL, &done_out), ARG32(3, "foreigndom", ABI_DOMID));
ARGS(two_numbers, ARG(0, "cmd", ABI_HEX), ARG(1, "arg", ABI_HEX));
ARGS(five_numbers, ARG(0, "cmd", ABI_HEX), ARG(1, "arg1", ABI_HEX), ARG(2, "arg2", ABI_HEX),
     ARG(3, "arg3", ABI_HEX), ARG(4, "arg4", ABI_HEX));
ARGS(dm_op, ARG(0, "domid", ABI_DOMID), ARG(1, "nr_bufs", ABI_UNS), ARG(2, "bufs", ABI_ADDR));

#define OPS(table) .op = (table), .nr_ops = ARRAY_SIZE(table), .op_mask = 0xffffffff

const struct abi_call abi_calls[NR_ABI_CALLS] = {
    [__HYPERVISOR_set_trap_table] = {&set_trap_table_args, .group = GROUP_CPU, .result = ABI_RESULT},
    [__HYPERVISOR_mmu_update] = {&mmu_update_args, .group = GROUP_MM, .result = ABI_RESULT},
    [__HYPERVISOR_set_gdt] = {&set_gdt_args, .group = GROUP_CPU, .result = ABI_RESULT},
    [__HYPERVISOR_stack_switch] = {&stack_switch_args, .group = GROUP_CPU, .result = ABI_RESULT},
    [__HYPERVISOR_set_callbacks] = {&set_callbacks_args, .group = GROUP_CPU, .result = ABI_RESULT},
    [__HYPERVISOR_fpu_taskswitch] = {&fpu_taskswitch_args, .group = GROUP_CPU, .result = ABI_RESULT},
    [__HYPERVISOR_sched_op_compat] = {&sched_op_compat_args, .group = GROUP_SCHED, .result = ABI_RESULT,
                                      OPS(sched_compat_ops)},
    [__HYPERVISOR_platform_op] = {&platform_op_args, .group = GROUP_MISC, .result = ABI_RESULT},
    [__HYPERVISOR_set_debugreg] = {&set_debugreg_args, .group = GROUP_CPU, .result = ABI_RESULT},
    [__HYPERVISOR_get_debugreg] = {&get_debugreg_args, .group = GROUP_CPU, .result = ABI_HEX},
    [__HYPERVISOR_update_descriptor] = {&update_descriptor_args, .group = GROUP_CPU, .result = ABI_RESULT},
    [__HYPERVISOR_memory_op] = {&cmd_arg_args, .group = GROUP_MM, .result = ABI_RESULT, .op = memory_ops,
                                .nr_ops = ARRAY_SIZE(memory_ops), .op_mask = 63},
    [__HYPERVISOR_multicall] = {&multicall_args, .group = GROUP_MISC, .result = ABI_RESULT},
    [__HYPERVISOR_update_va_mapping] = {&update_va_mapping_args, .group = GROUP_MM, .result = ABI_RESULT},
    [__HYPERVISOR_set_timer_op] = {&set_timer_op_args, .group = GROUP_TIME, .result = ABI_RESULT},
    [__HYPERVISOR_event_channel_op_compat] = {&one_pointer_args, .group = GROUP_EVENT, .result = ABI_RESULT},
    [__HYPERVISOR_xen_version] = {&cmd_arg_args, .group = GROUP_MISC, .result = ABI_RESULT, OPS(version_ops)},
    [__HYPERVISOR_console_io] = {&console_io_args, .group = GROUP_MISC, .result = ABI_RESULT},
    [__HYPERVISOR_physdev_op_compat] = {&one_pointer_args, .group = GROUP_MISC, .result = ABI_RESULT},
    [__HYPERVISOR_grant_table_op] = {&grant_table_op_args, .group = GROUP_GRANT, .result = ABI_RESULT,
                                     OPS(grant_ops)},
    [__HYPERVISOR_vm_assist] = {&vm_assist_args, .group = GROUP_MISC, .result = ABI_RESULT},
    [__HYPERVISOR_update_va_mapping_otherdomain] = {&update_va_mapping_otherdomain_args, .group = GROUP_MM,
                                                    .result = ABI_RESULT},
    [__HYPERVISOR_iret] = {&iret_context, .group = GROUP_CPU, .result = ABI_RESULT, .on_stack = true},
    [__HYPERVISOR_vcpu_op] = {&vcpu_op_args, .group = GROUP_CPU, .result = ABI_RESULT, OPS(vcpu_ops)},
    [__HYPERVISOR_set_segment_base] = {&set_segment_base_args, .group = GROUP_CPU, .result = ABI_RESULT},
    [__HYPERVISOR_mmuext_op] = {&mmuext_op_args, .group = GROUP_MM, .result = ABI_RESULT},
    [__HYPERVISOR_xsm_op] = {&one_pointer_args, .group = GROUP_MISC, .result = ABI_RESULT},
    [__HYPERVISOR_nmi_op] = {&cmd_arg_args, .group = GROUP_CPU, .result = ABI_RESULT, OPS(nmi_ops)},
    [__HYPERVISOR_sched_op] = {&cmd_arg_args, .group = GROUP_SCHED, .result = ABI_RESULT, OPS(sched_ops)},
    [__HYPERVISOR_callback_op] = {&cmd_arg_args, .group = GROUP_CPU, .result = ABI_RESULT, OPS(callback_ops)},
    [__HYPERVISOR_xenoprof_op] = {&two_numbers_args, .group = GROUP_MISC, .result = ABI_RESULT},
    [__HYPERVISOR_event_channel_op] = {&cmd_arg_args, .group = GROUP_EVENT, .result = ABI_RESULT,
                                       OPS(evtchn_ops)},
    [__HYPERVISOR_physdev_op] = {&cmd_arg_args, .group = GROUP_MISC, .result = ABI_RESULT, OPS(physdev_ops)},
    [__HYPERVISOR_hvm_op] = {&cmd_arg_args, .group = GROUP_MISC, .result = ABI_RESULT, OPS(hvm_ops)},
    [__HYPERVISOR_sysctl] = {&one_pointer_args, .group = GROUP_MISC, .result = ABI_RESULT},
    [__HYPERVISOR_domctl] = {&one_pointer_args, .group = GROUP_MISC, .result = ABI_RESULT},
    [__HYPERVISOR_kexec_op] = {&two_numbers_args, .group = GROUP_MISC, .result = ABI_RESULT},
    [__HYPERVISOR_tmem_op] = {&one_pointer_args, .group = GROUP_MISC, .result = ABI_RESULT},
    [__HYPERVISOR_argo_op] = {&five_numbers_args, .group = GROUP_MISC, .result = ABI_RESULT},
    [__HYPERVISOR_xenpmu_op] = {&two_numbers_args, .group = GROUP_MISC, .result = ABI_RESULT},
    [__HYPERVISOR_dm_op] = {&dm_op_args, .group = GROUP_MISC, .result = ABI_RESULT},
    [__HYPERVISOR_hypfs_op] = {&five_numbers_args, .group = GROUP_MISC, .result = ABI_RESULT},
};

const struct abi_op *abi_op_find(const struct abi_call *call, uint64_t arg0)
{
    for (unsigned i = 0; i < call->nr_ops; i++)
        if (call->op[i].value == (arg0 & call->op_mask))
            return &call->op[i];
    return NULL;
}
