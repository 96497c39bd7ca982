/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Linux's bzImage container: a real-mode setup part and, behind it, a decompressor that carries the
 * compressed kernel.  A PV guest needs neither; the setup header says where the kernel lies.
 *
 * Source: Linux, Documentation/arch/x86/boot.rst ("The Linux/x86 Boot Protocol").
 */
#include <inttypes.h>
#include <string.h>

#include "loader/image.h"

#define HDR_SETUP_SECTS    0x1f1 /* u8; 0 means 4 */
#define HDR_BOOT_FLAG      0x1fe /* u16, 0xaa55 */
#define HDR_MAGIC          0x202 /* "HdrS" */
#define HDR_VERSION        0x206 /* u16, BCD-like: 0x020f is 2.15 */
#define HDR_PAYLOAD_OFFSET 0x248 /* u32, from the end of the setup part; since 2.08 */
#define HDR_PAYLOAD_LENGTH 0x24c /* u32 */
#define HDR_END            0x250

#define BOOT_FLAG       0xaa55
#define VERSION_PAYLOAD 0x0208
#define SECTOR_SIZE     512u

static uint16_t get_u16(const uint8_t *p)
{
    return (uint16_t)(p[0] | p[1] << 8);
}

static uint32_t get_u32(const uint8_t *p)
{
    return get_u16(p) | (uint32_t)get_u16(p + 2) << 16;
}

bool bzimage_probe(const uint8_t *file, size_t size)
{
    return size >= HDR_VERSION + 2 && get_u16(file + HDR_BOOT_FLAG) == BOOT_FLAG &&
           memcmp(file + HDR_MAGIC, "HdrS", 4) == 0;
}

int bzimage_payload(const uint8_t *file, size_t size, const uint8_t **payload, size_t *payload_size,
                    char *why, size_t why_size)
{
    uint64_t start, length;
    unsigned setup_sects;

    if (!bzimage_probe(file, size))
        return image_error(why, why_size, "not a bzImage");
    if (size < HDR_END)
        return image_error(why, why_size, "bzImage is cut short after %zu bytes; copy or download it again",
                           size);
    if (get_u16(file + HDR_VERSION) < VERSION_PAYLOAD)
        return image_error(
            why, why_size,
            "bzImage has boot protocol %u.%02u, older than 2.08 (Linux 2.6.24); use a newer kernel",
            file[HDR_VERSION + 1], file[HDR_VERSION]);
    setup_sects = file[HDR_SETUP_SECTS] ? file[HDR_SETUP_SECTS] : 4;
    start = (uint64_t)(setup_sects + 1) * SECTOR_SIZE + get_u32(file + HDR_PAYLOAD_OFFSET);
    length = get_u32(file + HDR_PAYLOAD_LENGTH);
    if (length == 0)
        return image_error(why, why_size,
                           "bzImage carries no compressed kernel; use the vmlinuz of a Linux distribution");
    if (start > size || length > size - start)
        return image_error(why, why_size,
                           "bzImage is cut short: %zu bytes of at least %" PRIu64
                           "; copy or download it again",
                           size, start + length);
    *payload = file + start;
    *payload_size = length;
    return 0;
}
