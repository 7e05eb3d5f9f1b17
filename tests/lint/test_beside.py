# SPDX-License-Identifier: MIT
"""A second pytest beside the first: all its results, in their places, and none that it did not give."""
import os
import signal
import subprocess
import sys

import pytest

from paths import TESTS

CONFTEST = """
import beside

def pytest_configure(config):
    beside.configure(config)
"""
# It ends only if the other runs meanwhile.
NEAR = """
from pathlib import Path
from waiting import wait_for

def test_near():
    wait_for(Path("started").exists, "the other pytest", 400)
"""
FAR = """
import os, warnings
import pytest

@pytest.fixture(scope="module")
def started():
    open("started", "w").close()
    yield
    open("ended", "w").close()

def test_passes(started):
    assert os.nice(0) > 0
    warnings.warn("once more")

def test_fails():
    print("RSSB_SEED=1")
    assert "this" == "that"

@pytest.mark.skip(reason="not here")
def test_skips():
    pass
"""
DIES = f"""
def test_dies():
    os.kill(os.getpid(), {signal.SIGKILL:d})

def test_is_never_reached():
    pass
"""


@pytest.fixture
def run(tmp_path):
    """Writes the two files, runs pytest there, and returns its exit status and what it printed."""
    for name, text in {"pytest.ini": "[pytest]\n", "conftest.py": CONFTEST, "near/test_near.py": NEAR}.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    (tmp_path / "far").mkdir()

    def run(far, *words):
        (tmp_path / "far/test_far.py").write_text(far)
        done = subprocess.run(
            [sys.executable, "-B", "-m", "pytest", "-ra", "-p", "no:cacheprovider", *words, "near", "far"],
            cwd=tmp_path, env={**os.environ, "RSSB_BESIDE": "far", "PYTHONPATH": str(TESTS / "lib")},
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=900,
            check=False,
        )  # fmt: skip
        return done.returncode, done.stdout

    return run


def test_each_result_is_there(run, tmp_path):
    status, said = run(FAR)
    assert status == 1
    assert "1 failed, 2 passed, 1 skipped, 1 warning in " in said
    for part in ("far/test_far.py .Fs ", "AssertionError: assert 'this' == 'that'", "RSSB_SEED=1", ": not here",
                 "UserWarning: once more"):  # fmt: skip
        assert part in said, said
    assert (tmp_path / "ended").exists()


def test_what_has_no_result_has_failed(run):
    status, said = run(FAR + DIES)
    assert status == 1
    assert "3 failed, 2 passed, 1 skipped, 1 warning in " in said
    assert "FAILED far/test_far.py::test_dies" in said and "FAILED far/test_far.py::test_is_never_reached" in said
    assert "ended, and has no result: -9" in said


def test_it_ends_with_the_first(run, tmp_path):
    status, said = run(FAR + "\ndef test_long():\n    import time\n    time.sleep(3600)\n", "-x")
    assert status == 1
    assert "1 failed, 2 passed" in said
    assert (tmp_path / "ended").exists()  # its fixtures, too
