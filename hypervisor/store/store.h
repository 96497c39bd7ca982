/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The store (xenstore): a tree of small values that guests and the toolstack share, spoken to over the wire
 * protocol of xen/io/xs_wire.h on a ring in each guest's memory.  One store a process, with a thread of its
 * own that serves all clients; what a client is attached to (ring, socket) is one small file (ring.c).
 *
 * Heavy code.  The calls here are the toolstack's; any thread but vCPUs may make them.
 *
 * LIMITS: no UNIX socket yet; INTRODUCE, RELEASE, RESUME, SET_TARGET and CONTROL are refused (EACCES).
 */
#ifndef DIPTYCH_STORE_STORE_H
#define DIPTYCH_STORE_STORE_H

#include "base/types.h"

struct domain;
struct store;
struct store_ring;

/* What a domain's nodes say; strings may be NULL. */
struct store_domain_info {
    const char *kernel, *ramdisk, *cmdline;
    uint64_t static_max_kib, target_kib;
};

/* Makes the store and starts its thread. 0 or -errno. */
int store_create(struct store **out);
/* Ends the thread and frees; no domain is attached any more. s may be NULL. */
void store_destroy(struct store *s);

/*
 * Life of a domain: attach, before it is built, allocates its event channel (d->pv->store_port); introduce,
 * when it is built and before its vCPUs run, takes the frame d->pv->store_mfn, writes its nodes and serves
 * its ring; release, when no vCPU runs any more and the domain still has its frames.  0 or -errno.
 */
int store_domain_attach(struct store *s, struct domain *d, struct store_ring **out);
int store_domain_introduce(struct store_ring *r, const struct store_domain_info *info);
/* r may be NULL, or never introduced. */
void store_domain_release(struct store_ring *r);

/* The toolstack's way to nodes, as domain 0, with watches fired; path is absolute. 0 or -errno. */
int store_write(struct store *s, const char *path, const char *value);
/* As above, below the domain's own directory: store_domain_write(s, d, "control/shutdown", "poweroff"). */
int store_domain_write(struct store *s, const struct domain *d, const char *path, const char *value);
/* Copies a value and a NUL, cut to size bytes; length of the whole value, or -errno. */
int store_read_value(struct store *s, const char *path, char *value, size_t size);
int store_remove(struct store *s, const char *path);

#endif
