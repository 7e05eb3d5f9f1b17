#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Turns what `make -n` would run (stdin) into a compile_commands.json (stdout).

The words name files that make does not compile: programs written against the installed librssb.
"""
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


def example(source):
    return {"directory": os.getcwd(), "file": source,
            "arguments": ["clang", "-Iclient/include", "-c", source]}


lines = sys.stdin.read().replace("\\\n", " ").splitlines()
entries = [e for e in map(entry, lines) if e] + [example(word) for word in sys.argv[1:]]
json.dump(entries, sys.stdout, indent=1)
