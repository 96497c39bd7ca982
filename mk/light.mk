# SPDX-License-Identifier: GPL-2.0-or-later
# The proof that light code is light (tests/light-check.sh), as a program that make test runs. Of a release
# build: sanitizers and -O0 put calls and memcpy() everywhere, and those builds are for looking at something
# else.

$(call obj,$(HALF_LIGHT_SRCS)): EXTRA := -mgeneral-regs-only $(LIGHT_FLAGS_$(MODE))

LIGHT_RELEASE := $(patsubst $(O)/%,$(B)/release/%,$(LIGHT_OBJS))
LIGHT_OTHERS := $(B)/release/hypervisor/engine/enter.o $(patsubst %.c,$(B)/release/%.o,$(HALF_LIGHT_SRCS))

EXTRA_TESTS += $(B)/tests/light-check

$(B)/tests/light-check: tests/light-check.sh $(LIGHT_OTHERS) $(LIGHT_RELEASE)
	@mkdir -p $(@D)
	@printf '#!/bin/sh\nexec sh tests/light-check.sh %s\n' \
		'$(LIGHT_OTHERS) -- $(LIGHT_RELEASE)' >$@
	@chmod +x $@

ifneq ($(MODE),release)
.PHONY: light-release
light-release:
	@$(MAKE) --no-print-directory MODE=release $(B)/release/libdiptych.a
$(LIGHT_OTHERS) $(LIGHT_RELEASE): light-release ;
endif

.PHONY: light-check
light-check: $(B)/tests/light-check
	@$(B)/tests/light-check

# Unit tests that need the whole engine: its fault handlers, and the doctor, which starts one.
WHOLE_UNIT := $(O)/tests/unit/test_faults $(O)/tests/unit/test_doctor
UNIT_TESTS += $(WHOLE_UNIT)
$(WHOLE_UNIT): %: %.o $(O)/libdiptych.a
	$(CC) $(CFLAGS_MODE_$(MODE)) -o $@ $^ -lcheck -lsubunit -lm -lrt -lutil $(LIBS) $(LDFLAGS)
-include $(WHOLE_UNIT:=.d)
