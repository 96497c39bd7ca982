# SPDX-License-Identifier: GPL-2.0-or-later
# Ordinary shell work gives the answers it gives everywhere: loops, pipes, arithmetic, redirection, here
# documents, background jobs, traps. Thousands of short processes, each with its fork, exec, page faults and
# exit.
fail() { echo "$*"; exit 1; }
is() { [ "$2" = "$3" ] || fail "$1: '$2', not '$3'"; }
cd /tmp || exit 1

i=0 sum=0
while [ $i -lt 20000 ]; do i=$((i + 1)) sum=$(((sum * 31 + i) % 1000003)); done
is loop $sum 711572
is pipe "$(seq 5000 | grep 7 | sed 's/7/x/g' | sort -r | head -n 3 | tr '\n' ' ')" "xxx xx9 xx8 "
is long-pipe "$(seq 3000 | cat | cat | cat | cat | cat | cat | cat | cat | wc -l | tr -d ' ')" 3000
n=0
for word in $(seq 300); do n=$((n + $(echo "$word" | wc -c))); done
is substitution $n 1092
cat >here <<END
$((1 << 40)) and $(printf '%05d' 42)
END
is here "$(cat here)" "1099511627776 and 00042"
for k in 1 2 3 4 5 6 7 8; do (sleep 0.$k; echo "$k" >>jobs) & done
wait
# Which of them comes first no kernel promises, however long each sleeps.
is jobs "$(sort jobs | tr -d '\n')" 12345678
trap 'trapped=$((trapped + 1))' USR1
trapped=0
for k in 1 2 3; do kill -USR1 $$; done
is trap $trapped 3
sh -c 'kill -SEGV $$' 2>/dev/null
is killed $? 139
(exit 42)
is status $? 42
mkfifo fifo
(seq 100 >fifo) &
is fifo "$(awk '{ s += $1 } END { print s }' <fifo)" 5050
wait
mkdir -p deep/a/b/c && touch deep/a/b/c/file && ln -s c deep/a/b/link
is find "$(find deep -type f -o -type l | sort | tr '\n' ' ')" "deep/a/b/c/file deep/a/b/link "
rm -rf deep jobs here fifo
