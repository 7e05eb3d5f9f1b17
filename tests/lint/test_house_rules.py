# SPDX-License-Identifier: MIT
"""The house rules: each is seen when it is broken.  Of this tree make lint says whether it breaks one."""
import subprocess

import pytest
from paths import TESTS

RULES = TESTS / "lint" / "house_rules.py"
SPDX = "/* SPDX-License-Identifier: MIT */\n"


WIDE = "x" * 101
WIDE_TEXT = f"| {WIDE} |\n\n    {WIDE}\n```\n{WIDE}\n```\n{WIDE}\n"


def judged(directory):
    """(exit status, what it says) of the files in a repository."""
    done = subprocess.run([RULES], cwd=directory, stdout=subprocess.PIPE, text=True, check=False)
    return done.returncode, done.stdout


@pytest.fixture
def repository(tmp_path):
    """A function that adds a file to a repository; without known, git has not been told of it."""
    subprocess.run(["git", "init", "-q", tmp_path], check=True)

    def add(name, text, known=True):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        if known:
            subprocess.run(["git", "add", "-f", path], cwd=tmp_path, check=True)
        return tmp_path

    return add


@pytest.mark.parametrize(
    "name, text, why",
    [
        ("broker/a.c", "int a;\n", "1: no SPDX line"),
        ("broker/a.c", SPDX + "int a;\n" * 400, "401: more than 400 lines in a file"),
        ("tests/a.c", SPDX + "int a;\n" * 800, "801: more than 800 lines in a file"),
        ("a.c", SPDX + "{\n" + "x;\n" * 59 + "}\n", "2: a function of 61 lines"),
        ("client/a.c", SPDX + "\tclose(fd);\n", "2: close() belongs in proto/util/fd.h"),
        ("a.sh", "# SPDX-License-Identifier: MIT\n" + "x" * 101, "2: more than 100 columns"),
        ("a.c", SPDX + "\t" * 12 + "12345\n", "2: more than 100 columns"),
        ("a.md", WIDE_TEXT, "7: more than 100 columns"),
    ],
)
def test_rules_of_a_line(repository, name, text, why):
    assert judged(repository(name, text)) == (1, f"{name}:{why}\n")


@pytest.mark.parametrize("known", [True, False], ids=["in git", "not in git"])
@pytest.mark.parametrize(
    "name, size, why",
    [
        ("empty.txt", 0, "an empty file"),
        ("docs/run.log", 1, "what a program has left behind"),
        ("core.123", 1, "what a program has left behind"),
        ("broker/main.o", 1, "what a program has left behind"),
        ("big.bin", (1 << 20) + 1, "more than 1048576 bytes"),
    ],
)
def test_rules_of_a_file(repository, name, size, why, known):
    assert judged(repository(name, "x" * size, known)) == (1, f"{name}: {why}\n")


def test_what_is_ignored_is_no_business_of_ours(repository):
    repository("build/empty", "", known=False)
    assert judged(repository(".gitignore", "/build/\n")) == (0, "")
