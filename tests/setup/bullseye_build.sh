#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Builds what the host bullseye runs into build/hosts/bullseye.build: this tree, with a program in
# place of rss that Linux 5.10 takes (tests/bpf/objects/rss-without-functions.bpf.c).
#
# usage: tests/setup/bullseye_build.sh
#
# It must never build anything that is installed.
set -euo pipefail
cd "$(dirname "$0")/../.."

b=build/hosts/bullseye.build
program=$b/tests/bpf/objects/rss-without-functions.bpf.o
make -s "B=$b" "$b/bpf/rss.bpf.o" "$program"
# Made last, it is newer than what it would be made of.
cmp -s "$program" "$b/bpf/rss.bpf.o" || cp "$program" "$b/bpf/rss.bpf.o"
make -s "B=$b" all
