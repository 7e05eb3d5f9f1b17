#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Installs the Debian packages that building and testing need and that are not
# there yet.  Says what it installs; says nothing and asks no mirror when
# nothing is missing.  It must never change the configuration of apt, and never
# install a QEMU (tests/setup/qemu.sh unpacks its own), or start a service.
#
# usage: tests/setup/deps.sh [build | check | bench | lint | package | arm64]...
#                                    default: all of them but arm64
set -eu

# The broker, the library, the command line tool.
build='gcc make clang llvm bpftool pkg-config scdoc libc6-dev linux-libc-dev libbpf-dev libelf-dev
zlib1g-dev libcap-ng-dev libmd-dev libjson-c-dev'
# make check, make demo.
check='libclang-rt-dev libcmocka-dev libseccomp2 python3 python3-pytest python3-pytest-xdist
iproute2 ethtool strace util-linux cpio libvirt-daemon libvirt-daemon-driver-qemu libvirt-clients
bubblewrap fish zsh systemd apparmor checkpolicy semodule-utils m4 python3-yaml gccgo lintian
debootstrap'
# make bench.
bench='gnuplot-nox'
# make lint, make valgrind.
lint='shellcheck cppcheck clang-tidy clang-tools clang-format valgrind git'
# make check-hosts HOSTS=arm64, which nothing else needs.
arm64=gcc-aarch64-linux-gnu
# make deb.
package='build-essential debhelper dh-apparmor libcmocka-dev'
# Where units belong, says systemd.pc, which has a package of its own since Debian 13.
if [ ! -e /usr/share/pkgconfig/systemd.pc ]; then
	# shellcheck disable=SC1091
	case $(. /etc/os-release && echo "${VERSION_ID:-}") in
	12) package="$package systemd" ;;
	*) package="$package systemd-dev" ;;
	esac
fi

groups() {
	[ $# -gt 0 ] || set -- build check bench lint package
	for group; do
		case $group in
		build) echo "$build" ;;
		check) echo "$check" ;;
		bench) echo "$bench" ;;
		lint) echo "$lint" ;;
		arm64) echo "$arm64" ;;
		package) echo "$package" ;;
		*) echo "deps: what is $group?" >&2 && exit 2 ;;
		esac
	done
}

missing() {
	packages=$(groups "$@")
	# shellcheck disable=SC2086 # a list of words
	set -- $packages
	installed=" $(dpkg-query -W -f='${db:Status-Status}:${Package} ' "$@" 2>/dev/null || true)"
	for package; do
		case $installed in
		*" installed:$package "*) ;;
		*) printf '%s ' "$package" ;;
		esac
	done
}

as_root() {
	if [ "$(id -u)" = 0 ]; then
		"$@"
	elif command -v sudo >/dev/null; then
		sudo "$@"
	else
		echo "deps: this needs root: $*" >&2
		exit 1
	fi
}

# Fills a directory that maintainer scripts search first.  By it the services of what is
# installed (libvirt's are some) are not started, now or at the next boot.
hold_services() {
	for command in deb-systemd-invoke invoke-rc.d update-rc.d; do
		printf '#!/bin/sh\nexit 0\n' >"$1/$command"
	done
	# "was-enabled": no.
	printf '#!/bin/sh\nexit 1\n' >"$1/deb-systemd-helper"
	chmod -R 755 "$1"
}

wanted=$(missing "$@")
[ -n "$wanted" ] || exit 0
if ! command -v apt-get >/dev/null; then
	echo "deps: not a Debian; please install the likes of: $wanted" >&2
	exit 1
fi

echo "deps: installing ${wanted% }; services among them are neither started nor enabled"
held=$(mktemp -d)
trap 'rm -rf "$held"' EXIT
hold_services "$held"
as_root apt-get -qq update
# shellcheck disable=SC2086 # a list of words
as_root env DEBIAN_FRONTEND=noninteractive \
	apt-get -qq install -y --no-install-recommends \
	-o DPkg::Path="$held:/usr/sbin:/usr/bin:/sbin:/bin" $wanted </dev/null
