/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The engine's own data: shared by the files of this folder and by nobody else.
 *
 * struct engine_vcpu is what the host's GS base points at while a vCPU's thread runs, so its layout is
 * known to translated code and to enter.S (offsets.h).
 */
#ifndef DIPTYCH_ENGINE_INTERNAL_H
#define DIPTYCH_ENGINE_INTERNAL_H

#include <ucontext.h>

#include "base/lock.h"
#include "cpu/domain.h"
#include "cpu/guest_access.h"
#include "cpu/guest_ops.h"
#include "engine/engine.h"
#include "engine/offsets.h"
#include "mem/machine.h"

/* Mode bits: part of a block's key. */
#define MODE_USER    0x01u  /* user privilege: selects the view */
#define MODE_64      0x02u  /* 64-bit code */
#define MODE_32      0x04u  /* 32-bit code (neither: 16-bit) */
#define MODE_TS      0x08u  /* FPU instructions raise #NM */
#define MODE_STEP    0x10u  /* TF: one instruction, then #DB */
#define MODE_SEGS    0x20u  /* DS, ES, SS or CS has a base that is not 0 */
#define MODE_SPLIT   0x80u  /* no groups: every access has its own probe (trans_group.c) */
#define MODE_ALONE   0x100u /* blocks are not linked: each comes back to C */
#define MODE_CAREFUL 0x40u  /* one instruction whose memory accesses all go through engine_careful_access() */

/* The page behind va's for code of this mode: outside 64-bit mode it wraps at 4 GiB. */
static inline uint64_t next_code_page(uint64_t va, uint32_t mode)
{
    uint64_t next = (va & PAGE_MASK) + PAGE_SIZE;

    return mode & MODE_64 ? next : (uint32_t)next;
}

/* Views: the kernel's and the user's translations are kept apart. */
enum { VIEW_KERNEL, VIEW_USER, NR_VIEWS };

struct view {
    uint64_t rtag[TLB_ENTRIES];  /* page address that may be read, or tlb_invalid(i) */
    uint64_t wtag[TLB_ENTRIES];  /* page address that may be written */
    uint64_t host[TLB_ENTRIES];  /* host address of the page that rtag/wtag name */
    uint64_t jc[65536];          /* jump cache: by the low 16 bits of the target, verify entry of a block */
    uint32_t itlb[ITLB_ENTRIES]; /* by page number: id of the code page mapped there now, or 0 */
};

/* A tag that no address with this index matches: bits 12..27 are wrong. */
static inline uint64_t tlb_invalid(unsigned i)
{
    return ~((uint64_t)i << PAGE_SHIFT);
}

static inline unsigned tlb_index(uint64_t va)
{
    return (unsigned)(va >> PAGE_SHIFT) & (TLB_ENTRIES - 1);
}

/*
 * Where the id of a code page is kept.  Kernels have thousands of pages of code, and keep them over
 * address-space switches; a process uses few, and its entries are cleared at every switch.
 */
#define ITLB_USER_ENTRIES 1024u

static inline unsigned itlb_size(unsigned view)
{
    return view == VIEW_USER ? ITLB_USER_ENTRIES : ITLB_ENTRIES;
}

static inline unsigned itlb_index(unsigned view, uint64_t va)
{
    return (unsigned)(va >> PAGE_SHIFT) & (itlb_size(view) - 1);
}

#define TLB_LOG 8192

/* Which entries of a view are in use since the last flush, so that a flush costs what was filled. */
struct tlb_log {
    unsigned n; /* > TLB_LOG: lost count, clear all */
    uint16_t index[TLB_LOG];
    uint64_t listed[TLB_ENTRIES / 64]; /* a bit an entry: it is in index[], once */
};

enum stub {
    STUB_LINK_HOST,
    STUB_LINK_SAVED,
    STUB_IND_MISS,
    STUB_MISS,                      /* + 2 * view + write */
    STUB_MISS_WORD = STUB_MISS + 4, /* write, kernel: by an instruction with a struct store_word */
    STUB_STRING,
    STUB_SPECIAL,
    STUB_CAREFUL,
    NR_STUBS,
};

struct engine_hot {
    uint64_t c_rsp;
    uint64_t shadow_rsp;
    uint16_t flags; /* AL = OF, AH = LAHF image */
    uint16_t pad;
    int kick; /* any thread: leave translated code soon */
    uint32_t exit_id;
    uint32_t pad2;
    uint64_t helper_ra; /* host return address of the last helper call */
    uint64_t helper_ea; /* target of the last indirect miss */
    uint64_t tmp[2];
    uint64_t shadow_base;
    uint64_t tmp2;
    uint64_t last_indirect; /* exit number of the indirect transfer that was executed last */
    uint64_t stubs[NR_STUBS];
};

/*
 * How to compute the guest's flags again from registers: the last instruction that set them and whose
 * operands are still there. Registers are guest numbers.
 */
enum recipe_kind {
    RECIPE_NONE,
    RECIPE_CMP,
    RECIPE_TEST,
    RECIPE_SUB,   /* a is the result */
    RECIPE_ADD,   /* the same */
    RECIPE_EQUAL, /* CMP of equal numbers, whichever: XOR or SUB of a register with itself */
};

struct flag_recipe {
    uint8_t kind;
    uint8_t size; /* of the operands, in bytes */
    uint8_t a, b; /* b == NO_RECIPE_REG: imm instead */
    int32_t imm;
};

#define NO_RECIPE_REG 0xffu

/* One guest instruction of a block: where its code starts and where its guest flags are at its one op
 * that can fault natively. */
#define ALIGN_X87 0x80 /* in insn_info.align: a pending x87 exception comes first */

struct insn_info {
    uint16_t host_off;
    uint16_t guest_off;
    uint8_t flags_host; /* at the op, guest flags are in host flags */
    uint8_t align; /* of the memory operand: #GP rather than any other fault if it is misaligned; 0: none */
    uint8_t group; /* the probe here is for several instructions: if it fails, this one has not faulted yet */
    uint8_t masked;   /* the operand has elements that may not count: if its probe fails, that says nothing */
    uint8_t borrowed; /* 1 + host register whose guest value is in tmp2 at the op; 0: none */
    struct flag_recipe recipe; /* of the flags at its probe, and at the op unless flags_host */
};

enum exit_kind {
    LINK_JUMP,          /* rel32 at patch_off may be linked to target's block */
    LINK_CALL,          /* the same, of a host call */
    LINK_SITE,          /* no exit: a return site, whose JRCXZ is at patch_off */
    EXIT_KIND_AGAIN,    /* nothing has been executed: look the block up anew, second page and all */
    EXIT_KIND_INDIRECT, /* no exit: where the last RET, or indirect JMP or CALL, is */
    EXIT_KIND_EXCEPTION,
    EXIT_KIND_EMULATE,
    EXIT_KIND_PANEL, /* as EMULATE, but certainly none of emulate.c's */
    EXIT_KIND_SYSCALL,
    EXIT_KIND_SYSENTER,
    EXIT_KIND_SOFTINT,
    EXIT_KIND_STEP, /* single instruction done, go on at target */
};

struct exit_rec {
    uint64_t target; /* guest rip to go on at, or of the instruction */
    uint32_t block;
    uint32_t patch_off; /* of the rel32 in the cache; 0: never linked */
    uint32_t tail_off;  /* where the rel32 leads when not linked */
    uint32_t id_off;    /* of the disp32 that holds -code page id; 0: same page */
    uint32_t linked;    /* 1 + block index, 0: not linked */
    uint32_t next_in;   /* next exit linked to the same block, 1 + index */
    uint8_t kind;
    uint8_t flags_host; /* leaves with flags in host flags */
    uint8_t vector;
    uint8_t len;        /* of the instruction, for traps */
    int32_t rsp_change; /* EXIT_KIND_INDIRECT: what the transfer adds to rsp */
};

/* In hot.flags: the flags are what the running block's recipe says. */
#define FLAGS_BY_RECIPE 0x0002

/*
 * A constant in a block's code that depends on where the block is, so that the block can be copied to other
 * addresses (copy.c).
 */
enum place_kind {
    PLACE_ADDRESS, /* 64 bits: an address of the guest's that moves with the block */
    PLACE_MINUS,   /* 64 bits: minus such an address */
    PLACE_INDEX,   /* 32 bits: tlb_index() of such an address */
    PLACE_RTAG,    /* disp32: its entry in that array of the view */
    PLACE_WTAG,
    PLACE_HOST,
    PLACE_ITLB,
    PLACE_EXIT, /* 32 bits: the number of one of the block's exits */
};

struct place {
    uint16_t at; /* from the block's host_off */
    uint8_t kind;
};

struct block {
    uint64_t va;
    uint64_t mfn;
    uint64_t mfn2; /* second page of a last instruction that straddles, or 0 */
    uint32_t mode;
    uint32_t host_off, host_len;
    uint32_t entry_host, entry_saved, verify; /* offsets in the cache */
    uint32_t info;                            /* index of the first insn_info: copies share them */
    uint32_t first_place;                     /* and these */
    uint32_t first_exit;
    uint32_t hash_next, frame_next; /* 1 + index */
    uint32_t incoming;              /* 1 + exit index */
    uint16_t nr_exits, nr_insns, nr_places;
    uint16_t guest_len;
    uint8_t ends_in_ret;
    uint8_t movable;           /* its places are all that depends on its address */
    struct flag_recipe recipe; /* of its jump back to its own start */
    uint8_t dead;
};

/* A page of code as mapped: what cross-page links compare. */
struct code_page {
    uint64_t va, mfn;
    uint32_t view;
    uint32_t next; /* 1 + index; its id is index + 1 */
};

#define BLOCK_HASH 262144
#define FRAME_HASH 16384
#define PAGE_HASH  65536
#define LIKE_HASH  32768

/* What is to be free before a block is made or copied. */
#define BLOCK_MAX_HOST_BYTES 65536u
#define BLOCK_MAX_EXITS      256u
#define BLOCK_MAX_INFOS      256u
#define BLOCK_MAX_PLACES     1024u

struct code_cache {
    uint8_t *base;
    size_t size, used;
    struct block *blocks;
    uint32_t nr_blocks, max_blocks;
    struct exit_rec *exits;
    uint32_t nr_exits, max_exits;
    struct insn_info *infos;
    uint32_t nr_infos, max_infos;
    struct place *places;
    uint32_t nr_places, max_places;
    struct code_page *pages;
    uint32_t nr_pages, max_pages;
    uint32_t block_hash[BLOCK_HASH];
    uint32_t frame_hash[FRAME_HASH];
    uint32_t page_hash[PAGE_HASH];
    uint32_t like[LIKE_HASH]; /* by code and mode, whatever its address: a movable block, 1 + index */
    uint64_t page_seen[NR_VIEWS][TLB_ENTRIES / 64]; /* by tlb_index(): no bit, no code page */
};

#define CAREFUL_MAX 4

/*
 * What engine_careful_access() is asked for: size in bytes, whether it is a store, whether the address is
 * relative to SS. Of a masked operand also the mask register, log2 of an element's bytes, log2 of how many
 * bits of the mask count, and whether the elements lie packed, as COMPRESS and EXPAND have them. Where more
 * bits count than there are elements, these are repeated.
 */
#define ACCESS_DESC(size, write, ss) ((uint32_t)(size) | (uint32_t)(write) << 16 | (uint32_t)(ss) << 17)
#define ACCESS_MASKED(k, element, lanes, packed) \
    ((uint32_t)(k) << 18 | (uint32_t)(element) << 21 | (uint32_t)(lanes) << 23 | (uint32_t)(packed) << 26)
#define ACCESS_SIZE(desc)    ((desc)&0xffff)
#define ACCESS_STORES(desc)  ((desc) >> 16 & 1)
#define ACCESS_SS(desc)      ((desc) >> 17 & 1)
#define ACCESS_MASK(desc)    ((desc) >> 18 & 7) /* 0: not masked */
#define ACCESS_ELEMENT(desc) (1u << ((desc) >> 21 & 3))
#define ACCESS_LANES(desc)   (1u << ((desc) >> 23 & 7))
#define ACCESS_PACKED(desc)  ((desc) >> 26 & 1)

#define CAREFUL_BYTES 128 /* FNSAVE's 108 is the largest */

/* An access of the running careful instruction that was given a copy instead of guest memory. */
struct careful_access {
    uint64_t ea;
    unsigned size;
    bool write;
    unsigned element; /* bytes; 0: all of it counts, else those elements that have a bit in */
    uint64_t elements;
    uint8_t *copy; /* in area, at the address's own offset from a 64-byte boundary */
    uint8_t old[CAREFUL_BYTES];
    uint8_t area[CAREFUL_BYTES + 64] __attribute__((aligned(64)));
};

struct careful {
    bool active;
    unsigned n;
    struct careful_access acc[CAREFUL_MAX];
    uint64_t gpr[16]; /* state before the instruction */
    uint64_t rflags;
    uint16_t flags;
    uint64_t rip;
};

/* Why a helper left translated code. */
enum helper_leave {
    HELPER_FAULT,   /* helper_exit says */
    HELPER_CAREFUL, /* the instruction needs its careful form */
    HELPER_SPLIT,   /* a group's probe failed: on with a block that has none */
    HELPER_DONE,    /* the instruction is complete, but has overwritten the block that it is in */
    HELPER_AGAIN,   /* go on with the repeated string instruction, after requests have been looked at */
    HELPER_TRAP,    /* the same, after #DB: a step, or a data breakpoint was hit */
};

#define CODE_QUEUE 64

struct code_range {
    uint64_t mfn;
    uint16_t off, len;
};

/* ---- executor.c: which executor runs user code ---- */

/*
 * What is known of a task, that is of a thread of the guest's: how it fares where it is. Times are in ticks
 * of the TSC.
 */
struct task {
    uint64_t id;         /* guest_ops.user_task() */
    bool direct;         /* it runs directly */
    uint64_t ticks;      /* translated: time since it was last judged, the kernel's included, but for the stay
                       that goes on */
    uint64_t exits;      /* translated: how often the kernel was entered in that time */
    uint64_t making;     /* translated: part of that time in which its code was translated */
    uint64_t gain, cost; /* direct: time that the translator would lose, and time on the way there and back */
    uint64_t weight;     /* direct: what it would lose on user code, in sixteenths of that code's time */
    uint64_t not_before; /* it stays translated until then */
    unsigned failures;   /* how often in a row direct execution didn't pay */
};

#define TASKS 256u

struct exec {
    struct task *task;   /* who runs now; NULL: find out */
    uint64_t since;      /* TSC: since then it has been running */
    uint64_t round_trip; /* cost of a stay in direct execution that does nothing: lowest seen lately */
    bool away;           /* user code is translated until the next engine_run() */
    bool picked_direct;  /* EXEC_RANDOM: until the next engine_run() */
    uint32_t random;     /* EXEC_RANDOM: state of the generator */
    uint64_t page;       /* code in this page is translated, block by block; EXEC_NO_PAGE: none */
    unsigned turns;      /* how often this may be done before being away is better */
    struct task table[TASKS];
};

#define EXEC_NO_PAGE 1u /* no address of a page */

/* The x87 instruction and data pointers as a guest sees them. */
struct x87_pointers {
    uint64_t ip, dp;
    uint16_t cs, ds;
};

struct engine_vcpu {
    struct vcpu v;
    uint8_t pad0[OFF_HOT - sizeof(struct vcpu)];
    struct engine_hot hot;
    uint8_t pad1[OFF_VIEWS - OFF_HOT - sizeof(struct engine_hot)];
    struct view view[NR_VIEWS];

    /* Not reached by translated code. */
    struct tlb_log log_low[NR_VIEWS], log_high[NR_VIEWS]; /* by half of the address space */
    uint32_t view_mode[NR_VIEWS];                         /* mode whose blocks the jump cache holds */
    uint64_t kernel_gs;        /* GS base that the kernel's blocks have been made for (kernel_gs_known()) */
    unsigned kernel_gs_moves;  /* how often it has been another one */
    bool kernel_gs_used;       /* there may be such blocks */
    bool avx512_seen;          /* there may be blocks that depend on XCR0 */
    uint64_t shadow[NR_VIEWS]; /* shadow stack pointers of the views */
    uint64_t shadow_base[NR_VIEWS];
    uint8_t *shadow_map;
    unsigned cur_view;
    uint16_t jc_log[NR_VIEWS][4096];
    unsigned jc_log_n[NR_VIEWS];
    struct code_cache cache;
    struct careful careful;
    uint64_t helper_ea;           /* address of the access that the last helper call was for */
    struct vcpu_exit helper_exit; /* filled in by a helper that leaves */
    enum helper_leave helper_leave;
    bool helper_in_tail; /* helper_ra lies in a slow path, not behind the instruction's code */
    uint32_t watch_hits; /* DR6 bits of data breakpoints that the running instruction has met */
    bool by_block;       /* enter the next block by find_block(), not by the jump cache */
    struct block
        *found;      /* the block at rip, just looked up; NULL: not known, or mappings have changed since */
    bool fpu_loaded; /* the guest's x87/SSE/AVX state is in the host CPU */
    unsigned slot;   /* bit in frame.code_vcpus / wtlb_vcpus */
    uint32_t flush_seq;  /* any thread: TLB flushes asked for */
    uint32_t flush_done; /* any thread: TLB flushes done */
    lock_t queue_lock;
    unsigned queue_n; /* > CODE_QUEUE: lost count */
    struct code_range queue[CODE_QUEUE];
    uint8_t *xsave_area;
    uint32_t mxcsr_mask;
    struct x87_pointers x87; /* loaded by the guest (emulate_x87.c) */
    bool x87_hides; /* the host's FXSAVE shows x87 pointers with a pending exception only, as AMD's do */
    uint8_t *alt_stack;
    struct engine_stats stats;
    struct direct *direct; /* NULL: user code is translated */
    struct direct_stats direct_stats;
    struct exec exec;
};

#define engine_of(vcpu) ((struct engine_vcpu *)(vcpu))

/* Only on a vCPU's own thread. */
static inline struct engine_vcpu *engine_self(void)
{
    struct engine_vcpu *e;

    __asm__("movq %%gs:%c1, %0" : "=r"(e) : "i"(offsetof(struct vcpu, engine)));
    return e;
}

extern struct xsave_layout engine_xsave; /* the host's (emulate_state.c) */

/* ---- enter.S ---- */
extern char engine_enter_kernel_window[], engine_enter_kernel_window_end[], engine_enter_user_window[],
    engine_enter_user_window_end[];
void engine_xcall(void (*fn)(void *), void *arg, void *area);
extern char engine_enter_window[], engine_enter_window_end[], engine_enter_abort[];
extern char engine_helper_window[], engine_helper_window_end[], helper_kicked[];
extern char engine_fault_exit[];
extern char stub_link_host[], stub_link_saved[], stub_ind_miss[], stub_ret_underflow[],
    stub_miss_read_kernel[], stub_miss_write_kernel[], stub_miss_read_user[], stub_miss_write_user[],
    stub_miss_word[], stub_string[], stub_special[], stub_careful[];

/* ---- called by enter.S ---- */
int engine_tlb_miss(uint64_t ea, int write);
int engine_tlb_miss_word(uint64_t ea, int write);
int engine_helper_string(uint64_t unused, uint32_t desc);
int engine_helper_special(uint64_t value, uint32_t desc);
void *engine_careful_access(uint64_t ea, uint32_t desc);
void engine_interrupt_helper(void);

/* ---- flags ---- */
static inline uint64_t flags_expand(uint16_t f)
{
    return (uint64_t)((f >> 8) & 0xd5) | ((f & 1) ? FLAG_OF : 0);
}

static inline uint16_t flags_pack(uint64_t rflags)
{
    return (uint16_t)(((rflags & 0xd5) | 2) << 8 | ((rflags & FLAG_OF) ? 1 : 0));
}

/* ---- flags.c ---- */
/* Arithmetic flags of a - b in the given size, in the form of hot.flags. */
uint16_t flags_compare(uint64_t a, uint64_t b, unsigned size);
/* If hot.flags says FLAGS_BY_RECIPE, computes them by b's recipe from the registers in memory. */
void flags_settle(struct engine_vcpu *e, const struct block *b);
/* The same where one of b's instructions has faulted, which may have a recipe of its own. */
void flags_settle_at(struct engine_vcpu *e, const struct block *b, const struct insn_info *info);

/* ---- cache.c ---- */
int cache_init(struct engine_vcpu *e, size_t bytes);
void cache_destroy(struct engine_vcpu *e);
void cache_flush(struct engine_vcpu *e);
struct block *cache_find(struct engine_vcpu *e, uint64_t va, uint64_t mfn, uint32_t mode);
struct block *cache_block_at(struct engine_vcpu *e, uint64_t host_pc);
void cache_insert(struct engine_vcpu *e, uint32_t index);
void cache_invalidate(struct engine_vcpu *e, uint64_t mfn, unsigned off, unsigned len);
uint32_t cache_page_id(struct engine_vcpu *e, uint64_t va, uint64_t mfn, unsigned view);
/* Whether code has ever been translated at this page's address. */
bool cache_has_page(struct engine_vcpu *e, uint64_t va, unsigned view);
void cache_link(struct engine_vcpu *e, uint32_t exit, uint32_t block);
void cache_unlink(struct engine_vcpu *e, uint32_t exit);
void cache_unlink_block_exits(struct engine_vcpu *e, struct block *b);
/* The instruction of b whose code holds host_pc. */
const struct insn_info *cache_insn_at(struct engine_vcpu *e, const struct block *b, uint64_t host_pc);

/* ---- copy.c ---- */
/* Whether a block of this address and mode may be one to copy, or a copy. */
bool block_may_move(uint64_t va, uint32_t mode);
/* Notes a movable block as the one to copy. */
void copy_note(struct code_cache *c, uint32_t index);
/*
 * Makes the block of va by copying one of the same code and mode at another address; NULL: there is none.
 * There is room for it.
 */
struct block *copy_block(struct engine_vcpu *e, uint64_t va, uint64_t mfn, uint32_t mode);

/* ---- tlb.c ---- */
enum tlb_result { TLB_OK, TLB_FAULT, TLB_CAREFUL };
enum tlb_result tlb_fill(struct engine_vcpu *e, unsigned view, uint64_t va, bool write, uint32_t *pfec);
void tlb_reset(struct engine_vcpu *e);
void tlb_drop_writable(struct engine_vcpu *e, uint64_t mfn);
void jc_reset(struct engine_vcpu *e, unsigned view);
void view_forget_code(struct engine_vcpu *e, unsigned view);

static inline unsigned vcpu_view(const struct vcpu *v)
{
    return v->user_mode ? VIEW_USER : VIEW_KERNEL;
}

/*
 * A kernel's GS base is where the CPU's own data lies, and stays where it is from early in the boot, so
 * blocks of the kernel have it built in.  When it is another one, they are dropped, all of them, and after
 * some times no more are made.
 */
#define KERNEL_GS_MOVES 8u

static inline bool kernel_gs_known(const struct engine_vcpu *e, uint32_t mode)
{
    return (mode & (MODE_USER | MODE_64)) == MODE_64 && e->kernel_gs_moves < KERNEL_GS_MOVES;
}

/* ---- translate.c ---- (heavy) */
/*
 * Translates the block at va (fetched from frame mfn; the mode says how). NULL with v->exit filled in on a
 * fetch fault.
 */
struct block *translate_block(struct engine_vcpu *e, uint64_t va, uint64_t mfn, uint32_t mode);

/*
 * ---- store.c: stores that the TLB can't do ----
 *
 * MOV and XCHG of a 64-bit register with memory by the kernel are what page tables are stored to with. They
 * have a slow path of their own, in which this word says all that engine_tlb_miss_word() needs to do the
 * instruction itself: how far before the helper's return address the instruction ends, the guest register,
 * and which of the two it is.
 */
#define STORE_WORD(back, reg, xchg) ((uint32_t)(back) | (uint32_t)(reg) << 16 | (uint32_t)(xchg) << 20)
#define STORE_WORD_BACK(w)          ((w)&0xffff)
#define STORE_WORD_REG(w)           ((w) >> 16 & 15)
#define STORE_WORD_XCHG(w)          ((w) >> 20 & 1)
#define STORE_WORD_OFFSET           6 /* its place from the return address: jmp rel32; test eax, word */

enum store_result { STORE_DONE, STORE_FAULT, STORE_CHANGED };
/*
 * Stores n bytes within the page of va for the guest: invalidates translations, asks the panel for trapped
 * frames.  If old is not NULL the store is the second half of a read-modify-write that read old:
 * STORE_CHANGED if a trapped frame holds something else by now.  STORE_FAULT: *f filled in.
 */
enum store_result store_commit(struct engine_vcpu *e, uint64_t va, const void *data, const void *old,
                               unsigned n, struct guest_fault *f);

/* ---- careful.c ---- */
void careful_begin(struct engine_vcpu *e);
/* Writes back what the instruction stored. FAULT: state rolled back, v.exit filled in; RETRY: rolled back,
 * memory has changed under a read-modify-write. */
enum careful_result { CAREFUL_DONE, CAREFUL_FAULT, CAREFUL_RETRY };
enum careful_result careful_commit(struct engine_vcpu *e);
/* Back to the state before the instruction. */
void careful_rollback(struct engine_vcpu *e);

/* ---- watch.c: breakpoints of the debug registers ---- */
/* Whether DR7 enables any; then every instruction runs in its careful form. */
static inline bool watch_enabled(const struct vcpu *v)
{
    return v->dr[7] & 0xff;
}
/* DR6 bits of the instruction breakpoints at rip. */
uint32_t watch_code(const struct vcpu *v);
/* Notes the data breakpoints that an access meets. */
void watch_data(struct engine_vcpu *e, uint64_t va, uint64_t size, bool write);

/* Whether misaligned data accesses raise #AC: EFLAGS.AC at CPL 3 with CR0.AM set (SDM vol. 3, 6.15). */
static inline bool alignment_checked(const struct vcpu *v)
{
    return v->rflags & FLAG_AC;
}

/* ---- signal.c ---- */
int signals_init(void);
void interrupt_block(struct engine_vcpu *e, uint64_t host_pc, uint64_t *shadow_top);

/* ---- emulate.c: rare unprivileged instructions, in C ---- */
enum emulate_result { EMULATE_DONE, EMULATE_FAULT, EMULATE_NOT_OURS };
enum emulate_result engine_emulate(struct engine_vcpu *e);

/* ---- executor.c (all for user mode, and where e->direct isn't NULL) ---- */
extern enum engine_exec engine_exec; /* set before vCPUs run */
/* At each entry of engine_run(). */
void exec_enter(struct engine_vcpu *e);
/* A block of user code has been translated, in so many ticks of the TSC. */
void exec_translated(struct engine_vcpu *e, uint64_t ticks);
/* User code is interrupted by a request. */
void exec_kicked(struct engine_vcpu *e);
/* Whether the code at rip is to run directly, now. */
bool exec_is_direct(struct engine_vcpu *e);
/* Whether its page is one that is translated because it can't run directly: blocks must come back to C. */
bool exec_page_alone(struct engine_vcpu *e);
/*
 * Runs user code directly. True: v.exit says why engine_run() is to return; false: go on, *form says in which
 * form.
 */
bool exec_direct(struct engine_vcpu *e, uint32_t *form);

/* ---- emulate_x87.c ---- */
/* Before the cache is flushed: the x87 instruction pointer must not point there. The guest's state is in
 * the host CPU. */
void x87_cache_flush(struct engine_vcpu *e);
/* Whether this host's FXSAVE hides the pointers unless an exception is pending; leaves the x87 state
 * initial. */
bool x87_area_hidden(void);

/* ---- engine.c ---- */
uint32_t engine_mode(const struct vcpu *v);
extern struct engine_vcpu *engine_slots[32];
void engine_process_queue(struct engine_vcpu *e);
/* Around a wait for another vCPU: meanwhile this one counts as outside the guest, so that the other may wait
 * for it. Requests are served before translated code is entered again. */
uint32_t engine_wait_begin(struct vcpu *self);
void engine_wait_end(struct vcpu *self, uint32_t was);
/* Does the TLB flushes that other vCPUs have asked for. */
void engine_serve_flush(struct engine_vcpu *e);
extern __thread struct vcpu *vcpu_current; /* the vCPU that this host thread runs, or NULL */

#endif
