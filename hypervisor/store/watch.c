/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Watches: who is told of which change.
 *
 * A watch on a node fires for changes of the node and of everything below it.  The removal of a node also
 * fires the watches on what was below it, each with its own path.  Nobody is told of a node that neither
 * itself nor through its parent is open to him.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/internal.h"

static bool is_below(const char *path, const char *above)
{
    size_t n = strlen(above);

    if (!strcmp(above, "/"))
        return path[0] == '/';
    return !strncmp(path, above, n) && (path[n] == '/' || path[n] == '\0');
}

/* Queues one event: the path as the client named it when it watched, and its token. */
static void send_event(struct store_conn *c, const struct store_watch *w, const char *path)
{
    char payload[XENSTORE_PAYLOAD_MAX];
    size_t n, t = strlen(w->token) + 1;

    path += w->relative;
    n = strlen(path) + 1;
    if (n + t > sizeof(payload))
        return;
    memcpy(payload, path, n);
    memcpy(payload + n, w->token, t);
    store_conn_send(c, XS_WATCH_EVENT, 0, 0, payload, (uint32_t)(n + t));
}

int store_watch_add(struct store_conn *c, const char *path, const char *canonical, const char *token)
{
    struct store_watch *w, **tail = &c->watches;

    for (; *tail; tail = &(*tail)->next)
        if (!strcmp((*tail)->path, canonical) && !strcmp((*tail)->token, token))
            return EEXIST;
    if (c->domid != 0 && c->nr_watches >= STORE_MAX_WATCHES)
        return E2BIG;
    w = store_alloc(sizeof(*w));
    w->path = strdup(canonical);
    w->token = strdup(token);
    if (!w->path || !w->token)
        abort();
    if (path[0] != '/' && path[0] != '@')
        w->relative = strlen(canonical) - strlen(path);
    *tail = w;
    c->nr_watches++;
    return 0;
}

void store_watch_first(struct store_conn *c, const char *canonical, const char *token)
{
    for (const struct store_watch *w = c->watches; w; w = w->next)
        if (!strcmp(w->path, canonical) && !strcmp(w->token, token))
            send_event(c, w, w->path);
}

static void watch_free(struct store_watch *w)
{
    free(w->path);
    free(w->token);
    free(w);
}

int store_watch_remove(struct store_conn *c, const char *canonical, const char *token)
{
    for (struct store_watch **at = &c->watches; *at; at = &(*at)->next) {
        struct store_watch *w = *at;

        if (strcmp(w->path, canonical) != 0 || strcmp(w->token, token) != 0)
            continue;
        *at = w->next;
        watch_free(w);
        c->nr_watches--;
        return 0;
    }
    return ENOENT;
}

void store_watch_remove_all(struct store_conn *c)
{
    while (c->watches) {
        struct store_watch *w = c->watches;

        c->watches = w->next;
        watch_free(w);
    }
    c->nr_watches = 0;
}

static bool may_read(const struct store_node *n, uint16_t domid)
{
    return n && store_node_mode(n, domid) & STORE_PERM_READ;
}

/* Whether a client may know of a change of the node at path, which was before and is after. */
static bool may_know(const struct store *s, uint16_t domid, const char *path, const struct store_node *before,
                     const struct store_node *after)
{
    char parent[STORE_PATH_SIZE];
    char *slash;

    if (may_read(before, domid) || may_read(after, domid))
        return true;
    snprintf(parent, sizeof(parent), "%s", path);
    slash = strrchr(parent, '/');
    slash[slash == parent ? 1 : 0] = '\0';
    return may_read(store_node_find(s->root, parent), domid);
}

/* exact: only watches on this very path. */
static void fire_one(struct store *s, const char *path, const struct store_node *before,
                     const struct store_node *after, bool exact)
{
    for (struct store_conn *c = s->conns; c; c = c->next)
        for (const struct store_watch *w = c->watches; w; w = w->next)
            if ((exact ? !strcmp(path, w->path) : is_below(path, w->path)) &&
                may_know(s, c->domid, path, before, after))
                send_event(c, w, path);
}

/*
 * All below a node that was removed; path is a buffer that holds the node's path, and is given back as it
 * was.
 */
/* NOLINTNEXTLINE(misc-no-recursion): small, and as deep as a path has parts */
static void fire_below(struct store *s, char path[STORE_PATH_SIZE], const struct store_node *n)
{
    size_t len = strlen(path);

    for (uint32_t i = 0; i < n->nr_children; i++) {
        snprintf(path + len, STORE_PATH_SIZE - len, "/%s", n->child[i]->name);
        fire_one(s, path, n->child[i], NULL, true);
        fire_below(s, path, n->child[i]);
    }
    path[len] = '\0';
}

void store_fire(struct store *s, const struct store_change *change)
{
    char path[STORE_PATH_SIZE];

    fire_one(s, change->path, change->before, change->after, false);
    if (change->kind != CHANGE_REMOVE)
        return;
    snprintf(path, sizeof(path), "%s", change->path);
    fire_below(s, path, change->before);
}

/* As in Xen, only the toolstack's domain hears of other domains' coming and going. */
void store_fire_special(struct store *s, const char *name)
{
    for (struct store_conn *c = s->conns; c; c = c->next)
        for (const struct store_watch *w = c->watches; c->domid == 0 && w; w = w->next)
            if (!strcmp(w->path, name))
                send_event(c, w, name);
}
