# SPDX-License-Identifier: GPL-2.0-or-later
# make lint: formatting (.clang-format), 110 columns, and static analysis (.clang-tidy says which checks, and
# why not others).
#
# A source is analysed with the flags that it is compiled with, and again only when it, a header or the list
# of checks has changed: build/lint has a stamp for each. Both tools are LLVM 14's, Debian 12's: others format
# and find differently.

CLANG_FORMAT ?= clang-format-14
CLANG_TIDY ?= clang-tidy-14

LINT_FOLDERS := hypervisor tools guest-abi tests
LINT_SRCS := $(shell find $(LINT_FOLDERS) -name '*.c')
LINT_HDRS := $(shell find $(LINT_FOLDERS) -name '*.h')
LINT_TEXT := $(LINT_SRCS) $(LINT_HDRS) Makefile .ci/run $(wildcard mk/*) \
	$(shell find $(LINT_FOLDERS) -name '*.S' -o -name '*.sh' -o -name '*.mk')

tidy = $(patsubst %,$(B)/lint/%.tidy,$(1))
LINT_STAMPS := $(call tidy,$(LINT_SRCS))

# Flags of gcc that clang has no word for; attributes of gcc (noclone, optimize) are passed over.
LINT_GCC_ONLY := -minline-all-stringops -fno-tree-loop-distribute-patterns

LINT_FLAGS = $(CFLAGS_ALL) -Wno-unknown-attributes
$(call tidy,$(LIGHT_SRCS)): LINT_FLAGS += $(LIGHT_FLAGS)
$(call tidy,$(HALF_LIGHT_SRCS)): LINT_FLAGS += -mgeneral-regs-only
$(call tidy,$(filter guest-abi/% tests/guests/pv/%,$(LINT_SRCS))): LINT_FLAGS = $(GUEST_CFLAGS)
$(call tidy,$(filter tests/fuzz/%,$(LINT_SRCS))): LINT_FLAGS += -Itests/unit

.PHONY: lint lint-format lint-columns lint-tidy
lint: deps-lint
	@$(MAKE) --no-print-directory --output-sync $(if $(filter -j%,$(MAKEFLAGS)),,-j$(shell nproc)) -k \
		lint-format lint-columns lint-tidy
	@echo "lint: nothing found"

lint-format:
	@$(CLANG_FORMAT) --dry-run -Werror $(LINT_SRCS) $(LINT_HDRS)

# clang-format leaves comments alone, and knows neither assembly nor scripts.
lint-columns:
	@awk 'length > 110 { print FILENAME ":" FNR ": " length " columns"; bad = 1 } END { exit bad }' $(LINT_TEXT)

lint-tidy: $(LINT_STAMPS)

# clang-tidy counts on standard error what it found in system headers; that is worth reading only if it fails.
$(B)/lint/%.tidy: % .clang-tidy tests/.clang-tidy $(LINT_HDRS)
	@mkdir -p $(@D)
	@echo "  TIDY $<"
	@$(CLANG_TIDY) --quiet $< -- $(filter-out $(LINT_GCC_ONLY),$(LINT_FLAGS)) 2>$(@:.tidy=.log) || \
		{ cat $(@:.tidy=.log) >&2; exit 1; }
	@touch $@
