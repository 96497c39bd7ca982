/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See pv_fakes.h. */
#include "pv_fakes.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "pv/cpu_ops.h"
#include "pv/hypercall.h"
#include "pv/mm.h"
#include "pv/segment.h"

struct machine machine;
struct domain fake_dom[2];

static struct vcpu vcpus[2][FAKE_VCPUS];
static struct pv_vcpu pv_vcpus[2][FAKE_VCPUS];
static struct pv_domain pv_domains[2];
static struct fake_vcpu_notes notes[2][FAKE_VCPUS];
static uint64_t next_frame;

static struct fake_vcpu_notes *notes_of(const struct vcpu *v)
{
    return &notes[v->domain - fake_dom][v->id];
}

static void must(bool ok, const char *what)
{
    if (!ok) {
        fprintf(stderr, "pv_fakes: %s failed\n", what);
        abort();
    }
}

void fake_setup(void)
{
    memset(fake_dom, 0, sizeof(fake_dom));
    memset(vcpus, 0, sizeof(vcpus));
    memset(pv_vcpus, 0, sizeof(pv_vcpus));
    memset(pv_domains, 0, sizeof(pv_domains));
    memset(notes, 0, sizeof(notes));
    machine.nr_frames = FAKE_FRAMES;
    machine.base_hva =
        mmap(NULL, FAKE_FRAMES * PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    machine.frames = calloc(FAKE_FRAMES, sizeof(struct frame));
    must(machine.base_hva != MAP_FAILED && machine.frames, "memory");
    next_frame = 1;

    for (unsigned i = 0; i < 2; i++) {
        struct domain *d = &fake_dom[i];

        d->domid = (uint16_t)(i + 1);
        d->nr_vcpus = FAKE_VCPUS;
        d->end = DOMAIN_RUNNING;
        d->quiet_crash = true;
        d->pv = &pv_domains[i];
        d->pv->shared_info_mfn = fake_frame(d);
        d->pv->shared_info = machine_hva(d->pv->shared_info_mfn);
        for (unsigned n = 0; n < FAKE_VCPUS; n++) {
            struct vcpu *v = &vcpus[i][n];

            v->id = n;
            v->domain = d;
            v->pv = &pv_vcpus[i][n];
            v->pv->info = &d->pv->shared_info->vcpu_info[n];
            d->vcpu[n] = v;
        }
        must(evtchn_domain_init(d, EVTCHN_MAX_PORT) == 0, "evtchn_domain_init");
        must(grant_domain_init(d) == 0, "grant_domain_init");
        must(time_domain_init(d) == 0, "time_domain_init");
    }
}

void fake_teardown(void)
{
    for (unsigned i = 0; i < 2; i++) {
        evtchn_domain_destroy(&fake_dom[i]);
        grant_domain_destroy(&fake_dom[i]);
    }
    munmap(machine.base_hva, FAKE_FRAMES * PAGE_SIZE);
    free(machine.frames);
}

mfn_t fake_frame(struct domain *d)
{
    mfn_t m = machine_alloc(d->domid, 1);

    must(m.n != MFN_INVALID.n, "fake_frame");
    return m;
}

void *fake_guest_alloc(struct domain *d, size_t n)
{
    must(n <= PAGE_SIZE, "fake_guest_alloc");
    return machine_hva(fake_frame(d));
}

unsigned fake_refs(const struct domain *d)
{
    unsigned sum = 0;

    for (uint64_t i = 0; i < FAKE_FRAMES; i++) {
        if (machine.frames[i].owner == d->domid && !(machine.frames[i].flags & FRAME_XEN))
            sum += machine.frames[i].ref_count + machine.frames[i].type_count;
    }
    return sum;
}

uint32_t fake_requests(struct vcpu *v, unsigned *kicks)
{
    struct fake_vcpu_notes *n = notes_of(v);
    uint32_t r = __atomic_exchange_n(&n->requests, 0, __ATOMIC_SEQ_CST);

    if (kicks)
        *kicks = __atomic_exchange_n(&n->kicks, 0, __ATOMIC_SEQ_CST);
    return r;
}

unsigned fake_onlined(const struct vcpu *v)
{
    return notes_of(v)->onlined;
}

/* ---- what the files under test call ---- */

mfn_t machine_alloc(uint16_t domid, uint64_t nr)
{
    mfn_t first = MFN(next_frame);

    if (next_frame + nr > FAKE_FRAMES)
        return MFN_INVALID;
    next_frame += nr;
    for (uint64_t i = 0; i < nr; i++)
        machine.frames[first.n + i] = (struct frame){.owner = domid};
    return first;
}

void machine_free(mfn_t first, uint64_t nr)
{
    memset(&machine.frames[first.n], 0, nr * sizeof(struct frame));
}

static void *arena(gva_t a, size_t n)
{
    uint64_t start = (uint64_t)(uintptr_t)machine.base_hva;

    if (a.va < start || n > FAKE_FRAMES * PAGE_SIZE || a.va - start > FAKE_FRAMES * PAGE_SIZE - n)
        return NULL;
    return (void *)(uintptr_t)a.va;
}

bool guest_read(struct vcpu *v, gva_t from, void *to, size_t n)
{
    void *p = arena(from, n);

    (void)v;
    if (p)
        memcpy(to, p, n);
    return p;
}

bool guest_write(struct vcpu *v, gva_t to, const void *from, size_t n)
{
    void *p = arena(to, n);

    (void)v;
    if (p)
        memcpy(p, from, n);
    return p;
}

int mm_get_page(struct domain *d, mfn_t m, enum frame_type type)
{
    struct frame *f = &machine.frames[m.n];

    must(d->mm_lock.state != 0, "mm_lock held");
    must(machine_valid(m), "frame in range");
    if (f->owner != d->domid || (type && f->type_count && f->type != type))
        return -XEN_EINVAL;
    f->ref_count++;
    if (type) {
        f->type = (uint8_t)type;
        f->type_count++;
    }
    return 0;
}

void mm_put_page(struct domain *d, mfn_t m, enum frame_type type)
{
    struct frame *f = &machine.frames[m.n];

    must(d->mm_lock.state != 0, "mm_lock held");
    must(f->ref_count > 0 && (!type || (f->type == type && f->type_count > 0)), "a reference to put");
    f->ref_count--;
    if (type)
        f->type_count--;
}

int mm_set_base_pointers(struct vcpu *self, struct vcpu *v, mfn_t kernel, mfn_t user)
{
    struct domain *d = v->domain;
    int ret;

    (void)self;
    lock_acquire(&d->mm_lock);
    ret = machine_valid(kernel) && machine_valid(user) ? mm_get_page(d, kernel, FRAME_L4) : -XEN_EINVAL;
    if (ret == 0 && user.n) {
        ret = mm_get_page(d, user, FRAME_L4);
        if (ret)
            mm_put_page(d, kernel, FRAME_L4);
    }
    lock_release(&d->mm_lock);
    if (ret == 0) {
        v->pv->cr3_kernel = kernel;
        v->pv->cr3_user = user;
    }
    return ret;
}

void vcpu_request(struct vcpu *v, uint32_t req)
{
    __atomic_fetch_or(&notes_of(v)->requests, req, __ATOMIC_SEQ_CST);
    __atomic_fetch_add(&notes_of(v)->kicks, 1, __ATOMIC_SEQ_CST);
}

void domain_shutdown(struct domain *d, enum domain_end how)
{
    if (d->end == DOMAIN_RUNNING)
        d->end = (int)how;
}

void domain_crash(struct domain *d, struct vcpu *v, const char *reason, uint64_t value)
{
    (void)v;
    (void)value;
    snprintf(d->end_reason, sizeof(d->end_reason), "%s", reason);
    domain_shutdown(d, DOMAIN_CRASH);
}

void domain_vcpu_online(struct vcpu *v)
{
    notes_of(v)->onlined++;
}

void engine_frame_changed(struct vcpu *self, mfn_t m, unsigned off, unsigned len)
{
    (void)self;
    (void)m;
    (void)off;
    (void)len;
}

/* Xen's flat segments and NULL load; of the guest's own GDT, entries 1 and 2. */
bool segment_load(struct vcpu *v, enum segreg s, uint16_t selector, uint32_t *fault)
{
    bool flat = selector == FLAT_KERNEL_CS || selector == FLAT_KERNEL_SS || selector == FLAT_USER_CS32;
    bool null = !(selector & ~3) && s != SEG_CS && s != SEG_SS;
    bool own = selector >> 3 >= 1 && selector >> 3 <= 2 && (selector >> 3) < v->pv->gdt_entries;

    *fault = 0;
    if (!flat && !null && !own)
        return false;
    v->seg[s] = (struct segment){.selector = selector};
    return true;
}

void pv_cpu_reset(struct vcpu *v)
{
    memset(v->dr, 0, sizeof(v->dr));
}

uint64_t pv_fixup_cr4(const struct vcpu *v, uint64_t cr4)
{
    (void)v;
    return (cr4 & CR4_TSD) | CR4_PAE;
}

int pv_set_debugreg(struct vcpu *v, unsigned reg, uint64_t value)
{
    v->dr[reg] = value;
    return 0;
}
