/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From a kernel file to a struct kernel_image: reads the file, finds out what it is, unwraps it, has the ELF
 * image parsed; and names the file in what goes wrong.
 *
 * The file is read, not mapped: nobody can change or shorten it under us.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/rawsys.h"
#include "loader/image.h"

#define LARGE_IMAGE (8UL << 20) /* from here on large host pages save more faults than they waste memory */

int image_error(char *why, size_t why_size, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(why, why_size, fmt, ap);
    va_end(ap);
    return -1;
}

int image_buf_alloc(struct image_buf *b, size_t size, char *why, size_t why_size)
{
    void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (p == MAP_FAILED)
        return image_error(why, why_size, "no host memory for a kernel of %zu MiB: %s", (size >> 20) + 1,
                           strerror(errno));
    if (size >= LARGE_IMAGE)
        madvise(p, size, MADV_HUGEPAGE);
    b->data = p;
    b->size = size;
    return 0;
}

static size_t mapped_size(size_t size)
{
    return (size + PAGE_SIZE - 1) & PAGE_MASK;
}

void image_buf_trim(struct image_buf *b, size_t size)
{
    size_t keep = mapped_size(size), have = mapped_size(b->size);

    if (keep < have)
        munmap(b->data + keep, have - keep);
    b->size = size;
}

void image_buf_free(struct image_buf *b)
{
    if (b->data)
        munmap(b->data, mapped_size(b->size));
    *b = (struct image_buf){0};
}

/* Reads the open file to its end. */
static int read_all(int fd, struct image_buf *b, char *why, size_t why_size)
{
    struct stat st = {0};
    long err = rawsys_fstat(fd, &st);
    size_t done = 0;

    if (err)
        return image_error(why, why_size, "cannot be examined: %s", strerror((int)-err));
    if (S_ISDIR(st.st_mode))
        return image_error(why, why_size, "is a directory; name a kernel image (vmlinuz)");
    if (!S_ISREG(st.st_mode))
        return image_error(why, why_size, "is not a regular file; name a kernel image (vmlinuz)");
    if (st.st_size == 0)
        return image_error(why, why_size, "is empty; copy or download the kernel again");
    if ((uint64_t)st.st_size > IMAGE_MAX)
        return image_error(why, why_size, "is larger than %lu MiB, too large for a kernel", IMAGE_MAX >> 20);
    if (image_buf_alloc(b, (size_t)st.st_size, why, why_size) < 0)
        return -1;
    while (done < b->size) {
        ssize_t n = read(fd, b->data + done, b->size - done);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            int error = errno;

            image_buf_free(b);
            return n < 0 ? image_error(why, why_size, "cannot be read: %s", strerror(error))
                         : image_error(why, why_size, "became shorter while it was read; try again");
        }
        done += (size_t)n;
    }
    return 0;
}

/* Replaces the file's bytes by the ELF image in them. */
static int unwrap(struct image_buf *b, char *why, size_t why_size)
{
    const uint8_t *payload = b->data;
    size_t payload_size = b->size;
    bool bzimage = bzimage_probe(b->data, b->size);
    struct image_buf elf;

    if (bzimage && bzimage_payload(b->data, b->size, &payload, &payload_size, why, why_size) < 0)
        return -1;
    if (!bzimage && !payload_probe(b->data, b->size))
        return 0;
    if (payload_decompress(payload, payload_size, bzimage, &elf, why, why_size) < 0)
        return -1;
    image_buf_free(b);
    *b = elf;
    return 0;
}

int kernel_load_fd(int fd, const char *path, struct kernel_image *k, char *why, size_t why_size)
{
    struct image_buf b = {0};
    char reason[256];

    memset(k, 0, sizeof(*k));
    if (lseek(fd, 0, SEEK_SET) < 0 && errno != ESPIPE) {
        image_error(reason, sizeof(reason), "cannot be read: %s", strerror(errno));
        goto fail;
    }
    if (read_all(fd, &b, reason, sizeof(reason)) < 0 || unwrap(&b, reason, sizeof(reason)) < 0)
        goto fail;
    k->elf = b.data;
    k->elf_size = b.size;
    if (elf_parse(k, reason, sizeof(reason)) < 0)
        goto fail;
    return 0;

fail:
    image_buf_free(&b);
    memset(k, 0, sizeof(*k));
    return image_error(why, why_size, "%s: %s", path, reason);
}

int kernel_load(const char *path, struct kernel_image *k, char *why, size_t why_size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY); /* doesn't hang on a FIFO */
    int ret;

    memset(k, 0, sizeof(*k));
    if (fd < 0)
        return image_error(why, why_size, "%s: cannot be opened: %s", path, strerror(errno));
    ret = kernel_load_fd(fd, path, k, why, why_size);
    close(fd);
    return ret;
}

void kernel_free(struct kernel_image *k)
{
    struct image_buf b = {k->elf, k->elf_size};

    image_buf_free(&b);
    memset(k, 0, sizeof(*k));
}
