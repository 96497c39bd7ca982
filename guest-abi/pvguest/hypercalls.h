/* SPDX-License-Identifier: MIT */
/*
 * Hypercalls of Xen's 64-bit PV ABI, as functions.
 *
 * Numbers, structures and error codes are those of Xen's public headers (xen/ *.h).  Every call
 *  - MUST be made in guest kernel mode, with kernel page tables;
 *  - MUST pass guest-virtual addresses that are mapped (writable where the call answers there): the
 *    answer is -XEN_EFAULT otherwise;
 *  - returns 0 or a positive result, or a negative XEN_E*; an operation that is not offered is -XEN_ENOSYS;
 *  - keeps all registers but rax; rcx and r11 hold the return address and flags, or their old values: rely on
 * neither.
 *
 * A page of entry stubs, 32 bytes a number, is filled in by the domain builder where the ELF note
 * HYPERCALL_PAGE says (start.S).  A guest MUST NOT write to it before its first hypercall.
 */
#ifndef PVGUEST_HYPERCALLS_H
#define PVGUEST_HYPERCALLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifndef __XEN_INTERFACE_VERSION__
#define __XEN_INTERFACE_VERSION__ 0x00040e00
#endif
#include <xen/xen.h>
#include <xen/callback.h>
#include <xen/event_channel.h>
#include <xen/grant_table.h>
#include <xen/memory.h>
#include <xen/nmi.h>
#include <xen/physdev.h>
#include <xen/sched.h>
#include <xen/vcpu.h>
#include <xen/version.h>
#include <xen/errno.h>

extern char hypercall_page[4096];

/* Through the stub. nr MUST be below 64 and MUST NOT be __HYPERVISOR_iret, whose stub is jumped to, not
 * called. */
static inline long hypercall(unsigned nr, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e,
                             uint64_t f)
{
    register uint64_t r10 __asm__("r10") = d;
    register uint64_t r8 __asm__("r8") = e;
    register uint64_t r9 __asm__("r9") = f;
    long ret;

    __asm__ volatile("call *%[stub]"
                     : "=a"(ret), "+D"(a), "+S"(b), "+d"(c), "+r"(r10), "+r"(r8), "+r"(r9)
                     : [stub] "r"(hypercall_page + nr * 32ul)
                     : "rcx", "r11", "memory");
    return ret;
}

/* By a SYSCALL instruction of our own, for any number whatever: for tests of numbers that no stub has. */
static inline long hypercall_raw(uint64_t nr, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e,
                                 uint64_t f)
{
    register uint64_t r10 __asm__("r10") = d;
    register uint64_t r8 __asm__("r8") = e;
    register uint64_t r9 __asm__("r9") = f;
    long ret;

    __asm__ volatile("syscall"
                     : "=a"(ret), "+D"(a), "+S"(b), "+d"(c), "+r"(r10), "+r"(r8), "+r"(r9)
                     : "0"(nr)
                     : "rcx", "r11", "memory");
    return ret;
}

#define HC(name, a, b, c, d) \
    hypercall(__HYPERVISOR_##name, (uint64_t)(a), (uint64_t)(b), (uint64_t)(c), (uint64_t)(d), 0, 0)

/*
 * Installs exception handlers, up to the entry whose address is 0.
 * MUST end with such an entry.  Addresses MUST be canonical; selectors MUST be null or of ring 3 (the
 * hypervisor forces the RPL).  NULL removes all.  Entries already set and not named stay.
 */
static inline long hc_set_trap_table(const struct trap_info *table)
{
    return HC(set_trap_table, table, 0, 0, 0);
}

/*
 * Applies count page-table updates; *done (may be NULL) gets the number that succeeded.
 * ptr MUST be the machine address of an 8-byte entry in a page table of this domain, bits 1:0 the MMU_*
 * command.  The new entry MUST name a frame of this domain, of a type that agrees (a page table MUST
 * NOT become mapped writable).  dom is DOMID_SELF; others are for control domains.
 */
static inline long hc_mmu_update(const struct mmu_update *list, unsigned count, unsigned *done, unsigned dom)
{
    return HC(mmu_update, list, count, done, dom);
}

/*
 * Extended page-table operations: pin, unpin, base pointers, TLB flushes, LDT.  A table to be pinned MUST
 * have no writable mapping.  MUST NOT unpin the tables in use.  Calls that only flush always succeed.
 */
static inline long hc_mmuext_op(const struct mmuext_op *list, unsigned count, unsigned *done, unsigned dom)
{
    return HC(mmuext_op, list, count, done, dom);
}

/*
 * Sets the level-1 entry that maps va.  The tables above MUST exist.  flags is UVMF_*; without UVMF_INVLPG
 * or UVMF_TLB_FLUSH a stale translation may stay in use until the next flush.
 */
static inline long hc_update_va_mapping(uint64_t va, uint64_t entry, uint64_t flags)
{
    return HC(update_va_mapping, va, entry, flags, 0);
}

/* The GDT's frames, 512 entries each.  entries MUST NOT exceed FIRST_RESERVED_GDT_ENTRY; the frames MUST NOT
 * be mapped
 * writable.  Old frames are released. */
static inline long hc_set_gdt(const xen_pfn_t *frames, unsigned entries)
{
    return HC(set_gdt, frames, entries, 0, 0);
}

/*
 * Writes one descriptor, machine address ma, 8-byte aligned.  MUST NOT describe a gate (other than a call
 * gate to a ring 3 selector) or a system segment.
 */
static inline long hc_update_descriptor(uint64_t ma, uint64_t descriptor)
{
    return HC(update_descriptor, ma, descriptor, 0, 0);
}

/* The stack that traps from user mode get.  sp MUST be a canonical address. */
static inline long hc_stack_switch(uint64_t ss, uint64_t sp)
{
    return HC(stack_switch, ss, sp, 0, 0);
}

/* set: the next FPU, MMX, SSE or AVX instruction raises #NM, which clears the flag again. */
static inline long hc_fpu_taskswitch(bool set)
{
    return HC(fpu_taskswitch, set, 0, 0, 0);
}

/* reg MUST be 0-3, 6 or 7 (4 and 5 are aliases).  Addresses MUST be canonical and below the hypervisor's. */
static inline long hc_set_debugreg(unsigned reg, uint64_t value)
{
    return HC(set_debugreg, reg, value, 0, 0);
}

static inline uint64_t hc_get_debugreg(unsigned reg)
{
    return (uint64_t)HC(get_debugreg, reg, 0, 0, 0);
}

/* cmd is XENMEM_*; see xen/memory.h.  MUST use DOMID_SELF wherever a domain is asked for. */
static inline long hc_memory_op(unsigned cmd, void *arg)
{
    return HC(memory_op, cmd, arg, 0, 0);
}

/* A list of hypercalls, in order; each entry gets its result.  MUST NOT contain iret or multicall: those
 * entries' result is an error. */
static inline long hc_multicall(struct multicall_entry *list, unsigned count)
{
    return HC(multicall, list, count, 0, 0);
}

/* VIRQ_TIMER at absolute system time ns, once.  0 disarms.  A time in the past fires at once. */
static inline long hc_set_timer_op(uint64_t ns)
{
    return HC(set_timer_op, ns, 0, 0, 0);
}

static inline long hc_xen_version(unsigned cmd, void *arg)
{
    return HC(xen_version, cmd, arg, 0, 0);
}

/* The hypervisor's own console: for debugging; refused with -XEN_EPERM unless the hypervisor allows it. */
static inline long hc_console_io(unsigned cmd, unsigned count, char *buf)
{
    return HC(console_io, cmd, count, buf, 0);
}

/* An array of count structures of the operation's type.  Each has a status of its own: the call's result says
 * only
 * whether the array could be read and written. */
static inline long hc_grant_table_op(unsigned cmd, void *ops, unsigned count)
{
    return HC(grant_table_op, cmd, ops, count, 0);
}

static inline long hc_vm_assist(unsigned cmd, unsigned type)
{
    return HC(vm_assist, cmd, type, 0, 0);
}

/* vcpu MUST be below the domain's maximum: -XEN_ENOENT otherwise. */
static inline long hc_vcpu_op(unsigned cmd, unsigned vcpu, void *arg)
{
    return HC(vcpu_op, cmd, vcpu, arg, 0);
}

/* which is SEGBASE_*.  base MUST be canonical; for SEGBASE_GS_USER_SEL it is a selector. */
static inline long hc_set_segment_base(unsigned which, uint64_t base)
{
    return HC(set_segment_base, which, base, 0, 0);
}

static inline long hc_nmi_op(unsigned cmd, void *arg)
{
    return HC(nmi_op, cmd, arg, 0, 0);
}

/* SCHEDOP_block unmasks events.  SCHEDOP_shutdown does not return. */
static inline long hc_sched_op(unsigned cmd, void *arg)
{
    return HC(sched_op, cmd, arg, 0, 0);
}

/* Event, failsafe, syscall, sysenter and NMI entry points.  Addresses MUST be canonical. */
static inline long hc_callback_op(unsigned cmd, void *arg)
{
    return HC(callback_op, cmd, arg, 0, 0);
}

static inline long hc_event_channel_op(unsigned cmd, void *arg)
{
    return HC(event_channel_op, cmd, arg, 0, 0);
}

static inline long hc_physdev_op(unsigned cmd, void *arg)
{
    return HC(physdev_op, cmd, arg, 0, 0);
}

#endif
