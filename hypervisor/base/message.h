/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Words for the user's eyes, from any code: light, async-signal-safe, no libc, any thread.
 *
 * While the console has the terminal in raw mode, "\n" alone would not return the carriage, and
 * whoever ends the process has to give the terminal back first.  Both are known here, because fatal
 * paths that know nothing of consoles (base/diag.c, signal handlers, domain_crash()) need them.
 */
#ifndef DIPTYCH_BASE_MESSAGE_H
#define DIPTYCH_BASE_MESSAGE_H

#include <asm-generic/ioctls.h>
#include <unistd.h>

#include "base/rawsys.h"

/* The terminal that console_tty.c turned to raw mode.  Defined in base/diag.c. */
struct terminal {
    int fd;            /* valid while raw */
    int raw;           /* atomic: 1 from console_open() to the first terminal_restore() */
    uint8_t saved[64]; /* the kernel's struct termios as TCGETS gave it before raw mode (36 bytes on x86) */
};

extern struct terminal terminal;

/*
 * Gives the terminal back as it was found; nothing if it wasn't changed.  For every path that leaves the
 * process.  TCSETS, not TCSETSW: it must not wait for a terminal that is stopped by Ctrl-S.
 */
static inline void terminal_restore(void)
{
    if (__atomic_exchange_n(&terminal.raw, 0, __ATOMIC_ACQ_REL))
        rawsys6(SYS_ioctl, terminal.fd, TCSETS, (long)terminal.saved, 0, 0, 0);
}

/* Writes text to standard error; "\n" becomes "\r\n" while the terminal is raw. Pieces of up to 500 bytes are
 * not mixed with other threads' text. */
static inline void message_write(const char *p, size_t n)
{
    bool cr = __atomic_load_n(&terminal.raw, __ATOMIC_ACQUIRE);
    char buf[512];
    size_t used = 0;

    for (size_t i = 0; i < n; i++) {
        if (cr && p[i] == '\n')
            buf[used++] = '\r';
        buf[used++] = p[i];
        if (used >= sizeof(buf) - 2 || i + 1 == n) {
            rawsys_write(STDERR_FILENO, buf, used);
            used = 0;
        }
    }
}

/* A line put together piece by piece; what doesn't fit is cut off. */
struct message {
    unsigned n;
    char text[300];
};

static inline void message_char(struct message *m, char c)
{
    if (m->n < sizeof(m->text) - 1) /* one byte is left for the newline of message_send() */
        m->text[m->n++] = c;
}

static inline void message_string(struct message *m, const char *s)
{
    while (*s)
        message_char(m, *s++);
}

static inline void message_number(struct message *m, uint64_t v, unsigned base)
{
    char digit[20];
    unsigned n = 0;

    do {
        digit[n++] = "0123456789abcdef"[v % base];
        v /= base;
    } while (v);
    while (n)
        message_char(m, digit[--n]);
}

static inline void message_hex(struct message *m, uint64_t v)
{
    message_string(m, "0x");
    message_number(m, v, 16);
}

static inline void message_decimal(struct message *m, uint64_t v)
{
    message_number(m, v, 10);
}

/* Ends the line and writes it to standard error. */
static inline void message_send(struct message *m)
{
    m->text[m->n++] = '\n';
    message_write(m->text, m->n);
    m->n = 0;
}

#endif
