/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What this host offers, engine by engine, found out by trying: `diptych doctor`.
 *
 * Whatever might be refused, crash or hang is tried in a child process with a time limit, so that the caller
 * comes to no harm and nothing of the process changes. The caller has no other threads. Heavy code.
 */
#ifndef DIPTYCH_HOST_DOCTOR_H
#define DIPTYCH_HOST_DOCTOR_H

#include "base/types.h"

enum doctor_grade {
    DOCTOR_FINE,
    DOCTOR_HINT, /* the engine works, but slower or with a limit */
    DOCTOR_BAD,  /* the engine doesn't work */
};

struct doctor_finding {
    enum doctor_grade grade;
    char what[200];   /* what was found */
    char change[240]; /* what the user can do about it; empty: nothing */
};

#define DOCTOR_FINDINGS_MAX 16u

/* Starts as {0}. */
struct doctor_report {
    char summary[120]; /* what an engine that works can do; may be empty */
    unsigned nr;
    struct doctor_finding finding[DOCTOR_FINDINGS_MAX];
};

/* Each adds its findings, and says whether the engine would work here: whether none of them is DOCTOR_BAD. */
bool doctor_translator(struct doctor_report *r);
bool doctor_direct(struct doctor_report *r);
/* path: the device, "/dev/kvm". True only for a KVM that runs a guest's kernel code on the CPU. */
bool doctor_kvm(struct doctor_report *r, const char *path);

/* CPUs, memory, and what makes guests faster or slower whatever the engine. */
void doctor_host(struct doctor_report *r);

#endif
