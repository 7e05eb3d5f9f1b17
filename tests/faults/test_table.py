# SPDX-License-Identifier: MIT
"""docs/security.md says which test shows what: each of them exists, and each fault's test is in it."""
import re

from paths import ROOT, TESTS

PAGE = (ROOT / "docs" / "security.md").read_text()
FAULTS = {*range(1, 61)} - {14, 43, 52, 55, 57}


def sources():
    return {path.name: path.read_text() for path in TESTS.rglob("test_*.[cp]*")
            if path.suffix in (".c", ".py")}  # fmt: skip


def numbered():
    """(file, name) of each test that has the number of a fault in its name."""
    pattern = r"^(?:def|static void) ((?:test_)?fault_\w+)\("
    return [(file, name) for file, text in sources().items()
            for name in re.findall(pattern, text, re.M)]  # fmt: skip


def test_every_test_of_the_page_exists():
    files, missing = sources(), []
    named = re.findall(r"`(?:tests/[\w/]+/)?(test_\w+\.(?:py|c))(?:::(\w+))?`", PAGE)
    assert len(named) > 60
    for file, test in named:
        text = files.get(file, "")
        found = re.search(rf"^(def |static void ){test}\(", text, re.M) if test else text
        if not found:
            missing.append(f"{file}::{test}")
    assert not missing


def test_every_test_with_a_number_is_in_the_table():
    tests = {f"{file}::{name}" for file, name in numbered()}
    assert {test for test in tests if f"`{test}`" not in PAGE.replace("tests/bpf/", "")} == set()


def test_every_fault_has_a_test_with_its_number():
    covered = set()
    for _, name in numbered():
        first, kind, last = re.search(r"fault_(\d+)(?:_(to|and)_(\d+))?", name).groups()
        covered |= {int(first), int(last or first)}
        if kind == "to":
            covered |= set(range(int(first), int(last)))
    assert covered >= FAULTS


def test_every_fault_has_a_row():
    table = PAGE.split("\n| fault |")[1].split("\n\n")[0]
    rows = re.findall(r"^\| ([\d, -]+) ?[^|]*\|", table, re.M)
    covered = set()
    for row in rows:
        for part in row.replace(" ", "").strip(",-").split(","):
            first, _, last = part.partition("-")
            covered |= set(range(int(first), int(last or first) + 1))
    assert FAULTS <= covered <= FAULTS | {*range(61, 76)}  # of a later reading
