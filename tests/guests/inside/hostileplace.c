/* width: 64 */
// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Where a hypervisor that runs user code directly keeps its own a program doesn't learn where other programs
 * have their memory. A hypervisor fails here that shows one program the orders that it gives for another
 * (hostile.c has the rest).
 */
#include "hostile.h"

#include <sys/syscall.h>

#define PLACE      0x4f0000000000ul /* STUB_CODE, and what may follow it */
#define PLACE_SIZE 0x10000ul

/* ---- what others have ---- */

enum { SECRET_PAGES = 256 };

/* Where the other program has its pages; only the complement is ever in one of the finder's registers. */
static uint64_t base_not;
static unsigned char place_copy[PLACE_SIZE];

static void secretive(uintptr_t unused)
{
    unsigned char *base = (unsigned char *)~base_not;

    (void)unused;
    CHECK(mmap(base, SECRET_PAGES * (size_t)PAGE, PROT_READ | PROT_WRITE,
               MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) == base);
    for (int round = 0; round < 30; round++) {
        for (int i = 0; i < SECRET_PAGES; i += 2)
            base[i * PAGE] = 1;
        for (int i = 0; i < SECRET_PAGES; i += 2)
            CHECK(mprotect(base + i * PAGE, PAGE, PROT_READ) == 0);
        for (int i = 0; i < SECRET_PAGES; i += 2)
            CHECK(mprotect(base + i * PAGE, PAGE, PROT_READ | PROT_WRITE) == 0);
        compute();
        CHECK(madvise(base, SECRET_PAGES * (size_t)PAGE, MADV_DONTNEED) == 0);
    }
}

static void trial_copy(uintptr_t to, uintptr_t from)
{
    memcpy((void *)to, (const void *)from, PAGE);
}

static void inquisitive(uintptr_t unused)
{
    (void)unused;
    trials_begin();
    for (int round = 0; round < 20; round++) {
        for (uintptr_t i = 0; i < PLACE_SIZE; i += PAGE)
            trial_run(trial_copy, (uintptr_t)place_copy + i, PLACE + i);
        for (uintptr_t i = 0; i + 8 <= PLACE_SIZE; i++) {
            uint64_t word;

            memcpy(&word, place_copy + i, 8);
            if ((~word ^ base_not) >> 20 == 0)
                FAIL("where another program has its memory is at %#lx", (long)(PLACE + i));
        }
        usleep(2000);
    }
}

static void find_memory(void)
{
    base_not = ~(0x300000000000ul + (__builtin_ia32_rdtsc() * 0x9e3779b97f4a7c15ul >> 44 << 20));
    for (int round = 0; round < 3; round++) {
        pid_t other = fork();

        CHECK(other >= 0);
        if (other == 0) {
            ATTACK(secretive, 0, 60);
            _exit(0);
        }
        ATTACK(inquisitive, 0, 60);
        CHECK_EQ(child_status(other), 0);
        ATTACK(inquisitive, 0, 60);
    }
}

int main(void)
{
    witness_begin();
    find_memory();
    witness_end();
    return 0;
}
