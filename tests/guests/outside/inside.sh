# SPDX-License-Identifier: GPL-2.0-or-later
# Every property in tests/guests/inside holds in a guest: on each distribution's cloud kernel, with 2 vCPUs,
# and once more with one. A test that takes the guest with it fails, and the guest is started again for those
# behind it.
# quick
. tests/guests/lib.sh

# session KERNEL VCPUS
session() {
    label=$1-$2
    after=
    limit=600
    while :; do
        boot --kernel "$image" --initrd "$stage/tests.cpio.gz" --vcpus "$2" \
            --cmdline "quiet panic=-1 vsyscall=emulate diptych_do=tests ${after:+diptych_after=$after}"
        cp "$work/console.lines" "$work/inside-$label${after:+-after-$after}.log"
        sed -n -E "s/^@@ (ok|not ok|skip) /\1 inside-$label-/p" "$work/console.lines"
        if grep -q '^@@ end' "$work/console.lines"; then
            promised=$(sed -n 's/^@@ end //p' "$work/console.lines")
            arrived=$(grep -c -E '^@@ (ok|not ok|skip) ' "$work/console.lines")
            [ "$promised" = "$arrived" ] ||
                not_ok "inside-$label-console" "$arrived of $promised results came out of the console"
            [ $status -eq 0 ] || not_ok "inside-$label-end" "status $status after the last test: $(said)"
            return
        fi
        last=$(sed -n 's/^@@ start //p' "$work/console.lines" | tail -n 1)
        if [ -z "$last" ] || [ "$last" = "$after" ]; then
            not_ok "inside-$label" "the guest got to no test (status $status): $(said)"
            return
        fi
        not_ok "inside-$label-$last" "the guest ended or hung in it (status $status): $(said)"
        after=$last
    done
}

for name in $kernels; do
    case $name in *-cloud) ;; *) continue ;; esac
    if ! kernel "$name"; then
        skip "inside-$name" "the kernel could not be fetched"
        continue
    fi
    session "$name" 2
done
[ "$quick" = 1 ] || ! kernel bookworm-cloud || session bookworm-cloud 1
