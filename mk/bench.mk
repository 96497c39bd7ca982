# SPDX-License-Identifier: GPL-2.0-or-later
# make bench: natively, in Diptych, in QEMU TCG and in User Mode Linux, one benchmark program.
# BENCH_ARGS='--quick --only syscall,signal --in native,diptych' chooses; tests/bench/run.sh has the options.

BENCH_SRCS := $(wildcard tests/bench/*.c)
BENCH_ARGS ?=

.PHONY: bench
bench: deps-bench $(B)/bench/bench
	@$(MAKE) --no-print-directory all
	@sh tests/bench/run.sh $(BENCH_ARGS)

# glibc, because its memcpy chooses by CPUID as a user's programs do.
$(B)/bench/bench: $(BENCH_SRCS) tests/bench/bench.h tests/bench/page.S | deps-bench
	@mkdir -p $(@D)
	$(CC) -std=gnu11 -D_GNU_SOURCE $(WARN) -O2 -g -fcf-protection=none -static -o $@ \
		tests/bench/page.S $(BENCH_SRCS) tests/bench/page.S
