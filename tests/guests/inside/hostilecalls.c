/* width: 64 32 */
// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * System calls of every number and of numbers that there aren't, with hostile arguments, by each
 * instruction that makes one: SYSCALL, INT 0x80, SYSENTER, from 64- and 32-bit code, in plain sight and
 * hidden in the middle of another instruction, where no search for them finds them. The guest's kernel
 * answers, and nobody else: numbers that it hasn't got are ENOSYS, addresses that the program hasn't got
 * EFAULT. A hypervisor whose own system calls can be reached that way, or that takes a call of one kind
 * for one of another, fails here.
 */
#include "hostile.h"

#include <sched.h>
#include <sys/syscall.h>

#ifdef __x86_64__
#define BITS(a64, a32) a64
#else
#define BITS(a64, a32) a32
#endif

/* What all the ways in have in common: six arguments as the kernel's ABI of that width has them. */
uintptr_t call_number, call_arguments[6];

/*
 * Each in a page of its own, so that a search of the page for one of them says nothing about the others. The
 * hidden ones are the immediate operand of a MOV, into which the call leads.
 */
#define WAY(name, bytes)                                                                    \
    uintptr_t name(void);                                                                   \
    __asm__(                                                                                \
        ".pushsection .text." #name ", \"ax\"\n .balign 4096\n .fill 256, 1, 0x90\n" #name  \
        ": " BITS("push %rbx\n push %rbp\n push %r12\n",                                    \
                  "push %ebx\n push %ebp\n push %esi\n push %edi\n") BITS(LOAD_64, LOAD_32) \
            bytes BITS("pop %r12\n pop %rbp\n pop %rbx\n",                                  \
                       "pop %edi\n pop %esi\n pop %ebp\n pop %ebx\n") "ret\n .balign 4096\n .popsection\n")
#define LOAD_64                                                                                         \
    "mov call_number(%rip), %rax\n mov call_arguments(%rip), %rdi\n mov call_arguments+8(%rip), %rsi\n" \
    "mov call_arguments+16(%rip), %rdx\n mov call_arguments+24(%rip), %r10\n"                           \
    "mov call_arguments+32(%rip), %r8\n mov call_arguments+40(%rip), %r9\n" LOAD_LOW
#define LOAD_LOW "mov %rdi, %rbx\n mov %rsi, %rcx\n mov %r9, %rbp\n"
#define LOAD_32                                                                                \
    "mov call_number, %eax\n mov call_arguments, %ebx\n mov call_arguments+4, %ecx\n"          \
    "mov call_arguments+8, %edx\n mov call_arguments+12, %esi\n mov call_arguments+16, %edi\n" \
    "mov call_arguments+20, %ebp\n"

/* 64 bits: the operand's last bytes jump over nothing; MOV is b8 to r12's low half (41 bc). */
#define HIDDEN(bytes) "jmp 1f+2\n 1: .byte 0x41, 0xbc, " bytes ", 0x90, 0x90\n"
/* 32 bits: the same without REX, to edi, which is restored. */
#define HIDDEN_32(bytes) "jmp 1f+1\n 1: .byte 0xbf, " bytes ", 0x90, 0x90\n"
/*
 * As the vDSO enters by SYSENTER and SYSCALL: the kernel returns to the vDSO's own end, which takes this
 * off the stack.
 */
#define AS_VDSO(insn) "call 2f\n jmp 3f\n 2: push %ecx\n push %edx\n push %ebp\n" insn "3:\n"
#define SYSENTER_32   "mov %esp, %ebp\n"
#define SYSCALL_32    "mov %ecx, %ebp\n"

#ifdef __x86_64__
WAY(by_syscall, "syscall\n");
WAY(by_syscall_hidden, HIDDEN("0x0f, 0x05"));
WAY(by_int80, "int $0x80\n");
WAY(by_int80_hidden, HIDDEN("0xcd, 0x80"));
WAY(by_sysenter, "sysenter\n");
WAY(by_sysenter_hidden, HIDDEN("0x0f, 0x34"));
#else
WAY(by_int80, "int $0x80\n");
WAY(by_int80_hidden, HIDDEN_32("0xcd, 0x80"));
WAY(by_sysenter, AS_VDSO(SYSENTER_32 "sysenter\n"));
WAY(by_sysenter_hidden, AS_VDSO(SYSENTER_32 HIDDEN_32("0x0f, 0x34")));
WAY(by_syscall, AS_VDSO(SYSCALL_32 "syscall\n"));
WAY(by_syscall_hidden, AS_VDSO(SYSCALL_32 HIDDEN_32("0x0f, 0x05")));
#endif

/*
 * sure: what the way does is certain; the others depend on the processor and on what the kernel has set
 * up, and may kill the program. wide: its numbers are those of the 64-bit kernel. all: for trying every
 * number, in plain sight only where nothing looks for the instruction.
 */
static const struct way {
    const char *name;
    uintptr_t (*call)(void);
    int sure, wide, all;
} ways[] = {
#ifdef __x86_64__
    {"syscall", by_syscall, 1, 1, 1},   {"hidden syscall", by_syscall_hidden, 1, 1, 0},
    {"int 0x80", by_int80, 1, 0, 0},    {"hidden int 0x80", by_int80_hidden, 0, 0, 1},
    {"sysenter", by_sysenter, 0, 0, 0}, {"hidden sysenter", by_sysenter_hidden, 0, 0, 0},
#else
    {"int 0x80", by_int80, 1, 0, 1},    {"hidden int 0x80", by_int80_hidden, 1, 0, 0},
    {"sysenter", by_sysenter, 0, 0, 1}, {"hidden sysenter", by_sysenter_hidden, 0, 0, 0},
    {"syscall", by_syscall, 0, 0, 1},   {"hidden syscall", by_syscall_hidden, 0, 0, 0},
#endif
};

enum { WAYS = sizeof(ways) / sizeof(ways[0]) };

/* getpid by each kind of number. */
static uintptr_t getpid_number(const struct way *w)
{
    return w->wide ? 39 : 20;
}

static uintptr_t call(const struct way *w, uintptr_t number, uintptr_t argument)
{
    call_number = number;
    for (int i = 0; i < 6; i++)
        call_arguments[i] = argument;
    return w->call();
}

/* Numbers that no kernel has: those of x32 (which Debian's have switched off), beyond the end, negative. */
static void no_numbers(uintptr_t n)
{
    static const uint32_t none[] = {600,        1000,       4095,       4096,       0x3fffffff,
                                    0x40000000, 0x40000027, 0x4000003c, 0x400000e7, 0x40000200,
                                    0x7fffffff, 0x80000000, 0xffffff00, 0xfffffffe, 0xffffffff};
    const struct way *w = &ways[n];

    for (int round = 0; round < 20; round++) {
        for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
            uintptr_t result = call(w, none[i], (uintptr_t)witness_memory);

            if ((int32_t)result != -ENOSYS)
                FAIL("%s: number %#x is %#lx, not ENOSYS", w->name, none[i], (long)result);
        }
        if ((int32_t)call(w, getpid_number(w), 0) != getpid())
            FAIL("%s: getpid is %ld", w->name, (long)call(w, getpid_number(w), 0));
        if (round == 10)
            compute();
    }
}

/*
 * Calls that a hypervisor may make itself to lay out a program's memory, with file numbers that are its
 * own at most; the guest's kernel knows none of them.
 */
static void its_own_calls(uintptr_t n)
{
    static const struct {
        uintptr_t wide, narrow; /* numbers */
        uintptr_t argument[6];
        int error;
    } calls[] = {
        {SYS_mmap, 192, {0x70000000, PAGE, 7, MAP_SHARED | MAP_FIXED, 17, 0}, EBADF}, /* mmap2 */
        {SYS_mprotect, 125, {0x70000000, PAGE, PROT_READ | PROT_WRITE, 0, 0, 0}, ENOMEM},
        {BITS(11, 91), 91, {0x20000001, PAGE, 0, 0, 0, 0}, EINVAL},       /* munmap */
        {BITS(17, 180), 180, {17, 0x70000000, PAGE, 0, 0, 0}, EBADF},     /* pread64 */
        {BITS(16, 54), 54, {17, 0xc0182101, 0x70000000, 0, 0, 0}, EBADF}, /* ioctl */
    };
    const struct way *w = &ways[n];

    /* File 0 to 16 are as the test was given them. */
    for (int fd = 17; fd < 32; fd++)
        close(fd);
    for (int round = 0; round < 200; round++) {
        for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
            uintptr_t result;

            call_number = w->wide ? calls[i].wide : calls[i].narrow;
            memcpy(call_arguments, calls[i].argument, sizeof(call_arguments));
            result = w->call();
            if ((int32_t)result != -calls[i].error)
                FAIL("%s: number %ld is %#lx, not error %d", w->name, (long)call_number, (long)result,
                     calls[i].error);
        }
        if (round == 100)
            compute();
    }
    trials_begin();
    CHECK(!try_write(0x70000000, 1));
}

/* Where the walk through all numbers is: the program may die of one, or wait for ever. */
static volatile struct progress {
    unsigned next, answered, deaths;
} * progress;

enum { NUMBERS = 480 };

static const uintptr_t arguments[] = {
    BITS(0xffffffff81000000, 0xc1000000),
    BITS(0xffff888000001000, 0xfffff000),
    BITS(0x8000000000000000, 0x80000000),
    BITS(0x4f0000000000, 0x4f000000),
    BITS(0x7ffffffff000, 0xffffd000),
    ~(uintptr_t)0,
    16,
};

enum { ARGUMENTS = sizeof(arguments) / sizeof(arguments[0]) };

static void every_number(uintptr_t n)
{
    const struct rlimit few = {8, 8}, small = {1 << 20, 1 << 20};
    const struct itimerval soon = {{0, 0}, {0, 20000}};
    unsigned char *mine = map_pages(4, PROT_READ | PROT_WRITE);
    pid_t self = getpid();

    CHECK(setrlimit(RLIMIT_NPROC, &few) == 0 && setrlimit(RLIMIT_FSIZE, &small) == 0);
    memset(mine, 0x77, 4 * PAGE);
    while (progress->next < NUMBERS * ARGUMENTS) {
        unsigned k = progress->next++;

        setitimer(ITIMER_REAL, &soon, NULL); /* for those that wait; the next process goes on behind it */
        call(&ways[n], k / ARGUMENTS, arguments[k % ARGUMENTS]);
        if (getpid() != self)
            _exit(0); /* it was a fork */
        progress->answered++;
        for (size_t i = 0; i < 4 * PAGE; i += 64)
            if (mine[i] != 0x77)
                FAIL("%s: number %u with %#lx wrote to the program's memory", ways[n].name, k / ARGUMENTS,
                     (long)arguments[k % ARGUMENTS]);
    }
}

/* Reaps a process; one that has masked all its signals doesn't get its alarm, and is ended here. */
static int end_of(pid_t pid)
{
    static const struct timespec nap = {0, 1000000};
    uint64_t start = monotonic_ns();
    int status;

    while (waitpid(pid, &status, WNOHANG) == 0) {
        if (monotonic_ns() - start > 1000000000u)
            kill(pid, SIGKILL);
        nanosleep(&nap, NULL);
    }
    return status;
}

static void try_every_number(unsigned n)
{
    memset((void *)progress, 0, sizeof(*progress));
    while (progress->next < NUMBERS * ARGUMENTS) {
        unsigned before = progress->next;
        int status;

        fflush(stdout);
        pid_t pid = fork();

        CHECK(pid >= 0);
        if (pid == 0) {
            close(0); /* nothing that it could read from, write to, or change */
            close(2);
            attacker_become();
            if (before == 0)
                compute();
            every_number(n);
            _exit(0);
        }
        status = end_of(pid);
        if (WIFEXITED(status) && WEXITSTATUS(status) == 1) /* no argument is a 1 for exit() */
            FAIL("%s failed", ways[n].name);
        CHECK(progress->next > before);
        progress->deaths++;
    }
    printf("%s: %u answers, %u ends\n", ways[n].name, progress->answered, progress->deaths);
    CHECK(progress->answered >= NUMBERS * ARGUMENTS * 9 / 10);
}

int main(void)
{
    witness_begin();
    progress = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(progress != MAP_FAILED);
    for (unsigned i = 0; i < WAYS; i++) {
        int status = attack(ways[i].name, no_numbers, i, 30);

        printf("%s: wait status %#x\n", ways[i].name, status);
        if (ways[i].sure)
            CHECK_EQ(status, 0);
        if (status != 0)
            continue;
        CHECK_EQ(attack(ways[i].name, its_own_calls, i, 30), 0);
        if (ways[i].all)
            try_every_number(i);
    }
    witness_end();
    return 0;
}
