# Heavy files in light folders: they use libc and vector registers, and are entered through
# engine_heavy_call() or before a guest runs.
HEAVY_SRCS := \
	hypervisor/mem/machine.c \
	hypervisor/pv/dump.c \
	hypervisor/pv/trace_filter.c \
	hypervisor/pv/trace_format.c \
	hypervisor/pv/trace_writer.c
