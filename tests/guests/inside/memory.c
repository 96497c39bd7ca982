/* width: 64 32 */
// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * mmap, mprotect, mremap, munmap and madvise change what memory says exactly as they should, and only
 * there. A hypervisor that keeps a stale translation (a TLB entry, a shadow) returns old contents, or lets
 * a write through that the page tables forbid.
 */
#include "check.h"

#include <setjmp.h>
#include <signal.h>

static sigjmp_buf escape;
static volatile uintptr_t fault_address;

static void on_fault(int number, siginfo_t *info, void *context)
{
    (void)number;
    (void)context;
    fault_address = (uintptr_t)info->si_addr;
    siglongjmp(escape, 1);
}

/* Does an access fault, at that very address? */
static int faults(volatile unsigned char *at, int write)
{
    fault_address = 0;
    if (sigsetjmp(escape, 1)) {
        CHECK_EQ(fault_address, (uintptr_t)at);
        return 1;
    }
    if (write)
        *at = 0x5a;
    else
        (void)*at;
    return 0;
}

static void fill(unsigned char *p, size_t pages, unsigned tag)
{
    for (size_t i = 0; i < pages * PAGE; i++)
        p[i] = (unsigned char)(i * 7 + i / PAGE + tag);
}

static int filled(const unsigned char *p, size_t pages, unsigned tag)
{
    for (size_t i = 0; i < pages * PAGE; i++)
        if (p[i] != (unsigned char)(i * 7 + i / PAGE + tag))
            return 0;
    return 1;
}

static void test_protection(void)
{
    unsigned char *p = map_pages(8, PROT_READ | PROT_WRITE);

    fill(p, 8, 1);
    CHECK(mprotect(p + 2 * PAGE, 2 * PAGE, PROT_READ) == 0);
    CHECK(mprotect(p + 5 * PAGE, PAGE, PROT_NONE) == 0);
    for (int i = 0; i < 8; i++) {
        CHECK_EQ(faults(p + i * PAGE + 100, 0), i == 5);
        if (i == 2 || i == 3 || i == 5)
            CHECK_EQ(faults(p + i * PAGE + 100, 1), 1);
    }
    /* Back and forth many times: each change has to take at once. */
    for (int i = 0; i < 200; i++) {
        CHECK(mprotect(p, PAGE, i & 1 ? PROT_READ : PROT_READ | PROT_WRITE) == 0);
        CHECK_EQ(faults(p + (i * 61) % PAGE, 1), i & 1);
    }
    CHECK(mprotect(p, 8 * PAGE, PROT_READ | PROT_WRITE) == 0);
    fill(p, 1, 1);
    CHECK(filled(p, 8, 1));
    /* A write that straddles into a read-only page changes neither side. */
    CHECK(mprotect(p + PAGE, PAGE, PROT_READ) == 0);
    if (!sigsetjmp(escape, 1)) {
        *(volatile uint32_t *)(void *)(p + PAGE - 2) = 0;
        CHECK(!"a store into a read-only page went through");
    }
    CHECK(filled(p, 8, 1));
    CHECK(munmap(p + 3 * PAGE, PAGE) == 0);
    CHECK_EQ(faults(p + 3 * PAGE, 0), 1);
    CHECK(munmap(p, 8 * PAGE) == 0);
    CHECK_EQ(faults(p, 0), 1);
}

static void test_mremap(void)
{
    unsigned char *p = map_pages(64, PROT_READ | PROT_WRITE), *q;

    fill(p, 64, 2);
    for (int i = 0; i < 16; i++) {
        q = mremap(p, 64 * PAGE, 64 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, map_pages(64, PROT_NONE));
        CHECK(q != MAP_FAILED);
        CHECK_EQ(faults(p + 10, 0), 1);
        CHECK(filled(q, 64, 2));
        p = q;
    }
    q = mremap(p, 64 * PAGE, 256 * PAGE, MREMAP_MAYMOVE);
    CHECK(q != MAP_FAILED);
    CHECK(filled(q, 64, 2));
    for (int i = 64 * PAGE; i < 256 * PAGE; i += 512)
        CHECK_EQ(q[i], 0);
    q = mremap(q, 256 * PAGE, PAGE, 0);
    CHECK(filled(q, 1, 2));
    CHECK_EQ(faults(q + PAGE, 0), 1);
}

static void test_fixed_and_dontneed(void)
{
    unsigned char *p = map_pages(32, PROT_READ | PROT_WRITE);

    for (unsigned i = 0; i < 100; i++) {
        fill(p, 32, i);
        CHECK(mmap(p + 8 * PAGE, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
                   -1, 0) == p + 8 * PAGE);
        CHECK(madvise(p + 20 * PAGE, 4 * PAGE, MADV_DONTNEED) == 0);
        for (size_t k = 0; k < 4 * PAGE; k += 64) {
            CHECK_EQ(p[8 * PAGE + k], 0);
            CHECK_EQ(p[20 * PAGE + k], 0);
        }
        CHECK_EQ(p[7 * PAGE + 5], (unsigned char)((7 * PAGE + 5) * 7 + 7 + i));
        CHECK_EQ(p[12 * PAGE], (unsigned char)(12 * PAGE * 7 + 12 + i));
    }
}

static void test_copy_on_write(void)
{
    unsigned char *private = map_pages(128, PROT_READ | PROT_WRITE);
    unsigned char *shared = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    CHECK(shared != MAP_FAILED);
    fill(private, 128, 3);
    for (int i = 0; i < 8; i++) {
        pid_t child = fork();

        CHECK(child >= 0);
        if (child == 0) {
            CHECK(filled(private, 128, 3));
            fill(private, 128, 100 + (unsigned)i);
            CHECK(filled(private, 128, 100 + (unsigned)i));
            shared[i] = (unsigned char)(i + 1);
            _exit(0);
        }
        /* Both sides write at once; neither sees the other's. */
        fill(private, 64, 3);
        CHECK_EQ(child_status(child), 0);
        CHECK(filled(private, 128, 3));
        CHECK_EQ(shared[i], i + 1);
    }
}

static void test_random_pages(void)
{
    enum { PAGES = 512 };
    static unsigned char mirror[PAGES], writable[PAGES];
    unsigned char *p = map_pages(PAGES, PROT_READ | PROT_WRITE);
    uint32_t state = 12345;

    memset(writable, 1, sizeof(writable));
    for (int i = 0; i < 20000; i++) {
        unsigned page = random_next(&state) % PAGES, what = random_next(&state) % 8;
        unsigned char *at = p + page * PAGE + 8 * (page % 512);

        if (what == 0) {
            writable[page] ^= 1;
            CHECK(mprotect(p + page * PAGE, PAGE, writable[page] ? PROT_READ | PROT_WRITE : PROT_READ) == 0);
        } else if (what < 4) {
            if (!writable[page]) {
                CHECK_EQ(faults(at, 1), 1);
            } else {
                *at = mirror[page] = (unsigned char)i;
            }
        } else {
            CHECK_EQ(*at, mirror[page]);
        }
    }
}

int main(void)
{
    struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};

    CHECK(sigaction(SIGSEGV, &action, NULL) == 0);
    test_protection();
    test_mremap();
    test_fixed_and_dontneed();
    test_copy_on_write();
    test_random_pages();
    return 0;
}
