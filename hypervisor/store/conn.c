/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A client of the store, whatever its bytes travel over: requests are put together from what is fed in,
 * replies and watch events wait in a queue until they are taken.
 *
 * A client that doesn't read its replies isn't read from either; one that sends a message longer than the
 * protocol allows is broken until it is reset, because nothing says where its next message starts.
 */
#include <stdlib.h>
#include <string.h>

#include "store/internal.h"

struct store_conn *store_conn_new(struct store *s, uint16_t domid)
{
    struct store_conn *c = store_alloc(sizeof(*c));

    c->store = s;
    c->domid = domid;
    c->out_tail = &c->out;
    c->next = s->conns;
    s->conns = c;
    return c;
}

void store_conn_reset(struct store_conn *c)
{
    while (c->out) {
        struct store_message *m = c->out;

        c->out = m->next;
        free(m);
    }
    c->out_tail = &c->out;
    c->out_bytes = c->out_events = 0;
    while (c->txns) {
        struct store_txn *t = c->txns;

        c->txns = t->next;
        store_txn_free(t);
    }
    c->nr_txns = 0;
    store_watch_remove_all(c);
    c->in_len = 0;
    c->broken = false;
}

void store_conn_free(struct store_conn *c)
{
    struct store_conn **at = &c->store->conns;

    while (*at != c)
        at = &(*at)->next;
    *at = c->next;
    store_conn_reset(c);
    free(c);
}

/* True if the same event waits already, untouched: one is enough. */
static bool event_waits(const struct store_conn *c, const void *data, uint32_t len)
{
    const size_t hdr = sizeof(struct xsd_sockmsg);

    for (const struct store_message *m = c->out; m; m = m->next)
        if (m->event && !m->taken && m->len == hdr + len && !memcmp(m->bytes + hdr, data, len))
            return true;
    return false;
}

void store_conn_send(struct store_conn *c, uint32_t type, uint32_t req_id, uint32_t tx_id, const void *data,
                     uint32_t len)
{
    struct xsd_sockmsg hdr = {.type = type, .req_id = req_id, .tx_id = tx_id, .len = len};
    bool event = type == XS_WATCH_EVENT;
    struct store_message *m;

    if (event && (c->out_events >= STORE_MAX_EVENTS || event_waits(c, data, len)))
        return;
    m = store_alloc(sizeof(*m) + sizeof(hdr) + len);
    m->event = event;
    m->len = (uint32_t)sizeof(hdr) + len;
    memcpy(m->bytes, &hdr, sizeof(hdr));
    if (len)
        memcpy(m->bytes + sizeof(hdr), data, len);
    *c->out_tail = m;
    c->out_tail = &m->next;
    c->out_bytes += m->len;
    c->out_events += event;
}

size_t store_conn_take(struct store_conn *c, void *p, size_t n)
{
    size_t done = 0;

    while (c->out && done < n) {
        struct store_message *m = c->out;
        size_t part = m->len - m->taken < n - done ? m->len - m->taken : n - done;

        memcpy((char *)p + done, m->bytes + m->taken, part);
        m->taken += (uint32_t)part;
        done += part;
        c->out_bytes -= (uint32_t)part;
        if (m->taken < m->len)
            break;
        c->out = m->next;
        if (!c->out)
            c->out_tail = &c->out;
        c->out_events -= m->event;
        free(m);
    }
    return done;
}

/* Bytes of a message that are still to come, going by what is known of its length. */
static size_t missing(const struct store_conn *c)
{
    struct xsd_sockmsg hdr;

    if (c->in_len < sizeof(hdr))
        return sizeof(hdr) - c->in_len;
    memcpy(&hdr, c->in, sizeof(hdr));
    return sizeof(hdr) + hdr.len - c->in_len;
}

size_t store_conn_feed(struct store_conn *c, const void *p, size_t n)
{
    size_t done = 0;

    while (!c->broken && c->out_bytes < STORE_MAX_OUTSTANDING) {
        struct xsd_sockmsg hdr;
        size_t part = missing(c);

        if (part > n - done)
            part = n - done;
        memcpy(c->in + c->in_len, (const char *)p + done, part);
        c->in_len += (uint32_t)part;
        done += part;
        if (c->in_len < sizeof(hdr))
            break;
        memcpy(&hdr, c->in, sizeof(hdr));
        if (hdr.len > XENSTORE_PAYLOAD_MAX) {
            c->broken = true;
            break;
        }
        if (c->in_len < sizeof(hdr) + hdr.len) {
            if (part == 0 && done == n)
                break;
            continue;
        }
        c->in_len = 0;
        store_execute(c, &hdr, c->in + sizeof(hdr));
    }
    return done;
}
