/* width: 64 32 */
// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Code that is written, run, rewritten and run again always runs as it was written last: in place, across a
 * page boundary, through another mapping of the same page, by another process, by the kernel (read), with
 * the page's protection changed between, and from the very block that does the writing. A translation cache
 * that misses one of these ways runs old code.
 */
#include "check.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <ucontext.h>

#ifdef __x86_64__
#define GREG_IP REG_RIP
#else
#define GREG_IP REG_EIP
#endif

/* mov eax, value; ret */
static void write_function(unsigned char *at, uint32_t value)
{
    at[0] = 0xb8;
    memcpy(at + 1, &value, 4);
    at[5] = 0xc3;
}

static uint32_t call(const unsigned char *at)
{
    uint32_t (*function)(void);

    memcpy(&function, &at, sizeof(function));
    __asm__ volatile("" ::: "memory");
    return function();
}

static void test_in_place(void)
{
    unsigned char *p = map_pages(4, PROT_READ | PROT_WRITE | PROT_EXEC);

    for (uint32_t i = 0; i < 3000; i++) {
        unsigned char *at = p + (i % 3 ? 0 : PAGE - 3); /* every third straddles the page boundary */

        write_function(at, i);
        CHECK_EQ(call(at), i);
        at[1] ^= 0xff; /* one byte of the immediate operand */
        CHECK_EQ(call(at), i ^ 0xff);
    }
    /* Only the second page's half changes. */
    write_function(p + PAGE - 2, 0x11223344);
    CHECK_EQ(call(p + PAGE - 2), 0x11223344);
    p[PAGE + 2] = 0x99;
    CHECK_EQ(call(p + PAGE - 2), 0x99223344);
}

static void test_protection_flips(void)
{
    unsigned char *p = map_pages(1, PROT_READ | PROT_WRITE);

    for (uint32_t i = 0; i < 500; i++) {
        CHECK(mprotect(p, PAGE, PROT_READ | PROT_WRITE) == 0);
        write_function(p + i % 100, i);
        CHECK(mprotect(p, PAGE, PROT_READ | PROT_EXEC) == 0);
        CHECK_EQ(call(p + i % 100), i);
    }
}

static void test_other_mapping(void)
{
    char path[] = "/dev/shm/smc-XXXXXX";
    int fd = mkstemp(path);
    unsigned char six[6];

    CHECK(fd >= 0);
    unlink(path);
    CHECK(ftruncate(fd, PAGE) == 0);
    unsigned char *code = mmap(NULL, PAGE, PROT_READ | PROT_EXEC, MAP_SHARED, fd, 0);
    unsigned char *data = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

    CHECK(code != MAP_FAILED && data != MAP_FAILED);
    for (uint32_t i = 0; i < 500; i++) {
        write_function(data, i);
        CHECK_EQ(call(code), i);
        write_function(six, i + 1000);
        CHECK(pwrite(fd, six, 6, 0) == 6); /* the kernel writes */
        CHECK_EQ(call(code), i + 1000);
    }
    for (uint32_t i = 0; i < 20; i++) {
        pid_t child = fork();

        CHECK(child >= 0);
        if (child == 0) {
            write_function(data, i + 5000);
            _exit(0);
        }
        CHECK_EQ(child_status(child), 0);
        CHECK_EQ(call(code), i + 5000);
    }
    /* Another page in the same place. */
    for (uint32_t i = 0; i < 50; i++) {
        unsigned char *fresh = mmap(code, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC,
                                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);

        CHECK(fresh == code);
        write_function(fresh, i + 9000);
        CHECK_EQ(call(code), i + 9000);
    }
}

static void test_copy_on_write(void)
{
    unsigned char *p = map_pages(1, PROT_READ | PROT_WRITE | PROT_EXEC);

    write_function(p, 1);
    CHECK_EQ(call(p), 1);
    for (uint32_t i = 0; i < 20; i++) {
        pid_t child = fork();

        CHECK(child >= 0);
        if (child == 0) {
            write_function(p, 77 + i);
            CHECK_EQ(call(p), 77 + i);
            _exit(0);
        }
        CHECK_EQ(call(p), 1);
        CHECK_EQ(child_status(child), 0);
        CHECK_EQ(call(p), 1);
    }
}

/*
 * A block that writes over an instruction of its own, further on: mov byte [at], 0x42 where `at` is the
 * next one's operand.
 */
static void test_own_block(void)
{
    unsigned char *p = map_pages(1, PROT_READ | PROT_WRITE | PROT_EXEC);

    for (uint32_t i = 1; i < 200; i++) {
        unsigned char *q = p;
#ifdef __x86_64__
        const unsigned char head[] = {
            0xc6, 0x05, 1, 0, 0, 0, (unsigned char)i}; /* movb $i, 1(%rip): the operand of what follows */

        memcpy(q, head, sizeof(head));
        q += sizeof(head);
#else
        uint32_t target = (uint32_t)(uintptr_t)(p + 8);

        *q++ = 0xc6; /* movb $i, target */
        *q++ = 0x05;
        memcpy(q, &target, 4);
        q += 4;
        *q++ = (unsigned char)i;
#endif
        write_function(q, 0xee);
        CHECK_EQ(call(p), i);
    }
}

/*
 * Two threads: one calls all the time, the other rewrites the aligned operand. Only values that were
 * written come back, in order.
 */
static unsigned char *volatile racing;
static volatile uint32_t racing_last;

static void *rewrite(void *argument)
{
    (void)argument;
    for (uint32_t i = 1; i <= 3000; i++)
        *(volatile uint32_t *)(void *)(racing + 4) = i;
    racing_last = 3000;
    return NULL;
}

static void test_race(void)
{
    unsigned char *p = map_pages(1, PROT_READ | PROT_WRITE | PROT_EXEC);
    pthread_t thread;
    uint32_t before = 0;

    write_function(p + 3, 0); /* operand at p + 4 */
    racing = p;
    CHECK(pthread_create(&thread, NULL, rewrite, NULL) == 0);
    uint64_t limit = monotonic_ns() + 20000000000u;

    for (;;) {
        int over = racing_last != 0;
        uint32_t now = call(p + 3);

        CHECK(now >= before && now <= 3000);
        before = now;
        if (over) {
            CHECK_EQ(now, 3000);
            break;
        }
        CHECK(monotonic_ns() < limit);
    }
    pthread_join(thread, NULL);
}

/* A signal handler mends the code that trapped, and goes back into it. */
static void on_trap(int number, siginfo_t *info, void *context)
{
    greg_t *ip = &((ucontext_t *)context)->uc_mcontext.gregs[GREG_IP];

    (void)number;
    (void)info;
    *(unsigned char *)(uintptr_t)*ip = 0x90;
    *((unsigned char *)(uintptr_t)*ip + 1) = 0x90;
}

static void test_mended(void)
{
    struct sigaction action = {.sa_sigaction = on_trap, .sa_flags = SA_SIGINFO};
    unsigned char *p = map_pages(1, PROT_READ | PROT_WRITE | PROT_EXEC);

    CHECK(sigaction(SIGILL, &action, NULL) == 0);
    for (uint32_t i = 0; i < 200; i++) {
        p[0] = 0x0f; /* ud2 */
        p[1] = 0x0b;
        write_function(p + 2, i);
        CHECK_EQ(call(p), i);
        CHECK_EQ(p[0], 0x90);
    }
}

int main(void)
{
    test_in_place();
    test_protection_flips();
    test_other_mapping();
    test_copy_on_write();
    test_own_block();
    test_race();
    test_mended();
    return 0;
}
