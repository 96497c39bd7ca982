# SPDX-License-Identifier: GPL-2.0-or-later
# A running guest that is told to go (SIGHUP, or SIGTERM or SIGINT twice) goes at once, with 128 plus the
# signal's number, and leaves no file, shared memory or process behind; so it does after SIGKILL. Told once
# by SIGTERM or SIGINT it is asked to power off, and may do that.
# quick
. tests/guests/lib.sh

needs_diptych killed
kernel bookworm-cloud || { skip killed "the kernel could not be fetched"; exit 0; }
leftovers() {
    ls -A /dev/shm "${TMPDIR:-/tmp}" /run 2>/dev/null | grep -i diptych | grep -v 'diptych-guests\.' | sort
}
before=$(leftovers)
for signal in TERM:143 INT:130 HUP:129 KILL:137; do
    label=killed-${signal%:*}
    rm -f "$work/in"
    mkfifo "$work/in"
    # The shell starts what is in the background deaf to SIGINT; a terminal's user doesn't.
    # shellcheck disable=SC2086
    env --default-signal=INT ${AS_USER:-} "$DIPTYCH" run --type pv --kernel "$image" --initrd "$demo" \
        --memory 256M --vcpus 2 \
        --cmdline 'console=hvc0 quiet diptych_do=hang' <"$work/in" >"$work/console" 2>"$work/stderr" &
    session_pid=$!
    exec 8>"$work/in"
    if ! session_expect 1 '^guest: first line' 60; then
        not_ok "$label" "no guest to kill: $(said)"
        session_kill
        continue
    fi
    kill -"${signal%:*}" "$session_pid"
    case $signal in
    TERM:* | INT:*)
        left=50
        while ! grep -q 'asked to power off' "$work/stderr" && [ $left -gt 0 ]; do
            left=$((left - 1))
            sleep 0.1
        done
        kill -"${signal%:*}" "$session_pid"
        ;;
    esac
    left=50
    while kill -0 "$session_pid" 2>/dev/null && [ $left -gt 0 ]; do
        left=$((left - 1))
        sleep 0.1
    done
    [ $left -gt 0 ] || kill -KILL "$session_pid"
    session_end
    status=$?
    if [ $left -eq 0 ]; then
        not_ok "$label" "still there 5 s later"
    elif [ $status -ne "${signal#*:}" ]; then
        not_ok "$label" "status $status, not ${signal#*:}: $(said)"
    elif [ "$(leftovers)" != "$before" ]; then
        not_ok "$label" "left behind: $(leftovers | tr '\n' ' ')"
    else
        ok "$label"
    fi
done

# The kernel runs this program when it is asked.
label=shutdown-asked
rm -f "$work/in"
mkfifo "$work/in"
# shellcheck disable=SC2086
${AS_USER:-} "$DIPTYCH" run --type pv --kernel "$image" --initrd "$demo" --memory 256M --on-poweroff restart \
    --cmdline 'console=hvc0 quiet diptych_do=pipe' <"$work/in" >"$work/console" 2>"$work/stderr" &
session_pid=$!
exec 8>"$work/in"
if session_expect 1 '^guest: ready' 60; then
    cat >&8 <<'END'
printf '#!/bin/sh\necho "guest: last words" >/dev/console\n/bin/poweroff -f\n' >/off
chmod 755 /off
echo /off >/proc/sys/kernel/poweroff_cmd
echo "guest: prepared"
END
    session_expect 1 '^guest: prepared' 60
    kill -TERM "$session_pid"
    session_expect 1 'guest: last words$' 9
    session_end
    status=$?
    if [ $status -ne 0 ]; then
        not_ok $label "status $status, not 0: $(said)"
    elif ! grep -q 'guest: last words$' "$work/console"; then
        not_ok $label "it powered off without running its program"
    else
        ok $label
    fi
else
    not_ok $label "no guest to ask: $(said)"
    session_kill
fi
