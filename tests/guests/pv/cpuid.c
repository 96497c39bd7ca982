// SPDX-License-Identifier: MIT
/*
 * CPUID, native and with the forced-emulation prefix: both work, the second shows the hypervisor's leaves,
 * and what is shown agrees with what the guest can do.
 */
#include "pvtest.h"

struct leaf {
    uint32_t a, b, c, d;
};

static struct leaf cpuid(uint32_t leaf, uint32_t sub)
{
    struct leaf r;

    __asm__ volatile("cpuid" : "=a"(r.a), "=b"(r.b), "=c"(r.c), "=d"(r.d) : "0"(leaf), "2"(sub));
    return r;
}

/* ud2; "xen"; cpuid: xen/arch-x86/xen.h, XEN_CPUID. */
static struct leaf cpuid_forced(uint32_t leaf, uint32_t sub)
{
    struct leaf r;

    __asm__ volatile(".byte 0x0f, 0x0b, 0x78, 0x65, 0x6e; cpuid"
                     : "=a"(r.a), "=b"(r.b), "=c"(r.c), "=d"(r.d)
                     : "0"(leaf), "2"(sub));
    return r;
}

static void xgetbv(void *arg)
{
    uint32_t a, d;

    __asm__ volatile("xgetbv" : "=a"(a), "=d"(d) : "c"(0));
    *(uint64_t *)arg = (uint64_t)d << 32 | a;
}

static void forced_other(void *arg)
{
    (void)arg;
    __asm__ volatile(".byte 0x0f, 0x0b, 0x78, 0x65, 0x6e; nop");
}

void guest_main(void)
{
    struct leaf xen = cpuid_forced(0x40000000, 0), one = cpuid_forced(1, 0), native = cpuid(1, 0);
    char signature[13] = {0};
    uint64_t xcr0 = 0;
    struct trap_frame f;

    memcpy(signature, &xen.b, 4);
    memcpy(signature + 4, &xen.c, 4);
    memcpy(signature + 8, &xen.d, 4);
    check(!memcmp(signature, "XenVMMXenVMM", 12), "signature '%s'", signature);
    check(xen.a >= 0x40000002 && xen.a < 0x40000100, "highest hypervisor leaf %x", xen.a);
    check_eq(cpuid_forced(0x40000001, 0).a >> 16, 4, "version 4.x");
    check_eq(hc_xen_version(XENVER_version, NULL), cpuid_forced(0x40000001, 0).a, "as the hypercall says");

    /* The initial APIC id in ebx may differ from look to look on real hardware; features may not. */
    /* Nor need OSXSAVE: Xen shows a kernel that asks by the prefix more than CR4 says. */
    check(((one.c ^ native.c) & ~(1U << 27)) == 0 && one.d == native.d, "leaf 1 native %x %x, forced %x %x",
          native.c, native.d, one.c, one.d);
    check(one.c >> 31, "the hypervisor bit");
    check((one.d & 0x07808111) == 0x07808111, "fpu, tsc, cx8, cmov, mmx, fxsr, sse, sse2: %x", one.d);
    check(cpuid(0x80000001, 0).d >> 29 & 1, "long mode");
    check(cpuid(0x80000001, 0).d >> 11 & 1, "syscall");
    check_eq(cpuid(0x80000008, 0).a >> 8 & 0xff, 48, "48 bits of virtual address");

    if (one.c >> 26 & 1) { /* XSAVE */
        uint64_t cr4;

        __asm__ volatile("mov %%cr4, %0" : "=r"(cr4));
        __asm__ volatile("mov %0, %%cr4" : : "r"(cr4 | 1UL << 18));
        check(cpuid_forced(1, 0).c >> 27 & 1, "OSXSAVE in CPUID when CR4 says so");
        if (one.c >> 28 & 1) /* AVX: xcr0 starts without it */
            __asm__ volatile("xsetbv" : : "a"(7), "d"(0), "c"(0));
        check(!trap_catch(xgetbv, &xcr0, &f), "xgetbv");
        check((xcr0 & 3) == 3, "xcr0 %lx", xcr0);
        check(!(one.c >> 28 & 1) || (xcr0 & 4), "AVX in CPUID, not in xcr0");
        check((xcr0 & ~(uint64_t)cpuid(0xd, 0).a) == 0, "xcr0 %lx beyond leaf 0xd's %x", xcr0,
              cpuid(0xd, 0).a);
    }
    raises(forced_other, NULL, 6, 0, "the prefix before another instruction");
}
