/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which classes of cases a run takes, and how often each. */
#ifndef DIPTYCH_TESTS_CPU_WHEEL_H
#define DIPTYCH_TESTS_CPU_WHEEL_H

#include "gen.h"

#define WHEEL_MAX 1024u

/*
 * Fills the wheel: each class as often as its weight says, without those that the host CPU can't run. names:
 * those alone, with commas between; NULL: all. Says which it leaves out; an unknown name, or none left, ends
 * the program. Returns how many, > 0.
 */
unsigned wheel_build(const struct gen_class *wheel[WHEEL_MAX], const char *names);

#endif
