/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The table from Zydis's instruction-set extensions to CPU features.  An allow-list: what isn't in it is
 * CPU_NEVER, so a newer Zydis that knows more instructions doesn't let them through.
 */
#include "cpu/isa_feature.h"

/* Feature + 1; 0: CPU_NEVER. */
#define ROW(isa, feature) [ZYDIS_ISA_SET_##isa] = (CPU_##feature + 1)

static const uint8_t feature_of[ZYDIS_ISA_SET_MAX_VALUE + 1] = {
    /* Part of every x86-64 CPU; privileged ones among them raise #GP, not #UD. */
    ROW(I86, FPU),
    ROW(I186, FPU),
    ROW(I286REAL, FPU),
    ROW(I286PROTECTED, FPU),
    ROW(I386, FPU),
    ROW(I486, FPU),
    ROW(I486REAL, FPU),
    ROW(PENTIUMREAL, FPU),
    ROW(PPRO, FPU),
    ROW(LONGMODE, FPU),
    ROW(X87, FPU),
    ROW(FCMOV, FPU),
    ROW(CMOV, CMOV),
    ROW(RDPMC, FPU),
    ROW(PENTIUMMMX, MMX),
    ROW(FXSAVE, FXSR),
    ROW(FXSAVE64, FXSR),
    ROW(SSE, SSE),
    ROW(SSEMXCSR, SSE),
    ROW(SSE2, SSE2),
    ROW(SSE2MMX, SSE2),
    /* Hints: no-operations where they aren't known. */
    ROW(FAT_NOP, FPU),
    ROW(PAUSE, FPU),
    ROW(PREFETCH_NOP, FPU),
    ROW(SSE_PREFETCH, FPU),
    ROW(PREFETCHWT1, FPU),
    ROW(CLDEMOTE, FPU),
    ROW(MPX, FPU),

    ROW(SSE3, PNI),
    ROW(SSE3X87, PNI),
    ROW(SSSE3, SSSE3),
    ROW(SSSE3MMX, SSSE3),
    ROW(SSE4, SSE4_1),
    ROW(SSE42, SSE4_2),
    ROW(POPCNT, POPCNT),
    ROW(AES, AES),
    ROW(PCLMULQDQ, PCLMULQDQ),
    ROW(SHA, SHA_NI),
    ROW(GFNI, GFNI),
    ROW(AVX, AVX),
    ROW(AVXAES, AVX_AES),
    ROW(AVX_GFNI, AVX_GFNI),
    ROW(AVX2, AVX2),
    ROW(AVX2GATHER, AVX2),
    ROW(F16C, F16C),
    ROW(FMA, FMA),
    ROW(VAES, VAES),
    ROW(VPCLMULQDQ, VPCLMULQDQ),
    ROW(BMI1, BMI1),
    ROW(BMI2, BMI2),
    ROW(LZCNT, ABM),
    ROW(MOVBE, MOVBE),
    ROW(ADOX_ADCX, ADX),
    ROW(CMPXCHG16B, CX16),
    ROW(LAHF, LAHF_LM),
    ROW(RDRAND, RDRAND),
    ROW(RDSEED, RDSEED),
    ROW(RDTSCP, RDTSCP),
    ROW(RDWRFSGS, FSGSBASE),
    ROW(CLFSH, CLFLUSH),
    ROW(CLFLUSHOPT, CLFLUSHOPT),
    ROW(CLWB, CLWB),
    ROW(XSAVE, XSAVE),
    ROW(XSAVEOPT, XSAVEOPT),
    ROW(XSAVEC, XSAVEC),
};

enum cpu_feature cpu_feature_of_isa(ZydisISASet isa)
{
    unsigned row = (unsigned)isa <= ZYDIS_ISA_SET_MAX_VALUE ? feature_of[isa] : 0;

    return row ? row - 1 : CPU_NEVER;
}

enum cpu_feature cpu_feature_of_insn(const ZydisDecodedInstruction *insn)
{
    switch (insn->mnemonic) {
    case ZYDIS_MNEMONIC_SYSCALL: /* in 32-bit code a set of its own */
    case ZYDIS_MNEMONIC_TZCNT:
    case ZYDIS_MNEMONIC_LZCNT:
    case ZYDIS_MNEMONIC_ENDBR32:
    case ZYDIS_MNEMONIC_ENDBR64:
    case ZYDIS_MNEMONIC_RDSSPD:
    case ZYDIS_MNEMONIC_RDSSPQ:
        return CPU_FPU;
    case ZYDIS_MNEMONIC_LAHF:
    case ZYDIS_MNEMONIC_SAHF:
        return insn->machine_mode == ZYDIS_MACHINE_MODE_LONG_64 ? CPU_LAHF_LM : CPU_FPU;
    default:
        return cpu_feature_of_isa(insn->meta.isa_set);
    }
}
