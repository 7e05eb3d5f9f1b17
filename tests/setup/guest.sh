#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Builds the guest that the tests boot:
#
#   build/guest/vmlinuz   the kernel of Debian's linux-image-cloud-amd64, unpacked, not installed
#   build/guest/initrd    busybox, ethtool, virtio_net, tests/guest/init and tests/guest/agent.c
#
# It must never install a kernel.  What is up to date already is left alone.
# The kernel is Debian 12's on every host: one guest everywhere, and newer virtio_net
# drivers (6.12 is one) no longer show packets per queue in ethtool -S.
set -euo pipefail
cd "$(dirname "$0")/../.."
. tests/setup/private_apt.sh

guest=build/guest
suite=bookworm
# In the order of their dependencies; what a kernel has built in is passed over.
modules='virtio_ring virtio virtio_pci_modern_dev virtio_pci_legacy_dev virtio_pci
failover net_failover af_packet virtio_net'

# Kernel and modules, into build/guest/kernel.
guest_kernel() {
	local deb

	[ ! -e $guest/vmlinuz ] || return 0
	echo "guest: unpacking the cloud kernel of Debian $suite"
	rm -rf $guest/kernel
	mkdir -p $guest/kernel
	deb=$(private_apt_fetch_depends "$suite" linux-image-cloud-amd64 'linux-image-*')
	dpkg -x "$deb" $guest/kernel
	cp $guest/kernel/boot/vmlinuz-* $guest/vmlinuz.new
	mv $guest/vmlinuz.new $guest/vmlinuz
}

guest_add_modules() {
	local root=$1 module file

	mkdir -p "$root/modules"
	: >"$root/modules/order"
	for module in $modules; do
		file=$(find $guest/kernel -name "$module.ko*" -print -quit)
		case $file in
		'') continue ;; # built in
		*.xz) xz -dc "$file" >"$root/modules/$module.ko" ;;
		*.zst) zstd -qdc "$file" >"$root/modules/$module.ko" ;;
		*) cp "$file" "$root/modules/$module.ko" ;;
		esac
		echo "$module.ko" >>"$root/modules/order"
	done
}

# A program with the shared libraries that it names.
guest_add_program() {
	local root=$1 program=$2 library

	install -D "$program" "$root/bin/$(basename "$program")"
	ldd "$program" | grep -o '/[^ ]*' | while read -r library; do
		install -D "$library" "$root$library"
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
	mkdir -p $root/bin $root/dev $root/proc $root/sys $root/tmp
	install -D "$(command -v busybox)" $root/bin/busybox
	install tests/guest/init $root/init
	guest_add_program $root "$(PATH=$PATH:/usr/sbin:/sbin command -v ethtool)"
	guest_add_modules $root
	guest_add_agent $root
	(cd $root && find . | cpio -o -H newc --quiet -R 0:0) >$guest/initrd.new
	mv $guest/initrd.new $guest/initrd
}

guest_kernel
guest_initrd
