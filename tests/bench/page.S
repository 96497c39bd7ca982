/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Linked before and behind the program's own code, so that it shares no page with libc's. A static program
 * has libc's start-up code, CPUIDs and all, next to its main(); and a page with a CPUID doesn't run directly
 * where the host can't trap it (docs/decisions.md). That would be measured, and not what a row is about.
 */
        .text
        .balign 4096

        .section .note.GNU-stack, "", @progbits
