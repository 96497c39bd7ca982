# SPDX-License-Identifier: GPL-2.0-or-later
# Each of our own small PV guests (tests/guests/pv, one property of the ABI a file) ends as its source says it must.
# quick
. tests/guests/lib.sh

needs_diptych pv-guests
sh tests/guests/pv/run-pv.sh >"$work/out" 2>"$work/stderr"
sed -n -E 's/^(ok|not ok) - /\1 pv-/p' "$work/out"
