// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Counting how cases ended.
 */
#include "ends.h"

#include <stdio.h>

#define END_HLT     32
#define END_SYSCALL 33

void ends_note(struct ends *e, const struct test_case *t, const struct gen_class *c, const struct outcome *o)
{
    uint64_t off = o->state.rip - t->code_va;
    unsigned end = o->vector & 31;

    if (o->kind == OUTCOME_SYSCALL)
        end = END_SYSCALL;
    else if (o->vector == 13 && off < t->code_len && t->code[off] == 0xf4)
        end = END_HLT;
    e->n[c - gen_classes][end]++;
}

void ends_add(struct ends *to, const struct ends *more)
{
    for (unsigned c = 0; c < ENDS_CLASSES; c++)
        for (unsigned i = 0; i < ENDS_NR; i++)
            to->n[c][i] += more->n[c][i];
}

void ends_print(const struct ends *e)
{
    static const struct {
        unsigned end;
        const char *name;
    } columns[] = {{END_HLT, "end"}, {13, "#GP"}, {14, "#PF"}, {6, "#UD"},          {0, "#DE"},
                   {1, "#DB"},       {3, "#BP"},  {4, "#OF"},  {5, "#BR"},          {12, "#SS"},
                   {16, "#MF"},      {17, "#AC"}, {19, "#XM"}, {END_SYSCALL, "sys"}};

    printf("%-10s", "class");
    for (size_t j = 0; j < ARRAY_SIZE(columns); j++)
        printf(" %7s", columns[j].name);
    printf("\n");
    for (unsigned c = 0; c < gen_nr_classes; c++) {
        printf("%-10s", gen_classes[c].name);
        for (size_t j = 0; j < ARRAY_SIZE(columns); j++) {
            printf(" %7u", e->n[c][columns[j].end]);
        }
        printf("\n");
    }
}
