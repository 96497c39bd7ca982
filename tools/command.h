/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The commands of diptych: one cmd_*.c each, a row each in main.c's table.
 */
#ifndef DIPTYCH_TOOLS_COMMAND_H
#define DIPTYCH_TOOLS_COMMAND_H

#include "options.h"

struct command {
    const char *name;
    const char *synopsis; /* behind the name */
    const char *summary;  /* one line */
    const struct option_row *options;
    const char *notes;                 /* below the options in the help; may be NULL */
    int (*run)(int argc, char **argv); /* what stands behind the name; exit status */
};

extern const struct command cmd_run, cmd_doctor;

/* Prints the command's help. */
void command_help(const struct command *c, FILE *f);

/*
 * Ends an answer on standard output (help, version): exit status. An answer that can't be written, as to a
 * full disk behind a redirection, is a failure of the host's; said in one line.
 */
int help_end(void);

#endif
