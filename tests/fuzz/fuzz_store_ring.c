/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The store's ring under libFuzzer: a guest that writes indices and bytes as it likes, and the store's turns
 * between. Steps of a control byte: 0 feeds bytes properly, 1 takes replies, 2 sets an index to anything, 3
 * asks to connect anew.
 *
 * The file under test is included, so that its turns happen here and not on its thread, when that likes.
 */
#include "fuzz.h"
#include "store/ring.c" /* NOLINT(bugprone-suspicious-include) */

#include "backend_fakes.h"

static void feed(struct xenstore_domain_interface *page, struct input *in)
{
    unsigned n = input_byte(in);
    uint32_t prod = page->req_prod;

    while (n-- && prod - page->req_cons < XENSTORE_RING_SIZE)
        page->req[MASK_XENSTORE_IDX(prod++)] = (char)input_byte(in);
    page->req_prod = prod;
}

static void set_index(struct xenstore_domain_interface *page, struct input *in)
{
    uint32_t *index[] = {&page->req_cons, &page->req_prod, &page->rsp_cons, &page->rsp_prod};
    uint8_t which = input_byte(in);

    *index[which & 3] = which & 4 ? (uint32_t)input_u64(in) : *index[which & 3] + input_byte(in);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = {data, size};
    struct store s = {.root = store_node_root()};
    struct store_ring r = {.store = &s, .domain = &fake_domain[0], .port = 1};
    struct store_ctx x = {.store = &s};

    fake_backends_setup();
    r.page = fake_ring(0);
    s.rings = &r;
    r.conn = store_conn_new(&s, 1);
    store_do_write(&x, "/local/domain/1/data", "x", 1);
    while (in.n) {
        switch (input_byte(&in) & 3) {
        case 0:
            feed(r.page, &in);
            break;
        case 1:
            r.page->rsp_cons = r.page->rsp_prod;
            break;
        case 2:
            set_index(r.page, &in);
            break;
        case 3:
            r.page->connection = XENSTORE_RECONNECT;
            break;
        }
        serve(&r);
    }
    store_conn_free(r.conn);
    store_node_put(s.root);
    fake_backends_teardown();
    return 0;
}
