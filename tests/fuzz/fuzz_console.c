/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The console's ring under libFuzzer: the input is the guest's page. Whatever its indices are, what comes out
 * is at most a ring's worth, and the frame is let go.
 */
#include <stdint.h>
#include <xen/io/console.h>

#include "backend_fakes.h"
#include "fuzz.h"
#include "pv/console_ring.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = {data, size};
    struct console_ring *console;
    struct xencons_interface *ring;
    uint8_t typed;

    fake_backends_setup();
    ring = fake_ring(0);
    require(console_ring_create(&fake_domain[0], &console) == 0);
    typed = input_byte(&in);
    ring->in_cons = (uint32_t)input_u64(&in);
    ring->in_prod = ring->in_cons + (typed & 1 ? (uint32_t)input_u64(&in) : input_byte(&in));
    ring->out_cons = (uint32_t)input_u64(&in);
    ring->out_prod = ring->out_cons + (typed & 2 ? (uint32_t)input_u64(&in) : input_byte(&in));
    input_take(&in, ring->out, sizeof(ring->out));
    if (typed & 4)
        fake_type("typed\n");
    require(console_ring_start(console) == 0);
    console_ring_stop(console);
    require(strlen(fake_output(0)) <= sizeof(ring->out));
    console_ring_destroy(console);
    require(fake_frame_refs(0) == 0);
    fake_backends_teardown();
    return 0;
}
