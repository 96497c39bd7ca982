/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A domain: one virtual machine.
 */
#ifndef DIPTYCH_CPU_DOMAIN_H
#define DIPTYCH_CPU_DOMAIN_H

#include "base/lock.h"
#include "cpu/vcpu.h"
#include "mem/machine.h"

/* Why a domain stopped; values of SHUTDOWN_* (xen/sched.h), plus our own. */
enum domain_end {
    DOMAIN_RUNNING = -1,
    DOMAIN_POWEROFF = 0,
    DOMAIN_REBOOT = 1,
    DOMAIN_SUSPEND = 2,
    DOMAIN_CRASH = 3,
    DOMAIN_WATCHDOG = 4,
    DOMAIN_SOFT_RESET = 5,
    DOMAIN_KILLED = 64, /* by the user or a host signal */
};

struct cpu_policy;
struct pv_domain;
struct trace;

struct domain {
    uint16_t domid;
    char name[64];
    uint8_t uuid[16];
    unsigned nr_vcpus;
    struct vcpu *vcpu[MAX_VCPUS];
    uint64_t nr_pages;  /* frames owned now */
    uint64_t max_pages; /* limit for XENMEM_populate_physmap / increase_reservation */
    mfn_t first_mfn;    /* domain builder's contiguous extent: pfn p starts out as first_mfn + p */
    lock_t mm_lock;     /* frames' types and counts, page-table writes */
    const struct cpu_policy *cpu_policy; /* set before vCPUs run, then read-only */
    struct pv_domain *pv;
    struct trace *trace;  /* NULL unless hypercalls are traced */
    int end;              /* any thread: enum domain_end */
    int end_futex;        /* woken when end changes */
    char end_reason[160]; /* one sentence, for crashes */
    bool quiet_crash;     /* tests: no register dump */
    bool console_io;      /* CONSOLEIO_write is allowed and goes to stderr (--debug console_io) */
};

/*
 * Ends the domain: the first call wins. All vCPUs leave their run loops soon. Any thread, light.
 */
void domain_shutdown(struct domain *d, enum domain_end how);

/*
 * The guest did something that no error code can answer: ends the domain with DOMAIN_CRASH and one sentence
 * that says what it did ("triple fault: no handler for vector"). reason is a string constant; value is
 * appended in hex. Prints the register dump of v: the caller's own vCPU, or NULL. Callable from light code.
 */
void domain_crash(struct domain *d, struct vcpu *v, const char *reason, uint64_t value);

/*
 * VCPUOP_up: v->online has just been set; starts the vCPU's host thread, or wakes it where it waits offline.
 * The caller is another vCPU's thread. Light.
 */
void domain_vcpu_online(struct vcpu *v);

/* Parks the calling vCPU's own thread until v->online; false when the domain has ended. Light. */
bool domain_vcpu_wait_online(struct vcpu *v);

/*
 * Prints the state of a crashed domain's vCPU; heavy. Set once by who makes domains (host/vm.c: pv_dump());
 * NULL: none.
 */
extern void (*domain_dump)(struct vcpu *v);

static inline bool domain_ended(const struct domain *d)
{
    return __atomic_load_n(&d->end, __ATOMIC_ACQUIRE) != DOMAIN_RUNNING;
}

#endif
