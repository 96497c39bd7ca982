#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Runs fuzz targets that are built, one after the other, from their seeds and what earlier runs have added to
# build/fuzz/corpus.
#   run.sh SECONDS TARGET...
# Prints "ok TARGET" or "not ok TARGET", and last "N passed, N failed". An input that fails is kept in
# build/fuzz/found; run the program build/fuzz/fuzz_TARGET with it as its argument to see it again.
set -u

cd "$(dirname "$0")/../.." || exit 2
seconds=$1
shift
passed=0
failed=0
mkdir -p build/fuzz/found
for target in "$@"; do
    corpus=build/fuzz/corpus/$target
    log=build/fuzz/$target.log
    # detect_leaks: LeakSanitizer is part of ASan here. -timeout: an input that takes longer is a finding too.
    if sh tests/fuzz/seeds.sh "$target" "$corpus" >"$log" 2>&1 &&
        timeout -s KILL $((seconds + 60)) "build/fuzz/fuzz_$target" -max_total_time="$seconds" -timeout=10 \
            -rss_limit_mb=2048 -print_final_stats=1 -artifact_prefix="build/fuzz/found/$target-" "$corpus" \
            >>"$log" 2>&1 </dev/null; then
        echo "ok $target: $(sed -n 's/^stat::number_of_executed_units: *//p' "$log") runs," \
            "$(grep -a -o 'cov: [0-9]*' "$log" | tail -n 1)"
        passed=$((passed + 1))
    else
        echo "not ok $target"
        grep -a -m 1 -A 25 'ERROR: \|runtime error' "$log" || tail -n 20 "$log"
        failed=$((failed + 1))
    fi
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
