/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The store's tree: see tree.h.  Recursion is as deep as a path has parts, which its length bounds.
 */
#include "store/tree.h"

#include <stdlib.h>
#include <string.h>

#include "base/diag.h"

static uint64_t last_generation;

void *store_alloc(size_t n)
{
    void *p = calloc(1, n ? n : 1);

    if (!p)
        diag_fatal(EXIT_STATUS_HOST, "no memory for the store");
    return p;
}

static void *copy(const void *p, size_t n)
{
    void *q = store_alloc(n);

    if (n)
        memcpy(q, p, n);
    return q;
}

static struct store_node *node_new(const char *name, size_t name_len, const struct store_perm *perms,
                                   uint32_t nr, const void *value, uint32_t len)
{
    struct store_node *n = store_alloc(sizeof(*n));

    n->refs = 1;
    n->generation = ++last_generation;
    n->name = store_alloc(name_len + 1);
    memcpy(n->name, name, name_len);
    n->perms = copy(perms, nr * sizeof(*perms));
    n->nr_perms = nr;
    n->value = copy(value, len);
    n->value_len = len;
    return n;
}

struct store_node *store_node_root(void)
{
    struct store_perm perm = {0, 0};

    return node_new("", 0, &perm, 1, NULL, 0);
}

struct store_node *store_node_get(struct store_node *n)
{
    n->refs++;
    return n;
}

/* NOLINTNEXTLINE(misc-no-recursion): small, and as deep as a path has parts */
void store_node_put(struct store_node *n)
{
    if (!n || --n->refs)
        return;
    for (uint32_t i = 0; i < n->nr_children; i++)
        store_node_put(n->child[i]);
    free(n->child);
    free(n->perms);
    free(n->value);
    free(n->name);
    free(n);
}

/* A copy that shares the children; same generation. */
static struct store_node *node_copy(const struct store_node *n)
{
    /* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): a node has nr_children children */
    struct store_node *c = node_new(n->name, strlen(n->name), n->perms, n->nr_perms, n->value, n->value_len);

    c->generation = n->generation;
    c->nr_children = n->nr_children;
    c->child = store_alloc(n->nr_children * sizeof(*n->child));
    for (uint32_t i = 0; i < n->nr_children; i++)
        c->child[i] = store_node_get(n->child[i]);
    return c;
}

/* The first part of a path, behind its slash: length of it; 0 at the end. */
static size_t first_part(const char **path)
{
    while (**path == '/')
        (*path)++;
    return strcspn(*path, "/");
}

static int child_index(const struct store_node *n, const char *name, size_t len)
{
    for (uint32_t i = 0; i < n->nr_children; i++) {
        /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): who holds a node holds references to its children */
        const char *child = n->child[i]->name;

        if (!strncmp(child, name, len) && child[len] == '\0')
            return (int)i;
    }
    return -1;
}

const struct store_node *store_node_find(const struct store_node *root, const char *path)
{
    const struct store_node *n = root;
    size_t len;

    while ((len = first_part(&path))) {
        int i = child_index(n, path, len);

        if (i < 0)
            return NULL;
        n = n->child[i];
        path += len;
    }
    return n;
}

uint64_t store_node_generation(const struct store_node *root, const char *path)
{
    const struct store_node *n = store_node_find(root, path);

    return n ? n->generation : 0;
}

/*
 * Copies the nodes on the path from *slot down, and returns the copy of the one where the path ends: it is in
 * no other tree and may be changed.
 */
static struct store_node *make_private(struct store_node **slot, const char *path)
{
    size_t len;

    for (;;) {
        struct store_node *c = node_copy(*slot);

        store_node_put(*slot);
        *slot = c;
        len = first_part(&path);
        if (!len)
            return c;
        slot = &c->child[child_index(c, path, len)];
        path += len;
    }
}

void store_node_set_value(struct store_node **root, const char *path, const void *value, uint32_t len)
{
    struct store_node *n = make_private(root, path);

    free(n->value);
    n->value = copy(value, len);
    n->value_len = len;
    n->generation = ++last_generation;
}

void store_node_set_perms(struct store_node **root, const char *path, const struct store_perm *perms,
                          uint32_t nr)
{
    struct store_node *n = make_private(root, path);

    free(n->perms);
    n->perms = copy(perms, nr * sizeof(*perms));
    n->nr_perms = nr;
    n->generation = ++last_generation;
}

/* The parent of path, made private; *name is the last part. */
static struct store_node *private_parent(struct store_node **root, const char *path, const char **name)
{
    const char *slash = strrchr(path, '/');
    char *parent = store_alloc((size_t)(slash - path) + 1);
    struct store_node *n;

    memcpy(parent, path, (size_t)(slash - path));
    n = make_private(root, parent);
    free(parent);
    *name = slash + 1;
    return n;
}

void store_node_create(struct store_node **root, const char *path, const struct store_perm *perms,
                       uint32_t nr, const void *value, uint32_t len)
{
    const char *name;
    struct store_node *n = private_parent(root, path, &name);
    struct store_node **child = store_alloc((n->nr_children + 1) * sizeof(*child));

    if (n->nr_children)
        memcpy(child, n->child, n->nr_children * sizeof(*child));
    free(n->child);
    n->child = child;
    child[n->nr_children++] = node_new(name, strlen(name), perms, nr, value, len);
    n->generation = ++last_generation;
}

void store_node_remove(struct store_node **root, const char *path)
{
    const char *name;
    struct store_node *n = private_parent(root, path, &name);
    uint32_t i = (uint32_t)child_index(n, name, strlen(name));

    store_node_put(n->child[i]);
    memmove(n->child + i, n->child + i + 1, (n->nr_children - i - 1) * sizeof(*n->child));
    n->nr_children--;
    n->generation = ++last_generation;
}

unsigned store_node_mode(const struct store_node *n, uint16_t domid)
{
    if (domid == 0 || n->perms[0].domid == domid)
        return STORE_PERM_READ | STORE_PERM_WRITE;
    for (uint32_t i = 1; i < n->nr_perms; i++)
        if (n->perms[i].domid == domid)
            return n->perms[i].mode;
    return n->perms[0].mode;
}

/* NOLINTNEXTLINE(misc-no-recursion): small, and as deep as a path has parts */
uint32_t store_node_count_owned(const struct store_node *root, uint16_t domid)
{
    uint32_t count = root->perms[0].domid == domid;

    for (uint32_t i = 0; i < root->nr_children; i++)
        count += store_node_count_owned(root->child[i], domid);
    return count;
}

uint32_t store_node_size(const struct store_node *n)
{
    uint32_t size = n->value_len + n->nr_perms * (uint32_t)sizeof(struct store_perm);

    for (uint32_t i = 0; i < n->nr_children; i++)
        size += (uint32_t)strlen(n->child[i]->name) + 1;
    return size;
}
