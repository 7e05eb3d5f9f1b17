#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Unpacks Debian's SELinux policy of this release:
#
#   build/selinux/include    the interfaces of selinux-policy-dev, which our module is compiled with
#   build/selinux/host       with the word "host": what a host that enforces the policy has besides,
#                            the policy with our module, and what loads it and labels files
#
# usage: tests/setup/selinux.sh [host]
#
# It must never install anything, or load a policy.  What is there already is left alone.
set -euo pipefail
cd "$(dirname "$0")/../.."
. tests/setup/private_apt.sh

selinux=$PWD/build/selinux

interfaces() {
	local deb

	echo "selinux: unpacking the interfaces of Debian's policy"
	rm -rf "$selinux/debian" "$selinux/include"
	mkdir -p "$selinux"
	deb=$(private_apt_fetch_alone "$(private_apt_host_release)" selinux-policy-dev)
	dpkg -x "$deb" "$selinux/debian"
	mv "$selinux/debian/usr/share/selinux/devel/include" "$selinux/include"
}

# How libsemanage finds the programs that are not installed.
semanage_conf() {
	cat /etc/selinux/semanage.conf
	cat <<-CONF
		compiler-directory = $1/usr/libexec/selinux/hll
		[setfiles]
		path = $1/usr/sbin/setfiles
		args = -q -c \$@ \$<
		[end]
		[sefcontext_compile]
		path = $1/usr/sbin/sefcontext_compile
		args = -r \$@
		[end]
	CONF
}

# semodule on the store here, which loads nothing; says what it said only if it failed.
store_semodule() {
	local root=$1

	shift
	"$root/usr/sbin/semodule" -p "$root" -n -s default "$@" >"$selinux/log" 2>&1 || {
		cat "$selinux/log" >&2
		return 1
	}
}

# Debian's modules, as its package installs them when it is configured.
store() {
	local root=$selinux/store.new package deb name
	local -a words=() disabled

	echo "selinux: building Debian's policy"
	rm -rf "$root"
	for package in selinux-policy-default policycoreutils selinux-utils; do
		deb=$(private_apt_fetch_alone "$(private_apt_host_release)" "$package")
		dpkg -x "$deb" "$root"
		[ "$package" != selinux-policy-default ] ||
			dpkg-deb -I "$deb" postinst >"$root/postinst"
	done
	mv "$root"/sbin/* "$root/usr/sbin"
	for name in "$root"/usr/share/selinux/default/*.pp.bz2; do
		words+=(-i "$name")
	done
	read -ra disabled < <(sed -n 's/^notdefault="\(.*\)"/\1/p' "$root/postinst")
	for name in "${disabled[@]}"; do
		words+=(-d "$name")
	done
	semanage_conf "$root" >"$root/etc/selinux/semanage.conf"
	mkdir -p "$root/var/lib/selinux/default"
	store_semodule "$root" -X 100 "${words[@]}"
	semanage_conf "$selinux/store" >"$root/etc/selinux/semanage.conf"
	mv "$root" "$selinux/store"
}

# Our module, and the one with the tests' clients, compiled as docs/deploy.md says, and installed.
host() {
	local root=$selinux/host.new work=$selinux/modules

	echo "selinux: adding our module to Debian's policy"
	rm -rf "$root" "$work"
	mkdir -p "$root/usr/sbin" "$work"
	cp broker/selinux/rss_broker.* tests/hosts/selinux_clients.te "$work"
	make -C "$work" -f "$selinux/include/Makefile" HEADERDIR="$selinux/include" NAME=default \
		TYPE=mcs AWK=awk rss_broker.pp selinux_clients.pp >"$selinux/log" 2>&1 || {
		cat "$selinux/log" >&2
		return 1
	}
	store_semodule "$selinux/store" -i "$work/rss_broker.pp" -i "$work/selinux_clients.pp"
	cp -a "$selinux/store/etc" "$root"
	cp "$selinux"/store/usr/sbin/{load_policy,restorecon,setfiles,setsebool} "$root/usr/sbin"
	printf 'SELINUX=permissive\nSELINUXTYPE=default\n' >"$root/etc/selinux/config"
	rm -rf "$selinux/host"
	mv "$root" "$selinux/host"
}

[ -e "$selinux/include" ] || interfaces
[ "${1:-}" = host ] || exit 0
[ -e "$selinux/store" ] || store
[ -z "$(find broker/selinux tests/hosts/selinux_clients.te tests/setup/selinux.sh \
	-newer "$selinux/host" 2>&1)" ] || host
