/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Messages about the host's and the user's errors: one line each, in one piece, on standard error.
 */
#include "base/diag.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/message.h"

struct terminal terminal;

static void diag_line(const char *kind, const char *fmt, va_list ap)
{
    char line[1024];
    int n = snprintf(line, sizeof(line), "diptych: %s", kind);

    vsnprintf(line + n, sizeof(line) - (size_t)n - 1, fmt, ap);
    /* A name that the user gave may hold anything; the message stays one line all the same. */
    for (n = 0; line[n]; n++)
        if ((unsigned char)line[n] < ' ' || line[n] == 0x7f)
            line[n] = '?';
    line[n++] = '\n';
    message_write(line, (size_t)n);
}

void diag_error(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    diag_line("", fmt, ap);
    va_end(ap);
}

void diag_warn(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    diag_line("warning: ", fmt, ap);
    va_end(ap);
}

void diag_fatal(enum exit_status status, const char *fmt, ...)
{
    va_list ap;

    terminal_restore();
    va_start(ap, fmt);
    diag_line("", fmt, ap);
    va_end(ap);
    /* Not exit(): other threads may be running, and what atexit() would do is done above. */
    _exit((int)status);
}
