# SPDX-License-Identifier: GPL-2.0-or-later
# What the host's CPU can do for programs, the guest's kernel sees and offers: AVX2 is no use to a guest whose
# kernel believes that the CPU can't save its registers. And what --cpu takes away is gone.
# quick
. tests/guests/lib.sh

needs_diptych cpu-features
kernel bookworm-cloud || { skip cpu-features "the kernel could not be fetched"; exit 0; }
echo 'echo FLAGS $(sed -n "s/^flags.*: //p" /proc/cpuinfo); poweroff -f' >"$work/commands"
input=$work/commands

# flags OPTIONS...: the guest's, with a blank before and behind each, in $flags.
flags() {
    boot --kernel "$image" --initrd "$demo" --cmdline 'quiet panic=-1 diptych_do=pipe' -- "$@"
    flags=" $(sed -n 's/^FLAGS //p' "$work/console.lines" | tail -n 1) "
}
flags
host=" $(sed -n 's/^flags[^:]*: //p' /proc/cpuinfo | head -n 1) "
missing=
for feature in fpu cmov cx8 fxsr sse sse2 pni ssse3 cx16 sse4_1 sse4_2 movbe popcnt aes pclmulqdq xsave avx \
    f16c fma avx2 avx512f avx512vl avx512bw bmi1 bmi2 lm nx syscall; do
    case $host in *" $feature "*) ;; *) continue ;; esac
    case $flags in *" $feature "*) ;; *) missing="$missing $feature" ;; esac
done
if [ "$flags" = "  " ]; then
    not_ok cpu-features "the guest didn't say (status $status): $(said)"
elif [ -n "$missing" ]; then
    not_ok cpu-features "the host has, and the guest hasn't:$missing"
else
    ok cpu-features
fi
flags --cpu host,-bmi2,-sse4_2
case $flags in
"  ") not_ok cpu-features-less "the guest didn't say (status $status): $(said)" ;;
*" bmi2 "* | *" sse4_2 "*) not_ok cpu-features-less "it still has what was taken away" ;;
*" sse2 "*) ok cpu-features-less ;;
*) not_ok cpu-features-less "more is gone than was taken away" ;;
esac
