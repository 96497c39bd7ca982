/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * All the code of a stub that isn't the guest's: one page, copied to STUB_CODE, position independent.
 *
 * stub_code_calls: makes the system calls in the array from rbx to r12 (struct stub_call), up to the first
 * that fails, and stops with int3; rbx is then at the call that failed or at r12, and rax is the last result.
 *
 * stub_code_flags: takes RFLAGS from where rsp points first.
 */
        .section .rodata
        .balign 16
        .globl  stub_code, stub_code_flags, stub_code_calls, stub_code_done
        .globl  stub_code_close, stub_code_park, stub_code_end
stub_code:
stub_code_flags:
        popfq
stub_code_calls:
        cmpq    %r12, %rbx
        jae     1f
        movq    0(%rbx), %rax
        movq    8(%rbx), %rdi
        movq    16(%rbx), %rsi
        movq    24(%rbx), %rdx
        movq    32(%rbx), %r10
        movq    40(%rbx), %r8
        movq    48(%rbx), %r9
        syscall
        cmpq    $-4095, %rax
        jae     1f
        addq    $56, %rbx
        jmp     stub_code_calls
1:      int3
stub_code_done:                         /* rip as int3 leaves it */
        jmp     1b

/*
 * A template's first steps: closes file 1, which tells the hypervisor that it is ready, and waits to be
 * attached to.
 */
stub_code_close:
        movl    $3, %eax                /* close(1) */
        movl    $1, %edi
        syscall
stub_code_park:
        movl    $34, %eax               /* pause() */
        syscall
        jmp     stub_code_park
stub_code_end:

        .section .note.GNU-stack, "", @progbits
