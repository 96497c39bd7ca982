# SPDX-License-Identifier: GPL-2.0-or-later
# Where users are: a guest boots behind a container's seccomp profile without capabilities, with a bare file
# system and with files closed; and where a limit leaves it no room, the command ends with one line that says
# which.
. tests/guests/lib.sh

needs_diptych containers
kernel bookworm-cloud || { skip containers "the kernel could not be fetched"; exit 0; }
user=$AS_USER

# lives NAME COMMAND...: a guest boots and powers itself off, under a command that runs it confined.
lives() {
    label=$1
    shift
    AS_USER=$*
    boot --kernel "$image" --initrd "$demo" --memory 256M --vcpus 2 --cmdline 'quiet diptych_do=poweroff'
    if [ $status -eq 0 ] && ! grep -q '^guest: 2 CPU' "$work/console.lines"; then
        not_ok "$label" "it ended well and said nothing: $(said)"
    else
        ends "$label" 0
    fi
}

# speaks_of_translation NAME TIMES: how often the guest before was said to run in the translator only.
speaks_of_translation() {
    times=$(grep -c "user code can't run directly here and is translated" "$work/stderr")
    if [ "$times" -eq "$2" ]; then
        ok "$1"
    else
        not_ok "$1" "it says $times times, not $2, that user code is translated: $(said)"
    fi
}

# ends_clearly NAME WORD COMMAND...: no guest, but status 1 and one line with WORD in it.
ends_clearly() {
    label=$1
    word=$2
    shift 2
    AS_USER=$*
    refuses "$label" 1 "$word" run --type pv --kernel "$image" --initrd "$demo" --memory 256M --vcpus 2 \
        --cmdline 'console=hvc0 quiet diptych_do=poweroff'
}

first_cpu=$(taskset -cp $$ | sed 's/.*: *//; s/[,-].*//')
AS_USER=$stage/confine
diptych doctor
direct=$(sed -n 's/^direct execution: \([a-z]*\).*/\1/p' "$work/out")
lives container-profile "$stage/confine"
if [ "$direct" = yes ]; then
    speaks_of_translation container-profile-direct 0
else
    skip container-profile-direct "the doctor says that this host has no direct execution"
fi
# Direct execution needs no ptrace.
lives container-profile-no-ptrace "$stage/confine" --no-ptrace
if [ "$direct" = yes ]; then
    speaks_of_translation container-profile-no-ptrace-direct 0
else
    skip container-profile-no-ptrace-direct "the doctor says that this host has no direct execution"
fi
# Whatever would let user code run directly is refused; and there is one CPU.
lives container-profile-no-listener "$stage/confine" --no-listener --no-ptrace taskset -c "$first_cpu"
speaks_of_translation container-profile-no-listener-said 1
lives limits "$user" prlimit --as=1500000000 --nofile=24 --memlock=0 env -i

ends_clearly no-processes 'ulimit -u' "$user" prlimit --nproc=1
ends_clearly no-address-space 'ulimit -v' "$user" prlimit --as=200000000
ends_clearly no-address-space-vcpu 'ulimit -v' "$user" prlimit --as=500000000
ends_clearly no-data 'ulimit -v' "$user" prlimit --data=100000000
ends_clearly no-file-size 'ulimit -f' "$user" prlimit --fsize=1000000
ends_clearly no-timers 'ulimit -i' "$user" prlimit --sigpending=0
ends_clearly no-files 'Too many open files' "$user" prlimit --nofile=8

# A file system of which nothing can be written, without /proc and /dev/shm. Mounts of one's own take root, or
# a user namespace.
cat >"$stage/bare" <<'END'
set -e
mount --make-rprivate /
! mountpoint -q /dev/shm || umount -l /dev/shm
mount -o remount,bind,ro /
umount -l /proc
exec "$@"
END
chmod 644 "$stage/bare"
namespace='unshare --mount'
[ "$(id -u)" = 0 ] || namespace='unshare --user --map-root-user --mount'
if $namespace sh "$stage/bare" sh -c '! test -e /proc/self && ! mkdir /diptych-bare' 2>"$work/stderr"; then
    lives bare-file-system "$namespace" sh "$stage/bare" "$user"
else
    skip bare-file-system "no mounts of one's own here: $(said)"
fi

# Standard files that aren't there. boot.sh opens its own, so this calls the command.
cat >"$stage/closed" <<'END'
files=$1
shift
eval "exec \"\$@\" $files"
END
chmod 644 "$stage/closed"
for files in '<&-' '<&- >&- 2>&-'; do
    # shellcheck disable=SC2086
    timeout --kill-after=5 60 $user sh "$stage/closed" "$files" "$DIPTYCH" run --type pv --kernel "$image" \
        --initrd "$demo" --cmdline 'console=hvc0 quiet diptych_do=poweroff' >"$work/out" 2>"$work/stderr"
    status=$?
    ends "closed-files $files" 0
done
