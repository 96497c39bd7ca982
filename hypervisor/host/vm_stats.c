/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The table of --stats: a row a count of engine/engine.h's list, a column a vCPU, and the sum if there are
 * several.
 */
#include "host/vm_stats.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/message.h"
#include "engine/engine.h"

#define NAME_WIDTH   24
#define COLUMN_WIDTH 13

struct column {
    char title[12];
    struct engine_stats s;
};

static const struct {
    const char *what;
    size_t offset;
} rows[] = {
#define ROW(field, what) {what, offsetof(struct engine_stats, field)},
    ENGINE_STATS(ROW)
#undef ROW
};

static uint64_t *stat_field(struct engine_stats *s, unsigned row)
{
    return (uint64_t *)((char *)s + rows[row].offset);
}

/* One line; cell() says what stands in column i. */
static void line_print(const char *name, struct column *c, unsigned n, unsigned row,
                       void (*cell)(char *text, size_t size, struct column *c, unsigned row))
{
    char line[NAME_WIDTH + (MAX_VCPUS + 1) * COLUMN_WIDTH + 2];
    size_t used = (size_t)snprintf(line, sizeof(line), "%-*s", NAME_WIDTH, name);

    for (unsigned i = 0; i < n; i++) {
        char text[COLUMN_WIDTH];

        cell(text, sizeof(text), &c[i], row);
        used += (size_t)snprintf(line + used, sizeof(line) - used, "%*s", COLUMN_WIDTH, text);
    }
    line[used++] = '\n';
    message_write(line, used);
}

static void cell_title(char *text, size_t size, struct column *c, unsigned row)
{
    (void)row;
    snprintf(text, size, "%s", c->title);
}

static void cell_count(char *text, size_t size, struct column *c, unsigned row)
{
    snprintf(text, size, "%" PRIu64, *stat_field(&c->s, row));
}

static void cell_expansion(char *text, size_t size, struct column *c, unsigned row)
{
    (void)row;
    snprintf(text, size, "%.2f", c->s.guest_bytes ? (double)c->s.host_bytes / (double)c->s.guest_bytes : 0.0);
}

void vm_stats_print(const struct domain *d)
{
    struct column c[MAX_VCPUS + 1];
    struct column sum = {.title = "all"};
    unsigned n = 0;

    for (unsigned i = 0; i < d->nr_vcpus; i++) {
        if (!d->vcpu[i])
            continue;
        snprintf(c[n].title, sizeof(c[n].title), "vcpu %u", i);
        engine_stats_get(d->vcpu[i], &c[n].s);
        for (unsigned row = 0; row < ARRAY_SIZE(rows); row++)
            *stat_field(&sum.s, row) += *stat_field(&c[n].s, row);
        n++;
    }
    if (n > 1)
        c[n++] = sum;
    line_print("engine", c, n, 0, cell_title);
    for (unsigned row = 0; row < ARRAY_SIZE(rows); row++) {
        line_print(rows[row].what, c, n, row, cell_count);
        if (rows[row].offset == offsetof(struct engine_stats, host_bytes))
            line_print("expansion", c, n, row, cell_expansion);
    }
}
