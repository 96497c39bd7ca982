/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Configuration files under libFuzzer: whatever the bytes, the reader answers with a configuration that
 * vm_config_check() can judge, or with one line.
 */
#include "fuzz.h"
#include "host/xl_config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct vm_config c;
    char why[400] = "";

    vm_config_init(&c);
    if (xl_config_parse("fuzz", (const char *)data, size, &c, why, sizeof(why)))
        require(*why && !strpbrk(why, "\n\r\033"));
    else
        require(!vm_config_check(&c, why, sizeof(why)) || *why);
    vm_config_free(&c);
    return 0;
}
