/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Exceptions of a PV guest, beyond what panel.h offers to everyone.
 */
#ifndef DIPTYCH_PV_TRAPS_H
#define DIPTYCH_PV_TRAPS_H

#include "pv/pv.h"

/*
 * INT n: to the guest's handler if its trap table allows software interrupts from this mode, else #GP. Light.
 */
void pv_soft_interrupt(struct vcpu *v, uint8_t vector, uint64_t next_rip);

#endif
