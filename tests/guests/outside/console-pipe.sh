# SPDX-License-Identifier: GPL-2.0-or-later
# The console is a pipe like any other: commands piped in run and their output comes out, whole and in order,
# in both directions at megabytes; an end of input doesn't end the guest; a closed output doesn't hang it.
# quick
. tests/guests/lib.sh

needs_diptych console-pipe
kernel bookworm-cloud || { skip console-pipe "the kernel could not be fetched"; exit 0; }

# Typed before the guest is even there, with the end of input right behind.
printf 'echo first $((6 * 7))\nseq 3 | tac | tr "\\n" " "\necho\npoweroff -f\n' >"$work/commands"
input=$work/commands
boot --kernel "$image" --initrd "$demo" --cmdline 'quiet panic=-1 diptych_do=pipe'
if [ $status -eq 0 ] && grep -q '^first 42' "$work/console.lines" &&
    grep -q '^3 2 1 ' "$work/console.lines"; then
    ok console-commands
else
    not_ok console-commands \
        "status $status, answers: $(grep -a -E '^(first|3 2 1)' "$work/console.lines" | tr '\n' ';') $(said)"
fi

# Two megabytes out.
echo "echo BEGIN; seq 300000; echo END; poweroff -f" >"$work/commands"
boot --kernel "$image" --initrd "$demo" --cmdline 'quiet panic=-1 diptych_do=pipe'
sum=$(sed -n '/^BEGIN/,/^END/p' "$work/console.lines" | grep -a '^[0-9]*$' | sha256sum)
if [ "$sum" = "$(seq 300000 | sha256sum)" ]; then
    ok console-out
else
    not_ok console-out \
        "2 MB of numbers came out changed: $(grep -a -c '^[0-9]*$' "$work/console.lines") lines"
fi

# 400 KB in, once the guest listens; it says what it got.
unset input
session_start sh $here/boot.sh --timeout 120 --kernel "$image" --initrd "$demo" \
    --cmdline 'quiet panic=-1 diptych_do=pipe'
if session_expect 1 '^guest: ready' 60; then
    session_type "head -c 408894 | sha256sum; echo DONE"
    sleep 0.5
    seq 70000 | timeout 60 cat >&8
    session_expect 1 '^DONE' 60
    if grep -q "^$(seq 70000 | sha256sum | cut -d' ' -f1)" "$work/console"; then
        ok console-in
    else
        not_ok console-in "it got $(grep -a -m1 -E '^[0-9a-f]{64}' "$work/console" || echo nothing)"
    fi
    session_type "poweroff -f"
    session_end
else
    not_ok console-in "the guest never listened: $(said)"
    session_kill
fi

# Nobody reads: the guest's output has nowhere to go, and diptych ends rather than spin or hang.
limit=60
echo 'while :; do echo more; done' >"$work/commands"
timeout 60 sh $here/boot.sh --timeout 50 --kernel "$image" --initrd "$demo" \
    --cmdline 'quiet diptych_do=pipe' \
    <"$work/commands" 2>"$work/stderr" | head -n 20 >"$work/console"
if [ "$(wc -l <"$work/console")" -eq 20 ]; then
    ok console-closed
else
    not_ok console-closed "$(wc -l <"$work/console") lines came before the end"
fi

# Xen's emergency console: allowed, it shows a kernel from its first line on; otherwise it is refused.
boot --kernel "$image" --initrd "$demo" --cmdline 'earlyprintk=xen quiet diptych_do=poweroff' \
    -- --debug console_io
if grep -a -q 'Linux version' "$work/stderr"; then
    ok console-io
else
    not_ok console-io "nothing of the kernel's on standard error: $(said)"
fi
boot --kernel "$image" --initrd "$demo" --cmdline 'earlyprintk=xen quiet diptych_do=poweroff'
if grep -a -q 'Linux version' "$work/stderr"; then
    not_ok console-io-refused "the kernel writes to standard error, which nobody has allowed"
else
    ok console-io-refused
fi
