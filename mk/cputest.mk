# SPDX-License-Identifier: GPL-2.0-or-later
# The differential CPU test (tests/cpu): the engine against the host CPU. `make cputest CPUTEST_ARGS='--hours
# 8 --seed 7'`.
#
# make test runs build/tests/cputest with its defaults and replays tests/cpu/regress/*.txt; and that, with
# fewer cases, once more with direct execution behind the engine.

CPUTEST_SRCS := $(wildcard tests/cpu/*.c)
CPUTEST_OBJS := $(call obj,$(CPUTEST_SRCS))
# What the engine needs, and nothing of the panels.
CPUTEST_HV_OBJS := $(call obj,$(wildcard hypervisor/direct/*.[cS] \
	hypervisor/engine/*.c hypervisor/engine/*.S hypervisor/base/*.c) \
	hypervisor/cpu/cpu_policy.c hypervisor/cpu/domain.c hypervisor/cpu/vcpu.c \
	hypervisor/cpu/isa_feature.c hypervisor/mem/machine.c)
CPUTEST_ARGS ?=

EXTRA_TESTS += $(B)/tests/cputest $(B)/tests/cputest-direct

# Runs with the FS base of the case: nothing that touches thread-local storage.
$(call obj,tests/cpu/native_child.c): EXTRA := -fno-stack-protector -fno-sanitize=all

# Called by the engine while the guest's vector registers are live.
$(call obj,tests/cpu/panel.c): EXTRA := $(LIGHT_FLAGS) $(LIGHT_FLAGS_$(MODE))

$(B)/tests/cputest: $(O)/tests/cputest
	@mkdir -p $(@D)
	@cp -f $< $@

$(O)/tests/cputest: $(CPUTEST_OBJS) $(CPUTEST_HV_OBJS)
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_MODE_$(MODE)) -o $@ $^ -lZydis -lpthread $(LDFLAGS)

$(B)/tests/cputest-direct: $(B)/tests/cputest
	@printf '#!/bin/sh\nexec $< --exec direct --kept --count 50000\n' >$@
	@chmod +x $@

.PHONY: cputest
cputest: $(B)/tests/cputest
	$(B)/tests/cputest --replay $(wildcard tests/cpu/regress/*.txt)
	$(B)/tests/cputest --exec direct --replay $(wildcard tests/cpu/regress/*.txt)
	$(B)/tests/cputest $(CPUTEST_ARGS)

-include $(CPUTEST_OBJS:.o=.d)
