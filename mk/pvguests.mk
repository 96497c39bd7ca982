# SPDX-License-Identifier: GPL-2.0-or-later
# PV test guests: freestanding programs on the runtime in guest-abi/, one a source file.

GUEST_CFLAGS := -std=gnu11 $(WARN) -O2 -g -Iguest-abi -Itests/guests/pv -ffreestanding -fno-stack-protector \
	-fno-pic -mcmodel=kernel -mno-red-zone -mgeneral-regs-only -fno-asynchronous-unwind-tables \
	-fcf-protection=none -fno-strict-aliasing -fno-tree-loop-distribute-patterns -MMD -MP
GUEST_O := $(B)/guests/pv
GUEST_RT := $(patsubst guest-abi/pvguest/%,$(GUEST_O)/rt/%.o, \
	$(wildcard guest-abi/pvguest/*.c guest-abi/pvguest/*.S))
PV_GUESTS := $(patsubst tests/guests/pv/%.c,$(GUEST_O)/%,$(wildcard tests/guests/pv/*.c))

# `make test` builds the guests and the command before it runs this.
EXTRA_TESTS += tests/guests/pv/run-pv.sh

.PHONY: pvguests
pvguests: $(PV_GUESTS)

$(GUEST_O)/rt/%.o: guest-abi/pvguest/%
	@mkdir -p $(@D)
	@echo "  GUESTCC $<"
	@$(CC) $(GUEST_CFLAGS) -c -o $@ $<

$(GUEST_O)/%.o: tests/guests/pv/%.c
	@mkdir -p $(@D)
	@echo "  GUESTCC $<"
	@$(CC) $(GUEST_CFLAGS) -c -o $@ $<

$(PV_GUESTS): $(GUEST_O)/%: $(GUEST_O)/%.o $(GUEST_RT) guest-abi/pvguest/pvguest.lds
	@echo "  GUESTLD $@"
	@$(CC) -nostdlib -static -no-pie -Wl,--build-id=none -Wl,-z,noexecstack -Wl,--no-warn-rwx-segments \
		-T guest-abi/pvguest/pvguest.lds -o $@ $< $(GUEST_RT)

-include $(wildcard $(GUEST_O)/*.d $(GUEST_O)/rt/*.d)
