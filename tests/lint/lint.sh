#!/bin/bash
# SPDX-License-Identifier: MIT
#
# make lint: everything that finds fault without running the program.  Runs all
# of it, and fails if any found something.  It must never change a file of ours.
set -uo pipefail
cd "$(dirname "$0")/../.." || exit 1

lint_jobs=$(nproc)
lint_failed=()
clang_format_version=14 # another version formats differently

step() {
	local name=$1

	shift
	echo "lint: $name"
	"$@" || lint_failed+=("$name")
}

c_files() {
	git ls-files '*.[ch]'
}

format() {
	local clang_format

	clang_format=$(command -v clang-format-$clang_format_version || command -v clang-format)
	if ! "$clang_format" --version | grep -q "version $clang_format_version\."; then
		echo "lint: clang-format $clang_format_version is not here: formatting not checked"
		return 0
	fi
	c_files | xargs "$clang_format" --dry-run -Werror
}

shell_files() {
	git ls-files -- '*.sh' .ci/run tests/guest/init tests/hosts/init 'client/libexec/qemu-*' \
		'client/completions/*.bash' \
		'docs/packaging/debian/*.postinst' 'docs/packaging/debian/*.prerm' \
		'docs/packaging/debian/*.postrm'
}

shell() {
	shell_files | xargs shellcheck -x
}

# The tests' macros are beyond it; clang-tidy sees those.
static_analysis() {
	git ls-files '*.c' | grep -v -e '\.bpf\.c$' -e '^tests/' |
		xargs cppcheck --quiet --error-exitcode=1 \
		--enable=warning,portability,performance --inline-suppr --std=c11 -j "$lint_jobs" \
		-I. -D__x86_64__ -D_GNU_SOURCE \
		--library=tests/lint/cppcheck.xml \
		--suppress=missingIncludeSystem --suppress=normalCheckLevelMaxBranches
}

tidy_files() {
	xargs -P "$lint_jobs" -n 4 clang-tidy --quiet -p build/lint \
		--config-file=tests/lint/clang-tidy.yaml "$@" 2>/dev/null
}

# A test may allocate nothing, run a command by system(3), have another process's addresses, and
# define a function of the C library.
tidy() {
	local failed=0
	local off=-cert-env33-c,-performance-no-int-to-ptr
	off+=,-readability-inconsistent-declaration-parameter-name

	mkdir -p build/lint
	make -n -B V=1 CC=clang B=build/lint/clang all test-programs 2>/dev/null |
		tests/lint/compile_commands.py docs/examples/*.c >build/lint/compile_commands.json
	git ls-files '*.c' | grep -v -e '\.bpf\.c$' -e '^tests/' | tidy_files || failed=1
	git ls-files 'tests/*.c' | grep -v -e '\.bpf\.c$' -e '^tests/guest/' |
		tidy_files --checks=-clang-analyzer-optin.*,$off || failed=1
	return $failed
}

# Everything is built, with warnings as errors, beside the ordinary build.
compile() {
	make -s -j"$lint_jobs" CC="$1" WERROR=1 B="build/lint/$1" all test-programs >/dev/null
}

# Why a warning of gcc's analyzer is off:
#   fd-leak      gcc 14 believes that pipe2() may give a negative fd, and that one which moved
#                into a struct that is copied is lost; the tests count fds
#   malloc-leak  gcc 12 and 14 lose sight of what a struct on the heap points to; the leak check
#                of make SAN=1 check does not
analyzer() {
	make -s -j"$lint_jobs" CC=gcc WERROR=1 B=build/lint/analyzer \
		CFLAGS="-O2 -g -fanalyzer -Wno-analyzer-fd-leak -Wno-analyzer-malloc-leak" \
		all >/dev/null
}

# Each of its checkers for what holds a privilege.  Of library and command line tool without
# those that clang-tidy.yaml leaves out, for the same reasons.
scan() {
	local off=() check

	for check in core.CallAndMessage core.NonNullParamChecker core.uninitialized.Assign \
		core.uninitialized.Branch unix.Malloc deadcode.DeadStores; do
		off+=(-disable-checker "$check")
	done
	scan_build build/lint/scan/rss-broker &&
		scan_build "${off[@]}" build/lint/scan/librssb.so build/lint/scan/rssb
}

# The last words are what is built, those before are options.
scan_build() {
	local options=()

	while [[ $1 != build/* ]]; do
		options+=("$1")
		shift
	done
	scan-build --status-bugs -o build/lint/scan-report "${options[@]}" \
		make -s -j"$lint_jobs" B=build/lint/scan WERROR= CFLAGS=-O1 "$@" >/dev/null
}

step "clang-format" format
step "shellcheck" shell
step "house rules" tests/lint/house_rules.py
step "tests that cannot fail" tests/lint/vain_tests.py
step "mutants" tests/mutants/run.py --check
step "cppcheck" static_analysis
step "gcc" compile gcc
step "clang" compile clang
step "gcc -fanalyzer" analyzer
step "scan-build" scan
step "clang-tidy" tidy

if [ ${#lint_failed[@]} -gt 0 ]; then
	printf 'lint: failed: %s\n' "${lint_failed[*]}"
	exit 1
fi
echo "lint: clean"
