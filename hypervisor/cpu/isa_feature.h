/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which CPU feature an instruction needs, for the engine: an instruction whose feature the domain isn't shown
 * raises #UD, so that what CPUID says is what works.  Pure look-ups, light.
 */
#ifndef DIPTYCH_CPU_ISA_FEATURE_H
#define DIPTYCH_CPU_ISA_FEATURE_H

#include <Zydis/Zydis.h>

#include "cpu/cpu_policy.h"

/*
 * The feature that Zydis's name for an instruction-set extension stands for: CPU_FPU for what every x86-64
 * CPU has, CPU_NEVER for what no domain is shown.
 */
enum cpu_feature cpu_feature_of_isa(ZydisISASet isa);

/*
 * As above for one instruction, with the exceptions that go by mnemonic or mode: what is a hint, or another
 * instruction, on a CPU without the feature is never #UD (TZCNT and LZCNT are BSF and BSR then: the engine's
 * to translate as such, see cpu_policy_has() of CPU_BMI1 and CPU_ABM; ENDBR, RDSSP), and LAHF in 32-bit code
 * needs nothing.
 */
enum cpu_feature cpu_feature_of_insn(const ZydisDecodedInstruction *insn);

#endif
