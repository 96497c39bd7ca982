/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Writes the seed corpus of fuzz_kernel_image into a directory: one sample of each kind. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "loader_samples.h"

static const char *dir;

static void put(const char *kind, const char *format, const struct blob *b)
{
    char path[512];
    FILE *f;

    snprintf(path, sizeof(path), "%s/%s-%s", dir, kind, format);
    f = fopen(path, "wb");
    if (!f || fwrite(b->data, 1, b->size, f) != b->size || fclose(f) != 0) {
        fprintf(stderr, "%s: %s\n", path, strerror(errno));
        exit(1);
    }
}

int main(int argc, char **argv)
{
    static const char legacy[] =
        "GUEST_OS=linux,XEN_VER=xen-3.0,VIRT_BASE=0xffffffff80000000,ELF_PADDR_OFFSET=0x0,"
        "VIRT_ENTRY=0xffffffff81000040,HYPERCALL_PAGE=0x1001,FEATURES=writable_page_tables|!pae_pgdir_above_"
        "4gb,LOADER=generic";
    struct blob notes = sample_notes(), text = {0}, elf;

    if (argc != 2) {
        fprintf(stderr, "usage: %s directory\n", argv[0]);
        return 2;
    }
    dir = argv[1];
    mkdir(dir, 0755);
    blob_add(&text, legacy, sizeof(legacy));
    elf = sample_elf(8192, &text, NOTES_IN_LEGACY);
    put("elf", "legacy", &elf);
    blob_free(&elf);
    elf = sample_elf(8192, &notes, NOTES_IN_SECTION);
    put("elf", "section", &elf);
    blob_free(&elf);
    elf = sample_elf(8192, &notes, NOTES_IN_SEGMENT);
    put("elf", "segment", &elf);
    for (enum sample_format f = 0; f < NR_FORMATS; f++) {
        struct blob packed = sample_compress(&elf, f);
        struct blob bz = sample_bzimage(&packed, f, elf.size);

        put("packed", sample_format_name[f], &packed);
        put("bzimage", sample_format_name[f], &bz);
        blob_free(&packed);
        blob_free(&bz);
    }
    blob_free(&elf);
    blob_free(&notes);
    blob_free(&text);
    return 0;
}
