#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Makes the root of the arm64 host, build/hosts/arm64.root: Debian 12's programs for arm64, unpacked
# and not configured, and in /tree this source tree, built for arm64 by a cross compiler.
#
# usage: tests/setup/arm64_root.sh
#
# tests/setup/qemu.sh 10.0-arm must have run, for QEMU's object.  The programs are unpacked once;
# the tree is copied and built each time.  It must never run a program of arm64, nor change a file
# of this machine.
set -euo pipefail
cd "$(dirname "$0")/../.."
. tests/setup/private_apt.sh

root=$PWD/build/hosts/arm64.root
programs='bash coreutils findutils grep sed procps util-linux mount iproute2 ethtool bpftool
python3-pytest'
libraries='libc6-dev libbpf-dev libelf-dev zlib1g-dev libcap-ng-dev libmd-dev
libjson-c-dev libcmocka-dev'

# /bin, /sbin and /lib are links, as on every Debian of today.
arm64_unpack() {
	local directory deb debs

	[ ! -e "$root/unpacked" ] || return 0
	echo "arm64_root: unpacking programs of Debian bookworm for arm64"
	rm -rf "$root"
	for directory in bin sbin lib; do
		mkdir -p "$root/usr/$directory"
		ln -s usr/$directory "$root/$directory"
	done
	private_apt_arch=arm64
	# shellcheck disable=SC2086 # lists of words
	debs=$(private_apt_fetch bookworm $programs $libraries)
	for deb in $debs; do
		dpkg --fsys-tarfile "$deb" | tar -x -C "$root" --keep-directory-symlink \
			--exclude='./usr/share/[dlm][ao]*'
	done
	# A maintainer's script would have made it.
	ln -sf bash "$root/bin/sh"
	mkdir -p "$root"/{dev,proc,sys,run,tmp}
	printf '%s\n' root:x:0:0::/root:/bin/bash nobody:x:65534:65534::/:/bin/false \
		>"$root/etc/passwd"
	printf 'root:x:0:\nnogroup:x:65534:\n' >"$root/etc/group"
	touch "$root/unpacked"
}

# All files but what git does not know; build/ there stays from one time to the next.
arm64_build() {
	mkdir -p "$root/tree"
	tar -c --exclude=./build --exclude=./.git --exclude=__pycache__ . | tar -x -C "$root/tree"
	PKG_CONFIG_SYSROOT_DIR=$root PKG_CONFIG_LIBDIR=$root/usr/lib/aarch64-linux-gnu/pkgconfig \
		make -s -C "$root/tree" "CC=aarch64-linux-gnu-gcc --sysroot=$root" \
		AR=aarch64-linux-gnu-ar OBJCOPY=aarch64-linux-gnu-objcopy \
		"CLANG=clang -idirafter $root/usr/include/aarch64-linux-gnu" \
		all \
		build/tests/bpf/test_{differential,tap,vectors} \
		build/tests/bench/{floor,load,request,steering,steps}
	install -D -m 644 build/qemu/10.0-arm/rss.bpf.o "$root/tree/build/qemu/10.0/rss.bpf.o"
}

arm64_unpack
arm64_build
