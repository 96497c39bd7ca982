#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Boots Debian's stock kernel with a small initramfs. On a terminal: an interactive shell in the guest.
# Otherwise: a short scripted session whose answers are checked; exit 0 when all are right.
set -u

cd "$(dirname "$0")/../.." || exit 1
kernel=build/guests/kernels/${DEMO_KERNEL:-bookworm-cloud}/vmlinuz
initrd=build/guests/demo.cpio.gz
memory=${DEMO_MEMORY:-512M}
vcpus=${DEMO_VCPUS:-2}

package=$(sed -n 's/^Package: //p' "$(dirname "$kernel")/package")
echo "diptych: kernel $package (Debian's, unmodified), $vcpus vCPUs, $memory"
set -- sh tests/guests/boot.sh --kernel "$kernel" --initrd "$initrd" --memory "$memory" --vcpus "$vcpus"

if [ -t 0 ] && [ -t 1 ]; then
    echo "diptych: a shell in the guest follows; 'exit' powers it off, Ctrl-] leaves at once"
    exec "$@" --cmdline 'quiet panic=-1'
fi

echo "diptych: no terminal here, so this is a scripted session in the guest"
session_dir=$(mktemp -d) || exit 1
trap 'rm -rf "$session_dir"' EXIT
. tests/guests/session.sh

fail() {
    cat "$session_dir/console" "$session_dir/stderr"
    echo "diptych: demo failed: $*" >&2
    session_kill
    exit 1
}

session_start "$@" --cmdline 'quiet panic=-1' --timeout 300
prompt='guest:[^ ]*# '
typed=0
# Each line: what is typed, and after the tab what has to come back.
while IFS='	' read -r line answer; do
    typed=$((typed + 1))
    session_expect $typed "$prompt" 120 || fail "no prompt to type '$line' at"
    session_type "$line"
    [ -z "$answer" ] || session_expect 1 "^$answer" 60 || fail "'$line' was not answered with '$answer'"
done <<'END'
uname -srm	Linux .* x86_64
echo "$((6 * 7)) is the answer"	42 is the answer
seq 100000 | sha256sum	b2bc7d3f8b652d2ec96865b68ad8f80e22cca174abe1aed7889e242a747d590f
for i in 3 1 2; do echo line $i; done | sort | tr '\n' ';'; echo	line 1;line 2;line 3;
cat /sys/hypervisor/type /proc/uptime 2>/dev/null
ps | wc -l; free | head -n 2
exit
END
session_end
status=$?
cat "$session_dir/console"
if [ $status -ne 0 ]; then
    cat "$session_dir/stderr" >&2
    echo "diptych: demo failed: the guest ended with status $status" >&2
    exit 1
fi
echo "diptych: the session's answers are right and the guest powered itself off"
