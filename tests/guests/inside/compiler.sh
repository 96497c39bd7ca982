# SPDX-License-Identifier: GPL-2.0-or-later
# A C compiler works in the guest: tcc, dynamically linked against glibc by Debian, compiles programs that
# then run, statically linked against musl; and it compiles and runs in memory, which is self-modifying code
# as users have it.
fail() { echo "$*"; cat /tmp/out 2>/dev/null; exit 1; }
cd /tmp || exit 1
command -v tcc >/dev/null || { echo "the image was built without tcc"; exit 77; }
libtcc=/usr/lib/x86_64-linux-gnu/tcc
tcc="tcc -nostdinc -nostdlib -I$libtcc/include -I/usr/include/musl"
musl=/usr/lib/musl
cat >sieve.c <<'END'
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
int main(int argc, char **argv)
{
    int limit = argc > 1 ? atoi(argv[1]) : 100, count = 0;
    char *composite = calloc(limit + 1, 1);
    double inverse = 0;
    for (int i = 2; i <= limit; i++) {
        if (composite[i]) continue;
        count++;
        inverse += 1.0 / i;
        for (long k = (long)i * i; k <= limit; k += i) composite[k] = 1;
    }
    printf("%d %.6f\n", count, inverse);
    free(composite);
    return 0;
}
END
for round in 1 2; do
    $tcc -static -o sieve $musl/crt1.o $musl/crti.o sieve.c $musl/libc.a $musl/crtn.o $libtcc/libtcc1.a \
        >out 2>&1 ||
        fail "round $round: tcc failed"
    [ "$(./sieve 1000000)" = "78498 2.887328" ] ||
        fail "round $round: the compiled program says '$(./sieve 1000000)'"
done
# Two hundred functions, each its own answer.
{
    echo '#include <stdio.h>'
    i=0
    while [ $i -lt 200 ]; do
        echo "unsigned f$i(unsigned x) { return x * ${i}u + (x >> $((i % 30))); }"
        i=$((i + 1))
    done
    echo 'int main(void) { unsigned x = 1;'
    i=0
    while [ $i -lt 200 ]; do echo "x ^= f$i(x + $i);"; i=$((i + 1)); done
    echo 'printf("%u\n", x); return 0; }'
} >many.c
$tcc -static -o many $musl/crt1.o $musl/crti.o many.c $musl/libc.a $musl/crtn.o $libtcc/libtcc1.a >out 2>&1 ||
    fail "tcc failed on many.c"
[ "$(./many)" = 2826998472 ] || fail "many says '$(./many)'"
cat >run.c <<'END'
int printf(const char *, ...);
int f(int n) { return n < 2 ? n : f(n - 1) + f(n - 2); }
int main(void) { printf("%d\n", f(24)); return 0; }
END
for round in 1 2 3; do
    got=$(tcc -run run.c 2>&1)
    [ "$got" = 46368 ] || fail "tcc -run says '$got'"
done
rm -f sieve* many* run.c out
