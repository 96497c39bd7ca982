# SPDX-License-Identifier: GPL-2.0-or-later
# The parsers of outside data under libFuzzer, ASan and UBSan (clang). One target by hand, for five minutes:
#   make build/fuzz/fuzz_store && sh tests/fuzz/run.sh 300 store
# Seeds are made by tests/fuzz/seeds.sh; what a run finds is in build/fuzz/found.

FUZZ_DIAG := hypervisor/base/diag.c hypervisor/base/debug.c
FUZZ_CONFIG := tests/fuzz/fuzz_diag.c hypervisor/base/debug.c hypervisor/host/vm_config.c

# Kernel images: ELF, Xen's notes, bzImage and its compressions.
FUZZ_SRCS_kernel_image := $(filter-out %/pv_build.c,$(wildcard hypervisor/loader/*.c)) \
	hypervisor/mem/machine.c
FUZZ_LIBS_kernel_image := -lz -lbz2 -llzma -llzo2 -lzstd -llz4
# libxlutil isn't instrumented: what is fuzzed is our own reading of what it gives.
FUZZ_SRCS_xl_config := $(FUZZ_CONFIG) hypervisor/host/xl_config.c
FUZZ_LIBS_xl_config := -lxlutil -lxenlight
FUZZ_SRCS_command := $(FUZZ_CONFIG) tools/cmd_run.c tools/options.c hypervisor/host/cpu_spec.c \
	hypervisor/cpu/cpu_policy.c
FUZZ_SRCS_cpu := hypervisor/host/cpu_spec.c hypervisor/cpu/cpu_policy.c
# xenstore: paths, permissions, transactions and watches; and the ring.
FUZZ_STORE := $(addprefix hypervisor/store/,tree.c proto.c access.c watch.c conn.c request.c) $(FUZZ_DIAG)
FUZZ_SRCS_store := $(FUZZ_STORE)
FUZZ_SRCS_store_ring := $(FUZZ_STORE) hypervisor/store/boot.c hypervisor/pv/backend_kick.c \
	tests/unit/backend_fakes.c
FUZZ_SRCS_console := $(BACKENDS_SRCS_console_ring)
FUZZ_SRCS_trace := tests/unit/trace_fakes.c \
	$(addprefix hypervisor/pv/,hypercall.c hypercall_abi.c hypercall_table.c trace.c \
	trace_filter.c trace_format.c trace_writer.c)
FUZZ_SRCS_hypercalls := $(EVENTS_SRCS)
FUZZ_LIBS_hypercalls := -Wl,--wrap=time_domain_init
FUZZ_SRCS_emulate := $(BACKENDS_CPU) hypervisor/cpu/isa_feature.c
FUZZ_SRCS_translate := $(wildcard hypervisor/engine/*.[cS] hypervisor/direct/*.[cS]) \
	$(FUZZ_DIAG) hypervisor/cpu/domain.c \
	hypervisor/cpu/cpu_policy.c hypervisor/cpu/vcpu.c hypervisor/cpu/isa_feature.c hypervisor/mem/machine.c
FUZZ_LIBS_translate := -lZydis
FUZZ_LIBS_emulate := -lZydis

FUZZ_NAMES := kernel_image xl_config command cpu store store_ring console trace hypercalls emulate translate
FUZZ_TARGETS += $(addprefix $(B)/fuzz/fuzz_,$(FUZZ_NAMES))
FUZZ_FLAGS := -std=gnu11 $(WARN) -O1 -g -D_GNU_SOURCE -Ihypervisor -Itools -Itests/unit -Itests/fuzz \
	-fno-strict-aliasing \
	-fno-omit-frame-pointer -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=undefined $(CFLAGS)
FUZZ_HEADERS := $(wildcard hypervisor/*/*.h tools/*.h tests/unit/*.h tests/fuzz/*.h)

define FUZZ_RULE
$(B)/fuzz/fuzz_$(1): tests/fuzz/fuzz_$(1).c $$(FUZZ_SRCS_$(1)) $$(FUZZ_HEADERS)
	@mkdir -p $$(@D)
	@echo "  FUZZ $$@"; clang $$(FUZZ_FLAGS) -o $$@ $$(filter %.c %.S,$$^) $$(FUZZ_LIBS_$(1)) -lpthread
endef
$(foreach t,$(FUZZ_NAMES),$(eval $(call FUZZ_RULE,$(t))))

# Seeds of the kernel images; the others are made by tests/fuzz/seeds.sh.
$(B)/fuzz/fuzz_kernel_image: | $(B)/fuzz/seeds_kernel_image
$(B)/fuzz/seeds_kernel_image: tests/fuzz/seeds_kernel_image.c tests/unit/loader_samples.c
	@mkdir -p $(@D)
	$(CC) -std=gnu11 $(WARN) -O1 -g -D_GNU_SOURCE -Ihypervisor -Itests/unit $(CFLAGS) \
		-o $@ $^ $(FUZZ_LIBS_kernel_image)
