/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Decoding, by Zydis.
 */
#include "engine/trans.h"

int decode_insn(struct insn *in, const uint8_t *bytes, size_t n, uint64_t va, uint32_t mode)
{
    static ZydisDecoder decoder[3];
    static bool ready;
    ZyanStatus s;
    unsigned which = mode & MODE_64 ? 0 : mode & MODE_32 ? 1 : 2;

    if (!ready) {
        ZydisDecoderInit(&decoder[0], ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
        ZydisDecoderInit(&decoder[1], ZYDIS_MACHINE_MODE_LONG_COMPAT_32, ZYDIS_STACK_WIDTH_32);
        ZydisDecoderInit(&decoder[2], ZYDIS_MACHINE_MODE_LONG_COMPAT_16, ZYDIS_STACK_WIDTH_16);
        __atomic_store_n(&ready, true, __ATOMIC_RELEASE);
    }
    if (n > 15)
        n = 15;
    s = ZydisDecoderDecodeFull(&decoder[which], bytes, n, &in->d, in->op);
    if (ZYAN_SUCCESS(s)) {
        in->va = va;
        __builtin_memcpy(in->bytes, bytes, in->d.length);
        return 0;
    }
    if (s == ZYDIS_STATUS_NO_MORE_DATA)
        return n < 15 ? 1 : DECODE_TOO_LONG;
    return s == ZYDIS_STATUS_INSTRUCTION_TOO_LONG ? DECODE_TOO_LONG : -1;
}
