/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Direct execution's own data: shared by the files of this folder and by nobody else.
 */
#ifndef DIPTYCH_DIRECT_INTERNAL_H
#define DIPTYCH_DIRECT_INTERNAL_H

#include <signal.h>

#include "cpu/xsave.h"
#include "direct/direct.h"
#include "direct/layout.h"
#include "mem/machine.h"

#define STUB_CALLS (STUB_CODE + STUB_CALLS_OFFSET)
#define STUB_STATE (STUB_CODE + STUB_STATE_OFFSET)
#define STUB_END   (STUB_CODE + STUB_END_OFFSET)
#define STUB_STACK (STUB_STATE + STUB_STACK_OFFSET)
#define STUB_PAGES (STUB_END_OFFSET / PAGE_SIZE)

/* Ends user code's stay; who gets it by mistake ignores it. */
#define STUB_KICK_SIGNAL SIGURG

#define USER_END       0x7ffffffff000UL /* the host's TASK_SIZE_MAX with four levels of tables */
#define STUB_MEMORY_FD 0                /* the stub's files: guest memory, */
#define STUB_SLOTS_FD  1                /* and all the slots of its vCPU */

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

/* One is left for what ends them. */
#define STUB_CALLS_MAX (STUB_CALLS_PAGES * PAGE_SIZE / sizeof(struct stub_call) - 1)

#define STUB_CALLS_RESERVE 8u /* of them are state_put()'s */

/* What a signal's frame lacks, on the way out and on the way back. */
struct stub_record {
    uint64_t fs_base, gs_base, new_fs_base, new_gs_base;
    uint64_t flags; /* for POPF */
    uint64_t frame; /* where sigreturn finds it: 8 above its address */
    uint16_t ds, es, fs, gs, new_ds, new_es, new_fs, new_gs;
    uint64_t load; /* the new selectors are to be loaded */
    uint64_t left; /* it is on its way to user code; not yet: 0 */
};

/*
 * A signal's frame (struct rt_sigframe of the kernel's arch/x86/include/asm/sigframe.h; struct ucontext and
 * struct sigcontext_64 of its UAPI headers, which libc's don't get along with).
 */
struct stub_frame {
    uint64_t pretcode, uc_flags, uc_link, stack_sp;
    uint32_t stack_flags, pad;
    uint64_t stack_size;
    uint64_t r8, r9, r10, r11, r12, r13, r14, r15, rdi, rsi, rbp, rbx, rdx, rax, rcx, rsp, rip, eflags;
    uint16_t cs, gs, fs, ss;
    uint64_t err, trapno, oldmask, cr2, fpstate, reserved[8];
    uint64_t mask;
    siginfo_t info;
};

/* What a stub and the hypervisor share. The hypervisor alone writes calls and descs; the state, both. */
struct stub_slot {
    union {
        struct stub_call calls[STUB_CALLS_MAX + 1];
        uint8_t calls_pages[STUB_CALLS_PAGES * PAGE_SIZE];
    };
    uint8_t descs[PAGE_SIZE]; /* struct user_desc, for set_thread_area */
    union {
        struct stub_record record;
        uint8_t state[STUB_STATE_PAGES * PAGE_SIZE];
    };
};

/* ---- stub_code.S: the page of code ---- */
extern const char stub_code[], stub_code_handler[], stub_code_notified[], stub_code_end[];

/* Address in the stub of a label above. */
static inline uint64_t stub_address(const char *label)
{
    return STUB_CODE + (uint64_t)(label - stub_code);
}

/* ---- a process of ours, a stub or a template ---- */

/* How it last stopped. */
struct stub_event {
    unsigned what; /* a signal's number, STUB_DONE or STUB_FAILED */
    uint64_t arg;  /* address of the signal's frame; result of the last call */
};

struct stub {
    int pid;     /* 0: none */
    int pidfd;   /* to see it end */
    uint64_t id; /* of the notification that it waits for an answer to; 0: it runs */
    struct stub_event event;
    unsigned nr_calls; /* that it is to make when it goes on */
    unsigned written;  /* how many are in the slot since it went on last */
    struct stub_slot *slot;
    uint64_t slot_at; /* in the file of slots */
};

/* ---- template.c ---- */

#define SPACES 32u /* a vCPU's stubs */

struct stub_template {
    struct stub stub;
    bool attached;           /* to some vCPU's thread */
    int listener;            /* where it and its stubs stop */
    struct stub_slot *slots; /* [1 + SPACES], the template's own first */
};

struct host {
    struct stub_template template[MAX_VCPUS];
    unsigned nr_templates;
    uint64_t cookie;  /* in the upper half: what a stub's calls have to show */
    bool cpuid_traps; /* CPUID faults in stubs */
    bool umip;        /* SGDT and the like fault in user mode */
    uint64_t xcr0;    /* XCR0 */
    struct xsave_layout xsave;
    bool stays;              /* handing over keeps to the CPU by itself */
    unsigned map_limit;      /* maps and unmaps that a stub may have before it is emptied */
    uint64_t lowest;         /* vm.mmap_min_addr */
    uint8_t sw_reserved[48]; /* of each frame's XSAVE area: what the kernel wants to see there again */
    uint32_t xsave_size;     /* of that area; 0: no frame has been seen yet */
    uint32_t mxcsr_mask;     /* bits of MXCSR that may be set (SDM vol. 1, 11.6.6); AMD's have bit 17 */
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

struct space {
    uint64_t key; /* guest_ops.user_space(); 0: free */
    struct stub stub;
    uint64_t frame, fpstate;    /* where it has its frames, and their XSAVE area */
    int cpu;                    /* that the stub is bound to, or -1 */
    uint32_t flushes, rechecks; /* d->flushes, d->rechecks as of the last check */
    uint64_t last_used;
    unsigned maps; /* since it was empty */
    bool wide;     /* has run 32-bit code */
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

/* So often a vCPU's user code may try what nobody does by accident; then it is translated for good. */
#define FORGERIES_MAX 16u

struct direct {
    uint32_t flushes;  /* own thread */
    uint32_t rechecks; /* any thread */
    int running;       /* stub that runs guest code or is about to; the signal handler's */
    uint32_t slot_bit; /* in frame.direct_vcpus */
    struct stub_template *template;
    struct space space[SPACES];
    bool xcr0_more; /* the host's XCR0 has features that the domain's hasn't; always so, or never */
    struct refused_access refused;
    unsigned nr_regions, max_regions; /* of all spaces */
    uint64_t clock;                   /* counts entries, for last_used */
    bool stays;                       /* handing over keeps to the CPU by itself */
    int cpu;                          /* that this thread is bound to, or -1 */
    /* place.c: whose stub's use of the CPU is being looked at, since when, and how long it has run. */
    const struct space *watched;
    uint64_t watch_tsc, watch_ns, watch_used, watch_ticks;
    uint64_t user_ticks;    /* of user code, in this direct_run() */
    uint64_t shortest;      /* ticks from resuming a stub to its stop, the lowest of late */
    uint64_t shortest_call; /* what a call adds to that, the lowest of late */
    uint64_t cpus[16];      /* where this thread may run, as sched_getaffinity() had it */
    bool no_stubs;          /* the template is gone */
    unsigned flips;         /* how often a page may turn from code to data before it is too often */
    uint64_t flips_since;   /* TSC */
    unsigned forgeries;     /* calls with a wrong cookie, stops that are none of the kernel's making */
    struct stub newborn;    /* has stopped, and isn't known yet */
    struct direct_stats *stats;
};

/* A warning, with the error if there is one, unless it has been said. Any thread. */
void warn_once(bool *said, const char *what, int err);

/* ---- stub.c: processes ---- */

enum stub_stop { STUB_STOPPED, STUB_GONE };

/* Adds a call to those that the stub makes when it goes on; the caller knows that there is room. */
void stub_add_call(struct stub *s, uint64_t nr, uint64_t a, uint64_t b, uint64_t c, uint64_t e, uint64_t f,
                   uint64_t g);

/*
 * Has the stub go on: make the calls that were added, then what ending (CALLS_*) says. False: it isn't where
 * it stopped any more; stub_wait() says why.
 */
bool stub_go(struct direct *d, struct stub *s, int64_t ending);

/*
 * Has a stub that has stopped by itself stop by a signal, with a frame. One that had been stopped by a signal
 * ends.
 */
enum stub_stop stub_refuse(struct direct *d, struct stub *s);

/* Waits until it has stopped. */
enum stub_stop stub_wait(struct direct *d, struct stub *s);

/* Makes the calls now. True, with the last one's result: none failed. False, with 0: the stub is gone. */
bool stub_do_calls(struct direct *d, struct stub *s, long *result);

/* A new stub, in a slot of its own, stopped by a signal. 0 or -errno. */
int stub_make(struct direct *d, struct stub *s, struct stub_slot *slot);
/* Ends it, if it hasn't ended by itself. */
void stub_end(struct direct *d, struct stub *s);

/* ---- state.c: the guest's registers in a stub ---- */

/* Finds out where a new stub has its frame. False: it has none. */
bool state_begin(struct space *sp);
/* The vCPU's state to the stub's frame. False: the host won't have this state. */
bool state_put(struct space *sp, struct vcpu *v, const void *xsave);
/*
 * The other way. STATE_NONE: no kernel has made this frame, and nothing has been taken. STATE_ODD: user code
 * had jumped to the stub's own pages.
 */
enum state { STATE_NONE, STATE_ODD, STATE_TAKEN };
enum state state_take(struct space *sp, struct vcpu *v, void *xsave);

static inline const struct stub_frame *space_frame(const struct space *sp)
{
    return (const struct stub_frame *)(sp->stub.slot->state + (sp->frame - STUB_STATE));
}

/* ---- space.c ---- */

/* The vCPU's current address space, with a stub that has stopped, checked. NULL: none can be had. */
struct space *space_enter(struct direct *d, struct vcpu *v);
/* Forgets the space, whose stub is ended. */
void space_drop(struct direct *d, struct space *sp);

/* Unmaps everything, after a call that failed. False: the stub is gone, or doesn't do as it is told. */
bool space_reset(struct direct *d, struct space *sp);

enum space_miss {
    MISS_MAPPED,    /* go on */
    MISS_FAULT,     /* the guest's tables refuse: v->exit says so */
    MISS_ONE,       /* for the translator to look at */
    MISS_PAGE,      /* the code in the page of rip may not run natively */
    MISS_TRANSLATE, /* it is better to do without us for a while */
    MISS_GONE,      /* the stub is gone */
};

/* A fault of the stub's at address a. What it maps is there when the stub goes on. */
enum space_miss space_miss(struct direct *d, struct space *sp, struct vcpu *v, uint64_t a,
                           enum access access);

/* Maps what was refused last, if it is allowed now: saves a miss. False: the stub is gone. */
bool space_map_refused(struct direct *d, struct space *sp, struct vcpu *v);

/* Whether the code at rip is known to be what may not run natively. */
bool space_refuses(struct space *sp, uint64_t rip);

/* Up to n bytes of code at va that the stub has mapped: how many there are. */
unsigned space_code(struct space *sp, uint64_t va, uint8_t *bytes, unsigned n);

/* ---- scan.c ---- */
/* Before any other. */
void scan_init(void);

/* How to look: also for what 32-bit code must not run; for what shows the host's XCR0 instead of another. */
#define SCAN_32     1u
#define SCAN_XSTATE 2u

/*
 * Whether the page of code has an instruction that must not run natively. The last SCAN_SEAM bytes aren't
 * looked at.
 */
bool scan_refuses(const uint8_t *page, unsigned how);

/* Whether one begins in the last SCAN_SEAM bytes of the page, if the other page follows. */
bool scan_seam_refuses(const uint8_t *page, const uint8_t *next, unsigned how);

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
