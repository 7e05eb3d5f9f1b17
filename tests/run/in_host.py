#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Runs the shell script of its stdin in an emulated host, and shows what it says.

usage: tests/run/in_host.py HOST <SCRIPT     HOST: one that tests/setup/host.sh has got
"""
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
sys.dont_write_bytecode = True

import emulated_host  # noqa: E402

if len(sys.argv) != 2:
    sys.exit(__doc__)
try:
    status, _ = emulated_host.run(sys.argv[1], sys.stdin.read(), 3600,
                                  lambda line: print(line, flush=True))  # fmt: skip
except emulated_host.HostFailure as failure:
    sys.exit(f"in_host: {failure}")
sys.exit(status)
