// SPDX-License-Identifier: MIT
// expect: crash
// stderr: ----\[ Diptych
/*
 * An exception whose frame can't be written, because the kernel's stack pointer points nowhere, crashes the
 * domain.
 */
#include "pvtest.h"

void guest_main(void)
{
    printf("faulting without a stack\n");
    console_drain();
    __asm__ volatile("mov %0, %%rsp; ud2" : : "r"(UNMAPPED));
}
