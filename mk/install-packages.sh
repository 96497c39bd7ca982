#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Installs Debian packages that are missing, and says which.
#
#   install-packages.sh PURPOSE PACKAGE... [-- OPTIONAL-PACKAGE...]
#
# When all are there it costs one dpkg-query and prints nothing. A package after `--` that cannot be had is
# named and passed over. A mirror in mid-sync (an index that doesn't match, a pool file that is gone) is given
# four tries. Not root: sudo. Not Debian, or DIPTYCH_NO_DEPS=1: nothing is done, and the build says what it
# lacks.
set -u

purpose=$1
shift
[ "${DIPTYCH_NO_DEPS:-0}" = 1 ] && exit 0
command -v dpkg-query >/dev/null 2>&1 && command -v apt-get >/dev/null 2>&1 || exit 0

required=
optional=
in_optional=0
for name in "$@"; do
    if [ "$name" = -- ]; then
        in_optional=1
    elif [ $in_optional = 1 ]; then
        optional="$optional $name"
    else
        required="$required $name"
    fi
done

# missing NAME...: those of the names that are not installed, each on a line.
missing() {
    [ $# -gt 0 ] || return 0
    installed=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' "$@" 2>/dev/null |
        sed -n 's/^installed //p')
    for name in "$@"; do
        case "
$installed
" in
        *"
$name
"*) ;;
        *) echo "$name" ;;
        esac
    done
}

# Lists of names are split on purpose.
# shellcheck disable=SC2086
need=$(missing $required)
# shellcheck disable=SC2086
want=$(missing $optional)

# What could not be had once is not asked for again by every make of the same tree.
passed_over=build/.passed-over
still=
for name in $want; do
    if [ -f $passed_over ] && [ -z "$(find $passed_over -mmin +360 2>/dev/null)" ] &&
        grep -qxF "$name" $passed_over; then
        continue
    fi
    still="$still $name"
done
[ -n "$need$still" ] || exit 0

as_root=
if [ "$(id -u)" != 0 ]; then
    if ! command -v sudo >/dev/null 2>&1; then
        [ -n "$need" ] || exit 0
        echo "diptych: $purpose needs packages that are not installed," \
            "and there is no sudo; as root, run:" >&2
        echo "    apt-get install" $need >&2
        exit 1
    fi
    as_root="sudo"
fi

install() {
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -y -o Dpkg::Use-Pty=0 -o Acquire::Retries=3 \
        install --no-install-recommends "$@" </dev/null >"$log" 2>&1
}

log=$(mktemp) || exit 1
trap 'rm -f "$log"' EXIT
# shellcheck disable=SC2086
echo "diptych: $purpose: installing" $need $still "(apt-get install --no-install-recommends)"

# shellcheck disable=SC2086
for pause in 0 5 20 60; do
    sleep $pause
    [ $pause = 0 ] || echo "diptych: the package mirror had trouble (it may be in mid-sync); trying again"
    $as_root apt-get -qq update </dev/null >"$log" 2>&1 || tail -n 3 "$log" >&2
    if install $need $still; then
        exit 0
    fi
    # The optional ones may be what is in the way.
    if [ -n "$still" ] && { [ -z "$need" ] || install $need; }; then
        need=
        break
    fi
done
if [ -n "$need" ]; then
    tail -n 15 "$log" >&2
    # shellcheck disable=SC2086
    echo "diptych: $purpose: could not install" $need "- see apt's words above" >&2
    exit 1
fi
for name in $still; do
    if ! install "$name"; then
        echo "diptych: $purpose: $name cannot be had now; going on without it"
        mkdir -p build
        echo "$name" >>$passed_over
    fi
done
exit 0
