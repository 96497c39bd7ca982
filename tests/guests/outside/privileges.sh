# SPDX-License-Identifier: GPL-2.0-or-later
# What a running guest's process may do: it is an ordinary user's, has no capability, can gain none, is
# behind a seccomp filter with all its threads, and isn't to be looked into by others of its user.
# quick
. tests/guests/lib.sh

needs_diptych privileges
kernel bookworm-cloud || { skip privileges "the kernel could not be fetched"; exit 0; }

# every NAME FIELD VALUE: each thread's /proc status has that value in that field.
every() {
    others=$(grep -h "^$2:" /proc/"$process"/task/*/status | sort | uniq -c | awk -v v="$3" '$3 != v')
    threads=$(grep -c "^$2:[[:space:]]*$3" /proc/"$process"/task/*/status | wc -l)
    if [ -n "$others" ]; then
        not_ok "$1" "not all threads have $2 $3: $others"
    elif [ "$threads" -lt 5 ]; then
        not_ok "$1" "$threads threads, too few for a guest with 2 vCPUs"
    else
        ok "$1"
    fi
}

limit=60
session_start sh $here/boot.sh --timeout $limit --kernel "$image" --initrd "$demo" --memory 256M --vcpus 2 \
    --cmdline 'quiet diptych_do=hang'
if ! session_expect 1 '^guest: first line' 60; then
    not_ok privileges "no guest to look at: $(said)"
    session_kill
    exit 0
fi
# timeout(1) has become our process; its child is the guest's.
process=$(cat "/proc/$session_pid/task/$session_pid/children")
process=${process%% *}

user=$(awk '/^Uid:/ { print $2, $3, $4, $5 }' "/proc/$process/status")
case " $user " in
*' 0 '*) not_ok privileges-user "it runs with user ids $user" ;;
*) ok privileges-user ;;
esac
every privileges-capabilities CapEff 0000000000000000
every privileges-capabilities-permitted CapPrm 0000000000000000
every privileges-none-to-gain NoNewPrivs 1
every privileges-filter Seccomp 2
# The files of a process that isn't dumpable belong to root, whoever's it is.
owner=$(stat -c %u "/proc/$process/mem")
session_kill
if [ "$owner" = 0 ]; then
    ok privileges-closed
else
    not_ok privileges-closed "others of the same user can look into it"
fi
