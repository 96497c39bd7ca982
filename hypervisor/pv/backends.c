/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What this process provides to a PV guest beside its CPUs: the console and the store. Heavy code.
 */
#include <errno.h>

#include "pv/console_ring.h"
#include "pv/panel.h"

int pv_backends_init(struct domain *d)
{
    return console_ring_create(d, &d->pv->console);
}

int pv_backends_start(struct domain *d)
{
    return console_ring_start(d->pv->console);
}

void pv_backends_stop(struct domain *d)
{
    console_ring_destroy(d->pv->console);
    d->pv->console = NULL;
}
