/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Direct execution's own data: shared by the files of this folder and by nobody else.
 */
#ifndef DIPTYCH_DIRECT_INTERNAL_H
#define DIPTYCH_DIRECT_INTERNAL_H

#include "direct/direct.h"
#include "mem/machine.h"

/*
 * Where a stub has what is its own: a page of code, then the calls that the code is to make. Far from where
 * programs put anything; if a guest's does, it runs in the translator.
 */
#define STUB_CODE        0x4f0000000000UL
#define STUB_CALLS       (STUB_CODE + PAGE_SIZE)
#define STUB_CALLS_PAGES 4u
#define STUB_END         (STUB_CALLS + STUB_CALLS_PAGES * PAGE_SIZE)

#define USER_END       0x7ffffffff000UL /* the host's TASK_SIZE_MAX with four levels of tables */
#define STUB_MEMORY_FD 0                /* the stub's only open file: guest memory */

/* The host's selectors for user mode (asm/segment.h). */
#define HOST_CS_32    0x23
#define HOST_DS       0x2b
#define HOST_CS_64    0x33
#define HOST_TLS      0x63 /* the first of HOST_TLS_NR */
#define HOST_TLS_NR   3u
#define HOST_TLS_SLOT 12u /* its number in the GDT */

static inline bool segment_is_tls(uint16_t selector)
{
    return selector >= HOST_TLS && selector < HOST_TLS + 8 * HOST_TLS_NR && (selector & 7) == 3;
}

/* A system call that the stub makes for us. */
struct stub_call {
    uint64_t nr, arg[6];
};

#define STUB_CALLS_MAX (STUB_CALLS_PAGES * PAGE_SIZE / sizeof(struct stub_call))

/* ---- stub_code.S: the page of code ---- */
extern const char stub_code[], stub_code_flags[], stub_code_calls[], stub_code_done[], stub_code_close[],
    stub_code_park[], stub_code_end[];

/* Address in the stub of a label above. */
static inline uint64_t stub_address(const char *label)
{
    return STUB_CODE + (uint64_t)(label - stub_code);
}

/*
 * What PTRACE_GETREGS and PTRACE_SETREGS transfer (struct user_regs_struct of asm/user_64.h; libc's header
 * has a PAGE_SIZE of its own).
 */
struct stub_regs {
    uint64_t r15, r14, r13, r12, rbp, rbx, r11, r10, r9, r8, rax, rcx, rdx, rsi, rdi, orig_rax, rip, cs,
        eflags, rsp, ss;
    uint64_t fs_base, gs_base, ds, es, fs, gs;
};

/* ---- template.c ---- */
struct stub_template {
    int pid;                 /* 0: gone */
    bool attached;           /* to some vCPU's thread */
    struct stub_call *calls; /* STUB_CALLS_MAX of them, which the stub sees at STUB_CALLS */
};

struct host {
    struct stub_template template[MAX_VCPUS];
    unsigned nr_templates;
    bool cpuid_traps;   /* CPUID faults in stubs */
    bool umip;          /* SGDT and the like fault in user mode */
    bool xcr0_more;     /* XCR0 has features that guests don't get */
    unsigned map_limit; /* maps and unmaps that a stub may have before it is emptied */
    uint64_t lowest;    /* vm.mmap_min_addr */
    bool xsavec;        /* the kernel keeps state in the compacted format */
    size_t xsave_size;  /* of PTRACE_SETREGSET(NT_X86_XSTATE) */
};

extern struct host host;

struct stub_template *template_take(void);
void template_give_back(struct stub_template *t);

/* ---- a guest's address space, as far as its stub has it mapped ---- */

/* In region.page[], beside USER_PAGE_*. */
#define PAGE_REFUSED 8u /* holds code that may not run natively: never mapped executable */

struct region {
    uint64_t va;
    struct user_region tables;        /* as of when page[] was last compared with them */
    struct region *next;              /* in the same bucket */
    unsigned used;                    /* pages that aren't 0 */
    uint64_t page[USER_REGION_PAGES]; /* as user_pages() has them, with the rights that are mapped */
};

/*
 * A vCPU's stubs have at most that many regions mapped, and twice as many as there is memory: a guest may
 * show the same tables, and so its memory, at as many addresses as it likes.
 */
#define REGIONS_MIN 1024u

#define REGION_BUCKETS 256u
#define SPACES         32u

struct space {
    uint64_t key;               /* guest_ops.user_space(); 0: free */
    int pid;                    /* its stub */
    bool dying;                 /* which has been killed */
    int cpu;                    /* that the stub is bound to, or -1 */
    uint32_t flushes, rechecks; /* d->flushes, d->rechecks as of the last check */
    uint64_t last_used;
    unsigned maps;    /* since it was empty */
    bool wide;        /* has run 32-bit code */
    uint64_t flag_id; /* FLAG_ID as it is in the stub */
    struct region *bucket[REGION_BUCKETS];
    struct segment tls[HOST_TLS_NR]; /* as they are set in the stub; all zero: not present */
};

/*
 * An access that the guest's tables didn't allow: most often the guest's kernel changes them, and it is tried
 * again.
 */
struct refused_access {
    const struct space *space; /* NULL: none */
    uint64_t va;
    enum access access;
};

struct direct {
    uint32_t flushes;  /* own thread */
    uint32_t rechecks; /* any thread */
    int running;       /* stub that runs guest code or is about to; the signal handler's */
    uint32_t slot_bit; /* in frame.direct_vcpus */
    struct stub_template *template;
    struct space space[SPACES];
    struct refused_access refused;
    unsigned nr_regions, max_regions; /* of all spaces */
    uint64_t clock;                   /* counts entries, for last_used */
    unsigned nr_calls;
    struct stub_regs regs;   /* the guest's, in the stub that stopped last */
    struct space *fpu_space; /* whose stub has the vector state that is in fpu[], or NULL */
    uint8_t *fpu;            /* host.xsave_size bytes */
    int cpu;                 /* that this thread is bound to, or -1 */
    /* place.c: whose stub's use of the CPU is being looked at, since when, and how long it has run. */
    const struct space *watched;
    uint64_t watch_tsc, watch_ns, watch_used, watch_ticks;
    uint64_t user_ticks;  /* of user code, in this direct_run() */
    uint64_t shortest;    /* ticks from resuming a stub to its stop, the lowest of late */
    uint64_t cpus[16];    /* where this thread may run, as sched_getaffinity() had it */
    bool no_stubs;        /* the template is gone */
    unsigned flips;       /* how often a page may turn from code to data before it is too often */
    uint64_t flips_since; /* TSC */
    struct direct_stats *stats;
};

/* A warning, with the error if there is one, unless it has been said. Any thread. */
void warn_once(bool *said, const char *what, int err);

/* ---- stub.c: processes ---- */

enum stub_stop { STUB_STOPPED, STUB_DYING, STUB_GONE };

/* Waits for the stub to stop. STUB_DYING: stopped for the last time, its registers can be read. */
enum stub_stop stub_wait(int pid, int *status);

/*
 * Whether a stopped stub has been killed meanwhile, and has stopped on its way out: resumed now, it would be
 * gone without a word.
 */
bool stub_is_dying(int pid);

/* Whether a signal waits for the stopped stub to go on. */
bool stub_has_signal(int pid);

/*
 * Makes the stub execute the d->nr_calls calls in d's array, which is empty afterwards, up to the first that
 * fails. The number of those that didn't; *result is what the last one returned. -1: the stub is dying, or
 * gone.
 */
int stub_do_calls(struct direct *d, int pid, long *result, int *child);

/*
 * Has the stub give its RFLAGS.ID this value (FLAG_ID or 0), which ptrace can't. False: it is dying, or gone.
 */
bool stub_set_flag_id(struct direct *d, int pid, uint64_t id);

/* Adds a call; the caller knows that there is room. */
void stub_add_call(struct direct *d, uint64_t nr, uint64_t a, uint64_t b, uint64_t c, uint64_t e, uint64_t f,
                   uint64_t g);

/* Attaches to a template. 0 or -errno. */
int stub_attach(struct direct *d, int pid);
void stub_detach(struct direct *d, int pid);

/* A new stub; -errno. */
int stub_make(struct direct *d);
/* Ends it. */
void stub_end(struct direct *d, int pid);
/* Lets one die that is dying, and is rid of it. */
void stub_reap(int pid);

long stub_ptrace(long request, int pid, const void *addr, void *data);

/*
 * The same for asking a stopped stub about its state: if somebody has killed it meanwhile it stops once more
 * on its way out, with the same state, and is asked there; sp->dying says so then. -ESRCH: there is nothing
 * left of it.
 */
long stub_ask(long request, struct space *sp, const void *addr, void *data);

#define XFEATURES 7u /* x87, SSE, AVX: what a guest's XCR0 may have (cpu/cpu_policy.h) */

/* ---- state.c: the guest's registers in a stub ---- */
/*
 * The vCPU's vector state to the stub, its general registers to d->regs. 0, -EINVAL: the host won't have this
 * state, -ESRCH: the stub is gone.
 */
int state_put(struct direct *d, struct space *sp, struct vcpu *v, void *xsave);
/* Fetches general registers into d->regs. False: the stub is gone. */
bool state_fetch(struct direct *d, struct space *sp);
/*
 * From d->regs and the stub's vector state to the vCPU. False: the stub is gone, and with it the vector
 * state.
 */
bool state_take(struct direct *d, struct space *sp, struct vcpu *v, void *xsave);

/* ---- space.c ---- */

/* The vCPU's current address space, with a stub, checked. NULL: none can be had. */
struct space *space_enter(struct direct *d, struct vcpu *v);
/* Forgets the space, whose stub is ended; gone: it is dying, or gone, already. */
void space_drop(struct direct *d, struct space *sp, bool gone);

enum space_miss {
    MISS_MAPPED,    /* go on */
    MISS_ONE,       /* for the translator to look at: the guest's tables refuse, or we don't know */
    MISS_PAGE,      /* the code in the page of rip may not run natively */
    MISS_TRANSLATE, /* it is better to do without us for a while */
    MISS_GONE,      /* the stub is dying, or gone */
};

/* A memory fault at address a of the instruction at rip. */
enum space_miss space_miss(struct direct *d, struct space *sp, struct vcpu *v, uint64_t a, uint64_t rip);

/* Maps what was refused last, if it is allowed now: saves a miss. False: the stub is dying, or gone. */
bool space_map_refused(struct direct *d, struct space *sp, struct vcpu *v);

/* Whether the code at rip is known to be what may not run natively. */
bool space_refuses(struct space *sp, uint64_t rip);

/* Up to n bytes of code at va that the stub has mapped: how many there are. */
unsigned space_code(struct space *sp, uint64_t va, uint8_t *bytes, unsigned n);

/* ---- scan.c ---- */
/* Before any other. */
void scan_init(void);

/*
 * Whether the page of code has an instruction that must not run natively; wide: in 32-bit code, too. The last
 * SCAN_SEAM bytes aren't looked at.
 */
bool scan_refuses(const uint8_t *page, bool wide);

/* Whether one begins in the last SCAN_SEAM bytes of the page, if the other page follows. */
bool scan_seam_refuses(const uint8_t *page, const uint8_t *next, bool wide);

#define SCAN_SEAM 2u /* an instruction that we look for is known by three bytes */

/* ---- place.c (light) ---- */
void place_init(struct direct *d);
/* Before the stub is resumed: it and this thread on one CPU. */
void place_before(struct direct *d, struct space *sp);
/* After it has stopped, ticks of the TSC later. */
void place_after(struct direct *d, struct space *sp, uint64_t ticks);
/* This thread may run anywhere again. */
void place_release(struct direct *d);

#endif
