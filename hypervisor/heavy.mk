# Heavy files in light folders: they use libc and vector registers, and are entered through
# engine_heavy_call() or before a guest runs.
HEAVY_SRCS := \
	hypervisor/pv/time_init.c \
	hypervisor/mem/machine.c \
	hypervisor/pv/dump.c
