# Heavy files in light folders: they use libc and vector registers, and are entered through
# engine_heavy_call() or before a guest runs.
HEAVY_SRCS := \
	hypervisor/cpu/cpu_policy.c \
	hypervisor/direct/direct.c \
	hypervisor/direct/scan.c \
	hypervisor/direct/space.c \
	hypervisor/direct/state.c \
	hypervisor/direct/stub.c \
	hypervisor/direct/template.c \
	hypervisor/engine/debug_log.c \
	hypervisor/engine/decode.c \
	hypervisor/engine/emulate_decode.c \
	hypervisor/engine/engine_init.c \
	hypervisor/engine/signal.c \
	hypervisor/engine/trans_branch.c \
	hypervisor/engine/trans_flags.c \
	hypervisor/engine/trans_generic.c \
	hypervisor/engine/trans_group.c \
	hypervisor/engine/trans_mem.c \
	hypervisor/engine/trans_recipe.c \
	hypervisor/engine/trans_special.c \
	hypervisor/engine/trans_stack.c \
	hypervisor/engine/translate.c \
	hypervisor/mem/machine.c \
	hypervisor/pv/console_ring.c \
	hypervisor/pv/backends.c \
	hypervisor/pv/dump.c \
	hypervisor/pv/pv_init.c \
	hypervisor/pv/time_init.c \
	hypervisor/pv/trace_filter.c \
	hypervisor/pv/trace_format.c \
	hypervisor/pv/trace_writer.c

# Half-light files: they use libc where no guest runs yet, and light code calls the rest of them; built
# without vector registers.
HALF_LIGHT_SRCS := hypervisor/mem/machine.c
