/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Values of a virtual machine's configuration: defaults, parsing, and whether they fit together.
 * Command line (tools/cmd_run.c) and files (host/xl_config.c) both come through here.
 */
#include "host/vm.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void vm_config_init(struct vm_config *c)
{
    memset(c, 0, sizeof(*c));
    c->memory = 256UL << 20;
    c->vcpus = 1;
    c->exec = EXEC_AUTO;
    c->on_poweroff = VM_DESTROY;
    c->on_reboot = VM_RESTART;
    c->on_crash = VM_DESTROY;
}

void vm_config_free(struct vm_config *c)
{
    free(c->name);
    free(c->kernel);
    free(c->ramdisk);
    free(c->cmdline);
    free(c->cpu_mask);
    free(c->trace_filter);
    free(c->trace_file);
    free(c->debug_file);
    memset(c, 0, sizeof(*c));
}

void vm_config_string(char **field, const char *value)
{
    char *copy = NULL;

    if (value) {
        copy = strdup(value);
        if (!copy)
            diag_fatal(EXIT_STATUS_HOST, "out of memory while reading the configuration");
    }
    free(*field);
    *field = copy;
}

int vm_action_parse(const char *value, enum vm_action *a, char *why, size_t why_size)
{
    static const struct {
        const char *name;
        enum vm_action action;
    } names[] = {
        {"destroy", VM_DESTROY},          {"restart", VM_RESTART},          {"preserve", VM_PRESERVE},
        {"coredump-destroy", VM_DESTROY}, {"coredump-restart", VM_RESTART},
    };

    for (unsigned i = 0; i < ARRAY_SIZE(names); i++) {
        if (strcmp(names[i].name, value) != 0)
            continue;
        *a = names[i].action;
        if (!strncmp(value, "coredump-", 9))
            diag_warn("'%s': no core is written; taken as '%s'", value, value + 9);
        return 0;
    }
    snprintf(why, why_size, "'%s' is not an action; use destroy, restart or preserve", value);
    return -1;
}

int vm_memory_parse(const char *value, uint64_t *bytes, char *why, size_t why_size)
{
    unsigned shift = 20;
    char *end;
    unsigned long long n;

    errno = 0;
    n = strtoull(value, &end, 10);
    if (*value < '0' || *value > '9' || errno)
        goto bad;
    switch (*end) {
    case 'k':
    case 'K':
        shift = 10, end++;
        break;
    case 'm':
    case 'M':
        end++;
        break;
    case 'g':
    case 'G':
        shift = 30, end++;
        break;
    case 't':
    case 'T':
        shift = 40, end++;
        break;
    default:
        break;
    }
    if (*end)
        goto bad;
    if (n > VM_MEMORY_MAX >> shift || n << shift < VM_MEMORY_MIN) {
        snprintf(why, why_size, "memory size '%s' is out of range; from %luM to %luG can be had", value,
                 VM_MEMORY_MIN >> 20, VM_MEMORY_MAX >> 30);
        return -1;
    }
    *bytes = (n << shift) & PAGE_MASK;
    return 0;
bad:
    snprintf(why, why_size, "'%s' is not a memory size; write 512M or 2G, or a number of MiB", value);
    return -1;
}

/* A domain's name goes to the store as a path element and into every message. */
static bool name_valid(const char *name)
{
    size_t n = strlen(name);

    if (!n || n > VM_NAME_MAX)
        return false;
    for (size_t i = 0; i < n; i++)
        if (name[i] <= ' ' || name[i] > '~' || name[i] == '/')
            return false;
    return true;
}

int vm_config_check(struct vm_config *c, char *why, size_t why_size)
{
    if (!c->kernel || !*c->kernel) {
        snprintf(why, why_size,
                 "no kernel to boot; name one with --kernel FILE, or kernel= in the configuration");
        return -1;
    }
    if (!c->name)
        vm_config_string(&c->name, "guest");
    if (!name_valid(c->name)) {
        snprintf(why, why_size,
                 "'%s' is not a domain name; use 1 to %u printable characters without blanks and '/'",
                 c->name, VM_NAME_MAX);
        return -1;
    }
    if (!c->vcpus || c->vcpus > VM_VCPUS_MAX) {
        snprintf(why, why_size, "%u vCPUs can't be had; from 1 to %u can", c->vcpus, VM_VCPUS_MAX);
        return -1;
    }
    if (!c->maxmem)
        c->maxmem = c->memory;
    if (c->maxmem < c->memory) {
        snprintf(why, why_size, "maxmem (%luM) is less than memory (%luM); raise maxmem or leave it out",
                 c->maxmem >> 20, c->memory >> 20);
        return -1;
    }
    if (c->trace_file && !c->trace_summary)
        c->trace = true;
    if (!c->on_watchdog_set)
        c->on_watchdog = c->on_crash;
    return 0;
}
