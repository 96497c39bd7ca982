/* width: 64 */
// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The places where a hypervisor that runs user code directly keeps its own (hypervisor/direct/internal.h),
 * and all others where a program has no business: read, written, jumped to at each byte with registers
 * that would make a system call of the host's do harm, used as a stack, and overwritten with forged signal
 * frames while another thread runs. Whatever happens, the program gains nothing: no memory that its kernel
 * didn't give it, no right to write, no word of what other programs have there. A hypervisor that believes
 * what such a program has left in its hands, or has system calls of its own lie about that anybody can use,
 * fails here, or dies.
 */
#include "hostile.h"

#include <pthread.h>
#include <sched.h>
#include <sys/syscall.h>

#define PLACE      0x4f0000000000ul /* STUB_CODE, and what may follow it */
#define PLACE_SIZE 0x10000ul
#define AROUND     0x10000ul
#define SPOT       0x4e0000000000ul /* where the program has nothing and never will */

static unsigned char *prey; /* a page of this process's own */

static void prey_fill(void)
{
    memset(prey, 0x5a, PAGE);
}

/* ---- other places ---- */

static void other_place(uintptr_t at, int legible)
{
    volatile unsigned char byte = 0;

    if (try_read(at, &byte) && !legible)
        FAIL("%#lx can be read: %#x", (long)at, byte);
    if (try_write(at, 1))
        FAIL("%#lx can be written", (long)at);
    if (trial_run((void (*)(uintptr_t, uintptr_t))at, 0, 0))
        FAIL("%#lx can be called", (long)at);
    CHECK_EQ(trial.number, SIGSEGV);
}

static void other_places(uintptr_t unused)
{
    static const uintptr_t places[] = {
        0x10,
        0x7ffffffff000,
        0x7fffffffffff,
        0x800000000000,
        0x8000000000000000,
        0xffff7fffffffffff,
        0xffff800000000000,
        0xffff804000000000, /* Xen's own part, as the ABI has it */
        0xffff82c000000000,
        0xffff82d040000000,
        0xffff888000000000, /* the guest kernel's memory */
        0xffffea0000000000,
        0xffffffff80000000,
        0xffffffff81000000,
        0xffffffffffffffff,
    };

    (void)unused;
    trials_begin();
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++)
        other_place(places[i], 0);
    /* The vsyscall page: legible and executable by the kernel's grace (vsyscall.c). */
    CHECK(!try_write(0xffffffffff600000, 1));
    for (uintptr_t at = PLACE - AROUND; at < PLACE; at += PAGE) {
        other_place(at, 0);
        other_place(at + PAGE - 1, 0);
    }
    for (uintptr_t at = PLACE + PLACE_SIZE; at < PLACE + PLACE_SIZE + AROUND; at += PAGE)
        other_place(at, 0);
}

/* ---- jumps with all registers set ---- */

enum { AX, BX, CX, DX, SI, DI, BP, SP, R8, R9, R10, R11, R12, R13, R14, R15 };

uint64_t jump_registers[16];
uintptr_t jump_target;
void jump(uintptr_t unused, uintptr_t unused_too);
extern const char landed[], spinning[], spinning_end[];

/* landed: where a RET comes to. spinning: where forged frames lead, until SIGVTALRM ends it. */
__asm__(".text\n"
        "jump:\n"
        "  mov jump_registers+0x00(%rip), %rax\n"
        "  mov jump_registers+0x08(%rip), %rbx\n"
        "  mov jump_registers+0x10(%rip), %rcx\n"
        "  mov jump_registers+0x18(%rip), %rdx\n"
        "  mov jump_registers+0x20(%rip), %rsi\n"
        "  mov jump_registers+0x28(%rip), %rdi\n"
        "  mov jump_registers+0x30(%rip), %rbp\n"
        "  mov jump_registers+0x38(%rip), %rsp\n"
        "  mov jump_registers+0x40(%rip), %r8\n"
        "  mov jump_registers+0x48(%rip), %r9\n"
        "  mov jump_registers+0x50(%rip), %r10\n"
        "  mov jump_registers+0x58(%rip), %r11\n"
        "  mov jump_registers+0x60(%rip), %r12\n"
        "  mov jump_registers+0x68(%rip), %r13\n"
        "  mov jump_registers+0x70(%rip), %r14\n"
        "  mov jump_registers+0x78(%rip), %r15\n"
        "  jmp *jump_target(%rip)\n"
        "landed: ud2\n"
        "spinning: pause\n"
        "  jmp spinning\n"
        "spinning_end:\n");

static unsigned spins;

/*
 * A trial that spins, in this file's loop or in the place, has had its time. That this comes at all shows
 * that the program can still be interrupted, whatever its frame said about signals.
 */
static void on_time(int number, siginfo_t *info, void *context)
{
    uintptr_t ip = (uintptr_t)((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP];

    if (trying && ((ip >= (uintptr_t)spinning && ip < (uintptr_t)spinning_end) ||
                   (ip >= PLACE && ip < PLACE + PLACE_SIZE))) {
        spins++;
        trial_fault(number, info, context);
    }
}

static void timer_begin(void)
{
    const struct itimerval often = {{0, 10000}, {0, 10000}};
    struct sigaction action = {.sa_sigaction = on_time, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER};

    CHECK(sigaction(SIGVTALRM, &action, NULL) == 0);
    CHECK(setitimer(ITIMER_VIRTUAL, &often, NULL) == 0);
}

/* ---- frames ---- */

enum { FRAME_PLAIN, FRAME_TRACED, FRAME_32, FRAME_RING0, FRAME_KERNEL, FRAME_FLAGS, FRAMES };

/* What rt_sigreturn would take: everything masked, and the program goes on spinning. */
static void frame_make(ucontext_t *frame, int kind)
{
    greg_t *r = frame->uc_mcontext.gregs;

    memset(frame, 0, sizeof(*frame));
    frame->uc_flags = (unsigned long)landed; /* to where a RET goes */
    memset(&frame->uc_sigmask, 0xff, sizeof(frame->uc_sigmask));
    r[REG_RIP] = (greg_t)(uintptr_t)spinning;
    r[REG_RSP] = (greg_t)(uintptr_t)(prey + PAGE / 2);
    r[REG_EFL] = 0x202;
    r[REG_CSGSFS] = 0x2b000000000033; /* cs, gs, fs, ss */
    switch (kind) {
    case FRAME_TRACED:
        r[REG_EFL] = 0x302;
        break;
    case FRAME_32:
        r[REG_CSGSFS] = 0x2b000000000023;
        break;
    case FRAME_RING0:
        r[REG_CSGSFS] = 0x18000000000010;
        break;
    case FRAME_KERNEL:
        r[REG_RIP] = (greg_t)0xffffffff81000000;
        r[REG_RSP] = (greg_t)0xffff888000001000;
        break;
    case FRAME_FLAGS:
        r[REG_EFL] = -1;
        break;
    default:
        break;
    }
}

/* ---- jumps into the place ---- */

enum { LOOK_PREY = 1, LOOK_SPOT = 2, LOOK_SHARED = 4 };

/*
 * Calls of the host that would do harm, or be the first step. ORIGINAL stands for the witness's memory and
 * OWN for the prey.
 */
#define ORIGINAL (-1)
#define OWN      (-2)

static const struct harm {
    const char *name;
    int number, frame, look;
    long argument[6];
} harms[] = {
    {"mmap of file 0", SYS_mmap, 0, LOOK_SPOT, {SPOT, 0x10000, 7, MAP_SHARED | MAP_FIXED, 0, 0}},
    {"mmap of file 1", SYS_mmap, 0, LOOK_SPOT, {SPOT, 0x10000, 7, MAP_SHARED | MAP_FIXED, 1, 0}},
    {"mmap of file 3", SYS_mmap, 0, LOOK_SPOT, {SPOT, 0x10000, 7, MAP_SHARED | MAP_FIXED, 3, 0}},
    {"mmap of nothing", SYS_mmap, 0, LOOK_SPOT, {SPOT, 0x10000, 7, MAP_PRIVATE | MAP_FIXED | MAP_ANONYMOUS}},
    {"mremap", SYS_mremap, 0, LOOK_SPOT, {ORIGINAL, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, SPOT}},
    {"munmap below", SYS_munmap, 0, LOOK_PREY, {0x10000, PLACE - 0x10000}},
    {"munmap above", SYS_munmap, 0, LOOK_PREY, {PLACE + PLACE_SIZE, 0x7ffffffff000 - PLACE - PLACE_SIZE}},
    {"pread of file 0", SYS_pread64, 0, LOOK_PREY, {0, OWN, PAGE, 0x100000}},
    {"read of file 3", SYS_read, 0, LOOK_PREY, {3, OWN, PAGE}},
    {"pwrite to file 0", SYS_pwrite64, 0, LOOK_PREY, {0, OWN, PAGE, 0}},
    {"ftruncate", SYS_ftruncate, 0, LOOK_PREY, {0, 0}},
    {"ioctl", SYS_ioctl, 0, LOOK_PREY, {3, 0xc0182101, OWN}}, /* SECCOMP_IOCTL_NOTIF_SEND */
    {"sigreturn", SYS_rt_sigreturn, FRAME_PLAIN, 0, {0}},
    {"sigreturn, traced", SYS_rt_sigreturn, FRAME_TRACED, 0, {0}},
    {"sigreturn, 32 bits", SYS_rt_sigreturn, FRAME_32, 0, {0}},
    {"sigreturn, ring 0", SYS_rt_sigreturn, FRAME_RING0, 0, {0}},
    {"sigreturn, kernel", SYS_rt_sigreturn, FRAME_KERNEL, 0, {0}},
    {"sigreturn, flags", SYS_rt_sigreturn, FRAME_FLAGS, 0, {0}},
    {"sigprocmask", SYS_rt_sigprocmask, 0, 0, {SIG_BLOCK, ORIGINAL, 0, 8}},
    {"sigaction", SYS_rt_sigaction, 0, LOOK_PREY, {SIGSEGV, ORIGINAL, OWN, 8}},
    {"sigaltstack", SYS_sigaltstack, 0, LOOK_PREY, {ORIGINAL, OWN}},
    {"exit_group", SYS_exit_group, 0, 0, {0}},
    {"kill", SYS_kill, 0, 0, {0, SIGKILL}},
    {"kill of all", SYS_kill, 0, 0, {-1, SIGSTOP}},
    {"clone", SYS_clone, 0, LOOK_PREY, {SIGCHLD}},
    {"execve", SYS_execve, 0, 0, {OWN, 0, 0}},
    {"ptrace", SYS_ptrace, 0, 0, {0}},
    {"prctl", SYS_prctl, 0, 0, {PR_SET_DUMPABLE, 1}},
    {"arch_prctl", SYS_arch_prctl, 0, LOOK_PREY, {0x1002, OWN}}, /* ARCH_SET_FS */
    {"pause", SYS_pause, 0, 0, {0}},
};

enum { HARMS = sizeof(harms) / sizeof(harms[0]) };

static const struct harm protect = {
    "mprotect", SYS_mprotect, 0, LOOK_SHARED, {ORIGINAL, WITNESS_PAGES *(long)PAGE, PROT_READ | PROT_WRITE}};

/* Calls as the hypervisor may keep them for a loop in its page: number and arguments, one after the other. */
enum { RECORDS = 8 };
static uint64_t records[RECORDS][7];

static uint64_t harm_argument(const struct harm *h, int i)
{
    switch (h->argument[i]) {
    case ORIGINAL:
        return (uintptr_t)witness_memory;
    case OWN:
        return (uintptr_t)prey;
    default:
        return (uint64_t)h->argument[i];
    }
}

static void jump_prepare(const struct harm *h)
{
    static ucontext_t frame;
    uint64_t *r = jump_registers;

    frame_make(&frame, h->frame);
    if (spins > 10) /* that many were enough */
        frame.uc_mcontext.gregs[REG_RIP] = (greg_t)(uintptr_t)landed;
    for (int i = 0; i < RECORDS; i++) {
        records[i][0] = (uint64_t)h->number;
        for (int k = 0; k < 6; k++)
            records[i][1 + k] = harm_argument(h, k);
    }
    r[AX] = (uint64_t)h->number;
    r[DI] = harm_argument(h, 0);
    r[SI] = harm_argument(h, 1);
    r[DX] = harm_argument(h, 2);
    r[R10] = harm_argument(h, 3);
    r[R8] = harm_argument(h, 4);
    r[R9] = harm_argument(h, 5);
    r[BX] = r[R13] = r[R14] = (uintptr_t)records;
    r[R12] = r[R15] = r[BP] = (uintptr_t)records[RECORDS];
    r[CX] = r[R11] = (uintptr_t)landed;
    memcpy(prey + PAGE / 2, &frame, sizeof(frame));
    r[SP] = (uintptr_t)(prey + PAGE / 2);
}

/* The trial has done none of it. */
static void harm_look(const char *name, int look, uintptr_t at)
{
    volatile unsigned char byte;

    if (look & LOOK_SPOT && try_read(SPOT, &byte))
        FAIL("a jump to %#lx with the registers of %s gave the program memory", (long)at, name);
    if (look & LOOK_SHARED && try_write((uintptr_t)witness_memory + 3 * PAGE + 77, 1))
        FAIL("a jump to %#lx with the registers of %s let the program write", (long)at, name);
    if (look & LOOK_PREY)
        for (int i = 0; i < PAGE / 4; i++)
            if (prey[i] != 0x5a)
                FAIL("a jump to %#lx with the registers of %s changed the program's memory", (long)at, name);
}

/* Bytes at which a jump comes to code: which one doesn't see from what it raises alone. */
static unsigned char *place_live;

static int jump_once(uintptr_t at, const struct harm *h)
{
    int live;

    jump_prepare(h);
    jump_target = at;
    trial_run(jump, 0, 0);
    live = !(trial.number == SIGSEGV && trial.address == at && trial.ip == at);
    harm_look(h->name, h->look, at);
    return live;
}

static void attack_begin(void)
{
    trials_begin();
    timer_begin();
    prey = map_pages(1, PROT_READ | PROT_WRITE);
    prey_fill();
    witness_look("the attacker's"); /* whose pages can be read from now on */
}

/* Every byte of the place; it says where there is something to jump to. */
static void jump_everywhere(uintptr_t unused)
{
    unsigned live = 0;

    (void)unused;
    attack_begin();
    for (uintptr_t i = 0; i < PLACE_SIZE; i++) {
        place_live[i] = (unsigned char)jump_once(PLACE + i, &protect);
        live += place_live[i];
    }
    printf("%u bytes to jump to\n", live);
}

static void jump_harmfully(uintptr_t n)
{
    attack_begin();
    for (uintptr_t i = 0; i < PLACE_SIZE; i++)
        if (place_live[i])
            jump_once(PLACE + i, &harms[n]);
    prey_fill();
}

/* ---- what can be read there, used ---- */

static unsigned char *place_copy; /* 0 where nothing can be read */

static void trial_copy(uintptr_t to, uintptr_t from)
{
    memcpy((void *)to, (const void *)from, PAGE);
}

/* Copies what can be read of the place. */
static void place_read(void)
{
    memset(place_copy, 0, PLACE_SIZE);
    for (uintptr_t i = 0; i < PLACE_SIZE; i += PAGE)
        trial_run(trial_copy, (uintptr_t)place_copy + i, PLACE + i);
}

/*
 * Each word there, for the case that it is a password: in all registers that a call doesn't use, behind each
 * SYSCALL of the place and in system calls of the program's own, which its kernel refuses and the host's
 * wouldn't.
 */
static void replay_words(uintptr_t width)
{
    static const int unused[] = {BX, CX, BP, R8, R9, R10, R11, R12, R13, R14, R15};
    static uintptr_t calls[64];
    unsigned nr_calls = 0, words = 0;
    uint64_t last = 0;

    attack_begin();
    place_read();
    for (uintptr_t i = 0; i + 1 < PLACE_SIZE && nr_calls < 64; i++)
        if (place_copy[i] == 0x0f && place_copy[i + 1] == 0x05)
            calls[nr_calls++] = PLACE + i;
    for (uintptr_t i = 0; i + width <= PLACE_SIZE && words < 4096; i += width) {
        uint64_t word = 0;

        memcpy(&word, place_copy + i, width);
        if (word == 0 || word == last)
            continue;
        last = word;
        words++;
        for (unsigned c = 0; c < nr_calls; c++) {
            jump_prepare(&protect);
            for (size_t k = 0; k < sizeof(unused) / sizeof(unused[0]); k++)
                jump_registers[unused[k]] = word;
            jump_target = calls[c];
            trial_run(jump, 0, 0);
            harm_look(protect.name, protect.look, calls[c]);
        }
        CHECK(syscall(SYS_mprotect, SPOT, PAGE, PROT_READ, word, word, word) == -1 && errno == ENOMEM);
        CHECK(syscall(SYS_munmap, 0x7ffffffff000, PAGE, word, word, word, word) == -1 && errno == EINVAL);
    }
    printf("%u words, %u calls\n", words, nr_calls);
}

/* ---- the place as a stack ---- */

extern const char stack_ud2[], stack_int3[], stack_syscall[], stack_divide[], stack_touch[], stack_push[];
extern const char stack_call[];

__asm__(".text\n"
        "stack_ud2: ud2\n"
        "stack_int3: int3\n"
        "  ud2\n"
        "stack_syscall: syscall\n"
        "  ud2\n"
        "stack_divide: div %rcx\n"
        "  ud2\n"
        "stack_touch: movb $1, (%rdi)\n"
        "  ud2\n"
        "stack_push: push %rax\n"
        "  pop %rcx\n"
        "  ud2\n"
        "stack_call: call stack_ud2\n");

/*
 * The host's kernel may put a signal's frame where rsp points to, or deem a stack in use that isn't; the
 * guest's kernel has its own idea of both.
 */
static void stack_there(uintptr_t step)
{
    static const struct {
        const char *start;
        int number, number_or;
    } pieces[] = {
        {stack_ud2, SIGILL, SIGILL},    {stack_int3, SIGTRAP, SIGTRAP}, {stack_syscall, SIGILL, SIGILL},
        {stack_divide, SIGFPE, SIGFPE}, {stack_touch, SIGILL, SIGILL},  {stack_push, SIGSEGV, SIGILL},
        {stack_call, SIGSEGV, SIGILL},
    };
    long self = getpid();

    attack_begin();
    for (uintptr_t sp = PLACE - PAGE; sp < PLACE + PLACE_SIZE + PAGE; sp += step) {
        for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
            if (pieces[i].start == stack_touch)
                CHECK(madvise(prey, PAGE, MADV_DONTNEED) == 0);
            memset(jump_registers, 0, sizeof(jump_registers));
            jump_registers[AX] = SYS_getpid;
            jump_registers[DI] = (uintptr_t)prey;
            jump_registers[SP] = sp;
            jump_target = (uintptr_t)pieces[i].start;
            trial_run(jump, 0, 0);
            if (trial.number != pieces[i].number && trial.number != pieces[i].number_or)
                FAIL("with rsp %#lx piece %zu raised signal %d", (long)sp, i, trial.number);
            if (pieces[i].start == stack_syscall)
                CHECK_EQ(trial.ax, self);
            if (pieces[i].start == stack_touch)
                CHECK(prey[0] == 1 && prey[1] == 0);
        }
    }
    spins = 0;
    for (uintptr_t sp = PLACE; sp < PLACE + PLACE_SIZE; sp += PAGE / 2 + 8) {
        jump_registers[SP] = sp;
        jump_target = (uintptr_t)spinning;
        trial_run(jump, 0, 0);
        CHECK_EQ(trial.number, SIGVTALRM);
    }
    CHECK(spins > 0);
}

/* ---- forged state ---- */

enum {
    FORGE_RANDOM,
    FORGE_ONES,
    FORGE_KERNEL,
    FORGE_PLACE,
    FORGE_MARK,
    FORGE_FRAMES,
    FORGES = FORGE_FRAMES + FRAMES
};

#define MARK 0x6b72616d65737561ul

static void forge_page(unsigned char *page, unsigned kind, uint32_t *random)
{
    static __thread ucontext_t frame;
    uint64_t word = 0;

    switch (kind) {
    case FORGE_RANDOM:
        for (unsigned i = 0; i < PAGE; i++)
            page[i] = (unsigned char)random_next(random);
        return;
    case FORGE_ONES:
        word = ~0ul;
        break;
    case FORGE_KERNEL:
        word = 0xffff888000001000;
        break;
    case FORGE_PLACE:
        word = PLACE + 0x100;
        break;
    case FORGE_MARK:
        word = MARK;
        break;
    default:
        frame_make(&frame, (int)(kind - FORGE_FRAMES));
        for (unsigned i = 0; i + sizeof(frame) <= PAGE; i += (sizeof(frame) + 63) & ~63u)
            memcpy(page + i, &frame, sizeof(frame));
        return;
    }
    for (unsigned i = 0; i < PAGE; i += 8)
        memcpy(page + i, &word, 8);
}

/* Writes over all that can be written of the place; how many pages. */
static unsigned forge(unsigned kind, uint32_t *random)
{
    static __thread unsigned char page[PAGE];
    unsigned pages = 0;

    forge_page(page, kind, random);
    for (uintptr_t at = PLACE; at < PLACE + PLACE_SIZE; at += PAGE)
        pages += (unsigned)trial_run(trial_copy, at, (uintptr_t)page);
    return pages;
}

static volatile int forging;

static void *forger(void *kind)
{
    uint32_t random = 1234567;

    trials_begin();
    while (forging)
        forge((unsigned)(uintptr_t)kind, &random);
    return NULL;
}

static void trial_undefined(uintptr_t unused, uintptr_t unused_too)
{
    (void)unused, (void)unused_too;
    __asm__ volatile("ud2");
}

static void trial_divide(uintptr_t dividend, uintptr_t divisor)
{
    __asm__ volatile("div %1" : "+a"(dividend) : "r"(divisor), "d"(0));
}

/* What a program lives on: all that a forged state could spoil. It has to come out right. */
static void live(void)
{
    double half = 0.5, sum = 0;
    long self = getpid();
    int ends[2];
    char byte;

    CHECK(pipe(ends) == 0);
    for (unsigned i = 0; i < 200; i++) {
        CHECK_EQ(syscall(SYS_getpid), self);
        CHECK(madvise(prey, PAGE, MADV_DONTNEED) == 0);
        CHECK_EQ(prey[i], 0);
        prey[i] = 1;
        CHECK(write(ends[1], "x", 1) == 1 && read(ends[0], &byte, 1) == 1 && byte == 'x');
        CHECK(!trial_run(trial_undefined, 0, 0));
        CHECK_EQ(trial.number, SIGILL);
        CHECK(!trial_run(trial_divide, 1, 0));
        CHECK_EQ(trial.number, SIGFPE);
        for (unsigned k = 0; k < 20000; k++)
            sum += half;
    }
    CHECK(sum == 200 * 20000 * 0.5);
    close(ends[0]);
    close(ends[1]);
}

/* One thread forges, the other one lives; then by itself, in turns. */
static void forge_and_live(uintptr_t kind)
{
    uint32_t random = 7654321;
    pthread_t thread;

    attack_begin();
    forging = 1;
    CHECK(pthread_create(&thread, NULL, forger, (void *)kind) == 0);
    live();
    forging = 0;
    CHECK(pthread_join(thread, NULL) == 0);
    for (int i = 0; i < 20; i++) {
        forge((unsigned)kind, &random);
        compute();
        CHECK_EQ(syscall(SYS_getppid), getppid());
    }
    live();
}

/* Forges, and then jumps to what there is: what runs there finds the forged state. */
static void forge_and_jump(uintptr_t kind)
{
    uint32_t random = 3456789;
    unsigned written = 0;

    attack_begin();
    for (uintptr_t i = 0; i < PLACE_SIZE; i++) {
        if (!place_live[i])
            continue;
        written += forge((unsigned)kind, &random);
        jump_once(PLACE + i, &protect);
        if (!written)
            break; /* it was a jump like all others */
    }
}

/* ---- what others have there ---- */

/* A word that no register of the finder's ever holds: only its complement is ever computed with. */
static uint64_t secret_not;

/* Has the word in registers while it computes, faults, and calls its kernel; and leaves a mark. */
static void secretive(uintptr_t unused)
{
    uint64_t word = ~secret_not, words[2] = {word, word};
    uint32_t random = 987654321;

    (void)unused;
    attack_begin();
    for (int round = 0; round < 30; round++) {
        forge(FORGE_MARK, &random);
        CHECK(madvise(prey, PAGE, MADV_DONTNEED) == 0);
        __asm__ volatile("movdqu (%1), %%xmm0\n movdqu (%1), %%xmm7\n movdqu (%1), %%xmm15\n"
                         "mov %0, %%r12\n mov %0, %%r13\n mov %0, %%rbx\n mov $3000000, %%ecx\n"
                         "1: dec %%ecx\n jnz 1b\n"
                         "movb $1, (%2)\n mov %3, %%eax\n syscall"
                         :
                         : "r"(word), "r"(words), "r"(prey), "i"(SYS_getpid)
                         : "rax", "rbx", "rcx", "r11", "r12", "r13", "xmm0", "xmm7", "xmm15", "memory");
    }
    forge(FORGE_MARK, &random);
}

static void inquisitive(uintptr_t unused)
{
    (void)unused;
    attack_begin();
    for (int round = 0; round < 20; round++) {
        place_read();
        for (uintptr_t i = 0; i + 8 <= PLACE_SIZE; i++) {
            uint64_t word;

            memcpy(&word, place_copy + i, 8);
            word = ~word;
            if (word == ~MARK)
                FAIL("what another program wrote to %#lx is there to be read", (long)(PLACE + i));
            if (word == secret_not)
                FAIL("what another program had in a register is at %#lx", (long)(PLACE + i));
        }
        usleep(2000);
    }
}

/* Beside a program that has a secret, and when it has gone. */
static void find_secrets(void)
{
    uint32_t random = (uint32_t)__builtin_ia32_rdtsc() | 1;

    secret_not = (uint64_t)random_next(&random) << 32 | random_next(&random);
    for (int round = 0; round < 3; round++) {
        pid_t other = fork();

        CHECK(other >= 0);
        if (other == 0) {
            ATTACK(secretive, 0, 60);
            _exit(0);
        }
        ATTACK(inquisitive, 0, 60);
        CHECK_EQ(child_status(other), 0);
        ATTACK(inquisitive, 0, 60);
    }
}

int main(void)
{
    witness_begin();
    place_live = mmap(NULL, PLACE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    place_copy = mmap(NULL, PLACE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(place_live != MAP_FAILED && place_copy != MAP_FAILED);
    ATTACK(other_places, 0, 60);
    ATTACK(jump_everywhere, 0, 60);
    for (uintptr_t i = 0; i < HARMS; i++)
        ATTACK(jump_harmfully, i, 60);
    ATTACK(replay_words, 8, 60);
    ATTACK(replay_words, 4, 60);
    ATTACK(stack_there, 128, 60);
    for (uintptr_t i = 0; i < FORGES; i++)
        ATTACK(forge_and_live, i, 60);
    for (uintptr_t i = 0; i < FORGES; i++)
        ATTACK(forge_and_jump, i, 60);
    find_secrets();
    witness_end();
    return 0;
}
