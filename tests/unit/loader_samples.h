/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Makes small PV kernels for the loader's tests and fuzz seeds: ELF images with any notes, in any
 * compression, bare or as bzImages.  They are no use to run.
 */
#ifndef DIPTYCH_TESTS_LOADER_SAMPLES_H
#define DIPTYCH_TESTS_LOADER_SAMPLES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct blob {
    uint8_t *data; /* malloc'd */
    size_t size;
};

void blob_add(struct blob *b, const void *p, size_t n);
void blob_free(struct blob *b);

/* Adds an ELF note of the owner "Xen". */
void note_add(struct blob *notes, uint32_t type, const void *desc, uint32_t size);
void note_add_text(struct blob *notes, uint32_t type, const char *text);
void note_add_number(struct blob *notes, uint32_t type, uint64_t value);

enum notes_in { NOTES_IN_SEGMENT, NOTES_IN_SECTION, NOTES_IN_LEGACY, NOTES_NOWHERE };

#define SAMPLE_VIRT_BASE      0xffffffff80000000UL
#define SAMPLE_PADDR          0x1000000UL
#define SAMPLE_ENTRY          (SAMPLE_VIRT_BASE + SAMPLE_PADDR + 0x40)
#define SAMPLE_HYPERCALL_PAGE (SAMPLE_VIRT_BASE + SAMPLE_PADDR + 0x1000)
#define SAMPLE_INIT_P2M       0x8000000000UL

/* The notes of a Linux kernel. */
struct blob sample_notes(void);

/*
 * An ELF image of two segments at SAMPLE_PADDR, the first of text_size (at least 8 KiB) bytes that compress
 * like code, then one of data with bss behind it.  notes may be NULL with NOTES_NOWHERE.
 */
struct blob sample_elf(size_t text_size, const struct blob *notes, enum notes_in where);

enum sample_format {
    FORMAT_GZIP,
    FORMAT_BZIP2,
    FORMAT_LZMA,
    FORMAT_XZ,
    FORMAT_LZO,
    FORMAT_LZ4,
    FORMAT_ZSTD,
    NR_FORMATS
};
extern const char *const sample_format_name[NR_FORMATS];

/* Compresses as the kernel's build does, without the size appended. */
struct blob sample_compress(const struct blob *in, enum sample_format f);

/* Wraps compressed data into a bzImage; appends the four bytes of size if the format has none itself. */
struct blob sample_bzimage(const struct blob *packed, enum sample_format f, size_t unpacked_size);

#endif
