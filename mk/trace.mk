# SPDX-License-Identifier: GPL-2.0-or-later
# Unit tests of the hypercall dispatch, the tracer and the ABI's tables.

TEST_TRACE_OBJS := $(call obj,tests/unit/trace_fakes.c hypervisor/pv/hypercall.c \
	hypervisor/pv/hypercall_abi.c hypervisor/pv/hypercall_table.c hypervisor/pv/trace.c \
	hypervisor/pv/trace_filter.c hypervisor/pv/trace_format.c hypervisor/pv/trace_writer.c)
TRACE_TESTS := $(O)/tests/unit/test_trace $(O)/tests/unit/test_abi_doc
UNIT_TESTS += $(TRACE_TESTS)

$(TRACE_TESTS): %: %.o $(TEST_TRACE_OBJS)
	$(CC) $(CFLAGS_MODE_$(MODE)) -o $@ $^ -lcheck -lsubunit -lm -lrt -lpthread $(LDFLAGS)
