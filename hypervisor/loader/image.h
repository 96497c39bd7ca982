/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The steps by which a kernel file becomes a struct kernel_image; between the files of loader/ only.
 *
 * All input is hostile.  Every function that fails returns -1 and leaves one line in why, without the file's
 * name (kernel_load() puts it in front) and without control characters.
 */
#ifndef DIPTYCH_LOADER_IMAGE_H
#define DIPTYCH_LOADER_IMAGE_H

#include "loader/loader.h"

/* The largest image worth trying, compressed or not: a kernel with all its debugging information fits. */
#define IMAGE_MAX (1UL << 30)

/* Memory of its own mapping; host memory is taken as it is touched. */
struct image_buf {
    uint8_t *data;
    size_t size;
};

/* Room for size (1..IMAGE_MAX) bytes, zero. 0 or -1. (kernel_load.c) */
int image_buf_alloc(struct image_buf *b, size_t size, char *why, size_t why_size);
/* Gives back all but the first size (at least 1) bytes. */
void image_buf_trim(struct image_buf *b, size_t size);
void image_buf_free(struct image_buf *b);

/* Formats the line and returns -1. (kernel_load.c) */
int image_error(char *why, size_t why_size, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* ---- bzimage.c ---- */

/* Has the file the marks of Linux's boot protocol? */
bool bzimage_probe(const uint8_t *file, size_t size);
/* Where in the file the compressed kernel lies. */
int bzimage_payload(const uint8_t *file, size_t size, const uint8_t **payload, size_t *payload_size,
                    char *why, size_t why_size);

/* ---- decompress.c ---- */

/* Is this the beginning of a format that payload_decompress() knows? */
bool payload_probe(const uint8_t *in, size_t in_size);
/*
 * Decompresses into a new buffer, owned by the caller on success.  has_size: the last four bytes are the size
 * of the result, as in every bzImage (gzip has them anyway, the kernel's build appends them to the others); a
 * different result is an error then.  Bytes behind the end of the compressed data are ignored.
 */
int payload_decompress(const uint8_t *in, size_t in_size, bool has_size, struct image_buf *out, char *why,
                       size_t why_size);

enum decompress_status {
    DECOMPRESS_OK,
    DECOMPRESS_CORRUPT,
    DECOMPRESS_TRUNCATED,
    DECOMPRESS_TOO_BIG, /* more than fits into the output buffer */
    DECOMPRESS_NO_MEMORY,
};

/* ---- decompress_lz.c: containers that their libraries don't read ---- */
enum decompress_status decompress_lz4_legacy(const uint8_t *in, size_t in_size, uint8_t *out, size_t out_size,
                                             size_t *produced);
enum decompress_status decompress_lzop(const uint8_t *in, size_t in_size, uint8_t *out, size_t out_size,
                                       size_t *produced);

/* ---- elf.c ---- */

/* Fills in everything from the ELF image in k->elf, k->elf_size. */
int elf_parse(struct kernel_image *k, char *why, size_t why_size);

/* ---- xen_notes.c ---- */

#define XEN_NOTE_UNSET (~0UL)

struct xen_notes {
    unsigned nr;     /* Xen notes seen; the legacy section counts as one */
    unsigned nr_all; /* notes of any owner, to bound the work */
    bool legacy;     /* from the section __xen_guest */
    uint64_t entry, hypercall_page, virt_base, paddr_offset, init_p2m; /* XEN_NOTE_UNSET if missing */
    bool mod_start_pfn;
    bool phys32_entry; /* there is a PVH entry */
    char guest_os[32], guest_version[32], loader[32], xen_version[32], features[256];
    uint32_t features_required; /* bit: XENFEAT_* */
    char bad_feature[64];       /* a required one that nobody knows, with its '!'; "" if none */
};

void xen_notes_init(struct xen_notes *n);
/* Takes up the notes of a PT_NOTE segment or SHT_NOTE section; stops where they make no sense any more. */
void xen_notes_scan(struct xen_notes *n, const uint8_t *p, size_t size);
/* Takes up a legacy __xen_guest section: "KEY=value,KEY=value", ended by NUL or by the section's end. */
void xen_notes_scan_legacy(struct xen_notes *n, const uint8_t *p, size_t size);
/* Refuses what is no PV kernel for this hypervisor, as Xen's domain builder does. */
int xen_notes_check(const struct xen_notes *n, char *why, size_t why_size);

#endif
