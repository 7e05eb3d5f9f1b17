#!/bin/bash
# SPDX-License-Identifier: MIT
#
# make demo: gets the QEMU and the guest, then shows the main job
# (tests/run/demo.py).  It must never leave anything running or installed.
#
# usage: tests/run/demo.sh [BUILD]
set -euo pipefail
cd "$(dirname "$0")/../.."

if [ "$(id -u)" != 0 ]; then
	echo "demo: it makes a tap and namespaces: please run it as root" >&2
	exit 1
fi
tests/setup/qemu.sh 10.0
tests/setup/guest.sh
exec /usr/bin/python3 -B tests/run/demo.py "${1:-build}"
