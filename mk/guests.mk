# SPDX-License-Identifier: GPL-2.0-or-later
# make test: everything, with one line of sums at the end. `make unit`, `fuzz-smoke` and `guest-test` are its
# parts; QUICK=1 takes the quick subset of the guest tests. `make stress` is what takes too long for it.
#
# Other fragments append to UNIT_TESTS, FUZZ_TARGETS and EXTRA_TESTS the paths of programs, each with its
# rule. A program of EXTRA_TESTS (the CPU test is one) does without arguments as much as `make test` wants of
# it. The lists are used in recipes, not in prerequisites, because fragments that are read later append too.

QUICK ?=
TEST_QUICK := $(if $(QUICK),--quick)

.PHONY: test unit fuzz-smoke guest-test stress test-programs fetch-kernels
test: deps-test
	@$(MAKE) --no-print-directory -k test-programs || \
		echo "diptych: not everything builds; what is missing counts as failed"
	@sh tests/run-all.sh $(TEST_QUICK) --unit $(UNIT_TESTS) --extra $(EXTRA_TESTS) \
		--fuzz $(FUZZ_TARGETS) --guests

test-programs:
	@$(MAKE) --no-print-directory -k all pvguests $(UNIT_TESTS) $(EXTRA_TESTS) \
		$(if $(shell command -v clang),$(FUZZ_TARGETS))

unit: deps-test
	@$(MAKE) --no-print-directory -k $(UNIT_TESTS)
	@sh tests/run-all.sh --unit $(UNIT_TESTS)

fuzz-smoke: deps-test
	@$(MAKE) --no-print-directory -k $(FUZZ_TARGETS)
	@sh tests/run-all.sh --fuzz $(FUZZ_TARGETS)

guest-test: deps-test
	@$(MAKE) --no-print-directory all pvguests
	@sh tests/guests/run.sh $(TEST_QUICK)

# Not part of `make test`: gdb, stress-ng, swap and all tests in guests with 1, 2 and 4 vCPUs.
STRESS_KERNELS ?= bookworm-cloud trixie-cloud
stress: deps-test
	@$(MAKE) --no-print-directory all
	@GUEST_TESTS_SECONDS=14400 TEST_SECONDS=14400 \
		sh tests/guests/run.sh --kernels '$(STRESS_KERNELS)' storms

# Asks for the newest of every kernel in the table; without it what was fetched once is kept.
fetch-kernels: deps-demo
	@sh tests/guests/fetch-kernel.sh --refresh bookworm-cloud bookworm trixie-cloud trixie sid-cloud sid
