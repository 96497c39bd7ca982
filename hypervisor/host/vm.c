/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A virtual machine's life.
 *
 *   vm_run()       opens files, terminal and machine, then lives one domain after the other
 *   domain_live()  one domain: threads, sandbox, waiting for its end
 *   vm_next()      what the configuration says to do about that end
 *
 * Threads: the one that calls vm_run() waits; one a vCPU runs the guest; the console's reads input and
 * signals and calls on_detached() and on_signal() here; the panel's backends have their own.
 */
#include "host/vm.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "base/debug.h"
#include "base/message.h"
#include "base/rawsys.h"
#include "engine/engine.h"
#include "host/console.h"
#include "host/fault.h"
#include "host/sandbox.h"
#include "host/vm_domain.h"
#include "host/vm_stats.h"
#include "pv/panel.h"

/* Frames beside the guest's own: shared_info, grant table, store and console. Address space, not memory. */
#define HYPERVISOR_FRAMES 4096u

/* A domain that crashes at once and is to be restarted doesn't keep a host CPU busy with that. */
#define CRASH_RESTART_DELAY_NS 1000000000UL

/* How long a guest may take to power off when it is asked to by a signal. */
#define POWEROFF_GRACE_NS 10000000000UL

static struct {
    const struct vm_config *c;
    struct vm_files files;
    bool sandboxed;
    char translated[160]; /* why user code doesn't run directly, until it has been said */

    /* Any thread. */
    pthread_mutex_t lock; /* guards domain against its being destroyed */
    struct domain *domain;
    bool building;  /* the next one is being made */
    bool reachable; /* guarded by lock: the domain's store is there, so that it can be asked to power off */
    int asked;      /* 0, or the signal for which the domain was asked to power off */
    uint64_t asked_until_ns; /* CLOCK_MONOTONIC; set before asked */
    int stop;                /* futex: 0 go on, -1 detached, else the signal that ends us */
    int thread_error;        /* errno of a vCPU's thread that couldn't start */
} vm = {
    .files = {.kernel.fd = -1, .ramdisk.fd = -1, .trace_fd = STDERR_FILENO, .debug_fd = STDERR_FILENO},
    .lock = PTHREAD_MUTEX_INITIALIZER,
};

/* ---- the user or the host wants the end ---- */

static int vm_stopped(void)
{
    return __atomic_load_n(&vm.stop, __ATOMIC_ACQUIRE);
}

static int vm_asked(void)
{
    return __atomic_load_n(&vm.asked, __ATOMIC_ACQUIRE);
}

/* Exit status of a vm.stop. */
static int stop_status(int stop)
{
    return stop < 0 ? EXIT_STATUS_DETACHED : EXIT_STATUS_SIGNAL + stop;
}

_Noreturn static void vm_leave(int how)
{
    terminal_restore();
    _exit(stop_status(how));
}

static void vm_stop(int how)
{
    int go_on = 0;

    /* Whoever asks for the end doesn't want to wait for a reader who doesn't read ... */
    console_abandon();
    if (!__atomic_compare_exchange_n(&vm.stop, &go_on, how, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
        /* ... and whoever asks twice doesn't want to wait for anything. */
        vm_leave(how);
    }
    rawsys_futex_wake(&vm.stop, INT32_MAX);
    pthread_mutex_lock(&vm.lock);
    if (vm.building)
        vm_leave(how); /* nobody has said or done anything yet that has to be finished */
    if (vm.domain)
        domain_shutdown(vm.domain, DOMAIN_KILLED);
    pthread_mutex_unlock(&vm.lock);
}

static void on_detached(void)
{
    vm_stop(-1);
}

static uint64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000UL + (uint64_t)now.tv_nsec;
}

/* False: asked before, or nobody is there who would listen. */
static bool vm_ask_poweroff(int signo)
{
    bool asks;

    pthread_mutex_lock(&vm.lock);
    asks = !vm.asked && vm.reachable && !domain_ended(vm.domain) && pv_backends_ask_poweroff(vm.domain);
    if (asks) {
        vm.asked_until_ns = now_ns() + POWEROFF_GRACE_NS;
        __atomic_store_n(&vm.asked, signo, __ATOMIC_RELEASE);
        /* The main thread learns how long to wait. */
        __atomic_fetch_add(&vm.domain->end_futex, 1, __ATOMIC_RELEASE);
        rawsys_futex_wake(&vm.domain->end_futex, INT32_MAX);
    }
    pthread_mutex_unlock(&vm.lock);
    if (asks)
        diag_warn("the guest is asked to power off; a second signal, or %lu s, end it",
                  POWEROFF_GRACE_NS / 1000000000UL);
    return asks;
}

/* SIGTERM and SIGINT ask first, as `xl shutdown`; a second one, or a guest that doesn't listen, is the end
 * as with `xl destroy`. */
static void on_signal(int signo)
{
    if ((signo != SIGTERM && signo != SIGINT) || vm_stopped() || !vm_ask_poweroff(signo))
        vm_stop(signo);
}

/* Waits until vm_stop(), or for ns nanoseconds (0: for ever). */
static void vm_wait_stop(uint64_t ns)
{
    struct timespec until;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += (time_t)(ns / 1000000000);
    while (!vm_stopped())
        if (rawsys_futex_wait(&vm.stop, 0, ns ? &until : NULL) == -ETIMEDOUT)
            return;
}

/* ---- vCPU threads ---- */

static void time_start_heavy(void *arg)
{
    struct vcpu *v = arg;
    int err = time_vcpu_start(v);

    if (err) {
        __atomic_store_n(&vm.thread_error, -err, __ATOMIC_RELEASE);
        domain_shutdown(v->domain, DOMAIN_KILLED);
    }
}

static void time_stop_heavy(void *arg)
{
    time_vcpu_stop(arg);
}

/*
 * Runs the vCPU whenever it is online, until the domain ends.  The guest's vector registers are live in
 * the host's all the while, so this function is light although its file isn't.
 */
__attribute__((target("general-regs-only"))) static void vcpu_live(struct vcpu *v)
{
    while (domain_vcpu_wait_online(v)) {
        /* Left from the last time that it was taken down. Whoever asks again says first why. */
        __atomic_fetch_and(&v->requests, ~VCPU_REQ_STOP, __ATOMIC_ACQ_REL);
        if (domain_ended(v->domain) || !__atomic_load_n(&v->online, __ATOMIC_ACQUIRE))
            continue;
        engine_heavy_call(v, time_start_heavy, v);
        pv_vcpu_run(v);
        engine_heavy_call(v, time_stop_heavy, v);
    }
}

static void *vcpu_thread(void *arg)
{
    struct vcpu *v = arg;
    char name[16];
    int err;

    snprintf(name, sizeof(name), "vcpu %u", v->id);
    prctl(PR_SET_NAME, name, 0, 0, 0);
    v->tid = gettid();
    err = engine_thread_start(v);
    if (err) {
        __atomic_store_n(&vm.thread_error, -err, __ATOMIC_RELEASE);
        domain_shutdown(v->domain, DOMAIN_KILLED);
        return NULL;
    }
    vcpu_live(v);
    engine_thread_stop(v);
    return NULL;
}

/* Starts the threads; they wait until their vCPU is online. The result is how many there are. */
static unsigned threads_start(struct domain *d, pthread_t thread[MAX_VCPUS])
{
    /*
     * vCPU threads get their kick, and signals of their own faults; what the process is sent goes to the
     * console.
     */
    static const int own[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGABRT, SIGSYS, VCPU_KICK_SIGNAL};
    sigset_t mask, old;
    unsigned n;

    sigfillset(&mask);
    for (unsigned i = 0; i < ARRAY_SIZE(own); i++)
        sigdelset(&mask, own[i]);
    pthread_sigmask(SIG_SETMASK, &mask, &old);
    for (n = 0; n < d->nr_vcpus; n++) {
        int err = pthread_create(&thread[n], NULL, vcpu_thread, d->vcpu[n]);

        if (err) {
            __atomic_store_n(&vm.thread_error, err, __ATOMIC_RELEASE);
            domain_shutdown(d, DOMAIN_KILLED);
            break;
        }
    }
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return n;
}

/* ---- one domain ---- */

static void domain_wait_end(struct domain *d)
{
    for (;;) {
        int seen = __atomic_load_n(&d->end_futex, __ATOMIC_ACQUIRE);
        bool limited = vm_asked() && !vm_stopped();
        struct timespec until;

        if (domain_ended(d))
            return;
        if (limited)
            until = (struct timespec){.tv_sec = (time_t)(vm.asked_until_ns / 1000000000),
                                      .tv_nsec = (long)(vm.asked_until_ns % 1000000000)};
        if (rawsys_futex_wait(&d->end_futex, seen, limited ? &until : NULL) == -ETIMEDOUT)
            vm_stop(vm_asked());
    }
}

/* From here on the domain can be asked, or not any more. */
static void vm_set_reachable(bool reachable)
{
    pthread_mutex_lock(&vm.lock);
    vm.reachable = reachable;
    pthread_mutex_unlock(&vm.lock);
}

static int sandbox_once(struct vm_failure *f)
{
    const struct vm_config *c = vm.c;
    const struct sandbox_needs needs = {
        .exec_mappings = c->on_poweroff == VM_RESTART || c->on_reboot == VM_RESTART ||
                         c->on_crash == VM_RESTART || c->on_watchdog == VM_RESTART,
        .stubs = engine_exec_has_stubs(),
    };
    const char *why;
    int err;

    if (vm.sandboxed || debug_on(DEBUG_NO_SANDBOX))
        return 0;
    err = sandbox_enter(&needs, &why);
    if (err) {
        f->status = EXIT_STATUS_HOST;
        snprintf(f->why, sizeof(f->why), "sandbox: %s: %s; --debug no_sandbox runs without", why,
                 strerror(-err));
        return -1;
    }
    vm.sandboxed = true;
    return 0;
}

/* Runs a domain to its end. 0, or -1 and *f. */
static int domain_live(struct domain *d, struct vm_failure *f)
{
    pthread_t thread[MAX_VCPUS];
    unsigned nr_threads;
    const struct pv_origin origin = {
        .kernel = vm.c->kernel, .ramdisk = vm.c->ramdisk, .cmdline = vm.c->cmdline};
    int err = pv_backends_start(d, &origin);

    if (err) {
        f->status = EXIT_STATUS_HOST;
        snprintf(f->why, sizeof(f->why), "starting the console and the store: %s", strerror(-err));
        return -1;
    }
    if (sandbox_once(f)) {
        pv_backends_stop(d);
        return -1;
    }
    vm_set_reachable(true);
    nr_threads = threads_start(d, thread);
    if (vm.translated[0] && !vm.thread_error) {
        diag_warn("%s", vm.translated);
        vm.translated[0] = '\0';
    }
    __atomic_store_n(&d->vcpu[0]->online, true, __ATOMIC_RELEASE);
    domain_vcpu_online(d->vcpu[0]);
    domain_wait_end(d);
    vm_set_reachable(false);
    for (unsigned i = 0; i < nr_threads; i++)
        pthread_join(thread[i], NULL);
    pv_backends_stop(d); /* writes out what the guest has said */
    if (vm.c->stats)
        vm_stats_print(d);
    if (vm.thread_error) {
        f->status = EXIT_STATUS_HOST;
        snprintf(f->why, sizeof(f->why), "starting a vCPU's thread: %s%s", strerror(vm.thread_error),
                 vm.thread_error == EAGAIN ? " (check 'ulimit -u', 'ulimit -v' and 'ulimit -i')" : "");
        return -1;
    }
    return 0;
}

/* ---- what to do about an end ---- */

struct end_rule {
    enum domain_end end;
    enum exit_status status;
    const char *key;  /* of the configuration; NULL: always destroy */
    const char *what; /* the guest ...; NULL: nothing to be said */
};

static const struct end_rule end_rules[] = {
    {DOMAIN_POWEROFF, EXIT_STATUS_OK, "on_poweroff", NULL},
    {DOMAIN_REBOOT, EXIT_STATUS_REBOOT, "on_reboot", "asked for a reboot"},
    {DOMAIN_CRASH, EXIT_STATUS_CRASH, "on_crash", "crashed"},
    {DOMAIN_WATCHDOG, EXIT_STATUS_CRASH, "on_watchdog", "did not serve its watchdog in time"},
    {DOMAIN_SUSPEND, EXIT_STATUS_CRASH, NULL, "suspended itself, and nothing here can resume it"},
    {DOMAIN_SOFT_RESET, EXIT_STATUS_CRASH, NULL, "asked for a soft reset, which is not offered"},
};

static const struct end_rule *end_rule_find(int end)
{
    for (unsigned i = 0; i < ARRAY_SIZE(end_rules); i++)
        if ((int)end_rules[i].end == end)
            return &end_rules[i];
    return &end_rules[2]; /* SHUTDOWN_* codes are checked where the guest gives them; any other is a crash */
}

static enum vm_action end_action(const struct end_rule *r)
{
    switch (r->end) {
    case DOMAIN_POWEROFF:
        return vm.c->on_poweroff;
    case DOMAIN_REBOOT:
        return vm.c->on_reboot;
    case DOMAIN_CRASH:
        return vm.c->on_crash;
    case DOMAIN_WATCHDOG:
        return vm.c->on_watchdog;
    default:
        return VM_DESTROY;
    }
}

/* True if another domain shall follow; otherwise *status is that of the process. */
static bool vm_next(const struct domain *d, int *status)
{
    static const char *const action_names[] = {"destroy", "restart", "preserve"};
    const struct end_rule *rule = end_rule_find(d->end);
    enum vm_action action = vm_asked() ? VM_DESTROY : end_action(rule); /* who sends a signal wants it gone */

    if (d->end == DOMAIN_KILLED || vm_stopped()) {
        *status = stop_status(vm_stopped());
        return false;
    }
    *status = (int)rule->status;
    if (rule->what && !(rule->end == DOMAIN_REBOOT && action == VM_RESTART))
        diag_error("domain %s %s%s%s%s%s", d->name, rule->what, rule->key ? "; " : "",
                   rule->key ? rule->key : "", rule->key ? "=" : "", rule->key ? action_names[action] : "");
    if (action == VM_PRESERVE) {
        diag_error("domain %s is preserved, stopped; Ctrl-] on its terminal or SIGTERM to process %d ends it",
                   d->name, (int)getpid());
        vm_wait_stop(0);
    }
    if (action != VM_RESTART)
        return false;
    if (rule->status == EXIT_STATUS_CRASH)
        vm_wait_stop(CRASH_RESTART_DELAY_NS);
    if (vm_stopped())
        *status = stop_status(vm_stopped());
    return !vm_stopped();
}

/* Which domain a stop is for; building: none now, but one is on its way. */
static void vm_set_domain(struct domain *d, bool building)
{
    pthread_mutex_lock(&vm.lock);
    vm.domain = d;
    vm.building = building;
    if (d && vm_stopped())
        domain_shutdown(d, DOMAIN_KILLED);
    pthread_mutex_unlock(&vm.lock);
}

/* Domain after domain. The result is the exit status; on failure *f has the line to print. */
static int vm_live(struct vm_failure *f)
{
    int status = EXIT_STATUS_OK;
    bool again;

    do {
        struct domain *d;

        vm_set_domain(NULL, true);
        d = vm_domain_create(vm.c, &vm.files, f);
        vm_set_domain(d, false);
        if (!d)
            return (int)f->status;
        if (domain_live(d, f)) {
            again = false;
            status = (int)f->status;
        } else {
            again = vm_next(d, &status);
        }
        vm_set_domain(NULL, false);
        vm_domain_destroy(d);
    } while (again);
    return status;
}

/* ---- the whole ---- */

static void vm_fail(struct vm_failure *f, enum exit_status status, const char *what, const char *why)
{
    f->status = status;
    snprintf(f->why, sizeof(f->why), "%s: %s", what, why);
}

/*
 * Without direct execution a guest is only slower, so it is said and no more; and not yet, because what is
 * missing may keep us from running at all, which is then the one thing to say.
 */
static void exec_prepare(const struct vm_config *c)
{
    const char *why;
    int err;

    if (c->cpu_mask) {
        if (c->exec != EXEC_TRANSLATE && c->exec != EXEC_AUTO)
            snprintf(vm.translated, sizeof(vm.translated),
                     "--cpu hides features that user code would find if it ran directly: it is translated");
        return;
    }
    err = engine_exec_prepare(c->exec, c->vcpus, &why);
    if (err)
        snprintf(vm.translated, sizeof(vm.translated),
                 "user code can't run directly here and is translated: %s: %s", why, strerror(-err));
}

/* Everything that comes once a process. 0, or -1 and *f. */
static int vm_prepare(const struct vm_config *c, struct vm_failure *f)
{
    static const struct console_events events = {.detached = on_detached, .signalled = on_signal};
    const char *why = engine_host_missing();
    int err;

    vm.c = c;
    domain_dump = pv_dump;
    if (why) {
        vm_fail(f, EXIT_STATUS_HOST, "this host's CPU lacks what the translator needs", why);
        return -1;
    }
    err = sandbox_prepare();
    if (err) {
        vm_fail(f, EXIT_STATUS_HOST, "no_new_privs", strerror(-err));
        return -1;
    }
    if (vm_files_open(&vm.files, c, f))
        return -1;
    debug.fd = vm.files.debug_fd;
    debug.mask = c->debug;
    err = machine_init((c->maxmem >> PAGE_SHIFT) + HYPERVISOR_FRAMES, &why);
    if (err) {
        f->status = EXIT_STATUS_HOST;
        snprintf(f->why, sizeof(f->why), "no room for a guest of %luM: %s: %s", c->maxmem >> 20, why,
                 strerror(-err));
        return -1;
    }
    fault_handlers_install();
    err = engine_init();
    if (err) {
        vm_fail(f, EXIT_STATUS_HOST, "starting the translator", strerror(-err));
        return -1;
    }
    exec_prepare(c);
    err = console_open(&events, &why);
    if (err) {
        vm_fail(f, EXIT_STATUS_HOST, why, strerror(-err));
        return -1;
    }
    return 0;
}

int vm_run(const struct vm_config *c)
{
    struct vm_failure f = {.status = EXIT_STATUS_OK};
    int status;

    status = vm_prepare(c, &f) ? (int)f.status : vm_live(&f);
    console_close();
    vm_files_close(&vm.files);
    if (f.status != EXIT_STATUS_OK)
        diag_error("%s", f.why);
    return status;
}
