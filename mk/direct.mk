# SPDX-License-Identifier: GPL-2.0-or-later
# Unit test of direct execution: what it looks for in pages of code.

UNIT_TESTS += $(O)/tests/unit/test_scan
$(O)/tests/unit/test_scan: $(O)/tests/unit/test_scan.o $(O)/hypervisor/direct/scan.o
	$(CC) $(CFLAGS_MODE_$(MODE)) -o $@ $^ -lcheck -lsubunit -lm -lrt -lZydis -lpthread $(LDFLAGS)
