/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The domains of this process by their ids, for what passes between them: event channels and grants.
 */
#ifndef DIPTYCH_PV_PEERS_H
#define DIPTYCH_PV_PEERS_H

#include <stdint.h>

struct domain;

/* Makes d known under d->domid. 0, -EEXIST, or -ENOSPC when the table is full. */
int peer_add(struct domain *d);

/* Forgets d, and returns when nobody holds a reference any more. Not to be called with one held. */
void peer_remove(struct domain *d);

/* The domain with a reference on it, or NULL. Any thread, light. */
struct domain *peer_get(uint16_t domid);
void peer_put(struct domain *d);

#endif
