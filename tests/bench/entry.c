// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Rows that measure the way into the kernel and back: system calls, faults, signals, processes.
 */
#include "bench.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

void row_syscall(uint64_t n)
{
    while (n--)
        syscall(SYS_getppid);
}

#define FAULT_PAGES 2048

void row_fault(uint64_t n)
{
    static char *area;

    if (!area)
        area = bench_map(FAULT_PAGES * PAGE);
    for (uint64_t i = 0; i < n; i++) {
        if (i % FAULT_PAGES == 0 && madvise(area, FAULT_PAGES * PAGE, MADV_DONTNEED))
            bench_die("madvise");
        volatile char *page = area + i % FAULT_PAGES * PAGE;

        if (*page)
            bench_wrong();
        *page = 1;
    }
}

void row_mmap(uint64_t n)
{
    while (n--) {
        volatile char *page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

        if (page == MAP_FAILED)
            bench_die("mmap");
        page[8] = 1;
        munmap((void *)page, PAGE);
    }
}

void row_mprotect(uint64_t n)
{
    static char *page;

    if (!page)
        page = bench_map(PAGE);
    while (n--) {
        page[0] = 1;
        if (mprotect(page, PAGE, PROT_READ) || mprotect(page, PAGE, PROT_READ | PROT_WRITE))
            bench_die("mprotect");
    }
}

static volatile uint64_t signals_seen;

static void on_signal(int number)
{
    (void)number;
    signals_seen = signals_seen + 1;
}

void row_signal(uint64_t n)
{
    uint64_t before = signals_seen;
    pid_t pid = getpid();

    signal(SIGUSR1, on_signal);
    for (uint64_t i = 0; i < n; i++)
        kill(pid, SIGUSR1);
    if (signals_seen - before != n)
        bench_wrong();
}

void row_pipe(uint64_t n)
{
    int there[2], back[2], status;
    char byte = 1;

    if (pipe(there) || pipe(back))
        bench_die("pipe");
    pid_t child = fork();

    if (child < 0)
        bench_die("fork");
    if (child == 0) {
        close(there[1]);
        while (read(there[0], &byte, 1) == 1) {
            byte++;
            if (write(back[1], &byte, 1) != 1)
                _exit(1);
        }
        _exit(0);
    }
    for (uint64_t i = 0; i < n; i++) {
        byte = (char)i;
        if (write(there[1], &byte, 1) != 1 || read(back[0], &byte, 1) != 1 || byte != (char)(i + 1))
            bench_wrong();
    }
    close(there[1]);
    waitpid(child, &status, 0);
    close(there[0]);
    close(back[0]);
    close(back[1]);
}

void row_fork(uint64_t n)
{
    for (uint64_t i = 0; i < n; i++) {
        int status = -1;
        pid_t child = fork();

        if (child < 0)
            bench_die("fork");
        if (child == 0)
            _exit(7);
        if (waitpid(child, &status, 0) != child || WEXITSTATUS(status) != 7)
            bench_wrong();
    }
}

void row_exec(uint64_t n)
{
    char *argv[] = {(char *)bench_self, "--nothing", NULL};

    while (n--)
        bench_run_program(argv, -1, -1);
}

void row_shell200(uint64_t n)
{
    char *argv[] = {"/bin/busybox",
                    "sh",
                    "-c",
                    "i=0; while [ $i -lt 200 ]; do $0 --nothing || exit 1; i=$((i+1)); done",
                    (char *)bench_self,
                    NULL};

    while (n--)
        bench_run_program(argv, -1, -1);
}

void row_pread(uint64_t n)
{
    static int fd = -1;
    static char buffer[PAGE];

    if (fd < 0) {
        fd = bench_memory_file();
        for (int i = 0; i < 256; i++) {
            memset(buffer, i, PAGE);
            if (write(fd, buffer, PAGE) != PAGE)
                bench_die("/dev/shm");
        }
    }
    for (uint64_t i = 0; i < n; i++)
        if (pread(fd, buffer, PAGE, (off_t)(i % 256 * PAGE)) != PAGE || buffer[i % PAGE] != (char)i)
            bench_wrong();
}
