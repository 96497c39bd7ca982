/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What this process provides to a PV guest beside its CPUs: the store and the console. Heavy code.
 *
 * The store is one for all domains of the process, made with the first and gone with the last.  The order
 * gives the ports that Xen's toolstack gives: 1 to the store, 2 to the console.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "pv/console_ring.h"
#include "pv/panel.h"
#include "store/store.h"

#define KIB_PER_PAGE (PAGE_SIZE / 1024)

static struct store *store;
static unsigned store_users;

static int store_hold(void)
{
    int err = store_users ? 0 : store_create(&store);

    if (!err)
        store_users++;
    return err;
}

static void store_let_go(void)
{
    if (--store_users)
        return;
    store_destroy(store);
    store = NULL;
}

int pv_backends_init(struct domain *d)
{
    int err = store_hold();

    if (err)
        return err;
    err = store_domain_attach(store, d, &d->pv->store);
    if (err) {
        store_let_go();
        return err;
    }
    err = console_ring_create(d, &d->pv->console);
    if (err)
        pv_backends_stop(d);
    return err;
}

int pv_backends_start(struct domain *d, const struct pv_origin *o)
{
    struct store_domain_info info = {
        .kernel = o->kernel,
        .ramdisk = o->ramdisk,
        .cmdline = o->cmdline,
        .static_max_kib = d->max_pages * KIB_PER_PAGE,
        .target_kib = d->nr_pages * KIB_PER_PAGE,
    };
    int err = store_domain_introduce(d->pv->store, &info);

    if (!err)
        err = console_ring_start(d->pv->console);
    if (err)
        pv_backends_stop(d);
    return err;
}

bool pv_backends_ask_poweroff(struct domain *d)
{
    char path[64], value[4];

    snprintf(path, sizeof(path), "/local/domain/%u/control/feature-poweroff", d->domid);
    if (store_read_value(store, path, value, sizeof(value)) < 0 || strcmp(value, "1") != 0)
        return false;
    return store_domain_write(store, d, "control/shutdown", "poweroff") == 0;
}

void pv_backends_stop(struct domain *d)
{
    console_ring_destroy(d->pv->console);
    d->pv->console = NULL;
    if (!d->pv->store)
        return;
    store_domain_release(d->pv->store);
    d->pv->store = NULL;
    store_let_go();
}
