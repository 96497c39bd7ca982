/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The translator under libFuzzer: any bytes as guest code, in any mode and at any place of a page. What it
 * makes is not run (tests/cpu does that); it must stay within the room that the cache keeps free, and its
 * tables must name instructions of the block.
 */
#include "cpu/xsave.h"
#include "engine/internal.h"
#include "fuzz.h"
#include "mem/machine.h"

#define CACHE_BYTES (8ul << 20)
#define CODE_VA     0x10000ul
#define DOMID       1
#define ROOM        65536u /* engine.c flushes the cache when it has less */
/* A flush clears tables of megabytes; the tables have room for so many blocks. */
#define BLOCKS_BETWEEN_FLUSHES 256

static struct vcpu *vcpu;
static mfn_t code[2]; /* the page at CODE_VA, and the one behind it */
static bool second_page;
static const void *kept; /* the vCPU's memory is no heap, so LeakSanitizer doesn't see what it points to */

static bool fuzz_walk(struct vcpu *v, gva_t a, enum access access, struct translation *t, uint32_t *pfec)
{
    uint64_t page = (a.va >> PAGE_SHIFT) - (CODE_VA >> PAGE_SHIFT);

    (void)v, (void)access;
    *pfec = 0;
    if (page > second_page)
        return false;
    *t = (struct translation){.mfn = code[page]};
    return true;
}

static const struct guest_ops ops = {.walk = fuzz_walk};

int LLVMFuzzerInitialize(int *argc, char ***argv);

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    static struct domain domain = {.domid = DOMID, .nr_vcpus = 1, .end = DOMAIN_RUNNING};
    const char *why;

    (void)argc, (void)argv;
    require(machine_init(4096, &why) == 0);
    code[0] = machine_alloc(DOMID, 2);
    code[1] = MFN(code[0].n + 1);
    vcpu = engine_vcpu_create(CACHE_BYTES);
    require(vcpu && code[0].n != MFN_INVALID.n);
    kept = engine_of(vcpu)->xsave_area;
    require(kept != NULL);
    domain.vcpu[0] = vcpu;
    vcpu->domain = &domain;
    vcpu->xcr0 = XCR0_GUEST; /* whatever the host has: nothing is executed */
    vcpu->ops = &ops;
    return 0;
}

static void check(const struct code_cache *c, const struct block *b)
{
    uint32_t last = 0;

    require(b->host_len <= ROOM && c->used <= c->size);
    require(b->nr_insns > 0 && b->info + b->nr_insns == c->nr_infos);
    for (unsigned i = 0; i < b->nr_insns; i++) {
        const struct insn_info *info = &c->infos[b->info + i];

        require(info->host_off >= last && info->host_off <= b->host_len);
        require(info->guest_off <= b->guest_len);
        last = info->host_off;
    }
    for (unsigned i = 0; i < b->nr_exits; i++)
        require(c->exits[b->first_exit + i].patch_off < c->used);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint32_t sizes[] = {MODE_64, MODE_32, 0, MODE_64};
    struct engine_vcpu *e = engine_of(vcpu);
    struct input in = {data, size};
    uint8_t how = input_byte(&in), more = input_byte(&in);
    uint32_t mode = sizes[how & 3] | (how & 4 ? MODE_USER : 0) | (how & 8 ? MODE_TS : 0) |
                    (how & 16 ? MODE_STEP : 0) | (how & 32 ? MODE_CAREFUL : 0);
    unsigned off = how & 64 ? PAGE_SIZE - 1 - more % 64 : more * 8u;
    const struct block *b;

    if (!(mode & MODE_64) && more & 1)
        mode |= MODE_SEGS;
    second_page = how & 128;
    for (unsigned i = 0; i < 2; i++)
        memset(machine_hva(code[i]), 0x90, PAGE_SIZE);
    input_take(&in, (uint8_t *)machine_hva(code[0]) + off, in.n < 2048 ? in.n : 2048);
    if (e->cache.size - e->cache.used < 2 * ROOM || e->cache.nr_blocks == BLOCKS_BETWEEN_FLUSHES)
        cache_flush(e);
    b = translate_block(e, CODE_VA + off, code[0].n, mode);
    require(b || !second_page);
    if (b)
        check(&e->cache, b);
    return 0;
}
