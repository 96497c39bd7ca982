/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Fuzzes the store as two hostile guests that share a tree, so that watches and conflicts happen.  The input is a sequence of
 * steps of a control byte, a length and so many bytes.  Bits of the control byte: 0 which client; 1 take its replies; 2 the
 * bytes are fed as they are, otherwise two more bytes give type and transaction of a request with them as payload.  At the
 * end all memory must be given back, and the quota on nodes must have held.
 */
#include <stdlib.h>
#include <string.h>

#include "store/internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

bool store_domain_known(const struct store *s, uint16_t domid)
{
    (void)s;
    return domid < 3;
}

static void make_home(struct store *s, uint16_t domid, const char *path)
{
    struct store_ctx x = {.store = s};
    struct store_perm perms[2] = {{domid, 0}, {3 - domid, STORE_PERM_READ | STORE_PERM_WRITE}};

    store_do_write(&x, path, "x", 1);
    store_set_perms(&x, path, perms, 2);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct store s = {.root = store_node_root()};
    struct store_conn *c[2] = {store_conn_new(&s, 1), store_conn_new(&s, 2)};
    char sink[4096];

    make_home(&s, 1, "/local/domain/1/data");
    make_home(&s, 2, "/local/domain/2/data");
    while (size >= 4) {
        struct xsd_sockmsg hdr = {.type = data[2] % (XS_TYPE_COUNT + 2), .tx_id = data[3] % 4};
        struct store_conn *to = c[data[0] & 1];
        bool take = data[0] & 2, raw = data[0] & 4;
        size_t n = data[1];

        data += 4;
        size -= 4;
        n = n < size ? n : size;
        hdr.len = (uint32_t)n;
        if (!raw)
            store_conn_feed(to, &hdr, sizeof(hdr));
        if (store_conn_feed(to, data, n) > n)
            abort();
        if (to->broken)
            store_conn_reset(to);
        if (take)
            while (store_conn_take(to, sink, sizeof(sink)))
                ;
        data += n;
        size -= n;
    }
    if (store_node_count_owned(s.root, 1) > STORE_MAX_NODES || store_node_count_owned(s.root, 2) > STORE_MAX_NODES)
        abort();
    store_conn_free(c[0]);
    store_conn_free(c[1]);
    store_node_put(s.root);
    return 0;
}
