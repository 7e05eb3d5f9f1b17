#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Turns what `make -n` would run (stdin) into a compile_commands.json (stdout)."""
import json
import os
import re
import shlex
import sys


def entry(line):
    """The compilation of one C file for this machine, or None."""
    sources = re.findall(r"(?<!\S)\S+\.c(?!\S)", line)
    if len(sources) != 1 or "-target bpf" in line or " -o " not in line:
        return None
    arguments = [word for word in shlex.split(line) if not word.endswith((".a", ".o"))]
    return {"directory": os.getcwd(), "file": sources[0], "arguments": arguments}


lines = sys.stdin.read().replace("\\\n", " ").splitlines()
json.dump([e for e in map(entry, lines) if e], sys.stdout, indent=1)
