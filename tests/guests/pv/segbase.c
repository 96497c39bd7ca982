// SPDX-License-Identifier: MIT
/*
 * FS and GS bases: set_segment_base sets what is asked, loads through fs: and gs: see it, kernel and user
 * GS change places at each entry to and exit from user mode, and MSRs tell the same story.  A kernel's GS
 * base hardly ever moves; a hypervisor that builds it into translated code would show the old cell if it
 * does.
 */
#include "pvtest.h"

#define USER_BASE 0x400000UL

static uint64_t cell[3] = {0xf5, 0x65, 0x67};
static struct trap_frame in, out;

static uint64_t fs_load(void)
{
    uint64_t v;

    __asm__ volatile("mov %%fs:0, %0" : "=r"(v));
    return v;
}

/* Always the same instruction. */
static __attribute__((noinline)) uint64_t gs_load(void)
{
    uint64_t v;

    __asm__ volatile("mov %%gs:0, %0" : "=r"(v));
    return v;
}

static uint64_t rdmsr(uint32_t msr)
{
    uint32_t lo, hi;

    __asm__ volatile("rdmsr" : "=a"(lo), "=d"(hi) : "c"(msr));
    return (uint64_t)hi << 32 | lo;
}

static void wrmsr(uint32_t msr, uint64_t v)
{
    __asm__ volatile("wrmsr" : : "c"(msr), "a"((uint32_t)v), "d"((uint32_t)(v >> 32)) : "memory");
}

static void wrmsr_noncanonical(void *arg)
{
    wrmsr(0xc0000100, (uint64_t)arg);
}

extern const char user_code[], user_code_end[];
__asm__(".pushsection .rodata\n"
        "user_code: mov %gs:0, %rax; mov %fs:0, %rbx; int $0x80\n"
        "user_code_end:\n.popsection\n");

static void test_user(void)
{
    struct user_space u;
    uint64_t *code = page_alloc(1), *data = page_alloc(1);

    user_init(&u, USER_BASE);
    user_map(&u, USER_BASE, code, PTE_P | PTE_US | PTE_A);
    user_map(&u, USER_BASE + 4096, data, PTE_P | PTE_RW | PTE_US | PTE_A | PTE_D);
    user_commit(&u);
    memcpy(code, user_code, (size_t)(user_code_end - user_code));
    data[0] = 0xda;
    data[1] = 0xdb;
    check_eq(hc_set_segment_base(SEGBASE_GS_USER, USER_BASE + 4096), 0, "user GS");
    check_eq(hc_set_segment_base(SEGBASE_FS, USER_BASE + 4096 + 8), 0, "FS");
    check_eq(gs_load(), cell[1], "kernel GS still there");
    in = (struct trap_frame){.rip = USER_BASE,
                             .cs = FLAT_USER_CS64,
                             .ss = FLAT_USER_SS64,
                             .rflags = 0x202,
                             .rsp = USER_BASE + 8192};
    for (unsigned i = 0; i < 3; i++) {
        user_run(&in, &out);
        check_eq(out.vector, 0x80, "user code ran");
        check_eq(out.rax, 0xda, "user GS in user mode");
        check_eq(out.rbx, 0xdb, "FS in user mode");
        check_eq(gs_load(), cell[1], "kernel GS in kernel mode");
    }
}

/* The new base is there for the next instruction. */
static uint64_t wrgsbase_load(const uint64_t *base)
{
    uint64_t before, v;

    __asm__ volatile("mov %%gs:0, %0; wrgsbase %2; mov %%gs:0, %1" : "=&r"(before), "=&r"(v) : "r"(base));
    return v;
}

static void test_moving(void)
{
    for (unsigned i = 0; i < 24; i++) {
        const uint64_t *a = &cell[i % 3], *b = &cell[(i + 1) % 3];

        check_eq(hc_set_segment_base(SEGBASE_GS_KERNEL, (uint64_t)a), 0, "kernel GS moves");
        check_eq(gs_load(), *a, "gs:0 where it has moved to");
        check_eq(wrgsbase_load(b), *b, "gs:0 behind wrgsbase");
        check_eq(gs_load(), *b, "gs:0 later");
    }
    check_eq(hc_set_segment_base(SEGBASE_GS_KERNEL, (uint64_t)&cell[1]), 0, "kernel GS");
}

void guest_main(void)
{
    check_eq(hc_set_segment_base(SEGBASE_FS, (uint64_t)&cell[0]), 0, "FS");
    check_eq(hc_set_segment_base(SEGBASE_GS_KERNEL, (uint64_t)&cell[1]), 0, "kernel GS");
    check_eq(fs_load(), cell[0], "fs:0");
    check_eq(gs_load(), cell[1], "gs:0");
    check_eq(rdmsr(0xc0000100), &cell[0], "MSR_FS_BASE");
    check_eq(rdmsr(0xc0000101), &cell[1], "MSR_GS_BASE");
    check_eq(hc_set_segment_base(SEGBASE_FS, NONCANONICAL), -XEN_EINVAL, "non-canonical FS");
    check_eq(fs_load(), cell[0], "fs:0 unchanged");
    wrmsr(0xc0000100, (uint64_t)&cell[2]);
    check_eq(fs_load(), cell[2], "fs:0 by wrmsr");
    raises(wrmsr_noncanonical, (void *)NONCANONICAL, 13, 0, "wrmsr of a non-canonical base");
    check_eq(hc_set_segment_base(SEGBASE_GS_USER_SEL, 0), 0, "null selector for user GS");
    test_user();
    test_moving();
}
