/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whether a process of ours can be kept from making system calls, and talk to us nonetheless: what direct
 * execution does with user code of a guest, on one process that makes one call.
 *
 * That call, getppid(), is trapped by the process's seccomp filter: it arrives there as SIGSYS. The handler
 * makes another, pause(), which the filter turns into a notification to us; what we answer becomes the result
 * of the trapped call (seccomp_unotify(2), sigaltstack(2)). As with guests, the process isn't the one that
 * made all this ready but one that was cloned from it.
 *
 * Runs in a child of its own (doctor_try()), whose children the others are. They end with the listener's
 * last descriptor, which that child has.
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/ucontext.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host/doctor_try.h"

/* Of headers newer than Debian 12's (linux/seccomp.h, 6.6), and of one that libc's can't be mixed with. */
#ifndef SECCOMP_IOCTL_NOTIF_SET_FLAGS
#define SECCOMP_IOCTL_NOTIF_SET_FLAGS      SECCOMP_IOW(4, __u64)
#define SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP (1UL << 0)
#endif
#ifndef SS_AUTODISARM
#define SS_AUTODISARM (1U << 31) /* linux/signal.h */
#endif

#define CALL_TRAPPED  SYS_getppid
#define CALL_NOTIFIED SYS_pause
#define ARGUMENT      0x123456789abL
#define ANSWER        4242L   /* what the trapped call returns in the end: no kernel's answer to it */
#define STACK_SIZE    0x10000 /* a frame with AMX state has 11 KiB */

/* ---- the process that is kept in ---- */

/*
 * On the alternate stack, which is disarmed now: everything of the trapped call is in the frame, and what it
 * returns is what we put there.
 */
static void on_trapped(int sig, siginfo_t *info, void *frame)
{
    greg_t *gpr = ((ucontext_t *)frame)->uc_mcontext.gregs;
    stack_t stack;

    (void)sig;
    if (info->si_syscall != CALL_TRAPPED || gpr[REG_RAX] != CALL_TRAPPED || gpr[REG_RDI] != ARGUMENT ||
        sigaltstack(NULL, &stack) || !(stack.ss_flags & SS_DISABLE))
        _exit(1);
    gpr[REG_RAX] = syscall(CALL_NOTIFIED, ARGUMENT);
}

/* What it says of itself, once. With error 0 a descriptor of the listener comes along. */
struct word {
    int error;
    pid_t pid;
};

union word_control {
    char bytes[CMSG_SPACE(sizeof(int))];
    struct cmsghdr align;
};

/* listener: to send along, or -1. 0 or an errno. */
static int word_send(int socket, struct word w, int listener)
{
    union word_control control = {0};
    struct iovec io = {.iov_base = &w, .iov_len = sizeof(w)};
    struct msghdr m = {.msg_iov = &io, .msg_iovlen = 1};

    if (listener >= 0) {
        control.align = (struct cmsghdr){
            .cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
        memcpy(CMSG_DATA(&control.align), &listener, sizeof(listener));
        m.msg_control = control.bytes;
        m.msg_controllen = sizeof(control.bytes);
    }
    return sendmsg(socket, &m, MSG_NOSIGNAL) < 0 ? errno : 0;
}

/* Its filter, and the filter's listener. 0 or an errno. */
static int filter_install(int *listener)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, CALL_NOTIFIED, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, CALL_TRAPPED, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const struct sock_fprog prog = {.len = ARRAY_SIZE(code), .filter = code};

    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
        return errno;
    *listener = (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &prog);
    return *listener < 0 ? errno : 0;
}

static int template_prepare(struct doctor_try *t, int *listener)
{
    static char memory[STACK_SIZE];
    const stack_t stack = {.ss_sp = memory, .ss_size = sizeof(memory), .ss_flags = (int)SS_AUTODISARM};
    const struct sigaction action = {.sa_sigaction = on_trapped, .sa_flags = SA_SIGINFO | SA_ONSTACK};

    t->step = "a stack for its signals (sigaltstack, SS_AUTODISARM)";
    if (sigaltstack(&stack, NULL) || sigaction(SIGSYS, &action, NULL))
        return errno;
    t->step = "a filter of its calls that tells us (seccomp, SECCOMP_FILTER_FLAG_NEW_LISTENER)";
    return filter_install(listener);
}

_Noreturn static void stub(struct doctor_try *t, int socket, int listener)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    t->step = "handing over the filter's listener (sendmsg, SCM_RIGHTS)";
    if (word_send(socket, (struct word){.pid = getpid()}, listener))
        _exit(1);
    /* Were it kept, the end of the others wouldn't end the listener. */
    close(listener);
    _exit(syscall(CALL_TRAPPED, ARGUMENT) == ANSWER ? 0 : 1);
}

/* Makes all ready, and clones the stub as a sibling of its own. From then on the stub sets t->step. */
_Noreturn static void template(struct doctor_try *t, int socket)
{
    struct word w = {0};
    int listener = -1;
    long pid;

    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    w.error = template_prepare(t, &listener);
    if (!w.error) {
        t->step = "another process from that one (clone, CLONE_PARENT)";
        pid = syscall(SYS_clone, CLONE_PARENT | SIGCHLD, 0, 0, 0, 0);
        if (pid > 0)
            _exit(0);
        if (pid == 0)
            stub(t, socket, listener);
        w.error = errno;
    }
    _exit(word_send(socket, w, -1));
}

/* ---- the other side ---- */

/* Waits for the stub's or the template's word. 0 or an errno, theirs or our own. */
static int word_receive(int socket, pid_t *pid, int *listener)
{
    union word_control control = {0};
    struct word w;
    struct iovec io = {.iov_base = &w, .iov_len = sizeof(w)};
    struct msghdr m = {.msg_iov = &io,
                       .msg_iovlen = 1,
                       .msg_control = control.bytes,
                       .msg_controllen = sizeof(control.bytes)};
    ssize_t n = recvmsg(socket, &m, MSG_CMSG_CLOEXEC);

    if (n < 0)
        return errno;
    if (n != sizeof(w))
        return ECHILD; /* ended without a word */
    if (w.error)
        return w.error;
    /* A receiver that can have no more files gets the message without them (unix(7)). */
    if (!CMSG_FIRSTHDR(&m))
        return EMFILE;
    memcpy(listener, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof(*listener));
    *pid = w.pid;
    return 0;
}

/* Waits for the stub's notification. ENOSYS: it ended instead, so what it found in the frame was wrong. */
static int notification_wait(int listener, int pidfd, struct seccomp_notif *n)
{
    struct pollfd p[] = {{.fd = listener, .events = POLLIN}, {.fd = pidfd, .events = POLLIN}};

    if (poll(p, ARRAY_SIZE(p), -1) < 0)
        return errno;
    if (!(p[0].revents & POLLIN))
        return ENOSYS;
    return ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, n) ? errno : 0;
}

static int supervise(struct doctor_try *t, int listener, pid_t pid)
{
    struct seccomp_notif n = {0};
    struct seccomp_notif_resp answer = {.val = ANSWER};
    struct pollfd p = {.events = POLLIN};
    int status = 0, err;

    t->step = "a descriptor of that process (pidfd_open)";
    p.fd = (int)syscall(SYS_pidfd_open, pid, 0);
    if (p.fd < 0)
        return errno;
    t->step = "a trapped call of its (SECCOMP_RET_TRAP, SECCOMP_IOCTL_NOTIF_RECV)";
    err = notification_wait(listener, p.fd, &n);
    if (err)
        return err;
    if (n.pid != (unsigned)pid || n.data.nr != CALL_NOTIFIED || n.data.args[0] != ARGUMENT)
        return ENOSYS;
    t->step = "answering its call (SECCOMP_IOCTL_NOTIF_SEND)";
    answer.id = n.id;
    if (ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &answer))
        return errno;
    t->step = "seeing it end (poll of a pidfd)";
    if (poll(&p, 1, -1) < 0 || waitpid(pid, &status, 0) < 0)
        return errno;
    return p.revents & POLLIN && WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : ENOSYS;
}

int doctor_try_notify(struct doctor_try *t, void *arg)
{
    unsigned long wake_up = SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP;
    int sockets[2], listener = -1, err;
    pid_t pid = 0, first;

    (void)arg;
    signal(SIGCHLD, SIG_DFL); /* ignored, as some start us, it would have children vanish before we look */
    t->step = "a pair of sockets (socketpair)";
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets))
        return errno;
    t->step = "a process for user code";
    first = fork();
    if (first < 0)
        return errno;
    if (first == 0) {
        close(sockets[0]);
        template(t, sockets[1]);
    }
    close(sockets[1]);
    err = word_receive(sockets[0], &pid, &listener);
    if (err)
        return err;
    t->value = ioctl(listener, SECCOMP_IOCTL_NOTIF_SET_FLAGS, wake_up) == 0;
    return supervise(t, listener, pid);
}
