/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The host at large: CPUs and memory, with the limits of a container, and huge pages.
 */
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "host/doctor_try.h"

#define GIB (1UL << 30)

/* A field of /proc/meminfo in bytes; 0: not known. */
static uint64_t meminfo(const char *name)
{
    FILE *f = fopen("/proc/meminfo", "re");
    char line[100], format[40];
    unsigned long kib = 0;

    if (!f)
        return 0;
    snprintf(format, sizeof(format), "%s: %%lu kB", name);
    while (!kib && fgets(line, sizeof(line), f))
        if (sscanf(line, format, &kib) != 1)
            kib = 0;
    fclose(f);
    return (uint64_t)kib << 10;
}

/* What a control group gives us (cgroup v2; the files are there in a container that sees its own group as the root). */
static void find_group_limits(struct doctor_report *r)
{
    unsigned long n, period;
    char line[64];

    if (doctor_read_line("/sys/fs/cgroup/memory.max", line, sizeof(line)) && sscanf(line, "%lu", &n) == 1) {
        doctor_say(r, DOCTOR_HINT,
                   "the container may have %.1f GiB of memory; a guest that touches more is killed",
                   (double)n / (double)GIB);
        doctor_change(r, "give guests less than that (--memory), or the container more");
    }
    if (doctor_read_line("/sys/fs/cgroup/cpu.max", line, sizeof(line)) &&
        sscanf(line, "%lu %lu", &n, &period) == 2 && period) {
        doctor_say(r, DOCTOR_HINT,
                   "the container may have %.1f CPUs' time; more vCPUs than that stall in turn",
                   (double)n / (double)period);
        doctor_change(r, "give guests as many vCPUs (--vcpus), or the container more");
    }
}

static void find_huge_pages(struct doctor_report *r)
{
    static const char path[] = "/sys/kernel/mm/transparent_hugepage/shmem_enabled";
    char line[128];

    if (!doctor_read_line(path, line, sizeof(line)))
        return;
    if (strstr(line, "[never]") || strstr(line, "[deny]")) {
        doctor_say(r, DOCTOR_HINT, "guest memory is in small pages; programs that use much of it are slower");
        doctor_change(r, "echo advise > %s (root)", path);
    } else {
        doctor_say(r, DOCTOR_FINE, "guest memory can be in huge pages");
    }
}

void doctor_host(struct doctor_report *r)
{
    struct utsname u;
    cpu_set_t usable;
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);

    if (!sched_getaffinity(0, sizeof(usable), &usable) && CPU_COUNT(&usable) < cpus) {
        doctor_say(r, DOCTOR_HINT, "only %d of %ld CPUs may be used here", CPU_COUNT(&usable), cpus);
        cpus = CPU_COUNT(&usable);
    }
    uname(&u); /* fails for a bad pointer only */
    snprintf(r->summary, sizeof(r->summary), "Linux %.30s, %ld CPU%s, %.1f GiB of memory, %.1f GiB available",
             u.release, cpus, cpus == 1 ? "" : "s", (double)meminfo("MemTotal") / (double)GIB,
             (double)meminfo("MemAvailable") / (double)GIB);
    find_group_limits(r);
    find_huge_pages(r);
}
