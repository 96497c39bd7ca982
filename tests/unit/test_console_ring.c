/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The console's backend against a guest of cardboard: no byte is lost in either direction, nothing waits for
 * a slow terminal, hostile indices do no harm, and what the guest said last gets out.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <xen/io/console.h>

#include "backend_fakes.h"
#include "pv/console_ring.h"
#include "suite.h"

static struct console_ring *console;
static struct xencons_interface *ring;
static unsigned port;

/* Everything that the backend looks at changes as a guest's driver would change it. */
static void publish(uint32_t *index, uint32_t value)
{
    __atomic_store_n(index, value, __ATOMIC_RELEASE);
}

static uint32_t look(const uint32_t *index)
{
    return __atomic_load_n(index, __ATOMIC_ACQUIRE);
}

static void setup(void)
{
    fake_backends_setup();
    ring = fake_ring(0);
    ck_assert_int_eq(console_ring_create(&fake_domain[0], &console), 0);
    port = fake_domain[0].pv->console_port;
    ck_assert_int_eq(console_ring_start(console), 0);
}

static void teardown(void)
{
    console_ring_destroy(console);
    ck_assert_uint_eq(fake_frame_refs(0), 0);
    fake_backends_teardown();
}

/* Writes as Linux's hvc driver does; false if the ring stays full for some seconds. */
static bool guest_write_all(const char *s, size_t n)
{
    while (n) {
        unsigned raised = fake_raised(port);
        uint32_t cons = look(&ring->out_cons), prod = ring->out_prod;
        size_t part = 0;

        while (part < n && prod - cons < sizeof(ring->out)) {
            ring->out[MASK_XENCONS_IDX(prod, ring->out)] = s[part++];
            prod++;
        }
        publish(&ring->out_prod, prod);
        fake_notify(port);
        s += part;
        n -= part;
        if (n && !part && !fake_wait_raised(port, raised))
            return false;
    }
    return true;
}

START_TEST(output)
{
    ck_assert(guest_write_all("hello\n", 6));
    ck_assert_str_eq(fake_output(6), "hello\n");
    ck_assert_uint_eq(look(&ring->out_cons), 6);
}
END_TEST

START_TEST(much_output)
{
    size_t n = 300000;
    char *text = malloc(n + 1);

    for (size_t i = 0; i < n; i++)
        text[i] = (char)('!' + i * 7 % 90);
    text[n] = '\0';
    ck_assert(guest_write_all(text, n));
    ck_assert_str_eq(fake_output(n), text);
    free(text);
}
END_TEST

/* A new backend on the same page: what is set before, it sees from its first look on. */
static void replace(uint32_t out_cons, uint32_t out_prod, uint32_t in_cons, uint32_t in_prod)
{
    console_ring_destroy(console);
    ring->out_cons = out_cons;
    ring->out_prod = out_prod;
    ring->in_cons = in_cons;
    ring->in_prod = in_prod;
    ck_assert_int_eq(console_ring_create(&fake_domain[0], &console), 0);
    port = fake_domain[0].pv->console_port;
    ck_assert_int_eq(console_ring_start(console), 0);
}

/* Indices wrap around after 4 GiB. */
START_TEST(index_wrap)
{
    replace(UINT32_MAX - 2, UINT32_MAX - 2, UINT32_MAX - 1, UINT32_MAX - 1);
    ck_assert(guest_write_all("0123456789", 10));
    ck_assert_str_eq(fake_output(10), "0123456789");
    fake_type("abcdef");
    for (unsigned i = 0; look(&ring->in_prod) != 4; i++) {
        ck_assert_uint_lt(i, 5000);
        usleep(1000);
    }
    ck_assert_int_eq(ring->in[MASK_XENCONS_IDX(UINT32_MAX - 1, ring->in)], 'a');
    ck_assert_int_eq(ring->in[3], 'f');
}
END_TEST

/* A full input ring: the rest waits in the pipe until the guest reads. */
START_TEST(much_input)
{
    char text[3001], got[3001];
    size_t n = 0;

    for (unsigned i = 0; i < 3000; i++)
        text[i] = (char)('a' + i % 26);
    text[3000] = '\0';
    fake_type(text);
    while (n < 3000) {
        for (unsigned tries = 0; ring->in_cons == look(&ring->in_prod); tries++) {
            ck_assert_uint_lt(tries, 5000);
            usleep(1000);
        }
        uint32_t prod = look(&ring->in_prod), cons = ring->in_cons;

        ck_assert_uint_le(prod - cons, sizeof(ring->in));
        while (cons != prod)
            got[n++] = ring->in[MASK_XENCONS_IDX(cons++, ring->in)];
        publish(&ring->in_cons, cons);
        fake_notify(port);
    }
    got[n] = '\0';
    ck_assert_str_eq(got, text);
}
END_TEST

/*
 * The terminal doesn't take anything: a ring's worth is taken from the guest, then it has to wait; nothing is
 * lost.
 */
START_TEST(slow_terminal)
{
    char text[2049];

    memset(text, 'x', 2048);
    text[2048] = '\0';
    fake_output_block(true);
    ck_assert(guest_write_all(text, 2048));
    ck_assert(fake_wait_raised(port, 0));
    ck_assert(guest_write_all("end", 3));
    fake_output_block(false);
    ck_assert_ptr_nonnull(strstr(fake_output(2051), "xend"));
}
END_TEST

/* Indices that make no sense get no service, and cost no time; sense restores it. */
START_TEST(hostile_indices)
{
    struct timespec before, after;

    replace(0, 5000, 77, 0);
    fake_notify(port);
    fake_type("not yet");
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before);
    usleep(200000);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after);
    ck_assert_int_lt((after.tv_sec - before.tv_sec) * 1000 + (after.tv_nsec - before.tv_nsec) / 1000000, 100);
    ck_assert_uint_eq(look(&ring->out_cons), 0);
    ck_assert_uint_eq(look(&ring->in_prod), 0);
    publish(&ring->in_cons, 0);
    publish(&ring->out_prod, 0);
    publish(&ring->out_cons, 12345); /* ours: what the guest writes there means nothing */
    memcpy(ring->out, "ok", 2);
    publish(&ring->out_prod, 2);
    fake_notify(port);
    ck_assert_str_eq(fake_output(2), "ok");
    ck_assert(fake_wait_raised(port, 1));
    for (unsigned i = 0; look(&ring->in_prod) != 7; i++) {
        ck_assert_uint_lt(i, 5000);
        usleep(1000);
    }
}
END_TEST

/* The last words, without a notification, of a guest that is gone. */
START_TEST(last_words)
{
    memcpy(ring->out, "panic", 5);
    publish(&ring->out_prod, 5);
    console_ring_stop(console);
    ck_assert_str_eq(fake_output(0), "panic");
    ck_assert_uint_eq(fake_frame_refs(0), 0);
    console_ring_stop(console);
}
END_TEST

START_TEST(not_the_guests_frame)
{
    struct console_ring *c;

    ck_assert_int_eq(console_ring_create(&fake_domain[1], &c), 0);
    fake_domain[1].pv->console_mfn = MFN(1);
    ck_assert_int_lt(console_ring_start(c), 0);
    console_ring_destroy(c);
    console_ring_destroy(NULL);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("console_ring");

    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, output);
    tcase_add_test(t, much_output);
    tcase_add_test(t, index_wrap);
    tcase_add_test(t, much_input);
    tcase_add_test(t, slow_terminal);
    tcase_add_test(t, hostile_indices);
    tcase_add_test(t, last_words);
    tcase_add_test(t, not_the_guests_frame);
    return suite_run("console_ring", t);
}
