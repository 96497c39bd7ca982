/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The tracer under libFuzzer: the first line is a filter; then come hypercalls, a byte each that names the
 * call, one that says which arguments are addresses in the guest's memory, and six words; what is left is
 * that memory. The tracer reads it as the ABI's structures.
 */
#include <fcntl.h>
#include <unistd.h>

#include "cpu/domain.h"
#include "fuzz.h"
#include "pv/trace.h"
#include "trace_fakes.h"

#define CALLS_MAX 8

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static int null_fd = -1;
    static struct domain domain;
    static struct vcpu vcpu;
    struct input in = {data, size};
    char filter[256], why[200] = "";
    struct trace_config config = {.filter = filter, .lines = true, .summary = true};
    struct trace *trace;
    unsigned calls;
    uint64_t nr[CALLS_MAX], arg[CALLS_MAX][6];

    if (null_fd < 0)
        null_fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
    config.fd = null_fd;
    input_line(&in, filter, sizeof(filter));
    trace = trace_create(&config, why, sizeof(why));
    if (!trace) {
        require(*why);
        return 0;
    }
    domain = (struct domain){.nr_vcpus = 1, .vcpu = {&vcpu}};
    vcpu = (struct vcpu){.domain = &domain};
    require(trace_start(trace, &domain) == 0);
    calls = input_byte(&in) % (CALLS_MAX + 1);
    for (unsigned i = 0; i < calls; i++) {
        uint8_t pointers;

        nr[i] = input_byte(&in) % (NR_HYPERCALLS + 2);
        pointers = input_byte(&in);
        for (unsigned k = 0; k < 6; k++) {
            arg[i][k] = input_byte(&in);
            if (pointers >> k & 1)
                arg[i][k] = FAKE_MEMORY_VA + arg[i][k] * 16;
        }
        if (pointers & 0x40)
            arg[i][1] = input_u64(&in);
    }
    memset(fake_memory, 0, FAKE_MEMORY_SIZE);
    input_take(&in, fake_memory, in.n < FAKE_MEMORY_SIZE ? in.n : FAKE_MEMORY_SIZE);
    for (unsigned i = 0; i < calls; i++) {
        vcpu.gpr[RSP] = arg[i][0];
        hypercall_call(&vcpu, nr[i], arg[i]);
    }
    trace_trap(&vcpu, (uint8_t)size, calls ? (int64_t)arg[0][0] : -1, size);
    trace_destroy(trace);
    return 0;
}
