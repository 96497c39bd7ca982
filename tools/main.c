/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The diptych command: finds the subcommand and leaves the rest to it.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/diag.h"
#include "base/types.h"
#include "base/version.h"
#include "command.h"

static const struct command *const commands[] = {&cmd_run, &cmd_doctor};

static void main_help(FILE *f)
{
    fprintf(f, "Usage: diptych COMMAND [OPTION]...\n"
               "Runs virtual machines as an ordinary process: no root, no kernel module, no VT-x or SVM.\n\n"
               "Commands:\n");
    for (unsigned i = 0; i < ARRAY_SIZE(commands); i++)
        fprintf(f, "  %-24s  %s\n", commands[i]->name, commands[i]->summary);
    fprintf(f, "  %-24s  %s\n\n", "help [COMMAND]", "this help, or that of a command");
    fprintf(
        f,
        "Options:\n  -h, --help                this help\n      --version             print the version\n\n"
        "Manual: man diptych\n");
}

void command_help(const struct command *c, FILE *f)
{
    fprintf(f, "Usage: diptych %s %s\n%s.\n\nOptions:\n", c->name, c->synopsis, c->summary);
    options_help(c->options, f);
    if (c->notes)
        fprintf(f, "\n%s", c->notes);
}

static const struct command *command_find(const char *name)
{
    for (unsigned i = 0; i < ARRAY_SIZE(commands); i++)
        if (!strcmp(commands[i]->name, name))
            return commands[i];
    return NULL;
}

int help_end(void)
{
    if (fflush(stdout) || ferror(stdout)) {
        diag_error("standard output: %s", strerror(errno));
        return EXIT_STATUS_HOST;
    }
    return EXIT_STATUS_OK;
}

static int main_option(const char *arg, const char *topic)
{
    if (!strcmp(arg, "--version")) {
        printf("diptych %s\n", DIPTYCH_VERSION);
        return help_end();
    }
    if (strcmp(arg, "--help") != 0 && strcmp(arg, "-h") != 0 && strcmp(arg, "help") != 0) {
        diag_error("unknown %s '%s'; `diptych --help` lists %s", arg[0] == '-' ? "option" : "command", arg,
                   arg[0] == '-' ? "what there is" : "the commands");
        return EXIT_STATUS_USAGE;
    }
    if (topic) {
        const struct command *c = command_find(topic);

        if (!c) {
            diag_error("unknown command '%s'; `diptych --help` lists the commands", topic);
            return EXIT_STATUS_USAGE;
        }
        command_help(c, stdout);
    } else {
        main_help(stdout);
    }
    return help_end();
}

/* Descriptors 0 to 2 exist, so that no file that is opened later becomes the console by accident. */
static void standard_files_open(void)
{
    int fd;

    do
        fd = open("/dev/null", O_RDWR);
    while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd >= 0)
        close(fd);
}

int main(int argc, char **argv)
{
    const struct command *c;

    standard_files_open();
    signal(SIGXFSZ, SIG_IGN); /* beyond `ulimit -f` a call fails, and whoever made it says so */
    if (argc < 2) {
        diag_error("no command; `diptych --help` lists the commands");
        return EXIT_STATUS_USAGE;
    }
    c = command_find(argv[1]);
    if (!c)
        return main_option(argv[1], argc > 2 ? argv[2] : NULL);
    return c->run(argc - 2, argv + 2);
}
