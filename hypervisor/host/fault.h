/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Last words of the process when it is at fault itself.
 */
#ifndef DIPTYCH_HOST_FAULT_H
#define DIPTYCH_HOST_FAULT_H

/*
 * Installs handlers for the signals of faults in our own code (SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT,
 * SIGSYS): they give the terminal back, say one line, and let the process die of the signal.  Called before
 * engine_init(), which puts its own handlers in front and passes on what isn't the guest's.
 */
void fault_handlers_install(void);

#endif
