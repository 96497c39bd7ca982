/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whether the translator works here: makes in a child what a guest's start makes, up to the sandbox.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "engine/engine.h"
#include "host/doctor_try.h"
#include "host/sandbox.h"
#include "mem/machine.h"

/* ---- code ---- */

static int try_executable(struct doctor_try *t, void *arg)
{
    static const uint8_t code[] = {
        0xb8, 0x2a, 0x00, 0x00, 0x00, /* mov eax, 42 */
        0xc3,                         /* ret */
    };
    uint8_t *p;

    (void)arg;
    t->step = "mapping memory that is writable and executable";
    p = mmap(NULL, PAGE_SIZE, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
        return errno;
    t->step = "running code that was written to memory";
    memcpy(p, code, sizeof(code));
    return ((int (*)(void))(void *)p)() == 42 ? 0 : ENOEXEC;
}

static void find_executable(struct doctor_report *r)
{
    struct doctor_try t;
    char why[160];

    if (doctor_try(&t, try_executable, NULL)) {
        doctor_say(r, DOCTOR_FINE, "memory can be writable and executable, for translated code");
        return;
    }
    doctor_try_why(&t, why, sizeof(why));
    doctor_say(r, DOCTOR_BAD, "translated code can't be run: %s", why);
    doctor_change(r, "allow executable memory: SELinux: setsebool deny_execmem off; systemd: "
                     "MemoryDenyWriteExecute=no");
}

static int try_fsgsbase(struct doctor_try *t, void *arg)
{
    uint64_t base;

    (void)arg;
    t->step = "RDFSBASE";
    __asm__ volatile("rdfsbase %0" : "=r"(base));
    return 0;
}

static void find_cpu(struct doctor_report *r)
{
    const char *missing = engine_host_missing();
    struct doctor_try t;

    if (missing) {
        doctor_say(r, DOCTOR_BAD, "the CPU lacks what the translator needs: %s", missing);
        doctor_change(r, "use a newer machine; of a virtual one, have its hypervisor show the host's CPU");
        return;
    }
    doctor_say(r, DOCTOR_FINE, "the CPU has BMI2, FSGSBASE, XSAVE and LAHF");
    if (doctor_try(&t, try_fsgsbase, NULL)) {
        doctor_say(r, DOCTOR_FINE, "the kernel has switched FSGSBASE on");
    } else {
        doctor_say(r, DOCTOR_HINT, "the kernel keeps FSGSBASE switched off; Diptych is tested with it only");
        doctor_change(r, "use Linux 5.9 or later, without nofsgsbase on its command line");
    }
}

/* ---- a machine ---- */

/* Frames beside the guest's own, as host/vm.c adds them. */
#define HYPERVISOR_FRAMES 4096u

static void *vcpu_thread(void *arg)
{
    struct vcpu *v = arg;
    long err = engine_thread_start(v);

    if (!err)
        engine_thread_stop(v);
    return (void *)err;
}

/* arg: the guest's memory in bytes. */
static int try_machine(struct doctor_try *t, void *arg)
{
    const uint64_t bytes = *(const uint64_t *)arg;
    struct sigevent nothing = {.sigev_notify = SIGEV_NONE};
    pthread_t thread;
    timer_t timer;
    struct vcpu *v;
    void *ended;
    int err;

    err = machine_init((bytes >> PAGE_SHIFT) + HYPERVISOR_FRAMES, &t->step);
    if (err)
        return -err;
    t->step = "signal handlers";
    err = engine_init();
    if (err)
        return -err;
    t->step = "memory for a translator (check 'ulimit -v')";
    v = engine_vcpu_create(0);
    if (!v)
        return ENOMEM;
    t->step = "a thread (check 'ulimit -u' and the container's limit of processes)";
    err = pthread_create(&thread, NULL, vcpu_thread, v);
    if (err)
        return err;
    pthread_join(thread, &ended);
    if (ended)
        return (int)-(long)ended;
    t->step = "a timer (check 'ulimit -i')";
    if (timer_create(CLOCK_MONOTONIC, &nothing, &timer))
        return errno;
    return 0;
}

/*
 * Tries sizes downwards: which memory a guest can have is what limits of all kinds come to. The largest costs
 * the host 32 MiB for as long as it is tried (its machine-to-phys table).
 */
static void find_machine(struct doctor_report *r)
{
    static const struct {
        uint64_t mib;
        const char *name;
    } sizes[] = {{16384, "16G"}, {4096, "4G"}, {1024, "1G"}, {256, "256M"}, {64, "64M"}};
    char first[200] = "", why[200] = "";
    struct doctor_try t;

    for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++) {
        uint64_t bytes = sizes[i].mib << 20;

        if (doctor_try(&t, try_machine, &bytes)) {
            snprintf(r->summary, sizeof(r->summary), "guests of %s%s", sizes[i].name,
                     i == 0 ? " and more" : ", not many times more");
            doctor_say(r, i == 0 ? DOCTOR_FINE : DOCTOR_HINT,
                       "a guest of %s finds address space, a thread and a timer%s%s", sizes[i].name,
                       i == 0 ? "" : "; a larger one doesn't: ", first);
            return;
        }
        doctor_try_why(&t, why, sizeof(why));
        if (i == 0)
            memcpy(first, why, sizeof(first));
    }
    doctor_say(r, DOCTOR_BAD, "not even a guest of 64M can be made: %s", why);
    doctor_change(r, "raise the limit that it names; `ulimit -a` lists those of this shell");
}

/* ---- the sandbox ---- */

static int try_sandbox(struct doctor_try *t, void *arg)
{
    int err;

    (void)arg;
    t->step = "no_new_privs";
    err = sandbox_prepare();
    if (!err)
        err = sandbox_enter(&(struct sandbox_needs){.exec_mappings = false}, &t->step);
    return -err;
}

static void find_sandbox(struct doctor_report *r)
{
    struct doctor_try t;
    char why[160];

    if (doctor_try(&t, try_sandbox, NULL)) {
        doctor_say(r, DOCTOR_FINE, "the process can be shut in before the guest starts (seccomp)");
        return;
    }
    doctor_try_why(&t, why, sizeof(why));
    doctor_say(r, DOCTOR_BAD, "the process can't be shut in before the guest starts: %s", why);
    doctor_change(r, "use a kernel with CONFIG_SECCOMP_FILTER and let the container use seccomp(2); for "
                     "guests that you trust: "
                     "diptych run --debug no_sandbox");
}

bool doctor_translator(struct doctor_report *r)
{
    find_cpu(r);
    find_executable(r);
    find_machine(r);
    find_sandbox(r);
    return doctor_works(r);
}
