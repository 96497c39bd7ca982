/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * base/diag.c for fuzz targets: messages are made and counted, not printed.
 */
#include <stdarg.h>
#include <stdio.h>

#include "base/diag.h"
#include "fuzz.h"

unsigned fuzz_errors;

/* diag.c prints what is no character of a line as '?', so a word of the user's may stand in it as it is. */
static void make_line(const char *fmt, va_list ap)
{
    char line[4096];

    require(vsnprintf(line, sizeof(line), fmt, ap) > 0);
}

void diag_error(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    make_line(fmt, ap);
    va_end(ap);
    fuzz_errors++;
}

void diag_warn(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    make_line(fmt, ap);
    va_end(ap);
}

/* The host's failures; there are none here. */
void diag_fatal(enum exit_status status, const char *fmt, ...)
{
    (void)status, (void)fmt;
    abort();
}
