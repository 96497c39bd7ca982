/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From files to a domain ready to run: kernel images and the PV domain builder.  Heavy code.
 * Every function here takes outside data and trusts none of it.
 */
#ifndef DIPTYCH_LOADER_LOADER_H
#define DIPTYCH_LOADER_LOADER_H

#include "cpu/domain.h"

struct kernel_segment {
    const uint8_t *data; /* within image->elf */
    uint64_t file_size, mem_size;
    uint64_t vaddr, paddr;
};

/* A PV kernel, ready to be placed: what the ELF notes (xen/elfnote.h) and program headers say. */
struct kernel_image {
    uint8_t *elf; /* owned; decompressed */
    size_t elf_size;
    unsigned nr_segments;
    struct kernel_segment segment[16];
    uint64_t virt_base, paddr_offset, entry, hypercall_page; /* ~0 where a note is missing and optional */
    uint64_t init_p2m;                                       /* ~0: P2M lies behind the module as usual */
    bool mod_start_pfn;            /* XEN_ELFNOTE_MOD_START_PFN: module not mapped */
    uint64_t virt_start, virt_end; /* of all segments */
    char guest_os[32], guest_version[32], features[256];
};

/*
 * Reads a bzImage (gzip, bzip2, lzma, xz, lzo, lz4, zstd) or plain (optionally gzipped) ELF. 0, or -1 with
 * one line in why.
 */
int kernel_load(const char *path, struct kernel_image *k, char *why, size_t why_size);
/*
 * The same from an open file, from its start; path only names it in messages. A restart reads the same file
 * again.
 */
int kernel_load_fd(int fd, const char *path, struct kernel_image *k, char *why, size_t why_size);
void kernel_free(struct kernel_image *k);

/*
 * Places kernel, module, start_info, page tables, P2M; leaves vCPU 0 ready at the entry point.
 * d has its frames (first_mfn, nr_pages), its pv state and its vCPUs.  module may be NULL.
 * 0, or -1 with one line in why.
 */
int pv_build(struct domain *d, const struct kernel_image *k, const void *module, size_t module_size,
             const char *cmdline, char *why, size_t why_size);

#endif
