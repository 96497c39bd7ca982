/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * diptych doctor: prints what hypervisor/host/doctor*.c find out about the host.
 */
#include <stdio.h>

#include "base/diag.h"
#include "command.h"
#include "host/doctor.h"

static const struct option_row doctor_options[] = {
    {"verbose", 'v', ARG_NONE, NULL, "also print what was found to be in order", NULL},
    {"help", 'h', ARG_NONE, NULL, "this help", NULL},
    {NULL, 0, ARG_NONE, NULL, NULL, NULL},
};

static bool kvm(struct doctor_report *r)
{
    return doctor_kvm(r, "/dev/kvm");
}

static const struct engine {
    const char *name, *what;
    bool (*examine)(struct doctor_report *r);
} engines[] = {
    {"translator", "translates all code of a guest", doctor_translator},
    {"direct execution", "runs its user code as it is", doctor_direct},
    {"KVM", "not used by Diptych yet; QEMU with it is faster where it works", kvm},
};

static void finding_print(const struct doctor_finding *f)
{
    static const char *const grades[] = {
        [DOCTOR_FINE] = "in order", [DOCTOR_HINT] = "limited", [DOCTOR_BAD] = "missing"};

    printf("    %s: %s\n", grades[f->grade], f->what);
    if (f->change[0])
        printf("        to change it: %s\n", f->change);
}

static void findings_print(const struct doctor_report *r, bool verbose)
{
    for (unsigned i = 0; i < r->nr; i++)
        if (verbose || r->finding[i].grade != DOCTOR_FINE)
            finding_print(&r->finding[i]);
}

static int doctor_main(int argc, char **argv)
{
    struct doctor_report host = {0};
    struct options_given g;
    bool works[ARRAY_SIZE(engines)];
    char why[200];
    int status;

    if (options_split(doctor_options, argc, argv, &g, why, sizeof(why))) {
        diag_error("%s; `diptych doctor --help` lists the options", why);
        return EXIT_STATUS_USAGE;
    }
    if (g.nr_operands) {
        diag_error("doctor examines this host and takes no operand, but there is '%s'", g.operand[0]);
        return EXIT_STATUS_USAGE;
    }
    if (options_has(&g, "help")) {
        command_help(&cmd_doctor, stdout);
        return help_end();
    }
    doctor_host(&host);
    printf("host: %s\n", host.summary);
    findings_print(&host, options_has(&g, "verbose"));
    for (unsigned i = 0; i < ARRAY_SIZE(engines); i++) {
        struct doctor_report r = {0};

        fflush(stdout); /* children that are killed or exit write nothing twice */
        works[i] = engines[i].examine(&r);
        printf("%s: %s%s%s (%s)\n", engines[i].name, works[i] ? "yes" : "no",
               works[i] && r.summary[0] ? ", " : "", works[i] ? r.summary : "", engines[i].what);
        findings_print(&r, options_has(&g, "verbose"));
    }
    status = help_end();
    if (status == EXIT_STATUS_OK && !works[0])
        status = EXIT_STATUS_HOST;
    return status;
}

const struct command cmd_doctor = {
    .name = "doctor",
    .synopsis = "[OPTION]...",
    .summary = "Examines what this host offers to guests, engine by engine, by trying it",
    .options = doctor_options,
    .notes = "Each engine has a line with yes or no; below it stands what is missing or limited, and what to "
             "change. Nothing "
             "is left\nbehind.\n"
             "Exit status: 0 guests can run (the translator works), 1 they can't, 2 usage.\n",
    .run = doctor_main,
};
