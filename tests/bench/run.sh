#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Runs the benchmark program natively, in Diptych, in QEMU TCG and in User Mode Linux, interleaved, and
# compares.
#
#   run.sh [--quick] [--rounds N] [--only ROW[,ROW...]] [--in ENVIRONMENT[,ENVIRONMENT...]] [--kernel NAME]
#          [--exec translate|direct|auto] [--floors 2|3] [--spread]
#
# Environments: native, diptych, tcg-max, tcg-qemu64 (its -cpu), uml; one that isn't installed is named and
# left out. One vCPU and 512 MiB; row build-c has 1 GiB and an image with a compiler, two-tasks two vCPUs.
# UML's host processes are pinned to the CPU that is idlest at the start, as this is faster
# (docs/measurements.md); nothing else is pinned.
#
# Each round runs every environment once; the table has the medians, --spread adds from where to where the
# measurements went. Raw lines: build/bench/raw ("ENVIRONMENT ROW NS", a line a measurement). --exec goes to
# diptych as it is; --floors holds Diptych against those of one issue only. Exit status: 0, or 1 when a floor
# of compare.awk is missed, an answer was wrong or a guest's clock lies.
set -u

cd "$(dirname "$0")/../.." || exit 2
rounds=3
quick=
only=
environments=native,diptych,tcg-max,tcg-qemu64,uml
kernel_name=bookworm-cloud
executor=
floors=
spread=
usage='--quick --rounds N --only ROWS --in ENVIRONMENTS --kernel NAME --exec MODE --floors 2|3 --spread'
while [ $# -gt 0 ]; do
    case $1 in
    --quick)
        quick=--quick
        rounds=1
        ;;
    --spread) spread=1 ;;
    --rounds | --only | --in | --kernel | --exec | --floors)
        [ $# -ge 2 ] || { echo "bench: $1 wants a value" >&2; exit 2; }
        case $1 in
        --rounds) rounds=$2 ;;
        --only) only=$2 ;;
        --in) environments=$2 ;;
        --kernel) kernel_name=$2 ;;
        --exec) executor=$2 ;;
        --floors) floors=$2 ;;
        esac
        shift
        ;;
    *)
        echo "bench: unknown option $1; options: $usage" >&2
        exit 2
        ;;
    esac
    shift
done

case $floors in '' | 2 | 3) ;; *) echo "bench: --floors is 2 or 3" >&2; exit 2 ;; esac

out=build/bench
mkdir -p $out
status=0

# asked ROW: is it to be run?
asked() {
    case ",${only:-$1}," in *",$1,"*) true ;; *) false ;; esac
}

kernel=$(sh tests/guests/fetch-kernel.sh "$kernel_name") || exit 1
sh tests/guests/initramfs.sh $out/bench.cpio.gz $out/bench=bin/bench || exit 1

# Parts: runs on machines of their own, "rows" with all rows but those of the other parts. Joined by a comma:
# parts that are compared with each other, and so follow each other closely.
parts=
common_only=$(echo "$only" | tr , '\n' | grep -vxE 'build-c|(one|two)-tasks?' | paste -sd ,)
[ -n "$only" ] && [ -z "$common_only" ] || parts=rows
! asked one-task && ! asked two-tasks || parts="$parts one-task,two-tasks"
if asked build-c; then
    if toolchain=$(sh tests/bench/fetch.sh toolchain); then
        sh tests/guests/initramfs.sh $out/build-c.cpio.gz $out/bench=bin/bench "$toolchain/usr=usr" \
            "$toolchain/lib=lib" "$toolchain/lib64=lib64" "$toolchain/src=src" || exit 1
        parts="$parts build-c"
    else
        echo "bench: no build-c: its compiler can't be had"
    fi
fi

# stamped: copies lines, each with the host's clock in nanoseconds before it.
stamped() {
    while IFS= read -r line; do
        echo "$(date +%s%N) $line"
    done
}

# take ENVIRONMENT PART FILE: the rows out of stamped lines; the guest's clock between its marks against ours.
take() {
    tr -d '\r' <"$3" | awk -v e="$1" -v part="$2" -v file="$3" -v raw=$out/raw -v start="$started" '
        function complain(what) { printf "bench: %s: %s\n", e, what; bad = 1 }
        part == "rows" && $2 == "guest:" && /first line/ { printf "%s boot %.0f\n", e, $1 - start >>raw }
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
        END { if (!ended) complain("did not get to the end; see " file); exit bad }'
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

# run ENVIRONMENT PART: one run of a part's rows there, on the machine that they want.
run() {
    image=$out/bench.cpio.gz
    memory=512M
    vcpus=1
    rows=$2
    case $2 in
    rows) rows=$common_only ;;
    one-task) ;;
    two-tasks) vcpus=2 ;;
    build-c)
        image=$out/build-c.cpio.gz
        memory=1G
        ;;
    esac
    arguments=$quick${rows:+ --only $rows}
    log=$out/log-$1-$2
    started=$(date +%s%N)
    if [ "$1" = native ]; then
        # Natively the rows run in this system, and build-c in its image's tree.
        native=$out/bench
        [ "$2" != build-c ] || native="sh tests/bench/in-tree.sh $image /bin/bench"
        # shellcheck disable=SC2086
        $native $arguments 2>&1 | stamped >"$log"
        take "$1" "$2" "$log"
        return
    fi
    set -- "$1" "$2" --kernel "$kernel" --initrd $image --memory $memory --vcpus $vcpus --timeout 900 \
        --cmdline "quiet panic=-1 diptych_do=bench diptych_args=\"$arguments\""
    pinned=
    case $1 in
    diptych)
        runner=diptych
        [ -z "$executor" ] || set -- "$@" -- --exec "$executor"
        ;;
    tcg-*) runner=qemu ;;
    uml)
        runner=uml
        pinned="taskset -c $idlest"
        ;;
    esac
    environment=$1
    part=$2
    shift 2
    rm -f $out/pid
    # shellcheck disable=SC2086
    RUNNER=$runner QEMU_CPU=${environment#tcg-} UML=$uml sh -c 'echo $$ >build/bench/pid; exec "$@"' boot \
        $pinned sh tests/guests/boot.sh "$@" </dev/null 2>"$log-stderr" | stamped >"$log" &
    reader=$!
    if [ "$environment $part" = "diptych rows" ]; then
        largest=0
        while kill -0 $reader 2>/dev/null; do
            now=$(footprint)
            [ "${now:-0}" -le "$largest" ] || largest=$now
            sleep 1
        done
        [ "$largest" = 0 ] || echo "diptych footprint $largest" >>$out/raw
    fi
    wait $reader
    take "$environment" "$part" "$log"
}

# find_uml: sets uml, how boot.sh is to call User Mode Linux. The installed one does where the fetched one
# can't run.
find_uml() {
    uml=${UML:-}
    [ -z "$uml" ] || return 0
    if sh tests/bench/fetch.sh uml >/dev/null && sh tests/bench/uml.sh --version >/dev/null 2>&1; then
        uml=tests/bench/uml.sh
    elif command -v linux.uml >/dev/null; then
        uml=linux.uml
        echo "bench: User Mode Linux is the installed one, $($uml --version); newer ones are twice as fast"
    fi
}

# there ENVIRONMENT: can it be run here?
uml=
there() {
    case $1 in
    native) true ;;
    diptych) [ -x "${DIPTYCH:-build/diptych}" ] ;;
    tcg-*) command -v qemu-system-x86_64 >/dev/null ;;
    uml)
        find_uml
        [ -n "$uml" ]
        ;;
    *)
        echo "bench: there is no environment '$1'" >&2
        exit 2
        ;;
    esac
}

# possible ENVIRONMENT PART: has it got what the part wants?
possible() {
    case $1-$2 in
    uml-one-task | uml-two-tasks) false ;; # it has one CPU
    native-build-c)
        sh tests/bench/in-tree.sh $out/build-c.cpio.gz /bin/true 2>/dev/null && return
        echo "bench: no native build-c: this system forbids namespaces"
        return 1
        ;;
    *) true ;;
    esac
}

# look: a second in which nothing of ours runs. Sets others, how many of the CPUs that we may use are busy all
# the same (others' work is in every figure, and not in equal parts), busiest, the most of these, and idlest,
# the number of the CPU that has most to spare. The load average wouldn't do: our own work is in it.
busiest=0
look() {
    # shellcheck disable=SC2046
    set -- $({
        grep '^Cpus_allowed_list' /proc/self/status
        grep '^cpu[0-9]' /proc/stat
        sleep 1
        grep '^cpu[0-9]' /proc/stat
    } | awk '
        $1 == "Cpus_allowed_list:" {
            for (i = split($2, list, ","); i > 0; i--) {
                n = split(list[i], ends, "-")
                for (cpu = ends[1]; cpu <= ends[n] + 0; cpu++)
                    allowed["cpu" (cpu + 0)] = 1
            }
            next
        }
        !($1 in allowed) { next }
        { busy = $2 + $3 + $4 + $7 + $8 + $9; all = busy + $5 + $6 }
        !($1 in seen) { seen[$1] = 1; busy_before[$1] = busy; all_before[$1] = all; next }
        {
            share = all > all_before[$1] ? (busy - busy_before[$1]) / (all - all_before[$1]) : 0
            total += share
            if (idlest == "" || share < least) { least = share; idlest = substr($1, 4) }
        }
        END { printf "%.2f %d\n", total, idlest }')
    others=$1
    idlest=$2
    busiest=$(echo "$busiest $others" | awk '{ print ($1 > $2) ? $1 : $2 }')
}

# less A B: decimal fractions.
less() {
    awk "BEGIN { exit !($1 < $2) }"
}

look
less "$others" 0.25 || echo "bench: others keep $others CPUs busy: these figures are not to be quoted"
case $parts in *two-tasks*)
    if less "$(nproc)" "$others + 2"; then
        echo "bench: no two-tasks: there aren't two CPUs free"
        parts=$(echo "$parts" | sed 's/one-task,two-tasks//')
    fi
    ;;
esac

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
    for group in $parts; do
        for environment in $present; do
            for part in $(echo "$group" | tr , ' '); do
                possible "$environment" "$part" || continue
                look
                echo "bench: round $round of $rounds: $environment, $part"
                run "$environment" "$part" || status=1
            done
        done
    done
    round=$((round + 1))
done
awk -v floors="$floors" -v spread="$spread" -f tests/bench/compare.awk $out/raw || status=1
less "$busiest" 0.25 ||
    echo "bench: taken beside others' work, which kept up to $busiest CPUs busy: not to be quoted"
exit $status
