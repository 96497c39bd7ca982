# SPDX-License-Identifier: GPL-2.0-or-later
# Somebody kills the processes that user code of a guest runs in, again and again, whatever they are at. That
# is said once. What ran in one at that moment may end; the guest and the rest of its programs go on, in other
# processes or in the translator, and nothing that the guest computes is wrong.
# quick
. tests/guests/lib.sh

needs_diptych stubs
kernel bookworm-cloud || { skip stubs "the kernel could not be fetched"; exit 0; }
diptych doctor
if ! grep -q '^direct execution: yes' "$work/out"; then
    skip stubs "there is no direct execution here"
    exit 0
fi

# kill_stubs: those that user code of the guest runs in, which are all but the oldest: that one the others are
# made from. At one moment of the guest, or whoever waits for one of the killed would run in the next.
kill_stubs() {
    guest=$(pgrep -P "$session_pid" -x diptych || echo "$session_pid")
    kill -STOP "$guest"
    for stub in $(pgrep -P "$guest" | grep -v -x "$(pgrep -o -P "$guest")"); do
        kill -KILL "$stub" && killed=$((killed + 1))
    done
    kill -CONT "$guest"
}

# shellcheck disable=SC2086
session_start ${AS_USER:-} "$DIPTYCH" run --type pv --kernel "$image" --initrd "$demo" --memory 256M \
    --exec direct --cmdline 'console=hvc0 quiet diptych_do=pipe'
if ! session_expect 1 '^guest: ready' 60; then
    not_ok stubs "no guest: $(said)"
    session_kill
    exit 0
fi
session_type 'count() { i=0; while [ $i -lt 3000 ]; do i=$((i + 1)); done; }'
session_type 'spin() { while count; do [ $i = 3000 ] || echo "guest: wrong $i"; done; }'
# The shell mustn't be among those that run: it waits for a child, which says so and waits for a line.
session_type 'sleeps() { grep -q "^State:.S" /proc/$$/status; }'
session_type 'ask() { until sleeps; do :; done; echo "guest: alive"; read line; }'
killed=0
for round in 1 2 3 4 5 6 7 8; do
    session_type 'spin & sleep 1; (ask)'
    session_expect "$round" '^guest: alive' 30 || break
    kill_stubs
    session_type ':'
done
session_type 'echo "guest: the end"; poweroff -f'
session_expect 1 '^guest: the end' 30
lived=$?
session_kill
if [ $killed -eq 0 ]; then
    not_ok stubs "there was none to kill"
elif grep -q '^guest: wrong' "$work/console"; then
    not_ok stubs "$(grep -m 1 '^guest: wrong' "$work/console")"
elif [ $lived -ne 0 ]; then
    not_ok stubs "$killed were killed, and the guest's shell is gone: $(said)"
elif [ "$(grep -c 'was killed from outside' "$work/stderr")" -gt 1 ]; then
    not_ok stubs "said more than once"
else
    ok stubs
fi
