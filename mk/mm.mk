# SPDX-License-Identifier: GPL-2.0-or-later
# Page tables and the memory hypercalls: unit tests.

MM_OBJS := $(patsubst %,$(O)/hypervisor/pv/%.o,mm_types mm_entry mm_tlb mm_update mmuext walk descriptor \
	multicall memory_op)
MM_TESTS := $(O)/tests/unit/test_mm $(O)/tests/unit/test_mm_fuzz

UNIT_TESTS += $(MM_TESTS)

$(MM_TESTS): %: %.o $(O)/tests/unit/mm_world.o $(MM_OBJS)
	$(CC) $(CFLAGS_MODE_$(MODE)) -o $@ $^ -lcheck -lsubunit -lm -lrt -lpthread $(LDFLAGS)

-include $(MM_TESTS:=.d) $(O)/tests/unit/mm_world.d
