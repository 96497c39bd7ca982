#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Fetches what the benchmark needs of Debian's archive besides a kernel, and unpacks it under build/bench:
#
#   fetch.sh toolchain    gcc, make, binutils and libc's headers of Debian 12, and the sources of Lua, which
#                         builds without a configure script: the tree in which the row build-c is run
#   fetch.sh uml          User Mode Linux of Debian sid and the libraries that it wants: Debian 12's has no
#                         seccomp mode, which enters its kernel in half the time
#
# Prints the tree's path on stdout; what it does goes to stderr. A tree that is there is not fetched again.
# Relies on tests/guests/debian.sh, and so on apt alone; nothing is installed.
set -u

cd "$(dirname "$0")/../.." || exit 1
say() { echo "bench: $*" >&2; }
. tests/guests/debian.sh

toolchain='make gcc-12 cpp-12 libgcc-12-dev binutils binutils-x86-64-linux-gnu libbinutils libctf0
    libctf-nobfd0 libgprofng0 libc6 libc6-dev linux-libc-dev libgcc-s1 libstdc++6 libisl23 libmpc3 libmpfr6
    libgmp10 libzstd1 zlib1g libjansson4'
uml='user-mode-linux libc6 libgcc-s1'

# unpack_into TREE SUITE PACKAGE...: downloads and unpacks.
unpack_into() {
    into=$1
    suite=$2
    shift 2
    root=$(apt_root "$suite") && update "$root" "$suite" && mkdir -p "$into.deb" || return 1
    say "fetching $* of Debian $suite"
    download "$root" "$into.deb" download "$@" || return 1
    for package in "$into.deb"/*.deb; do
        dpkg-deb --fsys-tarfile "$package" |
            tar -x --keep-directory-symlink --no-same-owner -C "$into" || return 1
    done
    rm -rf "$into.deb"
}

fetch_toolchain() {
    # shellcheck disable=SC2086
    unpack_into "$1" bookworm $toolchain || return 1
    # What no C compilation reads; it would only make the initramfs larger.
    (cd "${1:?}" && rm -rf usr/share etc var usr/lib/gcc/x86_64-linux-gnu/12/lto1 usr/bin/*lto-dump* \
        usr/bin/*gold usr/bin/*dwp usr/bin/*gp* usr/lib/x86_64-linux-gnu/*gprofng* \
        usr/lib/x86_64-linux-gnu/gconv)
    find "$1" -name 'lib*san*' -delete
    # Absolute links would lead out of the tree here, and dangling ones nowhere; the loader's is the only one
    # that is wanted.
    find "$1" -lname '/*' -delete
    find -L "$1" -type l -delete
    ln -s ../lib/x86_64-linux-gnu/ld-linux-x86-64.so.2 "$1/lib64/ld-linux-x86-64.so.2"
    ln -s gcc-12 "$1/usr/bin/gcc"
    mkdir -p "$1.src" "$1/src/lua" || return 1
    sources=$(apt_root bookworm deb-src) && update "$sources" bookworm || return 1
    say "fetching the sources of Lua of Debian bookworm"
    download "$sources" "$1.src" source --download-only lua5.4 || return 1
    tar -x --no-same-owner --strip-components=2 -C "$1/src/lua" --wildcards \
        -f "$1.src"/lua5.4_*.orig.tar.gz '*/src/*' || return 1
    rm -rf "$1.src"
}

fetch_uml() {
    mkdir -p "$1/usr/lib" "$1/usr/lib64" "$1/work" "$1/tmp" "$1/proc" "$1/dev"
    ln -s usr/lib "$1/lib"
    ln -s usr/lib64 "$1/lib64"
    # shellcheck disable=SC2086
    unpack_into "$1" sid $uml || return 1
    rm -rf "${1:?}/usr/lib/uml" "${1:?}/usr/share"
}

case ${1:-} in
toolchain | uml) ;;
*)
    echo "usage: fetch.sh toolchain|uml" >&2
    exit 2
    ;;
esac
mkdir -p build/guests build/bench || exit 1
exec 9>build/guests/.fetch-lock
flock 9
tree=$PWD/build/bench/$1
if [ ! -d "$tree" ]; then
    rm -rf "$tree".*
    mkdir -p "$tree.new" || exit 1
    if ! "fetch_$1" "$tree.new"; then
        say "$1 cannot be had now; with a working mirror run: tests/bench/fetch.sh $1"
        exit 1
    fi
    mv "$tree.new" "$tree" || exit 1
fi
echo "build/bench/$1"
