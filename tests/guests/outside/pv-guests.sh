# SPDX-License-Identifier: GPL-2.0-or-later
# Each of our own small PV guests (tests/guests/pv, one property of the ABI a file) runs to its end with status 0 and no failed check.
# quick
. tests/guests/lib.sh

needs_diptych pv-guests
some=0
for source in tests/guests/pv/*.c; do
    name=$(basename "$source" .c)
    guest=build/guests/pv/$name
    [ -f "$source" ] || continue
    some=1
    if [ ! -f "$guest" ]; then
        not_ok "pv-$name" "it isn't built; run make pvguests"
        continue
    fi
    cp "$guest" "$work/$name"
    chmod 755 "$work/$name"
    limit=120
    diptych run --type pv --kernel "$work/$name" --memory 64M --vcpus 2
    cp "$work/out" "$work/$name.out"
    if [ $status -eq 0 ] && ! grep -a -q '^not ok' "$work/out"; then
        ok "pv-$name"
    else
        not_ok "pv-$name" "status $status: $(grep -a -m1 '^not ok' "$work/out" || said)"
    fi
done
[ $some = 1 ] || skip pv-guests "there are none"
