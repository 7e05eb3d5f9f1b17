# SPDX-License-Identifier: MIT
"""Test programs that speak TAP, as pytest items.

A program is run once, when the first of its items is.  Its items are the cmocka
tests that its source names, and "program": that it ended well and kept its plan.
It must never pass an item for which there is no "ok" line.
"""
import functools
import os
import re
import subprocess
from pathlib import Path

import pytest
from paths import TESTS

TIMEOUT_S = 500

CMOCKA_TEST = re.compile(r"\bcmocka_unit_test(?:_\w+)?\(\s*(\w+)")
PLAN = re.compile(r"^1\.\.(\d+)\s*$")
RESULT = re.compile(r"^(ok|not ok)\b\s*\d*\s*(?:- )?(.*?)\s*$")
SKIP = re.compile(r"^# SKIP\b[: ]*(.*)$|^(.*?)\s+# SKIP\b.*$", re.IGNORECASE)


class Failure(Exception):
    """Shown as it is, without a traceback."""


class Run:
    """What one run of a program said."""

    def __init__(self, program):
        self.status = None
        self.output = ""
        self.planned = 0
        self.results = []  # (name, "ok" | "not ok" | "skip", the lines that explain it)
        try:
            self._execute(program)
        except FileNotFoundError:
            self.output = f"{program} is not built"
        except subprocess.TimeoutExpired as expired:
            self.output = (expired.output or b"").decode(errors="replace")
            self.output += f"\nstopped after {TIMEOUT_S} s"
        self._parse()

    def _execute(self, program):
        done = subprocess.run(
            [program],
            env={**os.environ, "CMOCKA_MESSAGE_OUTPUT": "TAP"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=TIMEOUT_S,
            check=False,
        )
        self.status = done.returncode
        self.output = done.stdout.decode(errors="replace")

    def _parse(self):
        """cmocka's explanations follow the result as lines that start with #."""
        for line in self.output.splitlines():
            if plan := PLAN.match(line):
                self.planned += int(plan[1])
            elif result := RESULT.match(line):
                name, outcome = result[2], result[1]
                if skip := SKIP.match(name):
                    name, outcome = skip[1] or skip[2], "skip"
                self.results.append((name, outcome, []))
            elif self.results and line.startswith("#"):
                self.results[-1][2].append(line)

    def of(self, name):
        return [result for result in self.results if result[0] == name]


@functools.lru_cache(maxsize=None)
def run_once(program):
    return Run(program)


class ProgramFile(pytest.File):
    """tests/unit/test_x.c stands for $RSSB_BUILD/tests/unit/test_x."""

    def collect(self):
        inside = self.path.relative_to(TESTS)
        program = Path(os.environ["RSSB_BUILD"], "tests", inside).with_suffix("")
        for name in dict.fromkeys(CMOCKA_TEST.findall(self.path.read_text())):
            yield CmockaItem.from_parent(self, name=name, program=program)
        yield ProgramItem.from_parent(self, name="program", program=program)


class Item(pytest.Item):
    def __init__(self, *, program, **kwargs):
        super().__init__(**kwargs)
        self.program = program

    def repr_failure(self, excinfo):
        if excinfo.errisinstance(Failure):
            return str(excinfo.value)
        return super().repr_failure(excinfo)

    def reportinfo(self):
        return self.path, None, f"{self.path.stem}: {self.name}"


class CmockaItem(Item):
    """One cmocka test."""

    def runtest(self):
        run = run_once(self.program)
        found = run.of(self.name)
        if not found:
            raise Failure(f"no result; exit status {run.status}\n{run.output[-4000:]}")
        for _, outcome, why in found:
            if outcome == "not ok":
                raise Failure("\n".join(why) or "failed without a word")
        if all(outcome == "skip" for _, outcome, _ in found):
            pytest.skip("the program skipped it")


class ProgramItem(Item):
    """The program as a whole: its plan, its exit status, results of no named test."""

    def runtest(self):
        run = run_once(self.program)
        named = {item.name for item in self.session.items if item.parent == self.parent}
        failed = [name for name, outcome, _ in run.results if outcome == "not ok"]
        unnamed = [name for name in failed if name not in named]
        # cmocka exits with the number of tests that failed: those speak for themselves.
        if run.status == len(failed) and not unnamed and 0 < run.planned == len(run.results):
            return
        raise Failure(
            f"exit status {run.status}; {run.planned} results planned, {len(run.results)} given; "
            f"not ok: {', '.join(failed) or 'none'}\n{run.output[-4000:]}"
        )
