#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Builds what the guest tests boot: the programs of tests/guests/inside in each width that their first line
# names, and the image build/guests/tests.cpio.gz with them, a C compiler and data. demo.cpio.gz beside it is
# the small one. And what they are confined with: build/guests/confine (confine.c).
#
# 64-bit programs are linked statically against musl, 32-bit ones against glibc (libc6-dev-i386); where that
# isn't installed they are left out, and the driver says so.
set -eu

cd "$(dirname "$0")/../.."
out=build/guests
programs=$out/programs
mkdir -p $programs
exec 9>$out/.images-lock
flock 9

flags="-std=gnu11 -D_GNU_SOURCE -O2 -s -Wall -Wextra -Werror -Wshadow -Wno-clobbered"
flags="$flags -fno-pie -fcf-protection=none -static -pthread"
for source in tests/guests/inside/*.c; do
    name=$(basename "$source" .c)
    for width in $(sed -n '1s/.*width: \([0-9 ]*\).*/\1/p' "$source"); do
        program=$programs/$name-$width
        # A program that isn't there yet makes find complain, which will do.
        if [ -z "$(find "$source" tests/guests/inside/*.h -newer "$program" 2>&1)" ]; then
            continue
        fi
        case $width in
        64) compiler="musl-gcc -no-pie" ;;
        32) compiler="gcc -m32 -no-pie" ;;
        esac
        if [ "$width" = 32 ] && ! echo 'int main(void) { return 0; }' |
            gcc -m32 -static -x c -o /dev/null - 2>/dev/null; then
            echo "guests: no 32-bit C library (libc6-dev-i386): no $name-32" >&2
            continue
        fi
        # shellcheck disable=SC2086
        $compiler $flags -o "$program" "$source"
    done
done

if [ ! $out/confine -nt tests/guests/confine.c ]; then
    gcc -std=gnu11 -D_GNU_SOURCE -O2 -Wall -Wextra -Werror -o $out/confine tests/guests/confine.c -lseccomp
fi

set --
for program in "$programs"/*; do
    set -- "$@" "$program=tests/$(basename "$program")"
done
for script in tests/guests/inside/*.sh tests/guests/inside/all; do
    set -- "$@" "$script=tests/$(basename "$script")"
done

# The compiler: tcc and the shared libraries that Debian linked it with, musl to link with, and the headers of
# both.
if command -v tcc >/dev/null; then
    tcc=$(command -v tcc)
    for library in $(ldd "$tcc" | awk '{ for (i = 1; i <= NF; i++) if ($i ~ "^/") print $i }'); do
        set -- "$@" "$library=${library#/}"
    done
    set -- "$@" "$tcc=bin/tcc" /usr/include/x86_64-linux-musl=usr/include/musl
    # tcc -run links against the shared libc by way of its linker script, as on the host.
    for file in tcc libc.so libc_nonshared.a; do
        set -- "$@" "/usr/lib/x86_64-linux-gnu/$file=usr/lib/x86_64-linux-gnu/$file"
    done
    for file in crt1.o crti.o crtn.o libc.a; do
        set -- "$@" "/usr/lib/x86_64-linux-musl/$file=usr/lib/musl/$file"
    done
fi

seq 200000 >$out/numbers
bzip2 -9 -c $out/numbers >$out/numbers.bz2
xz -6 -c $out/numbers >$out/numbers.xz
set -- "$@" $out/numbers.bz2=tests-data/numbers.bz2 $out/numbers.xz=tests-data/numbers.xz

sh tests/guests/initramfs.sh $out/tests.cpio.gz "$@"
sh tests/guests/initramfs.sh $out/demo.cpio.gz
