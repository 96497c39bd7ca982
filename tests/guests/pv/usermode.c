// SPDX-License-Identifier: MIT
/*
 * User mode: entered by iret with exactly the registers and flags asked for, left by system calls and
 * exceptions with the ABI's frames; its page tables are its own, and the kernel's memory is out of its
 * reach.
 *
 * A broken hypervisor leaks kernel mappings, mixes flags up, or loses the kernel stack.
 */
#include "pvtest.h"

#define USER_BASE  0x400000UL
#define USER_CODE  USER_BASE
#define USER_STACK (USER_BASE + 0x2000)
#define USER_RO    (USER_BASE + 0x3000)

static char *code, *stack;

/* Pieces of user code; each is copied to USER_CODE and started there. */
/* NOLINTBEGIN(bugprone-macro-parentheses): the name is declared */
#define USER(name, text)                    \
    extern const char name[], name##_end[]; \
    __asm__(".pushsection .rodata\n" #name ": " text "\n" #name "_end:\n.popsection\n")
/* NOLINTEND(bugprone-macro-parentheses) */
USER(user_syscall, "syscall; ud2");
USER(user_int80, "int $0x80; ud2");
USER(user_int3, "int3; ud2");
USER(user_int20, "int $0x20; ud2");
USER(user_load, "mov (%rdi), %rax; ud2");
USER(user_store, "mov %rax, (%rdi); ud2");
USER(user_jump, "jmp *%rdi");
USER(user_cli, "cli; ud2");
USER(user_popf, "push %rdi; popf; pushf; pop %rax; int $0x80");
USER(user_stack, "push %rdi; pop %rax; int $0x80");
USER(user_xmm, "movq %rdi, %xmm3; movq %xmm3, %rax; int $0x80");
USER(user_far_call, "mov %rdi, %rsp; lcall *1f(%rip); ud2; 1: .long 0x400000; .word 0xe033");
USER(user_far_nowhere, "mov %rdi, %rsp; lcall *1f(%rip); ud2; 1: .long 0x400000; .word 0xfff3");

static struct trap_frame in, out;

static void run(const char *from, const char *end, uint64_t rdi)
{
    memset(code, 0xcc, 4096);
    memcpy(code, from, (size_t)(end - from));
    in.rip = USER_CODE;
    in.cs = FLAT_USER_CS64;
    in.ss = FLAT_USER_SS64;
    in.rsp = USER_STACK + 4096;
    in.rdi = rdi;
    user_run(&in, &out);
    check_eq(events_masked(), 1, "the kernel's event mask");
}
#define RUN(name, rdi) run(name, name##_end, (rdi))

/* The last exit was this vector, from user mode, rip so many bytes into the code. */
static void expect(unsigned vector, uint64_t error, unsigned rip, const char *what)
{
    check_eq(out.vector, vector, what);
    check_eq(out.error, error, what);
    check_eq(out.rip, USER_CODE + rip, what);
    check_eq(out.cs & 0xffff, FLAT_USER_CS64, what);
}

static void test_entries(void)
{
    in.rflags = 0x202;
    for (unsigned i = 0; i < 2; i++) { /* the second time from translated code */
        in.rax = 0x1a;
        in.rbx = 0x1b;
        in.rcx = 0x1c;
        in.r11 = 0x11;
        in.r15 = 0x15;
        RUN(user_syscall, 0xd1);
        expect(TRAP_SYSCALL, 0, 2, "syscall");
        check(out.rax == 0x1a && out.rbx == 0x1b && out.rdi == 0xd1 && out.r15 == 0x15,
              "syscall keeps registers");
        check_eq(out.rcx, USER_CODE + 2, "syscall: rcx");
        check_eq(out.r11 & ~0x10000UL, 0x202, "syscall: r11");
        check_eq(out.rsp, USER_STACK + 4096, "syscall: rsp");
    }
    RUN(user_int80, 0);
    expect(0x80, 0, 2, "int 0x80");
    check(out.rcx == 0x1c && out.r11 == 0x11, "int 0x80 keeps rcx and r11: %lx %lx", out.rcx, out.r11);
    RUN(user_int3, 0);
    expect(3, 0, 1, "int3");
    RUN(user_int20, 0);
    expect(13, 0x20 << 3 | 2, 0, "int of a gate that users may not use");
    RUN(user_cli, 0);
    expect(13, 0, 0, "cli in user mode");
    RUN(user_stack, 0x5157);
    expect(0x80, 0, 4, "stack");
    check_eq(out.rax, 0x5157, "user stack");
    check_eq(*(uint64_t *)(stack + 4088), 0x5157, "seen by the kernel");
    RUN(user_xmm, 0x123456789);
    check_eq(out.rax, 0x123456789, "xmm in user mode");
}

static void test_faults(void)
{
    RUN(user_load, UNMAPPED);
    expect(14, 4, 0, "a load from nowhere");
    RUN(user_load, USER_BASE + 0x100000);
    expect(14, 4, 0, "a load from an unmapped user page");
    check_eq(this_cpu()->info->arch.cr2, USER_BASE + 0x100000, "cr2");
    RUN(user_load, (uint64_t)&in);
    check_eq(out.vector, 14, "a load from the kernel's memory");
    check(out.error & 4, "error code %lx", out.error);
    RUN(user_store, USER_RO);
    expect(14, 7, 0, "a store to a read-only page");
    RUN(user_store, NONCANONICAL);
    expect(13, 0, 0, "a store to a non-canonical address");
    RUN(user_jump, USER_STACK);
    check_eq(out.vector, 14, "a jump to a page with NX");
    check_eq(out.error, 0x15, "error code");
    check_eq(out.rip, USER_STACK, "rip");
}

/*
 * A far call that faults leaves the stack pointer, whichever of its steps it was; the fault comes in on the
 * kernel's stack.
 */
static void test_far_calls(void)
{
    uint64_t end = USER_STACK + 4096;

    RUN(user_far_call, USER_BASE + 0x100000);
    expect(14, 6, 3, "a far call without a stack");
    check_eq(out.rsp, USER_BASE + 0x100000, "rsp");
    check_eq(this_cpu()->info->arch.cr2, USER_BASE + 0x100000 - 4, "cr2");
    RUN(user_far_call, USER_STACK + 4);
    expect(14, 6, 3, "a far call with half a stack");
    check_eq(out.rsp, USER_STACK + 4, "rsp");
    check_eq(this_cpu()->info->arch.cr2, USER_STACK - 4, "cr2");
    RUN(user_far_nowhere, end);
    expect(13, 0xfff0, 3, "a far call of a selector that isn't there");
    check_eq(out.rsp, end, "rsp");
}

/* Flags: those that users own change, IF and IOPL don't. */
static void test_flags(void)
{
    in.rflags = 0x202 | 0xcd5;
    RUN(user_int80, 0);
    check_eq(out.rflags & 0xcd5, 0xcd5, "flags given by iret");
    in.rflags = 0x202;
    RUN(user_int80, 0);
    check_eq(out.rflags & 0xcd5, 0, "flags cleared by iret");
    RUN(user_popf, 0x200cd5);
    check_eq(out.rax & 0x203ed5, 0x200ed5, "popf in user mode: IF stays, IOPL stays");
    RUN(user_popf, 0x3002);
    check_eq(out.rax & 0x3200, 0x200, "popf can neither clear IF nor raise IOPL");
    in.rflags = 0x3202;
    RUN(user_int80, 0);
    check(out.rflags & 0x200, "IF in user mode");
    in.rflags = 0x202;
}

void guest_main(void)
{
    struct user_space u;
    char *ro = page_alloc(1);

    code = page_alloc(1);
    stack = page_alloc(1);
    user_init(&u, USER_BASE);
    user_map(&u, USER_CODE, code, PTE_P | PTE_US | PTE_A);
    user_map(&u, USER_STACK, stack, PTE_P | PTE_RW | PTE_US | PTE_A | PTE_D | PTE_NX);
    user_map(&u, USER_RO, ro, PTE_P | PTE_US | PTE_A | PTE_NX);
    user_commit(&u);
    test_entries();
    test_faults();
    test_far_calls();
    test_flags();
    check_eq(ro[0], 0, "the read-only page");
}
