/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Guest time: one line tsc -> nanoseconds for all vCPUs of a domain.
 *
 * The guest reads the TSC natively and applies the line that we publish in each vCPU's vcpu_time_info
 * (pvclock).  The line's slope is measured against CLOCK_MONOTONIC, which the host's NTP may bend by some
 * hundred parts per million, so now and then the line is refined: it bends, at the present moment, towards
 * where CLOCK_MONOTONIC says it should be at the next refinement.  It never steps backwards.
 *
 * Guests are told that the clock is stable (XEN_PVCLOCK_TSC_STABLE_BIT), that is, that vCPUs may compare
 * their readings. To keep that true while the line changes, all vCPUs' copies are marked as being updated
 * first, then the bend is placed behind that moment, then all copies are written: who reads before uses the
 * old line left of the bend, who reads after the new line right of it.  The copies that user space reads
 * (time_area) can be written on their own vCPU's thread only, and lag by the time that a kick takes; at 500
 * ppm and 20 us that is 10 ns, less than the transport of a reading between CPUs.
 */
#include "pv/time.h"

#include <x86intrin.h>

#include "pv/hypercall.h"
#include "pv/panel.h"
#include "pv/time_math.h"

#define BASELINE_NS   50000000ull /* of a measurement of the rate: 100 ns of reading make 2 ppm */
#define REFINE_MAX_NS (10 * NS_PER_S)
#define STEP_NS       10000000ll /* host slept or was frozen: errors above are stepped over, forwards only */

uint64_t time_system_ns(const struct domain *d)
{
    const struct time_domain *t = &d->pv->time;
    struct time_line line;
    uint32_t seq;

    do {
        while ((seq = __atomic_load_n(&t->seq, __ATOMIC_ACQUIRE)) & 1)
            __builtin_ia32_pause();
        /* x86 keeps the order of these loads. */
        line.base_tsc = __atomic_load_n(&t->line.base_tsc, __ATOMIC_ACQUIRE);
        line.base_ns = __atomic_load_n(&t->line.base_ns, __ATOMIC_ACQUIRE);
        line.mul = __atomic_load_n(&t->line.mul, __ATOMIC_ACQUIRE);
        line.shift = __atomic_load_n(&t->line.shift, __ATOMIC_ACQUIRE);
    } while (__atomic_load_n(&t->seq, __ATOMIC_RELAXED) != seq);
    return time_line_ns(&line, __rdtsc());
}

/* ---- telling the guest ---- */

static void info_fill(const struct time_domain *t, struct vcpu_time_info *info)
{
    info->tsc_timestamp = t->line.base_tsc;
    info->system_time = t->line.base_ns;
    info->tsc_to_system_mul = t->line.mul;
    info->tsc_shift = t->line.shift;
    info->flags = t->tsc_stable ? XEN_PVCLOCK_TSC_STABLE_BIT : 0;
}

/* Opens and closes an update of a vCPU's copy; the version is ours, whatever the guest wrote there. */
static void info_begin(struct vcpu *v)
{
    struct pv_vcpu *p = pv_vcpu(v);

    __atomic_store_n(&p->info->time.version, p->time.info_version | 1, __ATOMIC_SEQ_CST);
}

static void info_end(struct vcpu *v)
{
    struct pv_vcpu *p = pv_vcpu(v);

    p->time.info_version = (p->time.info_version | 1) + 1;
    __atomic_store_n(&p->info->time.version, p->time.info_version, __ATOMIC_SEQ_CST);
}

/* Writes to kernel memory of the guest, whichever of its views is current. */
static bool write_as_kernel(struct vcpu *v, gva_t to, const void *from, size_t n)
{
    bool user = v->user_mode;
    bool ok;

    v->user_mode = false;
    ok = guest_write(v, to, from, n);
    v->user_mode = user;
    return ok;
}

/*
 * Brings the copy that user space reads up to date. Own thread; no lock held: guest_write() may take others.
 */
static bool area_write(struct vcpu *v)
{
    struct time_domain *td = &v->domain->pv->time;
    struct time_vcpu *t = &pv_vcpu(v)->time;
    gva_t area = GVA(__atomic_load_n(&t->time_area.va, __ATOMIC_ACQUIRE));
    struct vcpu_time_info info = {0};
    uint32_t version;

    if (!area.va)
        return true;
    lock_acquire(&td->lock);
    version = t->info_version; /* even */
    info_fill(td, &info);
    lock_release(&td->lock);

    info.version = version | 1;
    return write_as_kernel(v, area, &info, sizeof(info)) &&
           write_as_kernel(v, gva_add(area, offsetof(struct vcpu_time_info, version)), &version,
                           sizeof(version));
}

void time_update_info(struct vcpu *v)
{
    struct time_domain *t = &v->domain->pv->time;

    lock_acquire(&t->lock);
    info_begin(v);
    info_fill(t, &pv_vcpu(v)->info->time);
    info_end(v);
    lock_release(&t->lock);
}

bool time_set_area(struct vcpu *self, struct vcpu *v, gva_t area)
{
    struct time_vcpu *t = &pv_vcpu(v)->time;

    __atomic_store_n(&t->time_area.va, area.va, __ATOMIC_RELEASE);
    if (v == self)
        return area_write(v);
    __atomic_store_n(&t->area_stale, true, __ATOMIC_RELEASE);
    __atomic_store_n(&t->changed, true, __ATOMIC_RELEASE);
    return true;
}

void time_set_wall(struct domain *d, uint64_t wall_ns)
{
    struct time_domain *t = &d->pv->time;
    struct shared_info *s = d->pv->shared_info;
    uint64_t s_since_epoch = wall_ns / NS_PER_S;

    t->wall_ns = wall_ns;
    __atomic_store_n(&s->wc_version, t->wall_version | 1, __ATOMIC_SEQ_CST);
    s->wc_sec = (uint32_t)s_since_epoch;
    s->wc_sec_hi = (uint32_t)(s_since_epoch >> 32);
    s->wc_nsec = (uint32_t)(wall_ns % NS_PER_S);
    t->wall_version = (t->wall_version | 1) + 1;
    __atomic_store_n(&s->wc_version, t->wall_version, __ATOMIC_SEQ_CST);
}

/* ---- measuring ---- */

/* Lock held, domain possibly running. */
static void line_change(struct domain *d, const struct time_line *slope, uint64_t step_ns)
{
    struct time_domain *t = &d->pv->time;
    struct time_line line = *slope;

    for (unsigned i = 0; i < d->nr_vcpus; i++)
        info_begin(d->vcpu[i]);
    __atomic_store_n(&t->seq, t->seq + 1, __ATOMIC_SEQ_CST);
    line.base_tsc = __rdtsc();
    line.base_ns = time_line_ns(&t->line, line.base_tsc) + step_ns;
    __atomic_store_n(&t->line.base_tsc, line.base_tsc, __ATOMIC_RELEASE);
    __atomic_store_n(&t->line.base_ns, line.base_ns, __ATOMIC_RELEASE);
    __atomic_store_n(&t->line.mul, line.mul, __ATOMIC_RELEASE);
    __atomic_store_n(&t->line.shift, line.shift, __ATOMIC_RELEASE);
    __atomic_store_n(&t->seq, t->seq + 1, __ATOMIC_SEQ_CST);
    for (unsigned i = 0; i < d->nr_vcpus; i++) {
        info_fill(t, &pv_vcpu(d->vcpu[i])->info->time);
        info_end(d->vcpu[i]);
    }
}

/* Bends the line so that it meets CLOCK_MONOTONIC again in refine_ns. */
static void line_refine(struct domain *d)
{
    struct time_domain *t = &d->pv->time;
    uint64_t tsc, mono, real, real_tsc, wall, d_tsc, d_ns;
    struct time_line slope = {0};
    int64_t error, limit;

    lock_acquire(&t->lock);
    time_read_pair(CLOCK_MONOTONIC, &tsc, &mono);
    d_tsc = tsc - t->last_tsc;
    d_ns = mono - t->last_mono_ns;
    /* A rate is as good as its baseline is long. */
    if (d_ns >= BASELINE_NS) {
        t->last_tsc = tsc;
        t->last_mono_ns = mono;
        if ((int64_t)d_tsc > 0)
            __atomic_store_n(&t->tsc_per_ns, time_ratio_fp32(d_tsc, d_ns), __ATOMIC_RELAXED);
    }

    t->refine_ns = t->refine_ns * 10 < REFINE_MAX_NS ? t->refine_ns * 10 : REFINE_MAX_NS;
    error = (int64_t)(mono - t->start_mono_ns - time_line_ns(&t->line, tsc));
    /* 500 ppm is what NTP does too; only a clock that ran away ahead of us is braked harder. */
    limit = (int64_t)t->refine_ns / (error < -STEP_NS ? 20 : 2000);
    if (error > STEP_NS) {
        time_line_slope(&slope, t->refine_ns, time_ns_to_tsc(t, t->refine_ns));
        line_change(d, &slope, (uint64_t)error);
    } else {
        if (error > limit)
            error = limit;
        if (error < -limit)
            error = -limit;
        time_line_slope(&slope, t->refine_ns + (uint64_t)error, time_ns_to_tsc(t, t->refine_ns));
        line_change(d, &slope, 0);
    }

    time_read_pair(CLOCK_REALTIME, &real_tsc, &real);
    wall = real - time_line_ns(&t->line, real_tsc);
    if (wall - t->wall_ns + 1000000 > 2000000) /* the host's clock was set */
        time_set_wall(d, wall);
    lock_release(&t->lock);

    for (unsigned i = 0; i < d->nr_vcpus; i++) {
        struct time_vcpu *tv = &pv_vcpu(d->vcpu[i])->time;

        __atomic_store_n(&tv->area_stale, true, __ATOMIC_RELEASE);
        __atomic_store_n(&tv->changed, true, __ATOMIC_RELEASE);
        if (__atomic_load_n(&tv->time_area.va, __ATOMIC_RELAXED))
            vcpu_request(d->vcpu[i], VCPU_REQ_TIMER);
    }
}

void time_keep_line(struct vcpu *v)
{
    struct time_domain *t = &v->domain->pv->time;
    uint64_t tsc = __rdtsc();
    uint64_t due = __atomic_load_n(&t->next_refine_tsc, __ATOMIC_RELAXED);

    /* One thread claims the refinement, and says when the next is due. */
    if (tsc >= due && __atomic_compare_exchange_n(&t->next_refine_tsc, &due, UINT64_MAX, false,
                                                  __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)) {
        line_refine(v->domain);
        __atomic_store_n(&t->next_refine_tsc, __rdtsc() + time_ns_to_tsc(t, t->refine_ns), __ATOMIC_RELEASE);
    }
    if (__atomic_exchange_n(&pv_vcpu(v)->time.area_stale, false, __ATOMIC_ACQ_REL))
        area_write(v); /* a guest that unmapped it has no use for it */
}
