/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Making and unmaking engines: memory, signal stacks, what the host CPU must have. Heavy code.
 */
#include <asm/prctl.h>
#include <cpuid.h>
#include <errno.h>
#include <immintrin.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cpu/cpu_policy.h"
#include "engine/internal.h"

#define CACHE_DEFAULT  (128UL << 20) /* address space; memory is taken as blocks are made */
#define SHADOW_SIZE    (1UL << 20)   /* return addresses of one view: 131072 nested calls */
#define ALT_STACK_SIZE 65536

const char *engine_host_missing(void)
{
    unsigned a, b, c, d;

    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d))
        return "CPUID leaf 7";
    if (!(b & bit_BMI2))
        return "BMI2 (RORX, for the inline software TLB)";
    if (!(b & bit_FSGSBASE))
        return "FSGSBASE";
    __get_cpuid(1, &a, &b, &c, &d);
    if (!(c & bit_OSXSAVE))
        return "XSAVE enabled by the host kernel";
    __get_cpuid(0x80000001, &a, &b, &c, &d);
    if (!(c & bit_LAHF_LM))
        return "LAHF/SAHF in 64-bit mode";
    return NULL;
}

int engine_init(void)
{
    struct cpu_source host;

    cpu_source_host(&host);
    cpu_xsave_layout(&host, &engine_xsave);
    return signals_init();
}

static void *map(size_t size, int prot)
{
    void *p = mmap(NULL, size, prot, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    return p == MAP_FAILED ? NULL : p;
}

int cache_init(struct engine_vcpu *e, size_t bytes)
{
    struct code_cache *c = &e->cache;

    c->size = bytes ? bytes : CACHE_DEFAULT;
    c->max_blocks = (uint32_t)(c->size / 256); /* they take 680 bytes, on average */
    c->max_exits = c->max_blocks * 3;
    c->max_infos = c->max_blocks * 8;
    c->max_places = c->max_blocks * 8;
    c->max_pages = 1u << 18;
    c->base = map(c->size, PROT_READ | PROT_WRITE | PROT_EXEC);
    c->blocks = map(c->max_blocks * sizeof(*c->blocks), PROT_READ | PROT_WRITE);
    c->exits = map(c->max_exits * sizeof(*c->exits), PROT_READ | PROT_WRITE);
    c->infos = map(c->max_infos * sizeof(*c->infos), PROT_READ | PROT_WRITE);
    c->places = map(c->max_places * sizeof(*c->places), PROT_READ | PROT_WRITE);
    c->pages = map(c->max_pages * sizeof(*c->pages), PROT_READ | PROT_WRITE);
    if (!c->base || !c->blocks || !c->exits || !c->infos || !c->places || !c->pages)
        return -ENOMEM;
    return 0;
}

void cache_destroy(struct engine_vcpu *e)
{
    struct code_cache *c = &e->cache;

    if (c->base)
        munmap(c->base, c->size);
    if (c->blocks)
        munmap(c->blocks, c->max_blocks * sizeof(*c->blocks));
    if (c->exits)
        munmap(c->exits, c->max_exits * sizeof(*c->exits));
    if (c->infos)
        munmap(c->infos, c->max_infos * sizeof(*c->infos));
    if (c->places)
        munmap(c->places, c->max_places * sizeof(*c->places));
    if (c->pages)
        munmap(c->pages, c->max_pages * sizeof(*c->pages));
}

/* One region: guard page, kernel's return stack, guard page, user's return stack. The top word of each is the
 * underflow stub's address, and stays. */
static int shadow_init(struct engine_vcpu *e)
{
    e->shadow_map = map(2 * (SHADOW_SIZE + PAGE_SIZE), PROT_READ | PROT_WRITE);
    if (!e->shadow_map)
        return -ENOMEM;
    for (unsigned n = 0; n < NR_VIEWS; n++) {
        uint8_t *guard = e->shadow_map + n * (SHADOW_SIZE + PAGE_SIZE);
        uint64_t *top = (uint64_t *)(guard + PAGE_SIZE + SHADOW_SIZE) - 2;

        if (mprotect(guard, PAGE_SIZE, PROT_NONE) != 0)
            return -errno;
        *top = (uint64_t)stub_ret_underflow;
        e->shadow_base[n] = e->shadow[n] = (uint64_t)top;
    }
    return 0;
}

struct vcpu *engine_vcpu_create(size_t cache_bytes)
{
    struct engine_vcpu *e =
        mmap(NULL, sizeof(*e), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    unsigned a, b, c = 0, d, slot;

    if (e == MAP_FAILED)
        return NULL;
    for (slot = 0; slot < ARRAY_SIZE(engine_slots) && engine_slots[slot]; slot++)
        ;
    if (!__get_cpuid_count(0xd, 0, &a, &b, &c, &d))
        return NULL; /* engine_host_missing() has refused such a host */
    e->xsave_area = aligned_alloc(64, (c + 63u) & ~63u);
    e->alt_stack = map(ALT_STACK_SIZE, PROT_READ | PROT_WRITE);
    if (slot == ARRAY_SIZE(engine_slots) || !e->xsave_area || !e->alt_stack ||
        cache_init(e, cache_bytes) != 0 || shadow_init(e) != 0) {
        engine_vcpu_destroy(&e->v);
        return NULL;
    }
    memset(e->xsave_area, 0, (c + 63u) & ~63u);
    e->xsave_area[0] = 0x7f; /* FCW 0x37f, MXCSR 0x1f80: the initial configuration */
    e->xsave_area[1] = 0x03;
    e->xsave_area[24] = 0x80;
    e->xsave_area[25] = 0x1f;
    {
        uint8_t image[512] __attribute__((aligned(16)));

        memset(image, 0, sizeof(image));
        __asm__ volatile("fxsave64 %0" : "=m"(image));
        memcpy(&e->mxcsr_mask, image + 28, 4);
        if (!e->mxcsr_mask)
            e->mxcsr_mask = 0xffbf;
        e->x87_hides = x87_area_hidden();
    }
    e->slot = slot;
    engine_slots[slot] = e;
    e->v.engine = e;
    e->v.rflags = 2;
    e->exec.page = EXEC_NO_PAGE;
    e->exec.random = 1 + slot;
    e->v.xcr0 = 7;
    e->hot.stubs[STUB_LINK_HOST] = (uint64_t)stub_link_host;
    e->hot.stubs[STUB_LINK_SAVED] = (uint64_t)stub_link_saved;
    e->hot.stubs[STUB_IND_MISS] = (uint64_t)stub_ind_miss;
    e->hot.stubs[STUB_MISS + 0] = (uint64_t)stub_miss_read_kernel;
    e->hot.stubs[STUB_MISS + 1] = (uint64_t)stub_miss_write_kernel;
    e->hot.stubs[STUB_MISS + 2] = (uint64_t)stub_miss_read_user;
    e->hot.stubs[STUB_MISS + 3] = (uint64_t)stub_miss_write_user;
    e->hot.stubs[STUB_MISS_WORD] = (uint64_t)stub_miss_word;
    e->hot.stubs[STUB_STRING] = (uint64_t)stub_string;
    e->hot.stubs[STUB_SPECIAL] = (uint64_t)stub_special;
    e->hot.stubs[STUB_CAREFUL] = (uint64_t)stub_careful;
    tlb_reset(e);
    for (unsigned n = 0; n < NR_VIEWS; n++) {
        e->jc_log_n[n] = ARRAY_SIZE(e->jc_log[n]) + 1;
        jc_reset(e, n);
        e->view_mode[n] = ~0u;
    }
    return &e->v;
}

void engine_vcpu_destroy(struct vcpu *v)
{
    struct engine_vcpu *e = engine_of(v);

    if (engine_slots[e->slot] == e) {
        cache_flush(e); /* gives up the frames' code bits */
        engine_slots[e->slot] = NULL;
    }
    if (e->direct)
        direct_free(e->direct);
    cache_destroy(e);
    if (e->shadow_map)
        munmap(e->shadow_map, 2 * (SHADOW_SIZE + PAGE_SIZE));
    if (e->alt_stack)
        munmap(e->alt_stack, ALT_STACK_SIZE);
    free(e->xsave_area);
    munmap(e, sizeof(*e));
}

int engine_exec_prepare(enum engine_exec how, unsigned vcpus, const char **why)
{
    int err = how == EXEC_TRANSLATE ? 0 : direct_prepare(vcpus, why);

    if (!err)
        engine_exec = how;
    return err;
}

bool engine_exec_has_stubs(void)
{
    return engine_exec != EXEC_TRANSLATE;
}

int engine_thread_start(struct vcpu *v)
{
    struct engine_vcpu *e = engine_of(v);
    stack_t ss = {.ss_sp = e->alt_stack, .ss_size = ALT_STACK_SIZE};

    if (sigaltstack(&ss, NULL) != 0)
        return -errno;
    if (syscall(SYS_arch_prctl, ARCH_SET_GS, (unsigned long)e) != 0)
        return -errno;
    v->tid = (int)syscall(SYS_gettid);
    if (engine_exec != EXEC_TRANSLATE)
        e->direct = direct_attach(e->slot, &e->direct_stats);
    vcpu_current = v;
    return 0;
}

void engine_thread_stop(struct vcpu *v)
{
    stack_t ss = {.ss_flags = SS_DISABLE};

    vcpu_current = NULL;
    if (engine_of(v)->direct)
        direct_detach(engine_of(v)->direct);
    v->tid = 0;
    sigaltstack(&ss, NULL);
}
