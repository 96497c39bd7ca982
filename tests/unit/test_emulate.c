/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Emulated instructions of PV guests: results, privileges and faults, by running their bytes through
 * pv_emulate(); and random bytes, which must never do more than raise a fault.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "cpu_fakes.h"
#include "pv/cpu_ops.h"
#include "pv/segment.h"
#include "suite.h"

static struct vcpu *v = &fake_vcpu;

static void run(const char *code, size_t n)
{
    fake_code(code, n);
    pv_emulate(v);
}

/* Runs the bytes of a string, and wants rip behind them. */
#define RUN_OK(bytes)                                                    \
    do {                                                                 \
        run(bytes, sizeof(bytes) - 1);                                   \
        ck_assert_msg(!fake_fault.count, "fault %u", fake_fault.vector); \
        ck_assert_uint_eq(v->rip, GUEST_BASE + sizeof(bytes) - 1);       \
    } while (0)

/* Runs them, and wants a fault with rip at the instruction. */
#define RUN_FAULT(bytes, vec, err)                 \
    do {                                           \
        run(bytes, sizeof(bytes) - 1);             \
        ck_assert_uint_eq(fake_fault.count, 1);    \
        ck_assert_uint_eq(fake_fault.vector, vec); \
        ck_assert_int_eq(fake_fault.error, err);   \
        ck_assert_uint_eq(v->rip, GUEST_BASE);     \
    } while (0)

START_TEST(cpuid_plain_and_forced)
{
    for (int user = 0; user < 2; user++) {
        v->user_mode = user;
        v->gpr[RAX] = 0xffffffff40000000;
        RUN_OK("\x0f\xa2");
        ck_assert_uint_eq(v->gpr[RBX], 0x566e6558);
        ck_assert_uint_eq(v->gpr[RAX], 0x40000005);
        v->gpr[RAX] = 0x40000001;
        RUN_OK("\x0f\x0bxen\x0f\xa2");
        ck_assert_uint_eq(v->gpr[RAX], 0x40011);
    }
    RUN_FAULT("\x0f\x0bxen\x0f\x31", VEC_UD, -1);
    RUN_FAULT("\x0f\x0bxem\x0f\xa2", VEC_UD, -1);
    RUN_FAULT("\xf0\x0f\xa2", VEC_UD, -1);
}
END_TEST

/*
 * A kernel that asks with the prefix sees OSXSAVE before it has set CR4.OSXSAVE; everybody else when it is
 * set.
 */
START_TEST(osxsave)
{
    const uint64_t bit = 1u << 27;

    if (!cpu_policy_has(v->domain->cpu_policy, CPU_XSAVE))
        return;
    for (int user = 0; user < 2; user++) {
        v->user_mode = user;
        v->cr4 &= ~(uint64_t)CR4_OSXSAVE;
        v->gpr[RAX] = 1;
        RUN_OK("\x0f\x0bxen\x0f\xa2");
        ck_assert(!!(v->gpr[RCX] & bit) == !user);
        v->gpr[RAX] = 1;
        RUN_OK("\x0f\xa2");
        ck_assert(!(v->gpr[RCX] & bit));
        v->cr4 |= CR4_OSXSAVE;
        v->gpr[RAX] = 1;
        RUN_OK("\x0f\xa2");
        ck_assert(v->gpr[RCX] & bit);
    }
}
END_TEST

START_TEST(msrs)
{
    v->gpr[RCX] = 0xc0000100;
    v->gpr[RAX] = 0xaaaaaaaa89abcdef;
    v->gpr[RDX] = 0xbbbbbbbb00001234;
    RUN_OK("\x0f\x30");
    ck_assert_uint_eq(v->fs_base, 0x123489abcdef);
    v->gpr[RAX] = v->gpr[RDX] = ~0ul;
    RUN_OK("\x0f\x32");
    ck_assert_uint_eq(v->gpr[RAX], 0x89abcdef);
    ck_assert_uint_eq(v->gpr[RDX], 0x1234);
    v->gpr[RDX] = 0x8000; /* not canonical */
    RUN_FAULT("\x0f\x30", VEC_GP, 0);
    v->gpr[RCX] = 0xc0000102;
    v->gpr[RAX] = 0x77;
    v->gpr[RDX] = 0;
    RUN_OK("\x0f\x30");
    ck_assert_uint_eq(v->pv->gs_base_user, 0x77);
    v->gpr[RCX] = 0xc0000080;
    RUN_OK("\x0f\x32");
    ck_assert_uint_eq(v->gpr[RAX] & ~(1ul << 21), 0xd01); /* bit 21 where CPUID shows automatic IBRS */
    ck_assert(!!(v->gpr[RAX] & 1 << 21) == (v->domain->cpu_policy->vendor == CPU_VENDOR_AMD));
    RUN_OK("\x0f\x30"); /* the same value */
    v->gpr[RAX] = 0xd00;
    RUN_FAULT("\x0f\x30", VEC_GP, 0);
    v->gpr[RCX] = 0x12345678; /* no such register */
    RUN_FAULT("\x0f\x32", VEC_GP, 0);
    RUN_FAULT("\x0f\x30", VEC_GP, 0);
    v->user_mode = true;
    v->gpr[RCX] = 0xc0000100;
    RUN_FAULT("\x0f\x32", VEC_GP, 0);
    RUN_FAULT("\x0f\x30", VEC_GP, 0);
}
END_TEST

START_TEST(control_registers)
{
    RUN_OK("\x0f\x20\xc0");
    ck_assert_uint_eq(v->gpr[RAX], PV_CR0);
    v->gpr[RAX] |= CR0_TS;
    RUN_OK("\x0f\x22\xc0");
    ck_assert(v->task_switched);
    RUN_OK("\x41\x0f\x20\xc0"); /* mov %cr0, %r8 */
    ck_assert_uint_eq(v->gpr[R8], PV_CR0 | CR0_TS);
    RUN_OK("\x0f\x06"); /* clts */
    ck_assert(!v->task_switched);
    v->gpr[RAX] = PV_CR0 & ~1u;
    RUN_FAULT("\x0f\x22\xc0", VEC_GP, 0);
    v->gpr[RAX] = ~0ul; /* only what the guest may choose sticks */
    RUN_OK("\x0f\x22\xe0");
    RUN_OK("\x0f\x20\xe3");
    ck_assert_uint_eq(v->gpr[RBX] & ~(uint64_t)(CR4_TSD | CR4_DE | CR4_FSGSBASE | CR4_OSXSAVE),
                      CR4_PAE | CR4_OSFXSR | CR4_OSXMMEXCPT);
    v->gpr[RAX] = 0x5000;
    RUN_OK("\x0f\x22\xd8");
    ck_assert_uint_eq(fake_new_base.n, 5);
    v->gpr[RAX] = 0;
    RUN_FAULT("\x0f\x22\xd8", VEC_GP, 0);
    RUN_FAULT("\x44\x0f\x20\xc0", VEC_GP, 0); /* cr8 */
    v->user_mode = true;
    RUN_FAULT("\x0f\x20\xc0", VEC_GP, 0);
    RUN_FAULT("\x0f\x06", VEC_GP, 0);
}
END_TEST

START_TEST(debug_registers)
{
    v->gpr[RAX] = GUEST_BASE;
    RUN_OK("\x0f\x23\xc0");
    RUN_OK("\x0f\x21\xc3");
    ck_assert_uint_eq(v->gpr[RBX], GUEST_BASE);
    v->gpr[RAX] = HYPERVISOR_VIRT_START; /* a breakpoint on Xen itself */
    RUN_FAULT("\x0f\x23\xc0", VEC_GP, 0);
    RUN_OK("\x0f\x21\xfb");
    ck_assert_uint_eq(v->gpr[RBX], DR7_RESET);
    v->gpr[RAX] = 0x2000; /* GD */
    RUN_FAULT("\x0f\x23\xf8", VEC_GP, 0);
    v->gpr[RAX] = 0x20001; /* an I/O breakpoint without CR4.DE */
    RUN_FAULT("\x0f\x23\xf8", VEC_GP, 0);
    v->gpr[RAX] = 0xffffffff0000d801; /* reserved bits don't stick */
    RUN_OK("\x0f\x23\xf8");
    ck_assert_uint_eq(v->dr[7], 0x401);
    RUN_OK("\x0f\x23\xe8"); /* dr5 is dr7 */
    v->cr4 |= CR4_DE;
    RUN_FAULT("\x0f\x23\xe8", VEC_UD, -1);
}
END_TEST

START_TEST(ports)
{
    v->gpr[RAX] = 0x1122334455667788;
    RUN_FAULT("\xe4\x60", VEC_GP, 0); /* IOPL 0 */
    v->pv->iopl = 1;
    RUN_OK("\xe4\x60"); /* in $0x60, %al */
    ck_assert_uint_eq(v->gpr[RAX], 0x11223344556677ff);
    v->gpr[RDX] = 0xcfc;
    RUN_OK("\x66\xed"); /* in %dx, %ax */
    ck_assert_uint_eq(v->gpr[RAX], 0x112233445566ffff);
    RUN_OK("\xed");
    ck_assert_uint_eq(v->gpr[RAX], 0xffffffff);
    RUN_OK("\xe4\x42"); /* the stopped timer */
    ck_assert_uint_eq(v->gpr[RAX], 0xffffff00);
    RUN_OK("\xe6\x80");
    v->user_mode = true;
    RUN_FAULT("\xec", VEC_GP, 0);
    v->pv->iopl = 3;
    RUN_OK("\xec");
}
END_TEST

START_TEST(port_bitmap)
{
    v->user_mode = true;
    v->gpr[RDX] = 0x378;
    v->pv->io_bitmap = GVA(GUEST_BASE + PAGE_SIZE);
    v->pv->io_bitmap_ports = 0x400;
    memset(fake_memory + PAGE_SIZE, 0xff, 0x2000);
    RUN_FAULT("\xec", VEC_GP, 0);
    fake_memory[PAGE_SIZE + 0x378 / 8] = 0xf0; /* 0x378 to 0x37b */
    RUN_OK("\xec");
    RUN_OK("\xed");
    ck_assert(v->user_mode);
    v->gpr[RDX] = 0x379; /* one byte too far */
    RUN_FAULT("\xed", VEC_GP, 0);
    memset(fake_memory + PAGE_SIZE, 0, 0x2000);
    v->gpr[RDX] = 0x3fe; /* beyond the ports that the bitmap has */
    RUN_FAULT("\xed", VEC_GP, 0);
    v->gpr[RDX] = 0x3f8;
    v->pv->io_bitmap = GVA(0);
    RUN_FAULT("\xec", VEC_GP, 0);
}
END_TEST

START_TEST(string_ports)
{
    v->pv->iopl = 1;
    v->gpr[RDX] = 0x3f8;
    v->gpr[RCX] = 100;
    v->gpr[RDI] = GUEST_BASE + PAGE_SIZE;
    run("\xf3\x6c", 2); /* rep insb: a part, and again */
    ck_assert_uint_eq(v->rip, GUEST_BASE);
    ck_assert_uint_lt(v->gpr[RCX], 100);
    while (v->rip == GUEST_BASE)
        pv_emulate(v);
    ck_assert_uint_eq(v->gpr[RCX], 0);
    ck_assert_uint_eq(v->gpr[RDI], GUEST_BASE + PAGE_SIZE + 100);
    ck_assert_uint_eq(fake_memory[PAGE_SIZE + 99], 0xff);
    ck_assert_uint_eq(fake_memory[PAGE_SIZE + 100], 0);
    /* A fault in the middle: the count says how far it came. */
    v->gpr[RCX] = 10;
    v->gpr[RDI] = GUEST_BASE + GUEST_SIZE - 8;
    run("\xf3\x66\x6d", 3); /* rep insw */
    ck_assert_uint_eq(fake_fault.vector, VEC_PF);
    ck_assert_int_eq(fake_fault.error, PFEC_WRITE);
    ck_assert_uint_eq(fake_fault.cr2, GUEST_BASE + GUEST_SIZE);
    ck_assert_uint_eq(v->gpr[RCX], 6);
    ck_assert_uint_eq(v->rip, GUEST_BASE);
}
END_TEST

START_TEST(cli_sti)
{
    RUN_FAULT("\xfa", VEC_GP, 0);
    v->pv->iopl = 1;
    RUN_OK("\xfa");
    RUN_OK("\xfb");
    ck_assert(v->rflags & FLAG_IF);
    v->pv->iopl = 0;
    v->domain->pv->vm_assist = 1ul << VMASST_TYPE_architectural_iopl;
    RUN_OK("\xfa");
}
END_TEST

START_TEST(refused)
{
    static const char gp[][4] = {
        "\xf4",         "\x0f\x08",     "\x0f\x33",     "\x0f\x35",     "\x0f\x07",
        "\x0f\x01\x10", "\x0f\x01\x18", "\x0f\x01\x38", "\x0f\x01\xf0", "\x0f\x01\xf8",
    };

    v->gpr[RAX] = GUEST_BASE;
    for (unsigned i = 0; i < ARRAY_SIZE(gp); i++) {
        run(gp[i], 3);
        ck_assert_msg(fake_fault.vector == VEC_GP && fake_fault.error == 0, "%u", i);
    }
    RUN_FAULT("\x0f\x00\xd0", VEC_GP, 0); /* lldt */
    RUN_FAULT("\x0f\x00\xd8", VEC_GP, 0); /* ltr */
    RUN_FAULT("\x0f\x01\xc1", VEC_UD, -1);
    RUN_FAULT("\x0f\x01\xd9", VEC_UD, -1);
    RUN_FAULT("\x0f\x01\xca", VEC_UD, -1);
    RUN_FAULT("\x90", VEC_UD, -1);
}
END_TEST

START_TEST(xcr0)
{
    v->gpr[RCX] = v->gpr[RDX] = 0;
    v->gpr[RAX] = 3;
    if (!v->domain->cpu_policy->xcr0_mask)
        return;
    RUN_FAULT("\x0f\x01\xd1", VEC_UD, -1); /* CR4.OSXSAVE is off */
    v->cr4 |= CR4_OSXSAVE;
    RUN_OK("\x0f\x01\xd1");
    RUN_OK("\x0f\x01\xd0");
    ck_assert_uint_eq(v->gpr[RAX], 3);
    v->gpr[RAX] = 2; /* without x87 */
    RUN_FAULT("\x0f\x01\xd1", VEC_GP, 0);
    v->gpr[RAX] = 5; /* AVX without SSE */
    RUN_FAULT("\x0f\x01\xd1", VEC_GP, 0);
    v->gpr[RAX] = 0x67; /* a part of AVX-512 */
    RUN_FAULT("\x0f\x01\xd1", VEC_GP, 0);
    v->gpr[RAX] = 0xe3; /* without AVX */
    RUN_FAULT("\x0f\x01\xd1", VEC_GP, 0);
    v->gpr[RAX] = 0x207; /* and PKRU */
    RUN_FAULT("\x0f\x01\xd1", VEC_GP, 0);
    v->gpr[RAX] = 3;
    v->gpr[RCX] = 7;
    RUN_FAULT("\x0f\x01\xd1", VEC_GP, 0);
    RUN_FAULT("\x0f\x01\xd0", VEC_GP, 0);
    v->gpr[RCX] = 0;
    v->user_mode = true;
    RUN_FAULT("\x0f\x01\xd1", VEC_GP, 0);
    RUN_OK("\x0f\x01\xd0");
}
END_TEST

START_TEST(tsc)
{
    uint64_t first;

    v->tsc_aux = 42;
    RUN_OK("\x0f\x31");
    first = v->gpr[RDX] << 32 | v->gpr[RAX];
    RUN_OK("\x0f\x31");
    ck_assert_uint_gt(v->gpr[RDX] << 32 | v->gpr[RAX], first);
    if (cpu_policy_has(v->domain->cpu_policy, CPU_RDTSCP)) {
        RUN_OK("\x0f\x01\xf9");
        ck_assert_uint_eq(v->gpr[RCX], 42);
    }
    v->cr4 |= CR4_TSD;
    RUN_OK("\x0f\x31");
    v->user_mode = true;
    RUN_FAULT("\x0f\x31", VEC_GP, 0);
}
END_TEST

START_TEST(segment_moves)
{
    fake_gdt()[3] = 0x12c0f2345678ffff;
    v->gpr[RAX] = 0xffff0000 | 3 << 3 | 3;
    RUN_OK("\x8e\xe0"); /* mov %eax, %fs */
    ck_assert_uint_eq(v->fs_base, 0x12345678);
    v->gpr[RBX] = ~0ul;
    RUN_OK("\x8c\xe3"); /* mov %fs, %ebx */
    ck_assert_uint_eq(v->gpr[RBX], 0x1b);
    v->gpr[RBX] = ~0ul;
    RUN_OK("\x66\x8c\xe3");
    ck_assert_uint_eq(v->gpr[RBX], 0xffffffffffff001b);
    uint64_t sp = v->gpr[RSP];

    RUN_OK("\x0f\xa0"); /* push %fs */
    ck_assert_uint_eq(v->gpr[RSP], sp - 8);
    RUN_OK("\x0f\xa9"); /* pop %gs */
    ck_assert_uint_eq(v->gpr[RSP], sp);
    ck_assert_uint_eq(v->gs_base, 0x12345678);
    v->gpr[RAX] = 9 << 3 | 3;
    RUN_FAULT("\x8e\xe0", VEC_GP, 9 << 3);
    RUN_FAULT("\x8e\xc8", VEC_UD, -1); /* cs */
    RUN_FAULT("\x06", VEC_UD, -1);
    v->gpr[RAX] = 0x500000;
    run("\x8e\x20", 2); /* mov (%rax), %fs */
    ck_assert_uint_eq(fake_fault.vector, VEC_PF);
    ck_assert_uint_eq(fake_fault.cr2, 0x500000);
}
END_TEST

START_TEST(lar_lsl_verr)
{
    fake_gdt()[3] = 0x0040f20000001234;
    fake_gdt()[4] = 0x00cff8000000ffff; /* execute only */
    v->gpr[RAX] = 3 << 3 | 3;
    RUN_OK("\x0f\x03\xd8"); /* lsl %eax, %ebx */
    ck_assert(v->rflags & FLAG_ZF);
    ck_assert_uint_eq(v->gpr[RBX], 0x1234);
    RUN_OK("\x0f\x02\xd8"); /* lar */
    ck_assert_uint_eq(v->gpr[RBX], 0x40f200);
    RUN_OK("\x0f\x00\xe0"); /* verr */
    ck_assert(v->rflags & FLAG_ZF);
    RUN_OK("\x0f\x00\xe8"); /* verw */
    ck_assert(v->rflags & FLAG_ZF);
    v->gpr[RAX] = 4 << 3 | 3;
    RUN_OK("\x0f\x00\xe0");
    ck_assert(!(v->rflags & FLAG_ZF));
    v->gpr[RAX] = 0xe008; /* Xen's: not for ring 3 */
    v->gpr[RBX] = 77;
    RUN_OK("\x0f\x03\xd8");
    ck_assert(!(v->rflags & FLAG_ZF));
    ck_assert_uint_eq(v->gpr[RBX], 77);
}
END_TEST

START_TEST(table_stores)
{
    v->gpr[RAX] = GUEST_BASE + 0x800;
    RUN_OK("\x0f\x01\x00"); /* sgdt (%rax) */
    ck_assert_uint_eq(fake_memory[0x800] | fake_memory[0x801] << 8, 0xefff);
    uint64_t base;

    memcpy(&base, fake_memory + 0x802, 8);
    ck_assert(base >= HYPERVISOR_VIRT_START && base < HYPERVISOR_VIRT_END);
    RUN_OK("\x0f\x01\xe3"); /* smsw %ebx */
    ck_assert_uint_eq(v->gpr[RBX], PV_CR0);
    RUN_OK("\x0f\x00\xc3"); /* sldt %ebx */
    ck_assert_uint_eq(v->gpr[RBX], 0);
    v->gpr[RAX] = 1ul << 47;
    RUN_FAULT("\x0f\x01\x00", VEC_GP, 0);
}
END_TEST

START_TEST(far_transfers)
{
    uint64_t sp = v->gpr[RSP];
    uint32_t *stack = (uint32_t *)(fake_memory + (sp - GUEST_BASE));

    /* lret to compatibility mode and back */
    stack[0] = GUEST_BASE + 0x100;
    stack[1] = FLAT_RING3_CS32;
    run("\xcb", 1);
    ck_assert_uint_eq(fake_fault.count, 0);
    ck_assert_uint_eq(v->rip, GUEST_BASE + 0x100);
    ck_assert_uint_eq(v->gpr[RSP], sp + 8);
    ck_assert(!(v->seg[SEG_CS].attr & SEG_ATTR_L));
    run("\xea\x00\x02\x01\x00\x33\xe0", 7); /* ljmp $0xe033, $0x10200 */
    ck_assert_uint_eq(fake_fault.count, 0);
    ck_assert_uint_eq(v->rip, 0x10200);
    ck_assert(v->seg[SEG_CS].attr & SEG_ATTR_L);
    /* to a data segment; to ring 0 */
    v->gpr[RSP] = sp;
    stack[1] = FLAT_RING3_DS32;
    RUN_FAULT("\xcb", VEC_GP, FLAT_RING3_DS32 & ~3);
    stack[1] = 0xe008;
    RUN_FAULT("\xcb", VEC_GP, 0xe008);
    stack[1] =
        FLAT_RING3_CS64 & ~3; /* a return can't go to an inner ring, even where the segment is ring 3's */
    RUN_FAULT("\xcb", VEC_GP, FLAT_RING3_CS64 & ~3);
    ck_assert_uint_eq(v->gpr[RSP], sp);
}
END_TEST

START_TEST(iret)
{
    uint64_t sp = v->gpr[RSP],
             frame[5] = {GUEST_BASE + 0x300, FLAT_RING3_CS64, 0x3fffff, GUEST_BASE + 0x4000, FLAT_RING3_SS64};
    uint8_t *stack = fake_memory + (sp - GUEST_BASE);

    memcpy(stack, frame, sizeof(frame));
    run("\x48\xcf", 2);
    ck_assert_uint_eq(fake_fault.count, 0);
    ck_assert_uint_eq(v->rip, frame[0]);
    ck_assert_uint_eq(v->gpr[RSP], frame[3]);
    ck_assert_uint_eq(v->rflags & (FLAG_IOPL | FLAG_VM), 0);
    ck_assert(v->rflags & FLAG_IF && v->rflags & FLAG_CF && v->rflags & FLAG_AC);
    v->rflags = FLAG_IF | 2;
    v->gpr[RSP] = sp;
    frame[4] = 0;
    memcpy(stack, frame, sizeof(frame));
    RUN_FAULT("\x48\xcf", VEC_GP, 0);
    frame[4] = FLAT_RING3_SS64;
    frame[0] = 1ul << 60;
    memcpy(stack, frame, sizeof(frame));
    RUN_FAULT("\x48\xcf", VEC_GP, 0);
    ck_assert_uint_eq(v->rflags, FLAG_IF | 2);
}
END_TEST

START_TEST(code_fetch)
{
    /* A page ends inside the instruction, and nothing is behind it. */
    memset(fake_memory, 0, GUEST_SIZE);
    fake_fault.count = 0;
    fake_memory[GUEST_SIZE - 1] = 0x0f;
    v->rip = GUEST_BASE + GUEST_SIZE - 1;
    pv_emulate(v);
    ck_assert_uint_eq(fake_fault.vector, VEC_PF);
    ck_assert_uint_eq(fake_fault.cr2, GUEST_BASE + GUEST_SIZE);
    ck_assert_int_eq(fake_fault.error, PFEC_FETCH);
    RUN_FAULT("\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x0f\xa2", VEC_GP, 0);
}
END_TEST

START_TEST(single_step)
{
    v->rflags |= FLAG_TF;
    run("\x0f\xa2", 2);
    ck_assert_uint_eq(fake_fault.vector, VEC_DB);
    ck_assert_uint_eq(v->rip, GUEST_BASE + 2);
    ck_assert(v->dr[6] & DR6_BS);
}
END_TEST

/* Whatever the bytes: at most one fault, and rip moves at most by the longest instruction unless it jumps. */
START_TEST(random_bytes)
{
    unsigned seed = (unsigned)_i * 7919 + 1;

    for (unsigned n = 0; n < 20000; n++) {
        uint8_t code[16];

        for (unsigned i = 0; i < sizeof(code); i++)
            code[i] = (uint8_t)(rand_r(&seed) >> 7);
        if (n % 4)
            code[0] = 0x0f;
        for (unsigned i = 0; i < 16; i++)
            v->gpr[i] = GUEST_BASE + (unsigned)rand_r(&seed) % GUEST_SIZE;
        v->user_mode = n & 16;
        v->pv->iopl = n >> 5 & 3;
        v->rflags = FLAG_IF | 2;
        v->seg[SEG_CS] = segment_flat(n & 64 ? FLAT_RING3_CS32 : FLAT_RING3_CS64);
        fake_code(code, sizeof(code));
        pv_emulate(v);
        ck_assert_uint_le(fake_fault.count, 1);
        if (fake_fault.count)
            ck_assert_uint_eq(v->rip, GUEST_BASE);
    }
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("emulate");

    tcase_add_checked_fixture(t, fake_cpu_setup, fake_cpu_teardown);
    tcase_add_test(t, cpuid_plain_and_forced);
    tcase_add_test(t, osxsave);
    tcase_add_test(t, msrs);
    tcase_add_test(t, control_registers);
    tcase_add_test(t, debug_registers);
    tcase_add_test(t, ports);
    tcase_add_test(t, port_bitmap);
    tcase_add_test(t, string_ports);
    tcase_add_test(t, cli_sti);
    tcase_add_test(t, refused);
    tcase_add_test(t, xcr0);
    tcase_add_test(t, tsc);
    tcase_add_test(t, segment_moves);
    tcase_add_test(t, lar_lsl_verr);
    tcase_add_test(t, table_stores);
    tcase_add_test(t, far_transfers);
    tcase_add_test(t, iret);
    tcase_add_test(t, code_fetch);
    tcase_add_test(t, single_step);
    tcase_add_loop_test(t, random_bytes, 0, 4);
    return suite_run("emulate", t);
}
