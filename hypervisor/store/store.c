/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The toolstack's calls on the store: as domain 0, outside transactions.  The store's thread carries the
 * watch events out.
 */
#include "store/store.h"

#include <stdio.h>
#include <string.h>

#include "cpu/domain.h"
#include "store/internal.h"

int store_write(struct store *s, const char *path, const char *value)
{
    struct store_ctx x = {.store = s, .domid = 0};
    int err;

    if (!store_path_valid(path))
        return -EINVAL;
    pthread_mutex_lock(&s->lock);
    err = store_do_write(&x, path, value, (uint32_t)strlen(value));
    pthread_mutex_unlock(&s->lock);
    backend_kick(&s->kick);
    return -err;
}

int store_domain_write(struct store *s, const struct domain *d, const char *path, const char *value)
{
    char full[STORE_PATH_SIZE];
    int err = store_path_canonicalize(path, d->domid, false, full);

    return err ? -err : store_write(s, full, value);
}

int store_read_value(struct store *s, const char *path, char *value, size_t size)
{
    struct store_ctx x = {.store = s, .domid = 0};
    const struct store_node *n;
    int result;

    if (!size || !store_path_valid(path))
        return -EINVAL;
    pthread_mutex_lock(&s->lock);
    result = -store_read(&x, path, &n);
    if (!result) {
        size_t len = n->value_len < size - 1 ? n->value_len : size - 1;

        memcpy(value, n->value, len);
        value[len] = '\0';
        result = (int)n->value_len;
    }
    pthread_mutex_unlock(&s->lock);
    return result;
}

int store_remove(struct store *s, const char *path)
{
    struct store_ctx x = {.store = s, .domid = 0};
    int err;

    if (!store_path_valid(path))
        return -EINVAL;
    pthread_mutex_lock(&s->lock);
    err = store_rm(&x, path);
    pthread_mutex_unlock(&s->lock);
    backend_kick(&s->kick);
    return -err;
}
