/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Tables of options: what the parser takes, what it refuses and with which words, and that the help has every
 * row.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "options.h"
#include "suite.h"

struct got {
    char log[200];
};

static int set_any(void *ctx, const char *value, char *why, size_t why_size)
{
    struct got *g = ctx;

    (void)why, (void)why_size;
    strcat(g->log, value ? value : "(none)");
    strcat(g->log, ";");
    return 0;
}

static int set_fail(void *ctx, const char *value, char *why, size_t why_size)
{
    (void)ctx;
    snprintf(why, why_size, "no %s", value);
    return -1;
}

static const struct option_row table[] = {
    {"memory", 'm', ARG_REQUIRED, "SIZE", "how much\nof it", set_any},
    {"trace", 0, ARG_OPTIONAL, "FILTER", "trace", set_any},
    {"quiet", 'q', ARG_NONE, NULL, "say nothing", set_any},
    {"bad", 0, ARG_REQUIRED, "X", "always refused", set_fail},
    {NULL, 0, ARG_NONE, NULL, NULL, NULL},
};

static char why[200];

/* Splits words and applies them; the result is what set_any() saw. */
static int parse(struct options_given *g, struct got *got, int argc, char **argv)
{
    memset(got, 0, sizeof(*got));
    why[0] = 0;
    if (options_split(table, argc, argv, g, why, sizeof(why)))
        return -1;
    return options_apply(g, got, why, sizeof(why));
}

#define PARSE(...)                                                                             \
    ({                                                                                         \
        char *argv_[] = {__VA_ARGS__};                                                         \
        int ret_ = parse(&given, &got, (int)(sizeof(argv_) / sizeof(argv_[0])), argv_);        \
        snprintf(operand0, sizeof(operand0), "%s", given.nr_operands ? given.operand[0] : ""); \
        ret_;                                                                                  \
    })

static struct options_given given;
static struct got got;
static char operand0[40];

START_TEST(forms)
{
    ck_assert_int_eq(PARSE("--memory", "1", "--memory=2", "-m", "3", "-m4", "-q"), 0);
    ck_assert_str_eq(got.log, "1;2;3;4;(none);");
    ck_assert_int_eq(PARSE("--trace", "mmu", "--trace=%mm"), 0);
    ck_assert_str_eq(got.log, "(none);%mm;");
    ck_assert_int_eq(given.nr_operands, 1);
    ck_assert_str_eq(operand0, "mmu");
    ck_assert(options_has(&given, "trace"));
    ck_assert(!options_has(&given, "memory"));
}
END_TEST

START_TEST(operands)
{
    ck_assert_int_eq(PARSE("a.cfg", "--quiet", "-"), 0);
    ck_assert_int_eq(given.nr_operands, 2);
    ck_assert_str_eq(operand0, "a.cfg");
    ck_assert_int_eq(PARSE("--quiet", "--", "--memory"), 0);
    ck_assert_int_eq(given.nr_operands, 1);
    ck_assert_str_eq(operand0, "--memory");
    ck_assert_str_eq(got.log, "(none);");
    ck_assert_int_eq(PARSE("--memory", "--", "x"), 0); /* a required value is taken as it is */
    ck_assert_str_eq(got.log, "--;");
}
END_TEST

START_TEST(refusals)
{
    ck_assert_int_eq(PARSE("--memroy", "1"), -1);
    ck_assert_str_eq(why, "unknown option '--memroy'");
    ck_assert_int_eq(PARSE("--mem=1"), -1); /* no abbreviations: scripts would break when rows are added */
    ck_assert_str_eq(why, "unknown option '--mem'");
    ck_assert_int_eq(PARSE("-z"), -1);
    ck_assert_int_eq(PARSE("--memory"), -1);
    ck_assert_str_eq(why, "option '--memory' needs a value: SIZE");
    ck_assert_int_eq(PARSE("--quiet=1"), -1);
    ck_assert_str_eq(why, "option '--quiet' takes no value");
    ck_assert_int_eq(PARSE("--bad", "luck"), -1);
    ck_assert_str_eq(why, "no luck");
}
END_TEST

START_TEST(too_many)
{
    char *argv[OPTIONS_MAX * 2 + 1];

    for (unsigned i = 0; i < sizeof(argv) / sizeof(argv[0]); i++)
        argv[i] = "-q";
    ck_assert_int_eq(options_split(table, OPTIONS_MAX * 2, argv, &given, why, sizeof(why)), 0);
    ck_assert_int_eq(options_split(table, OPTIONS_MAX * 2 + 1, argv, &given, why, sizeof(why)), -1);
    ck_assert_str_eq(why, "too many options, at '-q'");
}
END_TEST

START_TEST(help)
{
    char *text = NULL;
    size_t size;
    FILE *f = open_memstream(&text, &size);

    options_help(table, f);
    fclose(f);
    ck_assert_ptr_nonnull(
        strstr(text, "  -m, --memory SIZE         how much\n                            of it\n"));
    ck_assert_ptr_nonnull(strstr(text, "      --trace[=FILTER]      trace\n"));
    ck_assert_ptr_nonnull(strstr(text, "  -q, --quiet               say nothing\n"));
    free(text);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("options");

    tcase_add_test(t, forms);
    tcase_add_test(t, operands);
    tcase_add_test(t, refusals);
    tcase_add_test(t, too_many);
    tcase_add_test(t, help);
    return suite_run("options", t);
}
