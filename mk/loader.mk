# SPDX-License-Identifier: GPL-2.0-or-later
# Unit tests and fuzz targets of hypervisor/loader and hypervisor/mem/machine.c.

LOADER_SRCS := $(wildcard hypervisor/loader/*.c)
LOADER_LIBS := -lz -lbz2 -llzma -llzo2 -lzstd -llz4
LOADER_TESTS := $(O)/tests/unit/test_loader_machine $(O)/tests/unit/test_loader_image \
	$(O)/tests/unit/test_loader_build

UNIT_TESTS += $(LOADER_TESTS)

LOADER_TEST_OBJS := $(call obj,$(LOADER_SRCS) hypervisor/mem/machine.c tests/unit/loader_samples.c \
	tests/unit/loader_fakes.c)

$(LOADER_TESTS): %: %.o $(LOADER_TEST_OBJS)
	$(CC) $(CFLAGS_MODE_$(MODE)) -o $@ $^ $(LOADER_LIBS) -lcheck -lsubunit -lrt -lm -lpthread $(LDFLAGS)

# The parsers of kernel images under libFuzzer, ASan and UBSan:
#   make build/fuzz/fuzz_kernel_image build/fuzz/seeds_kernel_image
#   build/fuzz/seeds_kernel_image corpus && build/fuzz/fuzz_kernel_image -max_total_time=300 corpus
FUZZ_TARGETS += $(B)/fuzz/fuzz_kernel_image
LOADER_FUZZ_FLAGS := -std=gnu11 $(WARN) -O1 -g -D_GNU_SOURCE -Ihypervisor -Itests/unit -fno-strict-aliasing \
	-fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer $(CFLAGS)

$(B)/fuzz/fuzz_kernel_image: tests/fuzz/fuzz_kernel_image.c $(LOADER_SRCS) $(wildcard hypervisor/loader/*.h)
	@mkdir -p $(@D)
	clang $(LOADER_FUZZ_FLAGS) -fsanitize=fuzzer -o $@ $(filter-out %/pv_build.c,$(filter %.c,$^)) \
		hypervisor/mem/machine.c $(LOADER_LIBS)

$(B)/fuzz/seeds_kernel_image: tests/fuzz/seeds_kernel_image.c tests/unit/loader_samples.c
	@mkdir -p $(@D)
	$(CC) -std=gnu11 $(WARN) -O1 -g -D_GNU_SOURCE -Ihypervisor -Itests/unit $(CFLAGS) -o $@ $^ $(LOADER_LIBS)
