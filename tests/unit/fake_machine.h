/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A machine of cardboard for tests of host/vm.c: the engine, the panel, the loader and the memory, as far as
 * a domain's life sees them.  The "guest" is a C function.  What is taken is counted, so that a test sees
 * what is left behind.
 */
#ifndef DIPTYCH_TESTS_FAKE_MACHINE_H
#define DIPTYCH_TESTS_FAKE_MACHINE_H

#include "cpu/domain.h"

struct fake_machine {
    void (*guest)(struct vcpu *v, unsigned boot); /* runs as the vCPU's code; boot counts domains from 0 */
    const char *fail;                             /* name of the call that fails; NULL: none */
    unsigned fail_boot;                           /* in which domain */
    unsigned boots;                               /* domains built */
    int live;                                     /* things taken and not given back */
    uint64_t frames;                              /* likewise, frames of memory */
    bool listens, obeys;                          /* when asked to power off */
    size_t module_size;
    char cmdline[100];
};

extern struct fake_machine fake;

#endif
