# SPDX-License-Identifier: GPL-2.0-or-later
# A command line or a configuration that can't be: one line that names the thing, and status 2 (usage); status
# 1 where the host is full.
# quick
. tests/guests/lib.sh

needs_diptych bad-command
kernel bookworm-cloud || { skip bad-command "the kernel could not be fetched"; exit 0; }
good="--type pv --kernel $image --initrd $demo"

refuses bad-option 2 --colour run --colour red
refuses bad-command 2 'walk' walk
refuses bad-no-command 2 'help'
refuses bad-no-kernel 2 kernel run --type pv --memory 512M
# shellcheck disable=SC2086
{
    refuses bad-type 2 vax run --type vax --kernel "$image"
    refuses bad-memory 2 lots run $good --memory lots
    refuses bad-memory-negative 2 -5 run $good --memory -5
    refuses bad-memory-huge 2 99999999T run $good --memory 99999999T
    refuses bad-vcpus-zero 2 0 run $good --vcpus 0
    refuses bad-vcpus-many 2 5000 run $good --vcpus 5000
    refuses bad-value-missing 2 --memory run $good --memory
    refuses bad-action 2 explode run $good --on-crash explode
    refuses bad-trace-file 1 /nowhere/trace run $good --trace --trace-file /nowhere/trace
}
refuses bad-config-missing 2 missing.cfg run "$work/missing.cfg"
printf 'name = "x\nkernel = [[[\n' >"$work/broken.cfg"
refuses bad-config-syntax 2 broken.cfg run "$work/broken.cfg"
printf 'type = "pv"\nkernel = "%s"\nmemory = "plenty"\n' "$image" >"$work/value.cfg"
refuses bad-config-value 2 memory run "$work/value.cfg"
printf 'type = "pv"\nmemory = 256\n' >"$work/nokernel.cfg"
refuses bad-config-no-kernel 2 kernel run "$work/nokernel.cfg"
mkdir "$work/directory.cfg"
refuses bad-config-directory 2 directory.cfg run "$work/directory.cfg"
cp "$work/value.cfg" "$work/unreadable.cfg"
chmod 000 "$work/unreadable.cfg"
refuses bad-config-unreadable 2 unreadable.cfg run "$work/unreadable.cfg"
head -c 300000 /dev/urandom >"$work/noise.cfg"
refuses bad-config-noise 2 noise.cfg run "$work/noise.cfg"
output=/dev/full
refuses full-help 1 '' --help
