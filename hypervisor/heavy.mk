# Heavy files in light folders: they use libc and vector registers, and are entered through
# engine_heavy_call() or before a guest runs.
HEAVY_SRCS := \
	hypervisor/cpu/cpu_policy.c \
	hypervisor/mem/machine.c \
	hypervisor/pv/console_ring.c \
	hypervisor/pv/dump.c
