#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The rules of the house that no other lint knows: one line for each breach.

- A source file opens with its SPDX line.
- A C file has at most 400 lines (a test 800: tables), a function at most 60 (40 is the aim).
- In proto/, broker/ and client/ only fd.h closes descriptors.
- A line of C or shell has at most 100 columns, a tab counted as eight; a line of Markdown too, but
  for tables and for what is shown as it is typed or printed.
- No file is empty, a log, a core, what a compiler made, or above 1 MiB: in git, or beside what is
  in git and not ignored, where a run has left it.
"""
import os
import re
import subprocess
import sys

FILE_LINES_MAX = 400
TEST_LINES_MAX = 800
FUNCTION_LINES_MAX = 60
COLUMNS_MAX = 100
FILE_BYTES_MAX = 1 << 20

C = re.compile(r"\.[ch]$")
SOURCE = re.compile(r"(\.(c|h|S|sh|py|map)|^\.ci/run)$")
NARROW = re.compile(r"(\.(c|h|S|sh)|^\.ci/run)$")
OWNERS = re.compile(r"^(proto|broker|client)/")
LEFT_BEHIND = re.compile(r"(\.(log|o|a|so|pyc|orig|rej)|~|(^|/)(vg)?core(\.\d+)?)$")


def functions(lines):
    """(first line, length) of each function: braces in the first column."""
    start = None
    for number, line in enumerate(lines, 1):
        if line == "{":
            start = number
        elif line == "}" and start:
            yield start, number - start + 1
            start = None


def prose(lines):
    """(number, line) of what may be wrapped: no table, no block of code."""
    fenced = False
    for number, line in enumerate(lines, 1):
        fenced ^= line.lstrip().startswith("```")
        if not fenced and not line.startswith(("|", "    ")):
            yield number, line


def wide(path, lines):
    """The numbers of the lines that should be wrapped."""
    looked_at = []
    if NARROW.search(path):
        looked_at = enumerate(lines, 1)
    elif path.endswith(".md"):
        looked_at = prose(lines)
    return [number for number, line in looked_at if len(line.expandtabs(8)) > COLUMNS_MAX]


def breaches(path, lines):
    if SOURCE.search(path):
        if not any("SPDX-License-Identifier:" in line for line in lines[:3]):
            yield 1, "no SPDX line"
    for number in wide(path, lines):
        yield number, f"more than {COLUMNS_MAX} columns"
    if not C.search(path):
        return
    most = TEST_LINES_MAX if path.startswith("tests/") else FILE_LINES_MAX
    if len(lines) > most:
        yield len(lines), f"more than {most} lines in a file"
    for number, length in functions(lines):
        if length > FUNCTION_LINES_MAX:
            yield number, f"a function of {length} lines"
    if OWNERS.search(path) and path != "proto/util/fd.h":
        for number, line in enumerate(lines, 1):
            if re.search(r"(?<![\w.>])close\(", line):
                yield number, "close() belongs in proto/util/fd.h"


def refusal(path):
    """Why there must be no such file; None: there may be."""
    size = os.path.getsize(path)
    if size == 0:
        return "an empty file"
    if LEFT_BEHIND.search(path):
        return "what a program has left behind"
    return f"more than {FILE_BYTES_MAX} bytes" if size > FILE_BYTES_MAX else None


def listed(*options):
    # Whoever owns the tree: nothing of it is executed.
    command = ["git", "-c", "safe.directory=*", "ls-files", *options]
    found = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return [path for path in found.splitlines() if os.path.isfile(path)]


def main():
    bad = []
    tracked = listed()
    for path in tracked + listed("--others", "--exclude-standard"):
        if what := refusal(path):
            bad.append(f"{path}: {what}")
    for path in tracked:
        with open(path, encoding="utf-8", errors="replace") as file:
            lines = file.read().splitlines()
        bad += [f"{path}:{number}: {what}" for number, what in breaches(path, lines)]
    print("".join(f"{line}\n" for line in bad), end="")
    sys.exit(1 if bad else 0)


main()
