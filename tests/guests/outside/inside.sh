# SPDX-License-Identifier: GPL-2.0-or-later
# Every property in tests/guests/inside holds in a guest: on each distribution's cloud kernel, with 2 vCPUs,
# and once more with one.
# quick
. tests/guests/lib.sh
. tests/guests/session-inside.sh

limit=600
for name in $kernels; do
    case $name in *-cloud) ;; *) continue ;; esac
    if ! kernel "$name"; then
        skip "inside-$name" "the kernel could not be fetched"
        continue
    fi
    session "inside-$name-2" "$stage/tests.cpio.gz" 2 vsyscall=emulate
done
[ "$quick" = 1 ] || ! kernel bookworm-cloud ||
    session inside-bookworm-cloud-1 "$stage/tests.cpio.gz" 1 vsyscall=emulate
