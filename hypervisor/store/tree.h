/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The store's tree of nodes.  Heavy code, pure: no locks, no connections; the caller holds the store's lock.
 *
 * Nodes are immutable once they hang in a tree and are counted: a change copies the nodes from the root to
 * the place of the change and shares all others.  So a snapshot for a transaction is one reference to a root,
 * and an old node can still be looked at after it was removed.
 *
 * Every node has a generation, which changes when its value, its permissions or its set of children do, but
 * not when something below it does: that is what transactions conflict on.
 *
 * Paths given here are absolute and valid (store_path_valid()).  Allocation doesn't fail: without memory the
 * process ends.
 */
#ifndef DIPTYCH_STORE_TREE_H
#define DIPTYCH_STORE_TREE_H

#include "base/types.h"

#define STORE_PERM_READ  1u
#define STORE_PERM_WRITE 2u

/* The first of a node's permissions names its owner, and what domains without an entry may do. */
struct store_perm {
    uint16_t domid;
    uint8_t mode; /* STORE_PERM_* */
};

struct store_node {
    unsigned refs;
    uint64_t generation;
    char *name; /* last part of the path; "" for the root */
    uint8_t *value;
    uint32_t value_len;
    uint32_t nr_perms; /* at least 1 */
    struct store_perm *perms;
    uint32_t nr_children;
    struct store_node **child; /* in the order in which they were created */
};

/* A tree with only a root, owned by domain 0, closed to others. */
struct store_node *store_node_root(void);

struct store_node *store_node_get(struct store_node *n);
void store_node_put(struct store_node *n); /* NULL: nothing */

/* NULL: there is none. The result lives as long as the root does. */
const struct store_node *store_node_find(const struct store_node *root, const char *path);

/* Generation of the node at path, 0 if there is none. */
uint64_t store_node_generation(const struct store_node *root, const char *path);

/*
 * Changes replace *root by a new one and drop the old reference.  The node (for create: the parent) exists.
 * create: the node doesn't exist yet; perms are copied.  remove: with all below it; not the root.
 */
void store_node_set_value(struct store_node **root, const char *path, const void *value, uint32_t len);
void store_node_set_perms(struct store_node **root, const char *path, const struct store_perm *perms,
                          uint32_t nr);
void store_node_create(struct store_node **root, const char *path, const struct store_perm *perms,
                       uint32_t nr, const void *value, uint32_t len);
void store_node_remove(struct store_node **root, const char *path);

/* What a domain may do with a node: STORE_PERM_*. Domain 0 and the owner may do everything. */
unsigned store_node_mode(const struct store_node *n, uint16_t domid);

/* Nodes of the whole tree that a domain owns. */
uint32_t store_node_count_owned(const struct store_node *root, uint16_t domid);

/* Bytes that count towards the quota on one node: value, names of children, permissions. */
uint32_t store_node_size(const struct store_node *n);

/* calloc that ends the process when there is no memory. */
void *store_alloc(size_t n);

#endif
