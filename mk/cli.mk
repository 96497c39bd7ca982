# SPDX-License-Identifier: GPL-2.0-or-later
# Unit tests of the command, the configuration, the console, the sandbox and a machine's life.

CLI_UNIT := options vm_config xl_config cpu_spec domain console sandbox vm
CLI_UNIT_BINS := $(addprefix $(O)/tests/unit/test_,$(CLI_UNIT))
UNIT_TESTS += $(CLI_UNIT_BINS)

CLI_DIAG := hypervisor/base/diag.c hypervisor/base/debug.c
CLI_CONFIG := $(CLI_DIAG) hypervisor/host/vm_config.c

CLI_SRCS_options := tools/options.c
CLI_SRCS_vm_config := $(CLI_CONFIG)
CLI_SRCS_xl_config := $(CLI_CONFIG) hypervisor/host/xl_config.c
CLI_SRCS_cpu_spec := hypervisor/host/cpu_spec.c hypervisor/cpu/cpu_policy.c
CLI_SRCS_domain := $(CLI_DIAG) hypervisor/cpu/domain.c
CLI_SRCS_console := $(CLI_DIAG) hypervisor/host/console_tty.c
CLI_SRCS_sandbox := $(CLI_DIAG) hypervisor/host/sandbox.c hypervisor/host/fault.c
CLI_SRCS_vm := $(CLI_CONFIG) hypervisor/cpu/domain.c hypervisor/cpu/cpu_policy.c \
	$(addprefix hypervisor/host/,console_tty.c fault.c sandbox.c vm.c vm_domain.c vm_stats.c) \
	tests/unit/fake_machine.c

define CLI_UNIT_RULE
$(O)/tests/unit/test_$(1): $$(call obj,tests/unit/test_$(1).c $$(CLI_SRCS_$(1)))
	$$(CC) $$(CFLAGS_MODE_$$(MODE)) -o $$@ $$^ \
		-lcheck -lsubunit -lm -lrt -lxlutil -lxenlight -lseccomp -lutil -lpthread $$(LDFLAGS)
endef
$(foreach t,$(CLI_UNIT),$(eval $(call CLI_UNIT_RULE,$(t))))
