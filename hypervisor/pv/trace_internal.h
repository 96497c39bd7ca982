/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Between the tracer's files: records, rings, the filter's result.
 */
#ifndef DIPTYCH_PV_TRACE_INTERNAL_H
#define DIPTYCH_PV_TRACE_INTERNAL_H

#include "pv/hypercall.h"
#include "pv/hypercall_abi.h"
#include "pv/trace.h"

enum trace_type {
    TRACE_PAD,    /* skip to the ring's start */
    TRACE_ENTER,  /* arg: the arguments, or arg[0] = rsp for calls whose arguments lie on the stack */
    TRACE_EXIT,   /* arg[0] = result */
    TRACE_TRAP,   /* nr = vector; arg = error, cr2, rip, user mode */
    TRACE_UPCALL, /* arg[2] = rip, arg[3] = user mode */
};

struct trace_record {
    uint32_t size; /* of the record with its blobs, a multiple of 8 */
    uint16_t type; /* enum trace_type */
    uint16_t nr_blobs;
    uint64_t time_ns; /* guest system time */
    uint64_t nr;
    uint64_t arg[6];
};

/* A copy of what an argument points to follows its record; data is padded to 8 bytes. */
struct trace_blob {
    uint16_t id;    /* TRACE_BLOB_* */
    uint16_t len;   /* of data */
    uint32_t count; /* items in the guest's list; len may hold fewer */
    uint8_t data[];
};

/* What field i of the arguments points to; what field j of that points to; the arguments on the stack. */
#define TRACE_BLOB_ARG(i)     ((i) + 1u)
#define TRACE_BLOB_SUB(id, j) ((id) | ((j) + 1u) << 4)
#define TRACE_BLOB_STACK      0xffffu

#define TRACE_RECORD_MAX 4096u
#define TRACE_BLOB_MAX   1024u
#define TRACE_STRING_MAX 128u
#define TRACE_ITEMS_MAX  32u /* of a list, as in strace */
#define TRACE_RING_SIZE  (1u << 20)

#define TRACE_SPACE_WANTED 1

/*
 * One producer, the vCPU's thread, and one consumer, the writer.  head and tail count bytes since the
 * start; the ring holds tail .. head.  Records don't wrap: TRACE_PAD fills the end.
 */
struct trace_ring {
    uint8_t *data;
    uint64_t head; /* producer writes */
    uint64_t tail; /* consumer writes */
    int space;     /* futex: the consumer adds 2 when it has advanced; bit 0: the producer waits on it */
};

/* Which calls are traced: bit i of op[nr] is sub-operation min(i, 63); all bits for calls without them. */
struct trace_filter {
    uint64_t op[NR_ABI_CALLS];
    bool unknown; /* numbers that no table knows */
    bool trap, upcall;
};

struct trace_summary_row {
    uint64_t calls, errors, ns;
};

/* A call that has begun: its TRACE_ENTER record, and what has been printed of it. */
struct trace_pending {
    union {
        struct trace_record r;
        uint8_t bytes[TRACE_RECORD_MAX];
    };
    uint64_t inner_ns; /* spent in calls nested in this one */
    bool opened;       /* "multicall(...) {" is out */
    bool unfinished;   /* "... <unfinished ...>" is out */
};

#define TRACE_DEPTH 4

struct trace_vcpu {
    struct trace_ring ring;
    struct trace_pending pending[TRACE_DEPTH];
    unsigned depth; /* may exceed TRACE_DEPTH; the calls beyond are only counted */
};

struct trace {
    struct trace_filter filter;
    int fd;
    bool lines, summary;
    bool write_failed;
    unsigned nr_vcpus;
    struct trace_vcpu *vcpu;
    struct domain *domain;
    int kick;     /* futex: the writer sleeps on it */
    int sleeping; /* the writer is about to sleep, or does */
    int stop;
    unsigned long thread; /* pthread_t */
    char *out;            /* text not yet written */
    size_t out_len, out_size;
    struct trace_summary_row rows[NR_ABI_CALLS + 1][64]; /* last: unknown numbers */
};

/* Text being built; never overflows, drops what doesn't fit. */
struct trace_text {
    char *buf;
    size_t size, len;
};
void trace_add(struct trace_text *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Bit of a call's sub-operation in trace_filter.op, and its column in rows. */
static inline unsigned trace_op_bit(const struct abi_call *call, uint64_t arg0)
{
    uint64_t op = call->nr_ops ? arg0 & call->op_mask : 0;

    return op < 63 ? (unsigned)op : 63;
}

/* 0, or -1 with one line in why. */
int trace_filter_parse(struct trace_filter *f, const char *text, char *why, size_t why_size);

/* "mmu_update([{...}], 1, NULL, DOMID_SELF": name and arguments; out (may be NULL) is the TRACE_EXIT record.
 * */
void trace_format_call(struct trace_text *t, const struct trace_record *in, const struct trace_record *out);
/* "0", "-EINVAL", "0x40011", "?" */
void trace_format_result(struct trace_text *t, const struct trace_record *in, const struct trace_record *out);
void trace_format_name(struct trace_text *t, uint64_t nr);
void trace_format_trap(struct trace_text *t, const struct trace_record *r);

#endif
