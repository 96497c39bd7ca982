/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See backend_fakes.h. */
#include "backend_fakes.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "host/console.h"

#define FRAMES     (FAKE_DOMAINS + 1)
#define PORTS      16
#define OUTPUT_MAX (1 << 20)
#define PATIENCE_S 10

struct machine machine;
struct domain fake_domain[FAKE_DOMAINS];

static struct pv_domain pv_domains[FAKE_DOMAINS];
static struct frame frames[FRAMES];
static struct {
    void (*handler)(void *);
    void *arg;
    unsigned raised;
} ports[PORTS];
static unsigned nr_ports;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static char output[OUTPUT_MAX + 1];
static size_t output_len;
static bool output_blocked;
static int input_pipe[2];

void fake_backends_setup(void)
{
    machine = (struct machine){.nr_frames = FRAMES, .frames = frames};
    machine.base_hva =
        mmap(NULL, FRAMES * PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (machine.base_hva == MAP_FAILED || pipe(input_pipe) || fcntl(input_pipe[0], F_SETFL, O_NONBLOCK))
        abort();
    memset(frames, 0, sizeof(frames));
    memset(ports, 0, sizeof(ports));
    nr_ports = 1;
    for (unsigned i = 0; i < FAKE_DOMAINS; i++) {
        pv_domains[i] = (struct pv_domain){.console_mfn = MFN(i + 1), .store_mfn = MFN(i + 1)};
        fake_domain[i] = (struct domain){.domid = (uint16_t)(i + 1),
                                         .name = "guest",
                                         .nr_vcpus = 2,
                                         .pv = &pv_domains[i],
                                         .end = DOMAIN_RUNNING};
        frames[i + 1].owner = (uint16_t)(i + 1);
    }
    output_len = 0;
    output_blocked = false;
}

void fake_backends_teardown(void)
{
    munmap(machine.base_hva, FRAMES * PAGE_SIZE);
    close(input_pipe[0]);
    close(input_pipe[1]);
}

void *fake_ring(unsigned domain)
{
    return machine_hva(MFN(domain + 1));
}

void fake_notify(unsigned port)
{
    ports[port].handler(ports[port].arg);
}

unsigned fake_raised(unsigned port)
{
    unsigned n;

    pthread_mutex_lock(&lock);
    n = ports[port].raised;
    pthread_mutex_unlock(&lock);
    return n;
}

static struct timespec patience(void)
{
    struct timespec t;

    clock_gettime(CLOCK_REALTIME, &t);
    t.tv_sec += PATIENCE_S;
    return t;
}

bool fake_wait_raised(unsigned port, unsigned n)
{
    struct timespec until = patience();
    bool ok;

    pthread_mutex_lock(&lock);
    while (ports[port].raised <= n && !pthread_cond_timedwait(&changed, &lock, &until))
        ;
    ok = ports[port].raised > n;
    pthread_mutex_unlock(&lock);
    return ok;
}

unsigned fake_frame_refs(unsigned domain)
{
    return frames[domain + 1].ref_count;
}

const char *fake_output(size_t n)
{
    struct timespec until = patience();

    pthread_mutex_lock(&lock);
    while (output_len < n && !pthread_cond_timedwait(&changed, &lock, &until))
        ;
    output[output_len] = '\0';
    pthread_mutex_unlock(&lock);
    return output;
}

void fake_output_block(bool block)
{
    pthread_mutex_lock(&lock);
    output_blocked = block;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
}

void fake_type(const char *s)
{
    size_t n = strlen(s);

    if (write(input_pipe[1], s, n) != (ssize_t)n)
        abort();
}

/* ---- what the files under test call ---- */

int evtchn_alloc_backend(struct domain *d, unsigned vcpu, void (*handler)(void *), void *arg)
{
    (void)d;
    (void)vcpu;
    ports[nr_ports].handler = handler;
    ports[nr_ports].arg = arg;
    return (int)nr_ports++;
}

void evtchn_raise(struct domain *d, unsigned port)
{
    (void)d;
    pthread_mutex_lock(&lock);
    ports[port].raised++;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
}

int mm_get_page(struct domain *d, mfn_t m, enum frame_type type)
{
    if (!d->mm_lock.state || !machine_valid(m) || frames[m.n].owner != d->domid || type != FRAME_WRITABLE)
        return -22;
    frames[m.n].ref_count++;
    return 0;
}

void mm_put_page(struct domain *d, mfn_t m, enum frame_type type)
{
    if (!d->mm_lock.state || type != FRAME_WRITABLE || !frames[m.n].ref_count)
        abort();
    frames[m.n].ref_count--;
}

void console_output(const void *p, size_t n)
{
    pthread_mutex_lock(&lock);
    while (output_blocked)
        pthread_cond_wait(&changed, &lock);
    if (n > OUTPUT_MAX - output_len)
        n = OUTPUT_MAX - output_len;
    memcpy(output + output_len, p, n);
    output_len += n;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
}

size_t console_input(void *p, size_t n)
{
    ssize_t got = read(input_pipe[0], p, n);

    return got > 0 ? (size_t)got : 0;
}

int console_input_fd(void)
{
    return input_pipe[0];
}
