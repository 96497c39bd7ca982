// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Rows that are whole loads: a build of a C project, and computing tasks on one CPU and on two.
 *
 * A load is a single operation of a second and more, so that what starting it costs doesn't count.
 */
#include "bench.h"

#include <assert.h>
#include <sys/sysinfo.h>
#include <sys/wait.h>
#include <unistd.h>

static void run_shell(char *script)
{
    char *argv[] = {"/bin/busybox", "sh", "-c", script, NULL};

    bench_run_program(argv, -1, -1);
}

/* ---- A build: the 34 files of Lua, by the make, gcc and binutils that fetch.sh puts into the image ---- */

bool build_possible(void)
{
    return !access("/src/lua/Makefile", R_OK) && !access("/usr/bin/make", X_OK);
}

void build_prepare(void)
{
    run_shell("rm -rf /tmp/lua && cp -r /src/lua /tmp/lua");
}

/* The build's product is asked for the number and the sum of the primes below 20,000. */
void row_build(uint64_t n)
{
    assert(n == 1);
    run_shell("export PATH=/usr/bin:/bin; cd /tmp/lua && make -s all AR='ar rc' && test \"$(./lua -e '"
              "local count, sum = 0, 0 "
              "for i = 2, 20000 do "
              "  local d = 2 "
              "  while d * d <= i and i % d ~= 0 do d = d + 1 end "
              "  if d * d > i then count, sum = count + 1, sum + i end "
              "end "
              "print(count, sum)')\" = '2262\t21171191'");
}

/* ---- Tasks that compute, each a process with memory of its own ---- */

#define TASK_ROUNDS 400

/* Integers, branches and floating point, in about equal parts natively. */
static void task(uint64_t rounds)
{
    while (rounds--) {
        row_crc(3);
        row_quicksort(1);
        row_matmul_scalar(4);
    }
}

static void tasks_run(int processes)
{
    for (int i = 0; i < processes; i++) {
        pid_t child = fork();

        if (child < 0)
            bench_die("fork");
        if (child == 0) {
            task(TASK_ROUNDS);
            _exit(bench_status());
        }
    }
    for (int i = 0; i < processes; i++) {
        int status = -1;

        if (wait(&status) < 0 || status)
            bench_wrong();
    }
}

/* Makes the tables that the first round would make, and lets the guest's kernel see what fork needs. */
void tasks_prepare(void)
{
    task(1);
}

bool two_cpus(void)
{
    return get_nprocs() >= 2;
}

void row_one_task(uint64_t n)
{
    while (n--)
        tasks_run(1);
}

void row_two_tasks(uint64_t n)
{
    while (n--)
        tasks_run(2);
}
