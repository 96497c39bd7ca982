// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The hypercall mmuext_op: pins, base pointers, TLB flushes, the LDT, and clearing and copying pages.
 */
#include "pv/mm.h"

#include "pv/hypercall.h"
#include "pv/panel.h"

/* In a count: see mm_update.c. */
#define MMU_UPDATE_PREEMPTED 0x80000000u

#define LDT_MAX_ENTRIES 8192u

static int op_pin(struct vcpu *v, mfn_t m, enum frame_type type)
{
    struct domain *d = v->domain;
    int rc;

    lock_acquire(&d->mm_lock);
    rc = mm_pin(v, d, m, type);
    lock_release(&d->mm_lock);
    return rc;
}

static int op_unpin(struct vcpu *v, mfn_t m)
{
    struct domain *d = v->domain;
    int rc;

    lock_acquire(&d->mm_lock);
    rc = mm_unpin(v, d, m);
    lock_release(&d->mm_lock);
    return rc;
}

static int op_set_ldt(struct vcpu *v, gva_t base, uint32_t entries)
{
    if (entries > LDT_MAX_ENTRIES || (entries > 0 && (base.va & ~PAGE_MASK || !gva_is_guest(base))))
        return -XEN_EINVAL;
    v->pv->ldt_base = entries > 0 ? base.va : 0;
    v->pv->ldt_entries = entries;
    return 0;
}

static void page_clear(void *to)
{
    size_t n = PAGE_SIZE / 8;

    __asm__ volatile("rep stosq" : "+D"(to), "+c"(n) : "a"(0ul) : "memory");
}

static void page_copy(void *to, const void *from)
{
    size_t n = PAGE_SIZE / 8;

    __asm__ volatile("rep movsq" : "+D"(to), "+S"(from), "+c"(n) : : "memory");
}

/* CLEAR_PAGE, or COPY_PAGE if there is a source. References keep both frames what they are meanwhile. */
static int op_fill_page(struct vcpu *v, mfn_t to, const mfn_t *from)
{
    struct domain *d = v->domain;
    int rc = 0;

    lock_acquire(&d->mm_lock);
    if (from)
        rc = mm_get(v, d, *from, FRAME_NONE);
    if (rc == 0) {
        rc = mm_get(v, d, to, FRAME_WRITABLE);
        if (rc != 0 && from)
            mm_put(v, d, *from, FRAME_NONE);
    }
    lock_release(&d->mm_lock);
    if (rc != 0)
        return -XEN_EINVAL;

    if (from)
        page_copy(machine_hva(to), machine_hva(*from));
    else
        page_clear(machine_hva(to));
    engine_frame_changed(v, to, 0, PAGE_SIZE);

    lock_acquire(&d->mm_lock);
    mm_put(v, d, to, FRAME_WRITABLE);
    if (from)
        mm_put(v, d, *from, FRAME_NONE);
    lock_release(&d->mm_lock);
    return 0;
}

static int op_flush_mask(struct vcpu *v, const struct mmuext_op *op)
{
    uint64_t mask;

    if (!mm_read_vcpu_mask(v, GVA((uintptr_t)op->arg2.vcpumask.p), &mask))
        return -XEN_EINVAL;
    if (op->cmd == MMUEXT_TLB_FLUSH_MULTI)
        mm_flush_mask(v, mask);
    else
        mm_flush_page_mask(v, mask, GVA(op->arg1.linear_addr));
    return 0;
}

static int op_one(struct vcpu *v, const struct mmuext_op *op)
{
    mfn_t m = MFN(op->arg1.mfn);

    switch (op->cmd) {
    case MMUEXT_PIN_L1_TABLE:
    case MMUEXT_PIN_L2_TABLE:
    case MMUEXT_PIN_L3_TABLE:
    case MMUEXT_PIN_L4_TABLE:
        return op_pin(v, m, (enum frame_type)(FRAME_L1 + op->cmd - MMUEXT_PIN_L1_TABLE));
    case MMUEXT_UNPIN_TABLE:
        return op_unpin(v, m);
    case MMUEXT_NEW_BASEPTR:
        return mm_new_baseptr(v, m);
    case MMUEXT_NEW_USER_BASEPTR:
        return mm_new_user_baseptr(v, m);
    case MMUEXT_TLB_FLUSH_LOCAL:
        mm_flush_local(v);
        return 0;
    case MMUEXT_INVLPG_LOCAL:
        mm_flush_page_mask(v, 1ul << v->id, GVA(op->arg1.linear_addr));
        return 0;
    case MMUEXT_TLB_FLUSH_MULTI:
    case MMUEXT_INVLPG_MULTI:
        return op_flush_mask(v, op);
    case MMUEXT_TLB_FLUSH_ALL:
        mm_flush_mask(v, mm_all_vcpus(v->domain));
        return 0;
    case MMUEXT_INVLPG_ALL:
        mm_flush_page_mask(v, mm_all_vcpus(v->domain), GVA(op->arg1.linear_addr));
        return 0;
    case MMUEXT_FLUSH_CACHE:
    case MMUEXT_FLUSH_CACHE_GLOBAL:
        return -XEN_EACCES; /* for domains with devices */
    case MMUEXT_SET_LDT:
        return op_set_ldt(v, GVA(op->arg1.linear_addr), op->arg2.nr_ents);
    case MMUEXT_CLEAR_PAGE:
        return op_fill_page(v, m, NULL);
    case MMUEXT_COPY_PAGE:
        return op_fill_page(v, m, &(mfn_t){op->arg2.src_mfn});
    case MMUEXT_MARK_SUPER:
    case MMUEXT_UNMARK_SUPER:
        return -XEN_EOPNOTSUPP;
    default:
        return -XEN_ENOSYS;
    }
}

int64_t hc_mmuext_op(struct vcpu *v, const uint64_t arg[6])
{
    gva_t ops = GVA(arg[0]);
    uint32_t count = (uint32_t)arg[1];
    gva_t pdone = GVA(arg[2]);
    uint32_t foreigndom = (uint32_t)arg[3];
    uint32_t done = 0, i;
    bool io;
    int rc;

    if (count == MMU_UPDATE_PREEMPTED && ops.va == 0)
        return (int32_t)foreigndom;
    if (count & MMU_UPDATE_PREEMPTED) {
        count &= ~MMU_UPDATE_PREEMPTED;
        if (pdone.va != 0 && !guest_read(v, pdone, &done, sizeof(done)))
            done = 0;
    }
    rc = mm_foreign_domain(v, (uint16_t)foreigndom, &io);
    if (rc == 0 && io)
        rc = -XEN_EPERM;
    if (rc != 0)
        return rc;

    for (i = 0; i < count; i++) {
        struct mmuext_op op;

        if (!guest_read(v, gva_add(ops, i * sizeof(op)), &op, sizeof(op))) {
            rc = -XEN_EFAULT;
            break;
        }
        rc = op_one(v, &op);
        if (rc != 0 || unlikely(domain_ended(v->domain)))
            break;
    }
    if (pdone.va != 0) {
        done += i;
        (void)guest_write(v, pdone, &done, sizeof(done)); /* as Xen: no error if it can't be told */
    }
    return rc;
}
