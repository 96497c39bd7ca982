// SPDX-License-Identifier: MIT
/*
 * Self-modifying code runs as written: code changed by the guest before it is run, the code's own next
 * instruction changed, through the same and through another mapping, and by a string instruction.
 *
 * A broken engine runs the old translation.
 */
#include "pvtest.h"

typedef unsigned fn_t(void);

static unsigned char *code;

/* mov $value, %eax; ret */
static void emit_return(unsigned char *at, unsigned value)
{
    at[0] = 0xb8;
    memcpy(at + 1, &value, 4);
    at[5] = 0xc3;
}

static unsigned call(const void *p)
{
    return ((fn_t *)p)();
}

static void test_rewrite(void)
{
    unsigned wrong = 0;

    for (unsigned i = 0; i < 5000; i++) {
        emit_return(code, i);
        wrong += call(code) != i;
    }
    check_eq(wrong, 0, "rewritten and called");
    for (unsigned i = 0; i < 5000; i++) {
        *(volatile unsigned *)(code + 1) = i; /* only the immediate */
        wrong += call(code) != i;
    }
    check_eq(wrong, 0, "immediate changed");
    for (unsigned i = 0; i < 200; i++) {
        *(volatile unsigned char *)(code + 1) = (unsigned char)i;
        wrong += (call(code) & 0xff) != i;
    }
    check_eq(wrong, 0, "one byte changed");
}

/* Data beside code in a page: stores there must leave the code right, and be fast enough to end. */
static void test_data_beside(void)
{
    volatile unsigned *data = (volatile unsigned *)(code + 2048);
    unsigned wrong = 0;

    emit_return(code, 42);
    for (unsigned i = 0; i < 20000; i++) {
        *data = i;
        wrong += call(code) != 42 || *data != i;
    }
    check_eq(wrong, 0, "data beside code");
}

/* A function that changes the instruction right behind the store: movb $imm, next+1(%rip) before mov $x, %al.
 * */
static void test_next_instruction(void)
{
    static const unsigned char text[] = {
        0x31, 0xc0,                               /* xor %eax, %eax */
        0xc6, 0x05, 0x01, 0x00, 0x00, 0x00, 0x00, /* movb $0, 1(%rip): the immediate of the next */
        0xb0, 0xee,                               /* mov $0xee, %al */
        0xc3,                                     /* ret */
    };
    unsigned wrong = 0;

    for (unsigned i = 0; i < 256; i++) {
        memcpy(code, text, sizeof(text));
        code[8] = (unsigned char)i;
        wrong += call(code) != i;
        wrong += call(code) != i;
    }
    check_eq(wrong, 0, "the next instruction changed");
}

/* Through another mapping of the same frame. */
static void test_alias(void)
{
    unsigned char *alias = page_alloc(1);
    uint64_t own = virt_to_machine(alias);
    unsigned wrong = 0;

    check_eq(hc_update_va_mapping((uint64_t)alias, virt_to_machine(code) | PTE_RAM, UVMF_INVLPG), 0, "alias");
    for (unsigned i = 0; i < 2000; i++) {
        emit_return(alias, i);
        wrong += call(code) != i;
        emit_return(code, i + 7);
        wrong += call(alias) != i + 7;
    }
    check_eq(wrong, 0, "changed through an alias");
    check_eq(hc_update_va_mapping((uint64_t)alias, own | PTE_RAM, UVMF_INVLPG), 0, "alias removed");
}

/* The mapping changes instead of the memory. */
static void test_remap(void)
{
    unsigned char *a = page_alloc(1), *b = page_alloc(1);
    uint64_t ma = virt_to_machine(a), mb = virt_to_machine(b);
    unsigned wrong = 0;

    emit_return(a, 1);
    emit_return(b, 2);
    for (unsigned i = 0; i < 1000; i++) {
        hc_update_va_mapping((uint64_t)a, mb | PTE_RAM, UVMF_INVLPG);
        wrong += call(a) != 2;
        hc_update_va_mapping((uint64_t)a, ma | PTE_RAM, UVMF_INVLPG);
        wrong += call(a) != 1;
    }
    check_eq(wrong, 0, "remapped");
}

/* An instruction across two pages, either half changed. */
static void test_across_pages(void)
{
    unsigned char *two = page_alloc(2);
    unsigned wrong = 0;

    for (unsigned i = 0; i < 1000; i++) {
        emit_return(two + 4093, i << 16 | i);
        wrong += call(two + 4093) != (i << 16 | i);
        two[4097] = (unsigned char)(i + 1);
        wrong += (call(two + 4093) >> 24 & 0xff) != ((i + 1) & 0xff);
    }
    check_eq(wrong, 0, "across pages");
}

/* rep movsb over code, code and a loop in one page. */
static void test_string_copy(void)
{
    unsigned char image[2][6];
    unsigned wrong = 0;

    emit_return(image[0], 100);
    emit_return(image[1], 200);
    for (unsigned i = 0; i < 2000; i++) {
        memcpy(code, image[i & 1], 6);
        wrong += call(code) != (i & 1 ? 200 : 100);
    }
    check_eq(wrong, 0, "copied over");
}

/*
 * The hypervisor itself writes over code: the result of a multicall entry is the immediate of an instruction.
 * The entry's number, whose last two bytes are the opcode, is one that doesn't exist.
 */
static void test_hypervisor_write(void)
{
    struct multicall_entry *entry = (struct multicall_entry *)(code + 0x100);
    uint64_t (*fn)(void) = (uint64_t(*)(void))((unsigned char *)&entry->result - 2);

    entry->op = 0xb848UL << 48; /* 48 b8: movabs $result, %rax */
    entry->args[0] = 0xc3;      /* ret */
    for (unsigned i = 0; i < 100; i++) {
        entry->result = i;
        check_eq(fn(), i, "as the guest wrote it");
        check_eq(hc_multicall(entry, 1), 0, "multicall");
        check_eq(fn(), -XEN_ENOSYS, "as the hypervisor wrote it");
    }
}

void guest_main(void)
{
    code = page_alloc(1);
    test_rewrite();
    test_data_beside();
    test_next_instruction();
    test_alias();
    test_remap();
    test_across_pages();
    test_string_copy();
    test_hypervisor_write();
}
