/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The operations of the store's protocol.  Each handler answers with exactly one reply; its errno becomes
 * XS_ERROR.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/internal.h"

struct op {
    struct store_conn *conn;
    const struct store_request *req;
    struct store_ctx ctx;
    char path[STORE_PATH_SIZE]; /* first argument, canonical, where the table says that it is a path */
};

static void reply(const struct op *o, const void *data, uint32_t len)
{
    store_conn_send(o->conn, o->req->type, o->req->req_id, o->req->tx_id, data, len);
}

static int reply_ok(const struct op *o)
{
    reply(o, "OK", 3);
    return 0;
}

static int reply_string(const struct op *o, const char *s)
{
    reply(o, s, (uint32_t)strlen(s) + 1);
    return 0;
}

static int op_read(struct op *o)
{
    const struct store_node *n;
    int err = store_read(&o->ctx, o->path, &n);

    if (err)
        return err;
    if (n->value_len > XENSTORE_PAYLOAD_MAX)
        return E2BIG;
    reply(o, n->value, n->value_len);
    return 0;
}

/*
 * The children's names, each ended by NUL, from a byte offset on, whole names only up to max bytes; *total is
 * the length of them all.
 */
static uint32_t list_children(const struct store_node *n, uint64_t from, uint32_t max, char *out,
                              uint64_t *total)
{
    uint64_t at = 0;
    uint32_t len = 0;
    bool full = false;

    for (uint32_t i = 0; i < n->nr_children; i++) {
        const char *name = n->child[i]->name;
        uint32_t size = (uint32_t)strlen(name) + 1;

        if (at + size > from && !full) {
            uint32_t skip = from > at ? (uint32_t)(from - at) : 0;

            if (len + size - skip > max) {
                full = true;
            } else {
                memcpy(out + len, name + skip, size - skip);
                len += size - skip;
            }
        }
        at += size;
    }
    *total = at;
    return len;
}

static int op_directory(struct op *o)
{
    char list[XENSTORE_PAYLOAD_MAX];
    const struct store_node *n;
    uint64_t total;
    int err = store_read(&o->ctx, o->path, &n);

    if (err)
        return err;
    uint32_t len = list_children(n, 0, sizeof(list), list, &total);

    if (len < total)
        return E2BIG;
    reply(o, list, len);
    return 0;
}

/* Generation, then names; one more NUL behind the last name of all. */
static int op_directory_part(struct op *o)
{
    char out[XENSTORE_PAYLOAD_MAX];
    const struct store_node *n;
    uint64_t from, total;
    int err = store_read(&o->ctx, o->path, &n);

    if (err)
        return err;
    if (!store_parse_number(o->req->arg[1], UINT32_MAX, &from))
        return EINVAL;
    uint32_t len = (uint32_t)snprintf(out, sizeof(out), "%llu", (unsigned long long)n->generation) + 1;
    uint32_t names = list_children(n, from, (uint32_t)sizeof(out) - len - 1, out + len, &total);

    len += names;
    if (from + names >= total)
        out[len++] = '\0';
    reply(o, out, len);
    return 0;
}

static int op_write(struct op *o)
{
    int err = store_do_write(&o->ctx, o->path, o->req->data, o->req->data_len);

    return err ? err : reply_ok(o);
}

static int op_mkdir(struct op *o)
{
    int err = store_mkdir(&o->ctx, o->path);

    return err ? err : reply_ok(o);
}

static int op_rm(struct op *o)
{
    int err = store_rm(&o->ctx, o->path);

    return err ? err : reply_ok(o);
}

static int op_get_perms(struct op *o)
{
    char text[XENSTORE_PAYLOAD_MAX];
    const struct store_node *n;
    int err = store_read(&o->ctx, o->path, &n);

    if (err)
        return err;
    reply(o, text, store_perms_format(n->perms, n->nr_perms, text));
    return 0;
}

static int op_set_perms(struct op *o)
{
    struct store_perm perms[STORE_MAX_PERMS];
    unsigned nr = store_perms_parse(o->req->data, o->req->data_len, perms);
    int err = nr ? store_set_perms(&o->ctx, o->path, perms, nr) : EINVAL;

    return err ? err : reply_ok(o);
}

/* The acknowledgement comes before the first event, which tells the client to look at the state as it is. */
static int op_watch(struct op *o)
{
    int err = store_watch_add(o->conn, o->req->arg[0], o->path, o->req->arg[1]);

    if (err)
        return err;
    reply_ok(o);
    store_watch_first(o->conn, o->path, o->req->arg[1]);
    return 0;
}

static int op_unwatch(struct op *o)
{
    int err = store_watch_remove(o->conn, o->path, o->req->arg[1]);

    return err ? err : reply_ok(o);
}

static int op_reset_watches(struct op *o)
{
    store_watch_remove_all(o->conn);
    while (o->conn->txns) {
        struct store_txn *t = o->conn->txns;

        o->conn->txns = t->next;
        store_txn_free(t);
    }
    o->conn->nr_txns = 0;
    return reply_ok(o);
}

static struct store_txn *find_txn(const struct store_conn *c, uint32_t id)
{
    struct store_txn *t = c->txns;

    while (t && t->id != id)
        t = t->next;
    return t;
}

static int op_transaction_start(struct op *o)
{
    struct store_conn *c = o->conn;
    struct store_txn *t;
    char id[11];

    if (o->ctx.txn)
        return EBUSY;
    if (c->domid != 0 && c->nr_txns >= STORE_MAX_TRANSACTIONS)
        return ENOSPC;
    do
        c->last_txn++;
    while (c->last_txn == 0 || find_txn(c, c->last_txn));
    t = store_txn_start(c->store, c->last_txn);
    t->next = c->txns;
    c->txns = t;
    c->nr_txns++;
    snprintf(id, sizeof(id), "%u", t->id);
    return reply_string(o, id);
}

static int op_transaction_end(struct op *o)
{
    struct store_txn **at = &o->conn->txns;
    bool commit = !strcmp(o->req->arg[0], "T");
    int err = 0;

    if (!commit && strcmp(o->req->arg[0], "F") != 0)
        return EINVAL;
    if (!o->ctx.txn)
        return ENOENT;
    while (*at != o->ctx.txn)
        at = &(*at)->next;
    *at = o->ctx.txn->next;
    o->conn->nr_txns--;
    if (commit)
        err = store_txn_commit(&o->ctx);
    else
        store_txn_free(o->ctx.txn);
    return err ? err : reply_ok(o);
}

static int domid_arg(const struct op *o, uint16_t *domid)
{
    uint64_t x;

    if (!store_parse_number(o->req->arg[0], 0x7fff, &x))
        return EINVAL;
    *domid = (uint16_t)x;
    return 0;
}

static int op_get_domain_path(struct op *o)
{
    char path[32];
    uint16_t domid;
    int err = domid_arg(o, &domid);

    if (err)
        return err;
    snprintf(path, sizeof(path), "/local/domain/%u", domid);
    return reply_string(o, path);
}

static int op_is_domain_introduced(struct op *o)
{
    uint16_t domid;
    int err = domid_arg(o, &domid);

    return err ? err : reply_string(o, store_domain_known(o->conn->store, domid) ? "T" : "F");
}

static int op_refused(struct op *o)
{
    (void)o;
    return EACCES;
}

enum path_kind { NO_PATH, PATH, WATCH_PATH };

static const struct {
    int (*fn)(struct op *o);
    uint8_t path;
} ops[XS_TYPE_COUNT] = {
    [XS_CONTROL] = {op_refused, NO_PATH},
    [XS_DIRECTORY] = {op_directory, PATH},
    [XS_READ] = {op_read, PATH},
    [XS_GET_PERMS] = {op_get_perms, PATH},
    [XS_WATCH] = {op_watch, WATCH_PATH},
    [XS_UNWATCH] = {op_unwatch, WATCH_PATH},
    [XS_TRANSACTION_START] = {op_transaction_start, NO_PATH},
    [XS_TRANSACTION_END] = {op_transaction_end, NO_PATH},
    [XS_INTRODUCE] = {op_refused, NO_PATH},
    [XS_RELEASE] = {op_refused, NO_PATH},
    [XS_GET_DOMAIN_PATH] = {op_get_domain_path, NO_PATH},
    [XS_WRITE] = {op_write, PATH},
    [XS_MKDIR] = {op_mkdir, PATH},
    [XS_RM] = {op_rm, PATH},
    [XS_SET_PERMS] = {op_set_perms, PATH},
    [XS_IS_DOMAIN_INTRODUCED] = {op_is_domain_introduced, NO_PATH},
    [XS_RESUME] = {op_refused, NO_PATH},
    [XS_SET_TARGET] = {op_refused, NO_PATH},
    [XS_RESET_WATCHES] = {op_reset_watches, NO_PATH},
    [XS_DIRECTORY_PART] = {op_directory_part, PATH},
};

void store_execute(struct store_conn *c, const struct xsd_sockmsg *hdr, const char *payload)
{
    struct store_request req;
    struct op o = {.conn = c, .req = &req, .ctx = {.store = c->store, .domid = c->domid}};
    int err = store_parse(hdr, payload, &req);

    if (!err && req.tx_id) {
        o.ctx.txn = find_txn(c, req.tx_id);
        err = o.ctx.txn ? 0 : ENOENT;
    }
    if (!err && ops[req.type].path != NO_PATH)
        err = store_path_canonicalize(req.arg[0], c->domid, ops[req.type].path == WATCH_PATH, o.path);
    if (!err)
        err = ops[req.type].fn(&o);
    if (err) {
        const char *name = store_error_name(err);

        store_conn_send(c, XS_ERROR, hdr->req_id, hdr->tx_id, name, (uint32_t)strlen(name) + 1);
    }
}
