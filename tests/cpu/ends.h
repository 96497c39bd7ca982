/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How the cases of each class ended on the host, for --verbose: so that one sees that classes do what they
 * are for.
 */
#ifndef DIPTYCH_TESTS_CPU_ENDS_H
#define DIPTYCH_TESTS_CPU_ENDS_H

#include "case.h"
#include "gen.h"

#define ENDS_CLASSES 64
#define ENDS_NR      34 /* 0 .. 31: vectors; then the HLT at the end, system calls */

struct ends {
    unsigned n[ENDS_CLASSES][ENDS_NR];
};

/* Counts how the case, of class c, ended. */
void ends_note(struct ends *e, const struct test_case *t, const struct gen_class *c, const struct outcome *o);

void ends_add(struct ends *to, const struct ends *more);

/* A table on the standard output. */
void ends_print(const struct ends *e);

#endif
