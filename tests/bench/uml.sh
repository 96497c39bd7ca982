#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# linux.uml for boot.sh: the one that fetch.sh fetched, in the mode that is faster. The arguments are a UML
# kernel's.
exec sh tests/bench/in-tree.sh build/bench/uml /usr/bin/linux.uml seccomp=on "$@"
