# SPDX-License-Identifier: GPL-2.0-or-later
# A session of Debian's gdb on a small program: breakpoints with conditions, a watchpoint in a debug register
# and one by single steps, step, next and finish, backtraces, changed variables and registers. Every line that
# gdb must say is looked for.
[ -n "$(ls /tools/proc)" ] || mount --bind /proc /tools/proc || exit 1
cd /tools || exit 1
chroot /tools /usr/bin/gdb -nx -batch -x /session.gdb /debuggee >/said 2>&1
status=$?
[ $status -eq 0 ] || { tail -n 3 /said; echo "gdb ended with status $status"; exit 1; }
while read -r line; do
    grep -q -F -e "$line" /said || { cat /said; echo "gdb didn't say: $line"; exit 1; }
done </tools/session.expected
