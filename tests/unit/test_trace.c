// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The tracer from hypercall_call() to lines: decoding, nesting, filters, summary, a ring that fills up; and
 * that the tables that drive it agree with each other.
 */
#include <check.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "pv/panel.h"
#include "pv/trace_internal.h"
#include "suite.h"
#include "trace_fakes.h"

#include <xen/memory.h>
#include <xen/sched.h>
#include <xen/version.h>

static struct domain domain;
static struct vcpu vcpu[2];
static struct trace *trace;
static int fd;

static void trace_begin(const char *filter, bool lines, bool summary)
{
    char why[200] = "";
    struct trace_config config = {.filter = filter, .lines = lines, .summary = summary};

    memset(&domain, 0, sizeof(domain));
    memset(vcpu, 0, sizeof(vcpu));
    memset(fake_memory, 0, FAKE_MEMORY_SIZE);
    domain.nr_vcpus = 2;
    for (unsigned i = 0; i < 2; i++) {
        vcpu[i].domain = &domain;
        vcpu[i].id = i;
        domain.vcpu[i] = &vcpu[i];
    }
    fake_result = 0;
    fake_action = NULL;
    config.fd = fd = memfd_create("trace", 0);
    ck_assert_int_ge(fd, 0);
    trace = trace_create(&config, why, sizeof(why));
    ck_assert_msg(trace != NULL, "%s", why);
    ck_assert_int_eq(trace_start(trace, &domain), 0);
}

/* Everything that was printed. */
static char *trace_end(void)
{
    off_t n;
    char *text;

    trace_destroy(trace);
    ck_assert_ptr_null(domain.trace);
    n = lseek(fd, 0, SEEK_END);
    text = calloc(1, (size_t)n + 1);
    ck_assert_int_eq(pread(fd, text, (size_t)n, 0), n);
    close(fd);
    return text;
}

/* The lines without time and duration, which vary. */
static char *without_times(char *text)
{
    char *to = text;

    for (char *line = text; *line;) {
        char *end = strchr(line, '\n'), *p = line + strspn(line, " 0123456789."), *q = end;

        if (!end || *p != 'v')
            ck_abort_msg("odd line: %.100s", line);
        if (end[-1] == '>' && end[-2] != '.') {
            while (*q != '<')
                q--;
            q--;
        }
        memmove(to, p, (size_t)(q - p));
        to += q - p;
        *to++ = '\n';
        line = end + 1;
    }
    *to = '\0';
    return text;
}

/* One traced call, and the line that it makes. */
static void expect_line(uint64_t nr, int64_t result, const uint64_t arg[6], const char *want)
{
    char *text;

    fake_result = result;
    ck_assert_int_eq(hypercall_call(&vcpu[0], nr, arg), result);
    text = without_times(trace_end());
    ck_assert_str_eq(text, want);
    free(text);
}

#define AT(offset) (FAKE_MEMORY_VA + (offset))
#define ARGS(...)  ((const uint64_t[6]){__VA_ARGS__})

START_TEST(test_mmu_update)
{
    struct mmu_update u[2] = {
        {0x1b403ff8 | MMU_PT_UPDATE_PRESERVE_AD, 0x8000000012345063},
        {0x1000 | MMU_MACHPHYS_UPDATE, 0x42},
    };

    trace_begin(NULL, true, false);
    memcpy(fake_memory + 0x100, u, sizeof(u));
    memcpy(fake_memory + 0x80, &(uint32_t){2}, 4);
    expect_line(__HYPERVISOR_mmu_update, 0, ARGS(AT(0x100), 2, AT(0x80), DOMID_SELF),
                "v0 mmu_update([{ptr=0x1b403ff8|MMU_PT_UPDATE_PRESERVE_AD, val=0x12345:P|RW|A|D|NX}, "
                "{ptr=0x1000|MMU_MACHPHYS_UPDATE, val=0x42}], 2, 2, DOMID_SELF) = 0\n");
}
END_TEST

/* Counts that no memory could hold: as much as fits is shown, and that there is more. */
START_TEST(test_huge_count)
{
    char *text;

    trace_begin(NULL, true, false);
    fake_result = -XEN_EFAULT;
    hypercall_call(&vcpu[0], __HYPERVISOR_mmu_update, ARGS(AT(0), 0xffffffffffff, 0, DOMID_SELF));
    hypercall_call(&vcpu[0], __HYPERVISOR_mmuext_op, ARGS(AT(0), ~0UL, ~0UL, 5));
    hypercall_call(&vcpu[0], __HYPERVISOR_console_io, ARGS(CONSOLEIO_write, ~0UL, AT(0)));
    text = without_times(trace_end());
    ck_assert_ptr_nonnull(strstr(text, ", ...], 4294967295, NULL, DOMID_SELF) = -EFAULT\n"));
    ck_assert_ptr_nonnull(strstr(text, ", ...], 4294967295, 0xffffffffffffffff, 5) = -EFAULT\n"));
    ck_assert_ptr_nonnull(strstr(text, "\\x00\"...) = -EFAULT\n"));
    free(text);
}
END_TEST

START_TEST(test_unreadable)
{
    trace_begin(NULL, true, false);
    expect_line(__HYPERVISOR_mmu_update, -XEN_EFAULT, ARGS(0x1234, 2, AT(FAKE_MEMORY_SIZE - 2), DOMID_IO),
                "v0 mmu_update(0x1234, 2, 0xffff88800000fffe, DOMID_IO) = -EFAULT\n");
}
END_TEST

START_TEST(test_mmuext_op)
{
    struct mmuext_op op[3] = {
        {.cmd = MMUEXT_PIN_L4_TABLE, .arg1.mfn = 0x1b403},
        {.cmd = MMUEXT_TLB_FLUSH_ALL},
        {.cmd = 99},
    };

    trace_begin("mmuext_op", true, false);
    memcpy(fake_memory, op, sizeof(op));
    expect_line(__HYPERVISOR_mmuext_op, -XEN_ENOSYS, ARGS(AT(0), 3, 0, DOMID_SELF),
                "v0 mmuext_op([{cmd=MMUEXT_PIN_L4_TABLE, mfn=0x1b403}, {cmd=MMUEXT_TLB_FLUSH_ALL}, "
                "{cmd=0x63}], 3, NULL, DOMID_SELF) = -ENOSYS\n");
}
END_TEST

static void answer_port(struct vcpu *v)
{
    struct evtchn_bind_virq *b = (void *)fake_memory;

    (void)v;
    b->port = 17;
}

/* What comes out is shown as the handler left it. */
START_TEST(test_out_field)
{
    struct evtchn_bind_virq b = {.virq = VIRQ_DEBUG, .vcpu = 1, .port = 0xdead};

    trace_begin("%event", true, false);
    memcpy(fake_memory, &b, sizeof(b));
    fake_action = answer_port;
    expect_line(__HYPERVISOR_event_channel_op, 0, ARGS(EVTCHNOP_bind_virq, AT(0)),
                "v0 event_channel_op(EVTCHNOP_bind_virq, {virq=VIRQ_DEBUG, vcpu=1, port=17}) = 0\n");
}
END_TEST

static void answer_extents(struct vcpu *v)
{
    (void)v;
    memcpy(fake_memory + 0x200, (uint64_t[2]){0x777, 0x778}, 16);
}

START_TEST(test_nested_list)
{
    struct xen_memory_reservation r = {.nr_extents = 2, .domid = DOMID_SELF};

    trace_begin(NULL, true, false);
    r.extent_start.p = (xen_pfn_t *)AT(0x200);
    memcpy(fake_memory, &r, sizeof(r));
    fake_action = answer_extents;
    expect_line(__HYPERVISOR_memory_op, 2, ARGS(XENMEM_populate_physmap | 3 << 6, AT(0)),
                "v0 memory_op(XENMEM_populate_physmap|start_extent=3, {extent_start=[0x777, 0x778], "
                "nr_extents=2, extent_order=0, mem_flags=0, domid=DOMID_SELF}) = 2\n");
}
END_TEST

START_TEST(test_poll)
{
    struct sched_poll p = {.nr_ports = 3, .timeout = 1500000007};

    trace_begin(NULL, true, false);
    p.ports.p = (evtchn_port_t *)AT(0x40);
    memcpy(fake_memory, &p, sizeof(p));
    memcpy(fake_memory + 0x40, (uint32_t[3]){3, 4, 5}, 12);
    expect_line(__HYPERVISOR_sched_op, 0, ARGS(SCHEDOP_poll, AT(0)),
                "v0 sched_op(SCHEDOP_poll, {ports=[3, 4, 5], nr_ports=3, timeout=1.500000007}) = 0\n");
}
END_TEST

START_TEST(test_strings)
{
    trace_begin(NULL, true, false);
    memcpy(fake_memory, "say \"hi\"\n", 9); /* NOLINT(bugprone-not-null-terminated-result): has a length */
    expect_line(__HYPERVISOR_console_io, -XEN_EPERM, ARGS(CONSOLEIO_write, 9, AT(0)),
                "v0 console_io(CONSOLEIO_write, 9, \"say \\\"hi\\\"\\n\") = -EPERM\n");
}
END_TEST

static void answer_version(struct vcpu *v)
{
    (void)v;
    memcpy(fake_memory, ".5-diptych", 11);
}

START_TEST(test_text_out)
{
    trace_begin("XENVER_extraversion", true, false);
    fake_action = answer_version;
    expect_line(__HYPERVISOR_xen_version, 0, ARGS(XENVER_extraversion, AT(0)),
                "v0 xen_version(XENVER_extraversion, \".5-diptych\") = 0\n");
}
END_TEST

START_TEST(test_hex_result)
{
    trace_begin(NULL, true, false);
    expect_line(__HYPERVISOR_xen_version, 0x40011, ARGS(XENVER_version, 0),
                "v0 xen_version(XENVER_version, NULL) = 0x40011\n");
}
END_TEST

START_TEST(test_trap_table)
{
    struct trap_info t[3] = {{.vector = 14, .flags = 4, .cs = 0xe033, .address = 0xffffffff81000000},
                             {.vector = 3, .flags = 3, .cs = 0xe033, .address = 0xffffffff81000010}};

    trace_begin("%cpu", true, false);
    memcpy(fake_memory, t, sizeof(t));
    expect_line(__HYPERVISOR_set_trap_table, 0, ARGS(AT(0)),
                "v0 set_trap_table([{vector=0xe, flags=IF, cs=0xe033, address=0xffffffff81000000}, "
                "{vector=0x3, flags=DPL3, cs=0xe033, address=0xffffffff81000010}]) = 0\n");
}
END_TEST

START_TEST(test_set_gdt)
{
    trace_begin(NULL, true, false);
    memcpy(fake_memory, (uint64_t[2]){0x11, 0x22}, 16);
    expect_line(__HYPERVISOR_set_gdt, 0, ARGS(AT(0), 513), "v0 set_gdt([0x11, 0x22], 513) = 0\n");
}
END_TEST

START_TEST(test_va_mapping)
{
    trace_begin(NULL, true, false);
    expect_line(__HYPERVISOR_update_va_mapping, 0, ARGS(0xffff888000001000, 0, UVMF_INVLPG | UVMF_ALL),
                "v0 update_va_mapping(0xffff888000001000, 0, UVMF_INVLPG|UVMF_ALL) = 0\n");
}
END_TEST

/* Does not come back to its caller, and is shown all the same. */
START_TEST(test_iret)
{
    struct iret_context c = {.flags = VGCF_in_syscall,
                             .rip = 0x401000,
                             .cs = 0xe033,
                             .rflags = 0x202,
                             .rsp = 0x7fff0000,
                             .ss = 0xe02b};

    trace_begin(NULL, true, false);
    memcpy(fake_memory + 0x300, &c, sizeof(c));
    vcpu[0].gpr[RSP] = AT(0x300);
    expect_line(__HYPERVISOR_iret, HYPERCALL_KEEP_REGS, ARGS(0),
                "v0 iret({flags=VGCF_in_syscall, rip=0x401000, cs=0xe033, rflags=IF|0x2, rsp=0x7fff0000, "
                "ss=0xe02b}) = ?\n");
}
END_TEST

START_TEST(test_unknown_number)
{
    trace_begin(NULL, true, false);
    expect_line(0xdeadbeef, -XEN_ENOSYS, ARGS(1, 2, 3, 4, 5, 6),
                "v0 hypercall_0xdeadbeef(0x1, 0x2, 0x3, 0x4, 0x5, 0x6) = -ENOSYS\n");
}
END_TEST

START_TEST(test_multicall)
{
    struct multicall_entry e[2] = {{.op = __HYPERVISOR_fpu_taskswitch, .args = {1}},
                                   {.op = __HYPERVISOR_stack_switch, .args = {0xe02b, 0x1000}}};
    char *text;

    trace_begin(NULL, true, false);
    memcpy(fake_memory, e, sizeof(e));
    hypercall_call(&vcpu[1], __HYPERVISOR_multicall, ARGS(AT(0), 2));
    text = without_times(trace_end());
    ck_assert_str_eq(text, "v1 multicall(0xffff888000000000, 2) {\n"
                           "v1     fpu_taskswitch(1) = 0\n"
                           "v1     stack_switch(0xe02b, 0x1000) = 0\n"
                           "v1 } = 0\n");
    free(text);
}
END_TEST

START_TEST(test_traps)
{
    char *text;

    trace_begin("%trap,%upcall", true, false);
    vcpu[0].rip = 0x401234;
    vcpu[0].user_mode = true;
    trace_trap(&vcpu[0], VEC_PF, 6, 0x5000);
    trace_trap(&vcpu[0], VEC_UD, -1, 0);
    trace_upcall(&vcpu[0]);
    hypercall_call(&vcpu[0], __HYPERVISOR_set_timer_op, ARGS(0)); /* not asked for */
    text = without_times(trace_end());
    ck_assert_str_eq(text, "v0 --- #PF {error=W|U, cr2=0x5000, rip=0x401234, user} ---\n"
                           "v0 --- #UD {rip=0x401234, user} ---\n"
                           "v0 --- event upcall {rip=0x401234, user} ---\n");
    free(text);
}
END_TEST

static void lasts(struct vcpu *v)
{
    (void)v;
    __atomic_add_fetch(&fake_clock_ns, 1000000000, __ATOMIC_RELAXED);
    usleep(200000); /* ten looks of the writer's */
}

/* A call that lasts is shown while it does. */
START_TEST(test_unfinished)
{
    char *text;

    trace_begin(NULL, true, false);
    fake_action = lasts;
    hypercall_call(&vcpu[0], __HYPERVISOR_sched_op, ARGS(SCHEDOP_block, 0));
    text = without_times(trace_end());
    ck_assert_str_eq(text, "v0 sched_op(SCHEDOP_block, NULL <unfinished ...>\n"
                           "v0 <... sched_op resumed>) = 0\n");
    free(text);
}
END_TEST

/* A call whose end never comes (the domain died in it) is shown at the end. */
START_TEST(test_no_end)
{
    char *text;

    trace_begin(NULL, true, false);
    ck_assert(trace_enter(&vcpu[0], __HYPERVISOR_sched_op, ARGS(SCHEDOP_shutdown, 0x1000)));
    text = trace_end();
    ck_assert_ptr_nonnull(strstr(text, "v0 sched_op(SCHEDOP_shutdown, 0x1000 <unfinished ...>\n"));
    free(text);
}
END_TEST

/* Which calls a filter lets through: a hypercall number, its first argument. */
static bool passes(const char *filter, uint64_t nr, uint64_t arg0)
{
    struct trace_filter f;
    char why[200];

    ck_assert_msg(!trace_filter_parse(&f, filter, why, sizeof(why)), "%s: %s", filter, why);
    return nr < NR_ABI_CALLS ? f.op[nr] >> trace_op_bit(&abi_calls[nr], arg0) & 1 : f.unknown;
}

START_TEST(test_filter)
{
    ck_assert(passes("", __HYPERVISOR_iret, 0));
    ck_assert(passes("all", 1000, 0));
    ck_assert(!passes("none", __HYPERVISOR_iret, 0));
    ck_assert(passes("mmu_update,iret", __HYPERVISOR_iret, 0));
    ck_assert(!passes("mmu_update,iret", __HYPERVISOR_mmuext_op, 0));
    ck_assert(passes("%mm", __HYPERVISOR_mmuext_op, 0));
    ck_assert(passes("%mm", __HYPERVISOR_memory_op, XENMEM_exchange));
    ck_assert(!passes("%mm", __HYPERVISOR_sched_op, 0));
    ck_assert(!passes("!%mm", __HYPERVISOR_mmuext_op, 0));
    ck_assert(passes("!%mm", __HYPERVISOR_sched_op, 0));
    ck_assert(!passes("!%mm,sched_op", __HYPERVISOR_sched_op, 0));
    ck_assert(passes("EVTCHNOP_send", __HYPERVISOR_event_channel_op, EVTCHNOP_send));
    ck_assert(!passes("EVTCHNOP_send", __HYPERVISOR_event_channel_op, EVTCHNOP_close));
    ck_assert(!passes("!EVTCHNOP_send", __HYPERVISOR_event_channel_op, EVTCHNOP_send));
    ck_assert(passes("!EVTCHNOP_send", __HYPERVISOR_event_channel_op, EVTCHNOP_close));
    /* Timers of vcpu_op belong to %time, the rest to %cpu; numbers that nobody knows to the call's group. */
    ck_assert(passes("%time", __HYPERVISOR_vcpu_op, VCPUOP_set_singleshot_timer));
    ck_assert(!passes("%time", __HYPERVISOR_vcpu_op, VCPUOP_up));
    ck_assert(passes("%cpu", __HYPERVISOR_vcpu_op, VCPUOP_up));
    ck_assert(passes("%cpu", __HYPERVISOR_vcpu_op, 12345));
    ck_assert(!passes("%time", __HYPERVISOR_vcpu_op, 12345));
    ck_assert(passes("%misc", 63, 0) == false); /* no such hypercall: */
    ck_assert(passes("%misc", 1000, 0));        /* the unknown are one class */
}
END_TEST

START_TEST(test_filter_errors)
{
    static const char *const bad[] = {",", "mmu",        "mmu_update,", "%", "%nope", "mmu_update,!iret",
                                      "!", "mmu_updates"};
    struct trace_filter f;

    for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
        char why[300] = "";

        ck_assert_msg(trace_filter_parse(&f, bad[i], why, sizeof(why)) == -1, "%s", bad[i]);
        ck_assert_msg(strstr(why, "trace filter"), "%s: %s", bad[i], why);
    }
}
END_TEST

/* What the filter drops isn't recorded, and costs no line. */
START_TEST(test_filtered_call)
{
    char *text;

    trace_begin("!iret", true, false);
    hypercall_call(&vcpu[0], __HYPERVISOR_iret, ARGS(0));
    text = trace_end();
    ck_assert_str_eq(text, "");
    free(text);
}
END_TEST

START_TEST(test_summary)
{
    char *text;

    trace_begin(NULL, false, true);
    for (unsigned i = 0; i < 3; i++)
        hypercall_call(&vcpu[0], __HYPERVISOR_set_timer_op, ARGS(5));
    fake_result = -XEN_EINVAL;
    hypercall_call(&vcpu[1], __HYPERVISOR_event_channel_op, ARGS(EVTCHNOP_send, 0));
    text = trace_end();
    ck_assert_ptr_nonnull(strstr(text, "% time     seconds  usecs/call     calls    errors hypercall\n"));
    ck_assert_ptr_nonnull(strstr(text, "         3           set_timer_op\n"));
    ck_assert_ptr_nonnull(strstr(text, "         1         1 EVTCHNOP_send\n"));
    ck_assert_ptr_nonnull(strstr(text, "         4         1 total\n"));
    ck_assert_ptr_null(strstr(text, " v0 "));
    free(text);
}
END_TEST

static void *hammer(void *p)
{
    struct vcpu *v = p;

    for (uint64_t i = 0; i < 20000; i++)
        hypercall_call(v, __HYPERVISOR_set_timer_op, ARGS(i));
    return NULL;
}

/* Far more than the rings hold, from two threads at once: nothing is lost, nothing out of order. */
START_TEST(test_full_ring)
{
    pthread_t thread;
    uint64_t next[2] = {0, 0};
    char *text;

    trace_begin(NULL, true, false);
    ck_assert_int_eq(pthread_create(&thread, NULL, hammer, &vcpu[1]), 0);
    hammer(&vcpu[0]);
    pthread_join(thread, NULL);
    text = without_times(trace_end());
    for (char *line = text; *line; line = strchr(line, '\n') + 1) {
        unsigned id;

        if (line[0] != 'v' || (id = (unsigned)(line[1] - '0')) > 1 ||
            strncmp(line + 2, " set_timer_op(0.", 16) != 0)
            ck_abort_msg("odd line: %.100s", line);
        ck_assert_uint_eq(strtoul(line + 18, NULL, 10), next[id]);
        next[id]++;
    }
    ck_assert_uint_eq(next[0], 20000);
    ck_assert_uint_eq(next[1], 20000);
    free(text);
}
END_TEST

START_TEST(test_dispatch)
{
    trace_begin("none", true, false);
    vcpu[0].gpr[RAX] = __HYPERVISOR_memory_op;
    vcpu[0].rip = 0x1234;
    vcpu[0].rflags = 0x246;
    fake_result = -7;
    fake_heavy_calls = 0;
    hypercall_dispatch(&vcpu[0]);
    ck_assert_int_eq((int64_t)vcpu[0].gpr[RAX], -7);
    ck_assert_uint_eq(vcpu[0].gpr[RCX], 0x1234);
    ck_assert_uint_eq(vcpu[0].gpr[R11], 0x246);
    ck_assert_uint_eq(fake_heavy_calls, hypercalls[__HYPERVISOR_memory_op].heavy);

    vcpu[0].gpr[RAX] = (1UL << 32) | __HYPERVISOR_iret; /* all 64 bits count */
    hypercall_dispatch(&vcpu[0]);
    ck_assert_int_eq((int64_t)vcpu[0].gpr[RAX], -XEN_ENOSYS);

    vcpu[0].gpr[RAX] = __HYPERVISOR_iret;
    fake_result = HYPERCALL_KEEP_REGS;
    hypercall_dispatch(&vcpu[0]);
    ck_assert_uint_eq(vcpu[0].gpr[RAX], __HYPERVISOR_iret);
    free(trace_end());
}
END_TEST

static unsigned check_struct(const struct abi_struct *s, unsigned depth);

static unsigned check_list(const struct abi_list *l, const struct abi_struct *holder, unsigned depth)
{
    if (l->count_offset >= 0) {
        ck_assert_uint_le((unsigned)l->count_offset + l->count_size, holder->size);
        ck_assert(l->count_size == 4 || l->count_size == 8);
    }
    return l->item ? check_struct(l->item, depth + 1) : ABI_IN;
}

/* Fields lie inside; dir says what the fields do. Returns the directions found. */
static unsigned check_struct(const struct abi_struct *s, unsigned depth)
{
    unsigned dir = 0;

    ck_assert_uint_le(depth, 2);
    ck_assert_uint_gt(s->nr_fields, 0);
    ck_assert_uint_le(s->size - s->start, TRACE_BLOB_MAX);
    for (unsigned i = 0; i < s->nr_fields; i++) {
        const struct abi_field *f = &s->field[i];

        ck_assert_msg(f->offset >= s->start && f->offset + f->size <= s->size, "%s.%s", s->name, f->name);
        ck_assert_msg(f->format == ABI_TEXT || f->format == ABI_UUID || f->size <= 8, "%s.%s", s->name,
                      f->name);
        ck_assert_msg((f->format != ABI_NAME && f->format != ABI_FLAGS) || f->names, "%s.%s", s->name,
                      f->name);
        ck_assert_msg((f->format != ABI_LIST && f->format != ABI_STRING) || f->list, "%s.%s", s->name,
                      f->name);
        ck_assert_msg(f->dir, "%s.%s", s->name, f->name);
        dir |= f->dir;
        if (f->list && depth)
            dir |= check_list(f->list, s, depth);
    }
    if (depth)
        ck_assert_msg(s->dir == dir, "%s: dir %u, fields %u", s->name, s->dir, dir);
    return dir;
}

/* Every hypercall in the one table is described in the other, with as many arguments; names fit their
 * numbers. */
START_TEST(test_tables_agree)
{
    for (unsigned nr = 0; nr < NR_HYPERCALLS; nr++) {
        const struct abi_call *call = &abi_calls[nr];

        ck_assert_msg((hypercalls[nr].name != NULL) == (call->args != NULL), "hypercall %u", nr);
        if (!call->args)
            continue;
        check_struct(call->args, 0);
        if (!call->on_stack)
            ck_assert_msg(call->args->nr_fields == hypercalls[nr].nr_args, "%s: %u, %u arguments",
                          hypercalls[nr].name, call->args->nr_fields, hypercalls[nr].nr_args);
        for (unsigned i = 0; i < call->nr_ops; i++) {
            ck_assert_ptr_eq(abi_op_find(call, call->op[i].value), &call->op[i]);
            ck_assert_uint_lt(call->op[i].value, 63); /* else two share a bit of the filter */
            if (call->op[i].arg)
                check_list(call->op[i].arg, call->args, 0);
        }
    }
}
END_TEST

int main(void)
{
    TCase *c = tcase_create("all");

    tcase_add_test(c, test_mmu_update);
    tcase_add_test(c, test_huge_count);
    tcase_add_test(c, test_unreadable);
    tcase_add_test(c, test_mmuext_op);
    tcase_add_test(c, test_out_field);
    tcase_add_test(c, test_nested_list);
    tcase_add_test(c, test_poll);
    tcase_add_test(c, test_strings);
    tcase_add_test(c, test_text_out);
    tcase_add_test(c, test_hex_result);
    tcase_add_test(c, test_trap_table);
    tcase_add_test(c, test_set_gdt);
    tcase_add_test(c, test_va_mapping);
    tcase_add_test(c, test_iret);
    tcase_add_test(c, test_unknown_number);
    tcase_add_test(c, test_multicall);
    tcase_add_test(c, test_traps);
    tcase_add_test(c, test_unfinished);
    tcase_add_test(c, test_no_end);
    tcase_add_test(c, test_filter);
    tcase_add_test(c, test_filter_errors);
    tcase_add_test(c, test_filtered_call);
    tcase_add_test(c, test_summary);
    tcase_add_test(c, test_full_ring);
    tcase_add_test(c, test_dispatch);
    tcase_add_test(c, test_tables_agree);
    tcase_set_timeout(c, 60);
    return suite_run("trace", c);
}
