#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The guest tests: boots stock kernels and judges them from outside (outside/, one file a property) and from
# inside (inside/, run in guests by outside/inside.sh).
#
#   run.sh [--quick] [--runner diptych|qemu|uml] [--kernels 'NAME ...'] [TEST...]
#   DIPTYCH: the command to test, build/diptych if not set
#
# Prints "ok NAME", "not ok NAME: why" or "skip NAME: why" a test, and last "N passed, N failed, N skipped".
# What a failed test left stays in build/guests/failed/TEST. Guests run as an ordinary user: when we are root,
# as nobody. Tests whose comment has a line "# quick" make up --quick; those with "# long" only run when they
# are named. TEST_SECONDS (default 1200) bounds each. Once GUEST_TESTS_SECONDS (default 1080) are over no
# guest is given more than a second, so that a hypervisor that hangs fails in time for the rest of `make test`
# to be seen.
set -u

cd "$(dirname "$0")/../.." || exit 2
quick=0
runner=${RUNNER:-diptych}
command=${DIPTYCH:-build/diptych}
kernels='bookworm-cloud bookworm trixie-cloud trixie sid-cloud sid'
tests=
while [ $# -gt 0 ]; do
    case $1 in
    --quick) quick=1 ;;
    --runner)
        runner=$2
        shift
        ;;
    --kernels)
        kernels=$2
        shift
        ;;
    -*)
        echo "run.sh: unknown option $1; options: --quick --runner NAME --kernels 'NAME ...'" >&2
        exit 2
        ;;
    *) tests="$tests $1" ;;
    esac
    shift
done
if [ -z "$tests" ]; then
    for file in tests/guests/outside/*.sh; do
        [ $quick = 0 ] || grep -q '^# quick$' "$file" || continue
        ! grep -q '^# long$' "$file" || continue
        tests="$tests $(basename "$file" .sh)"
    done
fi
[ $quick = 0 ] || kernels=${kernels%% *}

if [ "$runner" = diptych ] && [ ! -x "$command" ]; then
    echo "not ok guests: $command isn't built; run make"
    echo "0 passed, 1 failed, 0 skipped"
    exit 1
fi

# The stage: what an ordinary user needs, where he can read it, wherever this tree is.
stage=$(mktemp -d "${TMPDIR:-/tmp}/diptych-guests.XXXXXX") || exit 1
results=$stage/results
child=
trap 'rm -rf "$stage"' EXIT
# timeout(1) passes the signal on to the test's whole group, guests included.
trap '[ -z "$child" ] || { kill "$child"; wait "$child"; }; exit 130' INT TERM HUP
chmod 755 "$stage"
mkdir "$stage/kernels"
# shellcheck disable=SC2086
sh tests/guests/fetch-kernel.sh $kernels >/dev/null
for name in $kernels; do
    [ -s "build/guests/kernels/$name/vmlinuz" ] || continue
    mkdir "$stage/kernels/$name"
    cp "build/guests/kernels/$name/vmlinuz" "$stage/kernels/$name/"
done
sh tests/guests/build-images.sh ||
    { echo "not ok guests: the images can't be built"; echo "0 passed, 1 failed, 0 skipped"; exit 1; }
cp build/guests/demo.cpio.gz build/guests/tests.cpio.gz build/guests/confine "$stage/"
[ "$runner" != diptych ] || cp "$command" "$stage/diptych"
chmod -R a+rX "$stage"

AS_USER=
[ "$(id -u)" != 0 ] || AS_USER='setpriv --reuid=65534 --regid=65534 --clear-groups'
DIPTYCH=$stage/diptych
RUNNER=$runner
deadline=$(($(date +%s) + ${GUEST_TESTS_SECONDS:-1080}))
export deadline AS_USER DIPTYCH RUNNER stage quick kernels runner

rm -rf build/guests/failed
: >"$results"
for test in $tests; do
    work=$stage/work
    rm -rf "$work"
    mkdir "$work"
    chmod 755 "$work"
    export work
    timeout --kill-after=10 "${TEST_SECONDS:-1200}" sh "tests/guests/outside/$test.sh" \
        </dev/null >"$stage/said" \
        2>"$stage/complaints" &
    child=$!
    wait $child
    status=$?
    child=
    if [ $status -ne 0 ] || ! grep -q -E '^(ok|not ok|skip) ' "$stage/said"; then
        echo "not ok $test: the test itself ended with status $status: $(tail -n 1 "$stage/complaints")" \
            >>"$stage/said"
    fi
    grep -E '^(ok|not ok|skip) ' "$stage/said"
    grep -E '^(ok|not ok|skip) ' "$stage/said" >>"$results"
    if grep -q '^not ok ' "$stage/said"; then
        mkdir -p build/guests/failed
        cp -r "$work" "build/guests/failed/$test"
        cp "$stage/complaints" "build/guests/failed/$test/complaints"
    fi
done
passed=$(grep -c '^ok ' "$results")
failed=$(grep -c '^not ok ' "$results")
echo "$passed passed, $failed failed, $(grep -c '^skip ' "$results") skipped"
[ "$failed" -eq 0 ]
