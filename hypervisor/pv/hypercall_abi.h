/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The PV ABI as data: what every hypercall's arguments, sub-operations and structures are called and how
 * they are written.  The tracer decodes from it; other tools (the ABI document's check, fuzzers) can walk
 * it too.
 *
 * Everything is a structure of fields.  A hypercall's arguments are a structure of up to six 64-bit fields;
 * a pointer argument is a field that says what it points to and how many of them; a sub-operation says what
 * the ABI_OP_ARG argument points to.  All constant data: safe to read from light code.
 */
#ifndef DIPTYCH_PV_HYPERCALL_ABI_H
#define DIPTYCH_PV_HYPERCALL_ABI_H

#include "base/types.h"

/* How a field is written. */
enum abi_format {
    ABI_DEC, /* signed decimal */
    ABI_UNS, /* unsigned decimal */
    ABI_HEX,
    ABI_ADDR,   /* guest address or NULL; what it points to isn't described */
    ABI_LIST,   /* guest address of what .list says */
    ABI_OP,     /* the sub-operation's number */
    ABI_OP_ARG, /* guest address of what the sub-operation's list says */
    ABI_STRING, /* guest address of text; length in the field that .list says */
    ABI_TEXT,   /* the field is text, up to its size or a NUL */
    ABI_UUID,
    ABI_NAME,  /* one of .names */
    ABI_FLAGS, /* an or of .names; names with several bits come first */
    ABI_DOMID,
    ABI_PTE,    /* page-table entry */
    ABI_MMUPTR, /* machine address, MMU_* command in bits 1:0 */
    ABI_NS,     /* absolute or relative time in ns */
    ABI_RESULT, /* 0, -XEN_E*, or a count */
};

#define ABI_IN  1
#define ABI_OUT 2

struct abi_name {
    uint64_t value;
    const char *name;
};

struct abi_names {
    const struct abi_name *v;
    unsigned n;
};

struct abi_struct;

/* Where an array's length is, relative to the structure that holds the pointer. */
#define ABI_ONE        (-1) /* a single item */
#define ABI_UNTIL_ZERO (-2) /* up to an item whose last field is 0 */

struct abi_list {
    const struct abi_struct *item; /* NULL for ABI_STRING */
    int16_t count_offset;          /* byte offset of the count, or ABI_ONE, ABI_UNTIL_ZERO */
    uint8_t count_size;
    uint8_t count_shift; /* the count is in units of item >> shift, rounded up */
};

struct abi_field {
    const char *name; /* NULL: the item is just a value */
    uint16_t offset, size;
    uint8_t format; /* enum abi_format */
    uint8_t dir;    /* ABI_IN, ABI_OUT */
    const struct abi_names *names;
    const struct abi_list *list;
};

/* One of several shapes of a structure, chosen by a number in it. */
struct abi_variant {
    uint64_t value;
    const char *name;
    const struct abi_struct
        *shape; /* NULL: the number is all; else fields at offsets of the same structure */
};

struct abi_struct {
    const char *name;
    uint16_t start,
        size;    /* bytes start .. size-1 hold the described fields; size is also the stride in arrays */
    uint8_t dir; /* ABI_OUT also if something that it points to is ABI_OUT */
    uint8_t nr_fields, nr_variants;
    const struct abi_field *field;
    const struct abi_variant *variant; /* chosen by field[0] */
};

enum abi_group {
    GROUP_MM,
    GROUP_EVENT,
    GROUP_SCHED,
    GROUP_TIME,
    GROUP_CPU,
    GROUP_GRANT,
    GROUP_MISC,
    NR_ABI_GROUPS
};
extern const char *const abi_group_names[NR_ABI_GROUPS];

struct abi_op {
    uint32_t value;
    const char *name;
    const struct abi_list *arg; /* what the ABI_OP_ARG argument points to; NULL: nothing */
    uint8_t group;              /* enum abi_group */
    uint8_t result;             /* enum abi_format */
};

struct abi_call {
    const struct abi_struct *args;
    const struct abi_op *op; /* sub-operations, chosen by argument 0 & op_mask; NULL: none */
    uint8_t nr_ops;
    uint8_t group;
    uint8_t result; /* enum abi_format, ABI_RESULT by default */
    bool on_stack;  /* the arguments lie at rsp (iret): args describes that structure */
    uint64_t op_mask;
};

/* By hypercall number; args == NULL where nothing is known. */
#define NR_ABI_CALLS 64
extern const struct abi_call abi_calls[NR_ABI_CALLS];

/* The sub-operation that these arguments name; NULL if there is none, or it isn't known. */
const struct abi_op *abi_op_find(const struct abi_call *call, uint64_t arg0);

/* What a field points to, given the call's sub-operation (may be NULL); NULL: nothing that is described. */
static inline const struct abi_list *abi_field_list(const struct abi_field *f, const struct abi_op *op)
{
    if (f->format == ABI_LIST || f->format == ABI_STRING)
        return f->list;
    return f->format == ABI_OP_ARG && op ? op->arg : NULL;
}

/* An unsigned number of size 1, 2, 4 or 8 at p (any alignment); 0 for other sizes. */
static inline uint64_t abi_load(const void *p, unsigned size)
{
    const uint8_t *b = p;
    uint64_t value = 0;

    if (size > 8)
        return 0;
    for (unsigned i = 0; i < size; i++)
        value |= (uint64_t)b[i] << (8 * i);
    return value;
}

/* How many items a list has, from the structure that holds its pointer and count; ABI_UNTIL_ZERO: the most
 * there may
 * be. */
static inline uint64_t abi_list_count(const struct abi_list *l, const void *holder)
{
    uint64_t n;

    if (l->count_offset < 0)
        return l->count_offset == ABI_ONE ? 1 : 257;
    n = abi_load((const uint8_t *)holder + l->count_offset, l->count_size);
    return l->count_shift ? (n >> l->count_shift) + ((n & ((1u << l->count_shift) - 1)) != 0) : n;
}

#endif
