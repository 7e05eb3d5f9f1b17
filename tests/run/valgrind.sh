#!/bin/bash
# SPDX-License-Identifier: MIT
#
# make valgrind: the unit suite under memcheck.  A read of what was never written,
# which the sanitizers do not see, and whatever leaks, is a failure; so is a program
# that does not run.
#
# usage: tests/run/valgrind.sh BUILD [PROGRAM...]     default: all of BUILD/tests/unit
#
# Left out: test_seal, whose children load the broker's system call filters: these
# kill valgrind for calls of its own.  What it finds in libraries: valgrind.supp.
set -uo pipefail
cd "$(dirname "$0")/../.." || exit 1

build=$1
shift
jobs=$(nproc)
log=$build/valgrind
left_out=test_seal

programs() {
	local source

	for source in tests/unit/test_*.c; do
		source=${source##*/}
		[ "${source%.c}" = $left_out ] || echo "$build/tests/unit/${source%.c}"
	done
}

# What it said is shown when it is bad.  Called by xargs, in a shell of its own.
judge() {
	local program=$1 log=$2/${1##*/}

	if RSSB_VALGRIND=1 CMOCKA_MESSAGE_OUTPUT=TAP valgrind --quiet --error-exitcode=99 \
		--suppressions=tests/run/valgrind.supp --leak-check=full \
		--show-leak-kinds=definite,indirect --errors-for-leak-kinds=definite,indirect \
		"$program" >"$log" 2>&1 </dev/null; then
		return 0
	fi
	echo "valgrind: $program:"
	grep -v '^ok ' "$log"
	return 1
}

[ $# -gt 0 ] || mapfile -t programs < <(programs)
[ $# -gt 0 ] && programs=("$@")
mkdir -p "$log"
export -f judge
# shellcheck disable=SC2016 # the inner shell's own
if ! printf '%s\n' "${programs[@]}" |
	xargs -P "$jobs" -I{} bash -c 'judge "$1" "$2"' judge {} "$log"; then
	echo "valgrind: failed"
	exit 1
fi
echo "valgrind: ${#programs[@]} programs, clean"
