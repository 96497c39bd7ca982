/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The wire protocol of the store (xen/io/xs_wire.h): taking a request apart and putting a reply together. 
 * Pure functions on memory; requests are hostile.
 */
#ifndef DIPTYCH_STORE_PROTO_H
#define DIPTYCH_STORE_PROTO_H

#include <errno.h>
#include <stdint.h>
#include <xen/io/xs_wire.h>

#include "base/types.h"
#include "store/tree.h"

#define STORE_MAX_ARGS 3
/* Permissions of one node: the quota of Xen 4.17. */
#define STORE_MAX_PERMS 5
/* Longest canonical path with its NUL. */
#define STORE_PATH_SIZE XENSTORE_ABS_PATH_MAX

/* A request taken apart.  Strings point into the payload. */
struct store_request {
    uint32_t type, req_id, tx_id;
    unsigned nr_args;
    const char *arg[STORE_MAX_ARGS];
    const void *data; /* XS_WRITE: the value; others: what follows the arguments */
    uint32_t data_len;
};

/*
 * Takes payload (hdr->len bytes, at most XENSTORE_PAYLOAD_MAX) apart by the type's row in the table of
 * requests. 0; ENOSYS: no such request; EINVAL: wrong number of arguments, or not ended by NUL.
 */
int store_parse(const struct xsd_sockmsg *hdr, const char *payload, struct store_request *r);

/* "READ" and so on, for messages; "?" if there is no such request. */
const char *store_type_name(uint32_t type);

/* The protocol's name of an error number. */
const char *store_error_name(int error);

/*
 * True if a canonical path is acceptable: allowed characters, no empty parts, no slash at its end, not too
 * long.
 */
bool store_path_valid(const char *path);

/*
 * Makes a path absolute: a relative one is below /local/domain/<domid>. Special names (@...) are taken as
 * they are, if allowed. 0, or EINVAL.
 */
int store_path_canonicalize(const char *path, uint16_t domid, bool special_ok, char out[STORE_PATH_SIZE]);

/*
 * "n0", "r1", ... in sequence (each ended by NUL, len bytes in all) to permissions: how many, or 0:
 * malformed, none or too many.
 */
unsigned store_perms_parse(const char *s, uint32_t len, struct store_perm perms[STORE_MAX_PERMS]);
/* The reverse: bytes written to out, which has room for STORE_PERM_TEXT a permission. */
#define STORE_PERM_TEXT 7
uint32_t store_perms_format(const struct store_perm *perms, unsigned nr, char *out);

/* A decimal number up to max, the whole string. False: it isn't one. */
bool store_parse_number(const char *s, uint64_t max, uint64_t *value);

#endif
