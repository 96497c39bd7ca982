/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The store: protocol, permissions, quotas, transactions and watches through a client's bytes.
 * test_store_ring.c has the ring.
 */
#include <check.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/internal.h"
#include "store_replies.h"
#include "suite.h"

static struct store store;
static struct store_conn *guest, *other, *dom0;

static struct store_reply last;

static uint32_t req_id;

/* Events that came before the reply that was waited for. */
static struct {
    struct store_conn *conn;
    struct store_reply reply;
} early[64];
static unsigned nr_early;

static void tree_setup(void)
{
    memset(&store, 0, sizeof(store));
    nr_early = 0;
    store.root = store_node_root();
    dom0 = store_conn_new(&store, 0);
    guest = store_conn_new(&store, 1);
    other = store_conn_new(&store, 2);
}

static void tree_teardown(void)
{
    store_conn_free(other);
    store_conn_free(guest);
    store_conn_free(dom0);
    store_node_put(store.root);
}

/* Takes the next message; false if none waits. */
static bool take(struct store_conn *c)
{
    for (unsigned i = 0; i < nr_early; i++) {
        if (early[i].conn != c)
            continue;
        last = early[i].reply;
        memmove(&early[i], &early[i + 1], (--nr_early - i) * sizeof(early[0]));
        return true;
    }
    if (store_conn_take(c, &last.hdr, sizeof(last.hdr)) != sizeof(last.hdr))
        return false;
    ck_assert_uint_le(last.hdr.len, XENSTORE_PAYLOAD_MAX);
    ck_assert_uint_eq(store_conn_take(c, last.data, last.hdr.len), last.hdr.len);
    last.data[last.hdr.len] = '\0';
    return true;
}

/* Sends a request and takes its reply: NULL for success, or the error's name. */
static const char *ask_bytes(struct store_conn *c, uint32_t type, uint32_t tx, const void *data, uint32_t len)
{
    struct xsd_sockmsg hdr = {.type = type, .req_id = ++req_id, .tx_id = tx, .len = len};

    ck_assert_uint_eq(store_conn_feed(c, &hdr, sizeof(hdr)), sizeof(hdr));
    ck_assert_uint_eq(store_conn_feed(c, data, len), len);
    for (;;) {
        unsigned saved = nr_early;

        nr_early = 0;
        ck_assert(take(c));
        nr_early = saved;
        if (last.hdr.type != XS_WATCH_EVENT)
            break;
        ck_assert_uint_lt(nr_early, ARRAY_SIZE(early));
        early[nr_early].conn = c;
        early[nr_early++].reply = last;
    }
    ck_assert_uint_eq(last.hdr.req_id, req_id);
    ck_assert_uint_eq(last.hdr.tx_id, tx);
    if (last.hdr.type == XS_ERROR)
        return last.data;
    ck_assert_uint_eq(last.hdr.type, type);
    return NULL;
}

#define ask(c, type, tx, bytes) ask_bytes(c, type, tx, bytes, sizeof(bytes))

static const char *ask_path(struct store_conn *c, uint32_t type, uint32_t tx, const char *path)
{
    return ask_bytes(c, type, tx, path, (uint32_t)strlen(path) + 1);
}

static const char *write_node(struct store_conn *c, uint32_t tx, const char *path, const char *value)
{
    char payload[XENSTORE_PAYLOAD_MAX];
    size_t n = strlen(path) + 1, len = strlen(value);

    memcpy(payload, path, n);
    memcpy(payload + n, value, len); /* NOLINT(bugprone-not-null-terminated-result): the protocol has none */
    return ask_bytes(c, XS_WRITE, tx, payload, (uint32_t)(n + len));
}

static uint32_t start(struct store_conn *c)
{
    ck_assert_ptr_null(ask(c, XS_TRANSACTION_START, 0, ""));
    return (uint32_t)strtoul(last.data, NULL, 10);
}

#define VALUE(c, tx, path, want)            \
    do {                                    \
        OK(ask_path(c, XS_READ, tx, path)); \
        ck_assert_str_eq(last.data, want);  \
    } while (0)

/* A home for domain 1 that it may write to. */
static void make_home(void)
{
    OK(ask(dom0, XS_MKDIR, 0, "/local/domain/1/data"));
    OK(ask(dom0, XS_SET_PERMS, 0, "/local/domain/1/data\0n1"));
    OK(ask(dom0, XS_SET_PERMS, 0, "/local/domain/1\0n0\0r1"));
}

START_TEST(read_and_write)
{
    OK(write_node(dom0, 0, "/a/b/c", "value"));
    VALUE(dom0, 0, "/a/b/c", "value");
    VALUE(dom0, 0, "/a", "");
    OK(write_node(dom0, 0, "/a/b/c", ""));
    VALUE(dom0, 0, "/a/b/c", "");
    ERR(ask(dom0, XS_READ, 0, "/a/x"), "ENOENT");
    OK(ask(dom0, XS_MKDIR, 0, "/a/z"));
    OK(ask(dom0, XS_MKDIR, 0, "/a/z")); /* again is fine */
    OK(ask(dom0, XS_DIRECTORY, 0, "/a"));
    ck_assert_uint_eq(last.hdr.len, 4);
    ck_assert_mem_eq(last.data, "b\0z", 4);
    OK(ask(dom0, XS_DIRECTORY, 0, "/a/z"));
    ck_assert_uint_eq(last.hdr.len, 0);
    OK(ask(dom0, XS_RM, 0, "/a/b"));
    ERR(ask(dom0, XS_READ, 0, "/a/b/c"), "ENOENT");
    OK(ask(dom0, XS_RM, 0, "/a/b")); /* gone already */
    ERR(ask(dom0, XS_RM, 0, "/q/b"), "ENOENT");
    ERR(ask(dom0, XS_RM, 0, "/"), "EINVAL");
    /* Values are bytes. */
    OK(ask_bytes(dom0, XS_WRITE, 0, "/bin\0\1\0\2", 8));
    OK(ask(dom0, XS_READ, 0, "/bin"));
    ck_assert_uint_eq(last.hdr.len, 3);
    ck_assert_mem_eq(last.data, "\1\0\2", 3);
}
END_TEST

START_TEST(malformed)
{
    ERR(ask_bytes(dom0, XS_READ, 0, "/a", 2), "EINVAL"); /* no NUL */
    ERR(ask_bytes(dom0, XS_READ, 0, "", 0), "EINVAL");
    ERR(ask(dom0, XS_READ, 0, "/a\0b"), "EINVAL");
    ERR(ask(dom0, XS_READ, 0, "/a//b"), "EINVAL");
    ERR(ask(dom0, XS_READ, 0, "/a/"), "EINVAL");
    ERR(ask(dom0, XS_READ, 0, "/a b"), "EINVAL");
    ERR(ask(dom0, XS_READ, 0, "@releaseDomain"), "EINVAL");
    ERR(ask(dom0, XS_WATCH, 0, "/a"), "EINVAL");
    ERR(ask(dom0, XS_WATCH, 0, "@nothing\0t"), "EINVAL");
    ERR(ask(dom0, XS_SET_PERMS, 0, "/\0x1"), "EINVAL");
    ERR(ask(dom0, XS_SET_PERMS, 0, "/\0r99999"), "EINVAL");
    ERR(ask(dom0, XS_SET_PERMS, 0, "/\0r1\0r1\0r1\0r1\0r1\0r1"), "EINVAL");
    ERR(ask_bytes(dom0, XS_SET_PERMS, 0, "/", 2), "EINVAL");
    ERR(ask(dom0, XS_TRANSACTION_END, 0, "X"), "EINVAL");
    ERR(ask(dom0, XS_GET_DOMAIN_PATH, 0, "1x"), "EINVAL");
    ERR(ask(dom0, 20, 0, ""), "ENOSYS");
    ERR(ask(dom0, XS_WATCH_EVENT, 0, ""), "ENOSYS");
    ERR(ask(dom0, 0xffff, 0, ""), "ENOSYS");
    ERR(ask(dom0, XS_READ, 99, "/"), "ENOENT"); /* no such transaction */
}
END_TEST

START_TEST(path_lengths)
{
    char path[XENSTORE_PAYLOAD_MAX];

    memset(path, 'x', sizeof(path));
    path[0] = '/';
    path[XENSTORE_REL_PATH_MAX] = '\0';
    OK(ask_path(dom0, XS_MKDIR, 0, path));
    path[XENSTORE_REL_PATH_MAX] = 'x';
    path[XENSTORE_REL_PATH_MAX + 1] = '\0';
    ERR(ask_path(dom0, XS_MKDIR, 0, path), "EINVAL");
    memset(path, 'x', sizeof(path));
    path[sizeof(path) - 1] = '\0';
    ERR(ask_path(dom0, XS_MKDIR, 0, path), "EINVAL");
    ERR(ask_path(guest, XS_MKDIR, 0, path), "EINVAL");
}
END_TEST

/* Makes, notes in a transaction, and removes a node below a thousand others. */
static void *work_deep(void *unused)
{
    char path[XENSTORE_REL_PATH_MAX + 1];
    uint32_t tx;

    (void)unused;
    for (size_t i = 0; i < XENSTORE_REL_PATH_MAX; i += 2)
        memcpy(path + i, "/d", 2);
    path[XENSTORE_REL_PATH_MAX] = '\0';
    OK(ask_path(dom0, XS_MKDIR, 0, path));
    OK(ask_path(dom0, XS_READ, 0, path));
    OK(ask(guest, XS_WATCH, 0, "/d\0t"));
    tx = start(dom0);
    OK(ask(dom0, XS_RM, tx, "/d"));
    OK(ask(dom0, XS_TRANSACTION_END, tx, "T"));
    ERR(ask(dom0, XS_READ, 0, "/d"), "ENOENT");
    return NULL;
}

/* A path's depth is the client's choice: it may not cost a stack. */
START_TEST(deep_paths)
{
    pthread_attr_t small;
    pthread_t thread;

    ck_assert_int_eq(pthread_attr_init(&small), 0);
    ck_assert_int_eq(pthread_attr_setstacksize(&small, 512 << 10), 0);
    ck_assert_int_eq(pthread_create(&thread, &small, work_deep, NULL), 0);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    pthread_attr_destroy(&small);
}
END_TEST

START_TEST(relative_paths)
{
    make_home();
    OK(write_node(guest, 0, "data/x", "1"));
    VALUE(dom0, 0, "/local/domain/1/data/x", "1");
    VALUE(guest, 0, "/local/domain/1/data/x", "1");
}
END_TEST

START_TEST(permissions)
{
    make_home();
    OK(write_node(dom0, 0, "/secret/key", "k"));
    ERR(ask(guest, XS_READ, 0, "/secret/key"), "EACCES");
    ERR(ask(guest, XS_READ, 0, "/secret/other"), "EACCES"); /* not even that it isn't there */
    ERR(ask(guest, XS_READ, 0, "/local/domain/1/nothing"), "ENOENT");
    ERR(write_node(guest, 0, "/local/domain/1/name", "x"), "EACCES"); /* may read, not write */
    OK(write_node(guest, 0, "data/mine", "x"));
    OK(ask(guest, XS_GET_PERMS, 0, "data/mine"));
    ck_assert_mem_eq(last.data, "n1", 3);
    ERR(ask(other, XS_READ, 0, "/local/domain/1/data/mine"), "EACCES");
    OK(ask(guest, XS_SET_PERMS, 0, "data/mine\0n1\0r2"));
    VALUE(other, 0, "/local/domain/1/data/mine", "x");
    ERR(write_node(other, 0, "/local/domain/1/data/mine", "y"), "EACCES");
    ERR(ask(other, XS_SET_PERMS, 0, "/local/domain/1/data/mine\0n2"), "EACCES");
    OK(ask(guest, XS_SET_PERMS, 0, "data/mine\0b1\0b2"));
    OK(write_node(other, 0, "/local/domain/1/data/mine", "y"));
    ERR(ask(other, XS_SET_PERMS, 0, "/local/domain/1/data/mine\0n2"), "EACCES"); /* not its owner */
    ERR(ask(guest, XS_SET_PERMS, 0, "data/mine\0n2"), "EPERM");                  /* can't be given away */
    OK(ask(guest, XS_GET_PERMS, 0, "data/mine"));
    ck_assert_uint_eq(last.hdr.len, 6);
    ck_assert_mem_eq(last.data, "b1\0b2", 6);
    ERR(ask(guest, XS_RM, 0, "/secret"), "EACCES");
    ERR(ask(guest, XS_MKDIR, 0, "/new"), "EACCES");
}
END_TEST

START_TEST(refused)
{
    ERR(ask(guest, XS_INTRODUCE, 0,
            "5\0"
            "1\0"
            "1"),
        "EACCES");
    ERR(ask(guest, XS_RELEASE, 0, "5"), "EACCES");
    ERR(ask(guest, XS_RESUME, 0, "5"), "EACCES");
    ERR(ask(guest, XS_SET_TARGET, 0,
            "5\0"
            "1"),
        "EACCES");
    ERR(ask(guest, XS_CONTROL, 0, "check"), "EACCES");
    OK(ask(guest, XS_GET_DOMAIN_PATH, 0, "5"));
    ck_assert_str_eq(last.data, "/local/domain/5");
    OK(ask(guest, XS_IS_DOMAIN_INTRODUCED, 0, "0"));
    ck_assert_str_eq(last.data, "T");
    OK(ask(guest, XS_IS_DOMAIN_INTRODUCED, 0, "5"));
    ck_assert_str_eq(last.data, "F");
}
END_TEST

START_TEST(quotas)
{
    char path[64], value[STORE_MAX_NODE_SIZE + 100];
    unsigned n = 0;
    const char *err = NULL;

    make_home();
    memset(value, 'v', sizeof(value));
    value[sizeof(value) - 1] = '\0';
    ERR(write_node(guest, 0, "data/big", value), "ENOSPC");
    OK(write_node(dom0, 0, "/local/domain/1/data/big", value)); /* not for the toolstack */
    value[1500] = '\0';
    OK(write_node(guest, 0, "data/medium", value));

    while (!err && n < 2000) { /* many nodes, not all in one directory */
        snprintf(path, sizeof(path), "data/d%u/n%u", n / 50, n);
        err = write_node(guest, 0, path, "");
        n++;
    }
    ERR(err, "ENOSPC");
    ck_assert_uint_gt(n, STORE_MAX_NODES - 100);
    ck_assert_uint_le(store_node_count_owned(store.root, 1), STORE_MAX_NODES);

    OK(ask(guest, XS_RM, 0, "data/d1"));
    err = NULL;
    for (n = 0; !err && n < 2000; n++) { /* and many in one */
        snprintf(path, sizeof(path), "data/d2/some-longer-name-%u", n);
        err = write_node(guest, 0, path, "");
    }
    ERR(err, "ENOSPC");

    err = NULL;
    for (n = 0; !err && n < 500; n++) {
        char watch[64];
        int len = snprintf(watch, sizeof(watch), "data%ct%u", 0, n);

        err = ask_bytes(guest, XS_WATCH, 0, watch, (uint32_t)len + 1);
        while (take(guest))
            ;
    }
    ck_assert_uint_eq(n, STORE_MAX_WATCHES + 1);
    for (n = 0; n < STORE_MAX_TRANSACTIONS; n++)
        start(guest);
    ERR(ask(guest, XS_TRANSACTION_START, 0, ""), "ENOSPC");
    OK(ask(guest, XS_RESET_WATCHES, 0, ""));
    start(guest);
}
END_TEST

START_TEST(transaction_commit)
{
    uint32_t tx;

    OK(write_node(dom0, 0, "/t/a", "1"));
    tx = start(dom0);
    ERR(ask(dom0, XS_TRANSACTION_START, tx, ""), "EBUSY");
    OK(write_node(dom0, tx, "/t/a", "2"));
    OK(write_node(dom0, tx, "/t/b/c", "3"));
    VALUE(dom0, 0, "/t/a", "1"); /* not yet */
    VALUE(dom0, tx, "/t/a", "2");
    OK(ask(dom0, XS_TRANSACTION_END, tx, "T"));
    VALUE(dom0, 0, "/t/a", "2");
    VALUE(dom0, 0, "/t/b/c", "3");
    ERR(ask(dom0, XS_TRANSACTION_END, tx, "T"), "ENOENT");
    tx = start(dom0);
    OK(ask(dom0, XS_RM, tx, "/t"));
    OK(ask(dom0, XS_TRANSACTION_END, tx, "F"));
    VALUE(dom0, 0, "/t/a", "2");
}
END_TEST

START_TEST(transaction_conflicts)
{
    uint32_t tx;

    OK(write_node(dom0, 0, "/t/a", "1"));
    OK(write_node(dom0, 0, "/u/a", "1"));

    tx = start(dom0); /* what was read has changed */
    VALUE(dom0, tx, "/t/a", "1");
    OK(write_node(dom0, tx, "/t/b", "x"));
    OK(write_node(dom0, 0, "/t/a", "9"));
    ERR(ask(dom0, XS_TRANSACTION_END, tx, "T"), "EAGAIN");
    ERR(ask(dom0, XS_READ, 0, "/t/b"), "ENOENT");
    ERR(ask(dom0, XS_READ, tx, "/t/a"), "ENOENT"); /* the transaction is over */

    tx = start(dom0); /* what wasn't there is now */
    ERR(ask(dom0, XS_READ, tx, "/t/new"), "ENOENT");
    OK(write_node(dom0, tx, "/u/a", "2"));
    OK(write_node(dom0, 0, "/t/new", "1"));
    ERR(ask(dom0, XS_TRANSACTION_END, tx, "T"), "EAGAIN");
    VALUE(dom0, 0, "/u/a", "1");

    tx = start(dom0); /* a removed tree has changed deep inside */
    OK(ask(dom0, XS_RM, tx, "/t"));
    OK(write_node(dom0, 0, "/t/a", "10"));
    ERR(ask(dom0, XS_TRANSACTION_END, tx, "T"), "EAGAIN");
    VALUE(dom0, 0, "/t/a", "10");

    tx = start(dom0); /* the list of children has changed */
    OK(ask(dom0, XS_DIRECTORY, tx, "/t"));
    OK(write_node(dom0, tx, "/u/a", "3"));
    OK(write_node(dom0, 0, "/t/another", ""));
    ERR(ask(dom0, XS_TRANSACTION_END, tx, "T"), "EAGAIN");

    tx = start(dom0); /* elsewhere: no conflict, and both changes are there */
    VALUE(dom0, tx, "/t/a", "10");
    OK(write_node(dom0, tx, "/t/b", "b"));
    OK(ask(dom0, XS_RM, tx, "/t/new"));
    OK(ask(dom0, XS_SET_PERMS, tx, "/t/a\0n0\0r1"));
    OK(write_node(dom0, 0, "/u/c", "c"));
    OK(ask(dom0, XS_TRANSACTION_END, tx, "T"));
    VALUE(dom0, 0, "/t/b", "b");
    VALUE(dom0, 0, "/u/c", "c");
    VALUE(guest, 0, "/t/a", "10");
    ERR(ask(dom0, XS_READ, 0, "/t/new"), "ENOENT");
}
END_TEST

/* The next message is an event with this path and token. */
static void event(struct store_conn *c, const char *path, const char *token)
{
    ck_assert_msg(take(c), "no event, wanted %s", path);
    ck_assert_uint_eq(last.hdr.type, XS_WATCH_EVENT);
    ck_assert_str_eq(last.data, path);
    ck_assert_str_eq(last.data + strlen(path) + 1, token);
    ck_assert_uint_eq(last.hdr.len, strlen(path) + strlen(token) + 2);
}

START_TEST(watches)
{
    uint32_t tx;

    make_home();
    OK(ask(guest, XS_WATCH, 0, "data\0rel"));
    event(guest, "data", "rel");
    OK(ask(guest, XS_WATCH, 0, "/local/domain/1/data/x\0abs"));
    event(guest, "/local/domain/1/data/x", "abs"); /* though it isn't there */
    ERR(ask(guest, XS_WATCH, 0, "data\0rel"), "EEXIST");

    OK(write_node(guest, 0, "data/x/y", "1"));
    event(guest, "data/x", "rel"); /* made on the way */
    event(guest, "/local/domain/1/data/x", "abs");
    event(guest, "data/x/y", "rel");
    event(guest, "/local/domain/1/data/x/y", "abs");
    ck_assert(!take(guest));
    OK(write_node(dom0, 0, "/local/domain/1/data/x/y", "2"));
    event(guest, "data/x/y", "rel");
    event(guest, "/local/domain/1/data/x/y", "abs");
    OK(write_node(dom0, 0, "/local/domain/1/database", "no")); /* only looks like it is below */
    ck_assert(!take(guest));

    /* The removal of a tree tells also those who watch inside. */
    OK(ask(guest, XS_UNWATCH, 0, "data\0rel"));
    OK(ask(dom0, XS_RM, 0, "/local/domain/1/data"));
    event(guest, "/local/domain/1/data/x", "abs");
    ck_assert(!take(guest));
    ERR(ask(guest, XS_UNWATCH, 0, "data\0rel"), "ENOENT");

    /* In a transaction nothing fires before its end. */
    tx = start(dom0);
    OK(write_node(dom0, tx, "/local/domain/1/data/x", "t"));
    OK(ask(dom0, XS_SET_PERMS, tx, "/local/domain/1/data/x\0n1"));
    ck_assert(!take(guest));
    OK(ask(dom0, XS_TRANSACTION_END, tx, "T"));
    event(guest, "/local/domain/1/data/x", "abs");
    ck_assert(!take(guest)); /* the same twice is one event */

    OK(ask(guest, XS_RESET_WATCHES, 0, ""));
    OK(write_node(dom0, 0, "/local/domain/1/data/x", "z"));
    ck_assert(!take(guest));
}
END_TEST

START_TEST(watches_and_permissions)
{
    OK(write_node(dom0, 0, "/secret/a", "1"));
    OK(ask(guest, XS_WATCH, 0, "/\0all"));
    event(guest, "/", "all");
    OK(write_node(dom0, 0, "/secret/a", "2"));
    OK(write_node(dom0, 0, "/secret/b", "2"));
    OK(ask(dom0, XS_RM, 0, "/secret/a"));
    ck_assert(!take(guest));
    OK(ask(dom0, XS_SET_PERMS, 0, "/secret/b\0n0\0r1"));
    event(guest, "/secret/b", "all");
    OK(ask(dom0, XS_SET_PERMS, 0, "/secret/b\0n0")); /* what it could read until now */
    event(guest, "/secret/b", "all");
    OK(write_node(dom0, 0, "/secret/b", "3"));
    ck_assert(!take(guest));

    OK(ask(guest, XS_WATCH, 0, "@releaseDomain\0r"));
    event(guest, "@releaseDomain", "r");
    OK(ask(dom0, XS_WATCH, 0, "@releaseDomain\0r"));
    event(dom0, "@releaseDomain", "r");
    store_fire_special(&store, "@releaseDomain");
    event(dom0, "@releaseDomain", "r");
    ck_assert(!take(guest));
}
END_TEST

/* A client that doesn't read: its requests wait, its events don't grow without end. */
START_TEST(slow_client)
{
    struct xsd_sockmsg hdr = {.type = XS_READ, .len = 6};
    char message[sizeof(hdr) + 6], value[3000];
    unsigned n = 0;

    memset(value, 'v', sizeof(value));
    value[sizeof(value) - 1] = '\0';
    OK(write_node(dom0, 0, "/node", value));
    memcpy(message, &hdr, sizeof(hdr));
    memcpy(message + sizeof(hdr), "/node", 6);
    while (store_conn_feed(dom0, message, sizeof(message)) == sizeof(message))
        ck_assert_uint_lt(++n, 1000);
    ck_assert_uint_le(dom0->out_bytes, STORE_MAX_OUTSTANDING + sizeof(value) + sizeof(hdr));
    while (take(dom0))
        ck_assert_uint_eq(last.hdr.type, XS_READ);
    OK(ask(dom0, XS_WATCH, 0, "/w\0t"));
    for (n = 0; n < STORE_MAX_EVENTS * 2; n++) {
        char path[32];
        struct store_ctx x = {.store = &store};

        snprintf(path, sizeof(path), "/w/%u", n);
        ck_assert_int_eq(store_do_write(&x, path, "", 0), 0);
    }
    ck_assert_uint_eq(dom0->out_events, STORE_MAX_EVENTS);
}
END_TEST

START_TEST(bytes_in_pieces)
{
    struct xsd_sockmsg hdr = {.type = XS_MKDIR, .req_id = 7, .len = 3};
    char message[sizeof(hdr) + 3];

    memcpy(message, &hdr, sizeof(hdr));
    memcpy(message + sizeof(hdr), "/p", 3);
    for (unsigned i = 0; i < sizeof(message); i++) {
        ck_assert(!take(dom0));
        ck_assert_uint_eq(store_conn_feed(dom0, message + i, 1), 1);
    }
    ck_assert(take(dom0));
    ck_assert_uint_eq(last.hdr.req_id, 7);
    /* Too long: nobody knows where the next message would start. */
    hdr.len = XENSTORE_PAYLOAD_MAX + 1;
    store_conn_feed(dom0, &hdr, sizeof(hdr));
    ck_assert(dom0->broken);
    ck_assert_uint_eq(store_conn_feed(dom0, &hdr, sizeof(hdr)), 0);
    store_conn_reset(dom0);
    OK(ask(dom0, XS_DIRECTORY, 0, "/"));
}
END_TEST

START_TEST(directory_in_parts)
{
    char all[20000], path[64], request[64];
    size_t total = 0;
    unsigned parts = 0, names = 0;

    for (unsigned i = 0; i < 600; i++) {
        snprintf(path, sizeof(path), "/d/node-number-%u", i);
        OK(write_node(dom0, 0, path, ""));
    }
    ERR(ask(dom0, XS_DIRECTORY, 0, "/d"), "E2BIG");
    for (bool end = false; !end; parts++) {
        int n = snprintf(request, sizeof(request), "/d%c%zu", 0, total);

        OK(ask_bytes(dom0, XS_DIRECTORY_PART, 0, request, (uint32_t)n + 1));
        size_t skip = strlen(last.data) + 1, len = last.hdr.len - skip;

        ck_assert_uint_lt(parts, 10);
        end = len && !last.data[last.hdr.len - 1] && (len == 1 || !last.data[last.hdr.len - 2]);
        memcpy(all + total, last.data + skip, len);
        total += len - end;
    }
    for (size_t at = 0; at < total; at += strlen(all + at) + 1, names++) {
        snprintf(path, sizeof(path), "node-number-%u", names);
        ck_assert_str_eq(all + at, path);
    }
    ck_assert_uint_eq(names, 600);
    OK(ask(dom0, XS_DIRECTORY_PART, 0,
           "/d\0"
           "999999"));
    ck_assert_uint_eq(last.hdr.len, strlen(last.data) + 2);
    ERR(ask(dom0, XS_DIRECTORY_PART, 0, "/d\0-1"), "EINVAL");
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("tree");

    tcase_add_checked_fixture(t, tree_setup, tree_teardown);
    tcase_add_test(t, read_and_write);
    tcase_add_test(t, malformed);
    tcase_add_test(t, path_lengths);
    tcase_add_test(t, deep_paths);
    tcase_add_test(t, relative_paths);
    tcase_add_test(t, permissions);
    tcase_add_test(t, refused);
    tcase_add_test(t, quotas);
    tcase_add_test(t, transaction_commit);
    tcase_add_test(t, transaction_conflicts);
    tcase_add_test(t, watches);
    tcase_add_test(t, watches_and_permissions);
    tcase_add_test(t, slow_client);
    tcase_add_test(t, bytes_in_pieces);
    tcase_add_test(t, directory_in_parts);
    return suite_run("store", t);
}
