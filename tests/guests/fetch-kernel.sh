#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Fetches stock guest kernels out of Debian's packages and puts them under build/guests/kernels/.
#
#   fetch-kernel.sh [--refresh] NAME...      NAMEs are in the table below
#
# Prints the path of each kernel image, one a line, on stdout; what it does goes to stderr. A kernel that is
# there is not fetched again, so after the first time no network is needed. --refresh asks for the newest, and
# keeps what is there if it can't be had.
#
# Beside the image there are its configuration and the modules that tests load (modules/). Relies on
# debian.sh, and so on apt alone. Nothing is installed and the machine's own apt state is not touched.
set -u

cd "$(dirname "$0")/../.." || exit 1
top=build/guests

# name         suite      metapackage
kernels='
bookworm-cloud bookworm   linux-image-cloud-amd64
bookworm       bookworm   linux-image-amd64
trixie-cloud   trixie     linux-image-cloud-amd64
trixie         trixie     linux-image-amd64
sid-cloud      sid        linux-image-cloud-amd64
sid            sid        linux-image-amd64
'

# What tests/guests/storms loads where it isn't built in; compressed in later kernels.
modules='*/zram.ko* */zsmalloc.ko* */lzo.ko* */lzo-rle.ko* */lz4.ko* */lz4*_compress.ko* */842_*compress.ko*
    */zstd_compress.ko* */zlib_deflate.ko*'

say() { echo "fetch-kernel: $*" >&2; }
. tests/guests/debian.sh

# depends ROOT PACKAGE: the first kernel package that PACKAGE depends on.
depends() {
    in_root "$1" apt-cache depends --important "$2" |
        sed -n 's/^ *|\{0,1\}Depends: \(linux-\(image\|binary\)-[0-9][^ ]*\)$/\1/p' | head -n 1
}

# unpack DEB DIR: what we want out of the package; fails when it has no image.
unpack() {
    member=$(dpkg-deb --fsys-tarfile "$1" | tar -t | grep -E '/vmlinuz(-[^/]*)?$' | head -n 1)
    [ -n "$member" ] || return 1
    rm -rf "$2.new"
    mkdir -p "$2.new"
    dpkg-deb --fsys-tarfile "$1" | tar -x -O "$member" >"$2.new/vmlinuz" || return 1
    config=$(dpkg-deb --fsys-tarfile "$1" | tar -t | grep -E '/config(-[^/]*)?$' | head -n 1)
    if [ -n "$config" ]; then
        dpkg-deb --fsys-tarfile "$1" | tar -x -O "$config" >"$2.new/config"
    fi
    mkdir "$2.new/modules"
    # shellcheck disable=SC2086
    (
        set -f
        dpkg-deb --fsys-tarfile "$1" |
            tar -x -C "$2.new/modules" --wildcards --transform 's,.*/,,' $modules 2>/dev/null
    )
    dpkg-deb -f "$1" Package Version >"$2.new/package"
    chmod -R a+rX "$2.new"
    rm -rf "$2"
    mv "$2.new" "$2"
}

# fetch NAME SUITE METAPACKAGE
fetch() {
    dir=$top/kernels/$1
    root=$(apt_root "$2") || return 1
    update "$root" "$2"
    package=$3
    for _ in 1 2 3; do
        next=$(depends "$root" "$package")
        [ -n "$next" ] || break
        package=$next
        if [ -f "$dir/package" ] && [ -d "$dir/modules" ] &&
            in_root "$root" apt-cache show "$package" 2>/dev/null |
            grep '^Version:' | grep -qxF "$(sed -n '/^Version:/p' "$dir/package")" &&
            grep -qxF "Package: $package" "$dir/package"; then
            say "$1: $package is the newest"
            return 0
        fi
        say "$1: fetching $package of Debian $2"
        rm -f "$root"/cache/*.deb
        download "$root" "$root/cache" download "$package" || return 1
        deb=$(find "$root/cache" -maxdepth 1 -name '*.deb' | head -n 1)
        if unpack "$deb" "$dir"; then
            rm -f "$deb"
            return 0
        fi
        rm -f "$deb"    # this one only depends on the package that has the image
    done
    say "$1: no kernel image found by way of $3 in Debian $2"
    return 1
}

refresh=0
if [ "${1:-}" = --refresh ]; then
    refresh=1
    shift
fi
if [ $# -eq 0 ]; then
    say "which? One or more of:$(echo "$kernels" | awk 'NF { printf " %s", $1 }')"
    exit 2
fi

mkdir -p $top || exit 1
exec 9>$top/.fetch-lock
flock 9
status=0
for name in "$@"; do
    row=$(echo "$kernels" | awk -v n="$name" '$1 == n')
    if [ -z "$row" ]; then
        say "there is no kernel '$name' in the table"
        status=2
        continue
    fi
    image=$top/kernels/$name/vmlinuz
    if [ ! -s "$image" ] || [ $refresh = 1 ]; then
        # shellcheck disable=SC2086
        if ! fetch $row; then
            if [ -s "$image" ]; then
                say "$name: keeping what is there: $(tr '\n' ' ' <"$top/kernels/$name/package")"
            else
                say "$name: cannot be had now; with a working mirror run: tests/guests/fetch-kernel.sh $name"
                status=1
                continue
            fi
        fi
    fi
    echo "$image"
done
exit $status
