# SPDX-License-Identifier: GPL-2.0-or-later
# Diptych: build, demo, test, bench, install.  `make help` lists the targets.

MODE ?= release
PREFIX ?= /usr/local
CC = gcc
B := build
O := $(B)/$(MODE)

WARN := -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wpointer-arith
# Instrumented code hides from GCC what it knows of ranges, and these warnings then guess wrong (gcc(1),
# -fsanitize).
NO_GUESSES := -Wno-format-truncation -Wno-stringop-overflow -Wno-maybe-uninitialized
# asan and tsan are for unit tests: light code is instrumented like all else. checked (ASan and UBSan) and
# ubsan are for whole programs that run guests; there light code gets what needs no library
# (LIGHT_FLAGS_checked). CONTRIBUTING.md, "Sanitizers".
CFLAGS_MODE_release := -O2 -g
CFLAGS_MODE_debug := -O0 -g -DDIPTYCH_DEBUG
CFLAGS_MODE_asan := -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=undefined \
	-fno-omit-frame-pointer $(NO_GUESSES)
CFLAGS_MODE_checked := $(CFLAGS_MODE_asan)
CFLAGS_MODE_ubsan := -O1 -g -fsanitize=undefined -fno-sanitize-recover=undefined $(NO_GUESSES)
CFLAGS_MODE_tsan := -O1 -g -fsanitize=thread $(NO_GUESSES)
CFLAGS_ALL := -std=gnu11 $(WARN) $(CFLAGS_MODE_$(MODE)) -D_GNU_SOURCE -Ihypervisor -Iguest-abi -Itools \
	-fno-strict-aliasing -fcf-protection=none -MMD -MP $(CFLAGS)

# Light code runs while the guest's x87/SSE/AVX state is live: no vector registers, no libc.
# docs/architecture.md, "Light and heavy code"; tests/light-check.sh proves it of every build.
LIGHT_FLAGS := -mgeneral-regs-only -minline-all-stringops -fno-stack-protector -ffreestanding
# The last -fsanitize options win: undefined behaviour is an invalid instruction, which host/fault.c reports.
LIGHT_FLAGS_checked := -fno-sanitize=all -fsanitize=undefined -fsanitize-undefined-trap-on-error
LIGHT_FLAGS_ubsan := $(LIGHT_FLAGS_checked)
LIGHT_DIRS := hypervisor/direct hypervisor/engine hypervisor/pv hypervisor/cpu hypervisor/mem
include hypervisor/heavy.mk

LIBS := -lZydis -lxlutil -lxenlight -lz -lbz2 -llzma -llzo2 -lzstd -llz4 -lseccomp -lpthread

HV_SRCS := $(shell find hypervisor -name '*.c') $(shell find hypervisor -name '*.S')
TOOL_SRCS := $(shell find tools -maxdepth 1 -name '*.c')
LIGHT_SRCS := $(filter-out $(HEAVY_SRCS),$(filter $(addsuffix /%.c,$(LIGHT_DIRS)),$(HV_SRCS)))

obj = $(patsubst %.S,$(O)/%.o,$(patsubst %.c,$(O)/%.o,$(1)))
HV_OBJS := $(call obj,$(HV_SRCS))
LIGHT_OBJS := $(call obj,$(LIGHT_SRCS))
TOOL_OBJS := $(call obj,$(TOOL_SRCS))

.PHONY: all clean install help
all: $(B)/diptych

$(B)/diptych: $(O)/diptych
	@cp -f $< $@

$(O)/diptych: $(TOOL_OBJS) $(O)/libdiptych.a
	$(CC) $(CFLAGS_MODE_$(MODE)) -o $@ $(TOOL_OBJS) $(O)/libdiptych.a $(LIBS) $(LDFLAGS)

$(O)/libdiptych.a: $(HV_OBJS)
	@rm -f $@
	ar rcs $@ $^

$(LIGHT_OBJS): EXTRA := $(LIGHT_FLAGS) $(LIGHT_FLAGS_$(MODE))

$(O)/%.o: %.c
	@mkdir -p $(@D)
	@echo "  CC $<"; $(CC) $(CFLAGS_ALL) $(EXTRA) -c -o $@ $<

$(O)/%.o: %.S
	@mkdir -p $(@D)
	@echo "  AS $<"; $(CC) $(CFLAGS_ALL) -c -o $@ $<

help:
	@printf '%s\n' \
		'make               build build/diptych (MODE=release; debug, asan, checked, ubsan, tsan)' \
		'make demo          boot Debian as a guest: a shell on a terminal, else a scripted session' \
		'make test          everything that tests, and a sum of it at the end' \
		'make unit          unit tests' \
		'make cputest       instructions against the host CPU (CPUTEST_ARGS)' \
		'make guest-test    whole guests (QUICK=1: a few)' \
		'make fuzz-smoke    each fuzz target for some seconds' \
		'make sanitize      tests and guests under ASan, UBSan and TSan' \
		'make lint          formatting, line lengths, clang-tidy' \
		'make light-check   that light code is light (docs/architecture.md)' \
		'make bench         native, Diptych, QEMU TCG and User Mode Linux compared (BENCH_ARGS)' \
		'make install       install under PREFIX ($(PREFIX)); make uninstall takes it away' \
		'make deps          install the Debian packages that all this needs' \
		'make clean         remove what was built, but not what was downloaded'

clean:
	rm -rf $(B)/release $(B)/debug $(B)/asan $(B)/checked $(B)/ubsan $(B)/tsan $(B)/diptych

-include $(HV_OBJS:.o=.d) $(TOOL_OBJS:.o=.d) $(wildcard $(O)/tests/unit/*.d)
-include $(wildcard mk/*.mk)
