/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which pages of code may run natively (direct/scan.c).  A broken one lets user code see the host's CPU
 * instead of the guest's, or keeps code from running directly for what is no instruction at all.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "direct/internal.h"

struct host host;
static uint8_t page[2 * PAGE_SIZE];

#define NOP 0x90

static void setup(void)
{
    scan_init();
    host.umip = true;
    host.cpuid_traps = false;
    memset(page, NOP, sizeof(page));
}

static void put(size_t at, const char *bytes, size_t n)
{
    memcpy(page + at, bytes, n);
}

static bool alone(const char *bytes, size_t n, unsigned how)
{
    bool refused;

    put(1000, bytes, n);
    refused = scan_refuses(page, how);
    memset(page, NOP, sizeof(page));
    return refused;
}

#define ALONE(bytes, how) alone(bytes, sizeof(bytes) - 1, how)

START_TEST(instructions)
{
    ck_assert(ALONE("\x0f\xa2", 0));         /* cpuid */
    ck_assert(ALONE("\x66\x0f\xa2", 0));     /* with a prefix */
    ck_assert(ALONE("\x0f\x03\xc1", 0));     /* lsl eax, ecx */
    ck_assert(ALONE("\x48\x0f\x03\x00", 0)); /* lsl rax, [rax] */
    ck_assert(ALONE("\x0f\x01\xf9", 0));     /* rdtscp */
    ck_assert(ALONE("\x0f\x01\xef", 0));     /* wrpkru */
    ck_assert(ALONE("\xf3\x0f\xc7\xf8", 0)); /* rdpid rax */
    ck_assert(ALONE("\x0f\x34", 0));         /* sysenter */
    ck_assert(ALONE("\xcd\x80", 0));         /* int 0x80 */
    ck_assert(!ALONE("\x0f\x05", 0));        /* syscall: in 32-bit code only */
    ck_assert(ALONE("\x0f\x05", SCAN_32));
    ck_assert(!ALONE("\x0f\x31", 0));     /* rdtsc */
    ck_assert(!ALONE("\x0f\xc7\xf8", 0)); /* rdseed eax */
    ck_assert(!ALONE("\x0f\x0b", 0));     /* ud2 */
    ck_assert(!ALONE("\x0f\x01\xd0", 0)); /* xgetbv, */
    ck_assert(!ALONE("\x0f\xae\x27", 0)); /* xsave [rdi], where the guest has all that the host has */
}
END_TEST

/* What the host makes fault need not be looked for. */
START_TEST(host_traps)
{
    host.cpuid_traps = true;
    ck_assert(!ALONE("\x0f\xa2", 0));
    ck_assert(!ALONE("\x0f\x01\x00", 0)); /* sgdt [rax] */
    host.umip = false;
    ck_assert(ALONE("\x0f\x01\x00", 0));
    ck_assert(ALONE("\x0f\x01\xe0", 0)); /* smsw eax */
    ck_assert(ALONE("\x0f\x00\xc0", 0)); /* sldt eax */
}
END_TEST

/* On a host with more vector state than guests have. */
START_TEST(host_has_more_state)
{
    ck_assert(ALONE("\x0f\xae\x27", SCAN_XSTATE));             /* xsave [rdi] */
    ck_assert(ALONE("\x48\x0f\xae\x6c\x24\x40", SCAN_XSTATE)); /* xrstor64 [rsp + 0x40] */
    ck_assert(ALONE("\x0f\xae\x37", SCAN_XSTATE));             /* xsaveopt [rdi] */
    ck_assert(ALONE("\x0f\xc7\x64\x24\x40", SCAN_XSTATE));     /* xsavec [rsp + 0x40] */
    ck_assert(ALONE("\x0f\x01\xd0", SCAN_XSTATE));             /* xgetbv */
    ck_assert(!ALONE("\x0f\xae\x07", SCAN_XSTATE));            /* fxsave [rdi] */
    ck_assert(!ALONE("\x0f\xae\x3f", SCAN_XSTATE));            /* clflush [rdi] */
    ck_assert(!ALONE("\x0f\xae\xe8", SCAN_XSTATE));            /* lfence */
    ck_assert(!ALONE("\x0f\xc7\x0f", SCAN_XSTATE));            /* cmpxchg8b [rdi] */
    ck_assert(!ALONE("\x66\x0f\xae\x37", SCAN_XSTATE));        /* clwb [rdi] */
}
END_TEST

/* The same bytes as parts of other instructions. */
START_TEST(parts)
{
    ck_assert(!ALONE("\x83\xe0\x0f\x03\xc1", 0));         /* and eax, 15; add eax, ecx */
    ck_assert(!ALONE("\xb8\x0f\xa2\x00\x00", 0));         /* mov eax, 0xa20f */
    ck_assert(!ALONE("\x48\x8d\x05\x0f\x34\x00\x00", 0)); /* lea rax, [rip + 0x340f] */
    ck_assert(!ALONE("\xe8\xcd\x80\x00\x00", 0));         /* call */
    /* gcc's: what comes before falls into step with the CPU from most starts, not from all */
    ck_assert(!ALONE("\x0f\x84\x60\x03\x00\x00\x83\xfb\x42\x0f\x84\x0f\x03\x00\x00", 0));
}
END_TEST

/* At every place of the page, with what precedes it being of any length. */
START_TEST(places)
{
    for (size_t at = 0; at < PAGE_SIZE - SCAN_SEAM; at += 7) {
        memset(page, NOP, sizeof(page));
        put(at, "\x0f\xa2", 2);
        ck_assert_msg(scan_refuses(page, 0), "CPUID at %zu", at);
    }
}
END_TEST

START_TEST(seams)
{
    for (size_t at = PAGE_SIZE - SCAN_SEAM; at < PAGE_SIZE; at++) {
        memset(page, NOP, sizeof(page));
        put(at, "\x0f\x01\xf9", 3);
        ck_assert(!scan_refuses(page, 0));
        ck_assert(scan_seam_refuses(page, page + PAGE_SIZE, 0));
        ck_assert(!scan_seam_refuses(page, page, 0)); /* another page behind it */
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("scan");
    TCase *t = tcase_create("scan");
    SRunner *r = srunner_create(s);
    int failed;

    tcase_add_checked_fixture(t, setup, NULL);
    tcase_add_test(t, instructions);
    tcase_add_test(t, host_traps);
    tcase_add_test(t, host_has_more_state);
    tcase_add_test(t, parts);
    tcase_add_test(t, places);
    tcase_add_test(t, seams);
    suite_add_tcase(s, t);
    srunner_run_all(r, CK_ENV);
    failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
