/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * kernel_load(): every compression, the Xen notes, and everything that may be wrong with a file.
 *
 * Real kernels are tried too if DIPTYCH_TEST_KERNELS names some (separated by colons).
 */
#include <check.h>
#include <elf.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xen/elfnote.h>

#include "loader/loader.h"
#include "loader_samples.h"
#include "suite.h"

static char dir[64], path[128], why[512];
static struct kernel_image k;

static void setup(void)
{
    snprintf(dir, sizeof(dir), "%s/diptych-test-XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    ck_assert_ptr_nonnull(mkdtemp(dir));
    snprintf(path, sizeof(path), "%s/kernel", dir);
}

static void teardown(void)
{
    unlink(path);
    rmdir(dir);
}

static int load(const void *data, size_t size)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, data, size), (ssize_t)size);
    close(fd);
    strcpy(why, "");
    return kernel_load(path, &k, why, sizeof(why));
}

/* The message is one line that begins with the file's name and has something behind it. */
static void check_message(const char *part)
{
    bool control = false;

    for (const char *p = why; *p; p++)
        control |= *p < 0x20 || *p >= 0x7f;
    ck_assert_msg(strncmp(why, path, strlen(path)) == 0 && strlen(why) > strlen(path) + 10 && !control,
                  "not one line that names the file: %s", why);
    if (part && !strstr(why, part))
        ck_abort_msg("no \"%s\" in: %s", part, why);
    if (k.elf)
        ck_abort_msg("an image is left behind an error");
}

static void expect_refusal(const void *data, size_t size, const char *part)
{
    ck_assert_msg(load(data, size) < 0, "accepted, instead of \"%s\"", part ? part : "");
    check_message(part);
}

/* What elf_parse() promises of any image that it accepts. */
static void check_promises(void)
{
    ck_assert_uint_ge(k.nr_segments, 1);
    ck_assert_uint_lt(k.virt_start, k.virt_end);
    ck_assert_uint_le(k.virt_base, k.virt_start);
    ck_assert_uint_eq(k.virt_base % 4096, 0);
    ck_assert(gva_canonical(GVA(k.virt_base)) && gva_canonical(GVA(k.virt_end - 1)));
    ck_assert(k.entry >= k.virt_start && k.entry < k.virt_end);
    for (unsigned i = 0; i < k.nr_segments; i++) {
        const struct kernel_segment *s = &k.segment[i];

        ck_assert_uint_le(s->file_size, s->mem_size);
        ck_assert(s->data >= k.elf && s->data + s->file_size <= k.elf + k.elf_size);
        ck_assert(s->vaddr >= k.virt_start && s->vaddr + s->mem_size <= k.virt_end);
    }
}

static struct blob linux_elf(size_t text_size)
{
    struct blob notes = sample_notes();
    struct blob elf = sample_elf(text_size, &notes, NOTES_IN_SEGMENT);

    blob_free(&notes);
    return elf;
}

static void expect_linux(const struct blob *elf)
{
    check_promises();
    ck_assert_uint_eq(k.elf_size, elf->size);
    ck_assert_mem_eq(k.elf, elf->data, elf->size);
    ck_assert_uint_eq(k.nr_segments, 2);
    ck_assert_uint_eq(k.virt_base, SAMPLE_VIRT_BASE);
    ck_assert_uint_eq(k.virt_start, SAMPLE_VIRT_BASE + SAMPLE_PADDR);
    ck_assert_uint_eq(k.segment[1].vaddr, SAMPLE_VIRT_BASE + k.segment[1].paddr);
    ck_assert_uint_eq(k.virt_end, k.segment[1].vaddr + 0x5000);
    ck_assert_uint_eq(k.paddr_offset, 0);
    ck_assert_uint_eq(k.entry, SAMPLE_ENTRY);
    ck_assert_uint_eq(k.hypercall_page, SAMPLE_HYPERCALL_PAGE);
    ck_assert_uint_eq(k.init_p2m, SAMPLE_INIT_P2M);
    ck_assert(k.mod_start_pfn);
    ck_assert_str_eq(k.guest_os, "linux");
    ck_assert_str_eq(k.guest_version, "2.6");
    ck_assert_str_eq(k.features, "!writable_page_tables|pae_pgdir_above_4gb");
}

/* A bzImage in each compression yields the ELF image byte for byte; 9 MiB make several blocks in lz4 and lzo.
 */
START_TEST(test_bzimage)
{
    static const size_t sizes[] = {8192, 300000, 9 << 20};

    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
        struct blob elf = linux_elf(sizes[i]);
        struct blob packed = sample_compress(&elf, (enum sample_format)_i);
        struct blob bz = sample_bzimage(&packed, (enum sample_format)_i, elf.size);

        ck_assert_msg(load(bz.data, bz.size) == 0, "%s", why);
        expect_linux(&elf);
        kernel_free(&k);
        ck_assert_ptr_null(k.elf);

        /* What signing and padding put behind the payload doesn't matter. */
        blob_add(&bz, NULL, 5000);
        ck_assert_msg(load(bz.data, bz.size) == 0, "%s", why);
        kernel_free(&k);

        /* A bare compressed ELF image, without the kernel build's size. */
        ck_assert_msg(load(packed.data, packed.size) == 0, "%s", why);
        expect_linux(&elf);
        kernel_free(&k);
        blob_free(&bz);
        blob_free(&packed);
        blob_free(&elf);
    }
}
END_TEST

START_TEST(test_plain_elf)
{
    struct blob elf = linux_elf(8192);

    ck_assert_msg(load(elf.data, elf.size) == 0, "%s", why);
    expect_linux(&elf);
    kernel_free(&k);
    blob_free(&elf);
}
END_TEST

/* Cut at every length, no image is accepted and none does harm. */
START_TEST(test_truncated_bzimage)
{
    struct blob elf = linux_elf(8192);
    struct blob packed = sample_compress(&elf, (enum sample_format)_i);
    struct blob bz = sample_bzimage(&packed, (enum sample_format)_i, elf.size);

    expect_refusal(bz.data, 0, "empty");
    for (size_t n = 1; n < bz.size; n++)
        expect_refusal(bz.data, n, n >= 0x208 ? "cut short" : NULL);
    for (size_t n = 1; n < packed.size; n++) /* the payload alone: the decoders meet the cut */
        if (load(packed.data, n) == 0) {
            /* Only what carries neither length nor checksum behind its data may lose its last bytes. */
            ck_assert_mem_eq(k.elf, elf.data, elf.size);
            kernel_free(&k);
        } else {
            check_message(NULL);
        }
    blob_free(&bz);
    blob_free(&packed);
    blob_free(&elf);
}
END_TEST

START_TEST(test_truncated_elf)
{
    struct blob elf = linux_elf(8192);

    for (size_t n = 1; n < elf.size; n++)
        expect_refusal(elf.data, n, n >= sizeof(Elf64_Ehdr) ? "cut short" : NULL);
    blob_free(&elf);
}
END_TEST

static bool has_checksum(enum sample_format f)
{
    return f != FORMAT_LZMA && f != FORMAT_LZ4;
}

/* Any flipped bit is noticed, or makes no difference, or (formats without checksums) gives a sane other
 * image. */
START_TEST(test_flipped_bzimage)
{
    struct blob elf = linux_elf(8192);
    struct blob packed = sample_compress(&elf, (enum sample_format)_i);
    struct blob bz = sample_bzimage(&packed, (enum sample_format)_i, elf.size);

    /* All bits of the header, and of the rest so many that each of a byte's is met in turn. */
    for (size_t bit = 0x1f0 * 8; bit < bz.size * 8; bit += bit < 0x250 * 8 ? 1 : 17) {
        bz.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
        if (load(bz.data, bz.size) == 0) {
            check_promises();
            ck_assert_uint_eq(k.elf_size, elf.size);
            if (has_checksum((enum sample_format)_i))
                ck_assert_msg(memcmp(k.elf, elf.data, elf.size) == 0, "bit %zu: damage went unnoticed", bit);
            kernel_free(&k);
        } else {
            check_message(NULL);
        }
        bz.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    blob_free(&bz);
    blob_free(&packed);
    blob_free(&elf);
}
END_TEST

START_TEST(test_flipped_elf)
{
    struct blob elf = linux_elf(8192);

    for (size_t bit = 0; bit < 1024 * 8; bit++) { /* the headers and notes */
        elf.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
        if (load(elf.data, elf.size) == 0) {
            check_promises();
            kernel_free(&k);
        } else {
            check_message(NULL);
        }
        elf.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    blob_free(&elf);
}
END_TEST

/* The decompressed size at the payload's end is taken at its word, up to a bound. */
START_TEST(test_wrong_size)
{
    static const uint32_t sizes[] = {0, 1, 4096, 0x7fffffff, 0xffffffff};
    struct blob elf = linux_elf(8192);
    struct blob packed = sample_compress(&elf, (enum sample_format)_i);
    struct blob bz = sample_bzimage(&packed, (enum sample_format)_i, elf.size);
    uint32_t off[] = {(uint32_t)elf.size - 1, (uint32_t)elf.size + 1};

    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
        memcpy(bz.data + bz.size - 4, &sizes[i], 4);
        expect_refusal(bz.data, bz.size, "damaged");
    }
    for (size_t i = 0; i < ARRAY_SIZE(off); i++) {
        memcpy(bz.data + bz.size - 4, &off[i], 4);
        expect_refusal(bz.data, bz.size, "damaged");
    }
    blob_free(&bz);
    blob_free(&packed);
    blob_free(&elf);
}
END_TEST

START_TEST(test_bzimage_headers)
{
    struct blob elf = linux_elf(8192);
    struct blob packed = sample_compress(&elf, FORMAT_GZIP);
    struct blob bz = sample_bzimage(&packed, FORMAT_GZIP, elf.size);
    uint32_t n;

    bz.data[0x206] = 7;
    expect_refusal(bz.data, bz.size, "2.07");
    bz.data[0x206] = 15;
    memset(bz.data + 0x24c, 0, 4);
    expect_refusal(bz.data, bz.size, "no compressed kernel");
    n = ~0u;
    memcpy(bz.data + 0x24c, &n, 4);
    expect_refusal(bz.data, bz.size, "cut short");
    memcpy(bz.data + 0x248, &n, 4);
    expect_refusal(bz.data, bz.size, "cut short");
    n = (uint32_t)packed.size;
    memcpy(bz.data + 0x24c, &n, 4);
    n = 0x2cc - 512 * 3; /* setup_sects 0 means 4: the payload is where it was */
    bz.data[0x1f1] = 0;
    memcpy(bz.data + 0x248, &n, 4);
    expect_refusal(bz.data, bz.size, "cut short"); /* "negative" offsets aren't any */
    n = 0x2d0;
    bz.data[0x1f1] = 1;
    memcpy(bz.data + 0x248, &n, 4);
    n = (uint32_t)packed.size - 4;
    memcpy(bz.data + 0x24c, &n, 4);
    expect_refusal(bz.data, bz.size, "compressed in a way");
    blob_free(&bz);
    blob_free(&packed);
    blob_free(&elf);
}
END_TEST

static void *at(struct blob *b, size_t offset)
{
    return b->data + offset;
}

/* One broken thing at a time in the ELF headers. */
START_TEST(test_elf_headers)
{
    struct blob elf = linux_elf(8192);
    Elf64_Ehdr *h = at(&elf, 0), good_h = *h;
    Elf64_Phdr *p = at(&elf, h->e_phoff), good_p[3];

    memcpy(good_p, p, sizeof(good_p));
#define BROKEN(change, part)                      \
    do {                                          \
        change;                                   \
        expect_refusal(elf.data, elf.size, part); \
        *h = good_h;                              \
        memcpy(p, good_p, sizeof(good_p));        \
    } while (0)
    BROKEN(h->e_ident[0] = 0, "neither bzImage nor ELF");
    BROKEN(h->e_ident[EI_CLASS] = ELFCLASS32, "32-bit");
    BROKEN(h->e_ident[EI_DATA] = ELFDATA2MSB, "damaged");
    BROKEN(h->e_machine = EM_AARCH64, "another kind of processor");
    BROKEN(h->e_type = ET_REL, "no executable");
    BROKEN(h->e_phnum = 0, "no usable program headers");
    BROKEN(h->e_phentsize = 32, "no usable program headers");
    BROKEN(h->e_phoff = ~0UL, "cut short");
    BROKEN(h->e_phoff = elf.size, "cut short");
    BROKEN(p[0].p_offset = ~0UL, "cut short");
    BROKEN(p[0].p_filesz = p[0].p_memsz = ~0UL - p[0].p_offset, "cut short");
    BROKEN(p[0].p_memsz = p[0].p_filesz - 1, "damaged");
    BROKEN(p[0].p_paddr = ~0UL, "damaged");
    BROKEN(p[0].p_paddr = 1UL << 45, "make no sense");
    BROKEN(p[0].p_memsz = 1UL << 45, "make no sense");
    BROKEN(p[0].p_paddr = 0x80000000 - p[0].p_memsz, "make no sense"); /* ends at 2^64 */
    BROKEN(p[0].p_paddr += 0x10000, "entry");
    BROKEN(p[0].p_type = p[1].p_type = PT_NULL, "nothing to load");
    BROKEN(p[2].p_type = PT_NULL, "no Xen PV entry");
    BROKEN(p[2].p_offset = elf.size - 10, "no Xen PV entry");
    ck_assert_int_eq(load(elf.data, elf.size), 0);
    kernel_free(&k);
    blob_free(&elf);
}
END_TEST

START_TEST(test_too_many_segments)
{
    struct blob elf = {0}, notes = sample_notes();
    Elf64_Ehdr h;
    Elf64_Phdr p[18];

    elf = sample_elf(8192, &notes, NOTES_IN_SEGMENT);
    memcpy(&h, elf.data, sizeof(h));
    for (unsigned i = 0; i < 17; i++)
        memcpy(&p[i], elf.data + h.e_phoff, sizeof(p[i]));
    memcpy(&p[17], elf.data + h.e_phoff + 2 * sizeof(p[0]), sizeof(p[0]));
    h.e_phoff = elf.size;
    h.e_phnum = 18;
    memcpy(elf.data, &h, sizeof(h));
    blob_add(&elf, p, sizeof(p));
    expect_refusal(elf.data, elf.size, "more than 16 segments");
    blob_free(&elf);
    blob_free(&notes);
}
END_TEST

/* A set of notes, all of which but one are right. */
static struct blob notes_but(uint32_t without)
{
    struct blob n = {0};
    const struct {
        uint32_t type;
        const char *text;
    } texts[] = {{XEN_ELFNOTE_GUEST_OS, "linux"},
                 {XEN_ELFNOTE_XEN_VERSION, "xen-3.0"},
                 {XEN_ELFNOTE_LOADER, "generic"}};

    for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
        if (texts[i].type != without)
            note_add_text(&n, texts[i].type, texts[i].text);
    if (without != XEN_ELFNOTE_ENTRY)
        note_add_number(&n, XEN_ELFNOTE_ENTRY, SAMPLE_ENTRY);
    if (without != XEN_ELFNOTE_VIRT_BASE)
        note_add_number(&n, XEN_ELFNOTE_VIRT_BASE, SAMPLE_VIRT_BASE);
    return n;
}

static void try_notes(struct blob *notes, enum notes_in where, const char *part)
{
    struct blob elf = sample_elf(8192, notes, where);

    if (part) {
        expect_refusal(elf.data, elf.size, part);
    } else {
        ck_assert_msg(load(elf.data, elf.size) == 0, "%s", why);
        check_promises();
        kernel_free(&k);
    }
    blob_free(&elf);
    blob_free(notes);
}

static void try_text_note(uint32_t type, const char *text, const char *part)
{
    struct blob n = notes_but(type);

    note_add_text(&n, type, text);
    try_notes(&n, NOTES_IN_SEGMENT, part);
}

static void try_number_note(uint32_t type, uint64_t value, const char *part)
{
    struct blob n = notes_but(type);

    note_add_number(&n, type, value);
    try_notes(&n, NOTES_IN_SEGMENT, part);
}

START_TEST(test_notes)
{
    struct blob n;

    n = notes_but(~0u);
    try_notes(&n, NOTES_IN_SEGMENT, NULL);
    n = notes_but(~0u);
    try_notes(&n, NOTES_IN_SECTION, NULL);
    n = notes_but(~0u);
    try_notes(&n, NOTES_NOWHERE, "no Xen PV entry");
    n = (struct blob){0};
    try_notes(&n, NOTES_IN_SEGMENT, "no Xen PV entry");

    /* A loader's name or a guest's will do, as in Xen. */
    n = notes_but(XEN_ELFNOTE_LOADER);
    try_notes(&n, NOTES_IN_SEGMENT, NULL);
    n = notes_but(XEN_ELFNOTE_GUEST_OS);
    try_notes(&n, NOTES_IN_SEGMENT, NULL);
    try_text_note(XEN_ELFNOTE_GUEST_OS, "GRUB", NULL);
    n = notes_but(XEN_ELFNOTE_XEN_VERSION);
    try_notes(&n, NOTES_IN_SEGMENT, "xen-3.0");
    try_text_note(XEN_ELFNOTE_XEN_VERSION, "xen-2.0\n\033[31m", "xen-2.0??[31m");

    /* A Linux without CONFIG_XEN_PV: notes there are, but for PVH. */
    n = (struct blob){0};
    note_add_text(&n, XEN_ELFNOTE_GUEST_OS, "linux");
    note_add_text(&n, XEN_ELFNOTE_XEN_VERSION, "xen-3.0");
    note_add_number(&n, XEN_ELFNOTE_PHYS32_ENTRY, 0x1000000);
    try_notes(&n, NOTES_IN_SEGMENT, "only one for PVH; use one built with CONFIG_XEN_PV=y");

    try_text_note(XEN_ELFNOTE_FEATURES, "!writable_page_tables|foo|pae_pgdir_above_4gb", NULL);
    try_text_note(XEN_ELFNOTE_FEATURES, "writable_page_tables|!foo\x7f", "requires a feature (\"!foo?\")");
    try_text_note(XEN_ELFNOTE_FEATURES, "!dom0", "control domain");
    try_text_note(XEN_ELFNOTE_FEATURES, "!dom", "(\"!dom\")");
    try_text_note(XEN_ELFNOTE_FEATURES, "!auto_translated_physmap", "auto_translated_physmap");
    try_text_note(XEN_ELFNOTE_FEATURES, "dom0|auto_translated_physmap|supervisor_mode_kernel|", NULL);
    try_text_note(XEN_ELFNOTE_FEATURES, "!", "(\"!\")");
    try_number_note(XEN_ELFNOTE_SUPPORTED_FEATURES, ~0UL, NULL);

    try_number_note(XEN_ELFNOTE_ENTRY, SAMPLE_VIRT_BASE, "outside the kernel");
    try_number_note(XEN_ELFNOTE_ENTRY, 0, "outside the kernel");
    try_number_note(XEN_ELFNOTE_VIRT_BASE, SAMPLE_VIRT_BASE + 1, "can't have");
    try_number_note(XEN_ELFNOTE_VIRT_BASE, 0xffff800000000000, "can't have");
    try_number_note(XEN_ELFNOTE_VIRT_BASE, 0xffff87ffff000000, "can't have");
    try_number_note(XEN_ELFNOTE_VIRT_BASE, 0x0000900000000000, "can't have");
    try_number_note(XEN_ELFNOTE_PADDR_OFFSET, SAMPLE_PADDR + 1, "make no sense");
    n = notes_but(XEN_ELFNOTE_VIRT_BASE);
    note_add_number(&n, XEN_ELFNOTE_PADDR_OFFSET, 0);
    try_notes(&n, NOTES_IN_SEGMENT, "without VIRT_BASE");
    try_number_note(XEN_ELFNOTE_HYPERCALL_PAGE, SAMPLE_HYPERCALL_PAGE + 8, "hypercall page");
    try_number_note(XEN_ELFNOTE_HYPERCALL_PAGE, 0, "hypercall page");
    try_number_note(XEN_ELFNOTE_HYPERCALL_PAGE, SAMPLE_HYPERCALL_PAGE + 0x10000000, "hypercall page");
    try_number_note(XEN_ELFNOTE_INIT_P2M, SAMPLE_ENTRY, "P2M");
}
END_TEST

/* PADDR_OFFSET is what physical addresses are counted from. */
START_TEST(test_paddr_offset)
{
    struct blob n = notes_but(XEN_ELFNOTE_ENTRY), elf;

    note_add_number(&n, XEN_ELFNOTE_PADDR_OFFSET, SAMPLE_PADDR);
    note_add_number(&n, XEN_ELFNOTE_ENTRY, SAMPLE_VIRT_BASE + 0x40);
    elf = sample_elf(8192, &n, NOTES_IN_SEGMENT);
    ck_assert_msg(load(elf.data, elf.size) == 0, "%s", why);
    ck_assert_uint_eq(k.virt_start, SAMPLE_VIRT_BASE);
    ck_assert_uint_eq(k.segment[0].vaddr, SAMPLE_VIRT_BASE);
    ck_assert_uint_eq(k.segment[1].vaddr, SAMPLE_VIRT_BASE + 8192);
    kernel_free(&k);
    blob_free(&elf);
    blob_free(&n);
}
END_TEST

/* Notes whose sizes lie end the list; numbers of four bytes count. */
START_TEST(test_odd_notes)
{
    struct blob n = notes_but(XEN_ELFNOTE_ENTRY), elf;
    uint32_t entry = 0x40 + SAMPLE_PADDR;
    Elf64_Nhdr lie = {.n_namesz = 4, .n_descsz = 0xfffffff0, .n_type = XEN_ELFNOTE_XEN_VERSION};

    blob_free(&n);
    note_add_text(&n, XEN_ELFNOTE_LOADER, "generic");
    note_add_text(&n, XEN_ELFNOTE_XEN_VERSION, "xen-3.0");
    note_add(&n, XEN_ELFNOTE_ENTRY, &entry, 4);
    blob_add(&n, &lie, sizeof(lie));
    blob_add(&n, "Xen\0xen-9.9", 12);
    elf = sample_elf(8192, &n, NOTES_IN_SEGMENT);
    /* No VIRT_BASE: 0, so that virtual and physical addresses are the same. */
    ck_assert_msg(load(elf.data, elf.size) == 0, "%s", why);
    ck_assert_uint_eq(k.virt_base, 0);
    ck_assert_uint_eq(k.entry, entry);
    ck_assert_uint_eq(k.hypercall_page, ~0UL);
    ck_assert_uint_eq(k.init_p2m, ~0UL);
    ck_assert(!k.mod_start_pfn);
    kernel_free(&k);
    blob_free(&elf);
    blob_free(&n);
}
END_TEST

static void try_legacy(const char *text, const char *part)
{
    struct blob n = {0};

    blob_add(&n, text, strlen(text) + 1);
    try_notes(&n, NOTES_IN_LEGACY, part);
}

#define LEGACY "GUEST_OS=linux,XEN_VER=xen-3.0,VIRT_BASE=0xffffffff80000000,ELF_PADDR_OFFSET=0x0,"

START_TEST(test_legacy_section)
{
    static const char text[] = LEGACY "VIRT_ENTRY=0xffffffff81000040,LOADER=generic,HYPERCALL_PAGE=0x1001";
    struct blob n = {0}, elf;

    blob_add(&n, text, sizeof(text) - 1); /* ends with its section, without a NUL */
    elf = sample_elf(8192, &n, NOTES_IN_LEGACY);
    ck_assert_msg(load(elf.data, elf.size) == 0, "%s", why);
    ck_assert_uint_eq(k.entry, SAMPLE_ENTRY);
    ck_assert_uint_eq(k.hypercall_page, SAMPLE_HYPERCALL_PAGE); /* a frame number there */
    ck_assert_uint_eq(k.virt_base, SAMPLE_VIRT_BASE);
    kernel_free(&k);
    blob_free(&elf);
    blob_free(&n);

    try_legacy("GUEST_OS=linux,XEN_VER=xen-2.0,VIRT_BASE=0xffffffff80000000", "xen-2.0");
    try_legacy(LEGACY "VIRT_ENTRY=0xffffffff81000040,FEATURES=!foo", "foo");
    try_legacy(LEGACY "VIRT_ENTRY=0xffffffff81000040,,=,PAE,====", NULL);
    try_legacy(LEGACY "VIRT_ENTRY=0x0", "outside the kernel");
    try_legacy("", "no Xen PV entry");
}
END_TEST

START_TEST(test_not_a_file)
{
    char real[sizeof(path)];

    strcpy(real, path);
    ck_assert_int_lt(kernel_load(path, &k, why, sizeof(why)), 0);
    check_message("No such file");
    strcpy(path, dir);
    ck_assert_int_lt(kernel_load(path, &k, why, sizeof(why)), 0);
    check_message("is a directory");
    strcpy(path, "/dev/null");
    ck_assert_int_lt(kernel_load(path, &k, why, sizeof(why)), 0);
    check_message("not a regular file");
    strcpy(path, real);
    ck_assert_int_eq(mkfifo(path, 0644), 0);
    ck_assert_int_lt(kernel_load(path, &k, why, sizeof(why)), 0);
    check_message("not a regular file");
    unlink(path);
    expect_refusal("", 0, "is empty");
    expect_refusal("x", 1, "neither bzImage nor ELF");
    expect_refusal("\x7f"
                   "ELF",
                   4, NULL);

    /* Sparse, and larger than any kernel. */
    ck_assert_int_eq(truncate(path, 1L << 40), 0);
    ck_assert_int_lt(kernel_load(path, &k, why, sizeof(why)), 0);
    check_message("too large");
}
END_TEST

/* An open file is read from its start each time, wherever its offset is; it stays open. */
START_TEST(test_open_file)
{
    struct blob elf = linux_elf(8192);
    int fd;

    ck_assert_int_eq(load(elf.data, elf.size), 0);
    kernel_free(&k);
    fd = open(path, O_RDONLY);
    ck_assert_int_ge(fd, 0);
    unlink(path);
    for (unsigned i = 0; i < 3; i++) {
        ck_assert_msg(kernel_load_fd(fd, path, &k, why, sizeof(why)) == 0, "%s", why);
        expect_linux(&elf);
        kernel_free(&k);
    }
    ck_assert_int_eq(close(fd), 0);
    ck_assert_int_lt(kernel_load_fd(fd, path, &k, why, sizeof(why)), 0);
    check_message("Bad file descriptor");
    blob_free(&elf);
}
END_TEST

START_TEST(test_unreadable)
{
    expect_refusal("x", 1, NULL);
    ck_assert_int_eq(chmod(dir, 0755), 0);
    ck_assert_int_eq(chmod(path, 0), 0);
    if (geteuid() == 0)
        ck_assert_int_eq(seteuid(65534), 0);
    ck_assert_int_lt(kernel_load(path, &k, why, sizeof(why)), 0);
    check_message("Permission denied");
    if (getuid() == 0)
        ck_assert_int_eq(seteuid(0), 0);
}
END_TEST

/* A short buffer for the message stays within its bounds. */
START_TEST(test_short_message)
{
    char text[16];

    memset(text, 'x', sizeof(text));
    ck_assert_int_lt(kernel_load("/nonexistent/kernel", &k, text, 8), 0);
    ck_assert_uint_eq(strlen(text), 7);
    ck_assert_int_eq(text[8], 'x');
}
END_TEST

START_TEST(test_real_kernels)
{
    const char *list = getenv("DIPTYCH_TEST_KERNELS");
    char *copy, *save = NULL;

    if (!list) {
        fprintf(stderr, "test_real_kernels: skipped, DIPTYCH_TEST_KERNELS names none\n");
        return;
    }
    copy = strdup(list);
    for (char *p = strtok_r(copy, ":", &save); p; p = strtok_r(NULL, ":", &save)) {
        ck_assert_msg(kernel_load(p, &k, why, sizeof(why)) == 0, "%s", why);
        check_promises();
        kernel_free(&k);
    }
    free(copy);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("files");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 300);
    tcase_add_loop_test(t, test_bzimage, 0, NR_FORMATS);
    tcase_add_test(t, test_plain_elf);
    tcase_add_loop_test(t, test_truncated_bzimage, 0, NR_FORMATS);
    tcase_add_test(t, test_truncated_elf);
    tcase_add_loop_test(t, test_flipped_bzimage, 0, NR_FORMATS);
    tcase_add_test(t, test_flipped_elf);
    tcase_add_loop_test(t, test_wrong_size, 0, NR_FORMATS);
    tcase_add_test(t, test_bzimage_headers);
    tcase_add_test(t, test_elf_headers);
    tcase_add_test(t, test_too_many_segments);
    tcase_add_test(t, test_notes);
    tcase_add_test(t, test_paddr_offset);
    tcase_add_test(t, test_odd_notes);
    tcase_add_test(t, test_legacy_section);
    tcase_add_test(t, test_not_a_file);
    tcase_add_test(t, test_open_file);
    tcase_add_test(t, test_unreadable);
    tcase_add_test(t, test_short_message);
    tcase_add_test(t, test_real_kernels);
    return suite_run("kernel image", t);
}
