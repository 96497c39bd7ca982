# SPDX-License-Identifier: GPL-2.0-or-later
# The same kernel boots from every kind of file: Debian's bzImage as it is, and its plain ELF, unpacked by the tools of the compression.
. tests/guests/lib.sh

needs_diptych compressions
# payload IMAGE OUTPUT: unpacks a bzImage's payload by its setup header (boot protocol 2.08: payload_offset at 0x248, payload_length at 0x24c).
payload() {
    sectors=$(od -An -tu1 -j 497 -N 1 "$1" | tr -d ' ')
    offset=$(od -An -tu4 -j 584 -N 4 "$1" | tr -d ' ')
    length=$(od -An -tu4 -j 588 -N 4 "$1" | tr -d ' ')
    tail -c +$(((sectors + 1) * 512 + offset + 1)) "$1" | head -c $((length - 4)) >"$2.packed"
    case $(od -An -tx1 -N 4 "$2.packed" | tr -d ' ') in
    28b52ffd) tool="zstd -dc" ;;
    fd377a58) tool="xz -dc --single-stream" ;;
    1f8b*) tool="gzip -dc" ;;
    425a*) tool="bzip2 -dc" ;;
    0221*) tool="lz4 -dc" ;;
    *) return 1 ;;
    esac
    $tool <"$2.packed" >"$2" 2>/dev/null
    rm -f "$2.packed"
    [ "$(od -An -tx1 -N 4 "$2" | tr -d ' ')" = 7f454c46 ]
}
for name in $kernels; do
    case $name in *-cloud) ;; *) continue ;; esac
    label=plain-elf-$name
    kernel "$name" || { skip "$label" "the kernel could not be fetched"; continue; }
    if ! payload "$image" "$work/vmlinux"; then
        not_ok "$label" "no ELF in the payload, by the compression's own tools"
        continue
    fi
    chmod 644 "$work/vmlinux"
    boot --kernel "$work/vmlinux" --initrd "$demo" --cmdline 'quiet panic=-1 diptych_do=poweroff'
    if [ $status -eq 0 ] && grep -q '^guest: first line' "$work/console.lines"; then
        ok "$label"
    else
        not_ok "$label" "status $status: $(said)"
    fi
    rm -f "$work/vmlinux"
done
