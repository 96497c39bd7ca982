#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Builds what outside/storms.sh boots beside tests.cpio.gz, as images that are appended to it (the kernel
# unpacks one behind the other): build/guests/storms.cpio.gz with gdb, stress-ng, what gdb debugs and the
# tests in tests/guests/storms, and build/guests/modules-KERNEL.cpio.gz with a kernel's own modules.
#
#   build-storms.sh KERNEL...
set -eu

cd "$(dirname "$0")/../.."
out=build/guests
storms=tests/guests/storms

sh tests/guests/fetch-tools.sh
gcc -g -O0 -static -no-pie -fcf-protection=none -o $out/debuggee $storms/debuggee.c
set -- "$@" --
for class in cpu vm memory scheduler signal interrupt; do
    set -- "$@" "$storms/stress.sh=tests/stress-$class.sh"
done
kernels=
while [ "$1" != -- ]; do
    kernels="$kernels $1"
    shift
done
shift
sh tests/guests/initramfs.sh $out/storms.cpio.gz "$out/tools=tools" "$out/debuggee=tools/debuggee" \
    "$storms/session.gdb=tools/session.gdb" "$storms/session.expected=tools/session.expected" \
    "$storms/gdb.sh=tests/gdb.sh" "$storms/swap.sh=tests/swap.sh" "$@"
for kernel in $kernels; do
    if [ -d "$out/kernels/$kernel/modules" ]; then
        sh tests/guests/initramfs.sh "$out/modules-$kernel.cpio.gz" "$out/kernels/$kernel/modules=modules"
    else
        echo "guests: $kernel was fetched without its modules;" \
            "tests/guests/fetch-kernel.sh --refresh $kernel gets them" >&2
    fi
done
