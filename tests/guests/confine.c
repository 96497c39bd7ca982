/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Runs a command about as a container of Docker or Podman would: with no capabilities, no way to new
 * privileges, and a seccomp filter that refuses what their default profile refuses to those without
 * capabilities.
 *
 *   confine [--no-listener] [--no-ptrace] COMMAND [ARGUMENT...]
 *
 * As root it becomes nobody. --no-listener refuses filters with a listener, as hardened profiles do;
 * --no-ptrace what Docker's default refused before 19.03, and containerd's and Podman's until 2022.
 *
 * The table follows Docker's profile of today (github.com/moby/profiles, seccomp/default_linux.go), which
 * refuses more than Podman's (containers/common, pkg/seccomp). The profile is a list of what is allowed; this
 * is one of what isn't, since a call that neither mentions is none that anybody makes. Exit status: the
 * command's; 125 when it can't be confined, 126 when it can't be run.
 */
#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <seccomp.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define NOBODY   65534
#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const int refused[] = {
    SCMP_SYS(acct),
    SCMP_SYS(add_key),
    SCMP_SYS(bpf),
    SCMP_SYS(chroot),
    SCMP_SYS(clock_settime),
    SCMP_SYS(create_module),
    SCMP_SYS(delete_module),
    SCMP_SYS(fanotify_init),
    SCMP_SYS(finit_module),
    SCMP_SYS(fsconfig),
    SCMP_SYS(fsmount),
    SCMP_SYS(fsopen),
    SCMP_SYS(fspick),
    SCMP_SYS(get_kernel_syms),
    SCMP_SYS(get_mempolicy),
    SCMP_SYS(init_module),
    SCMP_SYS(io_uring_enter),
    SCMP_SYS(io_uring_register),
    SCMP_SYS(io_uring_setup),
    SCMP_SYS(ioperm),
    SCMP_SYS(iopl),
    SCMP_SYS(kcmp),
    SCMP_SYS(kexec_file_load),
    SCMP_SYS(kexec_load),
    SCMP_SYS(keyctl),
    SCMP_SYS(lookup_dcookie),
    SCMP_SYS(mbind),
    SCMP_SYS(migrate_pages),
    SCMP_SYS(mount),
    SCMP_SYS(mount_setattr),
    SCMP_SYS(move_mount),
    SCMP_SYS(move_pages),
    SCMP_SYS(nfsservctl),
    SCMP_SYS(open_by_handle_at),
    SCMP_SYS(open_tree),
    SCMP_SYS(perf_event_open),
    SCMP_SYS(pidfd_getfd),
    SCMP_SYS(pivot_root),
    SCMP_SYS(process_madvise),
    SCMP_SYS(query_module),
    SCMP_SYS(quotactl),
    SCMP_SYS(quotactl_fd),
    SCMP_SYS(reboot),
    SCMP_SYS(request_key),
    SCMP_SYS(set_mempolicy),
    SCMP_SYS(set_mempolicy_home_node),
    SCMP_SYS(setdomainname),
    SCMP_SYS(sethostname),
    SCMP_SYS(setns),
    SCMP_SYS(settimeofday),
    SCMP_SYS(swapoff),
    SCMP_SYS(swapon),
    SCMP_SYS(_sysctl),
    SCMP_SYS(sysfs),
    SCMP_SYS(syslog),
    SCMP_SYS(umount2),
    SCMP_SYS(unshare),
    SCMP_SYS(uselib),
    SCMP_SYS(userfaultfd),
    SCMP_SYS(ustat),
    SCMP_SYS(vhangup),
};

static const int refused_with_ptrace[] = {
    SCMP_SYS(ptrace),
    SCMP_SYS(process_vm_readv),
    SCMP_SYS(process_vm_writev),
};

static const unsigned long namespaces[] = {CLONE_NEWNS,   CLONE_NEWCGROUP, CLONE_NEWUTS, CLONE_NEWIPC,
                                           CLONE_NEWUSER, CLONE_NEWPID,    CLONE_NEWNET};

/* Of sockets: the kernel's cryptography, other virtual machines. */
static const int families[] = {AF_ALG, AF_VSOCK};

/* The rules that look at an argument. The profile lets personality() also ask, and set harmless values. */
static int refuse_values(scmp_filter_ctx f)
{
    int err = seccomp_rule_add(f, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(personality), 1, SCMP_A0(SCMP_CMP_NE, 0));

    for (size_t i = 0; i < COUNT(families) && !err; i++)
        err = seccomp_rule_add(f, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(socket), 1,
                               SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)families[i]));
    /* Its flags are in memory; libc then takes clone(). */
    if (!err)
        err = seccomp_rule_add(f, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
    for (size_t i = 0; i < COUNT(namespaces) && !err; i++)
        err = seccomp_rule_add(f, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(clone), 1,
                               SCMP_A0(SCMP_CMP_MASKED_EQ, namespaces[i], namespaces[i]));
    return err;
}

struct choice {
    bool no_listener, no_ptrace;
};

static int filter_load(const struct choice *c)
{
    scmp_filter_ctx f = seccomp_init(SCMP_ACT_ALLOW);
    int err = f ? 0 : -ENOMEM;

    for (size_t i = 0; i < COUNT(refused) && !err; i++)
        err = seccomp_rule_add(f, SCMP_ACT_ERRNO(EPERM), refused[i], 0);
    for (size_t i = 0; i < COUNT(refused_with_ptrace) && c->no_ptrace && !err; i++)
        err = seccomp_rule_add(f, SCMP_ACT_ERRNO(EPERM), refused_with_ptrace[i], 0);
    if (c->no_listener && !err)
        err = seccomp_rule_add(
            f, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(seccomp), 1,
            SCMP_A1(SCMP_CMP_MASKED_EQ, SECCOMP_FILTER_FLAG_NEW_LISTENER, SECCOMP_FILTER_FLAG_NEW_LISTENER));
    if (!err)
        err = refuse_values(f);
    if (!err)
        err = seccomp_load(f);
    seccomp_release(f);
    return err;
}

/* Capabilities go with the change of user; the bounding set first, which only root can change. */
static int privileges_drop(void)
{
    if (geteuid() == 0) {
        for (unsigned long cap = 0; cap <= CAP_LAST_CAP; cap++)
            if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) && errno != EINVAL)
                return -errno;
        if (setgroups(0, NULL) || setresgid(NOBODY, NOBODY, NOBODY) || setresuid(NOBODY, NOBODY, NOBODY))
            return -errno;
    }
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ? -errno : 0;
}

int main(int argc, char **argv)
{
    struct choice c = {0};
    int err;

    for (argc--, argv++; argc && !strncmp(argv[0], "--", 2); argc--, argv++) {
        if (!strcmp(argv[0], "--no-listener"))
            c.no_listener = true;
        else if (!strcmp(argv[0], "--no-ptrace"))
            c.no_ptrace = true;
        else
            break;
    }
    if (argc < 1 || argv[0][0] == '-') {
        fprintf(stderr, "Usage: confine [--no-listener] [--no-ptrace] COMMAND [ARGUMENT...]\n");
        return 125;
    }
    err = privileges_drop();
    if (!err)
        err = filter_load(&c);
    if (err) {
        fprintf(stderr, "confine: %s\n", strerror(-err));
        return 125;
    }
    execvp(argv[0], argv);
    fprintf(stderr, "confine: %s: %s\n", argv[0], strerror(errno));
    return 126;
}
