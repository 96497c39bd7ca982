/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The panel of the engine's half: what stands for page tables, descriptors and tasks under a test case.
 */
#ifndef DIPTYCH_TESTS_CPU_PANEL_H
#define DIPTYCH_TESTS_CPU_PANEL_H

#include "cpu/guest_ops.h"

extern const struct guest_ops panel_ops;

/* What the engine asked of the panel that it must not ask, or NULL. The caller clears it. */
extern const char *panel_trouble;

/* The pages at CODE_HIGH are CODE_ELSEWHERE further, too. */
extern bool panel_code_elsewhere;

/* Once, before anything runs: layout_pages[].frame counts from this frame. */
void panel_start(mfn_t first_frame);

/*
 * Accessed and dirty bits are clear again, of all pages or only of those that code may be in. The caller
 * flushes the engine's TLB.
 */
void panel_forget(bool all);

/*
 * The descriptor that a selector names, accessed; NULL selectors, and those that name none, have attributes
 * of 0.
 */
struct segment panel_segment(uint16_t selector);

#endif
