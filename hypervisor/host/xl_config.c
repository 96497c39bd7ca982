/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Guest configuration files: libxlutil parses, a table of keys says what each means here.
 *
 * libxlutil can't say which keys a file has, only what a key's value is, so a small scanner of our own lists
 * them, for warnings about keys that nobody reads.  It runs on text that libxlutil has found to be right.
 */
#include "host/xl_config.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <libxlutil.h>

#define CONFIG_SIZE_MAX (1u << 20)

struct reader {
    const char *name; /* the file, for messages */
    XLU_Config *cfg;
    FILE *report;      /* libxlutil writes its complaints there ... */
    char *report_text; /* ... and here they are, after fflush(report) */
    size_t report_size;
    struct vm_config *c;
    const char *root, *extra, *cmdline, *builder, *type;
    char *why;
    size_t why_size;
};

/* Turns what libxlutil said first into the one line that the user gets. */
static int reader_fail(struct reader *r, const char *otherwise)
{
    static const char warning[] = "warning: ";
    char *line, *w;

    fflush(r->report);
    line = r->report_text;
    if (!line || !*line) {
        snprintf(r->why, r->why_size, "%s: %s", r->name, otherwise);
        return -1;
    }
    line[strcspn(line, "\n")] = 0;
    w = strstr(line, warning);
    if (w)
        memmove(w, w + strlen(warning), strlen(w + strlen(warning)) + 1);
    snprintf(r->why, r->why_size, "%s", line);
    return -1;
}

/* 1 and the value; 0: not there; -1: there, but no string. */
static int get_string(struct reader *r, const char *key, const char **value)
{
    int err = xlu_cfg_get_string(r->cfg, key, value, 0);

    if (err == ESRCH)
        return 0;
    return err ? reader_fail(r, "unreadable value") : 1;
}

/* 1 and the value; 0: not there; -1: there, but no number between min and max. */
static int get_number(struct reader *r, const char *key, long min, long max, long *value)
{
    int err = xlu_cfg_get_long(r->cfg, key, value, 0);

    if (err == ESRCH)
        return 0;
    if (err)
        return reader_fail(r, "unreadable number");
    if (*value < min || *value > max) {
        snprintf(r->why, r->why_size, "%s: %s=%ld is out of range; from %ld to %ld can be had", r->name, key,
                 *value, min, max);
        return -1;
    }
    return 1;
}

/* ---- keys ---- */

static int read_owned(struct reader *r, const char *key, char **field)
{
    const char *value;
    int found = get_string(r, key, &value);

    if (found > 0)
        vm_config_string(field, value);
    return found < 0 ? -1 : 0;
}

static int key_name(struct reader *r, const char *key)
{
    return read_owned(r, key, &r->c->name);
}

static int key_kernel(struct reader *r, const char *key)
{
    return read_owned(r, key, &r->c->kernel);
}

static int key_ramdisk(struct reader *r, const char *key)
{
    return read_owned(r, key, &r->c->ramdisk);
}

static int key_root(struct reader *r, const char *key)
{
    return get_string(r, key, &r->root) < 0 ? -1 : 0;
}

static int key_extra(struct reader *r, const char *key)
{
    return get_string(r, key, &r->extra) < 0 ? -1 : 0;
}

static int key_cmdline(struct reader *r, const char *key)
{
    return get_string(r, key, &r->cmdline) < 0 ? -1 : 0;
}

static int key_type(struct reader *r, const char *key)
{
    return get_string(r, key, &r->type) < 0 ? -1 : 0;
}

static int key_builder(struct reader *r, const char *key)
{
    return get_string(r, key, &r->builder) < 0 ? -1 : 0;
}

static int read_memory(struct reader *r, const char *key, uint64_t *bytes)
{
    long mib;
    int found = get_number(r, key, VM_MEMORY_MIN >> 20, VM_MEMORY_MAX >> 20, &mib);

    if (found > 0)
        *bytes = (uint64_t)mib << 20;
    return found < 0 ? -1 : 0;
}

static int key_memory(struct reader *r, const char *key)
{
    return read_memory(r, key, &r->c->memory);
}

static int key_maxmem(struct reader *r, const char *key)
{
    return read_memory(r, key, &r->c->maxmem);
}

static int key_vcpus(struct reader *r, const char *key)
{
    long n;
    int found = get_number(r, key, 1, VM_VCPUS_MAX, &n);

    if (found > 0)
        r->c->vcpus = (unsigned)n;
    return found < 0 ? -1 : 0;
}

/* Read behind vcpus. */
static int key_maxvcpus(struct reader *r, const char *key)
{
    long n;
    int found = get_number(r, key, 1, VM_VCPUS_MAX, &n);

    if (found <= 0)
        return found;
    if ((unsigned long)n < r->c->vcpus) {
        snprintf(r->why, r->why_size, "%s: maxvcpus=%ld is less than vcpus=%u; raise it or leave it out",
                 r->name, n, r->c->vcpus);
        return -1;
    }
    if ((unsigned long)n > r->c->vcpus)
        diag_warn("%s: maxvcpus is ignored: vCPUs can't be added later; the guest has %u", r->name,
                  r->c->vcpus);
    return 0;
}

static int read_action(struct reader *r, const char *key, enum vm_action *action)
{
    char why[200];
    const char *value;
    int found = get_string(r, key, &value);

    if (found > 0 && vm_action_parse(value, action, why, sizeof(why))) {
        snprintf(r->why, r->why_size, "%s: %s: %s", r->name, key, why);
        return -1;
    }
    return found;
}

static int key_on_poweroff(struct reader *r, const char *key)
{
    return read_action(r, key, &r->c->on_poweroff) < 0 ? -1 : 0;
}

static int key_on_reboot(struct reader *r, const char *key)
{
    return read_action(r, key, &r->c->on_reboot) < 0 ? -1 : 0;
}

static int key_on_crash(struct reader *r, const char *key)
{
    return read_action(r, key, &r->c->on_crash) < 0 ? -1 : 0;
}

static int key_on_watchdog(struct reader *r, const char *key)
{
    int found = read_action(r, key, &r->c->on_watchdog);

    if (found > 0)
        r->c->on_watchdog_set = true;
    return found < 0 ? -1 : 0;
}

static int key_uuid(struct reader *r, const char *key)
{
    static const char form[] = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
    const char *value;
    int found = get_string(r, key, &value);
    unsigned nibble = 0;

    if (found <= 0)
        return found;
    if (strlen(value) != strlen(form))
        goto bad;
    memset(r->c->uuid, 0, sizeof(r->c->uuid));
    for (unsigned i = 0; form[i]; i++) {
        if (form[i] == '-') {
            if (value[i] != '-')
                goto bad;
            continue;
        }
        if (!isxdigit((unsigned char)value[i]))
            goto bad;
        unsigned digit = isdigit((unsigned char)value[i]) ? (unsigned)value[i] - '0'
                                                          : (unsigned)(value[i] | 0x20) - 'a' + 10;
        r->c->uuid[nibble / 2] |= (uint8_t)(nibble % 2 ? digit : digit << 4);
        nibble++;
    }
    r->c->uuid_set = true;
    return 0;
bad:
    snprintf(r->why, r->why_size, "%s: uuid: '%s' is not a UUID; it looks like %s", r->name, value, form);
    return -1;
}

struct key {
    const char *name;
    int (*read)(struct reader *r, const char *key); /* 0 or -1; NULL: known to xl, ignored here */
    const char *note;                               /* why it is ignored */
};

#define NO_DEVICES   "PV devices beside the console are not offered"
#define NO_CPUID     "use diptych run --cpu"
#define NO_PLACEMENT "the host's scheduler and memory are shared with everybody"
#define NO_HVM       "it is for HVM guests"

static const struct key keys[] = {
    {"name", key_name, NULL},
    {"uuid", key_uuid, NULL},
    {"type", key_type, NULL},
    {"builder", key_builder, NULL},
    {"kernel", key_kernel, NULL},
    {"ramdisk", key_ramdisk, NULL},
    {"root", key_root, NULL},
    {"extra", key_extra, NULL},
    {"cmdline", key_cmdline, NULL},
    {"memory", key_memory, NULL},
    {"maxmem", key_maxmem, NULL},
    {"vcpus", key_vcpus, NULL},
    {"maxvcpus", key_maxvcpus, NULL},
    {"on_poweroff", key_on_poweroff, NULL},
    {"on_reboot", key_on_reboot, NULL},
    {"on_crash", key_on_crash, NULL},
    {"on_watchdog", key_on_watchdog, NULL},
    {"on_soft_reset", NULL, "soft reset is not offered"},
    {"cpuid", NULL, NO_CPUID},
    {"cpuid_policy", NULL, NO_CPUID},
    {"disk", NULL, NO_DEVICES},
    {"vif", NULL, NO_DEVICES},
    {"vfb", NULL, NO_DEVICES},
    {"vtpm", NULL, NO_DEVICES},
    {"pci", NULL, NO_DEVICES},
    {"channel", NULL, NO_DEVICES},
    {"p9", NULL, NO_DEVICES},
    {"cpus", NULL, NO_PLACEMENT},
    {"cpu_weight", NULL, NO_PLACEMENT},
    {"cap", NULL, NO_PLACEMENT},
    {"pool", NULL, NO_PLACEMENT},
    {"nodes", NULL, NO_PLACEMENT},
    {"claim_mode", NULL, NO_PLACEMENT},
    {"bootloader", NULL, "the kernel comes from the host; name it with kernel="},
    {"bootloader_args", NULL, "the kernel comes from the host; name it with kernel="},
    {"seclabel", NULL, "there is no XSM"},
    {"max_grant_frames", NULL, "the limit is fixed"},
    {"max_maptrack_frames", NULL, "the limit is fixed"},
    {"event_channels", NULL, "the limit is fixed"},
    {"tsc_mode", NULL, "the guest sees the host's TSC"},
    {"localtime", NULL, "the guest's clock is UTC"},
    {"rtc_timeoffset", NULL, "the guest's clock is the host's"},
    {"acpi", NULL, NO_HVM},
    {"apic", NULL, NO_HVM},
    {"pae", NULL, NO_HVM},
    {"hap", NULL, NO_HVM},
    {"nestedhvm", NULL, NO_HVM},
    {"boot", NULL, NO_HVM},
    {"serial", NULL, NO_HVM},
    {"vnc", NULL, NO_HVM},
    {"sdl", NULL, NO_HVM},
};

static const struct key *key_find(const char *name, size_t n)
{
    for (unsigned i = 0; i < ARRAY_SIZE(keys); i++)
        if (strlen(keys[i].name) == n && !memcmp(keys[i].name, name, n))
            return &keys[i];
    return NULL;
}

/* ---- which keys are there ---- */

static void key_seen(struct reader *r, unsigned line, const char *name, size_t n)
{
    const struct key *k = key_find(name, n);

    if (!k)
        diag_warn("%s:%u: unknown key '%.*s' is ignored", r->name, line, (int)n, name);
    else if (!k->read)
        diag_warn("%s:%u: '%s' is ignored: %s", r->name, line, k->name, k->note);
}

/* Calls key_seen() for each "key =" and "key +=" outside of strings, lists and comments. */
static void keys_scan(struct reader *r, const char *text, size_t size)
{
    const char *end = text + size, *word = NULL;
    unsigned line = 1, depth = 0;
    size_t word_size = 0;

    for (const char *p = text; p < end; p++) {
        const char *start = p;

        if (*p == '\n') {
            line++;
            word = NULL;
        } else if (*p == ';') {
            word = NULL;
        } else if (*p == '#') {
            while (p + 1 < end && p[1] != '\n')
                p++;
        } else if (*p == '"' || *p == '\'') {
            while (p + 1 < end && p[1] != *start && p[1] != '\n')
                p++;
            p++;
        } else if (*p == '[') {
            depth++;
        } else if (*p == ']') {
            depth -= depth > 0;
        } else if (*p == '=') {
            if (word && !depth)
                key_seen(r, line, word, word_size);
            word = NULL;
        } else if (isalpha((unsigned char)*p)) {
            while (p + 1 < end && (isalnum((unsigned char)p[1]) || p[1] == '_'))
                p++;
            word = start;
            word_size = (size_t)(p + 1 - start);
        }
    }
}

/* ---- the whole ---- */

static int type_check(struct reader *r)
{
    const char *type = r->type ? r->type : "pv";

    /* builder= is what type= was called before Xen 4.10; "linux" and "generic" are PV. */
    if (!r->type && r->builder && strcmp(r->builder, "generic") != 0 && strcmp(r->builder, "linux") != 0)
        type = r->builder;
    if (!strcmp(type, "pv"))
        return 0;
    snprintf(r->why, r->why_size, "%s: guests of type '%s' are not offered; write type=\"pv\"", r->name,
             type);
    return -1;
}

/* As xl does: cmdline= stands alone; otherwise root= and extra= make it. */
static void cmdline_make(struct reader *r)
{
    char *made = NULL;

    if (r->cmdline) {
        if (r->root || r->extra)
            diag_warn("%s: root= and extra= are ignored in favour of cmdline=", r->name);
        vm_config_string(&r->c->cmdline, r->cmdline);
    } else if (r->root) {
        if (asprintf(&made, "root=%s%s%s", r->root, r->extra ? " " : "", r->extra ? r->extra : "") < 0)
            diag_fatal(EXIT_STATUS_HOST, "out of memory while reading the configuration");
        vm_config_string(&r->c->cmdline, made);
        free(made);
    } else if (r->extra) {
        vm_config_string(&r->c->cmdline, r->extra);
    }
}

static int config_take(struct reader *r, const char *text, size_t size)
{
    if (xlu_cfg_readdata(r->cfg, text, (int)size))
        return reader_fail(r, "unreadable configuration");
    keys_scan(r, text, size);
    for (unsigned i = 0; i < ARRAY_SIZE(keys); i++)
        if (keys[i].read && keys[i].read(r, keys[i].name))
            return -1;
    if (type_check(r))
        return -1;
    cmdline_make(r);
    return 0;
}

/* A value of the file's may stand in the line, with what its escapes made. */
static void line_clean(char *why)
{
    for (; *why; why++)
        if ((unsigned char)*why < ' ' || *why == 0x7f)
            *why = '?';
}

int xl_config_parse(const char *name, const char *text, size_t size, struct vm_config *c, char *why,
                    size_t why_size)
{
    struct reader r = {.name = name, .c = c, .why = why, .why_size = why_size};
    int ret = -1;

    if (size > CONFIG_SIZE_MAX) {
        snprintf(why, why_size, "%s: larger than %u bytes; is it a configuration file?", name,
                 CONFIG_SIZE_MAX);
        return -1;
    }
    /* libxlutil aborts the process over a NUL inside a string. */
    if (memchr(text, 0, size)) {
        snprintf(why, why_size, "%s: has a byte of value 0; is it a text file?", name);
        return -1;
    }
    r.report = open_memstream(&r.report_text, &r.report_size);
    r.cfg = r.report ? xlu_cfg_init(r.report, name) : NULL;
    if (r.cfg) {
        ret = config_take(&r, text, size);
        xlu_cfg_destroy(r.cfg);
        if (ret)
            line_clean(why);
    } else {
        snprintf(why, why_size, "%s: out of memory", name);
    }
    if (r.report)
        fclose(r.report);
    free(r.report_text);
    return ret;
}

int xl_config_read(const char *path, struct vm_config *c, char *why, size_t why_size)
{
    int ret = -1, fd = open(path, O_RDONLY | O_CLOEXEC);
    char *text = NULL;
    size_t size = 0;
    ssize_t n;

    if (fd < 0) {
        snprintf(why, why_size, "configuration %s: %s", path, strerror(errno));
        return -1;
    }
    text = malloc(CONFIG_SIZE_MAX + 1);
    if (!text) {
        snprintf(why, why_size, "configuration %s: out of memory", path);
        goto out;
    }
    /* One byte more than is allowed, so that a larger file is noticed. */
    while ((n = read(fd, text + size, CONFIG_SIZE_MAX + 1 - size)) > 0)
        size += (size_t)n;
    if (n < 0) {
        snprintf(why, why_size, "configuration %s: %s", path, strerror(errno));
        goto out;
    }
    ret = xl_config_parse(path, text, size, c, why, why_size);
out:
    free(text);
    close(fd);
    return ret;
}
