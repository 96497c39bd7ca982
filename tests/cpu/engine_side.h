/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Test cases run through the engine, under a panel that has nothing but the test's table of pages.
 */
#ifndef DIPTYCH_TESTS_CPU_ENGINE_SIDE_H
#define DIPTYCH_TESTS_CPU_ENGINE_SIDE_H

#include "case.h"
#include "engine/engine.h"

/* Exit status of a process that can't run code directly. */
#define ENGINE_NO_DIRECT 77

/*
 * Makes the machine and one vCPU in this process, for the calling thread, which runs code as exec says. Exits
 * with a message if it can't, with ENGINE_NO_DIRECT if the host doesn't let it run code directly. Once a
 * process, before it has other threads.
 */
void engine_side_start(enum engine_exec how);

/*
 * Runs the case; the final memory is then at engine_side_memory().  How the engine is disturbed (TLB flushes
 * beforehand, kicks from another thread, a tight cache) follows from salt alone and must not change the
 * outcome.
 */
void engine_side_run(const struct test_case *t, uint64_t salt, struct outcome *out);

/* Whether some of the last case was run directly, up to a stop that was more than a miss of the mirror. */
bool engine_side_ran_directly(void);

/* Final memory of the last case, MEM_BYTES. */
const uint8_t *engine_side_memory(void);

#endif
