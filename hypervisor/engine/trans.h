/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The translator's working state for one block, shared by the trans_*.c files.  All of this is heavy code.
 *
 * Registers in translated code:
 *   guest rcx lives in host r15, guest rsp in host r13; guest r13, r14, r15 live in memory (vcpu.gpr);
 *   every other guest register is in its namesake.  Host rcx (T0) and r14 (T1) are scratch; rcx because
 *   JRCXZ tests it without touching flags.  Host rsp is the shadow return stack.
 *
 * Guest arithmetic flags are at any point in host flags, saved in hot.flags, or known by a recipe (t->flags,
 * trans_flags.c).  A probe clobbers host flags, so flags_before_probe() comes before it, and they can then be
 * restored where an instruction reads them or keeps some of them.  So at each place that can leave the block
 * with an exception the flags are exact.
 */
#ifndef DIPTYCH_ENGINE_TRANS_H
#define DIPTYCH_ENGINE_TRANS_H

#include <Zydis/Zydis.h>

#include "base/debug.h"
#include "cpu/cpu_policy.h"
#include "engine/emit.h"
#include "engine/emulate.h"
#include "engine/internal.h"
#include "engine/special.h"

#define T0             RCX /* host scratch registers */
#define T1             R14
#define HOST_GUEST_RCX 15u
#define HOST_GUEST_RSP 13u

#define MAX_BLOCK_INSNS 48
#define MAX_SLOW        128
#define MAX_BLOCK_EXITS 64
#define BLOCK_ROOM      32768 /* bytes that a block may take at most */

struct insn {
    ZydisDecodedInstruction d;
    ZydisDecodedOperand op[ZYDIS_MAX_OPERAND_COUNT];
    uint64_t va;
    uint8_t bytes[16];
};

/* A probe's out-of-line part. */
struct slow_path {
    uint8_t *from;        /* rel32 of the ja */
    const uint8_t *retry; /* start of the probe */
    bool write;
    const uint8_t
        *end;     /* of the code of an instruction that engine_tlb_miss_word() can do; NULL: not such a one */
    unsigned reg; /* and its guest register, */
    bool xchg;    /* and whether it is XCHG */
    bool known;   /* the probe is emit_probe_known()'s, of this address, */
    bool moves;   /* which moves with the block */
    uint64_t address;
};

/* A direct exit's out-of-line part. */
struct tail {
    uint32_t exit;
    uint8_t *from; /* rel32 that leads here first; or NULL if placed inline */
    bool cross;    /* the linked jump is here, behind a check of the code page */
};

/* Where the host sees the memory operand that has been probed last. */
struct host_mem {
    unsigned base, index; /* host registers; index may be NO_REG */
    int32_t disp;
};

#define GROUP_MAX 32

/* Instructions [from, to) of the block whose accesses share a probe (trans_group.c). */
struct group {
    unsigned from, to;
    unsigned base; /* guest register */
    int32_t lo;    /* start of the range, from what base holds at the head */
    unsigned span; /* bytes */
    bool write;
    int32_t at[GROUP_MAX]; /* each instruction's access, from what base holds at the head */
};

/* Where the guest's arithmetic flags are. */
enum flags_at {
    FLAGS_SAVED, /* hot.flags */
    FLAGS_HOST,  /* host flags */
    FLAGS_REDO,  /* nowhere: t->recipe says how to compute them, if anybody needs them */
};

struct trans {
    struct engine_vcpu *e;
    struct emit m;
    uint8_t *start;
    uint32_t mode;
    unsigned view;
    bool careful;
    enum flags_at flags;
    bool starts_dead;     /* nobody can see the flags that the block starts with */
    bool done;            /* the block has ended */
    bool movable;         /* the block may be copied to other addresses: its places are noted */
    bool probe_ss;        /* the address being probed is relative to SS: a bad one is #SS */
    uint32_t access_mask; /* of the operand being probed: ACCESS_MASKED(), or 0 */
    enum { REGION_OPEN, REGION_CLOSED, REGION_BAD } region; /* trans_recipe.c */
    uint32_t region_writes;
    struct flag_recipe recipe; /* of the flags at this point */
    struct block *b;
    uint64_t va;   /* of the block */
    uint64_t next; /* of the following instruction */
    const struct insn *in;
    unsigned index;         /* of the current instruction in the block */
    struct insn_info *info; /* of the current instruction */
    struct host_mem mem;
    struct group group;
    struct insn ahead[MAX_BLOCK_INSNS];
    unsigned nr_ahead;
    uint64_t ahead_va; /* of the instruction behind the last one in ahead[] */
    unsigned nr_slow;
    struct slow_path slow[MAX_SLOW];
    unsigned nr_tails;
    struct tail tail[MAX_BLOCK_EXITS];
};

static inline bool mode64(const struct trans *t)
{
    return t->mode & MODE_64;
}

static inline uint32_t gpr_off(unsigned guest)
{
    return (uint32_t)(offsetof(struct vcpu, gpr) + 8ul * guest);
}

/* The block's exits all come back to C: nothing is linked and no host return is made. */
static inline bool trans_unchained(const struct trans *t)
{
    return t->careful || (t->mode & (MODE_STEP | MODE_ALONE)) || debug_on(DEBUG_NO_CHAIN);
}

static inline bool in_group(const struct trans *t)
{
    return t->index >= t->group.from && t->index < t->group.to;
}

/* Host register of a guest register, or NO_REG if it lives in memory. */
static inline unsigned host_reg(unsigned guest)
{
    if (guest == RCX)
        return HOST_GUEST_RCX;
    if (guest == RSP)
        return HOST_GUEST_RSP;
    return guest >= R13 ? NO_REG : guest;
}

/* Hardware number of a general register of any width (AH..BH give 4..7). */
static inline unsigned reg_id(ZydisRegister r)
{
    if (r >= ZYDIS_REGISTER_SPL && r <= ZYDIS_REGISTER_R15B) /* Zydis counts AH..BH and SPL..DIL apart */
        return (unsigned)(r - ZYDIS_REGISTER_SPL) + 4;
    return (unsigned)ZydisRegisterGetId(r);
}

static inline bool reg_is_gpr(ZydisRegister r)
{
    ZydisRegisterClass c = ZydisRegisterGetClass(r);

    return c >= ZYDIS_REGCLASS_GPR8 && c <= ZYDIS_REGCLASS_GPR64;
}

static inline bool reg_is_high8(ZydisRegister r)
{
    return r >= ZYDIS_REGISTER_AH && r <= ZYDIS_REGISTER_BH;
}

/* ---- decode.c ---- */
#define DECODE_TOO_LONG (-2)
/* Decodes the instruction at va from bytes[0..n). 0: decoded; -1: invalid (#UD); DECODE_TOO_LONG: more than
 * 15 bytes (#GP); 1: more bytes needed. */
int decode_insn(struct insn *in, const uint8_t *bytes, size_t n, uint64_t va, uint32_t mode);

/* ---- emulate_decode.c ---- */
/* The operation of emulate.c for a mnemonic, or EMU_NONE. */
enum emulated_op emulate_op_of(ZydisMnemonic m);

/* ---- trans_flags.c ---- */
/* Flags in hot.flags: where C may look for them. Needs T1 free. */
void flags_need_saved(struct trans *t);
/* Needs T1 free unless keep_t1. */
void flags_need_host(struct trans *t, bool keep_t1);
/* Flags not in host flags, for the current instruction's probe, or its group's. Needs T1 free. */
void flags_before_probe(struct trans *t);
/* Whether the block to be translated overwrites all flags before anybody can see those it starts with. */
bool flags_dead_at_start(struct trans *t);

/* ---- trans_mem.c ---- */
/* dst := value of the guest register (64 bits). */
void get_reg(struct trans *t, unsigned dst, unsigned guest);
void put_reg(struct trans *t, unsigned guest, unsigned src);
/* Host register that holds the guest register's value: its home, or tmp after loading. */
unsigned use_reg(struct trans *t, unsigned guest, unsigned tmp);
/* T0 := offset of the memory operand in its segment + extra; may use T1. */
void emit_offset(struct trans *t, const ZydisDecodedOperand *op, int32_t extra);
/* T0 := linear address of offset T0 in the segment; may use T1. */
void emit_segment(struct trans *t, ZydisRegister seg);
/* T0 := effective (linear) address of the memory operand + extra; may use T1. */
void emit_address(struct trans *t, const ZydisDecodedOperand *op, int32_t extra);
/*
 * T0 = address: afterwards t->mem ([T0 + T1]) is host memory of size bytes. retry: where the address
 * computation began.
 */
void emit_probe(struct trans *t, const uint8_t *retry, unsigned size, bool write);
/* Address and probe of a memory operand, unless its group has probed for it: afterwards t->mem. */
void emit_access(struct trans *t, const ZydisDecodedOperand *op, unsigned size, bool write);
/* Access relative to the guest's stack pointer. */
void emit_stack_access(struct trans *t, int32_t disp, unsigned size, bool write);
/* dst := address of t->mem */
void mem_lea(struct trans *t, unsigned dst);
/* Frees T1: t->mem becomes [T0 + displacement]. */
void mem_collapse(struct trans *t);
/* op reg, t->mem */
void emit_op_t(struct trans *t, uint8_t op, bool w, unsigned reg);

/* ---- trans_group.c ---- */
/* Finds the group that begins with the current instruction; t->group is empty if there is none. */
void group_plan(struct trans *t);
/* Emits the group's probe. */
void group_begin(struct trans *t);
/* True, with t->mem set, if the group of the current instruction has probed for its access. */
bool group_access(struct trans *t);

/* ---- trans_generic.c ---- */
/* Copies the instruction with registers renamed and its memory operand probed. */
void trans_generic(struct trans *t);

/*
 * Whether the instruction's effect on the arithmetic flags is none; or is to define all of them, whatever
 * they were.
 */
bool insn_touches_flags(const ZydisDecodedInstruction *d);
bool insn_kills_flags(const ZydisDecodedInstruction *d);
/* Whether it writes any of them. */
bool insn_changes_flags(const ZydisDecodedInstruction *d);

/* ---- trans_evex.c ---- */
/*
 * The instruction up to its opcode; registers are the host's, or those that aren't general ones as they are.
 */
void emit_evex(struct trans *t, bool w, unsigned reg, unsigned rm, unsigned vvvv, bool mem, unsigned mem_base,
               unsigned mem_index);
/* ACCESS_MASKED() of an operand of which masked elements don't fault; 0: it is accessed as a whole. */
uint32_t evex_access_mask(const struct insn *in, const ZydisDecodedOperand *mem);

/* ---- trans_recipe.c ---- */
/* After each instruction; plain: it neither left the block nor used a helper. */
void recipe_note(struct trans *t, bool plain);
/* Guest registers (a bit each) that the recipe needs. */
uint32_t recipe_registers(const struct flag_recipe *r);
/* Whether a conditional jump here to the block's own start may leave the flags by recipe. */
bool recipe_fits_loop(const struct trans *t);

/* Guest registers (a bit each) that the instruction writes, in whole or in part. */
uint32_t insn_writes(const struct insn *in);

/* ---- trans_special.c ---- */
bool insn_is_masked_move(ZydisMnemonic m);

/* ---- trans_branch.c ---- */
/* Condition code of a conditional jump on flags, or NO_REG. */
unsigned branch_condition(ZydisMnemonic m);

/* ---- trans_branch.c, trans_stack.c, trans_special.c: true if the instruction was theirs ---- */
bool trans_branch(struct trans *t);
bool trans_stack(struct trans *t);
bool trans_special(struct trans *t);

/* ---- translate.c ---- */
/* Notes the constant that has just been emitted as one that depends on the block's address. */
void note_place(struct trans *t, enum place_kind kind);
/* dst := an address that moves with the block. */
void emit_mov_address(struct trans *t, unsigned dst, uint64_t address);
/* The block's instruction of this index, decoded ahead; NULL if the block can't go that far. */
const struct insn *insn_ahead(struct trans *t, unsigned index);
/* Whether CPUID shows the guest what the instruction needs.  UD2 and its like have their own way. */
bool insn_offered(const struct trans *t, const struct insn *in);
/* Whether the domain's CPU has the feature; true where there is no domain (tests of the engine alone). */
bool trans_offers(const struct trans *t, enum cpu_feature f);
/* T0 := the exit's number. */
void emit_exit_number(struct trans *t, uint32_t exit);
uint32_t new_exit(struct trans *t, enum exit_kind kind, uint64_t target);
/* Ends the block with an unconditional exit. */
void end_exit(struct trans *t, enum exit_kind kind, uint64_t target, unsigned vector);
/* Jumps (or calls, or continues) to target: emits a linkable exit at this place. */
void emit_link(struct trans *t, enum exit_kind kind, uint64_t target);
/* jcc to target through a linkable exit. */
void emit_link_jcc(struct trans *t, unsigned cc, uint64_t target);
/* Notes the transfer that is about to be made, and by how much it changes rsp. */
void emit_indirect_mark(struct trans *t, int32_t rsp_change);
/* Ends the block: flags saved, T0 = target. */
void emit_indirect(struct trans *t, bool call);
/* Behind a host call: the place where the guest's return comes back to. */
void emit_return_site(struct trans *t, uint64_t ret_va);

/* ---- debug_log.c ---- */
/* in_asm, out_asm: lists the block that t has just been made into; its slow paths and tails begin there. */
void debug_log_block(const struct trans *t, const uint8_t *slow_paths, const uint8_t *tails);

#endif
