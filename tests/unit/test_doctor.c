/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The doctor: what it says of hosts that lack this or that. Each test makes a child into such a host, by a
 * limit or a filter, and has it examined.
 */
#include <check.h>
#include <errno.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host/doctor.h"
#include "host/doctor_try.h"

#ifndef SECCOMP_IOCTL_NOTIF_SET_FLAGS
#define SECCOMP_IOCTL_NOTIF_SET_FLAGS SECCOMP_IOW(4, __u64) /* linux/seccomp.h, 6.6 */
#endif

/* AddressSanitizer's shadow is larger than any limit of address space. */
#ifdef __SANITIZE_ADDRESS__
#define HAS_SHADOW 1
#else
#define HAS_SHADOW 0
#endif

/* ---- tries ---- */

static int fn_good(struct doctor_try *t, void *arg)
{
    t->step = "nothing";
    t->value = *(int *)arg;
    return 0;
}

static int fn_refused(struct doctor_try *t, void *arg)
{
    (void)arg;
    t->step = "opening it";
    return EACCES;
}

static int fn_crashes(struct doctor_try *t, void *arg)
{
    (void)arg;
    t->step = "an instruction";
    __builtin_trap();
}

static int fn_hangs(struct doctor_try *t, void *arg)
{
    (void)arg;
    t->step = "waiting";
    pause();
    return 0;
}

START_TEST(tries)
{
    struct doctor_try t;
    char why[100];
    int answer = 42;

    ck_assert(doctor_try(&t, fn_good, &answer));
    ck_assert_int_eq(t.value, 42);
    ck_assert(!doctor_try(&t, fn_refused, NULL));
    doctor_try_why(&t, why, sizeof(why));
    ck_assert_str_eq(why, "opening it: Permission denied");
    ck_assert(!doctor_try(&t, fn_crashes, NULL));
    doctor_try_why(&t, why, sizeof(why));
    ck_assert_str_eq(why, "an instruction: ended by signal 4 (Illegal instruction)");
    ck_assert_int_eq(t.signal, SIGILL);
}
END_TEST

START_TEST(try_that_hangs)
{
    struct doctor_try t;
    char why[100];

    ck_assert(!doctor_try(&t, fn_hangs, NULL));
    doctor_try_why(&t, why, sizeof(why));
    ck_assert_str_eq(why, "waiting: not done after 5 s");
    /* It is gone, and nothing else is left of it. */
    ck_assert_int_eq(waitpid(-1, NULL, WNOHANG), -1);
    ck_assert_int_eq(errno, ECHILD);
}
END_TEST

/* ---- reports ---- */

START_TEST(reports)
{
    struct doctor_report r = {0};

    doctor_change(&r, "nothing to change yet");
    ck_assert_uint_eq(r.nr, 0);
    doctor_say(&r, DOCTOR_HINT, "number %d", 1);
    ck_assert(doctor_works(&r));
    doctor_change(&r, "do %s", "that");
    ck_assert_str_eq(r.finding[0].what, "number 1");
    ck_assert_str_eq(r.finding[0].change, "do that");
    for (unsigned i = 0; i < 2 * DOCTOR_FINDINGS_MAX; i++)
        doctor_say(&r, DOCTOR_FINE, "another");
    ck_assert_uint_eq(r.nr, DOCTOR_FINDINGS_MAX);
    r.finding[3].grade = DOCTOR_BAD;
    ck_assert(!doctor_works(&r));
}
END_TEST

/* ---- hosts ---- */

/* Examines this host after a change to it, in a child. */
static bool examined(void (*change)(void), bool (*examine)(struct doctor_report *), struct doctor_report *r)
{
    int p[2], status;
    pid_t pid;

    memset(r, 0, sizeof(*r));
    ck_assert_int_eq(pipe(p), 0);
    pid = fork();
    ck_assert_int_ge(pid, 0);
    if (!pid) {
        bool works;

        if (change)
            change();
        works = examine(r);
        if (write(p[1], r, sizeof(*r)) != sizeof(*r))
            _exit(100);
        _exit(works ? 0 : 1);
    }
    close(p[1]);
    ck_assert_int_eq(read(p[0], r, sizeof(*r)), sizeof(*r));
    close(p[0]);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert(WIFEXITED(status));
    ck_assert_int_eq(WEXITSTATUS(status), doctor_works(r) ? 0 : 1);
    return WEXITSTATUS(status) == 0;
}

/* The report has a finding of that grade with these words, and these in what to change (NULL: any). */
static bool says(const struct doctor_report *r, enum doctor_grade grade, const char *what, const char *change)
{
    for (unsigned i = 0; i < r->nr; i++)
        if (r->finding[i].grade == grade && strstr(r->finding[i].what, what) &&
            (!change || strstr(r->finding[i].change, change)))
            return true;
    return false;
}

static void filter(int call, unsigned nr, struct scmp_arg_cmp arg)
{
    scmp_filter_ctx f = seccomp_init(SCMP_ACT_ALLOW);

    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || !f ||
        seccomp_rule_add_array(f, SCMP_ACT_ERRNO(EPERM), call, nr, &arg) || seccomp_load(f))
        _exit(101);
    seccomp_release(f);
}

static void no_ptrace(void)
{
    filter(SCMP_SYS(ptrace), 0, (struct scmp_arg_cmp){0});
}

static void no_listener(void)
{
    const scmp_datum_t flag = SECCOMP_FILTER_FLAG_NEW_LISTENER;

    filter(SCMP_SYS(seccomp), 1, SCMP_A1(SCMP_CMP_MASKED_EQ, flag, flag));
}

/* A filter with a listener already, as a container runtime may have given us. */
static void other_listener(void)
{
    scmp_filter_ctx f = seccomp_init(SCMP_ACT_ALLOW);

    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || !f ||
        seccomp_rule_add(f, SCMP_ACT_NOTIFY, SCMP_SYS(mount), 0) || seccomp_load(f))
        _exit(101);
    /* Not released: that could close the listener. */
}

static void no_pidfd(void)
{
    filter(SCMP_SYS(pidfd_open), 0, (struct scmp_arg_cmp){0});
}

/* Asking which there is stays allowed: AddressSanitizer does. */
static void no_signal_stack(void)
{
    filter(SCMP_SYS(sigaltstack), 1, SCMP_A0(SCMP_CMP_NE, 0));
}

static void no_sockets(void)
{
    filter(SCMP_SYS(socketpair), 0, (struct scmp_arg_cmp){0});
}

static void no_siblings(void)
{
    filter(SCMP_SYS(clone), 1, SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_PARENT, CLONE_PARENT));
}

static void no_messages(void)
{
    filter(SCMP_SYS(sendmsg), 0, (struct scmp_arg_cmp){0});
}

static void no_notifications(void)
{
    filter(SCMP_SYS(ioctl), 1, SCMP_A1(SCMP_CMP_MASKED_EQ, UINT32_MAX, SECCOMP_IOCTL_NOTIF_RECV));
}

static void no_answers(void)
{
    filter(SCMP_SYS(ioctl), 1, SCMP_A1(SCMP_CMP_MASKED_EQ, UINT32_MAX, SECCOMP_IOCTL_NOTIF_SEND));
}

/* Room for the pipe of doctor_try(), and no more. */
static void no_files(void)
{
    int next = dup(0);
    const struct rlimit l = {(rlim_t)next + 2, (rlim_t)next + 2};

    close(next);
    if (next < 0 || setrlimit(RLIMIT_NOFILE, &l))
        _exit(101);
}

/* Room for a few, once the pipe of doctor_try() is made. */
static void few_files(void)
{
    int next = dup(0);
    const struct rlimit l = {(rlim_t)next + 20, (rlim_t)next + 20};

    close(next);
    if (next < 0 || setrlimit(RLIMIT_NOFILE, &l))
        _exit(101);
}

/* The same as a soft limit, which we may raise. */
static void few_files_yet(void)
{
    struct rlimit l;
    int next = dup(0);

    close(next);
    if (next < 0 || getrlimit(RLIMIT_NOFILE, &l))
        _exit(101);
    l.rlim_cur = (rlim_t)next + 20;
    if (setrlimit(RLIMIT_NOFILE, &l))
        _exit(101);
}

static void no_wake_up(void)
{
    filter(SCMP_SYS(ioctl), 1, SCMP_A1(SCMP_CMP_MASKED_EQ, UINT32_MAX, SECCOMP_IOCTL_NOTIF_SET_FLAGS));
}

static void no_pinning(void)
{
    filter(SCMP_SYS(sched_setaffinity), 0, (struct scmp_arg_cmp){0});
}

static void no_wake_up_nor_pinning(void)
{
    no_wake_up();
    no_pinning();
}

static void no_seccomp(void)
{
    filter(SCMP_SYS(seccomp), 0, (struct scmp_arg_cmp){0});
}

static void no_memfd(void)
{
    filter(SCMP_SYS(memfd_create), 0, (struct scmp_arg_cmp){0});
}

static void no_executable_memory(void)
{
    filter(SCMP_SYS(mmap), 1, SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, PROT_EXEC));
}

static void no_processes(void)
{
    const struct rlimit one = {1, 1};

    /* The limit doesn't hold for root. */
    if ((!geteuid() && setresuid(65534, 65534, 65534)) || setrlimit(RLIMIT_NPROC, &one))
        _exit(101);
}

static void address_space(size_t beyond)
{
    unsigned long pages = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    struct rlimit l;

    if (!f || fscanf(f, "%lu", &pages) != 1)
        _exit(101);
    fclose(f);
    l.rlim_cur = l.rlim_max = pages * PAGE_SIZE + beyond;
    if (setrlimit(RLIMIT_AS, &l))
        _exit(101);
}

static void little_address_space(void)
{
    address_space(16 << 20);
}

static void some_address_space(void)
{
    address_space(2UL << 30);
}

/* Leaves 200 mappings, or as good as none. */
static void few_mappings_left(void)
{
    const size_t size = (size_t)1 << 32;
    char *p = mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    size_t at;

    if (p == MAP_FAILED)
        _exit(101);
    for (at = PAGE_SIZE; at < size && !mprotect(p + at, PAGE_SIZE, PROT_READ); at += 2 * PAGE_SIZE)
        ;
    if (at < 220 * PAGE_SIZE || munmap(p, 200 * PAGE_SIZE))
        _exit(101);
}

START_TEST(this_host)
{
    struct doctor_report r;

    /* What runs these tests runs guests as well. */
    ck_assert(examined(NULL, doctor_translator, &r));
    ck_assert(says(&r, DOCTOR_FINE, "CPU has", NULL));
    ck_assert(says(&r, DOCTOR_FINE, "shut in", NULL));
    ck_assert_ptr_nonnull(strstr(r.summary, "guests of"));
}
END_TEST

START_TEST(hosts_that_cannot_translate)
{
    struct doctor_report r;

    ck_assert(!examined(no_executable_memory, doctor_translator, &r));
    ck_assert(says(&r, DOCTOR_BAD, "writable and executable: Operation not permitted", "SELinux"));
    ck_assert(!examined(no_seccomp, doctor_translator, &r));
    ck_assert(says(&r, DOCTOR_BAD, "shut in", "no_sandbox"));
    ck_assert(!examined(no_memfd, doctor_translator, &r));
    ck_assert(says(&r, DOCTOR_BAD, "memfd_create", "limit"));
    ck_assert(!examined(no_processes, doctor_translator, &r));
    ck_assert(says(&r, DOCTOR_BAD, "Resource temporarily unavailable", NULL));
}
END_TEST

START_TEST(hosts_with_little_address_space)
{
    struct doctor_report r;

    ck_assert(!examined(little_address_space, doctor_translator, &r));
    ck_assert(says(&r, DOCTOR_BAD, "ulimit -v", NULL));
    ck_assert(examined(some_address_space, doctor_translator, &r));
    ck_assert(says(&r, DOCTOR_HINT, "a guest of 1G finds", NULL));
    ck_assert(says(&r, DOCTOR_HINT, "ulimit -v", NULL));
}
END_TEST

START_TEST(hosts_without_direct_execution)
{
    struct doctor_report r;

    ck_assert(!examined(no_executable_memory, doctor_direct, &r));
    ck_assert(says(&r, DOCTOR_BAD, "mapped as code", "memfd_noexec"));
    ck_assert(!examined(no_processes, doctor_direct, &r));
    ck_assert(says(&r, DOCTOR_BAD, "processes can't be started", "ulimit -u"));
    ck_assert(!examined(few_mappings_left, doctor_direct, &r));
    ck_assert(says(&r, DOCTOR_BAD, "more mappings", "max_map_count"));
}
END_TEST

/* Each step that is refused is named, with what to do about it. */
START_TEST(hosts_without_notifications)
{
    static const struct {
        void (*change)(void);
        const char *what, *to_change;
    } rows[] = {
        {no_sockets, "socketpair): Operation not permitted", "seccomp profile"},
        {no_signal_stack, "SS_AUTODISARM): Operation not permitted", "seccomp profile"},
        {no_listener, "SECCOMP_FILTER_FLAG_NEW_LISTENER): Operation not permitted", "seccomp profile"},
        {other_listener, "SECCOMP_FILTER_FLAG_NEW_LISTENER): Device or resource busy", "LXD"},
        {no_siblings, "CLONE_PARENT): Operation not permitted", "seccomp profile"},
        {no_messages, "SCM_RIGHTS): No child processes", "seccomp profile"},
        {no_pidfd, "pidfd_open): Operation not permitted", "seccomp profile"},
        {no_notifications, "SECCOMP_IOCTL_NOTIF_RECV): Operation not permitted", "seccomp profile"},
        {no_answers, "SECCOMP_IOCTL_NOTIF_SEND): Operation not permitted", "seccomp profile"},
        {no_files, "Too many open files", "ulimit -n"},
    };
    struct doctor_report r;

    if (!examined(NULL, doctor_direct, &r))
        return; /* this host has none, and says so in words of its own */
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        ck_assert_msg(!examined(rows[i].change, doctor_direct, &r), "row %zu works", i);
        ck_assert_msg(says(&r, DOCTOR_BAD, rows[i].what, rows[i].to_change), "row %zu says '%s', '%s'", i,
                      r.finding[0].what, r.finding[0].change);
    }
}
END_TEST

START_TEST(hosts_with_few_files)
{
    struct doctor_report r;
    bool works = examined(NULL, doctor_direct, &r);

    ck_assert(says(&r, DOCTOR_FINE, "more files can be open", NULL));
    ck_assert(examined(few_files_yet, doctor_direct, &r) == works);
    ck_assert(says(&r, DOCTOR_FINE, "more files can be open", NULL));
    ck_assert(examined(few_files, doctor_direct, &r) == works);
    ck_assert(says(&r, DOCTOR_HINT, "more files can be open", "ulimit -Hn"));
    ck_assert(!examined(no_files, doctor_direct, &r));
    ck_assert(says(&r, DOCTOR_BAD, "more files can be open", "ulimit -Hn"));
}
END_TEST

/* Tracing is no part of it, whatever Yama or a container says to that. */
START_TEST(hosts_without_ptrace)
{
    struct doctor_report before, after;
    bool works = examined(NULL, doctor_direct, &before);

    ck_assert(examined(no_ptrace, doctor_direct, &after) == works);
}
END_TEST

/* Binding matters only where the kernel doesn't hand over on one CPU by itself. */
START_TEST(hosts_that_hand_over_slowly)
{
    struct doctor_report before, after;
    bool works = examined(NULL, doctor_direct, &before);
    bool notifies = says(&before, DOCTOR_FINE, "talk to us", NULL);
    bool quick = says(&before, DOCTOR_FINE, "on one CPU", NULL);

    ck_assert(examined(no_pinning, doctor_direct, &after) == works);
    ck_assert(says(&after, DOCTOR_HINT, "bound to a CPU", "sched_setaffinity") == (notifies && !quick));
    ck_assert(examined(no_wake_up, doctor_direct, &after) == works);
    ck_assert(says(&after, DOCTOR_HINT, "SYNC_WAKE_UP", "Linux 6.6") == notifies);
    ck_assert(says(&after, DOCTOR_FINE, "bound to a CPU", NULL) == notifies);
    ck_assert(examined(no_wake_up_nor_pinning, doctor_direct, &after) == works);
    ck_assert(says(&after, DOCTOR_HINT, "SYNC_WAKE_UP", "Linux 6.6") == notifies);
    ck_assert(says(&after, DOCTOR_HINT, "bound to a CPU", "sched_setaffinity") == notifies);
}
END_TEST

/* ---- KVM ---- */

static char device[] = "/tmp/diptych-doctor.XXXXXX";

static bool kvm_none(struct doctor_report *r)
{
    return doctor_kvm(r, "/nowhere/kvm");
}

static bool kvm_other(struct doctor_report *r)
{
    return doctor_kvm(r, "/dev/null");
}

static bool kvm_closed(struct doctor_report *r)
{
    return doctor_kvm(r, device);
}

static void ordinary_user(void)
{
    if (!geteuid() && setresuid(65534, 65534, 65534))
        _exit(101);
}

START_TEST(hosts_without_kvm)
{
    struct doctor_report r;
    int fd = mkstemp(device);

    ck_assert(!examined(NULL, kvm_none, &r));
    ck_assert(says(&r, DOCTOR_BAD, "there is no /nowhere/kvm", "nested virtualization"));
    ck_assert(!examined(NULL, kvm_other, &r));
    ck_assert(says(&r, DOCTOR_BAD, "its version", NULL));
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(fchmod(fd, 0), 0);
    close(fd);
    ck_assert(!examined(ordinary_user, kvm_closed, &r));
    ck_assert(says(&r, DOCTOR_BAD, "Permission denied", "chgrp kvm"));
    unlink(device);
}
END_TEST

START_TEST(host_at_large)
{
    struct doctor_report r = {0};

    doctor_host(&r);
    ck_assert_ptr_nonnull(strstr(r.summary, "Linux "));
    ck_assert_ptr_nonnull(strstr(r.summary, "CPU"));
    ck_assert_ptr_null(strstr(r.summary, " 0.0 GiB"));
    ck_assert(doctor_works(&r));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("doctor");
    TCase *t = tcase_create("doctor");
    SRunner *r = srunner_create(s);
    int failed;

    tcase_set_timeout(t, 60);
    tcase_add_test(t, tries);
    tcase_add_test(t, try_that_hangs);
    tcase_add_test(t, reports);
    tcase_add_test(t, this_host);
    tcase_add_test(t, hosts_that_cannot_translate);
    if (!HAS_SHADOW)
        tcase_add_test(t, hosts_with_little_address_space);
    tcase_add_test(t, hosts_without_direct_execution);
    tcase_add_test(t, hosts_without_notifications);
    tcase_add_test(t, hosts_with_few_files);
    tcase_add_test(t, hosts_without_ptrace);
    tcase_add_test(t, hosts_that_hand_over_slowly);
    tcase_add_test(t, hosts_without_kvm);
    tcase_add_test(t, host_at_large);
    suite_add_tcase(s, t);
    srunner_run_all(r, CK_ENV);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
