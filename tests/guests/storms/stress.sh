# SPDX-License-Identifier: GPL-2.0-or-later
# The classes of Debian's stress-ng, every stressor of a class for a second on all CPUs, with results verified. This file is installed once a
# class, as stress-CLASS.sh, and takes the class from its name.
class=$(basename "$0" .sh)
class=${class#stress-}
for directory in proc sys dev; do
    mountpoint -q /tools/$directory || mount --bind /$directory /tools/$directory || exit 1
done
# What needs more of a machine than a guest of 512 MB in an initramfs has, or stops it on purpose:
#   oom-pipe, swap, brk, stack, bigheap, mlock, malloc: to the end of all memory, and this machine has no disk to swap to
#   bad-altstack, sigbus, sigsegv: as good as in edges.c, but they log a line for each of 100,000 faults to the console
exclude=oom-pipe,swap,brk,stack,bigheap
chroot /tools /usr/bin/stress-ng --class "$class" --sequential 0 --timeout 1s --verify --vm-bytes 32M --stream-l3-size 1M --temp-path /tmp \
    --exclude $exclude --skip-silent --quiet >/stress-log 2>&1
status=$?
case $status in
0 | 3 | 4) exit 0 ;; # 3 and 4: some had no resources or aren't implemented here; none failed
esac
grep -m 4 -i -E 'fail|error|corrupt' /stress-log
echo "stress-ng: status $status: $(grep -m1 -i 'fail' /stress-log | cut -c1-150)"
exit 1
