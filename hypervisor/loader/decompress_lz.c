/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Two containers around plain LZ blocks that the libraries leave to their callers: LZ4's legacy frames, as
 * `lz4 -l` writes them, and lzop's.
 *
 * Sources: lz4, doc/lz4_Frame_format.md, "Legacy frame"; lzop's format as Linux' lib/decompress_unlzo.c reads
 * it.
 */
#include <lz4.h>
#include <lzo/lzo1x.h>
#include <string.h>
#include <zlib.h>

#include "loader/image.h"

#define LZ4_LEGACY_MAGIC 0x184c2102u
#define LZ4_LEGACY_BLOCK (8u << 20) /* a block decompresses to at most this */

static uint32_t get_le32(const uint8_t *p)
{
    return p[0] | p[1] << 8 | p[2] << 16 | (uint32_t)p[3] << 24;
}

enum decompress_status decompress_lz4_legacy(const uint8_t *in, size_t in_size, uint8_t *out, size_t out_size,
                                             size_t *produced)
{
    size_t at = 4, done = 0; /* behind the magic */

    /* Four bytes or fewer are no block: the kernel's appended size, or padding. */
    while (in_size - at > 4) {
        uint32_t size = get_le32(in + at);
        size_t room = out_size - done;
        int n;

        at += 4;
        if (size == LZ4_LEGACY_MAGIC) /* a second frame was appended */
            continue;
        if (size == 0 || size > LZ4_COMPRESSBOUND(LZ4_LEGACY_BLOCK))
            return DECOMPRESS_CORRUPT;
        if (size > in_size - at)
            return DECOMPRESS_TRUNCATED;
        if (room > LZ4_LEGACY_BLOCK)
            room = LZ4_LEGACY_BLOCK;
        n = LZ4_decompress_safe((const char *)in + at, (char *)out + done, (int)size, (int)room);
        if (n < 0)
            return DECOMPRESS_CORRUPT;
        at += size;
        done += (size_t)n;
    }
    *produced = done;
    return DECOMPRESS_OK;
}

/* lzop's header flags (lzop, src/conf.h; Linux knows the same). */
#define LZOP_ADLER32_D     0x00000001u
#define LZOP_ADLER32_C     0x00000002u
#define LZOP_EXTRA_FIELD   0x00000040u
#define LZOP_CRC32_D       0x00000100u
#define LZOP_CRC32_C       0x00000200u
#define LZOP_FILTER        0x00000800u
#define LZOP_CRC32_HEADER  0x00001000u
#define LZOP_VERSION_LEVEL 0x0940 /* since then: version needed, level and 64 bits of mtime */
#define LZOP_BLOCK_MAX     (64u << 20)

/* A reader that can't leave its bytes: once it has failed it yields zero for ever. */
struct reader {
    const uint8_t *p;
    size_t left;
    bool failed;
};

static const uint8_t *read_bytes(struct reader *r, size_t n)
{
    const uint8_t *p = r->p;

    if (r->failed || n > r->left) {
        r->failed = true;
        return NULL;
    }
    r->p += n;
    r->left -= n;
    return p;
}

/* A big-endian number of n bytes. */
static uint32_t read_be(struct reader *r, unsigned n)
{
    const uint8_t *p = read_bytes(r, n);
    uint32_t v = 0;

    for (unsigned i = 0; p && i < n; i++)
        v = v << 8 | p[i];
    return v;
}

/* Reads lzop's header behind the magic. */
static enum decompress_status lzop_header(struct reader *r, uint32_t *flags)
{
    const uint8_t *start = r->p;
    uint32_t version = read_be(r, 2), sum, wanted;
    size_t size;

    read_be(r, 2); /* version of the library */
    if (version >= LZOP_VERSION_LEVEL)
        read_be(r, 2); /* version needed to extract */
    read_be(r, 1);     /* method: they differ in how hard the compressor tried */
    if (version >= LZOP_VERSION_LEVEL)
        read_be(r, 1);
    *flags = read_be(r, 4);
    if (*flags & LZOP_FILTER)
        return DECOMPRESS_CORRUPT; /* needs what no decompressor of kernels has */
    read_be(r, 4);                 /* mode */
    read_be(r, 4);                 /* mtime */
    if (version >= LZOP_VERSION_LEVEL)
        read_be(r, 4);
    read_bytes(r, read_be(r, 1)); /* file name */
    size = (size_t)(r->p - start);
    wanted = read_be(r, 4);
    if (r->failed)
        return DECOMPRESS_TRUNCATED;
    sum =
        (uint32_t)(*flags & LZOP_CRC32_HEADER ? crc32(0, start, (uInt)size) : adler32(1, start, (uInt)size));
    if (sum != wanted)
        return DECOMPRESS_CORRUPT;
    if (*flags & LZOP_EXTRA_FIELD) {
        read_bytes(r, read_be(r, 4));
        read_be(r, 4); /* its checksum */
    }
    return r->failed ? DECOMPRESS_TRUNCATED : DECOMPRESS_OK;
}

enum decompress_status decompress_lzop(const uint8_t *in, size_t in_size, uint8_t *out, size_t out_size,
                                       size_t *produced)
{
    struct reader r = {.p = in + 9, .left = in_size - 9}; /* behind the magic */
    enum decompress_status status;
    size_t done = 0;
    uint32_t flags;

    if (lzo_init() != LZO_E_OK)
        return DECOMPRESS_NO_MEMORY;
    status = lzop_header(&r, &flags);
    if (status != DECOMPRESS_OK)
        return status;
    for (;;) {
        uint32_t size = read_be(&r, 4), packed, adler = 0, crc = 0, adler_packed = 0, crc_packed = 0;
        const uint8_t *p;
        lzo_uint n = size;

        if (r.failed)
            return DECOMPRESS_TRUNCATED;
        if (size == 0)
            break;
        packed = read_be(&r, 4);
        if (flags & LZOP_ADLER32_D)
            adler = read_be(&r, 4);
        if (flags & LZOP_CRC32_D)
            crc = read_be(&r, 4);
        if (packed < size && flags & LZOP_ADLER32_C)
            adler_packed = read_be(&r, 4);
        if (packed < size && flags & LZOP_CRC32_C)
            crc_packed = read_be(&r, 4);
        if (packed == 0 || packed > size || size > LZOP_BLOCK_MAX)
            return DECOMPRESS_CORRUPT;
        p = read_bytes(&r, packed);
        if (!p)
            return DECOMPRESS_TRUNCATED;
        if (size > out_size - done)
            return DECOMPRESS_TOO_BIG;
        if (packed == size) /* didn't shrink: stored */
            memcpy(out + done, p, size);
        else if ((flags & LZOP_ADLER32_C && adler32(1, p, packed) != adler_packed) ||
                 (flags & LZOP_CRC32_C && crc32(0, p, packed) != crc_packed) ||
                 lzo1x_decompress_safe(p, packed, out + done, &n, NULL) != LZO_E_OK || n != size)
            return DECOMPRESS_CORRUPT;
        if ((flags & LZOP_ADLER32_D && adler32(1, out + done, size) != adler) ||
            (flags & LZOP_CRC32_D && crc32(0, out + done, size) != crc))
            return DECOMPRESS_CORRUPT;
        done += size;
    }
    *produced = done;
    return DECOMPRESS_OK;
}
