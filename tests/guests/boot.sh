#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Boots a kernel with its console on stdin and stdout, under one of several hypervisors, so that the same
# guest and the same scripts judge all of them.
#
#   RUNNER=diptych|qemu|uml boot.sh --kernel FILE --initrd FILE [--cmdline STRING] [--memory 512M] [--vcpus 1]
#                                   [--timeout SECONDS] [-- FURTHER-RUNNER-OPTIONS...]
#
# Puts the runner's console= into the command line. Exit status: the runner's own (diptych: base/diag.h; qemu
# and uml: 0 whatever the guest did), 124 when the time is up.
#
# Environment: DIPTYCH (default build/diptych), DIPTYCH_EXEC (for its option --exec), QEMU_CPU (default
# max), UML (default linux.uml); AS_USER, a command that runs another as an ordinary user (default: as
# whoever we are).
set -eu

kernel=
initrd=
cmdline=
memory=512M
vcpus=1
seconds=0
while [ $# -gt 0 ]; do
    case $1 in
    --kernel) kernel=$2 ;;
    --initrd) initrd=$2 ;;
    --cmdline) cmdline=$2 ;;
    --memory) memory=$2 ;;
    --vcpus) vcpus=$2 ;;
    --timeout) seconds=$2 ;;
    --)
        shift
        break
        ;;
    *)
        echo "boot.sh: unknown option $1" >&2
        exit 2
        ;;
    esac
    shift 2
done

# timeout(1) in the foreground, so that a terminal on stdin stays ours; 0 means no limit.
limit="timeout --foreground --kill-after=5 $seconds ${AS_USER:-}"

case ${RUNNER:-diptych} in
diptych)
    exec $limit "${DIPTYCH:-build/diptych}" run --type pv --kernel "$kernel" --initrd "$initrd" \
        --cmdline "console=hvc0 $cmdline" --memory "$memory" --vcpus "$vcpus" \
        ${DIPTYCH_EXEC:+--exec "$DIPTYCH_EXEC"} "$@"
    ;;
qemu)
    exec $limit qemu-system-x86_64 -accel tcg -cpu "${QEMU_CPU:-max}" -nodefaults -no-user-config \
        -display none \
        -serial stdio -monitor none -no-reboot -kernel "$kernel" -initrd "$initrd" \
        -append "console=ttyS0 $cmdline" -m "$memory" -smp "$vcpus" "$@"
    ;;
uml)
    # UML is its own kernel and has one CPU; what it says about itself before the console is up goes to
    # stderr.
    exec $limit "${UML:-linux.uml}" mem="$memory" initrd="$initrd" con0=fd:0,fd:1 con=null ssl=null \
        console=tty0 $cmdline "$@"
    ;;
*)
    echo "boot.sh: RUNNER is diptych, qemu or uml, not ${RUNNER:-}" >&2
    exit 2
    ;;
esac
