# SPDX-License-Identifier: GPL-2.0-or-later
# On a terminal the console is the guest's: Ctrl-C interrupts what runs in the guest, not the guest; the
# window's size gets there; Ctrl-] leaves with status 6; the terminal's settings are as before, afterwards.
# Played on a pseudo-terminal by script(1).
# quick
. tests/guests/lib.sh

needs_diptych console-terminal
command -v script >/dev/null || { skip console-terminal "script(1) is not installed"; exit 0; }
kernel bookworm-cloud || { skip console-terminal "the kernel could not be fetched"; exit 0; }

cat >"$work/play" <<END
stty -a >$work/stty-before
sh $here/boot.sh --timeout 120 --kernel $image --initrd $demo --cmdline 'quiet panic=-1'
printf '\\nstatus %s\\n' \$?
stty -a >$work/stty-after
END
session_start script -q -f -c "sh $work/play" /dev/null
prompt='guest:[^ ]*# '
if ! session_expect 1 "$prompt" 60; then
    not_ok console-terminal "no prompt: $(tail -n 1 "$work/console")"
    session_kill
    exit 0
fi
session_type "echo answer \$((6 * 7)); sleep 1000"
session_expect 1 '^answer 42' 20
sleep 1
printf '\003' >&8
if session_expect 2 "$prompt" 20; then
    ok terminal-interrupt
else
    not_ok terminal-interrupt "Ctrl-C didn't end a sleep in the guest"
fi
printf '\035' >&8
session_expect 1 '^status ' 20
code=$(tr -d '\r' <"$work/console" | sed -n 's/^status //p')
if [ "$code" = 6 ]; then
    ok terminal-leave
else
    not_ok terminal-leave "Ctrl-] gave status '${code:-none}', not 6"
fi
session_kill
if [ -s "$work/stty-after" ] && cmp -s "$work/stty-before" "$work/stty-after"; then
    ok terminal-restored
else
    not_ok terminal-restored \
        "settings differ: $(diff "$work/stty-before" "$work/stty-after" | tr '\n' ' ' | cut -c1-150)"
fi
