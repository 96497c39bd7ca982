/* width: 64 32 */
// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Segments of a program's own: LDT entries, TLS slots of the GDT, FS and GS bases, each a task's own across
 * switches. On a PV kernel each goes through update_descriptor, set_segment_base or the LDT operations of
 * mmuext_op.
 */
#include "check.h"

#include <sched.h>
#include <sys/syscall.h>

/*
 * As Linux's asm/ldt.h and asm/prctl.h have them; musl's compiler wrapper doesn't see the kernel's headers.
 */
struct user_desc {
    unsigned entry_number, base_addr, limit;
    unsigned seg_32bit : 1, contents : 2, read_exec_only : 1, limit_in_pages : 1, seg_not_present : 1,
        useable : 1, lm : 1;
};

enum { ARCH_SET_GS = 0x1001, ARCH_GET_GS = 0x1004 };

static void make_ldt(unsigned entry, uintptr_t base, unsigned limit)
{
    struct user_desc d = {
        .entry_number = entry, .base_addr = (unsigned)base, .limit = limit, .seg_32bit = 1, .useable = 1};

    CHECK(syscall(SYS_modify_ldt, 1, &d, sizeof(d)) == 0);
}

/* Through the segment register that the C library leaves alone: GS in 64-bit programs, FS in 32-bit ones. */
static uint32_t read_by_selector(unsigned selector, uint32_t offset)
{
    uint32_t value;

#ifdef __x86_64__
    __asm__ volatile("mov %%gs, %%ecx\n mov %1, %%gs\n mov %%gs:(%q2), %0\n mov %%ecx, %%gs"
                     : "=&r"(value)
                     : "r"(selector), "r"((uint64_t)offset)
                     : "ecx");
#else
    __asm__ volatile("mov %%fs, %%ecx\n mov %1, %%fs\n mov %%fs:(%2), %0\n mov %%ecx, %%fs"
                     : "=&r"(value)
                     : "r"(selector), "r"(offset)
                     : "ecx");
#endif
    return value;
}

#ifdef __x86_64__
static void test_bases(void)
{
    static uint64_t words[64];
    unsigned long base;

    for (unsigned i = 0; i < 64; i++)
        words[i] = i * 0x0101010101010101u;
    for (unsigned i = 0; i < 64; i++) {
        uint64_t value;

        CHECK(syscall(SYS_arch_prctl, ARCH_SET_GS, &words[i]) == 0);
        sched_yield();
        __asm__ volatile("mov %%gs:0, %0" : "=r"(value));
        CHECK_EQ(value, words[i]);
        CHECK(syscall(SYS_arch_prctl, ARCH_GET_GS, &base) == 0);
        CHECK_EQ(base, (uintptr_t)&words[i]);
    }
    errno = 0;
    CHECK(syscall(SYS_arch_prctl, ARCH_SET_GS, 0xffff800000000000u) == -1 && errno == EPERM);
}
#endif

int main(void)
{
#ifdef __x86_64__
    int low = MAP_32BIT; /* the LDT's bases have 32 bits */

    test_bases();
#else
    int low = 0;
#endif
    uint32_t *data = mmap(NULL, 16 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | low, -1, 0);

    CHECK(data != MAP_FAILED);
    for (uint32_t i = 0; i < 16 * PAGE / 4; i++)
        data[i] = i * 3 + 1;
    errno = 0;
    if (syscall(SYS_modify_ldt, 0, data + 8 * PAGE / 4, 64) == -1 && errno == ENOSYS)
        SKIP("this kernel has no modify_ldt");
    for (uint32_t i = 0; i < 16 * PAGE / 4; i++)
        data[i] = i * 3 + 1;
    for (unsigned entry = 0; entry < 600; entry += 37) {
        uint32_t shift = entry * 8;

        make_ldt(entry, (uintptr_t)data + shift, 0xfffff);
        for (uint32_t offset = 0; offset < 256; offset += 20)
            CHECK_EQ(read_by_selector(entry << 3 | 7, offset), (shift + offset) / 4 * 3 + 1);
    }
    /* A child has a copy; what it changes is its own. */
    for (int i = 0; i < 8; i++) {
        pid_t child = fork();

        CHECK(child >= 0);
        if (child == 0) {
            CHECK_EQ(read_by_selector(37 << 3 | 7, 0), 37 * 8 / 4 * 3 + 1);
            make_ldt(37, (uintptr_t)data + 4, 0xfffff);
            sched_yield();
            CHECK_EQ(read_by_selector(37 << 3 | 7, 0), 4);
            _exit(0);
        }
        CHECK_EQ(read_by_selector(37 << 3 | 7, 0), 37 * 8 / 4 * 3 + 1);
        CHECK_EQ(child_status(child), 0);
    }
    return 0;
}
