/* width: 64 32 */
// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Mappings of all kinds, changed at random in all ways, beside a model that says what each page must hold and
 * allow; children check their copy of all of it. Then copy-on-write with writers in every order, stacks that
 * grow, mappings larger than memory, and address spaces shared by vfork and clone. A hypervisor that misses a
 * change of a page table, or flushes too little, or confuses two address spaces, differs from the model.
 */
#include "check.h"

#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>

enum { PAGES = 48, FILE_PAGES = 64 };

static sigjmp_buf escape;
static volatile uintptr_t fault_address;

static void on_fault(int number, siginfo_t *info, void *context)
{
    (void)number, (void)context;
    fault_address = (uintptr_t)info->si_addr;
    siglongjmp(escape, 1);
}

/* Reads or writes a byte; -1 when that faults, at that very address. */
static int try_read(volatile unsigned char *at)
{
    if (sigsetjmp(escape, 0)) {
        CHECK_EQ(fault_address, (uintptr_t)at);
        return -1;
    }
    return *at;
}

static int try_write(volatile unsigned char *at, unsigned char value)
{
    if (sigsetjmp(escape, 0)) {
        CHECK_EQ(fault_address, (uintptr_t)at);
        return -1;
    }
    *at = value;
    return 0;
}

/*
 * The model: what each page of the arena is. A page's contents is one byte, at an offset that depends on the
 * page; `value` is where it is kept: the page's own, or the file's for a shared mapping and for a private one
 * that hasn't been written yet.
 */
enum kind { NOTHING, ANONYMOUS, PRIVATE_FILE, SHARED_FILE };

static struct page {
    enum kind kind;
    int protection;
    unsigned file_page;
    unsigned own_copy; /* a private file page that has been written */
    unsigned char own;
    unsigned freed; /* by MADV_FREE: either what it was or zero, until it is written */
} model[PAGES];

static unsigned char file_model[FILE_PAGES];
static unsigned char *arena;
static int file;
static uint32_t seed;

static unsigned offset_of(unsigned page)
{
    return page * 337 % PAGE;
}

/*
 * A page of a file keeps its byte where its number in the file says, an anonymous one wherever its first
 * place said: at 0.
 */
static unsigned char *byte_of(unsigned i)
{
    const struct page *p = &model[i];

    return arena + i * PAGE +
           (p->kind == PRIVATE_FILE || p->kind == SHARED_FILE ? offset_of(p->file_page) : 0);
}

static unsigned char expected(const struct page *p)
{
    if (p->kind == SHARED_FILE || (p->kind == PRIVATE_FILE && !p->own_copy))
        return file_model[p->file_page];
    return p->own;
}

static void check_page(unsigned i)
{
    struct page *p = &model[i];
    int got = try_read(byte_of(i));

    if (p->kind == NOTHING || !(p->protection & PROT_READ)) {
        CHECK_EQ(got, -1);
    } else if (p->freed && got == 0) {
        p->own = 0;
    } else {
        CHECK_EQ(got, expected(p));
    }
}

static void write_page(unsigned i, unsigned char value)
{
    struct page *p = &model[i];
    int allowed = p->kind != NOTHING && (p->protection & PROT_WRITE);

    CHECK_EQ(try_write(byte_of(i), value), allowed ? 0 : -1);
    if (!allowed)
        return;
    if (p->kind == SHARED_FILE) {
        file_model[p->file_page] = value;
    } else {
        p->own = value;
        p->own_copy = 1;
        p->freed = 0;
    }
}

static int random_protection(void)
{
    static const int choice[] = {PROT_NONE, PROT_READ, PROT_READ | PROT_WRITE, PROT_READ | PROT_WRITE};

    return choice[random_next(&seed) % 4];
}

static void map_over(unsigned first, unsigned count, enum kind kind)
{
    unsigned file_page = random_next(&seed) % (FILE_PAGES - PAGES);
    int protection = random_protection(),
        flags = MAP_FIXED | (kind == SHARED_FILE ? MAP_SHARED : MAP_PRIVATE);
    void *at = arena + first * PAGE;

    if (kind == ANONYMOUS)
        CHECK(mmap(at, count * PAGE, protection, flags | MAP_ANONYMOUS, -1, 0) == at);
    else
        CHECK(mmap(at, count * PAGE, protection, flags, file, (off_t)file_page * PAGE) == at);
    for (unsigned i = 0; i < count; i++)
        model[first + i] = (struct page){.kind = kind, .protection = protection, .file_page = file_page + i};
}

/*
 * One run of neighbouring pages that were mapped together goes elsewhere; mremap() refuses to move several
 * mappings at once.
 */
static void move_page(unsigned from, unsigned to)
{
    if (from == to || model[from].kind == NOTHING)
        return;
    CHECK(mremap(arena + from * PAGE, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, arena + to * PAGE) ==
          arena + to * PAGE);
    model[to] = model[from];
    model[from] = (struct page){.kind = NOTHING};
}

static void discard(unsigned i, int advice)
{
    struct page *p = &model[i];

    if (p->kind == NOTHING || (advice == MADV_FREE && p->kind != ANONYMOUS))
        return;
    CHECK(madvise(arena + i * PAGE, PAGE, advice) == 0);
    if (advice == MADV_FREE) {
        p->freed = 1;
    } else {
        p->own = 0;
        p->own_copy = p->freed = 0;
    }
}

static void check_all(void)
{
    for (unsigned i = 0; i < PAGES; i++)
        check_page(i);
}

static void storm(unsigned rounds, int depth);

/* Its private pages are a copy; what it writes to the file is news to us. */
static void storm_in_child(int depth)
{
    pid_t child = fork();

    CHECK(child >= 0);
    if (child == 0) {
        check_all();
        storm(300, depth);
        check_all();
        _exit(0);
    }
    CHECK_EQ(child_status(child), 0);
    for (unsigned i = 0; i < FILE_PAGES; i++)
        CHECK(pread(file, &file_model[i], 1, (off_t)i * PAGE + offset_of(i)) == 1);
    check_all();
}

static void storm(unsigned rounds, int depth)
{
    for (unsigned round = 0; round < rounds; round++) {
        unsigned first = random_next(&seed) % PAGES, count = 1 + random_next(&seed) % 8;

        if (first + count > PAGES)
            count = PAGES - first;
        switch (random_next(&seed) % 16) {
        case 0:
            map_over(first, count, ANONYMOUS);
            break;
        case 1:
            map_over(first, count, PRIVATE_FILE);
            break;
        case 2:
            map_over(first, count, SHARED_FILE);
            break;
        case 3:
            if (count < 4) {
                CHECK(munmap(arena + first * PAGE, count * PAGE) == 0);
                memset(&model[first], 0, count * sizeof(model[0]));
            }
            break;
        case 4:
        case 5: {
            int protection = random_protection();

            for (unsigned i = first; i < first + count; i++)
                if (model[i].kind != NOTHING) {
                    CHECK(mprotect(arena + i * PAGE, PAGE, protection) == 0);
                    model[i].protection = protection;
                }
            break;
        }
        case 6:
            move_page(first, random_next(&seed) % PAGES);
            break;
        case 7:
            discard(first, MADV_DONTNEED);
            break;
        case 8:
            discard(first, MADV_FREE);
            break;
        case 9: { /* the kernel writes, through the file */
            unsigned page = random_next(&seed) % FILE_PAGES;
            unsigned char value = (unsigned char)random_next(&seed);

            CHECK(pwrite(file, &value, 1, (off_t)page * PAGE + offset_of(page)) == 1);
            file_model[page] = value;
            break;
        }
        default:
            for (unsigned i = first; i < first + count; i++)
                if (random_next(&seed) % 2)
                    write_page(i, (unsigned char)random_next(&seed));
                else
                    check_page(i);
        }
        if (round % 256 == 255) {
            check_all();
            if (depth > 0)
                storm_in_child(depth - 1);
        }
    }
}

/*
 * Parent, child and grandchild write to the same private and shared page in every order; each then sees its
 * own in the private one and the last one's in the shared one.
 */
struct turn {
    int go[2], done[2];
};

static void take_turns(unsigned who, struct turn *turns, unsigned char *private,
                       volatile unsigned char *shared)
{
    char byte;

    CHECK(read(turns[who].go[0], &byte, 1) == 1);
    CHECK_EQ(private[17], 200); /* nobody else's write is seen here */
    private[17] = (unsigned char)who;
    *shared = (unsigned char)who;
    CHECK(write(turns[who].done[1], &byte, 1) == 1);
    CHECK(read(turns[who].go[0], &byte, 1) == 1);
    CHECK_EQ(private[17], who);
    CHECK_EQ(private[18], 201);
}

static void one_order(const unsigned *order, int by_file)
{
    unsigned char *private = by_file ? mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, file, 0)
                                     : map_pages(1, PROT_READ | PROT_WRITE);
    unsigned char *shared = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    struct turn turns[3];
    pid_t first;
    char byte = 0;

    CHECK(private != MAP_FAILED && shared != MAP_FAILED);
    private[17] = 200;
    private[18] = 201;
    for (int i = 0; i < 3; i++)
        CHECK(pipe(turns[i].go) == 0 && pipe(turns[i].done) == 0);
    first = fork();
    CHECK(first >= 0);
    if (first == 0) {
        pid_t second = fork();

        CHECK(second >= 0);
        take_turns(second == 0 ? 2 : 1, turns, private, shared);
        _exit(second == 0 ? 0 : child_status(second));
    }
    for (int i = 0; i < 3; i++) {
        unsigned who = order[i];

        if (who == 0) {
            CHECK_EQ(private[17], 200);
            private[17] = 0;
            *shared = 0;
        } else {
            CHECK(write(turns[who].go[1], &byte, 1) == 1);
            CHECK(read(turns[who].done[0], &byte, 1) == 1);
        }
        CHECK_EQ(*shared, who);
    }
    CHECK(write(turns[1].go[1], &byte, 1) == 1 && write(turns[2].go[1], &byte, 1) == 1);
    CHECK_EQ(child_status(first), 0);
    CHECK_EQ(private[17], 0);
    CHECK_EQ(private[18], 201);
    for (int i = 0; i < 3; i++) {
        close(turns[i].go[0]), close(turns[i].go[1]);
        close(turns[i].done[0]), close(turns[i].done[1]);
    }
    CHECK(munmap(private, PAGE) == 0 && munmap(shared, PAGE) == 0);
}

static void test_orders(void)
{
    static const unsigned orders[6][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};

    for (int by_file = 0; by_file < 2; by_file++)
        for (int i = 0; i < 6; i++)
            one_order(orders[i], by_file);
}

/* A parent's copy is broken by the kernel's own write (read(2) into it) as by any other. */
static void test_kernel_breaks_copy(void)
{
    unsigned char *p = map_pages(2, PROT_READ | PROT_WRITE);
    int ends[2];

    CHECK(pipe(ends) == 0);
    for (unsigned i = 0; i < 50; i++) {
        memset(p, (int)i, 2 * PAGE);
        pid_t child = fork();

        CHECK(child >= 0);
        if (child == 0) {
            char byte;

            CHECK(read(ends[0], &byte, 1) == 1);
            for (unsigned k = 0; k < 2 * PAGE; k += 256)
                CHECK_EQ(p[k], i);
            _exit(0);
        }
        CHECK(pread(file, p + PAGE - 128, 256, 0) == 256); /* across the two pages */
        CHECK(write(ends[1], "x", 1) == 1);
        CHECK_EQ(child_status(child), 0);
        CHECK_EQ(p[0], i);
    }
}

/* vfork and clone with CLONE_VM share everything: stores, mappings, protections. */
static unsigned char *shared_page, *shared_new;

static int in_clone(void *argument)
{
    unsigned char number = (unsigned char)(uintptr_t)argument;

    shared_page[number] = number;
    shared_new = map_pages(1, PROT_READ | PROT_WRITE);
    shared_new[5] = number;
    CHECK(mprotect(shared_new, PAGE, PROT_READ) == 0);
    return 0;
}

static void test_shared_space(void)
{
    unsigned char *stack = map_pages(16, PROT_READ | PROT_WRITE);

    shared_page = map_pages(1, PROT_READ | PROT_WRITE);
    for (uintptr_t i = 1; i < 100; i++) {
        pid_t child =
            clone(in_clone, stack + 16 * PAGE, CLONE_VM | SIGCHLD | (i % 2 ? CLONE_VFORK : 0), (void *)i);

        CHECK(child >= 0);
        CHECK_EQ(child_status(child), 0);
        CHECK_EQ(shared_page[i], i);
        CHECK_EQ(shared_new[5], i);
        CHECK_EQ(try_write(shared_new + 5, 1), -1);
        CHECK(munmap(shared_new, PAGE) == 0);
    }
    for (volatile int i = 0; i < 100; i++) {
        pid_t child = vfork(); /* NOLINT(clang-analyzer-security.insecureAPI.vfork): what is tested */

        CHECK(child >= 0);
        if (child == 0) {
            shared_page[7] = (unsigned char)(i + 3);
            _exit(0);
        }
        CHECK_EQ(shared_page[7], (unsigned char)(i + 3));
        CHECK_EQ(child_status(child), 0);
    }
}

__attribute__((noinline)) static unsigned recurse(unsigned depth)
{
    volatile unsigned char frame[3000];

    frame[0] = (unsigned char)depth;
    frame[2999] = (unsigned char)(depth >> 8);
    unsigned below = depth ? recurse(depth - 1) : 0;

    CHECK(frame[0] == (unsigned char)depth && frame[2999] == (unsigned char)(depth >> 8));
    return below + 1;
}

static void test_stacks(void)
{
    unsigned char *top, *guard;

    CHECK_EQ(recurse(1500), 1501); /* 4.5 MB of the main stack */
    guard = map_pages(600, PROT_NONE);
    top = guard + 600 * PAGE;
    CHECK(mmap(top - PAGE, PAGE, PROT_READ | PROT_WRITE,
               MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_GROWSDOWN, -1, 0) == top - PAGE);
    CHECK(munmap(guard, 599 * PAGE) == 0);
    for (unsigned i = 2; i < 300; i++) /* grows a page a touch */
        CHECK_EQ(try_write(top - i * PAGE + 8, (unsigned char)i), 0);
    for (unsigned i = 2; i < 300; i++)
        CHECK_EQ(try_read(top - i * PAGE + 8), (unsigned char)i);
    CHECK(munmap(top - 300 * PAGE, 300 * PAGE) == 0);
    CHECK_EQ(try_read(top - 8), -1);
}

/* A mapping far larger than memory, touched here and there, taken away from both ends and in the middle. */
static void test_huge(void)
{
    const size_t size = sizeof(void *) == 8 ? (size_t)1 << 37 : (size_t)1 << 29,
                 step = size / 512 + 37 * PAGE;
    unsigned char *p =
        mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    CHECK(p != MAP_FAILED);
    for (size_t at = 0; at < size; at += step)
        p[at] = (unsigned char)(at / step + 1);
    for (size_t at = 0; at < size; at += step) {
        CHECK_EQ(p[at], (unsigned char)(at / step + 1));
        CHECK_EQ(try_read(p + at + (at + 2 * PAGE < size ? PAGE : 0) + 1), 0);
    }
    CHECK(munmap(p, size / 4) == 0);
    CHECK(munmap(p + size / 2, size / 8) == 0);
    CHECK(munmap(p + size - size / 8, size / 8) == 0);
    for (size_t at = 0; at < size; at += step) {
        int gone = at < size / 4 || (at >= size / 2 && at < size / 2 + size / 8) || at >= size - size / 8;

        CHECK_EQ(try_read(p + at), gone ? -1 : (unsigned char)(at / step + 1));
    }
    CHECK(munmap(p + size / 4, size - size / 4) == 0);
}

int main(void)
{
    struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_NODEFER};

    CHECK(sigaction(SIGSEGV, &action, NULL) == 0);
    file = memfd_create("pages", 0);
    CHECK(file >= 0 && ftruncate(file, FILE_PAGES * PAGE) == 0);
    arena = map_pages(PAGES, PROT_READ | PROT_WRITE);
    for (unsigned i = 0; i < PAGES; i++)
        model[i] = (struct page){.kind = ANONYMOUS, .protection = PROT_READ | PROT_WRITE};
    seed = 20240229;
    storm(12000, 1);
    test_orders();
    test_kernel_breaks_copy();
    test_shared_space();
    test_stacks();
    test_huge();
    return 0;
}
