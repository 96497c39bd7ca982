/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the programs in this folder share. Each is one property of the machine, run inside a guest as an
 * ordinary program: exit status 0 when it holds, 77 when it can't be tried here (the last line says why),
 * anything else when it doesn't. The first line of each names the widths it is built for.
 */
#ifndef DIPTYCH_TESTS_INSIDE_CHECK_H
#define DIPTYCH_TESTS_INSIDE_CHECK_H

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PAGE 4096

/* Ends the program with the place and a reason. Safe enough in a signal handler that is not returned from. */
#define FAIL(...)                              \
    do {                                       \
        printf("%s:%d: ", __FILE__, __LINE__); \
        printf(__VA_ARGS__);                   \
        putchar('\n');                         \
        fflush(stdout);                        \
        _exit(1);                              \
    } while (0)

#define CHECK(condition)                              \
    do {                                              \
        if (!(condition))                             \
            FAIL("%s (errno %d)", #condition, errno); \
    } while (0)

/* As CHECK, for two integers, which it prints. */
#define CHECK_EQ(got, expected)                                                                          \
    do {                                                                                                 \
        unsigned long long got_ = (unsigned long long)(got), expected_ = (unsigned long long)(expected); \
        if (got_ != expected_)                                                                           \
            FAIL("%s is %#llx, not %#llx", #got, got_, expected_);                                       \
    } while (0)

#define SKIP(why)  \
    do {           \
        puts(why); \
        exit(77);  \
    } while (0)

/* An address that is never mapped, and that the compiler doesn't know. */
static inline void *nowhere(void)
{
    volatile uintptr_t address = 16;

    return (void *)address;
}

static inline uint32_t random_next(uint32_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 17;
    *state ^= *state << 5;
    return *state;
}

static inline unsigned char *map_pages(size_t count, int protection)
{
    unsigned char *p = mmap(NULL, count * PAGE, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    CHECK(p != MAP_FAILED);
    return p;
}

static inline uint64_t monotonic_ns(void)
{
    struct timespec ts;

    CHECK(clock_gettime(CLOCK_MONOTONIC, &ts) == 0);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* Exit status of a child that must have ended by itself. */
static inline int child_status(pid_t pid)
{
    int status = -1;

    CHECK(waitpid(pid, &status, 0) == pid);
    CHECK(WIFEXITED(status));
    return WEXITSTATUS(status);
}

#endif
