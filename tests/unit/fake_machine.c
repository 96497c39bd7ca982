/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fake_machine.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "engine/engine.h"
#include "host/console.h"
#include "loader/loader.h"
#include "pv/panel.h"
#include "pv/trace.h"

struct fake_machine fake;
struct machine machine;
const struct guest_ops pv_guest_ops;

static bool failing(const char *call)
{
    return fake.fail && !strcmp(fake.fail, call) && fake.boots == fake.fail_boot;
}

static void taken(int n)
{
    __atomic_fetch_add(&fake.live, n, __ATOMIC_RELAXED);
}

/* ---- memory ---- */

int machine_init(uint64_t ram_frames, const char **why)
{
    if (failing("machine_init")) {
        *why = "memfd";
        return -ENOMEM;
    }
    machine.nr_frames = ram_frames + 16;
    machine.first_ram = MFN(16);
    machine.frames = calloc(machine.nr_frames, sizeof(*machine.frames));
    return 0;
}

mfn_t machine_alloc(uint16_t domid, uint64_t nr)
{
    if (failing("machine_alloc") || nr > machine.nr_frames - 16)
        return MFN_INVALID;
    for (uint64_t n = 16; n < 16 + nr; n++)
        machine.frames[n].owner = domid;
    /* The guest takes one more, far from the rest, as ballooning does. */
    machine.frames[machine.nr_frames - 1].owner = domid;
    fake.frames += nr + 1;
    return MFN(16);
}

void machine_free(mfn_t first, uint64_t nr)
{
    for (uint64_t n = first.n; n < first.n + nr; n++)
        machine.frames[n].owner = 0;
    fake.frames -= nr;
}

/* ---- engine ---- */

const char *engine_host_missing(void)
{
    return failing("engine_host_missing") ? "abacus" : NULL;
}

int engine_init(void)
{
    return failing("engine_init") ? -EAGAIN : 0;
}

int engine_exec_prepare(enum engine_exec how, unsigned vcpus, const char **why)
{
    (void)how, (void)vcpus, (void)why;
    return 0;
}

bool engine_exec_has_stubs(void)
{
    return false;
}

struct vcpu *engine_vcpu_create(size_t cache_bytes)
{
    struct vcpu *v;

    (void)cache_bytes;
    if (failing("engine_vcpu_create"))
        return NULL;
    v = calloc(1, sizeof(*v));
    /* A translation cache, which a domain that restarts needs again inside the sandbox. */
    v->engine = mmap(NULL, 65536, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    taken(1);
    return v;
}

void engine_vcpu_destroy(struct vcpu *v)
{
    munmap(v->engine, 65536);
    free(v);
    taken(-1);
}

int engine_thread_start(struct vcpu *v)
{
    if (failing("engine_thread_start") && v->id == v->domain->nr_vcpus - 1)
        return -EPERM;
    taken(1);
    return 0;
}

void engine_thread_stop(struct vcpu *v)
{
    (void)v;
    taken(-1);
}

void engine_stats_get(const struct vcpu *v, struct engine_stats *s)
{
    *s = (struct engine_stats){.blocks = 1000 + v->id, .guest_bytes = 100, .host_bytes = 450};
}

void engine_heavy_call(struct vcpu *v, void (*fn)(void *), void *arg)
{
    (void)v;
    fn(arg);
}

void vcpu_request(struct vcpu *v, uint32_t req)
{
    __atomic_fetch_or(&v->requests, req, __ATOMIC_ACQ_REL);
    __atomic_fetch_add(&v->wake, 1, __ATOMIC_ACQ_REL);
    rawsys_futex_wake(&v->wake, 1);
}

/* ---- panel ---- */

int pv_domain_init(struct domain *d)
{
    if (failing("pv_domain_init"))
        return -ENOMEM;
    d->pv = calloc(1, sizeof(*d->pv));
    taken(1);
    return 0;
}

void pv_domain_destroy(struct domain *d)
{
    free(d->pv);
    taken(-1);
}

int pv_vcpu_init(struct vcpu *v)
{
    if (failing("pv_vcpu_init"))
        return -ENOMEM;
    v->pv = calloc(1, sizeof(*v->pv));
    taken(1);
    return 0;
}

void pv_vcpu_destroy(struct vcpu *v)
{
    free(v->pv);
    taken(-1);
}

static bool backends;

int pv_backends_init(struct domain *d)
{
    (void)d;
    if (failing("pv_backends_init"))
        return -ENOSPC;
    backends = true;
    taken(1);
    return 0;
}

int pv_backends_start(struct domain *d, const struct pv_origin *o)
{
    (void)d, (void)o;
    return failing("pv_backends_start") ? -EAGAIN : 0;
}

/* A guest that obeys does so at once. */
bool pv_backends_ask_poweroff(struct domain *d)
{
    if (fake.obeys)
        domain_shutdown(d, DOMAIN_POWEROFF);
    return fake.listens;
}

void pv_backends_stop(struct domain *d)
{
    (void)d;
    if (backends)
        taken(-1);
    backends = false;
}

int time_domain_init(struct domain *d)
{
    (void)d;
    if (failing("time_domain_init"))
        return -EINVAL;
    fake.boots++; /* the last step of making a domain */
    return 0;
}

int time_vcpu_start(struct vcpu *v)
{
    (void)v;
    if (failing("time_vcpu_start"))
        return -EAGAIN;
    taken(1);
    return 0;
}

void time_vcpu_stop(struct vcpu *v)
{
    (void)v;
    if (!failing("time_vcpu_start"))
        taken(-1);
}

void pv_vcpu_run(struct vcpu *v)
{
    while (!(__atomic_load_n(&v->requests, __ATOMIC_ACQUIRE) & VCPU_REQ_STOP))
        fake.guest(v, fake.boots - 1);
}

void pv_dump(struct vcpu *v)
{
    (void)v;
    dprintf(STDERR_FILENO, "(registers)\n");
}

/* ---- loader ---- */

int kernel_load_fd(int fd, const char *path, struct kernel_image *k, char *why, size_t why_size)
{
    char magic[4];

    if (pread(fd, magic, 4, 0) != 4 || memcmp(magic, "KERN", 4) != 0) {
        snprintf(why, why_size, "%s: is no kernel", path);
        return -1;
    }
    k->elf = malloc(1);
    taken(1);
    return 0;
}

void kernel_free(struct kernel_image *k)
{
    free(k->elf);
    taken(-1);
}

int pv_build(struct domain *d, const struct kernel_image *k, const void *module, size_t module_size,
             const char *cmdline, char *why, size_t why_size)
{
    (void)d, (void)k, (void)module;
    if (failing("pv_build")) {
        snprintf(why, why_size, "needs 64 MiB of memory");
        return -1;
    }
    if (failing("hang")) {
        console_output("ready", 5);
        for (;;)
            usleep(1000);
    }
    fake.module_size = module_size;
    snprintf(fake.cmdline, sizeof(fake.cmdline), "%s", cmdline);
    return 0;
}

/* ---- tracer ---- */

struct trace {
    int fd;
};

struct trace *trace_create(const struct trace_config *config, char *why, size_t why_size)
{
    struct trace *t;

    if (config->filter && !strcmp(config->filter, "nonsense")) {
        snprintf(why, why_size, "'nonsense' is no hypercall");
        return NULL;
    }
    t = malloc(sizeof(*t));
    t->fd = config->fd;
    taken(1);
    return t;
}

int trace_start(struct trace *t, struct domain *d)
{
    if (failing("trace_start"))
        return -EAGAIN;
    d->trace = t;
    return 0;
}

void trace_destroy(struct trace *t)
{
    dprintf(t->fd, "trace ends\n");
    free(t);
    taken(-1);
}
