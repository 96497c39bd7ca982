/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * EVEX: the prefix, and masked memory operands (SDM vol. 2, 2.7).
 *
 * Elements of memory that the mask leaves out aren't accessed, so they don't fault. The inline probe is of
 * the whole operand all the same: if it succeeds nothing can fault, and the host's instruction does what the
 * mask says. If it doesn't, nothing has been said (insn_info.masked): the careful form looks again, element
 * by element (careful.c), by what evex_access_mask() has told it.
 */
#include "engine/trans.h"

void emit_evex(struct trans *t, bool w, unsigned reg, unsigned rm, unsigned vvvv, bool mem, unsigned mem_base,
               unsigned mem_index)
{
    const ZydisDecodedInstruction *d = &t->in->d;
    struct emit *m = &t->m;
    unsigned x = rm >> 4 & 1, b = rm >> 3 & 1;

    if (mem) {
        x = mem_index != NO_REG ? mem_index >> 3 : 0;
        b = mem_base >> 3;
    }
    e8(m, 0x62);
    e8(m, (uint8_t)(!(reg & 8) << 7 | !x << 6 | !b << 5 | !(reg & 16) << 4 | d->raw.evex.mmm));
    e8(m, (uint8_t)(w << 7 | (~vvvv & 15) << 3 | 4 | d->raw.evex.pp));
    e8(m, (uint8_t)(d->raw.evex.z << 7 | d->raw.evex.L2 << 6 | d->raw.evex.L << 5 | d->raw.evex.b << 4 |
                    !(vvvv & 16) << 3 | d->raw.evex.aaa));
    e8(m, d->opcode);
}

/* Instructions whose memory operand is accessed whatever the mask says. */
static bool faults_whole(const ZydisDecodedInstruction *d)
{
    switch (d->meta.exception_class) {
    case ZYDIS_EXCEPTION_CLASS_E1NF:
    case ZYDIS_EXCEPTION_CLASS_E2NF:
    case ZYDIS_EXCEPTION_CLASS_E3NF:
    case ZYDIS_EXCEPTION_CLASS_E4NF:
    case ZYDIS_EXCEPTION_CLASS_E5NF:
    case ZYDIS_EXCEPTION_CLASS_E6NF:
    case ZYDIS_EXCEPTION_CLASS_E9NF:
    case ZYDIS_EXCEPTION_CLASS_E10NF:
    case ZYDIS_EXCEPTION_CLASS_E11NF:
        return true;
    default: /* E4NF, whatever Zydis says */
        return d->mnemonic == ZYDIS_MNEMONIC_VDBPSADBW || d->mnemonic == ZYDIS_MNEMONIC_VGF2P8AFFINEQB ||
               d->mnemonic == ZYDIS_MNEMONIC_VGF2P8AFFINEINVQB ||
               d->mnemonic == ZYDIS_MNEMONIC_VCVTNE2PS2BF16;
    }
}

/* How many elements of the destination a broadcast operand makes. */
static unsigned broadcast_lanes(ZydisBroadcastMode mode)
{
    switch (mode) {
    case ZYDIS_BROADCAST_MODE_1_TO_2:
        return 2;
    case ZYDIS_BROADCAST_MODE_1_TO_4:
    case ZYDIS_BROADCAST_MODE_2_TO_4:
        return 4;
    case ZYDIS_BROADCAST_MODE_1_TO_8:
    case ZYDIS_BROADCAST_MODE_2_TO_8:
    case ZYDIS_BROADCAST_MODE_4_TO_8:
        return 8;
    case ZYDIS_BROADCAST_MODE_1_TO_16:
    case ZYDIS_BROADCAST_MODE_2_TO_16:
    case ZYDIS_BROADCAST_MODE_4_TO_16:
    case ZYDIS_BROADCAST_MODE_8_TO_16:
        return 16;
    case ZYDIS_BROADCAST_MODE_1_TO_32:
        return 32;
    case ZYDIS_BROADCAST_MODE_1_TO_64:
        return 64;
    default:
        return 0;
    }
}

uint32_t evex_access_mask(const struct insn *in, const ZydisDecodedOperand *mem)
{
    const ZydisDecodedInstruction *d = &in->d;
    unsigned lanes = broadcast_lanes(d->avx.broadcast.mode);
    bool packed = d->meta.category == ZYDIS_CATEGORY_COMPRESS || d->meta.category == ZYDIS_CATEGORY_EXPAND;

    if (d->encoding != ZYDIS_INSTRUCTION_ENCODING_EVEX || d->raw.evex.aaa == 0 || faults_whole(d))
        return 0;
    if (!lanes)
        lanes = mem->element_count;
    return ACCESS_MASKED(d->raw.evex.aaa, __builtin_ctz(mem->element_size / 8u), __builtin_ctz(lanes),
                         packed);
}
