/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The host's side of a domain's console: the user's terminal, or the pipes that stand in for it.
 *
 * The console device of a panel (pv/console_ring.c) has a thread of its own and moves bytes between
 * the guest's ring and these calls; no vCPU ever waits here.  One console a process; it outlives the
 * domain, so that a guest that reboots keeps it.  console_tty.c has the implementation.
 *
 * The device's thread is expected to look like this:
 *
 *     for (;;) {
 *         poll(own wake-up fd, console_input_fd() if the guest's ring has room for input);
 *         while (guest's ring has output)
 *             console_output(bytes);           may block: the user's pipe is full; bytes are never lost
 *         while (guest's ring has room && (n = console_input(bytes, room)) > 0)
 *             ...;
 *     }
 *
 * and, before the thread ends for good, to write out what is left in the guest's ring.
 * Text of our own goes to standard error through base/message.h, which knows about raw mode.
 */
#ifndef DIPTYCH_HOST_CONSOLE_H
#define DIPTYCH_HOST_CONSOLE_H

#include <stdbool.h>
#include <stddef.h>

/* What a console tells its owner (vm.c), from the console's thread. */
struct console_events {
    void (*detached)(void);       /* the user typed Ctrl-] on a terminal */
    void (*signalled)(int signo); /* SIGINT, SIGTERM, SIGHUP or SIGQUIT reached the process */
};

/* ---- for the console device of a panel; heavy code, one caller at a time ---- */

/*
 * Writes n bytes of guest output to standard output.  Blocks while the reader on the other side
 * doesn't read; returns early, with the rest dropped, only when nobody ever will (EPIPE and the
 * like, said once on stderr) or after console_abandon().
 */
void console_output(const void *p, size_t n);

/* Takes up to n bytes that the user typed or piped in.  Never blocks; 0: nothing there now. */
size_t console_input(void *p, size_t n);

/*
 * A descriptor that is readable (POLLIN) exactly while console_input() has something to give.  Only
 * poll it.  After end of file on standard input it never becomes readable again; the guest runs on.
 */
int console_input_fd(void);

/* ---- for the owner, vm.c ---- */

/*
 * Blocks the signals above in the calling thread (call it before other threads exist: they inherit
 * that), turns a terminal on standard input to raw mode, and starts the console's thread.
 * 0, or -errno with a message in *why naming what failed.
 */
int console_open(const struct console_events *events, const char **why);

/*
 * The user wants to leave: from now on console_output() drops what the reader doesn't take within a moment.
 */
void console_abandon(void);

/* Ends the console's thread and restores the terminal (terminal_restore(), base/message.h). */
void console_close(void);

#endif
