/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The sandbox: what a process behind it can do, and that each thing that it can't do ends it or is refused.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "host/fault.h"
#include "host/sandbox.h"
#include "suite.h"

static pid_t getppid_before; /* getppid() isn't allowed behind the sandbox */

/* Runs fn in a process behind the sandbox; the result is as from waitpid(). */
static int behind(int (*fn)(void), bool exec_mappings, bool handlers)
{
    const char *why = "";
    int status;
    pid_t pid = fork();

    if (!pid) {
        getppid_before = getppid();
        if (handlers)
            fault_handlers_install();
        if (sandbox_prepare() || sandbox_enter(&(struct sandbox_needs){.exec_mappings = exec_mappings}, &why))
            _exit(100);
        _exit(fn());
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    return status;
}

static bool dies(int (*fn)(void))
{
    int status = behind(fn, false, false);

    return WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS;
}

static bool succeeds(int (*fn)(void))
{
    int status = behind(fn, false, false);

    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/*
 * What a thread that a guest has taken over might try: a system call each, with arguments that would do if it
 * were let through. PARENT stands for the process id of whoever runs this test.
 */
#define PARENT (-4242L)

struct attempt {
    const char *what;
    long nr, arg[6];
};

static const struct attempt deadly[] = {
    /* files by name */
    {"openat2",
     SYS_openat2,
     {AT_FDCWD, (long)"/etc/passwd", (long)"\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 24}},
    {"creat", SYS_creat, {(long)"/tmp/diptych-sandbox", 0600}},
    {"unlink", SYS_unlink, {(long)"/tmp/diptych-sandbox"}},
    {"rename", SYS_rename, {(long)"/tmp/diptych-a", (long)"/tmp/diptych-b"}},
    {"mkdir", SYS_mkdir, {(long)"/tmp/diptych-sandbox", 0700}},
    {"symlink", SYS_symlink, {(long)"/", (long)"/tmp/diptych-sandbox"}},
    {"chmod", SYS_chmod, {(long)"/tmp/diptych-sandbox", 0777}},
    {"truncate", SYS_truncate, {(long)"/tmp/diptych-sandbox", 0}},
    {"chdir", SYS_chdir, {(long)"/"}},
    {"chroot", SYS_chroot, {(long)"/"}},
    {"mount", SYS_mount, {(long)"none", (long)"/mnt", (long)"tmpfs"}},
    {"inotify_init1", SYS_inotify_init1, {0}},
    {"name_to_handle_at", SYS_name_to_handle_at, {AT_FDCWD, (long)"/"}},
    {"memfd_create", SYS_memfd_create, {(long)"x", 0}},
    /* networks */
    {"socket", SYS_socket, {AF_INET, SOCK_STREAM, 0}},
    {"socket, local", SYS_socket, {AF_UNIX, SOCK_STREAM, 0}},
    {"socketpair", SYS_socketpair, {AF_UNIX, SOCK_STREAM, 0}},
    {"connect", SYS_connect, {0}},
    {"bind", SYS_bind, {0}},
    {"accept", SYS_accept, {0}},
    {"sendmsg", SYS_sendmsg, {0}},
    {"sendto an address", SYS_sendto, {0, (long)"x", 1, 0, (long)"address", 16}},
    /* programs and processes */
    {"execve", SYS_execve, {(long)"/bin/true"}},
    {"execveat", SYS_execveat, {AT_FDCWD, (long)"/bin/true"}},
    {"fork", SYS_fork, {0}},
    {"vfork by clone", SYS_clone, {CLONE_VM | CLONE_VFORK | SIGCHLD}},
    {"clone of a process", SYS_clone, {SIGCHLD}},
    {"clone of a thread with a network of its own",
     SYS_clone,
     {CLONE_VM | CLONE_SIGHAND | CLONE_THREAD | CLONE_NEWNET}},
    {"unshare", SYS_unshare, {CLONE_NEWUSER}},
    {"setns", SYS_setns, {0, 0}},
    /* other processes */
    {"ptrace, to be traced", SYS_ptrace, {PTRACE_TRACEME}},
    {"ptrace of another", SYS_ptrace, {PTRACE_SEIZE, PARENT}},
    {"process_vm_readv", SYS_process_vm_readv, {PARENT}},
    {"process_vm_writev", SYS_process_vm_writev, {PARENT}},
    {"kill", SYS_kill, {PARENT, 0}},
    {"kill of everybody", SYS_kill, {-1, 0}},
    {"tkill", SYS_tkill, {PARENT, 0}},
    {"tgkill", SYS_tgkill, {PARENT, PARENT, 0}},
    {"rt_sigqueueinfo", SYS_rt_sigqueueinfo, {PARENT, 0}},
    {"pidfd_open", SYS_pidfd_open, {PARENT, 0}},
    {"pidfd_getfd", SYS_pidfd_getfd, {0, 0}},
    {"sched_setaffinity", SYS_sched_setaffinity, {PARENT}},
    {"setpriority", SYS_setpriority, {0, PARENT, 0}},
    {"prlimit64", SYS_prlimit64, {PARENT}},
    {"kcmp", SYS_kcmp, {PARENT, PARENT}},
    /* privileges, and getting out of the sandbox */
    {"setuid", SYS_setuid, {0}},
    {"setgroups", SYS_setgroups, {0}},
    {"capset", SYS_capset, {0}},
    {"setrlimit", SYS_setrlimit, {0}},
    {"personality", SYS_personality, {0x0400000}}, /* READ_IMPLIES_EXEC */
    {"prctl, dumpable", SYS_prctl, {PR_SET_DUMPABLE, 1}},
    {"prctl, tracer", SYS_prctl, {PR_SET_PTRACER, -1}},
    {"prctl, dispatch", SYS_prctl, {PR_SET_SYSCALL_USER_DISPATCH}},
    {"seccomp", SYS_seccomp, {1, 0, 0}},
    {"rt_sigaction", SYS_rt_sigaction, {SIGUSR1, 0, 0, 8}},
    {"arch_prctl, CPUID", SYS_arch_prctl, {0x1012, 0}},
    /* the kernel's larger surfaces */
    {"bpf", SYS_bpf, {0}},
    {"perf_event_open", SYS_perf_event_open, {0}},
    {"io_uring_setup", SYS_io_uring_setup, {1, 0}},
    {"userfaultfd", SYS_userfaultfd, {1}},
    {"keyctl", SYS_keyctl, {0}},
    {"add_key", SYS_add_key, {0}},
    {"init_module", SYS_init_module, {0}},
    {"modify_ldt", SYS_modify_ldt, {0}},
    {"vmsplice", SYS_vmsplice, {1}},
    {"splice", SYS_splice, {0}},
    {"shmget", SYS_shmget, {0, 4096, 0600}},
    {"mq_open", SYS_mq_open, {(long)"x"}},
    {"timerfd_create", SYS_timerfd_create, {0}},
    {"epoll_create1", SYS_epoll_create1, {0}},
    {"ioctl TIOCSTI", SYS_ioctl, {0, TIOCSTI, (long)"x"}}, /* typing into our starter's terminal */
    {"ioctl TIOCLINUX", SYS_ioctl, {0, TIOCLINUX, (long)"\2"}},
    {"ioctl of another kind", SYS_ioctl, {0, 0xae00}},
    {"dup2", SYS_dup2, {0, 1}},
    {"fcntl", SYS_fcntl, {0, F_DUPFD, 10}},
    /* the calls of another kind */
    {"x32", 0x40000000 + SYS_getpid, {0}},
};

static const struct attempt refused[] = {
    {"open", SYS_open, {(long)"/etc/passwd", O_RDONLY}},
    {"openat", SYS_openat, {AT_FDCWD, (long)"/etc/passwd", O_RDONLY}},
    {"openat to create", SYS_openat, {AT_FDCWD, (long)"/tmp/diptych-sandbox", O_RDWR | O_CREAT, 0600}},
    {"openat of our memory", SYS_openat, {AT_FDCWD, (long)"/proc/self/mem", O_RDWR}},
    {"stat", SYS_stat, {(long)"/etc/passwd"}},
    {"newfstatat", SYS_newfstatat, {AT_FDCWD, (long)"/etc/passwd", 0, AT_EMPTY_PATH}},
    {"statx", SYS_statx, {AT_FDCWD, (long)"/etc/passwd"}},
    {"access", SYS_access, {(long)"/etc/passwd"}},
    {"readlink", SYS_readlink, {(long)"/proc/self/exe"}},
    {"clone3", SYS_clone3, {0}},
};

static const struct attempt *attempt;

/* Makes the call; 0 if it answers with one of the errors of refusal. */
static int do_attempt(void)
{
    long a[6];

    for (unsigned i = 0; i < 6; i++)
        a[i] = attempt->arg[i] == PARENT ? getppid_before : attempt->arg[i];
    if (syscall(attempt->nr, a[0], a[1], a[2], a[3], a[4], a[5]) != -1)
        return 1;
    return errno == EACCES || errno == ENOSYS ? 0 : 2;
}

/* The calls of 32-bit programs, by the numbers of which the filter would take getpid() for writev(). */
static int do_int80(void)
{
    long ret;

    __asm__ volatile("int $0x80" : "=a"(ret) : "a"(20L) : "memory", "r8", "r9", "r10", "r11");
    return ret > 0;
}

static int do_socket(void)
{
    socket(AF_INET, SOCK_STREAM, 0);
    return 0;
}

static int do_exec_mprotect(void)
{
    void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    mprotect(p, 4096, PROT_READ | PROT_EXEC);
    return 0;
}

static int do_exec_mmap(void)
{
    return mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED;
}

/* Blocking the signal must not help. */
static int do_block_sigsys(void)
{
    sigset_t set;

    sigfillset(&set);
    sigprocmask(SIG_BLOCK, &set, NULL);
    return do_socket();
}

START_TEST(forbidden_dies)
{
    for (unsigned i = 0; i < ARRAY_SIZE(deadly); i++) {
        attempt = &deadly[i];
        ck_assert_msg(dies(do_attempt), "%s was let through", attempt->what);
    }
    ck_assert(dies(do_int80));
    ck_assert(dies(do_exec_mprotect));
    ck_assert(dies(do_exec_mmap));
    ck_assert(dies(do_block_sigsys));
}
END_TEST

START_TEST(names_are_refused)
{
    for (unsigned i = 0; i < ARRAY_SIZE(refused); i++) {
        attempt = &refused[i];
        ck_assert_msg(succeeds(do_attempt), "%s was not refused", attempt->what);
    }
}
END_TEST

START_TEST(exec_mappings_when_asked)
{
    ck_assert_int_eq(behind(do_exec_mmap, true, false), 0);
    ck_assert_int_eq(WTERMSIG(behind(do_exec_mprotect, true, false)), SIGSYS);
}
END_TEST

/* With our handler in front, the process says what it was and dies of the same signal. */
START_TEST(handler_says_and_dies)
{
    char text[200] = "";
    int p[2], saved = dup(STDERR_FILENO), status;
    ssize_t n;

    ck_assert_int_eq(pipe(p), 0);
    dup2(p[1], STDERR_FILENO);
    close(p[1]);
    status = behind(do_socket, false, true);
    dup2(saved, STDERR_FILENO);
    close(saved);
    n = read(p[0], text, sizeof(text) - 1);
    ck_assert_int_gt(n, 0);
    ck_assert_ptr_nonnull(strstr(text, "the sandbox stopped system call 41;"));
    ck_assert(WIFSIGNALED(status));
    ck_assert_int_eq(WTERMSIG(status), SIGSYS);
}
END_TEST

static int do_open(void)
{
    return open("/etc/hostname", O_RDONLY) < 0 && errno == EACCES ? 0 : 1;
}

static void *thread_body(void *arg)
{
    void *p = malloc(300000); /* an arena of its own, a mapping of its own */

    memset(p, 1, 300000);
    free(p);
    return arg;
}

/* What a domain that restarts needs: threads, memory, timers, clocks, reading open files. */
static int do_daily_work(void)
{
    pthread_t t[4];
    struct timespec ts = {0, 1000};
    struct sigevent ev = {.sigev_notify = SIGEV_NONE};
    timer_t timer;
    const uint64_t one = 1;
    int fd;
    char *m;

    for (int i = 0; i < 4; i++)
        if (pthread_create(&t[i], NULL, thread_body, NULL))
            return 1;
    for (int i = 0; i < 4; i++)
        pthread_join(t[i], NULL);
    m = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (m == MAP_FAILED || mprotect(m, 4096, PROT_NONE) || munmap(m, 1 << 20))
        return 2;
    if (timer_create(CLOCK_MONOTONIC, &ev, &timer) || timer_delete(timer))
        return 3;
    if (clock_nanosleep(CLOCK_MONOTONIC, 0, &ts, NULL))
        return 4;
    fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return fd < 0 || write(fd, &one, sizeof(one)) != sizeof(one) || raise(0) ? 5 : 0;
}

START_TEST(daily_work_goes_on)
{
    ck_assert(succeeds(do_daily_work));
    ck_assert(succeeds(do_open));
}
END_TEST

static int thread_may;

static void *other_thread(void *arg)
{
    (void)arg;
    while (!__atomic_load_n(&thread_may, __ATOMIC_ACQUIRE))
        usleep(1000);
    do_socket();
    return NULL;
}

/* Threads that were there before are inside too. */
START_TEST(threads_are_inside)
{
    pid_t pid = fork();
    int status;

    if (!pid) {
        const char *why;
        pthread_t t;

        pthread_create(&t, NULL, other_thread, NULL);
        if (sandbox_prepare() || sandbox_enter(&(struct sandbox_needs){.exec_mappings = true}, &why))
            _exit(100);
        __atomic_store_n(&thread_may, 1, __ATOMIC_RELEASE);
        pthread_join(t, NULL);
        _exit(0);
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert(WIFSIGNALED(status));
    ck_assert_int_eq(WTERMSIG(status), SIGSYS);
}
END_TEST

/* Whether docs/security.md has the name in code quotes. */
static bool documented(const char *doc, const char *name)
{
    char quoted[64];

    snprintf(quoted, sizeof(quoted), "`%s`", name);
    return strstr(doc, quoted) != NULL;
}

static char *file_text(const char *path)
{
    FILE *f = fopen(path, "r");
    char *text = calloc(1, 1 << 20);

    ck_assert_msg(f != NULL, "%s can't be read; is this the top of the source tree?", path);
    ck_assert_uint_gt(fread(text, 1, (1 << 20) - 1, f), 0);
    fclose(f);
    return text;
}

/* Each system call that the sandbox's source names is in docs/security.md, where readers look for it. */
START_TEST(all_is_documented)
{
    char *doc = file_text("docs/security.md"), *source = file_text("hypervisor/host/sandbox.c");
    unsigned n = 0;

    for (const char *p = source; (p = strstr(p, "SCMP_SYS(")) != NULL; n++) {
        char name[40];

        p += strlen("SCMP_SYS(");
        ck_assert_int_eq(sscanf(p, "%39[a-z0-9_]", name), 1);
        ck_assert_msg(documented(doc, name), "docs/security.md doesn't say why %s is in the sandbox", name);
    }
    ck_assert_uint_gt(n, 40);
    free(doc);
    free(source);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("sandbox");

    tcase_set_timeout(t, 60); /* many processes, slow ones under sanitizers */
    tcase_add_test(t, forbidden_dies);
    tcase_add_test(t, names_are_refused);
    tcase_add_test(t, exec_mappings_when_asked);
    tcase_add_test(t, handler_says_and_dies);
    tcase_add_test(t, daily_work_goes_on);
    tcase_add_test(t, threads_are_inside);
    tcase_add_test(t, all_is_documented);
    return suite_run("sandbox", t);
}
