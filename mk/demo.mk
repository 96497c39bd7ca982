# SPDX-License-Identifier: GPL-2.0-or-later
# make demo: Debian's stock kernel as a PV guest, from nothing to a shell. DEMO_KERNEL, DEMO_MEMORY,
# DEMO_VCPUS choose.

DEMO_KERNEL ?= bookworm-cloud
export DEMO_KERNEL

.PHONY: demo
demo: deps-demo
	@echo "diptych: building build/diptych"
	@$(MAKE) --no-print-directory all
	@echo "diptych: fetching Debian's kernel package and building an initramfs around busybox-static"
	@sh tests/guests/fetch-kernel.sh $(DEMO_KERNEL) >/dev/null
	@sh tests/guests/initramfs.sh $(B)/guests/demo.cpio.gz
	@sh tests/guests/demo.sh
