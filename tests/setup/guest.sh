#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Builds the guest that the tests boot:
#
#   build/guest/vmlinuz   the kernel of Debian's linux-image-cloud-amd64, unpacked, not installed
#   build/guest/initrd    busybox, ethtool, virtio_net, tests/guest/init and tests/guest/agent.c
#
# It must never install anything.  What is up to date already is left alone.  All of
# it is Debian 12's on every host, so that there is one guest: newer virtio_net drivers
# (Linux 6.12's is one) no longer show packets per queue in ethtool -S, and a newer
# ethtool -X does not work with Linux 6.1.
set -euo pipefail
cd "$(dirname "$0")/../.."
. tests/setup/private_apt.sh

guest=build/guest
suite=bookworm
# In the order of their dependencies.
modules='virtio_ring virtio virtio_pci_modern_dev virtio_pci_legacy_dev virtio_pci
failover net_failover virtio_net'
# What ethtool links.
libraries='libmnl.so.0 libm.so.6 libc.so.6'

# Kernel, modules and programs, into build/guest/debian.
guest_unpack() {
	local debs deb

	[ ! -e $guest/vmlinuz ] || return 0
	echo "guest: unpacking a kernel and programs of Debian $suite"
	rm -rf $guest/debian
	mkdir -p $guest/debian
	debs=$(private_apt_fetch_depends $suite linux-image-cloud-amd64 'linux-image-*')
	debs+=" $(private_apt_fetch $suite ethtool busybox-static)"
	for deb in $debs; do
		dpkg -x "$deb" $guest/debian
	done
	cp $guest/debian/boot/vmlinuz-* $guest/vmlinuz.new
	mv $guest/vmlinuz.new $guest/vmlinuz
}

guest_file() {
	find $guest/debian/{bin,sbin,usr,lib,lib64} -name "$1" -print -quit
}

guest_add_programs() {
	local root=$1 library

	install -D "$(guest_file busybox)" "$root/bin/busybox"
	install -D "$(guest_file ethtool)" "$root/bin/ethtool"
	for library in $libraries; do
		install -D "$(guest_file "$library")" "$root/lib/$library"
	done
	install -D "$(guest_file 'ld-linux-x86-64.so.2')" "$root/lib64/ld-linux-x86-64.so.2"
}

guest_add_modules() {
	local root=$1 module

	for module in $modules; do
		install -D "$(guest_file "$module.ko")" "$root/modules/$module.ko"
		echo "$module.ko" >>"$root/modules/order"
	done
}

guest_add_agent() {
	local root=$1

	${CC:-gcc} -std=gnu11 -D_GNU_SOURCE -O2 -Wall -Wextra -Wshadow ${CI:+-Werror} -static \
		tests/guest/agent.c -o "$root/bin/agent"
}

guest_initrd() {
	local root=$guest/root

	# Without an initrd find complains, and that is output too.
	[ -n "$(find tests/guest tests/setup/guest.sh $guest/vmlinuz \
		-newer $guest/initrd 2>&1)" ] || return 0
	echo "guest: building the initramfs"
	rm -rf $root
	mkdir -p $root/dev $root/proc $root/sys $root/tmp
	install tests/guest/init $root/init
	guest_add_programs $root
	guest_add_modules $root
	guest_add_agent $root
	(cd $root && find . | cpio -o -H newc --quiet -R 0:0) >$guest/initrd.new
	mv $guest/initrd.new $guest/initrd
}

guest_unpack
guest_initrd
