#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Unpacks QEMU's own QMP client, Debian's python3-qemu-qmp, into build/qmp-client;
# Debian 12 does not have it yet, and pure Python runs anywhere.  It must never
# install anything.  What is there already is left alone.
set -euo pipefail
cd "$(dirname "$0")/../.."
. tests/setup/private_apt.sh

root=build/qmp-client

[ ! -e $root/done ] || exit 0
echo "qmp_client: unpacking python3-qemu-qmp of Debian sid"
deb=$(private_apt_fetch_alone sid python3-qemu-qmp)
rm -rf $root
mkdir -p $root
dpkg -x "$deb" $root
touch $root/done
