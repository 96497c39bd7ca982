/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * All the code of a stub that isn't the guest's: one page, copied to STUB_CODE, position independent.
 *
 * Each way out of user code is a signal. Its handler stores what the kernel's frame lacks, and stops: by the
 * one call of which the hypervisor is notified. The answer is the cookie, without which the stub's filter
 * lets no other call pass; it is in registers only, and gone when user code runs. With it the handler makes
 * the calls in the array, and returns from the signal.
 *
 * User code may jump to any place of this page. So whatever follows the answer takes nothing from a register
 * that was set before it: user code that stops by itself goes on where the hypervisor wants, like all else.
 */
#include "direct/layout.h"

        .section .rodata
        .balign 16
        .globl  stub_code, stub_code_handler, stub_code_notified, stub_code_end
stub_code:

/* rdi: the signal's number; rsp: its frame. */
stub_code_handler:
        leaq    stub_code + STUB_STATE_OFFSET(%rip), %rbx
        rdfsbase %rax
        movq    %rax, RECORD_FS_BASE(%rbx)
        rdgsbase %rax
        movq    %rax, RECORD_GS_BASE(%rbx)
        movw    %ds, RECORD_DS(%rbx)
        movw    %es, RECORD_ES(%rbx)
        movw    %fs, RECORD_FS(%rbx)
        movw    %gs, RECORD_GS(%rbx)
        movq    %rsp, %rsi

notify:                                 /* rdi, rsi, rdx: what about */
        movl    $STUB_NR_NOTIFY, %eax
        syscall
stub_code_notified:
        testq   %rax, %rax
        jle     gone
        movq    %rax, %r14              /* the cookie, in the upper half */
        leaq    stub_code + STUB_CALLS_OFFSET(%rip), %rbx
        xorl    %r12d, %r12d            /* the last result */

/* A cookie goes into the upper half of the fifth argument: no call that we make has anything there. */
call:
        movq    0(%rbx), %rax
        testq   %rax, %rax
        js      end_of_calls
        movq    8(%rbx), %rdi
        movq    16(%rbx), %rsi
        movq    24(%rbx), %rdx
        movq    32(%rbx), %r10
        movq    40(%rbx), %r8
        movq    48(%rbx), %r9
        btq     $CALL_I386_BIT, %rax
        jc      call_i386
        orq     %r14, %r8
        syscall
        cmpq    $-4095, %rax
        jae     failed
called:
        movq    %rax, %r12
        addq    $STUB_CALL_SIZE, %rbx
        jmp     call

call_i386:                              /* of one argument; the fifth is edi */
        movq    %rbx, %r13
        movl    %edi, %ebx
        movq    %r14, %rdi
        shrq    $32, %rdi
        movl    %eax, %eax
        int     $0x80
        movq    %r13, %rbx
        movslq  %eax, %rax
        cmpq    $-4095, %rax
        jb      called
failed:
        movq    %rax, %rsi
        movl    $STUB_FAILED, %edi
        jmp     notify

end_of_calls:
        cmpq    $CALLS_RESUME, %rax
        je      resume
        movq    %r12, %rsi
        movl    $STUB_DONE, %edi
        cmpq    $CALLS_STOP, %rax
        je      notify
        int3

resume:
        leaq    stub_code + STUB_STATE_OFFSET(%rip), %rbx
        movq    $1, RECORD_LEFT(%rbx)
        cmpq    $0, RECORD_LOAD(%rbx)
        je      1f
        movw    RECORD_NEW_DS(%rbx), %ds
        movw    RECORD_NEW_ES(%rbx), %es
        movw    RECORD_NEW_FS(%rbx), %fs
        movw    RECORD_NEW_GS(%rbx), %gs
1:      movq    RECORD_NEW_FS_BASE(%rbx), %rax
        wrfsbase %rax
        movq    RECORD_NEW_GS_BASE(%rbx), %rax
        wrgsbase %rax
        leaq    RECORD_FLAGS(%rbx), %rsp
        popfq                           /* NT and ID, which sigreturn leaves alone */
        movq    RECORD_FRAME(%rbx), %rsp
        movq    %r14, %r8
        movl    $STUB_NR_RT_SIGRETURN, %eax
        syscall
gone:                           /* no answer any more: a fault, in the handler with all signals blocked */
        hlt
        jmp     gone
stub_code_end:

        .section .note.GNU-stack, "", @progbits
