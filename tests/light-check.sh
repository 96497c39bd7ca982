#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Proves of a build that its light code is light (docs/architecture.md, "Light and heavy code"): light code
# runs while the guest's x87, SSE and AVX state is live in the host's registers.
#
#   light-check.sh ENTER_OBJECT [HALF_LIGHT_OBJECT...] -- LIGHT_OBJECT...
#
# (1) Each symbol that a light object needs from elsewhere is in another light object, in enter.S, or in the
# list below. (2) The code of a light or half-light object (hypervisor/heavy.mk) names no x87, MMX, SSE, AVX
# or mask register, unless its file is in the second list.
#
# A build that breaks this changes a guest's vector registers now and then: in a hypercall that clears 32
# bytes with two SSE stores, say.
set -u
export LC_ALL=C

enter=$1
shift
half=
while [ $# -gt 0 ] && [ "$1" != -- ]; do
    half="$half $1"
    shift
done
[ $# -gt 1 ] || { echo "light-check.sh: no objects" >&2; exit 2; }
shift

# symbol kind reason.  data: is read or written, not called.  heavy: its address goes to engine_heavy_call()
# or engine_xcall(), or its only callers run behind these.  half: called, in a half-light object.
allowed='
machine               data  mem/machine.c: the frame table
debug                 data  base/debug.c: what --debug asked for
terminal              data  base/diag.c: whether the terminal is raw
vcpu_current          data  engine/signal.c: the vCPU of this thread
translate_block       heavy engine.c calls it in translate_job(), behind engine_xcall()
direct_run            heavy engine.c calls it in direct_job(), behind engine_xcall()
emulate_decode        heavy emulate.c calls it behind engine_heavy_call()
machine_alloc         half  mem/machine.c, whose system calls are raw where light code comes
machine_free          half  mem/machine.c, whose system calls are raw where light code comes
'
# Files whose inline assembly reads and writes the guest's vector registers, where they live: file reason.
on_purpose='
engine/emulate_vector.o   vector instructions in C, on the guest registers
'
vector='%[xyz]?mm[0-9]|%st\b|%k[0-7]'
good=0
bad=0

passed() {
    good=$((good + 1))
}

failed() {
    echo "not ok $1"
    bad=$((bad + 1))
}

tmp=$(mktemp -d) || exit 2
trap 'rm -rf "$tmp"' EXIT INT TERM
nm -g --defined-only "$enter" "$@" | awk 'NF == 3 { print $3 }' | sort -u >"$tmp/defined" || exit 2
[ -s "$tmp/defined" ] || { echo "light-check.sh: nm shows no symbols" >&2; exit 2; }
echo "$allowed" | awk 'NF { print $1 }' | sort -u >"$tmp/allowed"

for object in "$@"; do
    nm -u "$object" | awk '$NF != "_GLOBAL_OFFSET_TABLE_" { print $NF }' | sort -u >"$tmp/needed" || exit 2
    foreign=$(sort -u "$tmp/defined" "$tmp/allowed" | comm -13 - "$tmp/needed" | tr '\n' ' ')
    if [ -n "$foreign" ]; then
        failed "$object needs what is not light: $foreign"
    else
        passed
    fi
    cat "$tmp/needed" >>"$tmp/all-needed"
done

for object in $half "$@"; do
    objdump -d --no-show-raw-insn "$object" >"$tmp/code" || exit 2
    used=no
    grep -qE "$vector" "$tmp/code" && used=yes
    if echo "$on_purpose" | grep -q "^${object##*hypervisor/} "; then
        [ $used = yes ] || failed "$object is allowed vector registers and uses none: take it off the list"
    elif [ $used = yes ]; then
        failed "$object uses vector registers:"
        awk '/^[0-9a-f]+ </ { f = $2 } /%/ { print f, $0 }' "$tmp/code" | grep -E "$vector" | head -n 5
    else
        passed
    fi
done

sort -u "$tmp/all-needed" | comm -23 "$tmp/allowed" - >"$tmp/unused"
while read -r name; do
    failed "$name is allowed but not needed: take it off the list"
done <"$tmp/unused"

echo "$good passed, $bad failed"
[ $bad -eq 0 ]
