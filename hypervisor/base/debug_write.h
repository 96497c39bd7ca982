/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Debug output on its way out.  Light, async-signal-safe, any thread.
 *
 * Standard error is shared with a terminal that may be raw, so it goes through base/message.h; a file gets
 * the bytes as they are. A file that can't be written to is given up, with one line that says so: the guest
 * runs on.
 */
#ifndef DIPTYCH_BASE_DEBUG_WRITE_H
#define DIPTYCH_BASE_DEBUG_WRITE_H

#include <errno.h>

#include "base/debug.h"
#include "base/message.h"

static inline void debug_write(const char *p, size_t n)
{
    int fd = __atomic_load_n(&debug.fd, __ATOMIC_RELAXED);

    if (fd == STDERR_FILENO) {
        message_write(p, n);
        return;
    }
    while (n > 0 && fd >= 0) {
        long done = rawsys_write(fd, p, n);

        if (done >= 0) {
            p += done;
            n -= (size_t)done;
        } else if (done != -EINTR) {
            /* of several threads that fail one says it */
            if (__atomic_exchange_n(&debug.fd, -1, __ATOMIC_RELAXED) >= 0) {
                struct message m = {.n = 0};

                message_string(&m, "diptych: debug output: cannot write: error ");
                message_decimal(&m, (uint64_t)-done);
                message_string(&m, "; the rest is dropped");
                message_send(&m);
            }
            return;
        }
    }
}

/* Ends the line and writes it. */
static inline void debug_send(struct message *m)
{
    m->text[m->n++] = '\n';
    debug_write(m->text, m->n);
    m->n = 0;
}

#endif
