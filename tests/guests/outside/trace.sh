# SPDX-License-Identifier: GPL-2.0-or-later
# The hypercall tracer shows a stock kernel's hypercalls by name, sums them up, and a full disk under it is
# told in one line.
# quick
. tests/guests/lib.sh

needs_diptych trace
kernel bookworm-cloud || { skip trace "the kernel could not be fetched"; exit 0; }
mkdir "$work/traces"
chmod 777 "$work/traces"
boot --kernel "$image" --initrd "$demo" --cmdline 'quiet panic=-1 diptych_do=poweroff' -- --trace \
    --trace-file "$work/traces/all"
missing=
for call in mmu_update multicall set_trap_table vcpu_op event_channel_op sched_op; do
    grep -q "$call" "$work/traces/all" 2>/dev/null || missing="$missing $call"
done
if [ $status -ne 0 ]; then
    not_ok trace-boot "status $status: $(said)"
elif [ -n "$missing" ]; then
    not_ok trace-boot "not in the trace:$missing"
else
    ok trace-boot
fi
# A guest that only boots and powers off may never have nothing to do; one that sleeps blocks.
boot --kernel "$image" --initrd "$demo" --cmdline 'quiet panic=-1 diptych_do=clock diptych_seconds=1' -- \
    --trace-summary
if [ $status -eq 0 ] && grep -q SCHEDOP_block "$work/stderr"; then
    ok trace-summary
else
    not_ok trace-summary "status $status, no SCHEDOP_block in the table: $(said)"
fi
boot --kernel "$image" --initrd "$demo" --cmdline 'quiet panic=-1 diptych_do=poweroff' -- --trace \
    --trace-file /dev/full
if [ "$(grep -c '^diptych: ' "$work/stderr")" -ge 1 ] && [ "$(wc -l <"$work/stderr")" -le 2 ] &&
    [ $status -lt 124 ]; then
    ok trace-full-disk
else
    not_ok trace-full-disk "status $status, $(wc -l <"$work/stderr") lines: $(said)"
fi
