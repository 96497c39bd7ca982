/* SPDX-License-Identifier: GPL-2.0-or-later */
/* mem/machine.c: extents are disjoint, aligned, zero, and come back. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mem/machine.h"
#include "suite.h"

#define MIB 256UL /* frames */

static void start(uint64_t frames)
{
    const char *why = NULL;

    ck_assert_msg(machine_init(frames, &why) == 0, "%s", why);
}

/* Resident pages of this process, shared memory included. */
static uint64_t resident_pages(void)
{
    unsigned long size, resident;
    FILE *f = fopen("/proc/self/statm", "r");

    ck_assert_ptr_nonnull(f);
    ck_assert_int_eq(fscanf(f, "%lu %lu", &size, &resident), 2);
    fclose(f);
    return resident;
}

/* The table covers every frame, lies in the lowest, and RAM starts high enough and on a 2 MiB boundary. */
START_TEST(test_layout)
{
    start(1024 * MIB + 5);
    ck_assert_uint_ge(machine.first_ram.n, 0x1000);
    ck_assert_uint_eq(machine.first_ram.n % 512, 0);
    ck_assert_uint_eq(machine.nr_frames, machine.first_ram.n + 1024 * MIB + 5);
    ck_assert_uint_ge(machine.m2p_frames * 512, machine.nr_frames);
    ck_assert_uint_le(machine.m2p_frames, machine.first_ram.n);
    ck_assert_ptr_eq(machine.m2p, machine.base_hva);
    ck_assert_uint_eq((uint64_t)machine.base_hva % (2 << 20), 0);
    ck_assert_uint_eq(machine.m2p[0], ~0UL);
    ck_assert_uint_eq(machine.m2p[machine.nr_frames - 1], ~0UL);
    ck_assert_uint_eq(machine_frame(MFN(0))->owner, DOMID_NOBODY);
    ck_assert_uint_eq(machine_frame(MFN(machine.first_ram.n - 1))->owner, DOMID_NOBODY);
    ck_assert_uint_eq(machine_frame(machine.first_ram)->owner, 0);
    ck_assert_uint_eq(machine_mfn_of(machine_hva(MFN(0x1234))).n, 0x1234);
}
END_TEST

/* The M2P table of a machine so large that it needs more than the lowest 16 MiB still covers itself. */
START_TEST(test_large_machine)
{
    start(128UL * 1024 * MIB);
    ck_assert_uint_gt(machine.m2p_frames, 0x1000);
    ck_assert_uint_ge(machine.m2p_frames * 512, machine.nr_frames);
    ck_assert_uint_le(machine.m2p_frames, machine.first_ram.n);
    ck_assert_uint_eq(machine.first_ram.n % 512, 0);
}
END_TEST

/* 16 GiB cost address space; what is touched costs memory, and freeing gives it back. */
START_TEST(test_memory_when_touched)
{
    uint64_t before, tables;
    mfn_t m;

    before = resident_pages();
    start(16 * 1024 * MIB);
    m = machine_alloc(1, 16 * 1024 * MIB);
    ck_assert_uint_eq(m.n, machine.first_ram.n);
    tables = (machine.nr_frames * (8 + sizeof(struct frame)) + (4UL << 20)) / PAGE_SIZE;
    ck_assert_uint_le(resident_pages() - before, tables);
    memset(machine_hva(MFN(m.n + 5000)), 0x5a, 64 * MIB * PAGE_SIZE);
    ck_assert_uint_ge(resident_pages() - before, 64 * MIB);
    machine_free(m, 16 * 1024 * MIB);
    ck_assert_uint_le(resident_pages() - before, tables);
}
END_TEST

/* Whole domains are contiguous and 2 MiB-aligned, whatever small pages were taken before. */
START_TEST(test_domains_aligned)
{
    mfn_t page, a, b;

    start(512 * MIB + 16);
    page = machine_alloc(1, 1);
    ck_assert_uint_ne(page.n, MFN_INVALID.n);
    a = machine_alloc(1, 128 * MIB);
    ck_assert_uint_ne(machine_alloc(1, 3).n, MFN_INVALID.n);
    b = machine_alloc(2, 64 * MIB + 1);
    ck_assert_uint_eq(a.n % 512, 0);
    ck_assert_uint_eq(b.n % 512, 0);
    ck_assert(b.n >= a.n + 128 * MIB);
    ck_assert(page.n >= b.n + 64 * MIB + 1);
    ck_assert_uint_eq(machine_frame(a)->owner, 1);
    ck_assert_uint_eq(machine_frame(b)->owner, 2);
    ck_assert_uint_eq(machine_frame(MFN(b.n + 64 * MIB))->owner, 2);
    ck_assert_uint_ne(machine_frame(MFN(b.n + 64 * MIB + 1))->owner, 2);
}
END_TEST

/* A machine as small as its one domain serves it, although a page of it may not be aligned. */
START_TEST(test_exact_fit)
{
    mfn_t m;

    start(64 * MIB + 3);
    m = machine_alloc(7, 64 * MIB);
    ck_assert_uint_eq(m.n, machine.first_ram.n);
    ck_assert_uint_ne(machine_alloc(7, 2).n, MFN_INVALID.n);
    ck_assert_uint_ne(machine_alloc(7, 1).n, MFN_INVALID.n);
    ck_assert_uint_eq(machine_alloc(7, 1).n, MFN_INVALID.n);
    machine_free(m, 64 * MIB);
    ck_assert_uint_ne(machine_alloc(8, 700).n, MFN_INVALID.n);
    /* Only unaligned room is left for this one. */
    ck_assert_uint_ne(machine_alloc(8, 64 * MIB - 700).n, MFN_INVALID.n);
    ck_assert_uint_eq(machine_alloc(8, 1).n, MFN_INVALID.n);
}
END_TEST

START_TEST(test_refusals)
{
    const char *why = NULL;

    ck_assert_int_lt(machine_init(0, &why), 0);
    ck_assert_ptr_nonnull(why);
    ck_assert_int_lt(machine_init(~0UL, &why), 0);
    start(64 * MIB);
    ck_assert_uint_eq(machine_alloc(1, 0).n, MFN_INVALID.n);
    ck_assert_uint_eq(machine_alloc(1, 64 * MIB + 1).n, MFN_INVALID.n);
    ck_assert_uint_eq(machine_alloc(1, ~0UL).n, MFN_INVALID.n);
    ck_assert_uint_eq(machine_alloc(0, 1).n, MFN_INVALID.n); /* what a free frame's owner looks like */
    ck_assert_uint_eq(machine_alloc(0x7ff0, 1).n, MFN_INVALID.n);
}
END_TEST

/* Freed frames read as zero, belong to nobody and have no M2P entry. */
START_TEST(test_free_clears)
{
    mfn_t m;

    start(64 * MIB);
    m = machine_alloc(3, 600);
    memset(machine_hva(m), 0xaa, 600 * PAGE_SIZE);
    machine.m2p[m.n + 1] = 1;
    machine_frame(MFN(m.n + 1))->ref_count = 5;
    machine_free(m, 600);
    for (uint64_t i = 0; i < 600; i++) {
        static const struct frame none;

        ck_assert_mem_eq(machine_frame(MFN(m.n + i)), &none, sizeof(none));
        ck_assert_uint_eq(machine.m2p[m.n + i], ~0UL);
        ck_assert_uint_eq(*(uint64_t *)machine_hva(MFN(m.n + i)), 0);
    }
}
END_TEST

/*
 * Random allocations and frees against a model: no frame is handed out twice, each is zero, and an allocation
 * is refused only if the model has no such extent either.
 */
START_TEST(test_random)
{
    enum { FRAMES = 6000, EXTENTS = 300 };
    static uint16_t owner[FRAMES];
    static struct {
        uint64_t first, nr;
    } extent[EXTENTS];
    unsigned seed = 20260101;

    start(FRAMES);
    for (unsigned step = 0; step < 30000; step++) {
        unsigned slot = (unsigned)rand_r(&seed) % EXTENTS;
        uint16_t domid = (uint16_t)(1 + rand_r(&seed) % 5);
        uint64_t nr = (uint64_t)rand_r(&seed) % (step % 50 == 0 ? 1500 : step % 3 ? 4 : 70) + 1;

        if (extent[slot].nr) {
            uint64_t part = (uint64_t)rand_r(&seed) % extent[slot].nr + 1; /* free some from its end */

            extent[slot].nr -= part;
            machine_free(MFN(extent[slot].first + extent[slot].nr), part);
            for (uint64_t i = 0; i < part; i++)
                owner[extent[slot].first + extent[slot].nr + i - machine.first_ram.n] = 0;
            continue;
        }
        mfn_t m = machine_alloc(domid, nr);
        if (m.n == MFN_INVALID.n) {
            uint64_t run = 0;

            for (unsigned i = 0; i < FRAMES; i++) {
                run = owner[i] ? 0 : run + 1;
                ck_assert_msg(run < nr, "%lu frames refused at step %u although %lu are free", nr, step, run);
            }
            continue;
        }
        ck_assert_uint_ge(m.n, machine.first_ram.n);
        ck_assert_uint_le(m.n + nr, machine.nr_frames);
        for (uint64_t i = 0; i < nr; i++) {
            uint64_t *p = machine_hva(MFN(m.n + i));

            ck_assert_uint_eq(owner[m.n + i - machine.first_ram.n], 0);
            ck_assert_uint_eq(machine_frame(MFN(m.n + i))->owner, domid);
            ck_assert_uint_eq(*p, 0);
            *p = step + 1;
            owner[m.n + i - machine.first_ram.n] = domid;
        }
        extent[slot].first = m.n;
        extent[slot].nr = nr;
    }
}
END_TEST

/* A guest that gives back every other page and takes them again doesn't make the allocator slow. */
START_TEST(test_fragmented)
{
    mfn_t m;

    start(512 * MIB);
    m = machine_alloc(1, 512 * MIB);
    for (uint64_t i = 0; i < 512 * MIB; i += 2)
        machine_free(MFN(m.n + i), 1);
    ck_assert_uint_eq(machine_alloc(1, 2).n, MFN_INVALID.n);
    for (uint64_t i = 0; i < 512 * MIB; i += 2)
        ck_assert_uint_ne(machine_alloc(1, 1).n, MFN_INVALID.n);
    ck_assert_uint_eq(machine_alloc(1, 1).n, MFN_INVALID.n);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("frames");

    tcase_set_timeout(t, 30);
    tcase_add_test(t, test_layout);
    tcase_add_test(t, test_large_machine);
    tcase_add_test(t, test_memory_when_touched);
    tcase_add_test(t, test_domains_aligned);
    tcase_add_test(t, test_exact_fit);
    tcase_add_test(t, test_refusals);
    tcase_add_test(t, test_free_clears);
    tcase_add_test(t, test_random);
    tcase_add_test(t, test_fragmented);
    return suite_run("machine", t);
}
