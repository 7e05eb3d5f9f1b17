# SPDX-License-Identifier: MIT
"""librssb's interface: header, version script, shared and static library say the same."""
import re
import subprocess

import pytest

from paths import ROOT, TESTS

HEADER = ROOT / "client" / "include" / "rssb.h"


def output_of(*command, **kwargs):
    kwargs.update(capture_output=True, text=True, timeout=120, check=False)
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
    text = (ROOT / "client" / "lib" / "librssb.map").read_text()
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


# --- what programs were built against ------------------------------------------------


def abi_check(header, library, record):
    done = subprocess.run(
        [TESTS / "abi" / "check_abi.py", header, library, record],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.stderr == ""
    return done.returncode, done.stdout


def soversion():
    return re.search(r"^SOVERSION := (\d+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)[1]


@pytest.fixture
def library(build):
    return build / f"librssb.so.{soversion()}"


@pytest.fixture
def record():
    return TESTS / "abi" / f"librssb.so.{soversion()}"


def test_abi_is_as_recorded(library, record):
    assert abi_check(HEADER, library, record) == (0, "")


CHANGES = {
    "member moved": ("\tint config;", "\tint before, config;", "was recorded", "rssb_fds.config"),
    "member smaller": ("32_t hash_types;\n\tuint16_t queues;",
                       "16_t hash_types;\n\tuint16_t queues;", "was recorded",
                       "rssb_steering.hash_types at, size 8 4"),
    "struct larger": ("\tuint16_t abi;  /*", "\tuint64_t abi;  /*", "was recorded",
                      "struct rssb_object size 72"),
    "other argument": ("timeout(struct rssb *c, int", "timeout(struct rssb *c, long",
                       "was recorded", "function void rssb_set_timeout"),
    "value changed": ("RSSB_MANAGED = 3", "RSSB_MANAGED = 4", "was recorded", "RSSB_MANAGED 3"),
    "sized struct longer": ("\tconst uint8_t *key;\t/*", "\tint more;\n\tconst uint8_t *key;\t/*",
                            "was recorded", "rssb_steering.key"),
    "enumerator added": ("RSSB_MANAGED = 3,", "RSSB_MANAGED = 3,\n\tRSSB_MORE = 4,",
                         "not recorded", "value RSSB_MORE 4"),
}  # fmt: skip


@pytest.mark.parametrize("old, new, kind, what", CHANGES.values(), ids=CHANGES)
def test_changes_of_the_header_are_seen(library, record, tmp_path, old, new, kind, what):
    text = HEADER.read_text()
    assert text.count(old) == 1
    changed = tmp_path / "rssb.h"
    changed.write_text(text.replace(old, new))
    status, said = abi_check(changed, library, record)
    assert status == 1
    assert any(kind in line and what in line for line in said.splitlines()), said


def test_a_sized_struct_may_grow(library, record, tmp_path):
    """What is new is said, but nothing that was recorded has gone."""
    changed = tmp_path / "rssb.h"
    grown = re.sub(r"(\tconst uint8_t \*key;.*)", r"\1\n\tint more;", HEADER.read_text())
    changed.write_text(grown)
    status, said = abi_check(changed, library, record)
    assert status == 1 and "was recorded" not in said
    assert "member rssb_steering.more" in said


def test_lost_symbols_are_seen(build, record, tmp_path):
    """Of a library that exports one function alone."""
    source, library = tmp_path / "one.c", tmp_path / "librssb.so.0"
    source.write_text("void rssb_close(void);\nvoid rssb_close(void) {}\n")
    output_of("cc", "-shared", "-fPIC", source, "-o", library)
    status, said = abi_check(HEADER, library, record)
    assert status == 1 and "was recorded, and is no more: symbol rssb_connect@@RSSB_0.1" in said
