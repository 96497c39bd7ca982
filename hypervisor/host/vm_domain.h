/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Making a domain from a configuration, and taking it apart again: between vm.c and vm_domain.c.
 */
#ifndef DIPTYCH_HOST_VM_DOMAIN_H
#define DIPTYCH_HOST_VM_DOMAIN_H

#include <sys/types.h>

#include "cpu/domain.h"
#include "host/vm.h"

/* Why something couldn't be had: the exit status and the line that says so. */
struct vm_failure {
    enum exit_status status;
    char why[400];
};

/*
 * A file that is read anew each time a domain is made: opened once, because the sandbox allows no opening;
 * not kept in memory, because that would double what a guest costs.
 */
struct vm_file {
    const char *path;
    int fd;      /* -1: no such file configured */
    void *kept;  /* contents of what can't be read twice (pipes); owned */
    size_t size; /* of kept */
};

struct vm_files {
    struct vm_file kernel, ramdisk;
    int trace_fd, debug_fd; /* stderr unless configured */
};

/* Opens what the configuration names. 0, or -1 and *f. */
int vm_files_open(struct vm_files *files, const struct vm_config *c, struct vm_failure *f);
void vm_files_close(struct vm_files *files);

/*
 * Makes a domain whose vCPU 0 is ready at the kernel's entry; no thread runs yet.  NULL and *f if it can't
 * be had; nothing is left behind then.
 */
struct domain *vm_domain_create(const struct vm_config *c, struct vm_files *files, struct vm_failure *f);

/* Gives back all that the domain has.  No thread of its runs any more. */
void vm_domain_destroy(struct domain *d);

#endif
