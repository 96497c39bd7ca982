# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=sh
#
# Sourced by whoever talks to a guest over its console: starts it with a pipe on stdin, waits for what it
# says, and types. One session at a time. The caller has set session_dir to a directory of its own; the
# console goes to $session_dir/console, what the runner says on stderr to $session_dir/stderr.

# session_start COMMAND...: starts the guest in the background, console input open.
session_start() {
    rm -f "$session_dir/in"
    mkfifo "$session_dir/in" || return 1
    : >"$session_dir/console"
    "$@" <"$session_dir/in" >"$session_dir/console" 2>"$session_dir/stderr" &
    session_pid=$!
    exec 8>"$session_dir/in"
}

# session_expect COUNT PATTERN SECONDS: until the console has COUNT lines that match the extended regular
# expression. Fails when the time is up or the guest is gone without them.
session_expect() {
    session_left=$(($3 * 10))
    while [ "$(grep -a -c -E -- "$2" "$session_dir/console")" -lt "$1" ]; do
        if [ $session_left -le 0 ] || ! kill -0 "$session_pid" 2>/dev/null; then
            # What it said last may have come between the two looks.
            [ "$(grep -a -c -E -- "$2" "$session_dir/console")" -ge "$1" ]
            return
        fi
        session_left=$((session_left - 1))
        sleep 0.1
    done
}

# session_type TEXT: types a line. Fails when there is no guest to read it.
session_type() { (trap '' PIPE; printf '%s\n' "$1" >&8) 2>/dev/null; }

# session_end: closes the console's input, waits for the guest to end, and returns the runner's exit status.
session_end() {
    exec 8>&-
    wait "$session_pid"
}

# session_kill: ends a guest that doesn't end by itself, without asking it.
session_kill() {
    exec 8>&-
    kill -HUP "$session_pid" 2>/dev/null
    wait "$session_pid" 2>/dev/null
}
