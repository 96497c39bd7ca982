# SPDX-License-Identifier: GPL-2.0-or-later
# Unit tests of the hypercall dispatch and the tracer.

TEST_TRACE_OBJS := $(call obj,tests/unit/test_trace.c tests/unit/trace_fakes.c hypervisor/pv/hypercall.c \
	hypervisor/pv/hypercall_abi.c hypervisor/pv/hypercall_table.c hypervisor/pv/trace.c \
	hypervisor/pv/trace_filter.c hypervisor/pv/trace_format.c hypervisor/pv/trace_writer.c)
UNIT_TESTS += $(O)/tests/unit/test_trace

$(O)/tests/unit/test_trace: $(TEST_TRACE_OBJS)
	$(CC) $(CFLAGS_MODE_$(MODE)) -o $@ $^ -lcheck -lsubunit -lm -lrt -lpthread

-include $(TEST_TRACE_OBJS:.o=.d)
