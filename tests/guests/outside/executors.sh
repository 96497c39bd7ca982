# SPDX-License-Identifier: GPL-2.0-or-later
# What holds for programs holds whoever runs them: those tests in tests/guests/inside that are about memory,
# exceptions, registers and code that changes, and the hostile ones, with user code run directly, in the
# translator, and in both at random; with 1 and 2 vCPUs, on one kernel. inside.sh has the default.
# quick
. tests/guests/lib.sh
. tests/guests/session-inside.sh

limit=300
needs_diptych executors
if ! kernel bookworm-cloud; then
    skip executors "the kernel could not be fetched"
    exit 0
fi
diptych doctor
if ! grep -q '^direct execution: yes' "$work/out"; then
    skip executors "$(sed -n '/^direct execution:/,/^[^ ]/p' "$work/out" | tr -s ' \n' ' ' | cut -c1-200)"
    exit 0
fi

hostile=hostile,hostilecalls,hostileplace,hostilepages,hostilestate,hostileload
others=memory,pagestorm,signals,signalstorm,siginfo,edges,threads,processes,jit,smc,fpstate,xstate
others=$others,masked,singlestep,compat,entry32,segments,vsyscall,tracer

# executor HOW VCPUS TESTS
executor() {
    DIPTYCH_EXEC=$1
    export DIPTYCH_EXEC
    session "$1-$2" "$stage/tests.cpio.gz" "$2" "vsyscall=emulate diptych_only=$3"
}

executor direct 2 $hostile,$others
[ "$quick" = 0 ] || exit 0
executor direct 1 $hostile,$others
executor random 2 $hostile,$others
executor random 1 $others
executor translate 2 $hostile
