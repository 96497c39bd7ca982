/* width: 64 32 */
// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Which CPU a program runs on: getcpu(), RDTSCP, RDPID, the limit of the segment that Linux keeps for it, and
 * CPUID all name the one that the affinity mask allows, also just after a migration. A hypervisor that
 * answers one of them with the host's CPU, or doesn't switch TSC_AUX and the GDT with the vCPU, fails here.
 */
#include "check.h"

#include <cpuid.h>
#include <sched.h>
#include <sys/syscall.h>

/* The segment whose limit is the CPU's number and node (asm/segment.h: __CPUNODE_SEG of 64-bit kernels). */
enum { CPU_SEGMENT = 0x7b };

static int has_flag(const char *flag)
{
    char line[8192], word[64];
    int found = 0;
    FILE *info = fopen("/proc/cpuinfo", "r");

    CHECK(info);
    snprintf(word, sizeof(word), " %s ", flag);
    while (!found && fgets(line, sizeof(line), info)) {
        if (strncmp(line, "flags", 5) != 0)
            continue;
        line[strcspn(line, "\n")] = ' ';
        found = strstr(line, word) != NULL;
    }
    fclose(info);
    return found;
}

/*
 * The CPU's number in its topology leaf; what Linux numbers it is another matter, but it must be one for
 * each.
 */
static unsigned apic_id(void)
{
    unsigned a, b, c, d;

    __cpuid(0, a, b, c, d);
    if (a >= 11) {
        __cpuid_count(11, 0, a, b, c, d);
        if (b != 0)
            return d;
    }
    __cpuid(1, a, b, c, d);
    return b >> 24;
}

int main(void)
{
    int rdtscp = has_flag("rdtscp"), rdpid = has_flag("rdpid"), cpus = 0;
    unsigned ids[64];
    cpu_set_t all, one;

    CHECK(sched_getaffinity(0, sizeof(all), &all) == 0);
    for (int round = 0; round < 50; round++) {
        for (int cpu = 0; cpu < 64; cpu++) {
            unsigned char valid;
            unsigned number = ~0u, node = ~0u, limit = ~0u, low, high, aux;

            if (!CPU_ISSET(cpu, &all))
                continue;
            CPU_ZERO(&one);
            CPU_SET(cpu, &one);
            CHECK(sched_setaffinity(0, sizeof(one), &one) == 0);
            CHECK(syscall(SYS_getcpu, &number, &node, NULL) == 0);
            CHECK_EQ(number, cpu);
            __asm__ volatile("lsl %2, %0\n setz %1"
                             : "+r"(limit), "=q"(valid)
                             : "r"((unsigned)CPU_SEGMENT)
                             : "cc");
            /*
             * Since 5.13 Linux sets up segment and TSC_AUX in cpu_init_exception_handling(), which a Xen PV
             * guest's secondary CPUs don't call: there the segment isn't valid, under Xen itself just as
             * here.
             */
            CHECK(valid || cpu != 0);
            if (valid) {
                CHECK_EQ(sched_getcpu(), cpu); /* by the vDSO, which believes the segment */
                CHECK_EQ(limit & 0xfff, cpu);
                CHECK_EQ(limit >> 12, node);
            }
            if (valid && rdtscp) {
                __asm__ volatile("rdtscp" : "=a"(low), "=d"(high), "=c"(aux));
                CHECK_EQ(aux, limit);
            }
            if (valid && rdpid) {
                unsigned long said;

                __asm__ volatile("rdpid %0" : "=r"(said));
                CHECK_EQ(said, limit);
            }
            if (round == 0)
                ids[cpu] = apic_id();
            CHECK_EQ(apic_id(), ids[cpu]);
        }
    }
    for (int cpu = 0; cpu < 64; cpu++) {
        if (!CPU_ISSET(cpu, &all))
            continue;
        cpus++;
        for (int other = 0; other < cpu; other++)
            CHECK(!CPU_ISSET(other, &all) || ids[other] != ids[cpu]);
    }
    CHECK_EQ(cpus, CPU_COUNT(&all));
    return 0;
}
