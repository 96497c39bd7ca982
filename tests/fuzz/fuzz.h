/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the libFuzzer targets share: reading the input piece by piece, and a check that ends the run.
 */
#ifndef DIPTYCH_TESTS_FUZZ_H
#define DIPTYCH_TESTS_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A promise of the code under test; unlike assert() it is never compiled out. */
static inline void require(bool holds)
{
    if (!holds)
        abort();
}

/* How many errors were said by diag_error(), in targets with fuzz_diag.c. */
extern unsigned fuzz_errors;

/* What is left of the input. */
struct input {
    const uint8_t *p;
    size_t n;
};

/* The next n bytes into to; zeros where the input has ended. */
static inline void input_take(struct input *in, void *to, size_t n)
{
    size_t have = n < in->n ? n : in->n;

    memset(to, 0, n);
    if (have)
        memcpy(to, in->p, have);
    in->p += have;
    in->n -= have;
}

static inline uint8_t input_byte(struct input *in)
{
    uint8_t b;

    input_take(in, &b, 1);
    return b;
}

static inline uint64_t input_u64(struct input *in)
{
    uint64_t x;

    input_take(in, &x, 8);
    return x;
}

/* The next line (up to size - 1 bytes, without its newline) as a string. NULs in it become blanks. */
static inline void input_line(struct input *in, char *to, size_t size)
{
    size_t n = 0;

    while (in->n && n < size - 1) {
        char c = (char)input_byte(in);

        if (c == '\n')
            break;
        if (c == '\0')
            c = ' ';
        to[n++] = c;
    }
    to[n] = '\0';
}

#endif
