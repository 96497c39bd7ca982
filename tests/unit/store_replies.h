/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the store's tests say of replies: a call returns NULL, or the name of the error. */
#ifndef DIPTYCH_TESTS_STORE_REPLIES_H
#define DIPTYCH_TESTS_STORE_REPLIES_H

#include <check.h>

#include "store/internal.h"

struct store_reply {
    struct xsd_sockmsg hdr;
    char data[XENSTORE_PAYLOAD_MAX + 1]; /* and a NUL behind it */
};

#define OK(x)        ck_assert_ptr_null(x)
#define ERR(x, name) ck_assert_str_eq(x, name)

#endif
