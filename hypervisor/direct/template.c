/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Template processes, of which stubs are forked: one a vCPU, made before the sandbox closes and before there
 * are threads.
 *
 * A template starts as a fork of the hypervisor and gives up all that it has: files but for guest memory and
 * its slots, signal handlers, what libc has registered with the kernel, the right to gain privileges, and all
 * system calls. In the end it runs in the stub's page of code; the rest of its memory is unmapped by calls
 * that the hypervisor has it make.
 *
 * The seccomp filter is the wall around user code. It tells the hypervisor of the one call by which a stub
 * stops. It allows a few more, in the stub's page of code and with the cookie, which only the hypervisor's
 * answer has. Any other becomes a signal. Filters are inherited and never taken back.
 */
#include <asm/prctl.h>
#include <cpuid.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/rseq.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/lock.h"
#include "cpu/cpu_policy.h"
#include "direct/internal.h"

#define MAPS_DEFAULT 65530u /* vm.max_map_count, if it can't be read */
#define MAPS_RESERVE 512u

/* Linux 6.6: stub and hypervisor hand over to each other on the CPU where they are. */
#ifndef SECCOMP_IOCTL_NOTIF_SET_FLAGS
#define SECCOMP_IOCTL_NOTIF_SET_FLAGS      SECCOMP_IOW(4, uint64_t)
#define SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP 1ul
#endif

struct host host;
static lock_t template_lock;

static uint64_t read_limit(const char *path, uint64_t otherwise)
{
    FILE *f = fopen(path, "re");
    char text[32];

    if (f) {
        if (fgets(text, sizeof(text), f))
            otherwise = strtoul(text, NULL, 10);
        fclose(f);
    }
    return otherwise;
}

/* ---- in the child ---- */

/*
 * glibc's restartable sequence lies in memory that will go; the kernel would kill a thread that lets it find
 * none. Its length is known to libc alone.
 */
static void rseq_forget(void)
{
    for (unsigned len = 20; len <= 512; len += 4)
        if (syscall(SYS_rseq, (char *)__builtin_thread_pointer() + __rseq_offset, len, RSEQ_FLAG_UNREGISTER,
                    RSEQ_SIG) == 0)
            return;
}

#define LOAD(field)          BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define LOAD_HIGH(field)     BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field) + 4)
#define UNLESS(k, skip)      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (k), 0, (skip))
#define RETURN(verdict)      BPF_STMT(BPF_RET | BPF_K, (verdict))
#define UNLESS_TRAP(k)       BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (k), 1, 0), RETURN(SECCOMP_RET_TRAP)
#define BELOW_TRAP(k)        BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, (k), 0, 1), RETURN(SECCOMP_RET_TRAP)
#define IF_ALLOW(k)          UNLESS(k, 1), RETURN(SECCOMP_RET_ALLOW)
#define I386_SET_THREAD_AREA 243u /* asm/unistd_32.h */

_Static_assert((uint32_t)STUB_CODE == 0, "the filter compares halves of addresses");

/* The descriptor at which its notifications are read, or -errno. */
static int filter_install(void)
{
    const uint32_t cookie = (uint32_t)(host.cookie >> 32);
    struct sock_filter code[] = {
        LOAD_HIGH(instruction_pointer),
        UNLESS_TRAP((uint32_t)(STUB_CODE >> 32)),
        LOAD(instruction_pointer),
        BELOW_TRAP(PAGE_SIZE),
        UNLESS((uint32_t)(stub_code_notified - stub_code), 1),
        RETURN(SECCOMP_RET_USER_NOTIF),
        LOAD(arch),
        UNLESS(AUDIT_ARCH_I386, 6),
        LOAD(args[4]),
        UNLESS_TRAP(cookie),
        LOAD(nr),
        IF_ALLOW(I386_SET_THREAD_AREA),
        UNLESS_TRAP(AUDIT_ARCH_X86_64),
        LOAD_HIGH(args[4]),
        UNLESS_TRAP(cookie),
        LOAD(nr),
        IF_ALLOW(SYS_mmap),
        IF_ALLOW(SYS_munmap),
        IF_ALLOW(SYS_mprotect),
        IF_ALLOW(SYS_rt_sigreturn),
        IF_ALLOW(SYS_clone),
        IF_ALLOW(SYS_prctl),
        IF_ALLOW(SYS_sendmsg),
        IF_ALLOW(SYS_close),
        IF_ALLOW(SYS_exit_group),
        RETURN(SECCOMP_RET_TRAP),
    };
    const struct sock_fprog prog = {.len = ARRAY_SIZE(code), .filter = code};
    long fd;

    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
        return -errno;
    fd = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &prog);
    return fd < 0 ? -errno : (int)fd;
}

/* What a template has to send the descriptor with, in its state. */
struct message {
    struct msghdr header;
    struct iovec data;
    uint64_t control[CMSG_SPACE(sizeof(int)) / sizeof(uint64_t)];
    uint8_t byte;
};

#define TEMPLATE_SOCKET   2
#define TEMPLATE_LISTENER 3 /* the next descriptor that is free */

/* What the template does first in the stub's code: sends the descriptor, and stops. */
static void first_calls(struct stub_slot *slot)
{
    const uint64_t at = STUB_STACK;
    struct message *m = (struct message *)(slot->state + STUB_STACK_OFFSET);
    struct cmsghdr *c = (struct cmsghdr *)m->control;
    struct stub s = {.slot = slot};
    const int fd = TEMPLATE_LISTENER;

    *m = (struct message){
        .header =
            {
                .msg_iov = (struct iovec *)(at + offsetof(struct message, data)),
                .msg_iovlen = 1,
                .msg_control = (void *)(at + offsetof(struct message, control)),
                .msg_controllen = sizeof(m->control),
            },
        .data = {.iov_base = (void *)(at + offsetof(struct message, byte)), .iov_len = 1},
    };
    *c = (struct cmsghdr){
        .cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
    memcpy(CMSG_DATA(c), &fd, sizeof(fd));
    stub_add_call(&s, SYS_sendmsg, TEMPLATE_SOCKET, at, 0, 0, 0, 0);
    stub_add_call(&s, SYS_close, TEMPLATE_SOCKET, 0, 0, 0, 0, 0);
    stub_add_call(&s, SYS_close, TEMPLATE_LISTENER, 0, 0, 0, 0, 0);
    slot->calls[s.nr_calls].nr = (uint64_t)CALLS_STOP;
}

static bool map_fixed(uint64_t va, size_t size, int prot, int fd, off_t at)
{
    return mmap((void *)va, size, prot, MAP_SHARED | MAP_FIXED_NOREPLACE, fd, at) != MAP_FAILED;
}

/* Maps the page of code and the slot where they stay. 0 or errno. */
static int pages_map(int fd)
{
    const size_t calls = offsetof(struct stub_slot, state);
    void *code = mmap((void *)STUB_CODE, PAGE_SIZE, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

    if (code == MAP_FAILED)
        return errno;
    memcpy(code, stub_code, (size_t)(stub_code_end - stub_code));
    if (mprotect(code, PAGE_SIZE, PROT_READ | PROT_EXEC) || !map_fixed(STUB_CALLS, calls, PROT_READ, fd, 0) ||
        !map_fixed(STUB_STATE, sizeof(((struct stub_slot *)NULL)->state), PROT_READ | PROT_WRITE, fd,
                   (off_t)calls))
        return errno;
    return 0;
}

/*
 * Every signal that can be caught stops a stub, whoever sends it. Until there is user code in it they wait,
 * but for the one that a stub stops itself by. 0 or errno.
 */
static int signals_catch(void)
{
    /* struct kernel_sigaction (asm/signal.h): libc keeps two signals to itself. */
    const struct {
        uint64_t handler, flags, restorer, mask;
    } action = {stub_address(stub_code_handler), SA_SIGINFO | SA_ONSTACK | 0x04000000 /* SA_RESTORER */,
                stub_address(stub_code_handler), ~0ul};
    const stack_t stack = {.ss_sp = (void *)STUB_STACK,
                           .ss_size = STUB_STACK_SIZE,
                           .ss_flags = (int)(1u << 31) /* AUTODISARM */};
    const uint64_t mask = ~(1ul << (SIGTRAP - 1));

    if (syscall(SYS_rt_sigprocmask, SIG_SETMASK, &mask, NULL, sizeof(mask)) || sigaltstack(&stack, NULL))
        return errno;
    for (int sig = 1; sig <= 64; sig++)
        if (sig != SIGKILL && sig != SIGSTOP &&
            syscall(SYS_rt_sigaction, sig, &action, NULL, sizeof(action.mask)))
            return errno;
    return 0;
}

/* Files as layout says, and no others. 0 or errno. */
static int files_keep(int socket, int slots_fd)
{
    /* They may have each other's numbers: through numbers above all. */
    int high[] = {fcntl(machine.memfd, F_DUPFD, 10), fcntl(slots_fd, F_DUPFD, 10),
                  fcntl(socket, F_DUPFD, 10)};

    for (int i = 0; i < 3; i++)
        if (high[i] < 0 || dup2(high[i], i) < 0)
            return errno;
    return syscall(SYS_close_range, 3u, ~0u, 0u) ? errno : 0;
}

/* As if the hypervisor had answered: on to the first calls. */
_Noreturn static void template_enter(void)
{
    __asm__ volatile("jmp *%1" : : "a"(host.cookie), "r"(stub_address(stub_code_notified)) : "memory");
    __builtin_unreachable();
}

/*
 * The child of fork(): becomes a template. Errors go through the socket, a number; success is a message with
 * the descriptor.
 */
_Noreturn static void template_become(int socket, int slots_fd, pid_t parent)
{
    const struct rlimit none = {0, 0};
    int err = 0;

    if (setsid() < 0 || prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) ||
        prctl(PR_SET_NAME, "diptych-user", 0, 0, 0) || setrlimit(RLIMIT_CORE, &none))
        err = errno;
    else if (getppid() != parent)
        _exit(1); /* it died before it could be noticed */
    if (!err)
        err = pages_map(slots_fd);
    if (!err)
        err = files_keep(socket, slots_fd);
    if (!err)
        socket = TEMPLATE_SOCKET;
    if (!err)
        err = signals_catch();
    if (!err) {
        rseq_forget();
        syscall(SYS_set_robust_list, NULL, 3 * sizeof(long));
        syscall(SYS_set_tid_address, NULL);
        syscall(SYS_arch_prctl, ARCH_SET_CPUID, 0); /* if it can */
        err = filter_install();
        if (err == TEMPLATE_LISTENER)
            template_enter();
        err = -err;
    }
    if (write(socket, &err, sizeof(err)) < 0)
        _exit(2);
    _exit(1);
}

/* ---- in the hypervisor ---- */

/* What the child says: the descriptor at which it stops, or -errno. */
static int listener_receive(int socket)
{
    int answer = 0;
    struct iovec data = {.iov_base = &answer, .iov_len = sizeof(answer)};
    union {
        struct cmsghdr control;
        uint8_t space[CMSG_SPACE(sizeof(int))];
    } c;
    struct msghdr m = {.msg_iov = &data, .msg_iovlen = 1, .msg_control = &c, .msg_controllen = sizeof(c)};
    int fd;
    ssize_t n;

    do
        n = recvmsg(socket, &m, MSG_CMSG_CLOEXEC);
    while (n < 0 && errno == EINTR);
    if (n == (ssize_t)sizeof(answer))
        return -answer;
    if (n != 1 || m.msg_controllen < CMSG_LEN(sizeof(int)) || c.control.cmsg_type != SCM_RIGHTS)
        return -ECHILD;
    memcpy(&fd, CMSG_DATA(&c.control), sizeof(fd));
    return fd;
}

/*
 * The template's own steps: what is left of the hypervisor's memory goes, and what the stubs will see of the
 * guest's is for nobody else of this user to look at.
 */
static int template_strip(struct stub_template *t)
{
    struct direct *d = calloc(1, sizeof(*d));
    long result = -ENOMEM;
    bool done;

    if (!d)
        return -ENOMEM;
    d->template = t;
    done = stub_wait(d, &t->stub) == STUB_STOPPED && t->stub.event.what == STUB_DONE;
    if (done) {
        stub_add_call(&t->stub, SYS_munmap, 0, STUB_CODE, 0, 0, 0, 0);
        stub_add_call(&t->stub, SYS_munmap, STUB_END, USER_END - STUB_END, 0, 0, 0, 0);
        stub_add_call(&t->stub, SYS_prctl, PR_SET_DUMPABLE, 0, 0, 0, 0, 0);
        done = stub_do_calls(d, &t->stub, &result);
    }
    free(d);
    return done ? 0 : result ? (int)result : -ECHILD;
}

static void template_unmake(struct stub_template *t)
{
    kill(t->stub.pid, SIGKILL);
    waitpid(t->stub.pid, NULL, 0);
    if (t->listener >= 0)
        close(t->listener);
    if (t->stub.pidfd >= 0)
        close(t->stub.pidfd);
    t->stub.pid = 0;
}

static int template_make(struct stub_template *t, int slots_fd)
{
    const pid_t parent = getpid();
    int pair[2], err;
    pid_t pid;

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
        return -errno;
    first_calls(t->slots);
    pid = fork();
    err = pid < 0 ? -errno : 0;
    if (pid == 0) {
        close(pair[0]);
        template_become(pair[1], slots_fd, parent);
    }
    close(pair[1]);
    if (!err) {
        t->listener = listener_receive(pair[0]);
        t->stub = (struct stub){.pid = pid, .slot = t->slots, .pidfd = (int)syscall(SYS_pidfd_open, pid, 0)};
        err = t->listener < 0 ? t->listener : t->stub.pidfd < 0 ? -errno : template_strip(t);
        if (err)
            template_unmake(t);
    }
    close(pair[0]);
    return err;
}

static void host_look(void)
{
    struct cpu_source source;
    unsigned a, b, c, d;

    host.map_limit = (unsigned)read_limit("/proc/sys/vm/max_map_count", MAPS_DEFAULT);
    host.map_limit = host.map_limit > 2 * MAPS_RESERVE ? host.map_limit - MAPS_RESERVE : MAPS_RESERVE;
    host.lowest = read_limit("/proc/sys/vm/mmap_min_addr", 65536);
    cpu_source_host(&source);
    cpu_xsave_layout(&source, &host.xsave);
    host.xcr0 = source.xcr0;
    host.umip = __get_cpuid_count(7, 0, &a, &b, &c, &d) && c & 1u << 2;
    if (syscall(SYS_arch_prctl, ARCH_SET_CPUID, 0) == 0) {
        host.cpuid_traps = true;
        syscall(SYS_arch_prctl, ARCH_SET_CPUID, 1);
    }
}

/* Each stub takes a descriptor. */
static void raise_files_limit(void)
{
    struct rlimit files;

    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
}

/* Of the vCPU's template and its stubs. */
static const size_t slots_size = (1 + SPACES) * sizeof(struct stub_slot);

static int templates_make(unsigned vcpus, const char **why)
{
    for (unsigned i = 0; i < vcpus; i++) {
        struct stub_template *t = &host.template[i];
        int err, fd;

        *why = "memory shared with the processes that run user code";
        fd = memfd_create("diptych-stubs", MFD_CLOEXEC);
        if (fd < 0)
            return -errno;
        t->slots = ftruncate(fd, (off_t)slots_size)
                       ? MAP_FAILED
                       : mmap(NULL, slots_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        err = t->slots == MAP_FAILED ? -errno : 0;
        *why = "a process to run user code in";
        if (!err)
            err = template_make(t, fd);
        close(fd);
        if (err)
            return err;
        host.stays = !ioctl(t->listener, SECCOMP_IOCTL_NOTIF_SET_FLAGS, SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP);
        host.nr_templates++;
    }
    return 0;
}

int direct_prepare(unsigned vcpus, const char **why)
{
    struct sigaction plain = {.sa_handler = SIG_DFL};

    host_look();
    scan_init();
    raise_files_limit();
    *why = "SIGCHLD";
    if (sigaction(SIGCHLD, &plain, NULL)) /* children that end may not vanish by themselves */
        return -errno;
    *why = "random numbers";
    do
        if (getrandom((uint8_t *)&host.cookie + 4, 4, 0) != 4)
            return -errno;
    while ((int64_t)host.cookie <= 0);
    return templates_make(vcpus, why);
}

struct stub_template *template_take(void)
{
    struct stub_template *t = NULL;

    lock_acquire(&template_lock);
    for (unsigned i = 0; i < host.nr_templates && !t; i++)
        if (host.template[i].stub.pid && !host.template[i].attached)
            t = &host.template[i];
    if (t)
        t->attached = true;
    lock_release(&template_lock);
    return t;
}

void template_give_back(struct stub_template *t)
{
    lock_acquire(&template_lock);
    t->attached = false;
    lock_release(&template_lock);
}
