/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the files doctor_*.c share: reports, and trying things out in a child process.
 */
#ifndef DIPTYCH_HOST_DOCTOR_TRY_H
#define DIPTYCH_HOST_DOCTOR_TRY_H

#include <stddef.h>

#include "host/doctor.h"

/* Adds a finding. A report that is full takes no more. */
void doctor_say(struct doctor_report *r, enum doctor_grade grade, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Says what to do about the last finding. */
void doctor_change(struct doctor_report *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Whether nothing in the report is DOCTOR_BAD. */
bool doctor_works(const struct doctor_report *r);

/* Reads the first line of a small file, without its newline. False if there is none to be read. */
bool doctor_read_line(const char *path, char *line, size_t size);

/*
 * Something that is tried in a child. The child says what it is at, which is known whatever becomes of it,
 * and may leave a number.
 */
struct doctor_try {
    const char *step; /* a literal: what is being done, or what failed */
    long value;
    int error; /* errno; 0: done to the end; -1: see signal and late */
    int signal;
    bool late;
};

#define DOCTOR_TRY_SECONDS 5

/*
 * Runs fn(t, arg) in a child process, which is killed after DOCTOR_TRY_SECONDS. fn returns 0 or an errno. The
 * outcome is in *t, and true is returned if that is success.
 */
bool doctor_try(struct doctor_try *t, int (*fn)(struct doctor_try *t, void *arg), void *arg);

/* Why a try failed, as half a sentence: "STEP: Permission denied". */
void doctor_try_why(const struct doctor_try *t, char *why, size_t why_size);

/*
 * doctor_notify.c, for doctor_try(): whether a process of ours can be kept from making system calls, and talk
 * to us nonetheless. t->value: whether the kernel hands over between the two on one CPU (Linux 6.6).
 */
int doctor_try_notify(struct doctor_try *t, void *arg);

#endif
