// SPDX-License-Identifier: MIT
/*
 * fpu_taskswitch: with the flag set, the next x87, MMX or SSE instruction raises #NM, whose delivery clears
 * the flag; FPU state survives hypercalls, events and exceptions. The x87 pointers are the guest's: where its
 * last x87 instruction was, or nothing; or what it has loaded.
 *
 * A broken engine runs the instruction, raises #NM for ever, lets its own code disturb the registers, or
 * shows where it keeps translated code and guest memory.
 */
#include "pvtest.h"

static volatile unsigned nm_count;

static void nm_handler(struct trap_frame *f)
{
    (void)f;
    nm_count++;
}

/* NOLINTBEGIN(bugprone-macro-parentheses): the instruction is a string literal that joins others */
#define RAISES_NM(instruction)                                                       \
    do {                                                                             \
        nm_count = 0;                                                                \
        check_eq(hc_fpu_taskswitch(true), 0, "fpu_taskswitch");                      \
        __asm__ volatile("add $0, %%eax; " instruction : : : "rax", "memory", "cc"); \
        check_eq(nm_count, 1, instruction);                                          \
        __asm__ volatile(instruction : : : "memory");                                \
        check_eq(nm_count, 1, instruction " again");                                 \
    } while (0)
/* NOLINTEND(bugprone-macro-parentheses) */

static void test_taskswitch(void)
{
    trap_handler(7, nm_handler);
    for (unsigned i = 0; i < 3; i++) { /* also once the code is translated */
        RAISES_NM("fninit");
        RAISES_NM("movq %%xmm0, %%xmm1");
        RAISES_NM("pxor %%mm0, %%mm0; emms");
        RAISES_NM("fwait");
    }
    check_eq(hc_fpu_taskswitch(true), 0, "set");
    check_eq(hc_fpu_taskswitch(false), 0, "cleared");
    nm_count = 0;
    __asm__ volatile("fninit");
    check_eq(nm_count, 0, "cleared by the hypercall");
    check_eq(hc_fpu_taskswitch(true), 0, "set");
    __asm__ volatile("add %%eax, %%ebx; lea (%%rax, %%rbx), %%rcx" : : : "rax", "rbx", "rcx", "cc");
    check_eq(nm_count, 0, "integer instructions don't care");
    __asm__ volatile("clts");
    __asm__ volatile("fninit");
    check_eq(nm_count, 0, "clts");
    trap_handler(7, NULL);
}

/* Patterns in all the registers, through everything that enters the hypervisor. */
static void test_state(void)
{
    static uint64_t save[16][2] __attribute__((aligned(16)));
    char name[64];
    uint16_t cw = 0;
    uint32_t mxcsr = 0x3f80, mxcsr_after = 0; /* round down, all masked */

    __asm__ volatile("fninit; fldpi; fld1; ldmxcsr %0" : : "m"(mxcsr));
#define SET(n)                                                                   \
    __asm__ volatile("movq %0, %%xmm" #n "; pshufd $0x44, %%xmm" #n ", %%xmm" #n \
                     :                                                           \
                     : "r"(0x0101010101010101UL * ((n) + 1)))
#define GET(n) __asm__ volatile("movdqa %%xmm" #n ", %0" : "=m"(save[n]))
    SET(0);
    SET(1);
    SET(2);
    SET(3);
    SET(4);
    SET(5);
    SET(6);
    SET(7);
    SET(8);
    SET(9);
    SET(10);
    SET(11);
    SET(12);
    SET(13);
    SET(14);
    SET(15);
    for (unsigned i = 0; i < 200; i++) {
        struct trap_frame f;

        hc_xen_version(XENVER_extraversion, name);
        hc_memory_op(XENMEM_current_reservation, &(domid_t){DOMID_SELF});
        hc_sched_op(SCHEDOP_yield, NULL);
        trap_catch((void (*)(void *))UNMAPPED, NULL, &f);
        if (i % 50 == 0)
            printf("fpu: round %u\n", i);
    }
    GET(0);
    GET(1);
    GET(2);
    GET(3);
    GET(4);
    GET(5);
    GET(6);
    GET(7);
    GET(8);
    GET(9);
    GET(10);
    GET(11);
    GET(12);
    GET(13);
    GET(14);
    GET(15);
    for (unsigned n = 0; n < 16; n++)
        check(save[n][0] == 0x0101010101010101UL * (n + 1) && save[n][1] == save[n][0], "xmm%u: %lx %lx", n,
              save[n][1], save[n][0]);
    __asm__ volatile("stmxcsr %0; fnstcw %1" : "=m"(mxcsr_after), "=m"(cw));
    check_eq(mxcsr_after & ~0x3fU, mxcsr, "mxcsr");
    check_eq(cw, 0x37f, "x87 control word");
    {
        uint64_t parts[2] = {0, 0};

        __asm__ volatile("fstpl %0; fstpl %1" : "=m"(parts[0]), "=m"(parts[1]));
        check_eq(parts[0], 0x3ff0000000000000, "1.0 on the x87 stack");
        check_eq(parts[1], 0x400921fb54442d18, "pi below it");
    }
    mxcsr = 0x1f80;
    __asm__ volatile("ldmxcsr %0" : : "m"(mxcsr));
}

/* ---- the x87 pointers ---- */

/* FNSTENV's image, and FXSAVE64's up to the pointers. */
struct environment {
    uint32_t control, status, tag, ip;
    uint16_t cs, opcode;
    uint32_t dp;
    uint16_t ds, reserved;
};

struct short_environment {
    uint16_t control, status, tag, ip, cs, dp, ds;
};

struct area {
    uint16_t control, status, tag, opcode;
    uint64_t ip, dp;
    uint8_t rest[488];
} __attribute__((aligned(16)));

extern char last_x87[], failing_x87[];

/* A CPU may have lost the pointers at a context switch of the host's, but mustn't show others. */
static void check_pointer(uint64_t got, const char *expected, uint64_t mask, const char *what)
{
    check(got == 0 || got == ((uint64_t)expected & mask), "%s is %lx, not %lx", what, got,
          (uint64_t)expected & mask);
}

static void test_stored_pointers(void)
{
    static uint64_t operand = 0x3ff0000000000000;
    static struct environment env;
    static struct short_environment small;
    static struct area area;

    __asm__ volatile(
        "fninit; last_x87: fldl %3; fnstenv %0; fldenv %0; data16 fnstenv %1; fldcw %0; fxsave64 %2"
        : "+m"(env), "=m"(small), "=m"(area)
        : "m"(operand));
    check_pointer(env.ip, last_x87, 0xffffffff, "FNSTENV's instruction pointer");
    check_eq(env.dp, 0, "FNSTENV's data pointer");
    check_pointer(small.ip, last_x87, 0xffff, "16-bit FNSTENV's instruction pointer");
    check_eq(small.dp, 0, "16-bit FNSTENV's data pointer");
    check_pointer(area.ip, last_x87, ~0UL, "FXSAVE's instruction pointer");
    check_eq(area.dp, 0, "FXSAVE's data pointer");
}

/* With an exception pending every CPU keeps the pointers. */
static void test_pointers_of_exception(void)
{
    static const uint64_t zero;
    static const uint16_t unmasked = 0x37b;
    static struct area area, again;
    static struct environment env;

    __asm__ volatile("fninit; fldcw %2; fld1; failing_x87: fdivl %1; fxsave64 %0; fnclex; fninit"
                     : "=m"(area)
                     : "m"(zero), "m"(unmasked));
    check_eq(area.ip, (uint64_t)failing_x87, "instruction pointer of the exception");
    check_eq(area.dp, 0, "data pointer of the exception");
    area.ip = 0x123456789abcdef0;
    area.dp = 0x0fedcba987654321;
    __asm__ volatile("fxrstor64 %1; fxsave64 %0; fnclex" : "=m"(again) : "m"(area));
    check_eq(again.ip, area.ip, "loaded instruction pointer");
    check_eq(again.dp, area.dp, "loaded data pointer");
    __asm__ volatile("fxrstor64 %1; fnstenv %0; fninit" : "=m"(env) : "m"(area));
    check_eq(env.ip, (uint32_t)area.ip, "loaded instruction pointer, by FNSTENV");
    check_eq(env.dp, (uint32_t)area.dp, "loaded data pointer, by FNSTENV");
}

void guest_main(void)
{
    test_taskswitch();
    test_state();
    for (unsigned i = 0; i < 3; i++) {
        test_stored_pointers();
        test_pointers_of_exception();
    }
}
