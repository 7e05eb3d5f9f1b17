#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Unpacks the QEMUs that the tests run, each with the libraries of its own
# Debian release, without installing anything:
#
#   build/qemu/VERSION/qemu-system-x86_64   runs it; execs, so fds are inherited
#   build/qemu/VERSION/rss.bpf.o            its steering object, by QMP request-ebpf (>= 9.0)
#   build/qemu/VERSION/version              the package's full version
#
# usage: tests/setup/qemu.sh [VERSION...]     VERSION: 7.2, 10.0, 10.0-arm or sid; default 10.0
#
# 10.0-arm is 10.0's qemu-system-aarch64.
#
# It must never touch a QEMU of the host.  What is there already is left alone.
set -euo pipefail
cd "$(dirname "$0")/../.."
. tests/setup/private_apt.sh

# Which suite holds which QEMU.
qemu_suite() {
	case $1 in
	7.2) echo bookworm ;;
	10.0 | 10.0-arm)
		case $(private_apt_host_release) in
		bookworm) echo bookworm-backports ;;
		*) echo trixie ;;
		esac
		;;
	sid) echo sid ;;
	*) echo "qemu: no such test QEMU: $1" >&2 && return 1 ;;
	esac
}

# Of this host's own release: such a QEMU runs on the host's libc.
qemu_is_native() {
	[ "${1%-backports}" = "$(private_apt_host_release)" ]
}

qemu_unpack() {
	local suite=$1 root=$2 deb

	private_apt_fetch "$suite" "$qemu_package" >"$root/debs"
	while read -r deb; do
		[[ ${deb##*/} == libc6_* ]] && qemu_is_native "$suite" && continue
		dpkg -x "$deb" "$root"
	done <"$root/debs"
}

# What both wrappers start with.  -L: Debian's QEMU looks for its ROMs below /usr.
qemu_wrapper_head() {
	cat <<-SH
		#!/bin/sh
		qemu=usr/bin/$qemu_program
	SH
	cat <<-'SH'
		root=$(dirname "$(readlink -f "$0")")
		qemu=$root/$qemu
		usr_lib=$root/usr/lib/x86_64-linux-gnu
		lib=$root/lib/x86_64-linux-gnu
		set -- -L "$root/usr/share/qemu" -L "$root/usr/share/seabios" \
			-L "$root/usr/lib/ipxe/qemu" "$@"
	SH
}

# Its own libraries, the host's dynamic linker.
qemu_wrapper_native() {
	qemu_wrapper_head
	cat <<-'SH'
		export LD_LIBRARY_PATH="$usr_lib:$lib"
		exec "$qemu" "$@"
	SH
}

# By the dynamic linker of its own release.
qemu_wrapper_foreign() {
	qemu_wrapper_head
	cat <<-'SH'
		export QEMU_MODULE_DIR="$usr_lib/qemu"
		loader=$lib/ld-linux-x86-64.so.2
		[ -e "$loader" ] || loader=$usr_lib/ld-linux-x86-64.so.2
		exec "$loader" --argv0 "$0" --library-path "$usr_lib:$lib" "$qemu" "$@"
	SH
}

qemu_wrap() {
	local suite=$1 root=$2

	if qemu_is_native "$suite"; then
		qemu_wrapper_native >"$root/$qemu_program"
	else
		qemu_wrapper_foreign >"$root/$qemu_program"
	fi
	chmod 755 "$root/$qemu_program"
}

# Asks the QEMU itself for its steering object; before 9.0 it has none to give.
qemu_export_object() {
	local root=$1

	printf '{"execute": "%s"%s}\n' qmp_capabilities '' \
		request-ebpf ', "arguments": {"id": "rss"}' quit '' |
		"$root/$qemu_program" -machine none -nodefaults -display none -qmp stdio |
		sed -n 's/.*"object": "\([^"]*\)".*/\1/p' | base64 -d >"$root/rss.bpf.o"
	[ -s "$root/rss.bpf.o" ] || rm "$root/rss.bpf.o"
}

qemu_get() {
	local version=$1 root=build/qemu/$1 suite

	[ ! -e "$root/version" ] || return 0
	suite=$(qemu_suite "$version")
	qemu_package=qemu-system-x86 qemu_program=qemu-system-x86_64
	[ "$version" != 10.0-arm ] || qemu_package=qemu-system-arm qemu_program=qemu-system-aarch64
	echo "qemu: unpacking QEMU $version of Debian $suite"
	rm -rf "$root"
	mkdir -p "$root"
	qemu_unpack "$suite" "$root"
	qemu_wrap "$suite" "$root"
	qemu_export_object "$root"
	"$root/$qemu_program" --version | head -n 1 >"$root/version.new"
	mv "$root/version.new" "$root/version"
}

[ $# -gt 0 ] || set -- 10.0
for version; do
	qemu_get "$version"
done
