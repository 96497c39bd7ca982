/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How a guest's notification reaches the thread of a backend (console, store): an eventfd, written by light
 * code on the notifying vCPU's thread.  Notifications that come while the thread is busy add up to one
 * wake-up; none is lost.
 */
#ifndef DIPTYCH_PV_BACKEND_KICK_H
#define DIPTYCH_PV_BACKEND_KICK_H

struct backend_kick {
    int fd; /* non-blocking eventfd, made and polled by the backend */
};

/*
 * Wakes the thread; arg is the struct backend_kick. The handler of evtchn_alloc_backend(). Any thread, light.
 */
void backend_kick(void *arg);

#endif
