/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The compressions that Linux knows for its own image, each into one flat buffer.
 *
 * The result's size is known beforehand (has_size) or bounded (IMAGE_MAX), so every decoder writes straight
 * to the final buffer in one call: no chunks, no growing, no copies.
 *
 * Source of the list: Linux, lib/decompress.c and arch/x86/boot/compressed/Makefile.
 */
#include <bzlib.h>
#include <lzma.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>
#include <zstd_errors.h>

#include "loader/image.h"

/* A dictionary of 128 MiB, xz's for recent kernels, needs little more than that. */
#define LZMA_MEMORY (768UL << 20)

static enum decompress_status decompress_gzip(const uint8_t *in, size_t in_size, uint8_t *out,
                                              size_t out_size, size_t *produced)
{
    z_stream z = {
        .next_in = (uint8_t *)in, .avail_in = (uInt)in_size, .next_out = out, .avail_out = (uInt)out_size};
    int ret;

    if (inflateInit2(&z, 16 + MAX_WBITS) != Z_OK) /* 16: with gzip's header and CRC, and nothing else */
        return DECOMPRESS_NO_MEMORY;
    ret = inflate(&z, Z_FINISH);
    *produced = z.total_out;
    inflateEnd(&z);
    if (ret == Z_STREAM_END)
        return DECOMPRESS_OK;
    if (ret == Z_MEM_ERROR)
        return DECOMPRESS_NO_MEMORY;
    if (ret != Z_BUF_ERROR && ret != Z_OK)
        return DECOMPRESS_CORRUPT;
    return z.avail_out == 0 ? DECOMPRESS_TOO_BIG : DECOMPRESS_TRUNCATED;
}

static enum decompress_status decompress_bzip2(const uint8_t *in, size_t in_size, uint8_t *out,
                                               size_t out_size, size_t *produced)
{
    bz_stream z = {.next_in = (char *)in,
                   .avail_in = (unsigned)in_size,
                   .next_out = (char *)out,
                   .avail_out = (unsigned)out_size};
    unsigned in_left, out_left;
    int ret;

    if (BZ2_bzDecompressInit(&z, 0, 0) != BZ_OK)
        return DECOMPRESS_NO_MEMORY;
    do { /* a full output buffer may have checksums left to read */
        in_left = z.avail_in;
        out_left = z.avail_out;
        ret = BZ2_bzDecompress(&z);
    } while (ret == BZ_OK && (z.avail_in != in_left || z.avail_out != out_left));
    *produced = out_size - z.avail_out;
    BZ2_bzDecompressEnd(&z);
    if (ret == BZ_STREAM_END)
        return DECOMPRESS_OK;
    if (ret == BZ_MEM_ERROR)
        return DECOMPRESS_NO_MEMORY;
    if (ret != BZ_OK)
        return DECOMPRESS_CORRUPT;
    return z.avail_out == 0 ? DECOMPRESS_TOO_BIG : DECOMPRESS_TRUNCATED;
}

static enum decompress_status run_lzma(lzma_stream *z, const uint8_t *in, size_t in_size, uint8_t *out,
                                       size_t out_size, size_t *produced)
{
    lzma_ret ret;
    bool full;

    z->next_in = in;
    z->avail_in = in_size;
    z->next_out = out;
    z->avail_out = out_size;
    do /* a full output buffer may have checksums left to read; LZMA_BUF_ERROR ends a standstill */
        ret = lzma_code(z, LZMA_FINISH);
    while (ret == LZMA_OK);
    *produced = out_size - z->avail_out;
    full = z->avail_out == 0;
    lzma_end(z);
    if (ret == LZMA_STREAM_END)
        return DECOMPRESS_OK;
    if (ret == LZMA_MEM_ERROR)
        return DECOMPRESS_NO_MEMORY;
    if (ret != LZMA_BUF_ERROR && ret != LZMA_OK)
        return DECOMPRESS_CORRUPT;
    return full ? DECOMPRESS_TOO_BIG : DECOMPRESS_TRUNCATED;
}

/* The x86 BCJ filter that the kernel's build asks of xz is liblzma's business. */
static enum decompress_status decompress_xz(const uint8_t *in, size_t in_size, uint8_t *out, size_t out_size,
                                            size_t *produced)
{
    lzma_stream z = LZMA_STREAM_INIT;

    if (lzma_stream_decoder(&z, LZMA_MEMORY, 0) != LZMA_OK)
        return DECOMPRESS_NO_MEMORY;
    return run_lzma(&z, in, in_size, out, out_size, produced);
}

static enum decompress_status decompress_lzma(const uint8_t *in, size_t in_size, uint8_t *out,
                                              size_t out_size, size_t *produced)
{
    lzma_stream z = LZMA_STREAM_INIT;

    if (lzma_alone_decoder(&z, LZMA_MEMORY) != LZMA_OK)
        return DECOMPRESS_NO_MEMORY;
    return run_lzma(&z, in, in_size, out, out_size, produced);
}

static enum decompress_status decompress_zstd(const uint8_t *in, size_t in_size, uint8_t *out,
                                              size_t out_size, size_t *produced)
{
    size_t frame =
        ZSTD_findFrameCompressedSize(in, in_size); /* what is behind it makes ZSTD_decompress() fail */
    size_t n;

    if (ZSTD_isError(frame))
        return ZSTD_getErrorCode(frame) == ZSTD_error_srcSize_wrong ? DECOMPRESS_TRUNCATED
                                                                    : DECOMPRESS_CORRUPT;
    n = ZSTD_decompress(out, out_size, in, frame);
    if (ZSTD_isError(n)) {
        switch (ZSTD_getErrorCode(n)) {
        case ZSTD_error_dstSize_tooSmall:
            return DECOMPRESS_TOO_BIG;
        case ZSTD_error_memory_allocation:
            return DECOMPRESS_NO_MEMORY;
        default:
            return DECOMPRESS_CORRUPT;
        }
    }
    *produced = n;
    return DECOMPRESS_OK;
}

static const struct format {
    const char *name;
    uint8_t magic[9];
    uint8_t magic_size;
    enum decompress_status (*run)(const uint8_t *in, size_t in_size, uint8_t *out, size_t out_size,
                                  size_t *produced);
} formats[] = {
    {"gzip", {0x1f, 0x8b, 0x08}, 3, decompress_gzip},
    {"bzip2", {'B', 'Z', 'h'}, 3, decompress_bzip2},
    {"lzma", {0x5d, 0x00, 0x00}, 3, decompress_lzma},
    {"xz", {0xfd, '7', 'z', 'X', 'Z', 0x00}, 6, decompress_xz},
    {"lzo", {0x89, 'L', 'Z', 'O', 0x00, 0x0d, 0x0a, 0x1a, 0x0a}, 9, decompress_lzop},
    {"lz4", {0x02, 0x21, 0x4c, 0x18}, 4, decompress_lz4_legacy},
    {"zstd", {0x28, 0xb5, 0x2f, 0xfd}, 4, decompress_zstd},
};

static const struct format *find_format(const uint8_t *in, size_t in_size)
{
    for (size_t i = 0; i < ARRAY_SIZE(formats); i++)
        if (in_size >= formats[i].magic_size && memcmp(in, formats[i].magic, formats[i].magic_size) == 0)
            return &formats[i];
    return NULL;
}

bool payload_probe(const uint8_t *in, size_t in_size)
{
    return find_format(in, in_size) != NULL;
}

int payload_decompress(const uint8_t *in, size_t in_size, bool has_size, struct image_buf *out, char *why,
                       size_t why_size)
{
    const struct format *f = find_format(in, in_size);
    size_t room = IMAGE_MAX, produced = 0;
    enum decompress_status status;

    if (!f)
        return image_error(why, why_size,
                           "kernel is compressed in a way that Diptych doesn't know; use gzip, bzip2, lzma, "
                           "xz, lzo, lz4 or zstd");
    if (in_size > IMAGE_MAX)
        return image_error(why, why_size, "%s data of %zu bytes is too large for a kernel", f->name, in_size);
    if (has_size && in_size >= 4) {
        const uint8_t *p = in + in_size - 4;

        room = p[0] | p[1] << 8 | p[2] << 16 | (size_t)p[3] << 24;
        if (room == 0 || room > IMAGE_MAX)
            return image_error(
                why, why_size,
                "%s data claims to be a kernel of %zu bytes: damaged; copy or download it again", f->name,
                room);
    }
    if (image_buf_alloc(out, room, why, why_size) < 0)
        return -1;

    status = f->run(in, in_size, out->data, room, &produced);
    if (status == DECOMPRESS_OK && produced > 0 && (!has_size || produced == room)) {
        image_buf_trim(out, produced);
        return 0;
    }
    image_buf_free(out);
    switch (status) {
    case DECOMPRESS_NO_MEMORY:
        return image_error(why, why_size, "not enough host memory to decompress the %s data", f->name);
    case DECOMPRESS_TRUNCATED:
        return image_error(why, why_size, "%s data ends too early; copy or download the kernel again",
                           f->name);
    case DECOMPRESS_TOO_BIG:
        if (!has_size)
            return image_error(why, why_size, "%s data holds more than %lu MiB, too much for a kernel",
                               f->name, IMAGE_MAX >> 20);
        break;
    default:
        break;
    }
    return image_error(why, why_size, "%s data is damaged; copy or download the kernel again", f->name);
}
