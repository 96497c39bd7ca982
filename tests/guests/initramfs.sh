#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Builds an initramfs.
#
#   initramfs.sh OUTPUT [SOURCE=DESTINATION]...
#
# Every image has Debian's static busybox with a link for each of its applets, and tests/guests/init as /init.
# SOURCEs are files or whole directories (links followed), put at DESTINATION in the guest. No device nodes,
# so no root: the kernel's built-in initramfs has /dev/console, and /init mounts devtmpfs. The same input
# gives the same bytes.
set -eu

here=$(dirname "$0")
output=$1
shift
busybox=/bin/busybox
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT

umask 022
mkdir -p "$tree/bin" "$tree/dev" "$tree/proc" "$tree/sys" "$tree/tmp" "$tree/etc" "$tree/root"
ln -s bin "$tree/sbin"
cp "$busybox" "$tree/bin/busybox"
for applet in $("$busybox" --list); do
    [ "$applet" = busybox ] || ln -s busybox "$tree/bin/$applet"
done
echo 'root:x:0:0:root:/root:/bin/sh
nobody:x:65534:65534:nobody:/:/bin/sh' >"$tree/etc/passwd"
cp "$here/init" "$tree/init"
chmod 755 "$tree/init"

for pair in "$@"; do
    source=${pair%%=*}
    destination=$tree/${pair#*=}
    mkdir -p "$(dirname "$destination")"
    cp -RL "$source" "$destination"
done

find "$tree" -exec touch -h -d @0 {} +
mkdir -p "$(dirname "$output")"
(cd "$tree" && find . | LC_ALL=C sort | cpio --quiet --reproducible -R 0:0 -o -H newc) |
    gzip -n -6 >"$output.new"
mv "$output.new" "$output"
