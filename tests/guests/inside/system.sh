# SPDX-License-Identifier: GPL-2.0-or-later
# The system looks healthy from inside: every CPU is up and takes timer interrupts, idle is idle, random
# numbers come, all CPUs can be used at once, /proc and /sys can be read from end to end.
fail() { echo "$*"; exit 1; }
[ "$(grep -c ^processor /proc/cpuinfo)" = "$(nproc)" ] ||
    fail "/proc/cpuinfo has $(grep -c ^processor /proc/cpuinfo) of $(nproc) CPUs"
cpus=$(nproc)
# Each CPU's busy time grows when it is given work.
cpu=0
while [ $cpu -lt "$cpus" ]; do
    before=$(awk -v c="cpu$cpu" '$1 == c { print $2 + $4 }' /proc/stat)
    taskset "$(printf %x $((1 << cpu)))" sh -c 'i=0; while [ $i -lt 300000 ]; do i=$((i + 1)); done'
    after=$(awk -v c="cpu$cpu" '$1 == c { print $2 + $4 }' /proc/stat)
    [ "$after" -gt "$before" ] || fail "CPU $cpu worked for no time ($before to $after)"
    cpu=$((cpu + 1))
done
idle_before=$(awk '$1 == "cpu" { print $5 }' /proc/stat)
sleep 1
idle_after=$(awk '$1 == "cpu" { print $5 }' /proc/stat)
[ $((idle_after - idle_before)) -ge $((30 * cpus)) ] ||
    fail "idle for $((idle_after - idle_before)) ticks of $((100 * cpus)) in a second's sleep"
[ "$(dd if=/dev/urandom bs=4096 count=64 2>/dev/null | wc -c)" -eq 262144 ] || fail "/dev/urandom"
for file in /proc/interrupts /proc/meminfo /proc/vmstat /proc/zoneinfo /proc/iomem /proc/self/maps \
    /proc/timer_list /proc/schedstat; do
    [ ! -r $file ] || cat $file >/dev/null || fail "$file can't be read"
done
# Some attributes refuse to be read; none may hang.
find /sys -type f -perm -400 2>/dev/null | head -n 1500 >/tmp/attributes
timeout 60 xargs -n 100 head -q -c 4096 </tmp/attributes >/dev/null 2>&1
[ $? -ne 143 ] || fail "reading attributes under /sys didn't end"
if [ -r /sys/hypervisor/type ]; then
    [ "$(cat /sys/hypervisor/type)" = xen ] || fail "the hypervisor says it is '$(cat /sys/hypervisor/type)'"
    [ ! -r /sys/hypervisor/guest_type ] || [ "$(cat /sys/hypervisor/guest_type)" = PV ] ||
        fail "guest type $(cat /sys/hypervisor/guest_type)"
    [ "$(cat /sys/devices/system/clocksource/clocksource0/current_clocksource)" = xen ] ||
        fail "the clock source is not xen"
fi
