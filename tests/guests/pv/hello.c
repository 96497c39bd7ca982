// SPDX-License-Identifier: MIT
/*
 * A guest starts, finds its start_info in order, and speaks on the console.
 *
 * The smallest whole guest: on a broken hypervisor it prints nothing, or ends in a register dump.
 */
#include "pvguest/mm.h"
#include "pvguest/runtime.h"

void guest_main(void)
{
    char *page = page_alloc(1);

    printf("hello from a PV guest: %s, %lu pages, cmdline '%s'\n", start_info->magic, start_info->nr_pages,
           (const char *)start_info->cmd_line);
    check(!memcmp(start_info->magic, "xen-", 4), "start_info magic");
    check(start_info->nr_pages >= 1024, "at least 4 MiB of memory");
    check((start_info->shared_info & 4095) == 0, "shared_info is a page");
    check(mfn_to_pfn(virt_to_mfn(page)) == virt_to_pfn(page), "P2M and M2P agree");
    check(hc_xen_version(XENVER_version, NULL) >> 16 == 4, "version 4.x");
    memset(page, 0x5a, 4096);
    check(page[4095] == 0x5a, "memory can be written");
}
