/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Guest configuration files in xl.cfg(5) syntax.
 */
#ifndef DIPTYCH_HOST_XL_CONFIG_H
#define DIPTYCH_HOST_XL_CONFIG_H

#include "host/vm.h"

/*
 * Reads a file into *c, over what is there.  What Diptych doesn't know or offer is warned about, a line a
 * key.  0, or -1 with one line in why.
 */
int xl_config_read(const char *path, struct vm_config *c, char *why, size_t why_size);

/* As above, from memory; name stands for the file in messages. */
int xl_config_parse(const char *name, const char *text, size_t size, struct vm_config *c, char *why,
                    size_t why_size);

#endif
