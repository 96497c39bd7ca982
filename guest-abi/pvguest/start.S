/* SPDX-License-Identifier: MIT */
/*
 * Where a PV guest begins, and where traps and callbacks enter it.
 *
 * ELF notes (xen/elfnote.h) tell the domain builder where things go.  At entry rsi = start_info, rsp = a
 * small boot stack, events masked, flat 64-bit segments.
 *
 * Entry frames, from the top of the stack (xen/arch-x86/xen-x86_64.h):
 *     rcx r11 [error code] rip cs rflags rsp ss            exceptions, event, syscall and NMI callbacks
 *     rcx r11 ds es fs gs rip cs rflags rsp ss             failsafe callback
 * Each is made into a struct trap_frame (traps.h); leaving is by the iret hypercall.
 */
#include "pvguest/layout.h"

        .section .note.Xen, "a", @note

/* An ELF note named "Xen": type, and a descriptor that is a string or a 64-bit number. */
        .macro note type, string=, number=
        .align 4
        .long 4f - 3f
        .long 6f - 5f
        .long \type
3:      .asciz "Xen"
4:      .align 4
        .ifnb \number
5:      .quad \number
        .else
5:      .asciz "\string"
        .endif
6:      .align 4
        .endm

        note 6, string=pvguest                  /* GUEST_OS */
        note 7, string=1                        /* GUEST_VERSION */
        note 5, string=xen-3.0                  /* XEN_VERSION */
        note 1, number=_start                   /* ENTRY */
        note 2, number=hypercall_page           /* HYPERCALL_PAGE */
        note 3, number=VIRT_BASE                /* VIRT_BASE */
        note 4, number=0                        /* PADDR_OFFSET: p_paddr starts at 0 */
        note 10, string="!writable_page_tables|pae_pgdir_above_4gb" /* FEATURES */
        note 9, string=yes                      /* PAE_MODE */
        note 8, string=generic                  /* LOADER */

        .section .text.start, "ax"
        .globl _start
_start:
        cld
        lea boot_stack + CPU_STACK_SIZE(%rip), %rsp
        mov %rsi, %rdi
        xor %ebp, %ebp
        call runtime_main
        ud2

        .balign 4096
        .globl hypercall_page
hypercall_page:
        .fill 4096, 1, 0xcc                     /* int3, until the builder fills it in */

/* Second and further vCPUs: rsp is the top of the vCPU's own stack, rdi its struct pv_cpu (smp.c). */
        .globl cpu_start
cpu_start:
        cld
        xor %ebp, %ebp
        call cpu_main
        ud2

/* One 16-byte stub a vector: trap_stubs + 16 * vector. */
        .balign 16
        .globl trap_stubs
trap_stubs:
        .set vector, 0
        .rept 256
        .balign 16
        pop %rcx
        pop %r11
        .if (vector == 8) || ((vector >= 10) && (vector <= 14)) || (vector == 17)
        .else
        push $0                                 /* no error code */
        .endif
        pushq $vector
        jmp trap_common
        .set vector, vector + 1
        .endr

        .macro callback name, number
        .globl \name
\name:
        pop %rcx
        pop %r11
        push $0
        pushq $\number
        jmp trap_common
        .endm

        callback event_entry, TRAP_EVENT
        callback syscall_entry, TRAP_SYSCALL
        callback syscall32_entry, TRAP_SYSCALL32
        callback sysenter_entry, TRAP_SYSENTER
        callback nmi_entry, TRAP_NMI_CALLBACK

        .globl failsafe_entry
failsafe_entry:
        pop %rcx
        pop %r11
        add $32, %rsp                           /* ds es fs gs */
        push $0
        pushq $TRAP_FAILSAFE
        jmp trap_common

trap_common:
        push %rax
        push %rcx
        push %rdx
        push %rbx
        push %rbp
        push %rsi
        push %rdi
        push %r8
        push %r9
        push %r10
        push %r11
        push %r12
        push %r13
        push %r14
        push %r15
        cld
        mov %rsp, %rdi
        mov %rsp, %rbx
        and $-16, %rsp
        call trap_dispatch
        mov %rbx, %rdi
/* Falls into: void trap_return(const struct trap_frame *f), which does not return. */
        .globl trap_return
trap_return:
        mov %rdi, %rsp
        pop %r15
        pop %r14
        pop %r13
        pop %r12
        pop %r11
        pop %r10
        pop %r9
        pop %r8
        pop %rdi
        pop %rsi
        pop %rbp
        pop %rbx
        pop %rdx
        pop %rcx
        pop %rax
        add $16, %rsp                           /* vector, error code */
        push $0                                 /* iret flags: not VGCF_in_syscall */
        jmp hypercall_page + 23 * 32            /* __HYPERVISOR_iret; the stub pushes rcx, r11, rax */

/*
 * int trap_catch_call(uint64_t save[8], void (*fn)(void *), void *arg)
 * Calls fn(arg) and returns 0.  trap_catch_unwind(save), from a trap handler, makes it return 1 instead.
 */
        .globl trap_catch_call
trap_catch_call:
        mov %rbx, 0(%rdi)
        mov %rbp, 8(%rdi)
        mov %r12, 16(%rdi)
        mov %r13, 24(%rdi)
        mov %r14, 32(%rdi)
        mov %r15, 40(%rdi)
        mov %rsp, 48(%rdi)
        mov %rdx, %rdi
        sub $8, %rsp
        call *%rsi
        add $8, %rsp
        xor %eax, %eax
        ret

        .globl trap_catch_unwind
trap_catch_unwind:
        mov 0(%rdi), %rbx
        mov 8(%rdi), %rbp
        mov 16(%rdi), %r12
        mov 24(%rdi), %r13
        mov 32(%rdi), %r14
        mov 40(%rdi), %r15
        mov 48(%rdi), %rsp
        mov $1, %eax
        ret

        .section .note.GNU-stack, "", @progbits
