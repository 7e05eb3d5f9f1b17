# SPDX-License-Identifier: MIT
"""librssb's interface: header, version script, shared and static library say the same."""
import re
import subprocess

import pytest

from world import ROOT

HEADER = ROOT / "client" / "rssb.h"


def output_of(*command, **kwargs):
    kwargs.update(capture_output=True, text=True, timeout=60, check=False)
    done = subprocess.run(command, **kwargs)
    assert done.returncode == 0, f"{command}:\n{done.stdout}{done.stderr}"
    return done.stdout


def declared():
    """The functions of the header; comments name some of them, too."""
    text = re.sub(r"/\*.*?\*/", "", HEADER.read_text(), flags=re.DOTALL)
    return set(re.findall(r"\b(rssb_\w+)\(", text))


def exported(library, *options):
    lines = output_of("nm", "--defined-only", *options, library).splitlines()
    words = [line.split() for line in lines]
    return {line[2] for line in words if len(line) == 3 and line[1] != "A"}


def test_version_script(build):
    text = (ROOT / "client" / "librssb.map").read_text()
    assert set(re.findall(r"^\t(rssb_\w+);$", text, re.MULTILINE)) == declared()


def test_shared_library(build):
    symbols = exported(build / "librssb.so", "-D")
    assert {symbol.split("@@")[0] for symbol in symbols} == declared()


def test_static_library(build):
    """No internal name in it clashes with one of the program that links it."""
    assert exported(build / "librssb.a", "-g") == declared()


@pytest.mark.parametrize("compiler", [["cc", "-std=c99"], ["c++", "-x", "c++", "-std=c++11"]])
def test_header_stands_alone(compiler):
    warnings = ["-Wall", "-Wextra", "-Werror", "-pedantic", "-Wno-pragma-once-outside-header"]
    output_of(*compiler, *warnings, "-fsyntax-only", HEADER)


def test_every_function_is_documented():
    """A comment ends right above each declaration, or above the one before it."""
    lines = HEADER.read_text().splitlines()
    for name in declared():
        at = next(i for i, line in enumerate(lines) if re.match(rf"[a-z].*\b{name}\(", line))
        assert lines[at - 1].endswith("*/"), name
