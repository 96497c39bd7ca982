/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Configuration files under libFuzzer: whatever the bytes, the reader answers with a configuration that
 * vm_config_check() can judge, or with one line.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host/xl_config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static int quiet = -1;
    struct vm_config c;
    char why[400] = "";
    int saved = dup(STDERR_FILENO);

    if (quiet < 0)
        quiet = open("/dev/null", O_WRONLY | O_CLOEXEC);
    vm_config_init(&c);
    dup2(quiet, STDERR_FILENO); /* warnings */
    if (xl_config_parse("fuzz", (const char *)data, size, &c, why, sizeof(why))) {
        if (!*why || strchr(why, '\n'))
            abort();
    } else if (vm_config_check(&c, why, sizeof(why)) && !*why) {
        abort();
    }
    dup2(saved, STDERR_FILENO);
    close(saved);
    vm_config_free(&c);
    return 0;
}
