// SPDX-License-Identifier: MIT
/*
 * Bringing up further vCPUs (VCPUOP_initialise, VCPUOP_up).
 */
#include "pvguest/events.h"
#include "pvguest/mm.h"

extern char cpu_start[], event_entry[], failsafe_entry[], syscall_entry[];
_Noreturn void cpu_main(struct pv_cpu *cpu);

static union cpu_stack stacks[MAX_CPUS] __attribute__((aligned(CPU_STACK_SIZE)));

/* First C code of a second vCPU; called by start.S. */
void cpu_main(struct pv_cpu *cpu)
{
    traps_init();
    for (;;) {
        cpu->fn(cpu->arg);
        hc_vcpu_op(VCPUOP_down, cpu->id, NULL); /* returns when cpu_up() has given us something else to do */
        events_mask();
    }
}

long cpu_up(unsigned id, void (*fn)(void *), void *arg)
{
    static struct vcpu_guest_context context; /* too large for the stack */
    struct pv_cpu *cpu = &stacks[id].cpu;
    uint64_t top = (uint64_t)&stacks[id] + CPU_STACK_SIZE;
    long ret;

    cpu->id = id;
    cpu->info = &shared_info->vcpu_info[id];
    cpu->catch_to = NULL;
    cpu->fn = fn;
    cpu->arg = arg;
    cpu->info->evtchn_upcall_mask = 1;

    memset(&context, 0, sizeof(context));
    context.flags = VGCF_in_kernel;
    context.user_regs.rip = (uint64_t)cpu_start;
    context.user_regs.rsp = top;
    context.user_regs.rdi = (uint64_t)cpu;
    context.user_regs.rflags = 0x2;
    context.user_regs.cs = FLAT_KERNEL_CS;
    context.user_regs.ss = FLAT_KERNEL_SS;
    traps_init_context(context.trap_ctxt);
    context.kernel_ss = FLAT_KERNEL_SS;
    context.kernel_sp = top;
    context.ctrlreg[3] = xen_pfn_to_cr3(virt_to_mfn((void *)start_info->pt_base));
    context.event_callback_eip = (uint64_t)event_entry;
    context.failsafe_callback_eip = (uint64_t)failsafe_entry;
    context.syscall_callback_eip = (uint64_t)syscall_entry;

    ret = hc_vcpu_op(VCPUOP_initialise, id, &context);
    if (ret && ret != -XEN_EEXIST) /* initialised before, and down since: goes on where it went down */
        return ret;
    return hc_vcpu_op(VCPUOP_up, id, NULL);
}
