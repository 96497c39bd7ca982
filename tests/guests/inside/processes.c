/* width: 64 32 */
// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * fork, vfork, exec, wait, kill and pipes among many processes at once: every child is reaped once, with
 * its status; every byte arrives. A bounded tree of processes exercises page-table pinning and tear-down,
 * where a PV hypervisor keeps counts.
 */
#include "check.h"

#include <signal.h>

/* A full tree: 3 children a process, `depth` deep; returns how many processes it was. */
static int tree(int depth)
{
    int pipes[3][2], sum = 1;
    pid_t children[3];

    if (depth == 0)
        return 1;
    for (int i = 0; i < 3; i++) {
        CHECK(pipe(pipes[i]) == 0);
        children[i] = fork();
        CHECK(children[i] >= 0);
        if (children[i] == 0) {
            int count = tree(depth - 1);

            CHECK(write(pipes[i][1], &count, sizeof(count)) == sizeof(count));
            _exit(depth * 3 + i);
        }
        close(pipes[i][1]);
    }
    for (int i = 0; i < 3; i++) {
        int count;

        CHECK(read(pipes[i][0], &count, sizeof(count)) == sizeof(count));
        close(pipes[i][0]);
        sum += count;
        CHECK_EQ(child_status(children[i]), depth * 3 + i);
    }
    return sum;
}

static void test_exec_chain(const char *self)
{
    pid_t child = fork();

    CHECK(child >= 0);
    if (child == 0) {
        execl(self, self, "30", (char *)NULL);
        _exit(127);
    }
    CHECK_EQ(child_status(child), 42);
}

static void test_kills(void)
{
    for (int i = 0; i < 30; i++) {
        int status;
        pid_t child = fork();

        CHECK(child >= 0);
        if (child == 0) {
            if (i % 3 == 0)
                for (;;)
                    __asm__ volatile("" ::: "memory"); /* only an interrupt gets it out of here */
            if (i % 3 == 1)
                for (;;)
                    pause();
            *(volatile int *)nowhere() = 0;
        }
        if (i % 3 != 2) {
            usleep(1000);
            CHECK(kill(child, i % 2 ? SIGKILL : SIGTERM) == 0);
        }
        CHECK(waitpid(child, &status, 0) == child);
        CHECK(WIFSIGNALED(status));
        CHECK_EQ(WTERMSIG(status), i % 3 == 2 ? SIGSEGV : i % 2 ? SIGKILL : SIGTERM);
    }
}

static void test_pipeline(void)
{
    /* A ring of 20 processes, a token that each makes one larger, 50 times round. */
    enum { RING = 20, ROUNDS = 50 };
    int ring[RING][2];
    unsigned token = 0;

    for (int i = 0; i < RING; i++)
        CHECK(pipe(ring[i]) == 0);
    for (int i = 1; i < RING; i++) {
        pid_t child = fork();

        CHECK(child >= 0);
        if (child == 0) {
            for (int k = 0; k < ROUNDS; k++) {
                CHECK(read(ring[i - 1][0], &token, sizeof(token)) == sizeof(token));
                token++;
                CHECK(write(ring[i][1], &token, sizeof(token)) == sizeof(token));
            }
            _exit(0);
        }
    }
    for (int k = 0; k < ROUNDS; k++) {
        CHECK(write(ring[0][1], &token, sizeof(token)) == sizeof(token));
        CHECK(read(ring[RING - 1][0], &token, sizeof(token)) == sizeof(token));
    }
    CHECK_EQ(token, (RING - 1) * ROUNDS);
    for (int i = 1; i < RING; i++) {
        int status;

        CHECK(wait(&status) > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
}

int main(int argc, char **argv)
{
    if (argc > 1) {
        char left[16];
        int number = atoi(argv[1]);

        if (number == 0)
            return 42;
        snprintf(left, sizeof(left), "%d", number - 1);
        execl(argv[0], argv[0], left, (char *)NULL);
        return 126;
    }
    for (int i = 0; i < 2; i++)
        CHECK_EQ(tree(4), 121);
    test_exec_chain(argv[0]);
    test_kills();
    test_pipeline();
    for (int i = 0; i < 50; i++) {
        pid_t child = vfork(); /* NOLINT(clang-analyzer-security.insecureAPI.vfork): what is tested */

        if (child == 0)
            _exit(i);
        CHECK_EQ(child_status(child), i);
    }
    CHECK(wait(NULL) == -1 && errno == ECHILD);
    return 0;
}
