# SPDX-License-Identifier: GPL-2.0-or-later
# Swap to compressed memory: a zram disk from the kernel's own package, and pressure.c with more pages than
# memory has. A quarter more than memory has; the pages compress to about a half.
cd /modules || { echo "the kernel's modules aren't here"; exit 77; }
for module in lzo-rle 842_compress 842_decompress lz4_compress lz4hc_compress lz4 zstd_compress zlib_deflate \
    zsmalloc zram; do
    for file in $module.ko*; do
        [ -f "$file" ] || continue
        case $file in *.xz) xz -dc "$file" >/tmp/module.ko ;; *) cp "$file" /tmp/module.ko ;; esac
        insmod /tmp/module.ko || { echo "$module can't be loaded"; exit 77; }
    done
done
total=$(awk '$1 == "MemTotal:" { print int($2 / 1024) }' /proc/meminfo)
if ! { echo "${total}M" >/sys/block/zram0/disksize && mkswap /dev/zram0 && swapon /dev/zram0; }; then
    echo "no swap on zram"
    exit 1
fi
/tests/pressure-64 $((total * 5 / 4))
status=$?
swapoff /dev/zram0 || { echo "swapoff failed"; exit 1; }
exit $status
