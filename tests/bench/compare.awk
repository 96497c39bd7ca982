# SPDX-License-Identifier: GPL-2.0-or-later
#
# Reads "ENVIRONMENT ROW NANOSECONDS" lines, prints a table of medians and ratios, and holds Diptych against its floors.
# TCG is the better of -cpu max and -cpu qemu64, row by row. Ratios: "slower" is against native (1.0 is native speed);
# "x TCG" and "x UML" say how many times faster Diptych is than these. Exit status 1 when a floor is missed.

BEGIN {
    split("boot syscall page-fault mmap-touch-munmap mprotect-pair signal pipe-pingpong fork-wait fork-exec shell-200 " \
          "pread-4k crc-table quicksort sha256 interpreter recursion nested-calls indirect-1 indirect-8 chase-l1 " \
          "chase-64m gzip-32m matmul-scalar matmul-sse2 matmul-avx2 memcpy-libc rep-movsb", order, " ")
    entry = "syscall page-fault mmap-touch-munmap mprotect-pair signal pipe-pingpong fork-wait fork-exec shell-200 pread-4k"
    calls = "recursion nested-calls indirect-1 indirect-8"
    integer = "crc-table quicksort sha256 interpreter " calls " chase-l1 chase-64m gzip-32m"
    floating = "matmul-scalar matmul-sse2 matmul-avx2 memcpy-libc rep-movsb"
}

{ samples[$1, $2] = samples[$1, $2] " " $3; seen[$1] = 1 }

function median(environment, row,    n, a, i, j, t) {
    n = split(samples[environment, row], a, " ")
    for (i = 2; i <= n; i++)
        for (j = i; j > 1 && a[j - 1] + 0 > a[j] + 0; j--) { t = a[j]; a[j] = a[j - 1]; a[j - 1] = t }
    if (n == 0)
        return 0
    return n % 2 ? a[(n + 1) / 2] : (a[n / 2] + a[n / 2 + 1]) / 2
}

function least(a, b) { return a == 0 || (b != 0 && b < a) ? b : a }

function human(ns) {
    if (ns == 0) return "-"
    if (ns < 1e3) return sprintf("%.2f ns", ns)
    if (ns < 1e6) return sprintf("%.2f us", ns / 1e3)
    if (ns < 1e9) return sprintf("%.2f ms", ns / 1e6)
    return sprintf("%.2f s", ns / 1e9)
}

function times(a, b) { return a == 0 || b == 0 ? "-" : sprintf("%.2f", a / b) }

# Geometric mean of how many times faster Diptych is than `other` over the rows; sets worst and worst_row; 0 when no row has both.
# A row that `other` has and Diptych hasn't (it doesn't offer the instructions, or died before) is the worst there is.
function advantage(rows, other,    n, a, i, sum, count, r, missing) {
    n = split(rows, a, " ")
    worst = 0
    missing = ""
    for (i = 1; i <= n; i++) {
        if (!value[other, a[i]])
            continue
        if (!value["diptych", a[i]]) {
            missing = a[i]
            continue
        }
        r = value[other, a[i]] / value["diptych", a[i]]
        if (worst == 0 || r < worst) { worst = r; worst_row = a[i] }
        sum += log(r)
        count++
    }
    if (missing != "") { worst = 0; worst_row = missing ": no result" }
    return count ? exp(sum / count) : 0
}

function floor(what, measured, holds) {
    printf "%s  %-66s %s\n", holds ? "PASS" : "FAIL", what, measured
    if (!holds)
        missed++
}

END {
    n = length(order)
    for (i = 1; i <= n; i++) {
        r = order[i]
        value["native", r] = median("native", r)
        value["diptych", r] = median("diptych", r)
        value["uml", r] = median("uml", r)
        value["tcg", r] = least(median("tcg-max", r), median("tcg-qemu64", r))
    }
    printf "%-18s %12s %12s %12s %12s | %8s %8s %8s | %7s %7s\n", "", "native", "diptych", "tcg", "uml",
        "diptych", "tcg", "uml", "x TCG", "x UML"
    printf "%-18s %12s %12s %12s %12s | %26s | %15s\n", "", "", "", "", "", "slower than native  ", "diptych faster"
    for (i = 1; i <= n; i++) {
        r = order[i]
        if (!value["native", r] && !value["diptych", r] && !value["tcg", r] && !value["uml", r])
            continue
        printf "%-18s %12s %12s %12s %12s | %8s %8s %8s | %7s %7s\n", r, human(value["native", r]), human(value["diptych", r]),
            human(value["tcg", r]), human(value["uml", r]), times(value["diptych", r], value["native", r]),
            times(value["tcg", r], value["native", r]), times(value["uml", r], value["native", r]),
            times(value["tcg", r], value["diptych", r]), times(value["uml", r], value["diptych", r])
    }
    if (!seen["diptych"])
        exit 0
    print ""
    if (value["diptych", "boot"] && value["tcg", "boot"])
        floor("boot to first user-space line: at most TCG's time", human(value["diptych", "boot"]) " against " human(value["tcg", "boot"]),
              value["diptych", "boot"] <= value["tcg", "boot"])
    if (g = advantage(entry, "tcg")) {
        floor("kernel entries against TCG: 2.5x in geometric mean", sprintf("%.2fx", g), g >= 2.5)
        floor("kernel entries against TCG: none slower", sprintf("%.2fx (%s)", worst, worst_row), worst >= 1)
    }
    if (g = advantage(integer, "tcg")) {
        floor("integer and control flow against TCG: 1.3x in geometric mean", sprintf("%.2fx", g), g >= 1.3)
        floor("integer and control flow against TCG: none more than 10 % slower", sprintf("%.2fx (%s)", worst, worst_row), worst >= 0.9)
    }
    if (g = advantage(calls, "tcg"))
        floor("calls and indirect calls against TCG: each 3x", sprintf("%.2fx (%s)", worst, worst_row), worst >= 3)
    if (g = advantage(floating, "tcg"))
        floor("floating point and bulk copies against TCG: each 8x", sprintf("%.2fx (%s)", worst, worst_row), worst >= 8)
    if (value["diptych", "syscall"])
        floor("system call: under 0.3 us", human(value["diptych", "syscall"]), value["diptych", "syscall"] < 300)
    if (m = median("diptych", "footprint"))
        floor("memory beyond the guest's own 512 MiB: under 100 MiB", sprintf("%.1f MiB", m / 1024), m < 100 * 1024)
    if (g = advantage(entry, "uml"))
        printf "      %-66s %.2fx\n", "kernel entries against UML, geometric mean", g
    if (g = advantage(integer, "uml"))
        printf "      %-66s %.2fx\n", "integer and control flow against UML, geometric mean", g
    exit missed > 0
}
