# SPDX-License-Identifier: GPL-2.0-or-later
# Each stock kernel boots with 1, 2 and 4 vCPUs to its first program, sees that many CPUs, powers itself off
# with status 0, and its log is that of a healthy machine. A hypervisor that gets the ABI wrong panics, warns
# or hangs here.
# quick
. tests/guests/lib.sh

for name in $kernels; do
    for vcpus in 1 2 4; do
        label=boots-$name-$vcpus
        if ! kernel "$name"; then
            skip "$label" "the kernel could not be fetched"
            continue
        fi
        if [ "$runner" = uml ] && [ $vcpus -gt 1 ]; then
            skip "$label" "User Mode Linux has one CPU"
            continue
        fi
        boot --kernel "$image" --initrd "$demo" --vcpus $vcpus --cmdline 'panic=-1 diptych_do=poweroff'
        cp "$work/console.lines" "$work/$label.log"
        sick=$(sickness "$work/console.lines")
        if [ $status -ne 0 ]; then
            not_ok "$label" "status $status: $(said)"
        elif ! grep -q "guest: $vcpus CPU" "$work/console.lines"; then
            not_ok "$label" "with $vcpus vCPUs it says '$(grep -m1 -o 'guest: .* CPU' "$work/console.lines")'"
        elif [ -n "$sick" ]; then
            not_ok "$label" "its log has: $sick"
        else
            ok "$label"
        fi
    done
done
