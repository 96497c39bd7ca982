/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The sandbox: what the process may still ask of the host once a guest runs.
 *
 * A guest that broke out of the translator could make system calls as this process.  What is left to it then:
 * files that are open, memory, threads of this process, clocks.  No names (open, stat, exec), no network, no
 * other processes, no new kernel objects with a history of holes.  Calls with names that libc makes in
 * passing answer EACCES, which libc copes with; any other call ends the process with SIGSYS.
 *
 * Executable mappings: the translation cache is writable and executable by its nature, so forbidding new ones
 * wins little; it is done where the domain can't restart, and mprotect() never makes anything executable.
 */
#include "host/sandbox.h"

#include <asm/prctl.h>
#include <errno.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

/* Allowed whatever the arguments are. docs/security.md says of each who makes it. */
static const int plain_calls[] = {
    /* open files */
    SCMP_SYS(read),
    SCMP_SYS(write),
    SCMP_SYS(writev),
    SCMP_SYS(pread64),
    SCMP_SYS(pwrite64),
    SCMP_SYS(lseek),
    SCMP_SYS(fstat),
    SCMP_SYS(close),
    SCMP_SYS(poll),
    SCMP_SYS(eventfd2),
    /* memory */
    SCMP_SYS(munmap),
    SCMP_SYS(mremap),
    SCMP_SYS(madvise),
    SCMP_SYS(brk),
    SCMP_SYS(fallocate),
    /* threads */
    SCMP_SYS(futex),
    SCMP_SYS(set_robust_list),
    SCMP_SYS(rseq),
    SCMP_SYS(gettid),
    SCMP_SYS(getpid),
    SCMP_SYS(sched_yield),
    SCMP_SYS(sched_getaffinity),
    SCMP_SYS(exit),
    SCMP_SYS(exit_group),
    SCMP_SYS(sysinfo),
    /* signals */
    SCMP_SYS(rt_sigprocmask),
    SCMP_SYS(rt_sigreturn),
    SCMP_SYS(sigaltstack),
    SCMP_SYS(restart_syscall),
    /* time */
    SCMP_SYS(clock_gettime),
    SCMP_SYS(clock_nanosleep),
    SCMP_SYS(timer_create),
    SCMP_SYS(timer_settime),
    SCMP_SYS(timer_delete),
    SCMP_SYS(getrandom),
#ifdef __SANITIZE_THREAD__
    /* its run-time library's own waits */
    SCMP_SYS(nanosleep),
    SCMP_SYS(gettimeofday),
#endif
};

/* Calls that answer an error without harm: libc tries them and goes on without. */
static const struct {
    int call, error;
} refused_calls[] = {
    {SCMP_SYS(open), EACCES},       {SCMP_SYS(openat), EACCES},     {SCMP_SYS(stat), EACCES},
    {SCMP_SYS(lstat), EACCES},      {SCMP_SYS(access), EACCES},     {SCMP_SYS(faccessat), EACCES},
    {SCMP_SYS(readlink), EACCES},   {SCMP_SYS(readlinkat), EACCES}, {SCMP_SYS(statx), ENOSYS},
    {SCMP_SYS(newfstatat), EACCES}, /* fstat() of libc 2.33 to 2.38; but it takes names as well */
    {SCMP_SYS(clone3), ENOSYS},     /* its flags can't be looked at; libc falls back to clone */
};

static int allow_plain(scmp_filter_ctx f)
{
    for (unsigned i = 0; i < ARRAY_SIZE(plain_calls); i++) {
        int err = seccomp_rule_add(f, SCMP_ACT_ALLOW, plain_calls[i], 0);

        if (err)
            return err;
    }
    for (unsigned i = 0; i < ARRAY_SIZE(refused_calls); i++) {
        int err =
            seccomp_rule_add(f, SCMP_ACT_ERRNO((unsigned)refused_calls[i].error), refused_calls[i].call, 0);

        if (err)
            return err;
    }
    return 0;
}

/* Allowed for one value of an argument, at most: a row a value. */
static int allow_values(scmp_filter_ctx f)
{
    const unsigned long thread = CLONE_VM | CLONE_SIGHAND | CLONE_THREAD;
    const unsigned long namespaces = CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC |
                                     CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET;
    const uint64_t pid = (uint64_t)getpid();
    const struct {
        int call;
        struct scmp_arg_cmp arg;
    } rows[] = {
        {SCMP_SYS(ioctl), SCMP_A1(SCMP_CMP_EQ, TCGETS)},
        {SCMP_SYS(ioctl), SCMP_A1(SCMP_CMP_EQ, TCSETS)},
        {SCMP_SYS(prctl), SCMP_A0(SCMP_CMP_EQ, PR_SET_NAME)},
        {SCMP_SYS(prctl), SCMP_A0(SCMP_CMP_EQ, PR_SET_VMA)}, /* libc names its mappings with it */
        {SCMP_SYS(arch_prctl), SCMP_A0(SCMP_CMP_EQ, ARCH_SET_GS)},
        {SCMP_SYS(tgkill), SCMP_A0(SCMP_CMP_EQ, pid)},
        {SCMP_SYS(clone), SCMP_A0(SCMP_CMP_MASKED_EQ, thread | namespaces, thread)},
        {SCMP_SYS(sendto), SCMP_A4(SCMP_CMP_EQ, 0)},        /* an open socket's peer only */
        {SCMP_SYS(rt_sigaction), SCMP_A0(SCMP_CMP_EQ, 33)}, /* libc's own, at a process's first thread */
        {SCMP_SYS(mprotect), SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0)},
    };

    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        int err = seccomp_rule_add_array(f, SCMP_ACT_ALLOW, rows[i].call, 1, &rows[i].arg);

        if (err)
            return err;
    }
    return 0;
}

/*
 * Direct execution: being told of what the processes do that have been made for it, and answering; seeing
 * them end; and the one signal to them, which ends nothing, whoever gets it. Where threads run is theirs to
 * choose.
 */
static int allow_stubs(scmp_filter_ctx f)
{
    static const struct {
        int call;
        struct scmp_arg_cmp arg;
    } rows[] = {
        {SCMP_SYS(ioctl), SCMP_A1(SCMP_CMP_EQ, SECCOMP_IOCTL_NOTIF_RECV)},
        {SCMP_SYS(ioctl), SCMP_A1(SCMP_CMP_EQ, SECCOMP_IOCTL_NOTIF_SEND)},
        {SCMP_SYS(tgkill), SCMP_A2(SCMP_CMP_EQ, SIGURG)},
        {SCMP_SYS(pidfd_open), SCMP_A1(SCMP_CMP_EQ, 0)},
    };
    static const int calls[] = {SCMP_SYS(wait4), SCMP_SYS(sched_setaffinity), SCMP_SYS(getcpu)};
    int err = 0;

    for (unsigned i = 0; i < ARRAY_SIZE(rows) && !err; i++)
        err = seccomp_rule_add_array(f, SCMP_ACT_ALLOW, rows[i].call, 1, &rows[i].arg);
    for (unsigned i = 0; i < ARRAY_SIZE(calls) && !err; i++)
        err = seccomp_rule_add(f, SCMP_ACT_ALLOW, calls[i], 0);
    return err;
}

int sandbox_prepare(void)
{
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ? -errno : 0;
}

int sandbox_enter(const struct sandbox_needs *needs, const char **why)
{
    const struct rlimit no_core = {0, 0};
    scmp_filter_ctx f;
    int err;

    /* Guest memory is the guest's secret: it isn't written to disk, nor read by others of the same user. */
    *why = "core dump limit";
    if (setrlimit(RLIMIT_CORE, &no_core) || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0))
        return -errno;
    *why = "seccomp filter";
    f = seccomp_init(SCMP_ACT_TRAP);
    if (!f)
        return -ENOMEM;
    err = seccomp_attr_set(f, SCMP_FLTATR_CTL_TSYNC, 1);
    if (!err)
        err = seccomp_attr_set(f, SCMP_FLTATR_CTL_OPTIMIZE, 2); /* a tree: futex and tgkill are frequent */
    if (!err)
        err = allow_plain(f);
    if (!err)
        err = allow_values(f);
    if (!err && needs->stubs)
        err = allow_stubs(f);
    if (!err && needs->exec_mappings)
        err = seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 0);
    else if (!err)
        err =
            seccomp_rule_add(f, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1, SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
    if (!err)
        err = seccomp_load(f);
    seccomp_release(f);
    return err;
}
