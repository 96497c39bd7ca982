# SPDX-License-Identifier: GPL-2.0-or-later
# GRUB's own PV image, which shares no code with Linux, starts, runs its script and powers off; and it loads
# and starts a stock kernel with its initrd out of a memory disk, as pv-grub does, which needs the hypervisor
# to be told about a second kernel's page tables by a first.
. tests/guests/lib.sh

needs_diptych grub
command -v grub-mkimage >/dev/null && [ -d /usr/lib/grub/x86_64-xen ] || {
    skip grub "grub-xen-bin is not installed"
    exit 0
}

# image SCRIPT MEMDISK-TAR
image() {
    grub-mkimage -O x86_64-xen -c "$1" -m "$2" -o "$work/grub.bin" \
        echo halt reboot linux memdisk tar test sleep hashsum gcry_sha256 cat ls normal 2>"$work/mkimage" ||
            return 1
    chmod 644 "$work/grub.bin"
}
mkdir "$work/disk"
seq 100000 >"$work/disk/numbers"
tar -C "$work/disk" -cf "$work/disk.tar" .
cat >"$work/script" <<'END'
echo grub: first line on $grub_cpu-$grub_platform
hashsum --hash sha256 (memdisk)/numbers
halt
END
if ! image "$work/script" "$work/disk.tar"; then
    skip grub "grub-mkimage: $(tail -n 1 "$work/mkimage")"
    exit 0
fi
for size in 64 512; do
    limit=60
    diptych run --type pv --kernel "$work/grub.bin" --memory ${size}M
    if [ $status -ne 0 ]; then
        not_ok "grub-$size" "status $status: $(said)"
    elif ! grep -a -q 'grub: first line on x86_64-xen' "$work/out"; then
        not_ok "grub-$size" "its script never spoke"
    elif ! grep -a -q "$(seq 100000 | sha256sum | cut -d' ' -f1)" "$work/out"; then
        not_ok "grub-$size" "it has another SHA-256 of numbers"
    else
        ok "grub-$size"
    fi
done

# As plain ELF: GRUB 2.06 unpacks neither the filtered xz nor the zstd of Debian's kernels.
name=bookworm-cloud
[ -s "$stage/kernels/$name/vmlinuz" ] ||
    { skip "grub-linux-$name" "the kernel could not be fetched"; exit 0; }
payload "$stage/kernels/$name/vmlinuz" "$work/disk/vmlinux" ||
    { not_ok "grub-linux-$name" "no ELF in its payload"; exit 0; }
cp "$demo" "$work/disk/initrd"
tar -C "$work/disk" -cf "$work/disk.tar" .
cat >"$work/script" <<'END'
linux (memdisk)/vmlinux console=hvc0 quiet panic=-1 diptych_do=poweroff
initrd (memdisk)/initrd
boot
END
image "$work/script" "$work/disk.tar"
limit=90
diptych run --type pv --kernel "$work/grub.bin" --memory 512M
if [ $status -eq 0 ] && grep -a -q 'guest: first line' "$work/out"; then
    ok "grub-linux-$name"
else
    not_ok "grub-linux-$name" "status $status: $(said)"
fi
