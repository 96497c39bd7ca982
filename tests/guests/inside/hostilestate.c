/* width: 64 */
// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What a program leaves in registers is nobody else's to see: general and vector registers, x87, MXCSR,
 * selectors and segment bases, flags that change how instructions work (AC, NT, ID, DF), and registers that
 * the CPU has and the kernel doesn't know of (AVX-512 where it isn't offered). Programs that have them all
 * full of a secret compute, are interrupted and end, while their neighbours, who hold something else, look
 * after their own, and new programs find what a new program has to find: nothing. A hypervisor that runs
 * several programs in turns on the CPU's own registers, and forgets one, fails here.
 */
#include "hostile.h"

#include <stddef.h>
#include <sys/syscall.h>

#define FLAG_DF 0x400u
#define FLAG_NT 0x4000u
#define FLAG_AC 0x40000u
#define FLAG_ID 0x200000u

#define ARCH_SET_GS 0x1001
#define ARCH_GET_FS 0x1003
#define ARCH_GET_GS 0x1004

/* ---- a new program ---- */

/* What it finds in its registers, and writes to file 1. */
struct fresh {
    uint64_t gpr[16]; /* rax, rbx, rcx, rdx, rsi, rdi, rbp, rsp, r8 to r15 */
    uint64_t flags, selector[4], base[2];
    uint8_t fx[512], ymm[16][32];
};

_Static_assert(offsetof(struct fresh, flags) == 128 && offsetof(struct fresh, base) == 168 &&
                   offsetof(struct fresh, fx) == 184 && offsetof(struct fresh, ymm) == 696 &&
                   sizeof(struct fresh) == 1208,
               "as the assembly below has it");

extern const char fresh_begin[], fresh_avx[], fresh_end[];

/* All of it is copied into a file of its own; `fresh_avx` is its one parameter. */
__asm__(".pushsection .rodata\n"
        "fresh_begin:\n"
        "  mov %rax, 10f(%rip)\n  mov %rbx, 10f+8(%rip)\n  mov %rcx, 10f+16(%rip)\n  mov %rdx, 10f+24(%rip)\n"
        "  mov %rsi, 10f+32(%rip)\n  mov %rdi, 10f+40(%rip)\n  mov %rbp, 10f+48(%rip)\n"
        "  mov %rsp, 10f+56(%rip)\n  mov %r8, 10f+64(%rip)\n  mov %r9, 10f+72(%rip)\n"
        "  mov %r10, 10f+80(%rip)\n  mov %r11, 10f+88(%rip)\n  mov %r12, 10f+96(%rip)\n"
        "  mov %r13, 10f+104(%rip)\n  mov %r14, 10f+112(%rip)\n  mov %r15, 10f+120(%rip)\n"
        "  pushf\n  popq 10f+128(%rip)\n"
        "  mov %ds, %eax\n  mov %rax, 10f+136(%rip)\n  mov %es, %eax\n  mov %rax, 10f+144(%rip)\n"
        "  mov %fs, %eax\n  mov %rax, 10f+152(%rip)\n  mov %gs, %eax\n  mov %rax, 10f+160(%rip)\n"
        "  lea 11f(%rip), %rbx\n  fxsave64 (%rbx)\n"
        "  lea 10f+184(%rip), %rdi\n  mov %rbx, %rsi\n  mov $512, %ecx\n  cld\n  rep movsb\n"
        "  cmpb $0, fresh_avx(%rip)\n  je 2f\n"
        "  lea 10f+696(%rip), %rdi\n"
        "  vmovdqu %ymm0, (%rdi)\n  vmovdqu %ymm1, 32(%rdi)\n  vmovdqu %ymm2, 64(%rdi)\n"
        "  vmovdqu %ymm3, 96(%rdi)\n  vmovdqu %ymm4, 128(%rdi)\n  vmovdqu %ymm5, 160(%rdi)\n"
        "  vmovdqu %ymm6, 192(%rdi)\n  vmovdqu %ymm7, 224(%rdi)\n  vmovdqu %ymm8, 256(%rdi)\n"
        "  vmovdqu %ymm9, 288(%rdi)\n  vmovdqu %ymm10, 320(%rdi)\n  vmovdqu %ymm11, 352(%rdi)\n"
        "  vmovdqu %ymm12, 384(%rdi)\n  vmovdqu %ymm13, 416(%rdi)\n  vmovdqu %ymm14, 448(%rdi)\n"
        "  vmovdqu %ymm15, 480(%rdi)\n"
        "2: mov $158, %eax\n  mov $0x1003, %edi\n  lea 10f+168(%rip), %rsi\n  syscall\n" /* arch_prctl */
        "  mov $158, %eax\n  mov $0x1004, %edi\n  lea 10f+176(%rip), %rsi\n  syscall\n"
        "  mov $1, %eax\n  mov $1, %edi\n  lea 10f(%rip), %rsi\n  mov $1208, %edx\n  syscall\n" /* write */
        "  mov $60, %eax\n  xor %edi, %edi\n  syscall\n"                                        /* exit */
        "fresh_avx: .byte 0\n"
        "  .balign 64\n"
        "10: .fill 1208, 1, 0\n"
        "  .balign 64\n"
        "11: .fill 512, 1, 0\n"
        "fresh_end:\n"
        "  .popsection\n");

/* A file with the program above, in one segment that is all of it. */
static int fresh_file(int avx)
{
    const size_t size = (size_t)(fresh_end - fresh_begin);
    static struct {
        uint8_t ident[16];
        uint16_t type, machine;
        uint32_t version;
        uint64_t entry, phoff, shoff;
        uint32_t flags;
        uint16_t ehsize, phentsize, phnum, shentsize, shnum, shstrndx;
        struct {
            uint32_t type, flags;
            uint64_t offset, vaddr, paddr, filesz, memsz, align;
        } segment;
        uint8_t padding[8]; /* to 128 bytes: the code's alignment is that of the segment */
        uint8_t code[4096];
    } elf = {
        .ident = {0x7f, 'E', 'L', 'F', 2, 1, 1},
        .type = 2,
        .machine = 62,
        .version = 1,
        .entry = 0x400080,
        .phoff = 64,
        .ehsize = 64,
        .phentsize = 56,
        .phnum = 1,
        .segment = {.type = 1, .flags = 7, .vaddr = 0x400000, .align = PAGE},
    };
    int file = memfd_create("fresh", 0);

    _Static_assert(offsetof(__typeof__(elf), code) == 128, "no padding of the compiler's");
    CHECK(file >= 0 && size <= sizeof(elf.code));
    memcpy(elf.code, fresh_begin, size);
    elf.code[fresh_avx - fresh_begin] = (uint8_t)avx;
    elf.segment.filesz = elf.segment.memsz = 128 + size;
    CHECK(write(file, &elf, 128 + size) == (ssize_t)(128 + size));
    return file;
}

static void fresh_look(const struct fresh *f)
{
    static const struct fresh none;
    uint16_t fcw;
    uint32_t mxcsr;

    for (int i = 0; i < 16; i++)
        if (i != 7 && f->gpr[i] != 0)
            FAIL("a new program finds %#lx in general register %d", (long)f->gpr[i], i);
    CHECK_EQ(f->flags, 0x202);
    for (int i = 0; i < 4; i++)
        CHECK_EQ(f->selector[i], 0);
    CHECK_EQ(f->base[0], 0);
    CHECK_EQ(f->base[1], 0);
    memcpy(&fcw, f->fx, 2);
    memcpy(&mxcsr, f->fx + 24, 4);
    CHECK_EQ(fcw, 0x37f);
    CHECK_EQ(mxcsr, 0x1f80);
    if (memcmp(f->fx + 2, none.fx, 22) != 0)
        FAIL("a new program finds an x87 status that isn't that of a new program");
    if (memcmp(f->fx + 32, none.fx, 384) != 0)
        FAIL("a new program finds something in the x87 or XMM registers");
    if (memcmp(f->ymm, none.ymm, sizeof(none.ymm)) != 0)
        FAIL("a new program finds something in the YMM registers");
}

static void fresh_run(int file)
{
    static char *const nothing[] = {NULL};
    static struct fresh found;
    int ends[2];
    pid_t pid;

    CHECK(pipe(ends) == 0);
    pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        dup2(ends[1], 1);
        syscall(SYS_execveat, file, "", nothing, nothing, 0x1000 /* AT_EMPTY_PATH */);
        _exit(99);
    }
    CHECK(read(ends[0], &found, sizeof(found)) == sizeof(found));
    CHECK_EQ(child_status(pid), 0);
    close(ends[0]);
    close(ends[1]);
    fresh_look(&found);
}

/* ---- programs that hold something ---- */

struct held {
    uint64_t gpr[9]; /* rbx, r8 to r15 */
    uint64_t flags, selector[2];
    uint8_t fx[512] __attribute__((aligned(16)));
    uint8_t ymm[16][32];
};

_Static_assert(offsetof(struct held, flags) == 72 && offsetof(struct held, selector) == 80 &&
                   offsetof(struct held, fx) == 96 && offsetof(struct held, ymm) == 608,
               "as the assembly below has it");

/* Loads everything from rdi, counts edx down, and stores everything to rsi. avx: with YMM registers. */
void hold(const struct held *from, struct held *to, uint32_t count);
void hold_avx(const struct held *from, struct held *to, uint32_t count);

#define GPRS(op_from, op_to)                                                                             \
    op_from("rbx", "0") op_from("r8", "8") op_from("r9", "16") op_from("r10", "24") op_from("r11", "32") \
        op_from("r12", "40") op_from("r13", "48") op_from("r14", "56") op_from("r15", "64") op_to
#define LOAD(r, at)  "  mov " at "(%rdi), %" r "\n"
#define STORE(r, at) "  mov %" r ", " at "(%rsi)\n"
#define YMMS(op)                                                                                             \
    op("0", "608") op("1", "640") op("2", "672") op("3", "704") op("4", "736") op("5", "768") op("6", "800") \
        op("7", "832") op("8", "864") op("9", "896") op("10", "928") op("11", "960") op("12", "992")         \
            op("13", "1024") op("14", "1056") op("15", "1088")
#define LOAD_YMM(n, at)  "  vmovdqu " at "(%rdi), %ymm" n "\n"
#define STORE_YMM(n, at) "  vmovdqu %ymm" n ", " at "(%rsi)\n"
#define HOLD(name, load_vectors, store_vectors)                                                             \
    __asm__(                                                                                                \
        ".pushsection .text\n" name ":\n"                                                                   \
        "  push %rbx\n  push %rbp\n  push %r12\n  push %r13\n  push %r14\n  push %r15\n"                    \
        "  fxrstor64 96(%rdi)\n" load_vectors "  mov 80(%rdi), %ds\n  mov 88(%rdi), %es\n" GPRS(            \
            LOAD,                                                                                           \
            "") "  pushq 72(%rdi)\n  popf\n"                                                                \
                "1: lea -1(%rdx), %rdx\n  lea (%rdx), %rcx\n  jrcxz 2f\n  jmp 1b\n" /* flags stay */        \
                "2: pushf\n  popq 72(%rsi)\n  pushq $0x202\n  popf\n" GPRS(                                 \
                    STORE,                                                                                  \
                    "") "  mov %ds, 80(%rsi)\n  mov %es, 88(%rsi)\n  fxsave64 96(%rsi)\n" store_vectors     \
                        "  xor %eax, %eax\n  mov %eax, %ds\n  mov %eax, %es\n  fninit\n  pushq $0x1f80\n"   \
                        "  ldmxcsr (%rsp)\n  add $8, %rsp\n"                                                \
                        "  pop %r15\n  pop %r14\n  pop %r13\n  pop %r12\n  pop %rbp\n  pop %rbx\n  ret\n  " \
                        ".popsection\n")
HOLD("hold", "", "");
HOLD("hold_avx", YMMS(LOAD_YMM), YMMS(STORE_YMM) "  vzeroupper\n");

static int has_avx;

static void held_make(struct held *h, uint64_t word, uint64_t flags)
{
    uint16_t fcw = (uint16_t)(0x037f | (word & 3) << 10);
    uint32_t mxcsr = 0x1f80 | (uint32_t)(word & 3) << 13 | 0x3f;

    memset(h, 0, sizeof(*h));
    for (int i = 0; i < 9; i++)
        h->gpr[i] = word;
    h->flags = 0x202 | flags;
    h->selector[0] = h->selector[1] = word & 4 ? 0x2b : 0;
    memcpy(h->fx, &fcw, 2);
    h->fx[4] = 0xff; /* all in use */
    memcpy(h->fx + 24, &mxcsr, 4);
    for (int i = 0; i < 8; i++) {
        memcpy(h->fx + 32 + 16 * i, &word, 8);
        h->fx[32 + 16 * i + 9] = 0x40;
    }
    for (int i = 0; i < 16; i++) {
        memcpy(h->fx + 160 + 16 * i, &word, 8);
        memcpy(h->fx + 168 + 16 * i, &word, 8);
        for (int k = 0; k < 4; k++)
            memcpy(&h->ymm[i][8 * k], &word, 8);
    }
}

static void held_compare(const struct held *got, const struct held *put)
{
    for (int i = 0; i < 9; i++)
        CHECK_EQ(got->gpr[i], put->gpr[i]);
    CHECK_EQ(got->flags, put->flags);
    CHECK_EQ(got->selector[0], put->selector[0]);
    CHECK_EQ(got->selector[1], put->selector[1]);
    CHECK(memcmp(got->fx, put->fx, 2) == 0 && got->fx[4] == 0xff);
    CHECK(memcmp(got->fx + 24, put->fx + 24, 4) == 0);
    for (int i = 0; i < 8; i++)
        CHECK(memcmp(got->fx + 32 + 16 * i, put->fx + 32 + 16 * i, 10) == 0);
    CHECK(memcmp(got->fx + 160, put->fx + 160, 256) == 0);
    CHECK(!has_avx || memcmp(got->ymm, put->ymm, sizeof(put->ymm)) == 0);
}

/* AVX-512 registers, which the guest may not be shown: to the word, and what they hold. */
static void trial_load_512(uintptr_t word, uintptr_t unused)
{
    (void)unused;
    __asm__ volatile("vpbroadcastq %0, %%zmm31\n vpbroadcastq %0, %%zmm16\n kmovq %0, %%k7" : : "r"(word));
}

static void trial_store_512(uintptr_t words, uintptr_t unused)
{
    (void)unused;
    __asm__ volatile("vmovdqu64 %%zmm31, (%0)\n vmovdqu64 %%zmm16, 64(%0)\n kmovq %%k7, 128(%0)"
                     :
                     : "r"(words)
                     : "memory");
}

static const uint64_t flag_sets[] = {0,       FLAG_ID, FLAG_DF | 0x8d5,
                                     FLAG_NT, FLAG_AC, FLAG_ID | FLAG_DF | FLAG_NT};

/* The secret, and its complement for those who look for it. */
static uint64_t secret;
static volatile unsigned *over;

/* Holds the secret, or something of its own, until everything is over. */
static void holder(uintptr_t n)
{
    static struct held put, got;
    uint64_t others[17], word = n ? 0x0101010101010101u * (n + 1) : secret;

    trials_begin();
    for (unsigned round = 0; !*over; round++) {
        /* Another program's secret isn't in what isn't ours to begin with. */
        memset(others, 0, sizeof(others));
        if (n && trial_run(trial_store_512, (uintptr_t)others, 0))
            for (int i = 0; i < 17; i++)
                if (others[i] == secret)
                    FAIL("another program's secret is in AVX-512 registers");
        held_make(&put, word, flag_sets[(round + n) % (sizeof(flag_sets) / sizeof(flag_sets[0]))]);
        if (!n)
            trial_run(trial_load_512, secret, 0);
        syscall(SYS_arch_prctl, ARCH_SET_GS, n ? n << 20 : secret & 0x3fffffffffff);
        (has_avx ? hold_avx : hold)(&put, &got, round % 4 ? 400000 : 8000000);
        held_compare(&got, &put);
        uint64_t base = 0;

        syscall(SYS_arch_prctl, ARCH_GET_GS, &base);
        CHECK_EQ(base, n ? n << 20 : secret & 0x3fffffffffff);
    }
}

int main(void)
{
    enum { HOLDERS = 4, FRESH = 150 };
    pid_t holders[HOLDERS];
    int file;

    has_avx = __builtin_cpu_supports("avx") != 0;
    witness_begin();
    over = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(over != MAP_FAILED);
    secret = (uint64_t)monotonic_ns() * 0x9e3779b97f4a7c15u | 0x8000000000000005u;
    file = fresh_file(has_avx);
    for (uintptr_t i = 0; i < HOLDERS; i++) {
        fflush(stdout);
        holders[i] = fork();
        CHECK(holders[i] >= 0);
        if (holders[i] == 0) {
            CHECK(prctl(PR_SET_PDEATHSIG, SIGKILL) == 0);
            ATTACK(holder, i, 100);
            _exit(0);
        }
    }
    for (int i = 0; i < FRESH; i++)
        fresh_run(file);
    *over = 1;
    for (int i = 0; i < HOLDERS; i++)
        CHECK_EQ(child_status(holders[i]), 0);
    witness_end();
    return 0;
}
