/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The ELF image of a PV kernel: headers, loadable segments, where its Xen notes are, and what addresses
 * follow.
 *
 * Promises of an image that elf_parse() accepts, on which pv_build() relies:
 *  - each segment's file bytes lie within the image, and file_size <= mem_size;
 *  - segments lie within [virt_start, virt_end), that within [virt_base, virt_base + KERNEL_SPAN_MAX);
 *  - that range is canonical, doesn't wrap, and doesn't touch the hypervisor's own range of addresses;
 *  - entry and hypercall page lie within it; the hypercall page and virt_base are page-aligned.
 * Symbols (BSD_SYMTAB) are not loaded: no kernel needs them to run.
 *
 * Sources: System V ABI, chapters 4 and 5; Xen's rules for the addresses as its domain builder (libelf,
 * libxenguest) has them.
 */
#include <elf.h>
#include <string.h>

#include "loader/image.h"
#include "pv/pv.h"

#define PHDRS_MAX       512u
#define KERNEL_SPAN_MAX (1UL << 40)

/* True if [offset, offset + size) lies within the image. */
static bool within(const struct kernel_image *k, uint64_t offset, uint64_t size)
{
    return offset <= k->elf_size && size <= k->elf_size - offset;
}

static int check_header(const struct kernel_image *k, Elf64_Ehdr *h, char *why, size_t why_size)
{
    if (k->elf_size < EI_NIDENT || memcmp(k->elf, ELFMAG, SELFMAG) != 0)
        return image_error(why, why_size, "is no kernel that Diptych can start (neither bzImage nor ELF)");
    if (k->elf[EI_CLASS] == ELFCLASS32)
        return image_error(why, why_size,
                           "is a 32-bit kernel; Diptych starts 64-bit PV kernels only, use an amd64 one");
    if (k->elf_size < sizeof(*h))
        return image_error(why, why_size, "ELF image is cut short; copy or download it again");
    memcpy(h, k->elf, sizeof(*h));
    if (h->e_ident[EI_CLASS] != ELFCLASS64 || h->e_ident[EI_DATA] != ELFDATA2LSB ||
        h->e_ident[EI_VERSION] != EV_CURRENT)
        return image_error(why, why_size, "ELF header is damaged; copy or download the kernel again");
    if (h->e_machine != EM_X86_64)
        return image_error(why, why_size,
                           "is a kernel for another kind of processor (ELF machine %u); use an amd64 one",
                           h->e_machine);
    if (h->e_type != ET_EXEC && h->e_type != ET_DYN)
        return image_error(why, why_size, "is an ELF file but no executable; name a kernel image (vmlinuz)");
    if (h->e_phnum == 0 || h->e_phnum > PHDRS_MAX || h->e_phentsize != sizeof(Elf64_Phdr))
        return image_error(why, why_size,
                           "ELF image has no usable program headers; copy or download the kernel again");
    if (!within(k, h->e_phoff, (uint64_t)h->e_phnum * sizeof(Elf64_Phdr)))
        return image_error(why, why_size, "ELF image is cut short; copy or download it again");
    return 0;
}

static void get_phdr(const struct kernel_image *k, const Elf64_Ehdr *h, unsigned i, Elf64_Phdr *p)
{
    memcpy(p, k->elf + h->e_phoff + i * sizeof(*p), sizeof(*p));
}

/* Collects what is to be loaded; vaddr is filled in later, from paddr, as Xen has it. */
static int collect_segments(struct kernel_image *k, const Elf64_Ehdr *h, char *why, size_t why_size)
{
    /* NOLINTNEXTLINE(clang-analyzer-core.UndefinedBinaryOperatorResult): image_error() is never 0 */
    for (unsigned i = 0; i < h->e_phnum; i++) {
        struct kernel_segment *s;
        Elf64_Phdr p;

        get_phdr(k, h, i, &p);
        if (p.p_type != PT_LOAD || p.p_memsz == 0)
            continue;
        if (k->nr_segments == ARRAY_SIZE(k->segment))
            return image_error(why, why_size, "ELF image has more than %zu segments; use another kernel",
                               ARRAY_SIZE(k->segment));
        if (!within(k, p.p_offset, p.p_filesz))
            return image_error(why, why_size,
                               "ELF image is cut short (segment %u); copy or download it again", i);
        if (p.p_filesz > p.p_memsz || p.p_paddr + p.p_memsz < p.p_paddr)
            return image_error(why, why_size,
                               "ELF image is damaged (segment %u); copy or download the kernel again", i);
        s = &k->segment[k->nr_segments++];
        s->data = k->elf + p.p_offset;
        s->file_size = p.p_filesz;
        s->mem_size = p.p_memsz;
        s->paddr = p.p_paddr;
    }
    if (k->nr_segments == 0)
        return image_error(why, why_size, "ELF image has nothing to load; copy or download the kernel again");
    return 0;
}

/* Section headers, of which only the notes and __xen_guest matter.  False if there is no such section. */
static bool get_shdr(const struct kernel_image *k, const Elf64_Ehdr *h, unsigned i, Elf64_Shdr *s)
{
    uint64_t offset = h->e_shoff + (uint64_t)i * sizeof(*s);

    if (h->e_shentsize != sizeof(*s) || i >= h->e_shnum || offset < h->e_shoff ||
        !within(k, offset, sizeof(*s)))
        return false;
    memcpy(s, k->elf + offset, sizeof(*s));
    return s->sh_type == SHT_NOBITS || within(k, s->sh_offset, s->sh_size);
}

static bool section_is(const struct kernel_image *k, const Elf64_Shdr *strings, const Elf64_Shdr *s,
                       const char *name)
{
    size_t size = strlen(name) + 1;

    return strings->sh_type != SHT_NOBITS && s->sh_name < strings->sh_size &&
           size <= strings->sh_size - s->sh_name &&
           memcmp(k->elf + strings->sh_offset + s->sh_name, name, size) == 0;
}

/* Program headers first, then sections, then the legacy section: each only if those before had nothing. */
static void find_notes(const struct kernel_image *k, const Elf64_Ehdr *h, struct xen_notes *n)
{
    Elf64_Shdr strings, s;

    xen_notes_init(n);
    for (unsigned i = 0; i < h->e_phnum; i++) {
        Elf64_Phdr p;

        get_phdr(k, h, i, &p);
        if (p.p_type == PT_NOTE && p.p_offset != 0 && within(k, p.p_offset, p.p_filesz))
            xen_notes_scan(n, k->elf + p.p_offset, p.p_filesz);
    }
    if (n->nr > 0)
        return;
    for (unsigned i = 1; i < h->e_shnum; i++)
        if (get_shdr(k, h, i, &s) && s.sh_type == SHT_NOTE)
            xen_notes_scan(n, k->elf + s.sh_offset, s.sh_size);
    if (n->nr > 0 || !get_shdr(k, h, h->e_shstrndx, &strings))
        return;
    for (unsigned i = 1; i < h->e_shnum; i++)
        if (get_shdr(k, h, i, &s) && s.sh_type != SHT_NOBITS && section_is(k, &strings, &s, "__xen_guest")) {
            xen_notes_scan_legacy(n, k->elf + s.sh_offset, s.sh_size);
            return;
        }
}

/* Works out and checks where everything goes. */
static int place(struct kernel_image *k, const Elf64_Ehdr *h, const struct xen_notes *n, char *why,
                 size_t why_size)
{
    uint64_t low = ~0UL, high = 0, offset;

    k->virt_base = n->virt_base != XEN_NOTE_UNSET ? n->virt_base : 0;
    k->paddr_offset = n->paddr_offset != XEN_NOTE_UNSET ? n->paddr_offset : n->legacy ? k->virt_base : 0;
    k->entry = n->entry != XEN_NOTE_UNSET ? n->entry : h->e_entry;
    k->hypercall_page = n->hypercall_page;
    k->init_p2m = n->init_p2m;
    k->mod_start_pfn = n->mod_start_pfn;
    offset = k->virt_base - k->paddr_offset; /* of virtual from physical addresses; may be "negative" */

    for (unsigned i = 0; i < k->nr_segments; i++) {
        struct kernel_segment *s = &k->segment[i];

        s->vaddr = s->paddr + offset;
        if (s->vaddr < k->virt_base || s->vaddr - k->virt_base >= KERNEL_SPAN_MAX ||
            s->mem_size > KERNEL_SPAN_MAX || s->vaddr + s->mem_size < s->vaddr)
            return image_error(
                why, why_size,
                "kernel's addresses make no sense (segment at 0x%llx, VIRT_BASE 0x%llx); use another kernel",
                (unsigned long long)s->vaddr, (unsigned long long)k->virt_base);
        if (s->vaddr < low)
            low = s->vaddr;
        if (s->vaddr + s->mem_size > high)
            high = s->vaddr + s->mem_size;
    }
    k->virt_start = low;
    k->virt_end = high;

    if (k->virt_base % PAGE_SIZE != 0 || high - k->virt_base > KERNEL_SPAN_MAX ||
        !gva_canonical(GVA(k->virt_base)) || !gva_canonical(GVA(high - 1)) ||
        (k->virt_base < HYPERVISOR_VIRT_END && high > HYPERVISOR_VIRT_START))
        return image_error(
            why, why_size,
            "kernel wants addresses 0x%llx to 0x%llx, which a PV guest can't have; use another kernel",
            (unsigned long long)k->virt_base, (unsigned long long)high);
    if (k->entry < low || k->entry >= high)
        return image_error(why, why_size,
                           "kernel's PV entry 0x%llx lies outside the kernel; use another kernel",
                           (unsigned long long)k->entry);
    if (k->hypercall_page != XEN_NOTE_UNSET &&
        (k->hypercall_page % PAGE_SIZE != 0 || k->hypercall_page < k->virt_base || k->hypercall_page >= high))
        return image_error(why, why_size,
                           "kernel's hypercall page 0x%llx lies outside the kernel; use another kernel",
                           (unsigned long long)k->hypercall_page);
    if (k->init_p2m != XEN_NOTE_UNSET && k->init_p2m >= low && k->init_p2m < high)
        return image_error(why, why_size,
                           "kernel's P2M address 0x%llx lies inside the kernel; use another kernel",
                           (unsigned long long)k->init_p2m);
    return 0;
}

int elf_parse(struct kernel_image *k, char *why, size_t why_size)
{
    struct xen_notes n;
    Elf64_Ehdr h;

    if (check_header(k, &h, why, why_size) < 0 || collect_segments(k, &h, why, why_size) < 0)
        return -1;
    find_notes(k, &h, &n);
    if (xen_notes_check(&n, why, why_size) < 0 || place(k, &h, &n, why, why_size) < 0)
        return -1;
    memcpy(k->guest_os, n.guest_os, sizeof(k->guest_os));
    memcpy(k->guest_version, n.guest_version, sizeof(k->guest_version));
    memcpy(k->features, n.features, sizeof(k->features));
    return 0;
}
