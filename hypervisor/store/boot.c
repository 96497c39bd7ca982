/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the store holds when a domain starts: the nodes that xl and Xen 4.17's xenstored make for a PV guest
 * without devices.
 *
 * Permissions are inherited: below /local/domain/<id> a guest may read; what it may write is named in the
 * table.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "cpu/domain.h"
#include "pv/pv.h"
#include "store/internal.h"

#define UUID_TEXT 37

static void put(struct store *s, const char *path, const char *value)
{
    struct store_ctx x = {.store = s, .domid = 0};

    store_do_write(&x, path, value, (uint32_t)strlen(value));
}

static void putf(struct store *s, const char *value, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* As put(), with a path by format. */
static void putf(struct store *s, const char *value, const char *format, ...)
{
    char path[STORE_PATH_SIZE];
    va_list args;

    va_start(args, format);
    vsnprintf(path, sizeof(path), format, args);
    va_end(args);
    put(s, path, value);
}

/* Owner, and one more domain that may read. */
static void set_perms(struct store *s, const char *path, uint16_t owner, uint16_t reader)
{
    struct store_ctx x = {.store = s, .domid = 0};
    struct store_perm perms[2] = {{owner, 0}, {reader, STORE_PERM_READ}};

    store_set_perms(&x, path, perms, owner == reader ? 1 : 2);
}

static void uuid_text(const uint8_t uuid[16], char out[UUID_TEXT])
{
    unsigned at = 0;

    for (unsigned i = 0; i < 16; i++)
        at += (unsigned)snprintf(out + at, UUID_TEXT - at, "%s%02x",
                                 i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "", uuid[i]);
}

void store_boot_host(struct store *s)
{
    put(s, "/tool/xenstored", "");
    put(s, "/local/domain/0/control/feature-poweroff", "1");
    put(s, "/local/domain/0/control/feature-reboot", "1");
    put(s, "/local/domain/0/control/feature-suspend", "1");
    put(s, "/local/domain/0/domid", "0");
    put(s, "/local/domain/0/name", "Domain-0");
    put(s, "/local/domain/0/backend", "");
    put(s, "/vm", "");
}

/* Nodes below /local/domain/<id> that the guest owns, and may write. */
static const char *const guest_nodes[] = {
    "device/suspend/event-channel",
    "control/shutdown",
    "control/feature-poweroff",
    "control/feature-reboot",
    "control/feature-suspend",
    "control/sysrq",
    "data",
    "drivers",
    "feature",
    "attr",
    "error",
};

static void boot_vm(struct store *s, const struct domain *d, const char *uuid,
                    const struct store_domain_info *info)
{
    char path[STORE_PATH_SIZE], start[40];
    struct timespec now;

    snprintf(path, sizeof(path), "/vm/%s", uuid);
    put(s, path, "");
    set_perms(s, path, 0, d->domid);
    putf(s, d->name, "%s/name", path);
    putf(s, uuid, "%s/uuid", path);
    putf(s, "linux", "%s/image/ostype", path);
    if (info->kernel)
        putf(s, info->kernel, "%s/image/kernel", path);
    if (info->ramdisk)
        putf(s, info->ramdisk, "%s/image/ramdisk", path);
    if (info->cmdline)
        putf(s, info->cmdline, "%s/image/cmdline", path);
    clock_gettime(CLOCK_REALTIME, &now);
    snprintf(start, sizeof(start), "%lld.%02ld", (long long)now.tv_sec, now.tv_nsec / 10000000);
    putf(s, start, "%s/start_time", path);
}

static void boot_console(struct store *s, const struct domain *d, const char *home)
{
    char number[24], path[STORE_PATH_SIZE], back[64];

    snprintf(back, sizeof(back), "/local/domain/0/backend/console/%u/0", d->domid);
    put(s, back, "");
    set_perms(s, back, 0, d->domid);
    snprintf(path, sizeof(path), "%s/console", home);
    putf(s, path, "%s/frontend", back);
    snprintf(number, sizeof(number), "%u", d->domid);
    putf(s, number, "%s/frontend-id", back);
    putf(s, "1", "%s/online", back);
    putf(s, "1", "%s/state", back);
    putf(s, "vt100", "%s/protocol", back);

    putf(s, back, "%s/console/backend", home);
    putf(s, "0", "%s/console/backend-id", home);
    snprintf(path, sizeof(path), "%s/console/backend-id", home);
    set_perms(s, path, d->domid, 0);
    putf(s, "1048576", "%s/console/limit", home);
    putf(s, "xenconsoled", "%s/console/type", home);
    putf(s, "pty", "%s/console/output", home);
    snprintf(number, sizeof(number), "%u", d->pv->console_port);
    putf(s, number, "%s/console/port", home);
    snprintf(number, sizeof(number), "%llu", (unsigned long long)d->pv->console_mfn.n);
    putf(s, number, "%s/console/ring-ref", home);
}

void store_boot_domain(struct store *s, const struct domain *d, const struct store_domain_info *info)
{
    char home[32], uuid[UUID_TEXT], number[24], path[STORE_PATH_SIZE];

    uuid_text(d->uuid, uuid);
    snprintf(home, sizeof(home), "/local/domain/%u", d->domid);
    put(s, home, "");
    set_perms(s, home, 0, d->domid);
    snprintf(path, sizeof(path), "/vm/%s", uuid);
    putf(s, path, "%s/vm", home);
    putf(s, d->name, "%s/name", home);
    for (unsigned i = 0; i < d->nr_vcpus; i++)
        putf(s, "online", "%s/cpu/%u/availability", home, i);
    snprintf(number, sizeof(number), "%llu", (unsigned long long)info->static_max_kib);
    putf(s, number, "%s/memory/static-max", home);
    snprintf(number, sizeof(number), "%llu", (unsigned long long)info->target_kib);
    putf(s, number, "%s/memory/target", home);
    putf(s, "0", "%s/memory/videoram", home);
    for (unsigned i = 0; i < ARRAY_SIZE(guest_nodes); i++) {
        snprintf(path, sizeof(path), "%s/%s", home, guest_nodes[i]);
        put(s, path, "");
        set_perms(s, path, d->domid, d->domid);
    }
    putf(s, "1", "%s/control/platform-feature-multiprocessor-suspend", home);
    putf(s, "1", "%s/control/platform-feature-xs_reset_watches", home);
    snprintf(number, sizeof(number), "%u", d->domid);
    putf(s, number, "%s/domid", home);
    snprintf(number, sizeof(number), "%u", d->pv->store_port);
    putf(s, number, "%s/store/port", home);
    snprintf(number, sizeof(number), "%llu", (unsigned long long)d->pv->store_mfn.n);
    putf(s, number, "%s/store/ring-ref", home);
    boot_console(s, d, home);
    boot_vm(s, d, uuid, info);
}

void store_boot_forget(struct store *s, const struct domain *d)
{
    struct store_ctx x = {.store = s, .domid = 0};
    char path[64], uuid[UUID_TEXT];

    uuid_text(d->uuid, uuid);
    snprintf(path, sizeof(path), "/local/domain/%u", d->domid);
    store_rm(&x, path);
    snprintf(path, sizeof(path), "/local/domain/0/backend/console/%u", d->domid);
    store_rm(&x, path);
    snprintf(path, sizeof(path), "/vm/%s", uuid);
    store_rm(&x, path);
}
