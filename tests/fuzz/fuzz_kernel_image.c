/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * libFuzzer target: any bytes as a kernel file, through every step of loader/ up to the domain's layout.
 *
 * Each step gets a heap copy of exactly its input, so that AddressSanitizer sees a read of one byte too many.
 * What the parsers accept must keep the promises that the domain builder relies on.
 */
#include <stdlib.h>
#include <string.h>

#include "loader/image.h"
#include "loader/pv_layout.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t *copy(const uint8_t *p, size_t size)
{
    uint8_t *c = malloc(size ? size : 1);

    if (c && p)
        memcpy(c, p, size);
    return c;
}

static void require(bool holds)
{
    if (!holds)
        abort();
}

static void check_layout(const struct kernel_image *k, uint64_t nr_pages, uint64_t module_size)
{
    struct pv_layout l;
    char why[256];

    if (pv_layout(&l, k, nr_pages, module_size, why, sizeof(why)) < 0)
        return;
    require(l.kernel.pfn + l.kernel.nr <= l.start_info_pfn);
    require(l.start_info_pfn < l.store_pfn && l.store_pfn < l.console_pfn);
    require(l.console_pfn < l.mapping[0].all_tables.pfn);
    require(l.stack_pfn == l.mapping[0].all_tables.pfn + l.mapping[0].all_tables.nr);
    require(l.stack_pfn < l.mapping[0].frames.nr && l.mapping[0].frames.nr <= l.nr_pages_needed);
    require(l.p2m.nr * 512 >= nr_pages && l.p2m.pfn + l.p2m.nr <= l.nr_pages_needed);
    require(l.module.nr == (module_size + 4095) / 4096);
    require(l.module.nr == 0 || l.module.pfn + l.module.nr <= l.nr_pages_needed);
    require(k->hypercall_page == XEN_NOTE_UNSET ||
            (k->hypercall_page - k->virt_base) / 4096 < l.start_info_pfn);
}

static void try_elf(const uint8_t *data, size_t size)
{
    struct kernel_image k = {.elf = copy(data, size), .elf_size = size};
    char why[256] = "";

    if (elf_parse(&k, why, sizeof(why)) == 0) {
        for (unsigned i = 0; i < k.nr_segments; i++) {
            const struct kernel_segment *s = &k.segment[i];
            unsigned sum = 0;

            require(s->file_size <= s->mem_size && s->vaddr >= k.virt_start);
            require(s->vaddr + s->mem_size > s->vaddr && s->vaddr + s->mem_size <= k.virt_end);
            for (uint64_t j = 0; j < s->file_size; j++)
                sum += s->data[j];
            require(sum < ~0u);
        }
        require(k.virt_base <= k.virt_start && k.entry >= k.virt_start && k.entry < k.virt_end);
        check_layout(&k, 1 << 16, 0);
        check_layout(&k, 1 << 22, 5000000);
    } else {
        require(strlen(why) > 10 && !strpbrk(why, "\n\r\033"));
    }
    free(k.elf);
}

static void try_payload(const uint8_t *data, size_t size, bool has_size)
{
    uint8_t *in = copy(data, size);
    struct image_buf out;
    char why[256] = "";

    if (payload_decompress(in, size, has_size, &out, why, sizeof(why)) == 0) {
        require(out.size > 0 && out.size <= IMAGE_MAX);
        try_elf(out.data, out.size);
        image_buf_free(&out);
    } else {
        require(strlen(why) > 10 && !strpbrk(why, "\n\r\033"));
    }
    free(in);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *file = copy(data, size);
    char why[256] = "";

    if (bzimage_probe(file, size)) {
        const uint8_t *payload;
        size_t payload_size;

        if (bzimage_payload(file, size, &payload, &payload_size, why, sizeof(why)) == 0) {
            require(payload >= file && payload + payload_size <= file + size);
            try_payload(payload, payload_size, true);
        }
    } else if (payload_probe(file, size)) {
        try_payload(file, size, false);
    } else {
        try_elf(file, size);
    }
    free(file);
    return 0;
}
