# SPDX-License-Identifier: MIT
"""Tests that cannot fail are found, and those that can are left alone."""
import subprocess

import pytest
from paths import TESTS

LINT = TESTS / "lint" / "vain_tests.py"


def found(tmp_path, name, text):
    path = tmp_path / "tests" / name
    path.parent.mkdir()
    path.write_text(text)
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    subprocess.run(["git", "add", "-f", path], cwd=tmp_path, check=True)
    done = subprocess.run([LINT], cwd=tmp_path, stdout=subprocess.PIPE, text=True, check=False)
    assert done.returncode == bool(done.stdout)
    return done.stdout


@pytest.mark.parametrize(
    "name, text, why",
    [
        ("a.py", "assert True\n", "1: asserts what is always true, or never"),
        ("a.py", 'assert (x == 1, "why")\n', "1: asserts what is always true, or never"),
        ("a.py", "assert a.b == a.b\n", "1: compares a thing with itself"),
        ("a.py", "for x in [y for y in z if y]:\n    assert x > 1\n",
         "1: asserts for each of what may be none"),
        ("a.py", "def test_x():\n    a = 1\n", "1: asserts nothing"),
        ("a.c", "\n\tassert_int_equal(f(a, b), f(a, b));\n", "2: compares a thing with itself"),
    ],
)  # fmt: skip
def test_what_cannot_fail(tmp_path, name, text, why):
    assert found(tmp_path, name, text) == f"tests/{name}:{why}\n"


@pytest.mark.parametrize(
    "name, text",
    [
        ("a.py", "assert f() == f()\n"),
        ("a.py", "assert not a and a.b == a.c\n"),
        ("a.py", "for x in [1, 2]:\n    assert x\n"),
        ("a.py", "def test_x():\n    f()\n"),
        ("a.c", "\tassert_int_equal(f(a, b), f(b, a));\n"),
    ],
)
def test_what_can(tmp_path, name, text):
    assert found(tmp_path, name, text) == ""
