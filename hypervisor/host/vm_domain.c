/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Making a domain: its frames, its CPUs, the kernel in its memory; and giving all of it back, so that a guest
 * that reboots gets a domain as fresh as the first.
 */
#include "host/vm_domain.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/debug.h"
#include "base/rawsys.h"
#include "cpu/cpu_policy.h"
#include "engine/engine.h"
#include "loader/loader.h"
#include "pv/panel.h"
#include "pv/trace.h"

/* The first domain; 0 would be the control domain, which no guest here is. */
/* A guest that reboots is another domain, as on Xen. FIRST_RESERVED_DOMID is DOMID_FIRST_RESERVED of
 * xen/xen.h. */
#define FIRST_DOMID          1
#define FIRST_RESERVED_DOMID 0x7ff0
static int next_domid = FIRST_DOMID;

__attribute__((format(printf, 3, 4))) static int fail(struct vm_failure *f, enum exit_status status,
                                                      const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(f->why, sizeof(f->why), fmt, ap);
    va_end(ap);
    f->status = status;
    return -1;
}

/* ---- files ---- */

/* Contents of a vm_file while a domain is made: a mapping of our own, or what is kept. */
struct contents {
    void *p;
    size_t size;
    bool owned;
};

static void contents_free(struct contents *c)
{
    if (c->owned)
        munmap(c->p, c->size);
}

/* Reads a regular file from its start.  Read, not mapped: nobody can shorten it under us. */
static int file_read(const struct vm_file *file, const char *what, struct contents *c, struct vm_failure *f)
{
    struct stat st = {0};
    long err;

    if (file->kept) {
        *c = (struct contents){.p = file->kept, .size = file->size};
        return 0;
    }
    err = rawsys_fstat(file->fd, &st);
    if (err)
        return fail(f, EXIT_STATUS_IMAGE, "%s %s: %s", what, file->path, strerror((int)-err));
    if (!st.st_size)
        return fail(f, EXIT_STATUS_IMAGE, "%s %s is empty; make it again", what, file->path);
    c->size = (size_t)st.st_size;
    c->owned = true;
    c->p = mmap(NULL, c->size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (c->p == MAP_FAILED)
        return fail(f, EXIT_STATUS_HOST, "no memory for the %s %s (%zu bytes): %s", what, file->path, c->size,
                    strerror(errno));
    for (size_t done = 0; done < c->size;) {
        ssize_t n = pread(file->fd, (char *)c->p + done, c->size - done, (off_t)done);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            int error = errno;

            contents_free(c);
            return fail(f, EXIT_STATUS_IMAGE, "%s %s: %s", what, file->path,
                        n ? strerror(error) : "became shorter while it was read; try again");
        }
        done += (size_t)n;
    }
    return 0;
}

/* Reads a pipe or device to its end, once. */
static int file_keep(struct vm_file *file, const char *what, struct vm_failure *f)
{
    size_t room = 0;

    for (;;) {
        ssize_t n;

        if (file->size == room) {
            void *p;

            room = room ? 2 * room : 1 << 20;
            p = room <= VM_MEMORY_MAX ? realloc(file->kept, room) : NULL;
            if (!p)
                return fail(f, EXIT_STATUS_HOST, "no memory for the %s %s (over %zu bytes)", what, file->path,
                            file->size);
            file->kept = p;
        }
        n = read(file->fd, (char *)file->kept + file->size, room - file->size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return fail(f, EXIT_STATUS_IMAGE, "%s %s: %s", what, file->path, strerror(errno));
        if (!n)
            break;
        file->size += (size_t)n;
    }
    if (!file->size)
        return fail(f, EXIT_STATUS_IMAGE, "%s %s is empty; make it again", what, file->path);
    return 0;
}

static int file_open(struct vm_file *file, const char *path, const char *what, bool keep,
                     struct vm_failure *f)
{
    struct stat st;

    file->path = path;
    file->fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (file->fd < 0)
        return fail(f, EXIT_STATUS_IMAGE, "%s %s: %s", what, path, strerror(errno));
    if (fstat(file->fd, &st))
        return fail(f, EXIT_STATUS_IMAGE, "%s %s: %s", what, path, strerror(errno));
    if (S_ISDIR(st.st_mode))
        return fail(f, EXIT_STATUS_IMAGE, "%s %s is a directory; name a file", what, path);
    if (keep && !S_ISREG(st.st_mode))
        return file_keep(file, what, f);
    return 0;
}

static int output_open(int *fd, const char *path, struct vm_failure *f)
{
    int own;

    if (!path)
        return 0;
    own = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC | O_NOCTTY, 0666);
    if (own < 0)
        return fail(f, EXIT_STATUS_HOST, "%s: %s", path, strerror(errno));
    *fd = own;
    return 0;
}

int vm_files_open(struct vm_files *files, const struct vm_config *c, struct vm_failure *f)
{
    *files = (struct vm_files){
        .kernel.fd = -1, .ramdisk.fd = -1, .trace_fd = STDERR_FILENO, .debug_fd = STDERR_FILENO};
    if (file_open(&files->kernel, c->kernel, "kernel", false, f) ||
        (c->ramdisk && file_open(&files->ramdisk, c->ramdisk, "initrd", true, f)) ||
        output_open(&files->trace_fd, c->trace_file, f) || output_open(&files->debug_fd, c->debug_file, f)) {
        vm_files_close(files);
        return -1;
    }
    return 0;
}

void vm_files_close(struct vm_files *files)
{
    struct vm_file *all[] = {&files->kernel, &files->ramdisk};

    for (unsigned i = 0; i < ARRAY_SIZE(all); i++) {
        if (all[i]->fd >= 0)
            close(all[i]->fd);
        free(all[i]->kept);
        *all[i] = (struct vm_file){.fd = -1};
    }
    if (files->trace_fd > STDERR_FILENO)
        close(files->trace_fd);
    if (files->debug_fd > STDERR_FILENO)
        close(files->debug_fd);
    files->trace_fd = files->debug_fd = STDERR_FILENO;
}

/* ---- making ---- */

static int domain_memory(struct domain *d, const struct vm_config *c, struct vm_failure *f)
{
    d->nr_pages = c->memory >> PAGE_SHIFT;
    d->max_pages = c->maxmem >> PAGE_SHIFT;
    d->first_mfn = machine_alloc(d->domid, d->nr_pages);
    if (d->first_mfn.n == MFN_INVALID.n) {
        d->nr_pages = 0;
        return fail(f, EXIT_STATUS_HOST, "no memory for a guest of %luM; try a smaller --memory",
                    c->memory >> 20);
    }
    return 0;
}

static int domain_cpus(struct domain *d, const struct vm_config *c, struct vm_failure *f)
{
    struct cpu_policy *policy = calloc(1, sizeof(*policy));
    struct cpu_source source;
    char why[200];
    int err;

    if (!policy)
        return fail(f, EXIT_STATUS_HOST, "out of memory");
    d->cpu_policy = policy;
    cpu_source_host(&source);
    if (cpu_policy_build(policy, &source, c->vcpus, c->cpu_mask, why, sizeof(why)))
        return fail(f, EXIT_STATUS_USAGE, "--cpu: %s", why);
    d->nr_vcpus = c->vcpus;
    err = pv_domain_init(d);
    if (err)
        return fail(f, EXIT_STATUS_HOST, "setting up the domain: %s", strerror(-err));
    for (unsigned i = 0; i < c->vcpus; i++) {
        struct vcpu *v = engine_vcpu_create(0);

        if (!v)
            return fail(f, EXIT_STATUS_HOST,
                        "no memory for vCPU %u; try fewer --vcpus, and check 'ulimit -v'", i);
        v->id = i;
        v->domain = d;
        v->ops = &pv_guest_ops;
        d->vcpu[i] = v;
        err = pv_vcpu_init(v);
        if (err)
            return fail(f, EXIT_STATUS_HOST, "setting up vCPU %u: %s", i, strerror(-err));
    }
    return 0;
}

static int domain_kernel(struct domain *d, const struct vm_config *c, struct vm_files *files,
                         struct vm_failure *f)
{
    struct contents ramdisk = {.p = NULL};
    struct kernel_image kernel;
    char why[300];
    int err;

    if (kernel_load_fd(files->kernel.fd, files->kernel.path, &kernel, why, sizeof(why)))
        return fail(f, EXIT_STATUS_IMAGE, "kernel %s", why);
    if (files->ramdisk.fd >= 0 && file_read(&files->ramdisk, "initrd", &ramdisk, f)) {
        kernel_free(&kernel);
        return -1;
    }
    err = pv_build(d, &kernel, ramdisk.p, ramdisk.size, c->cmdline ? c->cmdline : "", why, sizeof(why));
    contents_free(&ramdisk);
    kernel_free(&kernel);
    return err ? fail(f, EXIT_STATUS_IMAGE, "kernel %s: %s", c->kernel, why) : 0;
}

static int domain_trace(struct domain *d, const struct vm_config *c, int fd, struct vm_failure *f)
{
    const struct trace_config config = {
        .filter = c->trace_filter,
        .fd = fd,
        .lines = c->trace,
        .summary = c->trace_summary,
    };
    char why[200];
    struct trace *t;
    int err;

    if (!c->trace && !c->trace_summary)
        return 0;
    t = trace_create(&config, why, sizeof(why));
    if (!t)
        return fail(f, EXIT_STATUS_USAGE, "--trace: %s", why);
    err = trace_start(t, d);
    if (err) {
        trace_destroy(t);
        return fail(f, EXIT_STATUS_HOST, "starting the tracer: %s", strerror(-err));
    }
    return 0;
}

/* RFC 4122, version 4. */
static void uuid_make(uint8_t uuid[16])
{
    if (getrandom(uuid, 16, 0) != 16)
        memset(uuid, 0, 16); /* the nil UUID; getrandom() of 16 bytes fails on no supported host */
    uuid[6] = (uuid[6] & 0x0f) | 0x40;
    uuid[8] = (uuid[8] & 0x3f) | 0x80;
}

struct domain *vm_domain_create(const struct vm_config *c, struct vm_files *files, struct vm_failure *f)
{
    struct domain *d = aligned_alloc(64, (sizeof(*d) + 63) & ~63UL);
    int err;

    if (!d) {
        fail(f, EXIT_STATUS_HOST, "out of memory");
        return NULL;
    }
    memset(d, 0, sizeof(*d));
    d->domid = (uint16_t)next_domid;
    next_domid = next_domid + 1 < FIRST_RESERVED_DOMID ? next_domid + 1 : FIRST_DOMID;
    d->end = DOMAIN_RUNNING;
    d->console_io = debug_on(DEBUG_CONSOLE_IO);
    snprintf(d->name, sizeof(d->name), "%s", c->name);
    if (c->uuid_set)
        memcpy(d->uuid, c->uuid, sizeof(d->uuid));
    else
        uuid_make(d->uuid);
    if (domain_memory(d, c, f) || domain_cpus(d, c, f) || domain_trace(d, c, files->trace_fd, f))
        goto fail;
    err = pv_backends_init(d);
    if (err) {
        fail(f, EXIT_STATUS_HOST, "setting up the console and the store: %s", strerror(-err));
        goto fail;
    }
    if (domain_kernel(d, c, files, f))
        goto fail;
    err = time_domain_init(d);
    if (err) {
        fail(f, EXIT_STATUS_HOST, "clock: %s", strerror(-err));
        goto fail;
    }
    return d;
fail:
    vm_domain_destroy(d);
    return NULL;
}

/* ---- taking apart ---- */

static void domain_free_frames(uint16_t domid)
{
    for (uint64_t n = machine.first_ram.n; n < machine.nr_frames;) {
        uint64_t end = n;

        while (end < machine.nr_frames && machine.frames[end].owner == domid)
            end++;
        if (end > n)
            machine_free(MFN(n), end - n);
        n = end + 1;
    }
}

void vm_domain_destroy(struct domain *d)
{
    if (d->pv)
        pv_backends_stop(d); /* for domains that never came to life */
    if (d->trace)
        trace_destroy(d->trace);
    for (unsigned i = 0; i < d->nr_vcpus; i++) {
        struct vcpu *v = d->vcpu[i];

        if (!v)
            continue;
        if (v->pv)
            pv_vcpu_destroy(v);
        engine_vcpu_destroy(v);
        d->vcpu[i] = NULL;
    }
    if (d->pv)
        pv_domain_destroy(d);
    domain_free_frames(d->domid);
    free((void *)(uintptr_t)d->cpu_policy);
    free(d);
}
