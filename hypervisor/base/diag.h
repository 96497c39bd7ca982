/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Three classes of error, never mixed:
 *  - the guest's fault: domain_crash() (cpu/domain.h): the domain dies with one sentence;
 *  - the host's or the user's: diag_fatal()/diag_error(): one line on stderr naming the thing;
 *  - ours: assert().
 */
#ifndef DIPTYCH_BASE_DIAG_H
#define DIPTYCH_BASE_DIAG_H

/* Exit statuses of the diptych command; documented in diptych(1). */
enum exit_status {
    EXIT_STATUS_OK = 0,       /* guest powered itself off */
    EXIT_STATUS_HOST = 1,     /* host resource failure: memory, files, threads */
    EXIT_STATUS_USAGE = 2,    /* bad command line or configuration */
    EXIT_STATUS_IMAGE = 3,    /* kernel, initrd or module unusable */
    EXIT_STATUS_CRASH = 4,    /* guest crashed or panicked (on_crash=destroy) */
    EXIT_STATUS_REBOOT = 5,   /* guest asked for reboot and on_reboot=destroy */
    EXIT_STATUS_DETACHED = 6, /* user left the console with Ctrl-] */
    EXIT_STATUS_SIGNAL = 128, /* + signal number, when killed by a signal */
};

/* Prints "diptych: " and the message and a newline to stderr in one write. Heavy code only. */
void diag_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void diag_warn(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* As diag_error, then restores the terminal and exits with the status. Heavy code only. */
_Noreturn void diag_fatal(enum exit_status status, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

#endif
