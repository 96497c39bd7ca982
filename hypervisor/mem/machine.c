/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Machine memory: the memfd that holds every frame, and who has which (machine.h).
 *
 * Free frames are a bitmap, a bit each: no allocation is ever needed to free, neighbours merge by themselves,
 * and a guest that gives back every other page of its memory costs no more than any other.  Large extents are
 * taken from the bottom up and aligned to 2 MiB, small ones (shared pages, single frames that a guest asks
 * for) from the top down, so that they don't stand in the way of the next domain.
 *
 * Relies on memfd_create() and MAP_NORESERVE: a machine of 16 GiB costs address space, not memory.
 * Promises: a frame handed out reads as zero; it belongs to nobody else until machine_free().
 * Any thread.  Half-light (heavy.mk): machine_alloc() and machine_free() are called with a guest's vector
 * registers live, so nothing here uses any, and these two make no libc call but assert()'s.
 */
#include "mem/machine.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/lock.h"

#define LARGE_FRAMES   512UL /* frames of a 2 MiB page */
#define LARGE_SIZE     (LARGE_FRAMES * PAGE_SIZE)
#define FIRST_RAM_MIN  0x1000UL /* the first 16 MiB are nobody's: no guest frame looks like low PC memory */
#define MAX_RAM_FRAMES (1UL << 28) /* 1 TiB; frame.m2p has 32 bits */
#define M2P_PER_FRAME  (PAGE_SIZE / sizeof(uint64_t))
#define DOMID_MAX      0x7fef /* DOMID_FIRST_RESERVED - 1 (xen/xen.h) */

struct machine machine = {.memfd = -1};

/* Bit set: free.  Invariant, with lock held: all free frames lie in [lowest, highest]. */
static struct {
    lock_t lock;
    uint64_t *free;
    uint64_t lowest, highest;
} pool;

static uint64_t round_up(uint64_t n, uint64_t to)
{
    return (n + to - 1) / to * to;
}

static bool frame_is_free(uint64_t n)
{
    return pool.free[n / 64] >> (n % 64) & 1;
}

/* Sets or clears the bits of frames [first, first + nr), a word at a time. */
static void pool_mark(uint64_t first, uint64_t nr, bool is_free)
{
    while (nr > 0) {
        uint64_t bit = first % 64;
        uint64_t n = 64 - bit < nr ? 64 - bit : nr;
        uint64_t mask = (n == 64 ? ~0UL : (1UL << n) - 1) << bit;

        if (is_free)
            pool.free[first / 64] |= mask;
        else
            pool.free[first / 64] &= ~mask;
        first += n;
        nr -= n;
    }
}

/* True if all of [first, first + nr) is free; else *busy is a frame in it that isn't. */
static bool pool_range_free(uint64_t first, uint64_t nr, uint64_t *busy)
{
    for (uint64_t n = first; n < first + nr;) {
        if (n % 64 == 0 && pool.free[n / 64] == ~0UL) {
            n += 64;
            continue;
        }
        if (!frame_is_free(n)) {
            *busy = n;
            return false;
        }
        n++;
    }
    return true;
}

/* The lowest free extent of nr frames whose start is a multiple of align; 0 (never RAM) if there is none. */
static uint64_t pool_find_low(uint64_t nr, uint64_t align)
{
    uint64_t start = round_up(pool.lowest, align);

    while (start <= pool.highest && nr <= pool.highest + 1 - start) {
        uint64_t busy;

        if (align == 1 && pool.free[start / 64] == 0) {
            start = (start / 64 + 1) * 64;
            continue;
        }
        if (pool_range_free(start, nr, &busy))
            return start;
        start = round_up(busy + 1, align);
    }
    return 0;
}

/* The highest free extent of nr frames; 0 if there is none. */
static uint64_t pool_find_high(uint64_t nr)
{
    uint64_t run = 0;

    for (uint64_t n = pool.highest; n >= pool.lowest; n--) {
        if (n % 64 == 63 && pool.free[n / 64] == 0) {
            run = 0;
            n -= 63; /* and the loop takes one more; RAM starts far above frame 0 */
            continue;
        }
        run = frame_is_free(n) ? run + 1 : 0;
        if (run == nr)
            return n;
    }
    return 0;
}

/* Takes the extent off the bitmap and tightens the bounds if it touched them. */
static void pool_take(uint64_t first, uint64_t nr)
{
    pool_mark(first, nr, false);
    if (first == pool.lowest)
        pool.lowest = first + nr;
    if (first + nr - 1 == pool.highest)
        pool.highest = first - 1;
}

static void *map_anon(size_t size)
{
    void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    return p == MAP_FAILED ? NULL : p;
}

/* Maps size bytes of the memfd at an address that is a multiple of 2 MiB, as large host pages need it. */
static uint8_t *map_frames(int fd, size_t size)
{
    uint8_t *area =
        mmap(NULL, size + LARGE_SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    uint8_t *base;

    if (area == MAP_FAILED)
        return NULL;
    base = (uint8_t *)round_up((uint64_t)area, LARGE_SIZE);
    if (base != area)
        munmap(area, (size_t)(base - area));
    if (base + size != area + size + LARGE_SIZE)
        munmap(base + size, (size_t)(area + LARGE_SIZE - base));
    if (mmap(base, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE | MAP_FIXED, fd, 0) ==
        MAP_FAILED) {
        int err = errno;

        munmap(base, size);
        errno = err;
        return NULL;
    }
    madvise(base, size, MADV_DONTDUMP);
    return base;
}

/* Undoes what machine_init() has done so far. */
static void machine_unmap(size_t ram_size, size_t frames_size)
{
    if (machine.frames)
        munmap(machine.frames, frames_size);
    if (machine.base_hva)
        munmap(machine.base_hva, ram_size);
    if (machine.memfd >= 0)
        close(machine.memfd);
    machine = (struct machine){.memfd = -1};
}

int machine_init(uint64_t ram_frames, const char **why)
{
    uint64_t m2p_frames = 0, first_ram = 0, nr_frames = 0;
    size_t ram_size, frames_size;
    int err;

    assert(machine.base_hva == NULL);
    if (ram_frames == 0 || ram_frames > MAX_RAM_FRAMES) {
        *why = "guest memory must be between 4 KiB and 1 TiB";
        return -EINVAL;
    }
    /* The M2P table covers its own frames too: grow it until it does. */
    do {
        m2p_frames = round_up(nr_frames, M2P_PER_FRAME) / M2P_PER_FRAME;
        first_ram = round_up(m2p_frames > FIRST_RAM_MIN ? m2p_frames : FIRST_RAM_MIN, LARGE_FRAMES);
        nr_frames = first_ram + ram_frames;
    } while (m2p_frames * M2P_PER_FRAME < nr_frames);
    ram_size = nr_frames * PAGE_SIZE;
    frames_size = nr_frames * sizeof(struct frame);

    machine.memfd = memfd_create("diptych-memory", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (machine.memfd < 0) {
        *why = "cannot create a memory file for guest memory (memfd_create)";
        return -errno;
    }
    /* Sealed in size: nobody who gets hold of the file can make an access here end in SIGBUS. */
    if (ftruncate(machine.memfd, (off_t)ram_size) < 0 ||
        fcntl(machine.memfd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0) {
        *why = "cannot size the memory file for guest memory (check 'ulimit -f')";
        goto fail;
    }
    machine.base_hva = map_frames(machine.memfd, ram_size);
    if (!machine.base_hva) {
        *why = "cannot reserve address space for guest memory (check 'ulimit -v')";
        goto fail;
    }
    machine.frames = map_anon(frames_size);
    pool.free = machine.frames ? map_anon(round_up(nr_frames, 64) / 8) : NULL;
    if (!pool.free) {
        *why = "cannot reserve address space for the table of guest frames (check 'ulimit -v')";
        goto fail;
    }
    madvise(machine.frames, frames_size, MADV_HUGEPAGE);

    machine.nr_frames = nr_frames;
    machine.m2p_frames = m2p_frames;
    machine.first_ram = MFN(first_ram);
    machine.m2p = (uint64_t *)machine.base_hva;
    for (uint64_t n = 0; n < first_ram; n++)
        machine.frames[n] = (struct frame){.owner = DOMID_NOBODY, .flags = FRAME_XEN, .m2p = ~0u};
    memset(machine.m2p, 0xff, nr_frames * sizeof(uint64_t)); /* INVALID_M2P_ENTRY */
    pool.lowest = first_ram;
    pool.highest = nr_frames - 1;
    pool_mark(first_ram, ram_frames, true);
    return 0;

fail:
    err = errno;
    machine_unmap(ram_size, frames_size);
    return -err;
}

mfn_t machine_alloc(uint16_t domid, uint64_t nr)
{
    uint64_t first;

    /* A zero owner is how a free frame looks. */
    if (nr == 0 || domid == 0 || domid > DOMID_MAX)
        return MFN_INVALID;
    lock_acquire(&pool.lock);
    if (nr >= LARGE_FRAMES) {
        first = pool_find_low(nr, LARGE_FRAMES);
        if (first == 0)
            first = pool_find_low(nr, 1);
    } else {
        first = pool_find_high(nr);
    }
    if (first != 0)
        pool_take(first, nr);
    lock_release(&pool.lock);
    if (first == 0)
        return MFN_INVALID;

    /* Where the host gives large pages to shared memory only on request, ask for them. */
    if (nr >= LARGE_FRAMES)
        rawsys6(SYS_madvise, (long)machine_hva(MFN(first)), (long)(nr * PAGE_SIZE), MADV_HUGEPAGE, 0, 0, 0);
    for (uint64_t n = first; n < first + nr; n++)
        machine.frames[n] = (struct frame){.owner = domid, .m2p = ~0u};
    return MFN(first);
}

/* Lets the host have the memory back; a hole in a shared mapping reads as zero. */
static void frames_discard(uint64_t first, uint64_t nr)
{
    uint8_t *p = machine_hva(MFN(first));
    size_t size = nr * PAGE_SIZE;
    long ret;

    do
        ret = rawsys6(SYS_fallocate, machine.memfd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                      (long)(first * PAGE_SIZE), (long)size, 0, 0);
    while (ret == -EINTR);
    if (ret < 0) /* memory then stays taken, but nobody reads what was in it */
        __asm__ volatile("rep stosb" : "+D"(p), "+c"(size) : "a"(0) : "memory");
}

void machine_free(mfn_t first, uint64_t nr)
{
    assert(first.n >= machine.first_ram.n && first.n <= machine.nr_frames &&
           nr <= machine.nr_frames - first.n);
    if (nr == 0)
        return;
    frames_discard(first.n, nr);
    for (uint64_t n = first.n; n < first.n + nr; n++) {
        machine.frames[n] = (struct frame){.owner = 0};
        machine.m2p[n] = ~0UL;
    }

    lock_acquire(&pool.lock);
    for (uint64_t n = first.n; n < first.n + nr; n++)
        assert(!frame_is_free(n));
    pool_mark(first.n, nr, true);
    if (first.n < pool.lowest)
        pool.lowest = first.n;
    if (first.n + nr - 1 > pool.highest)
        pool.highest = first.n + nr - 1;
    lock_release(&pool.lock);
}
