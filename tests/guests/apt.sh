# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=sh
#
# Sourced by what fetches Debian packages: a private apt directory for each suite under build/guests/apt,
# filled from the mirror that this machine's apt is configured with. So the chain of trust is Debian's own:
# InRelease checked by gpgv with debian-archive-keyring, Packages by InRelease, the package by Packages.
# Nothing is installed and the machine's own apt state is not touched.
#
# The sourcing script has set top, the directory build/guests, and say, a function for messages; it stands at
# the repository's top.

keyring=/usr/share/keyrings/debian-archive-keyring.gpg
updated=

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
