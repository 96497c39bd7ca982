// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The benchmark program: one static binary that runs unchanged on the host, in Diptych, QEMU and User Mode
 * Linux.
 *
 *   bench [--quick] [--only ROW[,ROW...]] [--list]
 *
 * Each row is a loop that runs for a tenth of the time to warm up and then for a second of steady state
 * (--quick: a tenth of that), in CLOCK_MONOTONIC of the system it runs in; run.sh holds that clock against
 * the host's. Printed: "row NAME NANOSECONDS-PER-OPERATION", "skip NAME: why", and "mark begin" and "mark
 * end" with the clock. What a row computes is compared with an answer known beforehand, so that nothing is
 * optimised away and a wrong machine is not a fast one: a wrong answer prints "wrong NAME", and the exit
 * status is 1.
 *
 * Relies on glibc (its memcpy is a row), /bin/busybox (its shell and gzip are rows) and a tmpfs at
 * /dev/shm.
 */
#include "bench.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

const char *bench_self;
static const char *row_name, *row_said_wrong;
static bool any_wrong;

static uint64_t now_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

_Noreturn void bench_die(const char *what)
{
    printf("wrong %s: %s: %s\n", row_name ? row_name : "bench", what, strerror(errno));
    exit(1);
}

void bench_wrong(void)
{
    if (row_said_wrong != row_name)
        printf("wrong %s\n", row_name);
    row_said_wrong = row_name;
    any_wrong = true;
}

int bench_status(void)
{
    return any_wrong;
}

void *bench_map(size_t bytes)
{
    void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (p == MAP_FAILED)
        bench_die("mmap");
    /* Huge pages would make one fault of 512, and only where a guest has them. */
    madvise(p, bytes, MADV_NOHUGEPAGE);
    return p;
}

uint32_t bench_random(uint32_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 17;
    *state ^= *state << 5;
    return *state;
}

void bench_run_program(char *const argv[], int in, int out)
{
    int status = -1;
    pid_t child = fork();

    if (child < 0)
        bench_die("fork");
    if (child == 0) {
        if ((in >= 0 && dup2(in, 0) != 0) || (out >= 0 && dup2(out, 1) != 1))
            _exit(126);
        execv(argv[0], argv);
        _exit(127);
    }
    if (waitpid(child, &status, 0) != child || !WIFEXITED(status) || WEXITSTATUS(status))
        bench_wrong();
}

int bench_memory_file(void)
{
    char path[] = "/dev/shm/bench-XXXXXX";
    int fd = mkstemp(path);

    if (fd < 0)
        bench_die("/dev/shm");
    unlink(path);
    return fd;
}

/* ---- The table, in the order in which rows run ---- */

static bool has_avx2(void)
{
    return __builtin_cpu_supports("avx2");
}

/*
 * possible: NULL means everywhere. one_cpu: see pin(). prepare: done before the measurement; a row that has
 * it is a single long operation, not warmed up. on_demand: only with --only, since it wants a machine of its
 * own: a second CPU, or an image with a compiler.
 */
static const struct row {
    const char *name;
    void (*run)(uint64_t n);
    bool (*possible)(void);
    void (*prepare)(void);
    bool one_cpu;
    bool on_demand;
} rows[] = {
    // clang-format off
    {"syscall", row_syscall, NULL, NULL, false, false},
    {"page-fault", row_fault, NULL, NULL, false, false},
    {"mmap-touch-munmap", row_mmap, NULL, NULL, false, false},
    {"mprotect-pair", row_mprotect, NULL, NULL, false, false},
    {"signal", row_signal, NULL, NULL, false, false},
    {"pipe-pingpong", row_pipe, NULL, NULL, true, false},
    {"fork-wait", row_fork, NULL, NULL, true, false},
    {"fork-exec", row_exec, NULL, NULL, true, false},
    {"shell-200", row_shell200, NULL, NULL, true, false},
    {"pread-4k", row_pread, NULL, NULL, false, false},
    {"crc-table", row_crc, NULL, NULL, false, false},
    {"quicksort", row_quicksort, NULL, NULL, false, false},
    {"sha256", row_sha256, NULL, NULL, false, false},
    {"interpreter", row_interpreter, NULL, NULL, false, false},
    {"recursion", row_recursion, NULL, NULL, false, false},
    {"nested-calls", row_calls, NULL, NULL, false, false},
    {"indirect-1", row_indirect1, NULL, NULL, false, false},
    {"indirect-8", row_indirect8, NULL, NULL, false, false},
    {"chase-l1", row_chase_l1, NULL, NULL, false, false},
    {"chase-64m", row_chase_64m, NULL, NULL, false, false},
    {"gzip-32m", row_gzip, NULL, gzip_prepare, false, false},
    {"matmul-scalar", row_matmul_scalar, NULL, NULL, false, false},
    {"matmul-sse2", row_matmul_sse2, NULL, NULL, false, false},
    {"matmul-avx2", row_matmul_avx2, has_avx2, NULL, false, false},
    {"memcpy-libc", row_memcpy, NULL, NULL, false, false},
    {"rep-movsb", row_movsb, NULL, NULL, false, false},
    {"one-task", row_one_task, NULL, tasks_prepare, false, true},
    {"two-tasks", row_two_tasks, two_cpus, tasks_prepare, false, true},
    {"build-c", row_build, build_possible, build_prepare, true, true},
    // clang-format on
};

/* Runs growing batches until `span_ns` is full. Returns nanoseconds an operation. */
static double measure(const struct row *row, uint64_t span_ns, uint64_t *batch)
{
    uint64_t done = 0, start = now_ns(), end;

    do {
        uint64_t before = now_ns();

        row->run(*batch);
        done += *batch;
        end = now_ns();
        if (end - before < span_ns / 40)
            *batch *= 2;
    } while (end - start < span_ns);
    return (double)(end - start) / (double)done;
}

static bool selected(const char *only, const char *name, bool on_demand)
{
    size_t length = strlen(name);

    if (!only)
        return !on_demand;
    for (const char *at = only; (at = strstr(at, name)); at += length)
        if ((at == only || at[-1] == ',') && (at[length] == 0 || at[length] == ','))
            return true;
    return false;
}

/*
 * Rows with several processes run on one CPU, as in a guest with one vCPU: a wake-up across CPUs is another
 * measurement. It is the CPU where the scheduler has put us, and only for the row, so that a busy host is no
 * worse for us than for a guest, whose threads may move.
 */
static void pin(bool one)
{
    static cpu_set_t all;
    cpu_set_t set;

    if (!CPU_COUNT(&all) && sched_getaffinity(0, sizeof(all), &all))
        return;
    set = all;
    if (one) {
        CPU_ZERO(&set);
        CPU_SET(sched_getcpu(), &set);
    }
    sched_setaffinity(0, sizeof(set), &set);
}

int main(int argc, char **argv)
{
    uint64_t span_ns = 1000000000u;
    const char *only = NULL;

    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "--nothing"))
            return 0;
        if (!strcmp(argv[i], "--quick")) {
            span_ns /= 10;
        } else if (!strcmp(argv[i], "--only") && i + 1 < argc) {
            only = argv[++i];
        } else if (!strcmp(argv[i], "--list")) {
            for (size_t k = 0; k < sizeof(rows) / sizeof(rows[0]); k++)
                puts(rows[k].name);
            return 0;
        } else {
            fprintf(stderr,
                    "bench: unknown option %s; usage: bench [--quick] [--only ROW[,ROW...]] [--list]\n",
                    argv[i]);
            return 2;
        }
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    bench_self = realpath("/proc/self/exe", NULL);
    if (!bench_self)
        bench_die("/proc/self/exe");
    integer_prepare();
    matrix_prepare();
    printf("mark begin %llu\n", (unsigned long long)now_ns());
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct row *row = &rows[i];
        uint64_t batch = 1;

        row_name = row->name;
        if (!selected(only, row->name, row->on_demand))
            continue;
        if (row->possible && !row->possible()) {
            printf("skip %s: this machine doesn't offer what it needs\n", row->name);
            continue;
        }
        pin(row->one_cpu);
        if (row->prepare)
            row->prepare();
        else
            measure(row, span_ns / 10, &batch);
        printf("row %s %.2f\n", row->name, measure(row, row->prepare ? 1 : span_ns, &batch));
    }
    printf("mark end %llu\n", (unsigned long long)now_ns());
    return bench_status();
}
