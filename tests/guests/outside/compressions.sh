# SPDX-License-Identifier: GPL-2.0-or-later
# The same kernel boots from every kind of file: Debian's bzImage as it is, and its plain ELF, unpacked by the
# tools of the compression.
. tests/guests/lib.sh

needs_diptych compressions
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
