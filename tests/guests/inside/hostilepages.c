/* width: 64 32 */
// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Pages that are taken away from a thread which is writing to them, in a loop and on another vCPU if there is
 * one: by munmap, mprotect, MADV_DONTNEED, mremap, fork and the end of a file. When the call has returned no
 * write arrives any more: neither where the page was, nor at the page's next owner, nor in a child's copy. A
 * hypervisor that lets a program use a mapping for a while after its kernel has flushed it fails here.
 */
#include "hostile.h"

#include <pthread.h>
#include <sched.h>

/*
 * The writer's page is at a fixed place, which is the writer's to write to and this program's to take
 * away.
 */
static unsigned char *page;

enum writing { BYTE, LOCKED, STRING, DOWNWARDS, WRITINGS };

static volatile unsigned stop;
static volatile unsigned long passes, faults;

/*
 * Writes 0xa5 all over the page, in one of the ways that there are. Goes on until it faults or is told to
 * stop.
 */
static void trial_storm(uintptr_t at, uintptr_t how)
{
    unsigned char *p = (unsigned char *)at;

    while (!stop) {
        passes++;
        switch (how) {
        case BYTE:
            for (unsigned i = 0; i < PAGE; i += 8)
                *(volatile unsigned char *)(p + i) = 0xa5;
            break;
        case LOCKED:
            for (unsigned i = 0; i < PAGE; i += 8)
                __atomic_exchange_n((uint32_t *)(void *)(p + i), 0xa5a5a5a5, __ATOMIC_SEQ_CST);
            break;
        case STRING: {
            void *to = p;
            size_t count = PAGE;

            __asm__ volatile("rep stosb" : "+D"(to), "+c"(count) : "a"(0xa5) : "memory");
            break;
        }
        default: /* like a stack */
            for (unsigned i = PAGE; i >= 64; i -= 64)
                memset(p + i - 64, 0xa5, 64);
            break;
        }
    }
}

static void *writer(void *how)
{
    trials_begin();
    while (!stop)
        if (!trial_run(trial_storm, (uintptr_t)page, (uintptr_t)how))
            faults++;
    return NULL;
}

/* Until the writer has written to the page again. */
static void writer_wait(void)
{
    unsigned long before = passes;

    while (passes - before < 3)
        sched_yield();
}

/* The page isn't written to: as it is now it stays for a while. */
static void still(const unsigned char *p, const char *after)
{
    static unsigned char copy[PAGE];

    memcpy(copy, p, PAGE);
    for (unsigned round = 0; round < 20; round++) {
        for (unsigned i = 0; i < PAGE; i++)
            if (*(volatile const unsigned char *)(p + i) != copy[i])
                FAIL("a write to byte %u arrived after %s", i, after);
        if (round == 10)
            sched_yield(); /* to the writer, if it has no CPU of its own */
    }
}

/*
 * Frames that have just become free get new owners: pages of this process and, by way of a pipe, of its
 * kernel's. None of them may get a write of the writer's.
 */
static void new_owners(const char *after)
{
    enum { OWNERS = 16 };
    unsigned char *p = map_pages(OWNERS, PROT_READ | PROT_WRITE);
    static unsigned char out[PAGE], in[PAGE];
    int ends[2];

    memset(p, 0x3c, OWNERS * PAGE);
    memset(out, 0xc3, PAGE);
    CHECK(pipe(ends) == 0);
    CHECK(write(ends[1], out, PAGE) == PAGE);
    for (unsigned round = 0; round < 4; round++) {
        for (unsigned i = 0; i < OWNERS * PAGE; i++)
            if (*(volatile unsigned char *)(p + i) != 0x3c)
                FAIL("after %s the page's next owner got a write", after);
        if (round == 2)
            sched_yield();
    }
    CHECK(read(ends[0], in, PAGE) == PAGE);
    CHECK(memcmp(in, out, PAGE) == 0);
    close(ends[0]);
    close(ends[1]);
    munmap(p, OWNERS * PAGE);
}

static void page_again(void)
{
    CHECK(mmap(page, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == page);
}

static void take_unmap(void)
{
    CHECK(munmap(page, PAGE) == 0);
    new_owners("munmap");
    page_again();
}

static void take_protect(void)
{
    CHECK(mprotect(page, PAGE, PROT_READ) == 0);
    still(page, "mprotect");
    CHECK(mprotect(page, PAGE, PROT_READ | PROT_WRITE) == 0);
}

static void take_content(void)
{
    CHECK(madvise(page, PAGE, MADV_DONTNEED) == 0);
    new_owners("MADV_DONTNEED");
}

static void take_away(void)
{
    static unsigned char *elsewhere;

    if (!elsewhere)
        elsewhere = map_pages(1, PROT_NONE);
    CHECK(mremap(page, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, elsewhere) == elsewhere);
    still(elsewhere, "mremap");
    page_again();
}

static void take_over(void)
{
    page_again();
    new_owners("mmap over it");
}

static void take_copy(void)
{
    pid_t child = fork();

    CHECK(child >= 0);
    if (child == 0) {
        still(page, "fork");
        _exit(0);
    }
    CHECK_EQ(child_status(child), 0);
}

static void take_file(void)
{
    static int file = -1;

    if (file < 0) {
        file = memfd_create("page", 0);
        CHECK(file >= 0);
    }
    CHECK(ftruncate(file, PAGE) == 0);
    CHECK(mmap(page, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, file, 0) == page);
    writer_wait();
    CHECK(ftruncate(file, 0) == 0);
    new_owners("ftruncate");
    page_again();
}

static void attack_pages(uintptr_t how)
{
    static void (*const takes[])(void) = {take_unmap, take_protect, take_content, take_away,
                                          take_over,  take_copy,    take_file};
    pthread_t thread;

    page = map_pages(1, PROT_READ | PROT_WRITE);
    trials_begin();
    CHECK(pthread_create(&thread, NULL, writer, (void *)how) == 0);
    for (int round = 0; round < 25; round++) {
        for (size_t i = 0; i < sizeof(takes) / sizeof(takes[0]); i++) {
            writer_wait();
            takes[i]();
        }
    }
    stop = 1;
    CHECK(pthread_join(thread, NULL) == 0);
    CHECK(faults > 0 || sysconf(_SC_NPROCESSORS_ONLN) == 1); /* with one CPU it is a matter of luck */
}

int main(void)
{
    witness_begin();
    for (uintptr_t how = 0; how < WRITINGS; how++)
        ATTACK(attack_pages, how, 60);
    witness_end();
    return 0;
}
