/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What `diptych run --debug LIST -D FILE` asked for.  Set before vCPUs run, read by everybody; a
 * test costs one load.  Light.
 */
#ifndef DIPTYCH_BASE_DEBUG_H
#define DIPTYCH_BASE_DEBUG_H

#include "base/types.h"

/* X(identifier, name on the command line, help).  One list drives the enum, the parser and the help. */
#define DEBUG_OPTIONS(X)                                                                \
    X(DEBUG_IN_ASM, "in_asm", "guest code of each block when it is translated")         \
    X(DEBUG_OUT_ASM, "out_asm", "host code made from it")                               \
    X(DEBUG_EXEC, "exec", "each entry into translated code")                            \
    X(DEBUG_CPU, "cpu", "the guest's registers at each entry")                          \
    X(DEBUG_EXITS, "exits", "why the engine came back to the panel")                    \
    X(DEBUG_MMU, "mmu", "software TLB: fills, refused accesses, flushes")               \
    X(DEBUG_INT, "int", "exceptions, events and callbacks entering the guest")          \
    X(DEBUG_ONE_INSN, "one_insn", "translate blocks of one instruction")                \
    X(DEBUG_NO_CHAIN, "no_chain", "come back after each block: exec shows them all")    \
    X(DEBUG_CONSOLE_IO, "console_io", "let the guest write to Xen's emergency console") \
    X(DEBUG_NO_SANDBOX, "no_sandbox", "run without the seccomp filter (gdb, strace)")

#define DEBUG_BIT_(id, name, help) id##_NR,
enum debug_nr { DEBUG_OPTIONS(DEBUG_BIT_) NR_DEBUG_OPTIONS };
#undef DEBUG_BIT_

#define DEBUG_BIT_(id, name, help) id = 1u << id##_NR,
enum debug_option { DEBUG_OPTIONS(DEBUG_BIT_) };
#undef DEBUG_BIT_

struct debug {
    uint32_t mask; /* enum debug_option */
    int fd;        /* where debug output goes: base/debug_write.h; stderr unless -D FILE, -1 when given up */
};

extern struct debug debug;

static inline bool debug_on(enum debug_option o)
{
    return unlikely(debug.mask & o);
}

/* Parses "in_asm,exits,..." into *mask. 0, or -1 with the unknown word copied to bad. Heavy code. */
int debug_parse(const char *list, uint32_t *mask, char *bad, size_t bad_size);

/* Name and one-line description of option nr, for the help. Heavy code. */
const char *debug_name(unsigned nr);
const char *debug_help(unsigned nr);

#endif
