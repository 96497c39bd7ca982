# SPDX-License-Identifier: GPL-2.0-or-later
# Unit tests of event channels, time, and the panel's smaller hypercalls.

EVENTS_UNIT := evtchn time pv_ops
EVENTS_UNIT_BINS := $(addprefix $(O)/tests/unit/test_,$(EVENTS_UNIT))
UNIT_TESTS += $(EVENTS_UNIT_BINS)

EVENTS_SRCS := $(addprefix hypervisor/pv/,peers.c evtchn.c evtchn_2l.c evtchn_fifo.c evtchn_op.c grant.c \
	grant_copy.c time.c time_init.c timer.c runstate.c sched_op.c vcpu_op.c vcpu_context.c xen_version.c \
	console_io.c physdev_op.c nmi_op.c hvm_op.c vm_assist.c) tests/unit/pv_fakes.c

$(EVENTS_UNIT_BINS): $(O)/tests/unit/test_%: $(O)/tests/unit/test_%.o $(call obj,$(EVENTS_SRCS))
	$(CC) $(CFLAGS_MODE_$(MODE)) -o $@ $^ -lcheck -lsubunit -lm -lrt -lpthread $(LDFLAGS)
