# SPDX-License-Identifier: GPL-2.0-or-later
# Unit tests of hypervisor/loader and hypervisor/mem/machine.c.

LOADER_SRCS := $(wildcard hypervisor/loader/*.c)
LOADER_LIBS := -lz -lbz2 -llzma -llzo2 -lzstd -llz4
LOADER_TESTS := $(O)/tests/unit/test_loader_machine $(O)/tests/unit/test_loader_image \
	$(O)/tests/unit/test_loader_build

UNIT_TESTS += $(LOADER_TESTS)

LOADER_TEST_OBJS := $(call obj,$(LOADER_SRCS) hypervisor/mem/machine.c tests/unit/loader_samples.c \
	tests/unit/loader_fakes.c)

$(LOADER_TESTS): %: %.o $(LOADER_TEST_OBJS)
	$(CC) $(CFLAGS_MODE_$(MODE)) -o $@ $^ $(LOADER_LIBS) -lcheck -lsubunit -lrt -lm -lpthread $(LDFLAGS)
