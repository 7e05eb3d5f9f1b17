#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Unpacks the interfaces of Debian's SELinux policy, which our module is compiled with:
#
#   build/selinux/include    /usr/share/selinux/devel/include of selinux-policy-dev
#
# It must never install anything.  What is there already is left alone.
set -euo pipefail
cd "$(dirname "$0")/../.."
. tests/setup/private_apt.sh

selinux=build/selinux

[ ! -e $selinux/include ] || exit 0
echo "selinux: unpacking the interfaces of Debian's policy"
rm -rf $selinux
mkdir -p $selinux
deb=$(private_apt_fetch_alone "$(private_apt_host_release)" selinux-policy-dev)
dpkg -x "$deb" $selinux/debian
mv $selinux/debian/usr/share/selinux/devel/include $selinux/include
