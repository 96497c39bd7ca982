# SPDX-License-Identifier: GPL-2.0-or-later
#
#   awk -v floors=2|3 -v spread=1 -f compare.awk FILE
#
# Reads "ENVIRONMENT ROW NANOSECONDS" lines, prints a table of medians and ratios, and holds Diptych against
# its floors. TCG is the better of -cpu max and -cpu qemu64, row by row. Ratios: "slower" is against native
# (1.0 is native speed); "x TCG" and "x UML" say how many times faster Diptych is than these. Exit status 1
# when a floor is missed.
#
# spread=1 adds a table of how far the measurements went below and above their medians. floors=2 and floors=3
# are the floors that the issue of that number asked for; without it, all but those that a later issue put a
# harder one in place of.

BEGIN {
    split("boot syscall page-fault mmap-touch-munmap mprotect-pair signal pipe-pingpong fork-wait fork-exec shell-200 " \
          "pread-4k crc-table quicksort sha256 interpreter recursion nested-calls indirect-1 indirect-8 chase-l1 " \
          "chase-64m gzip-32m matmul-scalar matmul-sse2 matmul-avx2 memcpy-libc rep-movsb one-task two-tasks build-c", order, " ")
    programs = "shell-200 build-c"
    entry = "syscall page-fault mmap-touch-munmap mprotect-pair signal pipe-pingpong fork-wait fork-exec shell-200 pread-4k"
    calls = "recursion nested-calls indirect-1 indirect-8"
    integer = "crc-table quicksort sha256 interpreter " calls " chase-l1 chase-64m gzip-32m"
    floating = "matmul-scalar matmul-sse2 matmul-avx2 memcpy-libc rep-movsb"
}

{ samples[$1, $2] = samples[$1, $2] " " $3; seen[$1] = 1 }

# Sorted samples into a[1..]; returns how many.
function sorted(environment, row, a,    n, i, j, t) {
    n = split(samples[environment, row], a, " ")
    for (i = 2; i <= n; i++)
        for (j = i; j > 1 && a[j - 1] + 0 > a[j] + 0; j--) { t = a[j]; a[j] = a[j - 1]; a[j - 1] = t }
    return n
}

function median(environment, row,    n, a) {
    n = sorted(environment, row, a)
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

# "-3% +12%": the least and the greatest sample against the median.
function range(environment, row,    n, a, m) {
    n = sorted(environment, row, a)
    m = median(environment, row)
    return n ? sprintf("%+.0f%% %+.0f%%", 100 * (a[1] / m - 1), 100 * (a[n] / m - 1)) : "-"
}

function times(a, b) { return a == 0 || b == 0 ? "-" : sprintf("%.2f", a / b) }

# Geometric mean of how many times faster Diptych is than `other` over the rows; sets worst and worst_row; 0
# when no row has both. A row that `other` has and Diptych hasn't (it doesn't offer the instructions, or died
# before) is the worst there is.
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

function greatest(a, b) { return a > b ? a : b }

# How many times the work that one vCPU does two do; 0 when it wasn't measured.
function speed_up(environment,    two) {
    two = median(environment, "two-tasks")
    return two ? 2 * median(environment, "one-task") / two : 0
}

# Issue `issue` asked for it; `harder`: a later issue asks for more.
function floor(issue, harder, what, measured, holds) {
    if (floors ? floors != issue : harder)
        return
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
        value["peer", r] = least(value["tcg", r], value["uml", r])
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
    if (spread) {
        split("native diptych tcg-max tcg-qemu64 uml", environments, " ")
        printf "\n%-18s", "spread"
        for (k = 1; k in environments; k++)
            printf " %12s", environments[k]
        print ""
        for (i = 1; i <= n; i++) {
            line = ""
            for (k = 1; k in environments; k++)
                line = line sprintf(" %12s", range(environments[k], order[i]))
            if (line ~ /%/)
                printf "%-18s%s\n", order[i], line
        }
    }
    if (!seen["diptych"])
        exit 0
    print ""
    if (value["diptych", "boot"] && value["tcg", "boot"])
        floor(2, 0, "boot to first user-space line: at most TCG's time",
              human(value["diptych", "boot"]) " against " human(value["tcg", "boot"]), value["diptych", "boot"] <= value["tcg", "boot"])
    if (g = advantage(entry, "tcg")) {
        floor(2, 3, "kernel entries against TCG: 2.5x in geometric mean", sprintf("%.2fx", g), g >= 2.5)
        floor(2, 3, "kernel entries against TCG: none slower", sprintf("%.2fx (%s)", worst, worst_row), worst >= 1)
        floor(3, 0, "kernel entries against TCG: 3x in geometric mean", sprintf("%.2fx", g), g >= 3)
    }
    if (g = advantage(entry, "uml"))
        floor(3, 0, "kernel entries against UML: 2x in geometric mean", sprintf("%.2fx", g), g >= 2)
    if (advantage(entry, "peer"))
        floor(3, 0, "kernel entries against the better of TCG and UML: none slower", sprintf("%.2fx (%s)", worst, worst_row), worst >= 1)
    if (value["diptych", "syscall"]) {
        floor(2, 3, "system call: under 0.3 us", human(value["diptych", "syscall"]), value["diptych", "syscall"] < 300)
        floor(3, 0, "system call: under 0.25 us", human(value["diptych", "syscall"]), value["diptych", "syscall"] < 250)
    }
    if (advantage(integer " " floating, "native"))
        floor(3, 0, "computing: each row at least 0.95 of native", sprintf("%.2f (%s)", worst, worst_row), worst >= 0.95)
    if (g = advantage(integer, "tcg")) {
        floor(2, 0, "integer and control flow against TCG: 1.3x in geometric mean", sprintf("%.2fx", g), g >= 1.3)
        floor(2, 0, "integer and control flow against TCG: none more than 10 % slower", sprintf("%.2fx (%s)", worst, worst_row), worst >= 0.9)
    }
    if (advantage(calls, "tcg"))
        floor(2, 0, "calls and indirect calls against TCG: each 3x", sprintf("%.2fx (%s)", worst, worst_row), worst >= 3)
    if (advantage(floating, "tcg"))
        floor(2, 0, "floating point and bulk copies against TCG: each 8x", sprintf("%.2fx (%s)", worst, worst_row), worst >= 8)
    if (advantage(programs, "peer"))
        floor(3, 0, "shell-200 and build-c against the better of TCG and UML: 2x", sprintf("%.2fx (%s)", worst, worst_row), worst >= 2)
    if (advantage(programs, "native"))
        floor(3, 0, "shell-200 and build-c: within 2x of native", sprintf("%.2f (%s)", worst, worst_row), worst >= 0.5)
    if (g = speed_up("diptych"))
        floor(3, 0, "two tasks on two vCPUs against one on one: 1.8x", sprintf("%.2fx (native %.2fx, TCG %.2fx)", g,
              speed_up("native"), greatest(speed_up("tcg-max"), speed_up("tcg-qemu64"))), g >= 1.8)
    if (m = median("diptych", "footprint"))
        floor(2, 0, "memory beyond the guest's own 512 MiB: under 100 MiB", sprintf("%.1f MiB", m / 1024), m < 100 * 1024)
    if (g = advantage(integer, "uml"))
        printf "      %-66s %.2fx\n", "integer and control flow against UML, geometric mean", g
    exit missed > 0
}
