# SPDX-License-Identifier: GPL-2.0-or-later
# Unit tests of the CPU that a guest sees, the emulator, the console's ring and the store.

BACKENDS_UNIT := cpu_policy segment emulate console_ring store store_ring
BACKENDS_UNIT_BINS := $(addprefix $(O)/tests/unit/test_,$(BACKENDS_UNIT))
UNIT_TESTS += $(BACKENDS_UNIT_BINS)

BACKENDS_CPU := $(addprefix hypervisor/pv/,segment.c cpu_ops.c cpuid.c insn.c emulate.c \
	emulate_msr.c emulate_io.c emulate_seg.c emulate_far.c) hypervisor/cpu/cpu_policy.c tests/unit/cpu_fakes.c
BACKENDS_STORE := $(addprefix hypervisor/store/,tree.c proto.c access.c watch.c conn.c request.c)
BACKENDS_DIAG := hypervisor/base/diag.c hypervisor/base/debug.c

BACKENDS_SRCS_cpu_policy := $(BACKENDS_CPU) hypervisor/cpu/isa_feature.c
BACKENDS_SRCS_segment := $(BACKENDS_CPU)
BACKENDS_SRCS_emulate := $(BACKENDS_CPU)
BACKENDS_SRCS_console_ring := hypervisor/pv/console_ring.c hypervisor/pv/backend_kick.c \
	tests/unit/backend_fakes.c
BACKENDS_SRCS_store := $(BACKENDS_STORE) $(addprefix hypervisor/store/,ring.c boot.c store.c) \
	hypervisor/pv/backend_kick.c tests/unit/backend_fakes.c $(BACKENDS_DIAG)
BACKENDS_SRCS_store_ring := $(BACKENDS_SRCS_store)

define BACKENDS_UNIT_RULE
$(O)/tests/unit/test_$(1): $$(call obj,tests/unit/test_$(1).c $$(BACKENDS_SRCS_$(1)))
	$$(CC) $$(CFLAGS_MODE_$$(MODE)) -o $$@ $$^ -lcheck -lsubunit -lm -lrt -lZydis -lpthread $$(LDFLAGS)
endef
$(foreach t,$(BACKENDS_UNIT),$(eval $(call BACKENDS_UNIT_RULE,$(t))))
