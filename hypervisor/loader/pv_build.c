/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The PV domain builder: puts a kernel and its module into a domain's fresh memory, with everything that the
 * start of day promises.  Runs once a domain, before its vCPUs do.
 *
 * Relies on frames reading as zero when they come from machine_alloc(): nothing here clears what it doesn't
 * fill.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "loader/image.h"
#include "loader/pv_layout.h"
#include "pv/panel.h"

static unsigned long long mib_of(uint64_t pages)
{
    return (pages + 255) / 256;
}

/* Lays out the domain; says how much memory it would take if it has too little. */
static int lay_out(struct pv_layout *l, const struct domain *d, const struct kernel_image *k,
                   size_t module_size, char *why, size_t why_size)
{
    uint64_t pages = d->nr_pages;

    if (pv_layout(l, k, pages, module_size, why, why_size) < 0)
        return -1;
    if (l->nr_pages_needed <= pages)
        return 0;
    while (l->nr_pages_needed > pages) { /* more memory needs a larger P2M */
        pages = l->nr_pages_needed;
        if (pv_layout(l, k, pages, module_size, why, why_size) < 0)
            return -1;
    }
    return image_error(why, why_size,
                       "too little memory: this kernel%s needs at least %llu MiB to start, the guest has "
                       "%llu MiB; raise memory",
                       module_size > 0 ? " with its ramdisk" : "", mib_of(l->nr_pages_needed),
                       mib_of(d->nr_pages));
}

/*
 * Puts bytes into the domain's memory from byte offset at on.  Through the file, not the mapping: the host
 * then neither clears the pages first nor takes a fault for each, and says so if it has no memory left.
 */
static int copy_in(const struct domain *d, uint64_t at, const uint8_t *from, size_t size, char *why,
                   size_t why_size)
{
    off_t to = (off_t)(d->first_mfn.n * PAGE_SIZE + at);

    while (size > 0) {
        ssize_t n = pwrite(machine.memfd, from, size, to);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return image_error(why, why_size, "no host memory for the guest's kernel and ramdisk: %s",
                               n < 0 ? strerror(errno) : "file too short");
        from += n;
        to += n;
        size -= (size_t)n;
    }
    return 0;
}

static int copy_kernel(const struct domain *d, const struct kernel_image *k, char *why, size_t why_size)
{
    for (unsigned i = 0; i < k->nr_segments; i++) {
        const struct kernel_segment *s = &k->segment[i];

        if (copy_in(d, s->vaddr - k->virt_base, s->data, s->file_size, why, why_size) < 0)
            return -1;
    }
    if (k->hypercall_page != XEN_NOTE_UNSET)
        pv_hypercall_page_write(pv_build_hva(d, (k->hypercall_page - k->virt_base) / PAGE_SIZE));
    return 0;
}

/* The two tables between pfns and mfns: the guest's own, and the machine's. */
static void write_translations(const struct domain *d, const struct pv_layout *l)
{
    uint64_t *p2m = pv_build_hva(d, l->p2m.pfn);

    for (uint64_t pfn = 0; pfn < d->nr_pages; pfn++) {
        mfn_t m = pv_build_mfn(d, pfn);

        p2m[pfn] = m.n;
        machine.m2p[m.n] = pfn;
        machine_frame(m)->m2p = (uint32_t)pfn;
    }
}

/*
 * The ring pages of store and console: zero, and held as writable pages for as long as the domain lives, as a
 * backend's mapping would hold them, so that the guest can't make page tables of them.
 */
static int give_rings(struct domain *d, const struct pv_layout *l)
{
    struct pv_domain *pv = d->pv;
    int ret;

    pv->store_mfn = pv_build_mfn(d, l->store_pfn);
    pv->console_mfn = pv_build_mfn(d, l->console_pfn);
    memset(machine_hva(pv->store_mfn), 0, PAGE_SIZE);
    memset(machine_hva(pv->console_mfn), 0, PAGE_SIZE);
    lock_acquire(&d->mm_lock);
    ret = mm_get_page(d, pv->store_mfn, FRAME_WRITABLE);
    if (ret == 0)
        ret = mm_get_page(d, pv->console_mfn, FRAME_WRITABLE);
    lock_release(&d->mm_lock);
    return ret;
}

int pv_build(struct domain *d, const struct kernel_image *k, const void *module, size_t module_size,
             const char *cmdline, char *why, size_t why_size)
{
    struct pv_layout l;
    mfn_t l4;
    int ret;

    if (!module)
        module_size = 0;
    if (strlen(cmdline) >= MAX_GUEST_CMDLINE)
        return image_error(why, why_size,
                           "kernel command line has %zu characters, the PV ABI has room for %d; shorten it",
                           strlen(cmdline), MAX_GUEST_CMDLINE - 1);
    if (lay_out(&l, d, k, module_size, why, why_size) < 0)
        return -1;

    if (copy_kernel(d, k, why, why_size) < 0 ||
        copy_in(d, l.module.pfn * PAGE_SIZE, module, module_size, why, why_size) < 0)
        return -1;
    write_translations(d, &l);
    if (give_rings(d, &l) < 0)
        return image_error(why, why_size, "internal error: store and console pages were refused");
    pv_start_info_write(d, k, &l, module_size, cmdline);
    /* The rest of shared_info is zero, or the business of time and event channels. */
    for (unsigned i = 0; i < XEN_LEGACY_MAX_VCPUS; i++)
        d->pv->shared_info->vcpu_info[i].evtchn_upcall_mask = 1;

    l4 = pv_tables_write(d, &l);
    pv_vcpu0_set(d, k, &l);
    ret = mm_adopt_initial_tables(d, l4);
    if (ret < 0)
        return image_error(why, why_size, "internal error: initial page tables were refused (%d)", ret);
    return 0;
}
