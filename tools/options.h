/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Command-line options as a table: parsing and help come from the same rows.
 */
#ifndef DIPTYCH_TOOLS_OPTIONS_H
#define DIPTYCH_TOOLS_OPTIONS_H

#include <stddef.h>
#include <stdio.h>

enum option_arg {
    ARG_NONE,     /* --flag */
    ARG_REQUIRED, /* --name VALUE or --name=VALUE */
    ARG_OPTIONAL, /* --name or --name=VALUE */
};

struct option_row {
    const char *name; /* long name, without dashes; NULL ends the table */
    char letter;      /* short name, or 0 */
    enum option_arg arg;
    const char *arg_name; /* for the help */
    const char *help;     /* "\n" starts another line */
    /*
     * Takes the value (NULL: none given) into *ctx. 0, or -1 with one line in why.
     */
    int (*set)(void *ctx, const char *value, char *why, size_t why_size);
};

#define OPTIONS_MAX 40

/* What stood on a command line, in terms of a table; strings belong to argv. */
struct options_given {
    struct {
        const struct option_row *row;
        const char *value;
    } option[OPTIONS_MAX * 2];
    unsigned nr_options;
    char **operand; /* what is no option: moved to the start of argv, in order */
    int nr_operands;
};

/*
 * Splits argv[0..argc-1] (behind the command's name) into options and operands; "--" ends the options.
 * Calls no set().  0, or -1 with one line in why.
 */
int options_split(const struct option_row *table, int argc, char **argv, struct options_given *g, char *why,
                  size_t why_size);

/* Calls set() for each option given, in order. 0, or -1 with one line in why. */
int options_apply(const struct options_given *g, void *ctx, char *why, size_t why_size);

/* Whether an option of that name was given. */
int options_has(const struct options_given *g, const char *name);

/* Prints the table as help. */
void options_help(const struct option_row *table, FILE *f);

#endif
