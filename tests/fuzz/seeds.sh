#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Writes the seeds of a fuzz target into a directory, a file each.
#   seeds.sh TARGET DIRECTORY
# Targets without a row here read their input as steps that any bytes make, and start from nothing.
set -eu

target=$1
dir=$2
mkdir -p "$dir"
count=0

# seed FORMAT: the bytes that printf makes of it.
seed() {
    count=$((count + 1))
    # The format is the seed.
    # shellcheck disable=SC2059
    printf -- "$1" >"$dir/seed-$count"
}

case $target in
kernel_image)
    build/fuzz/seeds_kernel_image "$dir"
    ;;
xl_config)
    seed 'name = "web"\ntype = "pv"\nkernel = "vmlinuz"\nramdisk = "initrd"\n'\
'extra = "console=hvc0 quiet"\nmemory = 512\nvcpus = 2\non_crash = "destroy"\n'
    seed 'kernel = "a"\nmaxmem = 1024\nmemory = 512\ncmdline = "x"\nroot = "/dev/xvda"\n'\
'on_reboot = "restart"\n'
    seed 'kernel = "a"\ndisk = [ "phy:/dev/vg/x,xvda,w" ]\nvif = [ "" ]\ncpuid = "host"\n'
    ;;
command)
    seed '--type\npv\n--kernel\nvmlinuz\n--initrd=initrd\n--memory\n512M\n--vcpus\n2\n--cmdline\n'\
'console=hvc0\n'
    seed '--kernel\nk\n--cpu\nx86-64-v3,-avx2,+aes\n--on-crash=preserve\n--trace=%%mm,!sched_op\n'\
'--trace-file\nf\n'
    seed '--kernel=k\n--debug\nin_asm,out_asm,no_chain\n-Dfile\n--stats\n--trace-summary\n--name\n'\
'x\n--\nguest.cfg\n'
    seed '--cpu\nhelp\n'
    seed '-h\n'
    ;;
cpu)
    seed 'host,-avx,-aes\n'
    seed 'x86-64-v2,+avx2,-bmi1\n'
    seed 'x86-64\n'
    ;;
trace)
    # A filter; two calls; memory.
    seed '\n\002\001\003\0\020\001\0\360\177\0\022\0\001\002\0\0\0\0\003\002\001\0\360\177\001\002'
    seed '%%mm,%%trap\n\001\032\007\0\020\001\0\360\177\0'
    seed '!sched_op,set_timer_op\n\001\035\002\002\020'
    seed 'mmu_update,EVTCHNOP_send,%%upcall\n\001\014\002\001\040'
    ;;
emulate)
    seed '\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\017\242'
    seed '\0\004\004\004\004\004\004\004\004\004\004\004\004\004\004\004\004\017\0\320\017\001\020'
    seed '\0\004\013\004\004\004\004\004\004\004\004\004\004\004\004\004\004\017\062'
    seed '\0\004\004\004\004\004\004\004\004\004\004\004\004\004\004\004\004\377\050'
    ;;
translate)
    seed '\0\0\110\213\004\045\0\020\0\0\303'
    seed '\044\0\017\057\301\165\375\350\0\0\0\0\303'
    seed '\001\001\140\141\311\307\004\044\0\0\0\0\303'
    seed '\0\0\304\342\371\222\034\075\0\0\0\0\363\244\017\301\010\360\017\307\010'
    seed '\300\377\350\0\0\0\0\017\205\0\0\0\0\340\376\353\376'
    ;;
esac
