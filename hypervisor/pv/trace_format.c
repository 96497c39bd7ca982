// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * From trace records to text.  Heavy.
 *
 * Trusts nothing that a record holds: a guest chose most of it.
 */
#include <ctype.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "pv/trace_internal.h"

void trace_add(struct trace_text *t, const char *fmt, ...)
{
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = vsnprintf(t->buf + t->len, t->size - t->len, fmt, ap);
    va_end(ap);
    if (n > 0)
        t->len = (size_t)n < t->size - t->len ? t->len + (size_t)n : t->size - 1;
}

static const char *errno_name(int64_t error)
{
    static const struct abi_name names[] = {
#define XEN_ERRNO(name, value) {value, #name},
#include <xen/errno.h>
    };

    for (unsigned i = 0; i < ARRAY_SIZE(names); i++)
        if ((int64_t)names[i].value == error)
            return names[i].name;
    return NULL;
}

static void add_result(struct trace_text *t, int64_t value)
{
    const char *name = value < 0 ? errno_name(-value) : NULL;

    if (name)
        trace_add(t, "-%s", name);
    else
        trace_add(t, "%" PRId64, value);
}

static void add_name(struct trace_text *t, const struct abi_names *names, uint64_t value, unsigned size)
{
    uint64_t mask = size < 8 ? (1UL << 8 * size) - 1 : ~0UL;

    for (unsigned i = 0; i < names->n; i++)
        if ((names->v[i].value & mask) == value) {
            trace_add(t, "%s", names->v[i].name);
            return;
        }
    trace_add(t, "%#" PRIx64, value);
}

static void add_flags(struct trace_text *t, const struct abi_names *names, uint64_t value)
{
    const char *bar = "";

    if (!value) {
        trace_add(t, "0");
        return;
    }
    for (unsigned i = 0; i < names->n; i++)
        if ((value & names->v[i].value) == names->v[i].value) {
            trace_add(t, "%s%s", bar, names->v[i].name);
            value &= ~names->v[i].value;
            bar = "|";
        }
    if (value)
        trace_add(t, "%s%#" PRIx64, bar, value);
}

static void add_domid(struct trace_text *t, uint64_t value)
{
    static const struct abi_name names[] = {
        {DOMID_SELF, "DOMID_SELF"}, {DOMID_IO, "DOMID_IO"},           {DOMID_XEN, "DOMID_XEN"},
        {DOMID_COW, "DOMID_COW"},   {DOMID_INVALID, "DOMID_INVALID"}, {DOMID_IDLE, "DOMID_IDLE"},
    };

    for (unsigned i = 0; i < ARRAY_SIZE(names); i++)
        if (names[i].value == value) {
            trace_add(t, "%s", names[i].name);
            return;
        }
    trace_add(t, "%" PRIu64, value);
}

static void add_pte(struct trace_text *t, uint64_t pte)
{
    static const struct abi_name flag_names[] = {
        {1UL << 1, "RW"}, {1UL << 2, "US"},      {1UL << 3, "PWT"}, {1UL << 4, "PCD"}, {1UL << 5, "A"},
        {1UL << 6, "D"},  {1UL << 7, "PSE/PAT"}, {1UL << 8, "G"},   {1UL << 63, "NX"},
    };

    if (!(pte & 1)) {
        trace_add(t, "%#" PRIx64, pte);
        return;
    }
    trace_add(t, "%#" PRIx64 ":P", pte >> PAGE_SHIFT & 0xffffffffffUL);
    for (unsigned i = 0; i < ARRAY_SIZE(flag_names); i++)
        if (pte & flag_names[i].value)
            trace_add(t, "|%s", flag_names[i].name);
    if (pte & 0x7ff0000000000e00UL)
        trace_add(t, "|%#" PRIx64, pte & 0x7ff0000000000e00UL);
}

static void add_mmuptr(struct trace_text *t, uint64_t ptr)
{
    static const char *const commands[] = {"MMU_NORMAL_PT_UPDATE", "MMU_MACHPHYS_UPDATE",
                                           "MMU_PT_UPDATE_PRESERVE_AD", "MMU_PT_UPDATE_NO_TRANSLATE"};

    trace_add(t, "%#" PRIx64 "|%s", ptr & ~3UL, commands[ptr & 3]);
}

/* Text in quotes, C escapes; "..." behind it if there was more. */
static void add_string(struct trace_text *t, const uint8_t *s, size_t n, bool more)
{
    trace_add(t, "\"");
    for (size_t i = 0; i < n; i++)
        switch (s[i]) {
        case '\n':
            trace_add(t, "\\n");
            break;
        case '\r':
            trace_add(t, "\\r");
            break;
        case '\t':
            trace_add(t, "\\t");
            break;
        case '"':
        case '\\':
            trace_add(t, "\\%c", s[i]);
            break;
        default:
            trace_add(t, s[i] >= 0x20 && s[i] < 0x7f ? "%c" : "\\x%02x", s[i]);
        }
    trace_add(t, "\"%s", more ? "..." : "");
}

static void add_bytes_text(struct trace_text *t, const uint8_t *p, unsigned size)
{
    size_t n = strnlen((const char *)p, size);

    add_string(t, p, n < TRACE_STRING_MAX ? n : TRACE_STRING_MAX, n > TRACE_STRING_MAX);
}

static void add_uuid(struct trace_text *t, const uint8_t *p)
{
    for (unsigned i = 0; i < 16; i++)
        trace_add(t, "%s%02x", i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "", p[i]);
}

/* A field that is no list, from the f->size bytes at p. */
static void add_value(struct trace_text *t, const struct abi_field *f, const uint8_t *p)
{
    uint64_t value = abi_load(p, f->size);
    unsigned unused = (64 - 8u * f->size) % 64;
    int64_t sign = (int64_t)(value << unused) >> unused;

    switch ((enum abi_format)f->format) {
    case ABI_DEC:
        trace_add(t, "%" PRId64, sign);
        break;
    case ABI_UNS:
        trace_add(t, "%" PRIu64, value);
        break;
    case ABI_TEXT:
        add_bytes_text(t, p, f->size);
        break;
    case ABI_UUID:
        add_uuid(t, p);
        break;
    case ABI_NAME:
        add_name(t, f->names, value, f->size);
        break;
    case ABI_FLAGS:
        add_flags(t, f->names, value);
        break;
    case ABI_DOMID:
        add_domid(t, value);
        break;
    case ABI_PTE:
        add_pte(t, value);
        break;
    case ABI_MMUPTR:
        add_mmuptr(t, value);
        break;
    case ABI_NS:
        trace_add(t, "%" PRIu64 ".%09" PRIu64, value / 1000000000, value % 1000000000);
        break;
    case ABI_RESULT:
        add_result(t, sign);
        break;
    case ABI_ADDR:
    case ABI_LIST:
    case ABI_OP_ARG:
    case ABI_STRING:
        if (!value) {
            trace_add(t, "NULL");
            break;
        }
        /* fall through */
    case ABI_HEX:
    case ABI_OP:
        trace_add(t, "%#" PRIx64, value);
        break;
    }
}

/* The records of a call at hand: what was captured at its begin and (maybe NULL) at its end. */
struct call {
    const struct trace_record *in, *out;
};

static const struct trace_blob *blob_find(const struct trace_record *r, unsigned id)
{
    const uint8_t *p = (const uint8_t *)(r + 1);

    for (unsigned i = 0; i < r->nr_blobs; i++) {
        const struct trace_blob *b = (const struct trace_blob *)p;

        if (b->id == id)
            return b;
        p += sizeof(*b) + ((b->len + 7u) & ~7u);
    }
    return NULL;
}

static void add_list(struct trace_text *t, const struct call *c, const struct abi_list *l, unsigned id,
                     uint64_t va);

/* NOLINTBEGIN(misc-no-recursion): no deeper than the ABI's tables, two levels (test_trace counts them) */

/* One field of a structure: what went in, what came out, or both if it changed. False: nothing is known of
 * it. */
static bool add_field(struct trace_text *t, const struct call *c, const struct abi_field *f, unsigned id,
                      const uint8_t *in, const uint8_t *out)
{
    const struct abi_list *l = abi_field_list(f, NULL);

    if (!(f->dir & ABI_IN))
        in = NULL;
    if (!(f->dir & ABI_OUT))
        out = NULL;
    if (!in && !out)
        return false;
    if (f->name)
        trace_add(t, "%s=", f->name);
    if (l && in) {
        add_list(t, c, l, id, abi_load(in, 8));
        return true;
    }
    if (in)
        add_value(t, f, in);
    if (out && (!in || memcmp(in, out, f->size) != 0)) {
        trace_add(t, in ? " => " : "");
        add_value(t, f, out);
    }
    return true;
}

/* One item; in and out point to where the structure would start (both may be NULL). */
static void add_item(struct trace_text *t, const struct call *c, const struct abi_struct *s, unsigned id,
                     const uint8_t *in, const uint8_t *out)
{
    const char *comma = "";

    if (s->nr_variants && in) {
        uint64_t which = abi_load(in + s->field[0].offset, s->field[0].size);

        for (unsigned i = 0; i < s->nr_variants; i++) {
            const struct abi_variant *v = &s->variant[i];

            if (v->value != which)
                continue;
            trace_add(t, "{%s=%s", s->field[0].name, v->name);
            for (unsigned j = 0; v->shape && j < v->shape->nr_fields; j++) {
                const struct abi_field *f = &v->shape->field[j];

                trace_add(t, ", ");
                add_field(t, c, f, 0, in + f->offset, NULL);
            }
            trace_add(t, "}");
            return;
        }
    }
    if (!s->field[0].name) {
        add_field(t, c, &s->field[0], id, in, out);
        return;
    }
    trace_add(t, "{");
    for (unsigned i = 0; i < s->nr_fields; i++) {
        const struct abi_field *f = &s->field[i];
        size_t mark = t->len;

        trace_add(t, "%s", comma);
        if (add_field(t, c, f, TRACE_BLOB_SUB(id, i), in ? in + f->offset : NULL,
                      out ? out + f->offset : NULL))
            comma = ", ";
        else
            t->len = mark;
    }
    trace_add(t, "}");
}

static void add_list(struct trace_text *t, const struct call *c, const struct abi_list *l, unsigned id,
                     uint64_t va)
{
    const struct trace_blob *in = blob_find(c->in, id);
    const struct trace_blob *out = c->out ? blob_find(c->out, id) : NULL;
    const struct trace_blob *any = in ? in : out;
    const struct abi_struct *s = l->item;
    size_t stride, n;

    if (!va) {
        trace_add(t, "NULL");
        return;
    }
    if (!any) {
        trace_add(t, "%#" PRIx64, va);
        return;
    }
    if (!s) {
        add_string(t, any->data, any->len, any->count > any->len);
        return;
    }
    stride = s->size - s->start;
    n = any->len / stride;
    if (l->count_offset == ABI_ONE && n) {
        add_item(t, c, s, id, in ? in->data - s->start : NULL, out ? out->data - s->start : NULL);
        return;
    }
    trace_add(t, "[");
    for (size_t i = 0; i < n; i++) {
        trace_add(t, "%s", i ? ", " : "");
        add_item(t, c, s, id, in ? in->data + i * stride : NULL,
                 out && out->len >= (i + 1) * stride ? out->data + i * stride : NULL);
    }
    trace_add(t, "%s]", any->count > n ? ", ..." : "");
}

/* NOLINTEND(misc-no-recursion) */

void trace_format_name(struct trace_text *t, uint64_t nr)
{
    if (nr < NR_HYPERCALLS && hypercalls[nr].name)
        trace_add(t, "%s", hypercalls[nr].name);
    else
        trace_add(t, "hypercall_%#" PRIx64, nr);
}

static void add_op(struct trace_text *t, const struct abi_call *call, const struct abi_op *op, uint64_t value)
{
    if (!op) {
        trace_add(t, "%#" PRIx64, value);
        return;
    }
    trace_add(t, "%s", op->name);
    /* memory_op: the extent to continue with, from bit 6 on (MEMOP_EXTENT_SHIFT). */
    if (call->op_mask == 63 && value >> 6)
        trace_add(t, "|start_extent=%" PRIu64, value >> 6);
}

void trace_format_call(struct trace_text *t, const struct trace_record *in, const struct trace_record *out)
{
    const struct abi_call *call = in->nr < NR_ABI_CALLS && abi_calls[in->nr].args ? &abi_calls[in->nr] : NULL;
    const struct call c = {in, out};
    const struct abi_op *op;

    trace_format_name(t, in->nr);
    trace_add(t, "(");
    if (!call) {
        for (unsigned i = 0; i < 6; i++)
            trace_add(t, "%s%#" PRIx64, i ? ", " : "", in->arg[i]);
        return;
    }
    if (call->on_stack) {
        const struct trace_blob *b = blob_find(in, TRACE_BLOB_STACK);

        if (b)
            add_item(t, &c, call->args, 0, b->data, NULL);
        else
            trace_add(t, "%#" PRIx64, in->arg[0]);
        return;
    }
    op = abi_op_find(call, in->arg[0]);
    for (unsigned i = 0; i < call->args->nr_fields; i++) {
        const struct abi_field *f = &call->args->field[i];
        const uint8_t *p = (const uint8_t *)in->arg + f->offset;
        const struct abi_list *l = abi_field_list(f, op);

        trace_add(t, "%s", i ? ", " : "");
        if (f->format == ABI_OP)
            add_op(t, call, op, in->arg[0]);
        else if (l)
            add_list(t, &c, l, TRACE_BLOB_ARG(i), abi_load(p, 8));
        else
            add_value(t, f, p);
    }
}

void trace_format_result(struct trace_text *t, const struct trace_record *in, const struct trace_record *out)
{
    const struct abi_call *call = in->nr < NR_ABI_CALLS ? &abi_calls[in->nr] : NULL;
    const struct abi_op *op = call ? abi_op_find(call, in->arg[0]) : NULL;
    int64_t result = (int64_t)out->arg[0];
    unsigned format = op ? op->result : call ? call->result : ABI_RESULT;

    if (result == HYPERCALL_KEEP_REGS)
        trace_add(t, "?");
    else if (format == ABI_HEX && (result >= 0 || !errno_name(-result)))
        trace_add(t, "%#" PRIx64, (uint64_t)result);
    else
        add_result(t, result);
}

void trace_format_trap(struct trace_text *t, const struct trace_record *r)
{
    static const char *const names[] = {"#DE", "#DB", "NMI", "#BP", "#OF", "#BR", "#UD", "#NM", "#DF", NULL,
                                        "#TS", "#NP", "#SS", "#GP", "#PF", NULL,  "#MF", "#AC", "#MC", "#XM"};
    static const struct abi_name pfec_names[] = {{1, "P"}, {2, "W"}, {4, "U"}, {8, "RSVD"}, {16, "I"}};
    static const struct abi_names pfec = {pfec_names, ARRAY_SIZE(pfec_names)};
    const char *mode = r->arg[3] ? "user" : "kernel";

    if (r->type == TRACE_UPCALL) {
        trace_add(t, "--- event upcall {rip=%#" PRIx64 ", %s} ---", r->arg[2], mode);
        return;
    }
    if (r->nr < ARRAY_SIZE(names) && names[r->nr])
        trace_add(t, "--- %s {", names[r->nr]);
    else
        trace_add(t, "--- vector %#" PRIx64 " {", r->nr);
    if (r->nr == VEC_PF) {
        trace_add(t, "error=");
        add_flags(t, &pfec, r->arg[0]);
        trace_add(t, ", cr2=%#" PRIx64 ", ", r->arg[1]);
    } else if ((int64_t)r->arg[0] >= 0) {
        trace_add(t, "error=%#" PRIx64 ", ", r->arg[0]);
    }
    trace_add(t, "rip=%#" PRIx64 ", %s} ---", r->arg[2], mode);
}
