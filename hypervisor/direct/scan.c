/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which pages of code may run natively: those without an instruction that would show the guest the host
 * instead of its own machine, or that leaves user mode without a trace of where from.
 *
 *   0f a2            CPUID, where the host can't make it fault
 *   0f 03            LSL: the limit of the host's GDT entry 15 is the number of the host's CPU
 *   0f 01 d0         XGETBV, where the host's XCR0 isn't the guest's
 *   0f ae /4 to /6   XSAVE, XRSTOR, XSAVEOPT } there, in memory: they handle what the host's XCR0 has, so the
 *   0f c7 /4         XSAVEC                  } area would be too small (XSAVEC faults on all of it, whatever
 *                                              it stores), and of no use to the translator
 *   0f 01 ee, ef     RDPKRU, WRPKRU: guests have no protection keys, and the host's kernel needs ours
 *   0f 01 f9         RDTSCP } TSC_AUX is the number of the host's CPU
 *   f3 0f c7 /7      RDPID  }
 *   0f 01, 0f 00     SGDT, SIDT, SMSW, SLDT, STR, where nothing makes them fault (UMIP)
 *   0f 34            SYSENTER: the host's kernel doesn't keep RIP
 *   0f 05            SYSCALL in 32-bit code: the same
 *   cd 80            INT 0x80 in 64-bit code: the host's kernel drops the upper half of RAX
 *
 * First the bytes are looked for at every offset. One page of sixteen has some, and nearly all of them are
 * part of other instructions (and $15 before an addition reads 0f 03). So what lies before them is decoded,
 * from each of some offsets that could be the start of an instruction: x86 code falls into step with itself
 * after a few instructions, so that most of these decodings see what the CPU will. If most come upon the
 * bytes as an instruction they are one. A program that hides one may find out about its host what we'd rather
 * not show; it gains nothing else.
 */
#include <Zydis/Zydis.h>
#include <stddef.h>
#include <string.h>
#include <tmmintrin.h>

#include "direct/internal.h"

/* Decodings start at each of LEAD_STARTS offsets, LEAD bytes before the place and on. */
#define LEAD        64u
#define LEAD_STARTS 16u

static ZydisDecoder decoder_64, decoder_32;

void scan_init(void)
{
    ZydisDecoderInit(&decoder_64, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
    ZydisDecoderInit(&decoder_32, ZYDIS_MACHINE_MODE_LONG_COMPAT_32, ZYDIS_STACK_WIDTH_32);
}

static bool in_range(unsigned n, unsigned first, unsigned last)
{
    return n >= first && n <= last;
}

/*
 * Whether bytes at p, of which `have` are known (more than fit in any of them), look like one of the
 * instructions.
 */
static bool bytes_suspect(const uint8_t *p, unsigned how)
{
    if (p[0] == 0xcd)
        return p[1] == 0x80;
    switch (p[1]) {
    case 0xa2:
        return !host.cpuid_traps;
    case 0x03:
    case 0x34:
        return true;
    case 0x05:
        return how & SCAN_32;
    case 0x01:
        return (how & SCAN_XSTATE && p[2] == 0xd0) || p[2] == 0xf9 || (p[2] & 0xfe) == 0xee ||
               (!host.umip && (p[2] >> 3 & 7) <= 4);
    case 0xae:
        return how & SCAN_XSTATE && p[2] >> 6 != 3 && in_range(p[2] >> 3 & 7, 4, 6);
    case 0xc7:
        return p[2] >= 0xf8 || (how & SCAN_XSTATE && p[2] >> 6 != 3 && (p[2] >> 3 & 7) == 4);
    case 0x00:
        return !host.umip && (p[2] >> 3 & 7) < 2;
    default:
        return false;
    }
}

static bool insn_refused(const ZydisDecodedInstruction *i, const uint8_t *bytes, unsigned how, bool code_32)
{
    switch (i->mnemonic) {
    case ZYDIS_MNEMONIC_CPUID:
        return !host.cpuid_traps;
    case ZYDIS_MNEMONIC_LSL:
    case ZYDIS_MNEMONIC_RDTSCP:
    case ZYDIS_MNEMONIC_RDPID:
    case ZYDIS_MNEMONIC_RDPKRU:
    case ZYDIS_MNEMONIC_WRPKRU:
    case ZYDIS_MNEMONIC_SYSENTER:
        return true;
    case ZYDIS_MNEMONIC_XGETBV:
    case ZYDIS_MNEMONIC_XSAVE:
    case ZYDIS_MNEMONIC_XSAVE64:
    case ZYDIS_MNEMONIC_XSAVEC:
    case ZYDIS_MNEMONIC_XSAVEC64:
    case ZYDIS_MNEMONIC_XSAVEOPT:
    case ZYDIS_MNEMONIC_XSAVEOPT64:
    case ZYDIS_MNEMONIC_XRSTOR:
    case ZYDIS_MNEMONIC_XRSTOR64:
        return how & SCAN_XSTATE;
    case ZYDIS_MNEMONIC_SYSCALL:
        return code_32;
    case ZYDIS_MNEMONIC_INT:
        return !code_32 && bytes[i->length - 1] == 0x80;
    case ZYDIS_MNEMONIC_SGDT:
    case ZYDIS_MNEMONIC_SIDT:
    case ZYDIS_MNEMONIC_SMSW:
    case ZYDIS_MNEMONIC_SLDT:
    case ZYDIS_MNEMONIC_STR:
        return !host.umip;
    default:
        return false;
    }
}

/*
 * Decodes from p on, to the place and a bit beyond: does it come upon a refused instruction? end: of what is
 * known. known[]: what was found out from each byte of the lead on; a decoding that falls into step with an
 * earlier one ends as that did.
 */
enum { UNKNOWN, MEETS, PASSES };

static bool decoding_meets(const ZydisDecoder *decoder, unsigned how, const uint8_t *p, const uint8_t *lead,
                           const uint8_t *place, const uint8_t *end, uint8_t *known)
{
    uint8_t way[LEAD + 1];
    unsigned steps = 0;
    uint8_t found = PASSES;

    while (p <= place) {
        ZydisDecodedInstruction i;

        if (known[p - lead] != UNKNOWN) {
            found = known[p - lead];
            break;
        }
        way[steps++] = (uint8_t)(p - lead);
        if (!ZYAN_SUCCESS(ZydisDecoderDecodeInstruction(decoder, NULL, p, (size_t)(end - p), &i))) {
            p++;
            continue;
        }
        if (insn_refused(&i, p, how, decoder == &decoder_32)) {
            found = MEETS;
            break;
        }
        p += i.length;
    }
    while (steps > 0)
        known[way[--steps]] = found;
    return found == MEETS;
}

static bool place_refused(const ZydisDecoder *decoder, unsigned how, const uint8_t *start,
                          const uint8_t *place, const uint8_t *end)
{
    const uint8_t *lead = place - start < (ptrdiff_t)LEAD ? start : place - LEAD;
    uint8_t known[LEAD + 1] = {UNKNOWN};
    unsigned meet = 0;

    if (place - lead < (ptrdiff_t)LEAD_STARTS)
        return true; /* what lies before is another page's, and may change without this one */
    for (unsigned i = 0; i < LEAD_STARTS; i++)
        meet += decoding_meets(decoder, how, lead + i, lead, place, end, known);
    return 2 * meet >= LEAD_STARTS;
}

/*
 * Which of the 16 bytes at p one of the instructions may begin with, going by that byte and the next one: a
 * bit each. Two look-ups by half a byte say whether the next is one of bytes_suspect()'s. (The translator
 * asks the host for BMI2; what has that has SSSE3.)
 */
__attribute__((target("ssse3"))) static unsigned beginnings(const uint8_t *p)
{
    const __m128i of_low = _mm_setr_epi8(2, 2, 1, 2, 4, 2, 0, 8, 0, 0, 0, 0, 0, 0, 1, 0);
    const __m128i of_high = _mm_setr_epi8(2, 0, 0, 4, 0, 0, 0, 0, 0, 0, 1, 0, 8, 0, 0, 0);
    const __m128i half = _mm_set1_epi8(15);
    const __m128i bytes = _mm_loadu_si128((const __m128i *)p);
    const __m128i next = _mm_bsrli_si128(bytes, 1); /* of the last one nothing is known */
    const __m128i classes =
        _mm_and_si128(_mm_shuffle_epi8(of_low, _mm_and_si128(next, half)),
                      _mm_shuffle_epi8(of_high, _mm_and_si128(_mm_srli_epi16(next, 4), half)));
    const unsigned escapes = (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(bytes, _mm_set1_epi8(0x0f)));
    const unsigned others = (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(classes, _mm_setzero_si128()));
    const unsigned ints = (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(bytes, _mm_set1_epi8((char)0xcd)));

    return (escapes & (~others | 0x8000)) | ints;
}

/* Looks at places [from, to) of the n bytes at start; n is a multiple of 16, and to at most n - SCAN_SEAM. */
static bool range_refused(const uint8_t *start, size_t n, size_t from, size_t to, unsigned how)
{
    for (size_t base = from & ~15ul; base < to; base += 16) {
        for (unsigned hits = beginnings(start + base); hits; hits &= hits - 1) {
            size_t at = base + (unsigned)__builtin_ctz(hits);
            const uint8_t *p = start + at;

            if (at < from || at >= to || !bytes_suspect(p, how))
                continue;
            if (place_refused(&decoder_64, how, start, p, start + n) ||
                (how & SCAN_32 && place_refused(&decoder_32, how, start, p, start + n)))
                return true;
        }
    }
    return false;
}

bool scan_refuses(const uint8_t *page, unsigned how)
{
    return range_refused(page, PAGE_SIZE, 0, PAGE_SIZE - SCAN_SEAM, how);
}

bool scan_seam_refuses(const uint8_t *page, const uint8_t *next, unsigned how)
{
    uint8_t both[LEAD + 16 + 16];
    const size_t before = LEAD + 16 - SCAN_SEAM; /* of the last bytes of page, beside the seam itself */

    memcpy(both, page + PAGE_SIZE - (before + SCAN_SEAM), before + SCAN_SEAM);
    memcpy(both + before + SCAN_SEAM, next, 16);
    return range_refused(both, sizeof(both), before, before + SCAN_SEAM, how);
}
