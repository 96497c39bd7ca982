/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The host at large: CPUs and memory, with the limits of a container, and huge pages.
 */
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "host/doctor_try.h"

#define GIB (1UL << 30)

/* Bytes that can be had without swapping others out; where that isn't known (no /proc), what is free. */
static uint64_t memory_available(const struct sysinfo *si)
{
    FILE *f = fopen("/proc/meminfo", "re");
    static const char name[] = "MemAvailable:";
    unsigned long kib = 0;
    char line[100];

    if (!f)
        return si->freeram * si->mem_unit;
    while (!kib && fgets(line, sizeof(line), f))
        if (!strncmp(line, name, sizeof(name) - 1))
            kib = strtoul(line + sizeof(name) - 1, NULL, 10);
    fclose(f);
    return (uint64_t)kib << 10;
}

/* What a control group gives us (cgroup v2; a container sees its own group as the root). */
static void find_group_limits(struct doctor_report *r)
{
    unsigned long n, period;
    char line[64], *rest;

    if (doctor_read_line("/sys/fs/cgroup/memory.max", line, sizeof(line)) &&
        (n = strtoul(line, &rest, 10), rest != line)) {
        doctor_say(r, DOCTOR_HINT,
                   "the container may have %.1f GiB of memory; a guest that touches more is killed",
                   (double)n / (double)GIB);
        doctor_change(r, "give guests less than that (--memory), or the container more");
    }
    if (doctor_read_line("/sys/fs/cgroup/cpu.max", line, sizeof(line)) &&
        (n = strtoul(line, &rest, 10), rest != line) && (period = strtoul(rest, NULL, 10)) != 0) {
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
    struct sysinfo si;
    cpu_set_t usable;
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);

    if (!sched_getaffinity(0, sizeof(usable), &usable) && CPU_COUNT(&usable) < cpus) {
        doctor_say(r, DOCTOR_HINT, "only %d of %ld CPUs may be used here", CPU_COUNT(&usable), cpus);
        cpus = CPU_COUNT(&usable);
    }
    uname(&u); /* these two fail for bad pointers only */
    sysinfo(&si);
    snprintf(r->summary, sizeof(r->summary), "Linux %.30s, %ld CPU%s, %.1f GiB of memory, %.1f GiB available",
             u.release, cpus, cpus == 1 ? "" : "s", (double)(si.totalram * si.mem_unit) / (double)GIB,
             (double)memory_available(&si) / (double)GIB);
    find_group_limits(r);
    find_huge_pages(r);
}
