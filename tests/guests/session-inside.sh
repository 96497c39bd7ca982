# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=sh
#
# Sourced by the tests that run those in tests/guests/inside; after lib.sh.

# session LABEL INITRD VCPUS COMMAND-LINE: boots the kernel in $image, runs the tests in the initramfs, each
# within the guest's own limit and all within $limit seconds, and passes on what came of each. A test that
# takes the guest with it fails, and the guest is started again for those behind it. $memory is 512M if unset.
session() {
    label=$1
    after=
    while :; do
        boot --kernel "$image" --initrd "$2" --vcpus "$3" --memory "${memory:-512M}" \
            --cmdline "quiet panic=-1 diptych_do=tests $4 ${after:+diptych_after=$after}"
        cp "$work/console.lines" "$work/$label${after:+-after-$after}.log"
        sed -n -E "s/^@@ (ok|not ok|skip) /\1 $label-/p" "$work/console.lines"
        if grep -q '^@@ end' "$work/console.lines"; then
            promised=$(sed -n 's/^@@ end //p' "$work/console.lines")
            arrived=$(grep -c -E '^@@ (ok|not ok|skip) ' "$work/console.lines")
            [ "$promised" = "$arrived" ] ||
                not_ok "$label-console" "$arrived of $promised results came out of the console"
            [ $status -eq 0 ] || not_ok "$label-end" "status $status after the last test: $(said)"
            return
        fi
        last=$(sed -n 's/^@@ start //p' "$work/console.lines" | tail -n 1)
        if [ -z "$last" ] || [ "$last" = "$after" ]; then
            not_ok "$label" "the guest got to no test (status $status): $(said)"
            return
        fi
        not_ok "$label-$last" "the guest ended or hung in it (status $status): $(said)"
        after=$last
    done
}
