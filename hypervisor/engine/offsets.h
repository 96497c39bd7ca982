/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Offsets from the GS base that assembly uses; engine.c asserts each against struct engine_vcpu.
 */
#ifndef DIPTYCH_ENGINE_OFFSETS_H
#define DIPTYCH_ENGINE_OFFSETS_H

#define OFF_RAX 0
#define OFF_RCX 8
#define OFF_RDX 16
#define OFF_RBX 24
#define OFF_RSP 32
#define OFF_RBP 40
#define OFF_RSI 48
#define OFF_RDI 56
#define OFF_R8  64
#define OFF_R9  72
#define OFF_R10 80
#define OFF_R11 88
#define OFF_R12 96
#define OFF_R13 104
#define OFF_R14 112
#define OFF_R15 120

/* struct engine_vcpu.hot starts here; keep in step with struct engine_hot. */
#define OFF_HOT           1024
#define OFF_C_RSP         (OFF_HOT + 0)
#define OFF_SHADOW_RSP    (OFF_HOT + 8)
#define OFF_FLAGS         (OFF_HOT + 16)
#define OFF_KICK          (OFF_HOT + 20)
#define OFF_EXIT_ID       (OFF_HOT + 24)
#define OFF_HELPER_RA     (OFF_HOT + 32)
#define OFF_HELPER_EA     (OFF_HOT + 40)
#define OFF_TMP0          (OFF_HOT + 48)
#define OFF_TMP1          (OFF_HOT + 56)
#define OFF_SHADOW_BASE   (OFF_HOT + 64)
#define OFF_TMP2          (OFF_HOT + 72)
#define OFF_LAST_INDIRECT (OFF_HOT + 80)
#define OFF_STUBS         (OFF_HOT + 88) /* enum stub: pointers to the stubs in enter.S */
#define OFF_VIEWS         4096

/* struct view: software TLB, jump cache and instruction TLB of one privilege level. */
#define TLB_ENTRIES  65536
#define VIEW_RTAG    0
#define VIEW_WTAG    (TLB_ENTRIES * 8)
#define VIEW_HOST    (TLB_ENTRIES * 16)
#define VIEW_JC      (TLB_ENTRIES * 24)
#define VIEW_ITLB    (VIEW_JC + 65536 * 8)
#define ITLB_ENTRIES 8192 /* of which the user's view uses fewer: see itlb_index() */
#define VIEW_SIZE    (VIEW_ITLB + ITLB_ENTRIES * 4)

/* What engine_enter() returns. */
#define ENTER_LINK   0 /* a direct exit that is not linked; exit_id names it */
#define ENTER_IND    1 /* indirect jump whose target (gpr RCX slot of helper_ea) has no jump-cache entry */
#define ENTER_HELPER 2 /* a helper asked to leave; helper_ra says where */
#define ENTER_FAULT  3 /* a host fault in translated code; signal.c has filled in the state */
#define ENTER_KICKED 4 /* not entered: a kick came first */

#endif
