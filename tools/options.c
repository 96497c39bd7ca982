/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Parsing and help of tables of options (tools/options.h).
 */
#include "options.h"

#include <stdbool.h>
#include <string.h>

static const struct option_row *row_by_name(const struct option_row *table, const char *name, size_t n)
{
    for (const struct option_row *r = table; r->name; r++)
        if (strlen(r->name) == n && !memcmp(r->name, name, n))
            return r;
    return NULL;
}

static const struct option_row *row_by_letter(const struct option_row *table, char letter)
{
    for (const struct option_row *r = table; r->name; r++)
        if (r->letter && r->letter == letter)
            return r;
    return NULL;
}

/* One argument that starts with '-'. *i is its index and moves on when the next one is its value. */
static int split_one(const struct option_row *table, int argc, char **argv, int *i, struct options_given *g,
                     char *why, size_t why_size)
{
    const char *arg = argv[*i];
    const struct option_row *row;
    const char *value = NULL;

    if (arg[1] == '-') {
        size_t n = strcspn(arg + 2, "=");

        row = row_by_name(table, arg + 2, n);
        if (arg[2 + n] == '=')
            value = arg + 2 + n + 1;
    } else {
        row = row_by_letter(table, arg[1]);
        if (arg[2])
            value = arg + 2;
    }
    if (!row) {
        snprintf(why, why_size, "unknown option '%.*s'", (int)strcspn(arg, "="), arg);
        return -1;
    }
    if (value && row->arg == ARG_NONE) {
        snprintf(why, why_size, "option '--%s' takes no value", row->name);
        return -1;
    }
    if (!value && row->arg == ARG_REQUIRED) {
        if (*i + 1 >= argc) {
            snprintf(why, why_size, "option '%s' needs a value: %s", arg, row->arg_name);
            return -1;
        }
        value = argv[++*i];
    }
    if (g->nr_options == sizeof(g->option) / sizeof(g->option[0])) {
        snprintf(why, why_size, "too many options, at '%s'", arg);
        return -1;
    }
    g->option[g->nr_options].row = row;
    g->option[g->nr_options++].value = value;
    return 0;
}

int options_split(const struct option_row *table, int argc, char **argv, struct options_given *g, char *why,
                  size_t why_size)
{
    bool options_ended = false;

    memset(g, 0, sizeof(*g));
    g->operand = argv; /* operands move down over arguments that have been dealt with */
    for (int i = 0; i < argc; i++) {
        if (options_ended || argv[i][0] != '-' || !argv[i][1]) {
            g->operand[g->nr_operands++] = argv[i];
        } else if (!strcmp(argv[i], "--")) {
            options_ended = true;
        } else if (split_one(table, argc, argv, &i, g, why, why_size)) {
            return -1;
        }
    }
    return 0;
}

int options_apply(const struct options_given *g, void *ctx, char *why, size_t why_size)
{
    for (unsigned i = 0; i < g->nr_options; i++)
        if (g->option[i].row->set && g->option[i].row->set(ctx, g->option[i].value, why, why_size))
            return -1;
    return 0;
}

int options_has(const struct options_given *g, const char *name)
{
    for (unsigned i = 0; i < g->nr_options; i++)
        if (!strcmp(g->option[i].row->name, name))
            return 1;
    return 0;
}

#define HELP_COLUMN 28

void options_help(const struct option_row *table, FILE *f)
{
    for (const struct option_row *r = table; r->name; r++) {
        int used =
            r->letter ? fprintf(f, "  -%c, --%s", r->letter, r->name) : fprintf(f, "      --%s", r->name);

        if (r->arg == ARG_REQUIRED)
            used += fprintf(f, " %s", r->arg_name);
        else if (r->arg == ARG_OPTIONAL)
            used += fprintf(f, "[=%s]", r->arg_name);
        for (const char *p = r->help; *p;) {
            size_t n = strcspn(p, "\n");

            if (used > HELP_COLUMN - 2) {
                fputc('\n', f);
                used = 0;
            }
            fprintf(f, "%*s%.*s\n", HELP_COLUMN - used, "", (int)n, p);
            used = 0;
            p += n + (p[n] == '\n');
        }
    }
}
