/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A small table of domains with reference counts; see peers.h.  One lock, held for a few instructions.
 */
#include "pv/peers.h"

#include <errno.h>

#include "pv/pv.h"

#define MAX_PEERS 64

static struct {
    lock_t lock;
    struct {
        struct domain *d; /* NULL: free slot */
        int refs;         /* futex of peer_remove() */
        bool leaving;     /* not to be found any more */
    } slot[MAX_PEERS];
} peers;

int peer_add(struct domain *d)
{
    int ret = -ENOSPC;
    int slot = -1;

    lock_acquire(&peers.lock);
    for (int i = 0; i < MAX_PEERS; i++) {
        if (!peers.slot[i].d) {
            if (slot < 0)
                slot = i;
        } else if (peers.slot[i].d->domid == d->domid) {
            ret = -EEXIST;
            goto out;
        }
    }
    if (slot >= 0) {
        peers.slot[slot].d = d;
        peers.slot[slot].refs = 0;
        peers.slot[slot].leaving = false;
        ret = 0;
    }
out:
    lock_release(&peers.lock);
    return ret;
}

struct domain *peer_get(uint16_t domid)
{
    struct domain *d = NULL;

    lock_acquire(&peers.lock);
    for (int i = 0; i < MAX_PEERS; i++) {
        if (peers.slot[i].d && peers.slot[i].d->domid == domid && !peers.slot[i].leaving) {
            d = peers.slot[i].d;
            peers.slot[i].refs++;
            break;
        }
    }
    lock_release(&peers.lock);
    return d;
}

void peer_put(struct domain *d)
{
    lock_acquire(&peers.lock);
    for (int i = 0; i < MAX_PEERS; i++) {
        if (peers.slot[i].d == d && --peers.slot[i].refs == 0 && peers.slot[i].leaving)
            rawsys_futex_wake(&peers.slot[i].refs, 1);
    }
    lock_release(&peers.lock);
}

void peer_remove(struct domain *d)
{
    lock_acquire(&peers.lock);
    for (int i = 0; i < MAX_PEERS; i++) {
        int refs;

        if (peers.slot[i].d != d)
            continue;
        peers.slot[i].leaving = true;
        /* References last for one hypercall at most. */
        while ((refs = peers.slot[i].refs) != 0) {
            lock_release(&peers.lock);
            rawsys_futex_wait(&peers.slot[i].refs, refs, NULL);
            lock_acquire(&peers.lock);
        }
        peers.slot[i].d = NULL;
    }
    lock_release(&peers.lock);
}
