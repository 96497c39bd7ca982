/* width: 64 */
// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Memory under pressure: pages that KSM merged and writes part again, pages that compaction and move_pages()
 * migrate while they are being written and run, and, where there is swap, far more pages than fit. What is in
 * a page stays in it. A PV kernel moves pages by rewriting page tables behind the program's back; a
 * hypervisor that keeps a stale translation loses writes.
 *
 *   pressure [MEGABYTES]    how much to write to, more than fits; without, only merging and migration
 */
#include "check.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/syscall.h>

/* As linux/mempolicy.h has it. */
enum { MOVE = 1 << 1 };

static int tell(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY);

    if (fd < 0)
        return 0;
    ssize_t written = write(fd, text, strlen(text));

    close(fd);
    return written == (ssize_t)strlen(text);
}

static long ask(const char *path)
{
    long value = -1;
    FILE *file = fopen(path, "r");

    if (file) {
        if (fscanf(file, "%ld", &value) != 1)
            value = -1;
        fclose(file);
    }
    return value;
}

/* A page's contents by its number and generation; every word is checked. */
static void page_fill(void *page, uint32_t number)
{
    uint64_t *words = page;

    for (uint64_t i = 0; i < PAGE / 8; i++)
        words[i] = number * 0x9e3779b97f4a7c15u + i;
}

static void page_check(const void *page, uint32_t number)
{
    const uint64_t *words = page;

    for (uint64_t i = 0; i < PAGE / 8; i++)
        if (words[i] != number * 0x9e3779b97f4a7c15u + i)
            FAIL("page %u word %u is %#lx", number, (unsigned)i, (long)words[i]);
}

/* Many equal pages; merged; written to, each to its own value; none changes another. */
static void test_merging(void)
{
    enum { PAGES = 2000, KINDS = 5 };
    unsigned char *p = map_pages(PAGES, PROT_READ | PROT_WRITE);

    if (!tell("/sys/kernel/mm/ksm/run", "1"))
        return;
    CHECK(tell("/sys/kernel/mm/ksm/sleep_millisecs", "2") &&
          tell("/sys/kernel/mm/ksm/pages_to_scan", "5000"));
    CHECK(madvise(p, PAGES * PAGE, MADV_MERGEABLE) == 0);
    for (unsigned round = 0; round < 2; round++) {
        uint64_t limit = monotonic_ns() + 30000000000u;

        for (unsigned i = 0; i < PAGES; i++)
            page_fill(p + i * PAGE, i % KINDS);
        while (ask("/sys/kernel/mm/ksm/pages_sharing") < PAGES * 3 / 4 && monotonic_ns() < limit)
            usleep(10000);
        CHECK(ask("/sys/kernel/mm/ksm/pages_sharing") >= PAGES * 3 / 4);
        for (unsigned i = 0; i < PAGES; i++)
            page_check(p + i * PAGE, i % KINDS);
        for (unsigned i = 0; i < PAGES; i += 2)
            page_fill(p + i * PAGE, 1000 + i);
        for (unsigned i = 0; i < PAGES; i++)
            page_check(p + i * PAGE, i % 2 ? i % KINDS : 1000 + i);
    }
    CHECK(tell("/sys/kernel/mm/ksm/run", "2")); /* all parted again */
    for (unsigned i = 0; i < PAGES; i++)
        page_check(p + i * PAGE, i % 2 ? i % KINDS : 1000 + i);
    CHECK(munmap(p, PAGES * PAGE) == 0);
}

static volatile int moving_over;

/*
 * Holes all over memory make work for compaction; pages are asked to move, and all of memory to be
 * compacted.
 */
static void *keep_moving(void *argument)
{
    enum { BATCH = 64 };
    unsigned char *p = argument;

    for (unsigned round = 0; round < 12; round++) {
        void *pages[BATCH];
        int nodes[BATCH], status[BATCH];

        tell("/proc/sys/vm/compact_memory", "1");
        for (unsigned i = 0; i < BATCH; i++) {
            pages[i] = p + (round * BATCH + i) % 1024 * PAGE;
            nodes[i] = 0;
        }
        CHECK(syscall(SYS_move_pages, 0, (unsigned long)BATCH, pages, nodes, status, MOVE) >= 0 ||
              errno == ENOSYS);
        usleep(5000);
    }
    moving_over = 1;
    return NULL;
}

static void test_migration(void)
{
    enum { PAGES = 8192, CODE = 1024 };
    unsigned char *p = map_pages(PAGES, PROT_READ | PROT_WRITE | PROT_EXEC);
    static uint32_t generation[PAGES];
    uint32_t random = 31, rounds = 0;
    pthread_t mover;

    for (unsigned i = 0; i < PAGES; i++)
        page_fill(p + i * PAGE, i);
    for (unsigned i = 1; i < PAGES; i += 2) /* every other page goes: fragments */
        CHECK(madvise(p + i * PAGE, PAGE, MADV_DONTNEED) == 0);
    CHECK(pthread_create(&mover, NULL, keep_moving, p) == 0);
    while (!moving_over || rounds < 2000) {
        unsigned i = random_next(&random) % (PAGES / 2) * 2;
        uint32_t (*function)(void);
        void *code = p + (random_next(&random) % CODE * 2 + 1) * PAGE;
        uint32_t value = random_next(&random);

        page_check(p + i * PAGE, i + generation[i] * 100000);
        page_fill(p + i * PAGE, i + ++generation[i] * 100000);
        /* mov eax, value; ret */
        memcpy(code, "\xb8", 1);
        memcpy((unsigned char *)code + 1, &value, 4);
        memcpy((unsigned char *)code + 5, "\xc3", 1);
        memcpy(&function, &code, sizeof(function));
        __asm__ volatile("" ::: "memory");
        CHECK_EQ(function(), value);
        rounds++;
    }
    CHECK(pthread_join(mover, NULL) == 0);
    for (unsigned i = 0; i < PAGES; i += 2)
        page_check(p + i * PAGE, i + generation[i] * 100000);
    CHECK(munmap(p, PAGES * PAGE) == 0);
}

/* More than fits: written, read back in another order, by several processes at a time. */
static void test_swapping(unsigned long megabytes)
{
    enum { PROCESSES = 4 };
    size_t pages = megabytes * 256 / PROCESSES;
    pid_t children[PROCESSES];
    pthread_barrier_t *all_written =
        mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pthread_barrierattr_t shared;

    CHECK(all_written != MAP_FAILED && pthread_barrierattr_init(&shared) == 0);
    CHECK(pthread_barrierattr_setpshared(&shared, PTHREAD_PROCESS_SHARED) == 0);
    CHECK(pthread_barrier_init(all_written, &shared, PROCESSES) == 0);

    for (unsigned number = 0; number < PROCESSES; number++) {
        children[number] = fork();
        CHECK(children[number] >= 0);
        if (children[number] != 0)
            continue;
        unsigned char *p = map_pages(pages, PROT_READ | PROT_WRITE);

        for (uint32_t i = 0; i < pages; i++)
            page_fill(p + i * PAGE, i + number * 1000000);
        pthread_barrier_wait(all_written);
        for (uint32_t i = 0; i < pages; i++) {
            size_t at = (i * 7919ul + 13) % pages;

            page_check(p + at * PAGE, (uint32_t)at + number * 1000000);
            if (i % 4 == 0)
                page_fill(p + at * PAGE, (uint32_t)at + number * 1000000);
        }
        _exit(0);
    }
    for (unsigned number = 0; number < PROCESSES; number++)
        CHECK_EQ(child_status(children[number]), 0);
    FILE *statistics = fopen("/proc/vmstat", "r");
    unsigned long out = 0, in = 0;
    char line[128];

    CHECK(statistics);
    while (fgets(line, sizeof(line), statistics)) {
        sscanf(line, "pswpin %lu", &in);
        sscanf(line, "pswpout %lu", &out);
    }
    fclose(statistics);
    CHECK(in > 100 && out > 100); /* or it has proved nothing */
}

int main(int argc, char **argv)
{
    test_merging();
    test_migration();
    if (argc > 1)
        test_swapping(strtoul(argv[1], NULL, 10));
    return 0;
}
