/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The panel's instruction emulator under libFuzzer: registers, descriptors of the GDT and code are the
 * input's. It either completes the instruction or raises one fault with rip where it was.
 */
#include "cpu_fakes.h"
#include "fuzz.h"
#include "pv/cpu_ops.h"
#include "pv/segment.h"

/* The state after fake_cpu_setup(), which is slow: it asks the host's CPU for everything. */
static struct vcpu clean_vcpu;
static struct pv_vcpu clean_pv;

static uint64_t register_value(struct input *in)
{
    uint8_t kind = input_byte(in);

    switch (kind & 7) {
    case 0:
        return input_u64(in);
    case 1:
        return GUEST_BASE + GUEST_SIZE - (kind >> 3);
    case 2:
        return (uint64_t)(kind >> 3) << 3; /* a selector */
    case 3:
        return 0xc0000000u + (kind >> 3) * 0x20u + input_byte(in); /* MSRs */
    default:
        return GUEST_BASE + (uint64_t)(kind >> 3) * 64;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = {data, size};
    struct vcpu *v = &fake_vcpu;
    uint8_t code[32], mode;
    uint64_t at;
    enum domain_end end;

    if (!clean_vcpu.domain) {
        fake_cpu_setup();
        clean_vcpu = fake_vcpu;
        clean_pv = *fake_vcpu.pv;
    }
    *v = clean_vcpu;
    *v->pv = clean_pv;
    v->domain->end = DOMAIN_RUNNING;
    memset(fake_memory, 0, sizeof(fake_memory));
    memset(fake_gdt(), 0, PAGE_SIZE);

    mode = input_byte(&in);
    v->user_mode = mode & 1;
    v->cr4 = mode & 2 ? CR4_OSXSAVE : 0;
    v->pv->iopl = mode >> 4 & 3;
    for (unsigned i = 0; i < 16; i++)
        v->gpr[i] = register_value(&in);
    if (mode & 4)
        v->seg[SEG_CS] = segment_flat(FLAT_USER_CS32);
    if (mode & 8)
        v->seg[SEG_SS] = (struct segment){.selector = 8, .limit = 0xffff, .attr = 0x93};
    input_take(&in, code, sizeof(code));
    at = mode & 0x40 ? GUEST_BASE + GUEST_SIZE - 1 - (mode & 7) : GUEST_BASE;
    input_take(&in, fake_gdt(), 256);
    for (unsigned i = 0; i < sizeof(code) && at + i < GUEST_BASE + GUEST_SIZE; i++)
        fake_memory[at - GUEST_BASE + i] = code[i];
    input_take(&in, fake_memory + 64, in.n < 4096 ? in.n : 4096);
    v->rip = at;
    fake_fault = (struct fake_fault){0};
    pv_emulate(v);
    end = (enum domain_end)v->domain->end;
    require(fake_fault.count <= 1);
    require(!fake_fault.count || v->rip == at);
    require(end == DOMAIN_RUNNING || !fake_fault.count);
    return 0;
}
