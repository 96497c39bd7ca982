# SPDX-License-Identifier: GPL-2.0-or-later
# Debian packages by purpose. Every entry point checks its own list (one dpkg-query when nothing is missing)
# and installs what is not there; mk/install-packages.sh says how. DIPTYCH_NO_DEPS=1 turns it off.

DEPS_BUILD := gcc make pkg-config libc6-dev libzydis-dev libxen-dev zlib1g-dev libbz2-dev liblzma-dev \
	liblzo2-dev libzstd-dev liblz4-dev libseccomp-dev
# What a guest needs to be fetched and put together; ca-certificates for mirrors that speak https.
DEPS_GUEST := busybox-static cpio gzip gpgv debian-archive-keyring ca-certificates
DEPS_TEST := check musl-tools libc6-dev-i386 gcc-multilib tcc file util-linux zstd xz-utils bzip2 lz4 \
	lzop binutils
DEPS_TEST_OPTIONAL := clang grub-xen-bin grub-common
# The versions that mk/lint.mk names.
DEPS_LINT := clang-format-14 clang-tidy-14 check
DEPS_BENCH := gzip cpio util-linux
DEPS_BENCH_OPTIONAL := qemu-system-x86 user-mode-linux

.PHONY: deps deps-build deps-demo deps-test deps-bench deps-lint
deps: deps-build deps-demo deps-test deps-bench deps-lint

deps-build:
	@sh mk/install-packages.sh "the build" $(DEPS_BUILD)

deps-demo: deps-build
	@sh mk/install-packages.sh "the demo" $(DEPS_GUEST)

deps-test: deps-demo
	@sh mk/install-packages.sh "the tests" $(DEPS_TEST) -- $(DEPS_TEST_OPTIONAL)

deps-bench: deps-demo
	@sh mk/install-packages.sh "the benchmark" $(DEPS_BENCH) -- $(DEPS_BENCH_OPTIONAL)

deps-lint: deps-build
	@sh mk/install-packages.sh "the lint" $(DEPS_LINT)

# Order only: the check comes before the first compilation and never makes anything out of date.
$(HV_OBJS) $(TOOL_OBJS): | deps-build
all: deps-build
