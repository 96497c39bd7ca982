/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The border between C and translated code.
 *
 * Inside translated code: host GS base = struct engine_vcpu; host rsp = shadow return stack; guest rcx
 * is in r15, guest rsp in r13, guest r13-r15 in memory, every other guest register in its namesake; rcx
 * and r14 are scratch.  Guest arithmetic flags are in host flags ("host") or in OFF_FLAGS
 * ("saved": AH as LAHF leaves it, AL = OF); each way out knows which.
 *
 * Invariant for signals: an instruction range listed in signal.c between a check of OFF_KICK and the jump
 * into translated code can be abandoned, because the guest state in memory is still complete there.
 */
#include "engine/offsets.h"

        .text

.macro SAVE_GPRS
        movq    %rax, %gs:OFF_RAX
        movq    %r15, %gs:OFF_RCX
        movq    %rdx, %gs:OFF_RDX
        movq    %rbx, %gs:OFF_RBX
        movq    %r13, %gs:OFF_RSP
        movq    %rbp, %gs:OFF_RBP
        movq    %rsi, %gs:OFF_RSI
        movq    %rdi, %gs:OFF_RDI
        movq    %r8, %gs:OFF_R8
        movq    %r9, %gs:OFF_R9
        movq    %r10, %gs:OFF_R10
        movq    %r11, %gs:OFF_R11
        movq    %r12, %gs:OFF_R12
.endm

.macro LOAD_GPRS
        movq    %gs:OFF_RAX, %rax
        movq    %gs:OFF_RCX, %r15
        movq    %gs:OFF_RDX, %rdx
        movq    %gs:OFF_RBX, %rbx
        movq    %gs:OFF_RSP, %r13
        movq    %gs:OFF_RBP, %rbp
        movq    %gs:OFF_RSI, %rsi
        movq    %gs:OFF_RDI, %rdi
        movq    %gs:OFF_R8, %r8
        movq    %gs:OFF_R9, %r9
        movq    %gs:OFF_R10, %r10
        movq    %gs:OFF_R11, %r11
        movq    %gs:OFF_R12, %r12
.endm

/*
 * Translated code is entered and left by jumps, from C code that neither calls nor returns in between but in
 * pairs: the host predicts returns by the calls that it has seen, so the calls that the guest is in are still
 * the last ones when it goes on. (A return to C would be mispredicted, and then one of the guest's for it.)
 *
 * engine_enter (by enter_code(), engine.c): rdi = an entry for "saved" flags, rax = where to go back to, with
 * eax = one of ENTER_*.
 */
.macro LEAVE_C
        movq    %rsp, %rdx
        leaq    -128(%rsp), %rsp        /* the compiler may have something below rsp */
        andq    $-16, %rsp
        pushq   %rdx
        pushq   %rax
        pushq   %rbp
        pushq   %rbx
        pushq   %r12
        pushq   %r13
        pushq   %r14
        pushq   %r15
        movq    %rsp, %gs:OFF_C_RSP
.endm

        .globl  engine_enter
engine_enter:
        LEAVE_C
        movq    %rdi, %rcx
        .globl  engine_enter_window
engine_enter_window:
        cmpl    $0, %gs:OFF_KICK
        jne     engine_enter_abort
        LOAD_GPRS
        movq    %gs:OFF_SHADOW_RSP, %rsp
        jmp     *%rcx
        .globl  engine_enter_window_end
engine_enter_window_end:

/*
 * engine_enter_kernel, engine_enter_user: the same for the code at the guest address rdi, through the view's
 * jump cache. ENTER_IND if it isn't there.
 */
.macro ENTER_AT name, view
        .globl  \name
\name:
        LEAVE_C
        movq    %rdi, %rcx
        movzwl  %cx, %r14d
        .globl  \name\()_window
\name\()_window:
        cmpl    $0, %gs:OFF_KICK
        jne     engine_enter_abort
        LOAD_GPRS
        movq    %gs:OFF_SHADOW_RSP, %rsp
        jmp     *%gs:OFF_VIEWS + \view * VIEW_SIZE + VIEW_JC(, %r14, 8)
        .globl  \name\()_window_end
\name\()_window_end:
.endm

        ENTER_AT engine_enter_kernel, 0
        ENTER_AT engine_enter_user, 1

        .globl  engine_enter_abort
engine_enter_abort:
        movq    %gs:OFF_C_RSP, %rsp
        movl    $ENTER_KICKED, %eax
leave_to_c:
        popq    %r15
        popq    %r14
        popq    %r13
        popq    %r12
        popq    %rbx
        popq    %rbp
        popq    %rcx
        popq    %rsp
        jmp     *%rcx

/* Direct exits: ecx = exit id. */
        .globl  stub_link_host
stub_link_host:
        movq    %rax, %r14
        lahf
        seto    %al
        movw    %ax, %gs:OFF_FLAGS
        movq    %r14, %rax
        .globl  stub_link_saved
stub_link_saved:
        movl    %ecx, %gs:OFF_EXIT_ID
        SAVE_GPRS
        movq    %rsp, %gs:OFF_SHADOW_RSP
        movq    %gs:OFF_C_RSP, %rsp
        movl    $ENTER_LINK, %eax
        jmp     leave_to_c

/* Indirect exits that missed the jump cache, or were asked to stop: rcx = target. */
        .globl  stub_ind_miss
stub_ind_miss:
        movq    %rcx, %gs:OFF_HELPER_EA
        SAVE_GPRS
        movq    %rsp, %gs:OFF_SHADOW_RSP
        movq    %gs:OFF_C_RSP, %rsp
        movl    $ENTER_IND, %eax
        jmp     leave_to_c

/* The bottom of a shadow stack holds this address: a return without a call. */
        .globl  stub_ret_underflow
stub_ret_underflow:
        movq    %gs:OFF_SHADOW_BASE, %rsp
        jmp     stub_ind_miss

/*
 * Helpers: called from translated code, so the return address on the shadow stack names the
 * instruction.  Each saves the guest registers, calls a C function on the C stack with
 * (address, argument), and goes back with the registers as C left them in memory, or
 * leaves with ENTER_HELPER if C returned non-zero.  Flags are "saved" here.
 */
.macro HELPER name, function
        .globl  \name
\name:
        SAVE_GPRS
        popq    %gs:OFF_HELPER_RA
        movq    %rsp, %gs:OFF_SHADOW_RSP
        movq    %gs:OFF_C_RSP, %rsp
        movq    %rcx, %rdi
        movl    %r14d, %esi
        call    \function
        jmp     helper_done
.endm

/* TLB misses: rcx = address ^ tag, r14 = index. */
.macro MISS name, tags, write, function=engine_tlb_miss
        .globl  \name
\name:
        xorq    %gs:OFF_VIEWS + \tags(, %r14, 8), %rcx
        SAVE_GPRS
        popq    %gs:OFF_HELPER_RA
        movq    %rsp, %gs:OFF_SHADOW_RSP
        movq    %gs:OFF_C_RSP, %rsp
        movq    %rcx, %rdi
        movl    $\write, %esi
        call    \function
        jmp     helper_done
.endm

        MISS    stub_miss_read_kernel, VIEW_RTAG, 0
        MISS    stub_miss_write_kernel, VIEW_WTAG, 1
        MISS    stub_miss_read_user, VIEW_SIZE + VIEW_RTAG, 0
        MISS    stub_miss_write_user, VIEW_SIZE + VIEW_WTAG, 1
        MISS    stub_miss_word, VIEW_WTAG, 1, engine_tlb_miss_word

        HELPER  stub_string, engine_helper_string
        HELPER  stub_special, engine_helper_special

helper_done:
        testl   %eax, %eax
        jnz     helper_leave
        .globl  engine_helper_window
engine_helper_window:
        cmpl    $0, %gs:OFF_KICK
        jne     helper_kicked
helper_resume:
        LOAD_GPRS
        movq    %gs:OFF_SHADOW_RSP, %rsp
        pushq   %gs:OFF_HELPER_RA
        ret
        .globl  engine_helper_window_end
engine_helper_window_end:
/* Kicked during a helper: make the block that called leave at its end, then finish it. */
        .globl  helper_kicked
helper_kicked:
        movq    %gs:OFF_C_RSP, %rsp
        call    engine_interrupt_helper
        LOAD_GPRS
        movq    %gs:OFF_SHADOW_RSP, %rsp
        pushq   %gs:OFF_HELPER_RA
        ret

/* The call of the helper won't be returned from: takes it off the host's prediction of returns. */
helper_leave:
        leaq    1f(%rip), %rcx
        pushq   %rcx
        ret
1:      movl    $ENTER_HELPER, %eax
        jmp     leave_to_c

/*
 * The careful form of a memory access: rcx = address, r14d = size | write << 16.  C returns a host address
 * (0: leave).  Back in translated code: rcx = host address, r14 = 0.
 */
        .globl  stub_careful
stub_careful:
        SAVE_GPRS
        popq    %gs:OFF_HELPER_RA
        movq    %rsp, %gs:OFF_SHADOW_RSP
        movq    %gs:OFF_C_RSP, %rsp
        movq    %rcx, %rdi
        movl    %r14d, %esi
        call    engine_careful_access
        testq   %rax, %rax
        jz      helper_leave
        movq    %rax, %rcx
        LOAD_GPRS
        xorl    %r14d, %r14d
        movq    %gs:OFF_SHADOW_RSP, %rsp
        pushq   %gs:OFF_HELPER_RA
        ret

/* Signal handlers send the thread here after storing the guest's state: rsp = C stack. */
        .globl  engine_fault_exit
engine_fault_exit:
        movq    %gs:OFF_C_RSP, %rsp
        movl    $ENTER_FAULT, %eax
        jmp     leave_to_c

/* void engine_xcall(void (*fn)(void *), void *arg, void *area): calls fn with the x87/SSE/AVX state put aside
 * in the 64-byte aligned XSAVE area. */
        .globl  engine_xcall
        .type   engine_xcall, @function
engine_xcall:
        pushq   %rbx
        subq    $16, %rsp
        movq    %rdx, %rbx
        movq    %rdi, %r8
        movq    %rsi, %rdi
        movl    $-1, %eax
        movl    $-1, %edx
        xsave64 (%rbx)
        fninit
        movl    $0x1f80, (%rsp)
        ldmxcsr (%rsp)
        call    *%r8
        movl    $-1, %eax
        movl    $-1, %edx
        xrstor64 (%rbx)
        addq    $16, %rsp
        popq    %rbx
        ret

        .section .note.GNU-stack, "", @progbits
