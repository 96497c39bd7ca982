/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the engine says to direct execution while the guest's vector registers are live. Light.
 */
#include "base/rawsys.h"
#include "direct/internal.h"

void direct_flush(struct direct *d)
{
    d->flushes++;
}

void direct_recheck(struct direct *d)
{
    __atomic_fetch_add(&d->rechecks, 1, __ATOMIC_SEQ_CST);
}

/* A stub that isn't running yet stops as soon as it does. */
void direct_interrupt(struct direct *d)
{
    int pid = __atomic_load_n(&d->running, __ATOMIC_SEQ_CST);

    if (pid)
        rawsys_tgkill(pid, pid, STUB_KICK_SIGNAL);
}

void direct_idle(struct direct *d)
{
    place_release(d);
}
