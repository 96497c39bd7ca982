// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The child's half of the oracle.
 *
 * A case starts with rt_sigreturn() from a hand-made signal frame, which loads every register at once (flags,
 * CS and XSAVE state included), and ends in a signal handler, whose frame holds every register at the moment
 * of the fault. FS and GS bases belong to the case while it runs, so no code between setup() and the end of
 * the process may touch thread-local storage: no libc calls, no stack protector (mk/cputest.mk), system
 * calls by native_syscall().
 *
 * The sandbox: a seccomp filter lets through four system calls, from native_syscall() and friends
 * only (by instruction pointer); any other ends as SIGSYS and is an outcome like others. A case that runs
 * wild finds nothing mapped at addresses it could know. Signals are blocked while the child's own code runs,
 * so a fault of our own kills the child rather than looping.
 */
#include "native.h"

#include <asm/ldt.h>
#include <asm/prctl.h>
#include <err.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/futex.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <ucontext.h>
#include <unistd.h>

/* ---- machine code ---- */

long native_syscall(long nr, long a, long b, long c, long d);
void native_restorer(void);
/* Enters the case of a signal frame; comes back when native_leave() is called from the handler. */
void native_enter(void *uc, long fs_selector, long gs_selector, uint64_t fs_base, uint64_t gs_base);
_Noreturn void native_leave(void);
extern const char native_text_start[], native_text_end[];
extern uint64_t native_host_fs;

__asm__(".pushsection .text\n"
        ".balign 64\n"
        "native_text_start:\n"
        "native_syscall:\n"
        "    mov %rdi, %rax\n"
        "    mov %rsi, %rdi\n"
        "    mov %rdx, %rsi\n"
        "    mov %rcx, %rdx\n"
        "    mov %r8, %r10\n"
        "    syscall\n"
        "    ret\n"
        "native_restorer:\n"
        "    mov $15, %eax\n" /* rt_sigreturn */
        "    syscall\n"
        "native_enter:\n"
        "    push %rbx\n"
        "    push %rbp\n"
        "    push %r12\n"
        "    push %r13\n"
        "    push %r14\n"
        "    push %r15\n"
        "    mov %rsp, native_host_rsp(%rip)\n"
        "    mov %rdi, %rbx\n"
        "    mov %r8, %rbp\n"
        "    test %esi, %esi\n"
        "    jz 1f\n"
        "    mov %esi, %fs\n"
        "    mov %edx, %gs\n"
        "    jmp 2f\n"
        "1:  mov %rcx, %rsi\n"
        "    mov $0x1002, %edi\n" /* ARCH_SET_FS */
        "    mov $158, %eax\n"    /* arch_prctl */
        "    syscall\n"
        "    mov %rbp, %rsi\n"
        "    mov $0x1001, %edi\n" /* ARCH_SET_GS */
        "    mov $158, %eax\n"
        "    syscall\n"
        "2:  mov %rbx, %rsp\n"
        "    mov $15, %eax\n"
        "    syscall\n"
        "native_leave:\n"
        "    pushq $2\n"
        "    popfq\n" /* rt_sigreturn would leave NT and ID as they are */
        "    mov $0x2b, %eax\n"
        "    mov %eax, %ds\n"
        "    mov %eax, %es\n"
        "    mov native_host_fs(%rip), %rsi\n"
        "    mov $0x1002, %edi\n"
        "    mov $158, %eax\n"
        "    syscall\n"
        "    mov native_host_rsp(%rip), %rsp\n"
        "    pop %r15\n"
        "    pop %r14\n"
        "    pop %r13\n"
        "    pop %r12\n"
        "    pop %rbp\n"
        "    pop %rbx\n"
        "    ret\n"
        "native_text_end:\n"
        ".popsection\n"
        ".pushsection .bss\n"
        ".balign 8\n"
        "native_host_rsp: .skip 8\n"
        "native_host_fs: .skip 8\n"
        ".popsection\n"
        ".globl native_syscall, native_restorer, native_enter, native_leave, native_host_fs\n"
        ".globl native_text_start, native_text_end\n");

static void copy_bytes(void *to, const void *from, size_t n)
{
    __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(n) : : "memory");
}

static void zero_bytes(void *to, size_t n)
{
    __asm__ volatile("rep stosb" : "+D"(to), "+c"(n) : "a"(0) : "memory");
}

/* ---- the signal frame ---- */

#define XSTATE_MAGIC1          0x46505853U
#define XSTATE_MAGIC2          0x46505845U
#define UC_FP_XSTATE_FLAG      1
#define SYS_SET_THREAD_AREA_32 243     /* of 32-bit programs (asm/unistd_32.h) */
#define UC_SS_FLAGS            (2 | 4) /* UC_SIGCONTEXT_SS | UC_STRICT_RESTORE_SS */

/* struct _fpx_sw_bytes of asm/sigcontext.h, at byte 464 of the XSAVE image. */
struct sw_bytes {
    uint32_t magic1;
    uint32_t extended_size;
    uint64_t xfeatures;
    uint32_t xstate_size;
    uint32_t padding[7];
};

/* struct ucontext of the kernel; libc's is longer behind what the kernel reads, and agrees up to there. */
struct frame {
    ucontext_t uc;
    _Alignas(64) uint8_t xsave[XSAVE_BYTES + 4]; /* and XSTATE_MAGIC2 */
};

static struct frame frame;
static struct native_shared *shared;
static volatile bool in_case;
static uint64_t case_serial, tick_serial;
static unsigned ticks;
static uint8_t *frames_hva; /* all frames, writable */
static uint8_t alt_stack[65536] __attribute__((aligned(64)));

static const int greg_of[16] = {
    REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
    REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15,
};

#define TICK_US   5000
#define TICKS_MAX 4

/*
 * The one handler. SIGALRM is the clock: a case that has seen TICKS_MAX ticks is over, otherwise it goes on.
 * Any other signal is the outcome of the case.
 */
static void on_signal(int signo, siginfo_t *si, void *ctx)
{
    struct native_raw *raw = &shared->slot[shared->current].raw;
    ucontext_t *uc = ctx;

    /* The kernel clears DF and TF for handlers, but not AC: an alignment-checked case would make us fault. */
    __asm__ volatile("pushfq\n\tandl $~0x40000, (%%rsp)\n\tpopfq" : : : "cc", "memory");
    if (!in_case)
        native_syscall(SYS_exit_group, 99, 0, 0, 0);
    if (signo == SIGALRM) {
        if (tick_serial != case_serial) {
            tick_serial = case_serial;
            ticks = 0;
        }
        if (++ticks < TICKS_MAX)
            return;
    }
    in_case = false;
    raw->signo = signo;
    raw->timeout = signo == SIGALRM;
    raw->int80 = signo == SIGSYS && si->si_arch == AUDIT_ARCH_I386;
    raw->trapno = (uint64_t)uc->uc_mcontext.gregs[REG_TRAPNO];
    raw->error = (uint64_t)uc->uc_mcontext.gregs[REG_ERR];
    raw->cr2 = (uint64_t)uc->uc_mcontext.gregs[REG_CR2];
    for (unsigned i = 0; i < 16; i++)
        raw->state.gpr[i] = (uint64_t)uc->uc_mcontext.gregs[greg_of[i]];
    raw->state.rip = (uint64_t)uc->uc_mcontext.gregs[REG_RIP];
    raw->state.rflags = (uint64_t)uc->uc_mcontext.gregs[REG_EFL];
    native_syscall(SYS_arch_prctl, ARCH_GET_FS, (long)&raw->state.fs_base, 0, 0);
    native_syscall(SYS_arch_prctl, ARCH_GET_GS, (long)&raw->state.gs_base, 0, 0);
    copy_bytes(raw->state.xsave, uc->uc_mcontext.fpregs, state_bytes);
    native_leave();
}

static void run_case(struct native_slot *slot)
{
    mcontext_t *mc = &frame.uc.uc_mcontext;
    struct sw_bytes *sw = (struct sw_bytes *)(frame.xsave + 464);
    const uint32_t magic2 = XSTATE_MAGIC2;

    copy_bytes(frames_hva, slot->image, MEM_BYTES);
    zero_bytes(&slot->raw, sizeof(slot->raw));
    for (unsigned i = 0; i < 16; i++)
        mc->gregs[greg_of[i]] = (long long)slot->in.gpr[i];
    mc->gregs[REG_RIP] = (long long)slot->in.rip;
    mc->gregs[REG_EFL] = (long long)slot->in.rflags;
    mc->gregs[REG_CSGSFS] =
        (long long)((uint64_t)SEL_DATA << 48 | (slot->code32 ? SEL_CODE_32 : SEL_CODE_64));
    copy_bytes(frame.xsave, slot->in.xsave, state_bytes);
    *sw = (struct sw_bytes){.magic1 = XSTATE_MAGIC1,
                            .extended_size = state_bytes + sizeof(magic2),
                            .xfeatures = state_xcr0,
                            .xstate_size = state_bytes};
    copy_bytes(frame.xsave + state_bytes, (const uint8_t *)&magic2, sizeof(magic2));
    case_serial++;
    in_case = true;
    native_enter(&frame.uc, slot->code32 ? SEL_FS_32 : 0, slot->code32 ? SEL_GS_32 : 0, slot->in.fs_base,
                 slot->in.gs_base);
    copy_bytes(slot->image, frames_hva, MEM_BYTES);
}

/* ---- setting up; still ordinary code ---- */

struct kernel_sigaction {
    void (*handler)(int, siginfo_t *, void *);
    unsigned long flags;
    void (*restorer)(void);
    uint64_t mask;
};

static void map_memory(void)
{
    int fd = memfd_create("cputest", MFD_CLOEXEC);
    int prot;
    void *p;

    if (fd < 0 || ftruncate(fd, MEM_BYTES))
        err(NATIVE_NO_SETUP, "cputest: memfd");
    frames_hva = mmap(NULL, MEM_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, 0);
    if (frames_hva == MAP_FAILED)
        err(NATIVE_NO_SETUP, "cputest: mmap");
    for (unsigned i = 0; i < layout_nr_pages; i++) {
        const struct page *pg = &layout_pages[i];

        prot = PROT_READ | (pg->perm & PERM_W ? PROT_WRITE : 0) | (pg->perm & PERM_X ? PROT_EXEC : 0);
        p = mmap((void *)pg->va, PAGE_SIZE, prot, MAP_SHARED | MAP_FIXED_NOREPLACE | MAP_POPULATE, fd,
                 pg->frame * (off_t)PAGE_SIZE);
        if (p != (void *)pg->va)
            err(NATIVE_NO_SETUP, "cputest: mmap at %#lx", pg->va);
        /* Present and, where it may be, dirty: faults of the case are then the CPU's alone. */
        if (pg->perm & PERM_W)
            *(volatile uint8_t *)p = 0;
        else
            (void)*(volatile uint8_t *)p;
        mlock(p, PAGE_SIZE);
    }
    close(fd);
}

/*
 * Fills in a descriptor for threads. 64-bit code has to use the system call of 32-bit programs, and give it a
 * pointer of theirs.
 */
static void set_segment(unsigned selector, uint64_t base)
{
    struct user_desc *d =
        mmap(NULL, PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
    long ret = SYS_SET_THREAD_AREA_32;

    if (d == MAP_FAILED)
        err(NATIVE_NO_SETUP, "cputest: mmap");
    *d = (struct user_desc){.entry_number = selector >> 3,
                            .base_addr = (unsigned)base,
                            .limit = 0xfffff,
                            .seg_32bit = 1,
                            .limit_in_pages = 1,
                            .useable = 1};
    __asm__ volatile("int $0x80" : "+a"(ret) : "b"(d) : "memory", "r8", "r9", "r10", "r11");
    if (ret)
        errx(NATIVE_NO_SETUP, "cputest: set_thread_area fails: 32-bit code with FS and GS can't run here");
    munmap(d, PAGE_SIZE);
}

static void set_handlers(void)
{
    static const int signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS, SIGALRM};
    struct kernel_sigaction sa = {.handler = on_signal,
                                  .flags = SA_SIGINFO | SA_ONSTACK | 0x04000000 /* SA_RESTORER */,
                                  .restorer = native_restorer,
                                  .mask = ~0UL};
    stack_t ss = {.ss_sp = alt_stack, .ss_size = sizeof(alt_stack)};
    struct itimerval timer = {{0, TICK_US}, {0, TICK_US}};
    uint64_t all = ~0UL;

    if (native_syscall(SYS_sigaltstack, (long)&ss, 0, 0, 0) ||
        native_syscall(SYS_rt_sigprocmask, SIG_SETMASK, (long)&all, 0, 8))
        errx(NATIVE_NO_SETUP, "cputest: sigaltstack");
    for (unsigned i = 0; i < ARRAY_SIZE(signals); i++)
        if (native_syscall(SYS_rt_sigaction, signals[i], (long)&sa, 0, 8))
            errx(NATIVE_NO_SETUP, "cputest: sigaction");
    frame.uc.uc_flags = UC_FP_XSTATE_FLAG | UC_SS_FLAGS;
    frame.uc.uc_stack = ss;
    frame.uc.uc_mcontext.fpregs = (fpregset_t)frame.xsave;
    if (setitimer(ITIMER_REAL, &timer, NULL))
        err(NATIVE_NO_SETUP, "cputest: setitimer");
}

/* Four system calls, and those only from native_text_start .. native_text_end. */
static void set_filter(void)
{
    uint64_t start = (uint64_t)native_text_start, end = (uint64_t)native_text_end;
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 0, 10),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, instruction_pointer) + 4),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)(start >> 32), 0, 8),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, instruction_pointer)),
        BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, (uint32_t)start, 0, 6),
        BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, (uint32_t)end, 5, 0),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_rt_sigreturn, 4, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_arch_prctl, 3, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_futex, 2, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_exit_group, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog prog = {.len = ARRAY_SIZE(code), .filter = code};

    if (start >> 32 != end >> 32)
        errx(NATIVE_NO_SETUP, "cputest: bad luck with address space randomisation: run it again");
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog))
        err(NATIVE_NO_SETUP, "cputest: seccomp");
}

void native_child(struct native_shared *s)
{
    int seen = 0;

    shared = s;
    map_memory();
    set_segment(SEL_FS_32, FS_BASE_32);
    set_segment(SEL_GS_32, GS_BASE_32);
    native_syscall(SYS_arch_prctl, ARCH_GET_FS, (long)&native_host_fs, 0, 0);
    __asm__ volatile("mov %0, %%ds\n\tmov %0, %%es" : : "r"(SEL_DATA));
    set_handlers();
    set_filter();
    for (;;) {
        while (__atomic_load_n(&s->go, __ATOMIC_ACQUIRE) == seen)
            native_syscall(SYS_futex, (long)&s->go, FUTEX_WAIT, seen, 0);
        seen++;
        for (unsigned i = s->first; i < s->count; i++) {
            s->current = i;
            run_case(&s->slot[i]);
        }
        __atomic_store_n(&s->done, seen, __ATOMIC_RELEASE);
        native_syscall(SYS_futex, (long)&s->done, FUTEX_WAKE, 1, 0);
    }
}
