/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A virtual machine's life from the user's side: what is configured, and one call that lives it.
 */
#ifndef DIPTYCH_HOST_VM_H
#define DIPTYCH_HOST_VM_H

#include "base/diag.h"
#include "base/types.h"
#include "engine/engine.h"

/* What to do when the guest ends; names and meaning as in xl.cfg(5). */
enum vm_action { VM_DESTROY, VM_RESTART, VM_PRESERVE };

#define VM_NAME_MAX   63u
#define VM_VCPUS_MAX  32u
#define VM_MEMORY_MIN (4UL << 20)
#define VM_MEMORY_MAX (64UL << 30)

/* All strings are owned by the struct, NULL where nothing was said. */
struct vm_config {
    char *name;
    uint8_t uuid[16];
    bool uuid_set; /* false: vm_run() makes a random one */
    char *kernel;
    char *ramdisk;
    char *cmdline;
    uint64_t memory; /* bytes, multiple of PAGE_SIZE; what the guest starts with */
    uint64_t maxmem; /* bytes; what it may grow to; 0: memory */
    unsigned vcpus;
    enum vm_action on_poweroff, on_reboot, on_crash, on_watchdog;
    bool on_watchdog_set; /* false: on_watchdog is on_crash */
    char *cpu_mask;       /* features to hide, as cpu_policy_build() takes them; cpu_spec.h */

    bool trace; /* print hypercalls */
    char *trace_filter;
    char *trace_file; /* NULL: stderr */
    bool trace_summary;
    enum engine_exec exec; /* how user code is run */
    bool stats;            /* print the engine's counts at the end */

    uint32_t debug;   /* enum debug_option */
    char *debug_file; /* NULL: stderr */
};

/*
 * Fills in the defaults: 1 vCPU, 256 MiB, user code where it is faster, restart on reboot, destroy otherwise.
 */
void vm_config_init(struct vm_config *c);
void vm_config_free(struct vm_config *c);

/* Says whether the parts fit together. 0, or -1 with one line in why. */
int vm_config_check(struct vm_config *c, char *why, size_t why_size);

/* Replaces an owned string by a copy of value; ends the process when there is no memory. */
void vm_config_string(char **field, const char *value);

/* "destroy", "restart", "preserve", and xl's coredump-* without the core. 0, or -1 with one line in why. */
int vm_action_parse(const char *value, enum vm_action *a, char *why, size_t why_size);

/* 512M, 1G, 262144K; a plain number is in MiB as in xl.  Whole pages. 0, or -1 with one line in why. */
int vm_memory_parse(const char *value, uint64_t *bytes, char *why, size_t why_size);

/*
 * Runs the machine until it ends for good, with its console on standard input and output.  Messages are
 * printed; the result is the exit status of the process.
 */
int vm_run(const struct vm_config *c);

#endif
