/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whether /dev/kvm runs guests: opens it and runs two guests of a few instructions.
 *
 * Some virtual machines have a /dev/kvm that opens and answers, and yet can't be used: it emulates the
 * guest's kernel code instruction by instruction, hundreds of times slower, and not all of it. So the first
 * guest, in real mode, shows that the right things are computed, and the second, in 64-bit mode with paging,
 * how fast.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/kvm.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "host/doctor_try.h"

#define MEMORY_SIZE 0x200000u
#define CODE        0x1000u
#define TABLES      0x2000u /* three pages: PML4, PDPT, PD */
#define RESULT_PORT 0x10

/* ---- the guests ---- */

static const uint8_t real_mode_code[] = {
    0xb8, 0x34, 0x12, /* mov ax, 0x1234 */
    0x01, 0xd8,       /* add ax, bx */
    0xe7, 0x10,       /* out RESULT_PORT, ax */
};

#define ROUNDS 100000u

static const uint8_t kernel_code[] = {
    0x31, 0xc0, /*    xor eax, eax */
    0x01, 0xc8, /* 1: add eax, ecx */
    0xff, 0xc9, /*    dec ecx */
    0x75, 0xfa, /*    jnz 1b */
    0xe7, 0x10, /*    out RESULT_PORT, eax */
};

#define KERNEL_INSTRUCTIONS (3.0 * ROUNDS)
#define SLOW_MIPS           20.0 /* emulation reaches 4; a CPU over 1000, and half of that if it is shared */

struct guest {
    int vcpu;
    uint8_t *memory;
    struct kvm_run *run;
};

/* Loads code and sets the registers that are common to both. */
static int guest_start(struct guest *g, const void *code, size_t size, uint64_t rbx, uint64_t rcx)
{
    struct kvm_regs regs = {.rip = CODE, .rflags = 2, .rbx = rbx, .rcx = rcx};

    memcpy(g->memory + CODE, code, size);
    return ioctl(g->vcpu, KVM_SET_REGS, &regs) ? errno : 0;
}

/* Runs to the guest's OUT. EIO: it got somewhere else; EBADMSG: what it gives is not the expected value. */
static int guest_result(struct guest *g, uint32_t expected)
{
    const struct kvm_run *run = g->run;
    uint32_t value = 0;

    if (ioctl(g->vcpu, KVM_RUN, 0))
        return errno;
    if (run->exit_reason != KVM_EXIT_IO || run->io.port != RESULT_PORT ||
        run->io.direction != KVM_EXIT_IO_OUT)
        return EIO;
    memcpy(&value, (const uint8_t *)run + run->io.data_offset, run->io.size);
    return value == expected ? 0 : EBADMSG;
}

static int real_mode_try(struct guest *g)
{
    struct kvm_sregs s;
    int err;

    if (ioctl(g->vcpu, KVM_GET_SREGS, &s))
        return errno;
    s.cs.base = 0;
    s.cs.selector = 0;
    if (ioctl(g->vcpu, KVM_SET_SREGS, &s))
        return errno;
    err = guest_start(g, real_mode_code, sizeof(real_mode_code), 0x4321, 0);
    return err ? err : guest_result(g, 0x1234 + 0x4321);
}

/* To ring 0 of 64-bit mode (Intel SDM volume 3, 10.8.5), with the first 2 MiB mapped by one large page. */
static int long_mode_enter(struct guest *g)
{
    const struct kvm_segment code = {
        .limit = ~0u, .selector = 8, .type = 11, .present = 1, .s = 1, .l = 1, .g = 1};
    const struct kvm_segment data = {
        .limit = ~0u, .selector = 16, .type = 3, .present = 1, .db = 1, .s = 1, .g = 1};
    uint64_t *table = (uint64_t *)(g->memory + TABLES);
    struct kvm_sregs s;

    table[0] = (TABLES + 0x1000) | 3;
    table[512] = (TABLES + 0x2000) | 3;
    table[1024] = 0x83; /* PS, RW, P */
    if (ioctl(g->vcpu, KVM_GET_SREGS, &s))
        return errno;
    s.cr3 = TABLES;
    s.cr4 |= 1u << 5;             /* PAE */
    s.efer |= 1u << 8 | 1u << 10; /* LME, LMA */
    s.cr0 |= 1u << 31 | 1u << 0;  /* PG, PE */
    s.cs = code;
    s.ds = s.es = s.fs = s.gs = s.ss = data;
    return ioctl(g->vcpu, KVM_SET_SREGS, &s) ? errno : 0;
}

/* Million instructions a second, in *mips: of two runs the better; the first may have to build tables. */
static int kernel_mode_try(struct guest *g, double *mips)
{
    int err = long_mode_enter(g);

    *mips = 0;
    for (unsigned i = 0; i < 2 && !err; i++) {
        struct timespec before, after;
        double us;

        err = guest_start(g, kernel_code, sizeof(kernel_code), 0, ROUNDS);
        clock_gettime(CLOCK_MONOTONIC, &before);
        if (!err)
            err = guest_result(g, (uint32_t)((uint64_t)ROUNDS * (ROUNDS + 1) / 2));
        clock_gettime(CLOCK_MONOTONIC, &after);
        us = (double)(after.tv_sec - before.tv_sec) * 1e6 + (double)(after.tv_nsec - before.tv_nsec) / 1e3;
        if (KERNEL_INSTRUCTIONS / us > *mips)
            *mips = KERNEL_INSTRUCTIONS / us;
    }
    return err;
}

/* ---- KVM ---- */

/* What a call that has just failed says: never 0. */
static int why_not(void)
{
    const int e = errno;

    return e ? e : EIO;
}

static int guest_make(int kvm, struct guest *g)
{
    struct kvm_userspace_memory_region region = {.memory_size = MEMORY_SIZE};
    int size = ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
    int vm = ioctl(kvm, KVM_CREATE_VM, 0);

    if (vm < 0 || size < 0)
        return why_not();
    g->memory = mmap(NULL, MEMORY_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    region.userspace_addr = (uintptr_t)g->memory;
    if (g->memory == MAP_FAILED || ioctl(vm, KVM_SET_USER_MEMORY_REGION, &region))
        return why_not();
    g->vcpu = ioctl(vm, KVM_CREATE_VCPU, 0);
    if (g->vcpu < 0)
        return why_not();
    g->run = mmap(NULL, (size_t)size, PROT_READ | PROT_WRITE, MAP_SHARED, g->vcpu, 0);
    return g->run == MAP_FAILED ? why_not() : 0;
}

/* arg: the open device. Leaves the thousands of instructions a second in t->value. */
static int try_kvm(struct doctor_try *t, void *arg)
{
    const int kvm = *(const int *)arg;
    struct guest g = {.vcpu = -1};
    double mips;
    int err;

    t->step = "its version";
    if (ioctl(kvm, KVM_GET_API_VERSION, 0) != KVM_API_VERSION)
        return ENOTSUP;
    t->step = "making a guest";
    err = guest_make(kvm, &g);
    if (err)
        return err;
    t->step = "running a guest in real mode";
    err = real_mode_try(&g);
    if (err)
        return err;
    t->step = "running a guest's kernel code in 64-bit mode";
    err = kernel_mode_try(&g, &mips);
    t->value = (long)(mips * 1000);
    return err;
}

/* ---- the report ---- */

static void cannot_open(struct doctor_report *r, const char *path, int error)
{
    struct stat st;
    const struct group *group;
    const struct passwd *user;

    if (error == ENOENT) {
        doctor_say(r, DOCTOR_BAD, "there is no %s", path);
        doctor_change(r,
                      "load kvm_intel or kvm_amd; in a virtual machine, have its hypervisor offer nested "
                      "virtualization; in a "
                      "container, pass it in (--device %s)",
                      path);
        return;
    }
    doctor_say(r, DOCTOR_BAD, "%s: %s", path, strerror(error));
    if ((error != EACCES && error != EPERM) || stat(path, &st))
        return;
    group = getgrgid(st.st_gid);
    user = getpwuid(geteuid());
    if (error == EPERM)
        doctor_change(r, "in a container: pass it in (--device %s)", path);
    else if (group && st.st_gid != 0 && (st.st_mode & 060) == 060)
        doctor_change(r, "join its group: usermod -aG %s %s (root), and log in anew", group->gr_name,
                      user ? user->pw_name : "USER");
    else
        doctor_change(r, "let a group of users have it: chgrp kvm %s && chmod 660 %s (root)", path, path);
}

bool doctor_kvm(struct doctor_report *r, const char *path)
{
    int fd = open(path, O_RDWR | O_CLOEXEC);
    struct doctor_try t;
    char why[160];

    if (fd < 0) {
        cannot_open(r, path, errno);
        return false;
    }
    if (!doctor_try(&t, try_kvm, &fd)) {
        doctor_try_why(&t, why, sizeof(why));
        doctor_say(r, DOCTOR_BAD, "%s opens, but doesn't run guests: %s", path, why);
    } else if ((double)t.value < SLOW_MIPS * 1000) {
        doctor_say(r, DOCTOR_BAD,
                   "%s opens, but emulates kernel code at %ld.%ld million instructions a second; stock "
                   "kernels don't run on that",
                   path, t.value / 1000, t.value % 1000 / 100);
        doctor_change(r,
                      "nothing in here; it would be for the hypervisor below to offer nested virtualization");
    } else {
        doctor_say(r, DOCTOR_FINE,
                   "%s runs kernel code on the CPU, at %ld million instructions a second and more", path,
                   t.value / 1000);
        snprintf(r->summary, sizeof(r->summary), "it runs kernel code natively");
    }
    close(fd);
    return doctor_works(r);
}
