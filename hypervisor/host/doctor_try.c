/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reports and tries: see doctor_try.h.
 */
#include "host/doctor_try.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* ---- reports ---- */

void doctor_say(struct doctor_report *r, enum doctor_grade grade, const char *fmt, ...)
{
    struct doctor_finding *f = &r->finding[r->nr];
    va_list ap;

    if (r->nr == DOCTOR_FINDINGS_MAX)
        return;
    r->nr++;
    f->grade = grade;
    f->change[0] = '\0';
    va_start(ap, fmt);
    vsnprintf(f->what, sizeof(f->what), fmt, ap);
    va_end(ap);
}

void doctor_change(struct doctor_report *r, const char *fmt, ...)
{
    va_list ap;

    if (!r->nr)
        return;
    va_start(ap, fmt);
    vsnprintf(r->finding[r->nr - 1].change, sizeof(r->finding[0].change), fmt, ap);
    va_end(ap);
}

bool doctor_works(const struct doctor_report *r)
{
    for (unsigned i = 0; i < r->nr; i++)
        if (r->finding[i].grade == DOCTOR_BAD)
            return false;
    return true;
}

bool doctor_read_line(const char *path, char *line, size_t size)
{
    FILE *f = fopen(path, "re");
    bool got;

    if (!f)
        return false;
    got = fgets(line, (int)size, f) != NULL;
    fclose(f);
    if (got)
        line[strcspn(line, "\n")] = '\0';
    return got;
}

/* ---- tries ---- */

_Noreturn static void child_run(struct doctor_try *t, int (*fn)(struct doctor_try *t, void *arg), void *arg,
                                pid_t parent)
{
    const struct rlimit no_core = {0, 0};

    if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) || setrlimit(RLIMIT_CORE, &no_core) || getppid() != parent)
        _exit(1);
    t->error = fn(t, arg);
    _exit(0);
}

/* Waits until the other end of the pipe is closed everywhere; false if that takes too long. */
static bool pipe_wait(int fd)
{
    struct timespec now;
    int64_t end, left;

    clock_gettime(CLOCK_MONOTONIC, &now);
    end = now.tv_sec * 1000 + now.tv_nsec / 1000000 + DOCTOR_TRY_SECONDS * 1000L;
    for (left = DOCTOR_TRY_SECONDS * 1000L; left > 0;) {
        struct pollfd p = {.fd = fd, .events = POLLIN};

        if (poll(&p, 1, (int)left) > 0)
            return true;
        clock_gettime(CLOCK_MONOTONIC, &now);
        left = end - (now.tv_sec * 1000 + now.tv_nsec / 1000000);
    }
    return false;
}

static void child_try(struct doctor_try *t, int (*fn)(struct doctor_try *t, void *arg), void *arg)
{
    const pid_t parent = getpid();
    int alive[2], status = 0;
    pid_t pid;

    t->step = "starting a process to try it in";
    if (pipe(alive)) {
        t->error = errno;
        return;
    }
    t->error = -1;
    pid = fork();
    if (pid == 0) {
        close(alive[0]);
        child_run(t, fn, arg, parent);
    }
    if (pid < 0)
        t->error = errno;
    close(alive[1]);
    if (pid > 0) {
        if (!pipe_wait(alive[0])) {
            t->late = true;
            kill(pid, SIGKILL);
        }
        while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
            ;
        /* What it said before it was killed counts for nothing. */
        if (WIFSIGNALED(status)) {
            t->signal = WTERMSIG(status);
            t->error = -1;
        }
    }
    close(alive[0]);
}

bool doctor_try(struct doctor_try *t, int (*fn)(struct doctor_try *t, void *arg), void *arg)
{
    struct doctor_try *shared =
        mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    *t = (struct doctor_try){.step = "memory", .error = ENOMEM};
    if (shared == MAP_FAILED)
        return false;
    *shared = (struct doctor_try){0};
    child_try(shared, fn, arg);
    *t = *shared;
    munmap(shared, sizeof(*shared));
    return t->error == 0;
}

void doctor_try_why(const struct doctor_try *t, char *why, size_t why_size)
{
    if (t->late)
        snprintf(why, why_size, "%s: not done after %d s", t->step, DOCTOR_TRY_SECONDS);
    else if (t->error < 0)
        snprintf(why, why_size, "%s: ended by signal %d (%s)", t->step, t->signal, strsignal(t->signal));
    else
        snprintf(why, why_size, "%s: %s", t->step, strerror(t->error));
}
