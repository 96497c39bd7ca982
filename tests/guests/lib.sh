# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=sh
#
# Sourced by every test in outside/. run.sh has set: stage, a directory that an ordinary user can read, with
# diptych, kernels/NAME/vmlinuz, demo.cpio.gz, tests.cpio.gz and confine; work, this test's own directory;
# quick, 1 or 0; kernels, the names of the kernels to be tried; runner, as in boot.sh. The current directory
# is the repository's top.

here=tests/guests
demo=$stage/demo.cpio.gz
session_dir=$work
. $here/session.sh

ok() { echo "ok $1"; }
not_ok() { echo "not ok $1: $2"; }
skip() { echo "skip $1: $2"; }

# needs_diptych NAME: a property that only our own command has; ends the test for other runners.
needs_diptych() {
    [ "$runner" = diptych ] ||
        { skip "$1" "it is about diptych's command, and the runner is $runner"; exit 0; }
}

# kernel NAME: path of a stock kernel's image, in $image; says why not and fails when it couldn't be fetched.
kernel() {
    image=$stage/kernels/$1/vmlinuz
    [ -s "$image" ]
}

# seconds_left WANTED: as many seconds as are wanted, or 1 when the time of all guest tests is over.
seconds_left() {
    if [ "$(date +%s)" -ge "$deadline" ]; then
        echo "no time left for this guest" >&2
        echo 1
    else
        echo "$1"
    fi
}

# boot OPTIONS-OF-BOOT.SH...: boots to the end, console in $work/console, the runner's words in $work/stderr,
# its status in $status.
boot() {
    sh $here/boot.sh --timeout "$(seconds_left "${limit:-60}")" "$@" <"${input:-/dev/null}" >"$work/console" \
        2>"$work/stderr"
    status=$?
    tr -d '\r' <"$work/console" >"$work/console.lines"
}

# sickness FILE: the first line of a kernel's log that no healthy kernel writes; nothing when there is none.
# "WARNING: " from the CPU-bug code is advice about settings, not a warning of WARN(). The complaint about
# APIC ids is Linux 6.1's own, if it is built without CONFIG_XEN_DOM0: docs/pv-abi.md, "What kernels say".
sickness() {
    grep -a -E -e 'WARNING: |BUG: |Call Trace|Oops|general protection fault|Kernel panic|unchecked MSR' \
        -e 'soft lockup|hard LOCKUP|rcu.*(stall|starved)|INFO: task|Firmware Bug' "$1" |
        grep -v -E -e 'WARNING: Unprivileged eBPF|AMD Retpoline|vulnerable' \
            -e 'APIC id mismatch\. Firmware: ffff APIC' | head -n 1
}

# said: what the runner said last, on one line, for messages.
said() { tail -n 1 "$work/stderr" | cut -c1-200; }

# ends NAME STATUS: judges the boot before by its exit status.
ends() {
    if [ "$status" -eq "$2" ]; then
        ok "$1"
    else
        not_ok "$1" "ended with status $status, not $2: $(said)"
    fi
}

# diptych ARGUMENTS...: our command, as an ordinary user, in an empty directory of its own; stdout in
# $work/out, stderr in $work/stderr.
diptych() {
    rm -rf "$work/cwd"
    mkdir "$work/cwd"
    chmod 777 "$work/cwd"
    # shellcheck disable=SC2086
    (cd "$work/cwd" &&
        exec timeout --kill-after=5 "$(seconds_left "${limit:-60}")" ${AS_USER:-} "$DIPTYCH" "$@") \
        <"${input:-/dev/null}" \
        >"${output:-$work/out}" 2>"$work/stderr"
    status=$?
}

# refuses NAME STATUS WORD ARGUMENTS...: the command refuses these arguments as it should: with that status,
# in one line on stderr that has WORD in it, with nothing on stdout and no file left in its directory.
refuses() {
    name=$1
    expected=$2
    word=$3
    shift 3
    diptych "$@"
    lines=$(wc -l <"$work/stderr")
    if [ $status -ne "$expected" ]; then
        not_ok "$name" "status $status, not $expected: $(said)"
    elif [ "$lines" -ne 1 ]; then
        not_ok "$name" "$lines lines on stderr, not one: $(said)"
    elif ! grep -q '^diptych: ' "$work/stderr" || ! grep -q -F -- "$word" "$work/stderr"; then
        not_ok "$name" "the line doesn't name '$word': $(said)"
    elif [ -z "${output:-}" ] && [ -s "$work/out" ]; then
        not_ok "$name" "it also spoke on stdout: $(head -n 1 "$work/out")"
    elif [ -n "$(ls -A "$work/cwd")" ]; then
        not_ok "$name" "it left $(ls -A "$work/cwd") behind"
    else
        ok "$name"
    fi
}

# payload IMAGE OUTPUT: unpacks a bzImage's ELF with the tools of its compression, by its setup header (boot
# protocol 2.08: payload_offset at 0x248, payload_length at 0x24c); fails when no ELF comes out.
payload() {
    sectors=$(od -An -tu1 -j 497 -N 1 "$1" | tr -d ' ')
    offset=$(od -An -tu4 -j 584 -N 4 "$1" | tr -d ' ')
    length=$(od -An -tu4 -j 588 -N 4 "$1" | tr -d ' ')
    tail -c +$(((sectors + 1) * 512 + offset + 1)) "$1" | head -c $((length - 4)) >"$2.packed"
    case $(od -An -tx1 -N 4 "$2.packed" | tr -d ' ') in
    28b52ffd) tool="zstd -dc" ;;
    fd377a58) tool="xz -dc --single-stream" ;;
    1f8b*) tool="gzip -dc" ;;
    425a*) tool="bzip2 -dc" ;;
    0221*) tool="lz4 -dc" ;;
    *) return 1 ;;
    esac
    $tool <"$2.packed" >"$2" 2>/dev/null
    rm -f "$2.packed"
    [ "$(od -An -tx1 -N 4 "$2" | tr -d ' ')" = 7f454c46 ]
}
