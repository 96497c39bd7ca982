// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The differential CPU test: random cases on the host CPU and through the engine must come out the same.
 *
 * One worker process a host CPU takes every n-th batch of indices; a case depends on (seed, index) alone, so
 * a run is reproduced by its seed, and any case of it by --index.  The parent does nothing but count, and
 * replace workers that an engine fault has killed: that is a failure of the case that was running.
 */
#include <err.h>
#include <fcntl.h>
#include <getopt.h>
#include <glob.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/debug.h"
#include "compare.h"
#include "ends.h"
#include "engine_side.h"
#include "gen.h"
#include "native.h"
#include "replay.h"
#include "shrink.h"
#include "wheel.h"

#define MAX_JOBS 64

static struct {
    uint64_t seed, count, first;
    double hours;
    unsigned jobs, max_fail;
    bool verbose, native_only, list, shrink;
    enum engine_exec exec;
    const char *out_dir;
    const struct gen_class *wheel[WHEEL_MAX]; /* class of index i: wheel[i % wheel_len] */
    unsigned wheel_len;
} opt = {
    .seed = 1, .count = 300000, .max_fail = 20, .out_dir = "build/tests/cputest-failures", .shrink = true};

/* Shared by parent and workers. */
struct worker {
    uint64_t index; /* the case being run by the engine, or being made */
    uint64_t passed, failed, timeouts, unstable, died, panels;
    uint64_t direct;  /* of those passed, how many ran directly, some way at least */
    struct ends ends; /* of its cases, on the host */
};

static struct shared {
    bool stop;
    struct worker worker[MAX_JOBS];
} * shared;

/* What replaying has come to; without options it comes before the run, and counts with it. */
static struct replayed {
    uint64_t passed, failed;
} replayed;

/* ---- one case ---- */

enum verdict { PASS, FAIL, TIMEOUT, UNSTABLE, DIED, PANEL };

static struct native *oracle, *second; /* second: instead of the engine with --native-only */

static uint64_t salt_of(const struct test_case *t)
{
    return (t->seed * 31 + t->index) * 0x9e3779b97f4a7c15UL >> 20;
}

/* Runs the case on the other side; its memory through *mem. */
static void run_other(const struct test_case *t, struct outcome *out, const uint8_t **mem)
{
    if (opt.native_only) {
        native_run(second, t, 1, out);
        *mem = native_memory(second, 0);
    } else {
        engine_side_run(t, salt_of(t), out);
        *mem = engine_side_memory();
    }
}

/*
 * Whether the engine came to what it leaves to the panel: to the same far transfer as the CPU, which refuses
 * it; or to an instruction that names a segment register, behind which the CPU may have gone on.
 */
static bool is_panels(const struct outcome *native, const struct outcome *other)
{
    return other->kind == OUTCOME_SEGMENT ||
           (other->kind == OUTCOME_PANEL && native->kind == OUTCOME_EXCEPTION &&
            native->state.rip == other->state.rip);
}

static const char *other_name(void)
{
    return opt.native_only ? "again" : "engine";
}

/*
 * Both sides from scratch, the host CPU twice: it must agree with itself. What differs (DIFF_*) goes to
 * *differs.
 */
static enum verdict check_alone(const struct test_case *t, FILE *report, unsigned *differs)
{
    static uint8_t mem1[MEM_BYTES];
    struct outcome o1, o2, oe;
    const uint8_t *mem;

    native_run(oracle, t, 1, &o1);
    memcpy(mem1, native_memory(oracle, 0), MEM_BYTES);
    if (o1.kind == OUTCOME_TIMEOUT)
        return TIMEOUT;
    if (o1.kind == OUTCOME_DIED)
        return DIED;
    native_run(oracle, t, 1, &o2);
    if (outcome_diff(t, &o1, mem1, &o2, native_memory(oracle, 0), report, "host", "host again"))
        return UNSTABLE;
    run_other(t, &oe, &mem);
    if (is_panels(&o1, &oe))
        return PANEL;
    if (report) {
        fprintf(report, "  host: ");
        outcome_print(&o1, report);
        fprintf(report, "\n");
    }
    *differs = outcome_diff(t, &o1, mem1, &oe, mem, report, "host", other_name());
    return *differs ? FAIL : PASS;
}

/* The smaller case must fail in the same way as the first: in what is first in the list of DIFF_*. */
static bool still_fails(const struct test_case *t, void *arg)
{
    unsigned first = *(unsigned *)arg, now;

    return check_alone(t, NULL, &now) == FAIL && (now & -now) == (first & -first);
}

static void save_case(const struct test_case *t)
{
    char path[4096];
    FILE *f;

    mkdir(opt.out_dir, 0777);
    snprintf(path, sizeof(path), "%s/%lu-%lu.txt", opt.out_dir, t->seed, t->index);
    f = fopen(path, "w");
    if (!f) {
        warn("cputest: %s", path);
        return;
    }
    fprintf(f, "# cputest --seed %lu --index %lu\n", t->seed, t->index);
    case_write(t, f);
    fclose(f);
}

/* Prints in one piece, as several workers may have something to say. */
static void report_failure(const struct test_case *t, const char *what, const char *details)
{
    char *text;
    size_t size;
    FILE *f = open_memstream(&text, &size);

    if (!f)
        err(1, "cputest");
    fprintf(f, "FAIL seed %lu index %lu: %s\n", t->seed, t->index, what);
    case_print(t, f);
    fprintf(f, "%s  saved as %s/%lu-%lu.txt\n", details, opt.out_dir, t->seed, t->index);
    fclose(f);
    fwrite(text, size, 1, stdout);
    fflush(stdout);
    free(text);
}

/* What the two sides disagreed about in the run itself. */
static char *describe(const struct test_case *t, const struct outcome *native, const uint8_t *native_mem,
                      const struct outcome *other, const uint8_t *mem)
{
    char *text;
    size_t size;
    FILE *f = open_memstream(&text, &size);

    if (!f)
        err(1, "cputest");
    outcome_diff(t, native, native_mem, other, mem, f, "host", other_name());
    fclose(f);
    return text;
}

/* text: what differed, to be freed. */
static void handle_mismatch(struct worker *w, struct test_case *t, char *text)
{
    size_t size;
    FILE *f;
    unsigned differs;
    enum verdict verdict = check_alone(t, NULL, &differs);

    if (verdict == UNSTABLE || verdict == TIMEOUT || verdict == DIED) {
        w->unstable++;
        if (opt.verbose)
            report_failure(t, "the host CPU disagrees with itself", text);
        free(text);
        return;
    }
    w->failed++;
    save_case(t);
    if (verdict == PASS) {
        /* It came of what the engine kept from earlier cases, or of a kick at the right moment. */
        report_failure(t, "outcomes differ, but not when the case runs alone", text);
        free(text);
        return;
    }
    free(text);
    if (opt.shrink) {
        case_shrink(t, still_fails, &differs);
        save_case(t);
    }
    f = open_memstream(&text, &size);
    if (!f)
        err(1, "cputest");
    check_alone(t, f, &differs);
    fclose(f);
    report_failure(t, "outcomes differ", text);
    free(text);
}

/* ---- workers ---- */

static uint64_t total_failed(void)
{
    uint64_t n = 0;

    for (unsigned i = 0; i < opt.jobs; i++)
        n += __atomic_load_n(&shared->worker[i].failed, __ATOMIC_RELAXED);
    return n;
}

static void run_batch(struct worker *w, uint64_t from, uint64_t to)
{
    static struct test_case t[NATIVE_BATCH];
    static struct outcome native[NATIVE_BATCH];
    static uint8_t memory[NATIVE_BATCH][MEM_BYTES];
    unsigned n = (unsigned)(to - from);
    struct outcome other;
    const uint8_t *mem;

    for (unsigned i = 0; i < n; i++)
        gen_case(&t[i], opt.wheel[(from + i) % opt.wheel_len], opt.seed, from + i);
    native_run(oracle, t, n, native);
    for (unsigned i = 0; i < n; i++)
        memcpy(memory[i], native_memory(oracle, i), MEM_BYTES);
    for (unsigned i = 0; i < n && !shared->stop; i++) {
        __atomic_store_n(&w->index, from + i, __ATOMIC_RELAXED);
        if (native[i].kind == OUTCOME_TIMEOUT) {
            w->timeouts++;
            continue;
        }
        if (native[i].kind == OUTCOME_DIED) {
            w->died++;
            if (opt.verbose)
                report_failure(&t[i], native[i].why, "");
            continue;
        }
        ends_note(&w->ends, &t[i], opt.wheel[(from + i) % opt.wheel_len], &native[i]);
        run_other(&t[i], &other, &mem);
        if (is_panels(&native[i], &other))
            w->panels++;
        else if (outcome_diff(&t[i], &native[i], memory[i], &other, mem, NULL, "", ""))
            handle_mismatch(w, &t[i], describe(&t[i], &native[i], memory[i], &other, mem));
        else {
            w->passed++;
            w->direct += !opt.native_only && engine_side_ran_directly();
        }
    }
}

static void start_sides(void)
{
    oracle = native_start();
    if (opt.native_only)
        second = native_start();
    else
        engine_side_start(opt.exec);
}

/* Cases first .. of worker nr; batches of NATIVE_BATCH, every jobs-th. */
static _Noreturn void worker_main(unsigned nr, uint64_t first)
{
    struct worker *w = &shared->worker[nr];
    uint64_t end = opt.first + opt.count;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    w->index = first;
    start_sides();
    while (first < end && !shared->stop) {
        uint64_t next = first - (first - opt.first) % NATIVE_BATCH + NATIVE_BATCH;

        run_batch(w, first, next < end ? next : end);
        first = next + (uint64_t)(opt.jobs - 1) * NATIVE_BATCH;
    }
    native_stop(oracle);
    fflush(NULL);
    _exit(0);
}

static pid_t spawn_worker(unsigned nr, uint64_t first)
{
    pid_t pid;

    fflush(NULL);
    pid = fork();
    if (pid < 0)
        err(1, "cputest: fork");
    if (pid == 0)
        worker_main(nr, first);
    return pid;
}

/* ---- cases that kill the engine's process ---- */

/* Whether the case, in a process of its own, kills the engine; its wait status. */
static bool kills_engine(const struct test_case *t, void *arg)
{
    int *status = arg, null;
    struct outcome out;
    pid_t pid;

    fflush(NULL);
    pid = fork();
    if (pid < 0)
        err(1, "cputest: fork");
    if (pid == 0) {
        null = open("/dev/null", 1);
        dup2(null, 2);
        engine_side_start(opt.exec);
        engine_side_run(t, salt_of(t), &out);
        _exit(0);
    }
    waitpid(pid, status, 0);
    return WIFSIGNALED(*status);
}

static void handle_crash(struct worker *w, int status)
{
    struct test_case t;
    char what[128];
    int again = 0;

    w->failed++;
    gen_case(&t, opt.wheel[w->index % opt.wheel_len], opt.seed, w->index);
    save_case(&t);
    snprintf(what, sizeof(what), "the engine's process died: %s%s",
             WIFSIGNALED(status) ? strsignal(WTERMSIG(status)) : "it exited",
             kills_engine(&t, &again) ? "" : " (not when the case runs alone)");
    if (WIFSIGNALED(again) && opt.shrink) {
        case_shrink(&t, kills_engine, &again);
        save_case(&t);
    }
    report_failure(&t, what, "");
}

/* ---- the run ---- */

static double now_s(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec * 1e-9;
}

static struct worker sum_workers(void)
{
    struct worker s = {0};

    for (unsigned i = 0; i < opt.jobs; i++) {
        s.passed += shared->worker[i].passed;
        s.failed += shared->worker[i].failed;
        s.timeouts += shared->worker[i].timeouts;
        s.unstable += shared->worker[i].unstable;
        s.died += shared->worker[i].died;
        s.panels += shared->worker[i].panels;
        s.direct += shared->worker[i].direct;
        ends_add(&s.ends, &shared->worker[i].ends);
    }
    return s;
}

/* Waits a little for a worker to end; 0 if none did. */
static pid_t wait_worker(int *status)
{
    struct timespec nap = {0, 20000000};
    pid_t pid = waitpid(-1, status, WNOHANG);

    if (!pid)
        nanosleep(&nap, NULL);
    return pid;
}

/* Direct execution was asked for and can't be had on this host, which is no failure. */
static int say_skipped(void)
{
    printf("cputest: 0 passed, 0 failed, 1 skipped\n");
    return 0;
}

static int run_all(void)
{
    pid_t pids[MAX_JOBS] = {0};
    unsigned running = 0;
    double start = now_s(), said = start, t;
    struct worker sum;
    int status;

    for (unsigned i = 0; i < opt.jobs; i++) {
        uint64_t first = opt.first + (uint64_t)i * NATIVE_BATCH;

        if (first < opt.first + opt.count) {
            pids[i] = spawn_worker(i, first);
            running++;
        }
    }
    while (running) {
        pid_t pid = wait_worker(&status);

        t = now_s();
        if (total_failed() >= opt.max_fail || (opt.hours > 0 && t - start > opt.hours * 3600))
            shared->stop = true;
        if (t - said > 20) {
            sum = sum_workers();
            printf("cputest: %lu passed, %lu failed after %.0f s\n", sum.passed, sum.failed, t - start);
            fflush(stdout);
            said = t;
        }
        for (unsigned i = 0; pid > 0 && i < opt.jobs; i++) {
            if (pids[i] != pid)
                continue;
            running--;
            pids[i] = 0;
            if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
                break;
            if (WIFEXITED(status) && WEXITSTATUS(status) == ENGINE_NO_DIRECT)
                return say_skipped();
            if (WIFEXITED(status) && !shared->worker[i].passed)
                return 1; /* it said why: the host can't */
            handle_crash(&shared->worker[i], status);
            if (!shared->stop && total_failed() < opt.max_fail &&
                shared->worker[i].index + 1 < opt.first + opt.count) {
                pids[i] = spawn_worker(i, shared->worker[i].index + 1);
                running++;
            }
            break;
        }
    }
    sum = sum_workers();
    if (opt.verbose)
        ends_print(&sum.ends);
    printf("cputest: seed %lu, %.0f s", opt.seed, now_s() - start);
    if (sum.timeouts)
        printf(", %lu left out: too long natively", sum.timeouts);
    if (sum.unstable)
        printf(", %lu left out: the host CPU disagrees with itself", sum.unstable);
    if (sum.died)
        printf(", %lu left out: they killed the native child", sum.died);
    if (sum.panels)
        printf(", %lu left out: far transfers and segment registers, which are the panel's", sum.panels);
    if (opt.exec != EXEC_TRANSLATE)
        printf(", %lu of %lu ran directly", sum.direct, sum.passed);
    /* What keeps most cases from running directly would hide what is wrong there. */
    if (opt.exec == EXEC_DIRECT && sum.direct < sum.passed / 2) {
        printf("\nFAIL too few cases ran directly");
        sum.failed++;
    }
    sum.passed += replayed.passed;
    sum.failed += replayed.failed;
    printf("\ncputest: %lu passed, %lu failed%s\n", sum.passed, sum.failed,
           shared->stop && !opt.hours && sum.failed ? " (stopped early: --max-fail)" : "");
    return sum.failed ? 1 : 0;
}

/* ---- replaying ---- */

/* Adds to *count. */
static void replay_files(char **files, unsigned n, struct replayed *count)
{
    unsigned failed = 0, left_out = 0;

    start_sides();
    for (unsigned i = 0; i < n; i++) {
        struct test_case t;
        char *text;
        size_t size;
        FILE *f = open_memstream(&text, &size);
        enum verdict verdict;
        unsigned differs;

        if (!f)
            err(1, "cputest");
        case_read(files[i], &t);
        verdict = check_alone(&t, f, &differs);
        fclose(f);
        if (verdict == FAIL || opt.verbose) {
            printf("%s %s\n", verdict == FAIL ? "FAIL" : verdict == PASS ? "PASS" : "left out", files[i]);
            case_print(&t, stdout);
            fputs(text, stdout);
        }
        failed += verdict == FAIL;
        left_out += verdict != FAIL && verdict != PASS;
        free(text);
    }
    native_stop(oracle);
    printf("cputest: %u of %u files replayed as they should", n - failed - left_out, n);
    if (left_out)
        printf(", %u left out", left_out);
    printf("\n");
    count->passed += n - failed - left_out;
    count->failed += failed;
}

/*
 * In a process of its own, as run_all() wants to start with no engine. A child that dies is a failure. True:
 * it could not run code directly.
 */
static bool replay_in_child(char **files, unsigned n, struct replayed *count)
{
    struct replayed *shown =
        mmap(NULL, sizeof(*shown), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    int status;
    pid_t pid;
    bool skipped;

    if (shown == MAP_FAILED)
        err(1, "cputest: mmap");
    fflush(NULL);
    pid = fork();
    if (pid < 0)
        err(1, "cputest: fork");
    if (pid == 0) {
        replay_files(files, n, shown);
        fflush(NULL);
        _exit(0);
    }
    if (waitpid(pid, &status, 0) != pid)
        err(1, "cputest: waitpid");
    skipped = WIFEXITED(status) && WEXITSTATUS(status) == ENGINE_NO_DIRECT;
    if (!skipped && (!WIFEXITED(status) || WEXITSTATUS(status))) {
        printf("FAIL the replay died, status %#x\n", (unsigned)status);
        shown->failed++;
    }
    *count = *shown;
    munmap(shown, sizeof(*shown));
    return skipped;
}

/* The cases kept in the source tree, whose top is the current directory: `make test` runs us so. */
static bool replay_kept(void)
{
    bool skipped;
    glob_t g;

    if (glob("tests/cpu/regress/*.txt", 0, NULL, &g))
        errx(1, "no tests/cpu/regress/*.txt here; run me at the top of the source tree, or with options");
    skipped = replay_in_child(g.gl_pathv, (unsigned)g.gl_pathc, &replayed);
    globfree(&g);
    return skipped;
}

/* One case of a run, in full. */
static int run_one(void)
{
    struct test_case t;
    enum verdict verdict;
    unsigned differs;

    start_sides();
    /* NOLINTNEXTLINE(clang-analyzer-core.DivideZero): wheel_build() makes no empty wheel */
    gen_case(&t, opt.wheel[opt.first % opt.wheel_len], opt.seed, opt.first);
    case_print(&t, stdout);
    verdict = check_alone(&t, stdout, &differs);
    printf("%s\n", verdict == PASS ? "PASS" : verdict == FAIL ? "FAIL" : "left out");
    if (opt.verbose)
        case_write(&t, stdout);
    native_stop(oracle);
    return verdict == FAIL;
}

/* ---- options ---- */

static void usage(FILE *f)
{
    fprintf(f,
            "usage: cputest                      replay tests/cpu/regress/*.txt, then run random cases\n"
            "       cputest [options]            run random cases on the host CPU and through the engine\n"
            "       cputest [options] --replay FILE...\n"
            "  --seed N          the run (1); the same seed makes the same cases\n"
            "  --count N         cases (300000)\n"
            "  --hours H         run on for H hours instead\n"
            "  --class NAME,...  only these classes; --list shows them\n"
            "  --index N         only case N of the run, in full\n"
            "  --first N         start with case N\n"
            "  --jobs N          worker processes (one a CPU)\n"
            "  --max-fail N      stop after so many failures (20)\n"
            "  --out DIR         where failing cases are saved (%s)\n"
            "  --no-shrink       report failing cases as they are\n"
            "  --exec HOW        translate (default), direct, or random: which executor runs the code\n"
            "  --kept            replay tests/cpu/regress/*.txt first\n"
            "  --native-only     the host CPU against itself: checks the test\n"
            "  --debug LIST      debug output of the engine, as of diptych run\n"
            "  --verbose         say more\n",
            opt.out_dir);
}

static bool exec_parse(const char *name, enum engine_exec *exec)
{
    static const struct {
        const char *name;
        enum engine_exec exec;
    } names[] = {{"translate", EXEC_TRANSLATE}, {"direct", EXEC_DIRECT}, {"random", EXEC_RANDOM}};

    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        if (!strcmp(name, names[i].name)) {
            *exec = names[i].exec;
            return true;
        }
    return false;
}

int main(int argc, char **argv)
{
    enum {
        SEED = 256,
        COUNT,
        HOURS,
        CLASS,
        INDEX,
        FIRST,
        JOBS,
        MAX_FAIL,
        OUT,
        NO_SHRINK,
        NATIVE,
        EXEC,
        KEPT,
        VERBOSE,
        LIST,
        REPLAY,
        DEBUG,
        HELP
    };
    static const struct option options[] = {
        {"seed", 1, NULL, SEED},
        {"count", 1, NULL, COUNT},
        {"hours", 1, NULL, HOURS},
        {"class", 1, NULL, CLASS},
        {"index", 1, NULL, INDEX},
        {"first", 1, NULL, FIRST},
        {"jobs", 1, NULL, JOBS},
        {"max-fail", 1, NULL, MAX_FAIL},
        {"out", 1, NULL, OUT},
        {"no-shrink", 0, NULL, NO_SHRINK},
        {"native-only", 0, NULL, NATIVE},
        {"exec", 1, NULL, EXEC},
        {"kept", 0, NULL, KEPT},
        {"verbose", 0, NULL, VERBOSE},
        {"list", 0, NULL, LIST},
        {"replay", 0, NULL, REPLAY},
        {"debug", 1, NULL, DEBUG},
        {"help", 0, NULL, HELP},
        {0},
    };
    const char *names = NULL;
    char bad[64];
    bool one = false, replay = false, kept = argc == 1;
    int c;

    opt.jobs = (unsigned)sysconf(_SC_NPROCESSORS_ONLN);
    while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (c) {
        case SEED:
            opt.seed = strtoul(optarg, NULL, 0);
            break;
        case COUNT:
            opt.count = strtoul(optarg, NULL, 0);
            break;
        case HOURS:
            opt.hours = strtod(optarg, NULL);
            break;
        case CLASS:
            names = optarg;
            break;
        case INDEX:
            opt.first = strtoul(optarg, NULL, 0);
            one = true;
            break;
        case FIRST:
            opt.first = strtoul(optarg, NULL, 0);
            break;
        case JOBS:
            opt.jobs = (unsigned)strtoul(optarg, NULL, 0);
            break;
        case MAX_FAIL:
            opt.max_fail = (unsigned)strtoul(optarg, NULL, 0);
            break;
        case OUT:
            opt.out_dir = optarg;
            break;
        case NO_SHRINK:
            opt.shrink = false;
            break;
        case NATIVE:
            opt.native_only = true;
            break;
        case EXEC:
            if (!exec_parse(optarg, &opt.exec))
                errx(2, "--exec is translate, direct or random");
            break;
        case KEPT:
            kept = true;
            break;
        case VERBOSE:
            opt.verbose = true;
            break;
        case LIST:
            for (unsigned i = 0; i < gen_nr_classes; i++)
                printf("%-10s %s\n", gen_classes[i].name, gen_classes[i].what);
            return 0;
        case REPLAY:
            replay = true;
            break;
        case DEBUG:
            if (debug_parse(optarg, &debug.mask, bad, sizeof(bad)))
                errx(2, "'%s' is no debug option", bad);
            break;
        case HELP:
            usage(stdout);
            return 0;
        default:
            usage(stderr);
            return 2;
        }
    }
    if (optind < argc && !replay) {
        usage(stderr);
        return 2;
    }
    if (opt.jobs < 1 || opt.jobs > MAX_JOBS)
        opt.jobs = opt.jobs < 1 ? 1 : MAX_JOBS;
    if (!opt.max_fail)
        opt.max_fail = ~0u;
    if (opt.hours > 0)
        opt.count = 1UL << 62;
    state_start();
    shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED)
        err(1, "cputest: mmap");
    if (replay) {
        replay_files(argv + optind, (unsigned)(argc - optind), &replayed);
        printf("cputest: %lu passed, %lu failed\n", replayed.passed, replayed.failed);
        return replayed.failed ? 1 : 0;
    }
    if (kept && replay_kept())
        return say_skipped();
    opt.wheel_len = wheel_build(opt.wheel, names);
    forms_all(false); /* before the workers: they share it */
    forms_all(true);
    return one ? run_one() : run_all();
}
