# SPDX-License-Identifier: GPL-2.0-or-later
# make sanitize: all that can run under sanitizers does (CONTRIBUTING.md, "Sanitizers"). The fuzz targets,
# which are ASan's and UBSan's too, are `make fuzz-smoke`, a part of `make test`.

# Those with threads, without what needs the engine: TSan doesn't know its fences, nor what translated code
# does.
SANITIZE_THREADED := console console_ring domain evtchn mm_fuzz store time trace vm
SANITIZE_KERNEL ?= bookworm-cloud

# Recursive, as later fragments append to UNIT_TESTS.
SANITIZE_ASAN = $(patsubst $(O)/%,$(B)/asan/%,$(UNIT_TESTS))
SANITIZE_TSAN := $(addprefix $(B)/tsan/tests/unit/test_,$(SANITIZE_THREADED))
SANITIZE_LIGHT = $(patsubst $(B)/release/%,$(B)/checked/%,$(LIGHT_OTHERS) -- $(LIGHT_RELEASE))
# LeakSanitizer stops all threads by ptrace, which the sandbox doesn't let it.
SANITIZE_GUESTS := env ASAN_OPTIONS=detect_leaks=0 DIPTYCH=$(B)/checked/diptych

.PHONY: sanitize
sanitize: deps-test
	@$(MAKE) --no-print-directory -k MODE=asan $(SANITIZE_ASAN)
	@$(MAKE) --no-print-directory -k MODE=tsan $(SANITIZE_TSAN)
	@$(MAKE) --no-print-directory -k MODE=checked $(B)/checked/diptych
	@$(MAKE) --no-print-directory -k MODE=ubsan $(B)/ubsan/tests/cputest
	@$(MAKE) --no-print-directory -k pvguests
	@TEST_LOGS=$(B)/sanitize-logs sh tests/run-all.sh --command \
		$(foreach t,$(SANITIZE_ASAN),'asan-$(notdir $(t))=$(t)') \
		$(foreach t,$(SANITIZE_TSAN),'tsan-$(notdir $(t))=$(if \
			$(findstring mm_fuzz,$(t)),env CK_RUN_CASE=threads) $(t)') \
		'light-check=sh tests/light-check.sh $(SANITIZE_LIGHT)' \
		'cputest-replay=$(B)/ubsan/tests/cputest --replay $(wildcard tests/cpu/regress/*.txt)' \
		'cputest=$(B)/ubsan/tests/cputest --count 100000' \
		'leaks=sh tests/leaks.sh $(B)/checked/diptych' \
		'pv-guests=$(SANITIZE_GUESTS) sh tests/guests/pv/run-pv.sh' \
		'guests=$(SANITIZE_GUESTS) sh tests/guests/run.sh --kernels $(SANITIZE_KERNEL) \
			inside bad-command bad-images compressions trace'
