# SPDX-License-Identifier: MIT
"""Some breaks of single rules, at random, are noticed; make mutants makes all of them."""
import os

import pytest
import run as mutants

N = 10


def is_near(row):
    """Seen by a test program, soon and on every machine; and not where its file has moved on."""
    quick = row.test.startswith("tests/unit/") and row.file.startswith(("proto/", "client/lib/"))
    return quick and not row.why and row.mutated() is not None


@pytest.fixture
def made_here(build):
    if build.name != "build" or "RSSB_TIME_FACTOR" in os.environ:
        pytest.skip("the ordinary build is tested, where it was made")


@pytest.mark.limit(1800)  # each is built; one that hangs ends after LIMIT_S
def test_breaks_are_noticed(made_here, rng):
    near = [row for row in mutants.rows() if is_near(row)]
    chosen = rng.sample(near, N)
    became = {str(row): what for row, (what, _) in mutants.judged(chosen, os.cpu_count())}
    if "cannot be tried" in became.values():
        pytest.skip("there is no overlay file system here")
    assert {row: what for row, what in became.items() if not what.startswith("caught")} == {}


ROW = """
# why
a/b.c: a rule
- one
- \ttwo
+ three
= tests/unit/test_x.c
! nobody can see
"""


def test_a_row_is_read():
    (row,) = mutants.parse(ROW)
    assert (row.file, row.rule, row.old) == ("a/b.c", "a rule", ["one", "\ttwo"])
    assert (row.new, row.test, row.why) == (["three"], "tests/unit/test_x.c", "nobody can see")


def test_a_break_that_changes_nothing_survives(made_here, monkeypatch):
    row = mutants.Row("proto/codec.c", "nothing", ["/* One row an operation:"],
                      ["/* A row for each operation:"],
                      "tests/unit/test_codec.c")  # fmt: skip
    if mutants.judge(row)[0] == "cannot be tried":
        pytest.skip("there is no overlay file system here")
    assert mutants.judge(row)[0] == "survives"
    monkeypatch.setattr(mutants, "LIMIT_S", 0)
    assert mutants.judge(row)[0] == "caught by the time limit"
    row.old = ["what is not there"]
    assert mutants.judge(row)[0] == "not there"
