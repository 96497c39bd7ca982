// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The tracer's writer thread: takes records out of the rings in order of time, pairs begins and ends of
 * calls, prints lines, adds up the summary.  Heavy.
 *
 * A call is one line when it has ended.  A multicall becomes an opened line, its calls indented, and a
 * closing line.  A call that lasts while nothing else happens is shown as <unfinished ...> and resumed
 * later, as strace does.
 */
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "base/diag.h"
#include "base/message.h"
#include "pv/panel.h"
#include "pv/trace_internal.h"

#define LINE_MAX_BYTES 32768
#define OUT_BYTES      (256ul * 1024)
#define POLL_NS        20000000L   /* how often the writer looks by itself */
#define UNFINISHED_NS  200000000UL /* a call that lasts longer is shown before its end */

/* ---- output ---- */

static void out_flush(struct trace *t)
{
    size_t done = 0;

    if (t->fd == STDERR_FILENO) { /* perhaps a terminal, perhaps raw */
        message_write(t->out, t->out_len);
        done = t->out_len;
    }
    while (done < t->out_len && !t->write_failed) {
        ssize_t n = write(t->fd, t->out + done, t->out_len - done);

        if (n >= 0) {
            done += (size_t)n;
        } else if (errno != EINTR) {
            diag_error("trace: cannot write: %s; the rest is dropped", strerror(errno));
            t->write_failed = true;
        }
    }
    t->out_len = 0;
}

static void out_line(struct trace *t, const struct trace_text *line)
{
    if (!t->lines)
        return;
    if (t->out_len + line->len + 1 > t->out_size)
        out_flush(t);
    memcpy(t->out + t->out_len, line->buf, line->len);
    t->out_len += line->len;
    t->out[t->out_len++] = '\n';
}

static void line_begin(struct trace_text *line, char *buf, uint64_t time_ns, unsigned vcpu, unsigned indent)
{
    *line = (struct trace_text){buf, LINE_MAX_BYTES, 0};
    trace_add(line, "%5" PRIu64 ".%06" PRIu64 " v%u %*s", time_ns / 1000000000, time_ns / 1000 % 1000000,
              vcpu, (int)(indent * 4), "");
}

/* ---- pairing ---- */

/* Prints the header of a call that others are nested in, once. */
static void pending_open(struct trace *t, unsigned vcpu, unsigned level)
{
    struct trace_pending *p = &t->vcpu[vcpu].pending[level];
    char buf[LINE_MAX_BYTES];
    struct trace_text line;

    if (!t->lines || p->opened || p->unfinished)
        return;
    p->opened = true;
    line_begin(&line, buf, p->r.time_ns, vcpu, level);
    trace_format_call(&line, &p->r, NULL);
    trace_add(&line, ") {");
    out_line(t, &line);
}

static void pending_unfinished(struct trace *t, unsigned vcpu, unsigned level)
{
    struct trace_pending *p = &t->vcpu[vcpu].pending[level];
    char buf[LINE_MAX_BYTES];
    struct trace_text line;

    if (!t->lines || p->opened || p->unfinished)
        return;
    p->unfinished = true;
    line_begin(&line, buf, p->r.time_ns, vcpu, level);
    trace_format_call(&line, &p->r, NULL);
    trace_add(&line, " <unfinished ...>");
    out_line(t, &line);
}

static void record_enter(struct trace *t, unsigned vcpu, const struct trace_record *r)
{
    struct trace_vcpu *tv = &t->vcpu[vcpu];

    if (tv->depth && tv->depth <= TRACE_DEPTH)
        pending_open(t, vcpu, tv->depth - 1);
    if (tv->depth < TRACE_DEPTH) {
        struct trace_pending *p = &tv->pending[tv->depth];

        memcpy(p->bytes, r, r->size);
        p->inner_ns = 0;
        p->opened = p->unfinished = false;
    }
    tv->depth++;
}

static void summary_add(struct trace *t, const struct trace_record *in, const struct trace_record *out,
                        uint64_t ns)
{
    bool known = in->nr < NR_ABI_CALLS && abi_calls[in->nr].args;
    unsigned column = known ? trace_op_bit(&abi_calls[in->nr], in->arg[0]) : 0;
    struct trace_summary_row *row = &t->rows[known ? in->nr : NR_ABI_CALLS][column];
    int64_t result = (int64_t)out->arg[0];

    row->calls++;
    row->ns += ns;
    row->errors += result < 0 && result > -4096;
}

static void record_exit(struct trace *t, unsigned vcpu, const struct trace_record *out)
{
    struct trace_vcpu *tv = &t->vcpu[vcpu];
    struct trace_pending *p;
    char buf[LINE_MAX_BYTES];
    struct trace_text line;
    uint64_t ns;

    if (!tv->depth || --tv->depth >= TRACE_DEPTH)
        return;
    p = &tv->pending[tv->depth];
    ns = out->time_ns - p->r.time_ns;
    if (tv->depth)
        tv->pending[tv->depth - 1].inner_ns += ns;
    summary_add(t, &p->r, out, ns > p->inner_ns ? ns - p->inner_ns : 0);
    if (!t->lines)
        return;
    line_begin(&line, buf, p->unfinished || p->opened ? out->time_ns : p->r.time_ns, vcpu, tv->depth);
    if (p->opened) {
        trace_add(&line, "}");
    } else if (p->unfinished) {
        trace_add(&line, "<... ");
        trace_format_name(&line, p->r.nr);
        trace_add(&line, " resumed>)");
    } else {
        trace_format_call(&line, &p->r, out);
        trace_add(&line, ")");
    }
    trace_add(&line, " = ");
    trace_format_result(&line, &p->r, out);
    trace_add(&line, " <%" PRIu64 ".%06" PRIu64 ">", ns / 1000000000, ns / 1000 % 1000000);
    out_line(t, &line);
}

static void record_event(struct trace *t, unsigned vcpu, const struct trace_record *r)
{
    struct trace_vcpu *tv = &t->vcpu[vcpu];
    char buf[LINE_MAX_BYTES];
    struct trace_text line;

    /* Inside a call (one that faulted or blocked): the call's own line comes first. */
    if (tv->depth && tv->depth <= TRACE_DEPTH)
        pending_unfinished(t, vcpu, tv->depth - 1);
    line_begin(&line, buf, r->time_ns, vcpu, tv->depth < TRACE_DEPTH ? tv->depth : TRACE_DEPTH);
    trace_format_trap(&line, r);
    out_line(t, &line);
}

static void record_take(struct trace *t, unsigned vcpu, const struct trace_record *r)
{
    switch ((enum trace_type)r->type) {
    case TRACE_ENTER:
        record_enter(t, vcpu, r);
        break;
    case TRACE_EXIT:
        record_exit(t, vcpu, r);
        break;
    case TRACE_TRAP:
    case TRACE_UPCALL:
        record_event(t, vcpu, r);
        break;
    case TRACE_PAD:
        break;
    }
}

/* ---- draining ---- */

static const struct trace_record *ring_peek(struct trace_ring *ring, uint64_t limit)
{
    while (ring->tail != limit) {
        const struct trace_record *r = (const void *)(ring->data + ring->tail % TRACE_RING_SIZE);

        if (r->type != TRACE_PAD)
            return r;
        __atomic_store_n(&ring->tail, ring->tail + r->size, __ATOMIC_RELEASE);
    }
    return NULL;
}

static void ring_advance(struct trace_ring *ring, uint32_t size)
{
    __atomic_store_n(&ring->tail, ring->tail + size, __ATOMIC_SEQ_CST);
    if (__atomic_fetch_add(&ring->space, 2, __ATOMIC_SEQ_CST) & TRACE_SPACE_WANTED) {
        __atomic_fetch_and(&ring->space, ~TRACE_SPACE_WANTED, __ATOMIC_SEQ_CST);
        rawsys_futex_wake(&ring->space, 1);
    }
}

/* Takes what the rings hold at the moment, oldest first. Returns whether there was anything. */
static bool drain(struct trace *t)
{
    uint64_t limit[MAX_VCPUS];
    bool any = false;

    for (unsigned i = 0; i < t->nr_vcpus; i++)
        limit[i] = __atomic_load_n(&t->vcpu[i].ring.head, __ATOMIC_ACQUIRE);
    for (;;) {
        const struct trace_record *oldest = NULL;
        unsigned from = 0;

        for (unsigned i = 0; i < t->nr_vcpus; i++) {
            const struct trace_record *r = ring_peek(&t->vcpu[i].ring, limit[i]);

            if (r && (!oldest || r->time_ns < oldest->time_ns)) {
                oldest = r;
                from = i;
            }
        }
        if (!oldest)
            return any;
        any = true;
        record_take(t, from, oldest);
        ring_advance(&t->vcpu[from].ring, oldest->size);
    }
}

/* Shows calls that have been going on for long (age_ns), or that will never end (0). */
static void show_unfinished(struct trace *t, uint64_t age_ns)
{
    uint64_t now = time_system_ns(t->domain);

    for (unsigned i = 0; i < t->nr_vcpus; i++) {
        struct trace_vcpu *tv = &t->vcpu[i];
        unsigned level = tv->depth - 1;

        if (tv->depth && tv->depth <= TRACE_DEPTH && now - tv->pending[level].r.time_ns >= age_ns)
            pending_unfinished(t, i, level);
    }
}

static void *writer_main(void *p)
{
    struct trace *t = p;

    for (;;) {
        int kick = __atomic_load_n(&t->kick, __ATOMIC_SEQ_CST);
        bool stop = __atomic_load_n(&t->stop, __ATOMIC_SEQ_CST);
        struct timespec until;

        if (drain(t)) {
            out_flush(t);
            continue;
        }
        show_unfinished(t, stop ? 0 : UNFINISHED_NS);
        out_flush(t);
        if (stop)
            return NULL;
        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_nsec += POLL_NS;
        if (until.tv_nsec >= 1000000000) {
            until.tv_nsec -= 1000000000;
            until.tv_sec++;
        }
        __atomic_store_n(&t->sleeping, 1, __ATOMIC_SEQ_CST);
        rawsys_futex_wait(&t->kick, kick, &until);
        __atomic_store_n(&t->sleeping, 0, __ATOMIC_SEQ_CST);
    }
}

/* ---- summary ---- */

struct summary_line {
    char name[48];
    struct trace_summary_row row;
};

static int summary_compare(const void *a, const void *b)
{
    const struct summary_line *x = a, *y = b;

    if (x->row.ns != y->row.ns)
        return x->row.ns < y->row.ns ? 1 : -1;
    return strcmp(x->name, y->name);
}

static void summary_name(struct summary_line *l, unsigned nr, unsigned column)
{
    const struct abi_call *call = nr < NR_ABI_CALLS ? &abi_calls[nr] : NULL;
    struct trace_text text = {l->name, sizeof(l->name), 0};

    if (!call) {
        trace_add(&text, "(unknown)");
        return;
    }
    for (unsigned i = 0; i < call->nr_ops; i++)
        if (trace_op_bit(call, call->op[i].value) == column) {
            trace_add(&text, "%s", call->op[i].name);
            return;
        }
    trace_format_name(&text, nr);
}

static void summary_print_line(struct trace *t, const struct summary_line *l, uint64_t all_ns)
{
    char buf[256], errors[24] = "";
    struct trace_text line = {buf, sizeof(buf), 0};

    if (l->row.errors)
        snprintf(errors, sizeof(errors), "%" PRIu64, l->row.errors);
    trace_add(&line, "%6.2f %11.6f %11.3f %9" PRIu64 " %9s %s\n",
              all_ns ? 100.0 * (double)l->row.ns / (double)all_ns : 0.0, (double)l->row.ns / 1e9,
              l->row.calls ? (double)l->row.ns / 1e3 / (double)l->row.calls : 0.0, l->row.calls, errors,
              l->name);
    if (t->out_len + line.len > t->out_size)
        out_flush(t);
    memcpy(t->out + t->out_len, line.buf, line.len);
    t->out_len += line.len;
}

static void summary_print(struct trace *t)
{
    static const char head[] = "% time     seconds  usecs/call     calls    errors hypercall\n"
                               "------ ----------- ----------- --------- --------- ----------------\n";
    static const char rule[] = "------ ----------- ----------- --------- --------- ----------------\n";
    struct summary_line *lines = calloc((NR_ABI_CALLS + 1) * 64ul, sizeof(*lines));
    struct summary_line total = {.name = "total"};
    size_t n = 0;

    if (!lines) {
        diag_error("trace: no memory for the summary");
        return;
    }
    for (unsigned nr = 0; nr <= NR_ABI_CALLS; nr++)
        for (unsigned column = 0; column < 64; column++) {
            const struct trace_summary_row *row = &t->rows[nr][column];

            if (!row->calls)
                continue;
            summary_name(&lines[n], nr, column);
            lines[n++].row = *row;
            total.row.calls += row->calls;
            total.row.errors += row->errors;
            total.row.ns += row->ns;
        }
    qsort(lines, n, sizeof(*lines), summary_compare);
    out_flush(t);
    memcpy(t->out, head, sizeof(head) - 1);
    t->out_len = sizeof(head) - 1;
    for (size_t i = 0; i < n; i++)
        summary_print_line(t, &lines[i], total.row.ns);
    out_flush(t);
    memcpy(t->out, rule, sizeof(rule) - 1);
    t->out_len = sizeof(rule) - 1;
    summary_print_line(t, &total, total.row.ns);
    out_flush(t);
    free(lines);
}

/* ---- life ---- */

struct trace *trace_create(const struct trace_config *config, char *why, size_t why_size)
{
    struct trace *t = calloc(1, sizeof(*t));

    if (!t || !(t->out = malloc(OUT_BYTES))) {
        snprintf(why, why_size, "trace: no memory");
        free(t);
        return NULL;
    }
    t->out_size = OUT_BYTES;
    t->fd = config->fd;
    t->lines = config->lines;
    t->summary = config->summary;
    if (trace_filter_parse(&t->filter, config->filter, why, why_size)) {
        trace_destroy(t);
        return NULL;
    }
    return t;
}

static int rings_map(struct trace *t, unsigned nr_vcpus)
{
    t->vcpu = calloc(nr_vcpus, sizeof(*t->vcpu));
    if (!t->vcpu)
        return -ENOMEM;
    for (; t->nr_vcpus < nr_vcpus; t->nr_vcpus++) {
        void *p = mmap(NULL, TRACE_RING_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

        if (p == MAP_FAILED)
            return -errno;
        t->vcpu[t->nr_vcpus].ring.data = p;
    }
    return 0;
}

int trace_start(struct trace *t, struct domain *d)
{
    sigset_t all, old;
    pthread_t thread;
    int err = rings_map(t, d->nr_vcpus);

    if (err)
        return err;
    t->domain = d;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    err = pthread_create(&thread, NULL, writer_main, t);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (err)
        return -err;
    t->thread = thread;
    d->trace = t;
    return 0;
}

void trace_destroy(struct trace *t)
{
    if (t->domain && t->domain->trace == t) {
        __atomic_store_n(&t->stop, 1, __ATOMIC_SEQ_CST);
        __atomic_fetch_add(&t->kick, 1, __ATOMIC_SEQ_CST);
        rawsys_futex_wake(&t->kick, 1);
        pthread_join(t->thread, NULL);
        t->domain->trace = NULL;
        if (t->summary)
            summary_print(t);
    }
    for (unsigned i = 0; i < t->nr_vcpus; i++)
        munmap(t->vcpu[i].ring.data, TRACE_RING_SIZE);
    free(t->vcpu);
    free(t->out);
    free(t);
}
