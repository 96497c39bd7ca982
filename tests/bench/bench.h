/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the parts of the benchmark program share: the rows, each a function that does an operation
 * `n` times and calls bench_wrong() when the answer is not the one known beforehand, and a few helpers.
 * bench.c measures.
 */
#ifndef DIPTYCH_BENCH_H
#define DIPTYCH_BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PAGE     4096
#define NOINLINE __attribute__((noinline, noclone))

/* Absolute path of this program. */
extern const char *bench_self;

/* The row's answer was wrong: says so; the exit status will be 1. */
void bench_wrong(void);

/* Exit status for a process of ours that ends here: 1 when a row's answer was wrong in it, otherwise 0. */
int bench_status(void);

/* The system refused what the row needs: says so with errno, and ends the program with status 1. */
_Noreturn void bench_die(const char *what);

/* Zeroed anonymous memory in small pages, for as long as the program runs. */
void *bench_map(size_t bytes);

/* Next number of a xorshift generator; the state must not be zero. */
uint32_t bench_random(uint32_t *state);

/*
 * Runs a program to its end; `in` and `out`, unless -1, become its stdin and stdout. A status but 0 is
 * wrong.
 */
void bench_run_program(char *const argv[], int in, int out);

/* Opens a file without a name, in memory. */
int bench_memory_file(void);

/* entry.c: kernel entries. */
void row_syscall(uint64_t n);
void row_fault(uint64_t n);
void row_mmap(uint64_t n);
void row_mprotect(uint64_t n);
void row_signal(uint64_t n);
void row_pipe(uint64_t n);
void row_fork(uint64_t n);
void row_exec(uint64_t n);
void row_shell200(uint64_t n);
void row_pread(uint64_t n);

/* integer.c: integer and control flow. */
void integer_prepare(void);
void gzip_prepare(void);
void row_crc(uint64_t n);
void row_quicksort(uint64_t n);
void row_sha256(uint64_t n);
void row_interpreter(uint64_t n);
void row_recursion(uint64_t n);
void row_calls(uint64_t n);
void row_indirect1(uint64_t n);
void row_indirect8(uint64_t n);
void row_chase_l1(uint64_t n);
void row_chase_64m(uint64_t n);
void row_gzip(uint64_t n);

/* bulk.c: floating point and copies. */
void matrix_prepare(void);
void row_matmul_scalar(uint64_t n);
void row_matmul_sse2(uint64_t n);
void row_matmul_avx2(uint64_t n);
void row_memcpy(uint64_t n);
void row_movsb(uint64_t n);

/* programs.c: whole loads. row_build() wants n = 1 and build_prepare() before each call. */
bool build_possible(void);
void build_prepare(void);
void row_build(uint64_t n);
void tasks_prepare(void);
bool two_cpus(void);
void row_one_task(uint64_t n);
void row_two_tasks(uint64_t n);

#endif
