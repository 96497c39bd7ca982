// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The tracer's filter expression: names to bits.  Heavy.
 */
#include <stdio.h>
#include <string.h>

#include "pv/trace_internal.h"

static bool word_is(const char *word, size_t n, const char *name)
{
    return strlen(name) == n && !memcmp(word, name, n);
}

static void filter_add_all(struct trace_filter *f)
{
    for (unsigned nr = 0; nr < NR_ABI_CALLS; nr++)
        f->op[nr] = ~0UL;
    f->unknown = true;
}

/* A group's calls; of a call with sub-operations, those that belong to it.  Unknown ones go with their call.
 * */
static void filter_add_group(struct trace_filter *f, enum abi_group group)
{
    for (unsigned nr = 0; nr < NR_ABI_CALLS; nr++) {
        const struct abi_call *call = &abi_calls[nr];
        uint64_t listed = 0;

        if (!call->args)
            continue;
        for (unsigned i = 0; i < call->nr_ops; i++) {
            uint64_t bit = 1UL << trace_op_bit(call, call->op[i].value);

            listed |= bit;
            if (call->op[i].group == group)
                f->op[nr] |= bit;
        }
        if (call->group == group)
            f->op[nr] |= ~listed;
    }
    if (group == GROUP_MISC)
        f->unknown = true;
}

static bool filter_add_percent(struct trace_filter *f, const char *word, size_t n)
{
    if (word_is(word, n, "trap"))
        return f->trap = true;
    if (word_is(word, n, "upcall"))
        return f->upcall = true;
    for (unsigned g = 0; g < NR_ABI_GROUPS; g++)
        if (word_is(word, n, abi_group_names[g])) {
            filter_add_group(f, g);
            return true;
        }
    return false;
}

static bool filter_add(struct trace_filter *f, const char *word, size_t n)
{
    bool found = false;

    if (word[0] == '%')
        return filter_add_percent(f, word + 1, n - 1);
    if (word_is(word, n, "none"))
        return true;
    if (word_is(word, n, "all")) {
        filter_add_all(f);
        return true;
    }
    for (unsigned nr = 0; nr < NR_ABI_CALLS; nr++) {
        const struct abi_call *call = &abi_calls[nr];

        if (nr < NR_HYPERCALLS && hypercalls[nr].name && word_is(word, n, hypercalls[nr].name)) {
            f->op[nr] = ~0UL;
            found = true;
        }
        for (unsigned i = 0; i < call->nr_ops; i++)
            if (word_is(word, n, call->op[i].name)) {
                f->op[nr] |= 1UL << trace_op_bit(call, call->op[i].value);
                found = true;
            }
    }
    return found;
}

int trace_filter_parse(struct trace_filter *f, const char *text, char *why, size_t why_size)
{
    bool negate;

    memset(f, 0, sizeof(*f));
    if (!text || !*text) {
        filter_add_all(f);
        return 0;
    }
    negate = *text == '!';
    text += negate;
    for (;;) {
        size_t n = strcspn(text, ",");

        if (!n || !filter_add(f, text, n)) {
            if (n && *text == '!')
                snprintf(why, why_size,
                         "trace filter: '!' stands in front of the whole list, as in '!%.*s,...'",
                         (int)(n < 60 ? n : 60) - 1, text + 1);
            else
                snprintf(why, why_size,
                         "trace filter: '%.*s' is no hypercall, sub-operation or group (%%mm, %%event, "
                         "%%sched, %%time, "
                         "%%cpu, %%grant, %%misc, %%trap, %%upcall)",
                         (int)(n < 60 ? n : 60), text);
            return -1;
        }
        text += n;
        if (!*text)
            break;
        text++;
    }
    if (negate) {
        for (unsigned nr = 0; nr < NR_ABI_CALLS; nr++)
            f->op[nr] = ~f->op[nr];
        f->unknown = !f->unknown;
        f->trap = f->upcall = false; /* the rest of all hypercalls, and nothing else */
    }
    return 0;
}
