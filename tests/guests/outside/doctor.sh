# SPDX-License-Identifier: GPL-2.0-or-later
# `diptych doctor` says of each engine yes or no; in hosts that lack something it names that and what to
# change; its status is the translator's.
# quick
. tests/guests/lib.sh

needs_diptych doctor
user=$AS_USER

# diagnosis NAME STATUS PATTERN...: the command's status, each pattern on a line of its standard output, and
# nothing on standard error.
diagnosis() {
    name=$1
    expected=$2
    shift 2
    diptych doctor $options
    if [ $status -ne "$expected" ]; then
        not_ok "$name" "status $status, not $expected: $(said)"
        return
    fi
    if [ -s "$work/stderr" ] || [ -n "$(ls -A "$work/cwd")" ]; then
        not_ok "$name" "it complained or left something behind: $(said)"
        return
    fi
    for pattern in "$@"; do
        if ! grep -q -E -- "$pattern" "$work/out"; then
            not_ok "$name" "nothing like '$pattern' in what it says"
            cp "$work/out" "$work/out-$name"
            return
        fi
    done
    ok "$name"
}

options=
diagnosis doctor-here 0 '^host: Linux .* CPU' '^translator: yes, guests of' \
    '^direct execution: (yes|no)' '^KVM: (yes|no)'
options=--verbose
diagnosis doctor-verbose 0 'in order: the CPU has BMI2' 'in order: the process can be shut in'
AS_USER=$stage/confine
diagnosis doctor-container 0 '^translator: yes, guests of' 'in order: .*shut in'
direct=$(sed -n 's/^direct execution: \([a-z]*\).*/\1/p' "$work/out")
AS_USER="$stage/confine --no-ptrace"
diagnosis doctor-no-ptrace 0 '^translator: yes, guests of' "^direct execution: $direct" \
    'in order: a process of ours can be kept from making system calls'
AS_USER="$stage/confine --no-listener"
diagnosis doctor-no-listener 0 '^translator: yes, guests of' '^direct execution: no' \
    'missing: .*NEW_LISTENER.*: Operation not permitted' 'to change it: .*seccomp profile'
AS_USER="$user prlimit --nproc=1"
diagnosis doctor-no-processes 1 '^translator: no' '^direct execution: no' 'to change it: .*ulimit -u'
AS_USER="$user prlimit --as=150000000"
diagnosis doctor-address-space 1 '^translator: no' 'ulimit -v'
AS_USER="$user prlimit --fsize=1000000"
diagnosis doctor-file-size 1 '^translator: no' 'ulimit -f'
AS_USER=$user
refuses doctor-operand 2 patient doctor patient
refuses doctor-option 2 --cure doctor --cure
output=/dev/full
refuses doctor-full 1 'standard output' doctor
