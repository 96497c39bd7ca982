# SPDX-License-Identifier: GPL-2.0-or-later
# Programs that compute give known answers: gzip, bzip2, xz, sha256sum and its kin, awk with floating point,
# sort, bc, tar, cmp over megabytes. The answers are those of any other machine (written down from the host).
fail() { echo "$*"; exit 1; }
is() { [ "$2" = "$3" ] || fail "$1: '$2', not '$3'"; }
cd /tmp || exit 1
seq 200000 >numbers
is sha256 "$(sha256sum <numbers | cut -d' ' -f1)" \
    5af7b95208fdcff454bab3f5eddf567a688a3796c703d4fef91072e38645c062
is sha512 "$(sha512sum <numbers | cut -c1-32)" b5fd978b41dd6da3ce93ced1d2805ffd
is sha1 "$(sha1sum <numbers | cut -d' ' -f1)" 17454322f38ec2b6b6b43587dee97fcabaf998b6
is md5 "$(md5sum <numbers | cut -d' ' -f1)" 0e10426a1d5bddffcef02f1345787128
gzip -c numbers >numbers.gz
is gunzip "$(gunzip -c numbers.gz | sha256sum | cut -d' ' -f1)" \
    5af7b95208fdcff454bab3f5eddf567a688a3796c703d4fef91072e38645c062
gzip -t numbers.gz || fail "gzip -t"
for kind in bz2:bunzip2 xz:unxz; do
    "${kind#*:}" -c "/tests-data/numbers.${kind%%:*}" >unpacked || fail "${kind#*:}"
    cmp unpacked numbers || fail "${kind#*:} gave something else"
done
is awk-float "$(awk 'BEGIN {
    for (i = 1; i <= 100000; i++) s += (i % 7 - 3.3) / (i * 0.37 + 1)
    printf "%.12f", s }')" -9.539090996482
is awk-count "$(awk '{ n[$1 % 97] += $1 }
    END { for (i = 0; i < 97; i++) t = (t * 33 + n[i]) % 1000003; print t }' numbers)" 496222
is bc "$(echo '2^300 % 1000000007' | bc)" 322050759
is dc "$(dc -e '20 k 2 v p')" 1.41421356237309504880
is sort "$(sort -n -r numbers | head -n 1)" 200000
is sort-text "$(sort numbers | sha256sum | cut -d' ' -f1)" \
    4e67a3100b952f0afbf193f7c509ab31b373ca0d8712500805eb0aefd627b5bb
is base64 "$(base64 numbers | sha256sum | cut -d' ' -f1)" \
    c0c9d65cf92daea3c91990b1df6127940d9abde17647cd4b0f1a339f0f91afe9
mkdir -p tree && cp numbers numbers.gz tree && tar -cf tree.tar tree && rm -rf tree && tar -xf tree.tar
cmp tree/numbers numbers || fail "tar gave something else"
dd if=/dev/zero bs=64k count=256 2>/dev/null | sha256sum |
    grep -q ^080acf35a507ac9849cfcba47dc2ad83e01b7566 || fail "dd of zeros"
rm -rf numbers numbers.gz tree tree.tar unpacked
