# SPDX-License-Identifier: GPL-2.0-or-later
# A fork bomb of bounded size goes off and is over: 2^8 shells at once, twice; then one that runs into its
# process limit. Afterwards the machine is as it was. A hypervisor that leaks pinned page tables runs out
# here.
fail() { echo "$*"; exit 1; }
bomb() {
    if [ "$1" -eq 0 ]; then
        echo x >>/tmp/bomb
    else
        bomb $(($1 - 1)) &
        bomb $(($1 - 1)) &
        wait
    fi
}
free_before=$(awk '/^MemAvailable/ { print $2 }' /proc/meminfo)
for round in 1 2; do
    : >/tmp/bomb
    bomb 8
    count=$(wc -l </tmp/bomb)
    [ "$count" -eq 256 ] || fail "round $round: $count of 256 went off"
done
# 30 processes are allowed to a user who wants hundreds: forks fail, nothing else does.
cat >/tmp/limited.sh <<'END'
ulimit -u 30 2>/dev/null || ulimit -p 30
bomb() { bomb & bomb & wait; }
(bomb) >/dev/null 2>&1 &
sleep 1
kill -KILL -1
END
chmod 644 /tmp/limited.sh
su nobody -s /bin/sh -c 'sh /tmp/limited.sh' >/dev/null 2>&1
sleep 0.3
left=$(ps -o user,comm | grep -c '^nobody')
[ "$left" -eq 0 ] || fail "$left of nobody's processes are left"
free_after=$(awk '/^MemAvailable/ { print $2 }' /proc/meminfo)
[ "$((free_before - free_after))" -lt 40000 ] || fail "$((free_before - free_after)) KiB are gone"
