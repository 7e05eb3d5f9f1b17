#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Makes clean Debians to install packages in:
#
#   build/chroot/SUITE      what debootstrap calls minbase, and lists of what its mirror has
#   build/chroot/archives   packages that were fetched for one, for the next time
#
# usage: tests/setup/chroot.sh [SUITE...]     default: this Debian's
#
# What is there already is left alone; lists a week old are made anew.  Nothing must ever run in
# build/chroot/SUITE itself: tests/lib/chroot.py lays a throw-away copy over it.
set -euo pipefail
cd "$(dirname "$0")/../.."
. tests/setup/private_apt.sh

chroot_dir=build/chroot

chroot_make() {
	local suite=$1 root=$chroot_dir/$1 new=$chroot_dir/$1.new mirror

	[ -z "$(find "$root.made" -mtime -7 2>/dev/null)" ] || return 0
	echo "chroot: making a clean Debian $suite"
	mirror=$(private_apt_mirror)
	rm -rf "$new" "$root" "$root.made"
	mkdir -p "$chroot_dir/archives/$suite/partial"
	debootstrap --variant=minbase --cache-dir="$PWD/$chroot_dir/archives/$suite" \
		"$suite" "$new" "$mirror" >"$chroot_dir/$suite.log" || {
		tail -5 "$chroot_dir/$suite.log" >&2
		return 1
	}
	chroot "$new" apt-get -qq update
	chroot "$new" apt-get clean
	mv "$new" "$root"
	touch "$root.made"
}

[ $# -gt 0 ] || set -- "$(private_apt_host_release)"
mkdir -p $chroot_dir
for suite; do
	chroot_make "$suite"
done
