/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Test cases as text files, to be kept as regression tests (tests/cpu/regress/) and to be edited by hand.
 *
 * One item a line; '#' starts a comment. What isn't there is zero or the power-on value:
 *   mode 64|32
 *   class NAME
 *   mem SEED                  fill of memory (layout_fill)
 *   loose_cr2 1               CR2 need only be near
 *   code ADDRESS HEX          several lines add up; one instruction a line
 *   poke ADDRESS HEX          over the fill, 1 to 32 bytes
 *   rax .. r15, rip, rflags, fs_base, gs_base  VALUE
 *   fcw, fsw, ftw, mxcsr      VALUE
 *   st0 .. st7, xmm0 .. xmm15, ymmh0 .. ymmh15  HEX   most significant digit first
 *   k0 .. k7, zmmh0 .. zmmh15, zmm16 .. zmm31   HEX   where the host has AVX-512
 */
#ifndef DIPTYCH_TESTS_CPU_REPLAY_H
#define DIPTYCH_TESTS_CPU_REPLAY_H

#include <stdio.h>

#include "case.h"

/* Reads a case; exits with a message that names file and line if it is not one. */
void case_read(const char *path, struct test_case *t);

/* Writes the case. */
void case_write(const struct test_case *t, FILE *f);

#endif
