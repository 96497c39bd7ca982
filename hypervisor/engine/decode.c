/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Decoding, by Zydis.
 */
#include "engine/trans.h"

/*
 * Zydis 4.0 takes SIB.base 101 with REX.B and mod 0 for r13 without displacement when the address size is 32;
 * it is a displacement without a base, as without REX.B (SDM vol. 2, table 2-5).
 */
static void fix_missing_base(struct insn *in)
{
    const ZydisDecodedInstruction *d = &in->d;

    if (!(d->attributes & ZYDIS_ATTRIB_HAS_SIB) || d->raw.modrm.mod != 0 || d->raw.sib.base != 5)
        return;
    for (unsigned i = 0; i < d->operand_count; i++) {
        ZydisDecodedOperand *o = &in->op[i];

        if (o->type != ZYDIS_OPERAND_TYPE_MEMORY || o->encoding != ZYDIS_OPERAND_ENCODING_MODRM_RM)
            continue;
        o->mem.base = ZYDIS_REGISTER_NONE;
        o->mem.disp.has_displacement = ZYAN_TRUE;
        o->mem.disp.value = d->raw.disp.value;
    }
}

/*
 * Zydis 4.0 takes F3 90 for PAUSE whatever REX says; with REX.B it is XCHG of R8 (SDM vol. 2, XCHG), where F3
 * means nothing. Puts a prefix that means nothing either in its place.
 */
static bool is_no_pause(const struct insn *in, const uint8_t *bytes, uint8_t *plain)
{
    if (in->d.mnemonic != ZYDIS_MNEMONIC_PAUSE || !in->d.raw.rex.B)
        return false;
    for (unsigned i = 0; i < in->d.length; i++)
        plain[i] = bytes[i] == 0xf3 ? 0x3e : bytes[i];
    return true;
}

int decode_insn(struct insn *in, const uint8_t *bytes, size_t n, uint64_t va, uint32_t mode)
{
    static ZydisDecoder decoder[3];
    static bool ready;
    ZyanStatus s;
    uint8_t plain[15];
    unsigned which = mode & MODE_64 ? 0 : mode & MODE_32 ? 1 : 2;

    if (!ready) {
        ZydisDecoderInit(&decoder[0], ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
        ZydisDecoderInit(&decoder[1], ZYDIS_MACHINE_MODE_LONG_COMPAT_32, ZYDIS_STACK_WIDTH_32);
        ZydisDecoderInit(&decoder[2], ZYDIS_MACHINE_MODE_LONG_COMPAT_16, ZYDIS_STACK_WIDTH_16);
        for (unsigned i = 0; i < ARRAY_SIZE(decoder);
             i++) /* guests have no MPX: its instructions are no-operations */
            ZydisDecoderEnableMode(&decoder[i], ZYDIS_DECODER_MODE_MPX, ZYAN_FALSE);
        __atomic_store_n(&ready, true, __ATOMIC_RELEASE);
    }
    if (n > 15)
        n = 15;
    s = ZydisDecoderDecodeFull(&decoder[which], bytes, n, &in->d, in->op);
    if (ZYAN_SUCCESS(s) && is_no_pause(in, bytes, plain))
        s = ZydisDecoderDecodeFull(&decoder[which], plain, in->d.length, &in->d, in->op);
    if (ZYAN_SUCCESS(s)) {
        fix_missing_base(in);
        in->va = va;
        __builtin_memcpy(in->bytes, bytes, in->d.length);
        return 0;
    }
    if (s == ZYDIS_STATUS_NO_MORE_DATA)
        return n < 15 ? 1 : DECODE_TOO_LONG;
    return s == ZYDIS_STATUS_INSTRUCTION_TOO_LONG ? DECODE_TOO_LONG : -1;
}
