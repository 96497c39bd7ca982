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
# Relies on apt alone: a private apt directory for each suite, filled from the mirror that this machine's apt
# is configured with. So the chain of trust is Debian's own: InRelease checked by gpgv with
# debian-archive-keyring, Packages by InRelease, the package by Packages. Nothing is installed and the
# machine's own apt state is not touched.
set -u

cd "$(dirname "$0")/../.." || exit 1
top=build/guests
keyring=/usr/share/keyrings/debian-archive-keyring.gpg

# name         suite      metapackage
kernels='
bookworm-cloud bookworm   linux-image-cloud-amd64
bookworm       bookworm   linux-image-amd64
trixie-cloud   trixie     linux-image-cloud-amd64
trixie         trixie     linux-image-amd64
sid-cloud      sid        linux-image-cloud-amd64
sid            sid        linux-image-amd64
'

say() { echo "fetch-kernel: $*" >&2; }

# targets: "uri suite" of every Debian package index that this machine's apt is configured with.
targets() {
    apt-get indextargets --format '$(REPO_URI) $(RELEASE)' 'Created-By: Packages' 'Component: main' | sort -u
}

# apt_root SUITE: makes the private apt directory of the suite and prints its path.
apt_root() {
    root=$PWD/$top/apt/$1
    mkdir -p "$root/state/lists/partial" "$root/cache/archives/partial" || return 1
    : >"$root/status"
    archive=$(targets | awk '$2 !~ /security|updates|backports|\// && $1 !~ /security/' | awk -v s="$1" '
        $2 == s { print $1; found = 1; exit }
        NR == 1 { first = $1 }
        END { if (!found) print first }' | head -n 1)
    security=$(targets | awk '$2 ~ /-security$/ { print $1; exit }')
    if [ -z "$archive" ]; then
        say "apt has no Debian archive configured (apt-get indextargets names none)"
        return 1
    fi
    {
        echo "deb [arch=amd64 signed-by=$keyring] $archive $1 main"
        if [ "$1" != sid ] && [ -n "$security" ]; then
            echo "deb [arch=amd64 signed-by=$keyring] $security $1-security main"
        fi
    } >"$root/sources.list"
    echo "$root"
}

# in_root ROOT COMMAND...: apt-get or apt-cache on the private directory.
in_root() {
    in_root=$1
    command=$2
    shift 2
    "$command" -q -o Dir::State="$in_root/state" -o Dir::State::status="$in_root/status" \
        -o Dir::Cache="$in_root/cache" -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= \
        -o Dir::Etc::sourcelist="$in_root/sources.list" \
        -o Dir::Etc::sourceparts=/dev/null -o Dir::Etc::preferences=/dev/null \
        -o Dir::Etc::preferencesparts=/dev/null -o APT::Architecture=amd64 -o APT::Architectures::=amd64 \
        -o APT::Sandbox::User= -o APT::Get::List-Cleanup=0 -o Acquire::Languages=none \
        -o Acquire::Retries=3 -o Acquire::IndexTargets::deb::Contents-deb::DefaultEnabled=false \
        -o Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false "$@"
}

# update ROOT SUITE: fresh indexes, once a run and suite; an old index does if the mirror is away.
update() {
    case " $updated " in *" $2 "*) return 0 ;; esac
    updated="$updated $2"
    for pause in 0 5 20; do
        sleep $pause
        if in_root "$1" apt-get update >"$1/log" 2>&1 && ! grep -q '^[WE]: Failed' "$1/log"; then
            return 0
        fi
        say "the mirror had trouble with the indexes of $2 (it may be in mid-sync)"
    done
    tail -n 3 "$1/log" >&2
    return 0
}

# depends ROOT PACKAGE: the first kernel package that PACKAGE depends on.
depends() {
    in_root "$1" apt-cache depends --important "$2" |
        sed -n 's/^ *|\{0,1\}Depends: \(linux-\(image\|binary\)-[0-9][^ ]*\)$/\1/p' | head -n 1
}

# unpack DEB DIR: the kernel image and its configuration out of the package; fails when it has no image.
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
        if [ -f "$dir/package" ] && in_root "$root" apt-cache show "$package" 2>/dev/null |
            grep '^Version:' | grep -qxF "$(sed -n '/^Version:/p' "$dir/package")" &&
            grep -qxF "Package: $package" "$dir/package"; then
            say "$1: $package is the newest"
            return 0
        fi
        say "$1: fetching $package of Debian $2"
        for pause in 0 5 20; do
            sleep $pause
            (cd "$root/cache" && rm -f ./*.deb &&
                in_root "$root" apt-get download "$package" >"$root/log" 2>&1) && break
            say "$1: the mirror had trouble with $package (it may be in mid-sync)"
        done
        deb=$(find "$root/cache" -maxdepth 1 -name '*.deb' | head -n 1)
        if [ -z "$deb" ]; then
            tail -n 3 "$root/log" >&2
            return 1
        fi
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
updated=
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
