/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The store's own state, shared by its files.  Everything is guarded by store.lock, which the public calls of
 * store.h take; functions here expect it held.
 *
 * Files: tree.c (nodes), proto.c (the wire), access.c (reads and changes with permissions, quotas and
 * transactions), watch.c, conn.c (a client: bytes in, bytes out), request.c (the operations), ring.c (the
 * thread, and guests' rings), boot.c (what is there when a domain starts), store.c (the toolstack's calls).
 */
#ifndef DIPTYCH_STORE_INTERNAL_H
#define DIPTYCH_STORE_INTERNAL_H

#include <pthread.h>

#include "pv/backend_kick.h"
#include "store/proto.h"
#include "store/store.h"
#include "store/tree.h"

/* Quotas of one unprivileged client: the defaults of Xen 4.17's store. */
#define STORE_MAX_NODES        1000u
#define STORE_MAX_NODE_SIZE    2048u
#define STORE_MAX_WATCHES      128u
#define STORE_MAX_TRANSACTIONS 10u
#define STORE_MAX_ACCESSES     1024u  /* nodes that one transaction touches */
#define STORE_MAX_CHANGES      1024u  /* that one transaction makes */
#define STORE_MAX_OUTSTANDING  65536u /* bytes of replies not taken: no request is read beyond */
#define STORE_MAX_EVENTS       1024u  /* watch events not taken: further ones are lost */

/* ---- clients ---- */

struct store_message {
    struct store_message *next;
    bool event;
    uint32_t len, taken;
    char bytes[]; /* header and payload */
};

struct store_watch {
    struct store_watch *next;
    char *path; /* canonical, or @... */
    char *token;
    size_t
        relative; /* bytes of path that the client left out, with their slash; 0: it gave an absolute path */
};

/* One client, whatever carries its bytes: a guest's ring, or a socket. */
struct store_conn {
    struct store_conn *next;
    struct store *store;
    uint16_t domid;
    bool broken; /* violated the protocol: gets no service until it is reset */
    struct store_message *out, **out_tail;
    uint32_t out_bytes, out_events;
    struct store_watch *watches;
    unsigned nr_watches;
    struct store_txn *txns;
    unsigned nr_txns;
    uint32_t last_txn;
    uint32_t in_len; /* bytes of the request that is coming in */
    char in[sizeof(struct xsd_sockmsg) + XENSTORE_PAYLOAD_MAX];
};

struct store_conn *store_conn_new(struct store *s, uint16_t domid);
void store_conn_free(struct store_conn *c);
/* Forgets watches, transactions, and bytes in both directions. */
void store_conn_reset(struct store_conn *c);
/*
 * Takes up to n bytes from the client and executes what is complete; fewer than n: it has to read replies
 * first, or is broken.
 */
size_t store_conn_feed(struct store_conn *c, const void *p, size_t n);
/* Gives up to n bytes to the client. */
size_t store_conn_take(struct store_conn *c, void *p, size_t n);
/* Queues a message. Events beyond the limit, and repetitions of one that waits already, are dropped. */
void store_conn_send(struct store_conn *c, uint32_t type, uint32_t req_id, uint32_t tx_id, const void *data,
                     uint32_t len);

/* ---- request.c ---- */
void store_execute(struct store_conn *c, const struct xsd_sockmsg *hdr, const char *payload);

/* ---- access.c: who asks, and where: the tree itself or a transaction's ---- */

struct store_change {
    struct store_change *next;
    enum { CHANGE_VALUE, CHANGE_CREATE, CHANGE_REMOVE, CHANGE_PERMS } kind;
    char *path;
    struct store_node *before, *after; /* references; NULL: not there */
};

struct store_access {
    struct store_access *next;
    char path[];
};

struct store_txn {
    struct store_txn *next;
    uint32_t id;
    struct store_node *base, *root; /* as it was; as the transaction sees it */
    struct store_access *accesses;
    unsigned nr_accesses;
    struct store_change *changes, **changes_tail;
    unsigned nr_changes;
};

/* All return 0 or an errno. path is canonical. txn may be NULL. */
struct store_ctx {
    struct store *store;
    uint16_t domid;
    struct store_txn *txn;
};

int store_read(const struct store_ctx *x, const char *path, const struct store_node **n);
int store_do_write(const struct store_ctx *x, const char *path, const void *value, uint32_t len);
int store_mkdir(const struct store_ctx *x, const char *path);
int store_rm(const struct store_ctx *x, const char *path);
int store_set_perms(const struct store_ctx *x, const char *path, const struct store_perm *perms, unsigned nr);

struct store_txn *store_txn_start(struct store *s, uint32_t id);
/*
 * Makes the changes, fires the watches, frees the transaction. 0, EAGAIN: somebody else changed what it
 * touched, or ENOSPC: quota.
 */
int store_txn_commit(const struct store_ctx *x);
void store_txn_free(struct store_txn *t);

/* ---- watch.c ---- */
int store_watch_add(struct store_conn *c, const char *path, const char *canonical, const char *token);
/* The event that a new watch fires once, whatever is there. */
void store_watch_first(struct store_conn *c, const char *canonical, const char *token);
int store_watch_remove(struct store_conn *c, const char *canonical, const char *token);
void store_watch_remove_all(struct store_conn *c);
/* Tells everybody who watches, and may know, what a change did. */
void store_fire(struct store *s, const struct store_change *change);
/* Fires @introduceDomain or @releaseDomain. */
void store_fire_special(struct store *s, const char *name);

/* ---- the store ---- */

struct store {
    pthread_mutex_t lock;
    struct store_node *root;
    struct store_conn *conns;
    struct store_ring *rings;
    struct backend_kick kick;
    pthread_t thread;
    bool stop; /* atomic */
};

/* boot.c: the nodes that are there whatever domains run, and those of one domain. */
void store_boot_host(struct store *s);
void store_boot_domain(struct store *s, const struct domain *d, const struct store_domain_info *info);
void store_boot_forget(struct store *s, const struct domain *d);

bool store_domain_known(const struct store *s, uint16_t domid);

#endif
