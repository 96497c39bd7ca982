# SPDX-License-Identifier: GPL-2.0-or-later
# The classes of Debian's stress-ng on all CPUs, with results verified: one stressor after the other, a second
# each; those of signals, which have no class in this version, all at once. This file is installed once a
# class, as stress-CLASS.sh, and takes the class from its name.
class=$(basename "$0" .sh)
class=${class#stress-}
for directory in proc sys dev; do
    [ -n "$(ls /tools/$directory)" ] || mount --bind /$directory /tools/$directory || exit 1
done
if [ "$class" = signal ]; then
    what='--timeout 10s'
    for stressor in abrt chld fd fpe io nest pending pipe q rt segv suspend trap; do
        what="$what --sig$stressor 2"
    done
else
    # Without those that go to the end of all memory and have the guest's kernel kill at random; and without
    # madvise, which, when root runs it, declares memory broken that it then uses.
    what="--class $class --sequential 0 --timeout 1s --vm-bytes 32M --stream-l3-size 1M"
    what="$what --exclude oom-pipe,swap,brk,stack,bigheap,madvise"
fi
# shellcheck disable=SC2086
chroot /tools /usr/bin/stress-ng $what --verify --temp-path /tmp --skip-silent >/stress-log 2>&1
status=$?
# 3 and 4: some had too little of something, or aren't implemented here; none failed.
case $status in 0 | 3 | 4) ! grep -q 'run completed in' /stress-log || exit 0 ;; esac
cat /stress-log
echo "stress-ng: status $status: $(grep -m1 -E 'fail:|error:' /stress-log | cut -c1-150)"
exit 1
