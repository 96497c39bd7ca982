/* width: 64 32 */
// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A faulting instruction reaches the program as a signal with the exact number, code, address, error code
 * and instruction pointer, and all registers as they were. A hypervisor whose exceptions are imprecise, or
 * whose error codes are made up, fails here.
 */
#include "check.h"

#include <setjmp.h>
#include <signal.h>
#include <fcntl.h>
#include <ucontext.h>

#ifdef __x86_64__
#define GREG_IP REG_RIP
#define GREG_CX REG_RCX
#define GREG_SI REG_RSI
#define SP      "%rsp"
#define A       "(%rax)"
#else
#define GREG_IP REG_EIP
#define GREG_CX REG_ECX
#define GREG_SI REG_ESI
#define SP      "%esp"
#define A       "(%eax)"
#endif

static sigjmp_buf escape;
static struct {
    int number, code, trap;
    uintptr_t address, ip, cx, si, error;
} seen;

static void on_signal(int number, siginfo_t *info, void *context)
{
    const greg_t *registers = ((ucontext_t *)context)->uc_mcontext.gregs;

    /* Linux leaves AC as it is. */
    __asm__ volatile("pushf\n andl $~0x40000, (%" SP ")\n popf" : : : "cc", "memory");
    seen.number = number;
    seen.code = info->si_code;
    seen.address = (uintptr_t)info->si_addr;
    seen.ip = (uintptr_t)registers[GREG_IP];
    seen.cx = (uintptr_t)registers[GREG_CX];
    seen.si = (uintptr_t)registers[GREG_SI];
    seen.trap = (int)registers[REG_TRAPNO];
    seen.error = (uintptr_t)registers[REG_ERR];
    siglongjmp(escape, 1);
}

/*
 * Each case is a function of bare instructions: marks two registers, then the faulting instruction at label
 * `at`, whose operand, if any, is in the first argument (rdi or eax).
 */
#ifdef __x86_64__
#define CASE(name, instruction)                                                                 \
    extern const char at_##name[];                                                              \
    void name(uintptr_t operand);                                                               \
    __asm__(".text\n" #name                                                                     \
            ": mov $0x1234567, %ecx\n mov $0x89abcde, %esi\n mov %rdi, %rax\n xor %edx, %edx\n" \
            "at_" #name ": " instruction "\n ret\n")
#else
#define CASE(name, instruction)                                                                            \
    extern const char at_##name[];                                                                         \
    void name(uintptr_t operand);                                                                          \
    __asm__(                                                                                               \
        ".text\n" #name                                                                                    \
        ": push %esi\n mov $0x1234567, %ecx\n mov $0x89abcde, %esi\n mov 8(%esp), %eax\n xor %edx, %edx\n" \
        "at_" #name ": " instruction "\n pop %esi\n ret\n")
#endif

CASE(case_divide, "div %edx");
CASE(case_overflow, "idivb %ah");
CASE(case_ud2, "ud2");
CASE(case_int3, "int3");
CASE(case_load, "mov " A ", %edx");
CASE(case_store, "mov %edx, " A);
CASE(case_modify, "addl $1, " A);
CASE(case_locked, "lock incl " A);
CASE(case_hlt, "hlt");
CASE(case_in, "in $0x80, %al");
CASE(case_cli, "cli");
CASE(case_int, "int $0x21");
CASE(case_align, "movdqa " A ", %xmm0");
CASE(case_segment, "mov %eax, %gs");
/* Alignment checks on: a page fault, whose handler mustn't be checked, then a misaligned access. */
CASE(case_checked,
     "pushf\n orl $0x40000, (" SP ")\n popf\n mov " A ", %edx\n at_misaligned: mov 2" A ", %edx");
extern const char at_misaligned[];
#ifndef __x86_64__
CASE(case_bound, "bound %esi, (%eax)");
#endif

static void expect(const char *what, void (*run)(uintptr_t), uintptr_t operand, int number, int code,
                   uintptr_t address, int trap, uintptr_t error, uintptr_t ip)
{
    memset(&seen, 0, sizeof(seen));
    if (!sigsetjmp(escape, 1)) {
        run(operand);
        FAIL("%s did not fault", what);
    }
    if (seen.number != number || seen.code != code || seen.address != address || seen.trap != trap ||
        seen.error != error || seen.ip != ip || seen.cx != 0x1234567 || seen.si != 0x89abcde) {
        FAIL("%s: signal %d code %d address %#lx trap %d error %#lx ip %#lx cx %#lx si %#lx; expected %d %d "
             "%#lx %d %#lx %#lx",
             what, seen.number, seen.code, (long)seen.address, seen.trap, (long)seen.error, (long)seen.ip,
             (long)seen.cx, (long)seen.si, number, code, (long)address, trap, (long)error, (long)ip);
    }
}

#define IP(name) ((uintptr_t)at_##name)

static void jump(uintptr_t to)
{
#ifdef __x86_64__
    __asm__ volatile("mov $0x1234567, %%ecx\n mov $0x89abcde, %%esi\n jmp *%0"
                     :
                     : "a"(to)
                     : "rcx", "rsi", "memory");
#else
    __asm__ volatile("mov $0x1234567, %%ecx\n mov $0x89abcde, %%esi\n jmp *%0"
                     :
                     : "a"(to)
                     : "ecx", "esi", "memory");
#endif
}

int main(void)
{
    struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO};
    static const int numbers[] = {SIGFPE, SIGSEGV, SIGILL, SIGTRAP, SIGBUS};
    unsigned char *page = map_pages(4, PROT_READ | PROT_WRITE), *fresh = map_pages(2, PROT_READ);
    char path[] = "/dev/shm/siginfo-XXXXXX";
    int fd = mkstemp(path);

    CHECK(fd >= 0);
    unlink(path);
    CHECK(ftruncate(fd, 100) == 0);
    unsigned char *file = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

    CHECK(file != MAP_FAILED);
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        CHECK(sigaction(numbers[i], &action, NULL) == 0);
    memset(page, 0, 3 * PAGE); /* present, or error codes would say otherwise */
    CHECK(mprotect(page + PAGE, PAGE, PROT_READ) == 0);
    CHECK(munmap(page + 2 * PAGE, PAGE) == 0);
    uintptr_t read_only = (uintptr_t)page + PAGE + 40, nothing = (uintptr_t)page + 2 * PAGE + 44;

    /* Twice, so that each runs once fresh and once from whatever the hypervisor has kept. */
    for (int i = 0; i < 2; i++) {
        expect("div", case_divide, 5, SIGFPE, FPE_INTDIV, IP(case_divide), 0, 0, IP(case_divide));
        expect("idiv overflow", case_overflow, 0x0100 | 0x7f00, SIGFPE, FPE_INTDIV, IP(case_overflow), 0, 0,
               IP(case_overflow));
        expect("ud2", case_ud2, 0, SIGILL, ILL_ILLOPN, IP(case_ud2), 6, 0, IP(case_ud2));
        expect("int3", case_int3, 0, SIGTRAP, SI_KERNEL, 0, 3, 0, IP(case_int3) + 1);
        expect("load from nothing", case_load, nothing, SIGSEGV, SEGV_MAPERR, nothing, 14, 4, IP(case_load));
        expect("store to nothing", case_store, nothing, SIGSEGV, SEGV_MAPERR, nothing, 14, 6, IP(case_store));
        expect("store to read-only", case_store, read_only, SIGSEGV, SEGV_ACCERR, read_only, 14, 7,
               IP(case_store));
        expect("add to read-only", case_modify, read_only, SIGSEGV, SEGV_ACCERR, read_only, 14, 7,
               IP(case_modify));
        expect("lock inc of read-only", case_locked, read_only, SIGSEGV, SEGV_ACCERR, read_only, 14, 7,
               IP(case_locked));
        expect("load across into nothing", case_load, (uintptr_t)page + 2 * PAGE - 2, SIGSEGV, SEGV_MAPERR,
               (uintptr_t)page + 2 * PAGE, 14, 4, IP(case_load));
        expect("beyond the end of a file", case_load, (uintptr_t)file + PAGE + 4, SIGBUS, BUS_ADRERR,
               (uintptr_t)file + PAGE + 4, 14, 4, IP(case_load));
        expect("hlt", case_hlt, 0, SIGSEGV, SI_KERNEL, 0, 13, 0, IP(case_hlt));
        expect("in", case_in, 0, SIGSEGV, SI_KERNEL, 0, 13, 0, IP(case_in));
        expect("cli", case_cli, 0, SIGSEGV, SI_KERNEL, 0, 13, 0, IP(case_cli));
        expect("int 0x21", case_int, 0, SIGSEGV, SI_KERNEL, 0, 13, 0x21 * 8 + 2, IP(case_int));
        expect("movdqa unaligned", case_align, (uintptr_t)page + 8, SIGSEGV, SI_KERNEL, 0, 13, 0,
               IP(case_align));
        expect("misaligned with AC", case_checked, (uintptr_t)fresh + (size_t)i * PAGE, SIGBUS, BUS_ADRALN, 0,
               17, 0, (uintptr_t)at_misaligned);
        expect("bad selector", case_segment, 0x1230, SIGSEGV, SI_KERNEL, 0, 13, 0x1230, IP(case_segment));
        expect("jump to nothing", jump, nothing, SIGSEGV, SEGV_MAPERR, nothing, 14, 0x14, nothing);
        page[0] = 0xc3;
        expect("jump to data", jump, (uintptr_t)page, SIGSEGV, SEGV_ACCERR, (uintptr_t)page, 14, 0x15,
               (uintptr_t)page);
#ifdef __x86_64__
        expect("non-canonical load", case_load, 0x8000000000001000u, SIGSEGV, SI_KERNEL, 0, 13, 0,
               IP(case_load));
        /* Linux says "present" of its own addresses, whatever they are. */
        expect("load of a kernel address", case_load, 0xffff888000000000u, SIGSEGV, SEGV_MAPERR,
               0xffff888000000000u, 14, 5, IP(case_load));
#else
        static const int32_t bounds[2] = {0, 10};

        expect("bound", case_bound, (uintptr_t)bounds, SIGSEGV, SI_KERNEL, 0, 5, 0, IP(case_bound));
#endif
    }
    return 0;
}
