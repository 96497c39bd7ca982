// SPDX-License-Identifier: MIT
// expect: crash
// stderr: ----\[ Diptych
/*
 * A guest without exception handlers that jumps into nowhere is crashed as a domain, with a register dump;
 * the hypervisor lives to say so.
 */
#include "pvtest.h"

void guest_main(void)
{
    printf("jumping into nowhere\n");
    console_drain();
    hc_set_trap_table(NULL);
    ((void (*)(void))NONCANONICAL)();
}
