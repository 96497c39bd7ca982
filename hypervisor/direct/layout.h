/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where a stub has what is its own, and what it and the hypervisor say to each other: for C and for
 * stub_code.S.
 *
 * Far from where programs put anything; if a guest's does, it runs in the translator.
 */
#ifndef DIPTYCH_DIRECT_LAYOUT_H
#define DIPTYCH_DIRECT_LAYOUT_H

#define STUB_CODE 0x4f0000000000

/* Behind the page of code: a slot of memory that the hypervisor sees, too (struct stub_slot). */
#define STUB_CALLS_OFFSET 0x1000 /* read-only, as the next page */
#define STUB_CALLS_PAGES  3
#define STUB_DESCS_OFFSET 0x4000
#define STUB_STATE_OFFSET 0x5000 /* writable: the record, and the signal stack */
#define STUB_STATE_PAGES  4
#define STUB_END_OFFSET   0x9000

#define STUB_STACK_OFFSET 0x200 /* in the state */
#define STUB_STACK_SIZE   0x3e00

/*
 * Where a stub that has run 32-bit code sees the page of descriptors while it makes calls that want them
 * there: above all that a 32-bit program has.
 */
#define STUB_LOW 0xfffff000

/* Offsets in struct stub_record, at the start of the state. */
#define RECORD_FS_BASE     0
#define RECORD_GS_BASE     8
#define RECORD_NEW_FS_BASE 16
#define RECORD_NEW_GS_BASE 24
#define RECORD_FLAGS       32
#define RECORD_FRAME       40
#define RECORD_DS          48
#define RECORD_ES          50
#define RECORD_FS          52
#define RECORD_GS          54
#define RECORD_NEW_DS      56
#define RECORD_NEW_ES      58
#define RECORD_NEW_FS      60
#define RECORD_NEW_GS      62
#define RECORD_LOAD        64
#define RECORD_LEFT        72

/* What a stub says first when it stops, unless that is a signal's number. */
#define STUB_DONE   0x100 /* the calls; then the last one's result */
#define STUB_FAILED 0x101 /* a call; then its result, and where it is */

/* What ends the calls: what to do then. */
#define CALLS_RESUME (-1) /* return to the frame */
#define CALLS_STOP   (-2) /* STUB_DONE */
#define CALLS_TRAP   (-3) /* stop by a signal, which leaves a frame */

/* Beside the number of a call: it is one of the 32-bit ABI. */
#define CALL_I386_BIT 32

/* Its calls of the host, by number (asm/unistd_64.h). */
#define STUB_NR_NOTIFY       34 /* pause(), which is never made */
#define STUB_NR_RT_SIGRETURN 15

#define STUB_CALL_SIZE 56

#endif
