/* width: 64 32 */
// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What a user program may not or hardly do: undefined and privileged instructions, every software interrupt,
 * bad selectors in every way of loading one, stacks nowhere, unmasked floating-point exceptions, misaligned
 * accesses under AC. Each arrives as the signal, code, address, trap number and error code that Linux derives
 * from what the CPU reports. A hypervisor that makes up a fault, or lets one of these through, fails here;
 * siginfo.c has the everyday ones.
 */
#include "check.h"

#include <setjmp.h>
#include <signal.h>
#include <ucontext.h>

#ifdef __x86_64__
#define GREG_IP        REG_RIP
#define BITS(a64, a32) a64
#else
#define GREG_IP        REG_EIP
#define BITS(a64, a32) a32
#endif
#define SP BITS("%rsp", "%esp")
#define AX BITS("%rax", "%eax")

static sigjmp_buf escape;
static struct {
    int number, code, trap;
    uintptr_t address, ip, error;
} seen;

static void on_signal(int number, siginfo_t *info, void *context)
{
    const greg_t *registers = ((ucontext_t *)context)->uc_mcontext.gregs;

    /* Linux clears TF and DF for handlers, but not AC. */
    __asm__ volatile(BITS("sub $128, %%rsp\n pushf\n andl $~0x40000, (%%rsp)\n popf\n add $128, %%rsp",
                          "pushf\n andl $~0x40000, (%%esp)\n popf")::
                         : "memory", "cc");
    seen.number = number;
    seen.code = info->si_code;
    seen.address = (uintptr_t)info->si_addr;
    seen.ip = (uintptr_t)registers[GREG_IP];
    seen.trap = (int)registers[REG_TRAPNO];
    seen.error = (uintptr_t)registers[REG_ERR];
    siglongjmp(escape, 1);
}

/*
 * A function with the argument in rax or eax, whose instruction at label at_NAME faults; traps report
 * behind_NAME.
 */
#define CASE(name, before, instruction)                                                                      \
    extern const char at_##name[], behind_##name[];                                                          \
    void name(uintptr_t operand);                                                                            \
    __asm__(".text\n" #name                                                                                  \
            ": " BITS("mov %rdi, %rax", "mov 4(%esp), %eax") "\n xor %edx, %edx\n" before "\n"               \
                                                             "at_" #name ": " instruction "\n behind_" #name \
                                                             ": ret\n")

CASE(ud0, "", ".byte 0x0f, 0xff, 0xc0");
CASE(ud1, "", ".byte 0x0f, 0xb9, 0xc0");
CASE(ud_hole, "", ".byte 0x0f, 0x04");
CASE(ud_rsm, "", ".byte 0x0f, 0xaa");
CASE(ud_lock_nop, "", ".byte 0xf0, 0x90");
CASE(ud_lock_register, "", ".byte 0xf0, 0x01, 0xc0");
CASE(ud_lock_load, "", ".byte 0xf0, 0x8b, 0x04, 0x24");
CASE(ud_lock_cmp, "", ".byte 0xf0, 0x39, 0x04, 0x24");
CASE(ud_mov_cs, "", ".byte 0x8e, 0xc8");
CASE(ud_mov_segment6, "", ".byte 0x8e, 0xf0");
CASE(ud_mov_cr1, "", ".byte 0x0f, 0x20, 0xc8");
CASE(ud_lea_register, "", ".byte 0x8d, 0xc0");
CASE(ud_cmpxchg8b_register, "", ".byte 0x0f, 0xc7, 0xc8");
CASE(ud_vex_lock, "", ".byte 0xf0, 0xc5, 0xf8, 0x57, 0xc0");
CASE(ud_vex_66, "", ".byte 0x66, 0xc5, 0xf8, 0x57, 0xc0");
CASE(ud_0f3a_hole, "", ".byte 0x0f, 0x3a, 0xff, 0xc0, 0");
CASE(gp_too_long, "",
     ".byte 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x90");
CASE(gp_sti, "", "sti");
CASE(gp_clts, "", "clts");
CASE(gp_invd, "", "invd");
CASE(gp_wbinvd, "", "wbinvd");
CASE(gp_invlpg, "", "invlpg (" SP ")");
CASE(gp_lgdt, "", "lgdt (" SP ")");
CASE(gp_lidt, "", "lidt (" SP ")");
CASE(gp_lldt, "", "lldt %ax");
CASE(gp_ltr, "", "ltr %ax");
CASE(gp_lmsw, "", "lmsw %ax");
CASE(gp_read_cr0, "", "mov %cr0, " AX);
CASE(gp_write_cr3, "", "mov " AX ", %cr3");
CASE(gp_read_dr7, "", "mov %db7, " AX);
CASE(gp_wrmsr, "mov $0xc0000080, %ecx", "wrmsr");
CASE(gp_xsetbv, "xor %ecx, %ecx\n mov $1, %eax", "xsetbv");
CASE(gp_out, "mov $0x80, %edx", "out %al, %dx");
CASE(gp_outsb, "mov $0x80, %edx", "outsb");
CASE(gp_insb, "mov $0x80, %edx", "insb");
CASE(gp_rep_insb, "mov $0x80, %edx\n mov $4, %ecx", "rep insb");
CASE(gp_sysret, "", "sysretl");
CASE(gp_load_ds, "", "mov %eax, %ds");
CASE(gp_load_es, "", "mov %eax, %es");
CASE(gp_load_fs, "", "mov %eax, %fs");
CASE(gp_load_ss, "", "mov %eax, %ss");
CASE(gp_pop_fs, BITS("push %rax", "push %eax"), "pop %fs");
CASE(gp_lret, BITS("push %rax\n lea 1f(%rip), %rcx\n push %rcx", "push %eax\n push $1f"),
     BITS("lretq", "lretl") "\n 1:");
CASE(gp_iret,
     BITS("mov %ss, %ecx\n mov %rsp, %rdx\n push %rcx\n push %rdx\n pushf\n push %rax\n lea 1f(%rip), %rcx\n "
          "push %rcx",
          "pushf\n push %eax\n push $1f"),
     BITS("iretq", "iretl") "\n 1:");
CASE(gp_far_jump, BITS("push %rax\n push $0x1000", "push %eax\n push $0x1000"),
     "ljmpl *" BITS("4(%rsp)", "(%esp)"));
CASE(gp_ldmxcsr, BITS("push %rax", "push %eax"), "ldmxcsr (" SP ")");
CASE(bp_cd03, "", ".byte 0xcd, 3");
CASE(of_cd04, "", ".byte 0xcd, 4");
CASE(db_f1, "", ".byte 0xf1");
CASE(de_word, "mov $1, %edx\n xor %eax, %eax\n mov $1, %ecx", "divw %cx");
CASE(de_least, "mov $0x80000000, %eax\n cltd\n mov $-1, %ecx", "idivl %ecx");
CASE(ac_load, BITS("pushf\n orl $0x40000, (%rsp)\n popf", "pushf\n orl $0x40000, (%esp)\n popf"),
     "mov 1(" AX "), %ecx");
CASE(ac_store, BITS("pushf\n orl $0x40000, (%rsp)\n popf", "pushf\n orl $0x40000, (%esp)\n popf"),
     "movw %cx, 3(" AX ")");
CASE(ac_wide, BITS("pushf\n orl $0x40000, (%rsp)\n popf", "pushf\n orl $0x40000, (%esp)\n popf"),
     "movq 4(" AX "), %mm0");
CASE(x87_wait, "fldcw (" AX ")\n fld1\n fldz\n fdivrp", "fwait");
CASE(x87_next, "fldcw (" AX ")\n fldz\n fldz\n fdivrp", "fld1");
CASE(simd_divide, "ldmxcsr (" AX ")\n movups 16(" AX "), %xmm0\n movups 32(" AX "), %xmm1",
     "divps %xmm1, %xmm0");
CASE(simd_multiply, "ldmxcsr (" AX ")\n movups 16(" AX "), %xmm0\n movups 32(" AX "), %xmm1",
     "mulps %xmm1, %xmm0");
#ifdef __x86_64__
CASE(ud_push_es, "", ".byte 0x06");
CASE(ud_pop_ss, "", ".byte 0x17");
CASE(ud_daa, "", ".byte 0x27");
CASE(ud_aam, "", ".byte 0xd4, 0x0a");
CASE(ud_into, "", ".byte 0xce");
CASE(ud_salc, "", ".byte 0xd6");
CASE(ud_pusha, "", ".byte 0x60");
CASE(ud_far_call_direct, "", ".byte 0x9a, 0, 0, 0, 0, 0x33, 0");
CASE(ud_far_jump_direct, "", ".byte 0xea, 0, 0, 0, 0, 0x33, 0");
CASE(ud_82, "", ".byte 0x82, 0xc0, 0");
CASE(gp_swapgs, "", "swapgs");
CASE(gp_write_cr8, "", "mov %rax, %cr8");
CASE(ss_push, "mov %rax, %rsp", "push %rcx");
CASE(ss_pop, "mov %rax, %rsp", "pop %rcx");
CASE(ss_call, "mov %rax, %rsp", "call ss_call");
CASE(ss_load, "push %rbp\n mov %rax, %rbp", "mov 8(%rbp), %rcx");
CASE(ss_load_rsp, "mov %rax, %rsp", "mov 8(%rsp), %rcx");
CASE(ss_enter, "mov %rax, %rsp", "enter $16, $0");
CASE(ss_leave, "mov %rax, %rbp", "leave");
#else
CASE(of_into, "mov $0x7fffffff, %ecx\n inc %ecx", "into");
CASE(de_aam, "", ".byte 0xd4, 0");
CASE(ud_bound_register, "", ".byte 0x62, 0xc0"); /* BOUND of a register */
#endif

static void report(const char *name, int number, int code, int trap, uintptr_t error, uintptr_t address,
                   uintptr_t ip)
{
    if (seen.number != number || seen.code != code || seen.trap != trap || seen.error != error ||
        seen.address != address || seen.ip != ip)
        FAIL(
            "%s: signal %d code %d trap %d error %#lx address %#lx ip %#lx; expected %d %d %d %#lx %#lx %#lx",
            name, seen.number, seen.code, seen.trap, (long)seen.error, (long)seen.address, (long)seen.ip,
            number, code, trap, (long)error, (long)address, (long)ip);
}

static int runs(const char *name, void (*run)(uintptr_t), uintptr_t operand)
{
    memset(&seen, 0, sizeof(seen));
    if (sigsetjmp(escape, 1))
        return 0;
    run(operand);
    FAIL("%s did not fault", name);
}

#define UD(name)           \
    (runs(#name, name, 0), \
     report(#name, SIGILL, ILL_ILLOPN, 6, 0, (uintptr_t)at_##name, (uintptr_t)at_##name))
#define GP(name, operand, error) \
    (runs(#name, name, operand), report(#name, SIGSEGV, SI_KERNEL, 13, error, 0, (uintptr_t)at_##name))
#define SS(name) \
    (runs(#name, name, 0x8000000000000100), report(#name, SIGBUS, SI_KERNEL, 12, 0, 0, (uintptr_t)at_##name))
#define AC(name, operand) \
    (runs(#name, name, operand), report(#name, SIGBUS, BUS_ADRALN, 17, 0, 0, (uintptr_t)at_##name))
#define FPE(name, operand, code, trap) \
    (runs(#name, name, operand),       \
     report(#name, SIGFPE, code, trap, 0, (uintptr_t)at_##name, (uintptr_t)at_##name))

static void test_undefined(void)
{
    UD(ud0);
    UD(ud1);
    UD(ud_hole);
    UD(ud_rsm);
    UD(ud_lock_nop);
    UD(ud_lock_register);
    UD(ud_lock_load);
    UD(ud_lock_cmp);
    UD(ud_mov_cs);
    UD(ud_mov_segment6);
    UD(ud_mov_cr1);
    UD(ud_lea_register);
    UD(ud_cmpxchg8b_register);
    UD(ud_0f3a_hole);
    if (__builtin_cpu_supports("avx")) {
        UD(ud_vex_lock);
        UD(ud_vex_66);
    }
#ifdef __x86_64__
    UD(ud_push_es);
    UD(ud_pop_ss);
    UD(ud_daa);
    UD(ud_aam);
    UD(ud_into);
    UD(ud_salc);
    UD(ud_pusha);
    UD(ud_far_call_direct);
    UD(ud_far_jump_direct);
    UD(ud_82);
#else
    UD(ud_bound_register);
#endif
}

static void test_privileged(void)
{
    GP(gp_too_long, 0, 0);
    GP(gp_sti, 0, 0);
    GP(gp_clts, 0, 0);
    GP(gp_invd, 0, 0);
    GP(gp_wbinvd, 0, 0);
    GP(gp_invlpg, 0, 0);
    GP(gp_lgdt, 0, 0);
    GP(gp_lidt, 0, 0);
    GP(gp_lldt, 0, 0);
    GP(gp_ltr, 0, 0);
    GP(gp_lmsw, 1, 0);
    GP(gp_read_cr0, 0, 0);
    GP(gp_write_cr3, 0, 0);
    GP(gp_read_dr7, 0, 0);
    GP(gp_wrmsr, 0, 0);
    GP(gp_xsetbv, 0, 0);
    GP(gp_out, 0, 0);
    GP(gp_outsb, 0, 0);
    GP(gp_insb, 0, 0);
    GP(gp_rep_insb, 0, 0);
    GP(gp_ldmxcsr, 0xffff0000u, 0);
#ifdef __x86_64__
    GP(gp_swapgs, 0, 0);
    GP(gp_write_cr8, 0, 0);
    GP(gp_sysret, 0, 0);
#endif
}

static void test_selectors(void)
{
    /* Beyond the GDT's end; in the LDT, which is empty. */
    static const unsigned selectors[] = {0xfff0, 0x1237, 0x0ff4};

    for (size_t i = 0; i < sizeof(selectors) / sizeof(selectors[0]); i++) {
        unsigned error = selectors[i] & ~3u;

        GP(gp_load_ds, selectors[i], error);
        GP(gp_load_es, selectors[i], error);
        GP(gp_load_fs, selectors[i], error);
        GP(gp_load_ss, selectors[i], error);
        GP(gp_pop_fs, selectors[i], error);
        GP(gp_lret, selectors[i] | 3, error);
        GP(gp_iret, selectors[i] | 3, error);
        GP(gp_far_jump, selectors[i] | 3, error);
    }
    GP(gp_load_ss, 0, 0);
    GP(gp_lret, 3, 0);
    GP(gp_iret, 3, 0);
    GP(gp_far_jump, 0, 0);
    unsigned data;

    __asm__("mov %%ss, %0" : "=r"(data));
    GP(gp_lret, data, data & ~3u); /* not code */
    GP(gp_far_jump, data, data & ~3u);
}

/* INT n: 3 and 4 are the program's to use, 0x80 is a system call, all others aren't. */
static void test_interrupts(void)
{
    unsigned char *code = map_pages(1, PROT_READ | PROT_WRITE | PROT_EXEC);
    void (*function)(uintptr_t);

    memcpy(&function, &code, sizeof(function));
    for (unsigned n = 0; n < 256; n++) {
        if (n == 3 || n == 4 || n == 0x80)
            continue;
        memcpy(code, (unsigned char[]){0xcd, (unsigned char)n, 0xc3}, 3);
        runs("int n", function, 0);
        report("int n", SIGSEGV, SI_KERNEL, 13, n * 8 + 2, 0, (uintptr_t)code);
    }
    runs("int 3", bp_cd03, 0);
    report("int 3", SIGTRAP, SI_KERNEL, 3, 0, 0, (uintptr_t)behind_bp_cd03);
    runs("int 4", of_cd04, 0);
    report("int 4", SIGSEGV, SI_KERNEL, 4, 0, 0, (uintptr_t)behind_of_cd04);
    runs("icebp", db_f1, 0);
    /*
     * A trap, which leaves the instruction behind; hypervisors beneath us have been seen to report it as a
     * fault.
     */
    CHECK(seen.ip == (uintptr_t)behind_db_f1 || seen.ip == (uintptr_t)at_db_f1);
    report("icebp", SIGTRAP, TRAP_BRKPT, 1, 0, seen.ip, seen.ip);
#ifndef __x86_64__
    runs("into", of_into, 0);
    report("into", SIGSEGV, SI_KERNEL, 4, 0, 0, (uintptr_t)behind_of_into);
#endif
}

static void test_arithmetic(void)
{
    static float operands[12] __attribute__((aligned(16)));
    uint32_t *mxcsr = (uint32_t *)(void *)operands;
    uint16_t fcw = 0x037b; /* division by zero unmasked */

    FPE(de_word, 0, FPE_INTDIV, 0);
    FPE(de_least, 0, FPE_INTDIV, 0);
#ifndef __x86_64__
    FPE(de_aam, 0, FPE_INTDIV, 0);
#endif
    FPE(x87_wait, (uintptr_t)&fcw, FPE_FLTDIV, 16);
    fcw = 0x037e; /* invalid operation unmasked */
    FPE(x87_next, (uintptr_t)&fcw, FPE_FLTINV, 16);
    __asm__ volatile("fninit");
    for (int i = 0; i < 4; i++) {
        operands[4 + i] = 1;
        operands[8 + i] = 0;
    }
    *mxcsr = 0x1f80 & ~(0x80u << 2);
    FPE(simd_divide, (uintptr_t)operands, FPE_FLTDIV, 19);
    operands[6] = 0; /* 0 / 0 */
    *mxcsr = 0x1f80 & ~(0x80u << 0);
    FPE(simd_divide, (uintptr_t)operands, FPE_FLTINV, 19);
    operands[6] = operands[10] = 3e38f;
    *mxcsr = 0x1f80 & ~(0x80u << 3);
    FPE(simd_multiply, (uintptr_t)operands, FPE_FLTOVF, 19);
    operands[6] = operands[10] = 1e-30f;
    *mxcsr = 0x1f80 & ~(0x80u << 4);
    FPE(simd_multiply, (uintptr_t)operands, FPE_FLTUND, 19);
    operands[6] = operands[10] = 1.0f / 3;
    *mxcsr = 0x1f80 & ~(0x80u << 5);
    FPE(simd_multiply, (uintptr_t)operands, FPE_FLTRES, 19);
    __asm__ volatile("ldmxcsr %0" : : "m"((uint32_t){0x1f80}));
}

static void test_alignment(void)
{
    static uint64_t words[4];

    AC(ac_load, (uintptr_t)words);
    AC(ac_store, (uintptr_t)words);
    AC(ac_wide, (uintptr_t)words);
}

int main(void)
{
    static unsigned char alternate[65536];
    static const int numbers[] = {SIGFPE, SIGSEGV, SIGILL, SIGTRAP, SIGBUS};
    struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    stack_t stack = {.ss_sp = alternate, .ss_size = sizeof(alternate)};

    CHECK(sigaltstack(&stack, NULL) == 0);
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        CHECK(sigaction(numbers[i], &action, NULL) == 0);
    /* Twice, so that each runs once fresh and once from whatever the hypervisor has kept. */
    for (int round = 0; round < 2; round++) {
        test_undefined();
        test_privileged();
        test_selectors();
        test_interrupts();
        test_arithmetic();
#ifdef __x86_64__
        SS(ss_push);
        SS(ss_pop);
        SS(ss_call);
        SS(ss_load);
        SS(ss_load_rsp);
        SS(ss_enter);
        SS(ss_leave);
#endif
        test_alignment();
    }
    return 0;
}
