/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The light half of every backend with a thread of its own; see backend_kick.h. */
#include "pv/backend_kick.h"

#include "base/rawsys.h"

void backend_kick(void *arg)
{
    const struct backend_kick *k = arg;
    uint64_t one = 1;

    /* Fails only when the counter is full, and then the thread is awake anyway. */
    rawsys_write(k->fd, &one, sizeof(one));
}
