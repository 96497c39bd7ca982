/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * diptych run: options and configuration file into a struct vm_config, and off it goes.
 *
 * The file is read first and the options are applied over it, wherever they stand on the command line.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/debug.h"
#include "base/diag.h"
#include "command.h"
#include "cpu/cpu_policy.h"
#include "host/cpu_spec.h"
#include "host/vm.h"
#include "host/xl_config.h"

static int set_type(void *ctx, const char *value, char *why, size_t why_size)
{
    (void)ctx;
    if (!strcmp(value, "pv"))
        return 0;
    snprintf(why, why_size, "guests of type '%s' are not offered; use --type pv", value);
    return -1;
}

static int set_kernel(void *ctx, const char *value, char *why, size_t why_size)
{
    (void)why, (void)why_size;
    vm_config_string(&((struct vm_config *)ctx)->kernel, value);
    return 0;
}

static int set_initrd(void *ctx, const char *value, char *why, size_t why_size)
{
    (void)why, (void)why_size;
    vm_config_string(&((struct vm_config *)ctx)->ramdisk, value);
    return 0;
}

static int set_cmdline(void *ctx, const char *value, char *why, size_t why_size)
{
    (void)why, (void)why_size;
    vm_config_string(&((struct vm_config *)ctx)->cmdline, value);
    return 0;
}

static int set_name(void *ctx, const char *value, char *why, size_t why_size)
{
    (void)why, (void)why_size;
    vm_config_string(&((struct vm_config *)ctx)->name, value);
    return 0;
}

static int set_memory(void *ctx, const char *value, char *why, size_t why_size)
{
    struct vm_config *c = ctx;

    if (vm_memory_parse(value, &c->memory, why, why_size))
        return -1;
    c->maxmem = 0; /* the file's maxmem belongs to the file's memory */
    return 0;
}

static int set_vcpus(void *ctx, const char *value, char *why, size_t why_size)
{
    struct vm_config *c = ctx;
    char *end;
    unsigned long n;

    errno = 0;
    n = strtoul(value, &end, 10);
    if (*value < '0' || *value > '9' || *end || errno || !n || n > VM_VCPUS_MAX) {
        snprintf(why, why_size, "'%s' vCPUs can't be had; give a number from 1 to %u", value, VM_VCPUS_MAX);
        return -1;
    }
    c->vcpus = (unsigned)n;
    return 0;
}

static int set_cpu(void *ctx, const char *value, char *why, size_t why_size)
{
    struct vm_config *c = ctx;
    char mask[1024];

    if (cpu_spec_parse(value, mask, sizeof(mask), why, why_size))
        return -1;
    vm_config_string(&c->cpu_mask, mask);
    return 0;
}

static int set_on_poweroff(void *ctx, const char *value, char *why, size_t why_size)
{
    return vm_action_parse(value, &((struct vm_config *)ctx)->on_poweroff, why, why_size);
}

static int set_on_reboot(void *ctx, const char *value, char *why, size_t why_size)
{
    return vm_action_parse(value, &((struct vm_config *)ctx)->on_reboot, why, why_size);
}

static int set_on_crash(void *ctx, const char *value, char *why, size_t why_size)
{
    return vm_action_parse(value, &((struct vm_config *)ctx)->on_crash, why, why_size);
}

static int set_trace(void *ctx, const char *value, char *why, size_t why_size)
{
    struct vm_config *c = ctx;

    (void)why, (void)why_size;
    c->trace = true;
    vm_config_string(&c->trace_filter, value);
    return 0;
}

static int set_trace_file(void *ctx, const char *value, char *why, size_t why_size)
{
    (void)why, (void)why_size;
    vm_config_string(&((struct vm_config *)ctx)->trace_file, value);
    return 0;
}

static int set_trace_summary(void *ctx, const char *value, char *why, size_t why_size)
{
    (void)value, (void)why, (void)why_size;
    ((struct vm_config *)ctx)->trace_summary = true;
    return 0;
}

static int set_exec(void *ctx, const char *value, char *why, size_t why_size)
{
    static const char *const names[] = {[EXEC_TRANSLATE] = "translate",
                                        [EXEC_DIRECT] = "direct",
                                        [EXEC_AUTO] = "auto",
                                        [EXEC_RANDOM] = "random"};

    for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (!strcmp(value, names[i])) {
            ((struct vm_config *)ctx)->exec = (enum engine_exec)i;
            return 0;
        }
    }
    snprintf(why, why_size, "'%s' is no way to run user code; ways are auto, translate and direct", value);
    return -1;
}

static int set_stats(void *ctx, const char *value, char *why, size_t why_size)
{
    (void)value, (void)why, (void)why_size;
    ((struct vm_config *)ctx)->stats = true;
    return 0;
}

static int set_debug(void *ctx, const char *value, char *why, size_t why_size)
{
    char bad[64];

    if (!debug_parse(value, &((struct vm_config *)ctx)->debug, bad, sizeof(bad)))
        return 0;
    snprintf(why, why_size, "'%s' is no debug option; `diptych run --debug help` lists them", bad);
    return -1;
}

static int set_debug_file(void *ctx, const char *value, char *why, size_t why_size)
{
    (void)why, (void)why_size;
    vm_config_string(&((struct vm_config *)ctx)->debug_file, value);
    return 0;
}

static const struct option_row run_options[] = {
    {"type", 0, ARG_REQUIRED, "TYPE", "kind of guest: pv (Xen's paravirtual ABI)", set_type},
    {"kernel", 0, ARG_REQUIRED, "FILE", "kernel to boot: bzImage or ELF with a Xen PV entry", set_kernel},
    {"initrd", 0, ARG_REQUIRED, "FILE", "initial ramdisk", set_initrd},
    {"cmdline", 0, ARG_REQUIRED, "TEXT", "the kernel's command line", set_cmdline},
    {"memory", 0, ARG_REQUIRED, "SIZE", "guest memory: 512M, 2G; a plain number is in MiB\n[256M]",
     set_memory},
    {"vcpus", 0, ARG_REQUIRED, "N", "virtual CPUs, 1 to 32 [1]", set_vcpus},
    {"name", 0, ARG_REQUIRED, "NAME", "name of the guest, in messages and in the store [guest]", set_name},
    {"cpu", 0, ARG_REQUIRED, "MODEL[,-FEATURE]...",
     "CPU that the guest sees: host, x86-64, x86-64-v2,\nx86-64-v3, x86-64-v4, with features taken away or\n"
     "kept (+FEATURE);\n"
     "`--cpu help` lists the features [host]",
     set_cpu},
    {"on-poweroff", 0, ARG_REQUIRED, "ACTION", "when it powers off: destroy, restart, preserve\n[destroy]",
     set_on_poweroff},
    {"on-reboot", 0, ARG_REQUIRED, "ACTION", "when it reboots [restart]", set_on_reboot},
    {"on-crash", 0, ARG_REQUIRED, "ACTION", "when it crashes [destroy]", set_on_crash},
    {"exec", 0, ARG_REQUIRED, "HOW", "how the guest's user code is run: auto, translate,\ndirect [auto]",
     set_exec},
    {"trace", 0, ARG_OPTIONAL, "FILTER",
     "print hypercalls: names, sub-operations, %groups,\n!names; see diptych(1)", set_trace},
    {"trace-file", 0, ARG_REQUIRED, "FILE", "where the trace goes [standard error]; implies\n--trace",
     set_trace_file},
    {"trace-summary", 0, ARG_NONE, NULL, "print a table of counts, errors and time at the end",
     set_trace_summary},
    {"stats", 0, ARG_NONE, NULL, "print the engine's counts for each vCPU at the end", set_stats},
    {"debug", 0, ARG_REQUIRED, "LIST", "debug output of the engine; `--debug help` lists it", set_debug},
    {"debug-file", 'D', ARG_REQUIRED, "FILE", "where debug output goes [standard error]", set_debug_file},
    {"help", 'h', ARG_NONE, NULL, "this help", NULL},
    {NULL, 0, ARG_NONE, NULL, NULL, NULL},
};

/* ---- lists of names ---- */

static void cpu_list(void)
{
    printf("Models: %s\nFeatures:\n", cpu_spec_models());
    for (unsigned i = 0, column = 0; i < NR_CPU_FEATURES; i++) {
        const char *name = cpu_feature_name((enum cpu_feature)i);

        if (strchr(name, '+')) /* made of two others, has no bit of its own */
            continue;
        if (column + strlen(name) + 1 > 78) {
            putchar('\n');
            column = 0;
        }
        column += (unsigned)printf(" %s", name);
    }
    putchar('\n');
}

static void debug_list(void)
{
    for (unsigned i = 0; i < NR_DEBUG_OPTIONS; i++)
        printf("  %-12s %s\n", debug_name(i), debug_help(i));
}

/* Answers --help, --cpu help and --debug help. */
static int answer_help(const struct options_given *g)
{
    if (options_has(g, "help")) {
        command_help(&cmd_run, stdout);
        return 1;
    }
    for (unsigned i = 0; i < g->nr_options; i++) {
        const char *name = g->option[i].row->name, *value = g->option[i].value;

        if (!value || strcmp(value, "help") != 0)
            continue;
        if (!strcmp(name, "cpu"))
            cpu_list();
        else if (!strcmp(name, "debug"))
            debug_list();
        else
            continue;
        return 1;
    }
    return 0;
}

/* ---- the command ---- */

static int config_make(const struct options_given *g, struct vm_config *c, char *why, size_t why_size)
{
    if (g->nr_operands > 1) {
        snprintf(why, why_size, "one configuration file is enough, but there is '%s' behind '%s'",
                 g->operand[1], g->operand[0]);
        return -1;
    }
    if (g->nr_operands && xl_config_read(g->operand[0], c, why, why_size))
        return -1;
    if (options_apply(g, c, why, why_size))
        return -1;
    return vm_config_check(c, why, why_size);
}

static int run_main(int argc, char **argv)
{
    struct options_given g;
    struct vm_config c;
    char why[400];
    int status;

    if (options_split(run_options, argc, argv, &g, why, sizeof(why))) {
        diag_error("%s; `diptych run --help` lists the options", why);
        return EXIT_STATUS_USAGE;
    }
    if (answer_help(&g))
        return help_end();
    vm_config_init(&c);
    if (config_make(&g, &c, why, sizeof(why))) {
        diag_error("%s", why);
        status = EXIT_STATUS_USAGE;
    } else {
        status = vm_run(&c);
    }
    vm_config_free(&c);
    return status;
}

const struct command cmd_run = {
    .name = "run",
    .synopsis = "[OPTION]... [GUEST.CFG]",
    .summary = "Runs a guest, with its console on the terminal, until it ends",
    .options = run_options,
    .notes = "GUEST.CFG is a file in xl.cfg syntax; options override it.  Ctrl-] leaves the console and ends "
             "the guest.\n"
             "Exit status: 0 power-off, 1 host error, 2 usage, 3 bad image, 4 guest crashed, 5 guest "
             "rebooted with\n"
             "--on-reboot destroy, 6 Ctrl-], 128+N ended by signal N.\n",
    .run = run_main,
};
