// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What gdb.sh debugs; session.gdb names its functions and variables.
 */
#include <stdio.h>

volatile int total;
volatile double scaled;

__attribute__((noinline)) static int add(int depth, int value)
{
    if (depth > 0)
        return add(depth - 1, value + 1);
    total += value;
    return total;
}

__attribute__((noinline)) static int work(void)
{
    int sum = 0;

    for (int i = 0; i < 20; i++)
        sum += add(3, i);
    scaled = sum * 0.5;
    return sum;
}

int main(void)
{
    int sum = work();

    printf("sum %d total %d scaled %.1f\n", sum, total, scaled);
    return sum & 0x7f;
}
