/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sample kernels: see loader_samples.h. */
#include "loader_samples.h"

#include <assert.h>
#include <bzlib.h>
#include <elf.h>
#include <lz4hc.h>
#include <lzma.h>
#include <lzo/lzo1x.h>
#include <stdlib.h>
#include <string.h>
#include <xen/elfnote.h>
#include <zlib.h>
#include <zstd.h>

void blob_add(struct blob *b, const void *p, size_t n)
{
    b->data = realloc(b->data, b->size + n + 1);
    assert(b->data);
    if (p)
        memcpy(b->data + b->size, p, n);
    else
        memset(b->data + b->size, 0, n);
    b->size += n;
}

void blob_free(struct blob *b)
{
    free(b->data);
    *b = (struct blob){0};
}

static void blob_align(struct blob *b, size_t to)
{
    blob_add(b, NULL, (to - b->size % to) % to);
}

static void add_le32(struct blob *b, uint32_t v)
{
    blob_add(b, &v, 4);
}

static void add_be(struct blob *b, uint32_t v, unsigned bytes)
{
    while (bytes-- > 0) {
        uint8_t c = (uint8_t)(v >> (8 * bytes));

        blob_add(b, &c, 1);
    }
}

void note_add(struct blob *notes, uint32_t type, const void *desc, uint32_t size)
{
    Elf64_Nhdr h = {.n_namesz = 4, .n_descsz = size, .n_type = type};

    blob_add(notes, &h, sizeof(h));
    blob_add(notes, "Xen", 4);
    blob_add(notes, desc, size);
    blob_align(notes, 4);
}

void note_add_text(struct blob *notes, uint32_t type, const char *text)
{
    note_add(notes, type, text, (uint32_t)strlen(text) + 1);
}

void note_add_number(struct blob *notes, uint32_t type, uint64_t value)
{
    note_add(notes, type, &value, sizeof(value));
}

struct blob sample_notes(void)
{
    struct blob n = {0};

    note_add_text(&n, XEN_ELFNOTE_GUEST_OS, "linux");
    note_add_text(&n, XEN_ELFNOTE_GUEST_VERSION, "2.6");
    note_add_text(&n, XEN_ELFNOTE_XEN_VERSION, "xen-3.0");
    note_add_number(&n, XEN_ELFNOTE_VIRT_BASE, SAMPLE_VIRT_BASE);
    note_add_number(&n, XEN_ELFNOTE_INIT_P2M, SAMPLE_INIT_P2M);
    note_add_number(&n, XEN_ELFNOTE_ENTRY, SAMPLE_ENTRY);
    note_add_text(&n, XEN_ELFNOTE_FEATURES, "!writable_page_tables|pae_pgdir_above_4gb");
    note_add_text(&n, XEN_ELFNOTE_LOADER, "generic");
    note_add_number(&n, XEN_ELFNOTE_MOD_START_PFN, 1);
    note_add_number(&n, XEN_ELFNOTE_HYPERCALL_PAGE, SAMPLE_HYPERCALL_PAGE);
    return n;
}

/* Bytes with the habits of x86 code: few different ones, and calls whose targets repeat. */
static void add_text(struct blob *b, size_t size)
{
    uint64_t seed = 88172645463325252UL;
    size_t start = b->size;

    blob_add(b, NULL, size);
    for (size_t i = 0; i < size; i++) {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        b->data[start + i] = (uint8_t)("\x48\x89\xe5\x90\x0f\xc3\x8b\x05"[seed % 8]);
        if (seed % 37 == 0 && i + 5 < size) {
            uint32_t to = (uint32_t)((seed >> 32) % 16 * 64 - i);

            b->data[start + i] = 0xe8;
            memcpy(&b->data[start + i + 1], &to, 4);
            i += 4;
        }
    }
}

struct blob sample_elf(size_t text_size, const struct blob *notes, enum notes_in where)
{
    static const char strings[] = "\0.shstrtab\0.notes\0__xen_guest";
    struct blob b = {0};
    Elf64_Ehdr h = {.e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT}};
    Elf64_Phdr p[3] = {0};
    Elf64_Shdr s[3] = {0};

    h.e_type = ET_EXEC;
    h.e_machine = EM_X86_64;
    h.e_version = EV_CURRENT;
    h.e_ehsize = sizeof(h);
    h.e_phoff = sizeof(h);
    h.e_phentsize = sizeof(Elf64_Phdr);
    h.e_phnum = where == NOTES_IN_SEGMENT ? 3 : 2;
    h.e_shentsize = sizeof(Elf64_Shdr);
    h.e_shoff = sizeof(h) + sizeof(p);
    h.e_shnum = 3;
    h.e_shstrndx = 1;
    blob_add(&b, NULL, sizeof(h) + sizeof(p) + sizeof(s));

    s[1] = (Elf64_Shdr){.sh_name = 1, .sh_type = SHT_STRTAB, .sh_offset = b.size, .sh_size = sizeof(strings)};
    blob_add(&b, strings, sizeof(strings));
    blob_align(&b, 8);
    if (where == NOTES_IN_SEGMENT)
        p[2] = (Elf64_Phdr){.p_type = PT_NOTE, .p_offset = b.size, .p_filesz = notes->size};
    else if (where == NOTES_IN_SECTION)
        s[2] = (Elf64_Shdr){.sh_name = 11, .sh_type = SHT_NOTE, .sh_offset = b.size, .sh_size = notes->size};
    else if (where == NOTES_IN_LEGACY)
        s[2] =
            (Elf64_Shdr){.sh_name = 18, .sh_type = SHT_PROGBITS, .sh_offset = b.size, .sh_size = notes->size};
    if (where != NOTES_NOWHERE)
        blob_add(&b, notes->data, notes->size);

    blob_align(&b, 4096);
    p[0] = (Elf64_Phdr){.p_type = PT_LOAD, .p_offset = b.size, .p_filesz = text_size, .p_memsz = text_size};
    p[0].p_paddr = SAMPLE_PADDR;
    p[0].p_vaddr = SAMPLE_VIRT_BASE + SAMPLE_PADDR;
    add_text(&b, text_size);
    blob_align(&b, 4096);
    p[1] = (Elf64_Phdr){.p_type = PT_LOAD, .p_offset = b.size, .p_filesz = 700, .p_memsz = 0x5000};
    p[1].p_paddr = (SAMPLE_PADDR + text_size + 0xfff) & ~0xfffUL;
    p[1].p_vaddr = 0; /* as Linux's per-CPU segment: only the physical address counts */
    add_text(&b, 700);

    memcpy(b.data, &h, sizeof(h));
    memcpy(b.data + sizeof(h), p, sizeof(p));
    memcpy(b.data + sizeof(h) + sizeof(p), s, sizeof(s));
    return b;
}

static void compress_gzip(struct blob *out, const struct blob *in)
{
    z_stream z = {.next_in = in->data, .avail_in = (uInt)in->size};

    assert(deflateInit2(&z, 9, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY) == Z_OK);
    blob_add(out, NULL, deflateBound(&z, in->size));
    z.next_out = out->data;
    z.avail_out = (uInt)out->size;
    assert(deflate(&z, Z_FINISH) == Z_STREAM_END);
    out->size = z.total_out;
    deflateEnd(&z);
}

static void compress_bzip2(struct blob *out, const struct blob *in)
{
    unsigned n = (unsigned)(in->size + in->size / 100 + 600);

    blob_add(out, NULL, n);
    assert(BZ2_bzBuffToBuffCompress((char *)out->data, &n, (char *)in->data, (unsigned)in->size, 9, 0, 0) ==
           BZ_OK);
    out->size = n;
}

static void run_lzma(lzma_stream *z, struct blob *out, const struct blob *in)
{
    blob_add(out, NULL, in->size + in->size / 3 + 4096);
    z->next_in = in->data;
    z->avail_in = in->size;
    z->next_out = out->data;
    z->avail_out = out->size;
    assert(lzma_code(z, LZMA_FINISH) == LZMA_STREAM_END);
    out->size = z->total_out;
    lzma_end(z);
}

static void compress_lzma(struct blob *out, const struct blob *in)
{
    lzma_stream z = LZMA_STREAM_INIT;
    lzma_options_lzma o;

    assert(!lzma_lzma_preset(&o, 1));
    assert(lzma_alone_encoder(&z, &o) == LZMA_OK);
    run_lzma(&z, out, in);
}

static void compress_xz(struct blob *out, const struct blob *in)
{
    lzma_stream z = LZMA_STREAM_INIT;
    lzma_options_lzma o;
    lzma_filter filters[] = {{LZMA_FILTER_X86, NULL}, {LZMA_FILTER_LZMA2, &o}, {LZMA_VLI_UNKNOWN, NULL}};

    assert(!lzma_lzma_preset(&o, 1));
    o.dict_size = 32u << 20;
    assert(lzma_stream_encoder(&z, filters, LZMA_CHECK_CRC32) == LZMA_OK);
    run_lzma(&z, out, in);
}

static void compress_lzo(struct blob *out, const struct blob *in)
{
    static const uint8_t magic[] = {0x89, 'L', 'Z', 'O', 0x00, 0x0d, 0x0a, 0x1a, 0x0a};
    void *work = malloc(LZO1X_1_MEM_COMPRESS);

    assert(work && lzo_init() == LZO_E_OK);
    blob_add(out, magic, sizeof(magic));
    add_be(out, 0x1040, 2); /* version, library, needed */
    add_be(out, 0x20a0, 2);
    add_be(out, 0x0940, 2);
    add_be(out, 1, 1); /* method, level */
    add_be(out, 5, 1);
    add_be(out, 0x03000101,
           4); /* flags: Unix, adler32 and (Adler's misses some flipped bits) CRC of the data */
    add_be(out, 0100644, 4);
    add_be(out, 0x5a5a5a5a, 4);
    add_be(out, 0, 4);
    add_be(out, 3, 1);
    blob_add(out, "vml", 3);
    add_be(out, (uint32_t)adler32(1, out->data + sizeof(magic), (uInt)(out->size - sizeof(magic))), 4);
    for (size_t at = 0; at < in->size;) {
        size_t n = in->size - at < 256 * 1024 ? in->size - at : 256 * 1024;
        uint8_t *packed = malloc(n + n / 16 + 67);
        lzo_uint packed_size;

        assert(packed);
        lzo1x_1_compress(in->data + at, n, packed, &packed_size, work);
        add_be(out, (uint32_t)n, 4);
        add_be(out, (uint32_t)(packed_size < n ? packed_size : n), 4);
        add_be(out, (uint32_t)adler32(1, in->data + at, (uInt)n), 4);
        add_be(out, (uint32_t)crc32(0, in->data + at, (uInt)n), 4);
        if (packed_size < n)
            blob_add(out, packed, packed_size);
        else
            blob_add(out, in->data + at, n);
        free(packed);
        at += n;
    }
    add_be(out, 0, 4);
    free(work);
}

static void compress_lz4(struct blob *out, const struct blob *in)
{
    add_le32(out, 0x184c2102);
    for (size_t at = 0; at < in->size;) {
        int n = (int)(in->size - at < (8u << 20) ? in->size - at : 8u << 20);
        int packed_size;
        uint8_t *packed = malloc((size_t)LZ4_compressBound(n));

        assert(packed);
        packed_size =
            LZ4_compress_HC((const char *)in->data + at, (char *)packed, n, LZ4_compressBound(n), 9);
        add_le32(out, (uint32_t)packed_size);
        blob_add(out, packed, (size_t)packed_size);
        free(packed);
        at += (size_t)n;
    }
}

static void compress_zstd(struct blob *out, const struct blob *in)
{
    ZSTD_CCtx *c = ZSTD_createCCtx();

    ZSTD_CCtx_setParameter(c, ZSTD_c_compressionLevel, 12);
    ZSTD_CCtx_setParameter(c, ZSTD_c_checksumFlag, 1);
    blob_add(out, NULL, ZSTD_compressBound(in->size));
    out->size = ZSTD_compress2(c, out->data, out->size, in->data, in->size);
    assert(!ZSTD_isError(out->size));
    ZSTD_freeCCtx(c);
}

static const struct {
    void (*run)(struct blob *out, const struct blob *in);
    bool append_size;
} formats[NR_FORMATS] = {
    [FORMAT_GZIP] = {compress_gzip, false}, [FORMAT_BZIP2] = {compress_bzip2, true},
    [FORMAT_LZMA] = {compress_lzma, true},  [FORMAT_XZ] = {compress_xz, true},
    [FORMAT_LZO] = {compress_lzo, true},    [FORMAT_LZ4] = {compress_lz4, true},
    [FORMAT_ZSTD] = {compress_zstd, true},
};

const char *const sample_format_name[NR_FORMATS] = {
    [FORMAT_GZIP] = "gzip", [FORMAT_BZIP2] = "bzip2", [FORMAT_LZMA] = "lzma", [FORMAT_XZ] = "xz",
    [FORMAT_LZO] = "lzo",   [FORMAT_LZ4] = "lz4",     [FORMAT_ZSTD] = "zstd",
};

struct blob sample_compress(const struct blob *in, enum sample_format f)
{
    struct blob out = {0};

    formats[f].run(&out, in);
    return out;
}

struct blob sample_bzimage(const struct blob *packed, enum sample_format f, size_t unpacked_size)
{
    const uint32_t payload_offset = 0x2cc, setup_sects = 1;
    uint32_t length = (uint32_t)packed->size + (formats[f].append_size ? 4 : 0);
    struct blob b = {0};

    blob_add(&b, NULL, (setup_sects + 1) * 512);
    b.data[0x1f1] = (uint8_t)setup_sects;
    memcpy(b.data + 0x1fe,
           "\x55\xaa\xeb\x6a"
           "HdrS\x0f\x02",
           10);
    memcpy(b.data + 0x248, &payload_offset, 4);
    memcpy(b.data + 0x24c, &length, 4);
    blob_add(&b, NULL, payload_offset);
    blob_add(&b, packed->data, packed->size);
    if (formats[f].append_size)
        add_le32(&b, (uint32_t)unpacked_size);
    return b;
}
