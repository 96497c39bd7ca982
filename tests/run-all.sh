#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Runs all tests and adds up their counts; `make test` calls it with everything built.
#
#   run-all.sh [--quick] [--unit PROGRAM...] [--extra PROGRAM...] [--fuzz PROGRAM...]
#              [--command NAME=COMMANDLINE...] [--guests]
#
# Every program says in its own output how many of its tests passed: "N passed, N failed[, N skipped]" (the
# last such line counts), or in Check's words "100%: Checks: 5, Failures: 0, Errors: 0" (all such lines
# count). One that says neither, is not there, crashes or fails with nothing counted as failed, is one
# failure. Output goes to build/test-logs/NAME (TEST_LOGS: another directory); what failed is shown. The last
# line is the sum, "N passed, N failed, N skipped"; exit status 0 when nothing failed.
set -u

cd "$(dirname "$0")/.." || exit 2
logs=${TEST_LOGS:-build/test-logs}
rm -rf $logs
mkdir -p $logs
: >$logs/.sums
fuzz_seconds=5

# count NAME STATUS: reads the log of a program that ended with this status and notes what it counted.
count() {
    awk -v name="$1" -v status="$2" '
        match($0, /[0-9]+ passed, [0-9]+ failed/) {
            split(substr($0, RSTART), n, /[^0-9]+/)
            said = 1; passed = n[1]; failed = n[2]
            skipped = $0 ~ /failed, [0-9]+ skipped/ ? n[3] : 0
        }
        match($0, /[0-9]+%: Checks: [0-9]+, Failures: [0-9]+, Errors: [0-9]+/) {
            split(substr($0, RSTART), n, /[^0-9]+/)
            checks = 1; bad += n[3] + n[4]; good += n[2] - n[3] - n[4]
        }
        END {
            if (!said && checks) { passed = good; failed = bad }
            if (!said && !checks) { why = "it gave no count"; failed = 1 }
            if (status != 0 && failed == 0) { why = "status " status; failed = 1 }
            printf "%d %d %d\n", passed, failed, skipped >>"'$logs/.sums'"
            if (why != "" && status > 128 && status < 160) why = why ", killed by signal " status - 128
            printf "%s %s: %d passed, %d failed, %d skipped%s\n", failed ? "FAILED" : "passed", name,
                passed, failed, skipped, why == "" ? "" : " (" why ")"
            exit failed > 0
        }' "$logs/$1" || {
        echo "---- the end of $logs/$1:"
        grep -a -v '^ok ' "$logs/$1" | tail -n 40
        echo "----"
    }
}

# run NAME SECONDS COMMAND...
run() {
    name=$1
    seconds=$2
    shift 2
    if [ ! -e "$1" ] && ! command -v "$1" >/dev/null; then
        echo "$1 is not built" >"$logs/$name"
        status=127
    else
        timeout --kill-after=10 "$seconds" "$@" </dev/null >"$logs/$name" 2>&1
        status=$?
    fi
    count "$name" $status
}

kind=
while [ $# -gt 0 ]; do
    case $1 in
    --quick) quick=--quick fuzz_seconds=2 ;;
    --guests) run guests 1500 sh tests/guests/run.sh ${quick:-} ;;
    --*) kind=$1 ;;
    *)
        name=$(basename "$1")
        case $kind in
        --unit) run "unit-$name" 300 "$1" ;;
        --extra) run "$name" 900 "$1" ;;
        --command) run "${1%%=*}" 900 sh -c "${1#*=}" ;;
        --fuzz)
            if [ -x "$1" ]; then
                run "fuzz-${name#fuzz_}" 120 sh tests/fuzz/run.sh $fuzz_seconds "${name#fuzz_}"
            elif command -v clang >/dev/null; then
                run "fuzz-$name" 10 "$1"
            else
                echo "skip $1: clang is not installed; 0 passed, 0 failed, 1 skipped" >"$logs/fuzz-$name"
                count "fuzz-$name" 0
            fi
            ;;
        *)
            echo "run-all.sh: what kind of test is $1?" >&2
            exit 2
            ;;
        esac
        ;;
    esac
    shift
done
awk '{ p += $1; f += $2; s += $3 }
    END { printf "%d passed, %d failed, %d skipped\n", p, f, s; exit f > 0 || NR == 0 }' $logs/.sums
