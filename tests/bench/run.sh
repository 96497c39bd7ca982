#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Runs the benchmark program natively, in Diptych, in QEMU TCG and in User Mode Linux, interleaved, and
# compares.
#
#   run.sh [--quick] [--rounds N] [--only ROW[,ROW...]] [--in ENVIRONMENT[,ENVIRONMENT...]] [--kernel NAME]
#
# Environments: native, diptych, tcg-max, tcg-qemu64, uml; one that isn't installed is named and left out. One
# vCPU, 512 MiB. Each round runs every environment once; the table has the medians. Raw lines: build/bench/raw
# ("ENVIRONMENT ROW NS", a line a measurement). Exit status: 0, or 1 when a floor of compare.awk is missed, an
# answer was wrong or a guest's clock lies.
set -u

cd "$(dirname "$0")/../.." || exit 2
rounds=3
quick=
only=
environments=native,diptych,tcg-max,tcg-qemu64,uml
kernel_name=bookworm-cloud
while [ $# -gt 0 ]; do
    case $1 in
    --quick)
        quick=--quick
        rounds=1
        ;;
    --rounds | --only | --in | --kernel)
        [ $# -ge 2 ] || { echo "bench: $1 wants a value" >&2; exit 2; }
        case $1 in
        --rounds) rounds=$2 ;;
        --only) only=$2 ;;
        --in) environments=$2 ;;
        --kernel) kernel_name=$2 ;;
        esac
        shift
        ;;
    *)
        echo "bench: unknown option $1; options:" \
            "--quick --rounds N --only ROWS --in ENVIRONMENTS --kernel NAME" >&2
        exit 2
        ;;
    esac
    shift
done

out=build/bench
mkdir -p $out
kernel=$(sh tests/guests/fetch-kernel.sh "$kernel_name") || exit 1
sh tests/guests/initramfs.sh $out/bench.cpio.gz $out/bench=bin/bench || exit 1
arguments=$quick${only:+ --only $only}
status=0

# stamped: copies lines, each with the host's clock in nanoseconds before it.
stamped() {
    while IFS= read -r line; do
        echo "$(date +%s%N) $line"
    done
}

# take ENVIRONMENT FILE: the rows out of stamped lines; the guest's clock between its marks against ours.
take() {
    tr -d '\r' <"$2" | awk -v e="$1" -v raw=$out/raw -v start="$started" '
        function complain(what) { printf "bench: %s: %s\n", e, what; bad = 1 }
        $2 == "guest:" && /first line/ { printf "%s boot %.0f\n", e, $1 - start >>raw }
        $2 == "row" { print e, $3, $4 >>raw; rows++ }
        $2 == "wrong" { complain("wrong answer: " $0) }
        $2 == "mark" && $3 == "begin" { host = $1; guest = $4 }
        $2 == "mark" && $3 == "end" {
            ended = 1
            host = ($1 - host) / 1e9; guest = ($4 - guest) / 1e9
            # Two lines of delay on the way here count, hence the tenth of a second.
            if (guest - host > host * 0.02 + 0.1 || host - guest > host * 0.02 + 0.1)
                complain(sprintf("its clock lies: %.2f s for it, %.2f s for the host", guest, host))
        }
        END { if (!ended) complain("did not get to the end; see build/bench/log-" e); exit bad }'
}

# footprint: KiB that Diptych has resident beyond the guest's own memory, which is its largest shared mapping.
# Pages mapped
# twice count once (Pss). It is the child of timeout(1), whose process id boot.sh's shell left in $out/pid.
footprint() {
    parent=$(cat $out/pid 2>/dev/null) || return
    for process in $(cat "/proc/$parent/task/$parent/children" 2>/dev/null); do
        cat "/proc/$process/smaps" 2>/dev/null
    done | awk '
        /^[0-9a-f]+-[0-9a-f]+ / { object = $6 " " $5; shared = substr($2, 4, 1) == "s" }
        /^Size:/ { if (shared) size[object] += $2 }
        /^Pss:/ { pss[object] += $2 }
        END {
            for (o in size) if (size[o] > size[guest]) guest = o
            for (o in pss) if (o != guest) sum += pss[o]
            print sum + 0
        }'
}

# run ENVIRONMENT: one run of the whole program there.
run() {
    log=$out/log-$1
    started=$(date +%s%N)
    case $1 in
    native)
        # shellcheck disable=SC2086
        $out/bench $arguments 2>&1 | stamped >"$log"
        take "$1" "$log"
        return
        ;;
    diptych) runner=diptych ;;
    tcg-*) runner=qemu ;;
    uml) runner=uml ;;
    esac
    rm -f $out/pid
    RUNNER=$runner QEMU_CPU=${1#tcg-} \
        sh -c 'echo $$ >build/bench/pid; exec sh tests/guests/boot.sh "$@"' boot \
        --kernel "$kernel" --initrd $out/bench.cpio.gz --memory 512M --vcpus 1 --timeout 900 \
        --cmdline "quiet panic=-1 diptych_do=bench diptych_args=\"$arguments\"" </dev/null 2>"$log-stderr" |
            stamped >"$log" &
    reader=$!
    if [ "$1" = diptych ]; then
        largest=0
        while kill -0 $reader 2>/dev/null; do
            now=$(footprint)
            [ "${now:-0}" -le "$largest" ] || largest=$now
            sleep 1
        done
        [ "$largest" = 0 ] || echo "diptych footprint $largest" >>$out/raw
    fi
    wait $reader
    take "$1" "$log"
}

# there ENVIRONMENT: can it be run here?
there() {
    case $1 in
    native) true ;;
    diptych) [ -x "${DIPTYCH:-build/diptych}" ] ;;
    tcg-*) command -v qemu-system-x86_64 >/dev/null ;;
    uml) command -v "${UML:-linux.uml}" >/dev/null ;;
    *)
        echo "bench: there is no environment '$1'" >&2
        exit 2
        ;;
    esac
}

# Others' work on the same CPUs is in every figure, and not in equal parts.
busy=$(awk -v cpus="$(nproc)" '{ print ($1 > cpus / 4) ? $1 : "" }' /proc/loadavg)
[ -z "$busy" ] || echo "bench: the load average is $busy before we start: these figures are not to be quoted"

: >$out/raw
present=
for environment in $(echo "$environments" | tr , ' '); do
    if there "$environment"; then
        present="$present $environment"
    else
        echo "bench: $environment is not here; going on without it"
    fi
done
round=1
while [ $round -le "$rounds" ]; do
    for environment in $present; do
        echo "bench: round $round of $rounds: $environment"
        run "$environment" || status=1
    done
    round=$((round + 1))
done
awk -f tests/bench/compare.awk $out/raw || status=1
[ -z "$busy" ] ||
    echo "bench: taken on a busy machine (load average $busy before the start): not to be quoted"
exit $status
