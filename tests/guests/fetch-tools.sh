#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Fetches the Debian programs that tests/guests/storms runs in guests, gdb and stress-ng of Debian 12, with
# the libraries that they are linked with, and puts them under build/guests/tools as a directory to chroot
# into.
#
# What is there is not fetched again. Prints nothing on stdout; what it does goes to stderr. Relies on apt;
# see debian.sh.
set -u

cd "$(dirname "$0")/../.." || exit 1
top=build/guests
tools=$top/tools
packages='gdb-minimal stress-ng'
programs='usr/bin/gdb usr/bin/stress-ng'
# gdb converts what it parses to UTF-32.
data='usr/lib/x86_64-linux-gnu/gconv/gconv-modules usr/lib/x86_64-linux-gnu/gconv/UTF-32.so'

say() { echo "fetch-tools: $*" >&2; }
. tests/guests/debian.sh

# needed ROOT FILE...: adds to $wanted the libraries that the files are linked with, and theirs.
needed() {
    unpacked=$1
    shift
    for file in "$@"; do
        libraries=$(objdump -p "$unpacked/$file" | awk '$1 == "NEEDED" { print $2 }')
        for library in $libraries ld-linux-x86-64.so.2; do
            path=$(cd "$unpacked" && find lib lib64 usr/lib -name "$library" | head -n 1)
            [ -n "$path" ] || { say "$file needs $library, which no package has"; return 1; }
            case " $wanted " in *" $path "*) continue ;; esac
            wanted="$wanted $path"
            needed "$unpacked" "$path" || return 1
        done
    done
}

mkdir -p $top || exit 1
exec 9>$top/.fetch-lock
flock 9
[ ! -d $tools ] || exit 0
root=$(apt_root bookworm) || exit 1
update "$root" bookworm
say "fetching $packages of Debian 12"
rm -rf $tools.new $tools.unpacked
mkdir -p $tools.new/proc $tools.new/sys $tools.new/dev $tools.new/tmp $tools.unpacked
# Into an empty machine (the private directory's), so with all that they need.
# shellcheck disable=SC2086
if ! in_root "$root" apt-get -y --download-only --no-install-recommends install $packages \
    >"$root/log" 2>&1; then
    tail -n 3 "$root/log" >&2
    exit 1
fi
for deb in "$root"/cache/archives/*.deb; do
    dpkg-deb -x "$deb" $tools.unpacked || exit 1
done
rm -f "$root"/cache/archives/*.deb
wanted=
# shellcheck disable=SC2086
needed $tools.unpacked $programs || exit 1
for file in $programs $data $wanted; do
    mkdir -p "$tools.new/$(dirname "$file")"
    cp -L "$tools.unpacked/$file" "$tools.new/$file" || exit 1
done
# Where the kernel looks for the dynamic linker.
mkdir -p $tools.new/lib64
cp -L "$(find $tools.new -name ld-linux-x86-64.so.2 | head -n 1)" $tools.new/lib64/ 2>/dev/null
rm -rf $tools.unpacked
mv $tools.new $tools
