/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Last words: see fault.h.  The handler runs on whatever stack and in whatever state the fault left, so it
 * uses base/message.h only, which needs nothing.
 */
#include "host/fault.h"

#include <signal.h>
#include <ucontext.h>
#include <unistd.h>

#include "base/message.h"

/* Of the linker: where the program begins in memory, and its code ends. */
extern const char __executable_start[], etext[]; /* NOLINT(bugprone-reserved-identifier): its names */

/* In terms of the program's file, whatever address it was loaded at: what addr2line wants. */
static void message_place(struct message *m, uint64_t pc)
{
    if (pc >= (uint64_t)__executable_start && pc < (uint64_t)etext) {
        message_string(m, ", by diptych+");
        message_hex(m, pc - (uint64_t)__executable_start);
    } else {
        message_string(m, ", by code at ");
        message_hex(m, pc);
    }
}

static void fault_handler(int signo, siginfo_t *si, void *context)
{
    struct message m = {.n = 0};
    const ucontext_t *uc = context;

    terminal_restore();
    if (signo == SIGSYS) {
        message_string(&m, "diptych: the sandbox stopped system call ");
        message_decimal(&m, (uint64_t)si->si_syscall);
        message_string(&m, "; this is an error of diptych's");
    } else {
        message_string(&m, "diptych: internal error: signal ");
        message_decimal(&m, (uint64_t)signo);
        message_string(&m, " at ");
        message_hex(&m, (uint64_t)si->si_addr);
        message_place(&m, (uint64_t)uc->uc_mcontext.gregs[REG_RIP]);
        message_string(&m, "; please report it with the command line and the guest's last output");
    }
    message_send(&m);
    /* SA_RESETHAND: this one kills, whether or not going back would fault again. */
    rawsys_tgkill((int)rawsys6(SYS_getpid, 0, 0, 0, 0, 0, 0), (int)rawsys6(SYS_gettid, 0, 0, 0, 0, 0, 0),
                  signo);
}

void fault_handlers_install(void)
{
    static const int signals[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGSYS};
    struct sigaction sa = {.sa_sigaction = fault_handler};

    sa.sa_flags = (int)(SA_SIGINFO | SA_ONSTACK | SA_NODEFER | SA_RESETHAND);
    sigemptyset(&sa.sa_mask);
    for (unsigned i = 0; i < ARRAY_SIZE(signals); i++)
        sigaction(signals[i], &sa, NULL);
}
