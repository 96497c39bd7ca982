# SPDX-License-Identifier: GPL-2.0-or-later
# Kernels and initrds that can't be booted: missing, empty, truncated at many places, no kernel at all, no PV
# entry, too big for the memory: one line that names the file, and status 3. Whatever bits are flipped in one,
# diptych itself ends by its own exit, in time.
# quick
. tests/guests/lib.sh

needs_diptych bad-images
kernel bookworm-cloud || { skip bad-images "the kernel could not be fetched"; exit 0; }
size=$(wc -c <"$image")
files=$work/files
mkdir "$files"

# try NAME WORD FILE: it is refused as a kernel.
try() { refuses "$1" 3 "$2" run --type pv --kernel "$3" --initrd "$demo" --memory 256M; }
try bad-kernel-missing missing-vmlinuz "$files/missing-vmlinuz"
: >"$files/empty"
try bad-kernel-empty empty "$files/empty"
try bad-kernel-directory files "$files"
for cut in 1 511 1024 20000 1000000 $((size / 2)) $((size / 4 * 3)); do
    head -c "$cut" "$image" >"$files/cut-$cut"
    try "bad-kernel-cut-$cut" "cut-$cut" "$files/cut-$cut"
done
head -c 3000000 /dev/urandom >"$files/noise"
try bad-kernel-noise noise "$files/noise"
try bad-kernel-script lib.sh "$PWD/tests/guests/lib.sh"
cp /bin/busybox "$files/busybox"
try bad-kernel-program busybox "$files/busybox"
cp "$image" "$files/unreadable"
chmod 000 "$files/unreadable"
try bad-kernel-unreadable unreadable "$files/unreadable"
refuses bad-initrd-missing 3 no-initrd run --type pv --kernel "$image" --initrd "$files/no-initrd" \
    --memory 256M
refuses bad-initrd-empty 3 empty run --type pv --kernel "$image" --initrd "$files/empty" --memory 256M
refuses bad-initrd-directory 3 files run --type pv --kernel "$image" --initrd "$files" --memory 256M
truncate -s 400M "$files/big"
refuses bad-initrd-big 3 memory run --type pv --kernel "$image" --initrd "$files/big" --memory 256M
refuses bad-memory-little 3 memory run --type pv --kernel "$image" --initrd "$demo" --memory 16M

# flip FILE COUNT SEED: that many bytes changed, at places that the seed decides.
flip() {
    awk -v n="$2" -v seed="$3" -v size="$(wc -c <"$1")" 'BEGIN {
        srand(seed)
        for (i = 0; i < n; i++) printf "%d %03o\n", int(rand() * size), int(rand() * 256)
    }' | while read -r at byte; do
        # shellcheck disable=SC2059
        printf "\\$byte" | dd of="$1" bs=1 seek="$at" conv=notrunc 2>/dev/null
    done
}
# survives NAME OPTIONS...: an ending of diptych's own, whatever became of the guest.
survives() {
    label=$1
    shift
    limit=30
    diptych run --type pv --memory 256M --cmdline 'console=hvc0 quiet panic=-1 diptych_do=poweroff' \
        --on-reboot destroy "$@"
    case $status in
    0 | 3 | 4 | 5) ok "$label" ;;
    124 | 137) not_ok "$label" "still there after $limit s" ;;
    *) not_ok "$label" "status $status: $(said)" ;;
    esac
}
seeds='1 2 3 4 5 6'
[ "$quick" = 0 ] || seeds='1 2'
for seed in $seeds; do
    cp "$image" "$files/kernel"
    flip "$files/kernel" 3 "$seed"
    survives "flipped-kernel-$seed" --kernel "$files/kernel" --initrd "$demo"
    # The header and the ELF notes' neighbourhood, where each bit means something to the loader.
    head -c 4096 "$image" >"$files/head"
    flip "$files/head" 4 "$seed"
    { cat "$files/head"; tail -c +4097 "$image"; } >"$files/kernel"
    survives "flipped-header-$seed" --kernel "$files/kernel" --initrd "$demo"
    cp "$demo" "$files/initrd"
    flip "$files/initrd" 3 "$seed"
    survives "flipped-initrd-$seed" --kernel "$image" --initrd "$files/initrd"
done
head -c 500000 "$demo" >"$files/initrd"
survives truncated-initrd --kernel "$image" --initrd "$files/initrd"
