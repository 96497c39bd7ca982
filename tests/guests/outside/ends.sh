# SPDX-License-Identifier: GPL-2.0-or-later
# Power-off, reboot and panic each end as configured, with the documented exit status: on the command line and
# in a file of xl's syntax.
# quick
. tests/guests/lib.sh

needs_diptych ends
kernel bookworm-cloud || { skip ends "the kernel could not be fetched"; exit 0; }
k="--kernel $image --initrd $demo"

# shellcheck disable=SC2086
{
    boot $k --cmdline 'quiet diptych_do=poweroff'
    ends end-poweroff 0
    boot $k --cmdline 'quiet diptych_do=reboot' -- --on-reboot destroy
    ends end-reboot-destroy 5
    boot $k --cmdline 'quiet diptych_do=panic' -- --on-crash destroy
    ends end-panic-destroy 4
}

# restarts NAME DO OPTION...: the guest ends itself again and again and is started again: a third first line,
# then our SIGTERM.
restarts() {
    label=$1
    do=$2
    shift 2
    # shellcheck disable=SC2086
    session_start sh $here/boot.sh --timeout 90 $k --cmdline "quiet diptych_do=$do" -- "$@"
    if session_expect 3 '^guest: first line' 60; then
        ok "$label"
    else
        not_ok "$label" "$(grep -c '^guest: first line' "$work/console") starts, not three: $(said)"
    fi
    session_kill
}
restarts end-reboot-restart reboot
restarts end-panic-restart panic --on-crash restart
restarts end-poweroff-restart poweroff --on-poweroff restart

cat >"$work/guest.cfg" <<END
# As xl create takes it.
name = "configured"
type = "pv"
kernel = "$image"
ramdisk = "$demo"
extra = "console=hvc0 quiet diptych_do=reboot"
memory = 256
vcpus = 2
on_reboot = "destroy"
END
limit=60
chmod 644 "$work/guest.cfg"
diptych run "$work/guest.cfg"
ends end-reboot-config 5
sed -i 's/diptych_do=reboot/diptych_do=panic/; s/on_reboot = .*/on_crash = "destroy"/' "$work/guest.cfg"
diptych run "$work/guest.cfg"
ends end-panic-config 4
sed -i 's/diptych_do=panic/diptych_do=poweroff/' "$work/guest.cfg"
diptych run "$work/guest.cfg"
ends end-poweroff-config 0
if grep -q '^guest: 2 CPU' "$work/out"; then
    ok config-vcpus
else
    not_ok config-vcpus "with vcpus = 2 it says '$(grep -m1 '^guest: .* CPU' "$work/out")'"
fi
