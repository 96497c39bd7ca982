# SPDX-License-Identifier: GPL-2.0-or-later
# Over a minute the guest's clocks, of uptime and of the day, keep within 1 % of the host's, and the guest's
# idea of the date is the host's.
. tests/guests/lib.sh

kernel bookworm-cloud || { skip clock "the kernel could not be fetched"; exit 0; }
sh $here/boot.sh --timeout 200 --kernel "$image" --initrd "$demo" \
    --cmdline 'quiet panic=-1 diptych_do=clock diptych_seconds=60' \
    </dev/null 2>"$work/stderr" | while read -r word uptime date _; do
    [ "$word" = clock ] && echo "$(date +%s%N) $uptime ${date%?}" # the terminal's carriage return
done >"$work/stamps"
awk '
    function judge(name, good, why) { print good ? "ok " name : "not ok " name ": " why }
    { host[NR] = $1 / 1e9; uptime[NR] = $2; date[NR] = $3 }
    END {
        if (NR != 2) { judge("clock", 0, "the guest said its time " NR " times, not twice"); exit }
        span = host[2] - host[1]
        drift = (uptime[2] - uptime[1] - span) / span * 100
        judge("clock-drift", drift < 1 && drift > -1, sprintf("%.2f %% over %.1f s", drift, span))
        off = date[2] - host[2]
        judge("clock-date", off < 2 && off > -3, sprintf("%.1f s off", off))
        # Whole seconds, so one more or less says nothing.
        walked = date[2] - date[1] - span
        judge("clock-date-drift", walked < 1.6 && walked > -1.6, sprintf("%.1f s over %.1f s", walked, span))
    }' "$work/stamps"
