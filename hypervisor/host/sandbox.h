/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Giving up what a running guest doesn't need: see sandbox.c for what stays.
 */
#ifndef DIPTYCH_HOST_SANDBOX_H
#define DIPTYCH_HOST_SANDBOX_H

#include "base/types.h"

/* First thing: no program that is ever executed gains privileges. 0 or -errno. */
int sandbox_prepare(void);

/* What is needed beyond what every guest needs. */
struct sandbox_needs {
    bool exec_mappings; /* mmap() of executable memory: a domain that restarts gets new translation caches */
    bool stubs;         /* dealing with the processes of direct execution (direct/) */
};

/*
 * Gives up the rest, for all threads of the process and those to come: no core dumps, no debugger of the
 * same user, and only the system calls on the list.  Whatever has a name must be open by now.
 * 0, or -errno with the name of what failed in *why.
 */
int sandbox_enter(const struct sandbox_needs *needs, const char **why);

#endif
