/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a kernel says of itself to Xen: ELF notes (xen/elfnote.h), or the older section __xen_guest.
 *
 * Strings that end up in messages lose their control characters here.
 */
#include <elf.h>
#include <stdlib.h>
#include <string.h>
#include <xen/elfnote.h>
#include <xen/features.h>

#include "loader/image.h"

#define NOTES_MAX 65536u /* of all owners; more is an attempt to keep us busy */

/* Names of features in notes (xen/features.h without XENFEAT_), those that libelf of Xen 4.17 knows. */
static const struct {
    const char *name;
    unsigned bit;
} features[] = {
    {"writable_page_tables", XENFEAT_writable_page_tables},
    {"writable_descriptor_tables", XENFEAT_writable_descriptor_tables},
    {"auto_translated_physmap", XENFEAT_auto_translated_physmap},
    {"supervisor_mode_kernel", XENFEAT_supervisor_mode_kernel},
    {"pae_pgdir_above_4gb", XENFEAT_pae_pgdir_above_4gb},
    {"hvm_callback_vector", XENFEAT_hvm_callback_vector},
    {"dom0", XENFEAT_dom0},
};

void xen_notes_init(struct xen_notes *n)
{
    *n = (struct xen_notes){
        .entry = XEN_NOTE_UNSET,
        .hypercall_page = XEN_NOTE_UNSET,
        .virt_base = XEN_NOTE_UNSET,
        .paddr_offset = XEN_NOTE_UNSET,
        .init_p2m = XEN_NOTE_UNSET,
    };
}

/* Copies text up to its NUL or its size, cut to fit, with anything unprintable made harmless. */
static void copy_text(char *to, size_t to_size, const uint8_t *from, size_t size)
{
    size_t i;

    for (i = 0; i + 1 < to_size && i < size && from[i] != 0; i++)
        to[i] = (char)(from[i] >= 0x20 && from[i] < 0x7f ? from[i] : '?');
    to[i] = 0;
}

/* "a|!b|c": a name with ! is required. */
static void take_features(struct xen_notes *n, const char *list)
{
    while (*list) {
        size_t len = strcspn(list, "|");
        bool required = list[0] == '!';
        const char *name = list + required;
        size_t name_len = len - required;
        size_t i;

        for (i = 0; i < ARRAY_SIZE(features); i++)
            if (strlen(features[i].name) == name_len && memcmp(features[i].name, name, name_len) == 0)
                break;
        if (required && i < ARRAY_SIZE(features))
            n->features_required |= 1u << features[i].bit;
        else if (required && !n->bad_feature[0])
            copy_text(n->bad_feature, sizeof(n->bad_feature), (const uint8_t *)list, len);
        list += len + (list[len] == '|');
    }
}

static void take_features_text(struct xen_notes *n, const uint8_t *p, size_t size)
{
    copy_text(n->features, sizeof(n->features), p, size);
    take_features(n, n->features);
}

/* A little-endian number of 1, 2, 4 or 8 bytes; anything else counts as 0, as in Xen. */
static uint64_t note_number(const uint8_t *desc, uint32_t size)
{
    uint64_t v = 0;

    if (size != 1 && size != 2 && size != 4 && size != 8)
        return 0;
    for (uint32_t i = 0; i < size; i++)
        v |= (uint64_t)desc[i] << (8 * i);
    return v;
}

static void take_note(struct xen_notes *n, uint32_t type, const uint8_t *desc, uint32_t size)
{
    switch (type) {
    case XEN_ELFNOTE_ENTRY:
        n->entry = note_number(desc, size);
        break;
    case XEN_ELFNOTE_HYPERCALL_PAGE:
        n->hypercall_page = note_number(desc, size);
        break;
    case XEN_ELFNOTE_VIRT_BASE:
        n->virt_base = note_number(desc, size);
        break;
    case XEN_ELFNOTE_PADDR_OFFSET:
        n->paddr_offset = note_number(desc, size);
        break;
    case XEN_ELFNOTE_INIT_P2M:
        n->init_p2m = note_number(desc, size);
        break;
    case XEN_ELFNOTE_MOD_START_PFN:
        n->mod_start_pfn = note_number(desc, size) != 0;
        break;
    case XEN_ELFNOTE_PHYS32_ENTRY:
        n->phys32_entry = true;
        break;
    case XEN_ELFNOTE_GUEST_OS:
        copy_text(n->guest_os, sizeof(n->guest_os), desc, size);
        break;
    case XEN_ELFNOTE_GUEST_VERSION:
        copy_text(n->guest_version, sizeof(n->guest_version), desc, size);
        break;
    case XEN_ELFNOTE_LOADER:
        copy_text(n->loader, sizeof(n->loader), desc, size);
        break;
    case XEN_ELFNOTE_XEN_VERSION:
        copy_text(n->xen_version, sizeof(n->xen_version), desc, size);
        break;
    case XEN_ELFNOTE_FEATURES:
        take_features_text(n, desc, size);
        break;
    default: /* SUPPORTED_FEATURES and others ask nothing of a domain builder for unprivileged PV guests */
        break;
    }
}

void xen_notes_scan(struct xen_notes *n, const uint8_t *p, size_t size)
{
    while (size >= sizeof(Elf64_Nhdr) && n->nr_all < NOTES_MAX) {
        Elf64_Nhdr h;
        uint64_t name_size, desc_size;
        const uint8_t *name, *desc;

        memcpy(&h, p, sizeof(h));
        p += sizeof(h);
        size -= sizeof(h);
        name_size = ((uint64_t)h.n_namesz + 3) & ~3UL;
        desc_size = ((uint64_t)h.n_descsz + 3) & ~3UL;
        /* The padding of the last note may be missing. */
        if (name_size > size || h.n_descsz > size - name_size)
            return;
        name = p;
        desc = p + name_size;
        n->nr_all++;
        if (h.n_namesz == 4 && memcmp(name, "Xen", 4) == 0) {
            n->nr++;
            take_note(n, h.n_type, desc, h.n_descsz);
        }
        if (desc_size > size - name_size)
            return;
        p = desc + desc_size;
        size -= name_size + desc_size;
    }
}

static void take_legacy(struct xen_notes *n, const char *key, const char *value)
{
    size_t len = strlen(value);
    uint64_t number = strtoull(value, NULL, 0);

    if (!strcmp(key, "LOADER"))
        copy_text(n->loader, sizeof(n->loader), (const uint8_t *)value, len);
    else if (!strcmp(key, "GUEST_OS"))
        copy_text(n->guest_os, sizeof(n->guest_os), (const uint8_t *)value, len);
    else if (!strcmp(key, "GUEST_VER"))
        copy_text(n->guest_version, sizeof(n->guest_version), (const uint8_t *)value, len);
    else if (!strcmp(key, "XEN_VER"))
        copy_text(n->xen_version, sizeof(n->xen_version), (const uint8_t *)value, len);
    else if (!strcmp(key, "VIRT_BASE"))
        n->virt_base = number;
    else if (!strcmp(key, "VIRT_ENTRY"))
        n->entry = number;
    else if (!strcmp(key, "ELF_PADDR_OFFSET"))
        n->paddr_offset = number;
    else if (!strcmp(key, "HYPERCALL_PAGE"))
        n->hypercall_page = number << PAGE_SHIFT; /* a frame number here, and made an address by the caller */
    else if (!strcmp(key, "FEATURES"))
        take_features_text(n, (const uint8_t *)value, len);
}

void xen_notes_scan_legacy(struct xen_notes *n, const uint8_t *p, size_t size)
{
    const uint8_t *end = memchr(p, 0, size);

    if (end)
        size = (size_t)(end - p);
    while (size > 0) {
        const uint8_t *comma = memchr(p, ',', size);
        size_t len = comma ? (size_t)(comma - p) : size;
        const uint8_t *eq = memchr(p, '=', len);
        size_t key_len = eq ? (size_t)(eq - p) : len;
        char key[32], value[128];

        copy_text(key, sizeof(key), p, key_len);
        copy_text(value, sizeof(value), eq ? eq + 1 : p, eq ? len - key_len - 1 : 0);
        take_legacy(n, key, value);
        p += len + (comma != NULL);
        size -= len + (comma != NULL);
    }
    n->nr++;
    n->legacy = true;
    if (n->virt_base != XEN_NOTE_UNSET && n->hypercall_page != XEN_NOTE_UNSET)
        n->hypercall_page += n->virt_base;
}

int xen_notes_check(const struct xen_notes *n, char *why, size_t why_size)
{
    if (n->nr == 0)
        return image_error(why, why_size,
                           "kernel has no Xen PV entry (no Xen notes); use one built with CONFIG_XEN_PV=y");
    /* A Linux without CONFIG_XEN_PV has some notes nevertheless: those for PVH. */
    if (n->entry == XEN_NOTE_UNSET && (n->phys32_entry || n->virt_base == XEN_NOTE_UNSET))
        return image_error(why, why_size, "kernel has no Xen PV entry%s; use one built with CONFIG_XEN_PV=y",
                           n->phys32_entry ? ", only one for PVH" : "");
    if (strncmp(n->loader, "generic", 7) != 0 && strncmp(n->guest_os, "linux", 5) != 0)
        return image_error(why, why_size,
                           "kernel is for a loader that Diptych doesn't have (LOADER \"%s\", GUEST_OS "
                           "\"%s\"); use one for the generic loader",
                           n->loader, n->guest_os);
    if (strncmp(n->xen_version, "xen-3.0", 7) != 0)
        return image_error(why, why_size, "kernel is for the Xen ABI \"%s\"; use one for xen-3.0",
                           n->xen_version);
    if (n->bad_feature[0])
        return image_error(why, why_size,
                           "kernel requires a feature (\"%s\") that Diptych doesn't know; use another kernel",
                           n->bad_feature);
    if (n->features_required & 1u << XENFEAT_dom0)
        return image_error(why, why_size,
                           "kernel runs as a control domain only (requires dom0); use another kernel");
    for (size_t i = 0; i < ARRAY_SIZE(features); i++)
        if ((features[i].bit == XENFEAT_auto_translated_physmap ||
             features[i].bit == XENFEAT_supervisor_mode_kernel) &&
            n->features_required & 1u << features[i].bit)
            return image_error(
                why, why_size,
                "kernel requires \"%s\", which 64-bit PV guests don't have; use another kernel",
                features[i].name);
    if (n->paddr_offset != XEN_NOTE_UNSET && n->virt_base == XEN_NOTE_UNSET)
        return image_error(
            why, why_size,
            "kernel's Xen notes are broken (PADDR_OFFSET without VIRT_BASE); use another kernel");
    return 0;
}
