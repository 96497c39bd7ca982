/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Test cases run through the engine, under a panel that has nothing but the test's table of pages.
 */
#ifndef DIPTYCH_TESTS_CPU_ENGINE_SIDE_H
#define DIPTYCH_TESTS_CPU_ENGINE_SIDE_H

#include "case.h"

/* Makes the machine and one vCPU in this process, for the calling thread; exits with a message if it can't.
 * Once a process. */
void engine_side_start(void);

/*
 * Runs the case; the final memory is then at engine_side_memory().  How the engine is disturbed (TLB flushes
 * beforehand, kicks from another thread, a tight cache) follows from salt alone and must not change the
 * outcome.
 */
void engine_side_run(const struct test_case *t, uint64_t salt, struct outcome *out);

/* Final memory of the last case, MEM_BYTES. */
const uint8_t *engine_side_memory(void);

#endif
