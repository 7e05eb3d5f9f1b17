#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Unpacks promtool, which judges metrics as Prometheus does, from Debian's own
# prometheus into build/promtool.  It must never install anything: the package
# would start a server.  What is there already is left alone.
set -euo pipefail
cd "$(dirname "$0")/../.."
. tests/setup/private_apt.sh

root=build/promtool

[ ! -e $root/done ] || exit 0
release=$(private_apt_host_release)
package=promtool
[ "$release" != bookworm ] || package=prometheus # it had no package of its own
echo "promtool: unpacking $package of Debian $release"
deb=$(private_apt_fetch_alone "$release" $package)
rm -rf $root
mkdir -p $root
dpkg -x "$deb" $root
touch $root/done
