set startup-with-shell off
set disable-randomization on
set width 0
break main
run
next
print sum
kill
break add if depth == 0 && value == 10
run
continue
backtrace
print value
print total
finish
step
delete
watch total
continue
print total
continue
print total
delete
set can-use-hw-watchpoints 0
watch total
continue
print total
delete
break 23
continue
print i
set var i = 19
delete
tbreak 24
continue
print sum
next
print scaled
info registers rip
print $xmm0.v2_double[0] * 0 + 7
stepi
stepi
x/2i $pc
continue
