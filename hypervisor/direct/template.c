/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Template processes, of which stubs are forked: one a vCPU, made before the sandbox closes and before there
 * are threads.
 *
 * A template starts as a fork of the hypervisor and gives up all that it has: files but for guest memory,
 * signal handlers, what libc has registered with the kernel, the right to gain privileges, and nearly all
 * system calls. In the end it runs in the stub's page of code; the rest of its memory is unmapped by calls
 * that the tracer has it make (stub_attach()).
 *
 * The seccomp filter is a second wall: the first is that guest code runs under PTRACE_SYSEMU only, so that
 * none of its system calls is ever executed.
 */
#include <asm/prctl.h>
#include <cpuid.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/rseq.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/lock.h"
#include "direct/internal.h"

#define MAPS_DEFAULT 65530u /* vm.max_map_count, if it can't be read */
#define MAPS_RESERVE 512u

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

#define LOAD(field)      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define LOAD_HIGH(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field) + 4)
#define UNLESS(k, skip)  BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (k), 0, (skip))
#define IF_ALLOW(k) \
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (k), 0, 1), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)
#define TRAP BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP)

static int filter_install(void)
{
    /* A stub is of interest only in its page of code, and of calls only for those that stub.c has it make. */
    struct sock_filter code[] = {
        LOAD(arch),
        UNLESS(AUDIT_ARCH_X86_64, 3),
        LOAD_HIGH(instruction_pointer),
        UNLESS((uint32_t)(STUB_CODE >> 32), 1),
        BPF_JUMP(BPF_JMP | BPF_JA, 1, 0, 0),
        TRAP,
        LOAD(instruction_pointer),
        BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, (uint32_t)STUB_CODE + (uint32_t)PAGE_SIZE, 0, 1),
        TRAP,
        LOAD(nr),
        IF_ALLOW(SYS_mmap),
        IF_ALLOW(SYS_munmap),
        IF_ALLOW(SYS_mprotect),
        IF_ALLOW(SYS_clone),
        IF_ALLOW(SYS_prctl),
        IF_ALLOW(SYS_pause),
        IF_ALLOW(SYS_close),
        IF_ALLOW(SYS_exit_group),
        TRAP,
    };
    const struct sock_fprog prog = {.len = ARRAY_SIZE(code), .filter = code};

    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog) ? errno
                                                                                                       : 0;
}

/* Maps the page of code and the page of calls where they stay. */
static int pages_map(int calls_fd, off_t calls_at)
{
    const int fixed = MAP_FIXED_NOREPLACE;
    void *code = mmap((void *)STUB_CODE, PAGE_SIZE, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | fixed, -1, 0);

    if (code == MAP_FAILED)
        return errno;
    memcpy(code, stub_code, (size_t)(stub_code_end - stub_code));
    if (mprotect(code, PAGE_SIZE, PROT_READ | PROT_EXEC))
        return errno;
    return mmap((void *)STUB_CALLS, STUB_CALLS_PAGES * PAGE_SIZE, PROT_READ, MAP_SHARED | fixed, calls_fd,
                calls_at) == MAP_FAILED
               ? errno
               : 0;
}

/*
 * The child of fork(): becomes a template. Errors go through the pipe, whose end without a word is success.
 */
_Noreturn static void template_become(int report, int calls_fd, off_t calls_at, pid_t parent)
{
    const struct rlimit none = {0, 0};
    sigset_t nothing;
    int err = 0;

    sigemptyset(&nothing);
    for (int sig = 1; sig < NSIG; sig++)
        signal(sig, SIG_DFL);
    if (setsid() < 0 || prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) ||
        prctl(PR_SET_NAME, "diptych-user", 0, 0, 0) || setrlimit(RLIMIT_CORE, &none) ||
        sigprocmask(SIG_SETMASK, &nothing, NULL))
        err = errno;
    else if (getppid() != parent)
        _exit(1); /* it died before it could be noticed */
    if (!err)
        err = pages_map(calls_fd, calls_at);
    /* report may be 0, and memfd 1: through numbers above both */
    report = fcntl(report, F_DUPFD, 10);
    if (!err && (report < 0 || dup2(machine.memfd, STUB_MEMORY_FD) < 0 || dup2(report, 1) < 0 ||
                 syscall(SYS_close_range, 2u, ~0u, 0u)))
        err = errno;
    if (!err) {
        rseq_forget();
        syscall(SYS_set_robust_list, NULL, 3 * sizeof(long));
        syscall(SYS_set_tid_address, NULL);
        syscall(SYS_arch_prctl, ARCH_SET_CPUID, 0); /* if it can */
        err = filter_install();
    }
    if (!err)
        ((void (*)(void))stub_address(stub_code_close))();
    if (write(report < 0 ? 1 : report, &err, sizeof(err)) < 0)
        _exit(2);
    _exit(1);
}

/* ---- in the hypervisor ---- */

/* What the child says: 0 and it is ready, or -errno. */
static int template_wait(int report, pid_t pid)
{
    int err = 0;
    ssize_t n;

    do
        n = read(report, &err, sizeof(err));
    while (n < 0 && errno == EINTR);
    if (n == 0) {
        int status;

        /* Ready, or killed. */
        if (waitpid(pid, &status, WNOHANG) == 0)
            return 0;
        return -ECHILD;
    }
    waitpid(pid, NULL, 0);
    return n == (ssize_t)sizeof(err) ? -err : -EIO;
}

static int template_make(struct stub_template *t, int calls_fd, off_t calls_at)
{
    const pid_t parent = getpid();
    int report[2];
    pid_t pid;
    int err;

    if (pipe2(report, O_CLOEXEC))
        return -errno;
    pid = fork();
    if (pid == 0) {
        close(report[0]);
        template_become(report[1], calls_fd, calls_at, parent);
    }
    close(report[1]);
    err = pid < 0 ? -errno : template_wait(report[0], pid);
    close(report[0]);
    if (!err)
        t->pid = pid;
    return err;
}

static uint64_t xcr0(void)
{
    uint32_t low, high;

    __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (uint64_t)high << 32 | low;
}

static void host_look(void)
{
    unsigned a, b, c, d;

    host.map_limit = (unsigned)read_limit("/proc/sys/vm/max_map_count", MAPS_DEFAULT);
    host.map_limit = host.map_limit > 2 * MAPS_RESERVE ? host.map_limit - MAPS_RESERVE : MAPS_RESERVE;
    host.lowest = read_limit("/proc/sys/vm/mmap_min_addr", 65536);
    host.xsavec = __get_cpuid_count(0xd, 1, &a, &b, &c, &d) && a & 1u << 1;
    host.xcr0_more = xcr0() & ~(uint64_t)XFEATURES;
    host.umip = __get_cpuid_count(7, 0, &a, &b, &c, &d) && c & 1u << 2;
    if (syscall(SYS_arch_prctl, ARCH_SET_CPUID, 0) == 0) {
        host.cpuid_traps = true;
        syscall(SYS_arch_prctl, ARCH_SET_CPUID, 1);
    }
}

int direct_prepare(unsigned vcpus, const char **why)
{
    const size_t one = STUB_CALLS_PAGES * PAGE_SIZE;
    struct sigaction plain = {.sa_handler = SIG_DFL, .sa_flags = SA_NOCLDSTOP};
    int err, fd;

    host_look();
    scan_init();
    *why = "SIGCHLD";
    if (sigaction(SIGCHLD, &plain,
                  NULL)) /* stops are waited for, and children that end may not vanish by themselves */
        return -errno;
    *why = "memory shared with the processes that run user code";
    fd = memfd_create("diptych-calls", MFD_CLOEXEC);
    if (fd < 0)
        return -errno;
    if (ftruncate(fd, (off_t)(vcpus * one))) {
        err = -errno;
        close(fd);
        return err;
    }
    for (unsigned i = 0; i < vcpus; i++) {
        struct stub_template *t = &host.template[i];

        *why = "a process to run user code in";
        t->calls = mmap(NULL, one, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)(i * one));
        err = t->calls == MAP_FAILED ? -errno : template_make(t, fd, (off_t)(i * one));
        if (err) {
            close(fd);
            return err;
        }
        host.nr_templates++;
    }
    close(fd);
    return 0;
}

unsigned direct_pids(int pids[MAX_VCPUS])
{
    for (unsigned i = 0; i < host.nr_templates; i++)
        pids[i] = host.template[i].pid;
    return host.nr_templates;
}

struct stub_template *template_take(void)
{
    struct stub_template *t = NULL;

    lock_acquire(&template_lock);
    for (unsigned i = 0; i < host.nr_templates && !t; i++)
        if (host.template[i].pid && !host.template[i].attached)
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
