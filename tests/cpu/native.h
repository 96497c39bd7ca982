/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The oracle: test cases run on the host CPU in a sandboxed child process.
 *
 * native.c forks the child and talks to it through shared memory, a batch at a time; native_child.c is what
 * the child executes. A child that dies is replaced and the case that killed it is OUTCOME_DIED.
 */
#ifndef DIPTYCH_TESTS_CPU_NATIVE_H
#define DIPTYCH_TESTS_CPU_NATIVE_H

#include <sys/types.h>

#include "case.h"

#define NATIVE_BATCH 64

/* What the child's signal handler saw. */
struct native_raw {
    int signo;
    bool timeout;
    bool int80; /* SIGSYS came of the 32-bit system-call gate */
    uint64_t trapno;
    uint64_t error;
    uint64_t cr2;
    struct cpu_state state;
};

struct native_slot {
    struct cpu_state in;
    bool code32;
    struct native_raw raw;
    uint8_t image[MEM_BYTES]; /* in: initial memory; out: final memory */
};

/* Shared between parent and child. */
struct native_shared {
    int go;         /* futex: batches that the parent has asked for */
    int done;       /* futex: batches that the child has finished */
    unsigned first; /* slots first .. count-1 are to be run */
    unsigned count;
    unsigned current; /* the one running */
    struct native_slot slot[NATIVE_BATCH];
};

struct native;

/* Makes the shared memory and the first child; exits with a message if the host can't. */
struct native *native_start(void);
void native_stop(struct native *n);

/*
 * Runs t[0..count-1], count <= NATIVE_BATCH. Outcomes into out[]; final memory is then at native_memory(n,
 * i).
 */
void native_run(struct native *n, const struct test_case *t, unsigned count, struct outcome *out);

/* Final memory (MEM_BYTES) of slot i of the last batch; valid until the next. */
const uint8_t *native_memory(struct native *n, unsigned i);

/* Exit status of a child that couldn't set itself up; it has said why. */
#define NATIVE_NO_SETUP 100

/* ---- native_child.c ---- */

/* Body of the child process; doesn't return. */
_Noreturn void native_child(struct native_shared *shared);

#endif
