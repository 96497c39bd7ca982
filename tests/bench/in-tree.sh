#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Runs a command with another file tree as its root and this directory at /work, where it starts.
#
#   in-tree.sh TREE COMMAND [ARGUMENT...]
#
# TREE is a directory that has dev, proc, tmp and work, or an initramfs (.cpio.gz), which is unpacked into
# memory, as a guest's kernel does it.
#
# Needs no root, but user namespaces (unshare(1)) if we aren't root; where they are forbidden it ends with
# status 1. What is mounted and unpacked goes with the process.
set -eu

if [ -z "${in_tree_inside:-}" ]; then
    [ "$(id -u)" = 0 ] && as_root= || as_root=--map-root-user
    # shellcheck disable=SC2086
    exec env in_tree_inside=yes unshare --mount $as_root sh "$0" "$@"
fi
unset in_tree_inside
tree=$1
shift
if [ -f "$tree" ]; then
    image=$PWD/$tree
    tree=$PWD/build/bench/tree
    mkdir -p "$tree"
    mount -t tmpfs tmpfs "$tree"
    (cd "$tree" && gzip -dc "$image" | cpio -id --quiet && mkdir work)
fi
mount --rbind /proc "$tree/proc"
mount --rbind /dev "$tree/dev"
mount -t tmpfs tmpfs "$tree/tmp"
mount --bind "$PWD" "$tree/work"
HOME=/tmp exec unshare --root="$tree" --wd=/work "$@"
