/* width: 64 32 */
// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Code made at run time in the ways that compilers and debuggers make it: written through one mapping of a
 * memfd and run through another, beside the data that it changes, on the page of its own stack, and by
 * another thread with the synchronisation that the architecture asks for. What runs is always what was
 * written last. A hypervisor that keeps stale code, or stale links between pieces of it, computes wrong sums.
 */
#include "check.h"

#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/syscall.h>
#include <ucontext.h>

#ifdef __x86_64__
#define GREG_IP REG_RIP
#else
#define GREG_IP REG_EIP
#endif

/* As linux/membarrier.h has them. */
enum { SYNC_CORE = 1 << 5, REGISTER_SYNC_CORE = 1 << 6 };

static unsigned char *put32(unsigned char *at, uint32_t value)
{
    memcpy(at, &value, 4);
    return at + 4;
}

static uint32_t call(const unsigned char *at)
{
    uint32_t (*function)(void);

    memcpy(&function, &at, sizeof(function));
    __asm__ volatile("" ::: "memory");
    return function();
}

/* mov eax, value; ret */
static void write_constant(unsigned char *at, uint32_t value)
{
    *at++ = 0xb8;
    at = put32(at, value);
    *at = 0xc3;
}

/* Two mappings of one memfd: what is written at *writable is run at the address that is returned. */
static unsigned char *double_map(size_t pages, unsigned char **writable)
{
    int fd = memfd_create("jit", 0);

    CHECK(fd >= 0);
    CHECK(ftruncate(fd, (off_t)(pages * PAGE)) == 0);
    *writable = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    unsigned char *code = mmap(NULL, pages * PAGE, PROT_READ | PROT_EXEC, MAP_SHARED, fd, 0);

    CHECK(*writable != MAP_FAILED && code != MAP_FAILED);
    close(fd);
    return code;
}

/*
 * A chain of functions, each of which calls the next and adds a constant, at odd distances so that some
 * straddle pages. Any may be rewritten: with another constant, or as the chain's end.
 */
enum { LINKS = 300, STRIDE = 107 };

static void write_link(unsigned char *at, const unsigned char *runs_at, const unsigned char *next,
                       uint32_t constant)
{
    if (next) {
        *at++ = 0xe8; /* call next */
        at = put32(at, (uint32_t)(next - (runs_at + 5)));
        *at++ = 0x05; /* add eax, constant */
        at = put32(at, constant);
        *at = 0xc3;
    } else {
        write_constant(at, constant);
    }
}

static void test_chain(void)
{
    static uint32_t constants[LINKS];
    unsigned char *writable, *code = double_map((LINKS * STRIDE + PAGE) / PAGE + 1, &writable);
    uint32_t random = 99;
    unsigned end = LINKS - 1;

    for (unsigned i = 0; i < LINKS; i++) {
        constants[i] = random_next(&random);
        write_link(writable + i * STRIDE, code + i * STRIDE, i == end ? NULL : code + (i + 1) * STRIDE,
                   constants[i]);
    }
    for (unsigned round = 0; round < 1500; round++) {
        unsigned i = random_next(&random) % LINKS;
        uint32_t sum = 0;

        if (round % 3 == 0) { /* the end moves */
            write_link(writable + end * STRIDE, code + end * STRIDE,
                       end == LINKS - 1 ? NULL : code + (end + 1) * STRIDE, constants[end]);
            end = i;
        }
        constants[i] = random_next(&random);
        write_link(writable + i * STRIDE, code + i * STRIDE,
                   i == end || i == LINKS - 1 ? NULL : code + (i + 1) * STRIDE, constants[i]);
        for (unsigned k = 0; k <= end; k++)
            sum += constants[k];
        CHECK_EQ(call(code), sum);
    }
}

/* A loop that counts in a word of its own cache line, with its stack on its own page. */
static void test_own_page(void)
{
    static const unsigned char loop[] = {
        0xff, 0x00,       /* 1: inc dword [eax or rax] */
        0x83, 0xe9, 0x01, /* sub ecx, 1 */
        0x53, 0x5b,       /* push ebx or rbx; pop */
        0x75, 0xf7,       /* jnz 1b */
        0xc3,
    };
    unsigned char *page = map_pages(1, PROT_READ | PROT_WRITE | PROT_EXEC);

    for (unsigned shift = 0; shift < 40; shift += 5) {
        unsigned char *code = page + 512 + shift, *counter = page + 512 + 64;
        uint32_t count = 0, rounds = 3000;

        memcpy(code, loop, sizeof(loop));
        memset(counter, 0, 4);
#ifdef __x86_64__
        register uintptr_t stack __asm__("r12") = (uintptr_t)page + PAGE - 64;

        __asm__ volatile("xchg %%rsp, %0\n call *%3\n xchg %%rsp, %0"
                         : "+r"(stack), "+c"(rounds)
                         : "a"(counter), "r"(code)
                         : "memory", "cc");
#else
        uintptr_t stack = (uintptr_t)page + PAGE - 64;

        __asm__ volatile("xchg %%esp, %0\n call *%3\n xchg %%esp, %0"
                         : "+D"(stack), "+c"(rounds)
                         : "a"(counter), "S"(code)
                         : "memory", "cc");
#endif
        memcpy(&count, counter, 4);
        CHECK_EQ(count, 3000);
        CHECK_EQ(stack, (uintptr_t)page + PAGE - 64);
    }
}

static sigjmp_buf escape;

static void on_fault(int number)
{
    siglongjmp(escape, number);
}

/* The right to execute comes and goes without the code changing. */
static void test_execute_right(void)
{
    unsigned char *page = map_pages(1, PROT_READ | PROT_WRITE);

    signal(SIGSEGV, on_fault);
    write_constant(page, 77);
    for (volatile int i = 0; i < 200; i++) {
        CHECK(mprotect(page, PAGE, i % 2 ? PROT_READ : PROT_READ | PROT_EXEC) == 0);
        int number = sigsetjmp(escape, 1);

        if (number == 0) {
            CHECK_EQ(call(page), 77);
            CHECK_EQ(i % 2, 0);
        } else {
            CHECK_EQ(number, SIGSEGV);
            CHECK_EQ(i % 2, 1);
        }
    }
    signal(SIGSEGV, SIG_DFL);
}

/*
 * Cross-modifying code: one thread writes function n and publishes n; the other sees n, serialises in the way
 * that is asked for, and has to get n.
 */
enum way { BY_CPUID, BY_IRET, BY_MEMBARRIER };

static struct {
    unsigned char *writable, *code;
    enum way way;
    uint32_t rounds;
    volatile uint32_t published, taken;
} cross;

static void wait_for(volatile uint32_t *word, uint32_t value)
{
    for (unsigned spins = 0; *word != value; spins++)
        if (spins > 200)
            sched_yield();
}

static void serialize(enum way way)
{
    unsigned eax = 0, ebx, ecx = 0, edx;

    if (way == BY_CPUID)
        __asm__ volatile("cpuid" : "+a"(eax), "=b"(ebx), "+c"(ecx), "=d"(edx)::"memory");
#ifdef __x86_64__
    if (way == BY_IRET)
        __asm__ volatile(
            "sub $128, %%rsp\n mov %%ss, %k0\n push %0\n lea 8(%%rsp), %0\n push %0\n pushf\n mov %%cs, %k0\n"
            "push %0\n lea 1f(%%rip), %0\n push %0\n iretq\n1: add $128, %%rsp"
            : "=&r"((uint64_t){0})::"memory", "cc");
#else
    if (way == BY_IRET)
        __asm__ volatile("pushf\n push %%cs\n push $1f\n iret\n1:" ::: "memory");
#endif
}

static void *cross_write(void *argument)
{
    (void)argument;
    for (uint32_t n = 1; n <= cross.rounds; n++) {
        unsigned char *at = cross.writable + n % 7 * 613; /* several places, some of which straddle */

        write_constant(at, n * 3);
        if (cross.way == BY_MEMBARRIER)
            CHECK(syscall(SYS_membarrier, SYNC_CORE, 0, 0) == 0);
        __atomic_store_n(&cross.published, n, __ATOMIC_RELEASE);
        wait_for(&cross.taken, n);
    }
    return NULL;
}

static void test_cross(enum way way, uint32_t rounds)
{
    pthread_t writer;

    cross.code = double_map(3, &cross.writable);
    cross.way = way;
    cross.rounds = rounds;
    cross.published = cross.taken = 0;
    CHECK(pthread_create(&writer, NULL, cross_write, NULL) == 0);
    for (uint32_t n = 1; n <= rounds; n++) {
        wait_for(&cross.published, n);
        serialize(way);
        CHECK_EQ(call(cross.code + n % 7 * 613), n * 3);
        __atomic_store_n(&cross.taken, n, __ATOMIC_RELEASE);
    }
    CHECK(pthread_join(writer, NULL) == 0);
}

/*
 * Patching under a breakpoint, as debuggers and kernels do: INT3 over the first byte, the rest, the first
 * byte, with every core synchronised between. Who runs the function meanwhile gets the old value, the new
 * one, or the trap.
 */
static struct {
    unsigned char *writable, *code;
    volatile int over;
    volatile uint32_t traps;
} patched;

static void on_breakpoint(int number, siginfo_t *info, void *context)
{
    greg_t *ip = &((ucontext_t *)context)->uc_mcontext.gregs[GREG_IP];

    (void)number;
    (void)info;
    CHECK_EQ((uintptr_t)*ip, (uintptr_t)patched.code + 1);
    patched.traps++;
    (*ip)--; /* again, until the patch is complete */
}

static void *patch(void *argument)
{
    (void)argument;
    for (uint32_t n = 1; n <= 250; n++) {
        *(volatile unsigned char *)patched.writable = 0xcc;
        CHECK(syscall(SYS_membarrier, SYNC_CORE, 0, 0) == 0);
        put32(patched.writable + 1, n * 0x01010101u);
        CHECK(syscall(SYS_membarrier, SYNC_CORE, 0, 0) == 0);
        *(volatile unsigned char *)patched.writable = 0xb8;
        CHECK(syscall(SYS_membarrier, SYNC_CORE, 0, 0) == 0);
    }
    patched.over = 1;
    return NULL;
}

static void test_patching(void)
{
    struct sigaction action = {.sa_sigaction = on_breakpoint, .sa_flags = SA_SIGINFO};
    uint32_t before = 0;
    pthread_t patcher;

    patched.code = double_map(1, &patched.writable);
    write_constant(patched.writable, 0);
    CHECK(sigaction(SIGTRAP, &action, NULL) == 0);
    CHECK(pthread_create(&patcher, NULL, patch, NULL) == 0);
    for (int over = 0; !over;) {
        over = patched.over;
        uint32_t got = call(patched.code), n = got / 0x01010101u;

        CHECK_EQ(got, n * 0x01010101u); /* no mixture of two */
        CHECK(n >= before && n <= 250);
        before = n;
    }
    CHECK_EQ(before, 250);
    CHECK(pthread_join(patcher, NULL) == 0);
}

int main(void)
{
    test_chain();
    test_own_page();
    test_execute_right();
    test_cross(BY_CPUID, 1500);
    test_cross(BY_IRET, 1500);
    if (syscall(SYS_membarrier, REGISTER_SYNC_CORE, 0, 0) == 0) {
        test_cross(BY_MEMBARRIER, 500);
        test_patching();
    }
    return 0;
}
