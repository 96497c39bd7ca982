# SPDX-License-Identifier: GPL-2.0-or-later
# Guests get the memory they were promised, from little to 16 GiB, and the host pays only for what is touched:
# a guest of 16 GiB that does nothing costs less than 1.5 GiB (its own page structures are 1.6 % of it, its
# P2M and the host's tables another part).
. tests/guests/lib.sh

needs_diptych memory
kernel bookworm-cloud || { skip memory "the kernel could not be fetched"; exit 0; }
for size in 128 512 2048 16384; do
    limit=120
    # The largest resident size, of the process that timeout(1) starts.
    session_start sh $here/boot.sh --timeout $limit --kernel "$image" --initrd "$demo" --memory ${size}M \
        --cmdline 'quiet panic=-1'
    if ! session_expect 1 'guest:[^ ]*# ' 100; then
        not_ok "memory-$size" "no prompt: $(said)"
        session_kill
        continue
    fi
    process=$(cat "/proc/$session_pid/task/$session_pid/children")
    resident=$(awk '/^VmHWM/ { print int($2 / 1024) }' "/proc/${process%% *}/status")
    session_type 'exit'
    session_end
    total=$(sed -n 's/^guest: .*CPU, \([0-9]*\) kB.*/\1/p' "$work/console")
    if [ "${total:-0}" -lt $((size * 1024 * 80 / 100 - 40 * 1024)) ]; then
        not_ok "memory-$size" "the guest has ${total:-0} KiB of $size MiB"
    elif [ "${resident:-0}" -eq 0 ] || [ "$resident" -gt 1536 ]; then
        not_ok "memory-$size" "it costs the host ${resident:-?} MiB"
    else
        ok "memory-$size"
    fi
done
