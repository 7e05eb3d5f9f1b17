#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Gets the kernels of the hosts that the tests boot in a QEMU without KVM
# (tests/lib/emulated_host.py):
#
#   build/hosts/HOST/vmlinuz   Debian's generic kernel, unpacked, not installed
#   build/hosts/HOST/initrd    busybox, tests/hosts/init, and the modules that a host needs
#   build/hosts/HOST/version   the release of the kernel, such as 6.1.0-40-amd64
#
# usage: tests/setup/host.sh [HOST...]     HOST: bullseye, bookworm, trixie, newest, arm64;
#                                  default bookworm
#
# It must never install anything.  What is up to date already is left alone.
set -euo pipefail
cd "$(dirname "$0")/../.."
. tests/setup/private_apt.sh

# In no order: each comes after the modules that it depends on.
modules='virtio_pci virtio_console 9pnet_virtio 9p overlay virtio_net tun tap vhost_net
bridge veth 8021q dummy macvlan macvtap sch_ingress cls_bpf kvm_amd'

# Sets suite and private_apt_arch.
host_choose() {
	private_apt_arch=amd64
	case $1 in
	bullseye | bookworm | trixie) suite=$1 ;;
	newest) suite=sid ;;
	arm64) suite=trixie private_apt_arch=arm64 ;;
	*) echo "host: no such host: $1" >&2 && return 1 ;;
	esac
}

# The kernel and all its modules; the image has them in /lib or, since Debian 13, in /usr/lib.
host_unpack() {
	local root=$1 deb debs image

	rm -rf "$root"
	mkdir -p "$root/debian"
	debs=$(private_apt_fetch_depends "$suite" "linux-image-$private_apt_arch" 'linux-image-*')
	image=${debs##*/}
	image=${image%%_*}
	# Since Linux 7 that package is empty, and depends on two with the files.
	case $(private_apt_depends "$suite" "$image") in
	*linux-binary-*)
		debs=$(private_apt_fetch_depends "$suite" "$image" 'linux-binary-*')
		debs+=" $(private_apt_fetch_depends "$suite" "$image" 'linux-modules-*')"
		;;
	esac
	debs+=" $(private_apt_fetch_alone "$suite" busybox-static)"
	for deb in $debs; do
		dpkg -x "$deb" "$root/debian"
	done
}

# Where a module is; file names have _ or -.
host_module() {
	find "$1/debian" -name "${2//_/[_-]}.ko*" -print -quit
}

# Puts a module into the initramfs, after those that it depends on.
host_add_module() {
	local root=$1 module=$2 file dependency
	local to=$root/initramfs/modules/$module.ko

	[ ! -e "$to" ] || return 0
	file=$(host_module "$root" "$module")
	# One without a file is part of the kernel.
	[ -n "$file" ] || return 0
	case $file in
	*.xz) xz -dc "$file" >"$to" ;;
	*) cp "$file" "$to" ;;
	esac
	for dependency in $(tr '\0' '\n' <"$to" | sed -n 's/^depends=//p' | tr ',-' ' _'); do
		host_add_module "$root" "$dependency"
	done
	echo "$module" >>"$root/initramfs/modules/order"
}

host_make() {
	local root=$1 module

	find "$root/debian" -name 'vmlinu*' -exec cp {} "$root/vmlinuz" ';'
	mkdir -p "$root"/initramfs/{bin,modules,dev,proc,sys,new}
	for module in $modules; do
		host_add_module "$root" "$module"
	done
	find "$root/debian" -name busybox -type f -exec install {} "$root/initramfs/bin" ';'
	find "$root/debian" -path '*/modules/*' -prune -printf '%f\n' -quit >"$root/version.new"
	rm -r "$root/debian"
	echo "$modules" >"$root/modules"
	mv "$root/version.new" "$root/version"
}

# Whether it was unpacked for the modules that are wanted today.
host_is_made() {
	[ -e "$1/version" ] && [ "$(cat "$1/modules" 2>/dev/null)" = "$modules" ]
}

# Made anew whenever the init has changed.
host_initrd() {
	local root=$1

	[ -n "$(find tests/hosts/init tests/setup/host.sh "$root/version" \
		-newer "$root/initrd" 2>&1)" ] || return 0
	install tests/hosts/init "$root/initramfs/init"
	(cd "$root/initramfs" && find . | cpio -o -H newc --quiet -R 0:0) >"$root/initrd.new"
	mv "$root/initrd.new" "$root/initrd"
}

[ $# -gt 0 ] || set -- bookworm
for host; do
	host_choose "$host"
	if ! host_is_made "build/hosts/$host"; then
		echo "host: unpacking the kernel of Debian $suite for $private_apt_arch"
		host_unpack "build/hosts/$host"
		host_make "build/hosts/$host"
	fi
	host_initrd "build/hosts/$host"
done
