/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a test of the CPU is: initial state, code, memory; and what came of running it.
 *
 * A test case runs on the host CPU (native.h) and through the engine (engine_side.h) on the same map of
 * guest-virtual pages (layout.c), and the two outcomes must be equal (compare.c).
 */
#ifndef DIPTYCH_TESTS_CPU_CASE_H
#define DIPTYCH_TESTS_CPU_CASE_H

#include "base/types.h"
#include "cpu/xsave.h"
#include "rng.h"

/* ---- memory ---- */

#define PERM_R 1u
#define PERM_W 2u
#define PERM_X 4u

/* One guest-virtual page. Several may show the same frame. */
struct page {
    uint64_t va;
    uint8_t perm;  /* PERM_* */
    uint8_t frame; /* 0 .. NR_FRAMES-1 */
    bool trapped;  /* engine side only: stores go through trapped_write(), as those to page tables do */
};

#define NR_FRAMES 16
#define MEM_BYTES (NR_FRAMES * PAGE_SIZE)

extern const struct page layout_pages[];
extern const unsigned layout_nr_pages;

/* Where things are; the pages not named in layout_pages[] are absent. */
#define CODE_LOW   0x10000000UL     /* 3 pages: rwx, rwx, r-x */
#define CODE_ALIAS 0x10010000UL     /* the first of these again, rw- */
#define DATA_LOW   0x20000000UL     /* 9 pages: -, rw, rw, ro, rw (trapped), -, rw, rw, - */
#define STACK_LOW  0x30000000UL     /* 4 pages: -, rw, rw, - */
#define DATA_HIGH  0x345678000000UL /* 5 pages: -, rw, rw, ro, - */
#define CODE_HIGH  0x345678100000UL /* 2 pages: rwx, rwx */
#define CODE_ELSEWHERE \
    0x12345667000UL /* from there to where they are, too, in a run before the one that counts */

/* Page that holds the address, or NULL. */
const struct page *layout_find(uint64_t va);

/* Offset in the MEM_BYTES image of the byte at va; the address must lie in a page. */
size_t layout_offset(uint64_t va);

/* Eight bytes of one of the kinds that arithmetic finds interesting. */
uint64_t layout_interesting(struct rng *r);

/*
 * Fills image (MEM_BYTES) with numbers of many kinds (small, random, floating point, special) from the seed.
 */
void layout_fill(uint8_t *image, uint64_t seed);

/* ---- state ---- */

#define XSAVE_BYTES XSAVE_AREA_MAX

/*
 * The state components that cases have, what of XSAVE_BYTES they take, and where each is: of the host's CPU,
 * with AVX-512 if it has that. Known once state_start() has been called.
 */
extern uint64_t state_xcr0;
extern unsigned state_bytes;
extern struct xsave_layout state_layout;

void state_start(void);

/*
 * In hardware's order of registers. xsave is XSAVE's standard format, header normal: XSTATE_BV = state_xcr0.
 */
struct cpu_state {
    uint64_t gpr[16];
    uint64_t rip;
    uint64_t rflags;
    uint64_t fs_base;
    uint64_t gs_base;
    _Alignas(64) uint8_t xsave[XSAVE_BYTES];
};

#define XSAVE_FCW        0
#define XSAVE_FSW        2
#define XSAVE_FTW        4
#define XSAVE_MXCSR      24
#define XSAVE_MXCSR_MASK 28
#define XSAVE_ST         32  /* 8 of 16 bytes, 10 used */
#define XSAVE_XMM        160 /* 16 of 16 bytes */
#define XSAVE_BV         512
#define XSAVE_YMMH       576 /* 16 of 16 bytes */
/* Only where state_xcr0 has AVX-512. */
#define XSAVE_K    (state_layout.offset[5]) /* 8 of 8 bytes */
#define XSAVE_ZMMH (state_layout.offset[6]) /* 16 of 32 bytes */
#define XSAVE_ZMM  (state_layout.offset[7]) /* 16 of 64 bytes: ZMM16 to ZMM31 */

/* Power-on values of all components. */
void state_init_xsave(uint8_t *xsave);

/*
 * Puts components that XSTATE_BV says are in their initial state there, clears what has no meaning (padding,
 * reserved, the last-instruction pointers), sets XSTATE_BV = state_xcr0: two images of equal state become
 * equal bytes.
 */
void state_normalise_xsave(uint8_t *xsave);

/* ---- test case ---- */

#define MAX_CODE  768
#define MAX_INSNS 96
#define MAX_POKES 48

struct poke {
    uint64_t va;
    uint8_t len;
    uint8_t data[32];
};

struct test_case {
    uint64_t seed;
    uint64_t index;
    char cls[16];
    bool code32;           /* compatibility mode: CS.L = 0, CS.D = 1 */
    uint64_t mem_seed;     /* layout_fill() */
    struct cpu_state init; /* init.rip: entry point */
    uint64_t code_va;
    unsigned code_len;
    uint8_t code[MAX_CODE];
    unsigned nr_insns;
    uint16_t insn_off[MAX_INSNS];
    bool glued[MAX_INSNS]; /* belongs to the one before: the shrinker drops both or none */
    unsigned nr_pokes;
    struct poke poke[MAX_POKES];
    bool loose_cr2; /* CR2 need only be near: CPUs touch the area of FXSAVE & Co. in orders of their own */
    uint64_t flags_mask; /* RFLAGS bits that are not compared, 0 so far: the same CPU computes both */
};

/*
 * Base of the FS and GS segments of 32-bit code, and their selectors: descriptors for threads of Linux'
 * (GDT_ENTRY_TLS_MIN of asm/segment.h), as 32-bit programs have them.
 */
#define FS_BASE_32  (DATA_LOW + 0x1100)
#define GS_BASE_32  (DATA_LOW + 0x6080)
#define SEL_FS_32   0x63
#define SEL_GS_32   0x6b
#define SEL_CODE_64 0x33
#define SEL_CODE_32 0x23
#define SEL_DATA    0x2b

/* Adds a poke; false if there is no room. len is 1 .. 32. */
bool case_poke(struct test_case *t, uint64_t va, const void *data, unsigned len);

/* The whole initial memory: fill, code, pokes. */
void case_image(const struct test_case *t, uint8_t *image);

/* ---- outcome ---- */

enum outcome_kind {
    OUTCOME_EXCEPTION, /* [vector, error, cr2] */
    OUTCOME_SYSCALL,   /* SYSCALL, or INT 80h natively caught by seccomp; state.rip behind it */
    OUTCOME_TIMEOUT,   /* still running after the time limit */
    OUTCOME_PANEL,   /* engine: a far transfer at state.rip, left to the panel (tests/unit/test_emulate.c) */
    OUTCOME_SEGMENT, /* engine: PUSH, POP or MOV of a segment register, left to the panel: selectors differ */
    OUTCOME_DIED,    /* native: the child died; engine: it asked for something senseless (why) */
};

struct outcome {
    enum outcome_kind kind;
    uint32_t vector;
    uint32_t error;
    uint64_t cr2;
    char why[80];
    struct cpu_state state;
};

#endif
