/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The command line of `diptych run` under libFuzzer: each line of the input is a word. Whatever the words,
 * the command either says one line and ends with the status of a usage error, or starts a machine whose
 * configuration holds.
 */
#include <unistd.h>

#include "base/diag.h"
#include "command.h"
#include "fuzz.h"
#include "host/vm.h"
#include "host/xl_config.h"

static unsigned started;

/* ---- what the command calls ---- */

int vm_run(const struct vm_config *c)
{
    char why[400] = "";
    struct vm_config copy = *c;

    require(vm_config_check(&copy, why, sizeof(why)) == 0);
    require(c->kernel && c->vcpus >= 1 && c->vcpus <= VM_VCPUS_MAX && c->memory > 0);
    started++;
    return 0;
}

/* fuzz_xl_config has the real one. */
int xl_config_read(const char *path, struct vm_config *c, char *why, size_t why_size)
{
    (void)path, (void)c;
    snprintf(why, why_size, "there are no files here");
    return -1;
}

void command_help(const struct command *c, FILE *f)
{
    options_help(c->options, f);
}

int help_end(void)
{
    fuzz_errors++;
    return EXIT_STATUS_USAGE;
}

int LLVMFuzzerInitialize(int *argc, char ***argv);

/* The help goes to standard output, libFuzzer's own words to standard error. */
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc, (void)argv;
    require(freopen("/dev/null", "w", stdout) != NULL);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = {data, size};
    char *argv[128], *all[128], word[1024];
    int argc = 0, status;

    while (in.n && argc < 128) {
        input_line(&in, word, sizeof(word));
        argv[argc] = strdup(word); /* of its exact size, so that reading beyond it shows */
        require(argv[argc] != NULL);
        all[argc] = argv[argc]; /* options_split() moves the operands */
        argc++;
    }
    fuzz_errors = started = 0;
    status = cmd_run.run(argc, argv);
    require(status == (started ? 0 : EXIT_STATUS_USAGE) && fuzz_errors + started == 1);
    for (int i = 0; i < argc; i++)
        free(all[i]);
    return 0;
}
