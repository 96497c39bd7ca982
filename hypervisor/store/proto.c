/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The store's wire protocol: see proto.h.  One table drives the taking apart of all requests.
 */
#include "store/proto.h"

#include <stdio.h>
#include <string.h>

/* What follows the strings of a request. */
enum rest { REST_NONE, REST_DATA, REST_STRINGS };

static const struct {
    const char *name;
    uint8_t nr_args;
    uint8_t rest;
} requests[XS_TYPE_COUNT] = {
    [XS_CONTROL] = {"CONTROL", 1, REST_STRINGS},
    [XS_DIRECTORY] = {"DIRECTORY", 1, REST_NONE},
    [XS_READ] = {"READ", 1, REST_NONE},
    [XS_GET_PERMS] = {"GET_PERMS", 1, REST_NONE},
    [XS_WATCH] = {"WATCH", 2, REST_NONE},
    [XS_UNWATCH] = {"UNWATCH", 2, REST_NONE},
    [XS_TRANSACTION_START] = {"TRANSACTION_START", 1, REST_NONE},
    [XS_TRANSACTION_END] = {"TRANSACTION_END", 1, REST_NONE},
    [XS_INTRODUCE] = {"INTRODUCE", 3, REST_NONE},
    [XS_RELEASE] = {"RELEASE", 1, REST_NONE},
    [XS_GET_DOMAIN_PATH] = {"GET_DOMAIN_PATH", 1, REST_NONE},
    [XS_WRITE] = {"WRITE", 1, REST_DATA},
    [XS_MKDIR] = {"MKDIR", 1, REST_NONE},
    [XS_RM] = {"RM", 1, REST_NONE},
    [XS_SET_PERMS] = {"SET_PERMS", 1, REST_STRINGS},
    [XS_IS_DOMAIN_INTRODUCED] = {"IS_DOMAIN_INTRODUCED", 1, REST_NONE},
    [XS_RESUME] = {"RESUME", 1, REST_NONE},
    [XS_SET_TARGET] = {"SET_TARGET", 2, REST_NONE},
    [XS_RESET_WATCHES] = {"RESET_WATCHES", 1, REST_NONE},
    [XS_DIRECTORY_PART] = {"DIRECTORY_PART", 2, REST_NONE},
};

const char *store_type_name(uint32_t type)
{
    return type < XS_TYPE_COUNT && requests[type].name ? requests[type].name : "?";
}

int store_parse(const struct xsd_sockmsg *hdr, const char *payload, struct store_request *r)
{
    uint32_t left = hdr->len;

    *r = (struct store_request){.type = hdr->type, .req_id = hdr->req_id, .tx_id = hdr->tx_id};
    if (hdr->type >= XS_TYPE_COUNT || !requests[hdr->type].name)
        return ENOSYS;
    if (left > XENSTORE_PAYLOAD_MAX)
        return EINVAL;
    while (r->nr_args < requests[hdr->type].nr_args) {
        const char *end = left ? memchr(payload, '\0', left) : NULL;

        if (!end)
            return EINVAL;
        r->arg[r->nr_args++] = payload;
        left -= (uint32_t)(end + 1 - payload);
        payload = end + 1;
    }
    r->data = payload;
    r->data_len = left;
    switch (requests[hdr->type].rest) {
    case REST_NONE:
        return left ? EINVAL : 0;
    case REST_STRINGS:
        return left && payload[left - 1] ? EINVAL : 0;
    default:
        return 0;
    }
}

const char *store_error_name(int error)
{
    for (unsigned i = 0; i < ARRAY_SIZE(xsd_errors); i++)
        if (xsd_errors[i].errnum == error)
            return xsd_errors[i].errstring;
    return "EINVAL";
}

static bool path_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c && strchr("-/_@", c));
}

/*
 * Length of "/local/domain/<id>/", which doesn't count towards the limit on relative paths; 0: doesn't start
 * so.
 */
static size_t home_length(const char *path)
{
    static const char home[] = "/local/domain/";
    size_t n = sizeof(home) - 1, digits;

    if (strncmp(path, home, n) != 0)
        return 0;
    digits = strspn(path + n, "0123456789");
    return digits && path[n + digits] == '/' ? n + digits + 1 : 0;
}

bool store_path_valid(const char *path)
{
    size_t len = strlen(path);

    if (path[0] != '/' || len >= STORE_PATH_SIZE || len > home_length(path) + XENSTORE_REL_PATH_MAX)
        return false;
    if (len > 1 && path[len - 1] == '/')
        return false;
    for (size_t i = 0; i < len; i++)
        if (!path_char(path[i]) || (path[i] == '/' && path[i + 1] == '/'))
            return false;
    return true;
}

int store_path_canonicalize(const char *path, uint16_t domid, bool special_ok, char out[STORE_PATH_SIZE])
{
    int n;

    if (path[0] == '@' && !special_ok)
        return EINVAL;
    if (path[0] == '/' || path[0] == '@')
        n = snprintf(out, STORE_PATH_SIZE, "%s", path);
    else
        n = snprintf(out, STORE_PATH_SIZE, "/local/domain/%u/%s", domid, path);
    if (n < 0 || (size_t)n >= STORE_PATH_SIZE)
        return EINVAL;
    if (out[0] != '@')
        return store_path_valid(out) ? 0 : EINVAL;
    return strcmp(out, "@introduceDomain") != 0 && strcmp(out, "@releaseDomain") != 0 ? EINVAL : 0;
}

bool store_parse_number(const char *s, uint64_t max, uint64_t *value)
{
    uint64_t x = 0;

    if (!*s)
        return false;
    for (; *s; s++) {
        if (*s < '0' || *s > '9' || x > max / 10)
            return false;
        x = x * 10 + (uint64_t)(*s - '0');
        if (x > max)
            return false;
    }
    *value = x;
    return true;
}

static const struct {
    char letter;
    uint8_t mode;
} modes[] = {
    {'n', 0},
    {'r', STORE_PERM_READ},
    {'w', STORE_PERM_WRITE},
    {'b', STORE_PERM_READ | STORE_PERM_WRITE},
};

unsigned store_perms_parse(const char *s, uint32_t len, struct store_perm perms[STORE_MAX_PERMS])
{
    unsigned nr = 0;

    for (uint32_t at = 0; at < len; at += (uint32_t)strlen(s + at) + 1) {
        uint64_t domid;
        unsigned m = 0;

        while (m < ARRAY_SIZE(modes) && modes[m].letter != s[at])
            m++;
        if (nr == STORE_MAX_PERMS || m == ARRAY_SIZE(modes) ||
            !store_parse_number(s + at + 1, UINT16_MAX, &domid))
            return 0;
        perms[nr++] = (struct store_perm){(uint16_t)domid, modes[m].mode};
    }
    return nr;
}

uint32_t store_perms_format(const struct store_perm *perms, unsigned nr, char *out)
{
    uint32_t n = 0;

    for (unsigned i = 0; i < nr; i++)
        n += (uint32_t)snprintf(out + n, STORE_PERM_TEXT, "%c%u", "nrwb"[perms[i].mode & 3], perms[i].domid) +
             1;
    return n;
}
