#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Tests that cannot fail, as far as a program can tell: one line for each.

In Python: a test that asserts nothing and calls nothing; an assertion of a constant; a comparison
of a thing with itself; assertions in nothing but a loop over what the test has found, which may be
nothing.  In C: the same expression on both sides of an assertion.
"""
import ast
import re
import subprocess
import sys
from pathlib import Path

C_ASSERTION = re.compile(r"\bassert_\w*equal\((.*)\);", re.S)


def listed(*patterns):
    command = ["git", "-c", "safe.directory=*", "ls-files", *patterns]
    found = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return [path for path in found.splitlines() if Path(path).is_file()]


def is_constant(node):
    """A literal, or a tuple that is not empty, which is true whatever is in it."""
    return isinstance(node, ast.Constant) or (isinstance(node, ast.Tuple) and bool(node.elts))


def is_with_itself(node):
    if not isinstance(node, ast.Compare):
        return False
    sides = [ast.dump(side) for side in (node.left, *node.comparators)]
    return any(one == other for one, other in zip(sides, sides[1:])) and not any(
        isinstance(part, ast.Call) for part in ast.walk(node)
    )


def may_be_empty(loop):
    """A loop over what a comprehension with a condition has left."""
    over = loop.iter
    return isinstance(over, (ast.ListComp, ast.GeneratorExp)) and any(g.ifs for g in over.generators)


def python(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.Assert):
            if is_constant(node.test):
                yield node.lineno, "asserts what is always true, or never"
            elif is_with_itself(node.test):
                yield node.lineno, "compares a thing with itself"
        elif isinstance(node, ast.For) and may_be_empty(node):
            if any(isinstance(part, ast.Assert) for part in ast.walk(node)):
                yield node.lineno, "asserts for each of what may be none"
        elif isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            if not any(isinstance(p, (ast.Assert, ast.Call, ast.With)) for p in ast.walk(node)):
                yield node.lineno, "asserts nothing"


def arguments(text):
    """Of a call in C, whose parentheses balance."""
    depth, start, found = 0, 0, []
    for at, letter in enumerate(text):
        depth += (letter in "([{") - (letter in ")]}")
        if letter == "," and not depth:
            found.append(text[start:at].strip())
            start = at + 1
    return [*found, text[start:].strip()]


def c_language(text):
    for number, line in enumerate(text.splitlines(), 1):
        if match := C_ASSERTION.search(line):
            words = arguments(match[1])
            if len(words) > 1 and words[0] == words[1]:
                yield number, "compares a thing with itself"


def main():
    bad = []
    for path in listed("tests/*.py"):
        found = python(ast.parse(Path(path).read_text(encoding="utf-8")))
        bad += [f"{path}:{number}: {what}" for number, what in found]
    for path in listed("tests/*.c"):
        found = c_language(Path(path).read_text(encoding="utf-8"))
        bad += [f"{path}:{number}: {what}" for number, what in found]
    print("".join(f"{line}\n" for line in bad), end="")
    sys.exit(bool(bad))


main()
