/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The table of --stats: what the engine did for each vCPU of a domain that has ended.
 */
#ifndef DIPTYCH_HOST_VM_STATS_H
#define DIPTYCH_HOST_VM_STATS_H

#include "cpu/domain.h"

/* Prints the table on standard error.  The vCPUs' threads must have ended.  Heavy. */
void vm_stats_print(const struct domain *d);

#endif
