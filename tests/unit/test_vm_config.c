/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Values of a configuration: sizes, actions, names, debug lists, and whether they fit together.
 */
#include <check.h>
#include <string.h>

#include "base/debug.h"
#include "host/vm.h"
#include "suite.h"

static char why[300];

static uint64_t memory(const char *text)
{
    uint64_t bytes = 0;

    why[0] = 0;
    return vm_memory_parse(text, &bytes, why, sizeof(why)) ? 0 : bytes;
}

START_TEST(memory_sizes)
{
    ck_assert_uint_eq(memory("512M"), 512UL << 20);
    ck_assert_uint_eq(memory("512"), 512UL << 20);
    ck_assert_uint_eq(memory("1G"), 1UL << 30);
    ck_assert_uint_eq(memory("1g"), 1UL << 30);
    ck_assert_uint_eq(memory("65536k"), 64UL << 20);
    ck_assert_uint_eq(memory("65537k"), (64UL << 20)); /* whole pages */
    ck_assert_uint_eq(memory("64G"), VM_MEMORY_MAX);
}
END_TEST

START_TEST(memory_refused)
{
    static const char *const bad[] = {"",
                                      "M",
                                      "-1",
                                      "+5",
                                      " 5",
                                      "0x100",
                                      "1.5G",
                                      "512MB",
                                      "512 M",
                                      "0",
                                      "1M",
                                      "65G",
                                      "1T",
                                      "18446744073709551615",
                                      "99999999999999999999999",
                                      "17592186044416G"};

    for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
        ck_assert_msg(memory(bad[i]) == 0, "'%s' was taken", bad[i]);
        ck_assert_msg(strstr(why, bad[i]) != NULL && !strchr(why, '\n'), "'%s': %s", bad[i], why);
    }
}
END_TEST

START_TEST(actions)
{
    enum vm_action a = VM_RESTART;

    ck_assert_int_eq(vm_action_parse("destroy", &a, why, sizeof(why)), 0);
    ck_assert_int_eq(a, VM_DESTROY);
    ck_assert_int_eq(vm_action_parse("coredump-restart", &a, why, sizeof(why)), 0);
    ck_assert_int_eq(a, VM_RESTART);
    ck_assert_int_eq(vm_action_parse("preserve", &a, why, sizeof(why)), 0);
    ck_assert_int_eq(a, VM_PRESERVE);
    ck_assert_int_eq(vm_action_parse("rename-restart", &a, why, sizeof(why)), -1);
    ck_assert_int_eq(vm_action_parse("", &a, why, sizeof(why)), -1);
    ck_assert_int_eq(a, VM_PRESERVE);
}
END_TEST

START_TEST(fits_together)
{
    struct vm_config c;
    char long_name[VM_NAME_MAX + 2];

    vm_config_init(&c);
    ck_assert_int_eq(vm_config_check(&c, why, sizeof(why)), -1);
    ck_assert_ptr_nonnull(strstr(why, "--kernel"));
    vm_config_string(&c.kernel, "vmlinuz");
    ck_assert_int_eq(vm_config_check(&c, why, sizeof(why)), 0);
    ck_assert_str_eq(c.name, "guest");
    ck_assert_uint_eq(c.maxmem, c.memory);
    c.vcpus = 0;
    ck_assert_int_eq(vm_config_check(&c, why, sizeof(why)), -1);
    c.vcpus = 33;
    ck_assert_int_eq(vm_config_check(&c, why, sizeof(why)), -1);
    c.vcpus = 32;
    ck_assert_int_eq(vm_config_check(&c, why, sizeof(why)), 0);
    c.maxmem = c.memory - PAGE_SIZE;
    ck_assert_int_eq(vm_config_check(&c, why, sizeof(why)), -1);
    c.maxmem = 0;
    vm_config_string(&c.name, "a/b");
    ck_assert_int_eq(vm_config_check(&c, why, sizeof(why)), -1);
    vm_config_string(&c.name, "a b");
    ck_assert_int_eq(vm_config_check(&c, why, sizeof(why)), -1);
    vm_config_string(&c.name, "");
    ck_assert_int_eq(vm_config_check(&c, why, sizeof(why)), -1);
    memset(long_name, 'x', sizeof(long_name));
    long_name[VM_NAME_MAX + 1] = 0;
    vm_config_string(&c.name, long_name);
    ck_assert_int_eq(vm_config_check(&c, why, sizeof(why)), -1);
    long_name[VM_NAME_MAX] = 0;
    vm_config_string(&c.name, long_name);
    ck_assert_int_eq(vm_config_check(&c, why, sizeof(why)), 0);
    vm_config_free(&c);
}
END_TEST

/*
 * A trace file alone asks for the trace; with a summary, for the summary only. A watchdog is a crash unless
 * said.
 */
START_TEST(implied)
{
    struct vm_config c;

    vm_config_init(&c);
    vm_config_string(&c.kernel, "vmlinuz");
    vm_config_string(&c.trace_file, "t");
    c.on_crash = VM_PRESERVE;
    ck_assert_int_eq(vm_config_check(&c, why, sizeof(why)), 0);
    ck_assert(c.trace);
    ck_assert_int_eq(c.on_watchdog, VM_PRESERVE);
    c.trace = false;
    c.trace_summary = true;
    c.on_watchdog = VM_RESTART;
    c.on_watchdog_set = true;
    ck_assert_int_eq(vm_config_check(&c, why, sizeof(why)), 0);
    ck_assert(!c.trace);
    ck_assert_int_eq(c.on_watchdog, VM_RESTART);
    vm_config_free(&c);
}
END_TEST

START_TEST(debug_lists)
{
    uint32_t mask = 0;
    char bad[16];

    ck_assert_int_eq(debug_parse("in_asm,int", &mask, bad, sizeof(bad)), 0);
    ck_assert_uint_eq(mask, DEBUG_IN_ASM | DEBUG_INT);
    ck_assert_int_eq(debug_parse("mmu,inn", &mask, bad, sizeof(bad)), -1);
    ck_assert_str_eq(bad, "inn");
    ck_assert_int_eq(debug_parse("", &mask, bad, sizeof(bad)), -1);
    ck_assert_int_eq(debug_parse("in_asm,", &mask, bad, sizeof(bad)), -1);
    ck_assert_int_eq(debug_parse("a_name_that_is_longer_than_its_room", &mask, bad, sizeof(bad)), -1);
    ck_assert_uint_eq(strlen(bad), sizeof(bad) - 1);
    for (unsigned i = 0; i < NR_DEBUG_OPTIONS; i++) {
        mask = 0;
        ck_assert_int_eq(debug_parse(debug_name(i), &mask, bad, sizeof(bad)), 0);
        ck_assert_uint_eq(mask, 1u << i);
    }
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("vm_config");

    tcase_add_test(t, memory_sizes);
    tcase_add_test(t, memory_refused);
    tcase_add_test(t, actions);
    tcase_add_test(t, fits_together);
    tcase_add_test(t, implied);
    tcase_add_test(t, debug_lists);
    return suite_run("vm_config", t);
}
