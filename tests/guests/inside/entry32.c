/* width: 64 32 */
// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The ways of a 32-bit system call: int 0x80 (from 32- and from 64-bit programs), and the vDSO's own way,
 * whichever of sysenter, syscall and int 0x80 the kernel chose; results, error codes and registers come
 * back as the ABI says. On a PV kernel each goes through a callback of the hypervisor's.
 */
#include "check.h"

#include <sys/auxv.h>
#include <sys/syscall.h>

enum { NR32_WRITE = 4, NR32_GETPID = 20, NR32_GETPPID = 64, NR32_NONE = 4000 };

static long int80(long number, long a, long b, long c)
{
    long result;

    __asm__ volatile("int $0x80"
                     : "=a"(result)
                     : "a"(number), "b"(a), "c"(b), "d"(c)
                     : "memory"
#ifdef __x86_64__
                       ,
                       "r8", "r9", "r10", "r11"
#endif
    );
    return (int)result;
}

#ifndef __x86_64__
static long by_vdso(long number, long a, long b, long c)
{
    unsigned long entry = getauxval(AT_SYSINFO);
    long result;

    __asm__ volatile("call *%1" : "=a"(result) : "m"(entry), "0"(number), "b"(a), "c"(b), "d"(c) : "memory");
    return result;
}

/* Every register that the ABI keeps has to be kept; six arguments have to arrive. */
static void test_registers(void)
{
    unsigned long entry = getauxval(AT_SYSINFO), si = 0x13572468, di = 0x24681357, bx = 0x1, cx = 0x11112222,
                  dx = 0x33334444;
    unsigned long bp_before, bp_after, number = NR32_GETPID;

    for (int i = 0; i < 1000; i++) {
        __asm__ volatile("mov %%ebp, %6\n push %8\n call *(%%esp)\n add $4, %%esp\n mov %%ebp, %7"
                         : "+a"(number), "+b"(bx), "+c"(cx), "+d"(dx), "+S"(si), "+D"(di), "=m"(bp_before),
                           "=m"(bp_after)
                         : "m"(entry)
                         : "memory");
        CHECK_EQ(number, (unsigned long)getpid());
        CHECK(si == 0x13572468 && di == 0x24681357 && bx == 1 && cx == 0x11112222 && dx == 0x33334444);
        CHECK_EQ(bp_before, bp_after);
        number = NR32_GETPID;
    }
    unsigned char *p = map_pages(1, PROT_READ | PROT_WRITE);

    p[0] = 7;
    CHECK(syscall(SYS_mmap2, p, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == (long)p);
    CHECK_EQ(p[0], 0);
}
#endif

int main(void)
{
    int ends[2];
    char text[8] = "";
    long low;

#ifndef __x86_64__
    low = (long)map_pages(1, PROT_READ | PROT_WRITE);
#else
    low = (long)mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
    CHECK(low > 0 && low < 0x100000000);
    errno = 0;
    if (int80(NR32_GETPID, 0, 0, 0) == -ENOSYS)
        SKIP("this kernel has no 32-bit system calls");
#endif
    CHECK(pipe(ends) == 0);
    memcpy((void *)low, "hello", 5);
    for (int i = 0; i < 1000; i++) {
        CHECK_EQ(int80(NR32_GETPID, 0, 0, 0), getpid());
        CHECK_EQ(int80(NR32_GETPPID, 0, 0, 0), getppid());
        CHECK_EQ(int80(NR32_WRITE, ends[1], low, 5), 5);
        CHECK(read(ends[0], text, 8) == 5 && memcmp(text, "hello", 5) == 0);
        CHECK_EQ(int80(NR32_WRITE, 999, low, 5), -EBADF);
        CHECK_EQ(int80(NR32_WRITE, ends[1], 8, 5), -EFAULT);
        CHECK_EQ(int80(NR32_NONE, 0, 0, 0), -ENOSYS);
#ifndef __x86_64__
        CHECK_EQ(by_vdso(NR32_GETPID, 0, 0, 0), getpid());
        CHECK_EQ(by_vdso(NR32_WRITE, 999, low, 5), -EBADF);
        CHECK_EQ(by_vdso(NR32_NONE, 0, 0, 0), -ENOSYS);
#endif
    }
#ifndef __x86_64__
    test_registers();
#endif
    return 0;
}
