/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See cpu_fakes.h. */
#include "cpu_fakes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "pv/cpu_ops.h"
#include "pv/hypercall.h"
#include "pv/segment.h"

#define FRAMES 4

struct machine machine;
struct vcpu fake_vcpu;
struct fake_fault fake_fault;
uint8_t fake_memory[GUEST_SIZE];
mfn_t fake_new_base;

static struct domain domain;
static struct pv_domain pv_domain;
static struct pv_vcpu pv_vcpu_state;
static struct cpu_policy policy;

void fake_cpu_setup(void)
{
    struct cpu_source host;
    char why[200];

    machine = (struct machine){.nr_frames = FRAMES};
    machine.base_hva =
        mmap(NULL, FRAMES * PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    cpu_source_host(&host);
    if (machine.base_hva == MAP_FAILED || cpu_policy_build(&policy, &host, 2, NULL, why, sizeof(why))) {
        fprintf(stderr, "cpu_fakes: no memory, or no CPU policy\n");
        abort();
    }
    domain = (struct domain){
        .domid = 1, .nr_vcpus = 2, .cpu_policy = &policy, .pv = &pv_domain, .end = DOMAIN_RUNNING};
    pv_domain = (struct pv_domain){.console_port = 2};
    pv_vcpu_state = (struct pv_vcpu){.gdt_entries = 512, .iopl = 0};
    pv_vcpu_state.gdt_mfn[0] = MFN(1);
    fake_vcpu = (struct vcpu){.domain = &domain, .pv = &pv_vcpu_state, .rflags = FLAG_IF | 2};
    pv_cpu_reset(&fake_vcpu);
    fake_vcpu.seg[SEG_CS] = segment_flat(FLAT_KERNEL_CS64);
    fake_vcpu.seg[SEG_SS] = segment_flat(FLAT_KERNEL_SS64);
    fake_vcpu.gpr[RSP] = GUEST_BASE + GUEST_SIZE / 2;
    memset(fake_memory, 0, sizeof(fake_memory));
    fake_fault = (struct fake_fault){0};
    fake_new_base = MFN_INVALID;
}

void fake_cpu_teardown(void)
{
    munmap(machine.base_hva, FRAMES * PAGE_SIZE);
}

uint64_t *fake_gdt(void)
{
    return machine_hva(MFN(1));
}

void fake_code(const void *code, size_t n)
{
    memcpy(fake_memory, code, n);
    fake_vcpu.rip = GUEST_BASE;
    fake_fault = (struct fake_fault){0};
}

/* ---- what the files under test call ---- */

static uint8_t *at(gva_t a, size_t n, struct guest_fault *f, uint32_t pfec)
{
    if (a.va >= GUEST_BASE && a.va - GUEST_BASE <= GUEST_SIZE - n)
        return fake_memory + (a.va - GUEST_BASE);
    if (f)
        *f = (struct guest_fault){
            .cr2 = a.va < GUEST_BASE || a.va >= GUEST_BASE + GUEST_SIZE ? a.va : GUEST_BASE + GUEST_SIZE,
            .pfec = pfec | (fake_vcpu.user_mode ? PFEC_USER : 0),
        };
    return NULL;
}

bool guest_read_fault(struct vcpu *v, gva_t from, void *to, size_t n, struct guest_fault *f)
{
    uint8_t *p = at(from, n, f, 0);

    (void)v;
    if (p)
        memcpy(to, p, n);
    return p;
}

bool guest_write_fault(struct vcpu *v, gva_t to, const void *from, size_t n, struct guest_fault *f)
{
    uint8_t *p = at(to, n, f, PFEC_WRITE);

    (void)v;
    if (p)
        memcpy(p, from, n);
    return p;
}

bool guest_read(struct vcpu *v, gva_t from, void *to, size_t n)
{
    return guest_read_fault(v, from, to, n, NULL);
}

void pv_inject(struct vcpu *v, uint8_t vector, int64_t error)
{
    (void)v;
    fake_fault.count++;
    fake_fault.vector = vector;
    fake_fault.error = error;
}

void pv_inject_page_fault(struct vcpu *v, uint64_t cr2, uint32_t pfec)
{
    pv_inject(v, VEC_PF, pfec);
    fake_fault.cr2 = cr2;
}

void engine_xcr0_set(struct vcpu *v, uint64_t xcr0)
{
    v->xcr0 = xcr0;
}

void engine_task_changed(struct vcpu *v)
{
    (void)v;
}

int mm_new_baseptr(struct vcpu *v, mfn_t l4)
{
    (void)v;
    if (!l4.n)
        return -XEN_EINVAL;
    fake_new_base = l4;
    return 0;
}
