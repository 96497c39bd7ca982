/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The store through a guest's page: the ring, and what is there at boot.
 */
#include <check.h>
#include <string.h>
#include <unistd.h>

#include "backend_fakes.h"
#include "store/internal.h"
#include "store_replies.h"
#include "suite.h"

static struct store_reply last;
static uint32_t req_id;

static struct store *live;
static struct store_ring *handle;
static struct xenstore_domain_interface *page;
static unsigned port;

static void ring_setup(void)
{
    static const struct store_domain_info info = {"/boot/vmlinuz", NULL, "console=hvc0", 262144, 131072};

    fake_backends_setup();
    page = fake_ring(0);
    ck_assert_int_eq(store_create(&live), 0);
    ck_assert_int_eq(store_domain_attach(live, &fake_domain[0], &handle), 0);
    port = fake_domain[0].pv->store_port;
    fake_domain[0].pv->console_port = 2;
    ck_assert_int_eq(store_domain_introduce(handle, &info), 0);
}

static void ring_teardown(void)
{
    store_domain_release(handle);
    ck_assert_uint_eq(fake_frame_refs(0), 0);
    store_destroy(live);
    fake_backends_teardown();
}

static void ring_send(const void *p, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        uint32_t prod = page->req_prod;
        unsigned raised = fake_raised(port);

        while (prod - __atomic_load_n(&page->req_cons, __ATOMIC_ACQUIRE) == XENSTORE_RING_SIZE) {
            fake_notify(port);
            ck_assert(fake_wait_raised(port, raised));
            raised = fake_raised(port);
        }
        /* NOLINTNEXTLINE(clang-analyzer-core.uninitialized.Assign): doesn't see a structure's bytes */
        page->req[MASK_XENSTORE_IDX(prod)] = ((const char *)p)[i];
        __atomic_store_n(&page->req_prod, prod + 1, __ATOMIC_RELEASE);
    }
    fake_notify(port);
}

static void ring_receive(void *p, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        unsigned raised = fake_raised(port);

        while (__atomic_load_n(&page->rsp_prod, __ATOMIC_ACQUIRE) == page->rsp_cons) {
            fake_notify(port);
            ck_assert(fake_wait_raised(port, raised) ||
                      __atomic_load_n(&page->rsp_prod, __ATOMIC_ACQUIRE) != page->rsp_cons);
            raised = fake_raised(port);
        }
        ((char *)p)[i] = page->rsp[MASK_XENSTORE_IDX(page->rsp_cons)];
        __atomic_store_n(&page->rsp_cons, page->rsp_cons + 1, __ATOMIC_RELEASE);
    }
}

static const char *ring_ask(uint32_t type, const void *data, uint32_t len)
{
    struct xsd_sockmsg hdr = {.type = type, .req_id = ++req_id, .len = len};

    ring_send(&hdr, sizeof(hdr));
    ring_send(data, len);
    do { /* the client's own change may make an event before the reply */
        ring_receive(&last.hdr, sizeof(last.hdr));
        ck_assert_uint_le(last.hdr.len, XENSTORE_PAYLOAD_MAX);
        ring_receive(last.data, last.hdr.len);
        last.data[last.hdr.len] = '\0';
    } while (last.hdr.type == XS_WATCH_EVENT);
    ck_assert_uint_eq(last.hdr.req_id, req_id);
    return last.hdr.type == XS_ERROR ? last.data : NULL;
}

#define RING_VALUE(path, want)                     \
    do {                                           \
        OK(ring_ask(XS_READ, path, sizeof(path))); \
        ck_assert_str_eq(last.data, want);         \
    } while (0)

/* What xen417-xenstore-ls.txt of a real Xen shows, by path and by permission. */
START_TEST(boot_contents)
{
    ck_assert_uint_eq(page->server_features, 3);
    RING_VALUE("name", "guest");
    RING_VALUE("domid", "1");
    RING_VALUE("vm", "/vm/00000000-0000-0000-0000-000000000000");
    RING_VALUE("/vm/00000000-0000-0000-0000-000000000000/image/cmdline", "console=hvc0");
    RING_VALUE("memory/target", "131072");
    RING_VALUE("memory/static-max", "262144");
    RING_VALUE("cpu/1/availability", "online");
    RING_VALUE("store/port", "1");
    RING_VALUE("store/ring-ref", "1");
    RING_VALUE("console/port", "2");
    RING_VALUE("console/backend", "/local/domain/0/backend/console/1/0");
    RING_VALUE("/local/domain/0/backend/console/1/0/state", "1");
    RING_VALUE("control/platform-feature-xs_reset_watches", "1");
    ERR(ring_ask(XS_READ, "cpu/2/availability", 19), "ENOENT");
    ERR(ring_ask(XS_READ, "/tool/xenstored", 16), "EACCES");
    OK(ring_ask(XS_GET_PERMS, "memory/target", 14));
    ck_assert_mem_eq(last.data, "n0\0r1", 6);
    OK(ring_ask(XS_GET_PERMS, "control/shutdown", 17));
    ck_assert_mem_eq(last.data, "n1", 3);
    OK(ring_ask(XS_GET_PERMS, "console/backend-id", 19));
    ck_assert_mem_eq(last.data, "n1\0r0", 6);
    OK(ring_ask(XS_WRITE, "control/feature-poweroff\0001", 26));
    ERR(ring_ask(XS_WRITE, "name\0evil", 9), "EACCES");
}
END_TEST

START_TEST(toolstack_writes)
{
    char value[16];

    OK(ring_ask(XS_WATCH, "control/shutdown\0tok", 21));
    ring_receive(&last.hdr, sizeof(last.hdr));
    ring_receive(last.data, last.hdr.len);
    ck_assert_int_eq(store_domain_write(live, &fake_domain[0], "control/shutdown", "poweroff"), 0);
    ring_receive(&last.hdr, sizeof(last.hdr));
    ck_assert_uint_eq(last.hdr.type, XS_WATCH_EVENT);
    ring_receive(last.data, last.hdr.len);
    ck_assert_str_eq(last.data, "control/shutdown");
    RING_VALUE("control/shutdown", "poweroff");
    OK(ring_ask(XS_WRITE, "control/shutdown", 17)); /* the guest says that it has understood */
    ck_assert_int_eq(store_read_value(live, "/local/domain/1/control/shutdown", value, sizeof(value)), 0);
    ck_assert_int_eq(store_read_value(live, "/nothing", value, sizeof(value)), -ENOENT);
    ck_assert_int_eq(store_write(live, "relative", "x"), -EINVAL);
    ck_assert_int_eq(store_remove(live, "/local/domain/1/data"), 0);
    ERR(ring_ask(XS_READ, "data", 5), "ENOENT");
}
END_TEST

/* More than the ring holds, in both directions. */
START_TEST(large_messages)
{
    char payload[3000], value[1900];

    memset(value, 'q', sizeof(value));
    memcpy(payload, "data/large", 11);
    memcpy(payload + 11, value, sizeof(value));
    OK(ring_ask(XS_WRITE, payload, 11 + sizeof(value)));
    OK(ring_ask(XS_READ, "data/large", 11));
    ck_assert_uint_eq(last.hdr.len, sizeof(value));
    ck_assert_mem_eq(last.data, value, sizeof(value));
}
END_TEST

static void wait_error(uint32_t error)
{
    for (unsigned i = 0; __atomic_load_n(&page->error, __ATOMIC_ACQUIRE) != error; i++) {
        unsigned raised = fake_raised(port);

        ck_assert_uint_lt(i, 5);
        fake_notify(port);
        fake_wait_raised(port, raised);
    }
}

START_TEST(hostile_ring_and_reconnect)
{
    struct xsd_sockmsg hdr = {.type = XS_READ, .len = 1 << 20};

    OK(ring_ask(XS_WATCH, "data\0t", 7));
    ring_receive(&last.hdr, sizeof(last.hdr));
    ring_receive(last.data, last.hdr.len);
    ring_send(&hdr, sizeof(hdr));
    wait_error(XENSTORE_ERROR_PROTO);
    for (unsigned round = 0; round < 2; round++) {
        __atomic_store_n(&page->connection, XENSTORE_RECONNECT, __ATOMIC_RELEASE);
        fake_notify(port);
        for (unsigned i = 0; __atomic_load_n(&page->connection, __ATOMIC_ACQUIRE) != XENSTORE_CONNECTED;
             i++) {
            ck_assert_uint_lt(i, 5000);
            usleep(1000);
        }
        ck_assert_uint_eq(page->error, XENSTORE_ERROR_NONE);
        RING_VALUE("domid", "1");
        OK(ring_ask(XS_WRITE, "data/x", 7)); /* the watch is gone */
        ck_assert_uint_eq(page->rsp_cons, page->rsp_prod);
        __atomic_store_n(&page->req_prod, page->req_cons + 5000, __ATOMIC_RELEASE);
        wait_error(XENSTORE_ERROR_RINGIDX);
    }
}
END_TEST

START_TEST(domains_come_and_go)
{
    static const struct store_domain_info info = {0};
    struct store_ring *second;
    char value[8];

    ck_assert_int_eq(store_domain_attach(live, &fake_domain[1], &second), 0);
    ck_assert_int_eq(store_domain_introduce(second, &info), 0);
    OK(ring_ask(XS_IS_DOMAIN_INTRODUCED, "2", 2));
    ck_assert_str_eq(last.data, "T");
    ERR(ring_ask(XS_READ, "/local/domain/2/name", 21), "EACCES");
    ck_assert_int_ge(store_read_value(live, "/local/domain/2/name", value, sizeof(value)), 0);
    store_domain_release(second);
    ck_assert_uint_eq(fake_frame_refs(1), 0);
    ck_assert_int_eq(store_read_value(live, "/local/domain/2/name", value, sizeof(value)), -ENOENT);
    ck_assert_int_eq(store_read_value(live, "/local/domain/0/backend/console/2", value, sizeof(value)),
                     -ENOENT);
    fake_domain[2].pv->store_mfn = MFN(1); /* another's frame */
    ck_assert_int_eq(store_domain_attach(live, &fake_domain[2], &second), 0);
    ck_assert_int_lt(store_domain_introduce(second, &info), 0);
    store_domain_release(second);
    store_domain_release(NULL);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("ring");

    tcase_set_timeout(t, 120);
    tcase_add_checked_fixture(t, ring_setup, ring_teardown);
    tcase_add_test(t, boot_contents);
    tcase_add_test(t, toolstack_writes);
    tcase_add_test(t, large_messages);
    tcase_add_test(t, hostile_ring_and_reconnect);
    tcase_add_test(t, domains_come_and_go);
    return suite_run("store_ring", t);
}
