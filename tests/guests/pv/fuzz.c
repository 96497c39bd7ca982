// SPDX-License-Identifier: MIT
// cmdline: seed=1 calls=1000000
// cmdline: seed=2 calls=1000000
// cmdline: seed=3 calls=1000000
// expect: any
// timeout: 300
/*
 * Hypercalls with garbage: a million of them, from a seed that replays.  Nothing is expected of any but
 * that the guest still runs afterwards, or is crashed as a domain; the hypervisor must neither crash, nor
 * hang, nor be reached.
 *
 * Arguments are mixed from small numbers, garbage, and what is almost right: buffers with structures in
 * them, frames and page-table entries of pages set aside as victims.  Left out is only what would end the
 * run at once by the guest's own fault: shutting down, blocking for ever, taking its own code, tables,
 * stack or console away.
 *
 * Command line: seed=N calls=N, verbose=1 prints each call before it is made (to find the one that hurts).
 */
#include "pvtest.h"

#define VICTIMS 16
#define SCRATCH 8192

static uint64_t state;
static char *victim[VICTIMS];
static uint64_t victim_ma[VICTIMS];
static char *scratch;
static uint64_t verbose;

static uint64_t next(void)
{
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    return state * 0x2545f4914f6cdd1dUL;
}

static unsigned below(unsigned n)
{
    return (unsigned)(next() >> 33) % n;
}

static bool one_in(unsigned n)
{
    return below(n) == 0;
}

/* A number: small, a power of two or beside it, or anything. */
static uint64_t number(void)
{
    switch (below(6)) {
    case 0:
    case 1:
    case 2:
        return below(20);
    case 3:
        return (1UL << below(64)) - below(2);
    case 4:
        return below(2) ? DOMID_SELF : -(uint64_t)below(100);
    default:
        return next();
    }
}

static uint64_t frame(void)
{
    return one_in(3) ? number() : victim_ma[below(VICTIMS)] / 4096;
}

static uint64_t entry(void)
{
    static const uint64_t flags[] = {
        0, PTE_P, PTE_RAM, PTE_P | PTE_US, PTE_RAM | PTE_US | PTE_NX, PTE_P | PTE_PSE};

    if (one_in(6))
        return next();
    return frame() << 12 | flags[below(6)] | (one_in(4) ? next() & 0xfff : 0);
}

/* A guest address: in the scratch buffer (also where it crosses a page, and over its end), or bad. */
static uint64_t address(void)
{
    switch (below(10)) {
    case 0:
        return 0;
    case 1:
        return UNMAPPED + below(8192);
    case 2:
        return NONCANONICAL + below(8192);
    case 3:
        return HYPERVISOR_VIRT_START + (next() & 0x7ffffffffff);
    case 4:
        return next();
    case 5:
        return (uint64_t)scratch + 4096 - below(64);
    default:
        return (uint64_t)scratch + below(SCRATCH - 2048) / 8 * 8;
    }
}

static void scratch_fill(void)
{
    uint64_t *p = (uint64_t *)scratch;

    for (unsigned i = 0; i < 64; i++)
        p[below(SCRATCH / 8)] = one_in(3) ? frame() : one_in(3) ? entry() : one_in(2) ? address() : number();
}

/* ---- arguments that are almost right, one function a structure that needs it ---- */

static void mmu_updates(struct mmu_update *u, unsigned n, bool own)
{
    for (unsigned i = 0; i < n; i++) {
        u[i].ptr = (one_in(4) ? number() : victim_ma[below(VICTIMS)] + below(4096)) & ~3UL;
        u[i].ptr |= below(4);
        /*
         * Entries of the tables in use: only what must be refused, and where nothing can write to the list.
         */
        if (own && one_in(8)) {
            u[i].ptr = pte_machine((uint64_t)victim[below(VICTIMS)], below(4) + 1) | MMU_NORMAL_PT_UPDATE;
            u[i].val = (1UL << 47) | next() % 4096 << 12 | PTE_RAM;
        } else {
            u[i].val = entry();
        }
    }
}

static void mmuext_ops(struct mmuext_op *op, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        op[i].cmd = one_in(10) ? (unsigned)number() : below(22);
        op[i].arg1.mfn = one_in(3) ? number() : frame();
        op[i].arg2.src_mfn = one_in(2) ? frame() : address();
        /* Loading an empty table would take the code away: only frames that don't exist. */
        if (op[i].cmd == MMUEXT_NEW_BASEPTR)
            op[i].arg1.mfn |= 1UL << 40;
    }
}

/* An event channel operation must leave the console's port alone. */
static unsigned event_op(uint32_t *arg)
{
    unsigned cmd = one_in(10) ? (unsigned)number() : below(14);

    if (cmd == EVTCHNOP_reset)
        cmd = EVTCHNOP_status;
    for (unsigned i = 0; i < 8; i++)
        if (one_in(2))
            arg[i] = (uint32_t)(one_in(3) ? frame() : number());
    if (cmd == EVTCHNOP_close && arg[0] == start_info->console.domU.evtchn)
        arg[0] = 4097;
    return cmd;
}

static unsigned memory_op(struct xen_memory_reservation *r)
{
    xen_pfn_t *extents = (xen_pfn_t *)(scratch + 4096);

    for (unsigned i = 0; i < 8; i++)
        extents[i] = frame();
    if (one_in(2)) {
        set_xen_guest_handle(r->extent_start, extents);
        r->nr_extents = one_in(4) ? number() : below(8);
        r->extent_order = one_in(4) ? (unsigned)number() : 0;
        r->mem_flags = one_in(4) ? (unsigned)number() : 0;
        r->domid = DOMID_SELF;
    }
    return (unsigned)(one_in(10) ? number() : below(30));
}

/* Outside of the scratch buffer: addresses of our own code must not be taken for those of buffers. */
static uint64_t trap_table(void)
{
    static struct trap_info t[5];
    extern char trap_stubs[];

    for (unsigned i = 0; i < 4; i++) {
        t[i].vector = (uint8_t)below(256);
        t[i].flags = (uint8_t)below(8);
        t[i].cs = one_in(2) ? FLAT_KERNEL_CS : (uint16_t)next();
        t[i].address = one_in(3) ? NONCANONICAL | next() >> 20 : (uint64_t)trap_stubs + 16 * t[i].vector;
    }
    return (uint64_t)t;
}

struct call {
    uint64_t nr, arg[6];
};

static void call_make(struct call *c, unsigned depth);

static void multicall_fill(struct call *c, unsigned depth)
{
    struct multicall_entry *e = (struct multicall_entry *)(scratch + 2048);
    unsigned n = below(6);

    for (unsigned i = 0; i < n; i++) {
        struct call inner;

        call_make(&inner, depth + 1);
        e[i].op = inner.nr;
        memcpy(e[i].args, inner.arg, sizeof(inner.arg));
    }
    /* Entries that nobody chose would be any call at all: a list is ours, or nowhere. */
    if (one_in(10)) {
        c->arg[0] = one_in(2) ? UNMAPPED : NONCANONICAL;
        c->arg[1] = number();
    } else {
        c->arg[0] = (uint64_t)e;
        c->arg[1] = n;
    }
}

/* Makes up a call. */
/* NOLINTNEXTLINE(readability-function-cognitive-complexity): one case a hypercall, each a few choices */
static void call_make(struct call *c, unsigned depth)
{
    void *buf = scratch + below(1024) / 8 * 8;
    bool good = !one_in(4); /* arguments almost right */

    c->nr = one_in(50) ? number() : below(43);
    for (unsigned i = 0; i < 6; i++)
        c->arg[i] = one_in(2) ? address() : number();
    switch (c->nr) {
    case __HYPERVISOR_iret:
        c->nr = 11;
        break;
    case __HYPERVISOR_set_trap_table:
        c->arg[0] = good ? trap_table() : UNMAPPED;
        break;
    case __HYPERVISOR_mmu_update:
        mmu_updates(buf, 4, depth == 0);
        c->arg[0] = good ? (uint64_t)buf : UNMAPPED;
        c->arg[1] = one_in(4) ? 1UL << 31 | below(5) : below(5);
        c->arg[3] = one_in(3) ? number() : DOMID_SELF;
        break;
    case __HYPERVISOR_mmuext_op:
        mmuext_ops(buf, 4);
        c->arg[0] = good ? (uint64_t)buf : UNMAPPED;
        c->arg[1] = below(5);
        c->arg[3] = one_in(3) ? number() : DOMID_SELF;
        break;
    case __HYPERVISOR_update_va_mapping:
    case __HYPERVISOR_update_va_mapping_otherdomain:
        c->arg[0] = good ? (uint64_t)victim[below(VICTIMS)] + below(4096) : NONCANONICAL | next() >> 17;
        c->arg[1] = entry();
        c->arg[2] = one_in(3) ? number() : below(8);
        c->arg[3] = one_in(2) ? DOMID_SELF : number();
        break;
    case __HYPERVISOR_sched_op:
    case __HYPERVISOR_sched_op_compat:
        c->arg[0] = one_in(4) ? 8 + below(100) : SCHEDOP_yield;
        break;
    case __HYPERVISOR_set_callbacks:
        c->arg[0] = NONCANONICAL | next() >> 20;
        break;
    case __HYPERVISOR_callback_op:
        ((struct callback_register *)buf)->type = (uint16_t)(one_in(3) ? number() : below(8));
        ((struct callback_register *)buf)->address = NONCANONICAL | next() >> 20;
        c->arg[0] = below(3);
        c->arg[1] = good ? (uint64_t)buf : address();
        /* Only of those that an exception can't need. */
        if (c->arg[0] == CALLBACKOP_unregister)
            c->arg[1] = address() & 1 ? 0 : UNMAPPED;
        break;
    case __HYPERVISOR_event_channel_op:
        c->arg[0] = event_op(buf);
        c->arg[1] = (uint64_t)buf;
        break;
    case __HYPERVISOR_event_channel_op_compat:
        *(uint32_t *)buf = event_op((uint32_t *)buf + 1);
        c->arg[0] = (uint64_t)buf;
        break;
    case __HYPERVISOR_memory_op:
        c->arg[0] = memory_op(buf);
        c->arg[1] = good ? (uint64_t)buf : address();
        break;
    case __HYPERVISOR_multicall:
        if (depth < 2)
            multicall_fill(c, depth);
        break;
    case __HYPERVISOR_vcpu_op:
        c->arg[0] = one_in(6) ? number() : below(14);
        c->arg[1] = one_in(3) ? number() : 0;
        /* Down is the end; vcpu_info elsewhere, or an NMI, needs a handler that knows. */
        if ((uint32_t)c->arg[0] == VCPUOP_down || (uint32_t)c->arg[0] == VCPUOP_send_nmi ||
            (uint32_t)c->arg[0] == VCPUOP_register_vcpu_info)
            c->arg[1] = 1000 + below(1000);
        break;
    case __HYPERVISOR_console_io:
        c->arg[0] = 1 + below(5);
        break;
    case __HYPERVISOR_grant_table_op:
        c->arg[0] = one_in(6) ? number() : below(13);
        c->arg[1] = good ? (uint64_t)buf : address();
        c->arg[2] = one_in(4) ? number() : below(4);
        break;
    case __HYPERVISOR_set_gdt:
        *(uint64_t *)buf = frame();
        c->arg[0] = good ? (uint64_t)buf : address();
        c->arg[1] = one_in(3) ? number() : below(512);
        break;
    case __HYPERVISOR_update_descriptor:
        c->arg[0] = good ? victim_ma[below(VICTIMS)] + below(512) * 8 : number();
        break;
    case __HYPERVISOR_set_debugreg:
        c->arg[0] = number();
        c->arg[1] = one_in(2) ? UNMAPPED : HYPERVISOR_VIRT_START + below(4096);
        if ((c->arg[0] & ~1UL) == 6)
            c->arg[1] = next() & 0xffff0000;
        break;
    case __HYPERVISOR_physdev_op:
    case __HYPERVISOR_xen_version:
    case __HYPERVISOR_hvm_op:
    case __HYPERVISOR_nmi_op:
    case __HYPERVISOR_vm_assist:
        c->arg[0] = one_in(4) ? number() : below(34);
        if (c->nr == __HYPERVISOR_nmi_op)
            c->arg[1] = UNMAPPED;
        break;
    default:
        break;
    }
}

static void event_ignore(struct trap_frame *f)
{
    (void)f;
    this_cpu()->info->evtchn_upcall_pending = 0;
    this_cpu()->info->evtchn_pending_sel = 0;
}

static void debug_ignore(struct trap_frame *f)
{
    f->rflags = (f->rflags & ~0x100UL) | 0x10000; /* no TF, RF */
}

/* What earlier calls may have left in the way of a fair next one. */
static void put_right(void)
{
    hc_set_debugreg(7, 0);
    hc_fpu_taskswitch(false);
    hc_set_timer_op(0);
    events_mask();
    traps_init();
}

void guest_main(void)
{
    uint64_t calls = cmdline_number("calls", 1000000), seed = cmdline_number("seed", 1), sum = 0;

    verbose = cmdline_number("verbose", 0);
    state = seed * 0x9e3779b97f4a7c15UL + 1;
    scratch = page_alloc(SCRATCH / 4096);
    for (unsigned i = 0; i < VICTIMS; i++) {
        victim[i] = page_alloc(1);
        victim_ma[i] = virt_to_machine(victim[i]);
    }
    trap_handler(TRAP_EVENT, event_ignore);
    trap_handler(1, debug_ignore);
    trap_handler(2, event_ignore);
    printf("fuzz: seed=%lu calls=%lu\n", seed, calls);
    for (uint64_t i = 1; i <= calls; i++) {
        struct call c;

        if (i % 8 == 1)
            scratch_fill();
        call_make(&c, 0);
        if (verbose)
            printf("%lu: %lx(%lx, %lx, %lx, %lx, %lx, %lx)\n", i, c.nr, c.arg[0], c.arg[1], c.arg[2],
                   c.arg[3], c.arg[4], c.arg[5]);
        sum = sum * 31 +
              (uint64_t)hypercall_raw(c.nr, c.arg[0], c.arg[1], c.arg[2], c.arg[3], c.arg[4], c.arg[5]);
        if (i % 256 == 0)
            put_right();
        if (i % 100000 == 0)
            printf("fuzz: %lu calls, checksum of results %lx\n", i, sum);
    }
    check(true, "alive");
}
