/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TESTS_TRACE_FAKES_H
#define TESTS_TRACE_FAKES_H

#include "pv/hypercall.h"

#define FAKE_MEMORY_VA   0xffff888000000000UL
#define FAKE_MEMORY_SIZE 65536UL

extern uint8_t fake_memory[FAKE_MEMORY_SIZE]; /* at guest address FAKE_MEMORY_VA */
extern int64_t fake_result;                   /* what every handler returns, but multicall's */
extern void (*fake_action)(struct vcpu *v);   /* and does */
extern unsigned fake_heavy_calls;
extern uint64_t fake_clock_ns; /* guest system time; 1 us further at every look */

#endif
