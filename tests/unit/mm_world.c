// SPDX-License-Identifier: GPL-2.0-or-later
#include "mm_world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pv/peers.h"

struct machine machine;
struct world world;

static uint8_t ram_bytes[WORLD_FRAMES * PAGE_SIZE] __attribute__((aligned(4096)));
static struct frame frames[WORLD_FRAMES];

/* ---- the machine ---- */

mfn_t machine_alloc(uint16_t domid, uint64_t nr)
{
    for (uint64_t n = WORLD_FIRST_RAM; n + nr <= WORLD_FRAMES; n++) {
        uint64_t k = 0;

        while (k < nr && frames[n + k].owner == 0)
            k++;
        if (k < nr)
            continue;
        for (k = 0; k < nr; k++)
            frames[n + k] = (struct frame){.owner = domid, .m2p = ~0u};
        return MFN(n);
    }
    return MFN_INVALID;
}

void machine_free(mfn_t first, uint64_t nr)
{
    for (uint64_t n = first.n; n < first.n + nr; n++) {
        /* What is freed must be in nobody's hands. */
        if (frames[n].owner == 0 || frames[n].ref_count != 0 || frames[n].type_count != 0)
            abort();
        for (unsigned v = 0; v < WORLD_VCPUS; v++)
            for (unsigned i = 0; i < WORLD_TLB; i++)
                if (world.tlb[v][i].valid && world.tlb[v][i].mfn.n == n)
                    abort();
        frames[n] = (struct frame){.owner = 0};
        machine.m2p[n] = ~0ul;
        memset(machine_hva(MFN(n)), 0, PAGE_SIZE);
    }
}

/* ---- guest memory: hypercall arguments ---- */

bool guest_read(struct vcpu *v, gva_t from, void *to, size_t n)
{
    (void)v;
    if (n > 0 && from.va < PAGE_SIZE)
        return false;
    memcpy(to, (const void *)from.va, n);
    return true;
}

bool guest_write(struct vcpu *v, gva_t to, const void *from, size_t n)
{
    (void)v;
    if (n > 0 && to.va < PAGE_SIZE)
        return false;
    memcpy((void *)to.va, from, n);
    return true;
}

/* ---- the engine: a TLB ---- */

static struct world_tlb_entry *tlb_of(struct vcpu *v)
{
    return world.tlb[v->id];
}

void engine_flush_all(struct vcpu *v)
{
    memset(tlb_of(v), 0, sizeof(world.tlb[0]));
    __atomic_fetch_add(&world.flush_all, 1, __ATOMIC_RELAXED);
}

void engine_flush_user(struct vcpu *v)
{
    struct world_tlb_entry *t = tlb_of(v);

    for (unsigned i = 0; i < WORLD_TLB; i++)
        if (t[i].user_view || (int64_t)t[i].page >= 0)
            t[i].valid = false;
    __atomic_fetch_add(&world.flush_user, 1, __ATOMIC_RELAXED);
}

void engine_flush_page(struct vcpu *v, gva_t a)
{
    struct world_tlb_entry *t = tlb_of(v);

    for (unsigned i = 0; i < WORLD_TLB; i++)
        if (t[i].page == (a.va & PAGE_MASK))
            t[i].valid = false;
}

void engine_flush_vcpus(struct vcpu *self, struct domain *d, uint64_t mask)
{
    (void)self;
    for (unsigned i = 0; i < d->nr_vcpus; i++)
        if (mask >> i & 1)
            memset(world.tlb[i], 0, sizeof(world.tlb[i]));
}

void engine_flush_frames(struct vcpu *self, struct domain *d)
{
    engine_flush_vcpus(self, d, ~0ul);
}

void engine_task_changed(struct vcpu *v)
{
    (void)v;
}

void engine_frame_protect(struct vcpu *self, mfn_t m)
{
    (void)self;
    for (unsigned v = 0; v < WORLD_VCPUS; v++)
        for (unsigned i = 0; i < WORLD_TLB; i++)
            if (world.tlb[v][i].mfn.n == m.n)
                world.tlb[v][i].writable = false;
}

void engine_frame_changed(struct vcpu *self, mfn_t m, unsigned off, unsigned len)
{
    (void)self;
    if (!machine_valid(m) || off + len > PAGE_SIZE)
        abort();
}

bool world_access(unsigned vcpu, bool user, gva_t a, enum access kind, mfn_t *m, uint32_t *pfec)
{
    struct vcpu *v = &world.v[vcpu];
    struct world_tlb_entry *e = NULL;
    struct translation t;
    bool ok;

    for (unsigned i = 0; i < WORLD_TLB; i++) {
        struct world_tlb_entry *x = &world.tlb[vcpu][i];

        if (!x->valid) {
            if (!e)
                e = x;
        } else if (x->page == (a.va & PAGE_MASK) && x->user_view == user) {
            if (kind == ACCESS_READ || (kind == ACCESS_WRITE ? x->writable : x->executable)) {
                *m = x->mfn;
                return true;
            }
            e = x;
            break;
        }
    }
    if (!e)
        e = &world.tlb[vcpu][(a.va >> PAGE_SHIFT) % WORLD_TLB];
    v->user_mode = user;
    ok = pv_walk(v, a, kind, &t, pfec);
    v->user_mode = false;
    if (!ok)
        return false;
    *e = (struct world_tlb_entry){.valid = true,
                                  .writable = t.writable,
                                  .executable = kind == ACCESS_FETCH,
                                  .user_view = user,
                                  .page = a.va & PAGE_MASK,
                                  .mfn = t.mfn};
    *m = t.mfn;
    return true;
}

/* ---- others ---- */

static struct domain other = {.domid = 2};

struct domain *peer_get(uint16_t domid)
{
    return domid == 2 ? &other : domid == 1 ? &world.d : NULL;
}

void peer_put(struct domain *d)
{
    (void)d;
}

int64_t hypercall_call(struct vcpu *v, uint64_t nr, const uint64_t arg[6])
{
    switch (nr) {
    case __HYPERVISOR_mmu_update:
        return hc_mmu_update(v, arg);
    case __HYPERVISOR_mmuext_op:
        return hc_mmuext_op(v, arg);
    case __HYPERVISOR_update_va_mapping:
        return hc_update_va_mapping(v, arg);
    case __HYPERVISOR_multicall:
        return hc_multicall(v, arg);
    default:
        return -XEN_ENOSYS;
    }
}

void world_reset(void)
{
    memset(ram_bytes, 0, sizeof(ram_bytes));
    memset(frames, 0, sizeof(frames));
    memset(&world, 0, sizeof(world));
    machine = (struct machine){.memfd = -1,
                               .base_hva = ram_bytes,
                               .nr_frames = WORLD_FRAMES,
                               .m2p_frames = 1,
                               .first_ram = MFN(WORLD_FIRST_RAM),
                               .m2p = (uint64_t *)ram_bytes,
                               .frames = frames};
    for (unsigned n = 0; n < WORLD_FRAMES; n++)
        machine.m2p[n] = ~0ul;
    for (unsigned n = 0; n < WORLD_FIRST_RAM; n++)
        frames[n] = (struct frame){.owner = DOMID_NOBODY, .flags = FRAME_XEN};
    for (unsigned n = 0; n < WORLD_RAM; n++)
        frames[WORLD_FIRST_RAM + n].owner = 1;
    frames[WORLD_FOREIGN].owner = 2;
    world.d.domid = 1;
    world.d.nr_vcpus = WORLD_VCPUS;
    world.d.nr_pages = WORLD_RAM;
    world.d.max_pages = WORLD_RAM + 8;
    world.d.end = DOMAIN_RUNNING;
    world.d.pv = &world.pv;
    world.pv.shared_info = &world.shared_info;
    world.pv.vm_assist = 1ul << VMASST_TYPE_writable_pagetables;
    world.shared_info.arch.max_pfn = WORLD_RAM;
    for (unsigned i = 0; i < WORLD_VCPUS; i++) {
        world.v[i].id = i;
        world.v[i].domain = &world.d;
        world.v[i].pv = &world.pvv[i];
        world.d.vcpu[i] = &world.v[i];
    }
}

int call_mmu_update(unsigned vcpu, uint64_t ptr, uint64_t val)
{
    struct mmu_update req = {.ptr = ptr, .val = val};

    return (int)hc_mmu_update(&world.v[vcpu], (uint64_t[6]){(uint64_t)&req, 1, 0, DOMID_SELF});
}

int call_mmuext(unsigned vcpu, unsigned cmd, uint64_t arg1, uint64_t arg2)
{
    struct mmuext_op op = {.cmd = cmd, .arg1.mfn = arg1, .arg2.src_mfn = arg2};

    return (int)hc_mmuext_op(&world.v[vcpu], (uint64_t[6]){(uint64_t)&op, 1, 0, DOMID_SELF});
}

int call_update_va(unsigned vcpu, gva_t a, uint64_t val, uint64_t flags)
{
    return (int)hc_update_va_mapping(&world.v[vcpu], (uint64_t[6]){a.va, val, flags});
}

struct world_mapping world_lookup(mfn_t root, gva_t a)
{
    struct world_mapping w = {.writable = true, .accessed = true};
    mfn_t m = root;

    if (root.n == 0)
        return (struct world_mapping){0};
    for (unsigned level = 4; level > 0; level--) {
        uint64_t e = *entry(m, pt_slot(a, level));

        if (!(e & PTE_P))
            return (struct world_mapping){0};
        w.writable &= !!(e & PTE_RW);
        /* Kernel halves count as the same whatever the accessed bits of their L4 slots (mm_tlb.c). */
        w.accessed &= (e & PTE_A) || (level == 4 && a.va >> 63);
        w.nx |= !!(e & PTE_NX);
        w.dirty = e & PTE_D;
        m = pte_mfn(e);
    }
    w.present = true;
    w.mfn = m;
    return w;
}

/* ---- checks ---- */

static char complaint[256];

#define COMPLAIN(...)                                        \
    do {                                                     \
        snprintf(complaint, sizeof(complaint), __VA_ARGS__); \
        return complaint;                                    \
    } while (0)

struct expected {
    uint32_t refs;
    uint32_t types[FRAME_L4 + 1];
};

static struct expected expected[WORLD_FRAMES];

static void expect(mfn_t m, enum frame_type type)
{
    expected[m.n].refs++;
    expected[m.n].types[type]++;
}

static bool is_table(mfn_t m)
{
    return frames[m.n].owner == 1 && frames[m.n].type_count > 0 && frames[m.n].type >= FRAME_L1;
}

/* Whether m is of the kernel half, as FRAME_KERNEL_HALF should know. */
static bool under_kernel[WORLD_FRAMES];

static void mark_under(mfn_t m, unsigned level)
{
    if (level == 0)
        return;
    under_kernel[m.n] = true;
    if (level > 1)
        for (unsigned i = 0; i < PT_ENTRIES; i++)
            if (*entry(m, i) & PTE_P && pte_mfn(*entry(m, i)).n != m.n)
                mark_under(pte_mfn(*entry(m, i)), level - 1);
}

static const char *count_table(mfn_t m)
{
    unsigned level = frames[m.n].type - FRAME_L1 + 1;

    for (unsigned i = 0; i < PT_ENTRIES; i++) {
        uint64_t e = *entry(m, i);

        if (level == 4 && i >= 256 && i < 272) {
            if (e & PTE_P)
                COMPLAIN("frame %lu: present entry in the hypervisor's slot %u", m.n, i);
            continue;
        }
        if (!(e & PTE_P))
            continue;
        if (pte_mfn(e).n >= WORLD_FRAMES || frames[pte_mfn(e).n].owner != 1)
            COMPLAIN("frame %lu slot %u: entry %lx is of no frame of the domain", m.n, i, e);
        if (e & (level == 1 ? 0x98 : 0x198) || !(e & PTE_USER))
            COMPLAIN("frame %lu slot %u: bad bits in %lx", m.n, i, e);
        if (level == 1) {
            expect(pte_mfn(e), e & PTE_RW ? FRAME_WRITABLE : FRAME_NONE);
        } else if (pte_mfn(e).n == m.n) {
            if (e & PTE_RW)
                COMPLAIN("frame %lu slot %u: writable recursive entry", m.n, i);
        } else {
            expect(pte_mfn(e), FRAME_L1 + level - 2);
            if (level == 4 && i >= 272)
                mark_under(pte_mfn(e), 3);
        }
    }
    return NULL;
}

static const char *check_frame(unsigned n)
{
    const struct frame *f = &frames[n];
    bool valid = f->type_count > 0 && f->type >= FRAME_SEGDESC;
    unsigned kinds = 0;
    uint32_t types = 0;

    if (f->ref_count != expected[n].refs)
        COMPLAIN("frame %u: %u references, should be %u", n, f->ref_count, expected[n].refs);
    for (unsigned t = FRAME_WRITABLE; t <= FRAME_L4; t++) {
        kinds += expected[n].types[t] > 0;
        types += expected[n].types[t];
        if (expected[n].types[t] > 0 && f->type != t)
            COMPLAIN("frame %u: type %u, but used as %u", n, f->type, t);
    }
    if (kinds > 1)
        COMPLAIN("frame %u: used as two types", n);
    if (f->type_count != types)
        COMPLAIN("frame %u: %u type references, should be %u", n, f->type_count, types);
    if (types == 0 && f->type != FRAME_NONE)
        COMPLAIN("frame %u: type %u without a reference", n, f->type);
    if (valid != !!(f->flags & FRAME_VALIDATED))
        COMPLAIN("frame %u: validated flag is wrong", n);
    if (!valid && f->flags & FRAME_KERNEL_HALF)
        COMPLAIN("frame %u: no table, but of the kernel half", n);
    if (under_kernel[n] && !(f->flags & FRAME_KERNEL_HALF) && !world.pv.mm.kernel_untracked)
        COMPLAIN("frame %u: of the kernel half, and not marked", n);
    if (f->owner == 1 && f->flags & FRAME_GIVEN_BACK && f->ref_count == 0)
        COMPLAIN("frame %u: given back, unused, and still there", n);
    if (f->type == FRAME_SEGDESC)
        for (unsigned i = 0; i < PT_ENTRIES; i++) {
            uint64_t d = *entry(MFN(n), i);

            if (d >> 47 & 1 &&
                (d >> 44 & 1 ? (d >> 45 & 3) != 3 : (d >> 40 & 15) != 0 && (d >> 40 & 0x6f) != 12))
                COMPLAIN("frame %u: descriptor %u is %lx", n, i, d);
        }
    return NULL;
}

static const char *check_tags(void)
{
    for (unsigned a = 0; a < WORLD_FRAMES; a++)
        for (unsigned b = 0; b < a; b++) {
            if (!is_table(MFN(a)) || !is_table(MFN(b)) || frames[a].type != FRAME_L4 ||
                frames[b].type != FRAME_L4)
                continue;
            if (*entry(MFN(a), 257) == 0 || *entry(MFN(a), 257) != *entry(MFN(b), 257))
                continue;
            for (unsigned i = 272; i < PT_ENTRIES; i++)
                if ((*entry(MFN(a), i) ^ *entry(MFN(b), i)) & ~(PTE_A | PTE_D))
                    COMPLAIN("L4 tables %u and %u have the same tag, but not the same slot %u", a, b, i);
        }
    return NULL;
}

const char *world_check(void)
{
    const char *bad = NULL;
    unsigned owned = 0;

    memset(expected, 0, sizeof(expected));
    memset(under_kernel, 0, sizeof(under_kernel));
    for (unsigned n = 0; n < WORLD_FRAMES && !bad; n++) {
        owned += frames[n].owner == 1 && !(frames[n].flags & FRAME_XEN);
        if (is_table(MFN(n)))
            bad = count_table(MFN(n));
        if (frames[n].owner == 1 && frames[n].flags & FRAME_PINNED)
            expect(MFN(n), frames[n].type);
    }
    if (bad)
        return bad;
    if (owned != world.d.nr_pages)
        COMPLAIN("domain has %u frames, and thinks %lu", owned, world.d.nr_pages);
    for (unsigned i = 0; i < WORLD_VCPUS; i++) {
        const struct pv_vcpu *pv = &world.pvv[i];

        if (pv->cr3_kernel.n != 0)
            expect(pv->cr3_kernel, FRAME_L4);
        if (pv->cr3_user.n != 0)
            expect(pv->cr3_user, FRAME_L4);
        for (unsigned k = 0; k < (pv->gdt_entries + 511) / 512; k++)
            expect(pv->gdt_mfn[k], FRAME_SEGDESC);
    }
    for (unsigned n = 0; n < WORLD_FRAMES && !bad; n++)
        bad = check_frame(n);
    return bad ? bad : check_tags();
}

const char *world_check_protected(void)
{
    for (unsigned v = 0; v < WORLD_VCPUS; v++)
        for (unsigned i = 0; i < WORLD_TLB; i++) {
            const struct world_tlb_entry *e = &world.tlb[v][i];

            if (e->valid && e->writable && frames[e->mfn.n].type_count > 0 &&
                frames[e->mfn.n].type >= FRAME_SEGDESC)
                COMPLAIN("vCPU %u can write frame %lu, of type %u, at %lx", v, e->mfn.n,
                         frames[e->mfn.n].type, e->page);
            if (e->valid && frames[e->mfn.n].owner != 1 && e->mfn.n >= machine.m2p_frames)
                if (frames[e->mfn.n].owner != DOMID_NOBODY)
                    COMPLAIN("vCPU %u sees frame %lu, which isn't the domain's", v, e->mfn.n);
        }
    return NULL;
}

const char *world_check_tlb(unsigned vcpu)
{
    for (unsigned i = 0; i < WORLD_TLB; i++) {
        const struct world_tlb_entry *e = &world.tlb[vcpu][i];
        mfn_t root = e->user_view ? world.pvv[vcpu].cr3_user : world.pvv[vcpu].cr3_kernel;
        struct world_mapping w;

        if (!e->valid || root.n == 0)
            continue;
        if (e->page >= HYPERVISOR_VIRT_START && e->page < HYPERVISOR_VIRT_END)
            continue; /* M2P: never changes */
        w = world_lookup(root, GVA(e->page));
        if (!w.present || w.mfn.n != e->mfn.n)
            COMPLAIN("vCPU %u: stale entry for %lx: frame %lu, tables say %d, %lu", vcpu, e->page, e->mfn.n,
                     w.present, w.mfn.n);
        if (!w.accessed || (e->writable && (!w.writable || !w.dirty)) || (e->executable && w.nx))
            COMPLAIN("vCPU %u: entry for %lx allows more than the tables: A %d RW %d D %d NX %d", vcpu,
                     e->page, w.accessed, w.writable, w.dirty, w.nx);
    }
    return NULL;
}
