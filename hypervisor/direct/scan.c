/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which pages of code may run natively: those without an instruction that would show the guest the host instead of its own machine, or
 * that leaves user mode without a trace of where from.
 *
 * Nobody knows where a hostile program's instructions begin, so the bytes are looked for at every offset; and since what
 * lies behind a page may change without the page, a page that ends in the beginning of such bytes counts as one that has them.
 *
 *   0f a2            CPUID, where the host can't make it fault
 *   0f 03            LSL: the limit of the host's GDT entry 15 is the number of the host's CPU
 *   0f 01 d0         XGETBV: the host's XCR0 has features that guests aren't shown
 *   0f 01 f9         RDTSCP    } TSC_AUX is the number of the host's CPU
 *   0f c7 f8..ff     RDPID     } (with prefix F3; without, RDSEED, which is rare)
 *   0f 01 /0 /1 /4   SGDT, SIDT, SMSW      } where nothing makes them fault (UMIP)
 *   0f 00 /0 /1      SLDT, STR             }
 *   0f 34            SYSENTER: the host's kernel doesn't keep RIP
 *   0f 05            SYSCALL in 32-bit code: the same
 *   cd 80            INT 0x80 in 64-bit code: the host's kernel drops the upper half of RAX
 */
#include <string.h>

#include "direct/internal.h"

/* Whether 0f b c, of which `have` bytes are known, may be one of them. */
static bool escape_refused(const uint8_t *p, unsigned have, bool wide)
{
    if (have < 2)
        return true;
    switch (p[1]) {
    case 0xa2:
        return !host.cpuid_traps;
    case 0x03:
    case 0x34:
        return true;
    case 0x05:
        return wide;
    case 0x01:
        if (have < 3)
            return true;
        if (p[2] == 0xd0 || p[2] == 0xf9)
            return true;
        if (host.umip)
            return false;
        return (p[2] >> 3 & 7) == 4 || (p[2] < 0xc0 && (p[2] >> 3 & 7) < 2);
    case 0xc7:
        return have < 3 || p[2] >= 0xf8;
    case 0x00:
        if (host.umip)
            return false;
        return have < 3 || (p[2] >> 3 & 7) < 2;
    default:
        return false;
    }
}

static bool escapes_refused(const uint8_t *page, bool wide)
{
    const uint8_t *end = page + PAGE_SIZE;

    for (const uint8_t *p = page; (p = memchr(p, 0x0f, (size_t)(end - p))) != NULL; p++)
        if (escape_refused(p, (unsigned)(end - p), wide))
            return true;
    return false;
}

bool scan_refuses(const uint8_t *page, bool wide)
{
    const uint8_t *end = page + PAGE_SIZE;

    if (escapes_refused(page, wide))
        return true;
    for (const uint8_t *p = page; (p = memchr(p, 0xcd, (size_t)(end - p))) != NULL; p++)
        if (p + 1 == end || p[1] == 0x80)
            return true;
    return false;
}
