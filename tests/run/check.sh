#!/bin/bash
# SPDX-License-Identifier: MIT
#
# make check: builds everything, gets the test QEMUs and the guest, runs every
# test, and ends with the line "N passed, N failed".  SAN=1: the same with ASan
# and UBSan.  It must never end with status 0 when a test failed or none ran.
#
# usage: tests/run/check.sh [SAN=1]      more arguments for pytest in PYTEST_ARGS
set -euo pipefail
cd "$(dirname "$0")/../.."

san=
for arg; do
	case $arg in
	SAN=1) san=1 ;;
	*) echo "check: what is $arg?" >&2 && exit 2 ;;
	esac
done

if [ "$(id -u)" != 0 ]; then
	echo "check: the tests make taps and namespaces: please run this as root" >&2
	exit 1
fi

tests/setup/qemu.sh 10.0 7.2 sid
tests/setup/qmp_client.sh
tests/setup/promtool.sh
tests/setup/guest.sh
tests/setup/host.sh bookworm
tests/setup/selinux.sh
tests/setup/chroot.sh
case ${MAKEFLAGS:-} in
*jobserver*) jobs= ;;
*) jobs=-j$(nproc) ;;
esac
make -s ${jobs:+"$jobs"} ${san:+SAN=1} all test-programs

export RSSB_BUILD=build${san:+/san}
# Some tests preload a library, or load ours into a program that has no sanitizer.  What each
# program says of leaks stands (broker/common/seccomp.c).
export ASAN_OPTIONS=${ASAN_OPTIONS:-verify_asan_link_order=0}
export UBSAN_OPTIONS=${UBSAN_OPTIONS:-print_stacktrace=1:halt_on_error=1}
# Two files of tests at a time: most of the time a test waits.
# shellcheck disable=SC2086 # a list of words
exec /usr/bin/pytest-3 -n 2 --dist loadfile ${PYTEST_ARGS:-} tests </dev/null
