/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whether two outcomes are the same, and in words how they aren't.
 */
#ifndef DIPTYCH_TESTS_CPU_COMPARE_H
#define DIPTYCH_TESTS_CPU_COMPARE_H

#include <stdio.h>

#include "case.h"

/* What two outcomes differ in. */
#define DIFF_END    1u
#define DIFF_RIP    2u
#define DIFF_GPR    4u
#define DIFF_FLAGS  8u
#define DIFF_BASE   16u
#define DIFF_FPU    32u
#define DIFF_MEMORY 64u

/* 0 if everything that counts agrees. Otherwise writes one line a difference to f (may be NULL), with the
 * names of the two sides. */
unsigned outcome_diff(const struct test_case *t, const struct outcome *a, const uint8_t *a_mem,
                      const struct outcome *b, const uint8_t *b_mem, FILE *f, const char *a_name,
                      const char *b_name);

/* "#PF error 0x6 cr2 0x1234 at 0x10000005". */
void outcome_print(const struct outcome *o, FILE *f);

/* Disassembly and initial state. */
void case_print(const struct test_case *t, FILE *f);

#endif
