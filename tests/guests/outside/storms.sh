# SPDX-License-Identifier: GPL-2.0-or-later
# Every test in tests/guests/inside and tests/guests/storms, with 1, 2 and 4 vCPUs, on each distribution's
# cloud kernel: gdb, stress-ng and swap beside the quick ones. vsyscall=xonly and none, too, which inside.sh
# doesn't have. Half an hour a kernel.
# long
. tests/guests/lib.sh
. tests/guests/session-inside.sh

clouds=
for name in $kernels; do
    case $name in *-cloud) clouds="$clouds $name" ;; esac
done
# shellcheck disable=SC2086
if ! sh tests/guests/build-storms.sh $clouds >&2; then
    not_ok storms "the images can't be built"
    exit 0
fi
for name in $clouds; do
    if ! kernel "$name"; then
        skip "storms-$name" "the kernel could not be fetched"
        continue
    fi
    tests=$stage/storms-$name.cpio.gz
    cat "$stage/tests.cpio.gz" build/guests/storms.cpio.gz >"$tests"
    [ ! -s "build/guests/modules-$name.cpio.gz" ] || cat "build/guests/modules-$name.cpio.gz" >>"$tests"
    limit=3000
    memory=3G
    for vcpus in 1 2 4; do
        session "storms-$name-$vcpus" "$tests" "$vcpus" "vsyscall=emulate diptych_limit=600"
    done
    limit=60
    for mode in xonly none; do
        session "storms-$name-vsyscall-$mode" "$tests" 2 "vsyscall=$mode diptych_only=vsyscall-64"
    done
    rm -f "$tests"
done
