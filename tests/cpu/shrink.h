/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Making a failing case small.
 */
#ifndef DIPTYCH_TESTS_CPU_SHRINK_H
#define DIPTYCH_TESTS_CPU_SHRINK_H

#include "case.h"

/* Simplifies t step by step as long as still_fails() says so. */
void case_shrink(struct test_case *t, bool (*still_fails)(const struct test_case *t, void *arg), void *arg);

#endif
