/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pv_build(): the layout against what Xen's domain builder printed for the same kernel, the page tables by
 * walking them, and all that a starting kernel looks at.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "loader/pv_layout.h"
#include "loader_fakes.h"
#include "suite.h"

#define MIB   256UL /* frames */
#define DOMID 5

static struct domain dom;
static struct vcpu vcpu;
static struct pv_vcpu vcpu_pv;
static struct pv_domain dom_pv;
static char why[256];

/* A domain as its creator hands it over. */
static void domain_make(uint64_t nr_pages)
{
    const char *msg = "";

    ck_assert_msg(machine_init(nr_pages + 16, &msg) == 0, "%s", msg);
    dom = (struct domain){
        .domid = DOMID, .nr_vcpus = 1, .nr_pages = nr_pages, .pv = &dom_pv, .end = DOMAIN_RUNNING};
    dom.first_mfn = machine_alloc(DOMID, nr_pages);
    ck_assert_uint_ne(dom.first_mfn.n, MFN_INVALID.n);
    dom.vcpu[0] = &vcpu;
    memset(&vcpu, 0xee, sizeof(vcpu));
    memset(&vcpu_pv, 0xee, sizeof(vcpu_pv));
    vcpu.pv = &vcpu_pv;
    memset(&dom_pv, 0, sizeof(dom_pv));
    dom_pv.shared_info_mfn = machine_alloc(DOMID, 1);
    dom_pv.shared_info = machine_hva(dom_pv.shared_info_mfn);
    dom_pv.shared_info->wc_sec = 0x11223344; /* time was here first */
    dom_pv.store_port = 1;
    dom_pv.console_port = 2;
    memset(machine_hva(dom.first_mfn), 0, PAGE_SIZE);
}

/* A kernel of one segment, without an ELF image around it. */
static struct kernel_image kernel(uint64_t virt_base, uint64_t start, uint64_t size, uint64_t file_size)
{
    struct kernel_image k = {.virt_base = virt_base,
                             .virt_start = virt_base + start,
                             .virt_end = virt_base + start + size,
                             .nr_segments = 1};
    uint8_t *data =
        mmap(NULL, file_size + PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    ck_assert(data != MAP_FAILED);
    for (uint64_t i = 0; i < file_size; i += 997)
        data[i] = (uint8_t)(i % 251 + 1);
    k.segment[0] = (struct kernel_segment){
        .data = data, .file_size = file_size, .mem_size = size, .vaddr = k.virt_start, .paddr = start};
    k.entry = k.virt_start + 0x10;
    k.hypercall_page = ~0UL;
    k.init_p2m = ~0UL;
    return k;
}

/* Linux 6.1 as in the reference: 58 MiB at 16 MiB. */
static struct kernel_image linux_kernel(void)
{
    struct kernel_image k = kernel(0xffffffff80000000, 0x1000000, 0x3a00000, 0x3a00000);

    k.init_p2m = 0x8000000000;
    k.mod_start_pfn = true;
    k.hypercall_page = 0xffffffff82000000;
    k.entry = 0xffffffff830771c0;
    return k;
}

/* GRUB: everything at 0, nothing special. */
static struct kernel_image grub_kernel(void)
{
    return kernel(0, 0, 0x613dc8, 0x300000);
}

static void build(const struct kernel_image *k, const void *module, size_t size, const char *cmdline)
{
    strcpy(why, "");
    ck_assert_msg(pv_build(&dom, k, module, size, cmdline, why, sizeof(why)) == 0, "%s", why);
}

/*
 * Check's own assertions write to a pipe each time: not for what happens a million times, where
 * ck_abort_msg() stands behind an if.
 */

/* The frame that an address is mapped to and its entry's low bits; false if it isn't mapped. */
static bool walk(uint64_t va, mfn_t *m, uint64_t *bits)
{
    mfn_t t = fake_adopted_l4;

    for (int shift = 39; shift >= 12; shift -= 9) {
        uint64_t e = ((uint64_t *)machine_hva(t))[va >> shift & 511];

        if (!(e & 1))
            return false;
        *bits = e & 0xfff;
        t = MFN(e >> 12);
        if (t.n < dom.first_mfn.n || t.n >= dom.first_mfn.n + dom.nr_pages)
            ck_abort_msg("entry 0x%lx for 0x%lx names a foreign frame", e, va);
        if (shift > 12 && *bits != 0x67) /* present, writable, user, accessed, dirty */
            ck_abort_msg("table entry 0x%lx for 0x%lx", e, va);
    }
    *m = t;
    return true;
}

static uint64_t pfn_of(uint64_t va)
{
    uint64_t bits;
    mfn_t m;

    if (!walk(va, &m, &bits))
        ck_abort_msg("0x%lx is not mapped", va);
    return m.n - dom.first_mfn.n;
}

static void *guest(uint64_t va)
{
    return (uint8_t *)pv_build_hva(&dom, pfn_of(va)) + va % PAGE_SIZE;
}

static struct start_info *start_info(void)
{
    return guest(vcpu.gpr[RSI]);
}

/* Number of entries present in all tables reachable from the level-4 one, by level; marks the tables. */
static void count_entries(mfn_t t, int level, uint64_t *count, uint8_t *is_table)
{
    const uint64_t *e = machine_hva(t);

    is_table[t.n - dom.first_mfn.n]++;
    for (unsigned i = 0; i < 512; i++) {
        if (!(e[i] & 1)) {
            if (e[i] != 0)
                ck_abort_msg("rubbish in an entry that isn't present: 0x%lx", e[i]);
            continue;
        }
        count[level]++;
        if (level > 0)
            count_entries(MFN(e[i] >> 12), level - 1, count, is_table);
    }
}

/*
 * Every page from virt_base to the end of the region is there, in order, and so is the P2M; nothing else is;
 * page tables can't be written to, anything else can; and the tables are those that start_info names, each in
 * one place.
 */
static void check_tables(const struct kernel_image *k)
{
    const struct start_info *si = start_info();
    uint64_t first_table = pfn_of(si->pt_base), pages = 0, count[4] = {0}, tables = 0, p2m_pages = 0;
    uint8_t *is_table = calloc(1, dom.nr_pages);

    count_entries(fake_adopted_l4, 3, count, is_table);
    ck_assert_uint_eq(fake_adopted_l4.n, dom.first_mfn.n + first_table);
    for (uint64_t pfn = 0; pfn < dom.nr_pages; pfn++) {
        bool named = (pfn >= first_table && pfn < first_table + si->nr_pt_frames) ||
                     (si->nr_p2m_frames && pfn >= si->first_p2m_pfn + (dom.nr_pages + 511) / 512 &&
                      pfn < si->first_p2m_pfn + si->nr_p2m_frames);

        if (is_table[pfn] != named)
            ck_abort_msg("pfn 0x%lx is used %u times as a table, named %d times", pfn, is_table[pfn], named);
        tables += is_table[pfn];
    }
    for (;; pages++) {
        uint64_t bits;
        mfn_t m;

        if (!walk(k->virt_base + pages * PAGE_SIZE, &m, &bits))
            break;
        /* Present, user, accessed, and writable or not. */
        if (m.n != dom.first_mfn.n + pages || bits != (is_table[pages] ? 0x25 : 0x27))
            ck_abort_msg("page 0x%lx is mapped to 0x%lx, bits 0x%lx", pages, m.n, bits);
        if (k->virt_base + (pages + 1) * PAGE_SIZE == 0)
            break;
    }
    if (si->nr_p2m_frames) {
        p2m_pages = (dom.nr_pages + 511) / 512;
        for (uint64_t i = 0; i < p2m_pages; i++)
            if (pfn_of(si->mfn_list + i * PAGE_SIZE) != si->first_p2m_pfn + i)
                ck_abort_msg("page 0x%lx of the P2M is mapped wrongly", i);
    }
    ck_assert_uint_eq(count[0], pages + p2m_pages);
    ck_assert_uint_eq(count[1] + count[2] + count[3] + 1, tables);

    /* The region ends on 4 MiB, at least 512 KiB behind the stack. */
    ck_assert_uint_eq((k->virt_base + pages * PAGE_SIZE) % (4 << 20), 0);
    ck_assert_uint_ge(k->virt_base + pages * PAGE_SIZE, vcpu.gpr[RSP] + (512 << 10));
    free(is_table);
}

/* A segment's bytes are where they belong, but for the hypercall page. */
static void check_segment(const struct kernel_image *k, const struct kernel_segment *s)
{
    for (uint64_t at = 0, n; at < s->file_size; at += n) {
        uint64_t va = s->vaddr + at;

        n = PAGE_SIZE - va % PAGE_SIZE < s->file_size - at ? PAGE_SIZE - va % PAGE_SIZE : s->file_size - at;
        if ((va & PAGE_MASK) != k->hypercall_page && memcmp(guest(va), s->data + at, n) != 0)
            ck_abort_msg("the kernel's bytes at 0x%lx are wrong", va);
    }
}

/* What must hold for every kernel. */
static void check_start(const struct kernel_image *k, const void *module, size_t module_size,
                        const char *cmdline)
{
    const struct start_info *si = start_info();
    const struct kernel_segment *s = &k->segment[0];
    const uint64_t *p2m;

    ck_assert_str_eq(si->magic, "xen-3.0-x86_64");
    ck_assert_uint_eq(si->nr_pages, dom.nr_pages);
    ck_assert_uint_eq(si->shared_info, dom_pv.shared_info_mfn.n * PAGE_SIZE);
    ck_assert_uint_eq(si->flags & ~(SIF_VIRT_P2M_4TOOLS | SIF_MOD_START_PFN), 0);
    ck_assert_uint_eq(si->store_mfn, dom_pv.store_mfn.n);
    ck_assert_uint_eq(si->store_evtchn, 1);
    ck_assert_uint_eq(si->console.domU.mfn, dom_pv.console_mfn.n);
    ck_assert_uint_eq(si->console.domU.evtchn, 2);
    ck_assert_str_eq((const char *)si->cmd_line, cmdline);
    ck_assert_uint_eq(si->mod_len, module_size);
    if (module_size == 0) {
        ck_assert_uint_eq(si->mod_start, 0);
        ck_assert_uint_eq(si->flags & SIF_MOD_START_PFN, 0);
    } else if (k->mod_start_pfn) {
        ck_assert_uint_ne(si->flags & SIF_MOD_START_PFN, 0);
        ck_assert_mem_eq(pv_build_hva(&dom, si->mod_start), module, module_size);
    } else {
        ck_assert_uint_eq(si->flags & SIF_MOD_START_PFN, 0);
        ck_assert_mem_eq(guest(si->mod_start), module, module_size);
    }

    /* The kernel, and zeroes behind its file bytes. */
    check_segment(k, s);
    for (uint64_t va = s->vaddr + s->file_size; va < s->vaddr + s->mem_size && va >= s->vaddr; va += 4093)
        if (*(uint8_t *)guest(va) != 0)
            ck_abort_msg("bss at 0x%lx isn't zero", va);

    /* P2M and M2P say the same. */
    p2m = guest(si->mfn_list);
    for (uint64_t pfn = 0; pfn < dom.nr_pages; pfn++)
        if (p2m[pfn] != dom.first_mfn.n + pfn || machine.m2p[p2m[pfn]] != pfn ||
            machine_frame(MFN(p2m[pfn]))->m2p != pfn)
            ck_abort_msg("pfn 0x%lx: P2M and M2P disagree", pfn);

    /* The rings are zero, and held so that they stay plain memory. */
    for (unsigned i = 0; i < 2; i++) {
        mfn_t m = i ? dom_pv.store_mfn : dom_pv.console_mfn;
        const uint8_t *p = machine_hva(m);

        ck_assert(p[0] == 0 && memcmp(p, p + 1, PAGE_SIZE - 1) == 0);
        ck_assert_uint_eq(machine_frame(m)->type, FRAME_WRITABLE);
        ck_assert_uint_eq(machine_frame(m)->type_count, 1);
    }

    ck_assert_uint_eq(vcpu.rip, k->entry);
    ck_assert_uint_eq(vcpu.gpr[RSP] % PAGE_SIZE, 0);
    for (unsigned i = 0; i < 16; i++)
        if (i != RSP && i != RSI)
            ck_assert_uint_eq(vcpu.gpr[i], 0);
    ck_assert_uint_eq(vcpu.rflags, 0x202);
    ck_assert(!vcpu.user_mode && vcpu.online && vcpu_pv.initialised);
    ck_assert_uint_eq(vcpu.seg[SEG_CS].selector, 0xe033);
    ck_assert_uint_eq(vcpu.seg[SEG_SS].selector, 0xe02b);
    ck_assert_uint_eq(vcpu.seg[SEG_DS].selector, 0);
    ck_assert_uint_eq(vcpu.seg[SEG_CS].attr, 0xa0fb);
    ck_assert_uint_eq(vcpu.seg[SEG_SS].attr, 0xc0f3);
    ck_assert_uint_eq(vcpu.fs_base | vcpu.gs_base, 0);
    ck_assert_uint_eq(vcpu_pv.cr3_kernel.n, fake_adopted_l4.n);
    ck_assert_uint_eq(vcpu_pv.cr3_user.n, 0);
    ck_assert_uint_eq(vcpu_pv.kernel_sp, vcpu.gpr[RSP]);
    ck_assert_uint_eq(vcpu_pv.kernel_ss, 0xe02b);
    for (unsigned i = 0; i < XEN_LEGACY_MAX_VCPUS; i++)
        ck_assert_uint_eq(dom_pv.shared_info->vcpu_info[i].evtchn_upcall_mask, 1);
    ck_assert_uint_eq(dom_pv.shared_info->wc_sec, 0x11223344);
    check_tables(k);
}

static void *module_make(size_t size)
{
    uint8_t *p = malloc(size);

    for (size_t i = 0; i < size; i++)
        p[i] = (uint8_t)(i * 7 + i / 4096);
    return p;
}

/* All numbers of Xen 4.17's `xl -v create` for Linux 6.1 with 256 MiB and a ramdisk. */
START_TEST(test_reference_layout)
{
    struct kernel_image k = linux_kernel();
    struct pv_layout l;

    ck_assert_int_eq(pv_layout(&l, &k, 0x10000, 0x6cb010, why, sizeof(why)), 0);
    ck_assert_uint_eq(l.kernel.pfn, 0x1000);
    ck_assert_uint_eq(l.kernel.nr, 0x3a00);
    ck_assert_uint_eq(l.start_info_pfn, 0x4a00);
    ck_assert_uint_eq(l.store_pfn, 0x4a01);
    ck_assert_uint_eq(l.console_pfn, 0x4a02);
    ck_assert_uint_eq(l.mapping[0].all_tables.pfn, 0x4a03);
    ck_assert_uint_eq(l.mapping[0].all_tables.nr, 0x29);
    ck_assert_uint_eq(l.mapping[0].tables[0].nr, 38);
    ck_assert_uint_eq(l.stack_pfn, 0x4a2c);
    ck_assert_uint_eq(l.mapping[0].frames.nr, 0x4c00);
    ck_assert_uint_eq(l.module.pfn, 0x4c00);
    ck_assert_uint_eq(l.module.nr, 0x6cc);
    ck_assert_uint_eq(l.p2m.pfn, 0x52cc);
    ck_assert_uint_eq(l.p2m.nr + l.mapping[1].all_tables.nr, 0x83);
    ck_assert_uint_eq(l.nr_pages_needed, 0x534f);
}
END_TEST

START_TEST(test_linux)
{
    struct kernel_image k = linux_kernel();
    void *module = module_make(0x6cb010);
    const struct start_info *si;

    domain_make(0x10000);
    build(&k, module, 0x6cb010, "console=hvc0 stay");
    check_start(&k, module, 0x6cb010, "console=hvc0 stay");
    si = start_info();
    ck_assert_uint_eq(vcpu.gpr[RSI], 0xffffffff84a00000);
    ck_assert_uint_eq(vcpu.gpr[RSP], 0xffffffff84a2d000);
    ck_assert_uint_eq(si->pt_base, 0xffffffff84a03000);
    ck_assert_uint_eq(si->nr_pt_frames, 0x29);
    ck_assert_uint_eq(si->mfn_list, 0x8000000000);
    ck_assert_uint_eq(si->first_p2m_pfn, 0x52cc);
    ck_assert_uint_eq(si->nr_p2m_frames, 0x83);
    ck_assert_uint_eq(si->mod_start, 0x4c00);
    free(module);
}
END_TEST

/* No notes for P2M and module: both lie behind the kernel, mapped, the module first. */
START_TEST(test_grub)
{
    struct kernel_image k = grub_kernel();
    void *module = module_make(5 << 20);
    const struct start_info *si;

    domain_make(64 * MIB);
    build(&k, module, 5 << 20, "");
    check_start(&k, module, 5 << 20, "");
    si = start_info();
    ck_assert_uint_eq(si->mod_start, 0x614000);
    ck_assert_uint_eq(si->mfn_list, 0x614000 + (5 << 20));
    ck_assert_uint_eq(si->first_p2m_pfn, 0);
    ck_assert_uint_eq(si->nr_p2m_frames, 0);
    ck_assert_uint_eq(vcpu.gpr[RSI], 0x614000 + (5 << 20) + 32 * PAGE_SIZE);
    free(module);
}
END_TEST

START_TEST(test_no_module)
{
    struct kernel_image k = linux_kernel();

    domain_make(128 * MIB);
    build(&k, NULL, 12345, "x");
    check_start(&k, NULL, 0, "x");
}
END_TEST

/* A guest of 16 GiB has a P2M of 32 MiB, on 16 tables of the last level. */
START_TEST(test_large_guest)
{
    struct kernel_image k = linux_kernel();
    const struct start_info *si;

    domain_make(16 * 1024 * MIB);
    build(&k, NULL, 0, "");
    check_start(&k, NULL, 0, "");
    si = start_info();
    ck_assert_uint_eq(si->nr_p2m_frames, 8192 + 16 + 2);
}
END_TEST

/* P2M and kernel share tables of upper levels, or even the last: none is made twice. */
START_TEST(test_shared_tables)
{
    static const uint64_t p2m_at[] = {
        0xffffffff80000000 - (512 << 10), /* ends where the kernel begins: other L2 */
        0xffffffff80000000 - (1UL << 30), /* same L3 */
        0xffffffff80000000 - (1UL << 38), /* same L4 slot, L3 too */
        0xfffffe8000000000,               /* slot of its own in the upper half */
        0x1000,
    };
    struct kernel_image k = linux_kernel();

    k.init_p2m = p2m_at[_i];
    domain_make(0x10000);
    build(&k, NULL, 0, "");
    check_start(&k, NULL, 0, "");
}
END_TEST

START_TEST(test_shared_last_table)
{
    struct kernel_image k = kernel(0xffffffff80100000, 0, 0x500000, 0x500000);

    k.init_p2m = 0xffffffff80000000; /* the first half of the same 2 MiB */
    domain_make(64 * MIB);
    build(&k, NULL, 0, "");
    check_start(&k, NULL, 0, "");
}
END_TEST

/* An INIT_P2M that Xen wouldn't follow counts as none; one that clashes is refused. */
START_TEST(test_bad_init_p2m)
{
    struct kernel_image k = linux_kernel();
    static const uint64_t bad[] = {0xffffffff80000000 - 4096, 0xffff880000000000 - 4096,
                                   0x800000000000 - 4096, 0x900000000000, 0xffff900000000000 - (9UL << 44)};

    domain_make(0x10000);
    k.init_p2m = 0xfffffffff0000000;
    build(&k, NULL, 0, "");
    check_start(&k, NULL, 0, "");
    ck_assert_uint_eq(start_info()->nr_p2m_frames, 0);
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        k.init_p2m = bad[i];
        ck_assert_int_lt(pv_build(&dom, &k, NULL, 0, "", why, sizeof(why)), 0);
        ck_assert_msg(strstr(why, "P2M") != NULL, "%s", why);
    }
}
END_TEST

/* Too little memory is refused with the least that would do: with that it works, with a MiB less it doesn't.
 */
START_TEST(test_too_little_memory)
{
    static const size_t module_size[] = {0, 1, 3 << 20, 100 << 20};
    struct kernel_image kernels[] = {linux_kernel(), grub_kernel()};

    for (size_t i = 0; i < ARRAY_SIZE(kernels); i++)
        for (size_t j = 0; j < ARRAY_SIZE(module_size); j++) {
            unsigned long long need = 0, have = 0;
            struct pv_layout l;
            void *module = calloc(1, module_size[j] + 1);

            dom = (struct domain){.nr_pages = 2 * MIB};
            ck_assert_int_lt(pv_build(&dom, &kernels[i], module, module_size[j], "", why, sizeof(why)), 0);
            ck_assert_ptr_null(strchr(why, '\n'));
            ck_assert_ptr_nonnull(strstr(why, "too little memory"));
            ck_assert_int_eq(strstr(why, "ramdisk") != NULL, module_size[j] > 0);
            ck_assert_int_eq(sscanf(strstr(why, "at least"),
                                    "at least %llu MiB to start, the guest has %llu MiB", &need, &have),
                             2);
            ck_assert_uint_eq(have, 2);
            ck_assert_int_eq(pv_layout(&l, &kernels[i], need * MIB, module_size[j], why, sizeof(why)), 0);
            ck_assert_uint_le(l.nr_pages_needed, need * MIB);
            ck_assert_int_eq(pv_layout(&l, &kernels[i], (need - 1) * MIB, module_size[j], why, sizeof(why)),
                             0);
            ck_assert_uint_gt(l.nr_pages_needed, (need - 1) * MIB);
            free(module);
        }
}
END_TEST

/* The smallest memory in pages, not a page more, suffices to build. */
START_TEST(test_exact_memory)
{
    struct kernel_image k = _i ? grub_kernel() : linux_kernel();
    void *module = module_make(1 << 20);
    uint64_t pages = 1;
    struct pv_layout l = {.nr_pages_needed = 2};

    while (l.nr_pages_needed > pages) {
        pages = l.nr_pages_needed;
        ck_assert_int_eq(pv_layout(&l, &k, pages, 1 << 20, why, sizeof(why)), 0);
    }
    domain_make(pages);
    build(&k, module, 1 << 20, "");
    check_start(&k, module, 1 << 20, "");
    free(module);
}
END_TEST

/* Kernels at the edges of what addresses there are. */
START_TEST(test_address_limits)
{
    struct kernel_image k = kernel(0xffffffffff000000, 0, 0x400000, 0x1000);

    domain_make(64 * MIB);
    build(&k, NULL, 0, "");
    check_start(&k, NULL, 0, "");
    k.mod_start_pfn = false;
    ck_assert_int_lt(pv_build(&dom, &k, why, 12 << 20, "", why, sizeof(why)), 0); /* runs into 2^64 */
    ck_assert_msg(strstr(why, "don't fit") != NULL, "%s", why);
}
END_TEST

START_TEST(test_lower_half_limit)
{
    struct kernel_image k = kernel(0x7fffff000000, 0, 0x1000000, 0x1000);

    domain_make(64 * MIB);
    ck_assert_int_lt(pv_build(&dom, &k, NULL, 0, "", why, sizeof(why)), 0);
    ck_assert_msg(strstr(why, "can't have") != NULL, "%s", why);
    k = kernel(0x7fffff000000, 0, 0xf00000, 0x1000); /* its region ends at 2^47 */
    build(&k, NULL, 0, "");
    check_start(&k, NULL, 0, "");
}
END_TEST

START_TEST(test_hypercall_page)
{
    static const uint8_t first[] = {0x51, 0x41, 0x53, 0xb8, 0,    0,    0,   0,
                                    0x0f, 0x05, 0x41, 0x5b, 0x59, 0xc3, 0xcc};
    static const uint8_t iret[] = {0x51, 0x41, 0x53, 0x50, 0xb8, 23, 0, 0, 0, 0x0f, 0x05};
    struct kernel_image k = linux_kernel();
    const uint8_t *page;

    memset((uint8_t *)k.segment[0].data + 0x1000000, 0x77, PAGE_SIZE);
    domain_make(0x10000);
    build(&k, NULL, 0, "");
    page = guest(k.hypercall_page);
    ck_assert_mem_eq(page, first, sizeof(first));
    for (unsigned nr = 0; nr < 128; nr++) {
        uint8_t want[sizeof(first)];

        memcpy(want, first, sizeof(want));
        want[4] = (uint8_t)nr;
        if (nr != 23)
            ck_assert_mem_eq(page + nr * 32, want, sizeof(want));
    }
    ck_assert_mem_eq(page + 23 * 32, iret, sizeof(iret));
    ck_assert_uint_ne(*(uint8_t *)guest(k.hypercall_page - 1), 0xcc);
    ck_assert_uint_ne(*(uint8_t *)guest(k.hypercall_page + PAGE_SIZE), 0xcc);
}
END_TEST

/* 1023 characters of command line fit; one more is refused, not cut. */
START_TEST(test_cmdline)
{
    struct kernel_image k = linux_kernel();
    char line[MAX_GUEST_CMDLINE + 1];

    domain_make(0x10000);
    memset(line, 'x', sizeof(line));
    line[MAX_GUEST_CMDLINE] = 0;
    ck_assert_int_lt(pv_build(&dom, &k, NULL, 0, line, why, sizeof(why)), 0);
    ck_assert_msg(strstr(why, "1024 characters") != NULL, "%s", why);
    line[MAX_GUEST_CMDLINE - 1] = 0;
    build(&k, NULL, 0, line);
    ck_assert_str_eq((const char *)start_info()->cmd_line, line);
}
END_TEST

/* A real kernel goes from file to start. */
START_TEST(test_real_kernels)
{
    const char *list = getenv("DIPTYCH_TEST_KERNELS");
    char *copy, *p, *save = NULL;
    struct kernel_image k;

    if (!list) {
        fprintf(stderr, "test_real_kernels: skipped, DIPTYCH_TEST_KERNELS names none\n");
        return;
    }
    copy = strdup(list);
    domain_make(256 * MIB);
    for (p = strtok_r(copy, ":", &save); p; p = strtok_r(NULL, ":", &save)) {
        ck_assert_msg(kernel_load(p, &k, why, sizeof(why)) == 0, "%s", why);
        build(&k, NULL, 0, "");
        check_tables(&k);
        for (unsigned i = 0; i < k.nr_segments; i++)
            check_segment(&k, &k.segment[i]);
        kernel_free(&k);
        machine_free(dom.first_mfn, dom.nr_pages);
        ck_assert_uint_eq(machine_alloc(DOMID, dom.nr_pages).n, dom.first_mfn.n);
    }
    free(copy);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("build");

    tcase_set_timeout(t, 60);
    tcase_add_test(t, test_reference_layout);
    tcase_add_test(t, test_linux);
    tcase_add_test(t, test_grub);
    tcase_add_test(t, test_no_module);
    tcase_add_test(t, test_large_guest);
    tcase_add_loop_test(t, test_shared_tables, 0, 5);
    tcase_add_test(t, test_shared_last_table);
    tcase_add_test(t, test_bad_init_p2m);
    tcase_add_test(t, test_too_little_memory);
    tcase_add_loop_test(t, test_exact_memory, 0, 2);
    tcase_add_test(t, test_address_limits);
    tcase_add_test(t, test_lower_half_limit);
    tcase_add_test(t, test_hypercall_page);
    tcase_add_test(t, test_cmdline);
    tcase_add_test(t, test_real_kernels);
    return suite_run("domain builder", t);
}
