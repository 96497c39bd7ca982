# SPDX-License-Identifier: GPL-2.0-or-later
# CPUs can be taken away and brought back while the machine works. On a PV kernel: vcpu_op down and up, and
# IPI channels torn down and made.
[ -e /sys/devices/system/cpu/cpu1/online ] || { echo "there is one CPU, or none that can go"; exit 77; }
fail() { echo "$*"; exit 1; }
all=$(nproc)
sh -c 'while :; do :; done' &
busy=$!
for round in 1 2 3; do
    for cpu in /sys/devices/system/cpu/cpu[1-9]*/online; do
        echo 0 >"$cpu" || fail "round $round: $cpu doesn't go"
    done
    [ "$(nproc)" = 1 ] || fail "round $round: $(nproc) CPUs are left of $all"
    seq 1000 | sort -n >/dev/null
    for cpu in /sys/devices/system/cpu/cpu[1-9]*/online; do
        echo 1 >"$cpu" || fail "round $round: $cpu doesn't come back"
    done
    [ "$(nproc)" = "$all" ] || fail "round $round: $(nproc) CPUs of $all came back"
    seq 1000 | sort -n >/dev/null
done
kill $busy
