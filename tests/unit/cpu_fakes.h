/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One PV vCPU without an engine, for the tests of the instruction emulator and of segments: its guest memory
 * is an array at GUEST_BASE, the frames of its GDT are a small machine, and exceptions are only noted down.
 */
#ifndef DIPTYCH_TESTS_CPU_FAKES_H
#define DIPTYCH_TESTS_CPU_FAKES_H

#include "pv/panel.h"

#define GUEST_BASE 0x10000ul
#define GUEST_SIZE (16 * PAGE_SIZE)

struct fake_fault {
    unsigned count;
    uint8_t vector;
    int64_t error; /* -1: none */
    uint64_t cr2;
};

extern struct vcpu fake_vcpu;
extern struct fake_fault fake_fault;
extern uint8_t fake_memory[GUEST_SIZE];
extern mfn_t fake_new_base; /* of the last mm_new_baseptr(); it refuses frame 0 */

/*
 * A vCPU in 64-bit kernel mode with a policy of the host's CPU, an empty GDT of one frame, and code at
 * GUEST_BASE.
 */
void fake_cpu_setup(void);
void fake_cpu_teardown(void);

/* The GDT's frame. */
uint64_t *fake_gdt(void);

/* Puts code at GUEST_BASE, and rip there; forgets the last fault. */
void fake_code(const void *code, size_t n);

#endif
