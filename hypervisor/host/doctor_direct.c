/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whether user code of guests can run directly on the host CPU, in processes that can make no system calls
 * and hold nothing but guest memory.
 */
#include <asm/prctl.h>
#include <cpuid.h>
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "host/doctor_try.h"

/* ---- keeping it in, and handing over ---- */

/* What to do about a step that failed depends on how. */
static void change_notify(struct doctor_report *r, const struct doctor_try *t)
{
    switch (t->error) {
    case EBUSY:
        doctor_change(r, "something outside is told of this process's calls already, and only one may be. "
                         "LXD, Incus: unset security.syscalls.intercept.*; other containers: a seccomp "
                         "profile without SCMP_ACT_NOTIFY");
        return;
    case EPERM:
    case EACCES:
        doctor_change(r, "in a container: allow this in its seccomp profile, as the default profiles of "
                         "Docker and Podman do");
        return;
    case EAGAIN:
        doctor_change(r, "raise the limit of processes: `ulimit -u`, and the container's (--pids-limit)");
        return;
    case EMFILE:
    case ENFILE:
        doctor_change(r, "raise the limit of open files: `ulimit -n`");
        return;
    default:
        doctor_change(r, "this needs Linux 5.9 or later, in a container a seccomp profile that knows these "
                         "calls, and Linux's own: sandboxes that imitate Linux (gVisor) lack it");
    }
}

static int try_pinning(struct doctor_try *t, void *arg)
{
    cpu_set_t now, one;
    unsigned cpu = 0;

    (void)arg;
    t->step = "sched_getaffinity";
    if (sched_getaffinity(0, sizeof(now), &now))
        return errno;
    while (cpu < CPU_SETSIZE && !CPU_ISSET(cpu, &now))
        cpu++;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    t->step = "sched_setaffinity";
    return sched_setaffinity(0, sizeof(one), &one) ? errno : 0;
}

/* Handing over is quick on one CPU: the kernel keeps to it if it can be told to; else we bind both sides. */
static void find_one_cpu(struct doctor_report *r, bool kernel_keeps)
{
    struct doctor_try t;
    char why[160];

    if (kernel_keeps) {
        doctor_say(r, DOCTOR_FINE, "the kernel hands over to user code and back on one CPU");
        return;
    }
    doctor_say(
        r, DOCTOR_HINT,
        "the kernel can't be told to hand over to user code and back on one CPU, so vCPUs are bound to "
        "CPUs (SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP)");
    doctor_change(r, "use Linux 6.6 or later");
    if (doctor_try(&t, try_pinning, NULL)) {
        doctor_say(r, DOCTOR_FINE, "threads can be bound to a CPU");
        return;
    }
    doctor_try_why(&t, why, sizeof(why));
    doctor_say(r, DOCTOR_HINT,
               "nor can threads be bound to a CPU (%s): entering the guest's kernel takes longer", why);
    doctor_change(r, "in a container: allow sched_setaffinity in its seccomp profile");
}

static void find_notify(struct doctor_report *r)
{
    struct doctor_try t;
    char why[160];

    if (doctor_try(&t, doctor_try_notify, NULL)) {
        doctor_say(r, DOCTOR_FINE, "a process of ours can be kept from making system calls, and talk to us");
        find_one_cpu(r, t.value);
        return;
    }
    doctor_try_why(&t, why, sizeof(why));
    doctor_say(r, DOCTOR_BAD, "user code can't be kept in: %s", why);
    change_notify(r, &t);
}

/* ---- memory ---- */

#define LOW_MAX 0x400000UL /* where most programs without relocation begin */

/* The lowest address at which code in a memory file can be mapped and run, in t->value. */
static int try_low_code(struct doctor_try *t, void *arg)
{
    static const uint8_t code[] = {
        0xb8, 0x2a, 0x00, 0x00, 0x00, /* mov eax, 42 */
        0xc3,                         /* ret */
    };
    void *p = MAP_FAILED;
    uintptr_t at;
    int fd;

    (void)arg;
    t->step = "a memory file (memfd_create; sysctl vm.memfd_noexec)";
    fd = memfd_create("diptych-doctor", MFD_CLOEXEC);
    if (fd < 0 || write(fd, code, sizeof(code)) != sizeof(code))
        return errno;
    t->step = "mapping a memory file as code at a low address";
    for (at = PAGE_SIZE; at <= LOW_MAX && p == MAP_FAILED; at *= 2)
        p = mmap((void *)at, PAGE_SIZE, PROT_READ | PROT_EXEC, MAP_SHARED | MAP_FIXED_NOREPLACE, fd, 0);
    if (p == MAP_FAILED)
        return errno;
    t->step = "running code in a memory file";
    t->value = (long)(uintptr_t)p;
    return ((int (*)(void))p)() == 42 ? 0 : ENOEXEC;
}

static void find_low_code(struct doctor_report *r)
{
    struct doctor_try t;
    char why[160];

    if (!doctor_try(&t, try_low_code, NULL)) {
        doctor_try_why(&t, why, sizeof(why));
        doctor_say(r, DOCTOR_BAD, "guest memory can't be mapped as code where the guest has it: %s", why);
        doctor_change(r, "allow executable mappings of memory files: sysctl vm.memfd_noexec=0, SELinux: "
                         "setsebool deny_execmem off");
    } else if ((unsigned long)t.value > 0x10000) {
        doctor_say(r, DOCTOR_HINT, "addresses below 0x%lx can't be mapped; code that uses them is translated",
                   t.value);
        doctor_change(r, "sysctl vm.mmap_min_addr=65536 (root)");
    } else {
        doctor_say(r, DOCTOR_FINE, "guest memory can be mapped as code, from address 0x%lx on", t.value);
    }
}

#define MAPS_GOOD 60000L /* Linux's default is 65530 */
#define MAPS_MIN  1100L  /* what is kept in reserve, and the same again to work with */

/* How many more mappings there can be, in t->value: makes every other page of a range another mapping. */
static int try_mappings(struct doctor_try *t, void *arg)
{
    const size_t size = (size_t)(MAPS_GOOD + 2) * PAGE_SIZE;
    char *p;

    (void)arg;
    t->step = "reserving address space (check 'ulimit -v')";
    p = mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED)
        return errno;
    for (t->value = 0; t->value < MAPS_GOOD; t->value += 2)
        if (mprotect(p + (size_t)(t->value + 1) * PAGE_SIZE, PAGE_SIZE, PROT_READ))
            break;
    return 0;
}

static void find_mappings(struct doctor_report *r)
{
    struct doctor_try t;
    char why[160];

    if (!doctor_try(&t, try_mappings, NULL)) {
        doctor_try_why(&t, why, sizeof(why));
        doctor_say(r, DOCTOR_BAD, "mappings can't be made: %s", why);
        doctor_change(r, "raise the limit that it names; `ulimit -a` lists those of this shell");
        return;
    }
    if (t.value >= MAPS_GOOD) {
        doctor_say(r, DOCTOR_FINE, "a process can have %ld mappings and more", t.value);
        return;
    }
    if (t.value >= MAPS_MIN) {
        doctor_say(r, DOCTOR_HINT,
                   "a process can have only %ld more mappings; large guest programs are slower", t.value);
    } else {
        doctor_say(r, DOCTOR_BAD, "a process can have only %ld more mappings", t.value);
    }
    doctor_change(r, "sysctl vm.max_map_count=65530 (root)");
}

/* ---- processes ---- */

#define PROCESSES_GOOD 32 /* address spaces that a vCPU keeps at a time */
#define PROCESSES_MIN  2  /* one that others are forked from, and one of those */

/* How many processes can be had at a time, in t->value. They end with this one. */
static int try_processes(struct doctor_try *t, void *arg)
{
    pid_t pids[PROCESSES_GOOD];

    (void)arg;
    t->step = "starting processes";
    for (t->value = 0; t->value < PROCESSES_GOOD; t->value++) {
        pid_t pid = fork();

        if (pid == 0) {
            prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
            pause();
            _exit(0);
        }
        if (pid < 0)
            break;
        pids[t->value] = pid;
    }
    for (long i = 0; i < t->value; i++)
        kill(pids[i], SIGKILL);
    return 0;
}

static void find_processes(struct doctor_report *r)
{
    struct doctor_try t;
    char why[160];

    if (!doctor_try(&t, try_processes, NULL)) {
        doctor_try_why(&t, why, sizeof(why));
        doctor_say(r, DOCTOR_BAD, "processes can't be started: %s", why);
    } else if (t.value >= PROCESSES_GOOD) {
        doctor_say(r, DOCTOR_FINE, "%ld more processes can be started", t.value);
        return;
    } else {
        doctor_say(r, t.value >= PROCESSES_MIN ? DOCTOR_HINT : DOCTOR_BAD,
                   "only %ld more processes can be started; each stands for an address space of the guest",
                   t.value);
    }
    doctor_change(r, "raise the limit of processes: `ulimit -u`, and the container's (--pids-limit)");
}

#define FILES_GOOD (PROCESSES_GOOD + 4L) /* a descriptor for each process, and what tells of their calls */
#define FILES_MIN  (PROCESSES_MIN + 4L)

/* How many more files can be open, in t->value, if this process asks for as many as it may. */
static int try_files(struct doctor_try *t, void *arg)
{
    struct rlimit files;
    int fd;

    (void)arg;
    t->step = "the limit of open files";
    if (getrlimit(RLIMIT_NOFILE, &files))
        return errno;
    files.rlim_cur = files.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &files))
        return errno;
    t->step = "opening a file";
    fd = eventfd(0, EFD_CLOEXEC);
    if (fd < 0)
        return errno;
    for (t->value = 1; t->value < FILES_GOOD && dup(fd) >= 0; t->value++)
        ;
    return 0;
}

static void find_files(struct doctor_report *r)
{
    struct doctor_try t;
    char why[160];

    if (!doctor_try(&t, try_files, NULL)) {
        doctor_try_why(&t, why, sizeof(why));
        doctor_say(r, DOCTOR_BAD, "files can't be opened: %s", why);
    } else if (t.value >= FILES_GOOD) {
        doctor_say(r, DOCTOR_FINE, "%ld more files can be open", t.value);
        return;
    } else {
        doctor_say(r, t.value >= FILES_MIN ? DOCTOR_HINT : DOCTOR_BAD,
                   "only %ld more files can be open; each process that runs user code takes one", t.value);
    }
    doctor_change(r, "raise the hard limit of open files: `ulimit -Hn`");
}

/* ---- what makes it complete ---- */

static int try_cpuid_faults(struct doctor_try *t, void *arg)
{
    unsigned a, b, c, d;

    (void)arg;
    t->step = "arch_prctl(ARCH_CPUID)";
    if (syscall(SYS_arch_prctl, ARCH_SET_CPUID, 0))
        return errno;
    t->step = "CPUID";
    __cpuid(0, a, b, c, d);
    return 0;
}

static void find_cpuid_faults(struct doctor_report *r)
{
    struct doctor_try t;

    doctor_try(&t, try_cpuid_faults, NULL);
    if (t.error < 0 && t.signal == SIGSEGV) {
        doctor_say(r, DOCTOR_FINE, "CPUID can be made to fault, so that programs see the guest's CPU");
        return;
    }
    doctor_say(r, DOCTOR_HINT,
               "CPUID can't be made to fault: code that uses it is translated, and so are all programs of "
               "guests with a CPU model of their own (--cpu)");
}

bool doctor_direct(struct doctor_report *r)
{
    find_notify(r);
    find_low_code(r);
    find_mappings(r);
    find_processes(r);
    find_files(r);
    find_cpuid_faults(r);
    return doctor_works(r);
}
