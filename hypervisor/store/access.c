/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reads and changes of the store with permissions, quotas and transactions.
 *
 * A transaction works on its own root, made from the tree as it was at its start, and notes each path whose
 * state it relied on.  At the end, if the tree's root is still the one it started from, its own root takes
 * its place; otherwise the paths' generations are compared, and if none has changed the changes are made
 * again on the new tree.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/internal.h"

static struct store_node **root_of(const struct store_ctx *x)
{
    return x->txn ? &x->txn->root : &x->store->root;
}

static void parent_path(const char *path, char out[STORE_PATH_SIZE])
{
    const char *slash = strrchr(path, '/');
    size_t n = slash == path ? 1 : (size_t)(slash - path);

    memmove(out, path, n);
    out[n] = '\0';
}

/* Notes that a transaction relies on the state of a path. 0 or ENOSPC. */
static int note_access(const struct store_ctx *x, const char *path)
{
    struct store_txn *t = x->txn;
    struct store_access *a;
    size_t n = strlen(path) + 1;

    if (!t)
        return 0;
    for (a = t->accesses; a; a = a->next)
        if (!strcmp(a->path, path))
            return 0;
    if (x->domid != 0 && t->nr_accesses >= STORE_MAX_ACCESSES)
        return ENOSPC;
    a = store_alloc(sizeof(*a) + n);
    memcpy(a->path, path, n);
    a->next = t->accesses;
    t->accesses = a;
    t->nr_accesses++;
    return 0;
}

/* As above, of a node and all below it. buf holds the path, and is given back as it was. */
/* NOLINTNEXTLINE(misc-no-recursion): small, and as deep as a path has parts */
static int note_subtree(const struct store_ctx *x, const struct store_node *n, char buf[STORE_PATH_SIZE])
{
    size_t len = strlen(buf);
    int err = note_access(x, buf);

    for (uint32_t i = 0; !err && i < n->nr_children; i++) {
        snprintf(buf + len, STORE_PATH_SIZE - len, "/%s", n->child[i]->name);
        err = note_subtree(x, n->child[i], buf);
        buf[len] = '\0';
    }
    return err;
}

static void change_free(struct store_change *c)
{
    store_node_put(c->before);
    store_node_put(c->after);
    free(c->path);
    free(c);
}

/*
 * A change was made to the tree that x works on; before is a reference to the node as it was, or NULL. 
 * Outside a transaction the watches fire now.
 */
static void changed(const struct store_ctx *x, int kind, const char *path, struct store_node *before)
{
    struct store_change *c = store_alloc(sizeof(*c));
    const struct store_node *after = store_node_find(*root_of(x), path);

    c->kind = kind;
    c->path = strdup(path);
    if (!c->path)
        abort();
    c->before = before;
    c->after = after ? store_node_get((struct store_node *)after) : NULL;
    if (x->txn) {
        x->txn->nr_changes++;
        *x->txn->changes_tail = c;
        x->txn->changes_tail = &c->next;
        return;
    }
    store_fire(x->store, c);
    change_free(c);
}

/* Whether a transaction may make one more change. 0 or ENOSPC. */
static int room_for_change(const struct store_ctx *x)
{
    return x->txn && x->domid != 0 && x->txn->nr_changes >= STORE_MAX_CHANGES ? ENOSPC : 0;
}

/*
 * What the client may know if a node isn't there or isn't for it: ENOENT if the nearest node above is open to
 * it.
 */
static int hidden_error(const struct store_ctx *x, const char *path, unsigned mode)
{
    char parent[STORE_PATH_SIZE];
    const struct store_node *n;

    parent_path(path, parent);
    while (!(n = store_node_find(*root_of(x), parent)))
        parent_path(parent, parent);
    return store_node_mode(n, x->domid) & mode ? ENOENT : EACCES;
}

/* The node if the client has the mode on it. 0, ENOENT, EACCES, ENOSPC. */
static int get_node(const struct store_ctx *x, const char *path, unsigned mode, const struct store_node **n)
{
    int err = note_access(x, path);

    *n = NULL;
    if (err)
        return err;
    *n = store_node_find(*root_of(x), path);
    if (!*n)
        return hidden_error(x, path, mode);
    if ((store_node_mode(*n, x->domid) & mode) != mode) {
        *n = NULL;
        return EACCES;
    }
    return 0;
}

int store_read(const struct store_ctx *x, const char *path, const struct store_node **n)
{
    return get_node(x, path, STORE_PERM_READ, n);
}

/* Creates a node whose parent is there. */
static int create_one(const struct store_ctx *x, const char *path, const void *value, uint32_t len)
{
    char parent[STORE_PATH_SIZE];
    struct store_perm perms[STORE_MAX_PERMS];
    const struct store_node *n;
    const char *name = strrchr(path, '/') + 1;
    int err = room_for_change(x);

    if (err)
        return err;
    parent_path(path, parent);
    n = store_node_find(*root_of(x), parent);
    if (x->domid != 0) {
        if (store_node_count_owned(*root_of(x), x->domid) >= STORE_MAX_NODES)
            return ENOSPC;
        if (store_node_size(n) + strlen(name) + 1 > STORE_MAX_NODE_SIZE || len > STORE_MAX_NODE_SIZE)
            return ENOSPC;
    }
    /* Permissions are the parent's, but what an unprivileged domain makes is its own. */
    unsigned nr = n->nr_perms < STORE_MAX_PERMS ? n->nr_perms : STORE_MAX_PERMS;

    memcpy(perms, n->perms, nr * sizeof(perms[0]));
    if (x->domid != 0)
        perms[0].domid = x->domid;
    store_node_create(root_of(x), path, perms, nr, value, len);
    changed(x, CHANGE_CREATE, path, NULL);
    return 0;
}

/*
 * Creates the node and those above it that are missing; the client was found to have write permission above.
 * A loop, because a path has up to a thousand parts and the client chooses it.
 */
static int create(const struct store_ctx *x, const char *path, const void *value, uint32_t len)
{
    char at[STORE_PATH_SIZE];
    int err;

    snprintf(at, sizeof(at), "%s", path);
    do {
        err = note_access(x, at);
        if (err)
            return err;
        parent_path(at, at);
    } while (!store_node_find(*root_of(x), at));
    err = note_access(x, at);
    while (!err && strcmp(at, path) != 0) {
        size_t n = at[1] ? strlen(at) + 1 : 1; /* behind the slash that follows */

        n += strcspn(path + n, "/");
        memcpy(at, path, n);
        at[n] = '\0';
        err = path[n] ? create_one(x, at, NULL, 0) : create_one(x, at, value, len);
    }
    return err;
}

int store_do_write(const struct store_ctx *x, const char *path, const void *value, uint32_t len)
{
    const struct store_node *n;
    int err = get_node(x, path, STORE_PERM_WRITE, &n);
    struct store_node *before;

    if (err == ENOENT)
        return create(x, path, value, len);
    if (err)
        return err;
    if (x->domid != 0 && store_node_size(n) - n->value_len + len > STORE_MAX_NODE_SIZE)
        return ENOSPC;
    err = room_for_change(x);
    if (err)
        return err;
    before = store_node_get((struct store_node *)n);
    store_node_set_value(root_of(x), path, value, len);
    changed(x, CHANGE_VALUE, path, before);
    return 0;
}

int store_mkdir(const struct store_ctx *x, const char *path)
{
    const struct store_node *n;
    int err = get_node(x, path, STORE_PERM_WRITE, &n);

    return err == ENOENT ? create(x, path, NULL, 0) : err;
}

int store_rm(const struct store_ctx *x, const char *path)
{
    char parent[STORE_PATH_SIZE];
    const struct store_node *n;
    struct store_node *before;
    int err = get_node(x, path, STORE_PERM_WRITE, &n);

    parent_path(path, parent);
    if (err == ENOENT) /* gone already is fine, if there is a place where it could be */
        return store_node_find(*root_of(x), parent) ? 0 : ENOENT;
    if (err)
        return err;
    if (!strcmp(path, "/"))
        return EINVAL;
    err = room_for_change(x);
    if (!err)
        err = note_access(x, parent);
    if (!err && x->txn) {
        snprintf(parent, sizeof(parent), "%s", path);
        err = note_subtree(x, n, parent);
    }
    if (err)
        return err;
    before = store_node_get((struct store_node *)n);
    store_node_remove(root_of(x), path);
    changed(x, CHANGE_REMOVE, path, before);
    return 0;
}

int store_set_perms(const struct store_ctx *x, const char *path, const struct store_perm *perms, unsigned nr)
{
    const struct store_node *n;
    struct store_node *before;
    int err = get_node(x, path, STORE_PERM_WRITE, &n);

    if (err)
        return err;
    if (x->domid != 0 && n->perms[0].domid != x->domid)
        return EACCES;
    if (x->domid != 0 && perms[0].domid != x->domid)
        return EPERM;
    err = room_for_change(x);
    if (err)
        return err;
    before = store_node_get((struct store_node *)n);
    store_node_set_perms(root_of(x), path, perms, nr);
    changed(x, CHANGE_PERMS, path, before);
    return 0;
}

/* ---- transactions ---- */

struct store_txn *store_txn_start(struct store *s, uint32_t id)
{
    struct store_txn *t = store_alloc(sizeof(*t));

    t->id = id;
    t->base = store_node_get(s->root);
    t->root = store_node_get(s->root);
    t->changes_tail = &t->changes;
    return t;
}

void store_txn_free(struct store_txn *t)
{
    while (t->accesses) {
        struct store_access *a = t->accesses;

        t->accesses = a->next;
        free(a);
    }
    while (t->changes) {
        struct store_change *c = t->changes;

        t->changes = c->next;
        change_free(c);
    }
    store_node_put(t->base);
    store_node_put(t->root);
    free(t);
}

/* Makes one change of a transaction on another tree, on which all that it relied on is the same. */
static void replay(struct store_node **root, const struct store_change *c)
{
    const struct store_node *n = c->after;

    switch (c->kind) {
    case CHANGE_VALUE:
        store_node_set_value(root, c->path, n->value, n->value_len);
        break;
    case CHANGE_CREATE:
        store_node_create(root, c->path, n->perms, n->nr_perms, n->value, n->value_len);
        break;
    case CHANGE_PERMS:
        store_node_set_perms(root, c->path, n->perms, n->nr_perms);
        break;
    case CHANGE_REMOVE:
        store_node_remove(root, c->path);
        break;
    }
}

static int install(const struct store_ctx *x)
{
    struct store *s = x->store;
    struct store_txn *t = x->txn;
    struct store_node *root;

    if (!t->changes)
        return 0;
    if (s->root == t->base) {
        store_node_put(s->root);
        s->root = store_node_get(t->root);
        return 0;
    }
    for (const struct store_access *a = t->accesses; a; a = a->next)
        if (store_node_generation(s->root, a->path) != store_node_generation(t->base, a->path))
            return EAGAIN;
    root = store_node_get(s->root);
    for (const struct store_change *c = t->changes; c; c = c->next)
        replay(&root, c);
    /* Others may have used up the quota on nodes since. */
    if (x->domid != 0 && store_node_count_owned(root, x->domid) > STORE_MAX_NODES) {
        store_node_put(root);
        return ENOSPC;
    }
    store_node_put(s->root);
    s->root = root;
    return 0;
}

int store_txn_commit(const struct store_ctx *x)
{
    int err = install(x);

    if (!err)
        for (const struct store_change *c = x->txn->changes; c; c = c->next)
            store_fire(x->store, c);
    store_txn_free(x->txn);
    return err;
}
