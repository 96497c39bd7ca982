/* SPDX-License-Identifier: MIT */
/*
 * Numbers that C, assembly and the linker script of the runtime share.
 */
#ifndef PVGUEST_LAYOUT_H
#define PVGUEST_LAYOUT_H

#define VIRT_BASE 0xffffffff80000000 /* virtual address of pseudo-physical frame 0; also in pvguest.lds */

#define CPU_STACK_SIZE 16384 /* struct pv_cpu lies at the bottom of each, so that this_cpu() can find it */

/* Numbers in trap_frame.vector that are not exception vectors. */
#define TRAP_EVENT        0x100
#define TRAP_FAILSAFE     0x101
#define TRAP_SYSCALL      0x102
#define TRAP_SYSCALL32    0x103
#define TRAP_SYSENTER     0x104
#define TRAP_NMI_CALLBACK 0x105
#define NR_TRAPS          0x106

#endif
