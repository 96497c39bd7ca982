/* SPDX-License-Identifier: MIT */
/*
 * A tiny runtime for PV guests: start, console, checks, shutdown.
 *
 * A guest defines guest_main(), which runs on vCPU 0 with traps installed and events masked.  When it
 * returns, the verdict of all check()s goes to the console and the domain powers off; a guest with failed
 * checks ends with SHUTDOWN_crash instead, so that the hypervisor's exit status tells.
 */
#ifndef PVGUEST_RUNTIME_H
#define PVGUEST_RUNTIME_H

#include "pvguest/hypercalls.h"
#include "pvguest/layout.h"

#define MAX_CPUS 32

struct trap_frame;

/* What the runtime keeps of each vCPU, at the bottom of its stack. */
struct pv_cpu {
    unsigned id;
    struct vcpu_info *info;      /* in shared_info */
    uint64_t *catch_save;        /* trap_catch(): registers to go back to, or NULL */
    struct trap_frame *catch_to; /* and where the frame goes */
    void (*fn)(void *);          /* smp.c: what this vCPU is to do */
    void *arg;
};

union cpu_stack {
    struct pv_cpu cpu;
    char bytes[CPU_STACK_SIZE];
};

extern union cpu_stack boot_stack;
extern struct start_info *start_info;   /* as the domain builder left it */
extern struct shared_info *shared_info; /* mapped by the runtime */

static inline struct pv_cpu *this_cpu(void)
{
    uint64_t rsp;

    __asm__("mov %%rsp, %0" : "=r"(rsp));
    return (struct pv_cpu *)(rsp & ~(uint64_t)(CPU_STACK_SIZE - 1));
}

/* Defined by the guest. */
void guest_main(void);

/* The value of "name=" on the command line: a decimal or 0x number; or otherwise. */
uint64_t cmdline_number(const char *name, uint64_t otherwise);

/* ---- console.c ---- */

/* %d %i %u %x %X %p %s %c %%, lengths l, ll and z, field width, 0 and -.  MUST NOT be called before
 * console_init(). */
int printf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
int snprintf(char *buf, size_t size, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
void console_init(void);
void console_write(const char *buf, size_t n);
/* Waits until the backend has taken all output, at most some seconds. */
void console_drain(void);

/* ---- checks ---- */
extern unsigned checks_done, checks_failed;

/* Counts one check, and says so on the console if it failed. */
void check_at(const char *file, int line, bool ok, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
#define check(ok, ...) check_at(__FILE__, __LINE__, (ok), __VA_ARGS__)

/* Two integers must agree; both are printed if they don't. */
#define check_eq(got, want, what)                                                                        \
    do {                                                                                                 \
        long got_ = (long)(got), want_ = (long)(want);                                                   \
        check(got_ == want_, "%s: got %ld (0x%lx), want %ld (0x%lx)", (what), got_, got_, want_, want_); \
    } while (0)

/* ---- the end ---- */
_Noreturn void shutdown(unsigned reason); /* SHUTDOWN_* */
_Noreturn void panic(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* ---- libc's four, which the compiler may call ---- */
void *memcpy(void *to, const void *from, size_t n);
void *memmove(void *to, const void *from, size_t n);
void *memset(void *to, int c, size_t n);
int memcmp(const void *a, const void *b, size_t n);
size_t strlen(const char *s);

/* ---- time ---- */
uint64_t tsc_read(void);
uint64_t system_time_ns(void); /* by the pvclock of this vCPU */

#endif
