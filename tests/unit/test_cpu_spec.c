/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * --cpu: models and features become a mask whose names the CPU policy knows.
 */
#include <check.h>
#include <stdio.h>
#include <string.h>

#include "cpu/cpu_policy.h"
#include "host/cpu_spec.h"
#include "suite.h"

static char mask[1024], why[300];

static int parse(const char *spec)
{
    return cpu_spec_parse(spec, mask, sizeof(mask), why, sizeof(why));
}

static bool masked(const char *name)
{
    char list[1100], word[40];

    snprintf(list, sizeof(list), ",%s,", mask);
    snprintf(word, sizeof(word), ",%s,", name);
    return strstr(list, word) != NULL;
}

START_TEST(host)
{
    ck_assert_int_eq(parse("host"), 0);
    ck_assert_str_eq(mask, "");
    ck_assert_int_eq(parse("host,-avx2,-sha_ni"), 0);
    ck_assert_str_eq(mask, "avx2,sha_ni");
    ck_assert_int_eq(parse("-avx2"), 0);
    ck_assert_str_eq(mask, "avx2");
    ck_assert_int_eq(parse("host,-avx2,-avx2,+avx2"), 0);
    ck_assert_str_eq(mask, "");
}
END_TEST

START_TEST(levels)
{
    ck_assert_int_eq(parse("x86-64-v3"), 0);
    ck_assert(!masked("avx2") && !masked("sse4_2") && masked("aes"));
    ck_assert(masked("avx512f"));
    ck_assert_int_eq(parse("x86-64-v4"), 0);
    ck_assert(!masked("avx512f") && !masked("avx2") && masked("avx512_vnni"));
    ck_assert_int_eq(parse("x86-64-v2,+aes"), 0);
    ck_assert(masked("avx2") && masked("xsave") && !masked("sse4_2") && !masked("aes") && masked("sha_ni"));
    ck_assert_int_eq(parse("x86-64"), 0);
    ck_assert(masked("sse4_2") && masked("cx16") && masked("avx") && masked("rdrand"));
}
END_TEST

/* Each model's mask is one that the policy takes: a name that it doesn't know would refuse every guest. */
START_TEST(names_are_known)
{
    char list[1024], *save = NULL;

    ck_assert_int_eq(parse("x86-64"), 0);
    strcpy(list, mask);
    for (char *w = strtok_r(list, ",", &save); w; w = strtok_r(NULL, ",", &save))
        ck_assert_msg(cpu_feature_by_name(w, strlen(w)) != CPU_NEVER, "%s", w);
}
END_TEST

START_TEST(refused)
{
    char tight[8];

    ck_assert_int_eq(parse("pentium"), -1);
    ck_assert_ptr_nonnull(strstr(why, "'pentium' is no CPU model"));
    ck_assert_int_eq(parse(""), -1);
    ck_assert_int_eq(parse("host,"), -1);
    ck_assert_int_eq(parse("host,avx2"), -1);
    ck_assert_ptr_nonnull(strstr(why, "write -FEATURE or +FEATURE"));
    ck_assert_int_eq(parse("host,-"), -1);
    ck_assert_int_eq(cpu_spec_parse("-avx2,-sse3", tight, sizeof(tight), why, sizeof(why)), -1);
    ck_assert_int_eq(cpu_spec_parse("-avx2,-sse", tight, sizeof(tight), why, sizeof(why)), -1);
    ck_assert_int_eq(cpu_spec_parse("-avx2,-ss", tight, sizeof(tight), why, sizeof(why)), 0);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("cpu_spec");

    tcase_add_test(t, host);
    tcase_add_test(t, levels);
    tcase_add_test(t, names_are_known);
    tcase_add_test(t, refused);
    return suite_run("cpu_spec", t);
}
