// SPDX-License-Identifier: MIT
/*
 * Exceptions, callbacks and user mode; see traps.h.
 */
#include "pvguest/traps.h"

extern char trap_stubs[], event_entry[], failsafe_entry[], syscall_entry[], syscall32_entry[],
    sysenter_entry[], nmi_entry[];
int trap_catch_call(uint64_t save[8], void (*fn)(void *), void *arg);
_Noreturn void trap_catch_unwind(uint64_t save[8]);
void trap_dispatch(struct trap_frame *f);

static trap_fn *handlers[NR_TRAPS];

void traps_init_context(struct trap_info table[256])
{
    for (unsigned i = 0; i < 256; i++)
        table[i] = (struct trap_info){
            .vector = (uint8_t)i,
            .flags = i == 3 || i == 4 || i >= 0x80 ? 3 : 0, /* int3, into and int 0x80.. from user mode */
            .cs = FLAT_KERNEL_CS,
            .address = (uint64_t)trap_stubs + 16ul * i,
        };
}

static void callback_set(uint16_t type, const char *entry)
{
    struct callback_register reg = {.type = type, .flags = CALLBACKF_mask_events, .address = (uint64_t)entry};
    long ret = hc_callback_op(CALLBACKOP_register, &reg);

    /* Not every hypervisor has an entry for 32-bit system calls. */
    if (ret && type != CALLBACKTYPE_syscall32 && type != CALLBACKTYPE_sysenter)
        panic("callback_op(register, %u): %ld", type, ret);
}

void traps_init(void)
{
    static struct trap_info table[257];
    long ret;

    traps_init_context(table);
    ret = hc_set_trap_table(table);
    if (ret)
        panic("set_trap_table: %ld", ret);
    callback_set(CALLBACKTYPE_event, event_entry);
    callback_set(CALLBACKTYPE_failsafe, failsafe_entry);
    callback_set(CALLBACKTYPE_syscall, syscall_entry);
    callback_set(CALLBACKTYPE_syscall32, syscall32_entry);
    callback_set(CALLBACKTYPE_sysenter, sysenter_entry);
    callback_set(CALLBACKTYPE_nmi, nmi_entry);
    ret = hc_stack_switch(FLAT_KERNEL_SS, (uint64_t)this_cpu() + CPU_STACK_SIZE);
    if (ret)
        panic("stack_switch: %ld", ret);
}

void trap_handler(unsigned vector, trap_fn *fn)
{
    handlers[vector] = fn;
}

void trap_print(const struct trap_frame *f)
{
    printf("vector %lu error %lx rip %lx cs %x mask %x rflags %lx rsp %lx ss %lx\n", f->vector, f->error,
           f->rip, f->cs, f->saved_upcall_mask, f->rflags, f->rsp, f->ss);
    printf("rax %lx rbx %lx rcx %lx rdx %lx rsi %lx rdi %lx rbp %lx r8 %lx\n", f->rax, f->rbx, f->rcx, f->rdx,
           f->rsi, f->rdi, f->rbp, f->r8);
    printf("r9 %lx r10 %lx r11 %lx r12 %lx r13 %lx r14 %lx r15 %lx cr2 %lx\n", f->r9, f->r10, f->r11, f->r12,
           f->r13, f->r14, f->r15, this_cpu()->info->arch.cr2);
}

/* Called by start.S for every trap and callback. */
void trap_dispatch(struct trap_frame *f)
{
    struct pv_cpu *cpu = this_cpu();

    if (handlers[f->vector]) {
        handlers[f->vector](f);
        return;
    }
    if (cpu->catch_to) {
        uint64_t *save = cpu->catch_save;

        *cpu->catch_to = *f;
        cpu->catch_to = NULL;
        cpu->info->evtchn_upcall_mask = (uint8_t)f->saved_upcall_mask;
        trap_catch_unwind(save);
    }
    trap_print(f);
    panic("unexpected trap %lu", f->vector);
}

bool trap_catch(void (*fn)(void *), void *arg, struct trap_frame *f)
{
    struct pv_cpu *cpu = this_cpu();
    uint64_t save[8];
    bool trapped;

    cpu->catch_save = save;
    cpu->catch_to = f;
    trapped = trap_catch_call(save, fn, arg);
    cpu->catch_to = NULL;
    return trapped;
}

/* Traps from user mode must land below the frames that trap_catch() goes back to, on the same stack. */
static void user_enter(void *p)
{
    uint64_t here = (uint64_t)__builtin_frame_address(0);

    hc_stack_switch(FLAT_KERNEL_SS, (here - 512) & ~15UL);
    trap_return(p);
}

void user_run(const struct trap_frame *in, struct trap_frame *out)
{
    struct trap_frame frame = *in;

    /* The catch restores the frame's mask, which is user mode's: keep the kernel's own. */
    bool masked = events_masked();

    if (!trap_catch(user_enter, &frame, out))
        panic("user mode returned without a trap");
    this_cpu()->info->evtchn_upcall_mask = masked;
}

void events_unmask(void)
{
    struct vcpu_info *info = this_cpu()->info;

    __asm__ volatile("" : : : "memory");
    info->evtchn_upcall_mask = 0;
    __asm__ volatile("" : : : "memory");
    if (info->evtchn_upcall_pending)
        hc_xen_version(XENVER_version, NULL); /* any hypercall looks at pending events on its way out */
}
