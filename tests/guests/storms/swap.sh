# SPDX-License-Identifier: GPL-2.0-or-later
# Swap to compressed memory: a zram disk from the kernel's own package, and pressure.c with more pages than memory has.
# The programs' pages don't compress well, so the disk takes what the memory doesn't: 3/4 of memory are used for 5/4.
cd /modules || { echo "the kernel's modules aren't here"; exit 77; }
for module in lzo-rle lz4_compress lz4 zsmalloc zram; do
    for file in $module.ko*; do
        [ -f "$file" ] || continue
        case $file in *.xz) xz -dc "$file" >/tmp/module.ko ;; *) cp "$file" /tmp/module.ko ;; esac
        insmod /tmp/module.ko || { echo "$module can't be loaded"; exit 77; }
    done
done
total=$(awk '$1 == "MemTotal:" { print int($2 / 1024) }' /proc/meminfo)
echo "${total}M" >/sys/block/zram0/disksize && mkswap /dev/zram0 && swapon /dev/zram0 || { echo "no swap on zram"; exit 1; }
/tests/pressure-64 "$total"
status=$?
swapoff /dev/zram0 || { echo "swapoff failed"; exit 1; }
exit $status
