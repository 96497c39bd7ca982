/* width: 64 32 */
// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * I/O ports are a program's only where ioperm() or iopl() gave them to it: each port of the bitmap by itself,
 * wider accesses only if all their ports are; children have a copy. What a port answers is not asked. A PV
 * kernel keeps the bitmap in the hypervisor, which must look at it for each task.
 */
#include "check.h"

#include <setjmp.h>
#include <signal.h>
#include <sys/io.h>

enum { PORT = 0x80 }; /* of the power-on self test, which nothing minds */

static sigjmp_buf escape;

static void on_fault(int number)
{
    (void)number;
    siglongjmp(escape, 1);
}

enum access { IN8, IN16, IN32, OUT8 };

static int faults(enum access access, int port)
{
    int eax = 0;

    if (sigsetjmp(escape, 1))
        return 1;
    switch (access) {
    case IN8:
        __asm__ volatile("inb %%dx, %%al" : "+a"(eax) : "d"(port));
        break;
    case IN16:
        __asm__ volatile("inw %%dx, %%ax" : "+a"(eax) : "d"(port));
        break;
    case IN32:
        __asm__ volatile("inl %%dx, %%eax" : "+a"(eax) : "d"(port));
        break;
    case OUT8:
        __asm__ volatile("outb %%al, %%dx" : "+a"(eax) : "d"(port));
        break;
    }
    return 0;
}

static void expect_only(int given)
{
    CHECK_EQ(faults(IN8, PORT), !given);
    CHECK_EQ(faults(OUT8, PORT), !given);
    CHECK_EQ(faults(IN8, PORT + 1), 1);
    CHECK_EQ(faults(IN8, PORT - 1), 1);
    CHECK_EQ(faults(IN16, PORT), 1);
    CHECK_EQ(faults(IN32, PORT - 3), 1);
}

int main(void)
{
    signal(SIGSEGV, on_fault);
    if (geteuid() != 0 || (ioperm(PORT, 1, 1) != 0 && (errno == EPERM || errno == ENOSYS)))
        SKIP("this kernel gives nobody I/O ports, or not to us");
    for (int round = 0; round < 20; round++) {
        CHECK(ioperm(PORT, 1, 1) == 0);
        expect_only(1);
        pid_t child = fork();

        CHECK(child >= 0);
        if (child == 0) {
            expect_only(1);
            CHECK(ioperm(PORT, 1, 0) == 0);
            expect_only(0);
            _exit(0);
        }
        CHECK_EQ(child_status(child), 0);
        expect_only(1);
        CHECK(ioperm(PORT + 1, 3, 1) == 0);
        CHECK_EQ(faults(IN16, PORT), 0);
        CHECK_EQ(faults(IN32, PORT), 0);
        CHECK_EQ(faults(IN32, PORT + 1), 1); /* the last of the four isn't ours */
        CHECK(ioperm(PORT, 4, 0) == 0);
        expect_only(0);
        CHECK(iopl(3) == 0);
        CHECK_EQ(faults(IN8, PORT + 1) | faults(IN16, PORT) | faults(IN32, PORT - 3), 0);
        CHECK(iopl(0) == 0);
        expect_only(0);
    }
    return 0;
}
