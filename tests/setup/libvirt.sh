#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Unpacks what the system's libvirt is configured by, its AppArmor profiles among it:
#
#   build/libvirt/etc    of the package libvirt-daemon-system
#
# It must never install anything, or start a daemon.  What is there already is left alone.
set -euo pipefail
cd "$(dirname "$0")/../.."
. tests/setup/private_apt.sh

[ ! -e build/libvirt/etc ] || exit 0
echo "libvirt: unpacking the configuration of the system's libvirt"
rm -rf build/libvirt
mkdir -p build/libvirt
deb=$(private_apt_fetch_alone "$(private_apt_host_release)" libvirt-daemon-system)
dpkg -x "$deb" build/libvirt/debian
mv build/libvirt/debian/etc build/libvirt/etc
rm -r build/libvirt/debian
