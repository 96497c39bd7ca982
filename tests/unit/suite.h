/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What every unit test's main() ends with. */
#ifndef DIPTYCH_TESTS_SUITE_H
#define DIPTYCH_TESTS_SUITE_H

#include <check.h>
#include <stdlib.h>

/* Runs the tests of t, which it takes over, and prints their results under the name. The exit status. */
static inline int suite_run(const char *name, TCase *t)
{
    Suite *s = suite_create(name);
    SRunner *r = srunner_create(s);
    int failed;

    suite_add_tcase(s, t);
    srunner_run_all(r, CK_ENV);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

#endif
