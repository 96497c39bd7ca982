/* width: 64 32 */
// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What is written to a file is read back from it, by pread, readv, mmap and sendfile alike, at every
 * alignment and across pages. Bulk copies between the kernel and a program are where a translator's string
 * instructions and its memory path meet.
 */
#include "check.h"

#include <fcntl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/uio.h>

enum { SIZE = 1 << 20 };

static unsigned char mirror[SIZE], buffer[SIZE];

int main(void)
{
    char path[] = "/dev/shm/files-XXXXXX", other[] = "/dev/shm/files-XXXXXX";
    int fd = mkstemp(path), copy = mkstemp(other);
    uint32_t state = 99;
    struct stat status;

    CHECK(fd >= 0 && copy >= 0);
    unlink(path);
    unlink(other);
    CHECK(ftruncate(fd, SIZE) == 0);
    unsigned char *map = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

    CHECK(map != MAP_FAILED);
    for (int i = 0; i < 3000; i++) {
        uint32_t at = random_next(&state) % SIZE, length = random_next(&state) % (i % 10 ? 300 : 20000);

        if (at + length > SIZE)
            length = SIZE - at;
        unsigned char *piece = buffer + random_next(&state) % 64; /* every alignment */

        if (piece + length > buffer + SIZE)
            length = SIZE - 64;
        if (at + length > SIZE)
            continue;
        switch (random_next(&state) % 5) {
        case 0:
            for (uint32_t k = 0; k < length; k++)
                piece[k] = mirror[at + k] = (unsigned char)random_next(&state);
            CHECK(pwrite(fd, piece, length, at) == (ssize_t)length);
            break;
        case 1:
            for (uint32_t k = 0; k < length; k++)
                map[at + k] = mirror[at + k] = (unsigned char)(k * 3 + (uint32_t)i);
            break;
        case 2: {
            struct iovec parts[2] = {{piece, length / 3}, {piece + length / 3, length - length / 3}};

            CHECK(lseek(fd, at, SEEK_SET) == (off_t)at);
            CHECK(readv(fd, parts, 2) == (ssize_t)length);
            CHECK(memcmp(piece, mirror + at, length) == 0);
            break;
        }
        case 3:
            CHECK(pread(fd, piece, length, at) == (ssize_t)length);
            CHECK(memcmp(piece, mirror + at, length) == 0);
            break;
        default:
            CHECK(memcmp(map + at, mirror + at, length) == 0);
        }
    }
    off_t from = 0;

    while (from < SIZE)
        CHECK(sendfile(copy, fd, &from, SIZE - (size_t)from) > 0);
    CHECK(pread(copy, buffer, SIZE, 0) == SIZE);
    CHECK(memcmp(buffer, mirror, SIZE) == 0);
    CHECK(ftruncate(fd, 5000) == 0 && ftruncate(fd, 9000) == 0);
    CHECK(pread(fd, buffer, 9000, 0) == 9000);
    CHECK(memcmp(buffer, mirror, 5000) == 0);
    for (int i = 5000; i < 9000; i++)
        CHECK_EQ(buffer[i], 0);
    CHECK(fstat(fd, &status) == 0 && status.st_size == 9000);
    errno = 0;
    CHECK(lseek(fd, 0, SEEK_SET) == 0);
    CHECK(read(fd, nowhere(), 10) == -1 && errno == EFAULT);
    return 0;
}
