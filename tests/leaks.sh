#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Whole runs of the command leave nothing allocated and unreachable, by LeakSanitizer, which needs the sandbox
# off.
#   leaks.sh DIPTYCH      built with MODE=checked
set -u

diptych=$1
guests=build/guests/pv
passed=0
failed=0
said=$(mktemp) || exit 1
trap 'rm -f "$said"' EXIT

# run NAME STATUS ARGUMENTS...
run() {
    name=$1
    expected=$2
    shift 2
    ASAN_OPTIONS=detect_leaks=1 timeout -s KILL 60 \
        "$diptych" run --type pv --memory 64M "$@" --debug no_sandbox \
        </dev/null >"$said" 2>&1
    status=$?
    if [ $status -eq "$expected" ] && ! grep -q -a 'Sanitizer' "$said"; then
        echo "ok $name"
        passed=$((passed + 1))
    else
        echo "not ok $name: status $status, not $expected"
        tail -n 30 "$said"
        failed=$((failed + 1))
    fi
}

run plain 0 --kernel $guests/hello
run traced 0 --kernel $guests/hello --trace=%mm --trace-summary --stats --cpu host,-avx
run vcpus 0 --kernel $guests/smp --vcpus 4
run crash 4 --kernel $guests/nowhere
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
