// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * docs/pv-abi.md names every hypercall with its number, its argument count and whether it is offered, and
 * every sub-operation that the ABI's tables know; and names none that they don't.  Run from the top of the
 * source tree.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pv/hypercall.h"
#include "pv/hypercall_abi.h"
#include "suite.h"

static char *doc;

static void doc_read(void)
{
    FILE *f = fopen("docs/pv-abi.md", "r");
    size_t n;

    ck_assert_msg(f != NULL, "docs/pv-abi.md can't be read; is this the top of the source tree?");
    doc = calloc(1, 1 << 20);
    n = fread(doc, 1, (1 << 20) - 1, f);
    ck_assert_uint_gt(n, 0);
    fclose(f);
}

START_TEST(test_hypercalls)
{
    unsigned rows = 0, known = 0;

    for (unsigned nr = 0; nr < NR_HYPERCALLS; nr++) {
        const struct hypercall *hc = &hypercalls[nr];
        char row[128];

        if (!hc->name)
            continue;
        known++;
        snprintf(row, sizeof(row), "\n| %u | %s | %u | %s |", nr, hc->name, hc->nr_args,
                 hc->fn ? "offered" : "-ENOSYS");
        ck_assert_msg(strstr(doc, row) != NULL, "no row%s", row);
    }
    for (const char *p = doc; (p = strstr(p, "\n| ")); p++)
        rows += p[3] >= '0' && p[3] <= '9' && strchr(p + 3, '|')[2] >= 'a' && strchr(p + 3, '|')[2] <= 'z';
    ck_assert_uint_eq(rows, known);
}
END_TEST

START_TEST(test_operations)
{
    for (unsigned nr = 0; nr < NR_ABI_CALLS; nr++)
        for (unsigned i = 0; i < abi_calls[nr].nr_ops; i++) {
            char row[128];

            snprintf(row, sizeof(row), "\n| %s | ", abi_calls[nr].op[i].name);
            ck_assert_msg(strstr(doc, row) != NULL, "no row of %s", abi_calls[nr].op[i].name);
        }
}
END_TEST

/* Is there such a name? */
static bool operation_known(const char *name, size_t n)
{
    const struct abi_struct *mmuext = abi_calls[__HYPERVISOR_mmuext_op].args->field[0].list->item;

    for (unsigned i = 0; i < mmuext->nr_variants; i++)
        if (!strncmp(mmuext->variant[i].name, name, n) && !mmuext->variant[i].name[n])
            return true;
    for (unsigned nr = 0; nr < NR_ABI_CALLS; nr++)
        for (unsigned i = 0; i < abi_calls[nr].nr_ops; i++)
            if (!strncmp(abi_calls[nr].op[i].name, name, n) && !abi_calls[nr].op[i].name[n])
                return true;
    return false;
}

START_TEST(test_no_others)
{
    unsigned n = 0;

    for (const char *p = doc; (p = strstr(p, "\n| ")); p++) {
        size_t len = strcspn(p + 3, " ");

        if (p[3] < 'A' || p[3] > 'Z' || !memchr(p + 3, '_', len))
            continue;
        n++;
        ck_assert_msg(operation_known(p + 3, len), "the document's %.*s is no operation", (int)len, p + 3);
    }
    ck_assert_uint_gt(n, 100);
}
END_TEST

int main(void)
{
    TCase *c = tcase_create("all");

    tcase_add_unchecked_fixture(c, doc_read, NULL);
    tcase_add_test(c, test_hypercalls);
    tcase_add_test(c, test_operations);
    tcase_add_test(c, test_no_others);
    return suite_run("abi_doc", c);
}
