/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The panel's smaller hypercalls as an unprivileged guest meets them on Xen 4.17: results, error codes, and
 * what they leave in guest memory.
 */
#include <check.h>
#include <string.h>

#include "pv/hypercall.h"
#include "pv_fakes.h"
#include "suite.h"

#include <xen/grant_table.h>
#include <xen/hvm/hvm_op.h>
#include <xen/hvm/params.h>
#include <xen/nmi.h>
#include <xen/physdev.h>
#include <xen/sched.h>
#include <xen/version.h>

#define D    (&fake_dom[0])
#define V(n) (fake_dom[0].vcpu[n])
#define MS   1000000ull

/* Guest memory for arguments; gm(x) copies x there and gives its address. */
static uint8_t *page;

static uint64_t to_guest(const void *arg, size_t size)
{
    memcpy(page, arg, size);
    return (uintptr_t)page;
}
#define GM(x)     to_guest(&(x), sizeof(x))
#define BACK(x)   memcpy(&(x), page, sizeof(x))
#define BAD       8ul /* an address that faults */
#define ARGS(...) ((const uint64_t[6]){__VA_ARGS__})

static void setup(void)
{
    fake_setup();
    page = fake_guest_alloc(D, PAGE_SIZE);
}

/* ---- sched_op ---- */

static uint32_t ipi(unsigned vcpu)
{
    struct evtchn_bind_ipi b = {.vcpu = vcpu};

    ck_assert_int_eq(evtchn_bind_ipi(D, &b), 0);
    return b.port;
}

START_TEST(block)
{
    struct vcpu_info *info = V(0)->pv->info;
    uint32_t port = ipi(0);

    time_set_periodic(V(0), 0);
    info->evtchn_upcall_mask = 1;
    ck_assert_int_eq(hc_sched_op(V(0), ARGS(SCHEDOP_block)), 0);
    ck_assert_uint_eq(info->evtchn_upcall_mask, 0);
    ck_assert(V(0)->pv->blocked);
    ck_assert(!sched_wait_over(V(0)));
    ck_assert_int_eq(evtchn_send(D, port), 0);
    ck_assert(fake_requests(V(0), NULL) & VCPU_REQ_EVENT);
    ck_assert(sched_wait_over(V(0)));
    ck_assert(!V(0)->pv->blocked);
    /* With something pending there is nothing to wait for. */
    ck_assert_int_eq(hc_sched_op_compat(V(0), ARGS(SCHEDOP_block)), 0);
    ck_assert(!V(0)->pv->blocked);
}
END_TEST

START_TEST(block_ends_by_timer)
{
    struct evtchn_bind_virq b = {.virq = VIRQ_TIMER, .vcpu = 1};

    time_set_periodic(V(1), 0);
    ck_assert_int_eq(evtchn_bind_virq(D, &b), 0);
    ck_assert_int_eq(hc_set_timer_op(V(1), ARGS(time_system_ns(D) + 2 * MS)), 0);
    ck_assert_int_eq(hc_sched_op(V(1), ARGS(SCHEDOP_block)), 0);
    ck_assert(!sched_wait_over(V(1)));
    while (!sched_wait_over(V(1)))
        ;
    ck_assert_uint_eq(V(1)->pv->info->evtchn_upcall_pending, 1);
}
END_TEST

static int64_t poll_for(unsigned vcpu, uint32_t *ports, unsigned n, uint64_t timeout)
{
    struct sched_poll p = {.nr_ports = n, .timeout = timeout};

    memcpy(page + 512, ports, n * sizeof(*ports));
    *(uint64_t *)&p.ports = (uintptr_t)page + 512;
    return hc_sched_op(V(vcpu), ARGS(SCHEDOP_poll, GM(p)));
}

START_TEST(poll)
{
    uint32_t a = ipi(1), b = ipi(1), other = ipi(2);
    uint32_t one[1] = {a}, two[2] = {a, b}, bad[2] = {a, 3000};
    struct shared_info *s = D->pv->shared_info;
    struct sched_poll huge = {.nr_ports = 129};

    time_set_periodic(V(0), 0);
    V(0)->pv->info->evtchn_upcall_mask = 1;
    s->evtchn_mask[0] = ~0ul;
    ck_assert_int_eq(hc_sched_op(V(0), ARGS(SCHEDOP_poll, GM(huge))), -XEN_EINVAL);
    ck_assert_int_eq(hc_sched_op(V(0), ARGS(SCHEDOP_poll, BAD)), -XEN_EFAULT);
    ck_assert_int_eq(poll_for(0, bad, 2, 0), -XEN_EINVAL);
    ck_assert(!V(0)->pv->polling);
    ck_assert_uint_eq(D->pv->evtchn.poll_mask, 0);

    /* One port: only that one ends it. */
    ck_assert_int_eq(poll_for(0, one, 1, 0), 0);
    ck_assert(V(0)->pv->polling);
    ck_assert(!sched_wait_over(V(0)));
    evtchn_send(D, b);
    evtchn_send(D, other);
    ck_assert(!sched_wait_over(V(0)));
    fake_requests(V(0), NULL);
    evtchn_send(D, a);
    ck_assert(fake_requests(V(0), NULL) & VCPU_REQ_EVENT);
    ck_assert(sched_wait_over(V(0)));
    ck_assert(!V(0)->pv->polling);

    /* Pending already: no wait. */
    ck_assert_int_eq(poll_for(0, two, 2, 0), 0);
    ck_assert(!V(0)->pv->polling);

    /* Until a time. */
    s->evtchn_pending[0] = 0;
    ck_assert_int_eq(poll_for(0, two, 2, time_system_ns(D) + 3 * MS), 0);
    ck_assert(!sched_wait_over(V(0)));
    ck_assert_uint_ne(time_next_deadline(V(0)), 0);
    while (!sched_wait_over(V(0)))
        ;
    ck_assert_uint_eq(time_next_deadline(V(0)), 0);

    /* An event for this vCPU ends it too, though its upcall is masked. */
    ck_assert_int_eq(poll_for(0, two, 2, 0), 0);
    s->evtchn_mask[0] = 0;
    evtchn_send(D, ipi(0));
    ck_assert(sched_wait_over(V(0)));
}
END_TEST

START_TEST(stops)
{
    struct sched_shutdown s = {.reason = SHUTDOWN_reboot};
    struct sched_remote_shutdown r = {.domain_id = 1}, none = {.domain_id = 50};
    struct sched_pin_override pin = {.pcpu = 0};
    struct sched_watchdog w = {.id = 7};

    ck_assert_int_eq(hc_sched_op(V(0), ARGS(SCHEDOP_yield)), 0);
    ck_assert_int_eq(hc_sched_op(V(0), ARGS(SCHEDOP_remote_shutdown, GM(r))), -XEN_EPERM);
    ck_assert_int_eq(hc_sched_op(V(0), ARGS(SCHEDOP_remote_shutdown, GM(none))), -XEN_ESRCH);
    ck_assert_int_eq(hc_sched_op(V(0), ARGS(SCHEDOP_pin_override, GM(pin))), -XEN_EPERM);
    ck_assert_int_eq(hc_sched_op(V(0), ARGS(SCHEDOP_watchdog, GM(w))), -XEN_EINVAL);
    ck_assert_int_eq(hc_sched_op(V(0), ARGS(99)), -XEN_ENOSYS);
    ck_assert_int_eq(hc_sched_op_compat(V(0), ARGS(SCHEDOP_poll, BAD)), -XEN_ENOSYS);
    ck_assert_int_eq(hc_sched_op(V(0), ARGS(SCHEDOP_shutdown, BAD)), -XEN_EFAULT);
    ck_assert_int_eq(D->end, DOMAIN_RUNNING);
    ck_assert_int_eq(hc_sched_op(V(0), ARGS(SCHEDOP_shutdown, GM(s))), 0);
    ck_assert_int_eq(D->end, DOMAIN_REBOOT);
}
END_TEST

START_TEST(shutdown_code_overrides)
{
    struct sched_shutdown s = {.reason = SHUTDOWN_crash};

    ck_assert_int_eq(hc_sched_op(V(0), ARGS(SCHEDOP_shutdown_code, GM(s))), 0);
    ck_assert_int_eq(hc_sched_op_compat(V(0), ARGS(SCHEDOP_shutdown, SHUTDOWN_poweroff)), 0);
    ck_assert_int_eq(D->end, DOMAIN_CRASH);
}
END_TEST

START_TEST(shutdown_unknown)
{
    ck_assert_int_eq(hc_sched_op_compat(V(0), ARGS(SCHEDOP_shutdown, 77)), 0);
    ck_assert_int_eq(D->end, DOMAIN_CRASH);
}
END_TEST

/* ---- vcpu_op ---- */

static struct vcpu_guest_context *context(void)
{
    struct vcpu_guest_context *c = fake_guest_alloc(D, PAGE_SIZE);

    fake_frame(D); /* the context is bigger than a page; frames are given out in order */
    memset(c, 0, sizeof(*c));
    c->flags = VGCF_in_kernel;
    c->user_regs.rip = 0xffffffff81000000;
    c->user_regs.rsp = 0xffffffff82000000;
    c->user_regs.cs = 0x10;
    c->user_regs.ss = 0x18;
    c->user_regs.rdi = 42;
    c->user_regs.rflags = FLAG_IOPL | FLAG_VM | 0x2;
    c->kernel_ss = 0x18;
    c->kernel_sp = 0xffffffff82000000;
    c->gdt_frames[0] = fake_frame(D).n;
    c->gdt_ents = 512;
    c->gs_base_kernel = 0xffff888000001000;
    c->ctrlreg[3] = xen_pfn_to_cr3(fake_frame(D).n);
    c->event_callback_eip = 0xffffffff81001000;
    c->failsafe_callback_eip = 0xffffffff81002000;
    c->trap_ctxt[14] =
        (struct trap_info){.vector = 14, .flags = 4, .cs = 0x10, .address = 0xffffffff81003000};
    return c;
}

static int64_t vcpu_op(unsigned cmd, unsigned vcpu, uint64_t arg)
{
    return hc_vcpu_op(V(0), ARGS(cmd, vcpu, arg));
}

START_TEST(vcpu_life)
{
    struct vcpu_guest_context *c = context();
    uint64_t at = fake_gva(c).va;
    struct vcpu *v = V(1);

    V(0)->online = true;
    ck_assert_int_eq(vcpu_op(VCPUOP_initialise, FAKE_VCPUS, at), -XEN_ENOENT);
    ck_assert_int_eq(vcpu_op(VCPUOP_initialise, 1, BAD), -XEN_EFAULT);
    ck_assert_int_eq(vcpu_op(VCPUOP_up, 1, 0), -XEN_EINVAL);
    ck_assert_int_eq(vcpu_op(VCPUOP_is_up, 1, 0), 0);
    ck_assert_int_eq(vcpu_op(VCPUOP_initialise, 0, at), -XEN_EEXIST);
    ck_assert_int_eq(vcpu_op(VCPUOP_initialise, 1, at), 0);
    ck_assert_int_eq(vcpu_op(VCPUOP_initialise, 1, at), -XEN_EEXIST);

    ck_assert(!v->user_mode);
    ck_assert_uint_eq(v->rip, c->user_regs.rip);
    ck_assert_uint_eq(v->gpr[RDI], 42);
    ck_assert_uint_eq(v->gpr[RSP], c->user_regs.rsp);
    ck_assert_uint_eq(v->rflags, FLAG_IF | 0x2);
    ck_assert_uint_eq(v->pv->iopl, 3);
    ck_assert_uint_eq(v->seg[SEG_CS].selector, FLAT_KERNEL_CS);
    ck_assert_uint_eq(v->seg[SEG_SS].selector, FLAT_KERNEL_SS);
    ck_assert_uint_eq(v->gs_base, c->gs_base_kernel);
    ck_assert_uint_eq(v->pv->traps[14].address, 0xffffffff81003000);
    ck_assert_uint_eq(v->pv->traps[14].cs, FLAT_KERNEL_CS);
    ck_assert_uint_eq(v->pv->cr3_kernel.n, xen_cr3_to_pfn(c->ctrlreg[3]));
    ck_assert_uint_eq(machine_frame(MFN(c->gdt_frames[0]))->type, FRAME_SEGDESC);
    ck_assert_uint_eq(machine_frame(v->pv->cr3_kernel)->type, FRAME_L4);

    ck_assert_int_eq(vcpu_op(VCPUOP_up, 1, 0), 0);
    ck_assert_uint_eq(fake_onlined(v), 1);
    ck_assert_int_eq(vcpu_op(VCPUOP_up, 1, 0), 0);
    ck_assert_uint_eq(fake_onlined(v), 1);
    ck_assert_int_eq(vcpu_op(VCPUOP_is_up, 1, 0), 1);
    ck_assert_int_eq(vcpu_op(VCPUOP_send_nmi, 1, 1), -XEN_EINVAL);
    ck_assert_int_eq(vcpu_op(VCPUOP_send_nmi, 1, 0), 0);
    ck_assert(fake_requests(v, NULL) & VCPU_REQ_NMI);
    ck_assert_int_eq(vcpu_op(VCPUOP_down, 1, 0), 0);
    ck_assert(fake_requests(v, NULL) & VCPU_REQ_STOP);
    ck_assert_int_eq(vcpu_op(VCPUOP_is_up, 1, 0), 0);
    ck_assert_int_eq(vcpu_op(VCPUOP_get_physid, 1, fake_gva(page).va), -XEN_EINVAL);
    ck_assert_int_eq(vcpu_op(77, 1, 0), -XEN_ENOSYS);
    /* The last one to go switches the machine off. */
    ck_assert_int_eq(D->end, DOMAIN_RUNNING);
    ck_assert_int_eq(vcpu_op(VCPUOP_down, 0, 0), 0);
    ck_assert_int_eq(D->end, DOMAIN_POWEROFF);
}
END_TEST

/* One thing wrong at a time: refused, and nothing held. */
START_TEST(vcpu_bad_contexts)
{
    static const uint64_t hole = 0x0000900000000000;

    for (unsigned i = 0; i < 16; i++) {
        struct vcpu_guest_context *c = context();
        unsigned refs = fake_refs(D);

        switch (i) {
        case 0:
            c->user_regs.rip = hole;
            break;
        case 1:
            c->user_regs.rsp = hole;
            break;
        case 2:
            c->kernel_sp = hole;
            break;
        case 3:
            c->fs_base = hole;
            break;
        case 4:
            c->gs_base_user = hole;
            break;
        case 5:
            c->event_callback_eip = hole;
            break;
        case 6:
            c->trap_ctxt[255].address = hole;
            break;
        case 7:
            c->ldt_base = 0x1001;
            break;
        case 8:
            c->ldt_ents = 8193;
            break;
        case 9:
            c->gdt_ents = FIRST_RESERVED_GDT_ENTRY + 1;
            break;
        case 10:
            c->gdt_frames[0] = FAKE_FRAMES;
            break;
        case 11:
            c->gdt_frames[0] = fake_frame(&fake_dom[1]).n;
            break;
        case 12:
            c->ctrlreg[3] = ~0ul;
            break;
        case 13:
            c->ctrlreg[1] = xen_pfn_to_cr3(fake_frame(&fake_dom[1]).n);
            break;
        case 14:
            c->flags = 0;
            break; /* user mode without user tables */
        case 15:
            c->user_regs.cs = 0x7f3;
            break; /* no such segment */
        }
        ck_assert_msg(vcpu_op(VCPUOP_initialise, 2, fake_gva(c).va) == -XEN_EINVAL, "case %u", i);
        ck_assert_msg(fake_refs(D) == refs, "case %u leaks", i);
        ck_assert_msg(vcpu_op(VCPUOP_up, 2, 0) == -XEN_EINVAL, "case %u", i);
    }
}
END_TEST

START_TEST(vcpu_info_moves)
{
    mfn_t m = fake_frame(D);
    struct vcpu_register_vcpu_info r = {.mfn = m.n, .offset = PAGE_SIZE - 63};
    struct vcpu_info *info = (void *)((uint8_t *)machine_hva(m) + 128);
    uint32_t port = ipi(3);

    V(3)->pv->info->evtchn_upcall_mask = 1;
    ck_assert_int_eq(vcpu_op(VCPUOP_register_vcpu_info, 3, GM(r)), -XEN_EINVAL);
    r = (struct vcpu_register_vcpu_info){.mfn = fake_frame(&fake_dom[1]).n};
    ck_assert_int_eq(vcpu_op(VCPUOP_register_vcpu_info, 3, GM(r)), -XEN_EINVAL);
    r = (struct vcpu_register_vcpu_info){.mfn = ~0ul};
    ck_assert_int_eq(vcpu_op(VCPUOP_register_vcpu_info, 3, GM(r)), -XEN_EINVAL);
    ck_assert_int_eq(vcpu_op(VCPUOP_register_vcpu_info, 3, BAD), -XEN_EFAULT);
    r = (struct vcpu_register_vcpu_info){.mfn = m.n, .offset = 60};
    ck_assert_int_eq(vcpu_op(VCPUOP_register_vcpu_info, 3, GM(r)), -XEN_EINVAL);
    r = (struct vcpu_register_vcpu_info){.mfn = m.n, .offset = 128};
    V(3)->online = true;
    ck_assert_int_eq(vcpu_op(VCPUOP_register_vcpu_info, 3, GM(r)), -XEN_EINVAL); /* it runs */
    V(3)->online = false;
    ck_assert_int_eq(vcpu_op(VCPUOP_register_vcpu_info, 3, GM(r)), 0);
    ck_assert_int_eq(vcpu_op(VCPUOP_register_vcpu_info, 3, GM(r)), -XEN_EINVAL); /* once only */

    ck_assert_ptr_eq(V(3)->pv->info, info);
    ck_assert_uint_eq(info->evtchn_upcall_mask, 1);
    ck_assert_uint_eq(info->evtchn_upcall_pending, 1);
    ck_assert_uint_eq(info->evtchn_pending_sel, ~0ul);
    ck_assert_uint_ne(info->time.tsc_to_system_mul, 0);
    ck_assert_uint_eq(info->time.version & 1, 0);
    info->evtchn_upcall_pending = 0;
    info->evtchn_pending_sel = 0;
    evtchn_send(D, port);
    ck_assert_uint_eq(info->evtchn_upcall_pending, 1);
    ck_assert_uint_eq(info->evtchn_pending_sel, 1);
}
END_TEST

START_TEST(vcpu_timers_and_areas)
{
    struct vcpu_set_periodic_timer p = {.period_ns = MS - 1};
    struct vcpu_set_singleshot_timer s = {.timeout_abs_ns = 1, .flags = VCPU_SSHOTTMR_future};
    struct vcpu_register_runstate_memory_area area = {.addr.p = HYPERVISOR_VIRT_START};
    struct vcpu_runstate_info r;

    ck_assert_int_eq(vcpu_op(VCPUOP_set_periodic_timer, 0, GM(p)), -XEN_EINVAL);
    p.period_ns = ~0ul;
    ck_assert_int_eq(vcpu_op(VCPUOP_set_periodic_timer, 0, GM(p)), -XEN_EINVAL);
    p.period_ns = MS;
    ck_assert_int_eq(vcpu_op(VCPUOP_set_periodic_timer, 1, GM(p)), 0);
    ck_assert(fake_requests(V(1), NULL) & VCPU_REQ_TIMER);
    ck_assert_int_eq(vcpu_op(VCPUOP_stop_periodic_timer, 1, 0), 0);
    ck_assert_int_eq(vcpu_op(VCPUOP_set_singleshot_timer, 0, GM(s)), -XEN_ETIME);
    ck_assert_int_eq(vcpu_op(VCPUOP_set_singleshot_timer, 1, GM(s)), -XEN_EINVAL);
    s.flags = 0;
    ck_assert_int_eq(vcpu_op(VCPUOP_set_singleshot_timer, 0, GM(s)), 0);
    ck_assert_int_eq(vcpu_op(VCPUOP_stop_singleshot_timer, 0, 0), 0);
    ck_assert_int_eq(vcpu_op(VCPUOP_stop_singleshot_timer, 1, 0), -XEN_EINVAL);
    ck_assert_int_eq(vcpu_op(VCPUOP_register_runstate_memory_area, 0, GM(area)), -XEN_EFAULT);
    ck_assert_int_eq(vcpu_op(VCPUOP_register_vcpu_time_memory_area, 0, GM(area)), -XEN_EFAULT);
    time_runstate_set(V(2), RUNSTATE_blocked);
    ck_assert_int_eq(vcpu_op(VCPUOP_get_runstate_info, 2, GM(r)), 0);
    BACK(r);
    ck_assert_int_eq(r.state, RUNSTATE_blocked);
    ck_assert_int_eq(vcpu_op(VCPUOP_get_runstate_info, 2, BAD), -XEN_EFAULT);
}
END_TEST

/* ---- xen_version and the small ones ---- */

START_TEST(version)
{
    struct xen_feature_info f = {.submap_idx = 0}, f1 = {.submap_idx = 1};
    struct xen_platform_parameters pp;
    uint64_t g = fake_gva(page).va;

    ck_assert_int_eq(hc_xen_version(V(0), ARGS(XENVER_version)), 4 << 16 | 17);
    ck_assert_int_eq(hc_xen_version(V(0), ARGS(XENVER_get_features, GM(f))), 0);
    BACK(f);
    ck_assert_uint_eq(f.submap, 0x220f0);
    ck_assert_int_eq(hc_xen_version(V(0), ARGS(XENVER_get_features, GM(f1))), -XEN_EINVAL);
    ck_assert_int_eq(hc_xen_version(V(0), ARGS(XENVER_capabilities, g)), 0);
    ck_assert_str_eq((char *)page, "xen-3.0-x86_64 ");
    ck_assert_int_eq(hc_xen_version(V(0), ARGS(XENVER_platform_parameters, g)), 0);
    BACK(pp);
    ck_assert_uint_eq(pp.virt_start, 0xffff800000000000);
    ck_assert_int_eq(hc_xen_version(V(0), ARGS(XENVER_pagesize)), 4096);
    ck_assert_int_eq(hc_xen_version(V(0), ARGS(XENVER_pagesize, g)), -XEN_EINVAL);
    ck_assert_int_eq(hc_xen_version(V(0), ARGS(XENVER_build_id, g)), -XEN_EPERM);
    memset(D->uuid, 0xa5, sizeof(D->uuid));
    ck_assert_int_eq(hc_xen_version(V(0), ARGS(XENVER_guest_handle, g)), 0);
    ck_assert_mem_eq(page, D->uuid, 16);
    for (unsigned cmd = XENVER_extraversion; cmd <= XENVER_changeset; cmd++) {
        ck_assert_int_eq(hc_xen_version(V(0), ARGS(cmd, g)), 0);
        ck_assert_int_eq(hc_xen_version(V(0), ARGS(cmd, BAD)), -XEN_EFAULT);
    }
    ck_assert_int_eq(hc_xen_version(V(0), ARGS(XENVER_commandline, g)), 0);
    ck_assert_str_eq((char *)page, "<denied>");
    ck_assert_int_eq(hc_xen_version(V(0), ARGS(11, g)), -XEN_ENOSYS);
}
END_TEST

START_TEST(small_ones)
{
    struct physdev_set_iopl iopl = {.iopl = 3}, iopl4 = {.iopl = 4};
    struct physdev_map_pirq map = {.domid = DOMID_SELF}, map9 = {.domid = 9};
    struct physdev_pirq_eoi_gmfn eoi = {.gmfn = fake_frame(D).n},
                                 foreign = {.gmfn = fake_frame(&fake_dom[1]).n};
    struct xennmi_callback nmi = {.handler_address = 0xffffffff81000000},
                           bad_nmi = {.handler_address = 1ul << 62};
    struct xen_hvm_param param = {.domid = DOMID_SELF, .index = 1}, param9 = {.domid = 9, .index = 1};
    uint64_t g = fake_gva(page).va;

    ck_assert_int_eq(hc_physdev_op(V(0), ARGS(PHYSDEVOP_set_iopl, GM(iopl))), 0);
    ck_assert_uint_eq(V(0)->pv->iopl, 3);
    ck_assert_int_eq(hc_physdev_op(V(0), ARGS(PHYSDEVOP_set_iopl, GM(iopl4))), -XEN_EINVAL);
    ck_assert_int_eq(hc_physdev_op(V(0), ARGS(PHYSDEVOP_map_pirq, GM(map))), -XEN_EPERM);
    ck_assert_int_eq(hc_physdev_op(V(0), ARGS(PHYSDEVOP_map_pirq, GM(map9))), -XEN_ESRCH);
    ck_assert_int_eq(hc_physdev_op(V(0), ARGS(PHYSDEVOP_pirq_eoi_gmfn_v2, GM(foreign))), -XEN_EINVAL);
    ck_assert_int_eq(hc_physdev_op(V(0), ARGS(PHYSDEVOP_pirq_eoi_gmfn_v2, GM(eoi))), 0);
    ck_assert_int_eq(hc_physdev_op(V(0), ARGS(PHYSDEVOP_pirq_eoi_gmfn_v2, GM(eoi))), -XEN_EBUSY);
    ck_assert_int_eq(hc_physdev_op(V(0), ARGS(PHYSDEVOP_apic_read, g)), -XEN_EPERM);
    ck_assert_int_eq(hc_physdev_op(V(0), ARGS(PHYSDEVOP_apic_read, BAD)), -XEN_EFAULT);
    ck_assert_int_eq(hc_physdev_op(V(0), ARGS(PHYSDEVOP_pci_device_add, g)), -XEN_EPERM);
    ck_assert_int_eq(hc_physdev_op(V(0), ARGS(200, g)), -XEN_ENOSYS);

    ck_assert_int_eq(hc_nmi_op(V(0), ARGS(XENNMI_register_callback, GM(bad_nmi))), -XEN_EINVAL);
    ck_assert_int_eq(hc_nmi_op(V(0), ARGS(XENNMI_register_callback, GM(nmi))), 0);
    ck_assert_uint_eq(V(0)->pv->nmi.address, nmi.handler_address);
    ck_assert_int_eq(hc_nmi_op(V(0), ARGS(XENNMI_unregister_callback)), 0);
    ck_assert_uint_eq(V(0)->pv->nmi.address, 0);

    ck_assert_int_eq(hc_hvm_op(V(0), ARGS(HVMOP_get_param, GM(param))), -XEN_EINVAL);
    ck_assert_int_eq(hc_hvm_op(V(0), ARGS(HVMOP_get_param, GM(param9))), -XEN_ESRCH);
    ck_assert_int_eq(hc_hvm_op(V(0), ARGS(HVMOP_guest_request_vm_event, 0)), 0);
    ck_assert_int_eq(hc_hvm_op(V(0), ARGS(1000, g)), -XEN_ENOSYS);

    ck_assert_int_eq(hc_vm_assist(V(0), ARGS(VMASST_CMD_enable, VMASST_TYPE_writable_pagetables)), 0);
    ck_assert_uint_eq(D->pv->vm_assist, 1ul << VMASST_TYPE_writable_pagetables);
    ck_assert_int_eq(hc_vm_assist(V(0), ARGS(VMASST_CMD_enable, 31)), -XEN_EINVAL);
    ck_assert_int_eq(hc_vm_assist(V(0), ARGS(VMASST_CMD_enable, 1ull << 40 | 64)), -XEN_EINVAL);
    ck_assert_int_eq(hc_vm_assist(V(0), ARGS(2, VMASST_TYPE_m2p_strict)), -XEN_ENOSYS);
    ck_assert_int_eq(hc_vm_assist(V(0), ARGS(VMASST_CMD_disable, VMASST_TYPE_writable_pagetables)), 0);
    ck_assert_uint_eq(D->pv->vm_assist, 0);

    ck_assert_int_eq(hc_console_io(V(0), ARGS(CONSOLEIO_write, 1, g)), -XEN_EPERM);
    D->console_io = true;
    ck_assert_int_eq(hc_console_io(V(0), ARGS(CONSOLEIO_write, 0, g)), 0);
    ck_assert_int_eq(hc_console_io(V(0), ARGS(CONSOLEIO_write, 4, BAD)), -XEN_EFAULT);
    ck_assert_int_eq(hc_console_io(V(0), ARGS(CONSOLEIO_read, 4, g)), 0);
}
END_TEST

/* ---- grants ---- */

static int64_t gnttab(struct domain *d, unsigned cmd, uint64_t arg, uint32_t count)
{
    return hc_grant_table_op(d->vcpu[0], ARGS(cmd, arg, count));
}

static mfn_t table[GRANT_MAX_FRAMES];

static void setup_table(struct domain *d, unsigned n)
{
    struct gnttab_setup_table s = {.dom = DOMID_SELF, .nr_frames = n};

    *(uint64_t *)&s.frame_list = (uintptr_t)page + 512;
    ck_assert_int_eq(gnttab(d, GNTTABOP_setup_table, GM(s), 1), 0);
    BACK(s);
    ck_assert_int_eq(s.status, GNTST_okay);
    memcpy(table, page + 512, n * sizeof(table[0]));
}

static struct grant_entry_v1 *v1(uint32_t ref)
{
    return (struct grant_entry_v1 *)machine_hva(table[ref / 512]) + ref % 512;
}

START_TEST(grant_sizes)
{
    struct gnttab_query_size q = {.dom = DOMID_SELF}, q2 = {.dom = 2}, q9 = {.dom = 9};
    struct gnttab_setup_table big = {.dom = DOMID_SELF, .nr_frames = GRANT_MAX_FRAMES + 1};
    struct gnttab_get_version gv = {.dom = DOMID_SELF}, gv2 = {.dom = 2}, gv9 = {.dom = 9};
    struct gnttab_set_version sv = {.version = 2}, sv3 = {.version = 3};
    struct gnttab_get_status_frames sf = {.dom = DOMID_SELF, .nr_frames = 1};

    ck_assert_int_eq(gnttab(D, GNTTABOP_query_size, GM(q), 1), 0);
    BACK(q);
    ck_assert_int_eq(q.status, GNTST_okay);
    ck_assert_uint_eq(q.nr_frames, 1);
    ck_assert_uint_eq(q.max_nr_frames, 64);
    gnttab(D, GNTTABOP_query_size, GM(q2), 1);
    BACK(q2);
    ck_assert_int_eq(q2.status, GNTST_permission_denied);
    gnttab(D, GNTTABOP_query_size, GM(q9), 1);
    BACK(q9);
    ck_assert_int_eq(q9.status, GNTST_bad_domain);
    ck_assert_int_eq(gnttab(D, GNTTABOP_query_size, GM(q), 2), -XEN_EINVAL);
    ck_assert_int_eq(gnttab(D, GNTTABOP_query_size, BAD, 1), -XEN_EFAULT);
    ck_assert_int_eq(gnttab(D, 60, BAD, 1), -XEN_ENOSYS);
    ck_assert_int_eq(gnttab(D, GNTTABOP_copy, BAD, 1u << 31), -XEN_EINVAL);

    gnttab(D, GNTTABOP_setup_table, GM(big), 1);
    BACK(big);
    ck_assert_int_eq(big.status, GNTST_general_error);
    setup_table(D, 4);
    for (unsigned i = 0; i < 4; i++)
        ck_assert_uint_eq(machine_frame(table[i])->owner, D->domid);

    grant_set_reserved(D, GNTTAB_RESERVED_CONSOLE, 0, MFN(77));
    v1(100)->flags = GTF_permit_access;
    ck_assert_int_eq(gnttab(D, GNTTABOP_set_version, GM(sv3), 1), -XEN_EINVAL);
    ck_assert_int_eq(gnttab(D, GNTTABOP_get_status_frames, GM(sf), 1), 0);
    BACK(sf);
    ck_assert_int_eq(sf.status, GNTST_general_error); /* version 1 has none */
    ck_assert_int_eq(gnttab(D, GNTTABOP_set_version, GM(sv), 1), 0);
    union grant_entry_v2 *e = machine_hva(table[0]);

    ck_assert_uint_eq(e[0].full_page.frame, 77);
    ck_assert_uint_eq(e[0].hdr.flags, GTF_permit_access);
    ck_assert_uint_eq(v1(100)->flags, 0);
    sf.status = 0;
    *(uint64_t *)&sf.frame_list = (uintptr_t)page + 512;
    ck_assert_int_eq(gnttab(D, GNTTABOP_get_status_frames, GM(sf), 1), 0);
    BACK(sf);
    ck_assert_int_eq(sf.status, GNTST_okay);
    ck_assert_int_eq(gnttab(D, GNTTABOP_get_version, GM(gv), 1), 0);
    BACK(gv);
    ck_assert_uint_eq(gv.version, 2);
    ck_assert_int_eq(gnttab(D, GNTTABOP_get_version, GM(gv2), 1), -XEN_EPERM);
    ck_assert_int_eq(gnttab(D, GNTTABOP_get_version, GM(gv9), 1), -XEN_ESRCH);
    sv.version = 1;
    ck_assert_int_eq(gnttab(D, GNTTABOP_set_version, GM(sv), 1), 0);
    ck_assert_uint_eq(v1(0)->frame, 77);
}
END_TEST

static int16_t copy(struct gnttab_copy c)
{
    ck_assert_int_eq(gnttab(&fake_dom[1], GNTTABOP_copy, GM(c), 1), 0);
    BACK(c);
    return c.status;
}

/* Domain 2 copies from and to what domain 1 granted. */
START_TEST(grant_copies)
{
    mfn_t theirs = fake_frame(D), mine = fake_frame(&fake_dom[1]);
    char *from = machine_hva(theirs), *to = machine_hva(mine);
    struct gnttab_copy c =
                           {
                               .source = {.u.ref = 9, .domid = 1, .offset = 100},
                               .dest = {.u.gmfn = mine.n, .domid = DOMID_SELF, .offset = 7},
                               .len = 11,
                               .flags = GNTCOPY_source_gref,
                           },
                       back;
    unsigned refs = fake_refs(D) + fake_refs(&fake_dom[1]);

    setup_table(D, 1);
    strcpy(from + 100, "hello there");
    *v1(9) = (struct grant_entry_v1){
        .flags = GTF_permit_access | GTF_readonly, .domid = 2, .frame = (uint32_t)theirs.n};
    ck_assert_int_eq(copy(c), GNTST_okay);
    ck_assert_mem_eq(to + 7, "hello there", 11);
    ck_assert_uint_eq(v1(9)->flags, GTF_permit_access | GTF_readonly); /* marks are gone again */

    back = (struct gnttab_copy){.source = c.dest, .dest = c.source, .len = 4, .flags = GNTCOPY_dest_gref};
    ck_assert_int_eq(copy(back), GNTST_general_error); /* read-only */
    v1(9)->flags = GTF_permit_access;
    ck_assert_int_eq(copy(back), GNTST_okay);
    ck_assert_mem_eq(from + 100, to + 7, 4);
    ck_assert_uint_eq(v1(9)->flags, GTF_permit_access);

    c.source.u.ref = 512;
    ck_assert_int_eq(copy(c), GNTST_bad_gntref);
    c.source.u.ref = 10;
    ck_assert_int_eq(copy(c), GNTST_general_error); /* not granted */
    c.source.u.ref = 9;
    v1(9)->domid = 3;
    ck_assert_int_eq(copy(c), GNTST_general_error); /* to another */
    v1(9)->domid = 2;
    c.source.offset = PAGE_SIZE - 10;
    ck_assert_int_eq(copy(c), GNTST_bad_copy_arg);
    c.source.offset = 0;
    v1(9)->frame = (uint32_t)mine.n; /* grants what it doesn't own */
    ck_assert_int_eq(copy(c), GNTST_general_error);
    v1(9)->frame = ~0u;
    ck_assert_int_eq(copy(c), GNTST_general_error);
    v1(9)->frame = (uint32_t)theirs.n;
    c.source.domid = 9;
    ck_assert_int_eq(copy(c), GNTST_bad_domain);
    c.source.domid = 1;
    c.flags = 0;
    ck_assert_int_eq(copy(c), GNTST_permission_denied); /* frames by number are one's own */
    c.flags = GNTCOPY_source_gref;
    c.dest.u.gmfn = theirs.n;
    ck_assert_int_eq(copy(c), GNTST_bad_page);
    c.dest.u.gmfn = ~0ul;
    ck_assert_int_eq(copy(c), GNTST_bad_page);
    ck_assert_uint_eq(v1(9)->flags, GTF_permit_access);
    ck_assert_uint_eq(fake_refs(D) + fake_refs(&fake_dom[1]), refs);
}
END_TEST

START_TEST(grant_copies_v2)
{
    mfn_t theirs = fake_frame(D), mine = fake_frame(&fake_dom[1]);
    struct gnttab_set_version sv = {.version = 2};
    struct gnttab_copy c = {
        .source = {.u.ref = 9, .domid = 1, .offset = 100},
        .dest = {.u.gmfn = mine.n, .domid = DOMID_SELF},
        .len = 11,
        .flags = GNTCOPY_source_gref,
    };
    union grant_entry_v2 *e;

    setup_table(D, 1);
    ck_assert_int_eq(gnttab(D, GNTTABOP_set_version, GM(sv), 1), 0);
    e = (union grant_entry_v2 *)machine_hva(table[0]) + 9;
    memcpy((char *)machine_hva(theirs) + 100, "hello there", 11);
    e->sub_page.page_off = 100;
    e->sub_page.length = 11;
    e->sub_page.frame = theirs.n;
    e->hdr = (struct grant_entry_header){.flags = GTF_permit_access | GTF_sub_page, .domid = 2};
    ck_assert_int_eq(copy(c), GNTST_okay);
    ck_assert_mem_eq(machine_hva(mine), "hello there", 11);
    c.source.offset = 99;
    ck_assert_int_eq(copy(c), GNTST_general_error);
    c.source.offset = 100;
    c.len = 12;
    ck_assert_int_eq(copy(c), GNTST_general_error);
    c.len = 11;
    e->sub_page.page_off = 0xfff0;
    ck_assert_int_eq(copy(c), GNTST_general_error);
    e->hdr.flags = GTF_transitive;
    ck_assert_int_eq(copy(c), GNTST_general_error);
    /* Nothing is left marked in the status array. */
    ck_assert_uint_eq(*(uint16_t *)((uint8_t *)machine_hva(MFN(table[0].n + GRANT_MAX_FRAMES)) + 18), 0);
}
END_TEST

START_TEST(grant_arrays)
{
    struct gnttab_map_grant_ref m = {.dom = 2, .flags = GNTMAP_host_map},
                                m9 = {.dom = 9, .flags = GNTMAP_host_map};
    struct gnttab_unmap_grant_ref u = {.handle = 3};
    struct gnttab_swap_grant_ref s = {.ref_a = 20, .ref_b = 30};

    setup_table(D, 1);
    gnttab(D, GNTTABOP_map_grant_ref, GM(m), 1);
    BACK(m);
    ck_assert_int_eq(m.status, GNTST_no_space);
    gnttab(D, GNTTABOP_map_grant_ref, GM(m9), 1);
    BACK(m9);
    ck_assert_int_eq(m9.status, GNTST_bad_domain);
    gnttab(D, GNTTABOP_unmap_grant_ref, GM(u), 1);
    BACK(u);
    ck_assert_int_eq(u.status, GNTST_bad_handle);
    v1(20)->frame = 1234;
    gnttab(D, GNTTABOP_swap_grant_ref, GM(s), 1);
    BACK(s);
    ck_assert_int_eq(s.status, GNTST_okay);
    ck_assert_uint_eq(v1(30)->frame, 1234);
    ck_assert_uint_eq(v1(20)->frame, 0);
    s.ref_b = 512;
    gnttab(D, GNTTABOP_swap_grant_ref, GM(s), 1);
    BACK(s);
    ck_assert_int_eq(s.status, GNTST_bad_gntref);
    ck_assert_int_eq(gnttab(D, GNTTABOP_copy, fake_gva(page).va, 0), 0);
    ck_assert_int_eq(gnttab(D, GNTTABOP_copy, fake_gva(page).va, 100000), -XEN_E2BIG);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("pv_ops");

    tcase_add_checked_fixture(t, setup, fake_teardown);
    tcase_add_test(t, block);
    tcase_add_test(t, block_ends_by_timer);
    tcase_add_test(t, poll);
    tcase_add_test(t, stops);
    tcase_add_test(t, shutdown_code_overrides);
    tcase_add_test(t, shutdown_unknown);
    tcase_add_test(t, vcpu_life);
    tcase_add_test(t, vcpu_bad_contexts);
    tcase_add_test(t, vcpu_info_moves);
    tcase_add_test(t, vcpu_timers_and_areas);
    tcase_add_test(t, version);
    tcase_add_test(t, small_ones);
    tcase_add_test(t, grant_sizes);
    tcase_add_test(t, grant_copies);
    tcase_add_test(t, grant_copies_v2);
    tcase_add_test(t, grant_arrays);
    return suite_run("pv_ops", t);
}
