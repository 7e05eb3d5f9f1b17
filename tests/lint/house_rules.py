#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The rules of the house that no other lint knows: one line for each breach.

- A source file opens with its SPDX line.
- A C file has at most 400 lines (a test 800: tables), a function at most 60 (40 is the aim).
- In proto/, broker/ and client/ only fd.h closes descriptors.
- A line of C or shell has at most 100 columns, a tab counted as eight.
"""
import re
import subprocess
import sys

FILE_LINES_MAX = 400
TEST_LINES_MAX = 800
FUNCTION_LINES_MAX = 60
COLUMNS_MAX = 100

C = re.compile(r"\.[ch]$")
SOURCE = re.compile(r"(\.(c|h|S|sh|py|map)|^\.ci/run)$")
NARROW = re.compile(r"(\.(c|h|S|sh)|^\.ci/run)$")
OWNERS = re.compile(r"^(proto|broker|client)/")


def functions(lines):
    """(first line, length) of each function: braces in the first column."""
    start = None
    for number, line in enumerate(lines, 1):
        if line == "{":
            start = number
        elif line == "}" and start:
            yield start, number - start + 1
            start = None


def breaches(path, lines):
    if SOURCE.search(path):
        if not any("SPDX-License-Identifier:" in line for line in lines[:3]):
            yield 1, "no SPDX line"
    for number, line in enumerate(lines, 1):
        if NARROW.search(path) and len(line.expandtabs(8)) > COLUMNS_MAX:
            yield number, f"more than {COLUMNS_MAX} columns"
    if not C.search(path):
        return
    most = TEST_LINES_MAX if path.startswith("tests/") else FILE_LINES_MAX
    if len(lines) > most:
        yield len(lines), f"more than {most} lines in a file"
    for number, length in functions(lines):
        if length > FUNCTION_LINES_MAX:
            yield number, f"a function of {length} lines"
    if OWNERS.search(path) and path != "proto/fd.h":
        for number, line in enumerate(lines, 1):
            if re.search(r"(?<![\w.>])close\(", line):
                yield number, "close() belongs in proto/fd.h"


def main():
    bad = 0
    listed = subprocess.run(["git", "ls-files"], capture_output=True, text=True, check=True)
    for path in listed.stdout.splitlines():
        with open(path, encoding="utf-8", errors="replace") as file:
            for number, what in breaches(path, file.read().splitlines()):
                print(f"{path}:{number}: {what}")
                bad += 1
    sys.exit(1 if bad else 0)


main()
