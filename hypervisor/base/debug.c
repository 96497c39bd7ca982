/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Names of the debug options and the switchboard itself.
 */
#include "base/debug.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct debug debug = {.fd = STDERR_FILENO};

static const struct {
    const char *name, *help;
} options[NR_DEBUG_OPTIONS] = {
#define DEBUG_ROW(id, name, help) {name, help},
    DEBUG_OPTIONS(DEBUG_ROW)
#undef DEBUG_ROW
};

const char *debug_name(unsigned nr)
{
    return options[nr].name;
}

const char *debug_help(unsigned nr)
{
    return options[nr].help;
}

int debug_parse(const char *list, uint32_t *mask, char *bad, size_t bad_size)
{
    for (const char *p = list;;) {
        size_t n = strcspn(p, ",");
        unsigned i;

        for (i = 0; i < NR_DEBUG_OPTIONS; i++)
            if (strlen(options[i].name) == n && !memcmp(options[i].name, p, n))
                break;
        if (i == NR_DEBUG_OPTIONS) {
            snprintf(bad, bad_size, "%.*s", (int)n, p);
            return -1;
        }
        *mask |= 1u << i;
        if (!p[n])
            return 0;
        p += n + 1;
    }
}
