#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Runs the PV test guests, each in a hypervisor of its own, and prints "ok" or "not ok" for each, then one
# summary line. Usage: run-pv.sh [-v] [GUEST...]      -v: print the console of every guest; DIPTYCH: the
# command to test
#
# A guest's source says in its first lines how it is run:
#   // vcpus: N        default 1
#   // memory: SIZE    default 64M
#   // cmdline: TEXT    several such lines: a run for each
#   // timeout: SECONDS  default 60
#   // expect: crash   the domain must crash (exit status 4); default is a power-off (0) after "PASSED"
#   // expect: any     either will do; what must not happen is anything else
#   // stderr: REGEX   must be found in what the hypervisor says

here=$(dirname "$0")
top=$here/../../..
diptych=${DIPTYCH:-$top/build/diptych}
guests=$top/build/guests/pv
verbose=
if [ "$1" = -v ]; then
    verbose=1
    shift
fi
if [ ! -x "$diptych" ]; then
    echo "skip: $diptych is not there: run make"
    echo "0 passed, 0 failed, 1 skipped"
    exit 0
fi
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM

# Guests run as an ordinary user: when we are root, as nobody, who may not be able to read this tree.
as_user=
if [ "$(id -u)" = 0 ]; then
    as_user='setpriv --reuid=65534 --regid=65534 --clear-groups'
    mkdir "$work/guests"
    find "$guests" -maxdepth 1 -type f -perm -100 -exec cp {} "$work/guests/" \;
    cp "$diptych" "$work/diptych"
    chmod -R a+rX "$work"
    guests=$work/guests
    diptych=$work/diptych
fi

# directive NAME DEFAULT: what the source at hand says.
directive() {
    value=$(sed -n "s|^// $1: *||p" "$source" | head -n 1)
    echo "${value:-$2}"
}

# The reason why the run at hand failed, or nothing.
verdict() {
    expect=$(directive expect poweroff)
    if [ "$status" = 124 ]; then
        echo "no end after $(directive timeout 60) s"
    elif [ "$expect" = any ]; then
        [ "$status" = 0 ] || [ "$status" = 4 ] || echo "exit status $status, neither 0 nor 4"
    elif [ "$expect" = crash ]; then
        [ "$status" = 4 ] || echo "exit status $status, not 4"
    elif [ "$status" != 0 ]; then
        echo "exit status $status, not 0"
    elif ! grep -q -a '^PASSED: [1-9]' "$work/console"; then
        echo "it did not say PASSED"
    fi
    if [ -n "$(directive stderr '')" ] && ! grep -q -a -e "$(directive stderr '')" "$work/stderr"; then
        echo "the hypervisor did not say '$(directive stderr '')'"
    fi
}

# run NAME CMDLINE
run() {
    # shellcheck disable=SC2086
    timeout "$(directive timeout 60)" $as_user "$diptych" run --type pv --kernel "$guests/$1" --name "$1" \
        --memory "$(directive memory 64M)" --vcpus "$(directive vcpus 1)" --cmdline "$2" \
        </dev/null >"$work/console" 2>"$work/stderr"
    status=$?
    title="$1${2:+ ($2)}"
    why=$(verdict)
    if [ -z "$why" ]; then
        echo "ok - $title"
        passed=$((passed + 1))
    else
        echo "not ok - $title: $why"
        failed=$((failed + 1))
    fi
    if [ -n "$why$verbose" ]; then
        sed 's/^/#   /' "$work/console" | tail -n 40
        sed 's/^/# ! /' "$work/stderr" | tail -n 40
    fi
}

passed=0
failed=0
[ $# -gt 0 ] || set -- $(cd "$here" && ls ./*.c | sed 's|^./||; s|\.c$||')
for name in "$@"; do
    source=$here/$name.c
    sed -n 's|^// cmdline: *||p' "$source" >"$work/cmdlines"
    [ -s "$work/cmdlines" ] || echo >"$work/cmdlines"
    while read -r cmdline; do
        run "$name" "$cmdline"
    done <"$work/cmdlines"
done
echo "$passed passed, $failed failed"
[ $failed = 0 ]
