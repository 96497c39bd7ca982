/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Segments: loading selectors from GDT and LDT with the checks of ring 3, Xen's own entries, bases across
 * mode switches.
 */
#include <check.h>
#include <string.h>

#include "cpu_fakes.h"
#include "pv/hypercall.h"
#include "pv/segment.h"
#include "suite.h"

/* Descriptors: present, DPL 3 unless the name says otherwise. */
#define DATA_RW        0x00cff2000000fffful
#define DATA_RO        0x00cff0000000fffful
#define CODE_RX        0x00cffa000000fffful
#define CODE_X         0x00cff8000000fffful
#define CODE_64        0x00affa000000fffful
#define CODE_64_AND_32 0x00effa000000fffful
#define DATA_DPL0      0x00cf92000000fffful
#define DATA_ABSENT    0x00cf72000000fffful
#define LDT_SYSTEM     0x0000e2000000fffful
#define DATA_BASED     0x12c0f2345678fffful

#define SEL(index)     ((uint16_t)((index) << 3 | 3))
#define SEL_LDT(index) ((uint16_t)((index) << 3 | 7))

static struct vcpu *v = &fake_vcpu;

static uint32_t load(enum segreg s, uint16_t selector)
{
    uint32_t fault;
    bool ok = segment_load(v, s, selector, &fault);

    ck_assert(ok == (fault == 0));
    return fault;
}

START_TEST(null_selectors)
{
    for (uint16_t sel = 0; sel < 4; sel++) {
        v->seg[SEG_FS].base = v->fs_base = 5;
        ck_assert_uint_eq(load(SEG_FS, sel), 0);
        ck_assert_uint_eq(v->fs_base, 0);
        ck_assert_uint_eq(v->seg[SEG_FS].selector, sel);
        ck_assert_uint_eq(v->seg[SEG_FS].attr & SEG_ATTR_P, 0);
        ck_assert_uint_eq(load(SEG_SS, sel), SEGMENT_FAULT(VEC_GP, 0));
        ck_assert_uint_eq(load(SEG_CS, sel), SEGMENT_FAULT(VEC_GP, 0));
    }
}
END_TEST

START_TEST(checks)
{
    static const struct {
        enum segreg s;
        uint64_t descriptor;
        uint8_t vector; /* 0: loads */
    } rows[] = {
        {SEG_DS, DATA_RW, 0},
        {SEG_DS, DATA_RO, 0},
        {SEG_DS, CODE_RX, 0},
        {SEG_DS, CODE_X, VEC_GP},
        {SEG_DS, LDT_SYSTEM, VEC_GP},
        {SEG_DS, DATA_ABSENT, VEC_NP},
        {SEG_DS, 0, VEC_GP},
        {SEG_SS, DATA_RW, 0},
        {SEG_SS, DATA_RO, VEC_GP},
        {SEG_SS, CODE_RX, VEC_GP},
        {SEG_SS, DATA_ABSENT, VEC_SS},
        {SEG_CS, CODE_RX, 0},
        {SEG_CS, CODE_64, 0},
        {SEG_CS, CODE_X, 0},
        {SEG_CS, DATA_RW, VEC_GP},
        {SEG_CS, CODE_64_AND_32, VEC_GP},
        {SEG_GS, DATA_RW, 0},
        {SEG_ES, DATA_BASED, 0},
        /* As when Xen accepts a table: a guest's DPL 0 becomes 3. */
        {SEG_DS, DATA_DPL0, 0},
        {SEG_SS, DATA_DPL0, 0},
    };

    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        struct segment before = v->seg[rows[i].s];
        uint32_t want = rows[i].vector ? SEGMENT_FAULT(rows[i].vector, 5 << 3) : 0;

        fake_gdt()[5] = rows[i].descriptor;
        ck_assert_msg(load(rows[i].s, SEL(5)) == want, "row %u", i);
        if (want)
            ck_assert_mem_eq(&before, &v->seg[rows[i].s], sizeof(before));
        else
            ck_assert_uint_eq(v->seg[rows[i].s].selector, SEL(5));
    }
}
END_TEST

START_TEST(ss_needs_rpl_3)
{
    fake_gdt()[5] = DATA_RW;
    ck_assert_uint_eq(load(SEG_SS, 5 << 3), SEGMENT_FAULT(VEC_GP, 5 << 3));
    ck_assert_uint_eq(load(SEG_SS, 5 << 3 | 1), SEGMENT_FAULT(VEC_GP, 5 << 3));
    ck_assert_uint_eq(load(SEG_DS, 5 << 3), 0);
}
END_TEST

START_TEST(fields)
{
    fake_gdt()[3] = DATA_BASED;
    ck_assert_uint_eq(load(SEG_FS, SEL(3)), 0);
    ck_assert_uint_eq(v->seg[SEG_FS].base, 0x12345678);
    ck_assert_uint_eq(v->fs_base, 0x12345678);
    ck_assert_uint_eq(v->seg[SEG_FS].limit, 0xfffffff);
    ck_assert_uint_eq(v->seg[SEG_FS].attr, 0xc0f3); /* and accessed */
    fake_gdt()[3] = 0x0040f20000001234;             /* limit in bytes */
    ck_assert_uint_eq(load(SEG_DS, SEL(3)), 0);
    ck_assert_uint_eq(v->seg[SEG_DS].limit, 0x1234);
}
END_TEST

START_TEST(limits_of_tables)
{
    v->pv->gdt_entries = 6;
    fake_gdt()[5] = fake_gdt()[6] = DATA_RW;
    ck_assert_uint_eq(load(SEG_DS, SEL(5)), 0);
    ck_assert_uint_eq(load(SEG_DS, SEL(6)), SEGMENT_FAULT(VEC_GP, 6 << 3));
    /* Entries said to be there, without a frame that exists. */
    v->pv->gdt_entries = 7168;
    v->pv->gdt_mfn[1] = MFN_INVALID;
    ck_assert_uint_eq(load(SEG_DS, SEL(512)), SEGMENT_FAULT(VEC_GP, 512 << 3));
    for (unsigned i = 0; i < 0x10000; i += 4) /* any selector at all */
        load(SEG_DS, (uint16_t)(i | 3));
}
END_TEST

START_TEST(xens_own_entries)
{
    ck_assert_uint_eq(load(SEG_CS, FLAT_RING3_CS64), 0);
    ck_assert(v->seg[SEG_CS].attr & SEG_ATTR_L);
    ck_assert_uint_eq(load(SEG_CS, FLAT_RING3_CS32), 0);
    ck_assert(!(v->seg[SEG_CS].attr & SEG_ATTR_L) && v->seg[SEG_CS].attr & SEG_ATTR_DB);
    ck_assert_uint_eq(load(SEG_SS, FLAT_RING3_SS64), 0);
    ck_assert_uint_eq(v->seg[SEG_SS].limit, 0xffffffff);
    /* Xen's ring 0 segments stay Xen's. */
    ck_assert_uint_eq(load(SEG_CS, 0xe00b), SEGMENT_FAULT(VEC_GP, 0xe008));
    ck_assert_uint_eq(load(SEG_DS, 0xe013), SEGMENT_FAULT(VEC_GP, 0xe010));
    ck_assert_uint_eq(load(SEG_DS, 0xfffb), SEGMENT_FAULT(VEC_GP, 0xfff8));
}
END_TEST

START_TEST(ldt)
{
    uint64_t d = DATA_RW;

    ck_assert_uint_eq(load(SEG_DS, SEL_LDT(2)), SEGMENT_FAULT(VEC_GP, 2 << 3 | 4));
    v->pv->ldt_base = GUEST_BASE + PAGE_SIZE;
    v->pv->ldt_entries = 3;
    memcpy(fake_memory + PAGE_SIZE + 16, &d, 8);
    v->user_mode = true;
    ck_assert_uint_eq(load(SEG_DS, SEL_LDT(2)), 0);
    ck_assert(v->user_mode);
    ck_assert_uint_eq(load(SEG_DS, SEL_LDT(3)), SEGMENT_FAULT(VEC_GP, 3 << 3 | 4));
    /* The table is there by its size, but not in memory: the guest sees a page fault of its kernel's. */
    v->pv->ldt_base = 0x7000000000;
    ck_assert_uint_eq(load(SEG_DS, SEL_LDT(1)), SEGMENT_FAULT(VEC_PF, 0));
    ck_assert_uint_eq(v->exit.cr2, 0x7000000008);
}
END_TEST

START_TEST(bases_across_modes)
{
    const uint64_t user[6] = {SEGBASE_GS_USER, 0x1111}, kernel[6] = {SEGBASE_GS_KERNEL, 0xffff888000000000};
    const uint64_t fs[6] = {SEGBASE_FS, 0x3333}, bad[6] = {SEGBASE_FS, 0x800000000000};
    const uint64_t unknown[6] = {4, 0};

    ck_assert_int_eq(hc_set_segment_base(v, user), 0);
    ck_assert_int_eq(hc_set_segment_base(v, kernel), 0);
    ck_assert_int_eq(hc_set_segment_base(v, fs), 0);
    ck_assert_int_eq(hc_set_segment_base(v, bad), -XEN_EINVAL);
    ck_assert_int_eq(hc_set_segment_base(v, unknown), -XEN_EINVAL);
    ck_assert_uint_eq(v->gs_base, 0xffff888000000000);
    segment_enter_user(v);
    ck_assert(v->user_mode);
    ck_assert_uint_eq(v->gs_base, 0x1111);
    segment_enter_user(v); /* no second swap */
    ck_assert_uint_eq(v->gs_base, 0x1111);
    v->gs_base = 0x2222; /* WRGSBASE in user code */
    segment_enter_kernel(v);
    ck_assert_uint_eq(v->gs_base, 0xffff888000000000);
    ck_assert_uint_eq(v->pv->gs_base_user, 0x2222);
    ck_assert_uint_eq(v->fs_base, 0x3333);
}
END_TEST

/* SEGBASE_GS_USER_SEL never fails, as in Xen: what can't be loaded becomes NULL. */
START_TEST(user_gs_selector)
{
    uint64_t args[6] = {SEGBASE_GS_USER_SEL, 3 << 3};

    v->gs_base = 0xffff888000000000;
    fake_gdt()[3] = DATA_BASED;
    ck_assert_int_eq(hc_set_segment_base(v, args), 0);
    ck_assert_uint_eq(v->seg[SEG_GS].selector, SEL(3));
    ck_assert_uint_eq(v->pv->gs_base_user, 0x12345678);
    ck_assert_uint_eq(v->gs_base, 0xffff888000000000);
    args[1] = 9 << 3;
    ck_assert_int_eq(hc_set_segment_base(v, args), 0);
    ck_assert_uint_eq(v->seg[SEG_GS].selector, 0);
    ck_assert_uint_eq(v->pv->gs_base_user, 0);
    ck_assert_uint_eq(v->gs_base, 0xffff888000000000);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("segment");

    tcase_add_checked_fixture(t, fake_cpu_setup, fake_cpu_teardown);
    tcase_add_test(t, null_selectors);
    tcase_add_test(t, checks);
    tcase_add_test(t, ss_needs_rpl_3);
    tcase_add_test(t, fields);
    tcase_add_test(t, limits_of_tables);
    tcase_add_test(t, xens_own_entries);
    tcase_add_test(t, ldt);
    tcase_add_test(t, bases_across_modes);
    tcase_add_test(t, user_gs_selector);
    return suite_run("segment", t);
}
