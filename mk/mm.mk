# SPDX-License-Identifier: GPL-2.0-or-later
# Page tables and the memory hypercalls: unit tests.

MM_OBJS := $(patsubst %,$(O)/hypervisor/pv/%.o,mm_types mm_entry mm_tlb mm_update mmuext walk descriptor \
	multicall memory_op)
MM_TESTS := $(addprefix $(O)/tests/unit/,test_mm test_mm_calls test_mm_fuzz)
MM_WORLD := $(addprefix $(O)/tests/unit/,mm_world.o mm_tree.o)

UNIT_TESTS += $(MM_TESTS)

$(MM_TESTS): %: %.o $(MM_WORLD) $(MM_OBJS)
	$(CC) $(CFLAGS_MODE_$(MODE)) -o $@ $^ -lcheck -lsubunit -lm -lrt -lpthread $(LDFLAGS)
