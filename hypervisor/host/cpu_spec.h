/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The value of `diptych run --cpu`: which features the guest's CPU shall not have.
 */
#ifndef DIPTYCH_HOST_CPU_SPEC_H
#define DIPTYCH_HOST_CPU_SPEC_H

#include <stddef.h>

/*
 * Parses MODEL[,-feature|,+feature]..., where MODEL, "host" if left out, is one of cpu_spec_models(), into
 * the comma-separated names that cpu_policy_build() takes as its mask (which also checks that they exist).
 * 0, or -1 with one line in why.
 */
int cpu_spec_parse(const char *spec, char *mask, size_t mask_size, char *why, size_t why_size);

/* The models' names with blanks between them, for the help. */
const char *cpu_spec_models(void);

#endif
