// SPDX-License-Identifier: MIT
/*
 * Exceptions arrive in the guest kernel with the ABI's frame: vector, error code, rip at the instruction
 * that faulted or behind the one that trapped, flags, stack, and RPL 0 in cs because it came from kernel
 * mode.
 *
 * A broken engine reports the wrong rip (a block's start), loses registers or flags, or delivers another
 * vector.
 */
#include "pvtest.h"

/* An instruction with a label at it and behind it. */
#define PROBE(name, text)                                                                                  \
    extern char name##_at[], name##_behind[];                                                              \
    void name(void *arg);                                                                                  \
    __asm__(".globl " #name ", " #name "_at, " #name "_behind\n" #name ":\n" #name "_at: " text "\n" #name \
            "_behind: ret\n")

/* rdi is the argument. */
PROBE(probe_de, "xor %eax, %eax; xor %edx, %edx; xor %ecx, %ecx; probe_de_div: div %ecx");
PROBE(probe_bp, "int3");
PROBE(probe_ud, "ud2");
PROBE(probe_gp, "mov (%rdi), %rax");
PROBE(probe_pf, "mov (%rdi), %rax");
PROBE(probe_jump, "jmp *%rdi");
PROBE(probe_ss, "mov %rbp, %rcx; mov %rdi, %rbp; probe_ss_load: mov (%rbp), %rax; mov %rcx, %rbp");
PROBE(probe_int, "int $0x20");
PROBE(probe_int80, "int $0x80");
PROBE(probe_cr, "mov %rax, %cr8");
PROBE(probe_hlt, "hlt");
PROBE(probe_wrmsr, "mov $0x12345678, %ecx; xor %eax, %eax; xor %edx, %edx; probe_wrmsr_at2: wrmsr");
extern char probe_de_div[], probe_ss_load[], probe_wrmsr_at2[];

static struct trap_frame last;

static void expect(void (*fn)(void *), void *arg, unsigned vector, uint64_t error, const char *rip,
                   const char *what)
{
    if (!trap_catch(fn, arg, &last)) {
        check(false, "%s: no exception", what);
        return;
    }
    check_eq(last.vector, vector, what);
    check_eq(last.error, error, what);
    check_eq(last.rip, rip, what);
    check_eq(last.cs & 3, 0, what);
    check((last.cs & 0xffff) == (FLAT_KERNEL_CS & ~3), "%s: cs %x", what, last.cs & 0xffff);
    check(last.ss == FLAT_KERNEL_SS, "%s: ss %lx", what, last.ss);
    check(last.rdi == (uint64_t)arg, "%s: rdi %lx", what, last.rdi);
}

static void test_vectors(void)
{
    expect(probe_de, NULL, 0, 0, probe_de_div, "#DE");
    expect(probe_bp, NULL, 3, 0, probe_bp_behind, "#BP");
    expect(probe_ud, NULL, 6, 0, probe_ud_at, "#UD");
    expect(probe_gp, (void *)NONCANONICAL, 13, 0, probe_gp_at, "#GP by a non-canonical address");
    expect(probe_pf, (void *)UNMAPPED, 14, 0, probe_pf_at, "#PF by a load");
    check_eq(this_cpu()->info->arch.cr2, UNMAPPED, "cr2 of a load");
    expect(probe_jump, (void *)UNMAPPED, 14, 0x10, (char *)UNMAPPED, "#PF by a jump");
    check_eq(this_cpu()->info->arch.cr2, UNMAPPED, "cr2 of a fetch");
    expect(probe_ss, (void *)NONCANONICAL, 12, 0, probe_ss_load, "#SS by a non-canonical stack address");
    expect(probe_int, NULL, 13, 0x20 << 3 | 2, probe_int_at, "int of a gate that the kernel may not use");
    expect(probe_int80, NULL, 0x80, 0, probe_int80_behind, "int 0x80 of a gate that it may");
    expect(probe_cr, NULL, 13, 0, probe_cr_at, "a privileged instruction that is not emulated");
    expect(probe_wrmsr, NULL, 13, 0, probe_wrmsr_at2, "wrmsr of an unknown MSR");
    expect(probe_hlt, NULL, 13, 0, probe_hlt_at, "hlt");
}

/* Flags and registers are those of the instruction, whatever the engine did before it in the block. */
extern char probe_state_load[];
void probe_state(void *arg);
__asm__("probe_state:\n"
        "  push %rbx; push %r12; push %r13; push %r14; push %r15; push %rbp\n"
        "  mov $0x1111, %rbx; mov $0x1212, %r12; mov $0x1313, %r13; mov $0x1414, %r14; mov $0x1515, %r15\n"
        "  mov $0x5555, %rbp; mov $0xcccc, %rcx\n"
        "  mov $0x7fffffff, %eax; add $1, %eax\n" /* OF SF AF PF, no CF ZF */
        "  std\n"
        "probe_state_load: mov (%rdi), %rdx\n"
        "  cld\n"
        "  pop %rbp; pop %r15; pop %r14; pop %r13; pop %r12; pop %rbx\n"
        "  ret\n");

static void test_state(void)
{
    expect(probe_state, (void *)UNMAPPED, 14, 0, probe_state_load, "state");
    check((last.rflags & 0xcd5) == 0xc94, "flags: %lx", last.rflags);
    check(last.rbx == 0x1111 && last.r12 == 0x1212 && last.r13 == 0x1313 && last.r14 == 0x1414 &&
              last.r15 == 0x1515 && last.rbp == 0x5555 && last.rcx == 0xcccc && last.rax == 0x80000000,
          "registers");
    check_eq(last.rflags >> 9 & 1, !last.saved_upcall_mask, "IF is the inverse of the event mask");
}

/* An exception inside a handler: both frames are right, and both return. */
static unsigned nested_depth, nested_inner;

static void nested_inner_handler(struct trap_frame *f)
{
    nested_inner++;
    f->rip += 2; /* ud2 */
}

static void nested_outer_handler(struct trap_frame *f)
{
    nested_depth++;
    __asm__ volatile("ud2");
    f->rax = 0x77;
}

static void test_nested(void)
{
    uint64_t value = 0;

    trap_handler(3, nested_outer_handler);
    trap_handler(6, nested_inner_handler);
    for (unsigned i = 0; i < 1000; i++)
        __asm__ volatile("int3" : "+a"(value));
    trap_handler(3, NULL);
    trap_handler(6, NULL);
    check_eq(nested_depth, 1000, "outer exceptions");
    check_eq(nested_inner, 1000, "inner exceptions");
    check_eq(value, 0x77, "a register changed by the handler");
}

/* TF: a trap behind each instruction; the frame shows TF, the handler itself isn't traced. */
static unsigned steps;
static uint64_t step_rips[8];

static void step_handler(struct trap_frame *f)
{
    if (steps < 8)
        step_rips[steps] = f->rip;
    steps++;
    if (steps == 4)
        f->rflags &= ~0x100UL;
}

extern char step_1[], step_2[], step_3[], step_4[];

static void test_single_step(void)
{
    trap_handler(1, step_handler);
    __asm__ volatile("pushf; orl $0x100, (%%rsp); popf\n"
                     "nop\n step_1: xor %%eax, %%eax\n step_2: push %%rax\n step_3: pop %%rax\n step_4: nop\n"
                     "nop\n"
                     :
                     :
                     : "rax", "memory", "cc");
    trap_handler(1, NULL);
    check_eq(steps, 4, "single steps");
    check_eq(step_rips[0], step_1, "step 1");
    check_eq(step_rips[1], step_2, "step 2");
    check_eq(step_rips[2], step_3, "step 3");
    check_eq(step_rips[3], step_4, "step 4");
}

/* TI_GET_IF: a vector's handler is entered with events masked or not, as its table entry says. */
static int seen_mask;

static void mask_handler(struct trap_frame *f)
{
    (void)f;
    seen_mask = events_masked();
}

static void test_event_mask(void)
{
    extern char trap_stubs[];
    struct trap_info table[2] = {
        {.vector = 3, .flags = 3 | 4, .cs = FLAT_KERNEL_CS, .address = (uint64_t)trap_stubs + 16 * 3}};

    trap_handler(3, mask_handler);
    events_unmask();
    __asm__ volatile("int3");
    check_eq(seen_mask, 0, "events stay unmasked");
    check_eq(hc_set_trap_table(table), 0, "set_trap_table");
    __asm__ volatile("int3");
    check_eq(seen_mask, 1, "events masked for the handler");
    check_eq(events_masked(), 0, "and unmasked by its iret");
    table[0].flags = 3;
    check_eq(hc_set_trap_table(table), 0, "set_trap_table");
    events_mask();
    trap_handler(3, NULL);
}

void guest_main(void)
{
    events_init();
    test_vectors();
    test_state();
    test_nested();
    test_single_step();
    test_event_mask();
}
