/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a PV kernel finds when it starts: start_info, the hypercall page, its first vCPU's registers.
 *
 * Sources: xen/xen.h (struct start_info), xen/arch-x86/xen-x86_64.h (selectors, hypercall calling
 * convention).
 */
#include <string.h>

#include "loader/image.h"
#include "loader/pv_layout.h"

#define HYPERCALL_STUB_SIZE 32ul
#define NR_HYPERCALL_STUBS  (PAGE_SIZE / HYPERCALL_STUB_SIZE)

#define DR6_RESET 0xffff0ff0UL
#define DR7_RESET 0x400UL

/* Descriptor attributes (struct segment) of Xen's flat ring-3 segments. */
#define ATTR_CODE64 0xa0fb /* G, L, present, DPL 3, code, readable, accessed */
#define ATTR_DATA32 0xc0f3 /* G, B, present, DPL 3, data, writable, accessed */

static uint64_t va_of(const struct kernel_image *k, uint64_t pfn)
{
    return k->virt_base + pfn * PAGE_SIZE;
}

void pv_start_info_write(const struct domain *d, const struct kernel_image *k, const struct pv_layout *l,
                         size_t module_size, const char *cmdline)
{
    struct start_info *si = pv_build_hva(d, l->start_info_pfn);
    const struct pv_domain *pv = d->pv;

    memset(si, 0, sizeof(*si));
    strcpy(si->magic, "xen-3.0-x86_64");
    si->nr_pages = d->nr_pages;
    si->shared_info = pv->shared_info_mfn.n << PAGE_SHIFT;
    si->flags = SIF_VIRT_P2M_4TOOLS; /* as Xen 4.17: nobody here needs the old tree of the P2M */
    si->store_mfn = pv->store_mfn.n;
    si->store_evtchn = pv->store_port;
    si->console.domU.mfn = pv->console_mfn.n;
    si->console.domU.evtchn = pv->console_port;
    si->pt_base = va_of(k, l->mapping[0].all_tables.pfn);
    si->nr_pt_frames = l->mapping[0].all_tables.nr;
    if (l->p2m_mapped_apart) {
        si->mfn_list = l->mapping[1].va;
        si->first_p2m_pfn = l->p2m.pfn;
        si->nr_p2m_frames = l->p2m.nr + l->mapping[1].all_tables.nr;
    } else {
        si->mfn_list = va_of(k, l->p2m.pfn);
    }
    if (module_size > 0) {
        si->mod_start = l->module_mapped ? va_of(k, l->module.pfn) : l->module.pfn;
        si->mod_len = module_size;
        if (!l->module_mapped)
            si->flags |= SIF_MOD_START_PFN;
    }
    strncpy((char *)si->cmd_line, cmdline, MAX_GUEST_CMDLINE - 1);
}

/*
 * One stub a hypercall; the kernel calls page + 32 * number.  SYSCALL overwrites rcx and r11, which the stub
 * keeps:
 *
 *   51              push %rcx
 *   41 53           push %r11
 *   b8 nr nr nr nr  mov  $nr, %eax
 *   0f 05           syscall
 *   41 5b           pop  %r11
 *   59              pop  %rcx
 *   c3              ret
 *
 * iret doesn't come back; it is jumped to with its frame on the stack, and rax belongs to that:
 *
 *   51              push %rcx
 *   41 53           push %r11
 *   50              push %rax
 *   b8 17 00 00 00  mov  $23, %eax
 *   0f 05           syscall
 */
void pv_hypercall_page_write(uint8_t *page)
{
    static const uint8_t stub[] = {0x51, 0x41, 0x53, 0xb8, 0, 0, 0, 0, 0x0f, 0x05, 0x41, 0x5b, 0x59, 0xc3};
    static const uint8_t iret_stub[] = {0x51, 0x41, 0x53, 0x50, 0xb8, __HYPERVISOR_iret, 0, 0, 0, 0x0f, 0x05};

    memset(page, 0xcc, PAGE_SIZE);
    for (unsigned nr = 0; nr < NR_HYPERCALL_STUBS; nr++) {
        uint8_t *p = page + nr * HYPERCALL_STUB_SIZE;

        memcpy(p, stub, sizeof(stub));
        p[4] = (uint8_t)nr;
    }
    memcpy(page + __HYPERVISOR_iret * HYPERCALL_STUB_SIZE, iret_stub, sizeof(iret_stub));
}

void pv_vcpu0_set(struct domain *d, const struct kernel_image *k, const struct pv_layout *l)
{
    struct vcpu *v = d->vcpu[0];

    memset(v->gpr, 0, sizeof(v->gpr));
    v->rip = k->entry;
    v->gpr[RSP] = va_of(k, l->stack_pfn + 1);
    v->gpr[RSI] = va_of(k, l->start_info_pfn);
    v->rflags = FLAG_IF | 2; /* bit 1 is always set */
    v->fs_base = 0;
    v->gs_base = 0;
    for (unsigned i = 0; i < NR_SEGS; i++)
        v->seg[i] = (struct segment){.selector = FLAT_KERNEL_DS}; /* the null selector */
    v->seg[SEG_CS] = (struct segment){.selector = FLAT_KERNEL_CS, .attr = ATTR_CODE64, .limit = ~0u};
    v->seg[SEG_SS] = (struct segment){.selector = FLAT_KERNEL_SS, .attr = ATTR_DATA32, .limit = ~0u};
    memset(v->dr, 0, sizeof(v->dr));
    v->dr[6] = DR6_RESET;
    v->dr[7] = DR7_RESET;
    v->user_mode = false;
    v->online = true;
    v->pv->cr3_kernel = MFN(0); /* mm_adopt_initial_tables() makes it the tables' frame, and counts that */
    v->pv->cr3_user = MFN(0);
    v->pv->initialised = true;
    v->pv->kernel_sp = v->gpr[RSP];
    v->pv->kernel_ss = FLAT_KERNEL_SS;
}
